-- The client closes with FIN and gets RST: the server aborts (linger 0), or closes with something unread.
-- RFC 9293 3.10.5, 3.6.1 SHLD-3; RFC 2525 2.17. The cure: read to the end, then close.

local function close(title, server_does)
    local seen = {}
    part(title, function()
        local client, server = host "client", host "server"
        link(client, server, { delay = "10ms" })
        server:listen(7000, { read = server_does ~= "close_unread", on_accept = function(s)
            s:on("peer_closed", function()
                if server_does == "abort" then s:abort() else s:close() end
            end)
        end })
        local c = client:connect(server, 7000)
        at("1s", function() c:write(100) end)
        at("2s", function() c:close() end)
        run()
        seen.outcome = c:ended()
        seen.fins = count { from = server, flags = "FIN" }
        seen.resets = count { from = server, flags = "RST" }
    end)
    return seen
end

local aborts = close("The server aborts when the client's FIN comes (SO_LINGER on, 0)", "abort")
local unread = close("The server closes without having read the request", "close_unread")
local reads = close("The server reads to the end, then closes", "close")

check(aborts.resets == 1 and aborts.fins == 0, "an abort answers FIN with RST")
check(unread.resets == 1 and unread.fins == 0, "so does a close with unread data, without any linger")
check(reads.resets == 0 and reads.fins == 1, "a close after reading all answers FIN with FIN")

local function row(name, seen)
    return name .. ":" .. string.rep(" ", 11 - #name) .. "the client ended " .. seen.outcome.cause .. " by " .. seen.outcome.by .. "; TIME_WAIT is with "
        .. ({ us = "the client", peer = "the server", nobody = "nobody" })[seen.outcome.time_wait] .. "."
end

summary("A client writes 100 bytes and closes. The server answers its FIN in three ways.\n\n"
    .. row("linger 0", aborts) .. "\n\n" .. row("unread", unread) .. "\n\n" .. row("reads all", reads))
