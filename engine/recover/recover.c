#include "recover/recover.h"
#include "congest/congest.h"

/* At the usual RTO, 2^8 of it are near the longest wait. */
#define ANSWERED_BACKOFF 8

#define RTO_AFTER_RESENT_SYN_US 3000000u

static hfi_congest_window window_of(const hfi_conn *conn) {
    return (hfi_congest_window){conn->cwnd, conn->ssthresh};
}

static void set_window(hfi_conn *conn, hfi_congest_window window) {
    conn->cwnd = window.cwnd;
    conn->ssthresh = window.ssthresh;
}

static hfi_congest_event congestion_event(const hfi_ctx *ctx, const hfi_conn *conn) {
    return (hfi_congest_event){ctx->now_us, hfi_in_flight(conn), conn->mss};
}

/* A loss, or congestion met, of which this round trip has not heard yet. */
static void congestion_met(hfi_ctx *ctx, hfi_conn *conn) {
    if (conn->flight == HFI_NONE) return;
    const hfi_congest_event event = congestion_event(ctx, conn);
    set_window(conn, hfi_congest_lost(&ctx->flights[conn->flight].congest,
                                      hfi_congestion(ctx, conn), window_of(conn), &event));
}

void hfi_recover_begin(hfi_ctx *ctx, hfi_conn *conn) {
    conn->rto_us = (hfi_us32)(ctx->limits->rto_initial_ns / HF_US);
    conn->srtt_us = conn->rttvar_us = 0;
    conn->segq_head = conn->segq_tail = HFI_NONE;
    conn->flight = HFI_NONE;
}

void hfi_recover_established(hfi_ctx *ctx, hfi_conn *conn, bool syn_resent) {
    set_window(conn,
               hfi_congest_initial(conn->mss, syn_resent ? 1 : ctx->limits->initial_window_segs));
    if (syn_resent) conn->cwnd = conn->mss;
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

void hfi_recover_stop_timer(hfi_conn *conn) { conn->timers &= (uint8_t)~HFI_T_RTX; }

void hfi_recover_restart_timer(hfi_ctx *ctx, hfi_conn *conn) {
    if (hfi_in_flight(conn) == 0 && conn->flight == HFI_NONE) {
        hfi_recover_stop_timer(conn);
        return;
    }
    conn->timers |= HFI_T_RTX;
    conn->rtx_at = hfi_ticks_from(ctx, hfi_recover_rto_ns(ctx, conn));
}

bool hfi_recover_rested(hfi_ctx *ctx, hfi_conn *conn) {
    if (hfi_in_flight(conn) > 0) return false;
    hfi_recover_stop_timer(conn);
    hfi_segq_rest_over(ctx, conn);
    return true;
}

void hfi_recover_idle(hfi_ctx *ctx, hfi_conn *conn) {
    if (hfi_in_flight(conn) != 0 || conn->srtt_us == 0) return;
    const hf_ns idle_ns = (hf_ns)(uint32_t)(ctx->now_tick - conn->elicited_at) * HFI_TICK_NS;
    if (idle_ns <= (hf_ns)conn->rto_us * HF_US) return;
    hfi_congest *state = conn->flight != HFI_NONE ? &ctx->flights[conn->flight].congest : NULL;
    set_window(conn, hfi_congest_idle(state, window_of(conn), conn->mss,
                                      ctx->limits->initial_window_segs));
}

/* ---- Loss ---- */

static void enter_recovery(hfi_ctx *ctx, hfi_conn *conn) {
    conn->recover = conn->snd_nxt;
    conn->flags |= HFI_F_RECOVERY;
    congestion_met(ctx, conn);
    hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_RECOVERY_STARTED, conn->cwnd, 0);
    hfi_conn_owe(ctx, conn, HFI_P_DATA);
}

static void leave_recovery(hfi_ctx *ctx, hfi_conn *conn) {
    if (hfi_has(conn, HFI_F_RECOVERY))
        hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_RECOVERY_ENDED, 0, 0);
    conn->flags &= ~(uint32_t)(HFI_F_RECOVERY | HFI_F_LOSS);
    conn->duplicate_acks = 0;
}

