/* The scoreboard: which descriptors have arrived, which are lost, which went again. */
#include "segq/internal.h"

/* ---- Arrived ---- */

/* RFC 8985 6.2, step 2: whether a retransmission's ACK may be one of the first transmission. Then it
 * says nothing about when what arrived was sent. What was only asked for is never told apart. The echo
 * beside a SACK is of the segment before the gap (RFC 7323 4.3), and so no witness. */
static bool is_ambiguous(const hfi_ctx *ctx, const hfi_flight *flight, const hfi_segment *segment,
                         bool sacked, const hfi_delivery *delivery) {
    if ((segment->flags & HFI_SEG_ASKED) != 0) return true;
    if (segment->transmissions == 1) return false;
    const hfi_us32 age_us = ctx->now_us - segment->sent_us;
    const hfi_tick sent = hfi_tick_of(ctx->now_ns - age_us * HF_US);
    if (!sacked && delivery->echoes && hfi_tick_lt(delivery->echo, sent)) return true;
    return age_us < flight->min_rtt_us;
}

static bool sent_after(hfi_us32 at_us, hf_seq end, hfi_us32 other_us, hf_seq other_end) {
    return at_us == other_us ? hf_seq_lt(other_end, end) : (int32_t)(at_us - other_us) > 0;
}

void hfi_segq_deliver(hfi_ctx *ctx, hfi_flight *flight, hfi_index index, bool sacked,
                      hfi_delivery *delivery) {
    const hfi_segment *segment = &ctx->segments[index];
    const hf_seq end = hfi_segq_end_of(segment);
    hfi_segq_unlink(ctx, hfi_segq_list(flight, segment), index);
    const bool once = segment->transmissions == 1;
    if ((segment->flags & HFI_SEG_PROBE) != 0) delivery->probe = true;
    if (once && hf_seq_le(end, delivery->limit)) delivery->original = true;
    if (once && hf_seq_le(end, delivery->fack)) delivery->reordered = true;
    flight->fack = hf_seq_max(flight->fack, end);
    if (is_ambiguous(ctx, flight, segment, sacked, delivery)) return;
    if (delivery->any && !sent_after(segment->sent_us, end, delivery->sent_us, delivery->end))
        return;
    delivery->any = true;
    delivery->sent_us = segment->sent_us;
    delivery->end = end;
}

/* SACKed, from place `from` to `to` within the segment: it is split where these are whole segments
 * of the wire, never finer, so that strange blocks cannot use descriptors up. Returns true if it is
 * now wholly inside. */
static bool cut_to_sack(hfi_ctx *ctx, hfi_conn *conn, hfi_index at, uint32_t from, uint32_t to) {
    const uint32_t bytes = ctx->segments[at].bytes, mss = conn->mss;
    const uint32_t first = (from + mss - 1) / mss * mss;
    const uint32_t last = to == bytes ? to : to - to % mss;
    if (first >= last) return false;
    if (first > 0) {
        hfi_segq_split(ctx, conn, at, first); /* the second half comes next */
        return false;
    }
    return hfi_segq_split(ctx, conn, at, last);
}

static void mark_sacked(hfi_ctx *ctx, hfi_flight *flight, hfi_index at, hfi_delivery *delivery) {
    hfi_segment *segment = &ctx->segments[at];
    hfi_segq_deliver(ctx, flight, at, true, delivery);
    if ((segment->flags & HFI_SEG_LOST) != 0) flight->lost_bytes -= segment->bytes;
    segment->flags = (uint8_t)((segment->flags | HFI_SEG_SACKED) & ~(HFI_SEG_LOST | HFI_SEG_PROBE));
    segment->later = HFI_NONE; /* its neighbour may not have been sent yet */
    flight->sacked_bytes += segment->bytes;
    delivery->bytes += segment->bytes;
}

/* The next descriptor behind a SACKed one that is worth a look. Each step halves the way for the
 * next who goes it. */
static hfi_index step_over(hfi_ctx *ctx, hfi_index at) {
    hfi_segment *segment = &ctx->segments[at];
    if (segment->later == HFI_NONE) segment->later = segment->next;
    const hfi_index ahead = segment->later;
    if (ahead == HFI_NONE || (ctx->segments[ahead].flags & HFI_SEG_SACKED) == 0) return ahead;
    const hfi_index further = ctx->segments[ahead].later != HFI_NONE ? ctx->segments[ahead].later
                                                                     : ctx->segments[ahead].next;
    if (further != HFI_NONE) segment->later = further;
    return segment->later;
}

