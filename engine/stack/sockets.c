/* The public calls of hf/tcp.h: handles become objects, the TCP room does the rest. */
#include "stack/engine.h"
#include "wire/ip.h"

hfi_conn *hfi_conn_of(const hfi_engine *e, hf_conn handle) {
    if (handle.index >= e->ctx.root->config.conns) return NULL;
    hfi_conn *conn = &e->ctx.conns[handle.index];
    const bool lives = conn->generation == handle.generation && !hfi_has(conn, HFI_F_RELEASED);
    return lives && (conn->state != HF_CLOSED || hfi_has(conn, HFI_F_ENDED)) ? conn : NULL;
}

static hf_conn handle_of(const hfi_engine *e, hfi_index index) {
    return (hf_conn){index, e->ctx.conns[index].generation};
}

static hfi_listener *listener_of(const hfi_engine *e, hf_listener handle) {
    if (handle.index >= e->ctx.root->config.listeners) return NULL;
    hfi_listener *listener = &e->ctx.listeners[handle.index];
    return listener->used && listener->generation == handle.generation ? listener : NULL;
}

static bool options_good(const hf_tcp_options *options) {
    const hf_ns longest = UINT64_C(86400) * 20 * HF_SECOND; /* stamps reach 24 days */
    return options->detect_within_ns <= longest && options->keepalive_idle_ns <= longest &&
           options->keepalive_interval_ns <= longest && options->user_timeout_ns <= longest &&
           options->user_timeout_most_ns <= longest && options->progress_within_ns <= longest &&
           options->answer_within_ns <= longest && options->idle_within_ns <= longest &&
           options->open_check_ns <= longest && options->progress_action <= HF_BOUND_REPORT &&
           options->answer_action <= HF_BOUND_REPORT && options->idle_action <= HF_BOUND_REPORT &&
           options->send_bytes <= UINT32_C(1) << 30 &&
           options->receive_bytes <= UINT32_C(1) << 30 &&
           options->congestion <= HF_CONGESTION_NEWRENO && options->ecn <= HF_ECN_ASK;
}

/* ---- OPEN ---- */

/* RFC 9293 MUST-51 is behind an option that is off. */
static bool source_route_good(const hfi_engine *e, const hf_connect_options *options) {
    const uint32_t count = options->tcp.source_route.count;
    if (count == 0) return true;
    return count <= HF_ROUTE_HOPS && hf_addr_is4(&options->remote) &&
           hfi_quirk(&e->ctx, HF_QUIRK_SOURCE_ROUTES);
}

static hf_err choose_local(hfi_engine *e, const hf_connect_options *options, hfi_open_how *how) {
    hfi_next_hop hop;
    const hf_addr first = hfi_first_hop(&options->tcp.source_route, &options->remote);
    if (!hfi_ip_route(&e->ip, &first, &hop)) return HF_NO_ROUTE;
    const uint32_t local = hf_addr_is_any(&options->local)
                               ? hfi_ip_source(&e->ip, &first, hop.interface)
                               : hfi_ip_local(&e->ip, &options->local);
    if (local == HFI_NONE) return HF_NO_ADDRESS;
    how->local = (uint16_t)local;
    how->mtu = hfi_link_tcp_mtu(e, hop.interface);
    how->key = (hfi_flow_key){e->locals[local], options->remote, options->local_port,
                              options->remote_port};
    return HF_OK;
}

static hf_err open_how(hfi_engine *e, const hf_connect_options *options, hfi_open_how *how,
                       hf_conn *ret_conn) {
    const hf_err where = choose_local(e, options, how);
    if (where != HF_OK) return where;
    const uint32_t set = hfi_open_options_hold(&e->ctx, &options->tcp);
    if (set == HFI_NONE) return HF_NO_OPTION_SLOT;
    how->options = (uint16_t)set;
    hfi_index index;
    const hf_err err = hfi_tcp_connect(&e->ctx, how, &index);
    if (err != HF_OK)
        hfi_open_options_drop(&e->ctx, set);
    else
        *ret_conn = handle_of(e, index);
    return err;
}

hf_err hf_connect(hf_engine *engine, const hf_connect_options *options, hf_conn *ret_conn) {
    hfi_engine *e = hfi_of(engine);
    if (options->remote_port == 0 || !options_good(&options->tcp) || !source_route_good(e, options))
        return HF_ARGUMENT;
    const bool bad = hf_addr_is_any(&options->remote) || hfi_addr_is_multicast(&options->remote) ||
                     hfi_ip_is_broadcast(&e->ip, &options->remote);
    if (bad) return HF_BAD_DESTINATION; /* RFC 9293 MUST-46 */
    hfi_open_how how = {
        .key = {options->local, options->remote, options->local_port, options->remote_port}};
    const hf_err err = open_how(e, options, &how, ret_conn);
    if (err != HF_OK) hfi_tcp_open_failed(&e->ctx, &how, err);
    return err;
}

