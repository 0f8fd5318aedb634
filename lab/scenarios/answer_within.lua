-- answer_within: the server's program hangs while its kernel lives and acknowledges all. Each transport timer is content
-- (hung_process shows it); the client that expects answers says so, and is told T after the first unanswered question.

local function ask(title, with)
    local seen = { told = 0 }
    part(title, function()
        local client, server = host "client", host "server"
        link(client, server, { delay = "10ms" })
        local program
        server:listen(7000, {
            on_accept = function(s)
                program = s
                s:on("readable", function() s:write(10) end)
            end,
        })
        local c = client:connect(server, 7000, with)
        c:on("bound", function() seen.told = seen.told + 1 end)
        every("1s", function() if not c:ended() then c:write(20) end end)
        at("5500ms", function() -- it hangs
            program:stop_reading()
            program:on("readable", nil)
        end)
        duration "60s"
        if with.answer_action == "report" then
            expect(c):never_ends()
        else
            expect(c):ends { cause = "PEER_NOT_ANSWERING", by = "ANSWER_WITHIN", at = "16s", of = "start", slack = "50ms" }
        end
        run()
        seen.outcome, seen.status, seen.peer = c:ended(), c:status(), program:ended()
    end)
    return seen
end

local ended = ask("ended", { answer_within = "10s", detect_within = "10s" })
local told = ask("reported", { answer_within = "10s", answer_action = "report" })
check(ended.outcome.at_ns - ended.outcome.last_heard_ns < 1500000000, "the kernel was heard to the end")
check(ended.peer.cause == "PEER_RESET", "and is told by RST")
check(told.told == 1 and told.status.bounds_passed == "ANSWER", "or the application is told, once, and decides")
summary("The program hung at 5.5 s; the question of 6.0 s was the first without an answer. Its kernel acknowledged everything,"
    .. " so detect_within = 10 s never fired; answer_within = 10 s ended it at " .. words(ended.outcome.at_ns) .. ".")
