-- Ten connects each ten milliseconds, each sends 4 bytes and closes; the server looks each 20 ms. Is "refused" normal?
-- RFC 9293 3.10.7.2. On Linux nobody is refused: SYNs wait for seconds, and with SYN cookies data is lost although every
-- call succeeded. "Refused" says that nobody listens, or another system (rst_on_full; a small table full of TIME_WAIT).
-- Backlog 128 is enough for all.

local common = use "common"
local second = common.second
local bursts = param("bursts", 50) -- of ten connects

local function burst(title, profile, options)
    -- On Linux the RST that a lost FIN draws finds a socket that nobody holds any more: close() had returned 0.
    local seen = { title = title, asked = 10 * bursts, connected = 0, heard = 0, refused = 0, told = 0, late = 0, longest_ns = 0 }
    part(title, function()
        local client = host("client", { profile = profile ~= "small" and profile or nil }) -- a small server's has room
        local server = host("server", { profile = profile })
        link(client, server, { delay = "500us" })
        local listener
        if options.backlog then
            listener = server:listen(7000, { backlog = options.backlog, when_full = options.when_full, accept = false })
            local function serve(s)
                s:read()
                if s:status().bytes_read == 4 then
                    seen.heard = seen.heard + 1
                    s:close()
                end
            end
            every("20ms", function()
                while true do
                    local s = listener:accept()
                    if not s then return end
                    serve(s)
                    if s:status().bytes_read < 4 then s:on("readable", serve) end
                end
            end)
        end
        local conns, turn, clock = {}, 0, nil
        clock = every("10ms", function()
            turn = turn + 1
            if turn == bursts then clock:stop() end
            for _ = 1, 10 do
                local c, began_ns = client:connect(server, 7000), now()
                c:on("connected", function()
                    seen.connected = seen.connected + 1
                    seen.longest_ns = math.max(seen.longest_ns, now() - began_ns)
                    if now() - began_ns > second // 2 then seen.late = seen.late + 1 end
                    c:write(4)
                    if options.server_first then return c:on("peer_closed", function() c:close() end) end
                    after("1ms", function() c:close() end) -- so that FIN is a segment of its own, as Linux sends it
                end)
                conns[#conns + 1] = c
            end
        end)
        duration "150s"
        run()
        for _, c in ipairs(conns) do
            local outcome = c:ended()
            if outcome and outcome.cause == "REFUSED" then seen.refused = seen.refused + 1 end
            if outcome and outcome.cause == "PEER_RESET" then seen.told = seen.told + 1 end
        end
    end)
    seen.lost = seen.connected - seen.heard -- connect, write and close succeeded, and the server never had it
    return seen
end

local linux = burst("Linux, backlog 5", "linux", { backlog = 5 })
local roomy = burst("Linux, backlog 128", "linux", { backlog = 128 })
local cookie = burst("Holdfast, backlog 5, COOKIE", "holdfast", { backlog = 5, when_full = "COOKIE" })
local ignore = burst("Holdfast, backlog 5, IGNORE", "holdfast", { backlog = 5, when_full = "IGNORE" })
local refuse = burst("Holdfast, backlog 5, REFUSE", "holdfast", { backlog = 5, when_full = "REFUSE" })
local enough = burst("Holdfast, backlog 128", "holdfast", { backlog = 128 })
local other = burst("rst_on_full, backlog 5", "rst_on_full", { backlog = 5 })
local small = burst("255 sockets in all, backlog 128", "small", { backlog = 128 })
local full = burst("255 sockets, the server closes first", "small", { backlog = 128, server_first = true })
local nobody = burst("Nobody listens", "linux", {})

check(linux.refused == 0 and linux.late > 0, "Linux refuses nobody; SYNs are dropped and come again after a second")
check(linux.lost > 0, "Linux: " .. linux.lost .. " clients believe that they were served")
check(roomy.heard == roomy.asked and roomy.late == 0, "backlog 128 holds them all")
check(cookie.lost == cookie.told and cookie.heard + cookie.told == cookie.asked, "COOKIE: who was not heard is told by RST")
check(ignore.heard == ignore.asked and ignore.lost == 0, "IGNORE: all are served, late")
check(refuse.heard + refuse.refused == refuse.asked and refuse.late == 0, "REFUSE: served or refused, at once")
check(enough.heard == enough.asked and enough.late == 0, "Holdfast with 128: all, at once")
check(other.refused > 0, "rst_on_full: refused although somebody listens")
check(small.heard == small.asked, "a small stack serves them, too: the clients hold TIME_WAIT")
check(full.heard == 255 and full.refused == full.asked - 255, "but not where it closes first: its table is full of TIME_WAIT")
check(nobody.refused == nobody.asked, "nobody listens: refused, all of them")

local rows = {}
for i, seen in ipairs { linux, roomy, cookie, ignore, refuse, enough, other, small, full, nobody } do
    rows[i] = { seen.title, seen.heard .. " served, " .. seen.refused .. " refused; " .. seen.lost .. " connected and never heard"
        .. (seen.lost > 0 and (seen.title:find "Linux" and ", and no call of theirs said so"
            or ", all told by the outcome of their close") or "")
        .. (seen.late > 0 and "; connect() took " .. words(seen.longest_ns) .. " at worst" or "") }
end
summary(10 * bursts .. " connects in " .. bursts // 100 .. "." .. bursts % 100 // 10 .. " s, the server accepts each 20 ms what waits.\n\n"
    .. common.table(rows))
