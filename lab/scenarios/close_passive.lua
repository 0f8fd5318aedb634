-- The server closes first: TIME_WAIT is at the server, and costs the client nothing.
-- RFC 9293 3.6. This is what a WebSocket server does that must close first (RFC 6455 7.1.1).

local client, server = host "client", host "server"
link(client, server, { delay = "10ms" })
server:listen(7000, {
    on_accept = function(s)
        at("2s", function() s:close() end)
        expect(s):ends { cause = "CLOSED", by = "FIN", time_wait = "us" }
    end,
})
local c = client:connect(server, 7000)
c:on("peer_closed", function() after("500ms", function() c:close() end) end)

expect(c):state("CLOSE_WAIT", { at = "2300ms" })
expect(c):ends { cause = "CLOSED", by = "FIN", time_wait = "peer" }
expect_packets { flags = "FIN", count = 2 }
expect_packets { flags = "RST", count = 0 }
