-- All clients behind one address: what runs out is the pairs of ports. Who closes first decides, and whose clock is older.
-- RFC 6191, RFC 7323 5.8. Fifty ports to one server. Where the client closes first its own TIME_WAIT holds each for a
-- second (timestamps) or a minute; where the server does, a newer SYN takes the entry's place at once. Another machine
-- behind the same address has other clocks, and need not be newer.

local ports = 50

local function load(title, server_first, other_machine, strip)
    local seen = { up = 0, no_port = 0, late = 0 }
    part(title, function()
        local nat, server = host("nat", { port_low = 40000, port_high = 40000 + ports - 1 }), host "server"
        link(nat, server, { delay = "10ms", strip_timestamps = strip })
        server:listen(80, {
            on_accept = function(s)
                if server_first then after("20ms", function() s:close() end) end
                s:on("peer_closed", function() s:close() end)
            end,
        })
        local function round()
            for i = 1, ports do
                local began_ns = now() + i * 1000000
                after(i .. "ms", function()
                    local c, failed = nat:connect(server, 80, { local_port = other_machine and 40000 + i - 1 or nil })
                    if failed then seen.no_port = seen.no_port + 1 return end
                    c:on("connected", function()
                        seen.up = seen.up + 1
                        if now() - began_ns > 25000000 then seen.late = seen.late + 1 end
                        if not server_first then c:close() end
                    end)
                    c:on("peer_closed", function() c:close() end)
                end)
            end
        end
        for turn = 1, 4 do at(turn * 700 .. "ms", round) end
        -- Behind a NAT the next round comes from another machine: other keys, other clocks, the same address and ports.
        if other_machine then for turn = 1, 3 do at(turn * 700 + 400 .. "ms", function() nat:reboot() end) end end
        duration "6s"
        run()
        seen.taken, seen.yielded = server:count "TOOK_TIME_WAIT_SYN", server:count "TW_ENDED_BY_RESTARTING_PEER"
    end)
    return seen
end

local client = load("The client closes first", false)
local plain = load("The client closes first, no timestamps", false, false, true)
local server = load("The server closes first", true)
local others = load("The server closes first, each round from another machine", true, true)
check(plain.up == ports and plain.no_port == 3 * ports, "client first: " .. ports .. " in a minute, for all behind the address")
check(client.up == 2 * ports, "with timestamps " .. ports .. " in a second")
check(server.up == 4 * ports and server.no_port == 0, "server first: each pair is used again at once")
check(others.up == 4 * ports, "other machines get through, too")
check(others.late > 0 and others.yielded == others.late, "those with older clocks a round trip or two later")

summary("Four rounds of " .. ports .. " connections in 2.1 s from one address with " .. ports .. " ports.\n\n"
    .. "client closes first:  " .. client.up .. " connected, " .. client.no_port .. " found no port; TIME_WAIT is with the client\n\n"
    .. "and no timestamps:    " .. plain.up .. " connected, " .. plain.no_port .. " found no port\n\n"
    .. "server closes first:  " .. server.up .. " connected; " .. server.taken .. " SYNs took a TIME_WAIT's place\n\n"
    .. "other machines:       " .. others.up .. " connected; " .. others.taken .. " SYNs were newer, " .. others.yielded
    .. " were not and had to reset the TIME_WAIT first, which took them a round trip more")
