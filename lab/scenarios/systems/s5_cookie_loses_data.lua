-- A burst on a small backlog: clients connect, send 4 bytes and close, and every call of theirs succeeds. What arrived?
-- On Linux with SYN cookies the ACK of a cookie that finds the accept queue full is dropped with its data and nobody is
-- told; the FIN draws a RST that finds no socket. On Holdfast who finds no place is told by RST. RFC 9293 3.10.7.2.

local function burst(profile)
    local seen = { believed = 0, told = 0, acked = 0, arrived = 0 }
    part("Forty clients, backlog 4, profile " .. profile, function()
        local clients, server = host("clients", { profile = profile }), host("server", { profile = profile })
        link(clients, server, { delay = "20ms" })
        local listener = server:listen(7000, { backlog = 4, accept = false })
        local conns = {}
        for i = 1, 40 do
            local c = clients:connect(server, 7000)
            conns[i] = c
            c:on("connected", function()
                c:write "Ping"
                c:close()
            end)
        end
        every("100ms", function() -- a slow server: ten a second
            local s = listener:accept()
            if not s then return end
            if s:status().bytes_received == 4 then seen.arrived = seen.arrived + 1 end
            s:close()
        end)
        duration "3min"
        run()
        for _, c in ipairs(conns) do
            local e = c:ended()
            if e and e.cause == "CLOSED" and e.bytes_acked == 4 then seen.acked = seen.acked + 1 end
            if e and (e.cause == "PEER_RESET" or e.cause == "REFUSED") then seen.told = seen.told + 1 end
        end
        seen.silent = server:count "DROP_COOKIE_ACK" + server:count "DROP_HANDSHAKE_ACK"
        seen.no_place = server:count "SENT_RST_NO_PLACE"
    end)
    return seen
end

local linux, holdfast = burst "linux", burst "holdfast"
check(linux.silent > 0, "linux: " .. linux.silent .. " ACKs dropped without a word")
check(linux.no_place == 0, "and nobody is told at the time")
check(holdfast.silent == 0, "holdfast: none")
check(holdfast.acked == holdfast.arrived, "what was acknowledged has arrived: " .. holdfast.arrived)
check(holdfast.acked + holdfast.told == 40, "and the other " .. holdfast.told .. " clients know that it has not")
summary("Of 40 clients Linux served " .. linux.arrived .. "; the other " .. 40 - linux.arrived
    .. " had a successful connect(), send() and close(). Holdfast served " .. holdfast.arrived .. " and reset "
    .. holdfast.told .. ".")
