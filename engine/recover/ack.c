/* What an ACK says: what has arrived, what is lost, and how recovery goes on. */
#include "recover/internal.h"

bool hfi_recover_by_sack(const hfi_ctx *ctx, const hfi_conn *conn) {
    if (!hfi_has(conn, HFI_F_SACK)) return false;
    return conn->flight == HFI_NONE || (ctx->flights[conn->flight].marks & HFI_FLIGHT_RENEGED) == 0;
}

/* ---- Into recovery and out of it ---- */

void hfi_recover_enter(hfi_ctx *ctx, hfi_conn *conn, uint32_t delivered) {
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    conn->recover = conn->snd_nxt;
    conn->flags |= HFI_F_RECOVERY;
    /* Once a round trip, be it for a mark or for a loss (RFC 3168 6.1.2). */
    if (!hfi_recover_is_falling(ctx, conn)) {
        hfi_recover_undo_begin(ctx, conn);
        hfi_recover_window_lost(ctx, conn);
        hfi_recover_prr_begin(ctx, conn, delivered);
    }
    hfi_recover_unmark(flight, HFI_FLIGHT_MARKED);
    conn->cwnd = hfi_segq_pipe(ctx, conn) + conn->mss; /* the first retransmission; then PRR says */
    hfi_recover_unmark(flight, HFI_FLIGHT_PROBED);     /* RFC 8985 7.1 */
    flight->frto = 0;
    hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_RECOVERY_STARTED, conn->ssthresh, 0);
    hfi_conn_owe(ctx, conn, HFI_P_DATA);
}

void hfi_recover_leave(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    if (hfi_has(conn, HFI_F_RECOVERY)) {
        hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_RECOVERY_ENDED, 0, 0);
        conn->cwnd = conn->ssthresh; /* RFC 9937 6: PRR has led near it */
    }
    conn->flags &= ~(uint32_t)(HFI_F_RECOVERY | HFI_F_LOSS);
    conn->duplicate_acks = 0;
    flight->frto = 0;
    hfi_recover_rack_recovered(flight);
}

/* ---- SACK ---- */

/* RFC 2883 4: the first block tells of a duplicate if it lies below the ACK or inside the second. */
static bool is_duplicate(const hfi_tcp_view *seg) {
    const hfi_sack_block first = seg->options.sack[0], second = seg->options.sack[1];
    if (hf_seq_le(first.end, seg->ack)) return true;
    return seg->options.sack_count > 1 && hf_seq_le(second.start, first.start) &&
           hf_seq_le(first.end, second.end) && hf_seq_lt(second.start, second.end);
}

/* A duplicate can be of what lies a window behind at most. */
static bool is_credible(const hfi_conn *conn, hfi_sack_block block) {
    const hf_seq oldest = conn->snd_una - hfi_max32(conn->snd_max_wnd, 65536);
    return hf_seq_lt(block.start, block.end) && hf_seq_le(oldest, block.start) &&
           hf_seq_le(block.end, conn->snd_nxt);
}

/* Applies the SACK blocks that lie inside what is in flight (RFC 2018; others are ignored), after a
 * DSACK. */
static void apply_sack(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg,
                       hfi_delivery *delivery) {
    if (conn->flight == HFI_NONE || (seg->options.present & HFI_OPT_SACK) == 0) return;
    if (!hfi_recover_by_sack(ctx, conn)) return;
    const hfi_sack_block *blocks = seg->options.sack;
    uint32_t i = 0;
    if (seg->options.sack_count > 0 && is_duplicate(seg)) {
        if (is_credible(conn, blocks[0]))
            hfi_recover_duplicate(ctx, conn, blocks[0].start, blocks[0].end);
        i = 1;
    }
    for (; i < seg->options.sack_count; i++) {
        if (!hf_seq_lt(blocks[i].start, blocks[i].end) ||
            !hf_seq_lt(conn->snd_una, blocks[i].start) || !hf_seq_le(blocks[i].end, conn->snd_nxt))
            continue;
        hfi_segq_sack(ctx, conn, blocks[i].start, blocks[i].end, delivery);
    }
}

/* The ACK stops where a SACK had said that something is: the peer has thrown it away again. From here on
 * its SACKs are not believed, or it could have us walk through all that is in flight at each ACK. */