void hfi_segq_sack(hfi_ctx *ctx, hfi_conn *conn, hf_seq start, hf_seq end, hfi_delivery *delivery) {
    if (conn->segq_head == HFI_NONE) return;
    hfi_flight *flight = hfi_segq_flight(ctx, conn);
    for (hfi_index at = hfi_segq_find(ctx, conn, start); at != HFI_NONE;) {
        const hfi_segment *segment = &ctx->segments[at];
        if (!hf_seq_lt(segment->seq, end)) break;
        if ((segment->flags & HFI_SEG_SACKED) != 0) {
            at = step_over(ctx, at);
            continue;
        }
        const uint32_t from = hf_seq_max(start, segment->seq) - segment->seq;
        const uint32_t to = hf_seq_min(end, hfi_segq_end_of(segment)) - segment->seq;
        if (cut_to_sack(ctx, conn, at, from, to)) mark_sacked(ctx, flight, at, delivery);
        at = segment->next;
    }
}

bool hfi_segq_reneged(const hfi_ctx *ctx, const hfi_conn *conn) {
    return conn->segq_head != HFI_NONE &&
           (ctx->segments[conn->segq_head].flags & HFI_SEG_SACKED) != 0;
}

/* ---- Lost ---- */

void hfi_segq_probe_lost(hfi_flight *flight, hfi_segment *segment) {
    segment->flags &= (uint8_t)~HFI_SEG_PROBE;
    flight->marks |= HFI_FLIGHT_MTU_LOST;
}

/* Oldest data first: what lies before all that waits goes first, all else in the order of marking,
 * which among segments sent once is that of their numbers. Returns the bytes that tell of congestion. */
static uint32_t mark_lost(hfi_ctx *ctx, hfi_flight *flight, hfi_index index) {
    hfi_segment *segment = &ctx->segments[index];
    const bool probe = (segment->flags & HFI_SEG_PROBE) != 0;
    if (HFI_UNLIKELY(probe)) hfi_segq_probe_lost(flight, segment);
    hfi_segment_list *lost = &flight->lost;
    hfi_segq_unlink(ctx, &flight->sent, index);
    segment->flags = (uint8_t)((segment->flags | HFI_SEG_LOST) & ~HFI_SEG_RESENT);
    flight->lost_bytes += segment->bytes;
    const bool first =
        lost->head == HFI_NONE || hf_seq_lt(segment->seq, ctx->segments[lost->head].seq);
    hfi_segq_link(ctx, lost, first ? HFI_NONE : lost->tail, index);
    return probe ? 0 : segment->bytes;
}

uint32_t hfi_segq_lose_before(hfi_ctx *ctx, hfi_conn *conn, hf_seq limit) {
    hfi_flight *flight = hfi_segq_flight(ctx, conn);
    uint32_t newly = 0;
    for (hfi_index at = flight->sent.head; at != HFI_NONE; at = flight->sent.head) {
        const hfi_segment *segment = &ctx->segments[at];
        if (!hf_seq_le(hfi_segq_end_of(segment), limit)) break;
        if ((segment->flags & HFI_SEG_RESENT) != 0) break;
        newly += mark_lost(ctx, flight, at);
    }
    return newly;
}

uint32_t hfi_segq_lose_older(hfi_ctx *ctx, hfi_conn *conn, hfi_us32 sent_us, hf_seq end,
                             hfi_us32 wait_us, hfi_us32 *ret_more_us) {
    hfi_flight *flight = hfi_segq_flight(ctx, conn);
    uint32_t newly = 0;
    *ret_more_us = 0;
    for (hfi_index at = flight->sent.head; at != HFI_NONE; at = flight->sent.head) {
        const hfi_segment *segment = &ctx->segments[at];
        if (!sent_after(sent_us, end, segment->sent_us, hfi_segq_end_of(segment))) break;
        const hfi_us32 age_us = ctx->now_us - segment->sent_us;
        if (age_us < wait_us) {
            *ret_more_us = wait_us - age_us;
            break;
        }
        newly += mark_lost(ctx, flight, at);
    }
    return newly;
}

void hfi_segq_lose_longer(hfi_ctx *ctx, hfi_conn *conn, uint32_t bytes) {
    if (conn->segq_head == HFI_NONE) return;
    hfi_flight *flight = hfi_segq_flight(ctx, conn);
    for (hfi_index at = flight->sent.head, next; at != HFI_NONE; at = next) {
        next = ctx->segments[at].later;
        if (ctx->segments[at].bytes <= bytes) continue;
        mark_lost(ctx, flight, at);
    }
    for (hfi_index at = flight->lost.head; at != HFI_NONE; at = ctx->segments[at].later)
        if (ctx->segments[at].bytes > bytes) ctx->segments[at].flags |= HFI_SEG_TOO_LONG;
}

/* ---- How long what is on the wire is ---- */

static uint32_t wire_bytes(const hfi_conn *conn, const hfi_segment *segment) {
    const bool probe = (segment->flags & HFI_SEG_PROBE) != 0;
    return probe ? segment->bytes : hfi_min32(segment->bytes, conn->mss);
}

