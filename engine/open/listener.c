/* Listeners, and the places they have. */
#include "open/internal.h"

static bool is_listener(const hfi_ctx *ctx, uint32_t ref, const hfi_flow_key *key) {
    if (hfi_flow_kind(ref) != HFI_FLOW_LISTENER) return false;
    const hfi_listener *listener = &ctx->listeners[hfi_flow_index(ref)];
    return listener->port == key->local_port && hf_addr_equal(&listener->local, &key->local);
}

/* ---- Listeners ---- */

static hfi_flow_key listener_key(const hf_addr *local, uint16_t port) {
    const hfi_flow_key key = {*local, {{0}}, port, 0};
    return key;
}

/* One form of "any": all zero. */
static hf_addr any_or(const hf_addr *local) {
    const hf_addr any = {{0}};
    return hf_addr_is_any(local) ? any : *local;
}

static hfi_index find_listener(const hfi_ctx *ctx, const hf_addr *local, uint16_t port) {
    const hfi_flow_key key = listener_key(local, port);
    hfi_flow_probe probe = hfi_flow_find(&ctx->flow, hfi_flow_hash(&ctx->flow, &key));
    for (uint32_t ref; (ref = hfi_flow_next(&ctx->flow, &probe)) != HFI_NONE;)
        if (is_listener(ctx, ref, &key)) return hfi_flow_index(ref);
    return HFI_NONE;
}

hfi_index hfi_open_listener(const hfi_ctx *ctx, const hf_addr *local, uint16_t port) {
    const hfi_index exact = find_listener(ctx, local, port);
    const hf_addr any = {{0}};
    return exact != HFI_NONE ? exact : find_listener(ctx, &any, port);
}

hf_err hfi_open_listen(hfi_ctx *ctx, const hf_listen_options *options, uint32_t option_set,
                       hfi_index *ret_listener) {
    const hf_addr local = any_or(&options->local);
    if (find_listener(ctx, &local, options->port) != HFI_NONE) return HF_PORT_IN_USE;
    hfi_index index = 0;
    while (index < ctx->root->config.listeners && ctx->listeners[index].used) index++;
    if (index == ctx->root->config.listeners) return HF_NO_LISTENER_SLOT;
    const hfi_flow_key key = listener_key(&local, options->port);
    if (!hfi_flow_insert(&ctx->flow, hfi_flow_hash(&ctx->flow, &key),
                         hfi_flow_ref(HFI_FLOW_LISTENER, index)))
        return HF_NO_MEMORY;
    hfi_listener *listener = &ctx->listeners[index];
    *listener = (hfi_listener){.local = local,
                               .port = options->port,
                               .options = (uint16_t)option_set,
                               .generation = listener->generation + 1,
                               .backlog = options->backlog != 0 ? options->backlog : 128,
                               .accept = {HFI_NONE, HFI_NONE, 0},
                               .oldest = HFI_NONE,
                               .newest = HFI_NONE,
                               .when_full = (uint8_t)options->when_full,
                               .accept_at = (uint8_t)options->accept_at,
                               .used = true,
                               .in_ready = listener->in_ready,
                               .ready_next = listener->ready_next};
    *ret_listener = index;
    return HF_OK;
}

static void leave_flow(hfi_ctx *ctx, hfi_index index) {
    const hfi_listener *listener = &ctx->listeners[index];
    const hfi_flow_key key = listener_key(&listener->local, listener->port);
    hfi_flow_remove(&ctx->flow, hfi_flow_hash(&ctx->flow, &key),
                    hfi_flow_ref(HFI_FLOW_LISTENER, index));
}

void hfi_open_unlisten(hfi_ctx *ctx, hfi_index index) {
    hfi_listener *listener = &ctx->listeners[index];
    while (listener->oldest != HFI_NONE)
        hfi_open_entry_forget(ctx, listener->oldest, HF_CAUSE_SYN_CACHE_EXPIRED);
    if (!listener->drained) leave_flow(ctx, index);
    if (listener->draining && !listener->drained) ctx->root->draining--;
    hfi_open_options_drop(ctx, listener->options);
    listener->used = false;
    listener->generation++;
}

