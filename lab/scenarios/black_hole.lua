-- A tunnel on the way takes 1,400 bytes and drops what is longer without a word: a black hole, RFC 4821 7.7, RFC 8899 4.3.
-- The handshake is small and succeeds; the first large segments vanish. Without a search the transfer hangs until its limit.

local function upload(name, plpmtud)
    local seen = { status = {}, second = {} }
    part(name, function()
        local client, server = host("client", { plpmtud = plpmtud }), host("server")
        local tunnel = link(client, server, { delay = "10ms", silent_mtu = 1400 })
        server:listen(7000, {
            on_accept = function(s)
                if plpmtud == 1 and now() < 10000000000 then expect(s):receives(500000) end
            end,
        })
        local c = client:connect(server, 7000)
        c:on("all_acked", function() if c:status().bytes_acked == 500000 then seen.done_ns = now() end end)
        c:on("path_mtu", function() seen.status = c:status() end)
        at("1s", function() c:write(500000) end)
        -- The next one starts with what the first has found out.
        at("20s", function()
            if plpmtud == 0 then return end
            local second = client:connect(server, 7000)
            second:on("connected", function() seen.second = second:status() end)
            expect(second):never_ends()
        end)
        duration "25s"
        run()
        seen.hole = client:count("MTU_BLACK_HOLE")
        seen.arrived, seen.lost = client:count("MTU_PROBE_ARRIVED"), client:count("MTU_PROBE_LOST")
        seen.timeouts = client:count("RTO_BACKED_OFF")
        seen.acked = c:status().bytes_acked
    end)
    return seen
end

local found = upload("The path's MTU is searched for (RFC 8899)", 1)
local deaf = upload("Only ICMP tells, and none comes", 0)

check(found.done_ns and found.done_ns < 6000000000, "all is acknowledged within 5 s")
check(found.hole == 1, "the black hole is found once")
check(found.status.packet_bytes == 1400, "the search ends at what the tunnel takes")
check(found.status.mtu_cause == "MTU_BLACK_HOLE", "the application can ask why")
check(found.lost <= 3, "and costs three lost packets at most")
check(found.second.packet_bytes == 1400, "the next connection begins with it")
check(deaf.acked == 0, "without a search nothing gets through")
summary("Through a tunnel that swallows packets of more than 1,400 bytes 500,000 bytes took "
    .. (found.done_ns and words(found.done_ns - 1000000000) or "for ever") .. ": " .. number(found.timeouts) .. " time-outs until the hole was found, then "
    .. number(found.arrived) .. " larger packets that arrived and " .. number(found.lost) .. " that did not.")
