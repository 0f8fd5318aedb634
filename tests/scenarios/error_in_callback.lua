-- A function that fails when the clock reaches it: line 4.
local a, b = host "a", host "b"
link(a, b)
at("1s", function() not_there() end)
duration "2s"
