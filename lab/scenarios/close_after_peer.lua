-- A server that would close first lets the client do it: its FIN waits for the client's, two seconds at most.
-- A client that closes when it has its answer then holds TIME_WAIT, one in a million, instead of the server a million.
-- A client that never closes costs two seconds, and TIME_WAIT is the server's.

local client, server = host "client", host "server"
link(client, server, { delay = "10ms" })
local ends = {}
server:listen(80, {
    on_accept = function(s)
        s:on("readable", function()
            s:write(200)
            s:close { after_peer = "2s" }
        end)
        s:on("end", function() ends[#ends + 1] = s:ended() end)
    end,
})
local polite = client:connect(server, 80)
local lazy = client:connect(server, 80)
at("1s", function()
    polite:write(10)
    lazy:write(10)
end)
at("1100ms", function() polite:close() end)
lazy:on("peer_closed", function() lazy:close() end)

expect(polite):ends { cause = "CLOSED", by = "FIN", time_wait = "us", acked = 10 }
expect(lazy):ends { cause = "CLOSED", by = "FIN", time_wait = "peer", acked = 10 }
expect_packets { from = server, flags = "FIN", before = "3s", count = 1 }
expect_packets { flags = "RST", count = 0 }
run()

check(ends[1].time_wait == "peer" and ends[1].who == "peer", "where the client closed first, TIME_WAIT is with it")
check(ends[2].time_wait == "us" and ends[2].bytes_acked == 200, "where it did not, the server closed after two seconds")
