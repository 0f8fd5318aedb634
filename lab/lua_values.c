/* Values with units, and tables of options. */
#include "lab/lua_lab.h"
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    hf_ns ns;
} duration_units[] = {
    {"ns", 1},        {"us", HF_US},           {"ms", HF_MS},           {"min", 60 * HF_SECOND},
    {"s", HF_SECOND}, {"h", 3600 * HF_SECOND}, {"d", 86400 * HF_SECOND}};

/* Reads "12.5" as a whole number times `scale`, exactly. Returns what follows, or NULL. */
static const char *parse_scaled(const char *text, uint64_t *ret_whole, uint64_t *ret_part,
                                uint64_t *ret_part_unit) {
    if (*text < '0' || *text > '9') return NULL;
    *ret_whole = *ret_part = 0;
    *ret_part_unit = 1;
    for (; *text >= '0' && *text <= '9'; text++) {
        if (*ret_whole > UINT64_MAX / 100) return NULL;
        *ret_whole = *ret_whole * 10 + (uint64_t)(*text - '0');
    }
    if (*text != '.') return text;
    for (text++; *text >= '0' && *text <= '9'; text++) {
        if (*ret_part_unit >= 1000000000) continue;
        *ret_part = *ret_part * 10 + (uint64_t)(*text - '0');
        *ret_part_unit *= 10;
    }
    return text;
}

bool lab_duration_parse(const char *text, hf_ns *ret_ns) {
    hf_ns sum_ns = 0;
    bool some = false;
    while (*text == ' ') text++;
    while (*text) {
        uint64_t whole, part, part_unit;
        text = parse_scaled(text, &whole, &part, &part_unit);
        if (!text) return false;
        while (*text == ' ') text++;
        size_t i = 0;
        while (i < 7 && strncmp(text, duration_units[i].name, strlen(duration_units[i].name)) != 0)
            i++;
        if (i == 7 || whole > LAB_LONGEST * 100 / duration_units[i].ns) return false;
        sum_ns += whole * duration_units[i].ns + part * duration_units[i].ns / part_unit;
        text += strlen(duration_units[i].name);
        while (*text == ' ') text++;
        some = true;
    }
    *ret_ns = sum_ns;
    return some;
}

bool lab_rate_parse(const char *text, uint64_t *ret_bits) {
    static const struct {
        const char *name;
        uint64_t bits;
    } units[] = {{"bit/s", 1}, {"kbit/s", 1000}, {"Mbit/s", 1000000}, {"Gbit/s", 1000000000}};
    uint64_t whole, part, part_unit;
    text = parse_scaled(text, &whole, &part, &part_unit);
    if (!text) return false;
    while (*text == ' ') text++;
    for (size_t i = 0; i < 4; i++) {
        if (strcmp(text, units[i].name) != 0 || whole > UINT64_C(1000000000000)) continue;
        *ret_bits = whole * units[i].bits + part * units[i].bits / part_unit;
        return *ret_bits > 0;
    }
    return false;
}

/* The value at the top of the stack as the script wrote it. */
static const char *value_text(lua_State *lua) {
    const char *const text = luaL_tolstring(lua, -1, NULL);
    lua_remove(lua, -2);
    return text;
}

hf_ns lab_duration_pop(lua_State *lua, const char *what, const char *name) {
    hf_ns ns = 0;
    const bool zero = lua_isinteger(lua, -1) && lua_tointeger(lua, -1) == 0;
    if (!zero &&
        (lua_type(lua, -1) != LUA_TSTRING || !lab_duration_parse(lua_tostring(lua, -1), &ns)))
        luaL_error(lua,
                   "%s: %s = %s is not a duration; write a number with its unit (ns us ms s min h "
                   "d), as in \"10ms\"",
                   what, name, value_text(lua));
    lua_pop(lua, 1);
    return ns;
}

hf_ns lab_duration_arg(lua_State *lua, int index, const char *what) {
    lua_pushvalue(lua, index);
    return lab_duration_pop(lua, what, "its time");
}

static uint64_t rate_pop(lua_State *lua, const char *what, const char *name) {
    uint64_t bits = 0;
    if (lua_type(lua, -1) != LUA_TSTRING || !lab_rate_parse(lua_tostring(lua, -1), &bits))
        luaL_error(
            lua,
            "%s: %s = %s is not a rate; write it as in \"10Mbit/s\" (bit/s kbit/s Mbit/s Gbit/s)",
            what, name, value_text(lua));
    lua_pop(lua, 1);
    return bits;
}

