-- What the facts of agreement.lua are played on: hosts with Linux's limits, and how a connection is looked at. No scenario
-- itself.
local world = { second = 1000000000 }
local second = world.second

function world.s(seconds) return string.format("%.3fs", seconds) end

function world.number_of(with, name, otherwise) return tonumber(with[name]) or otherwise end

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

function world.limits(with)
    local options = { profile = "linux", conns = 64, segments = 512, flights = 64 }
    if with.fin_wait_2 then options.fin_wait_2 = with.fin_wait_2 .. "s" end
    local rto_max = world.number_of(with, "rto_max")
    if rto_max then
        options.rto_max = world.s(rto_max)
        options.persist_max = world.s(rto_max)
    end
    if with.retries2 then
        options.retransmit_limit = attempts(0.2, 0.208, 0, tonumber(with.retries2), 0, rto_max or 120)
        options.persist_limit = tonumber(with.retries2)
    end
    if with.syn or rto_max then
        options.syn_linear = world.number_of(with, "linear", 4)
        options.syn_limit = attempts(1, 1.01, 1.01, world.number_of(with, "syn", 6), options.syn_linear, rto_max or 120)
    end
    return options
end

function world.keepalive(text)
    local idle, interval, count = text:match("([%d.]+)/([%d.]+)/(%d+)")
    return { idle = idle .. "s", interval = interval .. "s", count = tonumber(count) }
end

function world.options_of(with)
    local options = {}
    if with.ka then options.keepalive = world.keepalive(with.ka) end
    if with.ut then options.user_timeout = with.ut .. "s" end
    return options
end

-- Two hosts, a cable, a listener; `serve` gets what the server accepts.
function world.pair(with, listen, connect)
    local pair = { client = host("client", world.limits(with)), server = host("server", world.limits(with)) }
    pair.cable = link(pair.client, pair.server, {
        delay = world.s(world.number_of(with, "rtt", 0.05) / 2000), unseen = true, strip_timestamps = with.timestamps == "no" or nil,
    })
    pair.server:listen(7000, listen)
    pair.c = pair.client:connect(pair.server, 7000, connect)
    return pair
end

-- The end as a socket shows it: SO_ERROR, or 0 bytes read.
local errno = {
    PEER_SILENT = "ETIMEDOUT", SYN_UNANSWERED = "ETIMEDOUT", PEER_RESET = "ECONNRESET", REFUSED = "ECONNREFUSED",
    UNREACHABLE = "EHOSTUNREACH", NEIGHBOR_SILENT = "EHOSTUNREACH", CLOSED = "0", APP_ABORTED = "ECONNABORTED",
}

-- How a connection stands at the end of its run; t counts from `since_s`.
function world.seen_of(c, since_s)
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

function world.errno_of(c)
    local ended = c:ended()
    return ended and (errno[ended.cause] or ended.cause)
end

-- Runs until `c` has ended, at most for as long as the fact was watched, and closes the part.
function world.watch(c, cut_s, expected)
    local at_s, end_s = now() / second, cut_s + world.number_of(expected, "lives", 2500)
    while at_s < end_s and not (c and c:ended()) do
        at_s = math.min(at_s + 50, end_s)
        run(world.s(at_s))
    end
    local seen = c and world.seen_of(c, cut_s)
    duration(world.s(at_s))
    run()
    return seen
end

return world
