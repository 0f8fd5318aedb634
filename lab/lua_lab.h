/* What the Lua bindings share. Errors carry file:line, the setting, its value and what to do. */
#ifndef LAB_LUA_LAB_H
#define LAB_LUA_LAB_H

#include "lab/scenario.h"
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

/* ---- lua_values.c: values with units, and tables of options ---- */

typedef enum lab_option_type {
    LAB_OPTION_DURATION, /* hf_ns */
    LAB_OPTION_U8,
    LAB_OPTION_U16,
    LAB_OPTION_U32,
    LAB_OPTION_BOOL,
    LAB_OPTION_CHANCE,     /* double, "2%" or 0.02 */
    LAB_OPTION_RATE,       /* uint64_t, bits a second */
    LAB_OPTION_ECN,        /* uint8_t, an hf_ecn by its name */
    LAB_OPTION_CONGESTION, /* uint8_t, an hf_congestion by its name */
    LAB_OPTION_ACTION,     /* hf_bound_action, "end" or "report" */
    LAB_OPTION_OTHER       /* the caller reads it itself */
} lab_option_type;

typedef struct lab_option {
    const char *name;
    lab_option_type type;
    size_t offset; /* in the struct that is filled */
} lab_option;

/* Fills `to` by the table at `index` (none or nil: nothing). An unknown name is an error. */
void lab_options_read(lua_State *lua, int index, const char *what, const lab_option *options,
                      size_t count, void *to);
/* Reads the value on the top of the stack and pops it. */
hf_ns lab_duration_pop(lua_State *lua, const char *what, const char *name);
hf_ns lab_duration_arg(lua_State *lua, int index, const char *what);
bool lab_rate_parse(const char *text, uint64_t *ret_bits);
hf_cause lab_cause_pop(lua_State *lua, const char *prefix, const char *what, const char *name);
/* Pushes table[name]; false, and nothing pushed, if it is nil or there is no table. */
bool lab_field(lua_State *lua, int index, const char *name);
/* "SYN !ACK" on the top of the stack, which is popped: SYN is set and ACK is not. */
void lab_flags_pop(lua_State *lua, uint8_t *ret_set, uint8_t *ret_clear);
void lab_where(lua_State *lua, char *to, size_t size);
void lab_set_integer(lua_State *lua, const char *name, uint64_t value);
void lab_set_text(lua_State *lua, const char *name, const char *value);
void lab_set_bool(lua_State *lua, const char *name, bool value);

extern const lab_option lab_tcp_options[];
extern const size_t lab_tcp_option_count;
/* The names of hf_tcp_options among `extra` others that only the caller knows. */
void lab_tcp_options_read(lua_State *lua, int index, const char *what, const char *const *extra,
                          hf_tcp_options *to);

/* ---- objects ---- */

#define LAB_HOST_TYPE "holdfast.host"
#define LAB_LINK_TYPE "holdfast.link"
#define LAB_CONN_TYPE "holdfast.conn"
#define LAB_LISTENER_TYPE "holdfast.listener"
#define LAB_TIMER_TYPE "holdfast.timer"
#define LAB_EXPECT_TYPE "holdfast.expect"

void lab_object_type(lua_State *lua, const char *type, const luaL_Reg *methods);
void lab_object_push(lua_State *lua, const char *type, void *pointer);
void *lab_object(lua_State *lua, int index, const char *type);
lab_host *lab_host_arg(lua_State *lua, int index);
/* lua_end.c */
void lab_end_push(lua_State *lua, const hf_end *end, hf_ns at_ns);
int lab_host_ends(lua_State *lua);
/* lua_ledger.c */
int lab_host_ports(lua_State *lua);
int lab_host_time_wait(lua_State *lua);

lab_conn *lab_conn_arg(lua_State *lua, int index);
void lab_conn_push_object(lua_State *lua, lab_conn *conn);

/* ---- lua_scenario.c ---- */

lab_scenario *lab_scenario_of(lua_State *lua);
lab_world *lab_world_of(lua_State *lua); /* the open one; opens one if there is none */
lab_world *lab_world_last(
    lua_State *lua); /* the open one, or the last that was; opens one if there was none */
/* Keeps the function at `index` for later; -1 for nil. */
int lab_callback(lua_State *lua, int index, const char *what, const char *name);
bool lab_call_back(lua_State *lua, int arguments); /* pcall; an error ends the scenario */

void lab_open_hosts(lua_State *lua);
void lab_open_links(lua_State *lua);
void lab_open_conns(lua_State *lua);
void lab_open_expects(lua_State *lua);
/* ---- lua_backend.c: on which backend it runs ---- */

bool lab_is_real(lua_State *lua); /* the kernel, in real time */
/* An error on linux: the setting is Holdfast's own. */
void lab_refuse_on_linux(lua_State *lua, const char *what, const char *name);
/* Refuses each name of the table at `index` that a socket of the kernel has not. */
void lab_options_on_linux(lua_State *lua, int index, const char *what);
void lab_tcp_options_on_linux(lua_State *lua, const char *what, const hf_tcp_options *options);
void lab_sysctls(lua_State *lua, lab_host *host);

void lab_open_backend(lua_State *lua);
void lab_open_rows(lua_State *lua);
void lab_open_sandbox(lua_State *lua);
void lab_open_files(lua_State *lua);
void lab_open_charts(lua_State *lua);
/* A "name=value" of the command line that the scenario never asked for, or NULL. */
const char *lab_param_not_asked(const lab_scenario *scenario);

#endif