static void check_reneging(hfi_ctx *ctx, hfi_conn *conn) {
    if (!hfi_segq_reneged(ctx, conn)) return;
    hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_SACK_RENEGED, 0, 0);
    hfi_segq_lose_all(ctx, conn);
    hfi_recover_flight(ctx, conn)->marks |= HFI_FLIGHT_RENEGED;
    if (!hfi_has(conn, HFI_F_RECOVERY | HFI_F_LOSS)) hfi_recover_enter(ctx, conn, 0);
}

/* RFC 6675 4, IsLost by bytes: more than two segments' bytes beyond it are SACKed. */
static uint32_t lose_by_count(hfi_ctx *ctx, hfi_conn *conn) {
    const hfi_flight *flight = hfi_recover_flight(ctx, conn);
    const uint32_t threshold = (ctx->limits->duplicate_threshold - 1) * (uint32_t)conn->mss;
    const hf_seq limit = flight->fack - threshold - 1;
    if (flight->sacked_bytes == 0 || !hf_seq_lt(conn->snd_una, limit)) return 0;
    return hfi_segq_lose_before(ctx, conn, limit);
}

/* ---- Without SACK, RFC 6582: each duplicate ACK says that one segment more has arrived. ---- */

static void count_duplicate(hfi_ctx *ctx, hfi_conn *conn, hfi_delivery *delivery) {
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    /* No more than were out when the loss was found: else an endless row of duplicates would buy a
     * burst (RFC 5681 3.2, step 4). */
    const uint32_t out =
        hfi_has(conn, HFI_F_RECOVERY) ? conn->recover - conn->snd_una : hfi_in_flight(conn);
    if (flight->lost_bytes + flight->sacked_bytes + conn->mss >= out) return;
    flight->sacked_bytes += conn->mss;
    delivery->bytes += conn->mss;
}

/* They can stand for no more than is out: who repeats ACKs at will must not make the pipe smaller
 * than nothing. */
static void limit_duplicates(hfi_ctx *ctx, hfi_conn *conn) {
    if (conn->flight == HFI_NONE || hfi_recover_by_sack(ctx, conn)) return;
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    flight->sacked_bytes =
        hfi_min32(flight->sacked_bytes, hfi_in_flight(conn) - flight->lost_bytes);
}

/* RFC 6582 3.2 step 3: the next segment is missing, too. What duplicates had stood for is told by the
 * ACK itself now. */
static void partial_ack(hfi_ctx *ctx, hfi_conn *conn, uint32_t acked, hfi_delivery *delivery) {
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    conn->duplicate_acks = 0;
    const uint32_t beyond = acked > conn->mss ? acked - conn->mss : 0;
    const uint32_t told = hfi_min32(flight->sacked_bytes, beyond);
    flight->sacked_bytes -= told;
    delivery->bytes -= hfi_min32(delivery->bytes, told);
    if (hfi_has(conn, HFI_F_RECOVERY)) hfi_segq_lose_first(ctx, conn, conn->mss);
}

/* ---- Finding losses ---- */

/* After a time-out while F-RTO judges nothing new is lost. */
static uint32_t find_losses(hfi_ctx *ctx, hfi_conn *conn) {
    if (hfi_recover_holds_back(ctx, conn) || !hfi_recover_by_sack(ctx, conn)) return 0;
    if (hfi_recover_by_time(ctx, conn)) return hfi_recover_rack_detect(ctx, conn);
    return hfi_has(conn, HFI_F_LOSS) ? 0 : lose_by_count(ctx, conn);
}

/* Whether recovery starts: something is lost, or three duplicates came (RFC 5681 3.2, RFC 6675 5). */
static bool starts_recovery(const hfi_ctx *ctx, const hfi_conn *conn, uint32_t newly_lost) {
    if (hfi_has(conn, HFI_F_RECOVERY | HFI_F_LOSS)) return false;
    if (newly_lost > 0) return true;
    if (hfi_recover_by_time(ctx, conn)) return false;
    if (conn->duplicate_acks < ctx->limits->duplicate_threshold) return false;
    /* RFC 6582 3.2 step 1: duplicates of ACKs from before the last recovery's end start no new one.
     * With SACK the scoreboard has told that something is missing, so the very end may. */
    const hf_seq covered = hfi_recover_by_sack(ctx, conn) ? conn->snd_una : conn->snd_una - 1;
    return hfi_recover_is_marked(ctx, conn) || hf_seq_le(conn->recover, covered);
}

