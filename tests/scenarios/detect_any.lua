-- detect_within, drawn anew for each seed: whatever the connection was doing when the peer vanished, the application is
-- told T after the last sign of life, never earlier, with four transmissions unanswered, and at no time before the cut.

local function pick(low, high) return math.random(low, high) end
local bound_ns = pick(2500, 60000) * 1000000
local client, server = host "client", host "server"
local cable = link(client, server, { delay = pick(0, 60000) .. "us", jitter = pick(0, 5000) .. "us" })
if pick(1, 2) == 1 then cable:set { loss = pick(1, 2) / 100, unseen = true } end

local doing = { "idle", "writing", "asking", "unread", "half-closed", "closing" }
local mode = doing[pick(1, #doing)]
note("mode " .. mode .. ", detect_within " .. words(bound_ns))

local peer
server:listen(7000, {
    read = mode ~= "unread",
    receive_bytes = 20000,
    on_accept = function(s)
        peer = s
        if mode == "asking" then s:on("readable", function() s:write(70) end) end
    end,
})
local c = client:connect(server, 7000, { detect_within = (bound_ns // 1000000) .. "ms" })
local period = pick(50, 20000) .. "ms"
c:on("connected", function()
    if mode == "writing" or mode == "asking" then every(period, function() if not c:ended() then c:write(pick(1, 5000)) end end) end
    if mode == "unread" then c:write(100000) end
    if mode == "half-closed" then
        c:write(30)
        c:shutdown()
    end
end)

local cut_ns
at(pick(2000, 200000) .. "ms", function()
    check(not c:ended(), "alive before the cut")
    if mode == "closing" then c:shutdown() end
    cable:cut()
    cut_ns = now()
end)
expect(c):ends { cause = "PEER_SILENT", by = "DETECT_WITHIN" }
run()

local outcome, status = c:ended(), c:status()
local silent_ns = outcome.at_ns - outcome.last_heard_ns
local unanswered = count { from = client, after = (outcome.last_heard_ns + 2000000) .. "ns", flags = "!RST" }
local asked_ns = status.detect_within_ns > bound_ns and status.detect_within_ns or bound_ns
check(silent_ns >= bound_ns, "told " .. words(silent_ns) .. " after the last sign of life: not early")
check(silent_ns <= asked_ns + asked_ns // 50 + 100000000, "nor late, with " .. words(asked_ns) .. " in force")
check(unanswered >= 4, unanswered .. " transmissions were unanswered")
