-- A frozen process on the kernel: the kernel goes on answering for it, so keepalive finds nothing wrong.

local client, server = host "client", host "server"
link(client, server)
local read_at_ns
server:listen(7000, { on_accept = function(s)
    s:on("readable", function() read_at_ns = now() end)
    expect(s):receives(25)
end })
local c = client:connect(server, 7000, { keepalive = { idle = "1s", interval = "1s", count = 2 } })
at("500ms", function() server:stall() end)
at("1s", function() c:write(25) end)
at("5s", function() server:resume() end)
expect(c):state("ESTABLISHED", { at = "5500ms" })
run()
check(read_at_ns >= 5000000000, "the data waited in the kernel until the process ran again")
