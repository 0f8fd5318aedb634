-- Two hundred small files from one server: a connection each, or one for all. Time, packets, ports, TIME_WAIT.
-- RFC 9293 3.6: who closes first holds TIME_WAIT, here the client, one port for each file.

local files, request, answer = 200, 60, 500

local function world()
    local client, server = host("client"), host("server")
    link(client, server, { delay = "20ms" })
    return client, server
end

local function serve(server, closes)
    server:listen(80, {
        on_accept = function(s)
            local asked = 0
            s:on("readable", function()
                local got = s:status().bytes_read
                while asked < got // request do
                    asked = asked + 1
                    s:write(answer)
                end
            end)
            if closes then s:on("peer_closed", function() s:close() end) end
        end,
    })
end

local each, one = {}, {}
part("A connection for each file, one after the other", function()
    local client, server = world()
    serve(server, true)
    local done, fetch = 0, nil
    function fetch()
        local c = client:connect(server, 80)
        c:write(request)
        c:on("readable", function()
            if c:status().bytes_read < answer then return end
            c:close()
            done = done + 1
            each.at_ns = now()
            if done < files then fetch() end
        end)
    end
    fetch()
    duration "60s"
    run()
    each.done, each.packets, each.ports = done, count {}, count { from = client, flags = "SYN !ACK" }
end)
part("One connection for all, one request after the other", function()
    local client, server = world()
    serve(server, true)
    local done = 0
    local c = client:connect(server, 80)
    c:write(request)
    c:on("readable", function()
        if c:status().bytes_read < (done + 1) * answer then return end
        done = done + 1
        one.at_ns = now()
        if done < files then c:write(request) else c:close() end
    end)
    duration "60s"
    run()
    one.done, one.packets, one.ports = done, count {}, count { from = client, flags = "SYN !ACK" }
end)

check(each.done == files and one.done == files, "all files came")
check(each.ports == files and one.ports == 1, "a port in TIME_WAIT for each file, or one")
check(each.at_ns > 1.9 * one.at_ns, "a handshake for each file doubles the time")
local function row(name, seen)
    return name .. ":" .. string.rep(" ", 20 - #name) .. words(seen.at_ns) .. ", " .. number(seen.packets) .. " packets, "
        .. number(seen.ports) .. (seen.ports == 1 and " port" or " ports") .. " in TIME_WAIT at the client"
end
summary(files .. " files of " .. answer .. " bytes, round trip 40 ms.\n\n" .. row("a connection each", each) .. "\n"
    .. row("one for all", one))
