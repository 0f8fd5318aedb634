-- A sink that never drains: the program closes, its data cannot leave, FIN waits behind it. A deadline, or an abort.
-- RFC 9293 3.6, 3.10.5. A close has a deadline, then RST; the outcome counts what was not acknowledged.

local function close(title, how)
    local seen = { title = title }
    part(title, function()
        local server, terminal = host "server", host "terminal"
        link(server, terminal, { delay = "10ms" })
        local sink
        terminal:listen(2300, { read = false, receive_bytes = 4096, on_accept = function(t) sink = t end })
        local c = server:connect(terminal, 2300)
        at("1s", function() c:write(24616) end)
        at("10s", function() how(c) end)
        expect(c):ends {}
        run()
        seen.outcome = c:ended()
        seen.resets = count { from = server, flags = "RST" }
        seen.fins = count { from = server, flags = "FIN" }
        seen.sink = sink:ended()
    end)
    return seen
end

local cases = {
    close("close, 30 s, then RST", function(c) c:close { deadline = "30s", at_deadline = "rst" } end),
    close("abort at once", function(c) c:abort() end),
}
local second = 1000000000
check(cases[1].fins == 0 and cases[1].resets == 1 and cases[1].sink.cause == "PEER_RESET",
    "the deadline's RST reaches the sink, FIN never could")
check(cases[1].outcome.at_ns // (second // 100) == 4000, "and the caller knows at the deadline")
check(cases[2].outcome.at_ns == 10 * second and cases[2].resets == 1, "an abort is at once")

local lines = {}
for i, seen in ipairs(cases) do
    local o = seen.outcome
    lines[i] = seen.title .. ":" .. string.rep(" ", 28 - #seen.title) .. o.cause .. " by " .. o.by .. " "
        .. words(o.at_ns - 10 * second) .. " after the call; " .. number(o.bytes_from_app - o.bytes_acked) .. " of "
        .. number(o.bytes_from_app) .. " bytes not acknowledged; " .. seen.resets .. " RST, " .. seen.fins .. " FIN."
end
summary("The terminal stopped reading.\n\n" .. table.concat(lines, "\n\n"))
