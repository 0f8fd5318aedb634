-- Twenty clients, a listener with 8 places, a program that never accepts: who is established, and is it true at both ends?
-- RFC 9293 3.5. Holdfast reserves the place before it answers: no client believes in a connection nobody knows of.

local clients, places = 20, 8
local client, server = host "client", host "server"
link(client, server, { delay = "20ms" })
local listener = server:listen(7000, { backlog = places, accept = false })
local conns, said = {}, { connected = 0, told = 0, latest_ns = 0 }
at("1s", function()
    for i = 1, clients do
        local c = client:connect(server, 7000)
        local began_ns = now()
        c:on("connected", function()
            said.connected = said.connected + 1
            c:write "Ping"
        end)
        c:on("end", function()
            said.told = said.told + 1
            said.latest_ns = math.max(said.latest_ns, now() - began_ns)
        end)
        conns[i] = c
    end
end)
duration "10min"
run()

local placed, acknowledged = 0, 0
for _, c in ipairs(conns) do
    if not c:ended() then
        placed = placed + 1
        if c:status().bytes_acked == 4 then acknowledged = acknowledged + 1 end
    end
end
local status = listener:status()
check(placed == places and status.waiting == places, "as many live at the client as wait at the server")
check(acknowledged == placed, "and the server has what they sent")
check(said.told == clients - placed, "the others were told by RST")
summary(clients .. " clients, " .. places .. " places, nobody accepts. " .. placed .. " connections are established at "
    .. "both ends and their data is kept; they wait for a program that does not come, which no transport can cure. "
    .. "The other " .. said.told .. " were reset, the last of them " .. words(said.latest_ns)
    .. " after connect(). Ten minutes later nothing has changed. Linux's half-established connections (the server "
    .. "forgets, the client is not told): systems/s3_half_established.lua.")
