-- RFC 6455 7.1.1: the server is to close TCP first, so that TIME_WAIT is with it. A client that closes first, and linger 0?
-- The close frames have been exchanged; then one side closes TCP. Linger 0 at the server can take the close frame
-- away from a client that has not read it yet: no substitute.

local common = use "common"

local function goodbye(title, options)
    local seen = {}
    part(title, function()
        local client, server = common.pair(options.profile or "holdfast", "10ms")
        local peer
        local c
        server:listen(80, {
            on_accept = function(s)
                peer = s
                s:on("readable", function()
                    s:write "close" -- the frame that answers the client's
                    if options.server == "closes" then s:close() end
                    if options.server == "aborts" then s:abort() end
                end)
                s:on("peer_closed", function() s:close() end)
            end,
        })
        c = client:connect(server, 80)
        at("1s", function() c:write "close" end)
        c:on("readable", function()
            if options.server == "waits" then c:close() end
        end)
        c:on("peer_closed", function() c:close() end)
        duration "5s"
        run()
        seen.client, seen.server = c:ended(), peer:ended()
        seen.read = c:status().bytes_read
    end)
    return seen
end

local first = goodbye("The server closes first, as the RFC says", { server = "closes" })
local last = goodbye("The client closes first", { server = "waits" })
local reset = goodbye("The server aborts (linger 0)", { server = "aborts" })
local linux = goodbye("The server closes first, Linux's limits", { server = "closes", profile = "linux" })

for _, seen in ipairs { first, linux } do
    check(seen.server.time_wait == "us" and seen.client.time_wait == "peer", "TIME_WAIT is with the server")
    check(seen.read == 5 and seen.client.cause == "CLOSED", "and the client has read the close frame")
end
check(last.client.time_wait == "us", "who closes first holds TIME_WAIT: the client, a port for each goodbye")
check(reset.client.cause == "PEER_RESET" and reset.client.time_wait == "nobody", "linger 0: nobody holds it, the client gets an error")
check(reset.read == 0 and reset.server.bytes_acked == 0, "and the close frame is thrown away unsent")

local function row(name, seen)
    return { name, "the client read " .. seen.read .. " of 5 bytes and ended " .. seen.client.cause .. "; TIME_WAIT is with "
        .. ({ us = "the server (48 bytes for 60 s)", peer = "the client", nobody = "nobody" })[seen.server.time_wait] }
end
summary("Goodbye of a WebSocket.\n\n" .. common.table { row("server first", first), row("client first", last),
    row("server, linger 0", reset) })
