-- Bursts: ten connections each ten milliseconds, each sends 4 bytes and closes; the server accepts promptly.
-- Nobody is refused and nobody is dropped in silence; the listener says how full its queue ever was.

local clients = host("clients", { time_wait = 4096 })
local server = host("server", { time_wait = 4096 })
link(clients, server, { delay = "1ms" })
local accepted, heard, ended, wrong = 0, 0, 0, 0
local listener = server:listen(7000, {
    backlog = 128,
    on_accept = function(s)
        accepted = accepted + 1
        s:on("readable", function() heard = heard + 1 end)
        s:on("peer_closed", function() s:close() end)
    end,
})
local bursts = 0
local timer
timer = every("10ms", function()
    bursts = bursts + 1
    if bursts == 200 then timer:stop() end
    for _ = 1, 10 do
        local c = clients:connect(server, 7000)
        c:on("connected", function()
            c:write(4)
            c:close()
        end)
        c:on("end", function()
            ended = ended + 1
            if c:ended().cause ~= "CLOSED" then wrong = wrong + 1 end
        end)
    end
end)
expect_packets { flags = "RST", count = 0 }
duration "10s"
run()

check(accepted == 2000 and heard == 2000, number(accepted) .. " accepted, " .. number(heard) .. " heard")
check(ended == 2000 and wrong == 0, number(ended) .. " ended, " .. wrong .. " not by FIN")
check(listener:status().overflows == 0, "no overflow; the queue held at most " .. listener:status().peak_waiting)
