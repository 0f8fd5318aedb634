/* The life of a scenario: its parts, its clock, what it says. */
#include "lab/lua_lab.h"
#include <stdlib.h>
#include <string.h>

static const char scenario_key = 0; /* its address is the key in Lua's registry */

lab_scenario *lab_scenario_of(lua_State *lua) {
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &scenario_key);
    lab_scenario *const scenario = lua_touserdata(lua, -1);
    lua_pop(lua, 1);
    return scenario;
}

static void end_with(lab_scenario *scenario, lab_result result, const char *message) {
    if (scenario->result != LAB_RESULT_PASS) return; /* the first word counts */
    scenario->result = result;
    scenario->message = lab_copy_text(message);
}

/* ---- Objects: a pointer and its methods ---- */

void lab_object_type(lua_State *lua, const char *type, const luaL_Reg *methods) {
    luaL_newmetatable(lua, type);
    luaL_setfuncs(lua, methods, 0);
    lua_pushvalue(lua, -1);
    lua_setfield(lua, -2, "__index");
    lua_pushboolean(lua, false);
    lua_setfield(lua, -2, "__metatable");
    lua_pop(lua, 1);
}

void lab_object_push(lua_State *lua, const char *type, void *pointer) {
    void **const object = lua_newuserdatauv(lua, sizeof(void *), 0);
    *object = pointer;
    luaL_setmetatable(lua, type);
}

void *lab_object(lua_State *lua, int index, const char *type) {
    return *(void **)luaL_checkudata(lua, index, type);
}

/* ---- Calls back into the script ---- */

int lab_callback(lua_State *lua, int index, const char *what, const char *name) {
    if (lua_isnoneornil(lua, index)) return -1;
    if (!lua_isfunction(lua, index))
        luaL_error(lua, "%s: %s is a %s, not a function", what, name, luaL_typename(lua, index));
    lua_pushvalue(lua, index);
    return luaL_ref(lua, LUA_REGISTRYINDEX);
}

bool lab_call_back(lua_State *lua, int arguments) {
    if (lua_pcall(lua, arguments, 0, 0) == LUA_OK) return true;
    const char *const message = lua_tostring(lua, -1);
    end_with(lab_scenario_of(lua), LAB_RESULT_WRONG,
             message ? message : "an error without a message");
    lua_pop(lua, 1);
    return false;
}

static bool on_timer(void *context, int callback, bool last) {
    lua_State *const lua = ((lab_scenario *)context)->lua;
    lua_rawgeti(lua, LUA_REGISTRYINDEX, callback);
    if (last) luaL_unref(lua, LUA_REGISTRYINDEX, callback);
    return lab_call_back(lua, 0);
}

static bool on_conn_event(void *context, lab_conn *conn, lab_conn_event event) {
    lua_State *const lua = ((lab_scenario *)context)->lua;
    lua_rawgeti(lua, LUA_REGISTRYINDEX, conn->on_event[event]);
    lab_conn_push_object(lua, conn);
    return lab_call_back(lua, 1);
}

static bool on_accepted(void *context, lab_listener *listener, lab_conn *conn) {
    if (listener->on_accept < 0) return true;
    lua_State *const lua = ((lab_scenario *)context)->lua;
    lua_rawgeti(lua, LUA_REGISTRYINDEX, listener->on_accept);
    lab_conn_push_object(lua, conn);
    return lab_call_back(lua, 1);
}

static bool on_syn(void *context, lab_listener *listener) {
    if (listener->on_syn < 0) return true;
    lua_State *const lua = ((lab_scenario *)context)->lua;
    lua_rawgeti(lua, LUA_REGISTRYINDEX, listener->on_syn);
    lab_object_push(lua, LAB_LISTENER_TYPE, listener);
    return lab_call_back(lua, 1);
}

static bool on_host_up(void *context, lab_host *host) {
    if (host->on_up < 0) return true;
    lua_State *const lua = ((lab_scenario *)context)->lua;
    lua_rawgeti(lua, LUA_REGISTRYINDEX, host->on_up);
    lab_object_push(lua, LAB_HOST_TYPE, host);
    return lab_call_back(lua, 1);
}