/* The last step for every ACK: losses, the window within recovery, the deadlines. */
static void go_on(hfi_ctx *ctx, hfi_conn *conn, const hfi_delivery *delivery, bool advances) {
    const hfi_flight *flight = hfi_recover_flight(ctx, conn);
    if (flight == NULL || conn->segq_head == HFI_NONE) return;
    const uint32_t newly_lost = find_losses(ctx, conn);
    hfi_recover_mtu_lost(ctx, conn);
    if (starts_recovery(ctx, conn, newly_lost)) {
        hfi_recover_enter(ctx, conn, delivery->bytes);
        if (flight->lost_bytes == 0) hfi_segq_lose_first(ctx, conn, conn->mss);
        limit_duplicates(ctx, conn);
    }
    if (hfi_has(conn, HFI_F_RECOVERY) || hfi_recover_is_falling(ctx, conn))
        hfi_recover_prr_acked(ctx, conn, delivery->bytes, advances && newly_lost == 0);
    if (flight->lost_bytes > 0) hfi_conn_owe(ctx, conn, HFI_P_DATA);
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
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    if (rtt_us > 0 && flight != NULL) hfi_recover_unmark(flight, HFI_FLIGHT_UNMEASURED);
    if (rtt_us > 0)
        hfi_recover_sample(ctx, conn, rtt_us);
    else
        conn->rto_us = (hfi_us32)(hfi_recover_rto_ns(ctx, conn) / HF_US);
    conn->backoff = 0;
}

/* ---- The two kinds of ACK ---- */

static hfi_delivery ask(const hfi_ctx *ctx, const hfi_conn *conn, const hfi_tcp_view *seg) {
    hfi_delivery delivery = {0};
    delivery.echoes =
        hfi_has(conn, HFI_F_TIMESTAMPS) && (seg->options.present & HFI_OPT_TIMESTAMPS) != 0;
    delivery.echo = seg->options.ts_echo - conn->ts_offset;
    delivery.limit = conn->recover;
    if (conn->flight != HFI_NONE) delivery.fack = ctx->flights[conn->flight].fack;
    return delivery;
}

void hfi_recover_repeated_ack(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg,
                              bool duplicate) {
    if (conn->flight == HFI_NONE) return;
    hfi_delivery delivery = ask(ctx, conn, seg);
    apply_sack(ctx, conn, seg, &delivery);
    if (HFI_UNLIKELY(delivery.probe)) hfi_recover_mtu_arrived(ctx, conn);
    hfi_recover_probe_acked(ctx, conn, seg, false, (seg->options.present & HFI_OPT_SACK) != 0);
    if (!duplicate && delivery.bytes == 0) return;
    if (conn->duplicate_acks < UINT8_MAX) conn->duplicate_acks++;
    if (!hfi_recover_by_sack(ctx, conn)) count_duplicate(ctx, conn, &delivery);
    hfi_recover_flight(ctx, conn)->delivered_bytes += delivery.bytes;
    hfi_recover_rack_update(ctx, conn, &delivery);
    hfi_recover_judge(ctx, conn, &delivery, false);
    hfi_recover_echo(ctx, conn, seg, 0, delivery.bytes);
    go_on(ctx, conn, &delivery, false);
    hfi_conn_owe(ctx, conn, HFI_P_DATA);
    hfi_recover_arm(ctx, conn);
}

/* In recovery, or after a time-out, an ACK advances. */
static void progress(hfi_ctx *ctx, hfi_conn *conn, uint32_t acked, hfi_delivery *delivery) {
    if (!hfi_has(conn, HFI_F_RECOVERY | HFI_F_LOSS)) {
        conn->duplicate_acks = 0;
        conn->recover =
            hf_seq_max(conn->recover, conn->snd_una - 1); /* never half a circle behind */
        if (!hfi_recover_by_sack(ctx, conn)) hfi_recover_flight(ctx, conn)->sacked_bytes = 0;
        hfi_recover_echo_over(ctx, conn);
    } else if (hf_seq_le(conn->recover, conn->snd_una)) {
        hfi_recover_leave(ctx, conn);
    } else if (!hfi_recover_by_sack(ctx, conn)) {
        partial_ack(ctx, conn, acked, delivery);
    }
    limit_duplicates(ctx, conn);
}

/* Nothing is lost, SACKed, doubted or probed, and the oldest in flight is the first: then an ACK only
 * removes what it covers. Nearly all are so, and are spared a quarter of the work. */
