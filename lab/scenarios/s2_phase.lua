-- A writer each 30 s with keepalive 5/5/2, and the cable cut at every second phase of its period: when is it told?
-- RFC 9293 3.8.4 MUST-26. Whether the probes run out before the next write decides between 10 to 15 s and 939 s.

local second = 1000000000
local rows, early = {}, 0

local function cut_after(phase_s)
    local told_ns
    part("The cable is cut " .. phase_s .. " s after a write", function()
        local client = host("client", { profile = "linux" })
        local server = host("server", { profile = "linux" })
        local cable = link(client, server, { delay = "100us" })
        local cut_ns, writer
        server:listen(7000, {
            keepalive = { idle = "5s", interval = "5s", count = 2 },
            on_accept = function(s)
                writer = s
                every("30s", function() s:write(100) end)
                at((30 + phase_s) .. "s", function()
                    cable:cut()
                    cut_ns = now()
                end)
                expect(s):ends { cause = "PEER_SILENT" }
            end,
        })
        client:connect(server, 7000)
        run()
        told_ns = writer:ended().at_ns - cut_ns
    end)
    return told_ns
end

for phase_s = 1, 29, 2 do
    local told_ns = cut_after(phase_s)
    local keepalive = told_ns < 30 * second
    early = early + (keepalive and 1 or 0)
    check(keepalive and told_ns <= 15.2 * second or told_ns > 920 * second, "it is either, never in between")
    check(phase_s > 15 or keepalive, "cut in the first half of the period, keepalive tells it")
    check(phase_s < 21 or not keepalive, "cut late in the period, the next write stops the probes")
    rows[#rows + 1] = string.format("%2d s  %s %s", phase_s, string.rep("#", math.min(told_ns // (20 * second) + 1, 50)),
        words(told_ns))
end

summary("Told after the cut, by the phase of the cut in a period of 30 s (each # 20 s):\n\n"
    .. table.concat(rows, "\n") .. "\n\n" .. early .. " of " .. #rows .. " phases are told by keepalive.")
