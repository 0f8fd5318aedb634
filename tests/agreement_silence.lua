-- S1 and S2: what ends a connection whose peer is not heard, in each state and under each option. No scenario itself:
-- agreement.lua uses it.
local world = use "agreement_world"
local cases = {}
local second, s, number_of, limits, keepalive = world.second, world.s, world.number_of, world.limits, world.keepalive
local options_of, pair, seen_of, watch = world.options_of, world.pair, world.seen_of, world.watch

-- ---- S2's matrix: the state of the connection at the cut ----

local function observe(with, expected, listen, act, before)
    local options = options_of(with)
    local cut_s = number_of(with, "before", before) + 1
    local world = pair(with, listen or {}, options)
    act(world, cut_s)
    return watch(world.c, cut_s, expected)
end

local function cut_at(world, cut_s, act)
    at(s(cut_s), function()
        world.cable:cut { unseen = true }
        if act then act() end
    end)
end

function cases.idle(with, expected)
    return observe(with, expected, nil, function(world, cut_s)
        at("1s", function() world.c:write(10) end)
        cut_at(world, cut_s)
    end, 4)
end

function cases.in_flight(with, expected)
    return observe(with, expected, nil, function(world, cut_s)
        for i = 1, number_of(with, "warm", 1) do at(s(0.5 + i / 20), function() world.c:write(10) end) end
        cut_at(world, cut_s, function() world.c:write(1000) end)
    end, 1)
end

function cases.zero_window(with, expected)
    return observe(with, expected, { read = false, receive_bytes = 4096 }, function(world, cut_s)
        at("1s", function() world.c:write(20000) end)
        if not with.alive then cut_at(world, cut_s) end
    end, 4)
end

function cases.fin_wait_1(with, expected)
    return observe(with, expected, nil, function(world, cut_s)
        at("500ms", function() world.c:write(10) end)
        cut_at(world, cut_s, function() world.c:shutdown() end)
    end, 1)
end

function cases.fin_wait_2(with, expected)
    return observe(with, expected, nil, function(world, cut_s)
        at("1s", function() world.c:shutdown() end)
        cut_at(world, cut_s)
    end, 4)
end

local function close_wait(with, expected, act)
    local listen = { on_accept = function(peer) at("1s", function() peer:shutdown() end) end }
    return observe(with, expected, listen, function(world, cut_s)
        cut_at(world, cut_s, act and function() act(world.c) end)
    end, 4)
end

function cases.close_wait(with, expected) return close_wait(with, expected) end

function cases.close_wait_data(with, expected)
    return close_wait(with, expected, function(c) c:write(1000) end)
end

function cases.syn_sent(with, expected)
    local client, server = host("client", limits(with)), host("server", limits(with))
    link(client, server, { delay = "25us" }):cut()
    return watch(client:connect(server, 7000, options_of(with)), 0, expected)
end

function cases.refused(with)
    local client, server = host("client", limits(with)), host("server", limits(with))
    link(client, server, { delay = "25us" })
    return watch(client:connect(server, 7000), 0, { lives = "1" })
end

-- ---- S1: a client that asks each second ----

local strikes = {
    cut = function(world) world.cable:cut { unseen = true } end,
    cut_ours = function(world) world.cable:cut { from = world.client, unseen = true } end,
    kill = function(_, peer) peer:close() end,
    kill_unread = function(_, peer) peer:close() end,
    reboot5 = function(world) world.server:reboot { down = "5s" } end,
    reboot60 = function(world) world.server:reboot { down = "60s" } end,
}