static bool is_plain(const hfi_ctx *ctx, const hfi_conn *conn, const hfi_tcp_view *seg) {
    if (conn->flight == HFI_NONE || hfi_has(conn, HFI_F_RECOVERY | HFI_F_LOSS)) return false;
    const hfi_flight *flight = &ctx->flights[conn->flight];
    const uint16_t trouble = HFI_FLIGHT_PROBED | HFI_FLIGHT_WAITS | HFI_FLIGHT_RENEGED;
    return (flight->sacked_bytes | flight->lost_bytes) == 0 && (flight->marks & trouble) == 0 &&
           conn->duplicate_acks == 0 && flight->frto == 0 && flight->sent.head == conn->segq_head &&
           (seg->options.present & HFI_OPT_SACK) == 0 && hfi_recover_by_time(ctx, conn);
}

/* What else the ACK says, once what it covers is gone. True if it echoes congestion. */
static bool look_further(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg, uint32_t acked,
                         hfi_delivery *delivery) {
    check_reneging(ctx, conn);
    apply_sack(ctx, conn, seg, delivery);
    if (HFI_UNLIKELY(delivery->probe)) hfi_recover_mtu_arrived(ctx, conn);
    hfi_recover_flight(ctx, conn)->delivered_bytes += delivery->bytes;
    hfi_recover_rack_update(ctx, conn, delivery);
    hfi_recover_judge(ctx, conn, delivery, true);
    progress(ctx, conn, acked, delivery);
    const bool echoed = hfi_recover_echo(ctx, conn, seg, acked, delivery->bytes);
    hfi_recover_probe_acked(ctx, conn, seg, true, (seg->options.present & HFI_OPT_SACK) != 0);
    go_on(ctx, conn, delivery, true);
    return echoed;
}

/* The same, where nothing of it can find anything. */
static void look_no_further(hfi_ctx *ctx, hfi_conn *conn, const hfi_delivery *delivery) {
    if (HFI_UNLIKELY(delivery->probe)) hfi_recover_mtu_arrived(ctx, conn);
    hfi_recover_flight(ctx, conn)->delivered_bytes += delivery->bytes;
    hfi_recover_rack_update(ctx, conn, delivery);
    conn->recover = hf_seq_max(conn->recover, conn->snd_una - 1);
}

uint32_t hfi_recover_ack(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg) {
    const bool plain = is_plain(ctx, conn, seg);
    const uint32_t acked = seg->ack - conn->snd_una;
    hfi_congest_sample sample = {
        .acked_bytes = acked,
        .in_flight_bytes = hfi_segq_pipe(ctx, conn),
        .cwnd_limited = hfi_recover_was_cwnd_limited(ctx, conn, seg->ack),
        .recovering = hfi_has(conn, HFI_F_RECOVERY) || hfi_recover_is_marked(ctx, conn),
    };
    hfi_delivery delivery = ask(ctx, conn, seg);
    if (conn->flight != HFI_NONE &&
        HFI_UNLIKELY(hfi_recover_marked(hfi_recover_flight(ctx, conn), HFI_FLIGHT_MTU_ASKED)))
        hfi_recover_mtu_answered(ctx, conn, acked);
    hfi_segq_remove(ctx, conn, seg->ack, &delivery);
    conn->snd_una = seg->ack;
    conn->progress_at = ctx->now_tick;
    conn->transmissions = 0;
    measure(ctx, conn, seg, &delivery);
    if (plain)
        look_no_further(ctx, conn, &delivery);
    else if (conn->flight != HFI_NONE)
        sample.recovering |= look_further(ctx, conn, seg, acked, &delivery);
    /* The ACK that ends recovery, or that F-RTO judges by, opens nothing. */
    sample.recovering |= hfi_has(conn, HFI_F_RECOVERY) || hfi_recover_holds_back(ctx, conn) ||
                         hfi_recover_is_marked(ctx, conn);
    sample.rtt_us = delivery.sampled ? hfi_max32(delivery.rtt_us, 1) : 0;
    hfi_recover_window_acked(ctx, conn, &sample);
    hfi_recover_restart_timer(ctx, conn);
    if (hfi_has_unsent(conn)) hfi_conn_owe(ctx, conn, HFI_P_DATA); /* what is lost, go_on owed */
    return acked;
}