static double chance_pop(lua_State *lua, const char *what, const char *name) {
    double chance = -1;
    if (lua_type(lua, -1) == LUA_TNUMBER) {
        chance = lua_tonumber(lua, -1);
    } else if (lua_type(lua, -1) == LUA_TSTRING) {
        char *end;
        chance = strtod(lua_tostring(lua, -1), &end) / 100;
        if (strcmp(end, "%") != 0) chance = -1;
    }
    if (!(chance >= 0 && chance <= 1))
        luaL_error(lua, "%s: %s = %s is not a share; write 0 to 1, or as in \"2%%\"", what, name,
                   value_text(lua));
    lua_pop(lua, 1);
    return chance;
}

static uint64_t integer_pop(lua_State *lua, const char *what, const char *name, uint64_t most) {
    int whole;
    const lua_Integer value = lua_tointegerx(lua, -1, &whole);
    if (!whole || lua_type(lua, -1) != LUA_TNUMBER || value < 0 || (uint64_t)value > most)
        luaL_error(lua, "%s: %s = %s is out of range; give a whole number from 0 to %d", what, name,
                   value_text(lua), (int)(most > INT32_MAX ? INT32_MAX : most));
    lua_pop(lua, 1);
    return (uint64_t)value;
}

static bool bool_pop(lua_State *lua, const char *what, const char *name) {
    if (!lua_isboolean(lua, -1))
        luaL_error(lua, "%s: %s = %s is neither true nor false", what, name, value_text(lua));
    const bool value = lua_toboolean(lua, -1);
    lua_pop(lua, 1);
    return value;
}

static const char *const congestion_names[] = {"DEFAULT", "CUBIC", "NEWRENO", NULL};

static const char *const ecn_names[] = {"DEFAULT", "OFF", "ACCEPT", "ASK", NULL};

static uint8_t name_pop(lua_State *lua, const char *what, const char *name,
                        const char *const *names) {
    const char *const text = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : "";
    luaL_Buffer known;
    uint8_t at = 0;
    while (names[at] != NULL && strcmp(names[at], text) != 0) at++;
    if (names[at] == NULL) {
        const char *const value = value_text(lua);
        luaL_buffinit(lua, &known);
        for (size_t i = 0; names[i] != NULL; i++) {
            luaL_addchar(&known, ' ');
            luaL_addstring(&known, names[i]);
        }
        luaL_pushresult(&known);
        luaL_error(lua, "%s: %s = %s is not one of:%s", what, name, value, lua_tostring(lua, -1));
    }
    lua_pop(lua, 1);
    return at;
}

static hf_bound_action action_pop(lua_State *lua, const char *what, const char *name) {
    const char *const word = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : "";
    const bool report = strcmp(word, "report") == 0;
    if (!report && strcmp(word, "end") != 0)
        luaL_error(lua, "%s: %s = %s is neither \"end\" nor \"report\"", what, name,
                   value_text(lua));
    lua_pop(lua, 1);
    return report ? HF_BOUND_REPORT : HF_BOUND_END;
}

/* Fills one setting from the value on the top, and pops it. */
static void fill(lua_State *lua, const char *what, const lab_option *option, void *to) {
    uint8_t *const at = (uint8_t *)to + option->offset;
    switch (option->type) {
    case LAB_OPTION_DURATION: {
        const hf_ns ns = lab_duration_pop(lua, what, option->name);
        memcpy(at, &ns, sizeof ns);
        break;
    }
    case LAB_OPTION_U8: *at = (uint8_t)integer_pop(lua, what, option->name, UINT8_MAX); break;
    case LAB_OPTION_U16: {
        const uint16_t value = (uint16_t)integer_pop(lua, what, option->name, UINT16_MAX);
        memcpy(at, &value, sizeof value);
        break;
    }
    case LAB_OPTION_U32: {
        const uint32_t value = (uint32_t)integer_pop(lua, what, option->name, UINT32_MAX);
        memcpy(at, &value, sizeof value);
        break;
    }
    case LAB_OPTION_BOOL: {
        const bool value = bool_pop(lua, what, option->name);
        memcpy(at, &value, sizeof value);
        break;
    }
    case LAB_OPTION_CHANCE: {
        const double value = chance_pop(lua, what, option->name);
        memcpy(at, &value, sizeof value);
        break;
    }
    case LAB_OPTION_RATE: {
        const uint64_t value = rate_pop(lua, what, option->name);
        memcpy(at, &value, sizeof value);
        break;
    }
    case LAB_OPTION_ECN: *at = name_pop(lua, what, option->name, ecn_names); break;
    case LAB_OPTION_CONGESTION: *at = name_pop(lua, what, option->name, congestion_names); break;
    case LAB_OPTION_ACTION: {
        const hf_bound_action value = action_pop(lua, what, option->name);
        memcpy(at, &value, sizeof value);
        break;
    }
    case LAB_OPTION_OTHER: lua_pop(lua, 1); break;
    }
}

