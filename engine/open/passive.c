/* Listeners and the handshakes they begin. */
#include "open/internal.h"

/* A reservation under pressure lives this long: SYN-ACKs at 0, 1 and 3 s, so two chances to answer.
 */
#define PRESSED_ENTRY_NS (3 * HF_SECOND)

static uint32_t wheel_id(const hfi_ctx *ctx, hfi_index entry) {
    return ctx->root->config.conns + entry;
}

/* ---- Keys ---- */

static hfi_flow_key entry_key(const hfi_ctx *ctx, const hfi_syn_entry *entry) {
    return (hfi_flow_key){ctx->locals[entry->local], entry->remote, entry->local_port,
                          entry->remote_port};
}

static bool keys_equal(const hfi_flow_key *a, const hfi_flow_key *b) {
    return a->local_port == b->local_port && a->remote_port == b->remote_port &&
           memcmp(&a->remote, &b->remote, 16) == 0 && memcmp(&a->local, &b->local, 16) == 0;
}

bool hfi_open_entry_matches(const hfi_ctx *ctx, hfi_index entry, const hfi_flow_key *key) {
    const hfi_flow_key mine = entry_key(ctx, &ctx->syns[entry]);
    return keys_equal(&mine, key);
}

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
                               .when_full = (uint8_t)options->when_full,
                               .used = true,
                               .in_ready = listener->in_ready,
                               .ready_next = listener->ready_next};
    *ret_listener = index;
    return HF_OK;
}

void hfi_open_unlisten(hfi_ctx *ctx, hfi_index index) {
    hfi_listener *listener = &ctx->listeners[index];
    for (hfi_index entry = 0; listener->handshaking > 0 && entry < ctx->root->config.syn_entries;
         entry++)
        if (ctx->syns[entry].attempts > 0 && ctx->syns[entry].listener == index)
            hfi_open_entry_forget(ctx, entry, HF_CAUSE_SYN_CACHE_EXPIRED);
    const hfi_flow_key key = listener_key(&listener->local, listener->port);
    hfi_flow_remove(&ctx->flow, hfi_flow_hash(&ctx->flow, &key),
                    hfi_flow_ref(HFI_FLOW_LISTENER, index));
    hfi_open_options_drop(ctx, listener->options);
    listener->used = false;
    listener->generation++;
}

/* ---- Places ---- */

static uint32_t unverified_share(const hfi_listener *listener) {
    return hfi_max32(listener->backlog - listener->backlog / 4, 1);
}

static bool has_place(const hfi_ctx *ctx, const hfi_listener *listener) {
    if (listener->accept.count + listener->handshaking >= listener->backlog) return false;
    return hfi_pool_left(&ctx->root->conn_pool) > ctx->root->syn_pool.used;
}

static bool has_unverified_place(const hfi_ctx *ctx, const hfi_listener *listener) {
    return has_place(ctx, listener) && listener->handshaking < unverified_share(listener) &&
           hfi_pool_left(&ctx->root->syn_pool) > 0;
}

static void note_overflow(hfi_ctx *ctx, hfi_listener *listener, const hfi_arrival *arrival,
                          hf_cause cause) {
    listener->overflows++;
    listener->overflow_peer = arrival->source;
    listener->overflow_port = arrival->tcp.source_port;
    listener->overflow_cause = (uint16_t)cause;
    hfi_listener_event(ctx, listener, HF_EVENT_OVERFLOW);
}

/* ---- SYN-ACK ---- */

/* The SYN-ACK carries no option that the SYN lacked, but MSS (RULE of amplification too). */
static hfi_departure syn_ack(hfi_ctx *ctx, const hfi_syn_entry *entry, uint32_t mtu,
                             uint32_t receive_bytes, hf_cause cause) {
    hfi_departure ret;
    memset(&ret, 0, sizeof ret);
    const hfi_flow_key key = entry_key(ctx, entry);
    ret.source = key.local;
    ret.destination = entry->remote;
    ret.tcp.source_port = entry->local_port;
    ret.tcp.destination_port = entry->remote_port;
    ret.tcp.seq = entry->iss;
    ret.tcp.ack = entry->irs + 1;
    ret.tcp.flags = HFI_TCP_SYN | HFI_TCP_ACK;
    ret.tcp.window = (uint16_t)entry->window;
    ret.tcp.options.present =
        (uint8_t)(HFI_OPT_MSS | (entry->present &
                                 (HFI_OPT_WSCALE | HFI_OPT_SACK_PERMITTED | HFI_OPT_TIMESTAMPS)));
    ret.tcp.options.mss = hfi_open_our_mss(&entry->remote, mtu);
    ret.tcp.options.wscale = hfi_open_wscale(receive_bytes);
    ret.tcp.options.ts_value = hfi_timestamp(ctx, &key);
    ret.tcp.options.ts_echo = entry->ts_recent;
    ret.chunk = HFI_NONE;
    ret.conn = HFI_NONE;
    ret.ttl = 64;
    ret.cause = cause;
    return ret;
}

