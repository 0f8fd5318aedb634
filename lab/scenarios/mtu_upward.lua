-- The way leads through a tunnel that takes 1,400 bytes, and a minute later past it: the path takes 1,500 again, and
-- nobody says so. RFC 8899 5.1.1: ten minutes after the last answer one larger packet asks; what arrives is used.

local client, server = host "client", host "server"
local way = link(client, server, { delay = "10ms", silent_mtu = 1400 })
server:listen(7000)
local c = client:connect(server, 7000)
local sizes, times = {}, {}
c:on("path_mtu", function()
    sizes[#sizes + 1] = c:status().packet_bytes
    times[#times + 1] = now()
end)
every("5s", function() c:write(100000) end)
at("60s", function()
    check(c:status().packet_bytes == 1400, "through the tunnel it is 1,400")
    check(client:count("RECOVERY_STARTED") == 0, "a lost probe is no congestion")
    way:set { silent_mtu = 0 }
end)
at("10min", function() check(c:status().packet_bytes == 1400, "nobody asks before the timer of ten minutes ends") end)
at("11min", function()
    check(c:status().packet_bytes == 1500, "then larger packets ask, and all arrive")
    check(c:status().in_flight_bytes == 0, "everything is acknowledged")
end)
duration "11min"
run()
local steps = {}
for i, size in ipairs(sizes) do steps[i] = number(size) .. " at " .. words(times[i]) end
summary("Largest packet: " .. table.concat(steps, ", ") .. ".")
