-- The cable is cut under an idle connection: keepalive or detect_within notice, without either nobody ever would.
-- RFC 9293 3.8.4. Each part's bound counts from the last time the peer was heard.

local function idle(title, options, judge)
    part(title, function()
        local client, server = host "client", host "server"
        local cable = link(client, server, { delay = "10ms" })
        server:listen(7000)
        local c = client:connect(server, 7000, options)
        at("2s", function() c:write(20) end)
        at("3s", function() cable:cut { unseen = options == nil } end)
        judge(c, client)
    end)
end

idle("No bound: the connection looks alive for ever", nil, function(c)
    duration "24h"
    expect(c):never_ends()
    at("24h", function() note "A day later the client still believes in its connection." end)
    at("4s", function() check(c:status().notice_by_ns == "never", "the status says so: notice_by = never") end)
end)

idle("detect_within = 10 s", { detect_within = "10s" }, function(c, client)
    expect(c):ends { cause = "PEER_SILENT", by = "DETECT_WITHIN", at = "10s", of = "last_heard" }
    expect_packets { from = client, cause = "SENT_KEEPALIVE", count = 4 }
end)

idle("keepalive 5 s, 5 s, 3 probes", { keepalive = { idle = "5s", interval = "5s", count = 3 } }, function(c, client)
    expect(c):ends { cause = "PEER_SILENT", by = "KEEPALIVE_COUNT", at = "20s", of = "last_heard" }
    expect_packets { from = client, cause = "SENT_KEEPALIVE", count = 3 }
end)
