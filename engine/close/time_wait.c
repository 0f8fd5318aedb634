#include "close/time_wait.h"

#define IPV6_BIT (1u << 28) /* of the index in a flow reference: which of the two pools */

/* Flags of an entry. Above them lies when it was probed, in units of 1,024 ticks (1.05 s). */
enum { WITH_TIMESTAMPS = 1, PROBED = 2, PROBED_AT_SHIFT = 2 };
#define PROBED_AT_MASK 63u

/* How far beyond RCV.NXT new data of an orphan's peer may lie. */
#define ORPHAN_WINDOW 65535u

/* One family's entries, seen alike. */
typedef struct family {
    hfi_tw_pool *pool;
    hfi_time_wait *entries;
} family;

static family family_of(const hfi_ctx *ctx, bool ip6) {
    return ip6 ? (family){&ctx->root->tw6, ctx->tw6} : (family){&ctx->root->tw4, ctx->tw4};
}

static bool is_ip6(uint32_t ref) { return (ref & IPV6_BIT) != 0; }
static uint32_t index_of(uint32_t ref) { return hfi_flow_index(ref) & ~IPV6_BIT; }
static uint32_t ref_of(bool ip6, uint32_t index) {
    return hfi_flow_ref(HFI_FLOW_TIME_WAIT, index | (ip6 ? IPV6_BIT : 0));
}

static hfi_flow_key key_of(const hfi_ctx *ctx, bool ip6, uint32_t index) {
    const hfi_time_wait *entry = &family_of(ctx, ip6).entries[index];
    hfi_flow_key key = {ctx->locals[entry->local], hf_addr4(0, 0, 0, 0), entry->local_port,
                        entry->remote_port};
    if (ip6) memcpy(key.remote.bytes, ctx->tw6_head[index].remote_head, 12);
    memcpy(key.remote.bytes + 12, entry->remote4, 4);
    return key;
}

bool hfi_tw_matches(const hfi_ctx *ctx, uint32_t ref, const hfi_flow_key *key) {
    const hfi_flow_key mine = key_of(ctx, is_ip6(ref), index_of(ref));
    return mine.local_port == key->local_port && mine.remote_port == key->remote_port &&
           memcmp(&mine.remote, &key->remote, 16) == 0 && memcmp(&mine.local, &key->local, 16) == 0;
}

/* ---- The lists: one FIFO a class, oldest first ---- */

static void append(family f, uint32_t index) {
    hfi_time_wait *entry = &f.entries[index];
    entry->next = HFI_NONE;
    entry->previous = f.pool->tail[entry->kind];
    if (entry->previous == HFI_NONE)
        f.pool->head[entry->kind] = index;
    else
        f.entries[entry->previous].next = index;
    f.pool->tail[entry->kind] = index;
    f.pool->counts[entry->kind]++;
}

static void unlink_entry(family f, uint32_t index) {
    const hfi_time_wait *entry = &f.entries[index];
    f.pool->counts[entry->kind]--;
    if (entry->previous == HFI_NONE)
        f.pool->head[entry->kind] = entry->next;
    else
        f.entries[entry->previous].next = entry->next;
    if (entry->next == HFI_NONE)
        f.pool->tail[entry->kind] = entry->previous;
    else
        f.entries[entry->next].previous = entry->previous;
}

static uint32_t left_ms(const hfi_ctx *ctx, const hfi_time_wait *entry) {
    if (hfi_tick_le(entry->until, ctx->now_tick)) return 0;
    return (uint32_t)((uint64_t)(entry->until - ctx->now_tick) * HFI_TICK_NS / HF_MS);
}

static void remove_entry(hfi_ctx *ctx, bool ip6, uint32_t index, hf_cause cause) {
    const family f = family_of(ctx, ip6);
    const hfi_flow_key key = key_of(ctx, ip6, index);
    hfi_note(ctx, HFI_NONE, cause, f.entries[index].local_port, left_ms(ctx, &f.entries[index]));
    hfi_flow_remove(&ctx->flow, hfi_flow_hash(&ctx->flow, &key), ref_of(ip6, index));
    unlink_entry(f, index);
    f.entries[index].next = f.pool->free;
    f.pool->free = index;
    f.pool->used--;
}

/* The free list runs through the entries' own links. */
static uint32_t take_free(family f) {
    const hfi_index index = f.pool->free;
    if (index == HFI_NONE) return HFI_NONE;
    f.pool->free = f.entries[index].next;
    f.pool->used++;
    return index;
}

