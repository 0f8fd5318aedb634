-- Linger 0 on the listening socket: does it reset who is not accepted yet? Closing the listener does that anyway.
-- RFC 9293 3.10.4. What linger 0 there really does on Linux is be inherited: every accepted connection then aborts
-- when it is closed. Holdfast has no such option: a listener's close resets what waits, and lets what was accepted be.

local common = use "common"

local function stop(profile, title, inherited)
    local seen = { waiting = {}, accepted = nil }
    part(profile .. ": " .. title, function()
        local client, server = common.pair(profile, "10ms")
        local listener = server:listen(7000, { accept = false })
        local old = client:connect(server, 7000)
        local waiting
        at("1s", function()
            local s = listener:accept()
            s:on("peer_closed", function() if inherited then s:abort() else s:close() end end)
        end)
        at("2s", function() waiting = { client:connect(server, 7000), client:connect(server, 7000) } end)
        at("3s", function() listener:close() end)
        at("4s", function()
            check(old:status().state == "ESTABLISHED", profile .. ": what was accepted lives on")
            server:listen(7000)
        end)
        at("5s", function() old:close() end)
        duration "6s"
        run()
        for i, c in ipairs(waiting) do seen.waiting[i] = c:ended() end
        seen.accepted = old:ended()
    end)
    for _, outcome in ipairs(seen.waiting) do
        check(outcome.cause == "PEER_RESET" and outcome.at_ns < 3.1 * common.second, profile .. ": who waits is reset at once")
    end
    return seen
end

local rows = {}
for _, profile in ipairs(common.here { "linux", "holdfast" }) do
    local without = stop(profile, "no linger", false)
    local with = stop(profile, "linger 0, inherited by the accepted", true)
    check(without.accepted.cause == "CLOSED" and with.accepted.cause == "PEER_RESET", profile .. ": inherited, it answers FIN by RST")
    rows[#rows + 1] = { profile .. ", no linger", "two waiting clients reset; the accepted one ended " .. without.accepted.cause }
    rows[#rows + 1] = { profile .. ", linger 0", "two waiting clients reset; the accepted one ended " .. with.accepted.cause }
end
summary("A listener is closed with two connections waiting and one accepted, which its client closes later.\n\n" .. common.table(rows))
