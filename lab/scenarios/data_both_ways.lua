-- Data both ways: requests and answers, each byte checked, acknowledgments riding on answers.
-- RFC 9293 3.8. A text is written as it is; a number writes so many bytes of a pattern.

local client, server = host "client", host "server"
link(client, server, { delay = "10ms", rate = "10Mbit/s" })

server:listen(7000, {
    on_accept = function(s)
        s:on("readable", function() s:write(300) end)
        s:on("peer_closed", function() s:close() end)
        expect(s):receives(#"hello" + 2 * 2000)
        expect(s):ends { cause = "CLOSED" }
    end,
})
local c = client:connect(server, 7000)
at("1s", function() c:write "hello" end)
at("2s", function() c:write(2000) end)
at("3s", function() c:write(2000) end)
at("5s", function() c:close() end)

expect(c):ends { cause = "CLOSED", by = "FIN", acked = 4005, time_wait = "us" }
