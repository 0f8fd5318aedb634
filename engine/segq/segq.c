/* The queue: descriptors in sequence order, the lanes over it, and the flight block. */
#include "segq/internal.h"

/* ---- Pools. Their links lie in the objects, which saves a cache miss. ---- */

void hfi_segq_init(hfi_ctx *ctx, uint32_t segments, uint32_t flights) {
    hfi_root *root = ctx->root;
    for (uint32_t i = 0; i < segments; i++)
        ctx->segments[i].next = i + 1 < segments ? i + 1 : HFI_NONE;
    for (uint32_t i = 0; i < flights; i++)
        ctx->flights[i].next = i + 1 < flights ? i + 1 : HFI_NONE;
    root->segment_pool = (hfi_pool){segments > 0 ? 0 : HFI_NONE, segments, 0};
    root->flight_pool = (hfi_pool){flights > 0 ? 0 : HFI_NONE, flights, 0};
    root->rest_head = root->rest_tail = HFI_NONE;
}

static hfi_index take_segment(hfi_ctx *ctx) {
    hfi_pool *pool = &ctx->root->segment_pool;
    const hfi_index index = pool->head;
    if (index == HFI_NONE) return HFI_NONE;
    pool->head = ctx->segments[index].next;
    pool->used++;
    return index;
}

static void give_segment(hfi_ctx *ctx, hfi_index index) {
    hfi_pool *pool = &ctx->root->segment_pool;
    HF_ASSERT(index < pool->count && pool->used > 0);
    ctx->segments[index].next = pool->head;
    pool->head = index;
    pool->used--;
}

/* ---- The flight block ---- */

static void begin_rest(hfi_ctx *ctx, const hfi_conn *conn) {
    hfi_root *root = ctx->root;
    hfi_flight *flight = hfi_segq_flight(ctx, conn);
    flight->next = HFI_NONE;
    flight->previous = root->rest_tail;
    if (root->rest_tail == HFI_NONE)
        root->rest_head = conn->flight;
    else
        ctx->flights[root->rest_tail].next = conn->flight;
    root->rest_tail = conn->flight;
}

static void end_rest(hfi_ctx *ctx, const hfi_conn *conn) {
    hfi_root *root = ctx->root;
    const hfi_flight *flight = hfi_segq_flight(ctx, conn);
    if (flight->previous == HFI_NONE)
        root->rest_head = flight->next;
    else
        ctx->flights[flight->previous].next = flight->next;
    if (flight->next == HFI_NONE)
        root->rest_tail = flight->previous;
    else
        ctx->flights[flight->next].previous = flight->previous;
}

void hfi_segq_rest_over(hfi_ctx *ctx, hfi_conn *conn) {
    if (conn->flight == HFI_NONE) return;
    HF_ASSERT(conn->segq_head == HFI_NONE);
    end_rest(ctx, conn);
    hfi_pool *pool = &ctx->root->flight_pool;
    ctx->flights[conn->flight].next = pool->head;
    pool->head = conn->flight;
    pool->used--;
    conn->flight = HFI_NONE;
}

/* A block for a connection that has none: a free one, or that which rested longest. */
static bool attach_flight(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_root *root = ctx->root;
    if (root->flight_pool.head == HFI_NONE) {
        if (root->rest_head == HFI_NONE) return false;
        hfi_segq_rest_over(ctx, &ctx->conns[ctx->flights[root->rest_head].conn]);
    }
    conn->flight = root->flight_pool.head;
    hfi_flight *flight = &ctx->flights[conn->flight];
    root->flight_pool.head = flight->next;
    root->flight_pool.used++;
    memset(flight, 0, sizeof *flight);
    flight->conn = hfi_conn_index(ctx, conn);
    flight->fack = conn->snd_una;
    flight->sent = flight->lost = (hfi_segment_list){HFI_NONE, HFI_NONE};
    for (uint32_t i = 0; i < HFI_LANES; i++) flight->lane_head[i] = flight->lane_tail[i] = HFI_NONE;
    begin_rest(ctx, conn);
    return true;
}

/* ---- Lanes ---- */

/* A node for every 16th descriptor, in the next lane for every 16th node. Without memory for one the
 * rest of that lane is longer, which costs time only. */
static void extend_lanes(hfi_ctx *ctx, hfi_flight *flight, hfi_index child) {
    const hf_seq seq = ctx->segments[child].seq;
    for (uint32_t i = 0; i < HFI_LANES && (flight->pushed >> 4 * i & 15) == 0; i++) {
        const hfi_index node = take_segment(ctx);
        if (node == HFI_NONE) return;
        ctx->segments[node].seq = seq;
        ctx->segments[node].chunk = child;
        ctx->segments[node].next = HFI_NONE;
        if (flight->lane_tail[i] == HFI_NONE)
            flight->lane_head[i] = node;
        else
            ctx->segments[flight->lane_tail[i]].next = node;
        flight->lane_tail[i] = node;
        child = node;
    }
}

