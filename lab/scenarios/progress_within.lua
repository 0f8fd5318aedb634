-- progress_within: the peer's stack answers every window probe, its application takes nothing. MUST-37 lets that last
-- for ever (RFC 9293 3.8.6.1), and no bound on silence is broken; this one is the application's own.

local function sink(title, with)
    local seen = {}
    part(title, function()
        local client, server = host "client", host "server"
        local cable = link(client, server, { delay = "10ms" })
        local reader
        server:listen(7000, { receive_bytes = 4096, on_accept = function(s) reader = s end })
        local c = client:connect(server, 7000, with.options)
        at("5s", function() reader:stop_reading() end)
        at("10s", function() c:write(20000) end)
        if with.cut then at("12s", function() cable:cut() end) end
        if with.reads then every("8s", function() if reader and not reader:ended() then reader:read(2000) end end) end
        if with.expect then expect(c):ends(with.expect) else expect(c):never_ends { until_ = "60s" } end
        c:on("bound", function() seen.told_ns = seen.told_ns or now() end)
        duration "60s"
        run()
        seen.outcome, seen.status = c:ended(), c:status()
        seen.peer = reader:ended()
    end)
    return seen
end

-- The window takes 4,096 bytes at 10.0 s; nothing after that.
local stuck = sink("a sink that never drains", {
    options = { progress_within = "15s", detect_within = "30s" },
    expect = { cause = "PEER_STUCK", by = "PROGRESS_WITHIN", at = "25s", of = "start" },
})
local slow = sink("a slow one", { options = { progress_within = "15s" }, reads = true })
local told = sink("the same sink, only reported", {
    options = { progress_within = "15s", progress_action = "report" },
})
local dead = sink("a dead one", {
    options = { progress_within = "15s" },
    cut = true,
    expect = { cause = "PEER_SILENT", by = "PROGRESS_WITHIN", at = "25s", of = "start" },
})
check(stuck.peer.cause == "PEER_RESET", "the sink is told by RST")
check(stuck.outcome.bytes_acked < stuck.outcome.bytes_from_app, "and its outcome says what was not taken")
check(told.status.bounds_passed == "PROGRESS" and told.told_ns // 1000000000 == 25, "a report leaves the connection")
check(slow.status.bytes_acked > 8000, "a slow reader is none that is stuck")
check(dead.outcome.bytes_acked > 0, "a peer that is not heard is called silent, whatever bound it was")
summary("The sink took " .. number(stuck.outcome.bytes_acked) .. " of " .. number(stuck.outcome.bytes_from_app)
    .. " bytes and answered every probe. progress_within = 15 s ended it " .. words(stuck.outcome.at_ns - 10000000000)
    .. " after the last byte was taken; a reader that takes 2,000 bytes each 8 s lives.")
