-- What resets keepalive's clock? Not what we send and not the peer's probes: what is heard and acknowledges, or brings data.
-- RFC 9293 3.8.4. Keepalive 5/5/3 on the client throughout; a minute each.

local function probes(title, client_every, server_every, server_keepalive, change)
    local seen = { title = title }
    part(title, function()
        local client = host("client", { profile = "linux" })
        local server = host("server", { profile = "linux" })
        link(client, server, { delay = "100us" })
        server:listen(7000, {
            keepalive = server_keepalive,
            on_accept = function(s)
                if server_every then every(server_every, function() s:write(20) end) end
            end,
        })
        local keepalive = { idle = "5s", interval = "5s", count = 3 }
        local late = change == "late"
        local c = client:connect(server, 7000, { keepalive = not late and keepalive or nil, read = change ~= "unread" })
        if late then at("12s", function() c:options { keepalive = keepalive } end) end
        if client_every then every(client_every, function() c:write(20) end) end
        expect(c):never_ends()
        duration "60s"
        run()
        seen.count = count { from = client, cause = "SENT_KEEPALIVE" }
    end)
    return seen
end

local cases = {
    probes("only we send, each 2 s", "2s"),
    probes("only we send, each 7 s", "7s"),
    probes("only the peer sends, each 2 s", nil, "2s"),
    probes("only the peer sends, each 7 s", nil, "7s"),
    probes("nobody sends", nil, nil),
    probes("the peer probes us each 2 s", nil, nil, { idle = "2s", interval = "2s", count = 3 }),
    probes("both ends probe each 5 s", nil, nil, { idle = "5s", interval = "5s", count = 3 }),
    probes("the peer's data lies unread", nil, "40s", nil, "unread"),
    probes("keepalive is set after 12 s", nil, nil, nil, "late"),
}
check(cases[1].count == 0 and cases[3].count == 0, "answered sends and received data each 2 s: no probe")
check(cases[2].count == 8, "a send each 7 s does not stop the probes: its ACK came 5 s before")
check(cases[4].count == 8, "nor does data each 7 s")
check(cases[5].count == 11, "idle: a probe each 5 s")
check(cases[6].count == 11, "the peer's probes do not reset our clock")
check(cases[8].count >= 10, "nor does it matter that data lies unread")
check(cases[9].count >= 8 and cases[9].count <= 10, "set late, the idle time begins anew or is over at once")

local lines = {}
for i, seen in ipairs(cases) do
    lines[i] = seen.title .. ":" .. string.rep(" ", 32 - #seen.title) .. seen.count .. " probes in a minute"
end
summary("Keepalive 5/5/3.\n\n" .. table.concat(lines, "\n"))
