-- One packet in twenty takes a path that is 8 ms slower, and is overtaken by six others; none is lost. RFC 8985 6.2,
-- RFC 5681 3.2. Three duplicates take each for lost: it goes again in vain and the window falls. By time, the first one
-- shows that the path reorders, and from then on a gap has a quarter of a round trip, 10 ms, to close by itself.

local again, falls, done_ns = {}, {}, {}

local function bulk(name, rack)
    part(name, function()
        local client, server = host("client", { rack = rack }), host("server")
        link(client, server, { delay = "20ms", rate = "10Mbit/s", reorder = "5%", reorder_by = "8ms" })
        server:listen(7000, { on_accept = function(s) expect(s):receives(1000000) end })
        local c = client:connect(server, 7000)
        c:on("connected", function() c:write(1000000) end)
        c:on("all_acked", function() if c:status().bytes_acked == 1000000 then done_ns[rack] = now() end end)
        duration "20s"
        run()
        again[rack] = client:count("SENT_RETRANSMISSION_RACK") + client:count("SENT_RETRANSMISSION_FAST")
            + client:count("SENT_RETRANSMISSION_PARTIAL")
        falls[rack] = client:count("RECOVERY_STARTED")
        check(server:count("SENT_ACK_DSACK") >= again[rack] - 1, "the receiver has named each of them a duplicate")
    end)
end

bulk("Losses are found by time", 1)
bulk("Duplicates are counted", 0)

check(again[1] <= 3, "by time " .. again[1] .. " segments went again")
check(again[0] >= 10, "by count " .. again[0] .. " segments went again")
summary("A million bytes over a path that reorders and loses nothing: by time " .. again[1] .. " segments went again and the window fell "
    .. falls[1] .. " times; by counting duplicates " .. again[0] .. " and " .. falls[0] .. ". It took "
    .. words(done_ns[1]) .. " and " .. words(done_ns[0]) .. ".")
