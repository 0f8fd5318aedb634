-- A server writes 20 bytes each second with keepalive 5/5/3; the cable is cut. Why are there no zero-length packets?
-- Data is in flight, so keepalive is off (RFC 9293 MUST-26). Linux tells after 939 s; with a user timeout of 15 s, or
-- detect_within, in time. A closed window makes zero-length packets, too: those are window probes.

local common = use "common"
local second = common.second

local function cut(title, profile, options)
    local seen = {}
    part(title, function()
        local client, server, cable = common.pair(profile)
        local writer
        server:listen(7000, {
            keepalive = options.keepalive, user_timeout = options.user_timeout, detect_within = options.detect_within,
            on_accept = function(s)
                writer = s
                every("1s", function() s:write(20) end)
                at("10750ms", function() cable:cut() end)
                expect(s):ends { cause = "PEER_SILENT" }
            end,
        })
        client:connect(server, 7000)
        expect_packets { from = server, cause = "SENT_KEEPALIVE", count = 0 }
        run()
        seen.outcome = writer:ended()
        seen.again = count { from = server, cause = "SENT_RETRANSMISSION_RTO", lost = true }
        seen.empty = count { from = server, flags = "!SYN !RST", len_most = 0, after = "10750ms" }
    end)
    seen.after_ns = seen.outcome.at_ns - 10750000000
    return seen
end

local keepalive = { idle = "5s", interval = "5s", count = 3 }
local linux = cut("Linux, keepalive 5/5/3", "linux", { keepalive = keepalive })
local timed = cut("Linux, keepalive 5/5/3 and a user timeout of 15 s", "linux", { keepalive = keepalive, user_timeout = "15s" })

check(linux.outcome.by == "RETRANSMIT_LIMIT" and linux.after_ns > 900 * second and linux.after_ns < 980 * second,
    "Linux, after the cut: " .. words(linux.after_ns))
check(linux.again >= 14, "the first unacknowledged segment goes again, fourteen times or more")
check(timed.outcome.by == "USER_TIMEOUT" and timed.after_ns < 17 * second, "a user timeout: " .. words(timed.after_ns))

local rows = {}
local function row(name, seen)
    check(seen.empty == 0, name .. ": not one zero-length packet after the cut")
    rows[#rows + 1] = { name, common.told(seen.outcome, 10750000000) .. " the cut; 0 zero-length packets, " .. seen.again
        .. " retransmissions by time-out" }
end
row("Linux, keepalive 5/5/3", linux)
row("and user timeout 15 s", timed)
only("holdfast", function()
    local small = cut("A small stack, keepalive 5/5/3", "small", { keepalive = keepalive })
    local bound = cut("Holdfast, detect_within = 10 s", "holdfast", { detect_within = "10s" })
    check(small.outcome.by == "RETRANSMIT_LIMIT" and small.after_ns > 300 * second,
        "a small stack has another limit, and no keepalive either: " .. words(small.after_ns))
    check(bound.outcome.by == "DETECT_WITHIN" and bound.after_ns <= 10.5 * second, "detect_within: " .. words(bound.after_ns))
    row("small stack, keepalive", small)
    row("detect_within = 10 s", bound)
end)
summary("20 bytes each second, the cable is cut.\n\n" .. common.table(rows))
