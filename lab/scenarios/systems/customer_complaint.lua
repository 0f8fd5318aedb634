-- The client closes with FIN and gets RST: the server aborts (linger 0), or closes with something unread.
-- RFC 9293 3.10.5, 3.6.1 SHLD-3; RFC 2525 2.17. The cure: read to the end, then close.

local function close(profile, title, server_does)
    local seen = {}
    part(profile .. ": " .. title, function()
        local client, server = host("client", { profile = profile }), host("server", { profile = profile })
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

local aborts, unread, reads = {}, {}, {}
local profiles = backend() == "linux" and { "linux" } or { "holdfast", "linux" }
for _, profile in ipairs(profiles) do
    aborts[profile] = close(profile, "the server aborts when the client's FIN comes (SO_LINGER on, 0)", "abort")
    unread[profile] = close(profile, "the server closes without having read the request", "close_unread")
    reads[profile] = close(profile, "the server reads to the end, then closes", "close")
    check(aborts[profile].resets == 1 and aborts[profile].fins == 0, profile .. ": an abort answers FIN with RST")
    check(unread[profile].resets == 1 and unread[profile].fins == 0,
        profile .. ": so does a close with unread data, without any linger")
    check(reads[profile].resets == 0 and reads[profile].fins == 1, profile .. ": a close after reading all answers FIN with FIN")
end

local function row(name, seen)
    return name .. ":" .. string.rep(" ", 11 - #name) .. "the client ended " .. seen.outcome.cause .. " by " .. seen.outcome.by .. "; TIME_WAIT is with "
        .. ({ us = "the client", peer = "the server", nobody = "nobody" })[seen.outcome.time_wait] .. "."
end

summary("A client writes 100 bytes and closes. The server answers its FIN in three ways, on Linux as on Holdfast.\n\n"
    .. row("linger 0", aborts.linux) .. "\n\n" .. row("unread", unread.linux) .. "\n\n" .. row("reads all", reads.linux))
