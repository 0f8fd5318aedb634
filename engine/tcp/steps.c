/* SEGMENT ARRIVES, the eight steps of RFC 9293 3.10.7.4, in order. No step changes anything before
 * the segment is acceptable, except what answers it. Each returns NONE to go on, or the cause that
 * ended it. */
#include "tcp/tcp.h"

typedef struct step {
    hfi_ctx *ctx;
    hfi_conn *conn;
    const hfi_arrival *arrival;
    const hfi_tcp_view *seg;
    const hfi_tcp_view *crossed_syn_ack; /* the segment with its SYN, if it is one, else NULL */
    hfi_effects *effects;
    uint8_t action;
    hf_cause told; /* the best account of what the segment did */
    uint32_t a, b;
} step;

static hf_cause drop(step *s, hf_cause cause) {
    s->action = HF_VERDICT_DROPPED;
    return cause;
}

static hf_cause answer(step *s, hf_cause ack_cause, hf_cause cause) {
    hfi_receive_owe_ack(s->ctx, s->conn, ack_cause);
    return drop(s, cause);
}

/* ---- First: sequence numbers ---- */

/* In a simultaneous open the peer's SYN comes again, starting at its ISN, one before RCV.NXT. */
static bool is_crossed_syn(const hfi_conn *conn, const hfi_tcp_view *seg) {
    return conn->state == HF_SYN_RECEIVED && (seg->flags & HFI_TCP_SYN) != 0 &&
           seg->seq == conn->irs;
}

/* A probe starts just before RCV.NXT, with no or one garbage octet (MAY-6). Its sender agrees with
 * us; one that acknowledges what we never sent is another, whose probes would answer ours for ever.
 */
static bool is_probe(const step *s) {
    return s->seg->seq == s->conn->rcv_nxt - 1 && s->seg->payload_bytes <= 1 &&
           (s->seg->flags & (HFI_TCP_SYN | HFI_TCP_FIN)) == 0 &&
           hf_seq_le(s->seg->ack, s->conn->snd_nxt);
}

/* Bare ACKs that cannot be taken are answered sparingly, or two ends that disagree would talk for
 * ever. */
static void answer_stranger(step *s) {
    if (hfi_tcp_seq_bytes(s->seg) == 0)
        hfi_close_challenge(s->ctx, s->conn);
    else
        hfi_receive_owe_ack(s->ctx, s->conn, HF_CAUSE_SENT_ACK_OUT_OF_WINDOW);
}

static hf_cause outside_window(step *s) {
    if ((s->seg->flags & HFI_TCP_RST) != 0) return drop(s, HF_CAUSE_DROP_RST_OUT_OF_WINDOW);
    if ((s->seg->flags & HFI_TCP_SYN) != 0) {
        const bool again = s->seg->seq == s->conn->irs && (s->seg->flags & HFI_TCP_ACK) != 0;
        if (again) {
            hfi_live_syn_ack_again(s->ctx, s->conn);
            return answer(s, HF_CAUSE_SENT_ACK_DUPLICATE, HF_CAUSE_TOOK_SYN_ACK_REPEATED);
        }
        hfi_close_challenge_syn(s->ctx, s->conn);
        return drop(s, HF_CAUSE_DROP_SYN_IN_WINDOW);
    }
    if (is_probe(s)) return answer(s, HF_CAUSE_SENT_ACK_PROBE, HF_CAUSE_TOOK_PROBE);
    answer_stranger(s);
    hfi_receive_old(s->ctx, s->conn, s->seg);
    return drop(s, HF_CAUSE_DROP_OUT_OF_WINDOW);
}

/* A closed window takes no data, but the ACK of a segment at RCV.NXT counts (RFC 9293 3.10.7.4). */
static bool only_ack_counts(const step *s) {
    return s->conn->rcv_adv == s->conn->rcv_nxt && s->seg->seq == s->conn->rcv_nxt;
}

/* Departs from RFC 7323 3.2, which drops what lacks an agreed timestamp: middleboxes strip it, and the
 * connection would hang. A quirk obeys. */
static bool lacks_timestamp(const step *s) {
    return hfi_has(s->conn, HFI_F_TIMESTAMPS) && hfi_tcp_lacks_timestamp(s->ctx, s->seg);
}

static hf_cause check_sequence(step *s) {
    if (HFI_UNLIKELY(lacks_timestamp(s))) return drop(s, HF_CAUSE_DROP_NO_TIMESTAMP);
    if (hfi_receive_paws_rejects(s->ctx, s->conn, s->seg)) {
        answer_stranger(s);
        return drop(s, HF_CAUSE_DROP_PAWS);
    }
    if (hfi_receive_acceptable(s->conn, s->seg)) return HF_CAUSE_NONE;
    if (only_ack_counts(s)) {
        hfi_receive_owe_ack(s->ctx, s->conn, HF_CAUSE_SENT_ACK_OUT_OF_WINDOW);
        return HF_CAUSE_NONE;
    }
    return outside_window(s);
}

