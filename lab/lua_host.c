/* host(), its listeners and connections, and its power switch. */
#include "lab/lua_lab.h"
#include <string.h>

#define SIZE(name)                                                                                 \
    { #name, LAB_OPTION_U32, offsetof(hf_config, name) }
#define PORT(name)                                                                                 \
    { #name, LAB_OPTION_U16, offsetof(hf_config, name) }
#define LIMIT(name)                                                                                \
    { #name, LAB_OPTION_U32, offsetof(hf_config, limits.name) }
#define LIMIT_NS(name)                                                                             \
    { #name, LAB_OPTION_DURATION, offsetof(hf_config, limits.name##_ns) }

static const lab_option host_options[] = {
    {"profile", LAB_OPTION_OTHER, 0},
    {"quirks", LAB_OPTION_OTHER, 0},
    {"tw_full", LAB_OPTION_OTHER, 0},
    SIZE(owners),
    SIZE(owner_conns),
    SIZE(owner_rx_chunks),
    SIZE(owner_tx_chunks),
    SIZE(other_shares),
    SIZE(end_records),
    SIZE(end_budget),
    {"sysctl", LAB_OPTION_OTHER, 0},
    SIZE(conns),
    SIZE(listeners),
    SIZE(syn_entries),
    SIZE(time_wait),
    SIZE(flights),
    SIZE(watches),
    SIZE(segments),
    SIZE(ranges),
    SIZE(option_sets),
    SIZE(interfaces),
    SIZE(addresses),
    SIZE(routes),
    SIZE(neighbors),
    SIZE(paths),
    SIZE(udp_sockets),
    SIZE(tx_frames),
    SIZE(reassembly),
    SIZE(chunk_bytes),
    SIZE(rx_chunks),
    SIZE(tx_chunks),
    SIZE(timer_budget),
    PORT(port_low),
    PORT(port_high),
    {"max_gap", LAB_OPTION_DURATION, offsetof(hf_config, max_gap_ns)},
    LIMIT_NS(rto_initial),
    LIMIT_NS(rto_min),
    LIMIT_NS(rto_max),
    LIMIT_NS(rto_variance_min),
    LIMIT_NS(delayed_ack),
    LIMIT_NS(msl2),
    LIMIT_NS(fin_wait_2),
    LIMIT_NS(orphan),
    LIMIT_NS(persist_max),
    LIMIT(retransmit_limit),
    LIMIT(orphan_attempts),
    LIMIT(retransmit_warn),
    LIMIT(persist_limit),
    LIMIT(syn_limit),
    LIMIT(syn_linear),
    LIMIT(syn_ack_limit),
    LIMIT(initial_window_segs),
    {"ecn", LAB_OPTION_ECN, offsetof(hf_config, limits.ecn)},
    {"congestion", LAB_OPTION_CONGESTION, offsetof(hf_config, limits.congestion)},
    LIMIT(duplicate_threshold),
    LIMIT(conn_pool_with_time_wait),
    LIMIT(rack),
    LIMIT(plpmtud),
    LIMIT_NS(tlp_ack_delay),
    LIMIT(buffer_bytes),
    LIMIT(send_bytes_most),
    LIMIT(receive_bytes_most),
};

static void read_profile(lua_State *lua, hf_config *config) {
    if (!lab_field(lua, 2, "profile")) return;
    const char *const name = luaL_checkstring(lua, -1);
    if (hf_config_profile(config, name) != HF_OK)
        luaL_error(
            lua,
            "host: profile = \"%s\" is none; there are: holdfast, linux, rfc, small, rst_on_full",
            name);
    if (strcmp(name, "linux") != 0) lab_refuse_on_linux(lua, "host", "another profile than linux");
    lua_pop(lua, 1);
}

static void read_quirks(lua_State *lua, hf_config *config) {
    if (!lab_field(lua, 2, "quirks")) return;
    luaL_checktype(lua, -1, LUA_TTABLE);
    config->quirks = 0;
    for (lua_Integer i = 1; lua_geti(lua, -1, i) != LUA_TNIL; i++, lua_pop(lua, 1)) {
        uint32_t quirk;
        if (!hf_quirk_by_name(luaL_checkstring(lua, -1), &quirk))
            luaL_error(lua, "host: quirks has %s, which is none; see hf/quirk.def",
                       lua_tostring(lua, -1));
        config->quirks |= quirk;
    }
    lua_pop(lua, 2);
}

/* --set NAME=VALUE of the command line holds for every host, whatever the script says; quirks are
 * added. So a promise of the whole engine is switched off, which must make its scenario fail. */
static void read_sets(lua_State *lua, hf_config *config) {
    const lab_run_options *const options = &lab_scenario_of(lua)->options;
    for (size_t i = 0; i < options->set_count; i++) {
        const char *const set = options->sets[i], *const value = strchr(set, '=') + 1;
        uint32_t quirk = 0;
        lua_pushlstring(lua, set, (size_t)(value - set) - 1);
        if (strcmp(lua_tostring(lua, -1), "quirks") == 0) {
            if (!hf_quirk_by_name(value, &quirk)) luaL_error(lua, "--set %s is no quirk", set);
            config->quirks |= quirk;
            lua_pop(lua, 1);
            continue;
        }
        lua_newtable(lua);
        lua_insert(lua, -2);
        if (lua_stringtonumber(lua, value) == 0) lua_pushstring(lua, value);
        lua_settable(lua, -3);
        lab_options_read(lua, lua_gettop(lua), "--set", host_options,
                         sizeof host_options / sizeof host_options[0], config);
        lua_pop(lua, 1);
    }
}

static void read_tw_full(lua_State *lua, hf_config *config) {
    static const char *const what[] = {"EVICT", "REFUSE_CONNECT", NULL};
    if (!lab_field(lua, 2, "tw_full")) return;
    config->tw_full = (hf_tw_full)luaL_checkoption(lua, -1, NULL, what);
    lua_pop(lua, 1);
}

static int new_host(lua_State *lua) {
    lab_world *const world = lab_world_of(lua);
    const char *const name = luaL_checkstring(lua, 1);
    if (strlen(name) == 0 || strlen(name) >= LAB_NAME)
        luaL_error(lua, "host: the name \"%s\" is not 1 to %d long", name, LAB_NAME - 1);
    if (world->host_count == LAB_HOSTS)
        luaL_error(lua, "host: \"%s\" is one too many; a world holds %d", name, LAB_HOSTS);
    for (uint32_t i = 0; i < world->host_count; i++)
        if (strcmp(world->hosts[i]->name, name) == 0)
            luaL_error(lua, "host: there is a host \"%s\" already; name it otherwise", name);
    hf_config config;
    hf_config_default(&config);
    config.lab_seed = true;
    if (!lua_isnoneornil(lua, 2)) luaL_checktype(lua, 2, LUA_TTABLE);
    read_profile(lua, &config);
    lab_options_read(lua, 2, "host", host_options, sizeof host_options / sizeof host_options[0],
                     &config);
    lab_options_on_linux(lua, 2, "host");
    read_quirks(lua, &config);
    read_tw_full(lua, &config);
    read_sets(lua, &config);
    const char *problem;
    lab_host *const host = lab_host_new(world, name, &config, &problem);
    if (!host) luaL_error(lua, "host: \"%s\": %s", name, problem);
    host->on_up = -1;
    lab_sysctls(lua, host);
    lab_object_push(lua, LAB_HOST_TYPE, host);
    return 1;
}

lab_host *lab_host_arg(lua_State *lua, int index) { return lab_object(lua, index, LAB_HOST_TYPE); }

/* ---- Listeners ---- */

static const char *const listen_extra[] = {"backlog",   "when_full", "accept", "read",
                                           "on_accept", "accept_at", "on_syn", NULL};

static bool flag(lua_State *lua, int index, const char *name, bool otherwise) {
    if (!lab_field(lua, index, name)) return otherwise;
    const bool value = lua_toboolean(lua, -1);
    lua_pop(lua, 1);
    return value;
}

static void read_listen_options(lua_State *lua, hf_listen_options *options) {
    static const char *const policies[] = {"COOKIE", "IGNORE", "REFUSE", NULL};
    lab_tcp_options_read(lua, 3, "listen", listen_extra, &options->tcp);
    if (lab_field(lua, 3, "backlog")) {
        options->backlog = (uint32_t)luaL_checkinteger(lua, -1);
        lua_pop(lua, 1);
    }
    if (lab_field(lua, 3, "when_full")) {
        options->when_full = (hf_when_full)luaL_checkoption(lua, -1, NULL, policies);
        lua_pop(lua, 1);
    }
    static const char *const moments[] = {"HANDSHAKE", "SYN", "WINDOW", NULL};
    if (lab_field(lua, 3, "accept_at")) {
        options->accept_at = (hf_accept_at)luaL_checkoption(lua, -1, NULL, moments);
        lua_pop(lua, 1);
    }
}

static int host_listen(lua_State *lua) {
    lab_host *const host = lab_host_arg(lua, 1);
    hf_listen_options options = {.port = (uint16_t)luaL_checkinteger(lua, 2)};
    read_listen_options(lua, &options);
    lab_listener *listener;
    const hf_err err = lab_listen(host, &options, &listener);
    if (err != HF_OK)
        luaL_error(lua, "listen on port %d of \"%s\": %s %s", options.port, host->name,
                   hf_err_name(err), hf_err_sentence(err));
    listener->accepting = flag(lua, 3, "accept", true);
    listener->reading = flag(lua, 3, "read", true);
    if (lab_field(lua, 3, "on_accept")) {
        listener->on_accept = lab_callback(lua, -1, "listen", "on_accept");
        lua_pop(lua, 1);
    }
    if (lab_field(lua, 3, "on_syn")) {
        listener->on_syn = lab_callback(lua, -1, "listen", "on_syn");
        lua_pop(lua, 1);
    }
    lab_object_push(lua, LAB_LISTENER_TYPE, listener);
    return 1;
}

static int listener_accept(lua_State *lua) {
    lab_conn *const conn = lab_accept(lab_object(lua, 1, LAB_LISTENER_TYPE));
    if (!conn) return 0;
    lab_conn_push_object(lua, conn);
    return 1;
}

static int listener_accepting(lua_State *lua) {
    lab_listener *const listener = lab_object(lua, 1, LAB_LISTENER_TYPE);
    listener->accepting = lua_toboolean(lua, 2);
    return 0;
}

static int listener_close(lua_State *lua) {
    lab_listener_close(lab_object(lua, 1, LAB_LISTENER_TYPE));
    return 0;
}

static int listener_drain(lua_State *lua) {
    static const lab_option options[] = {{"deadline", LAB_OPTION_DURATION, 0}};
    lab_listener *const listener = lab_object(lua, 1, LAB_LISTENER_TYPE);
    hf_ns deadline_ns = HF_NEVER;
    if (!lua_isnoneornil(lua, 2)) lab_options_read(lua, 2, "drain", options, 1, &deadline_ns);
    const hf_err err = lab_listener_drain(listener, deadline_ns);
    if (err != HF_OK) luaL_error(lua, "drain: %s", hf_err_sentence(err));
    return 0;
}

/* ---- SYNs that wait for the program ---- */

static int listener_pending(lua_State *lua) {
    hf_pending pending;
    if (lab_pending_next(lab_object(lua, 1, LAB_LISTENER_TYPE), &pending) != HF_OK) return 0;
    char text[64];
    hf_explain_addr(&pending.remote, text, sizeof text);
    lua_newtable(lua);
    lab_set_integer(lua, "index", pending.index);
    lab_set_integer(lua, "serial", pending.serial);
    lab_set_text(lua, "remote_addr", text);
    lab_set_integer(lua, "remote_port", pending.remote_port);
    lab_set_integer(lua, "mss", pending.mss);
    lab_set_bool(lua, "timestamps", pending.timestamps);
    lab_set_integer(lua, "repeats", pending.repeats);
    lab_set_integer(lua, "age_ns", pending.age_ns);
    return 1;
}

static uint32_t integer_field(lua_State *lua, const char *name) {
    lua_getfield(lua, 2, name);
    const uint32_t value = (uint32_t)luaL_checkinteger(lua, -1);
    lua_pop(lua, 1);
    return value;
}

static int listener_answer(lua_State *lua) {
    static const char *const verdicts[] = {"ACCEPT", "REFUSE", "IGNORE", NULL};
    lab_listener *const listener = lab_object(lua, 1, LAB_LISTENER_TYPE);
    luaL_checktype(lua, 2, LUA_TTABLE);
    const hf_pending pending = {.index = integer_field(lua, "index"),
                                .serial = integer_field(lua, "serial"),
                                .remote_port = (uint16_t)integer_field(lua, "remote_port")};
    const hf_err err = lab_syn_answer(listener, &pending,
                                      (hf_syn_verdict)luaL_checkoption(lua, 3, NULL, verdicts));
    lua_pushboolean(lua, err == HF_OK);
    return 1;
}

static int listener_status(lua_State *lua) {
    lab_listener *const listener = lab_object(lua, 1, LAB_LISTENER_TYPE);
    hf_listener_status status;
    memset(&status, 0, sizeof status);
    lab_listener_status(listener, &status);
    lua_newtable(lua);
    lab_set_integer(lua, "waiting", status.waiting);
    lab_set_integer(lua, "handshaking", status.handshaking);
    lab_set_integer(lua, "backlog", status.backlog);
    lab_set_integer(lua, "peak_waiting", status.peak_waiting);
    lab_set_integer(lua, "accepted", status.accepted);
    lab_set_integer(lua, "cookies_sent", status.cookies_sent);
    lab_set_integer(lua, "cookies_good", status.cookies_good);
    lab_set_integer(lua, "overflows", status.overflows);
    lab_set_integer(lua, "pending", status.pending);
    lab_set_bool(lua, "draining", status.draining);
    lab_set_bool(lua, "drained", status.drained);
    return 1;
}

/* ---- Connections ---- */

static const char *const connect_extra[] = {"local_port", "read", NULL};

static int host_connect(lua_State *lua) {
    lab_host *const host = lab_host_arg(lua, 1), *const to = lab_host_arg(lua, 2);
    const lua_Integer port = luaL_checkinteger(lua, 3);
    hf_tcp_options options = {0};
    uint16_t local_port = 0;
    if (port < 1 || port > 65535)
        luaL_error(lua, "connect: port = %d is not 1 to 65535", (int)port);
    lab_tcp_options_read(lua, 4, "connect", connect_extra, &options);
    if (lab_field(lua, 4, "local_port")) {
        local_port = (uint16_t)luaL_checkinteger(lua, -1);
        lua_pop(lua, 1);
    }
    if (!lab_link_between(host, to))
        luaL_error(lua, "connect: no link joins \"%s\" and \"%s\"; add link(%s, %s, {...})",
                   host->name, to->name, host->name, to->name);
    if (host->power != LAB_UP)
        luaL_error(lua, "connect: \"%s\" does not run now; resume or boot it first", host->name);
    lab_conn *conn;
    const hf_err err = lab_connect(host, to, (uint16_t)port, local_port, &options, &conn);
    conn->reading = flag(lua, 4, "read", true);
    lab_conn_push_object(lua, conn);
    if (err == HF_OK) return 1;
    lua_pushstring(lua, hf_err_name(err));
    lua_pushstring(lua, hf_err_sentence(err));
    return 3;
}

/* ---- Power ---- */

static int host_stall(lua_State *lua) {
    lab_host_stall(lab_host_arg(lua, 1));
    return 0;
}

static int host_resume(lua_State *lua) {
    lab_host_resume(lab_host_arg(lua, 1));
    return 0;
}

static int host_crash(lua_State *lua) {
    lab_host_crash(lab_host_arg(lua, 1));
    return 0;
}

static int host_boot(lua_State *lua) {
    lab_host_boot(lab_host_arg(lua, 1));
    return 0;
}

static int boot_later(lua_State *lua) {
    lab_host_boot(lab_host_arg(lua, lua_upvalueindex(1)));
    return 0;
}

static int host_reboot(lua_State *lua) {
    static const lab_option options[] = {{"down", LAB_OPTION_DURATION, 0}};
    lab_host *const host = lab_host_arg(lua, 1);
    hf_ns down_ns = 0;
    lab_options_read(lua, 2, "reboot", options, 1, &down_ns);
    lab_host_crash(host);
    if (down_ns == 0) {
        lab_host_boot(host);
        return 0;
    }
    char where[160];
    lab_where(lua, where, sizeof where);
    lua_pushvalue(lua, 1);
    lua_pushcclosure(lua, boot_later, 1);
    lab_at(host->world, host->world->now_ns + down_ns, 0, luaL_ref(lua, LUA_REGISTRYINDEX), where);
    return 0;
}

static int host_on_up(lua_State *lua) {
    lab_host_arg(lua, 1)->on_up = lab_callback(lua, 2, "on_up", "its function");
    return 0;
}

/* Why a kernel sends is read off the wire; what else it does, nobody sees. */
static int count_of_sent(lua_State *lua, const lab_host *host, hf_cause cause) {
    if (strncmp(lua_tostring(lua, 2), "SENT_", 5) != 0)
        lab_refuse_on_linux(lua, "host:count", "the count of what is not sent");
    lab_filter sent = lab_filter_any();
    sent.from = host->index;
    sent.cause = cause;
    lua_pushinteger(lua, (lua_Integer)lab_count(host->world, &sent));
    return 1;
}

/* How often a cause had its effect in this host's engine since it booted; on linux, how many packets it sent for it. */
static int host_count(lua_State *lua) {
    lab_host *const host = lab_host_arg(lua, 1);
    luaL_checkstring(lua, 2);
    lua_pushvalue(lua, 2);
    const hf_cause cause = lab_cause_pop(lua, "", "host:count", "its cause");
    if (lab_is_real(lua)) return count_of_sent(lua, host, cause);
    lua_pushinteger(lua, (lua_Integer)hf_cause_count(&host->engine, cause));
    return 1;
}

static int host_name(lua_State *lua) {
    lua_pushstring(lua, lab_host_arg(lua, 1)->name);
    return 1;
}

void lab_open_hosts(lua_State *lua) {
    static const luaL_Reg host_methods[] = {
        {"listen", host_listen},   {"connect", host_connect},
        {"stall", host_stall},     {"resume", host_resume},
        {"crash", host_crash},     {"boot", host_boot},
        {"reboot", host_reboot},   {"on_up", host_on_up},
        {"count", host_count},     {"ends", lab_host_ends},
        {"ports", lab_host_ports}, {"time_wait", lab_host_time_wait},
        {"name", host_name},       {NULL, NULL}};
    static const luaL_Reg listener_methods[] = {
        {"accept", listener_accept},   {"set_accepting", listener_accepting},
        {"close", listener_close},     {"drain", listener_drain},
        {"pending", listener_pending}, {"answer", listener_answer},
        {"status", listener_status},   {NULL, NULL}};
    lab_object_type(lua, LAB_HOST_TYPE, host_methods);
    lab_object_type(lua, LAB_LISTENER_TYPE, listener_methods);
    lua_register(lua, "host", new_host);
}
