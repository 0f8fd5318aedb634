-- An option that does not exist: line 3.
local a, b = host "a", host "b"
link(a, b, { dellay = "10ms" })
