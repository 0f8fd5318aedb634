-- A server writes 100 bytes each 30 seconds, keepalive 5/5/2. When the cable is cut, the moment decides.
-- Idle is: nothing in flight, and nothing heard. Cut just after a write, probes run out in 13 s; cut so late that the
-- next write comes before the probes have run out, the write stops them and the retransmission limit takes 939 s.

local function writer(title, cut_after_s, judge)
    part(title, function()
        local client = host("client", { profile = "linux" })
        local server = host("server", { profile = "linux" })
        local cable = link(client, server, { delay = "100us" })
        server:listen(7000, {
            keepalive = { idle = "5s", interval = "5s", count = 2 },
            on_accept = function(s)
                every("30s", function() s:write(100) end)
                at((30 + cut_after_s) .. "s", function() cable:cut() end)
                judge(s, server)
            end,
        })
        client:connect(server, 7000)
    end)
end

writer("The cable is cut 2 s after a write", 2, function(s, server)
    expect(s):ends { cause = "PEER_SILENT", by = "KEEPALIVE_COUNT", between = { "12.9s", "13.9s" }, of = "cut" }
    expect_packets { from = server, cause = "SENT_KEEPALIVE", lost = true, count = 2 }
end)

writer("The cable is cut 22 s after a write", 22, function(s, server)
    expect(s):ends { cause = "PEER_SILENT", by = "RETRANSMIT_LIMIT", between = { "930s", "968s" }, of = "cut" }
    expect_packets { from = server, cause = "SENT_KEEPALIVE", lost = true, count = 1 }
    expect_packets { from = server, cause = "SENT_RETRANSMISSION_RTO", at_least = 15 }
end)
