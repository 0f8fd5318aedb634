-- What Linux did, fact by fact, against what the profile "linux" predicts: the instant within 13 %, the error that a
-- socket would show, the state. data/kernel-facts.tsv holds the facts; `case` names the function below that plays one.

local second = 1000000000
local cases = {}

-- ---- What a case builds on ----

local function s(seconds) return string.format("%.3fs", seconds) end

local function number_of(with, name, otherwise) return tonumber(with[name]) or otherwise end

-- The kernel turns a limit of n attempts into the time that n doublings of 200 ms (1 s for a SYN) take, none longer
-- than the longest, and gives up at the first time-out after it. Its own RTO is 204 to 208 ms on a short path. The
-- clock starts at the first SYN, or at the first retransmission.
local function attempts(base_s, begins_s, passed, limit, linear, longest_s)
    local bound, interval = 0, base_s
    for _ = 0, limit do
        bound = bound + interval
        interval = math.min(interval * 2, longest_s)
    end
    local sent, wait = 0, begins_s
    while passed < bound do
        sent = sent + 1
        if sent > linear then wait = math.min(wait * 2, longest_s) end
        passed = passed + wait
    end
    return sent
end

local function limits(with)
    local options = { profile = "linux", conns = 64, segments = 512, flights = 64 }
    local rto_max = number_of(with, "rto_max")
    if rto_max then
        options.rto_max = s(rto_max)
        options.persist_max = s(rto_max)
    end
    if with.retries2 then
        options.retransmit_limit = attempts(0.2, 0.208, 0, tonumber(with.retries2), 0, rto_max or 120)
        options.persist_limit = tonumber(with.retries2)
    end
    if with.syn or rto_max then
        options.syn_linear = number_of(with, "linear", 4)
        options.syn_limit = attempts(1, 1.01, 1.01, number_of(with, "syn", 6), options.syn_linear, rto_max or 120)
    end
    return options
end

local function keepalive(text)
    local idle, interval, count = text:match("([%d.]+)/([%d.]+)/(%d+)")
    return { idle = idle .. "s", interval = interval .. "s", count = tonumber(count) }
end

local function options_of(with)
    local options = {}
    if with.ka then options.keepalive = keepalive(with.ka) end
    if with.ut then options.user_timeout = with.ut .. "s" end
    return options
end

-- Two hosts, a cable, a listener; `serve` gets what the server accepts.
local function pair(with, listen, connect)
    local world = { client = host("client", limits(with)), server = host("server", limits(with)) }
    world.cable = link(world.client, world.server, { delay = s(number_of(with, "rtt", 0.05) / 2000), unseen = true })
    world.server:listen(7000, listen)
    world.c = world.client:connect(world.server, 7000, connect)
    return world
end

-- The end as a socket shows it: SO_ERROR, or 0 bytes read.
local errno = {
    PEER_SILENT = "ETIMEDOUT", SYN_UNANSWERED = "ETIMEDOUT", PEER_RESET = "ECONNRESET", REFUSED = "ECONNREFUSED",
    UNREACHABLE = "EHOSTUNREACH", NEIGHBOR_SILENT = "EHOSTUNREACH", CLOSED = "0", APP_ABORTED = "ECONNABORTED",
}

-- How a connection stands at the end of its run; t counts from `since_s`.
local function seen_of(c, since_s)
    local ended = c:ended()
    local seen = { state = c:status().state, lives = now() / second - since_s }
    if ended then
        seen.t = ended.at_ns / second - since_s
        seen.errno = errno[ended.cause] or ended.cause
        seen.lives = seen.t
        seen.dead_by = seen.t
    end
    return seen
end

-- Runs until `c` has ended, at most for as long as the fact was watched, and closes the part.
local function watch(c, cut_s, expected)
    local at_s, end_s = 0, cut_s + number_of(expected, "lives", 2500)
    while at_s < end_s and not (c and c:ended()) do
        at_s = math.min(at_s + 50, end_s)
        run(s(at_s))
    end
    local seen = c and seen_of(c, cut_s)
    duration(s(at_s))
    run()
    return seen
