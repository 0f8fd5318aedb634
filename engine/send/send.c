#include "send/internal.h"

/* ---- The peer's window ---- */

bool hfi_send_window(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg) {
    if (hf_seq_lt(seg->ack, conn->snd_una)) return false;
    const bool newer = hf_seq_lt(conn->snd_wl1, seg->seq) ||
                       (conn->snd_wl1 == seg->seq && hf_seq_le(conn->snd_wl2, seg->ack));
    if (!newer) return false;
    const uint32_t scale = hfi_has(conn, HFI_F_WSCALE) ? conn->snd_wscale : 0;
    const uint32_t window = (uint32_t)seg->window << scale;
    const bool changed = window != conn->snd_wnd;
    conn->snd_wl1 = seg->seq;
    conn->snd_wl2 = seg->ack;
    conn->snd_wnd = window;
    conn->snd_max_wnd = hfi_max32(conn->snd_max_wnd, window);
    if (changed && hfi_has_unsent(conn)) hfi_conn_owe(ctx, conn, HFI_P_DATA);
    return changed;
}

bool hfi_send_blocked(const hfi_conn *conn) {
    const bool fin_waits = hfi_has(conn, HFI_F_FIN_QUEUED) && !hfi_has(conn, HFI_F_FIN_SENT);
    return hfi_in_flight(conn) == 0 && (hfi_unsent(conn) > 0 || fin_waits);
}

/* ---- Sent again ---- */

static hf_cause resend_cause(const hfi_ctx *ctx, const hfi_conn *conn, const hfi_segment *segment,
                             bool forced) {
    if ((segment->flags & HFI_SEG_TOO_LONG) != 0) return HF_CAUSE_SENT_RETRANSMISSION_MTU;
    if (forced && (segment->flags & HFI_SEG_LOST) == 0) return HF_CAUSE_SENT_RETRANSMISSION_BOUND;
    if (hfi_has(conn, HFI_F_LOSS))
        return (segment->flags & HFI_SEG_FIN) != 0 && segment->bytes == 1
                   ? HF_CAUSE_SENT_FIN_AGAIN
                   : HF_CAUSE_SENT_RETRANSMISSION_RTO;
    if (hfi_recover_by_time(ctx, conn)) return HF_CAUSE_SENT_RETRANSMISSION_RACK;
    return segment->seq == conn->snd_una && conn->duplicate_acks > 0
               ? HF_CAUSE_SENT_RETRANSMISSION_FAST
               : HF_CAUSE_SENT_RETRANSMISSION_PARTIAL;
}

static void fill(hfi_ctx *ctx, const hfi_conn *conn, hf_seq seq, uint32_t bytes, bool fin,
                 hfi_index chunk, hfi_departure *ret) {
    (void)ctx;
    const uint32_t payload = bytes - fin;
    ret->tcp.seq = seq;
    ret->tcp.payload_bytes = payload;
    ret->tcp.flags = HFI_TCP_ACK;
    if (fin) ret->tcp.flags |= HFI_TCP_FIN;
    if (payload > 0 && seq + payload == conn->snd_end) ret->tcp.flags |= HFI_TCP_PSH;
    ret->chunk = chunk;
    ret->offset = hfi_snd_offset(conn, seq);
    ret->gso_bytes = payload > conn->mss ? conn->mss : 0;
}

