-- Closing with unread data answers RST: the peer learns that what it sent is lost.
-- RFC 9293 3.6.1 SHLD-3, RFC 2525 2.17. The outcome says how many bytes nobody read.

local client, server = host "client", host "server"
link(client, server, { delay = "10ms" })
server:listen(7000, {
    read = false,
    on_accept = function(s)
        at("2s", function() s:close() end)
        expect(s):ends { unread = 700, time_wait = "nobody" }
    end,
})
local c = client:connect(server, 7000)
at("1s", function() c:write(700) end)

expect(c):ends { cause = "PEER_RESET", by = "RST", acked = 700 }
expect_packets { from = server, cause = "SENT_RST_UNREAD", count = 1 }
expect_packets { flags = "FIN", count = 0 }
