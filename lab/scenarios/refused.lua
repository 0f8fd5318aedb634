-- Nobody listens there: RST answers the SYN, and connect ends REFUSED after one round trip.
-- RFC 9293 3.10.7.1 and 3.10.7.3.

local client, server = host "client", host "server"
link(client, server, { delay = "10ms" })
local c = client:connect(server, 7001)

expect(c):ends { cause = "REFUSED", by = "RST", between = { "20ms", "21ms" }, of = "call" }
expect_packets { from = server, cause = "SENT_RST_NO_CONNECTION", count = 1 }
expect_packets { flags = "SYN", count = 1 }
