-- A server writes 20 bytes each second, keepalive 5/5/3. The cable is cut: why are there no probes?
-- Because data is in flight, keepalive is off (RFC 9293 MUST-26): the retransmission limit ends it after 939 s.

local client = host("client", { profile = "linux" })
local server = host("server", { profile = "linux" })
local cable = link(client, server, { delay = "100us" })
server:listen(7000, {
    keepalive = { idle = "5s", interval = "5s", count = 3 },
    on_accept = function(s)
        every("1s", function() s:write(20) end)
        at("10750ms", function() cable:cut() end)
        expect(s):ends { cause = "PEER_SILENT", by = "RETRANSMIT_LIMIT", between = { "900s", "980s" }, of = "cut" }
    end,
})
client:connect(server, 7000)
expect_packets { from = server, cause = "SENT_KEEPALIVE", count = 0 }
expect_packets { from = server, cause = "SENT_RETRANSMISSION_RTO", lost = true, at_least = 15 }
