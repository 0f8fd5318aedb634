/* The handshakes that listeners begin: SYN entries. */
#include "open/internal.h"

/* A reservation under pressure lives this long: SYN-ACKs at 0, 1 and 3 s, so two chances to answer.
 */
#define PRESSED_ENTRY_NS (3 * HF_SECOND)

static uint32_t wheel_id(const hfi_ctx *ctx, hfi_index entry) {
    return ctx->root->config.conns + entry;
}

/* ---- Keys ---- */

hfi_flow_key hfi_open_entry_key(const hfi_ctx *ctx, const hfi_syn_entry *entry) {
    return (hfi_flow_key){ctx->locals[entry->local], entry->remote, entry->local_port,
                          entry->remote_port};
}

static bool keys_equal(const hfi_flow_key *a, const hfi_flow_key *b) {
    return a->local_port == b->local_port && a->remote_port == b->remote_port &&
           memcmp(&a->remote, &b->remote, 16) == 0 && memcmp(&a->local, &b->local, 16) == 0;
}

bool hfi_open_entry_matches(const hfi_ctx *ctx, hfi_index entry, const hfi_flow_key *key) {
    const hfi_flow_key mine = hfi_open_entry_key(ctx, &ctx->syns[entry]);
    return keys_equal(&mine, key);
}

/* ---- SYN-ACK ---- */

/* The SYN-ACK carries no option that the SYN lacked, but MSS (RULE of amplification too). */
hfi_departure hfi_open_syn_ack(hfi_ctx *ctx, const hfi_syn_entry *entry, uint32_t mtu,
                               uint32_t receive_bytes, hf_cause cause) {
    hfi_departure ret;
    memset(&ret, 0, sizeof ret);
    const hfi_flow_key key = hfi_open_entry_key(ctx, entry);
    ret.source = key.local;
    ret.destination = entry->remote;
    ret.tcp.source_port = entry->local_port;
    ret.tcp.destination_port = entry->remote_port;
    ret.tcp.seq = entry->iss;
    ret.tcp.ack = entry->irs + 1;
    ret.tcp.flags = HFI_TCP_SYN | HFI_TCP_ACK;
    if (entry->ecn) ret.tcp.flags |= HFI_TCP_ECE;
    ret.tcp.window = (uint16_t)entry->window;
    ret.tcp.options.present =
        (uint8_t)(HFI_OPT_MSS | (entry->present &
                                 (HFI_OPT_WSCALE | HFI_OPT_SACK_PERMITTED | HFI_OPT_TIMESTAMPS)));
    ret.tcp.options.mss = hfi_open_our_mss(&entry->remote, mtu);
    ret.tcp.options.wscale = hfi_open_wscale(ctx, receive_bytes);
    ret.tcp.options.ts_value = hfi_timestamp(ctx, &key);
    ret.tcp.options.ts_echo = entry->ts_recent;
    if (entry->route_set != HFI_NO_ROUTE_SET)
        ret.route = &ctx->option_sets[entry->route_set].value.source_route;
    ret.chunk = HFI_NONE;
    ret.conn = HFI_NONE;
    const hf_tcp_options *options =
        &ctx->option_sets[ctx->listeners[entry->listener].options].value;
    ret.ttl = options->ttl != 0 ? options->ttl : 64;
    ret.traffic_class = options->traffic_class & 0xfc; /* RFC 3168 6.1.1: no mark on a SYN-ACK */
    ret.cause = cause;
    return ret;
}

static void send_syn_ack(hfi_ctx *ctx, hfi_syn_entry *entry, hf_cause cause, hfi_effects *effects) {
    const hf_tcp_options *options =
        &ctx->option_sets[ctx->listeners[entry->listener].options].value;
    effects->reply = true;
    effects->departure = hfi_open_syn_ack(ctx, entry, entry->mtu, options->receive_bytes, cause);
    effects->departure.a = (ctx->now_us - entry->sent_us) / 1000;
    effects->departure.b = entry->attempts;
    entry->sent_us = ctx->now_us;
}

/* ---- The listener's list, oldest first ---- */

