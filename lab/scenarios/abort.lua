-- An abort: RST at once, no TIME_WAIT anywhere, and what was still queued is thrown away and counted.
-- RFC 9293 3.10.5. The link is slow, so that most of the data is still queued at the abort.

local client, server = host "client", host "server"
link(client, server, { delay = "10ms", rate = "1Mbit/s" })
server:listen(7000, {
    on_accept = function(s) expect(s):ends { cause = "PEER_RESET", by = "RST", time_wait = "nobody" } end,
})
local c = client:connect(server, 7000)
at("1s", function() c:write(100000) end)
at("1100ms", function() c:abort() end)

expect(c):ends { cause = "APP_ABORTED", by = "CALL", between = { "0s", "0s" }, of = "call", time_wait = "nobody" }
expect_packets { from = client, cause = "SENT_RST_ABORT", count = 1 }

run()
local outcome = c:ended()
check(outcome.bytes_acked < outcome.bytes_from_app, "the outcome tells what was thrown away")