/* ---- Parts ---- */

/* The last part while it is open, else NULL. */
static lab_world *open_world(const lab_scenario *scenario) {
    lab_world *const last =
        scenario->part_count > 0 ? scenario->parts[scenario->part_count - 1] : NULL;
    return last && !last->finished ? last : NULL;
}

static lab_world *new_part(lab_scenario *scenario, const char *title) {
    const lab_hooks hooks = {scenario, on_timer, on_conn_event, on_accepted, on_syn, on_host_up};
    const uint32_t index = scenario->part_count;
    lab_world *const world =
        lab_world_new(scenario->options.on,
                      scenario->options.seed + index * UINT64_C(0x9e3779b97f4a7c15), &hooks);
    world->whole_packets = scenario->options.whole_packets;
    world->stop = scenario->options.stop;
    scenario->parts = realloc(scenario->parts, (index + 1) * sizeof(lab_world *));
    scenario->titles = realloc(scenario->titles, (index + 1) * sizeof(char *));
    if (!scenario->parts || !scenario->titles) abort();
    scenario->parts[index] = world;
    scenario->titles[index] = title ? lab_copy_text(title) : NULL;
    world->title = scenario->titles[index];
    scenario->part_count++;
    return world;
}

lab_world *lab_world_of(lua_State *lua) {
    lab_scenario *const scenario = lab_scenario_of(lua);
    lab_world *const open = open_world(scenario);
    return open ? open : new_part(scenario, NULL);
}

lab_world *lab_world_last(lua_State *lua) {
    const lab_scenario *const scenario = lab_scenario_of(lua);
    return scenario->part_count > 0 ? scenario->parts[scenario->part_count - 1] : lab_world_of(lua);
}

static void finish_part(lab_scenario *scenario) {
    lab_world *const world = open_world(scenario);
    if (!world) return;
    if (scenario->result == LAB_RESULT_PASS && !world->failed_script) lab_run(world, HF_NEVER);
    if (world->stop && *world->stop)
        end_with(scenario, LAB_RESULT_STOPPED, "the time limit was reached");
    if (world->failed_script && scenario->result == LAB_RESULT_PASS)
        end_with(scenario, LAB_RESULT_FAIL, "");
    lab_expect_finish(world);
    if (!lab_passed(world)) end_with(scenario, LAB_RESULT_FAIL, "");
}

/* What the script would go on to compute makes no sense once the run has failed: it ends here. */
static int go_on(lua_State *lua) {
    const lab_scenario *const scenario = lab_scenario_of(lua);
    return scenario->result == LAB_RESULT_PASS ? 0 : luaL_error(lua, "ended");
}

/* part(title, function): a world of its own, run to its end before part returns. */
static int new_part_call(lua_State *lua) {
    lab_scenario *const scenario = lab_scenario_of(lua);
    const char *const title = luaL_checkstring(lua, 1);
    luaL_checktype(lua, 2, LUA_TFUNCTION);
    if (open_world(scenario))
        luaL_error(
            lua,
            "part: another part, or a host outside of parts, is open; put all hosts into parts");
    new_part(scenario, title);
    lua_pushvalue(lua, 2);
    lua_call(lua, 0, 0);
    finish_part(scenario);
    if (scenario->result == LAB_RESULT_WRONG) {
        lua_pushstring(
            lua, scenario->message); /* it was raised in a callback, and ends the script here too */
        return lua_error(lua);
    }
    return 0;
}

/* ---- The clock ---- */

static int at(lua_State *lua) {
    lab_world *const world = lab_world_of(lua);
    const hf_ns at_ns = lab_duration_arg(lua, 1, "at");
    if (at_ns < world->now_ns) {
        char now[40];
        hf_explain_duration(world->now_ns, now, sizeof now);
        luaL_error(lua, "at: \"%s\" is past, it is %s", lua_tostring(lua, 1), now);
    }
    char where[160];
    lab_where(lua, where, sizeof where);
    lab_at(world, at_ns, 0, lab_callback(lua, 2, "at", "its second argument"), where);
    return 0;
}

