-- Why is it slow? The sender keeps books of what kept it from sending, and each nanosecond has one reason: the reader that
-- does not read, the path's congestion window, its own application. RFC 9293 3.8.6, 5681 3.1.

local function send(title, link_options, listen_options, work)
    local seen
    part(title, function()
        local client, server = host "client", host "server"
        link(client, server, link_options)
        local reader
        listen_options.on_accept = function(s) reader = s end
        server:listen(7000, listen_options)
        local c = client:connect(server, 7000, { account = true })
        local opened_ns
        c:on("connected", function() opened_ns = now() end)
        work(c, function() return reader end)
        duration "60s"
        run()
        seen = c:why()
        seen.lived_ns = now() - opened_ns
        seen.title = title
    end)
    return seen
end

local slow_reader = send("a reader that takes 5 kB a second", { delay = "10ms" }, { read = false, receive_bytes = 8000 },
    function(c, reader)
        at("1s", function() c:write(1000000) end)
        every("1s", function() if reader() then reader():read(5000) end end)
    end)
local narrow = send("a path with little room", { delay = "100ms", rate = "2Mbit/s", queue = 30 }, {},
    function(c) at("1s", function() c:write(20000000) end) end)
local idle = send("an application with little to say", { delay = "10ms" }, {},
    function(c) every("5s", function() c:write(100) end) end)

for _, seen in ipairs { slow_reader, narrow, idle } do
    local sum = 0
    for _, name in ipairs { "APPLICATION", "MEMORY", "NEIGHBOR", "DRIVER", "PACING", "RTO", "PEER_WINDOW", "CONGESTION",
        "NAGLE", "SILLY_WINDOW", "SEND_BUFFER" } do sum = sum + seen[name] end
    check(sum == seen.total_ns and sum == seen.lived_ns, seen.title .. ": the books add up to the lifetime")
end
local most = 50000000000
check(slow_reader.PEER_WINDOW + slow_reader.SILLY_WINDOW > most, "the slow reader's window is the reason")
check(narrow.CONGESTION > most, "the path's congestion window is the reason")
check(idle.APPLICATION > most, "the application is the reason")
summary("Why was nothing sent?\n\n" .. slow_reader.title .. ": " .. slow_reader.sentence .. "\n\n" .. narrow.title .. ": "
    .. narrow.sentence .. "\n\n" .. idle.title .. ": " .. idle.sentence)
