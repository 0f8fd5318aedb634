-- A print server is asked ten times a second and closes first, as RFC 1179 says: six hundred TIME_WAITs stand at it.
-- On a stack whose 255 sockets include TIME_WAIT, request 236 meets RST. Here TIME_WAIT has a budget of its own: the
-- server has eight connection slots, and answers ten minutes long without one RST.

local client, server = host "client", host("server", { conns = 8, time_wait = 1024 })
link(client, server, { delay = "1ms" })
local asked, answered = 0, 0
server:listen(515, {
    on_accept = function(s)
        s:on("readable", function()
            s:write "no entries\n"
            s:close()
        end)
    end,
})
every("100ms", function()
    asked = asked + 1
    local c = client:connect(server, 515)
    c:on("connected", function() c:write "\4lp\n" end)
    c:on("peer_closed", function()
        answered = answered + 1
        c:close()
    end)
end)
expect_packets { flags = "RST", count = 0 }
expect_packets { from = server, flags = "SYN ACK", count = 6000 }
duration "600050ms"
run()

check(asked == 6000 and answered == 6000, number(answered) .. " of " .. number(asked) .. " requests were answered")
check(server:count "TIME_WAIT_STARTED" == 6000, "the server went through TIME_WAIT each time")
check(server:count "TIME_WAIT_EVICTED_UNSAFE" == 0, "and none was cut short")
