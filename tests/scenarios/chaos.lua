-- Everything at once, drawn anew for each seed: loss, reordering, copies, turned bits, jitter, a slow link, small packets,
-- cuts that heal, readers that pause. Whatever happens, both streams arrive whole and both ends end by FIN.

local function pick(low, high) return math.random(low, high) end
local profiles = { "holdfast", "linux", "rfc" }

local a = host("a", { profile = profiles[pick(1, 3)] })
local b = host("b", { profile = profiles[pick(1, 3)] })
local wire = link(a, b, {
    delay = pick(0, 40000) .. "us",
    jitter = pick(0, 10000) .. "us",
    rate = pick(200, 50000) .. "kbit/s",
    queue = pick(5, 200),
    mtu = pick(576, 1500),
})
local faults = { unseen = true }
for _, name in ipairs { "loss", "reorder", "duplicate", "corrupt" } do
    if pick(1, 2) == 1 then faults[name] = pick(1, 15) .. "%" end
end
at("1ms", function() wire:set(faults) end)

local function pause(conn)
    for _ = 1, pick(0, 3) do
        after(pick(1, 20000) .. "ms", function()
            if conn:ended() then return end -- what has arrived stays readable, also after an end
            conn:stop_reading()
            after(pick(1, 15000) .. "ms", function() conn:start_reading() end)
        end)
    end
end

local there, back = pick(1, 400000), pick(1, 400000)
b:listen(7000, {
    receive_bytes = pick(2000, 300000),
    on_accept = function(s)
        pause(s)
        s:write(back)
        s:shutdown()
        expect(s):receives(there)
        expect(s):ends { cause = "CLOSED", by = "FIN", acked = back }
    end,
})
local c = a:connect(b, 7000, { receive_bytes = pick(2000, 300000), no_delay = pick(1, 2) == 1 })
c:on("connected", function()
    pause(c)
    c:write(there)
    c:shutdown()
end)
for _ = 1, pick(0, 2) do
    after(pick(100, 10000) .. "ms", function()
        wire:cut { unseen = true }
        after(pick(10, 5000) .. "ms", function() wire:heal() end)
    end)
end
expect(c):receives(back)
expect(c):ends { cause = "CLOSED", by = "FIN", acked = there }
