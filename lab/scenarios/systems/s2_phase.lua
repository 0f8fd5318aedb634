-- A write each 30 s with keepalive 5/5/2, the cable cut at each second of the period: when is the server told? A chart.
-- RFC 9293 3.8.4 MUST-26. On Linux the phase decides between 10 to 15 s and 939 s: luck, not design. A user timeout
-- of 15 s shortens the bad half only; detect_within = 10 s has no phase.

local common = use "common"
local second = common.second
local step_s = param("step", 1)

local function cut_after(profile, phase_s, options)
    local told_ns, by
    part(profile .. ": the cable is cut " .. phase_s .. " s after a write", function()
        local client, server, cable = common.pair(profile)
        local cut_ns, writer
        server:listen(7000, {
            keepalive = options.keepalive, user_timeout = options.user_timeout, detect_within = options.detect_within,
            on_accept = function(s)
                writer = s
                every("30s", function() s:write(100) end)
                at((30 + phase_s) .. "s 500ms", function()
                    cable:cut()
                    cut_ns = now()
                end)
                expect(s):ends { cause = "PEER_SILENT" }
            end,
        })
        client:connect(server, 7000)
        run()
        told_ns, by = writer:ended().at_ns - cut_ns, writer:ended().by
    end)
    return told_ns, by
end

local function sweep(name, profile, options)
    local seen = { name = name, points = {}, least_ns = math.maxinteger, most_ns = 0, keepalive = 0 }
    for phase_s = 0, 29, step_s do
        local told_ns, by = cut_after(profile, phase_s, options)
        seen.points[#seen.points + 1] = { phase_s + 0.5, told_ns / second }
        seen.least_ns, seen.most_ns = math.min(seen.least_ns, told_ns), math.max(seen.most_ns, told_ns)
        if by == "KEEPALIVE_COUNT" then seen.keepalive = seen.keepalive + 1 end
        if profile == "linux" and not options.user_timeout then
            check(told_ns <= 15.2 * second or told_ns > 920 * second, "it is either, never in between")
            check(phase_s > 14 or told_ns <= 15.2 * second, "cut in the first half of the period, keepalive tells it")
            check(phase_s < 21 or told_ns > 920 * second, "cut late in the period, the next write stops the probes")
        end
    end
    return seen
end

local keepalive = { idle = "5s", interval = "5s", count = 2 }
local linux = sweep("Linux, keepalive 5/5/2", "linux", { keepalive = keepalive })
local timed = sweep("and a user timeout of 15 s", "linux", { keepalive = keepalive, user_timeout = "15s" })
local bound = sweep("detect_within = 10 s", "holdfast", { detect_within = "10s" })

check(timed.most_ns < 46 * second, "with a user timeout at most a period more: " .. words(timed.most_ns))
check(bound.most_ns <= 10.5 * second, "with detect_within within 10 s of the last sign of life, whatever the phase")

chart {
    title = "Told how long after the cut? 100 bytes each 30 s, cut at each phase of the period",
    x = "cut so many seconds after a write", y = "seconds until told (logarithmic)", log = true,
    series = { linux, timed, bound },
}
local function row(seen)
    return { seen.name, words(seen.least_ns) .. " to " .. words(seen.most_ns) .. " after the cut; " .. seen.keepalive .. " of "
        .. #seen.points .. " phases are told by keepalive" }
end
summary("100 bytes each 30 s, the cable cut at " .. #linux.points .. " phases of the period.\n\n"
    .. common.table { row(linux), row(timed), row(bound) })
