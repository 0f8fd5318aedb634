-- The server reboots under a client that only waits for news: who is told? Keepalive or a bound; without them nobody.
-- RFC 9293 3.5.1: RST answers whoever speaks, and a client that never speaks gets no answer to learn from.

local common = use "common"

local function wait(profile, title, options)
    local seen = {}
    part(profile .. ": " .. title, function()
        local client, server = common.pair(profile)
        server:listen(7000)
        server:on_up(function() server:listen(7000) end)
        local c = client:connect(server, 7000, options)
        at("1s", function() c:write(20) end)
        at("2s", function() server:reboot { down = "5s" } end)
        if options then expect(c):ends { cause = "PEER_RESET", by = "RST" } else expect(c):never_ends() end
        duration "24h"
        run()
        seen.outcome = c:ended()
        seen.packets = count { after = "2s" }
    end)
    return seen
end

local keepalive = { keepalive = { idle = "10s", interval = "10s", count = 3 } }
local rows = {}
for _, profile in ipairs { "linux", "holdfast" } do
    local nothing = wait(profile, "no bound")
    local probed = wait(profile, "keepalive 10/10/3", keepalive)
    check(nothing.packets == 0 and not nothing.outcome, profile .. ": a day later the client believes in its connection")
    check(probed.outcome.at_ns < 12.5 * common.second, profile .. ": the first probe draws RST")
    rows[#rows + 1] = { profile .. ", no bound", "not told in a day; no packet was sent" }
    rows[#rows + 1] = { profile .. ", keepalive", common.told(probed.outcome, 2 * common.second) }
end
local bound = wait("holdfast", "detect_within = 10 s", { detect_within = "10s" })
check(bound.outcome.at_ns < 12.5 * common.second, "detect_within asks in time, too")
rows[#rows + 1] = { "holdfast, detect_within", common.told(bound.outcome, 2 * common.second) }
summary("The server reboots at 2 s and is back after 5 s; the client only waits.\n\n" .. common.table(rows))
