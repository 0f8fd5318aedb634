-- The server reboots: it knows of nothing and answers RST, to whoever speaks first.
-- RFC 9293 3.5.1 (half-open connections). A client that never speaks never learns it.

local function reboot(title, options, act)
    part(title, function()
        local client, server = host "client", host "server"
        link(client, server, { delay = "10ms" })
        server:listen(7000)
        server:on_up(function() server:listen(7000) end)
        local c = client:connect(server, 7000, options)
        at("2500ms", function() server:reboot { down = "5s" } end)
        act(c, client, server)
        expect_packets { from = server, cause = "SENT_RST_NO_CONNECTION", at_least = 1 }
    end)
end

reboot("The client writes each second: the first retransmission that finds the server up", nil, function(c)
    every("1s", function() c:write(20) end)
    expect(c):ends { cause = "PEER_RESET", by = "RST", between = { "7500ms", "11s" } }
end)

reboot("The client is idle, keepalive 5 s: the next probe", { keepalive = { idle = "5s", interval = "5s", count = 9 } }, function(c)
    at("1s", function() c:write(20) end)
    expect(c):ends { cause = "PEER_RESET", by = "RST", between = { "7500ms", "13s" } }
end)
