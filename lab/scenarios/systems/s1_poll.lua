-- A client polls a server each second with keepalive 10/10/3: what tells it that the server is gone, and when?
-- Never keepalive: a request is always in flight (RFC 9293 MUST-26). Linux: the retransmission limit after 939 s, a
-- reboot on the back-off grid, the end of the process by FIN at once. A small stack without bounds: the same, with a
-- limit of its own. Holdfast: detect_within = 10 s, the rest alike.

local common = use "common"
local second, cut_ns = common.second, 5500000000

local function poll(profile, title, happens)
    local seen = {}
    part(profile .. ": " .. title, function()
        local client, server = common.pair(profile)
        local function serve()
            server:listen(7000, {
                on_accept = function(s)
                    s:on("readable", function() s:write(40) end)
                    if now() < cut_ns then at("5500ms", function() happens(server, s) end) end
                end,
            })
        end
        serve()
        server:on_up(serve)
        local c = client:connect(server, 7000,
            common.bounds(profile, { keepalive = { idle = "10s", interval = "10s", count = 3 } }))
        every("1s", function() c:write(20) end)
        c:on("peer_closed", function()
            seen.eof_ns = now()
            c:close()
        end)
        expect(c):ends {}
        expect_packets { from = client, cause = "SENT_KEEPALIVE", count = 0 }
        run()
        seen.outcome = c:ended()
    end)
    seen.after_ns = seen.outcome.at_ns - cut_ns
    return seen
end

local rows = {}
local function row(profile, name, seen)
    rows[#rows + 1] = { name .. ", " .. profile, seen.eof_ns and "end of stream (FIN), " .. words(seen.eof_ns - cut_ns) .. " after"
        or common.told(seen.outcome, cut_ns) }
end

for _, profile in ipairs(common.profiles) do
    local gone = poll(profile, "the server's machine goes for good", function(server) server:crash() end)
    local short = poll(profile, "it is back after 5 s", function(server) server:reboot { down = "5s" } end)
    local long = poll(profile, "it is back after 60 s", function(server) server:reboot { down = "60s" } end)
    local process = poll(profile, "only the server's process ends", function(_, s) s:close() end)
    if profile == "linux" then
        check(gone.outcome.by == "RETRANSMIT_LIMIT" and gone.after_ns > 900 * second and gone.after_ns < 980 * second,
            "Linux, for good: " .. words(gone.after_ns))
        check(long.outcome.cause == "PEER_RESET" and long.after_ns > 90 * second and long.after_ns < 112 * second,
            "Linux, 60 s: RST on the back-off grid")
    elseif profile == "small" then
        check(gone.outcome.by == "RETRANSMIT_LIMIT" and gone.after_ns > 300 * second,
            "a stack without bounds, for good: " .. words(gone.after_ns))
        check(long.outcome.cause == "PEER_RESET" and long.after_ns > 60 * second and long.after_ns < 122 * second,
            "60 s: RST at the next retransmission, " .. words(long.after_ns))
    else
        check(gone.outcome.by == "DETECT_WITHIN" and gone.outcome.at_ns - gone.outcome.last_heard_ns <= 10.5 * second,
            "Holdfast, for good: told within the bound")
        check(long.outcome.by == "DETECT_WITHIN" and long.after_ns <= 10.5 * second, "60 s are longer than the bound")
    end
    check(short.outcome.cause == "PEER_RESET" and short.after_ns > 5 * second and short.after_ns < 8 * second,
        "back after 5 s: RST by " .. words(short.after_ns))
    check(process.eof_ns - cut_ns < second // 10, "a process that ends is told at once")
    row(profile, "gone for good", gone)
    row(profile, "back after 5 s", short)
    row(profile, "back after 60 s", long)
    row(profile, "process ended", process)
end

summary("A request each second. Linux and the small stack with keepalive 10/10/3, Holdfast with detect_within = 10 s. Not one keepalive "
    .. "probe was sent in any case.\n\n" .. common.table(rows))
