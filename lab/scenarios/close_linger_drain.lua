-- A server refuses an upload: it answers and closes while the client is still sending. A plain close answers the data
-- that still comes by RST, which overtakes the answer: the client never reads why (RFC 9112 9.6 warns of it).
-- A lingering close reads and throws away what comes until the client's FIN: the answer arrives, no RST is sent.

local function refuse(title, how)
    local seen = {}
    part(title, function()
        local client, server = host "client", host "server"
        link(client, server, { delay = "10ms", rate = "2Mbit/s" })
        server:listen(80, {
            on_accept = function(s)
                s:on("readable", function()
                    if seen.refused or s:status().bytes_read == 0 then return end
                    seen.refused = true
                    s:write("413 too large")
                    s:close(how)
                end)
                s:on("end", function() seen.server = s:ended() end)
            end,
        })
        local c = client:connect(server, 80, { read = false })
        at("100ms", function() c:write(300000) end)
        c:on("peer_closed", function()
            seen.read = c:read()
            c:close()
        end)
        c:on("end", function() seen.client = c:ended() end)
        duration "30s"
        run()
        seen.resets = count { flags = "RST" }
    end)
    return seen
end

local plain = refuse("A plain close", {})
local linger = refuse("A lingering close", { drain = true, deadline = "5s" })

check(plain.resets > 0 and plain.client.cause == "PEER_RESET", "the plain close resets the client")
check(linger.resets == 0, "the lingering close sends no RST")
check(linger.read == 13, "the client reads the answer")
check(linger.server.bytes_acked == 13 and linger.server.cause == "CLOSED", "the server knows that it arrived")
check(linger.server.bytes_drained > 100000, "and how much it threw away")
summary("A plain close: " .. plain.client.sentence .. "\n\nA lingering close: the client reads its answer. The server: "
    .. linger.server.sentence)
