-- A client with a bug opens a connection for each command and forgets to close: a denial of service without malice.
-- Open connections, not TIME_WAIT, use up the server. idle_within ends what is forgotten; other clients then find room.
-- Or nobody has more than a share (owner_conns): the leaking client is refused and told, and others do not notice it.
-- The client's collector closes a few hundred at once, which needs no help.

local common = use "common"

local function leak(title, bound, share)
    local seen = { asked = 0, ok = 0, turned_away = 0, other_ok = 0, other_asked = 0 }
    part(title, function()
        local buggy, other, server = host("buggy", { conns = 4096 }), host "other", host("server", { conns = 256, owner_conns = share or 0 })
        link(buggy, server, { delay = "5ms" })
        link(other, server, { delay = "5ms" })
        server:listen(7000, {
            idle_within = bound,
            on_accept = function(s)
                s:on("readable", function() s:write "done\n" end)
                s:on("peer_closed", function() s:close() end)
            end,
        })
        local function command(from, closes, done)
            local c = from:connect(server, 7000)
            c:on("connected", function() c:write "do\n" end)
            c:on("readable", function()
                done()
                if closes then c:close() end
            end)
            c:on("end", function()
                if c:ended().cause == "REFUSED" and not closes then seen.turned_away = seen.turned_away + 1 end
            end)
        end
        every("50ms", function() -- twenty a second, never closed
            seen.asked = seen.asked + 1
            command(buggy, false, function() seen.ok = seen.ok + 1 end)
        end)
        every("1s", function() -- somebody else, who behaves
            seen.other_asked = seen.other_asked + 1
            command(other, true, function() seen.other_ok = seen.other_ok + 1 end)
        end)
        duration "2min"
        run()
        seen.by_share = server:count "SENT_RST_OWNER_SHARE"
    end)
    return seen
end

local forever = leak("No bound", nil)
local bounded = leak("idle_within = 10 s", "10s")
local shared = leak("owner_conns = 200", nil, 200)
check(forever.ok <= 256 and forever.other_ok < 20, "256 connections, and then nobody is served any more")
check(bounded.ok >= bounded.asked - 1, "with the bound even the leaking client is served")
check(bounded.other_ok >= bounded.other_asked - 1, "and so is everybody else")
check(shared.ok == 200 and shared.turned_away == shared.by_share and shared.by_share > 2000,
    "with a share it gets 200, and RST for each command after: " .. number(shared.by_share))
check(shared.other_ok >= shared.other_asked - 1, "everybody else is served as if it were not there: " .. shared.other_ok)
local function row(name, seen)
    return { name, number(seen.ok) .. " of " .. number(seen.asked) .. " commands of the leaking client, " .. seen.other_ok .. " of "
        .. seen.other_asked .. " of another" }
end
summary("A client leaks twenty connections a second; the server has 256.\n\n"
    .. common.table { row("no bound", forever), row("idle_within = 10 s", bounded), row("owner_conns = 200", shared) })
