-- The cable is cut under a writer, Linux limits: a quarter of an hour of retransmissions, and no keepalive probe.
-- Keepalive watches idle connections only: while data is unacknowledged it does nothing (RFC 9293 MUST-26).

local client = host("client", { profile = "linux" })
local server = host("server", { profile = "linux" })
local cable = link(client, server, { delay = "10ms" })
server:listen(7000)
local c = client:connect(server, 7000, { keepalive = { idle = "10s", interval = "10s", count = 3 } })
every("1s", function() c:write(20) end)
at("5500ms", function() cable:cut() end)

expect(c):ends { cause = "PEER_SILENT", by = "RETRANSMIT_LIMIT", between = { "900s", "980s" }, of = "cut" }
expect_packets { from = client, cause = "SENT_KEEPALIVE", count = 0 }
