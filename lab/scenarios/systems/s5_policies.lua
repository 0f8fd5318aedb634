-- Twelve clients connect at once to a listener with 4 places whose program is busy for 2 s: what each policy tells them.
-- A client that got SYN-ACK has a place, or is told by RST; only IGNORE lets its SYN wait. RFC 9293 3.10.7.2.

local clients, places = 12, 4

local function burst(policy, profile)
    local seen = { policy = profile or policy, ok = 0, reset = 0, refused = 0, unanswered = 0, waited_ns = 0 }
    part("A full listener: " .. seen.policy, function()
        local client = host("client")
        local server = host("server", { profile = profile })
        link(client, server, { delay = "10ms" })
        local listener = server:listen(7000, { backlog = places, when_full = policy, accept = false })
        local conns = {}
        at("1s", function()
            for i = 1, clients do
                local c = client:connect(server, 7000)
                local began_ns = now()
                c:on("connected", function()
                    seen.waited_ns = math.max(seen.waited_ns, now() - began_ns)
                    c:write(10)
                end)
                conns[i] = c
            end
        end)
        at("3s", function()
            listener:set_accepting(true)
            while listener:accept() do end
        end)
        duration "30s"
        run()
        for _, c in ipairs(conns) do
            local outcome = c:ended()
            if not outcome then
                seen.ok = seen.ok + (c:status().bytes_acked == 10 and 1 or 0)
            elseif outcome.cause == "PEER_RESET" then
                seen.reset = seen.reset + 1
            elseif outcome.cause == "REFUSED" then
                seen.refused = seen.refused + 1
            else
                seen.unanswered = seen.unanswered + 1
            end
        end
        seen.overflows = listener:status().overflows
    end)
    check(seen.ok + seen.reset + seen.refused + seen.unanswered == clients,
        seen.policy .. ": no client is left in doubt")
    return seen
end

local function row(seen)
    return seen.policy .. ":  " .. string.rep(" ", 12 - #seen.policy) .. seen.ok .. " served, " .. seen.refused
        .. " refused (RST to the SYN), " .. seen.reset .. " reset after connect; the longest connect took "
        .. words(seen.waited_ns) .. "; " .. seen.overflows .. " overflows counted."
end

local cookie, ignore, refuse = burst "COOKIE", burst "IGNORE", burst "REFUSE"
local other = burst("COOKIE", "rst_on_full")

check(ignore.ok == clients, "IGNORE: all are served, late")
check(refuse.ok >= places - 1 and refuse.ok + refuse.refused == clients, "REFUSE: the others know after one round trip")
check(cookie.ok >= places and cookie.ok + cookie.reset == clients, "COOKIE: who finds no place is reset")
check(other.refused > 0, "rst_on_full: 'connection refused' although somebody listens")

summary(clients .. " clients at once, " .. places .. " places, a program that accepts 2 s later.\n\n"
    .. row(cookie) .. "\n\n" .. row(ignore) .. "\n\n" .. row(refuse) .. "\n\n" .. row(other)
    .. "\n\nLinux's own manner, silence and loss behind a successful connect(): s3_half_established.lua, s5_cookie_loses_data.lua.")
