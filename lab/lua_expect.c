/* expect(conn), expect_packets{} and count{}. */
#include "lab/lua_lab.h"
#include <string.h>

static int new_expect(lua_State *lua) {
    lab_conn *const conn = lab_conn_arg(lua, 1);
    lab_object_push(lua, LAB_EXPECT_TYPE, conn);
    return 1;
}

static lab_expect *add(lua_State *lua, lab_expect_kind kind) {
    lab_conn *const conn = lab_object(lua, 1, LAB_EXPECT_TYPE);
    char where[160];
    lab_where(lua, where, sizeof where);
    return lab_expect_new(conn->world, kind, conn, where);
}

static const char *const references[] = {"start", "cut", "last_heard", "call", "connected", NULL};

struct times {
    hf_ns within_ns, at_ns, slack_ns;
};

/* within = T: from the reference to T later, and 5 % of slack; at = T: T, give or take 5 %; `slack`
 * instead of 5 %; between = { from, to }: exactly that. */
static void read_times(lua_State *lua, lab_expect *expect, const struct times *times) {
    if (lab_field(lua, 2, "of")) {
        expect->of = (lab_reference)luaL_checkoption(lua, -1, NULL, references);
        lua_pop(lua, 1);
    }
    const hf_ns middle_ns = times->within_ns > 0 ? times->within_ns : times->at_ns;
    const hf_ns slack_ns = times->slack_ns == HF_NEVER ? middle_ns / 20 : times->slack_ns;
    expect->timed = middle_ns > 0;
    expect->most_ns = middle_ns + slack_ns;
    expect->least_ns = times->at_ns > slack_ns ? times->at_ns - slack_ns : 0;
    if (!lab_field(lua, 2, "between")) return;
    luaL_checktype(lua, -1, LUA_TTABLE);
    if (luaL_len(lua, -1) != 2)
        luaL_error(lua, "ends: between has %d times; give two, { \"9s\", \"11s\" }",
                   (int)luaL_len(lua, -1));
    lua_geti(lua, -1, 1);
    expect->least_ns = lab_duration_pop(lua, "ends", "between[1]");
    lua_geti(lua, -1, 2);
    expect->most_ns = lab_duration_pop(lua, "ends", "between[2]");
    expect->timed = true;
    lua_pop(lua, 1);
}

static void read_number(lua_State *lua, const char *name, uint64_t *ret_number) {
    if (!lab_field(lua, 2, name)) return;
    *ret_number = (uint64_t)luaL_checkinteger(lua, -1);
    lua_pop(lua, 1);
}

static int expect_ends(lua_State *lua) {
    static const char *const holders[] = {"nobody", "us", "peer", "both", NULL};
    static const lab_option options[] = {
        {"within", LAB_OPTION_DURATION, offsetof(struct times, within_ns)},
        {"at", LAB_OPTION_DURATION, offsetof(struct times, at_ns)},
        {"slack", LAB_OPTION_DURATION, offsetof(struct times, slack_ns)},
        {"cause", LAB_OPTION_OTHER, 0},
        {"by", LAB_OPTION_OTHER, 0},
        {"of", LAB_OPTION_OTHER, 0},
        {"between", LAB_OPTION_OTHER, 0},
        {"acked", LAB_OPTION_OTHER, 0},
        {"unread", LAB_OPTION_OTHER, 0},
        {"time_wait", LAB_OPTION_OTHER, 0}};
    struct times times = {0, 0, HF_NEVER};
    lab_expect *const expect = add(lua, LAB_EXPECT_ENDS);
    lab_options_read(lua, 2, "ends", options, sizeof options / sizeof options[0], &times);
    if (lab_field(lua, 2, "cause")) expect->cause = lab_cause_pop(lua, "END_", "ends", "cause");
    if (lab_field(lua, 2, "by")) expect->mechanism = lab_cause_pop(lua, "BY_", "ends", "by");
    read_times(lua, expect, &times);
    read_number(lua, "acked", &expect->acked);
    read_number(lua, "unread", &expect->unread);
    if (lab_field(lua, 2, "time_wait")) {
        expect->time_wait = luaL_checkoption(lua, -1, NULL, holders);
        lua_pop(lua, 1);
    }
    return 0;
}

static int expect_never_ends(lua_State *lua) {
    static const lab_option options[] = {{"until_", LAB_OPTION_DURATION, 0}};
    lab_expect *const expect = add(lua, LAB_EXPECT_NEVER_ENDS);
    hf_ns until_ns = HF_NEVER;
    lab_options_read(lua, 2, "never_ends", options, 1, &until_ns);
    lab_expect_until(expect->conn->world, expect, until_ns);
    return 0;
}

static int expect_state(lua_State *lua) {
    static const lab_option options[] = {{"at", LAB_OPTION_DURATION, 0}};
    const char *const name = luaL_checkstring(lua, 2);
    int state = 0;
    while (state < HF_STATE_COUNT && strcmp(hf_state_name((hf_state)state), name) != 0) state++;
    if (state == HF_STATE_COUNT)
        luaL_error(lua, "state: \"%s\" is no state; write it as in \"FIN_WAIT_2\"", name);
    lab_expect *const expect = add(lua, LAB_EXPECT_STATE);
    expect->state = (hf_state)state;
    hf_ns at_ns = HF_NEVER;
    lab_options_read(lua, 3, "state", options, 1, &at_ns);
    lab_expect_until(expect->conn->world, expect, at_ns);
    return 0;
}

