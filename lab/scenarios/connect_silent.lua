-- connect() to a peer that never answers: Linux's limits, Holdfast's, and detect_within = 10 s.
-- RFC 9293 3.8.3 MUST-23 asks for three minutes at least, unless the application says otherwise; Linux waits 131 s.

local function connect(title, profile, options)
    local seen = {}
    part(title, function()
        local client, server = host("client", { profile = profile }), host "server"
        local cable = link(client, server, { delay = "10ms" })
        server:listen(7000)
        cable:cut()
        local c = client:connect(server, 7000, options)
        run()
        seen.outcome = c:ended()
        seen.syns = count { from = client, flags = "SYN" }
    end)
    return seen
end

local linux = connect("Linux's limits", "linux")
local ours = connect("Holdfast's limits", "holdfast")
local bound = connect("detect_within = 10 s", "holdfast", { detect_within = "10s" })

local second = 1000000000
check(linux.outcome.cause == "SYN_UNANSWERED" and linux.syns == 11, "Linux sends eleven SYNs, five of them linear")
check(linux.outcome.at_ns // second == 131, "and gives up after 131 s, but for late timers")
check(ours.outcome.at_ns >= 180 * second, "Holdfast waits the three minutes of the RFC")
check(bound.outcome.by == "DETECT_WITHIN" and bound.outcome.at_ns <= 10.5 * second, "or as long as the caller allows")

local function row(name, seen)
    return name .. ":" .. string.rep(" ", 15 - #name) .. seen.syns .. " SYNs, " .. seen.outcome.cause .. " by "
        .. seen.outcome.by .. " after " .. words(seen.outcome.at_ns) .. "."
end

summary("connect() to a silent peer.\n\n" .. row("Linux", linux) .. "\n\n" .. row("Holdfast", ours) .. "\n\n"
    .. row("detect_within", bound))