static bool send_again(hfi_ctx *ctx, hfi_conn *conn, hfi_index index, uint32_t max, bool forced,
                       hfi_departure *ret) {
    hfi_segment *segment = &ctx->segments[index];
    /* Without a descriptor to split with, a time-out still sends the head, and the ACK trims it: else
     * everybody's descriptors could wait for this one segment for ever. */
    if (segment->bytes > max && !hfi_segq_split(ctx, conn, index, max) && !forced) return false;
    const uint32_t bytes = hfi_min32(segment->bytes, max);
    const bool fin = bytes == segment->bytes && (segment->flags & HFI_SEG_FIN) != 0;
    ret->cause = resend_cause(ctx, conn, segment, forced);
    ret->a = ret->cause == HF_CAUSE_SENT_RETRANSMISSION_BOUND
                 ? (uint32_t)((uint64_t)(ctx->now_tick - conn->heard_at) * HFI_TICK_NS / HF_MS)
                 : (ctx->now_us - segment->sent_us) / 1000;
    ret->b = ret->cause == HF_CAUSE_SENT_RETRANSMISSION_BOUND  ? conn->unanswered + 1u
             : ret->cause == HF_CAUSE_SENT_RETRANSMISSION_FAST ? conn->duplicate_acks
                                                               : conn->backoff;
    fill(ctx, conn, segment->seq, bytes, fin, segment->chunk, ret);
    hfi_segq_resent(ctx, conn, index, ret->cause == HF_CAUSE_SENT_RETRANSMISSION_BOUND);
    hfi_send_pace_spend(ctx, conn, bytes);
    if (conn->retransmissions < UINT16_MAX) conn->retransmissions++;
    if (segment->seq == conn->snd_una && conn->transmissions < UINT8_MAX) conn->transmissions++;
    hfi_recover_sent_again(ctx, conn, bytes, ret->cause == HF_CAUSE_SENT_RETRANSMISSION_BOUND);
    if (!forced) hfi_recover_restart_timer(ctx, conn);
    return true;
}

/* The first bytes of the oldest data go beside it in a small segment. Its descriptor stays whole; an ACK
 * of these alone trims it, and tells. */
static bool send_mtu_question(hfi_ctx *ctx, hfi_conn *conn, hfi_departure *ret) {
    const uint32_t bytes = hfi_send_mtu_question(ctx, conn);
    if (bytes == 0) return false;
    const hfi_segment *head = &ctx->segments[conn->segq_head];
    fill(ctx, conn, head->seq, bytes, false, head->chunk, ret);
    ret->cause = HF_CAUSE_SENT_MTU_QUESTION;
    ret->a = bytes + hfi_header_bytes(ctx, conn);
    ret->b = conn->transmissions;
    ctx->flights[conn->flight].marks |= HFI_FLIGHT_MTU_ASKED;
    if (conn->retransmissions < UINT16_MAX) conn->retransmissions++;
    hfi_recover_sent_again(ctx, conn, bytes, true);
    return true;
}

/* ---- New data ---- */

/* Nagle (RFC 9293 3.7.4), as Minshall: one small segment in flight at a time. */
static bool may_be_small(const hfi_ctx *ctx, const hfi_conn *conn) {
    return hfi_options(ctx, conn)->no_delay || hfi_in_flight(conn) == 0 ||
           !hfi_has(conn, HFI_F_SMALL_IN_FLIGHT) || hfi_has(conn, HFI_F_FIN_QUEUED);
}

/* cwnd keeps data back that the peer's window would take: what is in flight now proves the window
 * (RFC 7661 4.3). */
static void note_cwnd_limited(const hfi_ctx *ctx, const hfi_conn *conn) {
    if (conn->flight == HFI_NONE) return;
    hfi_flight *flight = &ctx->flights[conn->flight];
    flight->cwnd_limited = true;
    flight->limited_until = conn->snd_nxt;
}

/* How many of the unsent bytes may go now, by both windows; 0 if waiting is better (RFC 9293
 * 3.8.6.2.1). */
static uint32_t payload_to_send(const hfi_ctx *ctx, const hfi_conn *conn, uint32_t super_max) {
    const uint32_t data = hfi_unsent(conn), window = hfi_send_usable_window(conn), mss = conn->mss;
    const uint32_t pipe = hfi_segq_pipe(ctx, conn);
    const uint32_t room = conn->cwnd > pipe ? conn->cwnd - pipe : 0;
    const uint32_t wanted = hfi_min32(data, window);
    const uint32_t limit = hfi_min32(wanted, hfi_min32(room, super_max));
    if (room < wanted) note_cwnd_limited(ctx, conn);
    const bool small = may_be_small(ctx, conn);
    /* Whole segments; a short end goes along only if nothing keeps small segments back. */
    if (limit >= mss) return limit == data && small ? limit : limit - limit % mss;
    if (limit == 0) return 0;
    if (room < hfi_min32(data, mss) && hfi_in_flight(conn) > 0) return 0;
    if ((conn->pending & HFI_P_OVERRIDE) != 0) return limit;
    if (!small) return 0;
    if (limit == data || limit >= conn->snd_max_wnd / 2) return limit;
    return 0;
}

