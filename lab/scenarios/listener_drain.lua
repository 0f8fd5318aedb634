-- A server wants to stop: no new clients, but those that have a place are served. hf_listener_drain.
-- Ten clients have connected and wait; the drain begins; five more are refused at once; the ten are accepted, one each
-- 100 ms; then the listener is done and says so. With a deadline what still waits then is reset, and told.

local function drain(title, deadline, accepted_at_end, done_at_ns)
    part(title, function()
        local client, server = host "client", host "server"
        link(client, server, { delay = "10ms" })
        local listener = server:listen(7000, { accept = false, backlog = 32 })
        local early, late = {}, {}
        for i = 1, 10 do early[i] = client:connect(server, 7000) end
        local accepting
        at("1s", function()
            listener:drain { deadline = deadline }
            for i = 1, 5 do
                late[i] = client:connect(server, 7000)
                expect(late[i]):ends { cause = "REFUSED", by = "RST", within = "20ms", of = "call", slack = "5ms" }
            end
            accepting = every("100ms", function() listener:accept() end)
        end)
        local done_ns
        every("10ms", function()
            if not done_ns and listener:status().drained then done_ns = now() end
        end)
        duration "4s"
        run()
        check(listener:status().accepted == accepted_at_end, accepted_at_end .. " were accepted")
        check(done_ns and math.abs(done_ns - done_at_ns) < 2e7,
            "the listener is done after " .. words((done_ns or 0) - 1e9))
        local reset = 0
        for _, c in ipairs(early) do
            if c:ended() and c:ended().cause == "PEER_RESET" then reset = reset + 1 end
        end
        check(reset == 10 - accepted_at_end, reset .. " that nobody accepted were reset")
        local again = server:listen(7000)
        check(again ~= nil, "the port is free for the next listener")
    end)
end

drain("All are accepted", "1min", 10, 2e9)
drain("The deadline comes while five still wait", "550ms", 5, 1.55e9)