static void unknown_option(lua_State *lua, const char *what, const char *name,
                           const lab_option *options, size_t count) {
    luaL_Buffer names;
    luaL_buffinit(lua, &names);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) luaL_addstring(&names, ", ");
        luaL_addstring(&names, options[i].name);
    }
    luaL_pushresult(&names);
    luaL_error(lua, "%s: there is no option '%s'; there are: %s", what, name,
               lua_tostring(lua, -1));
}

void lab_options_read(lua_State *lua, int index, const char *what, const lab_option *options,
                      size_t count, void *to) {
    if (lua_isnoneornil(lua, index)) return;
    luaL_checktype(lua, index, LUA_TTABLE);
    index = lua_absindex(lua, index);
    for (lua_pushnil(lua); lua_next(lua, index); lua_pop(lua, 1)) {
        if (lua_type(lua, -2) != LUA_TSTRING)
            luaL_error(lua, "%s: options have names, as in { delay = \"10ms\" }", what);
        const char *const name = lua_tostring(lua, -2);
        size_t i = 0;
        while (i < count && strcmp(options[i].name, name) != 0) i++;
        if (i == count) unknown_option(lua, what, name, options, count);
        lua_pushvalue(lua, -1);
        fill(lua, what, &options[i], to);
    }
}

bool lab_field(lua_State *lua, int index, const char *name) {
    if (!lua_istable(lua, index)) return false;
    if (lua_getfield(lua, index, name) != LUA_TNIL) return true;
    lua_pop(lua, 1);
    return false;
}

