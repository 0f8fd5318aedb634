-- A listener that keeps each client's window closed until accept(): the client connects, but cannot send a byte into a
-- queue that nobody reads. Its data leaves when the program accepts, 2 s later. RFC 9293 3.8.6.
-- The update that opens the window may be lost: it is said again, with a probe that must be answered, until it is heard.

local function play(title, lose_update)
    part(title, function()
        local client, server = host "client", host "server"
        local wire = link(client, server, { delay = "10ms" })
        local listener = server:listen(7000, { accept_at = "WINDOW", accept = false })
        local c = client:connect(server, 7000)
        local served
        c:on("connected", function() c:write(5000) end)
        at("1900ms", function()
            check(c:status().state == "ESTABLISHED", "connect() has returned")
            check(c:status().bytes_acked == 0 and c:status().peer_window_bytes == 0, "but nothing could be sent")
            check(listener:status().waiting == 1, "and the server has it in its queue")
            if lose_update then wire:cut { from = server } end
        end)
        at("2s", function()
            served = listener:accept()
            expect(served):receives(5000)
        end)
        if lose_update then
            at("2100ms", function() wire:heal() end)
        end
        at("4s", function()
            check(c:status().bytes_acked == 5000, "all of it arrived after the accept")
            c:close()
        end)
        duration "5s"
        run()
        check(server:count "SENT_WINDOW_OPENED" == (lose_update and 2 or 1), "the window was opened once"
            .. (lose_update and ", lost, and once more" or ""))
    end)
end

play("Accepted after 2 s", false)
play("The first update is lost", true)
