/* Active opens, and what the two SYNs agree on. */
#include "open/open.h"
#include "open/internal.h"
#include "wire/ip.h"

hfi_index hfi_open_take(hfi_ctx *ctx) {
    const hfi_index index = hfi_pool_take(&ctx->root->conn_pool, ctx->conn_next);
    if (index == HFI_NONE) return HFI_NONE;
    hfi_conn *conn = &ctx->conns[index];
    const uint32_t generation = conn->generation;
    memset(conn, 0, sizeof *conn);
    conn->generation = generation;
    conn->ready_next = conn->tx_next = conn->queue_next = conn->listener = HFI_NONE;
    conn->path = HFI_NONE;
    conn->tx_head = conn->tx_tail = conn->rx_head = conn->rx_tail = HFI_NONE;
    conn->range_head = conn->range_recent = HFI_NONE;
    conn->challenge_at = ctx->now_tick - 1000;
    conn->progress_at = ctx->now_tick;
    hfi_recover_begin(ctx, conn);
    ctx->root->live++;
    return index;
}

/* ---- Segment sizes ---- */

/* What we can receive in one segment on this way: RFC 9293 3.7.1 MUST-67. */
uint16_t hfi_open_our_mss(const hf_addr *remote, uint32_t mtu) {
    const uint32_t headers = hf_addr_is4(remote) ? 40 : 60;
    return (uint16_t)(hfi_min32(mtu, UINT16_MAX) - headers);
}

/* Payload of a full segment: the peer's MSS (536 or 1220 if it named none, MUST-15), our way, less
 * the options that each segment carries (MUST-16). A floor keeps tiny ones from tiny segments. */
uint16_t hfi_open_send_mss(const hf_addr *remote, const hfi_tcp_options *options, uint32_t our_mss,
                           bool timestamps) {
    const uint32_t absent = hf_addr_is4(remote) ? 536 : 1220;
    uint32_t mss =
        (options->present & HFI_OPT_MSS) != 0 ? hfi_max32(options->mss, MSS_FLOOR) : absent;
    mss = hfi_min32(mss, our_mss);
    return (uint16_t)(mss - (timestamps ? 12 : 0));
}

uint8_t hfi_open_wscale(const hfi_ctx *ctx, uint32_t receive_bytes) {
    const uint32_t limit = hfi_receive_most(ctx, receive_bytes);
    uint8_t scale = 0;
    while (scale < 14 && (limit >> scale) > 65535) scale++;
    return scale;
}

/* ---- OPEN ---- */

hf_err hfi_open_connect(hfi_ctx *ctx, const hfi_open_how *how, hfi_index *ret_conn) {
    const hfi_flow_key key = how->key;
    if (!hfi_open_has_slot(ctx)) return HF_NO_CONNECTION_SLOT;
    const hfi_index index = hfi_open_take(ctx);
    hfi_conn *conn = &ctx->conns[index];
    conn->remote = key.remote;
    conn->remote_port = key.remote_port;
    conn->local = how->local;
    conn->local_port = key.local_port;
    conn->options = how->options;
    conn->mss = hfi_open_our_mss(&key.remote, how->mtu);
    conn->rcv_wscale = hfi_open_wscale(ctx, hfi_options(ctx, conn)->receive_bytes) & 15;
    if (!hfi_flow_insert(&ctx->flow, hfi_flow_hash(&ctx->flow, &key),
                         hfi_flow_ref(HFI_FLOW_CONN, index))) {
        hfi_pool_give(&ctx->root->conn_pool, ctx->conn_next, index);
        ctx->root->live--;
        return HF_NO_MEMORY;
    }
    hfi_owner_join(ctx, conn);
    conn->flags |= HFI_F_KNOWN;
    conn->ts_offset = hfi_timestamp_offset(ctx, &key);
    const hf_seq isn = hfi_isn(ctx, &key);
    hfi_send_begin(ctx, conn, how->has_isn ? hf_seq_max(isn, how->least_isn) : isn);
    hfi_conn_move(ctx, conn, HF_SYN_SENT);
    hfi_conn_owe(ctx, conn, HFI_P_SYN);
    *ret_conn = index;
    return HF_OK;
}

/* What both SYNs carry is agreed (RFC 7323 2.2, 3.2; RFC 2018 2); our SYN offers everything. Our
 * window scale is the one that our SYN named, whatever the options say by now. */
