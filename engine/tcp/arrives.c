/* SEGMENT ARRIVES for CLOSED, LISTEN and SYN-SENT (RFC 9293 3.10.7.1 to 3.10.7.3), and the way to
 * the others. */
#include "tcp/tcp.h"

static hfi_outcome outcome(uint8_t action, hf_cause cause) {
    return (hfi_outcome){action, cause, HFI_NONE, 0, 0};
}

/* RFC 9293 3.10.7.1: whatever arrives is answered by RST, unless it is one. */
static hfi_outcome in_closed(hfi_ctx *ctx, const hfi_arrival *arrival, hfi_effects *effects) {
    if ((arrival->tcp.flags & HFI_TCP_RST) != 0)
        return outcome(HF_VERDICT_DROPPED, HF_CAUSE_DROP_RST_NO_CONNECTION);
    const hfi_departure reset = hfi_reply_reset(arrival, HF_CAUSE_SENT_RST_NO_CONNECTION);
    hfi_reply_send(ctx, effects, &reset);
    return outcome(HF_VERDICT_ANSWERED, HF_CAUSE_SENT_RST_NO_CONNECTION);
}

/* A handshake has just become a connection: the segment that did it may carry data too. */
static hfi_outcome continue_in(hfi_ctx *ctx, hfi_index conn, hf_cause cause,
                               const hfi_arrival *arrival, hfi_effects *effects) {
    hfi_outcome out = {HF_VERDICT_TOOK, cause, conn, 0, 0};
    hfi_live_begin(ctx, &ctx->conns[conn]);
    if (arrival->route != NULL) hfi_open_route_heard(ctx, &ctx->conns[conn], arrival->route);
    hfi_live_watch(ctx, &ctx->conns[conn]); /* free: the handshake had it promised */
    hfi_live_user_timeout_heard(ctx, &ctx->conns[conn], &arrival->tcp);
    hfi_receive_timestamp(ctx, &ctx->conns[conn], &arrival->tcp);
    const bool more = arrival->tcp.payload_bytes > 0 || (arrival->tcp.flags & HFI_TCP_FIN) != 0;
    if (more) hfi_tcp_steps(ctx, &ctx->conns[conn], arrival, effects);
    hfi_tcp_settle(ctx, &ctx->conns[conn]);
    return out;
}

/* RFC 9293 3.10.7.2, in its order: RST, ACK, SYN. */
static hfi_outcome in_listen(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival,
                             hfi_open_isn isn, hfi_effects *effects) {
    const uint8_t flags = arrival->tcp.flags;
    if ((flags & HFI_TCP_RST) != 0)
        return outcome(HF_VERDICT_DROPPED, HF_CAUSE_DROP_RST_NO_CONNECTION);
    if ((flags & HFI_TCP_ACK) != 0) {
        hfi_index conn;
        const hf_cause cause = hfi_open_cookie_input(ctx, listener, arrival, effects, &conn);
        if (conn != HFI_NONE) return continue_in(ctx, conn, cause, arrival, effects);
        return outcome(effects->reply ? HF_VERDICT_ANSWERED : HF_VERDICT_DROPPED, cause);
    }
    if ((flags & HFI_TCP_SYN) == 0) return outcome(HF_VERDICT_DROPPED, HF_CAUSE_DROP_NO_ACK);
    const hf_cause cause = hfi_open_arriving_syn(ctx, listener, arrival, isn, effects);
    const bool took = effects->reply || cause == HF_CAUSE_TOOK_SYN_PENDING;
    return outcome(took ? HF_VERDICT_TOOK : HF_VERDICT_DROPPED, cause);
}

