-- S4 and S5: a print server that is asked steadily, a client with few ports, bursts on a small backlog, an ACK that comes
-- too late. No scenario itself: agreement.lua uses it.
local world = use "agreement_world"
local cases = {}
local second, s, number_of = world.second, world.s, world.number_of

local function us(seconds) return string.format("%dus", math.max(1, math.floor(seconds * 1000000 + 0.5))) end

-- tcp_tw_reuse = 1 is Linux's profile without this quirk.
local without_port_guard = {
    "LATE_SLOT_CHECK", "FORGET_REQUEST_SILENTLY", "COOKIE_LOSES_DATA", "USER_TIMEOUT_OVERRIDES", "NO_RST_ON_GIVING_UP",
    "TIME_WAIT_SKIPPED_AT_CAP", "KEEPALIVE_STOPS_FOR_DATA", "COOKIE_REVIVES",
}

-- "235 ok,366 refused,235 ok,...": equal outcomes in a row.
local function batches()
    local list = {}
    return {
        add = function(how)
            local last = list[#list]
            if last and last.how == how then last.count = last.count + 1 else list[#list + 1] = { how = how, count = 1 } end
        end,
        words = function(most)
            local parts = {}
            for i = 1, math.min(#list, most) do parts[i] = list[i].count .. "_" .. list[i].how end
            return table.concat(parts, ",")
        end,
        all = function(how)
            local sum = 0
            for _, batch in ipairs(list) do sum = sum + (batch.how == how and batch.count or 0) end
            return sum
        end,
    }
end

-- ---- S4: each `every` seconds a query on a connection of its own ----

local function query_hosts(with)
    local client = world.limits(with)
    client.conns, client.time_wait = 256, 8192
    if with.ports then client.port_low, client.port_high = 40000, 39999 + number_of(with, "ports") end
    if with.reuse == "1" then client.quirks = without_port_guard end
    local server = world.limits(with)
    server.conns, server.time_wait = 256, number_of(with, "time_wait", 8192)
    if with.small then -- the emulated table of so many sockets, TIME_WAIT among them
        server = { profile = "small", conn_pool_with_time_wait = number_of(with, "small") }
    end
    return host("client", client), host("server", server)
end

local function answer(conn, with)
    conn:write(11)
    if with.closes == "client" then
        conn:on("peer_closed", function() conn:close() end)
    elseif with.closes == "reset" then
        conn:on("all_acked", function() conn:abort() end)
    else
        conn:close()
    end
end

local refusals = { NO_PORT = "EADDRNOTAVAIL", TUPLE_IN_USE = "EADDRNOTAVAIL" }

local function query(client, server, with, done)
    local c, failed = client:connect(server, 515, { local_port = number_of(with, "port") })
    if failed then return done(refusals[failed] or failed) end
    c:on("connected", function() c:write(5) end)
    c:on("readable", function()
        if with.closes ~= "client" then return end
        c:close()
        done "ok"
    end)
    c:on("peer_closed", function()
        if with.closes == "client" then return end
        c:close()
        done "ok"
    end)
    c:on("end", function()
        local cause = c:ended().cause
        if cause == "REFUSED" then done "ECONNREFUSED" elseif cause ~= "CLOSED" then done(cause == "PEER_RESET" and "ECONNRESET" or cause) end
    end)
end

function cases.queue(with)
    local client, server = query_hosts(with)
    link(client, server, { delay = "25us", strip_timestamps = with.timestamps == "no" or nil })
    server:listen(515, {
        on_accept = function(conn)
            conn:on("readable", function()
                if with.work then return after(s(number_of(with, "work")), function() answer(conn, with) end) end
                answer(conn, with)
            end)
        end,
    })
    local list, seen = batches(), { tw_client = 0, tw_server = 0 }
    local last_ns, asked = number_of(with, "for") * second, 0
    local function ask(next)
        asked = asked + 1
        query(client, server, with, function(how)
            list.add(how)
            if next then next() end
        end)
    end
    if with.work then -- one after the other
        local function loop()
            local began_ns = now()
            if began_ns < last_ns then
                ask(function() after(us(number_of(with, "every") - (now() - began_ns) / second), loop) end)
            end
        end
        loop()
    else
        ask()
        every(s(number_of(with, "every")), function() if now() < last_ns then ask() end end)
    end
    every("500ms", function()
        seen.tw_client = math.max(seen.tw_client, client:time_wait().used)
        seen.tw_server = math.max(seen.tw_server, server:time_wait().used)
        if with.look and now() == number_of(with, "look") * second then seen.tw_then = server:time_wait().used end
    end)
    world.watch(nil, 0, { lives = tostring(math.max(number_of(with, "for") + 1, number_of(with, "look", 0) + 1)) })
    seen.ok, seen.refused, seen.reset = list.all "ok", list.all "ECONNREFUSED", list.all "ECONNRESET"
    seen.batches = list.words(4)
    seen.skipped = server:count "TIME_WAIT_SKIPPED"
    return seen
end

-- ---- S5: clients connect, send 4 bytes and close at once ----

-- One client after the other: accept(), a recv() that blocks, close(), and perhaps a rest of 10 ms.
local function serve(listener, with, seen)
    if with.server == "never" then return end
    local conn, rests_until_ns
    local function turn()
        if rests_until_ns and now() < rests_until_ns then return false end
        if not conn then
            conn = listener:accept()
            if not conn then return false end
            seen.accepted = seen.accepted + 1
        end
        local status = conn:status()
        if status.bytes_read == 0 and status.state == "ESTABLISHED" then return false end -- it waits in recv()
        if not conn:ended() then conn:close() end
        conn = nil
        rests_until_ns = with.server == "slow" and now() + second // 100 or nil
        return true
    end
    every("100us", function() while turn() do end end)
end

function cases.burst(with)
    local limits = world.limits(with)
    limits.conns, limits.time_wait, limits.syn_entries, limits.flights, limits.segments = 3200, 8192, 5000, 3200, 8000
    local client, server = host("client", limits), host("server", limits)
    link(client, server, { delay = us(number_of(with, "rtt", 0.00004) / 2) })
    local seen = { ok = 0, refused = 0, accepted = 0 }
    local listener = server:listen(7000, {
        backlog = number_of(with, "backlog"), accept = false, when_full = with.cookies == "no" and "IGNORE" or nil,
    })
    serve(listener, with, seen)
    local count_of = with.load == "blast" and 3000 or 2000
    for i = 0, count_of - 1 do -- a connect() takes its caller 20 us
        local at_ns = with.load == "blast" and i * 20000 or i // 10 * 10000000 + i % 10 * 20000
        at(100000 + at_ns // 1000 .. "us", function()
            local c = client:connect(server, 7000)
            c:on("connected", function()
                seen.ok = seen.ok + 1
                c:write(4)
                c:close()
            end)
            c:on("end", function() if c:ended().cause == "REFUSED" then seen.refused = seen.refused + 1 end end)
        end)
    end
    world.watch(nil, 0, { lives = "12" })
    seen.established = listener:status().accepted + listener:status().waiting
    seen.lost = seen.ok - seen.established
    return seen
end

function cases.late_ack(with)
    local limits = world.limits(with)
    local silent, client, server = host "silent", host("client", limits), host("server", limits)
    local deaf = link(silent, server, { delay = "5ms" })
    local wire = link(client, server, { delay = "5ms" })
    local accepted = 0
    server:listen(7000, {
        backlog = 5, when_full = with.cookies == "no" and "IGNORE" or nil,
        on_accept = function(conn)
            accepted = accepted + 1
            conn:on("peer_closed", function() conn:close() end)
        end,
    })
    if with.cookies == "always" then -- others hold what requests may hold, so that this client gets a cookie
        deaf:cut { from = server, unseen = true }
        for _ = 1, 6 do silent:connect(server, 7000) end
    end
    local c
    at("500ms", function() c = client:connect(server, 7000) end)
    at("508ms", function() wire:set { reorder = 1, reorder_by = s(number_of(with, "late")) } end)
    at("511ms", function()
        wire:set { reorder = 0 }
        c:write(4)
        c:close()
    end)
    world.watch(nil, 0, { lives = tostring(number_of(with, "late") + 3) })
    return { accepts = accepted }
end

return cases
