-- An option that only Holdfast has is refused on linux, by its name. This file must be refused.

local client, server = host "client", host "server"
link(client, server)
server:listen(7000)
client:connect(server, 7000, { detect_within = "5s" })
