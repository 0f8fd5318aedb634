-- A sink that never drains: the program closes, its data cannot leave, FIN waits behind it. A deadline, an abort, a bound.
-- RFC 9293 3.6, 3.10.5. A close has a deadline, then RST; the outcome counts what was not acknowledged. Linux would hold
-- it for minutes; progress_within finds the stuck sink before anybody closes.

local function close(title, how, options)
    local seen = { title = title }
    part(title, function()
        local server, terminal = host "server", host "terminal"
        link(server, terminal, { delay = "10ms" })
        local sink
        terminal:listen(2300, { read = false, receive_bytes = 4096, on_accept = function(t) sink = t end })
        local c = server:connect(terminal, 2300, options)
        at("1s", function() c:write(24616) end)
        at("10s", function() if how then how(c) end end)
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
    close("progress_within = 20 s", nil, { progress_within = "20s" }),
}
local second = 1000000000
check(cases[1].fins == 0 and cases[1].resets == 1 and cases[1].sink.cause == "PEER_RESET",
    "the deadline's RST reaches the sink, FIN never could")
check(cases[1].outcome.at_ns // (second // 100) == 4000, "and the caller knows at the deadline")
check(cases[2].outcome.at_ns == 10 * second and cases[2].resets == 1, "an abort is at once")

check(cases[3].outcome.cause == "PEER_STUCK" and cases[3].outcome.at_ns < 22 * second, "a bound on progress needs no close")

local lines = {}
for i, seen in ipairs(cases) do
    local o = seen.outcome
    lines[i] = seen.title .. ":" .. string.rep(" ", 28 - #seen.title) .. o.cause .. " by " .. o.by .. " "
        .. words(o.at_ns - second) .. " after the sink stopped; " .. number(o.bytes_from_app - o.bytes_acked) .. " of "
        .. number(o.bytes_from_app) .. " bytes not acknowledged; " .. seen.resets .. " RST, " .. seen.fins .. " FIN."
end
summary("The terminal stopped reading.\n\n" .. table.concat(lines, "\n\n"))
