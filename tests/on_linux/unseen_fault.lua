-- A cut that meets no packet fails its scenario here too. This file must fail.

local client, server = host "client", host "server"
local cable = link(client, server)
server:listen(7000)
local c = client:connect(server, 7000)
at("500ms", function() cable:cut() end)
expect(c):state("ESTABLISHED", { at = "1s" })