void hfi_open_take_syn(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg) {
    const hfi_tcp_options *options = &seg->options;
    const uint32_t our_mss = conn->mss, window = conn->rcv_adv - conn->rcv_nxt;
    hfi_receive_begin(ctx, conn, seg->seq);
    hfi_receive_heard(conn, ctx->arrival);
    conn->rcv_adv = conn->rcv_nxt + window; /* what our SYN promised */
    if ((options->present & HFI_OPT_TIMESTAMPS) != 0) {
        conn->flags |= HFI_F_TIMESTAMPS;
        conn->ts_recent = options->ts_value;
        conn->ts_recent_at = ctx->now_tick >> HFI_TS_AGE_SHIFT & HFI_TS_AGE_MASK;
    }
    if ((options->present & HFI_OPT_SACK_PERMITTED) != 0) conn->flags |= HFI_F_SACK;
    if ((seg->flags & HFI_TCP_ACK) == 0 && !hfi_open_asks_ecn(seg))
        conn->flags &= ~(uint32_t)HFI_F_ECN;
    if ((options->present & HFI_OPT_WSCALE) != 0) {
        conn->flags |= HFI_F_WSCALE;
        conn->snd_wscale = options->wscale & 15;
    }
    conn->mss = hfi_open_send_mss(&conn->remote, options, our_mss, hfi_has(conn, HFI_F_TIMESTAMPS));
    conn->mss -= (uint16_t)hfi_ip4_route_bytes(&hfi_options(ctx, conn)->source_route); /* MUST-16 */
}

/* ---- ECN, RFC 3168 6.1.1 ---- */

bool hfi_open_asks_ecn(const hfi_tcp_view *syn) {
    return (syn->flags & (HFI_TCP_ECE | HFI_TCP_CWR)) == (HFI_TCP_ECE | HFI_TCP_CWR);
}

/* ECE alone agrees. Both bits are what a peer sends that copies what it does not know. */
static void take_ecn_answer(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg) {
    const uint8_t bits = seg->flags & (HFI_TCP_ECE | HFI_TCP_CWR);
    if (!hfi_has(conn, HFI_F_ECN)) return;
    if ((seg->flags & HFI_TCP_SYN) != 0 && bits != HFI_TCP_ECE) {
        conn->flags &= ~(uint32_t)HFI_F_ECN;
        hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_ECN_REFUSED, 0, 0);
        return;
    }
    hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_ECN_AGREED, 0, 0);
}

/* Some paths drop a SYN that asks: the second does not, and who has sent one that does not must not
 * use ECN (6.1.1.1). */
static uint8_t ecn_of_syn(hfi_ctx *ctx, hfi_conn *conn, bool again) {
    if (!again && hfi_ecn(ctx, hfi_options(ctx, conn)) == HF_ECN_ASK) {
        conn->flags |= HFI_F_ECN;
        return HFI_TCP_ECE | HFI_TCP_CWR;
    }
    if (hfi_has(conn, HFI_F_ECN))
        hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_ECN_NOT_ASKED_AGAIN, 0, 0);
    conn->flags &= ~(uint32_t)HFI_F_ECN;
    return 0;
}

void hfi_open_syn(hfi_ctx *ctx, hfi_conn *conn, bool ack, hfi_departure *ret) {
    const hf_tcp_options *options = hfi_options(ctx, conn);
    const bool again = conn->snd_nxt != conn->iss;
    ret->tcp.seq = conn->iss;
    ret->tcp.flags = HFI_TCP_SYN;
    if (!ack) ret->tcp.flags |= ecn_of_syn(ctx, conn, again);
    if (ack && hfi_has(conn, HFI_F_ECN)) ret->tcp.flags |= HFI_TCP_ECE;
    ret->cause = ack     ? HF_CAUSE_SENT_SYN_ACK_SIMULTANEOUS
                 : again ? HF_CAUSE_SENT_SYN_AGAIN
                         : HF_CAUSE_SENT_SYN;
    ret->a =
        (uint32_t)((uint64_t)(uint32_t)(ctx->now_tick - conn->progress_at) * HFI_TICK_NS / HF_MS);
    ret->b = conn->backoff;
    if (!again) {
        const uint32_t window = hfi_receive_first_window(ctx, options->receive_bytes, conn->mss);
        hfi_receive_grant_first(ctx, conn, window);
        conn->snd_nxt = conn->iss + 1;
        conn->progress_at = ctx->now_tick;
    }
    ret->tcp.window = (uint16_t)hfi_min32(conn->rcv_adv - conn->rcv_nxt, UINT16_MAX);
    hfi_tcp_options *out = &ret->tcp.options;
    out->present = HFI_OPT_MSS;
    out->mss = ack ? (uint16_t)(conn->mss + (hfi_has(conn, HFI_F_TIMESTAMPS) ? 12 : 0)) : conn->mss;
    if (!ack || hfi_has(conn, HFI_F_WSCALE)) out->present |= HFI_OPT_WSCALE;
    if (!ack || hfi_has(conn, HFI_F_SACK)) out->present |= HFI_OPT_SACK_PERMITTED;
    if (!ack || hfi_has(conn, HFI_F_TIMESTAMPS)) out->present |= HFI_OPT_TIMESTAMPS;
    out->wscale = conn->rcv_wscale;
    out->ts_value = ctx->now_tick + conn->ts_offset;
    out->ts_echo = conn->ts_recent;
    if (ack) {
        ret->tcp.flags |= HFI_TCP_ACK;
        ret->tcp.ack = conn->rcv_nxt;
        hfi_receive_acked(ctx, conn);
    }
    if ((conn->timers & HFI_T_RTX) == 0) {
        conn->timers |= HFI_T_RTX;
        conn->rtx_at = hfi_ticks_from(ctx, hfi_recover_rto_ns(ctx, conn));
    }
}