hf_err hf_listen(hf_engine *engine, const hf_listen_options *options, hf_listener *ret_listener) {
    hfi_engine *e = hfi_of(engine);
    if (options->port == 0 || options->when_full > HF_FULL_REFUSE ||
        options->accept_at > HF_ACCEPT_AT_WINDOW || !options_good(&options->tcp) ||
        options->tcp.source_route.count != 0)
        return HF_ARGUMENT;
    if (!hf_addr_is_any(&options->local) &&
        hfi_ip_address_find(&e->ip, &options->local) == HFI_NONE)
        return HF_NO_ADDRESS;
    const uint32_t set = hfi_open_options_hold(&e->ctx, &options->tcp);
    if (set == HFI_NONE) return HF_NO_OPTION_SLOT;
    hfi_index index;
    const hf_err err = hfi_open_listen(&e->ctx, options, set, &index);
    if (err != HF_OK) {
        hfi_open_options_drop(&e->ctx, set);
        return err;
    }
    *ret_listener = (hf_listener){index, e->ctx.listeners[index].generation};
    return HF_OK;
}

hf_err hf_accept(hf_engine *engine, hf_listener listener, hf_conn *ret_conn) {
    hfi_engine *e = hfi_of(engine);
    if (listener_of(e, listener) == NULL) return HF_STALE;
    const hfi_index index = hfi_tcp_accept(&e->ctx, listener.index);
    if (index == HFI_NONE) return HF_AGAIN;
    *ret_conn = handle_of(e, index);
    return HF_OK;
}

hf_err hf_listener_drain(hf_engine *engine, hf_listener listener, hf_ns deadline_ns) {
    hfi_engine *e = hfi_of(engine);
    const hfi_listener *l = listener_of(e, listener);
    if (l == NULL) return HF_STALE;
    if (l->drained) return HF_STATE;
    const hf_ns longest_ns = HF_NEVER - 1 - e->ctx.now_ns;
    hfi_open_drain(&e->ctx, listener.index, e->ctx.now_ns + hfi_min64(deadline_ns, longest_ns));
    hfi_tcp_drain(&e->ctx);
    return HF_OK;
}

hf_err hf_pending_next(hf_engine *engine, hf_listener listener, hf_pending *ret_pending) {
    hfi_engine *e = hfi_of(engine);
    if (listener_of(e, listener) == NULL) return HF_STALE;
    const hfi_index index = hfi_open_pending_next(&e->ctx, listener.index);
    if (index == HFI_NONE) return HF_AGAIN;
    const hfi_syn_entry *entry = &e->ctx.syns[index];
    const uint32_t age_ticks = e->ctx.now_tick - entry->began_at;
    *ret_pending = (hf_pending){.index = index,
                                .serial = entry->serial,
                                .remote = entry->remote,
                                .local = e->locals[entry->local],
                                .remote_port = entry->remote_port,
                                .mss = (entry->present & HFI_OPT_MSS) != 0 ? entry->mss : 0,
                                .timestamps = (entry->present & HFI_OPT_TIMESTAMPS) != 0,
                                .sack = (entry->present & HFI_OPT_SACK_PERMITTED) != 0,
                                .window_scaling = (entry->present & HFI_OPT_WSCALE) != 0,
                                .repeats = entry->repeats,
                                .age_ns = (hf_ns)age_ticks * HFI_TICK_NS};
    return HF_OK;
}

hf_err hf_syn_answer(hf_engine *engine, hf_listener listener, const hf_pending *pending,
                     hf_syn_verdict verdict) {
    hfi_engine *e = hfi_of(engine);
    if (listener_of(e, listener) == NULL || pending->index >= e->ctx.root->config.syn_entries)
        return HF_STALE;
    if (verdict > HF_SYN_IGNORE) return HF_ARGUMENT;
    const hfi_syn_entry *entry = &e->ctx.syns[pending->index];
    const bool same = entry->attempts > 0 && entry->pending && entry->serial == pending->serial &&
                      entry->listener == listener.index;
    if (!same) return HF_STALE;
    hfi_effects effects = hfi_no_effects();
    const hf_err err = hfi_open_answer(&e->ctx, pending->index, verdict, &effects);
    hfi_tx_effects(e, &effects);
    return err;
}

