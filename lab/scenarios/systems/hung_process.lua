-- The server's program hangs while its kernel lives: every probe and every byte is acknowledged, no bound is broken.
-- No transport timer can see it (RFC 9293 3.8.4); only an answer that the program itself owes shows that it lives.

local client, server = host "client", host "server"
link(client, server, { delay = "10ms" })
local program, answers, last_answer_ns = nil, 0, 0
server:listen(7000, {
    on_accept = function(s)
        program = s
        s:on("readable", function() s:write(10) end)
    end,
})
local c = client:connect(server, 7000, { detect_within = "10s" })
c:on("readable", function()
    answers = answers + 1
    last_answer_ns = now()
end)
every("1s", function() c:write(20) end)
at("5500ms", function()
    program:stop_reading()
    program:on("readable", nil)
end)
duration "10min"

expect(c):never_ends()
run()

local status = c:status()
check(answers == 5, "the program answered while it ran")
check(now() - status.last_heard_ns < 1500000000, "the kernel behind it was heard to the end")
check(status.bytes_acked >= 20 * 590, "and acknowledged what nobody reads")
summary("The program hung at 5.5 s. Ten minutes later its kernel had acknowledged " .. number(status.bytes_acked)
    .. " bytes and was last heard " .. words(now() - status.last_heard_ns)
    .. " ago; detect_within = 10 s rightly never fired. The last answer of the program was "
    .. words(now() - last_answer_ns) .. " old: that is what the client's own clock has to watch.")
