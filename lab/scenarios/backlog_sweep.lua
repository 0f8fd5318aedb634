-- Backlog against rate: connections arrive steadily, the program accepts each 50 ms all that wait. How many are refused?
-- The rule: rate x (time without accept + round trip) places are enough. The policy is REFUSE, so that misses are seen.

local stall_ms, rtt_ms, length_ms = 50, 10, 1000

local function sweep(rate, backlog)
    local refused, asked = 0, 0
    part(rate .. "/s, backlog " .. backlog, function()
        local client, server = host "client", host "server"
        link(client, server, { delay = rtt_ms // 2 .. "ms" })
        local listener = server:listen(7000, { backlog = backlog, when_full = "REFUSE", accept = false })
        every(stall_ms .. "ms", function()
            while true do
                local s = listener:accept()
                if not s then return end
                s:close()
            end
        end)
        local asking
        asking = every(1000000 // rate .. "us", function()
            if now() > length_ms * 1000000 then return asking:stop() end
            local c = client:connect(server, 7000)
            asked = asked + 1
            c:on("end", function() if c:ended().cause == "REFUSED" then refused = refused + 1 end end)
            c:on("peer_closed", function() c:close() end)
        end)
        duration(length_ms + 500 .. "ms")
        run()
    end)
    return refused, asked
end

local lines = { "rate      backlog  needed  refused" }
for _, rate in ipairs { 100, 400, 1000 } do
    local needed = math.ceil(rate * (stall_ms + rtt_ms) / 1000)
    for _, backlog in ipairs { 5, 32, 128 } do
        local refused, asked = sweep(rate, backlog)
        -- Handshakes may take three quarters of the backlog, which is enough here: they last one round trip.
        if backlog >= needed + 1 then check(refused == 0, rate .. "/s, backlog " .. backlog .. ": none is refused") end
        if backlog < needed - 1 then check(refused > 0, rate .. "/s, backlog " .. backlog .. ": some are refused") end
        lines[#lines + 1] = string.format("%-8s  %7d  %6d  %d of %d", rate .. "/s", backlog, needed, refused, asked)
    end
end
summary("A second of arrivals, 50 ms without accept() again and again, round trip 10 ms.\n\n" .. table.concat(lines, "\n"))