hf_err hf_listener_close(hf_engine *engine, hf_listener listener) {
    hfi_engine *e = hfi_of(engine);
    if (listener_of(e, listener) == NULL) return HF_STALE;
    hfi_tcp_unlisten(&e->ctx, listener.index);
    return HF_OK;
}

hf_err hf_listener_status_get(const hf_engine *engine, hf_listener handle,
                              hf_listener_status *ret) {
    const hfi_engine *e = hfi_of_const(engine);
    const hfi_listener *l = listener_of(e, handle);
    if (l == NULL) return HF_STALE;
    *ret = (hf_listener_status){l->accept.count,  l->handshaking,   l->backlog,
                                l->peak_waiting,  l->accepted,      l->cookies_sent,
                                l->cookies_good,  l->overflows,     (hf_cause)l->overflow_cause,
                                l->overflow_peer, l->overflow_port, l->pending,
                                l->draining,      l->drained};
    return HF_OK;
}

/* ---- SEND and RECEIVE ---- */

hf_err hf_send(hf_engine *engine, hf_conn handle, const void *data, size_t bytes,
               size_t *ret_taken) {
    hfi_engine *e = hfi_of(engine);
    hfi_conn *conn = hfi_conn_of(e, handle);
    return conn != NULL ? hfi_tcp_send(&e->ctx, conn, data, bytes, ret_taken) : HF_STALE;
}

hf_err hf_send_urgent(hf_engine *engine, hf_conn handle, const void *data, size_t bytes,
                      size_t *ret_taken) {
    hfi_engine *e = hfi_of(engine);
    hfi_conn *conn = hfi_conn_of(e, handle);
    return conn != NULL ? hfi_tcp_send_urgent(&e->ctx, conn, data, bytes, ret_taken) : HF_STALE;
}

hf_err hf_send_reserve(hf_engine *engine, hf_conn handle, void **ret_room, size_t *ret_bytes) {
    hfi_engine *e = hfi_of(engine);
    hfi_conn *conn = hfi_conn_of(e, handle);
    if (conn == NULL) return HF_STALE;
    const hf_err err = hfi_tcp_may_send(conn);
    if (err != HF_OK) return err;
    const uint32_t room = hfi_send_reserve(&e->ctx, conn, ret_room);
    if (room == 0) return HF_AGAIN;
    *ret_bytes = room;
    return HF_OK;
}

hf_err hf_send_commit(hf_engine *engine, hf_conn handle, size_t bytes) {
    hfi_engine *e = hfi_of(engine);
    hfi_conn *conn = hfi_conn_of(e, handle);
    if (conn == NULL) return HF_STALE;
    const hf_err err = hfi_tcp_may_send(conn);
    if (err != HF_OK) return err;
    const uint32_t offset = hfi_snd_offset(conn, conn->snd_end);
    const bool fits =
        bytes <= hfi_min32(hfi_chunk_room(&e->ctx.tx, offset), hfi_send_room(&e->ctx, conn)) &&
        conn->tx_tail != HFI_NONE &&
        e->ctx.tx.number[conn->tx_tail] == hfi_chunk_number(&e->ctx.tx, offset);
    if (bytes > 0 && !fits) return HF_ARGUMENT;
    hfi_send_commit(&e->ctx, conn, (uint32_t)bytes);
    hfi_tcp_settle(&e->ctx, conn);
    return HF_OK;
}

hf_err hf_receive(hf_engine *engine, hf_conn handle, void *to, size_t bytes, size_t *ret_bytes) {
    hfi_engine *e = hfi_of(engine);
    hfi_conn *conn = hfi_conn_of(e, handle);
    *ret_bytes = 0;
    if (conn == NULL) return HF_STALE;
    const hf_err err = hfi_tcp_may_receive(conn);
    if (err == HF_OK)
        *ret_bytes =
            hfi_receive_copy(&e->ctx, conn, to, (uint32_t)hfi_min64(bytes, UINT32_MAX / 2));
    return err;
}

hf_err hf_receive_peek(hf_engine *engine, hf_conn handle, hf_part *ret_parts, size_t max,
                       size_t *ret_count) {
    hfi_engine *e = hfi_of(engine);
    hfi_conn *conn = hfi_conn_of(e, handle);
    *ret_count = 0;
    if (conn == NULL) return HF_STALE;
    const hf_err err = hfi_tcp_may_receive(conn);
    if (err == HF_OK) *ret_count = hfi_receive_parts(&e->ctx, conn, ret_parts, max);
    return err;
}

