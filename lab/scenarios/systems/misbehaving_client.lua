-- Clients that misbehave: one sends nonsense, one stops in the middle of a request, one is gone. Close, or abort (linger 0)?
-- RFC 9293 3.6. "Stuck in CLOSE_WAIT" is the server's own missing close(), which no option replaces. Towards a client that
-- lives a close costs TIME_WAIT, and an abort gives it an error behind its answer, or in place of what is still queued;
-- towards one that is gone only a deadline helps: the RST is not heard either.

local common = use "common"
local second = common.second

-- What the server does at 5 s with each of its clients. `seen` is by client.
local function play(profile, title, act)
    local seen = {}
    part(profile .. ": " .. title, function()
        local server, accepted = host("server", { profile = profile }), {}
        local names, wires, conns = { "nonsense", "stalled", "gone" }, {}, {}
        server:listen(7000, { on_accept = function(s) accepted[#accepted + 1] = s end })
        for i, name in ipairs(names) do
            local client = host(name, { profile = profile })
            wires[name] = link(client, server, { delay = "10ms" })
            at(i .. "s", function()
                conns[name] = client:connect(server, 7000)
                conns[name]:on("peer_closed", function() conns[name]:close() end)
                conns[name]:on("connected", function() conns[name]:write(name == "nonsense" and "!!" or "GET /fi") end)
            end)
        end
        at("3900ms", function() conns.nonsense:shutdown() end) -- it has said all that it has to say
        at("4s", function() wires.gone:cut() end)
        at("5s", function()
            for i, s in ipairs(accepted) do
                s:write "400 Bad Request"
                if act then act(s) end
                seen[names[i]] = { state = s:status().state }
            end
        end)
        duration "10min"
        run()
        for i, name in ipairs(names) do
            seen[name].server, seen[name].client = accepted[i]:ended(), conns[name]:ended()
            seen[name].read = conns[name]:status().bytes_read
            seen[name].last = accepted[i]:status().state
        end
    end)
    return seen
end

local rows = {}
for _, profile in ipairs { "linux", "holdfast" } do
    local never = play(profile, "the server forgets to close")
    local close = play(profile, "close", function(s) s:close() end)
    local timed = play(profile, "close, 10 s", function(s) s:close { deadline = "10s", at_deadline = "rst" } end)
    local abort = play(profile, "abort", function(s) s:abort() end)

    check(not never.nonsense.server and never.nonsense.last == "CLOSE_WAIT",
        profile .. ": without close() the connection stays in CLOSE_WAIT for as long as the program lives")
    check(close.nonsense.server.cause == "CLOSED" and close.nonsense.server.time_wait ~= "us" and close.nonsense.read == 15,
        profile .. ": closed second, the client has its answer, and the server no TIME_WAIT")
    check(close.stalled.read == 15 and close.stalled.server.time_wait == "us", profile .. ": closed first: TIME_WAIT")
    check(abort.stalled.client.cause == "PEER_RESET" and abort.stalled.server.time_wait == "nobody",
        profile .. ": aborted, the client has an error, and nobody TIME_WAIT")
    check(not abort.gone.client, profile .. ": a client that is gone does not hear the RST")
    check(close.gone.server.at_ns > 60 * second and timed.gone.server.at_ns <= 15.1 * second,
        profile .. ": and a close waits for it, " .. words(close.gone.server.at_ns - 5 * second) .. ", unless it has a deadline")
    for _, way in ipairs { { "no close", never }, { "close", close }, { "close, 10 s", timed }, { "abort", abort } } do
        local parts = {}
        for i, name in ipairs { "nonsense", "stalled", "gone" } do
            local one = way[2][name]
            parts[i] = name .. ": " .. (one.server and one.server.cause .. ", " .. words(one.server.at_ns - 5 * second) .. " after, TIME_WAIT "
                .. one.server.time_wait or "still " .. one.last) .. ", the client read " .. one.read
        end
        rows[#rows + 1] = { profile .. ", " .. way[1], table.concat(parts, "; ") }
    end
end
summary("Three bad clients, and what the server does at 5 s.\n\n" .. common.table(rows))
