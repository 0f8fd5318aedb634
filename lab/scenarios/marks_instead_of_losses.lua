-- A router that marks instead of dropping. RFC 3168. Three megabytes through 10 Mbit/s, 40 ms and a queue of 60 packets: without
-- ECN the queue fills until it drops; with ECN the router marks what waits behind more than 20, the receiver echoes it, the
-- sender slows down and says so, and nothing is sent again.

local seen = {}

local function bulk(title, ecn, mark_queue)
    part(title, function()
        local client, server = host("client", { ecn = ecn }), host "server"
        local wire = link(client, server, { delay = "20ms", rate = "10Mbit/s", queue = 60, mark_queue = mark_queue })
        local longest, done_ns = 0, nil
        server:listen(7000, { on_accept = function(s) expect(s):receives(3000000) end })
        local c = client:connect(server, 7000)
        c:on("connected", function() c:write(3000000) end)
        c:on("all_acked", function() if c:status().bytes_acked == 3000000 then done_ns = now() end end)
        every("10ms", function() if not done_ns then longest = math.max(longest, c:status().srtt_ns) end end)
        duration "20s"
        run()
        local status, way = c:status(), wire:status()
        seen[#seen + 1] = { again = status.retransmissions, dropped = way.queue_full, marked = way.marked, took = done_ns,
            rtt = longest, ecn = status.ecn }
        check(client:count "ECN_WINDOW_FELL" == server:count "ECN_SLOWED_DOWN", "each fall of the window is told to the receiver")
        check(client:count "ECN_WINDOW_FELL" <= way.marked, "no more falls than marks")
    end)
end

bulk("A full queue drops", "OFF", 0)
bulk("A long queue marks", "ASK", 20)

local drops, marks = seen[1], seen[2]
check(not drops.ecn and marks.ecn, "ECN is agreed where our SYN asked: the server accepts")
check(drops.dropped > 0 and drops.again >= drops.dropped, "what the queue dropped went again: " .. drops.again)
check(marks.dropped == 0 and marks.again == 0 and marks.marked > 0, "with marks nothing was dropped, and nothing went again")
check(marks.rtt < drops.rtt, "the queue stayed short")
summary("3,000,000 bytes through 10 Mbit/s.\n\ndropping: " .. number(drops.dropped) .. " packets dropped, " .. number(drops.again)
    .. " sent again; the round trip rose to " .. words(drops.rtt) .. "; it took " .. words(drops.took) .. ".\nmarking:  "
    .. number(marks.marked) .. " packets marked, none dropped; the round trip rose to " .. words(marks.rtt) .. "; it took "
    .. words(marks.took) .. ".")
