-- A server with 5,000 clients is restarted: it closes all, its listener too, and the next one listens at once.
-- RFC 9293 3.6, RFC 6191. Closing first puts 5,000 TIME_WAITs at the server, which do not keep its port; the clients
-- come back from the same ports. Aborting all (linger 0) is as quick and costs each client an error.

local common = use "common"
local clients = param("clients", 5000)

local function restart(profile, title, finish)
    local seen = { eof = 0, reset = 0, back = 0, served = 0 }
    part(profile .. ": " .. title, function()
        local sizes = { profile = profile, conns = 2 * clients, time_wait = 2 * clients, flights = 1024 }
        local client, server = host("clients", sizes), host("server", sizes)
        link(client, server, { delay = "1ms", rate = "1Gbit/s", queue = 20000 })
        local live = {}
        local function serve()
            return server:listen(7000, {
                backlog = clients,
                on_accept = function(s)
                    seen.served = seen.served + 1
                    live[#live + 1] = s
                    s:on("peer_closed", function() s:close() end)
                end,
            })
        end
        local listener = serve()
        local function come(port, again)
            local c = client:connect(server, 7000, { local_port = port })
            if again then c:on("connected", function() seen.back = seen.back + 1 end) end
            c:on("peer_closed", function()
                seen.eof = seen.eof + 1
                c:close()
            end)
            c:on("end", function() if c:ended().cause == "PEER_RESET" then seen.reset = seen.reset + 1 end end)
        end
        for i = 1, clients do after(i * 200 .. "us", function() come(10000 + i) end) end
        at("5s", function()
            listener:close()
            for _, s in ipairs(live) do finish(s) end
            listener = serve()
            seen.listening_ns = now()
        end)
        at("6s", function() for i = 1, clients do after(i * 200 .. "us", function() come(10000 + i, true) end) end end)
        duration "9s"
        run()
        seen.time_wait = server:count "TIME_WAIT_STARTED"
        seen.taken = server:count "TOOK_TIME_WAIT_SYN"
    end)
    check(seen.listening_ns == 5 * common.second, title .. ": the next listener stands at the same instant")
    check(seen.back == clients and seen.served == 2 * clients, title .. ": all " .. number(clients) .. " are back within 2 s")
    return seen
end

local closed = restart("holdfast", "close", function(s) s:close() end)
local reset = restart("holdfast", "abort (linger 0)", function(s) s:abort() end)
check(closed.eof == clients and closed.reset == 0, "closed: every client reads end of stream")
check(closed.time_wait == clients and closed.taken == clients, "and takes the place of its TIME_WAIT")
check(reset.reset == clients and reset.time_wait == 0, "aborted: every client gets an error")

local function row(name, seen)
    return { name, number(seen.eof) .. " clients read end of stream, " .. number(seen.reset) .. " got PEER_RESET; "
        .. number(seen.time_wait) .. " TIME_WAITs at the server, " .. number(seen.taken)
        .. " of them taken by the client's next SYN; listening again at once" }
end
summary("A server with " .. number(clients) .. " clients restarts.\n\n" .. common.table { row("close", closed), row("abort", reset) })
