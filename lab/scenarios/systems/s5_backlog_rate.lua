-- Backlog against rate: connections arrive steadily, the program accepts each 50 ms all that wait. How many find no place?
-- The rule: rate x (time without accept + round trip) places are enough. The policy is REFUSE: a miss is RST, or, above
-- a thousand resets a second to one source, silence. A chart.

local stall_ms, rtt_ms = 50, 10
local length_ms = param("length", 1000) -- milliseconds of arrivals
local rates, backlogs = { 100, 200, 400, 1000, 2000 }, { 2, 5, 16, 32, 64, 128 }

local function sweep(rate, backlog)
    local connected, asked = 0, 0
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
            c:on("connected", function() connected = connected + 1 end)
            c:on("peer_closed", function() c:close() end)
        end)
        duration(length_ms + 500 .. "ms")
        run()
    end)
    return asked - connected, asked
end

local lines, cells = { "rate      needed  no place, with a backlog of " .. table.concat(backlogs, ", ") }, {}
for r, rate in ipairs(rates) do
    local needed = math.ceil(rate * (stall_ms + rtt_ms) / 1000)
    cells[r] = {}
    for b, backlog in ipairs(backlogs) do
        local missed, asked = sweep(rate, backlog)
        cells[r][b] = missed * 100 / asked
        -- Handshakes may take three quarters of the backlog, which is enough here: they last one round trip.
        if backlog >= needed + 1 then check(missed == 0, rate .. "/s, backlog " .. backlog .. ": all find a place") end
        if backlog < needed - 1 then check(missed > 0, rate .. "/s, backlog " .. backlog .. ": some do not") end
    end
    local shares = {}
    for b, share in ipairs(cells[r]) do shares[b] = string.format("%3d %%", math.ceil(share)) end
    lines[#lines + 1] = string.format("%-8s  %6d  %s", rate .. "/s", needed, table.concat(shares, "  "))
end
chart {
    title = "Connections without a place, in percent: 50 ms without accept() again and again, round trip 10 ms",
    x = "backlog", y = "connections a second", columns = backlogs, rows = rates, cells = cells,
}
summary("A second of arrivals, 50 ms without accept() again and again, round trip 10 ms.\n\n" .. table.concat(lines, "\n"))
