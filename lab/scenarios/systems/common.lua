-- What the scenarios of the six systems share: hosts, programs and words. No scenario itself.
local common = { second = 1000000000 }

-- Two hosts of one profile and the wire between them; on a real network it is 0.1 ms away.
function common.pair(profile, delay)
    local client, server = host("client", { profile = profile }), host("server", { profile = profile })
    return client, server, link(client, server, { delay = delay or "100us" })
end

-- Those of the profiles that can be played here: on the kernel itself there is the kernel.
function common.here(profiles) return backend() == "linux" and { "linux" } or profiles end

-- The profiles under which the question of a system is played: the kernel's, the small stack's, our own.
common.profiles = common.here { "linux", "small", "holdfast" }

-- The bound in the way of each profile: Linux and the small stack have keepalive and the like, Holdfast detect_within.
function common.bounds(profile, classic)
    if profile ~= "holdfast" then return classic end
    return { detect_within = "10s" }
end

-- "PEER_SILENT by DETECT_WITHIN, 10 s after": how it ended, counted from an instant.
function common.told(outcome, since_ns)
    if not outcome then return "not told" end
    return outcome.cause .. " by " .. outcome.by .. ", " .. words(outcome.at_ns - since_ns) .. " after"
end

-- Rows of { name, text }: the texts begin in one column, and a blank line sets the rows apart, so that long texts
-- wrap under their own beginning.
function common.table(rows)
    local width, lines = 0, {}
    for _, row in ipairs(rows) do width = math.max(width, #row[1]) end
    for i, row in ipairs(rows) do lines[i] = row[1] .. ":" .. string.rep(" ", width + 2 - #row[1]) .. row[2] end
    return table.concat(lines, "\n\n")
end

-- A print server as RFC 1179 has it: it answers and closes first, by linger 0 if so told; or leaves it to the client.
-- `work` is how long an answer takes.
function common.print_server(server, port, options)
    options = options or {}
    local seen = { answered = 0 }
    server:listen(port, {
        backlog = options.backlog,
        on_accept = function(s)
            s:on("readable", function()
                local function answer()
                    seen.answered = seen.answered + 1
                    s:write "no entries\n"
                    if options.client_closes then return s:on("peer_closed", function() s:close() end) end
                    if options.linger_zero then
                        s:on("all_acked", function() s:abort() end)
                    else
                        s:close()
                    end
                end
                if options.work then after(options.work, answer) else answer() end
            end)
        end,
    })
    return seen
end

-- One query; `done(how)` is called with "ok", "refused" or the cause of its end.
function common.query(client, server, port, done, closes)
    local c, failed = client:connect(server, port)
    if failed then return done("connect() " .. failed) end
    local answered = false
    c:on("connected", function() c:write "\4lp\n" end)
    c:on("readable", function()
        answered = c:status().bytes_read == 11
        if not closes then return end
        c:close()
        done "ok"
    end)
    c:on("peer_closed", function()
        if closes then return end
        c:close()
        done(answered and "ok" or "cut short")
    end)
    c:on("end", function()
        local outcome = c:ended()
        if outcome.cause == "REFUSED" then return done "refused" end
        if outcome.cause ~= "CLOSED" then done(answered and "ok, then " .. outcome.cause or outcome.cause) end
    end)
    return c
end

-- Batches of equal results, in order: "235 ok", "366 refused" ...
function common.batches()
    local list = {}
    return {
        list = list,
        add = function(how)
            local last = list[#list]
            if last and last.how == how then last.count = last.count + 1 else list[#list + 1] = { how = how, count = 1 } end
        end,
        words = function(most)
            local parts = {}
            for i = 1, math.min(#list, most or 6) do parts[i] = number(list[i].count) .. " " .. list[i].how end
            if #list > #parts then parts[#parts + 1] = "and so on" end
            return table.concat(parts, ", ")
        end,
        count = function(how)
            local sum = 0
            for _, batch in ipairs(list) do if batch.how == how then sum = sum + batch.count end end
            return sum
        end,
    }
end

-- A print server asked steadily. `options`: profile, every, minutes, and
--   others     sockets that other programs of the server hold
--   ports      where the queries go in turn; { 515 } if there is no such field
--   serial     the next query waits for the answer to the last
--   config     further settings of the server's host
-- and those of common.print_server. Returns what happened.
function common.print_queue(title, options)
    local seen = { batches = common.batches(), asked = 0 }
    part(title, function()
        local config = { profile = options.profile }
        for name, value in pairs(options.config or {}) do config[name] = value end
        local client, server = host("client", { conns = 2048, time_wait = 8192 }), host("server", config)
        link(client, server, { delay = "1ms" })
        local others = server:listen(9100)
        for _ = 1, options.others or 0 do client:connect(server, 9100) end
        local ports = options.ports or { 515 }
        for _, port in ipairs(ports) do common.print_server(server, port, options) end
        local last_ns = options.minutes * 60 * common.second -- then all may come to their end
        local function ask(again)
            seen.asked = seen.asked + 1
            common.query(client, server, ports[seen.asked % #ports + 1], function(how)
                seen.batches.add(how)
                if again then again() end
            end, options.client_closes)
        end
        if options.serial then
            local function loop() if now() < last_ns then after(options.every, function() ask(loop) end) end end
            loop()
        else
            every(options.every, function() if now() < last_ns then ask() end end)
        end
        duration(options.minutes * 60 + 1 .. "s")
        run()
        seen.time_wait = server:count "TIME_WAIT_STARTED"
        seen.unsafe = server:count "TIME_WAIT_EVICTED_UNSAFE"
        seen.guarded = server:count "TIME_WAIT_EVICTED_GUARDED"
    end)
    seen.ok, seen.refused = seen.batches.count "ok", seen.batches.count "refused"
    return seen
end

return common
