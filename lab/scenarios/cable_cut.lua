-- The same cable is cut twice under an application that writes each second: once as usual, once with Holdfast's bound.
-- First with Linux's limits and keepalive 5/5/3, then with detect_within = 10 s. Nothing else differs.

local function cut(title, profile, options)
    local seen = {}
    part(title, function()
        local client = host("client", { profile = profile })
        local server = host("server", { profile = profile })
        local cable = link(client, server, { delay = "10ms" })
        server:listen(7000)
        seen.conn = client:connect(server, 7000, options)
        every("1s", function() seen.conn:write(20) end)
        at("5500ms", function()
            cable:cut()
            seen.cut_ns = now()
        end)
        expect(seen.conn):ends { cause = "PEER_SILENT", by = options.detect_within and "DETECT_WITHIN" or "RETRANSMIT_LIMIT" }
        run()
        seen.outcome = seen.conn:ended()
        seen.probes = count { from = client, cause = "SENT_KEEPALIVE" }
        seen.unanswered = count { from = client, lost = true }
        seen.writes = seen.outcome.bytes_from_app // 20
        seen.lost_bytes = seen.outcome.bytes_from_app - seen.outcome.bytes_acked
        seen.after_cut_ns = seen.outcome.at_ns - seen.cut_ns
        seen.silent_ns = seen.outcome.at_ns - seen.outcome.last_heard_ns
    end)
    return seen
end

local usual = cut("Linux's limits, keepalive 5 s / 5 s / 3: the cable is cut at 5.5 s", "linux",
    { keepalive = { idle = "5s", interval = "5s", count = 3 } })
local bound = cut("The same, with detect_within = 10 s", "holdfast", { detect_within = "10s" })

local second = 1000000000
check(usual.after_cut_ns >= 900 * second and usual.after_cut_ns <= 980 * second,
    "as usual it takes a quarter of an hour: " .. words(usual.after_cut_ns))
check(usual.probes == 0, "and not one keepalive probe is sent")
check(bound.silent_ns <= 10.5 * second, "with the bound: " .. words(bound.silent_ns) .. " after the last sign of life")

summary("The same cut, twice.\n"
    .. "\n"
    .. "As usual:       the application was told " .. words(usual.after_cut_ns)
    .. " after the cut, by the limit of retransmissions. It had written " .. number(usual.writes) .. " times by then; "
    .. number(usual.lost_bytes) .. " bytes went nowhere. Keepalive was on and sent "
    .. (usual.probes == 0 and "no probe" or usual.probes .. " probes")
    .. ": it watches idle connections, and one with unacknowledged data is not idle.\n"
    .. "\n"
    .. "detect_within:  the application was told " .. words(bound.after_cut_ns) .. " after the cut, "
    .. words(bound.silent_ns) .. " after the last sign of life, with " .. bound.unanswered
    .. " transmissions unanswered; it knows that " .. number(bound.lost_bytes) .. " bytes were not acknowledged.")