static void append_entry(hfi_ctx *ctx, hfi_index index) {
    hfi_syn_entry *entry = &ctx->syns[index];
    hfi_listener *listener = &ctx->listeners[entry->listener];
    entry->next = HFI_NONE;
    entry->previous = listener->newest;
    if (entry->previous == HFI_NONE)
        listener->oldest = index;
    else
        ctx->syns[entry->previous].next = index;
    listener->newest = index;
    listener->handshaking++;
    if (hfi_open_promises_watch(ctx, listener)) ctx->root->watches_promised++;
    listener->young++;
}

static void unlink_syn(hfi_ctx *ctx, hfi_index index) {
    const hfi_syn_entry *entry = &ctx->syns[index];
    hfi_listener *listener = &ctx->listeners[entry->listener];
    if (entry->previous == HFI_NONE)
        listener->oldest = entry->next;
    else
        ctx->syns[entry->previous].next = entry->next;
    if (entry->next == HFI_NONE)
        listener->newest = entry->previous;
    else
        ctx->syns[entry->next].previous = entry->previous;
    listener->handshaking--;
    if (hfi_open_promises_watch(ctx, listener)) ctx->root->watches_promised--;
    listener->young -= entry->attempts == 1;
}

static void set_attempts(hfi_ctx *ctx, hfi_syn_entry *entry, uint8_t attempts) {
    hfi_listener *listener = &ctx->listeners[entry->listener];
    listener->young += (attempts == 1) - (entry->attempts == 1);
    entry->attempts = attempts;
}

void hfi_open_arm_entry(hfi_ctx *ctx, hfi_index index, hf_ns wait_ns) {
    hfi_wheel_arm(&ctx->wheel, wheel_id(ctx, index), ctx->now_ns + wait_ns);
}

static void arm_repetition(hfi_ctx *ctx, hfi_index index) {
    hfi_open_arm_entry(
        ctx, index,
        hfi_min64(ctx->limits->rto_initial_ns << hfi_min32(ctx->syns[index].attempts - 1u, 20),
                  ctx->limits->rto_max_ns));
}

void hfi_open_fill_entry(hfi_ctx *ctx, hfi_syn_entry *entry, hfi_index listener,
                         const hfi_arrival *arrival) {
    const hf_tcp_options *options = &ctx->option_sets[ctx->listeners[listener].options].value;
    const hfi_tcp_view *seg = &arrival->tcp;
    *entry = (hfi_syn_entry){.remote = arrival->source,
                             .remote_port = seg->source_port,
                             .local_port = seg->destination_port,
                             .local = arrival->local,
                             .mtu = arrival->mtu,
                             .irs = seg->seq,
                             .ts_recent = seg->options.ts_value,
                             .listener = listener,
                             .began_at = ctx->now_tick,
                             .sent_us = ctx->now_us,
                             .wscale = seg->options.wscale,
                             .present = seg->options.present,
                             .mss = seg->options.mss,
                             .attempts = 1,
                             .route_set = HFI_NO_ROUTE_SET,
                             .ecn = (seg->flags & HFI_TCP_SYN) != 0 && hfi_open_asks_ecn(seg) &&
                                    hfi_ecn(ctx, options) != HF_ECN_OFF,
                             .peer_window = seg->window};
    if (!hfi_open_is_gated(&ctx->listeners[listener]))
        entry->window = hfi_receive_first_window(ctx, options->receive_bytes,
                                                 hfi_open_our_mss(&arrival->source, arrival->mtu));
}

hfi_index hfi_open_take_entry(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival,
                              hfi_open_isn least) {
    const hfi_index index = hfi_pool_take(&ctx->root->syn_pool, ctx->syn_next);
    if (index == HFI_NONE) return HFI_NONE;
    hfi_syn_entry *entry = &ctx->syns[index];
    hfi_open_fill_entry(ctx, entry, listener, arrival);
    hfi_open_entry_route(ctx, entry, arrival);
    const hfi_flow_key key = hfi_open_entry_key(ctx, entry);
    const hf_seq isn = hfi_isn(ctx, &key);
    entry->iss = least.has_least ? hf_seq_max(isn, least.least) : isn;
    if (!hfi_flow_insert(&ctx->flow, hfi_flow_hash(&ctx->flow, &key),
                         hfi_flow_ref(HFI_FLOW_SYN, index))) {
        hfi_open_entry_route_drop(ctx, entry);
        entry->attempts = 0;
        hfi_pool_give(&ctx->root->syn_pool, ctx->syn_next, index);
        return HFI_NONE;
    }
    append_entry(ctx, index);
    return index;
}

