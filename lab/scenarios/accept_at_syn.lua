-- The program sees the SYN before anybody is connected, and says yes, no or nothing: connect() means accept().
-- Five clients come, the program serves one at a time, 400 ms each. Whom it cannot serve yet it lets wait: the client
-- is in SYN_SENT, sends its SYN again after 1 s, and knows that it is not connected. RFC 9293 3.10.7.2.

local client, server = host "client", host "server"
link(client, server, { delay = "10ms" })
local waiting, busy, served = {}, false, 0
local listener

local function serve_next()
    while not busy and #waiting > 0 do
        busy = listener:answer(table.remove(waiting, 1), "ACCEPT") -- false: it gave up meanwhile
    end
end

listener = server:listen(7000, {
    accept_at = "SYN",
    backlog = 8,
    on_syn = function(l)
        for syn in function() return l:pending() end do
            if syn.repeats == 0 then waiting[#waiting + 1] = syn end
        end
        serve_next()
    end,
    on_accept = function(s)
        served = served + 1
        after("400ms", function()
            s:close()
            busy = false
            serve_next()
        end)
    end,
})

local connected, early = 0, 0
for i = 1, 5 do
    local c = client:connect(server, 7000)
    c:on("connected", function()
        connected = connected + 1
        if connected > served + 1 then early = early + 1 end -- its own accept() is half a round trip behind
    end)
    c:on("peer_closed", function() c:close() end)
    expect(c):ends { cause = "CLOSED", within = "3s", of = "call", slack = "500ms" }
end
duration "6s"
run()
check(served == 5 and early == 0, "five served, one after the other; nobody was connected before the program said so")
check(server:count "TOOK_SYN_REPEATED" >= 2, "who waited asked again: " .. server:count "TOOK_SYN_REPEATED" .. " times")

part("No, and no answer", function()
    local client, server = host "client", host "server"
    link(client, server, { delay = "10ms" })
    local asked = 0
    server:listen(7000, {
        accept_at = "SYN",
        on_syn = function(l)
            for syn in function() return l:pending() end do
                asked = asked + 1
                if syn.remote_port == 5001 then l:answer(syn, "REFUSE") end
                if syn.remote_port == 5002 then l:answer(syn, "IGNORE") end
                -- 5003 gets no answer at all
            end
        end,
    })
    local refused = client:connect(server, 7000, { local_port = 5001 })
    local ignored = client:connect(server, 7000, { local_port = 5002, detect_within = "10s" })
    local unanswered = client:connect(server, 7000, { local_port = 5003, detect_within = "10s" })
    expect(refused):ends { cause = "REFUSED", by = "RST", within = "20ms", of = "call", slack = "5ms" }
    expect(ignored):ends { cause = "PEER_SILENT", by = "DETECT_WITHIN" }
    expect(unanswered):ends { cause = "PEER_SILENT", by = "DETECT_WITHIN" }
    expect_packets { from = server, flags = "SYN ACK", count = 0 }
    duration "20s"
    run()
    check(asked >= 9, "each SYN that came was shown: " .. asked)
    check(server:count "SYN_UNANSWERED_BY_APP" >= 1, "a SYN that the program does not answer is forgotten after 3 s")
end)