/* ---- Second: RST, RFC 5961 3.2 ---- */

/* What an exact RST says, by what went before. */
static hf_cause reset_end(const step *s) {
    if (s->conn->state == HF_SYN_RECEIVED) return HF_CAUSE_END_REFUSED;
    if (hfi_close_peer_restarted(s->ctx, s->conn)) return HF_CAUSE_END_PEER_RESTARTED;
    return hfi_live_never_taken(s->ctx, s->conn) ? HF_CAUSE_END_NOT_ACCEPTED
                                                 : HF_CAUSE_END_PEER_RESET;
}

static hf_cause check_rst(step *s) {
    if ((s->seg->flags & HFI_TCP_RST) == 0) return HF_CAUSE_NONE;
    if (s->seg->seq != s->conn->rcv_nxt) {
        hfi_close_challenge(s->ctx, s->conn);
        return drop(s, HF_CAUSE_SENT_CHALLENGE_ACK);
    }
    hfi_live_heard(s->ctx, s->conn);
    const hf_cause end = reset_end(s);
    hfi_close_end(s->ctx, s->conn, end,
                  end == HF_CAUSE_END_NOT_ACCEPTED ? HF_CAUSE_BY_OPEN_CHECK : HF_CAUSE_BY_RST,
                  HF_CAUSE_NONE);
    return HF_CAUSE_TOOK_RST;
}

/* ---- Fourth: SYN, RFC 5961 4.2. (The third, security, is obsolete.) ---- */

static hf_cause check_syn(step *s) {
    if ((s->seg->flags & HFI_TCP_SYN) == 0) return HF_CAUSE_NONE;
    hfi_close_challenge_syn(s->ctx, s->conn);
    return drop(s, HF_CAUSE_DROP_SYN_IN_WINDOW);
}

/* ---- Fifth: ACK ---- */

static hf_cause check_ack_range(step *s) {
    const hfi_conn *conn = s->conn;
    if (hf_seq_lt(conn->snd_nxt, s->seg->ack)) {
        hfi_close_challenge(s->ctx, s->conn);
        return drop(s, HF_CAUSE_DROP_ACK_OF_UNSENT);
    }
    if (hf_seq_lt(s->seg->ack, conn->snd_una - conn->snd_max_wnd)) { /* RFC 5961 5.2 */
        hfi_close_challenge(s->ctx, s->conn);
        return drop(s, HF_CAUSE_DROP_ACK_TOO_OLD);
    }
    return HF_CAUSE_NONE;
}

static hf_cause ack_in_syn_received(step *s) {
    /* Our SYN-ACK may not have left yet: then nothing can acknowledge it. */
    const bool left = s->conn->snd_nxt == s->conn->iss + 1;
    if (!left || s->seg->ack != s->conn->iss + 1) {
        const hfi_departure reset = hfi_reply_reset(s->arrival, HF_CAUSE_SENT_RST_BAD_ACK);
        hfi_reply_send(s->ctx, s->effects, &reset);
        return drop(s, HF_CAUSE_DROP_ACK_OF_UNSENT);
    }
    const bool crossed = s->crossed_syn_ack != NULL;
    hfi_open_established(s->ctx, s->conn, crossed ? s->crossed_syn_ack : s->seg);
    if (crossed) hfi_receive_owe_ack(s->ctx, s->conn, HF_CAUSE_SENT_HANDSHAKE_ACK);
    s->told = HF_CAUSE_TOOK_HANDSHAKE_ACK;
    return HF_CAUSE_NONE;
}

/* Our FIN is acknowledged: what each state makes of it. */
static hf_cause fin_acked(step *s) {
    hfi_conn *conn = s->conn;
    if (conn->state == HF_FIN_WAIT_1) {
        hfi_conn_move(s->ctx, conn, HF_FIN_WAIT_2);
        /* Owned, a half-close may last for ever; closed, nobody waits without a limit. */
        if (hfi_has(conn, HFI_F_CLOSED_BY_APP)) hfi_close_fin_wait_2(s->ctx, conn);
        /* The peer's FIN mostly comes in the same batch: an orphan that owes a look at transmission
         * does not become an entry before. */
        hfi_conn_owe(s->ctx, conn, HFI_P_DATA);
        s->told = HF_CAUSE_TOOK_FIN_ACK;
    } else if (conn->state == HF_CLOSING) {
        /* The peer has had its ACK, unless its FIN came just before, in the same batch. */
        const bool owed = (conn->pending & HFI_P_ACK) != 0;
        hfi_tcp_time_wait(s->ctx, conn, s->effects);
        s->effects->reply = owed;
        return HF_CAUSE_TOOK_FIN_ACK;
    } else if (conn->state == HF_LAST_ACK) {
        hfi_close_end(s->ctx, conn, HF_CAUSE_END_CLOSED, HF_CAUSE_BY_FIN, HF_CAUSE_NONE);
        return HF_CAUSE_TOOK_FIN_ACK;
    }
    return HF_CAUSE_NONE;
}