static hfi_outcome in_entry(hfi_ctx *ctx, hfi_index entry, const hfi_arrival *arrival,
                            hfi_effects *effects) {
    hfi_index conn;
    const hf_cause cause = hfi_open_entry_input(ctx, entry, arrival, effects, &conn);
    if (conn != HFI_NONE) return continue_in(ctx, conn, cause, arrival, effects);
    const bool took = cause == HF_CAUSE_TOOK_SYN || cause == HF_CAUSE_TOOK_SYN_REPEATED ||
                      cause == HF_CAUSE_TOOK_RST_HANDSHAKE;
    return outcome(took             ? HF_VERDICT_TOOK
                   : effects->reply ? HF_VERDICT_ANSWERED
                                    : HF_VERDICT_DROPPED,
                   cause);
}

/* ---- SYN-SENT, RFC 9293 3.10.7.3 ---- */

/* First step. A peer that holds an older connection answers with an ACK of that: our RST ends it
 * there, and the SYN goes again at once instead of after a second. At most three times a
 * connection. */
static hfi_outcome bad_ack(hfi_ctx *ctx, hfi_conn *conn, const hfi_arrival *arrival,
                           hfi_effects *effects) {
    if ((arrival->tcp.flags & HFI_TCP_RST) != 0)
        return outcome(HF_VERDICT_DROPPED, HF_CAUSE_DROP_RST_IN_SYN_SENT);
    const hfi_departure reset = hfi_reply_reset(arrival, HF_CAUSE_SENT_RST_BAD_ACK);
    hfi_reply_send(ctx, effects, &reset);
    if ((arrival->tcp.flags & HFI_TCP_SYN) == 0 && conn->duplicate_acks < 3) {
        conn->duplicate_acks++;
        hfi_conn_owe(ctx, conn, HFI_P_SYN);
    }
    return outcome(HF_VERDICT_ANSWERED, HF_CAUSE_DROP_SYN_SENT_BAD_ACK);
}

/* Fourth step, the SYN bit is on and our SYN is acknowledged: ESTABLISHED. */
static hfi_outcome take_syn_ack(hfi_ctx *ctx, hfi_conn *conn, const hfi_arrival *arrival,
                                hfi_effects *effects) {
    hfi_open_take_syn(ctx, conn, &arrival->tcp);
    hfi_open_established(ctx, conn, &arrival->tcp);
    hfi_live_user_timeout_heard(ctx, conn, &arrival->tcp);
    conn->duplicate_acks = 0;
    hfi_receive_owe_ack(ctx, conn, HF_CAUSE_SENT_HANDSHAKE_ACK);
    if (arrival->tcp.payload_bytes > 0 || (arrival->tcp.flags & HFI_TCP_FIN) != 0) {
        hfi_arrival rest = *arrival;
        rest.tcp.seq++;
        rest.tcp.flags &= (uint8_t) ~(HFI_TCP_SYN | HFI_TCP_ECE | HFI_TCP_CWR);
        hfi_tcp_steps(ctx, conn, &rest, effects);
    }
    return (hfi_outcome){HF_VERDICT_TOOK, HF_CAUSE_TOOK_SYN_ACK, hfi_conn_index(ctx, conn), 0, 0};
}

static hfi_outcome in_syn_sent(hfi_ctx *ctx, hfi_conn *conn, const hfi_arrival *arrival,
                               hfi_effects *effects) {
    const hfi_tcp_view *seg = &arrival->tcp;
    const bool acks = (seg->flags & HFI_TCP_ACK) != 0;
    /* The SYN may not have left yet: then nothing can acknowledge it. */
    const bool ack_good = acks && conn->snd_nxt == conn->iss + 1 && seg->ack == conn->snd_nxt;
    if (acks && !ack_good) return bad_ack(ctx, conn, arrival, effects);
    if ((seg->flags & HFI_TCP_RST) != 0) {
        if (!ack_good) return outcome(HF_VERDICT_DROPPED, HF_CAUSE_DROP_RST_IN_SYN_SENT);
        hfi_live_heard(ctx, conn);
        hfi_close_end(ctx, conn, HF_CAUSE_END_REFUSED, HF_CAUSE_BY_RST, HF_CAUSE_NONE);
        return outcome(HF_VERDICT_TOOK, HF_CAUSE_TOOK_RST_REFUSED);
    }
    if ((seg->flags & HFI_TCP_SYN) == 0)
        return outcome(HF_VERDICT_DROPPED, HF_CAUSE_DROP_SYN_SENT_NO_SYN);
    hfi_live_heard(ctx, conn);
    if (ack_good) return take_syn_ack(ctx, conn, arrival, effects);
    hfi_open_take_syn(ctx, conn, seg);
    hfi_conn_move(ctx, conn, HF_SYN_RECEIVED);
    conn->snd_wnd = conn->snd_max_wnd = seg->window;
    conn->snd_wl1 = seg->seq;
    conn->snd_wl2 = conn->iss;
    hfi_conn_owe(ctx, conn, HFI_P_SYN_ACK);
    return outcome(HF_VERDICT_TOOK, HF_CAUSE_TOOK_SYN_SIMULTANEOUS);
}