void hfi_tw_init(hfi_ctx *ctx) {
    for (int ip6 = 0; ip6 < 2; ip6++) {
        const family f = family_of(ctx, ip6 == 1);
        const uint32_t count =
            ip6 == 1 ? ctx->root->config.time_wait6 : ctx->root->config.time_wait;
        f.pool->free = count > 0 ? 0 : HFI_NONE;
        for (uint32_t i = 0; i < count; i++) f.entries[i].next = i + 1 < count ? i + 1 : HFI_NONE;
        for (int kind = 0; kind < HFI_TW_CLASSES; kind++)
            f.pool->head[kind] = f.pool->tail[kind] = HFI_NONE;
    }
}

/* Why an entry goes before its time, and at its time. */
static const uint16_t early_cause[HFI_TW_CLASSES] = {
    [HFI_TW_TIMESTAMPS] = HF_CAUSE_TIME_WAIT_EVICTED_GUARDED,
    [HFI_TW_ISN] = HF_CAUSE_TIME_WAIT_EVICTED_GUARDED,
    [HFI_TW_COOKIE] = HF_CAUSE_TIME_WAIT_EVICTED_UNSAFE,
    [HFI_TW_FIN_WAIT_2] = HF_CAUSE_FIN_WAIT_2_EVICTED,
    [HFI_TW_UNGUARDED] = HF_CAUSE_TIME_WAIT_EVICTED_UNSAFE};
static const uint16_t end_cause[HFI_TW_CLASSES] = {[HFI_TW_TIMESTAMPS] = HF_CAUSE_TIME_WAIT_ENDED,
                                                   [HFI_TW_ISN] = HF_CAUSE_TIME_WAIT_ENDED,
                                                   [HFI_TW_COOKIE] = HF_CAUSE_COOKIE_GUARD_ENDED,
                                                   [HFI_TW_FIN_WAIT_2] = HF_CAUSE_FIN_WAIT_2_ENDED,
                                                   [HFI_TW_UNGUARDED] = HF_CAUSE_TIME_WAIT_ENDED};

/* The application can ask who it was. */
static void remember_unsafe(hfi_ctx *ctx, const hfi_flow_key *key, hf_ns age_ns) {
    ctx->root->tw_last_unsafe =
        (hfi_tw_exit){key->remote, key->remote_port, key->local_port, ctx->now_ns, age_ns};
}

static void leave_early(hfi_ctx *ctx, bool ip6, uint32_t index) {
    const hfi_time_wait *entry = &family_of(ctx, ip6).entries[index];
    const hf_ns left_ns = left_ms(ctx, entry) * HF_MS, whole_ns = ctx->limits->msl2_ns;
    const hfi_flow_key key = key_of(ctx, ip6, index);
    if (early_cause[entry->kind] == HF_CAUSE_TIME_WAIT_EVICTED_UNSAFE)
        remember_unsafe(ctx, &key, whole_ns > left_ns ? whole_ns - left_ns : 0);
    remove_entry(ctx, ip6, index, (hf_cause)early_cause[entry->kind]);
}

static uint32_t take_entry(hfi_ctx *ctx, bool ip6) {
    const family f = family_of(ctx, ip6);
    const uint32_t free_index = take_free(f);
    if (free_index != HFI_NONE || hfi_quirk(ctx, HF_QUIRK_TIME_WAIT_SKIPPED_AT_CAP))
        return free_index;
    for (int kind = 0; kind < HFI_TW_CLASSES; kind++) {
        const hfi_index oldest = f.pool->head[kind];
        if (oldest == HFI_NONE) continue;
        leave_early(ctx, ip6, oldest);
        return take_free(f);
    }
    return HFI_NONE; /* a table without entries: TIME_WAIT is skipped, and counted */
}

/* ---- Life ---- */

static void restart(hfi_ctx *ctx, bool ip6, uint32_t index) {
    const family f = family_of(ctx, ip6);
    unlink_entry(f, index);
    f.entries[index].until = hfi_ticks_from(ctx, ctx->limits->msl2_ns);
    append(f, index);
}

/* What guards the tuple if the entry leaves early. */
static hfi_tw_class guard_of(const hfi_ctx *ctx, const hfi_flow_key *key, bool timestamps,
                             hf_seq snd_nxt) {
    if (timestamps) return HFI_TW_TIMESTAMPS;
    return hf_seq_lt(snd_nxt, hfi_isn(ctx, key)) ? HFI_TW_ISN : HFI_TW_UNGUARDED;
}

