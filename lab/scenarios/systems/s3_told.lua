-- Two clients, one place, nobody accepts: the second is told by RST, a round trip after its connect().
-- RFC 9293 3.10.7.2. The place of the first was kept for it when its SYN was answered; the second got a SYN cookie,
-- which keeps nothing, and its ACK found no place.

local common = use "common"
local client, server = common.pair("holdfast", "20ms")
server:listen(7000, { backlog = 1, accept = false })
local first, second
at("100ms", function() first = client:connect(server, 7000) end)
at("150ms", function() second = client:connect(server, 7000) end)
duration "300ms"
run()
check(first:status().state == "ESTABLISHED", "the first has the place")
check(second:ended() and second:ended().cause == "PEER_RESET", "the second is told")
check(second:ended().at_ns <= 240000000, "a round trip after its connect() returned")
