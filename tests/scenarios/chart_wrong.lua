-- A curve of one point is none: line 4.
local a, b = host "a", host "b"
link(a, b)
chart { title = "t", x = "x", y = "y", series = { { name = "n", points = { { 1, 2 } } } } }
