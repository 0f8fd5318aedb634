/* Round-trip times, the deadlines, and what happens when one comes. */
#include "recover/internal.h"

/* At the usual RTO, 2^8 of it are near the longest wait. */
#define ANSWERED_BACKOFF 8

#define RTO_AFTER_RESENT_SYN_US 3000000u

void hfi_recover_begin(hfi_ctx *ctx, hfi_conn *conn) {
    conn->rto_us = (hfi_us32)(ctx->limits->rto_initial_ns / HF_US);
    conn->srtt_us = conn->rttvar_us = 0;
    conn->segq_head = conn->segq_tail = HFI_NONE;
    conn->flight = HFI_NONE;
}

void hfi_recover_established(hfi_ctx *ctx, hfi_conn *conn, bool syn_resent) {
    hfi_recover_window_begin(ctx, conn, syn_resent);
    if (syn_resent && conn->srtt_us == 0)
        conn->rto_us = hfi_max32(conn->rto_us, RTO_AFTER_RESENT_SYN_US); /* RFC 6298 5.7 */
    conn->backoff = 0;
    conn->transmissions = 0;
    conn->recover = conn->snd_una - 1;
    conn->progress_at = ctx->now_tick;
}

/* ---- RTT and RTO, RFC 6298 ---- */

void hfi_recover_sample(hfi_ctx *ctx, hfi_conn *conn, hfi_us32 rtt_us) {
    rtt_us = hfi_max32(rtt_us, 1);
    if (conn->srtt_us == 0) {
        conn->srtt_us = rtt_us;
        conn->rttvar_us = rtt_us / 2;
    } else {
        const uint32_t error =
            rtt_us > conn->srtt_us ? rtt_us - conn->srtt_us : conn->srtt_us - rtt_us;
        conn->rttvar_us = conn->rttvar_us - conn->rttvar_us / 4 + error / 4;
        conn->srtt_us = conn->srtt_us - conn->srtt_us / 8 + rtt_us / 8;
    }
    const hf_limits *limits = ctx->limits;
    const uint64_t variance =
        hfi_max64(4 * (uint64_t)conn->rttvar_us, limits->rto_variance_min_ns / HF_US);
    const uint64_t rto = hfi_max64(conn->srtt_us + variance, limits->rto_min_ns / HF_US);
    conn->rto_us = (hfi_us32)hfi_min64(rto, limits->rto_max_ns / HF_US);
}

hf_ns hfi_recover_rto_ns(const hfi_ctx *ctx, const hfi_conn *conn) {
    const uint32_t doublings = hfi_min32(conn->backoff, 20);
    return hfi_min64(((hf_ns)conn->rto_us * HF_US) << doublings, ctx->limits->rto_max_ns);
}

hf_ns hfi_recover_patience_ns(const hfi_conn *conn) {
    return hfi_max64((conn->srtt_us + 4 * (hf_ns)conn->rttvar_us) * HF_US, 500 * HF_MS);
}

/* ---- Deadlines. rtx_at is the first of: the RTO; a tail loss probe, or the moment at which what is
 * late is lost, which come before it. With nothing in flight it is one RTO, after which the flight block
 * goes back. ---- */

void hfi_recover_stop_timer(hfi_conn *conn) { conn->timers &= (uint8_t)~HFI_T_RTX; }

void hfi_recover_arm(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    if (flight == NULL) return;
    conn->timers |= HFI_T_RTX;
    conn->rtx_at = flight->rto_at;
    flight->timer = HFI_TIMER_RTO;
    if (hfi_in_flight(conn) == 0) return;
    if (hfi_recover_marked(flight, HFI_FLIGHT_WAITS)) {
        flight->timer = HFI_TIMER_REORDER;
        if (hfi_tick_lt(flight->reorder_at, conn->rtx_at)) conn->rtx_at = flight->reorder_at;
    } else if (hfi_recover_probe_at(ctx, conn, &conn->rtx_at)) {
        flight->timer = HFI_TIMER_PROBE;
    }
}

void hfi_recover_restart_timer(hfi_ctx *ctx, hfi_conn *conn) {
    const hfi_tick at = hfi_ticks_from(ctx, hfi_recover_rto_ns(ctx, conn));
    if (conn->flight != HFI_NONE) {
        ctx->flights[conn->flight].rto_at = at;
        hfi_recover_arm(ctx, conn);
    } else if (hfi_in_flight(conn) > 0) {
        conn->timers |= HFI_T_RTX;
        conn->rtx_at = at;
    } else {
        hfi_recover_stop_timer(conn);
    }
}

void hfi_recover_sent(hfi_ctx *ctx, hfi_conn *conn, uint32_t bytes, bool first) {
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    if (hfi_has(conn, HFI_F_RECOVERY) || hfi_recover_is_falling(ctx, conn))
        flight->prr_out += bytes;
    if (first || (conn->timers & HFI_T_RTX) == 0)
        hfi_recover_restart_timer(ctx, conn);
    else if (flight->timer == HFI_TIMER_PROBE)
        hfi_recover_arm(ctx, conn); /* RFC 8985 7.2: counted from the last new data */
}