/* ---- Drain ---- */

void hfi_open_drain(hfi_ctx *ctx, hfi_index index, hf_ns at_ns) {
    hfi_listener *listener = &ctx->listeners[index];
    if (!listener->draining) ctx->root->draining++;
    listener->draining = true;
    listener->drain_at_ns = at_ns;
}

bool hfi_open_drains(const hfi_listener *listener) {
    return listener->used && listener->draining && !listener->drained;
}

void hfi_open_drained(hfi_ctx *ctx, hfi_index index) {
    hfi_listener *listener = &ctx->listeners[index];
    while (listener->oldest != HFI_NONE)
        hfi_open_entry_forget(ctx, listener->oldest, HF_CAUSE_SYN_CACHE_EXPIRED);
    leave_flow(ctx, index);
    listener->drained = true;
    ctx->root->draining--;
    hfi_note(ctx, HFI_NONE, HF_CAUSE_LISTENER_DRAINED, listener->port, 0);
    hfi_listener_event(ctx, listener, HF_EVENT_DRAINED);
}

hf_ns hfi_open_drain_next_at(const hfi_ctx *ctx) {
    hf_ns next = HF_NEVER;
    if (ctx->root->draining == 0) return next;
    for (hfi_index i = 0; i < ctx->root->config.listeners; i++)
        if (hfi_open_drains(&ctx->listeners[i]))
            next = hfi_min64(next, ctx->listeners[i].drain_at_ns);
    return next;
}

/* ---- Places ---- */

uint32_t hfi_open_unverified_share(const hfi_listener *listener) {
    return hfi_max32(listener->backlog - listener->backlog / 4, 1);
}

bool hfi_open_has_socket(const hfi_ctx *ctx) {
    const hfi_root *root = ctx->root;
    const uint32_t most = ctx->limits->conn_pool_with_time_wait;
    return most == 0 || root->live + root->syn_pool.used + root->tw4.used + root->tw6.used < most;
}

bool hfi_open_has_slot(const hfi_ctx *ctx) {
    const uint32_t reserved = hfi_quirk(ctx, HF_QUIRK_LATE_SLOT_CHECK)
                                  ? 0
                                  : ctx->root->syn_pool.used - ctx->root->pending_syns;
    return hfi_pool_left(&ctx->root->conn_pool) > reserved && hfi_open_has_socket(ctx);
}

/* Connections of this listener have a watch: it is promised with the place. */
bool hfi_open_promises_watch(const hfi_ctx *ctx, const hfi_listener *listener) {
    return !hfi_quirk(ctx, HF_QUIRK_LATE_SLOT_CHECK) &&
           hfi_options_watch(&ctx->option_sets[listener->options].value);
}

bool hfi_open_has_place(const hfi_ctx *ctx, const hfi_listener *listener) {
    if (hfi_quirk(ctx, HF_QUIRK_LATE_SLOT_CHECK)) return hfi_open_late_has_place(ctx, listener);
    if (hfi_open_promises_watch(ctx, listener) && !hfi_watch_free(ctx)) return false;
    return listener->accept.count + listener->handshaking < listener->backlog &&
           hfi_open_has_slot(ctx);
}

bool hfi_open_has_unverified_place(const hfi_ctx *ctx, const hfi_listener *listener) {
    return hfi_open_has_place(ctx, listener) &&
           listener->handshaking < hfi_open_unverified_share(listener) &&
           hfi_pool_left(&ctx->root->syn_pool) > 0;
}

void hfi_open_note_overflow(hfi_ctx *ctx, hfi_listener *listener, const hfi_arrival *arrival,
                            hf_cause cause) {
    listener->overflows++;
    listener->overflow_peer = arrival->source;
    listener->overflow_port = arrival->tcp.source_port;
    listener->overflow_cause = (uint16_t)cause;
    hfi_listener_event(ctx, listener, HF_EVENT_OVERFLOW);
}