/* The entry stands for the connection from now on. */
static void fill_entry_of(hfi_ctx *ctx, hfi_conn *conn, bool ip6, uint32_t index, hfi_tw_class kind,
                          hf_ns wait_ns) {
    const family f = family_of(ctx, ip6);
    const hfi_flow_key key = hfi_conn_key(ctx, conn);
    f.entries[index] =
        (hfi_time_wait){.remote_port = conn->remote_port,
                        .local_port = conn->local_port,
                        .local = conn->local,
                        .kind = (uint8_t)kind,
                        .flags = hfi_has(conn, HFI_F_TIMESTAMPS) ? WITH_TIMESTAMPS : 0,
                        .snd_nxt = conn->snd_nxt,
                        .rcv_nxt = conn->rcv_nxt,
                        .ts_recent = conn->ts_recent,
                        .until = hfi_ticks_from(ctx, wait_ns)};
    memcpy(f.entries[index].remote4, conn->remote.bytes + 12, 4);
    if (ip6) memcpy(ctx->tw6_head[index].remote_head, conn->remote.bytes, 12);
    append(f, index);
    hfi_flow_replace(&ctx->flow, hfi_flow_hash(&ctx->flow, &key),
                     hfi_flow_ref(HFI_FLOW_CONN, hfi_conn_index(ctx, conn)), ref_of(ip6, index));
    conn->flags &= ~(uint32_t)HFI_F_KNOWN;
}

bool hfi_tw_begin_fin_wait_2(hfi_ctx *ctx, hfi_conn *conn) {
    const bool ip6 = !hf_addr_is4(&conn->remote);
    const uint32_t index = take_free(family_of(ctx, ip6));
    if (index == HFI_NONE) return false;
    const hf_ns wait_ns = ctx->limits->fin_wait_2_ns;
    fill_entry_of(ctx, conn, ip6, index, HFI_TW_FIN_WAIT_2, wait_ns);
    hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_FIN_WAIT_2_STARTED,
             (uint32_t)(wait_ns / HF_MS), 0);
    return true;
}

bool hfi_tw_begin(hfi_ctx *ctx, hfi_conn *conn) {
    const hfi_flow_key key = hfi_conn_key(ctx, conn);
    const bool ip6 = !hf_addr_is4(&conn->remote);
    const uint32_t index = take_entry(ctx, ip6);
    if (index == HFI_NONE) {
        const bool skips = hfi_quirk(ctx, HF_QUIRK_TIME_WAIT_SKIPPED_AT_CAP);
        if (!skips) remember_unsafe(ctx, &key, 0);
        hfi_note(ctx, hfi_conn_index(ctx, conn),
                 skips ? HF_CAUSE_TIME_WAIT_SKIPPED : HF_CAUSE_TIME_WAIT_EVICTED_UNSAFE,
                 conn->local_port, (uint32_t)(ctx->limits->msl2_ns / HF_MS));
        return false;
    }
    fill_entry_of(ctx, conn, ip6, index,
                  guard_of(ctx, &key, hfi_has(conn, HFI_F_TIMESTAMPS), conn->snd_nxt),
                  ctx->limits->msl2_ns);
    hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_TIME_WAIT_STARTED,
             (uint32_t)(ctx->limits->msl2_ns / HF_MS), 0);
    return true;
}

/* Its SND.NXT is the cookie. */
void hfi_tw_guard_cookie(hfi_ctx *ctx, hfi_conn *conn) {
    const bool ip6 = !hf_addr_is4(&conn->remote);
    if (hfi_quirk(ctx, HF_QUIRK_COOKIE_REVIVES)) return;
    const uint32_t index = take_entry(ctx, ip6);
    if (index == HFI_NONE) return;
    fill_entry_of(ctx, conn, ip6, index, HFI_TW_COOKIE, ctx->limits->msl2_ns);
    family_of(ctx, ip6).entries[index].snd_nxt = conn->iss;
    hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_COOKIE_GUARD_STARTED,
             (uint32_t)(ctx->limits->msl2_ns / HF_MS), 0);
}

