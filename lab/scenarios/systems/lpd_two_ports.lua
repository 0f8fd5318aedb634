-- Queries to ports 515 and 80 in turn: together they get as many as one port alone, 235. It is one table.
-- 255 sockets, TIME_WAIT among them, 20 in use elsewhere. On Holdfast neither port ever refuses.

local common = use "common"

local function play(profile, ports)
    return common.print_queue(profile .. ", ports " .. table.concat(ports, " and "),
        { profile = profile, every = "100ms", minutes = 1, others = 20, ports = ports })
end

local one, two, ours = play("small", { 515 }), play("small", { 515, 80 }), play("holdfast", { 515, 80 })
check(one.batches.list[1].count == 235 and two.batches.list[1].count == 235, "one port or two: 235 pass")
check(ours.refused == 0, "Holdfast refuses none")
summary("255 sockets, a query each 100 ms.\n\n" .. common.table { { "port 515", one.batches.words() },
    { "ports 515 and 80", two.batches.words() }, { "Holdfast, both", ours.batches.words() } })
