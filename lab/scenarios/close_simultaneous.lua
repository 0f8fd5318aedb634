-- Both sides close at one instant: their FINs cross, both pass CLOSING, both hold TIME_WAIT.
-- RFC 9293 3.6, figure 13.

local client, server = host "client", host "server"
link(client, server, { delay = "10ms" })
server:listen(7000, {
    on_accept = function(s)
        at("2s", function() s:close() end)
        expect(s):ends { cause = "CLOSED", by = "FIN", time_wait = "both" }
    end,
})
local c = client:connect(server, 7000)
at("2s", function() c:close() end)

expect(c):state("CLOSING", { at = "2015ms" })
expect(c):ends { cause = "CLOSED", by = "FIN", time_wait = "both" }
expect_packets { flags = "FIN", count = 2 }
expect_packets { flags = "RST", count = 0 }