static void send_syn_ack(hfi_ctx *ctx, hfi_syn_entry *entry, hf_cause cause, hfi_effects *effects) {
    const hf_tcp_options *options =
        &ctx->option_sets[ctx->listeners[entry->listener].options].value;
    effects->reply = true;
    effects->departure = syn_ack(ctx, entry, entry->mtu, options->receive_bytes, cause);
    effects->departure.a = (ctx->now_us - entry->sent_us) / 1000;
    effects->departure.b = entry->attempts;
    entry->sent_us = ctx->now_us;
}

static void arm_entry(hfi_ctx *ctx, hfi_index index) {
    const hf_ns wait =
        hfi_min64(ctx->limits->rto_initial_ns << hfi_min32(ctx->syns[index].attempts - 1u, 20),
                  ctx->limits->rto_max_ns);
    hfi_wheel_arm(&ctx->wheel, wheel_id(ctx, index), ctx->now_ns + wait);
}

static void fill_entry(hfi_ctx *ctx, hfi_syn_entry *entry, hfi_index listener,
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
                             .peer_window = seg->window};
    entry->window = hfi_receive_first_window(ctx, options->receive_bytes,
                                             hfi_open_our_mss(&arrival->source, arrival->mtu));
}

static bool make_entry(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival,
                       hfi_open_isn least, hfi_effects *effects) {
    const hfi_index index = hfi_pool_take(&ctx->root->syn_pool, ctx->syn_next);
    hfi_syn_entry *entry = &ctx->syns[index];
    fill_entry(ctx, entry, listener, arrival);
    const hfi_flow_key key = entry_key(ctx, entry);
    const hf_seq isn = hfi_isn(ctx, &key);
    entry->iss = least.has_least ? hf_seq_max(isn, least.least) : isn;
    if (!hfi_flow_insert(&ctx->flow, hfi_flow_hash(&ctx->flow, &key),
                         hfi_flow_ref(HFI_FLOW_SYN, index))) {
        entry->attempts = 0;
        hfi_pool_give(&ctx->root->syn_pool, ctx->syn_next, index);
        return false;
    }
    ctx->listeners[listener].handshaking++;
    send_syn_ack(ctx, entry, HF_CAUSE_SENT_SYN_ACK, effects);
    effects->departure.a = effects->departure.b = 0;
    arm_entry(ctx, index);
    return true;
}

/* ---- Cookies, RFC 4987 3.6 ---- */

/*  cookie: | MAC 24 | minute 5 | MSS 3 |   A minute is 64 s; this one and the last are good, 64 to
 * 128 s. The window scale and SACK ride in the low 5 bits of our TSval, which comes back as TSecr.
 */
static const uint16_t cookie_mss[8] = {MSS_FLOOR, 256, 536, 1220, 1300, 1400, 1440, 1460};

static uint32_t cookie_mac(const hfi_ctx *ctx, const hfi_flow_key *key, hf_seq irs, uint32_t minute,
                           uint32_t low) {
    uint64_t words[6];
    memcpy(&words[0], key->local.bytes, 16);
    memcpy(&words[2], key->remote.bytes, 16);
    words[4] = (uint64_t)key->local_port << 48 | (uint64_t)key->remote_port << 32 | irs;
    words[5] = (uint64_t)minute << 8 | low;
    return (uint32_t)hfi_siphash24(ctx->root->cookie_key, words, sizeof words) & 0xffffff;
}

static uint32_t cookie_minute(const hfi_ctx *ctx) {
    return (uint32_t)(ctx->now_ns / (64 * HF_SECOND));
}

static hf_seq cookie_make(const hfi_ctx *ctx, const hfi_flow_key *key, hf_seq irs, uint32_t mss) {
    uint32_t index = 0;
    while (index < 7 && cookie_mss[index + 1] <= mss) index++;
    const uint32_t minute = cookie_minute(ctx);
    return cookie_mac(ctx, key, irs, minute, index) << 8 | (minute & 31) << 3 | index;
}

