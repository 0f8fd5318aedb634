-- The cable is out for thirty seconds: nothing is lost, but the stream stands still longer than the cable was out.
-- The next retransmission comes on the back-off grid (RFC 6298 5.5), so the pause is up to twice as long.

local client = host("client", { profile = "linux" })
local server = host("server", { profile = "linux" })
local cable = link(client, server, { delay = "100us" })
local last_ns, longest_ns = 0, 0
server:listen(7000, {
    on_accept = function(s)
        s:on("readable", function()
            if now() - last_ns > longest_ns then longest_ns = now() - last_ns end
            last_ns = now()
        end)
        s:on("peer_closed", function() s:close() end)
        expect(s):receives(120 * 20)
    end,
})
local c = client:connect(server, 7000)
local writer = every("1s", function() c:write(20) end)
at("10500ms", function() cable:cut() end)
at("40500ms", function() cable:heal() end)
at("120500ms", function()
    writer:stop()
    c:close()
end)

expect(c):ends { cause = "CLOSED", by = "FIN", acked = 120 * 20 }
run()
check(longest_ns > 30000000000, "the pause was longer than the cut")
summary("The cable was out for 30 s; the reader waited " .. words(longest_ns) .. " for the next byte. Every byte came.")
