/* link(), and how it is broken and mended. */
#include "lab/lua_lab.h"
#include <string.h>

struct link_options {
    lab_way_options way;
    uint32_t mtu;
    bool unseen;
};

#define WAY(name, type)                                                                            \
    { #name, LAB_OPTION_##type, offsetof(struct link_options, way.name) }
#define WAY_NS(name)                                                                               \
    { #name, LAB_OPTION_DURATION, offsetof(struct link_options, way.name##_ns) }

static const lab_option link_options[] = {
    WAY_NS(delay),
    WAY_NS(jitter),
    WAY_NS(reorder_by),
    {"rate", LAB_OPTION_RATE, offsetof(struct link_options, way.rate_bits)},
    WAY(queue, U32),
    WAY(loss, CHANCE),
    WAY(reorder, CHANCE),
    WAY(duplicate, CHANCE),
    WAY(corrupt, CHANCE),
    WAY(mark, CHANCE),
    WAY(mark_queue, U32),
    WAY(strip_timestamps, BOOL),
    WAY(silent_mtu, U32),
    {"mtu", LAB_OPTION_U32, offsetof(struct link_options, mtu)},
    {"unseen", LAB_OPTION_BOOL, offsetof(struct link_options, unseen)},
};

static void check_options(lua_State *lua, const struct link_options *options) {
    if (options->mtu < 68 || options->mtu > 65535)
        luaL_error(lua, "link: mtu = %d is not 68 to 65535", (int)options->mtu);
    if (options->way.silent_mtu != 0 && options->way.silent_mtu < 68)
        luaL_error(lua, "link: silent_mtu = %d is below 68", (int)options->way.silent_mtu);
    if (options->way.queue < 1 || options->way.queue > 100000)
        luaL_error(lua, "link: queue = %d is not 1 to 100000 packets", (int)options->way.queue);
    if (options->way.mark_queue > 0 && options->way.rate_bits == 0)
        luaL_error(lua, "link: mark_queue is of the queue for the rate; give a rate, too");
    if (options->way.rate_bits > 0 && options->way.rate_bits < 1000)
        luaL_error(lua, "link: rate is below 1 kbit/s; give at least \"1kbit/s\"");
}

static void check_ends(lua_State *lua, const lab_host *a, const lab_host *b) {
    if (a == b) luaL_error(lua, "link: both ends are \"%s\"; join two hosts", a->name);
    if (a->world != b->world)
        luaL_error(lua, "link: \"%s\" and \"%s\" are of different parts", a->name, b->name);
    if (lab_link_between(a, b))
        luaL_error(lua, "link: \"%s\" and \"%s\" are joined already; one link a pair", a->name,
                   b->name);
    if (a->link_count == LAB_HOST_LINKS || b->link_count == LAB_HOST_LINKS)
        luaL_error(lua, "link: a host has %d links at most", LAB_HOST_LINKS);
    if (a->world->link_count == LAB_LINKS - 2)
        luaL_error(lua, "link: a world has %d links at most", LAB_LINKS - 2);
}

static void attach(lua_State *lua, lab_link *link, uint32_t end) {
    lab_host *const host = link->end[end];
    if (!lab_host_enter(host)) luaL_error(lua, "link: \"%s\" does not run now", host->name);
    const hf_err err = lab_host_attach(host, link, end);
    if (err != HF_OK)
        luaL_error(lua, "link: \"%s\": %s %s", host->name, hf_err_name(err), hf_err_sentence(err));
    host->links[host->link_count++] = link;
    lab_host_leave(host);
}

static int new_link(lua_State *lua) {
    lab_host *const a = lab_host_arg(lua, 1), *const b = lab_host_arg(lua, 2);
    struct link_options options = {.mtu = 1500, .way = {.queue = 1000, .reorder_by_ns = 5 * HF_MS}};
    lab_options_read(lua, 3, "link", link_options, sizeof link_options / sizeof link_options[0],
                     &options);
    check_options(lua, &options);
    check_ends(lua, a, b);
    lab_link *const link = lab_link_new(a->world, a, b, &options.way, options.mtu);
    link->unseen_allowed = options.unseen;
    lab_where(lua, link->where, sizeof link->where);
    attach(lua, link, 0);
    attach(lua, link, 1);
    lab_object_push(lua, LAB_LINK_TYPE, link);
    return 1;
}

static lab_link *link_arg(lua_State *lua, int index) {
    return lab_object(lua, index, LAB_LINK_TYPE);
}

/* What the kernel joins by itself can be cut, and nothing else can be done to it. */
static void must_be_our_wire(lua_State *lua, const lab_link *link, const char *what) {
    if (lab_link_can_change(link)) return;
    luaL_error(lua,
               "%s: on linux the lab must be the wire; make the link with a delay, as in "
               "{ delay = \"1ms\" }",
               what);
}

/* cut(), cut{ from = host } for what that host sends, cut{ unseen = true } if no packet need meet
 * it. */
static int link_cut(lua_State *lua) {
    static const lab_option options[] = {{"from", LAB_OPTION_OTHER, 0},
                                         {"unseen", LAB_OPTION_BOOL, 0}};
    lab_link *const link = link_arg(lua, 1);
    bool unseen = false, way[2] = {true, true};
    lab_options_read(lua, 2, "cut", options, 2, &unseen);
    if (lab_field(lua, 2, "from")) {
        const lab_host *const from = lab_host_arg(lua, -1);
        for (uint32_t i = 0; i < 2; i++) way[i] = link->end[i] == from;
        if (!way[0] && !way[1])
            luaL_error(lua, "cut: from = \"%s\" is not an end of this link", from->name);
        lua_pop(lua, 1);
    }
    char where[160];
    lab_where(lua, where, sizeof where);
    lab_link_cut(link, way[0], way[1], unseen, where);
    return 0;
}

/* delay_next{ from = host, by = T }: the next packet that this host sends comes so much later than
 * those around it. `count` packets; only those with data and flags as asked. */
static int link_delay_next(lua_State *lua) {
    static const lab_option options[] = {
        {"by", LAB_OPTION_DURATION, offsetof(lab_hold, by_ns)},
        {"count", LAB_OPTION_U32, offsetof(lab_hold, left)},
        {"len_least", LAB_OPTION_U32, offsetof(lab_hold, length_least)},
        {"flags", LAB_OPTION_OTHER, 0},
        {"from", LAB_OPTION_OTHER, 0}};
    lab_link *const link = link_arg(lua, 1);
    lab_hold hold = {.left = 1};
    lab_options_read(lua, 2, "delay_next", options, sizeof options / sizeof options[0], &hold);
    if (lab_field(lua, 2, "flags")) lab_flags_pop(lua, &hold.flags_set, &hold.flags_clear);
    if (!lab_field(lua, 2, "from") || hold.by_ns == 0 || hold.left == 0)
        luaL_error(lua, "delay_next: say whose packet and how long: { from = host, by = \"20s\" }");
    must_be_our_wire(lua, link, "delay_next");
    const lab_host *const from = lab_host_arg(lua, -1);
    if (link->end[0] != from && link->end[1] != from)
        luaL_error(lua, "delay_next: from = \"%s\" is not an end of this link", from->name);
    hold.way = link->end[1] == from;
    lab_where(lua, hold.where, sizeof hold.where);
    lab_link_hold(link, &hold);
    return 0;
}

static int link_heal(lua_State *lua) {
    lab_link_heal(link_arg(lua, 1));
    return 0;
}

/* Changes what the link does from now on; both ways. The rate and queue stay as they were made. */
static int link_set(lua_State *lua) {
    lab_link *const link = link_arg(lua, 1);
    struct link_options options = {.mtu = link->mtu, .way = link->way[0].options};
    const uint64_t rate = options.way.rate_bits;
    const uint32_t queue = options.way.queue, mtu = options.mtu;
    lab_options_read(lua, 2, "link:set", link_options, sizeof link_options / sizeof link_options[0],
                     &options);
    if (options.way.rate_bits != rate || options.way.queue != queue || options.mtu != mtu)
        luaL_error(lua, "link:set: rate, queue and mtu are fixed when the link is made");
    if (memcmp(&options.way, &link->way[0].options, sizeof options.way) != 0)
        must_be_our_wire(lua, link, "link:set");
    for (uint32_t i = 0; i < 2; i++) link->way[i].options = options.way;
    link->unseen_allowed = options.unseen;
    lab_record *const record = lab_record_add(link->world, LAB_FAULT, link->end[0]->index);
    lab_record_text(record, "The link %s - %s changes.", link->end[0]->name, link->end[1]->name);
    return 0;
}

/* What it has done to packets so far, both ways together. */
static int link_status(lua_State *lua) {
    const lab_link *const link = link_arg(lua, 1);
    const lab_way *const a = &link->way[0], *const b = &link->way[1];
    lua_newtable(lua);
    lab_set_integer(lua, "sent", a->sent + b->sent);
    lab_set_integer(lua, "lost", a->lost + b->lost);
    lab_set_integer(lua, "cut", a->cut_lost + b->cut_lost);
    lab_set_integer(lua, "queue_full", a->queue_lost + b->queue_lost);
    lab_set_integer(lua, "reordered", a->reordered + b->reordered);
    lab_set_integer(lua, "duplicated", a->duplicated + b->duplicated);
    lab_set_integer(lua, "corrupted", a->corrupted + b->corrupted);
    lab_set_integer(lua, "marked", a->marked + b->marked);
    lab_set_integer(lua, "stripped", a->stripped + b->stripped);
    lab_set_integer(lua, "swallowed", a->swallowed + b->swallowed);
    return 1;
}

void lab_open_links(lua_State *lua) {
    static const luaL_Reg methods[] = {{"cut", link_cut},       {"delay_next", link_delay_next},
                                       {"heal", link_heal},     {"set", link_set},
                                       {"status", link_status}, {NULL, NULL}};
    lab_object_type(lua, LAB_LINK_TYPE, methods);
    lua_register(lua, "link", new_link);
}
