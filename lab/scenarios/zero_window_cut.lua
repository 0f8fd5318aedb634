-- The peer stops reading, its window closes, and 4 s later it is cut off, or lives on: which bound ends what?
-- RFC 9293 3.8.6.1 MUST-36 and 37: a closed window with a living peer is no reason to end. Linux's user timeout ends it.

local function closed(title, profile, options, dies)
    local seen = {}
    part(title, function()
        local client = host("client", { profile = profile })
        local server = host("server", { profile = profile })
        local cable = link(client, server, { delay = "100us" })
        server:listen(7000, { read = false, receive_bytes = 16384 })
        local c = client:connect(server, 7000, options)
        at("1s", function() c:write(40000) end)
        if dies then at("4900ms", function() cable:cut() end) end
        duration "40min"
        if not dies and not options.user_timeout then expect(c):never_ends() end
        run()
        seen.outcome = c:ended()
        seen.probes = count { from = client, cause = "SENT_WINDOW_PROBE" }
    end)
    return seen
end

local linux = closed("Linux's limits, the peer is cut off", "linux", {}, true)
local alive = closed("Linux's limits, the peer lives and does not read", "linux", {}, false)
local killed = closed("The same with a user timeout of 10 s", "linux", { user_timeout = "10s" }, false)
local bound = closed("detect_within = 10 s, the peer is cut off", "holdfast", { detect_within = "10s" }, true)
local spared = closed("detect_within = 10 s, the peer lives and does not read", "holdfast", { detect_within = "10s" }, false)

local second = 1000000000
local function after_ns(seen) return seen.outcome.at_ns - second end
check(linux.outcome.by == "PERSIST_LIMIT" and after_ns(linux) > 1200 * second, "Linux takes over twenty minutes")
check(killed.outcome and killed.outcome.by == "USER_TIMEOUT", "the user timeout ends a peer that lives")
check(bound.outcome.by == "DETECT_WITHIN" and bound.outcome.at_ns - bound.outcome.last_heard_ns <= 10.5 * second,
    "detect_within ends the dead one")

local function row(name, seen)
    local outcome = seen.outcome
    return name .. ":" .. string.rep(" ", 24 - #name) .. (outcome and outcome.cause .. " by " .. outcome.by .. " "
        .. words(after_ns(seen)) .. " after the window closed." or "lives after 40 min, " .. seen.probes
        .. " window probes answered.")
end

summary("The peer's window closes at 1 s.\n\n" .. row("Linux, peer gone", linux) .. "\n\n"
    .. row("Linux, peer alive", alive) .. "\n\n" .. row("user_timeout, alive", killed) .. "\n\n"
    .. row("detect_within, gone", bound) .. "\n\n" .. row("detect_within, alive", spared))