void hfi_open_answer_entry(hfi_ctx *ctx, hfi_index index, hf_cause cause, hfi_effects *effects) {
    send_syn_ack(ctx, &ctx->syns[index], cause, effects);
    effects->departure.a = effects->departure.b = 0;
    arm_repetition(ctx, index);
}

void hfi_open_renew_entry(hfi_ctx *ctx, hfi_index index) {
    unlink_syn(ctx, index);
    ctx->syns[index].attempts = 1;
    ctx->syns[index].began_at = ctx->now_tick;
    append_entry(ctx, index);
}

static bool make_entry(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival,
                       hfi_open_isn least, hfi_effects *effects) {
    const hfi_index index = hfi_open_take_entry(ctx, listener, arrival, least);
    if (index == HFI_NONE) return false;
    hfi_open_answer_entry(ctx, index, HF_CAUSE_SENT_SYN_ACK, effects);
    return true;
}

/* ---- SYN ---- */

static hf_cause refuse(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival,
                       hfi_effects *effects) {
    const hfi_departure reset = hfi_reply_reset(arrival, HF_CAUSE_SENT_RST_REFUSED);
    hfi_reply_send(ctx, effects, &reset);
    hfi_open_note_overflow(ctx, &ctx->listeners[listener], arrival, HF_CAUSE_SENT_RST_REFUSED);
    return HF_CAUSE_TOOK_SYN;
}

/* The peer's owner has its share. Nobody who is told so waits for long. */
hf_cause hfi_open_refuse_owner(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival,
                               hfi_effects *effects) {
    const hfi_departure reset = hfi_reply_reset(arrival, HF_CAUSE_SENT_RST_OWNER_SHARE);
    hfi_reply_send(ctx, effects, &reset);
    hfi_open_note_overflow(ctx, &ctx->listeners[listener], arrival, HF_CAUSE_SENT_RST_OWNER_SHARE);
    hfi_owner_note_refused(ctx, &arrival->source);
    return HF_CAUSE_DROP_OWNER_SHARE;
}

static hf_cause ignore(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival) {
    hfi_open_note_overflow(ctx, &ctx->listeners[listener], arrival, HF_CAUSE_DROP_LISTENER_FULL);
    return HF_CAUSE_DROP_LISTENER_FULL;
}

static hf_cause answer_cookie(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival,
                              hfi_open_isn least, hfi_effects *effects) {
    if (!hfi_open_send_cookie(ctx, listener, arrival, least, effects))
        return ignore(ctx, listener, arrival);
    hfi_open_note_overflow(ctx, &ctx->listeners[listener], arrival, HF_CAUSE_SENT_SYN_COOKIE);
    return HF_CAUSE_TOOK_SYN;
}

static hf_cause turn_away(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival,
                          hfi_open_isn least, hfi_effects *effects) {
    const uint8_t when_full = ctx->listeners[listener].when_full;
    if (when_full == HF_FULL_REFUSE || hfi_quirk(ctx, HF_QUIRK_RST_WHEN_FULL))
        return refuse(ctx, listener, arrival, effects);
    if (when_full == HF_FULL_COOKIE) return answer_cookie(ctx, listener, arrival, least, effects);
    return ignore(ctx, listener, arrival);
}

/* Linux: requests reserve nothing, but none is taken while the accept queue is full. */
static hf_cause late_syn(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival,
                         hfi_open_isn isn, hfi_effects *effects) {
    const hfi_listener *l = &ctx->listeners[listener];
    const bool queue_full = hfi_open_late_queue_full(ctx, l);
    if ((queue_full && l->when_full == HF_FULL_IGNORE) || !hfi_open_late_has_place(ctx, l))
        return ignore(ctx, listener, arrival);
    if (!queue_full && make_entry(ctx, listener, arrival, isn, effects)) return HF_CAUSE_TOOK_SYN;
    return answer_cookie(ctx, listener, arrival, isn, effects);
}

static hf_ns entry_age_ns(const hfi_ctx *ctx, const hfi_syn_entry *entry) {
    return (hf_ns)(uint32_t)(ctx->now_tick - entry->began_at) * HFI_TICK_NS;
}

/* The share is taken: nobody holds a reservation for longer than this who has not been heard. */
static bool is_pressed(const hfi_listener *listener) {
    return listener->handshaking >= hfi_open_unverified_share(listener);
}

