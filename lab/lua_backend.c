/* What a scenario knows of the backend that it runs on, and what is refused on linux. */
#include "lab/lua_lab.h"
#include <string.h>

static const lab_backend *backend_of(lua_State *lua) { return lab_scenario_of(lua)->options.on; }

bool lab_is_real(lua_State *lua) { return backend_of(lua)->wait != NULL; }

/* backend(): "holdfast" or "linux". */
static int backend(lua_State *lua) {
    lua_pushstring(lua, backend_of(lua)->name);
    return 1;
}

/* only(name, f): calls f, and returns what it returns, where the scenario runs on `name`. */
static int only(lua_State *lua) {
    static const char *const names[] = {"holdfast", "linux", NULL};
    const int index = luaL_checkoption(lua, 1, NULL, names);
    luaL_checktype(lua, 2, LUA_TFUNCTION);
    if (strcmp(names[index], backend_of(lua)->name) != 0) return 0;
    lua_settop(lua, 2);
    lua_call(lua, 0, LUA_MULTRET);
    return lua_gettop(lua) - 1;
}

void lab_refuse_on_linux(lua_State *lua, const char *what, const char *name) {
    if (!lab_is_real(lua)) return;
    luaL_error(lua,
               "%s: %s is Holdfast's own, the kernel has nothing like it; put it into "
               "only(\"holdfast\", function() ... end)",
               what, name);
}

/* Sockets have these, under other names. */
static const char *const kernel_has[] = {"keepalive",       "keepalive_idle", "keepalive_interval",
                                         "keepalive_count", "user_timeout",   "no_delay",
                                         "send_bytes",      "receive_bytes",  "ttl",
                                         "traffic_class",   "local_port",     "read",
                                         "backlog",         "accept",         "on_accept",
                                         "profile",         "sysctl",         NULL};

void lab_options_on_linux(lua_State *lua, int index, const char *what) {
    if (!lab_is_real(lua) || !lua_istable(lua, index)) return;
    index = lua_absindex(lua, index);
    for (lua_pushnil(lua); lua_next(lua, index); lua_pop(lua, 1)) {
        const char *const name = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "";
        int i = 0;
        while (kernel_has[i] && strcmp(kernel_has[i], name) != 0) i++;
        if (!kernel_has[i]) lab_refuse_on_linux(lua, what, name);
    }
}

static void whole_seconds(lua_State *lua, const char *what, const char *name, hf_ns ns) {
    if (ns % HF_SECOND != 0)
        luaL_error(lua, "%s: %s is not a whole number of seconds, and the kernel counts in these",
                   what, name);
}

void lab_tcp_options_on_linux(lua_State *lua, const char *what, const hf_tcp_options *options) {
    if (!lab_is_real(lua)) return;
    whole_seconds(lua, what, "keepalive.idle", options->keepalive_idle_ns);
    whole_seconds(lua, what, "keepalive.interval", options->keepalive_interval_ns);
}

/* host(name, { sysctl = { tcp_retries2 = 3 } }): settings of the host's namespace; on holdfast they
 * are not heard. */
void lab_sysctls(lua_State *lua, lab_host *host) {
    if (!lab_field(lua, 2, "sysctl")) return;
    luaL_checktype(lua, -1, LUA_TTABLE);
    const int table = lua_gettop(lua);
    for (lua_pushnil(lua); lua_next(lua, table); lua_pop(lua, 1)) {
        lua_pushvalue(lua, -2); /* the key stays as it is, for lua_next */
        const char *const name = luaL_checkstring(lua, -1);
        const char *const value = luaL_tolstring(lua, -2, NULL);
        const lab_host_ops *const ops = host->world->backend->host;
        if (ops->sysctl && !ops->sysctl(host, name, value))
            luaL_error(lua, "host: sysctl %s = %s is refused by the kernel", name, value);
        lua_pop(lua, 2);
    }
    lua_pop(lua, 1);
}

void lab_open_backend(lua_State *lua) {
    lua_register(lua, "backend", backend);
    lua_register(lua, "only", only);
}
