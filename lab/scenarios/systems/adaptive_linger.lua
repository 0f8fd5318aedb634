-- "Switch to linger 0 when TIME_WAIT is high": what do the clients lose? All that has not reached them.
-- RFC 9293 3.10.5. A server answers 60 kB and closes; over a slow link the answer is still under way. With more than a
-- hundred TIME_WAITs it aborts instead. The entries cost 48 bytes each.

local common = use "common"
local clients, answer = 300, 60000

local function serve(title, most)
    local seen = { whole = 0, cut = 0, bytes = 0 }
    part(title, function()
        local client, server = host("client"), host("server", { tx_chunks = 4096 })
        link(client, server, { delay = "20ms", rate = "100Mbit/s", queue = 5000 })
        server:listen(80, {
            on_accept = function(s)
                s:on("readable", function()
                    s:write(answer)
                    if server:count "TIME_WAIT_STARTED" > most then s:abort() else s:close() end
                end)
            end,
        })
        local asked, clock = 0, nil
        clock = every("20ms", function()
            asked = asked + 1
            if asked == clients then clock:stop() end
            local c = client:connect(server, 80)
            c:on("connected", function() c:write(50) end)
            c:on("peer_closed", function() c:close() end)
            c:on("end", function()
                local got = c:ended().bytes_to_app
                seen.bytes = seen.bytes + got
                if got == answer then seen.whole = seen.whole + 1 else seen.cut = seen.cut + 1 end
            end)
        end)
        duration "30s"
        run()
        seen.time_wait = server:count "TIME_WAIT_STARTED"
    end)
    return seen
end

local always = serve("Always close", clients)
local adaptive = serve("Abort above a hundred TIME_WAITs", 100)
check(always.whole == clients, "closed: every client has the whole answer")
check(adaptive.whole > 90 and adaptive.whole < 130 and adaptive.cut > 0, "aborted: the others have not")
summary(clients .. " clients, answers of " .. number(answer) .. " bytes.\n\n" .. common.table {
    { "close", always.whole .. " whole answers; " .. always.time_wait .. " TIME_WAITs, " .. number(always.time_wait * 48) .. " bytes" },
    { "abort above 100", adaptive.whole .. " whole answers, " .. adaptive.cut .. " clients got an error and "
        .. number(clients * answer - adaptive.bytes) .. " bytes less" } })