/* after(T, fn): T from now. */
static int after(lua_State *lua) {
    lab_world *const world = lab_world_of(lua);
    const hf_ns wait_ns = lab_duration_arg(lua, 1, "after");
    char where[160];
    lab_where(lua, where, sizeof where);
    lab_at(world, world->now_ns + wait_ns, 0, lab_callback(lua, 2, "after", "its second argument"),
           where);
    return 0;
}

struct timer_object {
    lab_world *world;
    uint32_t index;
};

static int every(lua_State *lua) {
    lab_world *const world = lab_world_of(lua);
    const hf_ns period_ns = lab_duration_arg(lua, 1, "every");
    if (period_ns == 0) luaL_error(lua, "every: the period is 0; the clock would stand still");
    luaL_checktype(lua, 2, LUA_TFUNCTION);
    char where[160];
    lab_where(lua, where, sizeof where);
    const int callback = lab_callback(lua, 2, "every", "its second argument");
    struct timer_object *const object = lua_newuserdatauv(lua, sizeof *object, 0);
    object->world = world;
    object->index = lab_at(world, world->now_ns + period_ns, period_ns, callback, where);
    luaL_setmetatable(lua, LAB_TIMER_TYPE);
    return 1;
}

static int timer_stop(lua_State *lua) {
    const struct timer_object *const object = luaL_checkudata(lua, 1, LAB_TIMER_TYPE);
    object->world->timers[object->index].stopped = true;
    return 0;
}

/* run(): to the end, which is judged; run("5s"): until that instant. */
static int run(lua_State *lua) {
    lab_scenario *const scenario = lab_scenario_of(lua);
    if (lua_isnoneornil(lua, 1))
        finish_part(scenario);
    else
        lab_run(lab_world_of(lua), lab_duration_arg(lua, 1, "run"));
    return go_on(lua);
}

static int duration(lua_State *lua) {
    lab_world_of(lua)->duration_ns = lab_duration_arg(lua, 1, "duration");
    return 0;
}

static int now(lua_State *lua) {
    lua_pushinteger(lua, (lua_Integer)lab_world_last(lua)->now_ns);
    return 1;
}

/* ---- Words ---- */

/* words(ns): a duration for people. */
static int words(lua_State *lua) {
    char text[40];
    const lua_Integer ns = luaL_checkinteger(lua, 1);
    hf_explain_duration(ns < 0 ? 0 : (hf_ns)ns, text, sizeof text);
    lua_pushstring(lua, text);
    return 1;
}

/* number(n): with its thousands set off. */
static int number(lua_State *lua) {
    char text[40];
    const lua_Integer count = luaL_checkinteger(lua, 1);
    hf_explain_count(count < 0 ? 0 : (uint64_t)count, text, sizeof text);
    lua_pushstring(lua, text);
    return 1;
}

static int note(lua_State *lua) {
    lab_record *const record = lab_record_add(lab_world_of(lua), LAB_NOTE, LAB_ANY);
    lab_record_text(record, "%s", luaL_checkstring(lua, 1));
    return 0;
}

static int summary(lua_State *lua) {
    lab_scenario *const scenario = lab_scenario_of(lua);
    free(scenario->summary);
    scenario->summary = lab_copy_text(luaL_checkstring(lua, 1));
    return 0;
}

static int skip(lua_State *lua) {
    end_with(lab_scenario_of(lua), LAB_RESULT_SKIPPED, luaL_checkstring(lua, 1));
    return luaL_error(lua, "skipped");
}

/* check(condition, text): an expectation on numbers that the script computed. */
static int check(lua_State *lua) {
    lab_scenario *const scenario = lab_scenario_of(lua);
    const char *const text = luaL_checkstring(lua, 2);
    if (scenario->part_count == 0) luaL_error(lua, "check: nothing has run yet");
    char where[160];
    lab_where(lua, where, sizeof where);
    lab_expect *const expect =
        lab_expect_new(scenario->parts[scenario->part_count - 1], LAB_EXPECT_PACKETS, NULL, where);
    expect->outcome = lua_toboolean(lua, 1) ? LAB_PASSED : LAB_FAILED;
    snprintf(expect->message, sizeof expect->message, "%s", text);
    return 0;
}

