-- Parameters: what -p says, of the default's type; a file beside the scenario is run once.
local wait, size, name = param("wait", "10ms"), param("size", 7), param("name", "pear")
local a, b = host "a", host "b"
local wire = link(a, b, { delay = wait, strip_timestamps = true })
b:listen(7000, { on_accept = function(s) expect(s):receives(size + 3000) end })
local c = a:connect(b, 7000)
wire:delay_next { from = a, len_least = 1000, by = "5s" }
c:write(size + 3000)
expect_packets { from = a, flags = "SYN", count = 1 }
expect_packets { from = a, cause = "SENT_RETRANSMISSION_RACK", count = 1 }
duration "9s"
run()
check(not c:status().timestamps, "the middlebox took the timestamps out")
check(use "common" == use "common", "a file is run once")
summary("wait " .. wait .. ", size " .. size * 2 .. ", name " .. name .. ", from " .. use "common".name)
