-- A path becomes slower by 300 ms, as when a telephone changes cells: the retransmission timer ends although nothing is
-- lost. RFC 3522, 4015, 5682. The first ACK says by its timestamp that it answers what was sent first; without
-- timestamps the second one tells, since it acknowledges what never went again. The window comes back. (The receiver's
-- window of 20,000 bytes keeps the queue before the link short, and so the timer.)

local function slower(name, strip, cause)
    part(name, function()
        local client, server = host("client"), host("server")
        local path = link(client, server, { delay = "20ms", rate = "10Mbit/s", strip_timestamps = strip })
        server:listen(7000, { receive_bytes = 20000, on_accept = function(s) expect(s):receives(300000) end })
        local c = client:connect(server, 7000)
        local before
        c:on("connected", function() c:write(300000) end)
        at("200ms", function()
            before = c:status()
            path:set { delay = "320ms" }
        end)
        duration "20s"
        expect_packets { from = client, cause = "SENT_RETRANSMISSION_RTO", at_least = 1, at_most = 2 }
        run("1200ms")
        local after = c:status()
        check(client:count("RTO_BACKED_OFF") >= 1, "the retransmission timer ended")
        check(client:count(cause) == 1, "and it was found out that nothing was lost")
        check(after.cwnd_bytes >= before.cwnd_bytes, "the window was " .. number(before.cwnd_bytes) .. " bytes and is "
            .. number(after.cwnd_bytes))
        run()
    end)
end

slower("Timestamps tell", false, "UNDONE_BY_TIMESTAMP")
slower("A middlebox has taken the timestamps out: the order of ACKs tells", true, "UNDONE_BY_ORDER")
