-- Orphans in FIN_WAIT_2: the program closes and forgets, the peers acknowledge and never close their side.
-- RFC 9293 3.6 lets a half-closed connection last for ever; nobody here waits for it. Each keeps 48 bytes of the
-- TIME_WAIT table for a minute instead of a connection, so four connection slots serve fifty of them.

local client = host("client", { conns = 4, time_wait = 64 })
local server = host "server"
link(client, server, { delay = "5ms" })
server:listen(7000)
local opened, refused = 0, 0
local opener = every("50ms", function()
    local c, err = client:connect(server, 7000)
    if err then refused = refused + 1 end
    opened = opened + 1
    c:on("connected", function()
        c:write(20)
        c:close()
        c:release()
    end)
end)
at("2520ms", function() opener:stop() end)
duration "70s"
run()

check(opened == 50 and refused == 0, "fifty connections in four slots, none refused")
check(client:count "FIN_WAIT_2_STARTED" == 50, "each became an entry when its FIN was acknowledged")
check(client:count "FIN_WAIT_2_ENDED" == 50, "and each ended after a minute")
local records = client:ends()
check(#records == 50 and records[1].cause == "ORPHANED" and records[1].bytes_acked == 20,
    "their receipts are in the records: all was acknowledged")
