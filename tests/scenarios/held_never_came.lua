-- A packet that was to be held back and never came fails the run: line 4.
local a, b = host "a", host "b"
local wire = link(a, b)
wire:delay_next { from = b, len_least = 1, by = "1s" }
a:connect(b, 7000)
duration "9s"
