-- The three Erlang experiments: backlog 1, twelve clients, the server never accepts. Ping after 3 s, after 240 s, or only wait.
-- RFC 9293 3.5, 3.10.7. Holdfast's listener gives a place before it answers: two are established and their data is
-- kept, ten are told by RST within a round trip of connect(). None waits in vain for minutes.

local common = use "common"
local clients, second = 12, common.second

local function experiment(profile, title, ping)
    local seen = { connected = 0, sent = 0, told = 0, lied = 0, latest_ns = 0 }
    part(profile .. ": " .. title, function()
        local client, server = common.pair(profile, "20ms")
        local listener = server:listen(7000, { backlog = 1, accept = false })
        local conns = {}
        at("100ms", function()
            for i = 1, clients do
                local c = client:connect(server, 7000)
                local connected_ns
                c:on("connected", function()
                    connected_ns = now()
                    seen.connected = seen.connected + 1
                end)
                c:on("end", function()
                    seen.told = seen.told + 1
                    if not connected_ns then return end
                    seen.latest_ns = math.max(seen.latest_ns, now() - connected_ns)
                    if now() - connected_ns > second then seen.lied = seen.lied + 1 end
                end)
                if ping then
                    after(ping, function() if c:write "Ping" then seen.sent = seen.sent + 1 end end)
                end
                conns[i] = c
            end
        end)
        duration "9min"
        run()
        seen.alive, seen.acked = 0, 0
        for _, c in ipairs(conns) do
            if not c:ended() then
                seen.alive = seen.alive + 1
                seen.acked = seen.acked + (c:status().bytes_acked == 4 and 1 or 0)
            end
        end
        seen.waiting = listener:status().waiting
    end)
    return seen
end

local function row(name, seen)
    return { name, seen.connected .. " connect() succeeded, " .. seen.sent .. " send(); " .. seen.alive .. " live and wait with "
        .. "a place at the server, " .. seen.told .. " were told"
        .. (seen.told > 0 and ", the last " .. words(seen.latest_ns) .. " after its connect()" or "") }
end

local rows = {}
for _, profile in ipairs { "holdfast" } do
    local early = experiment(profile, "connect, 3 s, send, receive", "3s")
    local late = experiment(profile, "connect, 4 min, send, receive", "240s")
    local wait = experiment(profile, "connect, receive", nil)
    for _, seen in ipairs { early, late, wait } do
        check(seen.alive == seen.waiting, "who lives at the client waits at the server: " .. seen.alive)
        check(seen.lied == 0, "nobody learns it later than a second after connect()")
        check(seen.told == clients - seen.alive, "all others were told")
    end
    check(early.acked == early.alive and late.acked == late.alive, "and their Ping is kept")
    rows[#rows + 1] = row(profile .. ", send after 3 s", early)
    rows[#rows + 1] = row(profile .. ", send after 4 min", late)
    rows[#rows + 1] = row(profile .. ", receive only", wait)
end
summary("Twelve clients, backlog 1, round trip 40 ms, a server that never accepts.\n\n" .. common.table(rows))