uint32_t hfi_tw_expire(hfi_ctx *ctx, uint32_t budget) {
    uint32_t gone = 0;
    for (int family_index = 0; family_index < 2; family_index++) {
        const family f = family_of(ctx, family_index == 1);
        if (f.pool->used == 0) continue;
        for (int kind = 0; kind < HFI_TW_CLASSES; kind++)
            while (gone < budget && f.pool->head[kind] != HFI_NONE &&
                   hfi_tick_le(f.entries[f.pool->head[kind]].until, ctx->now_tick)) {
                remove_entry(ctx, family_index == 1, f.pool->head[kind], (hf_cause)end_cause[kind]);
                gone++;
            }
    }
    return gone;
}

hf_ns hfi_tw_next_at(const hfi_ctx *ctx) {
    hf_ns next = HF_NEVER;
    for (int family_index = 0; family_index < 2; family_index++) {
        const family f = family_of(ctx, family_index == 1);
        for (int kind = 0; kind < HFI_TW_CLASSES; kind++)
            if (f.pool->head[kind] != HFI_NONE)
                next = hfi_min64(
                    next, hfi_tick_near_ns(f.entries[f.pool->head[kind]].until, ctx->now_ns));
    }
    return next;
}

/* ---- Segments ---- */

static bool has_old_timestamp(const hfi_time_wait *entry, const hfi_tcp_view *seg) {
    return (entry->flags & WITH_TIMESTAMPS) != 0 &&
           (seg->options.present & HFI_OPT_TIMESTAMPS) != 0 &&
           hf_seq_lt(seg->options.ts_value, entry->ts_recent);
}

/* RFC 6191 2: a SYN with a newer timestamp, or beyond what we have received, cannot be an old one.
 */
static bool is_newer_syn(const hfi_time_wait *entry, const hfi_tcp_view *seg) {
    const bool both =
        (entry->flags & WITH_TIMESTAMPS) != 0 && (seg->options.present & HFI_OPT_TIMESTAMPS) != 0;
    if (both && hf_seq_lt(entry->ts_recent, seg->options.ts_value)) return true;
    if (both && hf_seq_lt(seg->options.ts_value, entry->ts_recent)) return false;
    return hf_seq_lt(entry->rcv_nxt, seg->seq);
}

static void acknowledge(hfi_ctx *ctx, const hfi_time_wait *entry, const hfi_arrival *arrival,
                        hf_cause cause, hfi_effects *effects) {
    hfi_departure reply = hfi_reply_to(arrival, cause);
    reply.tcp.flags = HFI_TCP_ACK;
    reply.tcp.seq = entry->snd_nxt;
    reply.tcp.ack = entry->rcv_nxt;
    if (entry->kind == HFI_TW_FIN_WAIT_2) reply.tcp.window = ORPHAN_WINDOW; /* its FIN has room */
    if ((entry->flags & WITH_TIMESTAMPS) != 0) {
        const hfi_flow_key key = {arrival->destination, arrival->source, entry->local_port,
                                  entry->remote_port};
        reply.tcp.options.present = HFI_OPT_TIMESTAMPS;
        reply.tcp.options.ts_value = hfi_timestamp(ctx, &key);
        reply.tcp.options.ts_echo = entry->ts_recent;
    }
    hfi_reply_send(ctx, effects, &reply);
}

static void note_probe(const hfi_ctx *ctx, hfi_time_wait *entry, bool syn) {
    const uint32_t at = (ctx->now_tick >> 10 & PROBED_AT_MASK) << PROBED_AT_SHIFT;
    entry->flags = (uint8_t)((entry->flags & WITH_TIMESTAMPS) | (syn ? PROBED | at : 0));
}

/* Our ACK of a SYN left one or two seconds ago at most. */
static bool probed_just_now(const hfi_ctx *ctx, const hfi_time_wait *entry) {
    const uint32_t age = (ctx->now_tick >> 10) - (entry->flags >> PROBED_AT_SHIFT);
    return (entry->flags & PROBED) != 0 && (age & PROBED_AT_MASK) <= 1;
}

/* Departs from RFC 9293 3.10.7.4, by which an exact RST ends TIME_WAIT: RFC 1337 ignores every RST. But
 * one right after our ACK of a SYN comes from a peer that restarts and cannot get through: the entry
 * makes way, once. */
