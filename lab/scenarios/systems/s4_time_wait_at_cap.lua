-- The table of TIME_WAIT is full: what becomes of the next connection that this side closed first?
-- Linux skips TIME_WAIT for it (tcp_max_tw_buckets), the pair is free at once and nothing guards it. Holdfast lets an
-- entry leave early that something else guards, timestamps here, and counts it (RFC 6191). Nobody is refused on either.

local function ask(profile)
    local seen = { answered = 0, most = 0 }
    part("Ten a second, room for 235, profile " .. profile, function()
        local client, server = host("client", { profile = profile }),
            host("server", { profile = profile, time_wait = 235 })
        link(client, server, { delay = "1ms" })
        server:listen(515, {
            on_accept = function(s)
                s:on("readable", function()
                    s:write "no entries\n"
                    s:close()
                end)
            end,
        })
        local asked = 0
        every("100ms", function()
            asked = asked + 1
            if asked > 900 then return end
            local c = client:connect(server, 515)
            c:on("connected", function() c:write "\4lp\n" end)
            c:on("peer_closed", function()
                seen.answered = seen.answered + 1
                c:close()
            end)
        end)
        duration "92s"
        run()
        seen.began, seen.skipped = server:count "TIME_WAIT_STARTED", server:count "TIME_WAIT_SKIPPED"
        seen.guarded, seen.unsafe = server:count "TIME_WAIT_EVICTED_GUARDED", server:count "TIME_WAIT_EVICTED_UNSAFE"
    end)
    return seen
end

local linux, holdfast = ask "linux", ask "holdfast"
check(linux.answered == 900 and holdfast.answered == 900, "all 900 requests are answered on both")
check(linux.began + linux.skipped == 900 and linux.skipped > 400 and linux.skipped < 450,
    "linux: " .. linux.skipped .. " connections skip TIME_WAIT (426 on a kernel)")
check(holdfast.began == 900 and holdfast.skipped == 0, "holdfast: none does")
check(holdfast.guarded == 900 - 235 and holdfast.unsafe == 0, holdfast.guarded .. " leave early, guarded by timestamps")