/* The MSS that a good cookie holds, or 0. */
static uint32_t cookie_check(const hfi_ctx *ctx, const hfi_flow_key *key, hf_seq irs,
                             hf_seq cookie) {
    const uint32_t now = cookie_minute(ctx), index = cookie & 7, age = (now - (cookie >> 3)) & 31;
    if (age > 1 || age > now) return 0;
    return cookie_mac(ctx, key, irs, now - age, index) == cookie >> 8 ? cookie_mss[index] : 0;
}

/* A cookie cannot remember its window, so it is one that can be told again: the share that even
 * the last of all connections would get. */
static void set_cookie_window(const hfi_ctx *ctx, hfi_syn_entry *entry) {
    const hf_tcp_options *options =
        &ctx->option_sets[ctx->listeners[entry->listener].options].value;
    entry->window = hfi_receive_least_window(ctx, options->receive_bytes,
                                             hfi_open_our_mss(&entry->remote, entry->mtu));
}

/* False if no cookie may stand for this SYN. */
static bool send_cookie(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival,
                        hfi_open_isn least, hfi_effects *effects) {
    hfi_syn_entry entry;
    fill_entry(ctx, &entry, listener, arrival);
    set_cookie_window(ctx, &entry);
    const hfi_flow_key key = entry_key(ctx, &entry);
    const uint32_t peer_mss = (entry.present & HFI_OPT_MSS) != 0 ? entry.mss : 536;
    entry.iss = cookie_make(ctx, &key, entry.irs, peer_mss);
    if (least.has_least && !least.has_timestamps && hf_seq_lt(entry.iss, least.least)) return false;
    if ((entry.present & HFI_OPT_TIMESTAMPS) == 0) entry.present &= HFI_OPT_MSS;
    const hf_tcp_options *options = &ctx->option_sets[ctx->listeners[listener].options].value;
    hfi_departure reply =
        syn_ack(ctx, &entry, entry.mtu, options->receive_bytes, HF_CAUSE_SENT_SYN_COOKIE);
    const uint32_t scale = (entry.present & HFI_OPT_WSCALE) != 0 ? hfi_min32(entry.wscale, 14) : 15;
    const uint32_t sack = (entry.present & HFI_OPT_SACK_PERMITTED) != 0 ? 16 : 0;
    reply.tcp.options.ts_value = ((reply.tcp.options.ts_value & ~31u) - 32) | sack | scale;
    ctx->listeners[listener].cookies_sent++;
    hfi_reply_send(ctx, effects, &reply);
    return true;
}

/* ---- SYN ---- */

static hf_cause turn_away(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival,
                          hfi_open_isn least, hfi_effects *effects) {
    hfi_listener *l = &ctx->listeners[listener];
    const bool refuse = l->when_full == HF_FULL_REFUSE || hfi_quirk(ctx, HF_QUIRK_RST_WHEN_FULL);
    if (refuse) {
        const hfi_departure reset = hfi_reply_reset(arrival, HF_CAUSE_SENT_RST_REFUSED);
        hfi_reply_send(ctx, effects, &reset);
        note_overflow(ctx, l, arrival, HF_CAUSE_SENT_RST_REFUSED);
        return HF_CAUSE_TOOK_SYN;
    }
    if (l->when_full == HF_FULL_COOKIE && send_cookie(ctx, listener, arrival, least, effects)) {
        note_overflow(ctx, l, arrival, HF_CAUSE_SENT_SYN_COOKIE);
        return HF_CAUSE_TOOK_SYN;
    }
    note_overflow(ctx, l, arrival, HF_CAUSE_DROP_LISTENER_FULL);
    return HF_CAUSE_DROP_LISTENER_FULL;
}

bool hfi_open_keeps_place(const hfi_ctx *ctx, hfi_index listener) {
    return has_unverified_place(ctx, &ctx->listeners[listener]);
}

hf_cause hfi_open_arriving_syn(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival,
                               hfi_open_isn isn, hfi_effects *effects) {
    if (hfi_open_keeps_place(ctx, listener) && make_entry(ctx, listener, arrival, isn, effects))
        return HF_CAUSE_TOOK_SYN;
    return turn_away(ctx, listener, arrival, isn, effects);
}

/* ---- SYN entries ---- */

static void free_entry(hfi_ctx *ctx, hfi_index index) {
    ctx->listeners[ctx->syns[index].listener].handshaking--;
    ctx->syns[index].attempts = 0;
    hfi_wheel_cancel(&ctx->wheel, wheel_id(ctx, index));
    hfi_pool_give(&ctx->root->syn_pool, ctx->syn_next, index);
}

