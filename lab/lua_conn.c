/* The application's end of a connection, for scripts. */
#include "lab/lua_lab.h"
#include <string.h>

lab_conn *lab_conn_arg(lua_State *lua, int index) { return lab_object(lua, index, LAB_CONN_TYPE); }

/* One object a connection, so that scripts can compare and keep them. */
void lab_conn_push_object(lua_State *lua, lab_conn *conn) {
    if (conn->self >= 0) {
        lua_rawgeti(lua, LUA_REGISTRYINDEX, conn->self);
        return;
    }
    lab_object_push(lua, LAB_CONN_TYPE, conn);
    lua_pushvalue(lua, -1);
    conn->self = luaL_ref(lua, LUA_REGISTRYINDEX);
}

/* Calls return true, or nil and the error's name and sentence; that a call fails may be the lesson.
 */
static int answer(lua_State *lua, hf_err err) {
    if (err == HF_OK || err == HF_AGAIN) {
        lua_pushboolean(lua, true);
        return 1;
    }
    lua_pushnil(lua);
    lua_pushstring(lua, hf_err_name(err));
    lua_pushstring(lua, hf_err_sentence(err));
    return 3;
}

static int conn_write(lua_State *lua) {
    lab_conn *const conn = lab_conn_arg(lua, 1);
    size_t length;
    const char *text = NULL;
    uint64_t bytes, taken;
    if (lua_type(lua, 2) == LUA_TSTRING) {
        text = lua_tolstring(lua, 2, &length);
        bytes = length;
    } else {
        const lua_Integer count = luaL_checkinteger(lua, 2);
        if (count < 1) luaL_error(lua, "write: %d bytes; write at least 1", (int)count);
        bytes = (uint64_t)count;
    }
    const hf_err err = lab_write(conn, text, bytes, &taken);
    if (err != HF_OK && err != HF_AGAIN) return answer(lua, err);
    lua_pushinteger(lua, (lua_Integer)taken);
    return 1;
}

static int conn_read(lua_State *lua) {
    lab_conn *const conn = lab_conn_arg(lua, 1);
    const uint64_t most =
        lua_isnoneornil(lua, 2) ? UINT64_MAX : (uint64_t)luaL_checkinteger(lua, 2);
    uint64_t count;
    const hf_err err = lab_read(conn, most, &count);
    lua_pushinteger(lua, (lua_Integer)count);
    lua_pushstring(lua, hf_err_name(err));
    return 2;
}

static int conn_stop_reading(lua_State *lua) {
    lab_reading(lab_conn_arg(lua, 1), false);
    return 0;
}

static int conn_start_reading(lua_State *lua) {
    lab_reading(lab_conn_arg(lua, 1), true);
    return 0;
}

static int conn_close(lua_State *lua) {
    static const char *const at[] = {"detach", "rst", NULL};
    static const lab_option options[] = {
        {"deadline", LAB_OPTION_DURATION, offsetof(hf_close_options, deadline_ns)},
        {"after_peer", LAB_OPTION_DURATION, offsetof(hf_close_options, after_peer_ns)},
        {"drain", LAB_OPTION_BOOL, offsetof(hf_close_options, drain)},
        {"at_deadline", LAB_OPTION_OTHER, 0}};
    hf_close_options close = {0};
    lab_options_read(lua, 2, "close", options, 4, &close);
    lab_options_on_linux(lua, 2, "close");
    if (lab_field(lua, 2, "at_deadline")) {
        close.at_deadline = (hf_at_deadline)luaL_checkoption(lua, -1, NULL, at);
        lua_pop(lua, 1);
    }
    const char *const without = lab_scenario_of(lua)->options.without;
    if (without && strcmp(without, "deadline") == 0) close.deadline_ns = 0;
    if (without && strcmp(without, "drain") == 0) close.drain = false;
    if (without && strcmp(without, "after_peer") == 0) close.after_peer_ns = 0;
    return answer(lua, lab_close(lab_conn_arg(lua, 1), &close));
}

