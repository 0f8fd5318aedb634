-- A half-close: the client has said all it has to say and still hears the server for ten seconds.
-- RFC 9293 3.6. While somebody owns the connection here, FIN_WAIT_2 may last for ever.

local client, server = host "client", host "server"
link(client, server, { delay = "10ms" })
server:listen(7000, {
    on_accept = function(s)
        local writer = every("1s", function() s:write(50) end)
        at("12s", function()
            writer:stop()
            s:close()
        end)
        expect(s):ends { cause = "CLOSED", by = "FIN", time_wait = "peer" }
    end,
})
local c = client:connect(server, 7000)
at("1500ms", function()
    c:write(30)
    c:shutdown()
end)
c:on("peer_closed", function() c:close() end)

expect(c):state("FIN_WAIT_2", { at = "10s" })
expect(c):receives(11 * 50)
expect(c):ends { cause = "CLOSED", by = "FIN", acked = 30, time_wait = "us" }
expect_packets { flags = "RST", count = 0 }
