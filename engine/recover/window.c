/* How cwnd moves: congest's numbers, and PRR within recovery. */
#include "recover/internal.h"

static hfi_congest_window window_of(const hfi_conn *conn) {
    return (hfi_congest_window){conn->cwnd, conn->ssthresh};
}

static void set_window(hfi_conn *conn, hfi_congest_window window) {
    conn->cwnd = window.cwnd;
    conn->ssthresh = window.ssthresh;
}

static hfi_congest_event congestion_event(const hfi_ctx *ctx, const hfi_conn *conn) {
    /* More is out only as what is SACKed, which took no part in the congestion, or by limited transmit,
     * which does not count (RFC 5681 3.2, step 3). */
    return (hfi_congest_event){ctx->now_us, hfi_min32(hfi_in_flight(conn), conn->cwnd), conn->mss};
}

void hfi_recover_window_begin(hfi_ctx *ctx, hfi_conn *conn, bool syn_resent) {
    set_window(conn,
               hfi_congest_initial(conn->mss, syn_resent ? 1 : ctx->limits->initial_window_segs));
    if (syn_resent) conn->cwnd = conn->mss;
}

void hfi_recover_idle(hfi_ctx *ctx, hfi_conn *conn) {
    if (hfi_in_flight(conn) != 0 || conn->srtt_us == 0) return;
    const hf_ns idle_ns = (hf_ns)(uint32_t)(ctx->now_tick - conn->elicited_at) * HFI_TICK_NS;
    if (idle_ns <= (hf_ns)conn->rto_us * HF_US) return;
    hfi_congest *state = conn->flight != HFI_NONE ? &ctx->flights[conn->flight].congest : NULL;
    set_window(conn, hfi_congest_idle(state, window_of(conn), conn->mss,
                                      ctx->limits->initial_window_segs));
}

bool hfi_recover_was_cwnd_limited(hfi_ctx *ctx, hfi_conn *conn, hf_seq ack) {
    if (hfi_segq_pipe(ctx, conn) + 2u * conn->mss >= conn->cwnd) return true;
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    if (flight == NULL) return false;
    if (flight->cwnd_limited && hf_seq_lt(flight->limited_until, ack)) flight->cwnd_limited = false;
    return flight->cwnd_limited;
}

void hfi_recover_window_acked(hfi_ctx *ctx, hfi_conn *conn, hfi_congest_sample *sample) {
    hfi_congest fresh = {0}; /* in case the flight block was taken: other connections have data */
    hfi_congest *state = &fresh;
    if (conn->flight != HFI_NONE) {
        hfi_flight *flight = hfi_recover_flight(ctx, conn);
        sample->min_rtt_us = flight->min_rtt_us;
        sample->delivered_bytes = flight->delivered_bytes;
        state = &flight->congest;
    }
    sample->now_us = ctx->now_us;
    sample->srtt_us = conn->srtt_us;
    sample->acked_to = conn->snd_una;
    sample->sent_to = conn->snd_nxt;
    sample->mss = conn->mss;
    sample->app_limited = !sample->cwnd_limited && hfi_unsent(conn) == 0;
    const hf_congestion kind = hfi_congestion(ctx, conn);
    set_window(conn, hfi_congest_acked(state, kind, window_of(conn), sample));
    if (conn->flight == HFI_NONE) return;
    const hfi_congest_window paced =
        sample->recovering ? (hfi_congest_window){conn->ssthresh, conn->ssthresh} : window_of(conn);
    hfi_recover_flight(ctx, conn)->pace_tick_bytes = hfi_congest_pacing(kind, paced, conn->srtt_us);
}

/* RFC 3168 6.1.2: for whatever reason it fell. */
static void tell_fall(hfi_conn *conn) {
    if (hfi_has(conn, HFI_F_ECN)) conn->pending |= HFI_P_CWR;
}

void hfi_recover_window_marked(hfi_ctx *ctx, hfi_conn *conn, uint32_t flight_bytes) {
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    const hfi_congest_event event = {ctx->now_us, hfi_min32(flight_bytes, conn->cwnd), conn->mss};
    tell_fall(conn);
    set_window(conn, hfi_congest_lost(&flight->congest, hfi_congestion(ctx, conn), window_of(conn),
                                      &event));
}

void hfi_recover_window_lost(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    const hfi_congest_event event = congestion_event(ctx, conn);
    tell_fall(conn);
    set_window(conn, hfi_congest_lost(&flight->congest, hfi_congestion(ctx, conn), window_of(conn),
                                      &event));
}

void hfi_recover_window_timeout(hfi_ctx *ctx, hfi_conn *conn, bool again) {
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    if (flight == NULL) return;
    if (hfi_has(conn, HFI_F_RECOVERY)) conn->cwnd = hfi_max32(conn->cwnd, conn->ssthresh);
    const hfi_congest_event event = congestion_event(ctx, conn);
    tell_fall(conn);
    set_window(conn, hfi_congest_timeout(&flight->congest, hfi_congestion(ctx, conn),
                                         window_of(conn), &event, again));
}

/* RFC 4015 3.1 puts the window back to what is out and a little more; like Linux we go back to what
 * it was: what was sent meanwhile was paced by ACKs, so no burst follows. */
void hfi_recover_window_restore(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    set_window(conn,
               hfi_congest_undo(&flight->congest, hfi_congestion(ctx, conn), window_of(conn)));
}

/* ---- Proportional rate reduction, RFC 9937 6 ---- */

void hfi_recover_prr_begin(hfi_ctx *ctx, hfi_conn *conn, uint32_t delivered) {
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    flight->prr_delivered = flight->prr_out = 0;
    /* What was SACKed before will not be delivered in recovery; what this ACK brought will count. */
    const uint32_t sacked = flight->sacked_bytes;
    const uint32_t before = sacked > delivered ? sacked - delivered : 0;
    flight->recover_fs = hfi_max32(hfi_in_flight(conn) - before, 1);
}

static uint32_t divide_up(uint64_t a, uint32_t b) { return (uint32_t)((a + b - 1) / b); }

void hfi_recover_prr_acked(hfi_ctx *ctx, hfi_conn *conn, uint32_t delivered, bool safe) {
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    if (flight == NULL || delivered == 0) return;
    flight->prr_delivered += delivered;
    const uint32_t pipe = hfi_segq_pipe(ctx, conn), done = flight->prr_delivered;
    uint32_t more = 0;
    if (pipe > conn->ssthresh) {
        const uint32_t due = divide_up((uint64_t)done * conn->ssthresh, flight->recover_fs);
        more = due > flight->prr_out ? due - flight->prr_out : 0;
    } else {
        more = hfi_max32(done > flight->prr_out ? done - flight->prr_out : 0, delivered);
        if (safe) more += conn->mss;
        more = hfi_min32(more, conn->ssthresh - pipe);
    }
    /* The fast retransmit. */
    if (flight->prr_out == 0 && hfi_has(conn, HFI_F_RECOVERY)) more = hfi_max32(more, conn->mss);
    conn->cwnd = pipe + more;
}