static int conn_shutdown(lua_State *lua) { return answer(lua, lab_shutdown(lab_conn_arg(lua, 1))); }

static int conn_abort(lua_State *lua) { return answer(lua, lab_abort(lab_conn_arg(lua, 1))); }

static int conn_on(lua_State *lua) {
    static const char *const events[] = {"connected", "readable", "peer_closed", "end",
                                         "unheard",   "doubt",    "all_acked",   "bound",
                                         "path_mtu",  NULL};
    lab_conn *const conn = lab_conn_arg(lua, 1);
    const int event = luaL_checkoption(lua, 2, NULL, events);
    conn->on_event[event] = lab_callback(lua, 3, "on", events[event]);
    return 0;
}

static int conn_options(lua_State *lua) {
    lab_conn *const conn = lab_conn_arg(lua, 1);
    hf_tcp_options options = {0};
    lab_options_get(conn, &options);
    lab_tcp_options_read(lua, 2, "options", NULL, &options);
    return answer(lua, lab_options_set(conn, &options));
}

static void set_addr(lua_State *lua, const char *name, const hf_addr *addr) {
    char text[48];
    hf_explain_addr(addr, text, sizeof text);
    lab_set_text(lua, name, text);
}

static void set_never(lua_State *lua, const char *name, hf_ns ns) {
    if (ns == HF_NEVER)
        lab_set_text(lua, name, "never");
    else
        lab_set_integer(lua, name, ns);
}

static const char *without(const char *name, const char *prefix) {
    return strncmp(name, prefix, strlen(prefix)) == 0 ? name + strlen(prefix) : name;
}

/* "PROGRESS IDLE", say, or an empty text. */
static void set_passed(lua_State *lua, uint32_t passed) {
    static const char *const names[] = {"PROGRESS", "ANSWER", "IDLE", "APP_NOT_READING"};
    char text[64] = "";
    for (int i = 0; i < 4; i++) {
        if ((passed >> i & 1) == 0) continue;
        if (*text) strcat(text, " ");
        strcat(text, names[i]);
    }
    lab_set_text(lua, "bounds_passed", text);
}

static int conn_status(lua_State *lua) {
    lab_conn *const conn = lab_conn_arg(lua, 1);
    hf_conn_status status;
    lab_status(conn, &status);
    lua_newtable(lua);
    lab_set_text(lua, "state", hf_state_name(conn->held ? status.state : HF_CLOSED));
    set_addr(lua, "local_addr", &conn->local);
    set_addr(lua, "remote_addr", &conn->remote);
    lab_set_integer(lua, "local_port", conn->local_port);
    lab_set_integer(lua, "remote_port", conn->remote_port);
    lab_set_integer(lua, "mss", status.mss);
    lab_set_integer(lua, "packet_bytes", status.packet_bytes);
    lab_set_integer(lua, "packet_bytes_most", status.packet_bytes_most);
    lab_set_text(lua, "mtu_cause", hf_cause_name(status.mtu_cause));
    lab_set_bool(lua, "timestamps", status.timestamps);
    lab_set_bool(lua, "sack", status.sack);
    lab_set_bool(lua, "window_scaling", status.window_scaling);
    lab_set_bool(lua, "ecn", status.ecn);
    lab_set_integer(lua, "srtt_ns", status.srtt_ns);
    lab_set_integer(lua, "rttvar_ns", status.rttvar_ns);
    lab_set_integer(lua, "rto_ns", status.rto_ns);
    lab_set_integer(lua, "cwnd_bytes", status.cwnd_bytes);
    lab_set_integer(lua, "ssthresh_bytes", status.ssthresh_bytes);
    lab_set_integer(lua, "peer_window_bytes", status.peer_window_bytes);
    lab_set_integer(lua, "our_window_bytes", status.our_window_bytes);
    lab_set_integer(lua, "send_buffer_bytes", status.send_buffer_bytes);
    lab_set_integer(lua, "receive_buffer_bytes", status.receive_buffer_bytes);
    lab_set_integer(lua, "in_flight_bytes", status.in_flight_bytes);
    lab_set_integer(lua, "queued_bytes", status.queued_bytes);
    lab_set_integer(lua, "readable_bytes", status.readable_bytes);
    lab_set_integer(lua, "bytes_from_app", status.bytes_from_app);
    lab_set_integer(lua, "bytes_acked", status.bytes_acked);
    lab_set_integer(lua, "bytes_received", status.bytes_received);
    lab_set_integer(lua, "last_heard_ns", status.last_heard_ns);
    set_never(lua, "notice_by_ns", status.notice_by_ns);
    lab_set_integer(lua, "detect_within_ns", status.detect_within_ns);
    lab_set_integer(lua, "unanswered", status.unanswered);
    lab_set_integer(lua, "retransmissions", status.retransmissions);
    lab_set_text(lua, "soft_error", hf_cause_name(status.soft_error));
    lab_set_text(lua, "notice_by", without(hf_cause_name(status.notice_by), "BY_"));
    set_never(lua, "hung_notice_by_ns", status.hung_notice_by_ns);
    set_passed(lua, status.bounds_passed);
    lab_set_integer(lua, "doubt_count", status.doubt.count);
    lab_set_integer(lua, "doubt_first_at_ns", status.doubt.first_at_ns);
    lab_set_bool(lua, "doubt_data_ignored", (status.doubt.reasons & HF_DOUBT_DATA_IGNORED) != 0);
    lab_set_integer(lua, "bytes_read", conn->read);
    lab_set_integer(lua, "bytes_waiting", conn->wanted - conn->written);
    return 1;
}

