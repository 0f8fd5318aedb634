/* Option sets: hf_tcp_options, interned, since most connections of a program have the same. */
#include "open/internal.h"
#include "wire/ip.h"

static bool watches_equal(const hf_tcp_options *a, const hf_tcp_options *b) {
    return a->progress_within_ns == b->progress_within_ns &&
           a->min_progress_bytes == b->min_progress_bytes &&
           a->answer_within_ns == b->answer_within_ns && a->idle_within_ns == b->idle_within_ns &&
           a->progress_action == b->progress_action && a->answer_action == b->answer_action &&
           a->idle_action == b->idle_action && a->open_check_ns == b->open_check_ns &&
           a->account == b->account && a->user_timeout_most_ns == b->user_timeout_most_ns &&
           a->advertise_user_timeout == b->advertise_user_timeout;
}

static bool routes_equal(const hf_source_route *a, const hf_source_route *b) {
    return a->count == b->count && a->strict == b->strict &&
           memcmp(a->hops, b->hops, 4u * a->count) == 0;
}

static bool options_equal(const hf_tcp_options *a, const hf_tcp_options *b) {
    return a->detect_within_ns == b->detect_within_ns && a->detect_strict == b->detect_strict &&
           a->min_probes == b->min_probes && a->keepalive_idle_ns == b->keepalive_idle_ns &&
           a->keepalive_interval_ns == b->keepalive_interval_ns &&
           a->keepalive_count == b->keepalive_count && a->user_timeout_ns == b->user_timeout_ns &&
           a->send_bytes == b->send_bytes && a->receive_bytes == b->receive_bytes &&
           a->no_delay == b->no_delay && a->ttl == b->ttl && a->traffic_class == b->traffic_class &&
           a->congestion == b->congestion && a->ecn == b->ecn &&
           routes_equal(&a->source_route, &b->source_route) && watches_equal(a, b);
}

uint32_t hfi_open_options_hold(hfi_ctx *ctx, const hf_tcp_options *options) {
    uint32_t free_index = HFI_NONE;
    for (uint32_t i = 0; i < ctx->root->config.option_sets; i++) {
        hfi_option_set *set = &ctx->option_sets[i];
        if (set->uses == 0) {
            if (free_index == HFI_NONE) free_index = i;
        } else if (options_equal(&set->value, options)) {
            set->uses++;
            return i;
        }
    }
    if (free_index != HFI_NONE) ctx->option_sets[free_index] = (hfi_option_set){*options, 1};
    return free_index;
}

void hfi_open_options_drop(hfi_ctx *ctx, uint32_t index) {
    HF_ASSERT(ctx->option_sets[index].uses > 0);
    ctx->option_sets[index].uses--;
}

/* ---- The way back, RFC 9293 3.9.2.1 ---- */

/* Strangers take no more than half of the option sets: the application needs some. */
static bool has_set_for_stranger(const hfi_ctx *ctx) {
    uint32_t used = 0;
    for (uint32_t i = 0; i < ctx->root->config.option_sets; i++)
        used += ctx->option_sets[i].uses > 0;
    return used < ctx->root->config.option_sets / 2;
}

/* The set `base` with a route of its own. */
static uint16_t hold_route(hfi_ctx *ctx, uint32_t base, const hf_source_route *route) {
    hf_tcp_options options = ctx->option_sets[base].value;
    options.source_route = *route;
    if (!has_set_for_stranger(ctx)) return HFI_NO_ROUTE_SET;
    const uint32_t set = hfi_open_options_hold(ctx, &options);
    return set != HFI_NONE ? (uint16_t)set : HFI_NO_ROUTE_SET;
}

void hfi_open_entry_route_drop(hfi_ctx *ctx, hfi_syn_entry *entry) {
    if (entry->route_set != HFI_NO_ROUTE_SET) hfi_open_options_drop(ctx, entry->route_set);
    entry->route_set = HFI_NO_ROUTE_SET;
}

void hfi_open_entry_route(hfi_ctx *ctx, hfi_syn_entry *entry, const hfi_arrival *arrival) {
    hfi_open_entry_route_drop(ctx, entry);
    if (arrival->route != NULL)
        entry->route_set = hold_route(ctx, ctx->listeners[entry->listener].options, arrival->route);
}

void hfi_open_route_heard(hfi_ctx *ctx, hfi_conn *conn, const hf_source_route *route) {
    const hf_source_route *before = &hfi_options(ctx, conn)->source_route;
    if (!hfi_has(conn, HFI_F_PASSIVE) || routes_equal(before, route)) return;
    const uint32_t room = conn->mss + hfi_ip4_route_bytes(before);
    const uint16_t set = hold_route(ctx, conn->options, route);
    if (set == HFI_NO_ROUTE_SET) return;
    hfi_open_options_drop(ctx, conn->options);
    conn->options = set;
    conn->mss = (uint16_t)(room - hfi_ip4_route_bytes(route));
    if (conn->path != HFI_NONE)
        hfi_path_give(&ctx->paths, conn->path); /* its first hop is another */
    conn->path = HFI_NONE;
    hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_SOURCE_ROUTE_RECORDED, route->count, 0);
}