static uint8_t flag_named(lua_State *lua, const char *name, size_t length) {
    static const char *const names[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"};
    for (int i = 0; i < 8; i++)
        if (length == 3 && strncmp(names[i], name, 3) == 0) return (uint8_t)(1 << i);
    luaL_error(
        lua, "flags: \"%s\" has a word that is no flag; write \"SYN\", \"SYN ACK\" or \"SYN !ACK\"",
        name);
    return 0;
}

/* "SYN !ACK": SYN is set and ACK is not; others may be. */
void lab_flags_pop(lua_State *lua, uint8_t *ret_set, uint8_t *ret_clear) {
    const char *text = luaL_checkstring(lua, -1);
    while (*text) {
        const bool clear = *text == '!';
        if (clear) text++;
        const size_t length = strcspn(text, " ");
        const uint8_t flag = flag_named(lua, text, length);
        if (clear)
            *ret_clear |= flag;
        else
            *ret_set |= flag;
        text += length;
        text += strspn(text, " ");
    }
    lua_pop(lua, 1);
}

/* The causes of one kind, for a message: "PEER_SILENT, REFUSED ...". */
static void push_cause_names(lua_State *lua, const char *prefix) {
    luaL_Buffer names;
    luaL_buffinit(lua, &names);
    for (int i = 0; i < HF_CAUSE_COUNT; i++) {
        const char *const name = hf_cause_name((hf_cause)i);
        if (strncmp(name, prefix, strlen(prefix)) != 0) continue;
        luaL_addstring(&names, name + strlen(prefix));
        luaL_addchar(&names, ' ');
    }
    luaL_pushresult(&names);
}

hf_cause lab_cause_pop(lua_State *lua, const char *prefix, const char *what, const char *name) {
    hf_cause cause = HF_CAUSE_NONE;
    if (lua_type(lua, -1) != LUA_TSTRING ||
        !hf_cause_by_name(prefix, lua_tostring(lua, -1), &cause)) {
        const char *const value = value_text(lua);
        push_cause_names(lua, prefix);
        luaL_error(lua, "%s: %s = %s is no cause; there are: %s", what, name, value,
                   lua_tostring(lua, -1));
    }
    lua_pop(lua, 1);
    return cause;
}

void lab_where(lua_State *lua, char *to, size_t size) {
    luaL_where(lua, 1);
    const char *const where = lua_tostring(lua, -1);
    const size_t length = strlen(where);
    snprintf(to, size, "%.*s", (int)(length > 2 ? length - 2 : length), where);
    lua_pop(lua, 1);
}

void lab_set_integer(lua_State *lua, const char *name, uint64_t value) {
    lua_pushinteger(lua, value > INT64_MAX ? INT64_MAX : (lua_Integer)value);
    lua_setfield(lua, -2, name);
}

void lab_set_text(lua_State *lua, const char *name, const char *value) {
    lua_pushstring(lua, value);
    lua_setfield(lua, -2, name);
}

void lab_set_bool(lua_State *lua, const char *name, bool value) {
    lua_pushboolean(lua, value);
    lua_setfield(lua, -2, name);
}

/* ---- The options of a connection ---- */

#define TCP(name, type)                                                                            \
    { #name, LAB_OPTION_##type, offsetof(hf_tcp_options, name) }
#define TCP_NS(name)                                                                               \
    { #name, LAB_OPTION_DURATION, offsetof(hf_tcp_options, name##_ns) }

const lab_option lab_tcp_options[] = {
    TCP_NS(detect_within),
    TCP(detect_strict, BOOL),
    TCP(min_probes, U8),
    TCP_NS(keepalive_idle),
    TCP_NS(keepalive_interval),
    TCP(keepalive_count, U32),
    TCP_NS(user_timeout),
    TCP(send_bytes, U32),
    TCP(receive_bytes, U32),
    TCP(no_delay, BOOL),
    TCP(ttl, U8),
    TCP(traffic_class, U8),
    TCP(congestion, CONGESTION),
    TCP(ecn, ECN),
    TCP(advertise_user_timeout, BOOL),
    TCP_NS(user_timeout_most),
    TCP_NS(progress_within),
    TCP(min_progress_bytes, U32),
    TCP_NS(answer_within),
    TCP_NS(idle_within),
    TCP(progress_action, ACTION),
    TCP(answer_action, ACTION),
    TCP(idle_action, ACTION),
    TCP_NS(open_check),
    TCP(account, BOOL),
    {"keepalive", LAB_OPTION_OTHER, 0},
};
const size_t lab_tcp_option_count = sizeof lab_tcp_options / sizeof lab_tcp_options[0];

static const lab_option keepalive_options[] = {
    {"idle", LAB_OPTION_DURATION, offsetof(hf_tcp_options, keepalive_idle_ns)},
    {"interval", LAB_OPTION_DURATION, offsetof(hf_tcp_options, keepalive_interval_ns)},
    {"count", LAB_OPTION_U32, offsetof(hf_tcp_options, keepalive_count)},
};

/* A promise that is switched off must make its scenario fail; else the scenario shows nothing. */
static void leave_out(const char *name, hf_tcp_options *options) {
    static const hf_tcp_options off;
    if (!name) return;
    if (strcmp(name, "keepalive") == 0) options->keepalive_idle_ns = 0;
    for (size_t i = 0; i < lab_tcp_option_count; i++) {
        const lab_option *const option = &lab_tcp_options[i];
        if (strcmp(option->name, name) != 0 || option->type == LAB_OPTION_OTHER) continue;
        size_t bytes = option->type == LAB_OPTION_DURATION ? sizeof(hf_ns) : 1;
        if (option->type == LAB_OPTION_U32) bytes = sizeof(uint32_t);
        if (option->type == LAB_OPTION_ACTION) bytes = sizeof(hf_bound_action);
        memcpy((uint8_t *)options + option->offset, (const uint8_t *)&off + option->offset, bytes);
    }
}

void lab_tcp_options_read(lua_State *lua, int index, const char *what, const char *const *extra,
                          hf_tcp_options *to) {
    lab_option all[40];
    size_t count = lab_tcp_option_count;
    memcpy(all, lab_tcp_options, sizeof lab_tcp_options);
    for (; extra && *extra && count < 40; extra++, count++) {
        const lab_option option = {*extra, LAB_OPTION_OTHER, 0};
        all[count] = option;
    }
    lab_options_read(lua, index, what, all, count, to);
    lab_options_on_linux(lua, index, what);
    if (lab_field(lua, index, "keepalive")) {
        lab_options_read(lua, lua_gettop(lua), "keepalive", keepalive_options, 3, to);
        lua_pop(lua, 1);
    }
    leave_out(lab_scenario_of(lua)->options.without, to);
    lab_tcp_options_on_linux(lua, what, to);
}

bool lab_option_exists(const char *name) {
    /* Of close(). */
    if (strcmp(name, "deadline") == 0 || strcmp(name, "drain") == 0 ||
        strcmp(name, "after_peer") == 0)
        return true;
    for (size_t i = 0; i < lab_tcp_option_count; i++)
        if (strcmp(lab_tcp_options[i].name, name) == 0) return true;
    return false;
}