static void press_oldest(hfi_ctx *ctx, hfi_index listener) {
    const hfi_listener *l = &ctx->listeners[listener];
    if (is_pressed(l) && entry_age_ns(ctx, &ctx->syns[l->oldest]) >= PRESSED_ENTRY_NS)
        hfi_open_entry_forget(ctx, l->oldest, HF_CAUSE_SYN_CACHE_EXPIRED);
}

static hf_cause refuse_draining(hfi_ctx *ctx, const hfi_arrival *arrival, hfi_effects *effects) {
    const hfi_departure reset = hfi_reply_reset(arrival, HF_CAUSE_SENT_RST_DRAINING);
    hfi_reply_send(ctx, effects, &reset);
    return HF_CAUSE_TOOK_SYN;
}

/* The application answers SYNs itself: a cookie would answer for it. */
static hf_cause gated_syn(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival,
                          hfi_open_isn isn, hfi_effects *effects) {
    if (hfi_open_pend(ctx, listener, arrival, isn)) return HF_CAUSE_TOOK_SYN_PENDING;
    return ctx->listeners[listener].when_full == HF_FULL_REFUSE
               ? refuse(ctx, listener, arrival, effects)
               : ignore(ctx, listener, arrival);
}

static bool pool_refuses(const hfi_ctx *ctx) {
    return hfi_quirk(ctx, HF_QUIRK_FULL_POOL_REFUSES) && !hfi_open_has_slot(ctx);
}

bool hfi_open_keeps_place(hfi_ctx *ctx, hfi_index listener) {
    const hfi_listener *l = &ctx->listeners[listener];
    if (pool_refuses(ctx) || l->draining) return false;
    if (l->accept_at == HF_ACCEPT_AT_SYN) return l->accept.count + l->handshaking < l->backlog;
    if (hfi_quirk(ctx, HF_QUIRK_LATE_SLOT_CHECK))
        return !hfi_open_late_queue_full(ctx, l) && hfi_open_late_has_place(ctx, l);
    press_oldest(ctx, listener);
    return hfi_open_has_unverified_place(ctx, l);
}

hf_cause hfi_open_arriving_syn(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival,
                               hfi_open_isn isn, hfi_effects *effects) {
    const hfi_listener *l = &ctx->listeners[listener];
    if (l->draining) return refuse_draining(ctx, arrival, effects);
    if (!hfi_owner_may_connect(ctx, &arrival->source))
        return hfi_open_refuse_owner(ctx, listener, arrival, effects);
    if (pool_refuses(ctx)) return refuse(ctx, listener, arrival, effects);
    if (l->accept_at == HF_ACCEPT_AT_SYN) return gated_syn(ctx, listener, arrival, isn, effects);
    if (hfi_quirk(ctx, HF_QUIRK_LATE_SLOT_CHECK))
        return late_syn(ctx, listener, arrival, isn, effects);
    if (hfi_open_keeps_place(ctx, listener) && make_entry(ctx, listener, arrival, isn, effects))
        return HF_CAUSE_TOOK_SYN;
    return turn_away(ctx, listener, arrival, isn, effects);
}

/* ---- SYN entries ---- */

static void free_entry(hfi_ctx *ctx, hfi_index index) {
    hfi_open_unpend(ctx, &ctx->syns[index]);
    hfi_open_entry_route_drop(ctx, &ctx->syns[index]);
    unlink_syn(ctx, index);
    ctx->syns[index].attempts = 0;
    hfi_wheel_cancel(&ctx->wheel, wheel_id(ctx, index));
    hfi_pool_give(&ctx->root->syn_pool, ctx->syn_next, index);
}

void hfi_open_entry_forget(hfi_ctx *ctx, hfi_index index, hf_cause cause) {
    const hfi_flow_key key = hfi_open_entry_key(ctx, &ctx->syns[index]);
    if (cause != HF_CAUSE_NONE) hfi_note(ctx, HFI_NONE, cause, key.remote_port, 0);
    hfi_flow_remove(&ctx->flow, hfi_flow_hash(&ctx->flow, &key), hfi_flow_ref(HFI_FLOW_SYN, index));
    free_entry(ctx, index);
}

/* A client that has our SYN-ACK, and whose ACK was lost, must learn that nobody knows of it. Not
 * under pressure if its SYN was so short that the answers would be more than three times as long. */
