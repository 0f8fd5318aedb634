-- The server reboots under a client that only waits: without a bound it is never told, with one it is told at once.
-- RFC 9293 3.5.1: RST answers whoever speaks. A client that never speaks gets no answer to learn from.

local function reboot(title, options, judge)
    local seen = {}
    part(title, function()
        local client, server = host "client", host "server"
        link(client, server, { delay = "10ms" })
        server:listen(7000)
        server:on_up(function() server:listen(7000) end)
        local c = client:connect(server, 7000, options)
        at("1s", function() c:write(20) end)
        at("2s", function() server:reboot { down = "5s" } end)
        judge(c)
        run()
        seen.outcome = c:ended()
        seen.packets = count { after = "2s" }
    end)
    return seen
end

local hours = 24
local silent = reboot("No bound: the client waits a day", nil, function(c)
    duration(hours .. "h")
    expect(c):never_ends()
    expect(c):state("ESTABLISHED", { at = "23h" })
end)

local told = reboot("detect_within = 10 s", { detect_within = "10s" }, function(c)
    expect(c):ends { cause = "PEER_RESET", by = "RST", between = { "7s", "12s" } }
end)

check(silent.packets == 0, "without a bound not one packet is sent after the reboot")
summary("The same reboot, twice.\n"
    .. "\n"
    .. "No bound:       after " .. hours .. " h the client still held an ESTABLISHED connection to a server that "
    .. "forgot it on the first day; " .. silent.packets .. " packets were sent since.\n"
    .. "\n"
    .. "detect_within:  the first probe after the reboot drew RST: told "
    .. words(told.outcome.at_ns - 2000000000) .. " after the crash.")
