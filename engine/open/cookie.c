/* SYN cookies, RFC 4987 3.6: a handshake that keeps no state. */
#include "open/internal.h"

/*  cookie: | MAC 24 | minute 5 | MSS 3 |   This minute's and the last one's are good, 60 to 120 s.
 * The window scale and SACK ride in the low 5 bits of our TSval, which comes back as TSecr. ECN is not
 * agreed to: a sixth bit would make the first round trip seem longer by up to 64 ms, and who answers
 * cookies has other worries than marks.
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
    return (uint32_t)(ctx->now_ns / (60 * HF_SECOND));
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
    if (hfi_open_is_gated(&ctx->listeners[entry->listener])) return;
    entry->window = hfi_receive_least_window(ctx, options->receive_bytes,
                                             hfi_open_our_mss(&entry->remote, entry->mtu));
}

bool hfi_open_send_cookie(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival,
                          hfi_open_isn least, hfi_effects *effects) {
    hfi_syn_entry entry;
    hfi_open_fill_entry(ctx, &entry, listener, arrival);
    set_cookie_window(ctx, &entry);
    entry.ecn = false;
    const hfi_flow_key key = hfi_open_entry_key(ctx, &entry);
    const uint32_t peer_mss = (entry.present & HFI_OPT_MSS) != 0 ? entry.mss : 536;
    entry.iss = cookie_make(ctx, &key, entry.irs, peer_mss);
    if (least.has_least && !least.has_timestamps && hf_seq_lt(entry.iss, least.least)) return false;
    if ((entry.present & HFI_OPT_TIMESTAMPS) == 0) entry.present &= HFI_OPT_MSS;
    const hf_tcp_options *options = &ctx->option_sets[ctx->listeners[listener].options].value;
    hfi_departure reply =
        hfi_open_syn_ack(ctx, &entry, entry.mtu, options->receive_bytes, HF_CAUSE_SENT_SYN_COOKIE);
    const uint32_t scale = (entry.present & HFI_OPT_WSCALE) != 0 ? hfi_min32(entry.wscale, 14) : 15;
    const uint32_t sack = (entry.present & HFI_OPT_SACK_PERMITTED) != 0 ? 16 : 0;
    reply.tcp.options.ts_value = ((reply.tcp.options.ts_value & ~31u) - 32) | sack | scale;
    reply.route = arrival->route;
    ctx->listeners[listener].cookies_sent++;
    if (!hfi_quirk(ctx, HF_QUIRK_LATE_SLOT_CHECK)) {
        hfi_reply_send(ctx, effects, &reply);
        return true;
    }
    effects->reply = true; /* Linux sends as many as there are SYNs */
    effects->departure = reply;
    return true;
}

/* ---- The cookie comes back ---- */

static hfi_syn_entry entry_of_cookie(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival,
                                     uint32_t mss) {
    const hfi_tcp_view *seg = &arrival->tcp;
    hfi_syn_entry entry;
    hfi_open_fill_entry(ctx, &entry, listener, arrival);
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
    return hfi_open_has_place(ctx, l) && hfi_owner_may_connect(ctx, &arrival->source) &&
           cookie_of(ctx, l, arrival) != 0;
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
    if (!hfi_owner_may_connect(ctx, &arrival->source))
        return hfi_open_refuse_owner(ctx, listener, arrival, effects);
    const hfi_syn_entry entry = entry_of_cookie(ctx, listener, arrival, mss);
    hfi_index conn = HFI_NONE;
    if (hfi_open_has_place(ctx, l)) conn = hfi_open_make_conn(ctx, &entry, arrival);
    if (conn == HFI_NONE || !hfi_flow_insert(&ctx->flow, hfi_flow_hash(&ctx->flow, &key),
                                             hfi_flow_ref(HFI_FLOW_CONN, conn))) {
        HF_ASSERT(conn == HFI_NONE); /* the table has room for every connection */
        if (hfi_quirk(ctx, HF_QUIRK_COOKIE_LOSES_DATA)) {
            hfi_open_note_overflow(ctx, l, arrival, HF_CAUSE_DROP_COOKIE_ACK);
            return HF_CAUSE_DROP_COOKIE_ACK;
        }
        hfi_open_note_overflow(ctx, l, arrival, HF_CAUSE_SENT_RST_NO_PLACE);
        const hfi_departure reset = hfi_reply_reset(arrival, HF_CAUSE_SENT_RST_NO_PLACE);
        hfi_reply_send(ctx, effects, &reset);
        return HF_CAUSE_DROP_LISTENER_FULL;
    }
    ctx->conns[conn].flags |= HFI_F_COOKIE;
    l->cookies_good++;
    *ret_conn = conn;
    return HF_CAUSE_TOOK_COOKIE_ACK;
}
