-- Linux, backlog 8, 8 connections already wait, nobody accepts; 20 clients connect, wait 3 s, send "Ping" and read.
-- connect() and send() succeed for all of them, but the server knows of one. Three kinds end differently:
--   queued     one more than the backlog: its data is acknowledged
--   request    the ACK came to a full queue: SYN-ACKs again, then forgotten without a word; the next segment draws RST
--   cookie     nothing at the server at all; RST once the cookie is too old
-- Without SYN cookies the last kind waits in SYN_SENT instead. On Holdfast who has no place is told. RFC 9293 3.10.7.2.

local function measure(profile, policy)
    local seen = { alive = 0, acked = 0, connected = 0, ends = {} }
    local name = profile .. ", when full " .. policy
    part(name, function()
        local client, server = host("client", { profile = profile }), host("server", { profile = profile })
        link(client, server, { delay = "20ms" })
        local listener = server:listen(7000, { backlog = 8, accept = false, when_full = policy })
        at("1s", function()
            for _ = 1, 8 do client:connect(server, 7000) end
        end)
        local conns = {}
        at("2s", function()
            for i = 1, 20 do
                local c = client:connect(server, 7000)
                conns[i] = c
                c:on("connected", function()
                    seen.connected = seen.connected + 1
                    after("3s", function()
                        if not c:ended() then c:write "Ping" end
                    end)
                end)
                c:on("end", function() seen.ends[#seen.ends + 1] = (now() - 2e9) / 1e9 end)
            end
        end)
        duration "300s"
        run()
        for _, c in ipairs(conns) do
            if not c:ended() then
                seen.alive = seen.alive + 1
                if c:status().bytes_acked == 4 then seen.acked = seen.acked + 1 end
            end
        end
        seen.waiting = listener:status().waiting
    end)
    return seen
end

local function ended(seen, from, to)
    local count = 0
    for _, at_s in ipairs(seen.ends) do
        if at_s >= from and at_s <= to then count = count + 1 end
    end
    return count
end

local cookies, plain, holdfast = measure("linux", "COOKIE"), measure("linux", "IGNORE"), measure("holdfast", "COOKIE")
check(cookies.connected == 20, "linux: connect() succeeds for all 20")
check(cookies.alive == 1 and cookies.waiting == 9, "one is real: the ninth place of a backlog of 8")
check(ended(cookies, 7, 11.5) == 4, "4 requests, given up early as the queue was full of old ones: RST after 7 to 11 s")
check(ended(cookies, 63, 75) == 4, "4 requests, forgotten after 63 s: RST after 64 to 75 s")
check(ended(cookies, 120, 150) == 11, "11 cookies: RST after 120 to 150 s")
check(plain.connected == 9 and ended(plain, 7, 11.5) == 4 and ended(plain, 63, 75) == 4,
    "without cookies the same 9 are established")
check(ended(plain, 130, 136) == 11, "and 11 hear nothing for 131 s")
check(holdfast.alive == 0 and holdfast.waiting == 8, "holdfast: 8 places are 8 places")
check(#holdfast.ends == 20 and ended(holdfast, 0, 0.1) == 20, "and 20 clients know within 0.1 s that they have none")