static void take_repeated_ack(step *s, bool window_changed) {
    hfi_conn *conn = s->conn;
    const bool bare = s->seg->payload_bytes == 0 && (s->seg->flags & HFI_TCP_FIN) == 0;
    const bool duplicate =
        s->seg->ack == conn->snd_una && hfi_in_flight(conn) > 0 && bare && !window_changed;
    hfi_recover_repeated_ack(s->ctx, conn, s->seg, duplicate);
    if (!bare) return;
    s->told = duplicate ? HF_CAUSE_TOOK_ACK_DUPLICATE : HF_CAUSE_TOOK_ACK_PLAIN;
    s->b = conn->duplicate_acks;
}

static void take_window(step *s, bool window_changed) {
    if (!window_changed) return;
    if (s->conn->snd_wnd == 0) {
        s->told = HF_CAUSE_TOOK_WINDOW_CLOSED;
    } else if (s->told == HF_CAUSE_NONE || s->told == HF_CAUSE_TOOK_ACK_PLAIN) {
        s->told = HF_CAUSE_TOOK_WINDOW_UPDATE;
        s->a = s->conn->snd_wnd;
    }
}

static hf_cause check_ack(step *s) {
    hfi_ctx *ctx = s->ctx;
    hfi_conn *conn = s->conn;
    if ((s->seg->flags & HFI_TCP_ACK) == 0) return drop(s, HF_CAUSE_DROP_NO_ACK);
    const hf_cause cause =
        conn->state == HF_SYN_RECEIVED ? ack_in_syn_received(s) : check_ack_range(s);
    if (cause != HF_CAUSE_NONE) return cause;
    hfi_live_heard(ctx, conn);
    hfi_receive_heard(conn, s->arrival);
    if (HFI_UNLIKELY(s->arrival->route != NULL)) hfi_open_route_heard(ctx, conn, s->arrival->route);
    hfi_open_gate_heard(conn);
    hfi_receive_timestamp(ctx, conn, s->seg);
    if (HFI_UNLIKELY(hfi_has(conn, HFI_F_WATCHED))) hfi_live_user_timeout_heard(ctx, conn, s->seg);
    const bool advances = hf_seq_lt(conn->snd_una, s->seg->ack);
    const uint32_t acked = advances ? hfi_recover_ack(ctx, conn, s->seg) : 0;
    /* The window of a SYN-ACK is not scaled, and established took it (RFC 7323 2.2). */
    const bool window_changed = s->crossed_syn_ack == NULL && hfi_send_window(ctx, conn, s->seg);
    if (!advances) {
        take_repeated_ack(s, window_changed);
        take_window(s, window_changed);
        return HF_CAUSE_NONE;
    }
    const bool fin_too = hfi_has(conn, HFI_F_FIN_SENT) && conn->snd_una == conn->snd_end + 1;
    conn->bytes_acked += acked - fin_too;
    s->told = HF_CAUSE_TOOK_ACK;
    s->a = acked - fin_too;
    s->effects->reachable = conn->path;
    hfi_send_acked(ctx, conn);
    take_window(s, window_changed);
    return fin_too ? fin_acked(s) : HF_CAUSE_NONE;
}

/* ---- Seventh: data ---- */

static hf_cause take_data(step *s) {
    hfi_conn *conn = s->conn;
    if (s->seg->payload_bytes == 0) return HF_CAUSE_NONE;
    if (!hfi_may_receive(conn->state)) return HF_CAUSE_NONE; /* after the peer's FIN: ignored */
    const bool fresh = hf_seq_lt(conn->rcv_nxt, s->seg->seq + s->seg->payload_bytes);
    const bool drains = (conn->close_how & HFI_CLOSE_DRAIN) != 0;
    if (hfi_has(conn, HFI_F_CLOSED_BY_APP) && fresh && !drains) {
        hfi_close_end(s->ctx, conn, HF_CAUSE_END_DATA_AFTER_CLOSE, HF_CAUSE_BY_RST,
                      HF_CAUSE_SENT_RST_DATA_AFTER_CLOSE);
        return HF_CAUSE_END_DATA_AFTER_CLOSE;
    }
    if (only_ack_counts(s)) return drop(s, HF_CAUSE_DROP_OUT_OF_WINDOW);
    if (hfi_has(conn, HFI_F_ECN)) hfi_receive_marks(s->ctx, conn, s->arrival);
    const hf_cause cause = hfi_receive_data(s->ctx, conn, s->arrival, &s->a);
    const bool took = cause == HF_CAUSE_TOOK_DATA || cause == HF_CAUSE_TOOK_DATA_OUT_OF_ORDER ||
                      cause == HF_CAUSE_TOOK_DATA_FILLED_GAP;
    if (!took) s->action = HF_VERDICT_DROPPED;
    if (HFI_UNLIKELY(hfi_has(conn, HFI_F_WATCHED)) && took) hfi_live_payload_in(s->ctx, conn);
    /* RFC 4861 7.3.1: new data in order shows that our ACKs arrive. */
    if (cause == HF_CAUSE_TOOK_DATA || cause == HF_CAUSE_TOOK_DATA_FILLED_GAP)
        s->effects->reachable = conn->path;
    s->told = cause;
    if (drains) hfi_receive_discard(s->ctx, conn);
    return HF_CAUSE_NONE;
}

