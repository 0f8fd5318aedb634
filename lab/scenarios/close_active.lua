-- Who closes first holds TIME_WAIT: FIN, ACK, FIN, ACK; the client guards the address pair.
-- RFC 9293 3.6. An end is told as soon as it is certain; TIME_WAIT holds no connection slot.

local client, server = host "client", host "server"
link(client, server, { delay = "10ms" })
server:listen(7000, {
    on_accept = function(s)
        s:on("peer_closed", function() s:close() end)
        expect(s):ends { cause = "CLOSED", by = "FIN", time_wait = "peer" }
    end,
})
local c = client:connect(server, 7000)
at("1s", function() c:write(100) end)
at("2s", function() c:close() end)

expect(c):ends { cause = "CLOSED", by = "FIN", between = { "0s", "100ms" }, of = "call", acked = 100, time_wait = "us" }
expect_packets { flags = "FIN", count = 2 }
expect_packets { flags = "RST", count = 0 }