void hfi_open_entry_forget(hfi_ctx *ctx, hfi_index index, hf_cause cause) {
    const hfi_flow_key key = entry_key(ctx, &ctx->syns[index]);
    if (cause != HF_CAUSE_NONE) hfi_note(ctx, HFI_NONE, cause, key.remote_port, 0);
    hfi_flow_remove(&ctx->flow, hfi_flow_hash(&ctx->flow, &key), hfi_flow_ref(HFI_FLOW_SYN, index));
    free_entry(ctx, index);
}

void hfi_open_entry_timeout(hfi_ctx *ctx, hfi_index index, hfi_effects *effects) {
    hfi_syn_entry *entry = &ctx->syns[index];
    if (entry->attempts == 0) return;
    const hfi_listener *listener = &ctx->listeners[entry->listener];
    const hf_ns age = (hf_ns)(uint32_t)(ctx->now_tick - entry->began_at) * HFI_TICK_NS;
    const bool pressed = listener->handshaking >= unverified_share(listener) &&
                         age >= PRESSED_ENTRY_NS - 100 * HF_MS;
    if (pressed || entry->attempts > ctx->limits->syn_ack_limit) {
        hfi_open_entry_forget(ctx, index, HF_CAUSE_SYN_CACHE_EXPIRED);
        return;
    }
    entry->attempts++;
    send_syn_ack(ctx, entry, HF_CAUSE_SENT_SYN_ACK_AGAIN, effects);
    effects->departure.b = entry->attempts - 1u;
    arm_entry(ctx, index);
}

/* The connection that an entry, or a cookie, stands for. */
static hfi_index make_conn(hfi_ctx *ctx, const hfi_syn_entry *entry, const hfi_arrival *arrival) {
    const hfi_index index = hfi_open_take(ctx);
    if (index == HFI_NONE) return HFI_NONE;
    hfi_conn *conn = &ctx->conns[index];
    hfi_listener *listener = &ctx->listeners[entry->listener];
    ctx->option_sets[listener->options].uses++;
    conn->remote = entry->remote;
    conn->remote_port = entry->remote_port;
    conn->local = entry->local;
    conn->local_port = entry->local_port;
    conn->options = listener->options;
    conn->listener = entry->listener;
    conn->flags |= HFI_F_PASSIVE | HFI_F_UNACCEPTED | HFI_F_KNOWN;
    conn->mss = hfi_open_our_mss(&entry->remote, entry->mtu);
    conn->rcv_wscale = hfi_open_wscale(hfi_options(ctx, conn)->receive_bytes) & 15;
    const hfi_flow_key key = entry_key(ctx, entry);
    conn->ts_offset = hfi_timestamp_offset(ctx, &key);
    hfi_send_begin(ctx, conn, entry->iss);
    conn->snd_nxt = entry->iss + 1;
    const hfi_tcp_view syn = {.seq = entry->irs,
                              .flags = HFI_TCP_SYN,
                              .options = {.present = entry->present,
                                          .wscale = entry->wscale,
                                          .mss = entry->mss,
                                          .ts_value = entry->ts_recent}};
    hfi_open_take_syn(ctx, conn, &syn);
    hfi_receive_grant_first(ctx, conn, entry->window);
    conn->transmissions = entry->attempts > 1;
    if (entry->attempts == 1 && entry->sent_us != 0)
        hfi_recover_sample(ctx, conn, ctx->now_us - entry->sent_us);
    hfi_open_established(ctx, conn, &arrival->tcp);
    hfi_queue_push(ctx, &listener->accept, HFI_LINK_QUEUE, index);
    listener->peak_waiting = hfi_max32(listener->peak_waiting, listener->accept.count);
    hfi_listener_event(ctx, listener, HF_EVENT_ACCEPTABLE);
    return index;
}

