-- A client that closes first runs out of local ports towards one server, and asks the ledger what holds them.
-- RFC 6191: with timestamps on both sides a pair in TIME_WAIT can be had again after a second; the ledger names the
-- instant. With tw_full = "REFUSE_CONNECT" the table is never overrun: the connect is refused first.

local function visit(title, visits, options)
    local seen = { served = 0 }
    part(title, function()
        options.port_low, options.port_high = 40000, 40009
        local client, server = host("client", options), host "server"
        link(client, server, { delay = "5ms" })
        server:listen(80, { on_accept = function(s) s:on("peer_closed", function() s:close() end) end })
        local function connect()
            local c, err = client:connect(server, 80)
            if err then return err end
            c:on("connected", function() c:close() end)
            c:on("end", function() seen.served = seen.served + 1 end)
        end
        for i = 1, visits do
            at(10 * i .. "ms", function() seen.refused = connect() or seen.refused end)
        end
        at("500ms", function()
            seen.ledger = client:ports(server, 80)
            seen.table = client:time_wait()
            seen.now = now()
        end)
        at("700ms", function() seen.early = connect() end)
        at("1500ms", function() seen.late = connect() end)
        duration "5s"
        run()
        for _, record in ipairs(client:ends()) do seen.record = record end
    end)
    return seen
end

local ports = visit("Ten ports, a full table of TIME_WAIT", 11, {})
check(ports.refused == "NO_PORT" and ports.ledger.free == 0, "the eleventh connect finds no port")
check(ports.ledger.time_wait == 10 and ports.ledger.ports == 10, "TIME_WAIT holds all ten")
check(ports.early == "NO_PORT" and ports.late == nil, "a second after the first close a pair is free again")
local wait = ports.ledger.first_free_at_ns - ports.now
check(wait > 500e6 and wait < 600e6, "and the ledger had said when")
check(ports.record and ports.record.cause == "NO_PORT" and ports.record.first_free_at_ns, "so does the record of the failed connect")

local refuse = visit("A table of four entries that must not be overrun", 6, { time_wait = 4, tw_full = "REFUSE_CONNECT" })
check(refuse.refused == "TIME_WAIT_FULL" and refuse.served == 4, "the fifth connect is refused")
check(refuse.table.used == 4 and refuse.table.early_unsafe + refuse.table.early_guarded == 0, "no entry left early")

local evict = visit("The same table, by default", 6, { time_wait = 4 })
check(evict.refused == nil and evict.served >= 6, "nobody is refused")
check(evict.table.early_guarded == 2 and evict.table.early_unsafe == 0, "two entries left early, guarded by timestamps")
