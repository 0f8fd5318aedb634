-- Twelve clients connect at once to a listener with 4 places whose program is busy for 2 s: what each policy tells them.
-- A client that got SYN-ACK has a place, or is told by RST; only IGNORE lets its SYN wait. RFC 9293 3.10.7.2.
-- The same of Linux, of the small stack, and in the manner of Windows and BSD, which refuse whatever the policy; and of
-- a listener whose accept_at is WINDOW or SYN.

local common = use "common"
local clients, places = 12, 4

local function burst(policy, profile, accept_at)
    local seen = { policy = (profile or "holdfast") .. ", " .. policy .. (accept_at and ", accept_at " .. accept_at or ""),
        ok = 0, reset = 0, refused = 0, silent = 0, waited_ns = 0 }
    part("A full listener: " .. seen.policy, function()
        local client = host("client", { profile = profile == "linux" and "linux" or nil })
        local server = host("server", { profile = profile })
        link(client, server, { delay = "10ms" })
        local idle = false -- the program has time
        local options = { backlog = places, when_full = policy, accept_at = accept_at, accept = accept_at == "SYN" }
        local function answer(l)
            if not idle then return end
            for syn in function() return l:pending() end do l:answer(syn, "ACCEPT") end
        end
        if accept_at == "SYN" then options.on_syn = answer end
        local listener = server:listen(7000, options)
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
            idle = true
            if accept_at == "SYN" then return answer(listener) end
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
                seen.silent = seen.silent + 1
            end
        end
        seen.overflows = listener:status().overflows
    end)
    check(seen.ok + seen.reset + seen.refused + seen.silent == clients, seen.policy .. ": no client is left in doubt")
    return seen
end

local all = {}
for _, profile in ipairs { "holdfast", "small" } do
    local cookie, ignore, refuse = burst("COOKIE", profile), burst("IGNORE", profile), burst("REFUSE", profile)
    check(ignore.ok == clients, profile .. ", IGNORE: all are served, late")
    check(refuse.ok >= places - 1 and refuse.ok + refuse.refused == clients,
        profile .. ", REFUSE: the others know after one round trip")
    check(cookie.ok >= places and cookie.ok + cookie.reset == clients, profile .. ", COOKIE: who finds no place is reset")
    for _, seen in ipairs { cookie, ignore, refuse } do all[#all + 1] = seen end
end
for _, policy in ipairs { "COOKIE", "IGNORE" } do -- Linux's tcp_syncookies; REFUSE is not Linux's
    local linux = burst(policy, "linux")
    check(linux.refused == 0 and linux.ok == clients, "linux, " .. policy .. ": nobody is refused; who waits is served when the program has time")
    all[#all + 1] = linux
end
for _, policy in ipairs { "COOKIE", "IGNORE", "REFUSE" } do
    local other = burst(policy, "rst_on_full")
    check(other.refused > 0 and other.ok + other.refused == clients and other.waited_ns < common.second // 10,
        "rst_on_full, " .. policy .. ": 'connection refused' although somebody listens, and at once")
    all[#all + 1] = other
end
local window, syn = burst("IGNORE", "holdfast", "WINDOW"), burst("IGNORE", "holdfast", "SYN")
check(window.ok == clients, "accept_at WINDOW: all are served")
check(syn.ok == clients and syn.waited_ns >= 2 * common.second, "accept_at SYN: all are served, and connect() took until accept()")
all[#all + 1], all[#all + 2] = window, syn

local rows = {}
for i, seen in ipairs(all) do
    rows[i] = { seen.policy, seen.ok .. " served, " .. seen.refused .. " refused (RST to the SYN), " .. seen.reset
        .. " reset after connect; the longest connect took " .. words(seen.waited_ns) .. "; " .. seen.overflows
        .. " overflows counted" }
end
summary(clients .. " clients at once, " .. places .. " places, a program that accepts 2 s later.\n\n" .. common.table(rows)
    .. "\n\nWhat Linux loses behind a successful connect(): s3_half_established.lua, s5_cookie_loses_data.lua.")
