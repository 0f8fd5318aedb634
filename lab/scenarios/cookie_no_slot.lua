-- A SYN cookie comes back and there is no place for it: RST, and RST again for whatever follows, never silence.
-- Forty clients at a backlog of 4 whose program does not accept: 4 have a place, 36 are told within a round trip. Under
-- Linux's profile the same 36 are told nothing; one retransmits into the void until its cookie is too old.

local function burst(profile)
    local seen = { alive = 0, told = 0, slowest_ns = 0 }
    part("Forty clients, 4 places, profile " .. profile, function()
        local clients, server = host("clients", { profile = profile }), host("server", { profile = profile })
        link(clients, server, { delay = "20ms" })
        server:listen(7000, { backlog = 4, accept = false })
        local conns = {}
        for i = 1, 40 do
            local c = clients:connect(server, 7000)
            conns[i] = c
            c:on("connected", function() c:write "Ping" end)
            c:on("end", function()
                seen.told = seen.told + 1
                seen.slowest_ns = math.max(seen.slowest_ns, now())
            end)
        end
        duration "30s"
        run()
        for _, c in ipairs(conns) do
            if not c:ended() then seen.alive = seen.alive + 1 end
        end
        seen.rst = server:count "SENT_RST_NO_PLACE"
        seen.silent = server:count "DROP_COOKIE_ACK"
    end)
    return seen
end

local holdfast, linux = burst "holdfast", burst "linux"
check(holdfast.alive == 4 and holdfast.told == 36, "holdfast: 4 live, 36 know")
check(holdfast.slowest_ns <= 100e6, "the last of them after " .. words(holdfast.slowest_ns))
check(holdfast.rst >= 36 and holdfast.silent == 0, "each ACK without a place got RST")
check(linux.silent >= 35 and linux.rst == 0 and linux.alive >= 35, "linux: " .. linux.alive .. " believe they live")
