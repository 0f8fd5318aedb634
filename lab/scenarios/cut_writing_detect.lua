-- The cable is cut under a writer with detect_within = 10 s: told within ten seconds of the last sign of life.
-- The oldest data goes again and again, spaced so that at least four transmissions stay unanswered.

local client, server = host "client", host "server"
local cable = link(client, server, { delay = "10ms" })
server:listen(7000)
local c = client:connect(server, 7000, { detect_within = "10s" })
every("1s", function() c:write(20) end)
at("5500ms", function() cable:cut() end)

expect(c):ends { cause = "PEER_SILENT", by = "DETECT_WITHIN", at = "10s", of = "last_heard" }
expect_packets { from = client, lost = true, at_least = 4 }
