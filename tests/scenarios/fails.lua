-- An expectation that cannot hold: line 6.
local a, b = host "a", host "b"
link(a, b, { delay = "10ms" })
b:listen(7000)
local c = a:connect(b, 7000)
expect(c):ends { cause = "PEER_RESET" }
duration "1s"