static void tell_forgotten(hfi_ctx *ctx, const hfi_syn_entry *entry, bool pressed,
                           hfi_effects *effects) {
    if (hfi_quirk(ctx, HF_QUIRK_FORGET_REQUEST_SILENTLY)) return;
    if (pressed && (entry->present & HFI_OPT_MSS) == 0) return;
    effects->reply = true;
    effects->departure = hfi_open_syn_ack(ctx, entry, entry->mtu, 0, HF_CAUSE_SENT_RST_GAVE_UP);
    effects->departure.tcp.seq = entry->iss + 1;
    effects->departure.tcp.flags = HFI_TCP_RST | HFI_TCP_ACK;
    effects->departure.tcp.window = 0;
    effects->departure.tcp.options.present = 0;
}

static uint32_t repetitions(const hfi_ctx *ctx, const hfi_listener *listener) {
    return hfi_quirk(ctx, HF_QUIRK_FORGET_REQUEST_SILENTLY) ? hfi_open_late_limit(ctx, listener)
                                                            : ctx->limits->syn_ack_limit;
}

void hfi_open_entry_timeout(hfi_ctx *ctx, hfi_index index, hfi_effects *effects) {
    hfi_syn_entry *entry = &ctx->syns[index];
    if (entry->attempts == 0) return;
    if (entry->pending) {
        hfi_open_entry_forget(ctx, index, HF_CAUSE_SYN_UNANSWERED_BY_APP);
        return;
    }
    const hfi_listener *listener = &ctx->listeners[entry->listener];
    const bool pressed = !hfi_quirk(ctx, HF_QUIRK_LATE_SLOT_CHECK) && is_pressed(listener) &&
                         entry_age_ns(ctx, entry) >= PRESSED_ENTRY_NS - 100 * HF_MS;
    if (pressed || entry->attempts > repetitions(ctx, listener)) {
        tell_forgotten(ctx, entry, pressed, effects);
        hfi_open_entry_forget(ctx, index, HF_CAUSE_SYN_CACHE_EXPIRED);
        return;
    }
    set_attempts(ctx, entry, entry->attempts + 1);
    /* As with SYNs: some paths drop what agrees (RFC 3168 6.1.1.1). */
    if (entry->ecn) hfi_note(ctx, HFI_NONE, HF_CAUSE_ECN_NOT_ASKED_AGAIN, entry->remote_port, 0);
    entry->ecn = false;
    send_syn_ack(ctx, entry, HF_CAUSE_SENT_SYN_ACK_AGAIN, effects);
    effects->departure.b = entry->attempts - 1u;
    arm_repetition(ctx, index);
}

/* The connection that an entry, or a cookie, stands for. */
hfi_index hfi_open_make_conn(hfi_ctx *ctx, const hfi_syn_entry *entry, const hfi_arrival *arrival) {
    const hfi_index index = hfi_open_take(ctx);
    if (index == HFI_NONE) return HFI_NONE;
    hfi_conn *conn = &ctx->conns[index];
    hfi_listener *listener = &ctx->listeners[entry->listener];
    conn->options = entry->route_set != HFI_NO_ROUTE_SET ? entry->route_set : listener->options;
    ctx->option_sets[conn->options].uses++;
    conn->remote = entry->remote;
    conn->remote_port = entry->remote_port;
    hfi_owner_join(ctx, conn);
    conn->local = entry->local;
    conn->local_port = entry->local_port;
    conn->listener = entry->listener;
    conn->flags |= HFI_F_PASSIVE | HFI_F_UNACCEPTED | HFI_F_KNOWN;
    conn->mss = hfi_open_our_mss(&entry->remote, entry->mtu);
    conn->rcv_wscale = hfi_open_wscale(ctx, hfi_options(ctx, conn)->receive_bytes) & 15;
    const hfi_flow_key key = hfi_open_entry_key(ctx, entry);
    conn->ts_offset = hfi_timestamp_offset(ctx, &key);
    hfi_send_begin(ctx, conn, entry->iss);
    conn->snd_nxt = entry->iss + 1;
    if (entry->ecn) conn->flags |= HFI_F_ECN;
    const uint8_t asked = entry->ecn ? HFI_TCP_ECE | HFI_TCP_CWR : 0;
    const hfi_tcp_view syn = {.seq = entry->irs,
                              .flags = HFI_TCP_SYN | asked,
                              .options = {.present = entry->present,
                                          .wscale = entry->wscale,
                                          .mss = entry->mss,
                                          .ts_value = entry->ts_recent}};
    hfi_open_take_syn(ctx, conn, &syn);
    hfi_receive_grant_first(ctx, conn, entry->window);
    const bool again = entry->attempts > 1 || entry->repeats > 0;
    conn->transmissions = again;
    if (!again && entry->sent_us != 0) hfi_recover_sample(ctx, conn, ctx->now_us - entry->sent_us);
    hfi_open_established(ctx, conn, &arrival->tcp);
    hfi_queue_push(ctx, &listener->accept, HFI_LINK_QUEUE, index);
    listener->peak_waiting = hfi_max32(listener->peak_waiting, listener->accept.count);
    hfi_listener_event(ctx, listener, HF_EVENT_ACCEPTABLE);
    return index;
}

