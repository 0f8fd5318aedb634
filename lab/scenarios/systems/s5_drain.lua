-- A server under bursts wants to stop, or to make way for its successor: close the listener, or drain it? RFC 9293 3.10.4.2.
-- Ten connects each 10 ms, accepted each 20 ms. Closing resets all that wait in the queue, under every profile, and
-- their connect() had succeeded. Holdfast's drain serves them; who comes later is refused at once, either way.

local common = use "common"
local bursts = 20

local function stop(profile, title, how)
    local seen = { title = title, asked = 10 * bursts, served = 0, reset = 0, refused = 0, unsure = 0 }
    part(title, function()
        local client, server = host "client", host("server", { profile = profile })
        link(client, server, { delay = "500us" })
        local listener = server:listen(7000, { backlog = 64, accept = false })
        every("20ms", function()
            for s in function() return listener:accept() end do
                s:on("peer_closed", function() s:close() end)
                if s:status().state == "CLOSE_WAIT" then s:close() end
            end
        end)
        local conns, turn, clock = {}, 0, nil
        clock = every("10ms", function()
            turn = turn + 1
            if turn == bursts then clock:stop() end
            for _ = 1, 10 do
                local c = client:connect(server, 7000)
                c:on("connected", function()
                    c:write(4)
                    c:close { deadline = "5s", at_deadline = "rst" }
                end)
                conns[#conns + 1] = c
            end
        end)
        at("115ms", function()
            seen.waiting = listener:status().waiting
            how(listener)
        end)
        duration "20s"
        run()
        local as = { CLOSED = "served", PEER_RESET = "reset", REFUSED = "refused" }
        for _, c in ipairs(conns) do
            local name = c:ended() and as[c:ended().cause] or "unsure"
            seen[name] = seen[name] + 1
        end
        seen.drained = listener:status().drained
    end)
    check(seen.waiting > 0 and seen.refused > 0 and seen.unsure == 0, title .. ": served, reset or refused, and each client knows which")
    return seen
end

local lines = {}
local function row(seen)
    lines[#lines + 1] = { seen.title, seen.served .. " served, " .. seen.reset .. " of the " .. seen.waiting
        .. " that waited reset, " .. seen.refused .. " refused later" }
end
for _, profile in ipairs(common.profiles) do
    local closed = stop(profile, profile .. ", closed", function(l) l:close() end)
    check(closed.reset == closed.waiting, profile .. ": a close resets who waits")
    row(closed)
end
local drained = stop("holdfast", "holdfast, drained", function(l) l:drain { deadline = "1s" } end)
check(drained.reset == 0 and drained.drained, "a drain serves who waits, and then the listener is done")
row(drained)
summary(10 * bursts .. " connects in 0.2 s, the server stops after 115 ms.\n\n" .. common.table(lines))