/* ---- Eighth: FIN ---- */

static void enter_after_fin(step *s) {
    hfi_conn *conn = s->conn;
    switch ((hf_state)conn->state) {
    case HF_SYN_RECEIVED:
    case HF_ESTABLISHED:
        hfi_conn_move(s->ctx, conn, HF_CLOSE_WAIT);
        hfi_close_peer_closed(s->ctx, conn);
        break;
    case HF_FIN_WAIT_1: hfi_conn_move(s->ctx, conn, HF_CLOSING); break;
    case HF_FIN_WAIT_2: hfi_tcp_time_wait(s->ctx, conn, s->effects); break;
    case HF_CLOSED:
    case HF_LISTEN:
    case HF_SYN_SENT:
    case HF_CLOSE_WAIT:
    case HF_CLOSING:
    case HF_LAST_ACK:
    case HF_TIME_WAIT:
    case HF_STATE_COUNT: break;
    }
}

static void check_fin(step *s) {
    hfi_conn *conn = s->conn;
    const hf_seq fin = s->seg->seq + s->seg->payload_bytes;
    /* A FIN just beyond the window is left for its retransmission (its octet has no room). */
    const bool usable = (s->seg->flags & HFI_TCP_FIN) != 0 && hf_seq_le(conn->rcv_nxt, fin) &&
                        hf_seq_le(fin, conn->rcv_adv);
    if (usable && hfi_may_receive(conn->state)) hfi_receive_fin(s->ctx, conn, fin);
    if (!hfi_receive_fin_due(conn) || !hfi_may_receive(conn->state)) return;
    hfi_receive_take_fin(s->ctx, conn);
    if (s->seg->payload_bytes == 0) s->told = HF_CAUSE_TOOK_FIN;
    enter_after_fin(s);
}

/* ---- All eight ---- */

static hf_cause run(step *s) {
    hf_cause cause = check_sequence(s);
    if (cause == HF_CAUSE_NONE) cause = check_rst(s);
    if (cause == HF_CAUSE_NONE) cause = check_syn(s);
    if (cause == HF_CAUSE_NONE) cause = check_ack(s);
    if (cause != HF_CAUSE_NONE) return cause;
    hfi_tcp_urgent_heard(s->ctx, s->conn, s->seg); /* sixth */
    cause = take_data(s);
    if (cause != HF_CAUSE_NONE) return cause;
    check_fin(s);
    return s->told;
}

/* The same SYN again, without ACK: the peer has not heard our SYN-ACK. */
static hfi_outcome repeat_syn_ack(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_conn_owe(ctx, conn, HFI_P_SYN_ACK);
    return (hfi_outcome){HF_VERDICT_TOOK, HF_CAUSE_TOOK_SYN_REPEATED, hfi_conn_index(ctx, conn), 0,
                         0};
}

hfi_outcome hfi_tcp_steps(hfi_ctx *ctx, hfi_conn *conn, const hfi_arrival *arrival,
                          hfi_effects *effects) {
    const bool crossed = is_crossed_syn(conn, &arrival->tcp);
    if (crossed && (arrival->tcp.flags & HFI_TCP_ACK) == 0) return repeat_syn_ack(ctx, conn);
    hfi_arrival rest;
    const hfi_arrival *taken = arrival;
    if (HFI_UNLIKELY(crossed)) {
        rest = *arrival;
        rest.tcp.seq++;
        rest.tcp.flags &= (uint8_t) ~(HFI_TCP_SYN | HFI_TCP_ECE | HFI_TCP_CWR);
        taken = &rest;
    }
    step s = {ctx,
              conn,
              taken,
              &taken->tcp,
              crossed ? &arrival->tcp : NULL,
              effects,
              HF_VERDICT_TOOK,
              HF_CAUSE_NONE,
              0,
              0};
    const hf_cause cause = run(&s);
    return (hfi_outcome){s.action, cause, hfi_conn_index(ctx, conn), s.a, s.b};
}