/* ---- Who is meant ---- */

uint32_t hfi_tcp_find(const hfi_ctx *ctx, const hfi_flow_key *key) {
    hfi_flow_probe probe = hfi_flow_find(&ctx->flow, hfi_flow_hash(&ctx->flow, key));
    for (uint32_t ref; (ref = hfi_flow_next(&ctx->flow, &probe)) != HFI_NONE;) {
        switch (hfi_flow_kind(ref)) {
        case HFI_FLOW_CONN: {
            const hfi_conn *conn = &ctx->conns[hfi_flow_index(ref)];
            const bool same = conn->local_port == key->local_port &&
                              conn->remote_port == key->remote_port &&
                              hf_addr_equal(&conn->remote, &key->remote) &&
                              hf_addr_equal(&ctx->locals[conn->local], &key->local);
            if (same) return ref;
            break;
        }
        case HFI_FLOW_SYN:
            if (hfi_open_entry_matches(ctx, hfi_flow_index(ref), key)) return ref;
            break;
        case HFI_FLOW_TIME_WAIT:
            if (hfi_tw_matches(ctx, ref, key)) return ref;
            break;
        case HFI_FLOW_LISTENER:
        case HFI_FLOW_EMPTY: break;
        }
    }
    return HFI_NONE;
}

static hfi_outcome in_listen_or_closed(hfi_ctx *ctx, const hfi_arrival *arrival,
                                       hfi_effects *effects) {
    const hfi_index listener =
        hfi_open_listener(ctx, &arrival->destination, arrival->tcp.destination_port);
    if (listener == HFI_NONE) return in_closed(ctx, arrival, effects);
    return in_listen(ctx, listener, arrival, HFI_OPEN_ANY_ISN, effects);
}

/* A SYN that is newer than what TIME_WAIT guards. It ends the guard when a place is kept for it, not
 * before; one that is answered by a cookie, when the cookie comes back. */
static hfi_outcome new_incarnation(hfi_ctx *ctx, hfi_index listener, uint32_t ref, hf_seq isn,
                                   const hfi_arrival *arrival, hfi_effects *effects) {
    const hfi_open_isn least = {true, hfi_tw_has_timestamps(ctx, ref), isn};
    const bool may = hfi_owner_may_connect(ctx, &arrival->source);
    if (may && hfi_open_keeps_place(ctx, listener)) hfi_tw_replaced(ctx, ref);
    return in_listen(ctx, listener, arrival, least, effects);
}