void hfi_recover_sent_again(hfi_ctx *ctx, hfi_conn *conn, uint32_t bytes, bool asked) {
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    if (asked) {
        flight->asked_bytes += bytes;
        return;
    }
    if (hfi_has(conn, HFI_F_RECOVERY)) flight->prr_out += bytes;
    if (!hfi_has(conn, HFI_F_RECOVERY | HFI_F_LOSS)) return; /* a probe: its ACK is judged apart */
    flight->undo_bytes += bytes;
    if (hfi_recover_marked(flight, HFI_FLIGHT_STAMPED)) return;
    flight->marks |= HFI_FLIGHT_STAMPED;
    flight->resent_at = ctx->now_tick;
}

bool hfi_recover_holds_back(const hfi_ctx *ctx, const hfi_conn *conn) {
    return conn->flight != HFI_NONE && ctx->flights[conn->flight].frto == 2;
}

static void reordering_over(hfi_ctx *ctx, hfi_conn *conn) {
    const bool open = !hfi_has(conn, HFI_F_RECOVERY | HFI_F_LOSS);
    if (hfi_recover_rack_detect(ctx, conn) > 0) {
        if (open) hfi_recover_enter(ctx, conn, 0);
        hfi_conn_owe(ctx, conn, HFI_P_DATA);
    }
    hfi_recover_mtu_lost(ctx, conn);
    hfi_recover_restart_timer(ctx, conn);
}

bool hfi_recover_early(hfi_ctx *ctx, hfi_conn *conn) {
    const hfi_flight *flight = hfi_recover_flight(ctx, conn);
    hfi_recover_stop_timer(conn);
    if (hfi_in_flight(conn) == 0) {
        hfi_segq_rest_over(ctx, conn);
        return true;
    }
    if (flight == NULL || flight->timer == HFI_TIMER_RTO) return false;
    if (flight->timer == HFI_TIMER_REORDER) {
        if (!hfi_tick_le(flight->reorder_at, ctx->now_tick)) return false; /* the RTO came before */
        reordering_over(ctx, conn);
        return true;
    }
    /* Armed again as the probe leaves; and if it does not, the RTO comes all the same. */
    hfi_conn_owe(ctx, conn, HFI_P_TAIL_PROBE);
    hfi_tick at = flight->rto_at;
    if (hfi_tick_le(at, ctx->now_tick)) at = hfi_ticks_from(ctx, hfi_recover_rto_ns(ctx, conn));
    ctx->flights[conn->flight].rto_at = conn->rtx_at = at;
    ctx->flights[conn->flight].timer = HFI_TIMER_RTO;
    conn->timers |= HFI_T_RTX;
    return true;
}

void hfi_recover_probing_ended(hfi_conn *conn) { conn->backoff = conn->transmissions = 0; }

/* What is lost now: with RACK only what had its time, but all if the peer has reneged. */
static void mark_at_timeout(hfi_ctx *ctx, hfi_conn *conn) {
    if (hfi_recover_by_time(ctx, conn) && !hfi_segq_reneged(ctx, conn))
        hfi_recover_rack_timeout(ctx, conn);
    else
        hfi_segq_lose_all(ctx, conn);
}

static void begin_loss(hfi_ctx *ctx, hfi_conn *conn) {
    /* RFC 5681 3.1: ssthresh falls once for what is lost, be it by duplicates or by time-out. */
    const bool recovering =
        hfi_has(conn, HFI_F_RECOVERY) && conn->ssthresh <= hfi_in_flight(conn) / 2;
    const bool again = recovering || (hfi_has(conn, HFI_F_LOSS) && conn->backoff > 0);
    const bool open = !hfi_has(conn, HFI_F_RECOVERY | HFI_F_LOSS);
    if (open) hfi_recover_undo_begin(ctx, conn);
    hfi_recover_window_timeout(ctx, conn, again);
    conn->flags = (conn->flags & ~(uint32_t)HFI_F_RECOVERY) | HFI_F_LOSS;
    conn->recover = conn->snd_nxt;
    conn->duplicate_acks = 0;
    if (conn->flight == HFI_NONE) return;
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    hfi_recover_unmark(flight, HFI_FLIGHT_PROBED | HFI_FLIGHT_MARKED); /* RFC 8985 7.1 */
    flight->frto = open;                                               /* RFC 5682 2.1, step 1 */
}

bool hfi_recover_timeout(hfi_ctx *ctx, hfi_conn *conn) {
    /* The peer has shrunk its window to nothing, drops what we send again, and answers: it is alive
     * (RFC 9293 SHLD-17, MUST-37). Only what it leaves unanswered counts up to the limit. */
    const bool answers = conn->snd_wnd == 0 && conn->unanswered == 0;
    if (answers && conn->backoff > ANSWERED_BACKOFF) conn->backoff = ANSWERED_BACKOFF;
    if (conn->backoff >= hfi_attempts(ctx, conn, ctx->limits->retransmit_limit)) return true;
    begin_loss(ctx, conn);
    mark_at_timeout(ctx, conn);
    hfi_recover_mtu_lost(ctx, conn);
    conn->backoff++;
    hfi_recover_restart_timer(ctx, conn);
    hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_RTO_BACKED_OFF,
             (uint32_t)(hfi_recover_rto_ns(ctx, conn) / HF_MS), conn->backoff);
    hfi_conn_owe(ctx, conn, HFI_P_RESEND);
    return false;
}
