-- A monitor opens connections to many servers and closes first: do its TIME_WAITs use up the ports? Fifty ports here.
-- RFC 6056, RFC 6191: a port serves other servers at once, since TIME_WAIT guards a pair, not a port. Towards one server
-- fifty are all: until a second has passed where both sides have timestamps, else until the minute is over.

local servers, ports, rounds = 16, 50, 50

local function watch(title, count_of, strip)
    local seen = { asked = 0, up = 0, no_port = 0 }
    part(title, function()
        local monitor = host("monitor", { port_low = 40000, port_high = 40000 + ports - 1, interfaces = 16, addresses = 32, routes = 64 })
        local list = {}
        for i = 1, count_of do
            list[i] = host("s" .. i)
            link(monitor, list[i], { delay = "5ms", strip_timestamps = strip })
            list[i]:listen(80, { on_accept = function(s) s:on("peer_closed", function() s:close() end) end })
        end
        local turn = 0
        local clock
        clock = every("10ms", function()
            turn = turn + 1
            if turn == servers * rounds then clock:stop() end
            seen.asked = seen.asked + 1
            local c, failed = monitor:connect(list[turn % count_of + 1], 80)
            if failed then seen.no_port = seen.no_port + 1 return end
            c:on("connected", function()
                seen.up = seen.up + 1
                c:close()
            end)
        end)
        duration "9s"
        run()
        seen.time_wait = monitor:count "TIME_WAIT_STARTED"
    end)
    return seen
end

local many = watch(servers .. " servers, one after the other", servers)
local one = watch("One server", 1)
local plain = watch("One server, no timestamps", 1, true)
check(many.up == servers * rounds and many.no_port == 0, number(many.up) .. " of " .. number(many.asked) .. " servers were reached")
check(plain.up == ports and plain.no_port == plain.asked - ports, "one server: as many as there are ports, the others find none")
check(one.up == 8 * ports, "with timestamps a port is free after a second")
summary(ports .. " ports, a connection each 10 ms, the monitor closes first.\n\n"
    .. servers .. " servers:  " .. number(many.up) .. " of " .. number(many.asked) .. " connected; " .. number(many.time_wait)
    .. " TIME_WAITs at the monitor share the " .. ports .. " ports.\n\n"
    .. "one server:  " .. number(one.up) .. " of " .. number(one.asked) .. " connected in 8 s, since timestamps guard a port "
    .. "after one; connect() found no port " .. number(one.no_port) .. " times.\n\n"
    .. "no timestamps:  " .. number(plain.up) .. " of " .. number(plain.asked) .. " connected; no port " .. number(plain.no_port)
    .. " times, for a minute.\n\n"
    .. "On Linux a program that binds its own address first takes a port for itself alone: IP_BIND_ADDRESS_NO_PORT "
    .. "leaves the choice to connect().")
