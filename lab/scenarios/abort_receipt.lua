-- An abort with a receipt: of 200,000 bytes some were acknowledged, some were on their way, some never left, and 700 that
-- the peer sent were never read. RFC 9293 3.10.5. Of what was on its way nobody can know whether the peer will use it.

local client, server = host "client", host "server"
link(client, server, { delay = "10ms", rate = "1Mbit/s" })
server:listen(7000, {
    on_accept = function(s)
        s:write(700)
        expect(s):ends { cause = "PEER_RESET", by = "RST" }
    end,
})
local c = client:connect(server, 7000, { read = false, send_bytes = 262144 })
at("1s", function() c:write(200000) end)
at("1500ms", function() c:abort() end)
expect(c):ends { cause = "APP_ABORTED", by = "CALL", unread = 700, time_wait = "nobody" }
run()

local receipt = c:ended()
check(receipt.bytes_from_app == 200000, "taken from the application")
check(receipt.bytes_acked > 0 and receipt.bytes_acked < receipt.bytes_sent, "some sent, and not acknowledged")
check(receipt.bytes_sent < receipt.bytes_from_app, "some never sent")
check(receipt.bytes_thrown == receipt.bytes_from_app - receipt.bytes_acked, "thrown away is what was not acknowledged")
check(receipt.who == "application" and receipt.reset_by == "us" and not receipt.fin_sent, "by the application, by RST")
summary("200,000 bytes were given to the connection. " .. number(receipt.bytes_acked) .. " were acknowledged, "
    .. number(receipt.bytes_sent - receipt.bytes_acked) .. " were on their way, "
    .. number(receipt.bytes_from_app - receipt.bytes_sent) .. " never left; " .. receipt.bytes_unread
    .. " of the peer's were never read.")
