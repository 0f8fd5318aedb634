-- A client polls a server each second, keepalive 10/10/3, Linux limits: what ends it, and when, if the server goes?
-- Never keepalive: a request is always in flight. Dead for good: the retransmission limit, 939 s. Rebooted: the first
-- retransmission after it is back, on the back-off grid. Only the process died: its FIN, at once.

local function poll(title, options, act, judge)
    part(title, function()
        local client = host("client", { profile = "linux" })
        local server = host("server", { profile = "linux" })
        link(client, server, { delay = "100us" })
        local function serve()
            server:listen(7000, {
                on_accept = function(s)
                    s:on("readable", function() s:write(40) end)
                    act(server, s)
                end,
            })
        end
        serve()
        options.keepalive = { idle = "10s", interval = "10s", count = 3 }
        local c = client:connect(server, 7000, options)
        every("1s", function() c:write(20) end)
        judge(c, client)
    end)
end

poll("The server's machine goes for good at 5.5 s", {},
    function(server) at("5500ms", function() server:crash() end) end,
    function(c, client)
        expect(c):ends { cause = "PEER_SILENT", by = "RETRANSMIT_LIMIT", between = { "900s", "980s" } }
        expect_packets { from = client, cause = "SENT_KEEPALIVE", count = 0 }
    end)

poll("The same, with detect_within = 10 s", { detect_within = "10s" },
    function(server) at("5500ms", function() server:crash() end) end,
    function(c) expect(c):ends { cause = "PEER_SILENT", by = "DETECT_WITHIN", at = "10s", of = "last_heard" } end)

poll("It is back after 5 s", {},
    function(server) at("5500ms", function() server:reboot { down = "5s" } end) end,
    function(c) expect(c):ends { cause = "PEER_RESET", by = "RST", between = { "10500ms", "13s" } } end)

poll("It is back after 60 s", {},
    function(server) at("5500ms", function() server:reboot { down = "60s" } end) end,
    function(c) expect(c):ends { cause = "PEER_RESET", by = "RST", between = { "100s", "116s" } } end)

poll("Only the server's process ends: its FIN comes at once", {},
    function(_, s) at("5500ms", function() s:close() end) end,
    function(c)
        local eof_ns
        c:on("peer_closed", function()
            eof_ns = now()
            c:close()
        end)
        c:on("end", function() check(eof_ns < 5600000000, "end of stream read " .. words(eof_ns) .. " after the start") end)
        expect(c):ends { cause = "CLOSED", by = "FIN", time_wait = "peer" }
    end)
