-- A machine dies for good under a client that writes: the retransmission limit ends it, shortened by tcp_retries2. What the
-- dying machine's kernel would have said is not heard, and its window of 0 is none.

local client, server = host("client", { sysctl = { tcp_retries2 = 3 } }), host "server"
link(client, server)
server:listen(7000)
local c = client:connect(server, 7000, { keepalive = { idle = "10s", interval = "10s", count = 3 } })
every("500ms", function() if not c:ended() then c:write(20) end end)
at("1700ms", function() server:crash() end)
expect(c):ends { cause = "PEER_SILENT", by = "RETRANSMIT_LIMIT", between = { "6s", "12s" } }
expect_packets { from = client, cause = "SENT_KEEPALIVE", count = 0 }
