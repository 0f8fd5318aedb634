-- A handshake's ACK comes late, after the data, both FINs and the server's close: does it open the connection again?
-- On Linux it does if the connection was opened by a SYN cookie, since a cookie is good for a minute or two however
-- often it comes: accept() returns a connection that no client has, and a server without a timeout waits for ever.
-- Holdfast remembers that the cookie was used: RST. RFC 4987 3.6.

local function late_ack(profile, accepts)
    part("The ACK comes 300 ms late, profile " .. profile, function()
        local silent, client, server = host "silent", host("client", { profile = profile }), host("server", { profile = profile })
        local deaf = link(silent, server, { delay = "5ms" })
        local wire = link(client, server, { delay = "5ms" })
        local accepted = 0
        server:listen(7000, {
            backlog = 8,
            on_accept = function(s)
                accepted = accepted + 1
                s:on("peer_closed", function() s:close() end)
            end,
        })
        deaf:cut { from = server }
        for _ = 1, 9 do silent:connect(server, 7000) end -- these hold what requests may hold: now cookies are sent
        local c
        at("500ms", function() c = client:connect(server, 7000) end)
        at("508ms", function() wire:set { reorder = 1, reorder_by = "300ms" } end) -- the handshake's ACK leaves at 510 ms
        at("511ms", function()
            wire:set { reorder = 0 }
            c:write "Ping"
            c:close()
        end)
        at("900ms", function() expect(c):ends { cause = "CLOSED", acked = 4, time_wait = "us" } end)
        duration "2s"
        run()
        check(accepted == accepts, profile .. ": one client, " .. accepted .. " accepted")
        if profile == "linux" then return end
        check(server:count "DROP_COOKIE_USED" == 1, "the late ACK got RST")
    end)
end

late_ack("linux", 2)
late_ack("holdfast", 1)