uint32_t hfi_segq_length_at(hfi_ctx *ctx, const hfi_conn *conn, hf_seq seq) {
    if (conn->segq_head == HFI_NONE) return 0;
    const hfi_index at = hfi_segq_find(ctx, conn, seq);
    return at != HFI_NONE ? wire_bytes(conn, &ctx->segments[at]) : 0;
}

uint32_t hfi_segq_longest_sacked(const hfi_ctx *ctx, const hfi_conn *conn) {
    uint32_t longest = 0;
    for (hfi_index at = conn->segq_head; at != HFI_NONE; at = ctx->segments[at].next) {
        const hfi_segment *segment = &ctx->segments[at];
        if ((segment->flags & HFI_SEG_SACKED) != 0)
            longest = hfi_max32(longest, wire_bytes(conn, segment));
    }
    return longest;
}

void hfi_segq_probes(hfi_ctx *ctx, const hfi_conn *conn) {
    ctx->segments[conn->segq_tail].flags |= HFI_SEG_PROBE;
}

/* SACKs are taken back: each is lost, and all are in order. */
static void forget_sacks(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_flight *flight = hfi_segq_flight(ctx, conn);
    flight->sacked_bytes = flight->lost_bytes = 0;
    flight->sent = flight->lost = (hfi_segment_list){HFI_NONE, HFI_NONE};
    flight->fack = conn->snd_una;
    for (hfi_index at = conn->segq_head; at != HFI_NONE; at = ctx->segments[at].next) {
        hfi_segment *segment = &ctx->segments[at];
        if ((segment->flags & HFI_SEG_PROBE) != 0) hfi_segq_probe_lost(flight, segment);
        segment->flags =
            (uint8_t)((segment->flags | HFI_SEG_LOST) & ~(HFI_SEG_RESENT | HFI_SEG_SACKED));
        flight->lost_bytes += segment->bytes;
        hfi_segq_link(ctx, &flight->lost, flight->lost.tail, at);
    }
}

void hfi_segq_lose_first(hfi_ctx *ctx, hfi_conn *conn, uint32_t bytes) {
    const hfi_index first = conn->segq_head;
    if (first == HFI_NONE || (ctx->segments[first].flags & (HFI_SEG_LOST | HFI_SEG_SACKED)) != 0)
        return;
    hfi_segq_split(ctx, conn, first, bytes);
    mark_lost(ctx, hfi_segq_flight(ctx, conn), first);
}

void hfi_segq_lose_all(hfi_ctx *ctx, hfi_conn *conn) {
    if (conn->segq_head != HFI_NONE) forget_sacks(ctx, conn);
}

void hfi_segq_lose_none(hfi_ctx *ctx, hfi_conn *conn, uint32_t most) {
    if (conn->flight == HFI_NONE) return;
    hfi_flight *flight = hfi_segq_flight(ctx, conn);
    /* They left before all that is on the list of those in flight: they come before it again. */
    for (hfi_index at = flight->lost.tail; at != HFI_NONE && most > 0; at = flight->lost.tail) {
        most--;
        flight->lost_bytes -= ctx->segments[at].bytes;
        hfi_segq_unlink(ctx, &flight->lost, at);
        ctx->segments[at].flags &= (uint8_t)~HFI_SEG_LOST;
        hfi_segq_link(ctx, &flight->sent, HFI_NONE, at);
    }
}

hfi_index hfi_segq_next_lost(const hfi_ctx *ctx, const hfi_conn *conn) {
    return conn->flight != HFI_NONE ? ctx->flights[conn->flight].lost.head : HFI_NONE;
}

void hfi_segq_resent(hfi_ctx *ctx, hfi_conn *conn, hfi_index index, bool asked) {
    hfi_segment *segment = &ctx->segments[index];
    hfi_flight *flight = hfi_segq_flight(ctx, conn);
    if (segment->transmissions < UINT8_MAX) segment->transmissions++;
    if (asked) {
        segment->flags |= HFI_SEG_ASKED;
        return;
    }
    hfi_segment_list *list = hfi_segq_list(flight, segment);
    if (list == NULL) return; /* SACKed: its receiver has it, and got it once more */
    hfi_segq_unlink(ctx, list, index);
    if ((segment->flags & HFI_SEG_LOST) != 0) flight->lost_bytes -= segment->bytes;
    segment->flags =
        (uint8_t)((segment->flags & ~(HFI_SEG_LOST | HFI_SEG_ASKED | HFI_SEG_TOO_LONG)) |
                  HFI_SEG_RESENT);
    segment->sent_us = ctx->now_us;
    hfi_segq_link(ctx, &flight->sent, flight->sent.tail, index);
}

uint32_t hfi_segq_pipe(const hfi_ctx *ctx, const hfi_conn *conn) {
    const uint32_t out = hfi_in_flight(conn);
    if (conn->flight == HFI_NONE) return out;
    const hfi_flight *flight = &ctx->flights[conn->flight];
    const uint32_t gone = flight->sacked_bytes + flight->lost_bytes;
    return out > gone ? out - gone : 0;
}