-- The strike comes 0.4 s before a tick. `fire` writes at each tick and looks then what came; `req` writes and waits
-- for the answer, so that it is told at once; `idle` only waits.
function cases.poll(with, expected)
    local phase_s, ticks_s = 0.4, 20
    local strike_s = ticks_s - (with.style == "idle" and 0 or phase_s)
    local peer, answered = nil, true
    local unread = with.event == "kill_unread"
    local world = pair(with, {
        on_accept = function(conn)
            peer = conn
            if not unread then conn:on("readable", function() conn:write(40) end) end
        end,
    }, options_of(with))
    local c, told_s = world.c, nil
    c:on("readable", function() answered = true end)
    c:on("peer_closed", function() told_s = told_s or { now() / second, "EOF" } end)
    if with.style == "idle" then
        at(s(strike_s - number_of(with, "before", 1)), function() c:write(20) end)
    else
        every("1s", function()
            if with.style == "req" and not answered then return end
            answered = false
            c:write(20)
        end)
    end
    at(s(strike_s), function()
        if unread then peer:stop_reading() end
        if not unread then strikes[with.event](world, peer) end
    end)
    if unread then -- what comes before the kill stays unread
        at(s(strike_s - 0.1), function() peer:stop_reading() c:write(20) end)
        at(s(strike_s + 0.001), function() peer:close() end)
    end
    local seen = watch(c, strike_s, expected)
    if told_s then
        seen.t, seen.errno = told_s[1] - strike_s, told_s[2]
    end
    if seen.t and with.style == "fire" then seen.t = math.ceil(seen.t - phase_s) + phase_s end
    if seen.t and with.event == "kill" then seen.t = math.ceil(seen.t - phase_s) + phase_s end
    return seen
end

function cases.hung(with, expected)
    local world = pair(with, { read = false }, options_of(with))
    every("1s", function() world.c:write(20) end)
    return watch(world.c, 1, expected)
end

-- ---- S2: a server that writes in a rhythm ----

function cases.writer(with, expected)
    local period_s, writer = number_of(with, "period"), nil
    local rounds = period_s < 5 and 10 or 1
    local cut_s = rounds * period_s + number_of(with, "cut_after")
    local listen = options_of(with)
    listen.on_accept = function(peer)
        writer = peer
        every(s(period_s), function() peer:write(number_of(with, "bytes")) end)
    end
    local world = pair(with, listen, {})
    cut_at(world, cut_s)
    run(s(cut_s))
    local seen = watch(writer, cut_s, {})
    if seen.t then seen.t = math.ceil((seen.t + cut_s) / period_s) * period_s - cut_s end
    return seen
end

function cases.idle_meaning(with)
    local listen = {}
    local options = with.late ~= "ka" and options_of { ka = with.late and "7200/5/3" or "5/5/3" } or {}
    if with.peer_ka then listen.keepalive = keepalive(with.peer_ka) end
    if with.recv then
        listen.on_accept = function(peer) every(with.recv .. "s", function() peer:write(20) end) end
    elseif with.unread then
        options.read = false
        listen.on_accept = function(peer) peer:write(number_of(with, "unread")) end
    end
    local world = pair(with, listen, options)
    if with.send then every(with.send .. "s", function() world.c:write(20) end) end
    if with.late then at("12s", function() world.c:options { keepalive = keepalive "5/5/3" } end) end
    if with.away then
        at("1s", function() world.cable:cut { unseen = true } end)
        at(with.away .. "s", function() world.cable:heal() end)
    end
    local seen, probes = watch(world.c, 0, { lives = with.till or "42" }), {}
    for i = 0, 419 do
        local window = { from = world.client, cause = "SENT_KEEPALIVE", after = s(i / 10), before = s((i + 1) / 10) }
        for _ = 1, count(window) do probes[#probes + 1] = string.format("%g", i / 10) end
    end
    seen.probes = #probes > 0 and table.concat(probes, ",") or "none"
    return seen
end

function cases.heal(with)
    local world = pair(with, {}, {})
    every("1s", function() world.c:write(20) end)
    at("10300ms", function() world.cable:cut { unseen = true } end)
    at(s(10.3 + number_of(with, "outage")), function() world.cable:heal() end)
    local resumed_ns
    world.c:on("all_acked", function()
        if now() > 11 * second and not resumed_ns then resumed_ns = now() end
    end)
    watch(nil, 0, { lives = "120" })
    return { t = resumed_ns and resumed_ns / second - 10.3 }
end

return cases