end

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

-- ---- Comparing ----

local function pairs_of(text)
    local found = {}
    for name, value in (text or ""):gmatch("(%S+)=(%S+)") do found[name] = value end
    return found
end

-- The kernel's timers are up to an eighth late; a tenth of a second is the noise of the measurement.
local function close(predicted, measured) return math.abs(predicted - measured) <= 0.13 * measured + 0.1 end

local function same_times(predicted, measured)
    local times = {}
    for text in measured:gmatch("[%d.]+") do times[#times + 1] = tonumber(text) end
    local index = 0
    for text in predicted:gmatch("[%d.]+") do
        index = index + 1
        if not times[index] or not close(tonumber(text), times[index]) then return false end
    end
    return index == #times
end

local function holds(name, predicted, measured)
    if predicted == nil then return false end
    if name == "lives" then return predicted >= tonumber(measured) - 0.001 end
    if name == "dead_by" then return predicted <= tonumber(measured) end
    if name == "probes" then return same_times(predicted, measured) end
    if name == "t" then return close(predicted, tonumber(measured)) end
    return tostring(predicted) == measured
end

local patterns = {
    t = "%s s", lives = "lives after %s s", dead_by = "dead by %s s", probes = "probes at %s s", errno = "%s", state = "%s",
}

local function told(values, names)
    local words = {}
    for _, name in ipairs(names) do
        local value = values[name]
        if type(value) == "number" then value = string.format("%.1f", value) end
        if value then words[#words + 1] = string.format(patterns[name] or name .. " %s", value) end
    end
    return #words > 0 and table.concat(words, ", ") or "nothing"
end

-- The instant first, then by name.
local function sorted_names(expected)
    local names = { expected.t and "t" }
    for name in pairs(expected) do
        if name ~= "t" then names[#names + 1] = name end
    end
    return names
end

local reasons = {
    icmp = "the lab's links answer nothing by themselves: no ICMP from a router",
    link = "the lab's links have no carrier and no neighbours to lose",
    call = "it is about single calls of a socket, not about the wire or the end",
    pace = "the pace of the measured application is not on record",
    bbr = "the engine has no BBR",
    no_timestamps = "the lab cannot switch timestamps off",
}

local facts, table_rows, agree, differ, left = rows "data/kernel-facts.tsv", {}, 0, 0, {}

for _, fact in ipairs(facts) do
    local with, expected = pairs_of(fact.with), pairs_of(fact.expected)
    if fact.case == "-" then
        left[fact.with] = (left[fact.with] or 0) + 1
    else
        local seen
        part(fact.id, function() seen = cases[fact.case](with, expected) end)
        local names, good = sorted_names(expected), true
        for _, name in ipairs(names) do good = holds(name, seen[name], expected[name]) and good end
        local timed = expected.t and seen.t and tonumber(expected.t) >= 0.1
        local difference = timed and string.format("%+.1f %%", (seen.t / tonumber(expected.t) - 1) * 100) or ""
        table_rows[#table_rows + 1] = string.format("| %s | %s | %s | %s | %s |", fact.id, fact.words, told(expected, names),
            told(seen, names), good and difference or difference .. " **differs**")
        agree, differ = agree + (good and 1 or 0), differ + (good and 0 or 1)
        check(good, fact.id .. ": measured " .. told(expected, names) .. ", predicted " .. told(seen, names))
    end
end

local lines = {}
for reason, count_of in pairs(left) do lines[#lines + 1] = string.format("| %s | %d |", reasons[reason], count_of) end
summary(string.format("%d facts: %d predicted, %d not, %d that the lab cannot express.\n\n", #facts, agree, differ,
    #facts - agree - differ) .. "| fact | what | measured | predicted | difference |\n|---|---|---|---|---|\n"
    .. table.concat(table_rows, "\n") .. "\n\n| the lab cannot express it, because | facts |\n|---|---|\n"
    .. table.concat(lines, "\n"))
