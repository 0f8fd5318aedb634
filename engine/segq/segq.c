#include "segq/segq.h"

static hfi_flight *flight_of(hfi_ctx *ctx, const hfi_conn *conn) {
    HF_ASSERT(conn->flight != HFI_NONE);
    return &ctx->flights[conn->flight];
}

static bool attach_flight(hfi_ctx *ctx, hfi_conn *conn) {
    if (conn->flight != HFI_NONE) return true;
    conn->flight = hfi_pool_take(&ctx->root->flight_pool, ctx->flight_next);
    if (conn->flight == HFI_NONE) return false;
    hfi_flight *flight = &ctx->flights[conn->flight];
    memset(flight, 0, sizeof *flight);
    flight->resend = HFI_NONE;
    return true;
}

static void detach_flight(hfi_ctx *ctx, hfi_conn *conn) {
    if (conn->flight == HFI_NONE) return;
    hfi_pool_give(&ctx->root->flight_pool, ctx->flight_next, conn->flight);
    conn->flight = HFI_NONE;
}

static hf_seq end_of(const hfi_segment *segment) { return segment->seq + segment->bytes; }

bool hfi_segq_push(hfi_ctx *ctx, hfi_conn *conn, hf_seq seq, uint32_t bytes, hfi_index chunk,
                   uint16_t flags) {
    if (!attach_flight(ctx, conn)) return false;
    const hfi_index index = hfi_pool_take(&ctx->root->segment_pool, ctx->segment_next);
    if (index == HFI_NONE) {
        if (conn->segq_head == HFI_NONE) detach_flight(ctx, conn);
        return false;
    }
    ctx->segments[index] = (hfi_segment){.seq = seq,
                                         .bytes = bytes,
                                         .next = HFI_NONE,
                                         .previous = conn->segq_tail,
                                         .chunk = chunk,
                                         .sent_us = ctx->now_us,
                                         .flags = flags,
                                         .transmissions = 1};
    if (conn->segq_tail == HFI_NONE)
        conn->segq_head = index;
    else
        ctx->segments[conn->segq_tail].next = index;
    conn->segq_tail = index;
    return true;
}

/* A descriptor is about to leave or to shrink by `bytes`: the counts follow. */
static void uncount(hfi_flight *flight, const hfi_segment *segment, uint32_t bytes) {
    if ((segment->flags & HFI_SEG_SACKED) != 0) flight->sacked_bytes -= bytes;
    if ((segment->flags & HFI_SEG_LOST) != 0) flight->lost_bytes -= bytes;
}

static void remove_head(hfi_ctx *ctx, hfi_conn *conn) {
    const hfi_index index = conn->segq_head;
    hfi_flight *flight = flight_of(ctx, conn);
    conn->segq_head = ctx->segments[index].next;
    if (conn->segq_head == HFI_NONE)
        conn->segq_tail = HFI_NONE;
    else
        ctx->segments[conn->segq_head].previous = HFI_NONE;
    if (flight->resend == index) flight->resend = conn->segq_head;
    hfi_pool_give(&ctx->root->segment_pool, ctx->segment_next, index);
}

/* An RTT from a segment that is acknowledged now. A SACKed one arrived earlier and tells nothing.
 * If any was sent again (Karn, RFC 6298 3), or was taken for lost so that its SACK is forgotten,
 * the ACK waited for a retransmission, and so did those sent once behind it. */
static void take_sample(const hfi_ctx *ctx, const hfi_segment *segment, hfi_segq_acked *acked,
                        bool *delayed) {
    if (segment->transmissions != 1 || (segment->flags & HFI_SEG_LOST) != 0) *delayed = true;
    if ((segment->flags & HFI_SEG_SACKED) != 0) return;
    acked->sampled = true;
    acked->rtt_us = ctx->now_us - segment->sent_us;
}

hfi_segq_acked hfi_segq_remove(hfi_ctx *ctx, hfi_conn *conn, hf_seq ack) {
    hfi_segq_acked acked = {0, false, 0};
    bool delayed = false;
    while (conn->segq_head != HFI_NONE) {
        hfi_segment *segment = &ctx->segments[conn->segq_head];
        if (!hf_seq_lt(segment->seq, ack)) break;
        const uint32_t bytes = hfi_min32(segment->bytes, ack - segment->seq);
        if ((segment->flags & HFI_SEG_SACKED) == 0) acked.bytes += bytes;
        uncount(flight_of(ctx, conn), segment, bytes);
        if (bytes < segment->bytes) {
            /* The chunk of the new start is found by walking on from the old one. */
            const uint32_t number = hfi_chunk_number(&ctx->tx, hfi_snd_offset(conn, ack));
            segment->chunk = hfi_chunk_find(&ctx->tx, segment->chunk, number);
            segment->seq += bytes;
            segment->bytes -= bytes;
            break;
        }
        take_sample(ctx, segment, &acked, &delayed);
        remove_head(ctx, conn);
    }
    acked.sampled = acked.sampled && !delayed;
    if (conn->segq_head == HFI_NONE) detach_flight(ctx, conn);
    return acked;
}

bool hfi_segq_split(hfi_ctx *ctx, hfi_conn *conn, hfi_index index, uint32_t bytes) {
    hfi_segment *segment = &ctx->segments[index];
    if (bytes >= segment->bytes) return true;
    const hfi_index rest = hfi_pool_take(&ctx->root->segment_pool, ctx->segment_next);
    if (rest == HFI_NONE) return false;
    hfi_segment *second = &ctx->segments[rest];
    *second = *segment;
    second->seq += bytes;
    second->bytes -= bytes;
    second->previous = index;
    segment->bytes = bytes;
    segment->flags &= (uint16_t)~HFI_SEG_FIN;
    segment->next = rest;
    if (second->next == HFI_NONE)
        conn->segq_tail = rest;
    else
        ctx->segments[second->next].previous = rest;
    const uint32_t number = hfi_chunk_number(&ctx->tx, hfi_snd_offset(conn, second->seq));
    second->chunk = hfi_chunk_find(&ctx->tx, segment->chunk, number);
    return true;
}

