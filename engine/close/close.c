#include "close/close.h"
#include "close/time_wait.h"

void hfi_close_shutdown(hfi_ctx *ctx, hfi_conn *conn) {
    if (hfi_has(conn, HFI_F_FIN_QUEUED)) return;
    conn->flags |= HFI_F_FIN_QUEUED;
    if (hfi_held(conn) == 0) conn->progress_at = ctx->now_tick; /* it is the first of what waits */
    /* The FIN follows the handshake. */
    if (conn->state == HF_SYN_SENT || conn->state == HF_SYN_RECEIVED) return;
    hfi_conn_move(ctx, conn, conn->state == HF_CLOSE_WAIT ? HF_LAST_ACK : HF_FIN_WAIT_1);
    hfi_conn_owe(ctx, conn, HFI_P_DATA);
}

/* Stamps reach 24 days: a longer wait would seem to lie in the past, and end the connection now. */
#define LIMIT_MAX_NS (UINT64_C(86400) * 20 * HF_SECOND)

/* It ends by then at the latest. */
static void limit(hfi_ctx *ctx, hfi_conn *conn, hf_ns wait_ns) {
    const hfi_tick at = hfi_ticks_from(ctx, hfi_min64(wait_ns, LIMIT_MAX_NS));
    if ((conn->timers & HFI_T_CLOSE) != 0 && hfi_tick_le(conn->close_at, at)) return;
    conn->timers |= HFI_T_CLOSE;
    conn->close_at = at;
    conn->close_how &= (uint8_t)~HFI_CLOSE_DETACH;
}

void hfi_close_fin_wait_2(hfi_ctx *ctx, hfi_conn *conn) {
    limit(ctx, conn, ctx->limits->fin_wait_2_ns);
}

/* ---- CLOSE ---- */

/* Our FIN waits. What is left from the end of the wait to the deadline is kept in seconds, rounded
 * up: 18 hours at most. */
static void wait_for_peer(hfi_ctx *ctx, hfi_conn *conn, hf_ns wait_ns, hf_ns deadline_ns) {
    const hf_ns wait = hfi_min64(wait_ns, deadline_ns);
    const hf_ns more_s = (deadline_ns - wait + HF_SECOND - 1) / HF_SECOND;
    limit(ctx, conn, wait);
    conn->close_how |= HFI_CLOSE_AFTER_PEER;
    conn->close_more_s = (uint16_t)hfi_min64(more_s, UINT16_MAX);
}

void hfi_close_begin(hfi_ctx *ctx, hfi_conn *conn, const hf_close_options *options) {
    const bool given = options->deadline_ns != 0;
    const bool waits = options->after_peer_ns != 0 && !hfi_has(conn, HFI_F_FIN_QUEUED) &&
                       (conn->state == HF_ESTABLISHED || conn->state == HF_SYN_RECEIVED);
    const hf_ns after_ns = waits ? hfi_min64(options->after_peer_ns, LIMIT_MAX_NS) : 0;
    const hf_ns deadline_ns =
        given ? hfi_min64(options->deadline_ns, LIMIT_MAX_NS) : after_ns + ctx->limits->orphan_ns;
    conn->flags |= HFI_F_CLOSED_BY_APP;
    conn->close_how = options->drain || options->after_peer_ns != 0 ? HFI_CLOSE_DRAIN : 0;
    if (waits) {
        wait_for_peer(ctx, conn, after_ns, deadline_ns);
    } else {
        hfi_close_shutdown(ctx, conn);
        limit(ctx, conn, deadline_ns);
    }
    if (options->at_deadline == HF_DEADLINE_RST)
        conn->flags |= HFI_F_RST_ON_DEADLINE;
    else if (given)
        conn->close_how |= HFI_CLOSE_DETACH;
    if (conn->state == HF_FIN_WAIT_2) hfi_close_fin_wait_2(ctx, conn);
}

/* Our FIN waits no longer; the deadline is what it was. */
static void stop_waiting(hfi_ctx *ctx, hfi_conn *conn) {
    conn->close_how &= (uint8_t)~HFI_CLOSE_AFTER_PEER;
    conn->timers |= HFI_T_CLOSE;
    conn->close_at += hfi_tick_deadline(conn->close_more_s * HF_SECOND);
    hfi_close_shutdown(ctx, conn);
}

void hfi_close_peer_closed(hfi_ctx *ctx, hfi_conn *conn) {
    if ((conn->close_how & HFI_CLOSE_AFTER_PEER) != 0) stop_waiting(ctx, conn);
}

