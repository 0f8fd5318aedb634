/* What reaches a scenario from outside: a file beside it, and parameters of the command line. Both
 * are inputs of the run as its seed is: the same again give the same bytes again. */
#include "lab/lua_lab.h"
#include <stdlib.h>
#include <string.h>

enum { MOST_PATH = 1024 };

static const char used_key = 0; /* its address is the key of the table of files read so far */

/* A plain name: it cannot lead out of the folder. */
static bool is_plain(const char *name) {
    const size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return length > 0 && length < 64 && name[length] == 0;
}

static void push_used(lua_State *lua) {
    if (lua_rawgetp(lua, LUA_REGISTRYINDEX, &used_key) == LUA_TTABLE) return;
    lua_pop(lua, 1);
    lua_newtable(lua);
    lua_pushvalue(lua, -1);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &used_key);
}

/* use "common": runs common.lua of the scenario's own folder once and returns what it returns. Text
 * only, as the scenario itself. */
static int use(lua_State *lua) {
    const char *const name = luaL_checkstring(lua, 1);
    const char *const scenario = lab_scenario_of(lua)->options.file;
    const char *const slash = strrchr(scenario, '/');
    char path[MOST_PATH];
    if (!is_plain(name))
        luaL_error(lua, "use: \"%s\" is no plain name; write use \"common\" for common.lua", name);
    push_used(lua);
    if (lua_getfield(lua, -1, name) != LUA_TNIL) return 1;
    lua_pop(lua, 1);
    const int folder = slash ? (int)(slash - scenario) + 1 : 0;
    const int length = snprintf(path, sizeof path, "%.*s%s.lua", folder, scenario, name);
    if (length >= MOST_PATH) luaL_error(lua, "use: the path of \"%s\" is too long", name);
    if (luaL_loadfilex(lua, path, "t") != LUA_OK) return lua_error(lua);
    lua_call(lua, 0, 1);
    if (lua_isnil(lua, -1)) luaL_error(lua, "use: %s returns nothing; end it with return", path);
    lua_pushvalue(lua, -1);
    lua_setfield(lua, -3, name);
    return 1;
}

/* The value of -p NAME=VALUE, or NULL; the last one counts. */
static const char *given_value(const lab_run_options *options, const char *name) {
    const size_t length = strlen(name);
    for (size_t i = options->param_count; i > 0; i--) {
        const char *const given = options->params[i - 1];
        if (strncmp(given, name, length) == 0 && given[length] == '=') return given + length + 1;
    }
    return NULL;
}

static void remember(lab_scenario *scenario, const char *name) {
    for (uint32_t i = 0; i < scenario->asked_count; i++)
        if (strcmp(scenario->asked[i], name) == 0) return;
    scenario->asked = realloc(scenario->asked, (scenario->asked_count + 1) * sizeof(char *));
    if (!scenario->asked) abort();
    scenario->asked[scenario->asked_count++] = lab_copy_text(name);
}

/* param(name, default): the default, or what -p says, of the default's type. */
static int param(lua_State *lua) {
    lab_scenario *const scenario = lab_scenario_of(lua);
    const char *const name = luaL_checkstring(lua, 1);
    const int type = lua_type(lua, 2);
    if (type != LUA_TNUMBER && type != LUA_TSTRING)
        luaL_error(lua, "param: the default of %s is a %s; give a number or a text", name,
                   luaL_typename(lua, 2));
    remember(scenario, name);
    const char *const value = given_value(&scenario->options, name);
    lua_settop(lua, 2);
    if (!value) return 1;
    if (type == LUA_TSTRING) {
        lua_pushstring(lua, value);
    } else if (lua_stringtonumber(lua, value) == 0 ||
               (lua_isinteger(lua, 2) && !lua_isinteger(lua, -1))) {
        luaL_error(lua, "param: -p %s=%s is no %s number", name, value,
                   lua_isinteger(lua, 2) ? "whole" : "");
    }
    return 1;
}

static bool was_asked(const lab_scenario *scenario, const char *given) {
    for (uint32_t i = 0; i < scenario->asked_count; i++) {
        const size_t length = strlen(scenario->asked[i]);
        if (strncmp(given, scenario->asked[i], length) == 0 && given[length] == '=') return true;
    }
    return false;
}

const char *lab_param_not_asked(const lab_scenario *scenario) {
    for (size_t i = 0; i < scenario->options.param_count; i++)
        if (!was_asked(scenario, scenario->options.params[i])) return scenario->options.params[i];
    return NULL;
}

void lab_open_files(lua_State *lua) {
    lua_register(lua, "use", use);
    lua_register(lua, "param", param);
}
