-- The client's own process is frozen for half a minute: the peer is not blamed for the silence.
-- What came meanwhile lies in the queue and is taken before time moves; no verdict comes from a gap of our own. The
-- process freezes while a write is on its way: its ACK arrives and waits.

local client, server = host "client", host "server"
link(client, server, { delay = "10ms" })
server:listen(7000)
local c = client:connect(server, 7000, { detect_within = "10s" })
every("1s", function() c:write(20) end)
at("5005ms", function() client:stall() end)
at("35500ms", function() client:resume() end)

expect(c):never_ends { until_ = "60s" }
