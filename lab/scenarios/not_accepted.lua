-- The server's application accepts late: the connection is established, its data waits, nothing is lost.
-- A place in the accept queue is kept for whoever gets a SYN ACK; the backlog says how many.

local client, server = host "client", host "server"
link(client, server, { delay = "10ms" })
local listener = server:listen(7000, { accept = false, backlog = 2 })
local c = client:connect(server, 7000)
at("1s", function() c:write "are you there?" end)
at("2s", function() check(listener:status().waiting == 1, "one connection waits to be accepted") end)
at("10s", function()
    local s = listener:accept()
    expect(s):receives "are you there?"
end)

expect(c):state("ESTABLISHED", { at = "9s" })
duration "11s"