bool hfi_open_timeout(hfi_ctx *ctx, hfi_conn *conn) {
    const hf_limits *limits = ctx->limits;
    const bool active = conn->state == HF_SYN_SENT;
    /* Who asked to connect waits as long in a simultaneous open: syn_ack_limit is for strangers. */
    if (conn->transmissions >= limits->syn_limit) return true;
    conn->transmissions++;
    /* The first syn_linear of them come without back-off (Linux). */
    if (!active || conn->transmissions > limits->syn_linear) conn->backoff++;
    conn->timers |= HFI_T_RTX;
    conn->rtx_at = hfi_ticks_from(ctx, hfi_recover_rto_ns(ctx, conn));
    hfi_conn_owe(ctx, conn, active ? HFI_P_SYN : HFI_P_SYN_ACK);
    return false;
}

void hfi_open_cut_mss(hfi_ctx *ctx, hfi_conn *conn, hfi_index path, uint32_t mss) {
    const bool first = (conn->timers & HFI_T_MSS_CUT) == 0;
    if (first && ctx->limits->plpmtud != 0 && path != HFI_NONE) {
        hfi_path_cuts(&ctx->paths, path, conn->mss + hfi_header_bytes(ctx, conn));
        conn->timers |= HFI_T_MSS_CUT;
    }
    conn->mss = (uint16_t)mss;
}

void hfi_open_grow_mss(hfi_ctx *ctx, hfi_conn *conn, uint32_t mss) {
    const uint32_t most = ctx->paths.paths[conn->path].most_bytes - hfi_header_bytes(ctx, conn);
    conn->mss = (uint16_t)hfi_max32(conn->mss, hfi_min32(mss, most));
    if (conn->mss >= most) conn->timers &= (uint8_t)~HFI_T_MSS_CUT;
}

/* The SYNs have agreed on the most; what the path takes another connection may have found out. */
static void limit_mss(hfi_ctx *ctx, hfi_conn *conn) {
    const hfi_index path = hfi_path_find(&ctx->paths, &conn->remote);
    const uint32_t limit = hfi_path_limit(&ctx->paths, path, ctx->now_ns);
    if (limit < conn->mss + hfi_header_bytes(ctx, conn))
        hfi_open_cut_mss(ctx, conn, path, limit - hfi_header_bytes(ctx, conn));
}

void hfi_open_established(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg) {
    const bool resent = conn->transmissions > 0;
    if (!resent && !hfi_has(conn, HFI_F_PASSIVE))
        hfi_recover_sample(ctx, conn,
                           (uint32_t)(ctx->now_tick - conn->progress_at) *
                               (uint32_t)(HFI_TICK_NS / HF_US));
    conn->snd_una = conn->iss + 1;
    conn->timers &= (uint8_t)~HFI_T_RTX;
    limit_mss(ctx, conn);
    hfi_recover_established(ctx, conn, resent);
    /* Windows of SYN segments are never scaled (RFC 7323 2.2). */
    const bool syn = (seg->flags & HFI_TCP_SYN) != 0;
    const uint32_t scale = !syn && hfi_has(conn, HFI_F_WSCALE) ? conn->snd_wscale : 0;
    conn->snd_wnd = conn->snd_max_wnd = (uint32_t)seg->window << scale;
    conn->snd_wl1 = seg->seq;
    conn->snd_wl2 = seg->ack;
    take_ecn_answer(ctx, conn, seg);
    hfi_conn_move(ctx, conn, HF_ESTABLISHED);
    hfi_conn_event(ctx, conn, HF_EVENT_CONNECTED | HF_EVENT_WRITABLE);
    if (hfi_has(conn, HFI_F_FIN_QUEUED)) {
        hfi_conn_move(ctx, conn, HF_FIN_WAIT_1);
    }
    hfi_conn_owe(ctx, conn, HFI_P_DATA);
}
