-- Only what the server sends is lost: its application reads everything, and yet the client hears nothing.
-- Proof of life is what is heard, never what is sent. The server hears the client's RST at the end.

local client, server = host "client", host "server"
local cable = link(client, server, { delay = "10ms" })
server:listen(7000, {
    on_accept = function(s)
        expect(s):ends { cause = "PEER_RESET", by = "RST" }
    end,
})
local c = client:connect(server, 7000, { detect_within = "10s" })
every("1s", function() c:write(20) end)
at("5500ms", function() cable:cut { from = server } end)

expect(c):ends { cause = "PEER_SILENT", by = "DETECT_WITHIN", at = "10s", of = "last_heard" }
expect_packets { from = server, lost = true, at_least = 4 }
expect_packets { from = client, lost = true, count = 0 }
