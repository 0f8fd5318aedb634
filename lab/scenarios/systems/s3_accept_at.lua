-- Six clients, a server that accepts one each second: what does connect() mean under each accept_at? RFC 9293 3.10.7.2.
-- HANDSHAKE: a place in the queue. WINDOW: the same, but nobody can send into a queue that nobody reads. SYN: accept()
-- itself; until then the client knows that it is not connected. The clients are Linux's, the small stack's and our own.

local common = use "common"
local clients, second = 6, common.second

-- A server that sees each SYN, and answers the oldest that waits.
local function answering(taken)
    local waiting = {} -- by the client's port
    return {
        backlog = 16, accept_at = "SYN",
        on_syn = function(l)
            for syn in function() return l:pending() end do waiting[syn.remote_port] = syn end
        end,
        on_accept = function(s) taken[#taken + 1] = s end,
    }, function(listener)
        for port, syn in pairs(waiting) do
            waiting[port] = nil
            if listener:answer(syn, "ACCEPT") then return 1 end -- else it was forgotten, and comes again
        end
        return 0
    end
end

local function ask(profile, accept_at)
    local seen = { connected = 0, early = 0, sent = 0, heard = 0, ends = 0, longest_ns = 0 }
    part(profile .. " clients, accept_at = " .. accept_at, function()
        local client, server = host("client", { profile = profile }), host "server"
        link(client, server, { delay = "20ms" })
        local taken, accepted = {}, 0
        local options, accept = { backlog = 16, accept_at = accept_at, accept = false }, function(listener)
            local s = listener:accept()
            taken[#taken + 1] = s
            return s and 1 or 0
        end
        if accept_at == "SYN" then options, accept = answering(taken) end
        local listener = server:listen(7000, options)
        every("1s", function() accepted = accepted + accept(listener) end)
        at("100ms", function()
            for i = 1, clients do
                local began_ns = now()
                local c = client:connect(server, 7000, { local_port = 40000 + i })
                c:on("connected", function()
                    seen.connected = seen.connected + 1
                    seen.longest_ns = math.max(seen.longest_ns, now() - began_ns)
                    if seen.connected > accepted then seen.early = seen.early + 1 end
                    c:write "Ping"
                end)
                c:on("end", function() seen.ends = seen.ends + 1 end)
            end
        end)
        duration "30s"
        run()
        seen.sent = count { from = client, len_least = 4, before = "900ms" }
        for _, s in ipairs(taken) do seen.heard = seen.heard + (s:status().bytes_read == 4 and 1 or 0) end
    end)
    check(seen.connected == clients and seen.heard == clients and seen.ends == 0,
        profile .. ", " .. accept_at .. ": all are served in the end")
    return seen
end

local rows = {}
for _, profile in ipairs(common.profiles) do
    local handshake, window, syn = ask(profile, "HANDSHAKE"), ask(profile, "WINDOW"), ask(profile, "SYN")
    check(handshake.early == clients and handshake.sent == clients,
        profile .. ", HANDSHAKE: connected and sent before anybody accepted, into a place that is kept")
    check(window.early == clients and window.sent == 0, profile .. ", WINDOW: connected, and nothing sent before accept()")
    check(syn.early == 0 and syn.longest_ns > second // 2, profile .. ", SYN: nobody is connected before accept()")
    rows[#rows + 1] = { profile .. " clients", "HANDSHAKE: connect() takes " .. words(handshake.longest_ns) .. ", and the "
        .. handshake.sent .. " Pings go into the queue. WINDOW: " .. words(window.longest_ns)
        .. ", and no Ping leaves before accept(). SYN: up to " .. words(syn.longest_ns) .. ", as accept() comes" }
end
summary(clients .. " clients at once, a server that accepts one each second.\n\n" .. common.table(rows))
