-- Ten thousand queries a second, the server closes first, TIME_WAIT stays: what does it take on Holdfast? A table.
-- RFC 9293 3.6, RFC 6191. Each entry costs 48 bytes and no socket; a client with timestamps uses its ports again. Here
-- two seconds (-p seconds=60 is the whole minute: 600,000 entries, 28.8 MB).

local common = use "common"
local seconds, rate = param("seconds", 2), 10000

local seen = { asked = 0, ok = 0, other = 0 }
local client = host("client", { conns = 2048, time_wait = 1024, port_low = 1024, port_high = 65535 })
local server = host("server", { conns = 256, time_wait = seconds * rate + 1000 })
link(client, server, { delay = "1ms", rate = "1Gbit/s", queue = 4000 })
common.print_server(server, 515, { backlog = 200 })
local clock
clock = every("100us", function()
    seen.asked = seen.asked + 1
    if seen.asked == seconds * rate then clock:stop() end
    common.query(client, server, 515, function(how)
        if how == "ok" then seen.ok = seen.ok + 1 else seen.other = seen.other + 1 end
    end)
end)
duration(seconds .. "s 500ms")
run()

check(seen.asked == seconds * rate and seen.ok == seen.asked and seen.other == 0,
    number(seen.ok) .. " of " .. number(seen.asked) .. " queries were answered")
check(server:count "TIME_WAIT_STARTED" == seen.asked, "the server holds TIME_WAIT for each")
check(server:count "TIME_WAIT_EVICTED_GUARDED" + server:count "TIME_WAIT_EVICTED_UNSAFE" == 0, "and none left early")
summary(number(rate) .. " queries a second for " .. seconds .. " s: " .. number(seen.ok) .. " answered, none refused; "
    .. number(server:count "TIME_WAIT_STARTED") .. " TIME_WAIT entries (" .. number(seconds * rate * 48)
    .. " bytes) beside 256 connections.")
