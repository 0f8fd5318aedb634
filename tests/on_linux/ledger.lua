-- What a host's kernel holds, from its own table: the ports towards one service, who is in TIME_WAIT, and until when.
-- Five ports; two connections live, one was closed by the client, who closed first, and waits for a minute.

local client = host("client", { sysctl = { ip_local_port_range = "40001 40005" } })
local server = host "server"
link(client, server)
server:listen(7000, { on_accept = function(s) s:on("peer_closed", function() s:close() end) end })
local conns = {}
for i = 1, 3 do conns[i] = client:connect(server, 7000) end
at("1s", function() conns[1]:close() end)
at("2s", function()
    local ports = client:ports(server, 7000)
    check(ports.ports == 5 and ports.free == 2, ports.free .. " of " .. ports.ports .. " ports are free")
    check(ports.ESTABLISHED == 2 and ports.time_wait == 1, "two connections, one TIME_WAIT")
    check(ports.first_free_at_ns <= now(), "the first free one is free now")
    check(client:time_wait().used == 1 and server:time_wait().used == 0, "TIME_WAIT is with the client")
    local left_ns = client:time_wait().next_end_at_ns - now()
    check(left_ns > 55000000000 and left_ns <= 61000000000, "for another " .. words(left_ns))
    check(client:count "SENT_SYN" == 3 and client:count "SENT_FIN" == 1, "three SYNs and a FIN were sent")
    for i = 2, 3 do client:connect(server, 7000) end
    local c, failed = client:connect(server, 7000)
    check(failed == "NO_PORT", "a sixth finds no port: " .. tostring(failed))
    check(client:ports(server, 7000).free == 0, "none is free")
    check(client:ports(server, 7000).first_free_at_ns > now(), "the first is free when TIME_WAIT ends")
end)
duration "3s"
