-- A hundred pollers lose their server for a minute and come back: at once each second, or with back-off and jitter?
-- Who is refused or unheard waits 1, 2, 4 ... 30 s and a random half of it; else all come in the same instant.

local common = use "common"
local clients, second = 100, common.second

local function outage(title, wait_ns)
    local seen = { syns = 0, peak = 0, last_ns = 0 }
    part(title, function()
        local client, server = common.pair("holdfast")
        local connected, in_slot = 0, {}
        local function serve() server:listen(7000, { backlog = 256, detect_within = "10s" }) end
        serve()
        server:on_up(serve)
        local function come(attempt)
            local slot = now() // (second // 10)
            in_slot[slot] = (in_slot[slot] or 0) + 1
            seen.peak, seen.syns = math.max(seen.peak, in_slot[slot]), seen.syns + 1
            local c, up = client:connect(server, 7000, { detect_within = "3s" }), false
            c:on("connected", function()
                attempt, up = 0, true
                connected = connected + 1
                if now() > 65 * second then seen.last_ns = now() end
            end)
            c:on("end", function()
                if up then connected = connected - 1 end
                after(wait_ns(attempt) // 1000 .. "us", function() come(attempt + 1) end)
            end)
        end
        for i = 1, clients do after(i .. "ms", function() come(0) end) end
        at("5s", function()
            in_slot, seen.peak, seen.syns = {}, 0, 0
            server:reboot { down = "60s" }
        end)
        duration "3min"
        run()
        seen.connected = connected
    end)
    check(seen.connected == clients, title .. ": all are back, the last " .. words(seen.last_ns - 65 * second)
        .. " after the server")
    return seen
end

local fixed = outage("Again after a second, all alike", function() return second end)
local spread = outage("Back-off and jitter", function(attempt)
    local most_ns = math.min(30, 1 << math.min(attempt, 5)) * second
    return most_ns // 2 + math.random(most_ns // 2)
end)
check(spread.syns < fixed.syns, "back-off asks less often")
check(spread.peak < fixed.peak / 2, "jitter spreads the return")
local function row(name, seen)
    return { name, number(seen.syns) .. " connects; at most " .. seen.peak .. " in a tenth of a second; the last was back "
        .. words(seen.last_ns - 65 * second) .. " after the server" }
end
summary(clients .. " clients, the server away for a minute.\n\n"
    .. common.table { row("again each second", fixed), row("back-off, jitter", spread) })