/* Applies the SACK blocks that lie inside what is in flight (RFC 2018; others are ignored). */
static void apply_sack(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg,
                       hfi_delivery *delivery) {
    if (!hfi_has(conn, HFI_F_SACK) || (seg->options.present & HFI_OPT_SACK) == 0) return;
    for (uint32_t i = 0; i < seg->options.sack_count; i++) {
        const hfi_sack_block block = seg->options.sack[i];
        if (!hf_seq_lt(block.start, block.end) || !hf_seq_lt(conn->snd_una, block.start)) continue;
        if (!hf_seq_le(block.end, conn->snd_nxt) || conn->flight == HFI_NONE) continue;
        hfi_segq_sack(ctx, conn, block.start, block.end, delivery);
        hfi_flight *flight = &ctx->flights[conn->flight];
        if (!flight->any_sacked || hf_seq_lt(flight->high_sacked, block.end)) {
            flight->high_sacked = block.end;
            flight->any_sacked = true;
        }
    }
}

/* RFC 6675 4, IsLost by bytes: more than two segments' bytes beyond it are SACKed. */
static void lose_by_sack(hfi_ctx *ctx, hfi_conn *conn) {
    if (conn->flight == HFI_NONE) return;
    const hfi_flight *flight = &ctx->flights[conn->flight];
    if (!flight->any_sacked) return;
    const uint32_t threshold = (ctx->limits->duplicate_threshold - 1) * (uint32_t)conn->mss;
    const hf_seq limit = flight->high_sacked - threshold - 1;
    if (!hf_seq_lt(conn->snd_una, limit)) return;
    if (hfi_segq_lose_before(ctx, conn, limit) > 0) hfi_conn_owe(ctx, conn, HFI_P_DATA);
}

/* Without SACK a duplicate ACK says that one segment more has arrived. */
static void count_reno_sack(hfi_ctx *ctx, hfi_conn *conn) {
    if (conn->flight == HFI_NONE) return;
    hfi_flight *flight = &ctx->flights[conn->flight];
    /* No more than were out when the loss was found: else an endless row of duplicates would buy a
     * burst (RFC 5681 3.2, step 4). */
    const uint32_t out =
        hfi_has(conn, HFI_F_RECOVERY) ? conn->recover - conn->snd_una : hfi_in_flight(conn);
    if (flight->lost_bytes + flight->sacked_bytes + conn->mss < out)
        flight->sacked_bytes += conn->mss;
}

/* They can stand for no more than is out: who repeats ACKs at will must not make the pipe smaller
 * than nothing. */
static void limit_reno_sacks(hfi_ctx *ctx, hfi_conn *conn) {
    if (conn->flight == HFI_NONE || hfi_has(conn, HFI_F_SACK)) return;
    hfi_flight *flight = &ctx->flights[conn->flight];
    flight->sacked_bytes =
        hfi_min32(flight->sacked_bytes, hfi_in_flight(conn) - flight->lost_bytes);
}

/* The highest SACK says something only while it lies ahead. */
static void forget_passed(hfi_ctx *ctx, hfi_conn *conn) {
    if (conn->flight == HFI_NONE) return;
    hfi_flight *flight = &ctx->flights[conn->flight];
    if (hf_seq_le(flight->high_sacked, conn->snd_una)) flight->any_sacked = false;
}

static void start_fast_retransmit(hfi_ctx *ctx, hfi_conn *conn) {
    enter_recovery(ctx, conn);
    hfi_segq_lose_first(ctx, conn, conn->mss);
    limit_reno_sacks(ctx, conn);
}

void hfi_recover_repeated_ack(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg,
                              bool duplicate) {
    hfi_delivery delivery = {0};
    apply_sack(ctx, conn, seg, &delivery);
    if (!duplicate && delivery.bytes == 0) return;
    if (conn->duplicate_acks < UINT8_MAX) conn->duplicate_acks++;
    if (!hfi_has(conn, HFI_F_SACK)) count_reno_sack(ctx, conn);
    hfi_conn_owe(ctx, conn, HFI_P_DATA);
    if (hfi_has(conn, HFI_F_LOSS)) return;
    if (hfi_has(conn, HFI_F_SACK)) lose_by_sack(ctx, conn);
    if (hfi_has(conn, HFI_F_RECOVERY)) return;
    const bool lost = conn->flight != HFI_NONE && ctx->flights[conn->flight].lost_bytes > 0;
    if (!lost && conn->duplicate_acks < ctx->limits->duplicate_threshold) return;
    /* RFC 6582 3.2 step 1: duplicates of ACKs from before the last recovery's end start no new one.
     * With SACK the scoreboard has told that something is lost, so the very end may. */
    const hf_seq covered = hfi_has(conn, HFI_F_SACK) ? conn->snd_una : conn->snd_una - 1;
    if (!hf_seq_le(conn->recover, covered)) return;
    start_fast_retransmit(ctx, conn);
}

