-- A server is restarted under its clients: it closes first, holds TIME_WAIT, and listens again at once.
-- The same client comes back from the same port: its SYN is newer than what TIME_WAIT guards (RFC 6191), so a new
-- connection takes the entry's place and nobody waits a minute.

local client, server = host "client", host "server"
link(client, server, { delay = "10ms" })
local served = 0
local function serve()
    return server:listen(7000, {
        on_accept = function(s)
            served = served + 1
            after("500ms", function() s:close() end)
        end,
    })
end
local listener = serve()

local function visit()
    local c = client:connect(server, 7000, { local_port = 40001 })
    c:on("peer_closed", function() c:close() end)
    return c
end
local first = visit()
expect(first):ends { cause = "CLOSED", by = "FIN", time_wait = "peer" }

at("2s", function()
    listener:close()
    listener = serve()
end)
at("3s", function()
    local second = visit()
    expect(second):state("ESTABLISHED", { at = "3100ms" })
    expect(second):ends { cause = "CLOSED", by = "FIN", time_wait = "peer" }
end)
expect_packets { flags = "RST", count = 0 }
run()

check(served == 2, "both visits were served")
check(server:count "TOOK_TIME_WAIT_SYN" == 1, "the second took the place of the first one's TIME_WAIT")
