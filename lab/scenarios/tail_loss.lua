-- The last two segments of a burst are lost, and nothing follows whose ACK would tell. RFC 8985 7, RTO of a second.
-- A probe after two round trips brings the news, and what is lost goes again; counting duplicates, nothing comes to
-- count, so the retransmission timer must end, and the window starts from one segment.

local done_ns = {}

local function burst(name, rack)
    part(name, function()
        local client = host("client", { profile = "rfc", rack = rack, initial_window_segs = 10 })
        local server = host("server", { profile = "rfc" })
        local cable = link(client, server, { delay = "50ms" })
        server:listen(7000, { on_accept = function(s) expect(s):receives(6 * 1448) end })
        local c = client:connect(server, 7000)
        at("1s", function() c:write(4 * 1448) end)
        at("1001ms", function()
            cable:cut { from = client }
            c:write(2 * 1448)
        end)
        at("1002ms", function() cable:heal() end)
        c:on("all_acked", function() done_ns[rack] = now() - 1001000000 end)
        duration "5s"
        local probes = rack == 1 and 1 or 0
        expect_packets { from = client, cause = "SENT_TAIL_LOSS_PROBE", count = probes }
        expect_packets { from = client, cause = "SENT_RETRANSMISSION_RACK", count = probes }
        expect_packets { from = client, cause = "SENT_RETRANSMISSION_RTO", count = 2 * (1 - probes) }
        run()
    end)
end

burst("Losses are found by time, and tails are probed", 1)
burst("Duplicates are counted", 0)

-- One round trip to the last ACK, two from there to the probe, one for its answer, one for the rest.
check(done_ns[1] > 500000000 and done_ns[1] < 520000000, "with a probe all is acknowledged " .. words(done_ns[1]) .. " after the loss")
check(done_ns[0] > 1100000000, "without one it takes " .. words(done_ns[0]))
summary("After the loss of a burst's last two segments all was acknowledged in " .. words(done_ns[1])
    .. " with a tail loss probe, in " .. words(done_ns[0]) .. " without.")
