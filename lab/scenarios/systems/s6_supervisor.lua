-- A supervisor that aborts connections idle for long: which are they, who is told, and what of a client that is gone?
-- The bound idle_within of the listener does it: no payload either way for a minute. Who only sends keepalives is idle;
-- who is cut off cannot hear the RST, and learns it from the next packet of its own.

local common = use "common"
local second = common.second

local client = { busy = host "busy", idle = host "idle", gone = host "gone" }
local server, wire, conns, accepted = host "server", {}, {}, {}
for name, machine in pairs(client) do wire[name] = link(machine, server, { delay = "10ms" }) end
server:listen(7000, {
    idle_within = "60s",
    on_accept = function(s) accepted[#accepted + 1] = s end,
})
for name, machine in pairs(client) do
    conns[name] = machine:connect(server, 7000, { keepalive = { idle = "20s", interval = "10s", count = 9 } })
    at("1s", function() conns[name]:write(30) end)
end
every("30s", function() conns.busy:write(30) end)
at("10s", function() wire.gone:cut { unseen = true } end)
at("90s", function() wire.gone:heal() end)
duration "3min"
expect(conns.busy):never_ends()
expect(conns.idle):ends { cause = "PEER_RESET", by = "RST" }
expect(conns.gone):ends { cause = "PEER_RESET", by = "RST" }
run()

local idle, gone, ends = conns.idle:ended(), conns.gone:ended(), {} -- else run() would not have come back
for _, s in ipairs(accepted) do
    local outcome = s:ended()
    if outcome then ends[#ends + 1] = outcome end
end
check(#ends == 2 and ends[1].cause == "IDLE" and ends[2].cause == "IDLE", "two of three were idle, and the server knows why they ended")
check(idle and idle.cause == "PEER_RESET" and idle.at_ns > 60 * second and idle.at_ns < 62 * second, "the idle client is told by RST")
check(gone and gone.cause == "PEER_RESET" and gone.at_ns > 90 * second, "the one that was cut off learns it when it is back and asks")
summary("idle_within = 60 s.\n\n" .. common.table {
    { "busy", "writes each 30 s and lives" },
    { "idle", "keepalives only; reset " .. words(idle.at_ns - second) .. " after its last byte" },
    { "cut off", "reset unheard; its next keepalive drew RST, " .. words(gone.at_ns - 90 * second) .. " after the cable was whole" } })