static hf_cause reset(hfi_ctx *ctx, uint32_t ref, hfi_time_wait *entry, const hfi_tcp_view *seg) {
    const bool obeys = hfi_quirk(ctx, HF_QUIRK_RST_ENDS_TIME_WAIT);
    if (seg->seq != entry->rcv_nxt)
        return obeys ? HF_CAUSE_DROP_RST_OUT_OF_WINDOW : HF_CAUSE_DROP_RST_TIME_WAIT;
    if (!probed_just_now(ctx, entry) && !obeys) return HF_CAUSE_DROP_RST_TIME_WAIT;
    const hf_cause cause = obeys ? HF_CAUSE_TIME_WAIT_RESET : HF_CAUSE_TW_ENDED_BY_RESTARTING_PEER;
    remove_entry(ctx, is_ip6(ref), index_of(ref), cause);
    return cause;
}

/* The pair is CLOSED, but its handshake's ACK may come once more: it opens nothing. */
static hfi_tw_verdict guard_input(hfi_ctx *ctx, uint32_t ref, const hfi_arrival *arrival,
                                  hfi_effects *effects, hf_cause *ret_cause, hf_seq *ret_isn) {
    const hfi_time_wait *entry = &family_of(ctx, is_ip6(ref)).entries[index_of(ref)];
    const uint8_t flags = arrival->tcp.flags;
    *ret_cause = HF_CAUSE_DROP_RST_NO_CONNECTION;
    if ((flags & HFI_TCP_RST) != 0) return HFI_TW_DONE;
    if ((flags & (HFI_TCP_SYN | HFI_TCP_ACK)) == HFI_TCP_SYN) {
        *ret_isn = entry->snd_nxt + 65537;
        return HFI_TW_NEW_INCARNATION;
    }
    const hfi_departure reset_it = hfi_reply_reset(arrival, HF_CAUSE_SENT_RST_NO_CONNECTION);
    hfi_reply_send(ctx, effects, &reset_it);
    *ret_cause = HF_CAUSE_DROP_COOKIE_USED;
    return HFI_TW_DONE;
}

/* Departs from RFC 9293 3.10.7.4, which answers a bare ACK that is not acceptable: after a simultaneous
 * close both ends are here, and if they disagree a duplicate would bounce for ever. */
static bool answers_bare(const hfi_ctx *ctx, const hfi_time_wait *entry, const hfi_tcp_view *seg) {
    const bool acceptable = seg->seq == entry->rcv_nxt && !has_old_timestamp(entry, seg);
    return !acceptable && hfi_quirk(ctx, HF_QUIRK_TIME_WAIT_ANSWERS_ACKS);
}

/* ---- FIN_WAIT_2 ---- */

/* Both sides have closed now. */
static void to_time_wait(hfi_ctx *ctx, uint32_t ref) {
    const bool ip6 = is_ip6(ref);
    const uint32_t index = index_of(ref);
    const family f = family_of(ctx, ip6);
    hfi_time_wait *entry = &f.entries[index];
    const hfi_flow_key key = key_of(ctx, ip6, index);
    unlink_entry(f, index);
    entry->rcv_nxt++;
    entry->kind =
        (uint8_t)guard_of(ctx, &key, (entry->flags & WITH_TIMESTAMPS) != 0, entry->snd_nxt);
    entry->until = hfi_ticks_from(ctx, ctx->limits->msl2_ns);
    append(f, index);
    hfi_note(ctx, HFI_NONE, HF_CAUSE_TIME_WAIT_STARTED, (uint32_t)(ctx->limits->msl2_ns / HF_MS),
             0);
}

/* First to fourth step of RFC 9293 3.10.7.4, as for a connection that cannot take data: NONE if the
 * segment is good. */
