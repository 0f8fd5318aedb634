-- S3: clients that are connected and were never accepted. A round trip of 40 ms, all connect in one burst; no scenario
-- itself: tests/agreement.lua uses it.
local world = use "agreement_world"
local cases = {}
local second, s, number_of = world.second, world.s, world.number_of

-- "4@70,1@alive": how many clients were told after how many seconds, counted from their connect.
local function groups_of(conns, called_s)
    local counts, names = {}, {}
    for _, c in ipairs(conns) do
        local ended = c:ended()
        local at = ended and math.floor(ended.at_ns / second - called_s + 0.5) or "alive"
        counts[at] = (counts[at] or 0) + 1
    end
    for at, count_of in pairs(counts) do names[#names + 1] = count_of .. "@" .. at end
    return table.concat(names, ",")
end

function cases.half(with)
    local limits = world.limits(with)
    limits.syn_entries = 256
    local client, server = host("client", limits), host("server", limits)
    link(client, server, { delay = "20ms" })
    local listener = server:listen(7000, {
        backlog = tonumber(with.backlog), accept = false, when_full = with.cookies == "no" and "IGNORE" or nil,
    })
    for _ = 1, number_of(with, "pre", 0) do client:connect(server, 7000) end
    local conns = {}
    at("2s", function()
        for i = 1, number_of(with, "clients") do
            local c = client:connect(server, 7000)
            conns[i] = c
            if with.ping then at(s(2 + number_of(with, "ping")), function() c:write(4) end) end
        end
    end)
    if with.accept then
        every("10ms", function()
            if now() >= (2 + number_of(with, "accept")) * second then listener:accept() end
        end)
    end
    if with.accept_one then at(s(2 + number_of(with, "accept_one")), function() listener:accept() end) end
    world.watch(nil, 0, { lives = "307" })
    return { groups = groups_of(conns, 2) }
end

return cases
