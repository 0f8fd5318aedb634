-- A machine without power says nothing; when it is back, it knows of nothing and resets whoever speaks.

local client, server = host "client", host "server"
link(client, server)
server:listen(7000)
server:on_up(function() server:listen(7000) end)
local c = client:connect(server, 7000, { keepalive = { idle = "2s", interval = "1s", count = 9 } })
at("1s", function() server:reboot { down = "2s" } end)
local again
at("6s", function()
    again = client:connect(server, 7000)
    expect(again):state("ESTABLISHED", { at = "7s" })
end)

expect(c):ends { cause = "PEER_RESET", by = "RST", between = { "3s", "5s" } }
expect_packets { from = server, flags = "RST", after = "3s", count = 1 }
expect_packets { from = server, flags = "FIN", count = 0 }