static hfi_outcome in_time_wait(hfi_ctx *ctx, uint32_t ref, const hfi_arrival *arrival,
                                hfi_effects *effects) {
    hf_cause cause;
    hf_seq isn;
    /* A SYN that nobody listens for must not end the guard. */
    const hfi_index listener =
        hfi_open_listener(ctx, &arrival->destination, arrival->tcp.destination_port);
    const bool listens = listener != HFI_NONE;
    if (listens && hfi_open_cookie_good(ctx, listener, arrival) &&
        hfi_tw_cookie_is_new(ctx, ref, &arrival->tcp)) {
        hfi_tw_replaced(ctx, ref);
        return in_listen(ctx, listener, arrival, HFI_OPEN_ANY_ISN, effects);
    }
    if (hfi_tw_input(ctx, ref, arrival, listens, effects, &cause, &isn) == HFI_TW_NEW_INCARNATION)
        return new_incarnation(ctx, listener, ref, isn, arrival, effects);
    const bool took = cause == HF_CAUSE_TOOK_RST || cause == HF_CAUSE_TOOK_ACK_PLAIN;
    return outcome(took             ? HF_VERDICT_TOOK
                   : effects->reply ? HF_VERDICT_ANSWERED
                                    : HF_VERDICT_DROPPED,
                   cause);
}

static hfi_outcome arrives(hfi_ctx *ctx, const hfi_arrival *arrival, hfi_effects *effects) {
    const uint32_t ref = arrival->ref;
    if (ref == HFI_NONE) return in_listen_or_closed(ctx, arrival, effects);
    switch (hfi_flow_kind(ref)) {
    case HFI_FLOW_SYN: return in_entry(ctx, hfi_flow_index(ref), arrival, effects);
    case HFI_FLOW_TIME_WAIT: return in_time_wait(ctx, ref, arrival, effects);
    case HFI_FLOW_CONN:
    case HFI_FLOW_LISTENER:
    case HFI_FLOW_EMPTY: break;
    }
    hfi_conn *conn = &ctx->conns[hfi_flow_index(ref)];
    hfi_outcome out = conn->state == HF_SYN_SENT ? in_syn_sent(ctx, conn, arrival, effects)
                                                 : hfi_tcp_steps(ctx, conn, arrival, effects);
    out.conn = hfi_flow_index(ref);
    hfi_tcp_settle(ctx, conn);
    return out;
}

/* ---- Options that cannot be ---- */

/* Departs from RFC 9293 MUST-7, which suggests a reset: the segment is dropped, the connection kept, since
 * who can guess a place in the window could end it. A quirk obeys, where the sequence number is good. */
static bool resets_for_option(const hfi_conn *conn, const hfi_tcp_view *seg) {
    const bool synchronized = conn->state != HF_SYN_SENT && (seg->flags & HFI_TCP_RST) == 0;
    return synchronized && hfi_receive_acceptable(conn, seg);
}

hfi_outcome hfi_tcp_bad_option(hfi_ctx *ctx, const hfi_arrival *arrival) {
    const hfi_flow_key key = {arrival->destination, arrival->source, arrival->tcp.destination_port,
                              arrival->tcp.source_port};
    const hfi_outcome dropped = outcome(HF_VERDICT_DROPPED, HF_CAUSE_DROP_TCP_OPTION);
    if (!hfi_quirk(ctx, HF_QUIRK_BAD_OPTION_RESETS)) return dropped;
    const uint32_t ref = hfi_tcp_find(ctx, &key);
    if (ref == HFI_NONE || hfi_flow_kind(ref) != HFI_FLOW_CONN) return dropped;
    hfi_conn *conn = &ctx->conns[hfi_flow_index(ref)];
    if (!resets_for_option(conn, &arrival->tcp)) return dropped;
    ctx->arrival = arrival;
    hfi_close_end(ctx, conn, HF_CAUSE_END_BAD_OPTION, HF_CAUSE_BY_OPTION,
                  HF_CAUSE_SENT_RST_BAD_OPTION);
    ctx->arrival = NULL;
    hfi_tcp_settle(ctx, conn);
    return (hfi_outcome){HF_VERDICT_TOOK, HF_CAUSE_DROP_TCP_OPTION, hfi_flow_index(ref), 0, 0};
}

hfi_outcome hfi_tcp_arrives(hfi_ctx *ctx, const hfi_arrival *arrival, hfi_effects *effects) {
    ctx->arrival = arrival;
    const hfi_outcome out = arrives(ctx, arrival, effects);
    ctx->arrival = NULL;
    return out;
}
