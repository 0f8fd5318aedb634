-- Two paths: a late segment of a dead connection enters its successor. After linger 0 it corrupts the stream.
-- RFC 9293 3.4.1, 3.6.1; RFC 1337; RFC 6191. Ports are used again, a middlebox strips timestamps, and 401 kB went
-- faster than the clock of initial sequence numbers runs (250 kB/s): the old numbers lie ahead of the new ones.

local kilo = 1000

local function incarnations(title, finish)
    local seen = {}
    part(title, function()
        local client, server = host "client", host "server"
        local wire = link(client, server, { delay = "5ms", strip_timestamps = true })
        local readers, first, second = {}, nil, nil
        server:listen(7000, {
            receive_bytes = 262144,
            on_accept = function(s)
                readers[#readers + 1] = s
                s:on("peer_closed", function() s:close() end)
                if #readers < 2 then return end
                if finish ~= "client closes" then expect(s):is_corrupted() else expect(s):receives(250 * kilo + 100) end
            end,
        })
        first = client:connect(server, 7000, { local_port = 40001, receive_bytes = 262144 })
        first:on("peer_closed", function() first:close() end)
        at("100ms", function() first:write(400 * kilo) end)
        at("500ms", function()
            wire:delay_next { from = client, len_least = 1, by = "2s" }
            first:write(1 * kilo)
        end)
        at("760ms", function()
            check(first:status().bytes_acked == 401 * kilo, "all of the first connection was acknowledged")
            if finish == "reset" then
                first:abort()
            elseif finish == "client closes" then
                first:close()
            else
                readers[1]:close()
            end
        end)
        -- Whoever holds TIME_WAIT may refuse the pair, or not answer its SYN; the client goes on trying.
        local function again()
            local c, refused = client:connect(server, 7000, { local_port = 40001, receive_bytes = 262144 })
            if refused then
                seen.refused = (seen.refused or 0) + 1
                return after("1s", again)
            end
            second = c
            second:on("connected", function()
                seen.waited_ns = now() - 800000000
                second:write(100)
                after("2s", function() second:write(250 * kilo) end)
            end)
        end
        at("800ms", again)
        duration "80s"
        run()
        seen.read = readers[2] and readers[2]:status().bytes_read or 0
        seen.yielded = server:count "TW_ENDED_BY_RESTARTING_PEER"
    end)
    return seen
end

local reset = incarnations("The first connection ends by RST (linger 0): nobody remembers it", "reset")
local client = incarnations("It ends by FIN, the client first: TIME_WAIT is at the client", "client closes")
local server = incarnations("It ends by FIN, the server first: TIME_WAIT is at the server", "server closes")

check(reset.waited_ns < 1000000000, "after linger 0 the pair is free at once")
check(client.waited_ns > 59000000000 and client.refused > 0, "TIME_WAIT at the client keeps the pair for 60 s")
check(server.yielded == 1, "TIME_WAIT at the server makes way for the RST of a client that knows nothing")

summary("The same two ports again, 40 ms after the first connection ended. One of its segments is still under way.\n\n"
    .. "linger 0:             connected after " .. words(reset.waited_ns) .. "; the late segment lies inside the new window, "
    .. "and the reader got bytes that nobody wrote in this connection.\n\n"
    .. "client held it:       " .. client.refused .. " connects refused (TUPLE_IN_USE) until TIME_WAIT was over after "
    .. words(client.waited_ns) .. "; the late segment met nobody, the stream is whole.\n\n"
    .. "server held it:       its ACK of the new SYN drew RST from the client, and an exact RST ends TIME_WAIT (else a "
    .. "client that restarted would be locked out for 60 s; Linux does so, too). The reader got wrong bytes again: who "
    .. "uses a port again must hold TIME_WAIT itself.\n\n"
    .. "With timestamps, as they are by default, the late segment is dropped in all three (RFC 7323 5.3); and with fewer "
    .. "than 250 kB a second the clock of sequence numbers is enough.")
