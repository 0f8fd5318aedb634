-- A cut that meets no packet, and an instant that is never reached: the scenario shows nothing of what it claims.
local a, b = host "a", host "b"
local cable = link(a, b, { delay = "10ms" })
b:listen(7000)
local c = a:connect(b, 7000)
at("5s", function() cable:cut() end)
at("9s", function() cable:heal() end)
duration "6s"
