-- A print server is asked ten times a second and closes first, on a stack with 255 sockets in all, TIME_WAIT included.
-- After 255 requests each socket is a TIME_WAIT and the 256th SYN gets RST: half a minute of "connection refused", until
-- the first of them is a minute old; then it starts again. 255 sockets a minute are 4.25 requests a second, not 10.

local function ask(every_ms, minutes)
    local seen = { asked = 0, answered = 0, refused = 0, first_refused = 0, longest_ns = 0 }
    part("Every " .. every_ms .. " ms", function()
        local client, server = host "client", host("server", { profile = "small" })
        link(client, server, { delay = "1ms" })
        server:listen(515, {
            on_accept = function(s)
                s:on("readable", function()
                    s:write "no entries\n"
                    s:close()
                end)
            end,
        })
        local refused_since
        every(every_ms .. "ms", function()
            seen.asked = seen.asked + 1
            local number_of_this = seen.asked
            local c = client:connect(server, 515)
            c:on("connected", function() c:write "\4lp\n" end)
            c:on("peer_closed", function()
                seen.answered = seen.answered + 1
                refused_since = nil
                c:close()
            end)
            c:on("end", function()
                if c:ended().cause ~= "REFUSED" then return end
                seen.refused = seen.refused + 1
                if seen.refused == 1 then seen.first_refused = number_of_this end
                refused_since = refused_since or now()
                seen.longest_ns = math.max(seen.longest_ns, now() - refused_since)
            end)
        end)
        duration(minutes .. "min")
        run()
    end)
    return seen
end

local ten, four = ask(100, 3), ask(250, 3)
check(ten.first_refused == 256, "ten a second: request " .. ten.first_refused .. " is the first refused")
check(ten.longest_ns > 33e9 and ten.longest_ns < 36e9, "and refusals go on for " .. words(ten.longest_ns))
check(ten.answered >= 3 * 255 - 30 and ten.answered <= 3 * 255, number(ten.answered) .. " of " .. number(ten.asked)
    .. " in three minutes are answered: 255 a minute")
check(four.refused == 0, "four a second: none is refused")
summary("255 sockets, each taken for a minute after it was closed: 255 requests a minute. At ten a second the first "
    .. "refusal is request " .. ten.first_refused .. ", and it lasts " .. words(ten.longest_ns) .. ".")