static hf_cause check_fin_wait_2(hfi_ctx *ctx, uint32_t ref, const hfi_arrival *arrival,
                                 hfi_effects *effects) {
    const hfi_time_wait *entry = &family_of(ctx, is_ip6(ref)).entries[index_of(ref)];
    const hfi_tcp_view *seg = &arrival->tcp;
    const uint32_t bytes = hfi_tcp_seq_bytes(seg);
    if ((seg->flags & HFI_TCP_RST) != 0) {
        if (seg->seq != entry->rcv_nxt) return HF_CAUSE_DROP_RST_OUT_OF_WINDOW;
        remove_entry(ctx, is_ip6(ref), index_of(ref), HF_CAUSE_FIN_WAIT_2_ENDED);
        return HF_CAUSE_TOOK_RST;
    }
    const bool old = has_old_timestamp(entry, seg);
    const bool new_bytes = hf_seq_lt(entry->rcv_nxt, seg->seq + bytes) &&
                           hf_seq_lt(seg->seq, entry->rcv_nxt + ORPHAN_WINDOW);
    if (!old && (seg->flags & HFI_TCP_SYN) == 0 && (new_bytes || seg->seq == entry->rcv_nxt)) {
        if ((seg->flags & HFI_TCP_ACK) == 0) return HF_CAUSE_DROP_NO_ACK;
        if (!hf_seq_lt(entry->snd_nxt, seg->ack)) return HF_CAUSE_NONE;
    }
    const bool probe = !old && seg->seq == entry->rcv_nxt - 1 && bytes <= 1;
    if (bytes > 0 || probe)
        acknowledge(ctx, entry, arrival,
                    probe ? HF_CAUSE_SENT_ACK_PROBE : HF_CAUSE_SENT_ACK_OUT_OF_WINDOW, effects);
    return old ? HF_CAUSE_DROP_PAWS : probe ? HF_CAUSE_TOOK_PROBE : HF_CAUSE_DROP_OUT_OF_WINDOW;
}

/* Fifth to eighth step: our FIN is acknowledged already, data has nobody to read it. */
static hf_cause fin_wait_2_input(hfi_ctx *ctx, uint32_t ref, const hfi_arrival *arrival,
                                 hfi_effects *effects) {
    const hf_cause wrong = check_fin_wait_2(ctx, ref, arrival, effects);
    if (wrong != HF_CAUSE_NONE) return wrong;
    const hfi_time_wait *entry = &family_of(ctx, is_ip6(ref)).entries[index_of(ref)];
    const hfi_tcp_view *seg = &arrival->tcp;
    if (seg->payload_bytes > 0) {
        hfi_departure reset = hfi_reply_to(arrival, HF_CAUSE_SENT_RST_DATA_AFTER_CLOSE);
        reset.tcp.flags = HFI_TCP_RST | HFI_TCP_ACK;
        reset.tcp.seq = entry->snd_nxt;
        reset.tcp.ack = entry->rcv_nxt;
        hfi_reply_send(ctx, effects, &reset);
        remove_entry(ctx, is_ip6(ref), index_of(ref), HF_CAUSE_FIN_WAIT_2_ENDED);
        return HF_CAUSE_SENT_RST_DATA_AFTER_CLOSE;
    }
    if ((seg->flags & HFI_TCP_FIN) == 0) return HF_CAUSE_TOOK_ACK_PLAIN;
    if (seg->seq != entry->rcv_nxt)
        return HF_CAUSE_DROP_OUT_OF_WINDOW; /* data is missing before it */
    to_time_wait(ctx, ref);
    acknowledge(ctx, entry, arrival, HF_CAUSE_SENT_ACK_FIN, effects);
    return HF_CAUSE_TOOK_FIN;
}

hfi_tw_verdict hfi_tw_input(hfi_ctx *ctx, uint32_t ref, const hfi_arrival *arrival, bool may_reopen,
                            hfi_effects *effects, hf_cause *ret_cause, hf_seq *ret_isn) {
    const family f = family_of(ctx, is_ip6(ref));
    hfi_time_wait *entry = &f.entries[index_of(ref)];
    const hfi_tcp_view *seg = &arrival->tcp;
    if (entry->kind == HFI_TW_COOKIE)
        return guard_input(ctx, ref, arrival, effects, ret_cause, ret_isn);
    *ret_cause = HF_CAUSE_DROP_NO_TIMESTAMP;
    if ((entry->flags & WITH_TIMESTAMPS) != 0 && hfi_tcp_lacks_timestamp(ctx, seg))
        return HFI_TW_DONE;
    if (entry->kind == HFI_TW_FIN_WAIT_2) {
        *ret_cause = fin_wait_2_input(ctx, ref, arrival, effects);
        return HFI_TW_DONE;
    }
    if ((seg->flags & HFI_TCP_RST) != 0) {
        *ret_cause = reset(ctx, ref, entry, seg);
        return HFI_TW_DONE;
    }
    const bool syn = (seg->flags & (HFI_TCP_SYN | HFI_TCP_ACK)) == HFI_TCP_SYN;
    if (syn && may_reopen && is_newer_syn(entry, seg)) {
        *ret_isn = entry->snd_nxt + 65537;
        *ret_cause = HF_CAUSE_TOOK_TIME_WAIT_SYN;
        return HFI_TW_NEW_INCARNATION;
    }
    note_probe(ctx, entry, syn);
    if (hfi_tcp_seq_bytes(seg) > 0 || answers_bare(ctx, entry, seg))
        acknowledge(ctx, entry, arrival, HF_CAUSE_SENT_TIME_WAIT_ACK, effects);
    const bool fin_again =
        (seg->flags & HFI_TCP_FIN) != 0 && seg->seq + hfi_tcp_seq_bytes(seg) == entry->rcv_nxt;
    if (fin_again) restart(ctx, is_ip6(ref), index_of(ref));
    *ret_cause = fin_again ? HF_CAUSE_TOOK_FIN : HF_CAUSE_DROP_OUT_OF_WINDOW;
    return HFI_TW_DONE;
}

