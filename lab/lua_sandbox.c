/* What is left of Lua's library: nothing that touches the machine, and nothing whose order or value
 * differs from run to run. */
#include "lab/lua_lab.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Keys of a table in order: integers, other numbers, then strings. Others have no order that a run
 * could repeat. */
static bool key_before(lua_State *lua, int a, int b) {
    if (lua_type(lua, a) != lua_type(lua, b)) return lua_type(lua, a) == LUA_TNUMBER;
    if (lua_type(lua, a) == LUA_TNUMBER) return lua_compare(lua, a, b, LUA_OPLT);
    return strcmp(lua_tostring(lua, a), lua_tostring(lua, b)) < 0;
}

/* Insertion into the sorted list at `list`; scenarios have small tables. */
static void insert_key(lua_State *lua, int list, lua_Integer count) {
    lua_Integer i = count;
    for (; i > 0; i--) {
        lua_geti(lua, list, i);
        const bool after = key_before(lua, -2, -1);
        if (!after) {
            lua_pop(lua, 1);
            break;
        }
        lua_seti(lua, list, i + 1);
    }
    lua_seti(lua, list, i + 1);
}

/* Upvalues: the table, the list of its keys, the place in it. */
static int next_in_order(lua_State *lua) {
    const lua_Integer at = lua_tointeger(lua, lua_upvalueindex(3)) + 1;
    lua_pushinteger(lua, at);
    lua_replace(lua, lua_upvalueindex(3));
    if (lua_geti(lua, lua_upvalueindex(2), at) == LUA_TNIL) return 1;
    lua_pushvalue(lua, -1);
    lua_gettable(lua, lua_upvalueindex(1));
    return 2;
}

static int ordered_pairs(lua_State *lua) {
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_settop(lua, 1);
    lua_newtable(lua);
    lua_Integer count = 0;
    for (lua_pushnil(lua); lua_next(lua, 1); lua_pop(lua, 1)) {
        const int type = lua_type(lua, -2);
        if (type != LUA_TSTRING && type != LUA_TNUMBER)
            luaL_error(lua, "pairs: a key is a %s, which has no order; use names or numbers",
                       lua_typename(lua, type));
        lua_pushvalue(lua, -2);
        insert_key(lua, 2, count++);
    }
    lua_pushvalue(lua, 1);
    lua_pushvalue(lua, 2);
    lua_pushinteger(lua, 0);
    lua_pushcclosure(lua, next_in_order, 3);
    return 1;
}

/* math.random as Lua defines it, from the world's seed. */
static int world_random(lua_State *lua) {
    lab_random *const random = &lab_world_of(lua)->script_random;
    if (lua_gettop(lua) == 0) {
        lua_pushnumber(lua, (double)(lab_random_next(random) >> 11) * 0x1p-53);
        return 1;
    }
    const lua_Integer low = lua_gettop(lua) == 1 ? 1 : luaL_checkinteger(lua, 1);
    const lua_Integer high = luaL_checkinteger(lua, lua_gettop(lua) == 1 ? 1 : 2);
    luaL_argcheck(lua, low <= high, lua_gettop(lua), "the interval is empty");
    lua_pushinteger(lua, low + (lua_Integer)lab_random_below(random, (uint64_t)(high - low) + 1));
    return 1;
}

/* Without addresses, which differ from run to run. */
static int plain_tostring(lua_State *lua) {
    luaL_checkany(lua, 1);
    const int type = lua_type(lua, 1);
    if (type == LUA_TTABLE || type == LUA_TFUNCTION || type == LUA_TUSERDATA || type == LUA_TTHREAD)
        lua_pushstring(lua, lua_typename(lua, type));
    else
        luaL_tolstring(lua, 1, NULL);
    return 1;
}

static void forget(lua_State *lua, const char *table, const char *name) {
    if (table)
        lua_getglobal(lua, table);
    else
        lua_pushglobaltable(lua);
    lua_pushnil(lua);
    lua_setfield(lua, -2, name);
    lua_pop(lua, 1);
}

void lab_open_sandbox(lua_State *lua) {
    static const struct {
        const char *name;
        lua_CFunction open;
    } libraries[] = {{LUA_GNAME, luaopen_base},        {LUA_TABLIBNAME, luaopen_table},
                     {LUA_STRLIBNAME, luaopen_string}, {LUA_MATHLIBNAME, luaopen_math},
                     {LUA_UTF8LIBNAME, luaopen_utf8},  {LUA_COLIBNAME, luaopen_coroutine}};
    static const char *const away[] = {"next",           "load",   "loadfile", "dofile",
                                       "collectgarbage", "rawlen", "warn"};
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
        luaL_requiref(lua, libraries[i].name, libraries[i].open, 1);
        lua_pop(lua, 1);
    }
    for (size_t i = 0; i < sizeof away / sizeof away[0]; i++) forget(lua, NULL, away[i]);
    forget(lua, LUA_MATHLIBNAME, "randomseed");
    forget(lua, LUA_STRLIBNAME, "dump");
    lua_register(lua, "pairs", ordered_pairs);
    lua_register(lua, "tostring", plain_tostring);
    lua_getglobal(lua, LUA_MATHLIBNAME);
    lua_pushcfunction(lua, world_random);
    lua_setfield(lua, -2, "random");
    lua_pop(lua, 1);
}