/* The application is told how far the close came, and has no more part in it. */
static void detach(hfi_ctx *ctx, hfi_conn *conn) {
    const bool quiet = conn->state == HF_FIN_WAIT_2;
    hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_CLOSE_DETACHED, hfi_held(conn), 0);
    hfi_count(ctx, HF_CAUSE_BY_DETACH);
    limit(ctx, conn, quiet ? ctx->limits->fin_wait_2_ns : ctx->limits->orphan_ns);
    conn->close_how = (conn->close_how & HFI_CLOSE_DRAIN) | HFI_CLOSE_TOLD;
    hfi_conn_event(ctx, conn, HF_EVENT_END);
}

static void end_closing(hfi_ctx *ctx, hfi_conn *conn) {
    const bool quiet = conn->state == HF_FIN_WAIT_2;
    const hf_cause mechanism = quiet ? HF_CAUSE_BY_FIN_WAIT_2_LIMIT : HF_CAUSE_BY_ORPHAN_LIMIT;
    const bool reset = hfi_has(conn, HFI_F_RST_ON_DEADLINE) || !quiet;
    hfi_close_end(ctx, conn, HF_CAUSE_END_CLOSE_DEADLINE, mechanism,
                  reset ? HF_CAUSE_SENT_RST_GAVE_UP : HF_CAUSE_NONE);
}

void hfi_close_timeout(hfi_ctx *ctx, hfi_conn *conn) {
    conn->timers &= (uint8_t)~HFI_T_CLOSE;
    if ((conn->close_how & HFI_CLOSE_AFTER_PEER) != 0)
        stop_waiting(ctx, conn);
    else if ((conn->close_how & HFI_CLOSE_DETACH) != 0)
        detach(ctx, conn);
    else
        end_closing(ctx, conn);
}

/* ---- The end ---- */

static void forget_flow(hfi_ctx *ctx, hfi_conn *conn) {
    if (!hfi_has(conn, HFI_F_KNOWN)) return;
    const hfi_flow_key key = hfi_conn_key(ctx, conn);
    hfi_flow_remove(&ctx->flow, hfi_flow_hash(&ctx->flow, &key),
                    hfi_flow_ref(HFI_FLOW_CONN, hfi_conn_index(ctx, conn)));
    conn->flags &= ~(uint32_t)HFI_F_KNOWN;
}

/* Of a connection that nobody has accepted nobody will hear: it leaves the queue. */
static void leave_accept_queue(hfi_ctx *ctx, hfi_conn *conn) {
    if (!hfi_has(conn, HFI_F_UNACCEPTED)) return;
    hfi_queue_remove(ctx, &ctx->listeners[hfi_conn_listener(ctx, conn)].accept, HFI_LINK_QUEUE,
                     hfi_conn_index(ctx, conn));
    conn->flags = (conn->flags & ~(uint32_t)HFI_F_UNACCEPTED) | HFI_F_DETACHED;
}

static void end_in(hfi_ctx *ctx, hfi_conn *conn, uint8_t state, hf_cause cause, hf_cause mechanism,
                   hf_cause reset_cause) {
    HF_ASSERT(!hfi_has(conn, HFI_F_ENDED));
    conn->end_cause = (uint8_t)cause;
    conn->end_mechanism = (uint8_t)mechanism;
    conn->end_state = state;
    conn->end_at = ctx->now_tick;
    hfi_count(ctx, cause);
    hfi_count(ctx, mechanism);
    if (HFI_UNLIKELY(ctx->trace != NULL))
        hfi_trace(ctx, HF_TRACE_END, hfi_conn_index(ctx, conn), cause, mechanism, 0);
    if (hfi_has(conn, HFI_F_COOKIE) && hfi_has(conn, HFI_F_KNOWN)) hfi_tw_guard_cookie(ctx, conn);
    forget_flow(ctx, conn);
    leave_accept_queue(ctx, conn);
    ctx->root->live--;
    hfi_send_end(ctx, conn);
    hfi_end_begin(ctx, conn);
    hfi_receive_stop(ctx, conn);
    if (hfi_has(conn, HFI_F_CLOSED_BY_APP | HFI_F_DETACHED)) hfi_receive_end(ctx, conn);
    conn->timers = 0;
    conn->flags |= HFI_F_ENDED;
    conn->pending = 0;
    if (conn->state != HF_TIME_WAIT) hfi_conn_move(ctx, conn, HF_CLOSED);
    if (reset_cause != HF_CAUSE_NONE) {
        conn->ack_cause = (uint8_t)reset_cause;
        conn->flags |= HFI_E_RESET;
        hfi_conn_owe(ctx, conn, HFI_P_RST);
    }
    hfi_conn_event(ctx, conn, HF_EVENT_END);
    if (!hfi_has(conn, HFI_F_DETACHED)) return;
    hfi_end_record(ctx, conn, false);
    hfi_conn_owe(ctx, conn, 0); /* the transmit list frees it */
}

