-- "You are not closing your connections": how would a leak of descriptors look instead? It never recovers.
-- A server that answers and never closes: the client closes, CLOSE_WAIT stays. A slower client only delays the end, and
-- more sockets only postpone it. RFC 9293 3.6.

local common = use "common"

local function play(title, options)
    local seen = { ok = 0, refused = 0, last_ok_ns = 0 }
    part(title, function()
        local client, server = host("client", { conns = 2048, time_wait = 8192 }),
            host("server", { profile = "small", conns = options.sockets, conn_pool_with_time_wait = options.sockets })
        link(client, server, { delay = "1ms" })
        local open = {}
        server:listen(515, {
            on_accept = function(s)
                open[#open + 1] = s
                s:on("readable", function()
                    s:write "no entries\n"
                    if not options.leaks then s:close() end
                end)
            end,
        })
        every(options.every, function()
            local c = client:connect(server, 515)
            c:on("connected", function() c:write "\4lp\n" end)
            c:on("readable", function()
                seen.ok, seen.last_ok_ns = seen.ok + 1, now()
                if options.leaks then c:close() end -- it has its answer and does not wait
            end)
            c:on("peer_closed", function() c:close() end)
            c:on("end", function() if c:ended().cause == "REFUSED" then seen.refused = seen.refused + 1 end end)
        end)
        duration "4min"
        run()
        seen.close_wait, seen.time_wait = 0, server:count "TIME_WAIT_STARTED"
        for _, s in ipairs(open) do
            if not s:ended() and s:status().state == "CLOSE_WAIT" then seen.close_wait = seen.close_wait + 1 end
        end
    end)
    return seen
end

local leak = play("A leak, 255 sockets, ten a second", { leaks = true, sockets = 255, every = "100ms" })
local slow = play("A leak, 255 sockets, four a second", { leaks = true, sockets = 255, every = "250ms" })
local more = play("A leak, 600 sockets, ten a second", { leaks = true, sockets = 600, every = "100ms" })
local closes = play("No leak, 255 sockets, ten a second", { sockets = 255, every = "100ms" })

check(leak.ok == 255 and leak.close_wait == 255 and leak.time_wait == 0, "255 pass, all are in CLOSE_WAIT, and it never recovers")
check(slow.ok == 255, "a slower client gets as many, later")
check(more.ok == 600, "more sockets are used up, too")
check(closes.ok > 900 and closes.time_wait == closes.ok, "without a leak it recovers each minute, and all are in TIME_WAIT")

local function row(name, seen)
    return { name, number(seen.ok) .. " answered, the last after " .. words(seen.last_ok_ns) .. "; " .. number(seen.refused)
        .. " refused; " .. seen.close_wait .. " in CLOSE_WAIT, " .. number(seen.time_wait) .. " went through TIME_WAIT" }
end
summary("Four minutes of queries.\n\n" .. common.table { row("leak", leak), row("leak, slower", slow),
    row("leak, 600 sockets", more), row("no leak", closes) })
