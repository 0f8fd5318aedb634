-- How can the small stack accept more and keep TIME_WAIT, without SO_LINGER? Three ways, and what linger 0 would cost.
-- 235 free places carry 235 / 60 s. More places: 600 for ten a second. Fewer a second: see lpd_slow_server. The client
-- closes first: TIME_WAIT is with the client, a port for each. Linger 0: none refused, and every client gets an error.

local common = use "common"

local function ask(title, options)
    options.profile, options.every, options.minutes, options.others = "small", "100ms", 3, 20
    return common.print_queue(title, options)
end

local as_is = ask("As it is: 255 sockets", {})
local more = ask("875 sockets", { config = { conns = 300, conn_pool_with_time_wait = 875 } })
local client = ask("The client closes first", { client_closes = true })
local linger = ask("Linger 0", { linger_zero = true })

check(as_is.refused > 1000, "as it is, most are refused: " .. number(as_is.refused))
check(more.refused == 0 and more.ok == more.asked, "with 620 sockets more none is")
check(client.refused == 0 and client.time_wait == 0 and client.ok == client.asked, "nor if the client closes first")
check(linger.refused == 0 and linger.ok == 0 and linger.batches.count "ok, then PEER_RESET" == linger.asked,
    "linger 0: none refused, and every client gets its answer and then an error")

local function row(name, seen)
    return { name, seen.batches.words(3) .. "; " .. number(seen.time_wait) .. " TIME_WAITs at the server" }
end
summary("A query each 100 ms for three minutes, 20 sockets in use elsewhere.\n\n" .. common.table { row("255 sockets", as_is),
    row("875 sockets", more), row("client closes first", client), row("linger 0", linger) })
