-- A Linux server that does not accept: what its clients, all of them ESTABLISHED, can know. Where the ACK was dropped and
-- the request kept, the SYN-ACK comes again: a doubt. Where a SYN cookie was dropped nothing comes at all, and one probe
-- after the handshake draws RST. RFC 9293 3.10.7.1; neither is seen by connect() or send().

-- Backlog 1 holds two connections, and two requests. One client comes first; then three at once: two requests, of which one
-- finds the second place and the other none, and a cookie that finds none.
local server, client = host("server", { profile = "linux" }), host "client"
link(client, server, { delay = "10ms" })
server:listen(7000, { backlog = 1, accept = false })
local conns = {}
local function call()
    local c = client:connect(server, 7000, { open_check = "1500ms" })
    conns[#conns + 1] = c
    c:on("doubt", function() note("#" .. #conns .. " doubts") end)
end
call()
at("1s", function()
    for _ = 1, 3 do call() end
end)
duration "5min"
at("20s", function()
    local placed, doubted, cookie = { conns[1], conns[2] }, conns[3], conns[4]
    for _, c in ipairs(placed) do
        check(not c:ended() and c:status().doubt_count == 0, "who has a place has no doubt")
        expect(c):never_ends()
    end
    check(doubted:status().doubt_count >= 3, "the SYN-ACK came again and again: a doubt, from the second on")
    expect(cookie):ends { cause = "NOT_ACCEPTED", by = "OPEN_CHECK", at = "2541ms", of = "start", slack = "10ms" }
    expect(doubted):ends { cause = "NOT_ACCEPTED", by = "OPEN_CHECK", between = { "64s", "66s" }, of = "start" }
end)
run()

summary("Four clients were ESTABLISHED, two had a place. The one whose cookie the server dropped knew it "
    .. words(conns[4]:ended().at_ns - 1020000000) .. " after the handshake, by one probe. The one whose request it kept saw"
    .. " SYN-ACKs again at 1, 3, 7, 15 and 31 s, doubted from the second on, and asked when the next was overdue: the server"
    .. " had forgotten it without a word and answered RST, " .. words(conns[3]:ended().at_ns - 1020000000)
    .. " after the handshake. Without the open check neither would ever have been told.")