/* Linux: no place now. The client is not told, and the request waits for another ACK. */
static hf_cause late_overflow(hfi_ctx *ctx, hfi_index index, const hfi_arrival *arrival,
                              hfi_effects *effects) {
    hfi_listener *listener = &ctx->listeners[ctx->syns[index].listener];
    const bool refuse_it = listener->when_full == HF_FULL_REFUSE;
    const hf_cause cause = refuse_it ? HF_CAUSE_SENT_RST_NO_PLACE : HF_CAUSE_DROP_HANDSHAKE_ACK;
    hfi_open_note_overflow(ctx, listener, arrival, cause);
    if (!refuse_it) return cause;
    const hfi_departure reset = hfi_reply_reset(arrival, cause);
    hfi_reply_send(ctx, effects, &reset);
    hfi_open_entry_forget(ctx, index, HF_CAUSE_NONE);
    return HF_CAUSE_DROP_LISTENER_FULL;
}

static hf_cause complete(hfi_ctx *ctx, hfi_index index, const hfi_arrival *arrival,
                         hfi_effects *effects, hfi_index *ret_conn) {
    const hfi_syn_entry entry = ctx->syns[index];
    /* Handshakes do not count, or strangers could use a share up in its owner's name. So the share is looked at again
     * when the owner has proved itself; others of its handshakes may have taken it meanwhile. */
    if (!hfi_owner_may_connect(ctx, &entry.remote)) {
        hfi_open_entry_forget(ctx, index, HF_CAUSE_NONE);
        return hfi_open_refuse_owner(ctx, entry.listener, arrival, effects);
    }
    if (hfi_quirk(ctx, HF_QUIRK_LATE_SLOT_CHECK) &&
        !hfi_open_late_has_place(ctx, &ctx->listeners[entry.listener]))
        return late_overflow(ctx, index, arrival, effects);
    const hfi_flow_key key = hfi_open_entry_key(ctx, &entry);
    const hfi_index conn = hfi_open_make_conn(ctx, &entry, arrival);
    HF_ASSERT(conn != HFI_NONE); /* that is what the reservation was */
    hfi_flow_replace(&ctx->flow, hfi_flow_hash(&ctx->flow, &key), hfi_flow_ref(HFI_FLOW_SYN, index),
                     hfi_flow_ref(HFI_FLOW_CONN, conn));
    free_entry(ctx, index);
    *ret_conn = conn;
    return HF_CAUSE_TOOK_HANDSHAKE_ACK;
}

static hf_cause repeated_syn(hfi_ctx *ctx, hfi_index index, const hfi_arrival *arrival,
                             hfi_effects *effects) {
    hfi_syn_entry *entry = &ctx->syns[index];
    const hfi_tcp_view *seg = &arrival->tcp;
    if (seg->seq != entry->irs) {
        /* Another SYN from the same tuple: its client has given the first up. The entry follows it.
         */
        const hfi_index listener = entry->listener;
        hfi_open_entry_forget(ctx, index, HF_CAUSE_SYN_CACHE_EXPIRED);
        return hfi_open_arriving_syn(ctx, listener, arrival, HFI_OPEN_ANY_ISN, effects);
    }
    if (entry->repeats < UINT8_MAX) entry->repeats++;
    /* It pays for as many answers as the first did. */
    if (!hfi_quirk(ctx, HF_QUIRK_LATE_SLOT_CHECK)) set_attempts(ctx, entry, 1);
    /* Retransmitted SYNs may drop options that a middlebox disliked: the last SYN counts. */
    entry->present = seg->options.present;
    entry->mss = seg->options.mss;
    entry->wscale = seg->options.wscale;
    entry->ts_recent = seg->options.ts_value;
    entry->peer_window = seg->window;
    hfi_open_entry_route(ctx, entry, arrival);
    entry->ecn = entry->ecn && hfi_open_asks_ecn(seg);
    if (entry->pending) {
        hfi_open_pend_again(ctx, index);
        return HF_CAUSE_TOOK_SYN_REPEATED;
    }
    send_syn_ack(ctx, entry, HF_CAUSE_SENT_SYN_ACK_REPEATED_SYN, effects);
    if (entry->attempts == 1) arm_repetition(ctx, index);
    return HF_CAUSE_TOOK_SYN_REPEATED;
}

