-- idle_within: the supervisor's bound. A listener gives it to each connection: who neither sends nor gets payload for T
-- is reset, however alive it is. Keepalives are no payload; one byte either way begins the time anew.

local server = host "server"
local busy, quiet, listening = host "busy", host "quiet", host "listening"
for _, client in ipairs { busy, quiet, listening } do link(client, server, { delay = "5ms" }) end
local accepted = {}
server:listen(7000, {
    idle_within = "60s",
    on_accept = function(s) accepted[#accepted + 1] = s end,
})
local b = busy:connect(server, 7000)
local q = quiet:connect(server, 7000, { keepalive = { idle = "10s", interval = "5s", count = 3 } })
local l = listening:connect(server, 7000)
every("50s", function() if not b:ended() then b:write(1) end end)
at("1s", function() q:write(30) end)
local told_ns
at("2s", function() -- the one that only listens hears a tick each 45 s
    every("45s", function()
        for _, s in ipairs(accepted) do
            if s:status().remote_port == l:status().local_port and s:status().remote_addr == l:status().local_addr
                and not s:ended() then s:write(2) end
        end
    end)
end)
duration "10min"
expect(q):ends { cause = "PEER_RESET", at = "61s", of = "start", slack = "100ms" }
expect(b):never_ends()
expect(l):never_ends()
run()

check(server:count("END_IDLE") == 1 and server:count("BY_IDLE_WITHIN") == 1, "one of three was idle")
check(count { from = quiet, cause = "SENT_KEEPALIVE" } >= 4, "its keepalives were answered all the time")
summary("Idle is: no payload either way. The quiet client's keepalives were answered to the end; 60 s after its last byte the"
    .. " server reset it. One byte each 50 s, sent or heard, keeps a connection.")
