-- The three Erlang experiments: backlog 1, twelve clients, the server never accepts. Ping after 3 s, after 240 s, or only wait.
-- RFC 9293 3.5, 3.10.7. Linux: all connect() and send() succeed; two are real, ten are told after minutes, and only if
-- they send. Holdfast gives the place before it answers: who has none is told by RST within a round trip of connect().

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
    return { name, seen.connected .. " connect() succeeded, " .. seen.sent .. " send(); " .. seen.alive .. " live, "
        .. seen.waiting .. " of them with a place at the server; " .. seen.told .. " were told"
        .. (seen.told > 0 and ", the last " .. words(seen.latest_ns) .. " after its connect()" or "") }
end

local rows = {}
for _, profile in ipairs(common.profiles) do
    local early = experiment(profile, "connect, 3 s, send, receive", "3s")
    local late = experiment(profile, "connect, 4 min, send, receive", "240s")
    local wait = experiment(profile, "connect, receive", nil)
    for _, seen in ipairs { early, late } do
        check(seen.alive == seen.waiting, profile .. ": in the end who lives at the client waits at the server: " .. seen.alive)
        check(seen.acked == seen.alive, profile .. ": and its Ping is kept")
        check(seen.told == clients - seen.alive, profile .. ": all others were told in the end")
    end
    if profile == "linux" then
        check(early.connected == clients and early.sent == clients, "Linux: connect() and send() succeed for all twelve")
        check(early.latest_ns > 120 * second and early.latest_ns < 155 * second, "ten are told after two minutes and more")
        check(late.sent == clients and late.latest_ns > 239.9 * second and late.latest_ns < 240.1 * second,
            "after 4 minutes send() still succeeds, and a round trip later they are told")
        check(wait.told == 0 and wait.alive == clients and wait.waiting == 2, "who only waits is never told")
    else
        for _, seen in ipairs { early, late, wait } do
            check(seen.lied == 0, "Holdfast: nobody learns it later than a second after connect()")
        end
        check(wait.alive == wait.waiting, "Holdfast: who lives has a place, also without a send")
    end
    rows[#rows + 1] = row(profile .. ", send after 3 s", early)
    rows[#rows + 1] = row(profile .. ", send after 4 min", late)
    rows[#rows + 1] = row(profile .. ", receive only", wait)
end
summary("Twelve clients, backlog 1, round trip 40 ms, a server that never accepts.\n\n" .. common.table(rows))
