-- A close with a deadline: the cable is cut, the program waits two seconds for the receipt and goes on.
-- The close goes on without it, within the profile's limit; the cable heals, and the bytes arrive after all. The end that
-- nobody was there to hear is in the engine's records. This is SO_LINGER with a time, but the program is never blocked.

local client, server = host "client", host "server"
local cable = link(client, server, { delay = "10ms" })
server:listen(7000, {
    on_accept = function(s)
        s:on("peer_closed", function() s:close() end)
        expect(s):receives(5000)
    end,
})
local c = client:connect(server, 7000)
at("1s", function()
    cable:cut()
    c:write(5000)
    c:close { deadline = "2s" }
end)
at("6s", function() cable:heal() end)

expect(c):ends { cause = "CLOSE_DEADLINE", by = "DETACH", at = "2s", of = "call", acked = 0 }
duration "40s"
run()

local told = c:ended()
check(told.bytes_sent == 5000 and told.bytes_thrown == 0, "nothing is thrown away at the deadline")
local records = client:ends()
check(#records == 1, "the orphan's end is in the records")
local orphan = records[1] or {}
check(orphan.cause == "CLOSED" and orphan.bytes_acked == 5000, "and it came to a good end")
check(orphan.remote_port == 7000 and orphan.local_port == c:status().local_port, "it is the same connection")
