-- A mebibyte through a link that loses two packets in a hundred, both ways: every byte arrives, in order.
-- RFC 5681, RFC 6298, RFC 6582. The reader checks each byte against what was written at its place.

local client, server = host "client", host "server"
local wire = link(client, server, { delay = "10ms", rate = "20Mbit/s", loss = "2%" })
server:listen(7000, {
    on_accept = function(s)
        s:on("peer_closed", function() s:close() end)
        expect(s):receives(1048576)
    end,
})
local c = client:connect(server, 7000)
c:on("connected", function()
    c:write(1048576)
    c:close()
end)

expect(c):ends { cause = "CLOSED", by = "FIN", acked = 1048576 }
run()

local status, outcome = wire:status(), c:ended()
summary("1,048,576 bytes arrived whole in " .. words(outcome.at_ns) .. " although the link lost "
    .. status.lost .. " of " .. status.sent .. " packets.")
