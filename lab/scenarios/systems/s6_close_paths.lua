-- Every way to close in every situation: close, abort (SO_LINGER 0), close with a deadline; what do both sides get?
-- RFC 9293 3.6, 3.10.5; SHLD-3. Unread data makes a close RST, an abort throws away what is not acknowledged, and a
-- deadline ends what would hang, but on a small stack, whose linger knows no time: there it is a reset at once.

local common = use "common"
local second = common.second

-- What is so when we close at 5 s; `peer` is the other program.
local situations = {
    { name = "all acknowledged, the peer closes, too", write = 1000, peer = "closes" },
    { name = "all acknowledged, the peer never closes", write = 1000, peer = "stays" },
    { name = "20 kB unsent, the peer reads at 7 s", write = 24616, peer = "reads late" },
    { name = "20 kB unsent, the peer never reads", write = 24616, peer = "never reads" },
    { name = "100 bytes unread by us", write = 1000, peer = "writes" },
    { name = "the peer is cut off, 1,000 bytes just sent", write = 1000, peer = "cut" },
}
local ways = {
    { name = "close", act = function(c) c:close() end },
    { name = "abort", act = function(c) c:abort() end },
    { name = "close, 3 s", act = function(c) c:close { deadline = "3s", at_deadline = "rst" } end },
}

local function play(profile, situation, way)
    local seen = {}
    part(profile .. ": " .. situation.name .. "; " .. way.name, function()
        local client, server, wire = common.pair(profile, "10ms")
        local late = situation.peer == "reads late" or situation.peer == "never reads"
        local peer
        server:listen(7000, {
            read = not late,
            receive_bytes = late and 4344 or nil,
            on_accept = function(s)
                peer = s
                s:on("peer_closed", function() if situation.peer ~= "stays" then s:close() end end)
                if situation.peer == "writes" then at("2s", function() s:write(100) end) end
                if situation.peer == "reads late" then at("7s", function() if not s:ended() then s:start_reading() end end) end
            end,
        })
        local c = client:connect(server, 7000, { read = situation.peer ~= "writes" })
        at(situation.peer == "cut" and "4990ms" or "1s", function() c:write(situation.write) end)
        if situation.peer == "cut" then at("4980ms", function() wire:cut() end) end
        at("5s", function() way.act(c) end)
        duration "10min"
        run()
        seen.us, seen.peer = c:ended(), peer:ended()
        seen.fin = count { from = client, flags = "FIN", lost = false } > 0
        seen.reset = count { from = client, flags = "RST", lost = false } > 0
        seen.read = peer:status().bytes_read
    end)
    return seen
end

local function sentence(seen, written)
    local us = seen.us
    local text = (seen.fin and "FIN" or seen.reset and "RST" or "nothing arrives") .. "; we: " .. us.cause .. " by " .. us.by
        .. " after " .. words(us.at_ns - 5 * second)
    if us.bytes_acked < written then text = text .. ", " .. number(written - us.bytes_acked) .. " bytes not acknowledged" end
    text = text .. "; the peer read " .. number(seen.read) .. " and " .. (seen.peer and "got " .. seen.peer.cause or "was told nothing")
    return text .. "; TIME_WAIT: " .. us.time_wait
end

local said = {} -- by profile, a sentence for each situation and way
for _, profile in ipairs(common.profiles) do
    local sentences = {}
    said[profile] = sentences
    for i, situation in ipairs(situations) do
        local results = {}
        sentences[i] = {}
        for k, way in ipairs(ways) do
            results[k] = play(profile, situation, way)
            sentences[i][k] = sentence(results[k], situation.write)
        end
        local close, abort, timed = results[1], results[2], results[3]
        local here = profile .. ", " .. situation.name .. ": "
        check(abort.us.cause == "APP_ABORTED" and abort.us.at_ns == 5 * second and abort.us.time_wait == "nobody",
            here .. "an abort is at once and leaves no TIME_WAIT")
        if profile == "small" then
            check(timed.us.at_ns == 5 * second and timed.us.time_wait == "nobody" and timed.read == abort.read,
                here .. "a deadline is a reset at once, as an abort")
        else
            check(timed.us.at_ns <= 8.01 * second, here .. "a deadline of 3 s holds")
        end
        if situation.peer == "closes" then check(close.us.time_wait == "us" and not close.reset, here .. "FIN, TIME_WAIT with us") end
        if situation.peer == "reads late" then
            check(close.read == situation.write, here .. "a close delivers all")
            check(abort.read < situation.write, here .. "an abort does not: " .. number(abort.read))
        end
        if situation.peer == "writes" then check(close.reset and not close.fin, here .. "unread data turns the close into RST") end
    end
end

local rows = {}
for i, situation in ipairs(situations) do
    for k, way in ipairs(ways) do
        local who, told = {}, {} -- profiles of whom the same is true stand together
        for _, profile in ipairs(common.profiles) do
            local text = said[profile][i][k]
            if not who[text] then told[#told + 1] = text end
            who[text] = (who[text] and who[text] .. ", " or "") .. profile
        end
        for n, text in ipairs(told) do told[n] = #told == 1 and text or who[text] .. ": " .. text end
        rows[#rows + 1] = { (k == 1 and "*" or " ") .. way.name, (k == 1 and situation.name .. ". " or "")
            .. table.concat(told, ". ") }
    end
end
summary("What close, abort (linger 0) and a close with a deadline of 3 s give in each situation (*).\n\n" .. common.table(rows))