static hfi_index chunk_of_next(const hfi_ctx *ctx, const hfi_conn *conn) {
    const hfi_index from =
        conn->segq_tail != HFI_NONE ? ctx->segments[conn->segq_tail].chunk : conn->tx_head;
    return hfi_chunk_find(&ctx->tx, from,
                          hfi_chunk_number(&ctx->tx, hfi_snd_offset(conn, conn->snd_nxt)));
}

#define ECT0 2 /* RFC 3168 5: may be marked */

/* RFC 3168 6.1.4, 6.1.5: of what we send only new data may be marked, and it says that the window fell. */
static void use_ecn(hfi_conn *conn, hfi_departure *ret) {
    if ((conn->pending & HFI_P_NO_ECT) == 0) ret->traffic_class |= ECT0;
    if ((conn->pending & HFI_P_CWR) != 0) ret->tcp.flags |= HFI_TCP_CWR;
    conn->pending &= (uint16_t)~HFI_P_CWR;
}

/* Sends `payload` unsent bytes, which may be none if a FIN waits. */
static bool send_first_time(hfi_ctx *ctx, hfi_conn *conn, uint32_t payload, hfi_departure *ret) {
    /* A FIN takes a sequence number, so it needs window as a byte does. */
    const bool fin = hfi_has(conn, HFI_F_FIN_QUEUED) && conn->snd_nxt + payload == conn->snd_end &&
                     hfi_send_usable_window(conn) > payload;
    if (payload == 0 && !fin) return false;
    const hfi_index chunk = payload > 0 ? chunk_of_next(ctx, conn) : HFI_NONE;
    const uint16_t flags = fin ? HFI_SEG_FIN : 0;
    if (!hfi_segq_push(ctx, conn, conn->snd_nxt, payload + fin, chunk, flags)) {
        return false;
    }
    conn->pending &= (uint16_t)~HFI_P_OVERRIDE;
    const bool first = hfi_in_flight(conn) == 0;
    ret->cause = payload > 0 ? HF_CAUSE_SENT_DATA : HF_CAUSE_SENT_FIN;
    if (payload > 0 && conn->duplicate_acks > 0 && !hfi_has(conn, HFI_F_RECOVERY | HFI_F_LOSS))
        ret->cause = HF_CAUSE_SENT_LIMITED_TRANSMIT;
    ret->a = payload;
    ret->b = 0;
    fill(ctx, conn, conn->snd_nxt, payload + fin, fin, chunk, ret);
    if (hfi_has(conn, HFI_F_ECN) && payload > 0) use_ecn(conn, ret);
    conn->snd_nxt += payload + fin;
    hfi_send_pace_spend(ctx, conn, payload);
    if (payload % conn->mss != 0) conn->flags |= HFI_F_SMALL_IN_FLIGHT;
    if (fin) conn->flags |= HFI_F_FIN_SENT;
    if (hfi_has(conn, HFI_F_PERSIST)) hfi_recover_probing_ended(conn);
    conn->flags &= ~(uint32_t)HFI_F_PERSIST;
    hfi_recover_sent(ctx, conn, payload + fin, first);
    return true;
}

