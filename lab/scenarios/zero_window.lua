-- The peer's application stops reading: its window closes, probes ask, and it goes on when it reads again.
-- RFC 9293 3.8.6.1 MUST-35 to 37. A closed window with a live peer is no reason to end.

local client, server = host "client", host "server"
link(client, server, { delay = "10ms", rate = "100Mbit/s" })
local reader
server:listen(7000, {
    read = false,
    receive_bytes = 65536,
    on_accept = function(s)
        reader = s
        expect(s):receives(300000)
    end,
})
local c = client:connect(server, 7000)
at("1s", function() c:write(300000) end)
at("30s", function() reader:start_reading() end)

expect(c):never_ends { until_ = "40s" }
expect_packets { from = client, cause = "SENT_WINDOW_PROBE", before = "30s", at_least = 3 }
expect_packets { from = server, cause = "SENT_WINDOW_UPDATE", after = "30s", at_least = 1 }