static void open_globals(lua_State *lua) {
    static const luaL_Reg timer_methods[] = {{"stop", timer_stop}, {NULL, NULL}};
    static const luaL_Reg globals[] = {{"part", new_part_call},
                                       {"at", at},
                                       {"after", after},
                                       {"every", every},
                                       {"run", run},
                                       {"duration", duration},
                                       {"now", now},
                                       {"words", words},
                                       {"number", number},
                                       {"note", note},
                                       {"print", note},
                                       {"skip", skip},
                                       {"summary", summary},
                                       {"check", check},
                                       {NULL, NULL}};
    lab_object_type(lua, LAB_TIMER_TYPE, timer_methods);
    for (const luaL_Reg *global = globals; global->name; global++)
        lua_register(lua, global->name, global->func);
}

static int open_all(lua_State *lua) {
    lab_open_sandbox(lua);
    lab_open_hosts(lua);
    lab_open_links(lua);
    lab_open_conns(lua);
    lab_open_expects(lua);
    lab_open_rows(lua);
    lab_open_files(lua);
    lab_open_charts(lua);
    lab_open_backend(lua);
    open_globals(lua);
    return 0;
}

/* Text only: precompiled code could break out of the interpreter. */
static bool load_and_run(lab_scenario *scenario, lua_State *lua) {
    const bool loaded = luaL_loadfilex(lua, scenario->options.file, "t") == LUA_OK;
    if (loaded && lua_pcall(lua, 0, 0, 0) == LUA_OK) return true;
    const char *const message = lua_tostring(lua, -1);
    end_with(scenario, LAB_RESULT_WRONG, message ? message : "an error without a message");
    lua_pop(lua, 1);
    return false;
}

/* A parameter that nobody reads is a mistake in the command line. */
static void judge_params(lab_scenario *scenario) {
    const char *const given = lab_param_not_asked(scenario);
    char text[600];
    if (!given || scenario->result != LAB_RESULT_PASS) return;
    int length = snprintf(text, sizeof text, "-p %.80s: the scenario has no such parameter; %s",
                          given, scenario->asked_count == 0 ? "it has none" : "there are:");
    for (uint32_t i = 0; i < scenario->asked_count && length < (int)sizeof text; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, " %s", scenario->asked[i]);
    end_with(scenario, LAB_RESULT_WRONG, text);
}

static void judge(lab_scenario *scenario) {
    if (scenario->part_count == 0)
        end_with(scenario, LAB_RESULT_WRONG, "the scenario builds no host");
    for (uint32_t i = 0; i < scenario->part_count; i++)
        if (!lab_passed(scenario->parts[i])) end_with(scenario, LAB_RESULT_FAIL, "");
    judge_params(scenario);
}

lab_scenario *lab_scenario_run(const lab_run_options *options) {
    lab_scenario *const scenario = lab_alloc(sizeof *scenario);
    scenario->options = *options;
    lua_State *const lua = luaL_newstate();
    if (!lua) abort();
    scenario->lua = lua;
    lua_pushlightuserdata(lua, scenario);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &scenario_key);
    lua_pushcfunction(lua, open_all);
    if (lua_pcall(lua, 0, 0, 0) != LUA_OK) abort();
    const char *const missing = options->on->missing ? options->on->missing() : NULL;
    if (missing) {
        end_with(scenario, LAB_RESULT_SKIPPED, missing);
        return scenario;
    }
    load_and_run(scenario, lua);
    finish_part(scenario);
    judge(scenario);
    return scenario;
}

void lab_scenario_free(lab_scenario *scenario) {
    lua_close(scenario->lua);
    for (uint32_t i = 0; i < scenario->part_count; i++) {
        lab_world_free(scenario->parts[i]);
        free(scenario->titles[i]);
    }
    free(scenario->parts);
    free(scenario->titles);
    for (uint32_t i = 0; i < scenario->asked_count; i++) free(scenario->asked[i]);
    free(scenario->asked);
    lab_chart_free(scenario->chart);
    free(scenario->summary);
    free(scenario->message);
    free(scenario);
}
