-- A client fills TIME_WAIT on purpose: 200 connections a second, and the server closes first. Who else is refused?
-- RFC 9293 3.6. Where TIME_WAIT counts as a socket (small), all are, and RST instead of FIN is the only defence. Linux
-- skips TIME_WAIT at its cap, Holdfast has a table apart and lets guarded entries leave early: a bystander notices
-- nothing, and RST would only cost honest clients an error. What does exhaust a server is connections that stay open.

local common = use "common"
local rate, seconds = 200, 20

local function flood(profile, linger_zero)
    local seen = { asked = 0, ok = 0, refused = 0, error = 0 }
    part(profile .. (linger_zero and ", linger 0" or ", close"), function()
        local attacker, bystander = host("attacker", { conns = 2048, port_low = 2000 }), host "bystander"
        local server = host("server", { profile = profile, conns = 255, time_wait = 1000 })
        link(attacker, server, { delay = "1ms" })
        link(bystander, server, { delay = "5ms" })
        server:listen(80, {
            backlog = 64,
            on_accept = function(s)
                s:on("readable", function()
                    s:write "no entries\n"
                    if linger_zero then s:on("all_acked", function() s:abort() end) else s:close() end
                end)
            end,
        })
        local function visit(from, done)
            local c = from:connect(server, 80)
            if c:ended() then return end
            c:on("connected", function() c:write "?" end)
            c:on("peer_closed", function() c:close() end)
            if done then c:on("end", function() done(c:ended(), c:status().bytes_read) end) end
        end
        local last_ns = seconds * common.second
        every(1000 // rate .. "ms", function() if now() < last_ns then visit(attacker) end end)
        every("250ms", function()
            if now() >= last_ns then return end
            seen.asked = seen.asked + 1
            visit(bystander, function(outcome, read)
                local how = outcome.cause == "REFUSED" and "refused" or outcome.cause == "CLOSED" and read == 11 and "ok" or "error"
                seen[how] = seen[how] + 1
            end)
        end)
        duration(seconds + 5 .. "s")
        run()
        seen.started = server:count "TIME_WAIT_STARTED"
        seen.skipped = server:count "TIME_WAIT_SKIPPED"
        seen.early = server:count "TIME_WAIT_EVICTED_GUARDED"
        seen.unsafe = server:count "TIME_WAIT_EVICTED_UNSAFE"
    end)
    return seen
end

local rows = {}
for _, profile in ipairs(common.profiles) do
    local fin, rst = flood(profile), flood(profile, true)
    if profile == "small" then
        check(fin.refused > fin.asked * 9 // 10, "small: the bystander is refused: " .. fin.refused .. " of " .. fin.asked)
    else
        check(fin.ok == fin.asked, profile .. ": the bystander is served each time: " .. fin.ok .. " of " .. fin.asked)
    end
    if profile == "linux" then check(fin.skipped > 2000, "linux: TIME_WAIT is skipped at the cap, and nothing guards those pairs") end
    if profile == "holdfast" then
        check(fin.early > 2000 and fin.unsafe == 0, "holdfast: who leaves early is guarded by timestamps, and counted")
    end
    check(rst.error == rst.asked and rst.started == 0, profile .. ", linger 0: no TIME_WAIT, and each client has an error")
    for i, seen in ipairs { fin, rst } do
        rows[#rows + 1] = { profile .. (i == 1 and ", close" or ", linger 0"), "of " .. seen.asked .. " visits of the bystander "
            .. seen.ok .. " are served, " .. seen.refused .. " refused, " .. seen.error .. " end in an error; TIME_WAIT: "
            .. number(seen.started) .. " begun, " .. number(seen.skipped) .. " skipped, " .. number(seen.early) .. " left early, guarded" }
    end
end
summary(rate .. " connections a second for " .. seconds .. " s, 255 sockets, room for 1,000 TIME_WAITs. An entry is 48 bytes "
    .. "on Holdfast, 256 on Linux; an open connection is 284 and 3,500.\n\n" .. common.table(rows))
