-- Bits turned on the way never reach the application: checksums stop them and the data comes again.
local a, b = host "a", host "b"
local wire = link(a, b, { delay = "5ms", corrupt = "5%", duplicate = "3%", reorder = "6%", jitter = "2ms" })
b:listen(7000, {
    on_accept = function(s)
        s:on("peer_closed", function() s:close() end)
        expect(s):receives(200000)
    end,
})
local c = a:connect(b, 7000)
c:on("connected", function()
    c:write(200000)
    c:close()
end)
expect(c):ends { cause = "CLOSED", acked = 200000 }
