-- Nobody reads: the window closes, and the kernel's user timeout ends the connection although the peer answers.
-- Without that option it lives, and window probes go on.

local client, server = host "client", host "server"
link(client, server)
server:listen(7000, { read = false, receive_bytes = 4096 })
local bound = client:connect(server, 7000, { user_timeout = "3s" })
local plain = client:connect(server, 7000)
at("500ms", function()
    bound:write(60000)
    plain:write(60000)
end)

expect(bound):ends { cause = "PEER_SILENT", by = "USER_TIMEOUT", between = { "3s", "4500ms" } }
expect(plain):state("ESTABLISHED", { at = "6s" })
expect_packets { conn = plain, cause = "SENT_WINDOW_PROBE", at_least = 3 }
expect_packets { conn = bound, flags = "RST", count = 0 }
