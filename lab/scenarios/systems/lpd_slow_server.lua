-- A slower server refuses nobody: a client that waits for its answer comes only as often as it is answered.
-- 235 free places of 255 carry 235 / 60 s: a query each 256 ms. A client that does not wait is not slowed.

local common = use "common"

local function play(title, work, serial)
    return common.print_queue(title,
        { profile = "small", every = serial and "1ms" or "100ms", minutes = 3, others = 20, work = work, serial = serial })
end

local quick = play("Each answer takes 100 ms, one client after another", "98ms", true)
local slow = play("Each answer takes 260 ms, one client after another", "258ms", true)
local crowd = play("Each answer takes 260 ms, clients that do not wait for each other", "258ms", false)
check(quick.refused > 0 and quick.batches.list[1].count == 235, "answered in 100 ms: refused after " .. quick.batches.list[1].count)
check(slow.refused == 0, "answered in 260 ms: none of " .. number(slow.asked) .. " is refused")
check(crowd.refused > 0, "clients that do not wait are refused all the same")
summary("255 sockets, 20 in use elsewhere.\n\n" .. common.table { { "answers in 100 ms", quick.batches.words(4) },
    { "answers in 260 ms", slow.batches.words(4) }, { "260 ms, nobody waits", crowd.batches.words(4) } })
