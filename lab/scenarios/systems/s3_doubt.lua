-- Holdfast's clients before Linux's listener that never accepts: what can a client know by itself, and when?
-- RFC 9293 3.10.7.4. Repeated SYN-ACKs say that the peer may not have accepted: doubt, not proof. The cookie kind repeats
-- nothing, but the open check, one probe, draws RST at once: its number does not fit the cookie. The other kind is told
-- when the server has forgotten the request.

local common = use "common"
local second = common.second

local function experiment(title, check_after)
    local seen = { doubting = 0, told = 0, silent = 0, soon = 0, first_ns = math.maxinteger, latest_ns = 0 }
    part(title, function()
        local clients, server = host "clients", host("server", { profile = "linux" })
        link(clients, server, { delay = "20ms" })
        server:listen(7000, { backlog = 8, accept = false })
        at("100ms", function() for _ = 1, 8 do clients:connect(server, 7000) end end)
        local conns = {}
        at("1s", function()
            for i = 1, 20 do
                local c = clients:connect(server, 7000, { open_check = check_after })
                c:on("doubt", function()
                    seen.doubting = seen.doubting + 1
                    seen.first_ns = math.min(seen.first_ns, now() - second)
                end)
                c:on("end", function()
                    seen.told = seen.told + 1
                    if now() < 4 * second then seen.soon = seen.soon + 1 end
                    seen.latest_ns = math.max(seen.latest_ns, now() - second)
                end)
                conns[i] = c
            end
        end)
        duration "5min"
        run()
        for _, c in ipairs(conns) do if not c:ended() then seen.silent = seen.silent + 1 end end
    end)
    return seen
end

local waits = experiment("They only wait", nil)
local asks = experiment("They only wait, open_check = 2 s", "2s")
check(waits.doubting == 8 and waits.told == 0, "the eight whose handshake is repeated are told to doubt; nobody is told more")
check(asks.doubting == 8 and asks.told == 19 and asks.silent == 1, "with the open check all who have no place are told")
check(asks.soon == 11, "the eleven of the cookie kind within a round trip of the check")
check(asks.latest_ns < 70 * second, "the others when the server has forgotten them")
summary("Twenty clients, a Linux listener whose queue is almost full, nobody accepts.\n\n" .. common.table {
    { "they only wait", waits.doubting .. " are told to doubt, the first after " .. words(waits.first_ns) .. "; nobody learns more in five minutes" },
    { "open_check = 2 s", asks.soon .. " are told by RST a round trip after the check, " .. asks.told - asks.soon .. " more by "
        .. words(asks.latest_ns) .. "; " .. asks.silent .. " has a place and waits for a program that does not come" } })