void hfi_close_end(hfi_ctx *ctx, hfi_conn *conn, hf_cause cause, hf_cause mechanism,
                   hf_cause reset_cause) {
    end_in(ctx, conn, conn->state, cause, mechanism, reset_cause);
}

void hfi_close_time_wait(hfi_ctx *ctx, hfi_conn *conn) {
    const uint8_t before = conn->state;
    hfi_conn_move(ctx, conn, HF_TIME_WAIT);
    if (!hfi_tw_begin(ctx, conn)) hfi_conn_move(ctx, conn, HF_CLOSED);
    end_in(ctx, conn, before, HF_CAUSE_END_CLOSED, HF_CAUSE_BY_FIN, HF_CAUSE_NONE);
}

/* Nobody will read, ask or be told any more, nothing is owed and no gap is open: what is left to know
 * of the connection fits into an entry. One that drains stays, since the entry answers data by RST,
 * and so does one with a deadline of its own, since all entries wait equally long. */
static bool may_shrink(const hfi_conn *conn) {
    const uint32_t wanted = HFI_F_CLOSED_BY_APP | HFI_F_RELEASED;
    return conn->state == HF_FIN_WAIT_2 && (conn->flags & wanted) == wanted &&
           !hfi_has(conn, HFI_F_ENDED | HFI_F_PEER_FIN_SEEN | HFI_F_RST_ON_DEADLINE) &&
           (conn->close_how & (HFI_CLOSE_DRAIN | HFI_CLOSE_DETACH)) == 0 &&
           (conn->pending & ~HFI_P_STANDING) == 0 && conn->range_head == HFI_NONE;
}

void hfi_close_shrink(hfi_ctx *ctx, hfi_conn *conn) {
    if (!may_shrink(conn) || !hfi_tw_begin_fin_wait_2(ctx, conn)) return;
    hfi_close_end(ctx, conn, HF_CAUSE_END_ORPHANED, HF_CAUSE_BY_CALL, HF_CAUSE_NONE);
}

void hfi_close_reset(hfi_ctx *ctx, hfi_conn *conn, hfi_departure *ret) {
    (void)ctx;
    const bool acks = conn->end_state != HF_SYN_SENT;
    ret->tcp.flags = (uint8_t)(HFI_TCP_RST | (acks ? HFI_TCP_ACK : 0));
    /* A sequence number that the peer finds acceptable even if its window shrank. */
    const hf_seq edge = conn->snd_una + conn->snd_wnd;
    ret->tcp.seq = hf_seq_lt(edge, conn->snd_nxt) ? hf_seq_max(edge, conn->snd_una) : conn->snd_nxt;
    ret->tcp.ack = acks ? conn->rcv_nxt : 0;
    ret->cause = (hf_cause)conn->ack_cause;
    ret->a =
        ret->cause == HF_CAUSE_SENT_RST_UNREAD ? hfi_readable(conn) : conn->snd_end - conn->snd_una;
}

/* One challenge in 512 to 767 ms, the wait keyed so that a stranger cannot time it. */
void hfi_close_challenge(hfi_ctx *ctx, hfi_conn *conn) {
    const uint64_t word = hfi_conn_index(ctx, conn) ^ (uint64_t)conn->challenge_at << 32;
    const uint32_t wait =
        500 + (uint32_t)hfi_siphash13_words(ctx->root->jitter_key, &word, 1) % 250;
    if ((uint32_t)(ctx->now_tick - conn->challenge_at) < wait) return;
    conn->challenge_at = ctx->now_tick;
    hfi_conn_owe(ctx, conn, HFI_P_CHALLENGE);
}

void hfi_close_challenge_syn(hfi_ctx *ctx, hfi_conn *conn) {
    conn->close_how |= HFI_CLOSE_SAW_SYN;
    hfi_close_challenge(ctx, conn);
}

bool hfi_close_peer_restarted(const hfi_ctx *ctx, const hfi_conn *conn) {
    const hf_ns since_ns = (hf_ns)(uint32_t)(ctx->now_tick - conn->challenge_at) * HFI_TICK_NS;
    return (conn->close_how & HFI_CLOSE_SAW_SYN) != 0 && since_ns <= hfi_recover_patience_ns(conn);
}