/* An ACK of where the handshake stands, without a connection (RFC 9293 3.10.7.4, first step). */
static void acknowledge_stranger(hfi_ctx *ctx, const hfi_syn_entry *entry,
                                 const hfi_arrival *arrival, hf_cause cause, hfi_effects *effects) {
    hfi_departure reply = hfi_reply_to(arrival, cause);
    reply.tcp.flags = HFI_TCP_ACK;
    reply.tcp.seq = entry->iss + 1;
    reply.tcp.ack = entry->irs + 1;
    reply.tcp.window = (uint16_t)entry->window;
    hfi_reply_send(ctx, effects, &reply);
}

static bool inside_window(const hfi_syn_entry *entry, hf_seq seq) {
    return hf_seq_le(entry->irs + 1, seq) && hf_seq_le(seq, entry->irs + 1 + entry->window);
}

/* RFC 5961 3.2 */
static hf_cause entry_reset(hfi_ctx *ctx, hfi_index index, const hfi_arrival *arrival,
                            hfi_effects *effects) {
    const hfi_syn_entry *entry = &ctx->syns[index];
    const hf_seq seq = arrival->tcp.seq;
    if (seq == entry->irs + 1) {
        hfi_open_entry_forget(ctx, index, HF_CAUSE_NONE);
        return HF_CAUSE_TOOK_RST_HANDSHAKE;
    }
    if (!inside_window(entry, seq)) return HF_CAUSE_DROP_RST_OUT_OF_WINDOW;
    acknowledge_stranger(ctx, entry, arrival, HF_CAUSE_SENT_CHALLENGE_ACK, effects);
    return HF_CAUSE_SENT_CHALLENGE_ACK;
}

hf_cause hfi_open_entry_input(hfi_ctx *ctx, hfi_index index, const hfi_arrival *arrival,
                              hfi_effects *effects, hfi_index *ret_conn) {
    hfi_syn_entry *entry = &ctx->syns[index];
    const hfi_tcp_view *seg = &arrival->tcp;
    *ret_conn = HFI_NONE;
    if ((seg->flags & HFI_TCP_RST) != 0) return entry_reset(ctx, index, arrival, effects);
    if ((seg->flags & HFI_TCP_SYN) != 0) {
        if ((seg->flags & HFI_TCP_ACK) != 0) return HF_CAUSE_DROP_TCP_FLAGS;
        return repeated_syn(ctx, index, arrival, effects);
    }
    if ((entry->present & HFI_OPT_TIMESTAMPS) != 0 && hfi_tcp_lacks_timestamp(ctx, seg))
        return HF_CAUSE_DROP_NO_TIMESTAMP;
    if ((seg->flags & HFI_TCP_ACK) == 0) return HF_CAUSE_DROP_NO_ACK;
    /* To a pending SYN nothing was sent that could be acknowledged. */
    if (entry->pending || seg->ack != entry->iss + 1) {
        const hfi_departure reset = hfi_reply_reset(arrival, HF_CAUSE_SENT_RST_BAD_ACK);
        hfi_reply_send(ctx, effects, &reset);
        return HF_CAUSE_DROP_ACK_OF_UNSENT;
    }
    if (!inside_window(entry, seg->seq)) {
        acknowledge_stranger(ctx, entry, arrival, HF_CAUSE_SENT_ACK_OUT_OF_WINDOW, effects);
        return HF_CAUSE_DROP_OUT_OF_WINDOW;
    }
    return complete(ctx, index, arrival, effects, ret_conn);
}