static void mark_lost(hfi_flight *flight, const hfi_ctx *ctx, hfi_index index) {
    hfi_segment *segment = &ctx->segments[index];
    /* SACKed, and yet the oldest missing: its receiver has taken the SACK back (RFC 2018 8). */
    if ((segment->flags & HFI_SEG_SACKED) != 0) flight->sacked_bytes -= segment->bytes;
    segment->flags =
        (uint16_t)((segment->flags | HFI_SEG_LOST) & ~(HFI_SEG_RESENT | HFI_SEG_SACKED));
    flight->lost_bytes += segment->bytes;
    if (flight->resend == HFI_NONE || hf_seq_lt(segment->seq, ctx->segments[flight->resend].seq))
        flight->resend = index;
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

uint32_t hfi_segq_sack(hfi_ctx *ctx, hfi_conn *conn, hf_seq start, hf_seq end) {
    uint32_t marked = 0;
    for (hfi_index at = conn->segq_head; at != HFI_NONE; at = ctx->segments[at].next) {
        hfi_segment *segment = &ctx->segments[at];
        if (!hf_seq_lt(segment->seq, end)) break;
        if ((segment->flags & HFI_SEG_SACKED) != 0 || !hf_seq_lt(start, end_of(segment))) continue;
        const uint32_t from = hf_seq_max(start, segment->seq) - segment->seq;
        const uint32_t to = hf_seq_min(end, end_of(segment)) - segment->seq;
        if (!cut_to_sack(ctx, conn, at, from, to)) continue;
        hfi_flight *flight = flight_of(ctx, conn);
        if ((segment->flags & HFI_SEG_LOST) != 0) flight->lost_bytes -= segment->bytes;
        segment->flags = (uint16_t)((segment->flags | HFI_SEG_SACKED) & ~HFI_SEG_LOST);
        flight->sacked_bytes += segment->bytes;
        marked += segment->bytes;
    }
    return marked;
}

uint32_t hfi_segq_lose_before(hfi_ctx *ctx, hfi_conn *conn, hf_seq limit) {
    uint32_t marked = 0;
    hfi_flight *flight = flight_of(ctx, conn);
    for (hfi_index at = conn->segq_head; at != HFI_NONE; at = ctx->segments[at].next) {
        hfi_segment *segment = &ctx->segments[at];
        if (!hf_seq_le(end_of(segment), limit)) break;
        if ((segment->flags & (HFI_SEG_SACKED | HFI_SEG_LOST | HFI_SEG_RESENT)) != 0) continue;
        mark_lost(flight, ctx, at);
        marked += segment->bytes;
    }
    return marked;
}

void hfi_segq_lose_first(hfi_ctx *ctx, hfi_conn *conn, uint32_t bytes) {
    const hfi_index first = conn->segq_head;
    if (first == HFI_NONE || (ctx->segments[first].flags & HFI_SEG_LOST) != 0) return;
    hfi_segq_split(ctx, conn, first, bytes);
    mark_lost(flight_of(ctx, conn), ctx, first);
}

void hfi_segq_lose_all(hfi_ctx *ctx, hfi_conn *conn) {
    if (conn->segq_head == HFI_NONE) return;
    hfi_flight *flight = flight_of(ctx, conn);
    flight->sacked_bytes = flight->lost_bytes = 0;
    flight->resend = HFI_NONE;
    for (hfi_index at = conn->segq_head; at != HFI_NONE; at = ctx->segments[at].next) {
        ctx->segments[at].flags &= (uint16_t)~HFI_SEG_SACKED;
        mark_lost(flight, ctx, at);
    }
}

hfi_index hfi_segq_next_lost(hfi_ctx *ctx, const hfi_conn *conn) {
    if (conn->flight == HFI_NONE) return HFI_NONE;
    hfi_flight *flight = flight_of(ctx, conn);
    if (flight->lost_bytes == 0) return HFI_NONE;
    while (flight->resend != HFI_NONE && (ctx->segments[flight->resend].flags & HFI_SEG_LOST) == 0)
        flight->resend = ctx->segments[flight->resend].next;
    return flight->resend;
}

void hfi_segq_resent(hfi_ctx *ctx, hfi_conn *conn, hfi_index index) {
    hfi_segment *segment = &ctx->segments[index];
    if ((segment->flags & HFI_SEG_LOST) != 0) flight_of(ctx, conn)->lost_bytes -= segment->bytes;
    segment->flags = (uint16_t)((segment->flags & ~HFI_SEG_LOST) | HFI_SEG_RESENT);
    segment->sent_us = ctx->now_us;
    if (segment->transmissions < UINT8_MAX) segment->transmissions++;
}

uint32_t hfi_segq_pipe(const hfi_ctx *ctx, const hfi_conn *conn) {
    const uint32_t out = hfi_in_flight(conn);
    if (conn->flight == HFI_NONE) return out;
    const hfi_flight *flight = &ctx->flights[conn->flight];
    const uint32_t gone = flight->sacked_bytes + flight->lost_bytes;
    return out > gone ? out - gone : 0;
}

void hfi_segq_end(hfi_ctx *ctx, hfi_conn *conn) {
    while (conn->segq_head != HFI_NONE) remove_head(ctx, conn);
    detach_flight(ctx, conn);
}