/* What keeps it from sending, and how long each reason did; nil before it is open. */
static int conn_why(lua_State *lua) {
    hf_not_sending why;
    if (!lab_why(lab_conn_arg(lua, 1), &why)) return 0;
    lua_newtable(lua);
    lab_set_text(lua, "why", hf_why_name(why.why));
    lab_set_bool(lua, "accounted", why.accounted);
    lab_set_integer(lua, "total_ns", why.total_ns);
    for (int i = 0; i < HF_WHY_COUNT; i++)
        lab_set_integer(lua, hf_why_name((hf_why)i), why.for_ns[i]);
    char sentence[400];
    hf_explain_why(&why, sentence, sizeof sentence);
    lab_set_text(lua, "sentence", sentence);
    return 1;
}

/* How it ended, or nil while it lives. */
static int conn_ended(lua_State *lua) {
    const lab_conn *const conn = lab_conn_arg(lua, 1);
    if (!conn->ended) return 0;
    lab_end_push(lua, &conn->end, conn->ended_at_ns);
    return 1;
}

/* The program gives the connection up without waiting for its end. */
static int conn_release(lua_State *lua) { return answer(lua, lab_release(lab_conn_arg(lua, 1))); }

/* The other end's object, once it has been accepted. */
static int conn_peer(lua_State *lua) {
    lab_conn *const peer = lab_conn_peer(lab_conn_arg(lua, 1));
    if (!peer) return 0;
    lab_conn_push_object(lua, peer);
    return 1;
}

void lab_open_conns(lua_State *lua) {
    static const luaL_Reg methods[] = {{"write", conn_write},
                                       {"read", conn_read},
                                       {"stop_reading", conn_stop_reading},
                                       {"start_reading", conn_start_reading},
                                       {"close", conn_close},
                                       {"shutdown", conn_shutdown},
                                       {"abort", conn_abort},
                                       {"release", conn_release},
                                       {"on", conn_on},
                                       {"options", conn_options},
                                       {"status", conn_status},
                                       {"why", conn_why},
                                       {"ended", conn_ended},
                                       {"peer", conn_peer},
                                       {NULL, NULL}};
    lab_object_type(lua, LAB_CONN_TYPE, methods);
}
