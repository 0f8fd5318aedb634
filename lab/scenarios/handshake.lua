-- The handshake: SYN, SYN ACK, ACK, and both sides are ESTABLISHED after one round trip.
-- RFC 9293 3.5. The client knows after one round trip, the server half a round trip later.

local client, server = host "client", host "server"
link(client, server, { delay = "10ms" })
server:listen(7000, { on_accept = function(s) expect(s):state("ESTABLISHED", { at = "1s" }) end })
local c = client:connect(server, 7000)

expect(c):state("ESTABLISHED", { at = "1s" })
expect_packets { from = client, flags = "SYN !ACK", count = 1 }
expect_packets { from = server, flags = "SYN ACK", count = 1 }
expect_packets { from = client, flags = "ACK !SYN", cause = "SENT_HANDSHAKE_ACK", count = 1 }
expect_packets { before = "1s", count = 3 }
duration "1s"