/* One segment that is longer than the path is known to take. */
static bool send_mtu_probe(hfi_ctx *ctx, hfi_conn *conn, uint32_t payload, hfi_departure *ret) {
    const uint32_t small = conn->flags & HFI_F_SMALL_IN_FLIGHT;
    if (!send_first_time(ctx, conn, payload, ret)) return false;
    conn->flags = (conn->flags & ~(uint32_t)HFI_F_SMALL_IN_FLIGHT) | small;
    const uint32_t packet = payload + hfi_header_bytes(ctx, conn);
    hfi_segq_probes(ctx, conn);
    hfi_path_probe_sent(&ctx->paths, conn->path, hfi_conn_index(ctx, conn), packet, ctx->now_ns);
    ret->cause = HF_CAUSE_SENT_MTU_PROBE;
    ret->a = packet;
    ret->gso_bytes = 0;
    return true;
}

static bool send_new(hfi_ctx *ctx, hfi_conn *conn, uint32_t super_max, hfi_departure *ret) {
    if (hfi_has(conn, HFI_F_FIN_SENT)) return false;
    hfi_recover_idle(ctx, conn);
    const uint32_t paced = hfi_send_pace(ctx, conn);
    if (paced == 0) return false;
    if (HFI_UNLIKELY((conn->timers & HFI_T_MSS_CUT) != 0)) {
        bool waits;
        const uint32_t probe = hfi_send_mtu_probe(ctx, conn, &waits);
        if (waits) return false;
        if (probe > 0) return send_mtu_probe(ctx, conn, probe, ret);
    }
    if (paced < super_max) super_max = paced - paced % conn->mss;
    return send_first_time(ctx, conn, payload_to_send(ctx, conn, super_max), ret);
}

/* RFC 8985 7.3: a new segment if there is one, else the last again, whatever cwnd says. */
static bool send_probe(hfi_ctx *ctx, hfi_conn *conn, hfi_departure *ret) {
    if (hfi_in_flight(conn) == 0) return false;
    const uint32_t fresh =
        hfi_min32(hfi_min32(hfi_unsent(conn), hfi_send_usable_window(conn)), conn->mss);
    const bool again = fresh == 0 || !send_first_time(ctx, conn, fresh, ret);
    const hfi_index last = again ? hfi_recover_probe_segment(ctx, conn) : HFI_NONE;
    if (again && (last == HFI_NONE || !send_again(ctx, conn, last, conn->mss, false, ret)))
        return false;
    ret->cause = HF_CAUSE_SENT_TAIL_LOSS_PROBE;
    hfi_recover_probed(ctx, conn, again);
    return true;
}

bool hfi_send_next(hfi_ctx *ctx, hfi_conn *conn, uint32_t super_max, hfi_departure *ret) {
    const uint32_t max = hfi_max32(super_max - super_max % conn->mss, conn->mss);
    if ((conn->pending & HFI_P_RESEND) != 0) {
        conn->pending &= (uint16_t)~HFI_P_RESEND;
        if (conn->segq_head != HFI_NONE &&
            send_again(ctx, conn, conn->segq_head, conn->mss, true, ret)) {
            if (hfi_send_mtu_question(ctx, conn) > 0) conn->pending |= HFI_P_MTU;
            return true;
        }
    }
    if (HFI_UNLIKELY((conn->pending & HFI_P_MTU) != 0)) {
        conn->pending &= (uint16_t)~HFI_P_MTU;
        if (send_mtu_question(ctx, conn, ret)) return true;
    }
    if ((conn->pending & HFI_P_TAIL_PROBE) != 0) {
        conn->pending &= (uint16_t)~HFI_P_TAIL_PROBE;
        if (send_probe(ctx, conn, ret)) return true;
    }
    const hfi_index lost = hfi_segq_next_lost(ctx, conn);
    if (lost != HFI_NONE && !hfi_recover_holds_back(ctx, conn)) {
        /* The first retransmission of a recovery goes at once, cwnd or not (RFC 5681 3.2, step 3).
         */
        const bool at_once =
            hfi_has(conn, HFI_F_RECOVERY) && ctx->segments[lost].seq == conn->snd_una;
        const uint32_t pipe = hfi_segq_pipe(ctx, conn);
        const uint32_t need = hfi_min32(ctx->segments[lost].bytes, conn->mss);
        const uint32_t paced = at_once ? conn->mss : hfi_send_pace(ctx, conn);
        if (at_once || (pipe + need <= conn->cwnd && paced > 0)) {
            const uint32_t room = hfi_min32(conn->cwnd > pipe ? conn->cwnd - pipe : 0, paced);
            return send_again(ctx, conn, lost,
                              hfi_max32(hfi_min32(max, room - room % conn->mss), conn->mss), false,
                              ret);
        }
        return false;
    }
    /* At most half of cwnd in one super-segment, so that the ACK clock keeps ticking. */
    const uint32_t half = conn->cwnd / 2 - conn->cwnd / 2 % conn->mss;
    return send_new(ctx, conn, hfi_max32(hfi_min32(max, half), conn->mss), ret);
}

