-- A wire of the lab's own between two kernels: delay, loss and a rate, and every byte arrives as it was written.

local client, server = host "client", host "server"
local cable = link(client, server, { delay = "5ms", loss = "3%", rate = "20Mbit/s" })
server:listen(7000, { on_accept = function(s) expect(s):receives(400000) end })
local c = client:connect(server, 7000)
at("200ms", function() c:write(400000) end)

run()
local status = cable:status()
check(status.lost > 0, status.lost .. " packets were lost")
check(count { from = client, cause = "SENT_RETRANSMISSION_FAST" } + count { from = client,
    cause = "SENT_RETRANSMISSION_RTO" } > 0, "the kernel sent them again")
