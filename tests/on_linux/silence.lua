-- A cut on the kernel: keepalive counts, the user timeout counts, and retransmissions end at a limit that was lowered.
-- Each of three connections dies by its own timer, at the time that the profile "linux" predicts too.

local client = host("client", { profile = "linux", sysctl = { tcp_retries2 = 3 } })
local server = host("server", { profile = "linux" })
local cable = link(client, server)
server:listen(7000)
local idle = client:connect(server, 7000, { keepalive = { idle = "1s", interval = "1s", count = 3 } })
local bound = client:connect(server, 7000, { user_timeout = "3s" })
local plain = client:connect(server, 7000)
at("500ms", function()
    bound:write(10)
    plain:write(10)
end)
at("1500ms", function()
    cable:cut()
    bound:write(20)
    plain:write(30)
end)

expect(idle):ends { cause = "PEER_SILENT", by = "KEEPALIVE_COUNT", at = "4s", of = "last_heard" }
expect(bound):ends { cause = "PEER_SILENT", by = "USER_TIMEOUT", at = "3.2s", of = "cut", acked = 10 }
only("linux", function()
    expect(plain):ends { cause = "PEER_SILENT", by = "RETRANSMIT_LIMIT", at = "6.5s", of = "cut", acked = 10 }
end)
expect_packets { conn = idle, cause = "SENT_KEEPALIVE", at_least = 3 }
expect_packets { conn = plain, cause = "SENT_KEEPALIVE", count = 0 }
expect_packets { flags = "RST", count = 1 } -- keepalive says that it gives up, the others say nothing