/* RFC 6582 3.2 step 3 and RFC 6675 5: an ACK that advances, in recovery or after a time-out. */
static void partial_ack(hfi_ctx *ctx, hfi_conn *conn, uint32_t acked) {
    if (hfi_has(conn, HFI_F_SACK)) {
        lose_by_sack(ctx, conn);
        return;
    }
    conn->duplicate_acks = 0;
    if (conn->flight == HFI_NONE) return;
    hfi_flight *flight = &ctx->flights[conn->flight];
    const uint32_t stood_for = acked > conn->mss ? acked - conn->mss : 0;
    flight->sacked_bytes -= hfi_min32(flight->sacked_bytes, stood_for);
    if (hfi_has(conn, HFI_F_RECOVERY)) hfi_segq_lose_first(ctx, conn, conn->mss);
}

/* The round trip that our own clock, echoed, tells (RFC 7323 4.1), in microseconds; 0 if none. It
 * is coarse, but good for what was sent more than once. After a time-out only the echo of the last
 * transmission counts: a peer whose ACK was lost answers the repeated segment with the old echo,
 * which measures our own wait. */
static hfi_us32 echoed_rtt(const hfi_ctx *ctx, const hfi_conn *conn, const hfi_tcp_view *seg) {
    if (!hfi_has(conn, HFI_F_TIMESTAMPS) || (seg->options.present & HFI_OPT_TIMESTAMPS) == 0)
        return 0;
    const uint32_t ticks = ctx->now_tick + conn->ts_offset - seg->options.ts_echo;
    const uint32_t since_sent = ctx->now_tick - conn->elicited_at;
    const uint32_t most = (uint32_t)(ctx->limits->rto_max_ns / HFI_TICK_NS);
    if (ticks > most || (conn->backoff > 0 && ticks > since_sent + 1)) return 0;
    return hfi_max32(ticks, 1) * (uint32_t)(HFI_TICK_NS / HF_US);
}

/* RFC 6298 3 and 5: a back-off stays in the RTO until there is a sample (MUST-18). */
static void measure(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg,
                    const hfi_delivery *delivery) {
    /* A sample of less than a microsecond is one all the same (loopback, wires in memory). */
    const hfi_us32 rtt_us =
        delivery->sampled ? hfi_max32(delivery->rtt_us, 1) : echoed_rtt(ctx, conn, seg);
    if (rtt_us > 0)
        hfi_recover_sample(ctx, conn, rtt_us);
    else
        conn->rto_us = (hfi_us32)(hfi_recover_rto_ns(ctx, conn) / HF_US);
    conn->backoff = 0;
}

/* Did cwnd keep data back while what `seg` acknowledges was in flight? */
static bool was_cwnd_limited(const hfi_ctx *ctx, hfi_conn *conn, hf_seq ack) {
    if (hfi_segq_pipe(ctx, conn) + 2u * conn->mss >= conn->cwnd) return true;
    if (conn->flight == HFI_NONE) return false;
    hfi_flight *flight = &ctx->flights[conn->flight];
    if (flight->cwnd_limited && hf_seq_lt(flight->limited_until, ack)) flight->cwnd_limited = false;
    return flight->cwnd_limited;
}

static void note_delivered(hfi_flight *flight, uint32_t bytes, hfi_us32 rtt_us) {
    flight->delivered_bytes += bytes;
    if (rtt_us != 0 && (flight->min_rtt_us == 0 || rtt_us < flight->min_rtt_us))
        flight->min_rtt_us = rtt_us;
}

