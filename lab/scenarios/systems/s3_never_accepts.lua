-- Twelve clients connect to a server that never accepts, backlog 2: which of them are established?
-- On Linux all twelve believe they are, send succeeds, and minutes later RST tells ten of them. On Holdfast established
-- means that a place is kept: two have one, and ten are told within one round trip.

local clients, server = host "clients", host "server"
link(clients, server, { delay = "20ms" })
server:listen(7000, { accept = false, backlog = 2 })
local alive, told, late = 0, 0, 0

for _ = 1, 12 do
    local c = clients:connect(server, 7000)
    c:on("end", function()
        told = told + 1
        if now() > 100000000 then late = late + 1 end
    end)
    at("3s", function()
        if not c:ended() and c:status().state == "ESTABLISHED" then alive = alive + 1 end
    end)
end
duration "5s"
run()

check(alive == 2, alive .. " of 12 are established after 3 s: as many as there are places")
check(told == 10, told .. " were told that there is no place")
check(late == 0, late .. " of them later than a round trip after connect returned")
