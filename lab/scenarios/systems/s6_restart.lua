-- A server with 5,000 clients is restarted: it closes all, its listener too, and the next one listens at once.
-- RFC 9293 3.6, RFC 6191. Closing first puts 5,000 TIME_WAITs at the server, which do not keep its port; the clients
-- come back from the same ports. Aborting all (linger 0) is as quick and costs each client an error. Linux does the
-- same (with SO_REUSEADDR). On a small stack the TIME_WAITs of 200 clients leave room for 55 that come from new ports.

local common = use "common"
local most = param("clients", backend() == "linux" and 200 or 5000)

local function restart(profile, title, finish, shift)
    local clients = profile == "small" and math.min(200, most) or most
    local seen = { clients = clients, eof = 0, reset = 0, back = 0, served = 0, refused = 0 }
    part(profile .. ": " .. title, function()
        local sizes = { conns = 2 * clients, time_wait = 2 * clients, flights = 1024 }
        if backend() == "linux" then sizes = {} end
        local client = host("clients", sizes)
        if profile == "small" then sizes = {} end
        sizes.profile = profile
        local server = host("server", sizes)
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
            c:on("end", function()
                if c:ended().cause == "PEER_RESET" then seen.reset = seen.reset + 1 end
                if c:ended().cause == "REFUSED" then seen.refused = seen.refused + 1 end
            end)
        end
        for i = 1, clients do after(i * 200 .. "us", function() come(10000 + i) end) end
        at("5s", function()
            listener:close()
            for _, s in ipairs(live) do finish(s) end
            listener = serve()
            seen.listening_ns = now()
        end)
        at("6s", function() for i = 1, clients do after(i * 200 .. "us", function() come(10000 + (shift or 0) + i, true) end) end end)
        at("5900ms", function() seen.time_wait = server:time_wait().used end)
        duration "9s"
        run()
        seen.taken = seen.time_wait - server:time_wait().used -- none is over yet: only a new SYN ends one
    end)
    local late_ns = seen.listening_ns - 5 * common.second
    check(late_ns == 0 or backend() == "linux" and late_ns < common.second // 2, title .. ": the next listener stands at the same instant")
    return seen
end

local rows = {}
local function row(profile, name, seen)
    rows[#rows + 1] = { profile .. ", " .. name, number(seen.eof) .. " clients read end of stream, " .. number(seen.reset)
        .. " got PEER_RESET; " .. number(seen.time_wait) .. " TIME_WAITs at the server, " .. number(seen.taken)
        .. " of them taken by the client's next SYN; listening again at once, " .. number(seen.back) .. " back within 2 s, "
        .. number(seen.refused) .. " refused" }
end
for _, profile in ipairs(common.profiles) do
    local closed = restart(profile, "close", function(s) s:close() end)
    local reset = restart(profile, "abort (linger 0)", function(s) s:abort() end)
    check(closed.eof == closed.clients and closed.reset == 0, profile .. ", closed: every client reads end of stream")
    check(closed.time_wait == closed.clients, profile .. ", closed: and the server holds its TIME_WAIT")
    check(reset.reset == reset.clients and reset.time_wait == 0, profile .. ", aborted: every client gets an error")
    check(reset.back == reset.clients, profile .. ", aborted: all are back")
    check(closed.back == closed.clients and closed.taken == closed.clients,
        profile .. ", closed: all are back, each in the place of its TIME_WAIT")
    row(profile, "close", closed)
    row(profile, "abort", reset)
    if profile == "small" then
        local moved = restart(profile, "close, the clients come back from new ports", function(s) s:close() end, 20000)
        check(moved.back == 255 - moved.clients and moved.refused == moved.clients - moved.back,
            "small, from new ports: TIME_WAIT is in the table that takes connections")
        row(profile, "new ports", moved)
    end
end
summary("A server with " .. number(most) .. " clients (the small one with " .. math.min(200, most) .. ") restarts.\n\n" .. common.table(rows))