/* ---- Why not? ---- */

/* Both windows would let it go. */
static hf_why held_back_here(const hfi_conn *conn) {
    return hfi_send_paced(conn) ? HF_WHY_PACING : HF_WHY_MEMORY;
}

/* Data is queued and nothing is lost: what payload_to_send says no to, or else the descriptor that was
 * missing. */
static hf_why held_back_by(const hfi_ctx *ctx, const hfi_conn *conn, uint32_t pipe) {
    const uint32_t data = hfi_unsent(conn), window = hfi_send_usable_window(conn);
    const uint32_t limit = hfi_min32(data, window), mss = conn->mss;
    const uint32_t room = conn->cwnd > pipe ? conn->cwnd - pipe : 0;
    if (window == 0) return HF_WHY_PEER_WINDOW;
    if (room < hfi_min32(limit, mss)) return HF_WHY_CONGESTION;
    if (limit >= mss) return held_back_here(conn);
    if (limit < data && limit < conn->snd_max_wnd / 2) return HF_WHY_SILLY_WINDOW;
    if (may_be_small(ctx, conn)) return held_back_here(conn);
    return limit < data ? HF_WHY_SILLY_WINDOW : HF_WHY_NAGLE;
}

static bool waits_for_timer(const hfi_conn *conn) {
    return conn->backoff > 0 && hfi_in_flight(conn) > 0 && hfi_has(conn, HFI_F_LOSS);
}

hf_why hfi_send_why(const hfi_ctx *ctx, const hfi_conn *conn) {
    const bool fin = hfi_has(conn, HFI_F_FIN_QUEUED) && !hfi_has(conn, HFI_F_FIN_SENT);
    const uint32_t lost = conn->flight != HFI_NONE ? ctx->flights[conn->flight].lost_bytes : 0;
    const uint32_t pipe = hfi_segq_pipe(ctx, conn);
    if (hfi_has(conn, HFI_F_WAITS_NEIGHBOR)) return HF_WHY_NEIGHBOR;
    if (hfi_has(conn, HFI_F_IN_TX) && (conn->pending & (HFI_P_DATA | HFI_P_RESEND)) != 0 &&
        (lost > 0 || hfi_unsent(conn) > 0 || fin))
        return HF_WHY_DRIVER;
    if (waits_for_timer(conn)) return HF_WHY_RTO;
    if (lost > 0 && !hfi_recover_holds_back(ctx, conn))
        return pipe + hfi_min32(lost, conn->mss) > conn->cwnd ? HF_WHY_CONGESTION
                                                              : held_back_here(conn);
    if (hfi_unsent(conn) == 0 && !fin)
        return hfi_has(conn, HFI_F_WAITS_ROOM)   ? HF_WHY_MEMORY
               : hfi_has(conn, HFI_F_WANTS_ROOM) ? HF_WHY_SEND_BUFFER
                                                 : HF_WHY_APPLICATION;
    if (hfi_unsent(conn) == 0)
        return hfi_send_usable_window(conn) > 0 ? held_back_here(conn) : HF_WHY_PEER_WINDOW;
    return held_back_by(ctx, conn, pipe);
}
