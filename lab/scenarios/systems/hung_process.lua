-- The server's program hangs while its kernel lives: every probe and every byte is acknowledged. Who notices?
-- RFC 9293 3.8.4: no bound on silence can. Linux: nothing does, also with keepalive and a user timeout. Holdfast:
-- answer_within, the bound on an answer that the program itself owes.

local common = use "common"
local second = common.second

local function hang(profile, title, options)
    local seen = { answers = 0, last_answer_ns = 0 }
    part(profile .. ": " .. title, function()
        local client, server = common.pair(profile, "10ms")
        local program
        server:listen(7000, {
            on_accept = function(s)
                program = s
                s:on("readable", function() s:write(10) end)
            end,
        })
        local c = client:connect(server, 7000, options)
        c:on("readable", function()
            seen.answers = seen.answers + 1
            seen.last_answer_ns = now()
        end)
        every("1s", function() if not c:ended() then c:write(20) end end)
        at("5500ms", function()
            program:stop_reading()
            program:on("readable", nil)
        end)
        if options.answer_within then expect(c):ends { cause = "PEER_NOT_ANSWERING" } else expect(c):never_ends() end
        duration "10min"
        run()
        seen.outcome, seen.status = c:ended(), c:status()
        seen.unheard_ns = now() - seen.status.last_heard_ns
        seen.unanswered_ns = now() - seen.last_answer_ns
    end)
    check(seen.answers == 5, title .. ": the program answered while it ran")
    return seen
end

local linux = hang("linux", "keepalive 5/5/3 and a user timeout of 10 s",
    { keepalive = { idle = "5s", interval = "5s", count = 3 }, user_timeout = "10s" })
local silence = hang("holdfast", "detect_within = 10 s", { detect_within = "10s" })
local answer = hang("holdfast", "answer_within = 10 s", { answer_within = "10s" })

for _, seen in ipairs { linux, silence } do
    check(seen.unheard_ns < 1.5 * second, "the kernel behind it was heard to the end")
    check(seen.status.bytes_acked >= 20 * 590, "and acknowledged what nobody reads")
end
check(answer.outcome.at_ns > 15 * second and answer.outcome.at_ns < 16.5 * second, "an answer that is owed is missed after 10 s")

local function lives(seen)
    return "not told in 10 min; the kernel acknowledged " .. number(seen.status.bytes_acked) .. " bytes and was last heard "
        .. words(seen.unheard_ns) .. " ago, the program's last answer is " .. words(seen.unanswered_ns) .. " old"
end
summary("The program hung at 5.5 s.\n\n" .. common.table { { "Linux, keepalive and user timeout", lives(linux) },
    { "detect_within = 10 s", lives(silence) },
    { "answer_within = 10 s", common.told(answer.outcome, 5500000000) .. " it hung" } })
