-- A server writes 100 bytes each 30 s with keepalive 5/5/2. Cut 2 s or 22 s after a write: why 13 s, or 16 minutes?
-- Idle is: nothing in flight, and nothing heard. Cut early, the probes run out before the next write; cut late, the
-- write stops them and the retransmission limit counts. detect_within counts from the last sign of life either way.

local common = use "common"

local function cut(profile, after_s, judge)
    local seen = {}
    part(profile .. ": the cable is cut " .. after_s .. " s after a write", function()
        local client, server, cable = common.pair(profile)
        local cut_ns, writer
        local options = common.bounds(profile, { keepalive = { idle = "5s", interval = "5s", count = 2 } })
        options.on_accept = function(s)
            writer = s
            every("30s", function() s:write(100) end)
            at((30 + after_s) .. "s", function()
                cable:cut()
                cut_ns = now()
            end)
            judge(s, server)
        end
        server:listen(7000, options)
        client:connect(server, 7000)
        run()
        seen.outcome, seen.cut_ns = writer:ended(), cut_ns
    end)
    return { profile .. ", cut " .. after_s .. " s after", common.told(seen.outcome, seen.cut_ns) .. " the cut" }
end

local rows = {
    cut("linux", 2, function(s, server)
        expect(s):ends { cause = "PEER_SILENT", by = "KEEPALIVE_COUNT", between = { "12.9s", "13.9s" }, of = "cut" }
        expect_packets { from = server, cause = "SENT_KEEPALIVE", lost = true, count = 2 }
    end),
    cut("linux", 22, function(s, server)
        expect(s):ends { cause = "PEER_SILENT", by = "RETRANSMIT_LIMIT", between = { "930s", "975s" }, of = "cut" }
        expect_packets { from = server, cause = "SENT_KEEPALIVE", lost = true, count = 1 }
        expect_packets { from = server, cause = "SENT_RETRANSMISSION_RTO", at_least = 14 }
    end),
}
only("holdfast", function()
    for _, after_s in ipairs { 2, 22 } do
        rows[#rows + 1] = cut("holdfast", after_s, function(s)
            expect(s):ends { cause = "PEER_SILENT", by = "DETECT_WITHIN", at = "10s", of = "last_heard" }
        end)
    end
end)
summary("100 bytes each 30 s. Linux with keepalive 5/5/2, Holdfast with detect_within = 10 s.\n\n" .. common.table(rows))