/* The first descriptor leaves: so does the node that stands for it, and the node for that. */
static void shorten_lanes(hfi_ctx *ctx, hfi_flight *flight, hfi_index gone) {
    for (uint32_t i = 0; i < HFI_LANES; i++) {
        const hfi_index node = flight->lane_head[i];
        if (node == HFI_NONE || ctx->segments[node].chunk != gone) return;
        flight->lane_head[i] = ctx->segments[node].next;
        if (flight->lane_head[i] == HFI_NONE) flight->lane_tail[i] = HFI_NONE;
        give_segment(ctx, node);
        gone = node;
    }
}

hfi_index hfi_segq_find(hfi_ctx *ctx, const hfi_conn *conn, hf_seq seq) {
    const hfi_segment *segments = ctx->segments;
    const hfi_flight *flight = hfi_segq_flight(ctx, conn);
    hfi_index at = HFI_NONE;
    for (uint32_t i = HFI_LANES; i-- > 0;) {
        if (at == HFI_NONE) at = flight->lane_head[i];
        if (at == HFI_NONE) continue;
        if (hf_seq_lt(seq, segments[at].seq)) {
            at = HFI_NONE;
            continue;
        }
        for (hfi_index next = segments[at].next;
             next != HFI_NONE && hf_seq_le(segments[next].seq, seq); next = segments[at].next)
            at = next;
        at = segments[at].chunk; /* one lane lower; from the lowest into the queue */
    }
    if (at == HFI_NONE) at = conn->segq_head;
    while (at != HFI_NONE && hf_seq_le(hfi_segq_end_of(&segments[at]), seq)) at = segments[at].next;
    return at;
}

/* ---- Lists ---- */

void hfi_segq_link(hfi_ctx *ctx, hfi_segment_list *list, hfi_index before, hfi_index index) {
    hfi_segment *segment = &ctx->segments[index];
    segment->earlier = before;
    segment->later = before == HFI_NONE ? list->head : ctx->segments[before].later;
    if (before == HFI_NONE)
        list->head = index;
    else
        ctx->segments[before].later = index;
    if (segment->later == HFI_NONE)
        list->tail = index;
    else
        ctx->segments[segment->later].earlier = index;
}

void hfi_segq_unlink(hfi_ctx *ctx, hfi_segment_list *list, hfi_index index) {
    const hfi_segment *segment = &ctx->segments[index];
    if (segment->earlier == HFI_NONE)
        list->head = segment->later;
    else
        ctx->segments[segment->earlier].later = segment->later;
    if (segment->later == HFI_NONE)
        list->tail = segment->earlier;
    else
        ctx->segments[segment->later].earlier = segment->earlier;
}

/* ---- In at the end, out at the front ---- */

bool hfi_segq_push(hfi_ctx *ctx, hfi_conn *conn, hf_seq seq, uint32_t bytes, hfi_index chunk,
                   uint16_t flags) {
    HF_ASSERT(bytes <= UINT16_MAX);
    if (conn->flight == HFI_NONE && !attach_flight(ctx, conn)) return false;
    const hfi_index index = take_segment(ctx);
    if (index == HFI_NONE) return false;
    hfi_flight *flight = hfi_segq_flight(ctx, conn);
    ctx->segments[index] = (hfi_segment){.seq = seq,
                                         .bytes = (uint16_t)bytes,
                                         .next = HFI_NONE,
                                         .chunk = chunk,
                                         .sent_us = ctx->now_us,
                                         .flags = (uint8_t)flags,
                                         .transmissions = 1};
    if (conn->segq_tail == HFI_NONE) {
        end_rest(ctx, conn);
        conn->segq_head = index;
    } else {
        ctx->segments[conn->segq_tail].next = index;
    }
    conn->segq_tail = index;
    hfi_segq_link(ctx, &flight->sent, flight->sent.tail, index);
    if ((++flight->pushed & 15) == 0) extend_lanes(ctx, flight, index);
    return true;
}

/* A descriptor is about to leave or to shrink by `bytes`: the counts follow. */
static void uncount(hfi_flight *flight, const hfi_segment *segment, uint32_t bytes) {
    if ((segment->flags & HFI_SEG_SACKED) != 0) flight->sacked_bytes -= bytes;
    if ((segment->flags & HFI_SEG_LOST) != 0) flight->lost_bytes -= bytes;
}