static hf_cause complete(hfi_ctx *ctx, hfi_index index, const hfi_arrival *arrival,
                         hfi_index *ret_conn) {
    const hfi_syn_entry entry = ctx->syns[index];
    const hfi_flow_key key = entry_key(ctx, &entry);
    const hfi_index conn = make_conn(ctx, &entry, arrival);
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
    /* Retransmitted SYNs may drop options that a middlebox disliked: the last SYN counts. */
    entry->present = seg->options.present;
    entry->mss = seg->options.mss;
    entry->wscale = seg->options.wscale;
    entry->ts_recent = seg->options.ts_value;
    entry->peer_window = seg->window;
    send_syn_ack(ctx, entry, HF_CAUSE_SENT_SYN_ACK_REPEATED_SYN, effects);
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
    if ((seg->flags & HFI_TCP_ACK) == 0) return HF_CAUSE_DROP_NO_ACK;
    if (seg->ack != entry->iss + 1) {
        const hfi_departure reset = hfi_reply_reset(arrival, HF_CAUSE_SENT_RST_BAD_ACK);
        hfi_reply_send(ctx, effects, &reset);
        return HF_CAUSE_DROP_ACK_OF_UNSENT;
    }
    if (!inside_window(entry, seg->seq)) {
        acknowledge_stranger(ctx, entry, arrival, HF_CAUSE_SENT_ACK_OUT_OF_WINDOW, effects);
        return HF_CAUSE_DROP_OUT_OF_WINDOW;
    }
    return complete(ctx, index, arrival, ret_conn);
}

/* ---- The cookie comes back ---- */

static hfi_syn_entry entry_of_cookie(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival,
                                     uint32_t mss) {
    const hfi_tcp_view *seg = &arrival->tcp;
    hfi_syn_entry entry;
    fill_entry(ctx, &entry, listener, arrival);
    set_cookie_window(ctx, &entry);
    entry.irs = seg->seq - 1;
    entry.iss = seg->ack - 1;
    entry.mss = (uint16_t)mss;
    entry.sent_us = 0;
    entry.present = HFI_OPT_MSS;
    if ((seg->options.present & HFI_OPT_TIMESTAMPS) == 0) return entry;
    const uint32_t bits = seg->options.ts_echo & 31;
    entry.present |= HFI_OPT_TIMESTAMPS;
    if ((bits & 16) != 0) entry.present |= HFI_OPT_SACK_PERMITTED;
    if ((bits & 15) != 15) entry.present |= HFI_OPT_WSCALE;
    entry.wscale = bits & 15;
    return entry;
}

/* The MSS of the good cookie that a segment brings back, or 0. */
static uint32_t cookie_of(const hfi_ctx *ctx, const hfi_listener *listener,
                          const hfi_arrival *arrival) {
    const hfi_tcp_view *seg = &arrival->tcp;
    const hfi_flow_key key = {arrival->destination, arrival->source, seg->destination_port,
                              seg->source_port};
    const bool plain = (seg->flags & (HFI_TCP_SYN | HFI_TCP_RST | HFI_TCP_ACK)) == HFI_TCP_ACK;
    if (!plain || listener->cookies_sent == 0) return 0;
    return cookie_check(ctx, &key, seg->seq - 1, seg->ack - 1);
}

bool hfi_open_cookie_good(const hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival) {
    const hfi_listener *l = &ctx->listeners[listener];
    return has_place(ctx, l) && cookie_of(ctx, l, arrival) != 0;
}

hf_cause hfi_open_cookie_input(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival,
                               hfi_effects *effects, hfi_index *ret_conn) {
    const hfi_tcp_view *seg = &arrival->tcp;
    const hfi_flow_key key = {arrival->destination, arrival->source, seg->destination_port,
                              seg->source_port};
    hfi_listener *l = &ctx->listeners[listener];
    *ret_conn = HFI_NONE;
    const uint32_t mss = cookie_of(ctx, l, arrival);
    if (mss == 0) {
        const hfi_departure reset = hfi_reply_reset(arrival, HF_CAUSE_SENT_RST_NO_CONNECTION);
        hfi_reply_send(ctx, effects, &reset);
        return HF_CAUSE_DROP_BAD_COOKIE;
    }
    const hfi_syn_entry entry = entry_of_cookie(ctx, listener, arrival, mss);
    hfi_index conn = HFI_NONE;
    if (has_place(ctx, l)) conn = make_conn(ctx, &entry, arrival);
    if (conn == HFI_NONE || !hfi_flow_insert(&ctx->flow, hfi_flow_hash(&ctx->flow, &key),
                                             hfi_flow_ref(HFI_FLOW_CONN, conn))) {
        HF_ASSERT(conn == HFI_NONE); /* the table has room for every connection */
        note_overflow(ctx, l, arrival, HF_CAUSE_SENT_RST_NO_PLACE);
        const hfi_departure reset = hfi_reply_reset(arrival, HF_CAUSE_SENT_RST_NO_PLACE);
        hfi_reply_send(ctx, effects, &reset);
        return HF_CAUSE_DROP_LISTENER_FULL;
    }
    l->cookies_good++;
    *ret_conn = conn;
    return HF_CAUSE_TOOK_COOKIE_ACK;
}
