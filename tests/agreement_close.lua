-- S6: who closes, how, and what becomes of both ends. No scenario itself: tests/agreement.lua uses it.
local world = use "agreement_world"
local cases = {}
local second, s = world.second, world.s

local function count_flags(from, flags, since_s) return count { from = from, flags = flags, after = s(since_s) } end

-- The last state a closer had before it was gone, and when that was; TIME_WAIT and an orphan's FIN_WAIT_2 outlast the
-- connection.
local function state_of(c, since_s)
    local ended = c:ended()
    if not ended then return c:status().state end
    local holds = ended.time_wait == "us" or ended.time_wait == "both"
    local until_ns = holds and ended.time_wait_until_ns or ended.at_ns
    local state = ended.cause == "ORPHANED" and "FIN_WAIT_2" or holds and "TIME_WAIT" or ended.state
    if until_ns / second - since_s < 0.1 then state = "gone" end
    return state, until_ns / second - since_s
end

local function plain_state(c) return c:ended() and "gone" or c:status().state end

local cuts = { gone_data = true, gone_idle = true }
local acts = {
    clean = function(c) c:write(1000) end,
    clean_peernoclose = function(c) c:write(1000) end,
    unsent_slow3s = function(c) c:write(24616) end,
    unsent_noread = function(c) c:write(24616) end,
    unread = function(_, peer) peer:write(100) end,
    unread_unsent = function(c, peer)
        c:write(24616)
        peer:write(100)
    end,
    gone_data = function() end,
    gone_idle = function() end,
}

local function leave(c, linger)
    if linger == "l0" then c:abort() else c:close() end
end

-- What happens beforehand at 1 s; the close at 2 s. To the wire, exit and SIGKILL are a close, and a close that lingers
-- for 5 s is one that does not.
function cases.close(with)
    local blocked = with.case:find "unsent" ~= nil
    local options = world.options_of(with)
    options.read = not with.case:find "unread"
    local peer, told
    local w = world.pair(with, {
        read = not blocked,
        receive_bytes = blocked and 4344 or nil,
        on_accept = function(conn)
            peer = conn
            conn:on("peer_closed", function()
                told = told or "EOF"
                if with.case ~= "clean_peernoclose" then conn:close() end
            end)
            conn:on("end", function() told = told or conn:ended().cause == "PEER_RESET" and "ECONNRESET" or nil end)
        end,
    }, options)
    at(blocked and "1900ms" or "1s", function() acts[with.case](w.c, peer) end)
    at("2s", function()
        if cuts[with.case] then w.cable:cut { unseen = true } end
        if with.case == "gone_data" then w.c:write(1000) end
        leave(w.c, with.linger)
    end)
    if with.case == "unsent_slow3s" or with.case == "unread_unsent" then
        at("3700ms", function() peer:start_reading() end)
    end
    run "2001ms"
    local closer = state_of(w.c, 2)
    run "4s"
    local seen = world.watch(w.c, 2, { lives = "600" })
    local state, gone = state_of(w.c, 2)
    local fins, resets = count_flags(w.client, "FIN", 2), count_flags(w.client, "RST", 2)
    seen.sends = fins > 0 and "FIN" or resets > 0 and "RST" or "none"
    seen.closer = closer == "gone" and "gone" or state
    seen.gone, seen.peer_bytes, seen.peer_told, seen.peer = gone, peer:status().bytes_read, told, plain_state(peer)
    return seen
end

-- The client closes, or only its side; the server answers at the end of stream and goes.
function cases.answer(with)
    local told
    local w = world.pair(with, {
        on_accept = function(conn)
            conn:on("peer_closed", function()
                if with.bytes then conn:write(tonumber(with.bytes)) end
                local function go() -- once the answer is on the wire, as it is when send() returns
                    if with.server == "abort" then conn:abort() else conn:close() end
                end
                if with.bytes then after("1ms", go) else go() end
            end)
        end,
    }, {})
    w.c:on("peer_closed", function()
        told = told or "EOF"
        if with.half then w.c:close() end
    end)
    w.c:on("end", function() told = told or w.c:ended().cause == "PEER_RESET" and "ECONNRESET" or nil end)
    at("1s", function()
        w.c:write(20)
        if with.half then w.c:shutdown() else w.c:close() end
    end)
    local seen = world.watch(w.c, 1, { lives = "100" })
    seen.client, seen.gone = state_of(w.c, 1)
    seen.resets, seen.read, seen.told = count { flags = "RST" }, w.c:status().bytes_read, told
    return seen
end

-- A server that has not read all of the request answers, says that it has finished, and reads on to the end.
function cases.lingering(with)
    local server_end, told
    local w = world.pair(with, {
        read = false,
        on_accept = function(conn)
            server_end = conn
            at("1500ms", function()
                conn:read(100)
                conn:write(100000)
                conn:shutdown()
                conn:start_reading()
            end)
            conn:on("peer_closed", function() conn:close() end)
        end,
    }, {})
    w.c:on("peer_closed", function()
        told = "EOF"
        w.c:close()
    end)
    at("1s", function() w.c:write(4000) end)
    run "1s"
    local seen = world.watch(server_end, 1, { lives = "100" })
    seen.read, seen.told, seen.server = w.c:status().bytes_read, told, (state_of(server_end, 1))
    return seen
end

function cases.accept_queue(with)
    local client, server = host("client", world.limits(with)), host("server", world.limits(with))
    link(client, server, { delay = "25us" })
    local listener = server:listen(7000, { accept = false })
    local conns, told = {}, {}
    for i = 1, 10 do conns[i] = client:connect(server, 7000) end
    at("1s", function()
        for _, c in ipairs(conns) do
            if with.send == "yes" then c:write(20) end
        end
    end)
    at("2s", function() listener:close() end)
    world.watch(nil, 0, { lives = "3" })
    for _, c in ipairs(conns) do told[world.errno_of(c) or "nothing"] = true end
    local names = {}
    for name in pairs(told) do names[#names + 1] = name end
    return { told = table.concat(names, " "), resets = count { from = server, flags = "RST" } }
end

-- A server that ends its process under twenty clients, and the next one that listens 3 s later.
function cases.restart(with)
    local limits = world.limits(with)
    local client, server = host("client", limits), host("server", limits)
    link(client, server, { delay = "25us" })
    local conns, served, told = {}, {}, nil
    local listener = server:listen(7000, { on_accept = function(conn) served[#served + 1] = conn end })
    for i = 1, 20 do
        local c = client:connect(server, 7000)
        conns[i] = c
        c:on("peer_closed", function()
            told = "EOF"
            if with.clients == "eof" then c:close() end
        end)
        c:on("end", function() if c:ended().cause == "PEER_RESET" then told = "ECONNRESET" end end)
    end
    if with.clients == "first" then
        at("1s", function() for _, c in ipairs(conns) do c:close() end end)
        at("1500ms", function() for _, conn in ipairs(served) do conn:close() end end)
    end
    at("2s", function()
        listener:close()
        if with.clients == "first" then return end
        for _, conn in ipairs(served) do leave(conn, with.linger) end
    end)
    local rebound
    at("5s", function()
        server:listen(7000)
        rebound = "ok"
    end)
    world.watch(nil, 0, { lives = "6" })
    local function standing(c)
        local state, gone = state_of(c, 5)
        return gone and gone < 0.5 and "gone" or state
    end
    return { rebind = rebound, server = standing(served[1]), client = standing(conns[1]),
        told = with.clients ~= "first" and told or nil }
end

return cases