hf_err hf_receive_consume(hf_engine *engine, hf_conn handle, size_t bytes) {
    hfi_engine *e = hfi_of(engine);
    hfi_conn *conn = hfi_conn_of(e, handle);
    if (conn == NULL) return HF_STALE;
    if (bytes > hfi_readable(conn)) return HF_ARGUMENT;
    if (bytes > 0) hfi_receive_consume(&e->ctx, conn, (uint32_t)bytes);
    return HF_OK;
}

/* ---- CLOSE, ABORT ---- */

hf_err hf_shutdown(hf_engine *engine, hf_conn handle) {
    hfi_engine *e = hfi_of(engine);
    hfi_conn *conn = hfi_conn_of(e, handle);
    if (conn == NULL) return HF_STALE;
    if (hfi_has(conn, HFI_F_ENDED)) return HF_ENDED;
    hfi_tcp_shutdown(&e->ctx, conn);
    return HF_OK;
}

hf_err hf_close(hf_engine *engine, hf_conn handle, const hf_close_options *options) {
    hfi_engine *e = hfi_of(engine);
    hfi_conn *conn = hfi_conn_of(e, handle);
    if (conn == NULL) return HF_STALE;
    if (options != NULL && options->at_deadline > HF_DEADLINE_RST) return HF_ARGUMENT;
    hfi_tcp_close(&e->ctx, conn, options);
    hfi_link_unwait(e, conn);
    return HF_OK;
}

hf_err hf_abort(hf_engine *engine, hf_conn handle) {
    hfi_engine *e = hfi_of(engine);
    hfi_conn *conn = hfi_conn_of(e, handle);
    if (conn == NULL) return HF_STALE;
    if (hfi_has(conn, HFI_F_ENDED)) return HF_ENDED;
    hfi_tcp_abort(&e->ctx, conn);
    hfi_link_unwait(e, conn);
    return HF_OK;
}

hf_err hf_release(hf_engine *engine, hf_conn handle) {
    hfi_engine *e = hfi_of(engine);
    hfi_conn *conn = hfi_conn_of(e, handle);
    if (conn == NULL) return HF_STALE;
    hfi_tcp_release(&e->ctx, conn);
    hfi_link_unwait(e, conn);
    return HF_OK;
}

/* ---- STATUS ---- */

hf_err hf_conn_status_get(const hf_engine *engine, hf_conn handle, hf_conn_status *ret_status) {
    const hfi_engine *e = hfi_of_const(engine);
    const hfi_conn *conn = hfi_conn_of(e, handle);
    if (conn == NULL) return HF_STALE;
    hfi_tcp_status(&e->ctx, conn, ret_status);
    return HF_OK;
}

hf_err hf_conn_options_set(hf_engine *engine, hf_conn handle, const hf_tcp_options *options) {
    hfi_engine *e = hfi_of(engine);
    hfi_conn *conn = hfi_conn_of(e, handle);
    if (conn == NULL) return HF_STALE;
    if (!options_good(options)) return HF_ARGUMENT;
    hf_tcp_options all = *options;
    all.source_route = hfi_options(&e->ctx, conn)->source_route; /* that of the OPEN stays */
    const uint32_t set = hfi_open_options_hold(&e->ctx, &all);
    if (set == HFI_NONE) return HF_NO_OPTION_SLOT;
    const hf_err err = hfi_tcp_set_options(&e->ctx, conn, set);
    if (err != HF_OK) hfi_open_options_drop(&e->ctx, set);
    return err;
}

hf_err hf_why_not_sending(const hf_engine *engine, hf_conn handle, hf_not_sending *ret) {
    const hfi_engine *e = hfi_of_const(engine);
    const hfi_conn *conn = hfi_conn_of(e, handle);
    if (conn == NULL) return HF_STALE;
    if (conn->state < HF_ESTABLISHED && !hfi_has(conn, HFI_F_ENDED)) return HF_STATE;
    hfi_live_why(&e->ctx, conn, ret);
    return HF_OK;
}

hf_err hf_conn_options_get(const hf_engine *engine, hf_conn handle, hf_tcp_options *ret_options) {
    const hfi_engine *e = hfi_of_const(engine);
    const hfi_conn *conn = hfi_conn_of(e, handle);
    if (conn == NULL) return HF_STALE;
    *ret_options = *hfi_options(&e->ctx, conn);
    return HF_OK;
}

/* An array, not pointers: nothing here needs relocating, so nothing is data that can be written. */
static const char why_names[HF_WHY_COUNT][16] = {
#define HF_WHY_ROW(name, words, sentence) #name,
#include <hf/why.def>
#undef HF_WHY_ROW
};

const char *hf_why_name(hf_why why) { return why < HF_WHY_COUNT ? why_names[why] : "?"; }
