-- The peer's process is frozen with its stack: nothing answers, and detect_within tells in time.
-- A process whose kernel still answers is another matter: no transport timer can see that one.

local client, server = host "client", host "server"
link(client, server, { delay = "10ms" })
server:listen(7000)
local c = client:connect(server, 7000, { detect_within = "10s" })
every("1s", function() c:write(20) end)
at("5500ms", function() server:stall() end)

expect(c):ends { cause = "PEER_SILENT", by = "DETECT_WITHIN", at = "10s", of = "last_heard" }