void hfi_tw_replaced(hfi_ctx *ctx, uint32_t ref) {
    const hfi_time_wait *entry = &family_of(ctx, is_ip6(ref)).entries[index_of(ref)];
    remove_entry(ctx, is_ip6(ref), index_of(ref),
                 entry->kind == HFI_TW_COOKIE ? HF_CAUSE_COOKIE_GUARD_ENDED
                                              : HF_CAUSE_TOOK_TIME_WAIT_SYN);
}

bool hfi_tw_has_timestamps(const hfi_ctx *ctx, uint32_t ref) {
    const hfi_time_wait *entry = &family_of(ctx, is_ip6(ref)).entries[index_of(ref)];
    return (entry->flags & WITH_TIMESTAMPS) != 0 || entry->kind == HFI_TW_COOKIE;
}

bool hfi_tw_cookie_is_new(const hfi_ctx *ctx, uint32_t ref, const hfi_tcp_view *seg) {
    const hfi_time_wait *entry = &family_of(ctx, is_ip6(ref)).entries[index_of(ref)];
    return entry->kind == HFI_TW_COOKIE ? seg->ack - 1 != entry->snd_nxt : is_newer_syn(entry, seg);
}

/* When our own connect may have the pair: our TSval has grown since the last segment of the old
 * incarnation only after a tick (RFC 6191), else when the entry's time is over. */
static hfi_tick reusable_at(const hfi_ctx *ctx, const hfi_time_wait *entry, bool named) {
    if (entry->kind == HFI_TW_COOKIE) return ctx->now_tick; /* CLOSED: it fends off an old ACK */
    const bool guarded = entry->kind == HFI_TW_TIMESTAMPS;
    if (hfi_quirk(ctx, HF_QUIRK_TIME_WAIT_KEEPS_PORT))
        return named && guarded ? ctx->now_tick : entry->until;
    const hfi_tick began = entry->until - hfi_tick_deadline(ctx->limits->msl2_ns);
    const hfi_tick after_second = began + 1000;
    return guarded && hfi_tick_lt(after_second, entry->until) ? after_second : entry->until;
}

hf_ns hfi_tw_free_at(const hfi_ctx *ctx, uint32_t ref) {
    const hfi_time_wait *entry = &family_of(ctx, is_ip6(ref)).entries[index_of(ref)];
    const hfi_tick at = reusable_at(ctx, entry, false);
    return hfi_tick_le(at, ctx->now_tick) ? ctx->now_ns : hfi_tick_near_ns(at, ctx->now_ns);
}

bool hfi_tw_is_fin_wait_2(const hfi_ctx *ctx, uint32_t ref) {
    return family_of(ctx, is_ip6(ref)).entries[index_of(ref)].kind == HFI_TW_FIN_WAIT_2;
}

bool hfi_tw_reuse(hfi_ctx *ctx, uint32_t ref, const hfi_flow_key *key, bool named,
                  hf_seq *ret_isn) {
    const family f = family_of(ctx, is_ip6(ref));
    const hfi_time_wait *entry = &f.entries[index_of(ref)];
    const bool cookie = entry->kind == HFI_TW_COOKIE;
    const bool lets_go = cookie || entry->kind == HFI_TW_TIMESTAMPS;
    if (!lets_go || hfi_tick_lt(ctx->now_tick, reusable_at(ctx, entry, named))) return false;
    const hf_seq isn = hfi_isn(ctx, key);
    *ret_isn = hf_seq_max(isn, entry->snd_nxt + 65537);
    remove_entry(ctx, is_ip6(ref), index_of(ref),
                 cookie ? HF_CAUSE_COOKIE_GUARD_ENDED : HF_CAUSE_TIME_WAIT_REUSED);
    return true;
}
