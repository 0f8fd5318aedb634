-- A duration without a unit: line 3.
local a, b = host "a", host "b"
link(a, b, { delay = "10" })
