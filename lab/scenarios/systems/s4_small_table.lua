-- A print server is asked ten times a second, each time on a new connection, and closes first: 600 are in TIME_WAIT.
-- RFC 9293 3.6, RFC 6191. TIME_WAIT is a table of its own: eight connection slots serve, and no client is refused.

local function ask(title, entries, minutes)
    local seen = { asked = 0, answered = 0, refused = 0 }
    part(title, function()
        local client = host("client")
        local server = host("server", { conns = 8, time_wait = entries })
        link(client, server, { delay = "100us" })
        server:listen(515, {
            on_accept = function(s)
                s:on("readable", function()
                    s:write(200)
                    s:close()
                end)
            end,
        })
        every("100ms", function()
            local c = client:connect(server, 515)
            seen.asked = seen.asked + 1
            c:write(10)
            c:on("peer_closed", function()
                if c:status().bytes_read == 200 then seen.answered = seen.answered + 1 end
                c:close()
            end)
            c:on("end", function()
                if c:ended().cause ~= "CLOSED" then seen.refused = seen.refused + 1 end
            end)
        end)
        duration(minutes .. "min")
        run()
        seen.early_guarded = server:count "TIME_WAIT_EVICTED_GUARDED"
        seen.early_unsafe = server:count "TIME_WAIT_EVICTED_UNSAFE"
        seen.over = server:count "TIME_WAIT_ENDED"
    end)
    check(seen.refused == 0 and seen.answered >= seen.asked - 1, title .. ": every query is answered")
    return seen
end

local roomy = ask("A table of 700 entries", 700, 5)
local small = ask("A table of 235 entries", 235, 5)

check(roomy.early_guarded == 0 and roomy.early_unsafe == 0, "700 entries hold 60 s at ten a second")
check(small.early_guarded > 0 and small.early_unsafe == 0, "235 do not: entries leave early, guarded ones first")

local function row(name, seen)
    return name .. ":  " .. number(seen.answered) .. " of " .. number(seen.asked) .. " queries answered, " .. seen.refused
        .. " refused. " .. number(seen.over) .. " TIME_WAIT entries lived their 60 s, " .. number(seen.early_guarded)
        .. " left early because timestamps guard the pair, " .. seen.early_unsafe .. " left unguarded."
end

summary("Ten queries a second for five minutes, 8 connection slots, the server closes first.\n\n"
    .. row("700 entries", roomy) .. "\n\n" .. row("235 entries", small))