static void remove_head(hfi_ctx *ctx, hfi_conn *conn) {
    const hfi_index index = conn->segq_head;
    hfi_flight *flight = hfi_segq_flight(ctx, conn);
    conn->segq_head = ctx->segments[index].next;
    shorten_lanes(ctx, flight, index);
    give_segment(ctx, index);
    if (conn->segq_head != HFI_NONE) return;
    conn->segq_tail = HFI_NONE;
    begin_rest(ctx, conn);
}

/* The ACK ends inside the first descriptor. */
static void trim_head(hfi_ctx *ctx, hfi_conn *conn, hf_seq ack) {
    hfi_segment *segment = &ctx->segments[conn->segq_head];
    /* The chunk of the new start is found by walking on from the old one. */
    const uint32_t number = hfi_chunk_number(&ctx->tx, hfi_snd_offset(conn, ack));
    segment->chunk = hfi_chunk_find(&ctx->tx, segment->chunk, number);
    segment->bytes = (uint16_t)(hfi_segq_end_of(segment) - ack);
    segment->seq = ack;
}

/* An RTT from a segment that is acknowledged now. A SACKed one arrived earlier and tells nothing.
 * If any was sent again (Karn, RFC 6298 3), or was taken for lost so that its SACK is forgotten,
 * the ACK waited for a retransmission, and so did those sent once behind it. */
static void take_sample(const hfi_ctx *ctx, const hfi_segment *segment, hfi_delivery *delivery) {
    if (segment->transmissions != 1 || (segment->flags & HFI_SEG_LOST) != 0)
        delivery->delayed = true;
    if ((segment->flags & HFI_SEG_SACKED) != 0) return;
    delivery->sampled = true;
    delivery->rtt_us = ctx->now_us - segment->sent_us;
}

void hfi_segq_remove(hfi_ctx *ctx, hfi_conn *conn, hf_seq ack, hfi_delivery *delivery) {
    while (conn->segq_head != HFI_NONE) {
        hfi_segment *segment = &ctx->segments[conn->segq_head];
        if (!hf_seq_lt(segment->seq, ack)) break;
        hfi_flight *flight = hfi_segq_flight(ctx, conn);
        const uint32_t bytes = hfi_min32(segment->bytes, ack - segment->seq);
        uncount(flight, segment, bytes);
        if ((segment->flags & HFI_SEG_SACKED) == 0) delivery->bytes += bytes;
        /* The first part of a super-segment measures as well as the whole; without, a round trip shorter than
         * a tick would be told by timestamps alone, and seem to take one. */
        take_sample(ctx, segment, delivery);
        if (bytes < segment->bytes) {
            trim_head(ctx, conn, ack);
            break;
        }
        if ((segment->flags & HFI_SEG_SACKED) == 0)
            hfi_segq_deliver(ctx, flight, conn->segq_head, false, delivery);
        remove_head(ctx, conn);
    }
    delivery->sampled = delivery->sampled && !delivery->delayed;
}

bool hfi_segq_split(hfi_ctx *ctx, hfi_conn *conn, hfi_index index, uint32_t bytes) {
    hfi_segment *segment = &ctx->segments[index];
    if (bytes >= segment->bytes) return true;
    const hfi_index rest = take_segment(ctx);
    if (rest == HFI_NONE) return false;
    hfi_segment *second = &ctx->segments[rest];
    *second = *segment;
    /* Cut, a probe of the path's MTU proves nothing more; its loss is still none of congestion. */
    if ((segment->flags & HFI_SEG_PROBE) != 0)
        hfi_segq_probe_lost(hfi_segq_flight(ctx, conn), second);
    second->seq += bytes;
    second->bytes = (uint16_t)(second->bytes - bytes);
    segment->bytes = (uint16_t)bytes;
    segment->flags &= (uint8_t)~HFI_SEG_FIN;
    segment->next = rest;
    if (second->next == HFI_NONE) conn->segq_tail = rest;
    hfi_segment_list *list = hfi_segq_list(hfi_segq_flight(ctx, conn), segment);
    if (list != NULL) hfi_segq_link(ctx, list, index, rest);
    const uint32_t number = hfi_chunk_number(&ctx->tx, hfi_snd_offset(conn, second->seq));
    second->chunk = hfi_chunk_find(&ctx->tx, segment->chunk, number);
    return true;
}

void hfi_segq_end(hfi_ctx *ctx, hfi_conn *conn) {
    while (conn->segq_head != HFI_NONE) remove_head(ctx, conn);
    hfi_segq_rest_over(ctx, conn);
}
