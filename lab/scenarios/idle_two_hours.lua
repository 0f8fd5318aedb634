-- Eight idle hours with keepalive each two hours: a handful of packets, and the connection lives.
-- RFC 9293 3.8.4 MUST-28: two hours is the default idle time. Virtual time makes it milliseconds.

local client, server = host "client", host "server"
link(client, server, { delay = "10ms" })
server:listen(7000)
local c = client:connect(server, 7000, { keepalive = { idle = "2h", interval = "75s", count = 9 } })
at("1s", function() c:write(20) end)
duration "8h 30min"

expect(c):never_ends()
expect_packets { from = client, cause = "SENT_KEEPALIVE", count = 4 }
expect_packets { from = server, cause = "SENT_ACK_PROBE", count = 4 }
expect_packets { after = "10s", count = 8 }