/* Tells congest of an ACK that has advanced SND.UNA. */
static void tell_congest(hfi_ctx *ctx, hfi_conn *conn, hfi_congest_sample *sample) {
    hfi_congest fresh = {0}; /* the last ACK of a flight has taken the block along */
    hfi_congest *state = &fresh;
    if (conn->flight != HFI_NONE) {
        hfi_flight *flight = &ctx->flights[conn->flight];
        note_delivered(flight, sample->acked_bytes, sample->rtt_us);
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
    sample->recovering = hfi_has(conn, HFI_F_RECOVERY);
    set_window(conn, hfi_congest_acked(state, hfi_congestion(ctx, conn), window_of(conn), sample));
}

uint32_t hfi_recover_ack(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg) {
    const uint32_t acked = seg->ack - conn->snd_una;
    hfi_congest_sample sample = {.in_flight_bytes = hfi_segq_pipe(ctx, conn),
                                 .cwnd_limited = was_cwnd_limited(ctx, conn, seg->ack)};
    /* Virtual SACKs of NewReno are not on descriptors: they are taken off by partial_ack. */
    hfi_delivery delivery = {0};
    hfi_segq_remove(ctx, conn, seg->ack, &delivery);
    conn->snd_una = seg->ack;
    conn->progress_at = ctx->now_tick;
    conn->transmissions = 0;
    measure(ctx, conn, seg, &delivery);
    if (hfi_segq_reneged(ctx, conn)) hfi_segq_lose_all(ctx, conn);
    apply_sack(ctx, conn, seg, &delivery);
    const bool finished = hf_seq_le(conn->recover, seg->ack);
    if (hfi_has(conn, HFI_F_RECOVERY | HFI_F_LOSS)) {
        if (finished)
            leave_recovery(ctx, conn);
        else
            partial_ack(ctx, conn, acked);
    } else {
        conn->duplicate_acks = 0;
        conn->recover = hf_seq_max(conn->recover, seg->ack - 1); /* never half the circle behind */
        if (conn->flight != HFI_NONE && !hfi_has(conn, HFI_F_SACK))
            ctx->flights[conn->flight].sacked_bytes = 0;
    }
    forget_passed(ctx, conn);
    limit_reno_sacks(ctx, conn);
    sample.acked_bytes = acked;
    sample.rtt_us = delivery.sampled ? hfi_max32(delivery.rtt_us, 1) : 0;
    tell_congest(ctx, conn, &sample);
    hfi_recover_restart_timer(ctx, conn);
    hfi_conn_owe(ctx, conn, HFI_P_DATA);
    return acked;
}

void hfi_recover_probing_ended(hfi_conn *conn) { conn->backoff = conn->transmissions = 0; }

bool hfi_recover_timeout(hfi_ctx *ctx, hfi_conn *conn) {
    /* The peer has shrunk its window to nothing, drops what we send again, and answers: it is alive
     * (RFC 9293 SHLD-17, MUST-37). Only what it leaves unanswered counts up to the limit. */
    const bool answers = conn->snd_wnd == 0 && conn->unanswered == 0;
    if (answers && conn->backoff > ANSWERED_BACKOFF) conn->backoff = ANSWERED_BACKOFF;
    if (conn->backoff >= ctx->limits->retransmit_limit) return true;
    const bool again = hfi_has(conn, HFI_F_LOSS) && conn->backoff > 0;
    if (conn->flight != HFI_NONE) {
        const hfi_congest_event event = congestion_event(ctx, conn);
        set_window(conn,
                   hfi_congest_timeout(&ctx->flights[conn->flight].congest,
                                       hfi_congestion(ctx, conn), window_of(conn), &event, again));
    }
    conn->flags = (conn->flags & ~(uint32_t)HFI_F_RECOVERY) | HFI_F_LOSS;
    conn->recover = conn->snd_nxt;
    conn->duplicate_acks = 0;
    hfi_segq_lose_all(ctx, conn);
    conn->backoff++;
    hfi_recover_restart_timer(ctx, conn);
    hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_RTO_BACKED_OFF,
             (uint32_t)(hfi_recover_rto_ns(ctx, conn) / HF_MS), conn->backoff);
    hfi_conn_owe(ctx, conn, HFI_P_RESEND);
    return false;
}
