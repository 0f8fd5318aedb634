/* Who holds what, for scripts: host:ports() and host:time_wait(). */
#include "lab/lua_lab.h"
#include <hf/ledger.h>

static void set_time(lua_State *lua, const char *name, hf_ns at_ns) {
    if (at_ns == HF_NEVER)
        lab_set_text(lua, name, "never");
    else
        lab_set_integer(lua, name, at_ns);
}

/* host:ports(other, port): the local ports towards a port of another host. */
int lab_host_ports(lua_State *lua) {
    lab_host *const host = lab_host_arg(lua, 1), *const to = lab_host_arg(lua, 2);
    const uint16_t port = (uint16_t)luaL_checkinteger(lua, 3);
    const lab_link *const link = lab_link_between(host, to);
    const lab_conn_ops *const ops = host->world->backend->conn;
    hf_port_ledger ledger;
    if (!link || !ops->ports || !lab_host_enter(host)) return 0;
    const uint32_t end = link->end[1] == host;
    if (ops->ports(host, &link->addr[end], &link->addr[!end], port, &ledger) != HF_OK) return 0;
    lua_newtable(lua);
    lab_set_integer(lua, "ports", ledger.ports);
    lab_set_integer(lua, "free", ledger.free);
    lab_set_integer(lua, "handshakes", ledger.by_handshake);
    lab_set_integer(lua, "time_wait", ledger.by_time_wait);
    lab_set_integer(lua, "fin_wait_2", ledger.by_fin_wait_2);
    lab_set_integer(lua, "listeners", ledger.by_listener);
    set_time(lua, "first_free_at_ns", ledger.first_free_at_ns);
    for (int state = 0; state < HF_STATE_COUNT; state++)
        if (ledger.by_state[state] > 0)
            lab_set_integer(lua, hf_state_name((hf_state)state), ledger.by_state[state]);
    return 1;
}

/* host:time_wait(): how its TIME_WAIT table stands, both families together. */
int lab_host_time_wait(lua_State *lua) {
    lab_host *const host = lab_host_arg(lua, 1);
    const lab_conn_ops *const ops = host->world->backend->conn;
    hf_time_wait_status status;
    char peer[48] = "";
    if (!ops->time_wait || !lab_host_enter(host)) return 0;
    ops->time_wait(host, &status);
    lua_newtable(lua);
    lab_set_integer(lua, "used", status.ip4.used + status.ip6.used);
    set_time(lua, "next_end_at_ns", status.next_end_at_ns);
    if (lab_is_real(lua)) return 1; /* a kernel tells no more */
    lab_set_integer(lua, "by_timestamps", status.ip4.by_timestamps + status.ip6.by_timestamps);
    lab_set_integer(lua, "by_isn", status.ip4.by_isn + status.ip6.by_isn);
    lab_set_integer(lua, "unguarded", status.ip4.unguarded + status.ip6.unguarded);
    lab_set_integer(lua, "fin_wait_2", status.ip4.fin_wait_2 + status.ip6.fin_wait_2);
    lab_set_integer(lua, "ended", status.ended);
    lab_set_integer(lua, "reused", status.reused);
    lab_set_integer(lua, "early_guarded", status.early_guarded);
    lab_set_integer(lua, "early_unsafe", status.early_unsafe);
    if (status.early_unsafe > 0) hf_explain_addr(&status.last_unsafe_peer, peer, sizeof peer);
    lab_set_text(lua, "last_unsafe_peer", peer);
    lab_set_integer(lua, "last_unsafe_age_ns", status.last_unsafe_age_ns);
    return 1;
}
