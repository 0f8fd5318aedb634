-- A plain link that is cut one way only: what the client says arrives, the answers do not.

local client, server = host "client", host "server"
local cable = link(client, server)
server:listen(7000, { on_accept = function(s) expect(s):receives(70) end })
local c = client:connect(server, 7000)
at("500ms", function() c:write(30) end)
at("1s", function()
    cable:cut { from = server }
    c:write(40)
end)
at("3s", function() cable:heal() end)

expect_packets { from = server, lost = true, at_least = 2 }
expect_packets { from = client, lost = true, count = 0 }
expect_packets { from = client, cause = "SENT_RETRANSMISSION_RTO", at_least = 2 }
expect(c):state("ESTABLISHED", { at = "5s" })