static int expect_receives(lua_State *lua) {
    const uint64_t bytes = lua_type(lua, 2) == LUA_TSTRING ? (uint64_t)luaL_len(lua, 2)
                                                           : (uint64_t)luaL_checkinteger(lua, 2);
    add(lua, LAB_EXPECT_RECEIVES)->bytes = bytes;
    return 0;
}

static int expect_corrupted(lua_State *lua) {
    add(lua, LAB_EXPECT_CORRUPTED);
    return 0;
}

/* ---- Packets ---- */

static const lab_option filter_options[] = {
    {"after", LAB_OPTION_DURATION, offsetof(lab_filter, after_ns)},
    {"before", LAB_OPTION_DURATION, offsetof(lab_filter, before_ns)},
    {"len_least", LAB_OPTION_U32, offsetof(lab_filter, length_least)},
    {"len_most", LAB_OPTION_U32, offsetof(lab_filter, length_most)},
    {"from", LAB_OPTION_OTHER, 0},
    {"to", LAB_OPTION_OTHER, 0},
    {"conn", LAB_OPTION_OTHER, 0},
    {"cause", LAB_OPTION_OTHER, 0},
    {"lost", LAB_OPTION_OTHER, 0},
    {"flags", LAB_OPTION_OTHER, 0},
    {"count", LAB_OPTION_OTHER, 0},
    {"at_least", LAB_OPTION_OTHER, 0},
    {"at_most", LAB_OPTION_OTHER, 0},
};
enum {
    FILTER_OPTIONS = sizeof filter_options / sizeof filter_options[0],
    COUNT_OPTIONS = FILTER_OPTIONS - 3
};

static void read_filter(lua_State *lua, const char *what, size_t options, lab_filter *filter) {
    *filter = lab_filter_any();
    luaL_checktype(lua, 1, LUA_TTABLE);
    lab_options_read(lua, 1, what, filter_options, options, filter);
    if (lab_field(lua, 1, "from")) {
        filter->from = lab_host_arg(lua, -1)->index;
        lua_pop(lua, 1);
    }
    if (lab_field(lua, 1, "to")) {
        filter->to = lab_host_arg(lua, -1)->index;
        lua_pop(lua, 1);
    }
    if (lab_field(lua, 1, "conn")) {
        filter->conn = lab_conn_arg(lua, -1)->index;
        lua_pop(lua, 1);
    }
    if (lab_field(lua, 1, "cause")) filter->cause = lab_cause_pop(lua, "", what, "cause");
    if (lab_field(lua, 1, "lost")) {
        filter->lost = lua_toboolean(lua, -1);
        lua_pop(lua, 1);
    }
    if (lab_field(lua, 1, "flags")) lab_flags_pop(lua, &filter->flags_set, &filter->flags_clear);
}

static int count_packets(lua_State *lua) {
    lab_filter filter;
    read_filter(lua, "count", COUNT_OPTIONS, &filter);
    lua_pushinteger(lua, (lua_Integer)lab_count(lab_world_last(lua), &filter));
    return 1;
}

static void read_count(lua_State *lua, const char *name, uint64_t *ret_least, uint64_t *ret_most,
                       bool *some) {
    if (!lab_field(lua, 1, name)) return;
    const uint64_t count = (uint64_t)luaL_checkinteger(lua, -1);
    if (ret_least) *ret_least = count;
    if (ret_most) *ret_most = count;
    *some = true;
    lua_pop(lua, 1);
}

/* Judged when the run ends, or at `before` if the filter has one. */
static int expect_packets(lua_State *lua) {
    char where[160];
    bool some = false;
    lab_where(lua, where, sizeof where);
    lab_filter filter;
    read_filter(lua, "expect_packets", FILTER_OPTIONS, &filter);
    lab_world *const world = lab_world_of(lua);
    lab_expect *const expect = lab_expect_new(world, LAB_EXPECT_PACKETS, NULL, where);
    expect->filter = filter;
    lab_expect_until(world, expect, filter.before_ns);
    read_count(lua, "count", &expect->count_least, &expect->count_most, &some);
    read_count(lua, "at_least", &expect->count_least, NULL, &some);
    read_count(lua, "at_most", NULL, &expect->count_most, &some);
    if (!some)
        luaL_error(lua, "expect_packets: it says no number; give count, at_least or at_most");
    return 0;
}

void lab_open_expects(lua_State *lua) {
    static const luaL_Reg methods[] = {
        {"ends", expect_ends},         {"never_ends", expect_never_ends},  {"state", expect_state},
        {"receives", expect_receives}, {"is_corrupted", expect_corrupted}, {NULL, NULL}};
    lab_object_type(lua, LAB_EXPECT_TYPE, methods);
    lua_register(lua, "expect", new_expect);
    lua_register(lua, "count", count_packets);
    lua_register(lua, "expect_packets", expect_packets);
}
