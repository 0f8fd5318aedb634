#include "receive/internal.h"

#define QUICK_ACKS 16 /* RFC 5681 4.2 lets every segment be acknowledged; slow start needs it */

void hfi_receive_begin(hfi_ctx *ctx, hfi_conn *conn, hf_seq irs) {
    conn->irs = irs;
    conn->rcv_nxt = conn->rcv_adv = conn->rx_read = conn->last_ack_sent = irs + 1;
    conn->rx_head = conn->rx_tail = HFI_NONE;
    conn->range_head = conn->range_recent = HFI_NONE;
    conn->ranges = 0;
    conn->quick_acks = QUICK_ACKS;
    conn->rcv_mss = 536;
    conn->round_at = ctx->now_tick;
    conn->round_read = conn->rx_read;
}

static uint32_t window_of_share(const hfi_ctx *ctx, uint64_t share, uint32_t receive_bytes,
                                uint32_t mss) {
    const uint64_t asked = receive_bytes != 0 ? receive_bytes : ctx->limits->buffer_bytes;
    const uint64_t window = hfi_min64(hfi_min64(HFI_FIRST_WINDOW_BYTES, asked), share);
    return (uint32_t)hfi_max64(window, mss);
}

uint32_t hfi_receive_first_window(const hfi_ctx *ctx, uint32_t receive_bytes, uint32_t mss) {
    const uint64_t even = hfi_receive_pool_bytes(ctx) / (ctx->root->live + 1),
                   share = hfi_min64(even, hfi_receive_share(ctx));
    return window_of_share(ctx, hfi_min64(share, hfi_receive_credits(ctx)), receive_bytes, mss);
}

uint32_t hfi_receive_least_window(const hfi_ctx *ctx, uint32_t receive_bytes, uint32_t mss) {
    return window_of_share(ctx, hfi_receive_pool_bytes(ctx) / ctx->root->config.conns,
                           receive_bytes, mss);
}

void hfi_receive_grant_first(hfi_ctx *ctx, hfi_conn *conn, uint32_t window) {
    conn->rcv_adv = conn->rcv_nxt + window;
    ctx->root->rx_granted_bytes += window;
}

/* ---- Acceptance ---- */

bool hfi_receive_acceptable(const hfi_conn *conn, const hfi_tcp_view *seg) {
    const uint32_t length = hfi_tcp_seq_bytes(seg);
    const hf_seq first = seg->seq, last = seg->seq + length - 1;
    /* A bare ACK at the right edge is good: its sender has filled our window and part was lost. */
    if (length == 0) return hf_seq_le(conn->rcv_nxt, first) && hf_seq_le(first, conn->rcv_adv);
    if (conn->rcv_adv == conn->rcv_nxt) return false;
    const bool first_in = hf_seq_le(conn->rcv_nxt, first) && hf_seq_lt(first, conn->rcv_adv);
    const bool last_in = hf_seq_le(conn->rcv_nxt, last) && hf_seq_lt(last, conn->rcv_adv);
    const bool spans = hf_seq_lt(first, conn->rcv_nxt) && hf_seq_lt(conn->rcv_nxt, last);
    return first_in || last_in || spans;
}

bool hfi_receive_paws_rejects(const hfi_ctx *ctx, const hfi_conn *conn, const hfi_tcp_view *seg) {
    if (!hfi_has(conn, HFI_F_TIMESTAMPS) || (seg->flags & HFI_TCP_RST) != 0) return false;
    if ((seg->options.present & HFI_OPT_TIMESTAMPS) == 0) return false;
    if (!hf_seq_lt(seg->options.ts_value, conn->ts_recent)) return false;
    /* RFC 7323 5.5: after 24 days ts_recent says nothing; the peer's clock may have gone round. */
    const uint64_t day_ticks = UINT64_C(86400) * HF_SECOND / HFI_TICK_NS;
    const uint32_t age = (ctx->now_tick >> HFI_TS_AGE_SHIFT) - conn->ts_recent_at;
    return (age & HFI_TS_AGE_MASK) < 24 * day_ticks >> HFI_TS_AGE_SHIFT;
}

void hfi_receive_heard(hfi_conn *conn, const hfi_arrival *arrival) {
    conn->heard_ttl = arrival->ttl;
}

void hfi_receive_timestamp(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg) {
    if (!hfi_has(conn, HFI_F_TIMESTAMPS)) return;
    if (HFI_UNLIKELY((seg->options.present & HFI_OPT_TIMESTAMPS) == 0)) {
        hfi_count(ctx, HF_CAUSE_TIMESTAMP_MISSING);
        return;
    }
    if (hf_seq_lt(seg->options.ts_value, conn->ts_recent)) return;
    if (!hf_seq_le(seg->seq, conn->last_ack_sent)) return;
    conn->ts_recent = seg->options.ts_value;
    conn->ts_recent_at = ctx->now_tick >> HFI_TS_AGE_SHIFT & HFI_TS_AGE_MASK;
}

/* ---- Placing bytes ---- */

/* A walk over the payload of an arrival. */
typedef struct cursor {
    const hf_part *part;
    uint32_t offset;
} cursor;

static cursor cursor_at(const hfi_arrival *arrival, uint32_t skip) {
    cursor c = {arrival->parts, arrival->skip + skip};
    while (c.offset >= c.part->bytes) c.offset -= (c.part++)->bytes;
    return c;
}

static void cursor_copy(cursor *c, uint8_t *to, uint32_t bytes) {
    while (bytes > 0) {
        const uint32_t here = hfi_min32(bytes, c->part->bytes - c->offset);
        memcpy(to, (const uint8_t *)c->part->data + c->offset, here);
        to += here;
        bytes -= here;
        c->offset += here;
        if (c->offset == c->part->bytes) c->part++, c->offset = 0;
    }
}

/* The connection's owner has its whole share of buffers. */
static bool has_rx_share(const hfi_ctx *ctx, const hfi_conn *conn) {
    return hfi_owner_is_full(ctx, ctx->owners.rx, hfi_owner_of(ctx, conn),
                             ctx->root->config.owner_rx_chunks);
}

/* No room was found for an arrival's data: in the pool, or in the owner's share. */
static hf_cause no_room(hfi_ctx *ctx, const hfi_conn *conn) {
    if (!has_rx_share(ctx, conn)) return HF_CAUSE_DROP_NO_MEMORY;
    ctx->owners.refused[hfi_owner_of(ctx, conn)]++;
    return HF_CAUSE_DROP_OWNER_SHARE;
}

/* The chunk for `number`, found or added after `before` (HFI_NONE: at the head of the chain). */
static hfi_index chunk_for(hfi_ctx *ctx, hfi_conn *conn, hfi_index before, uint32_t number) {
    hfi_chunks *rx = &ctx->rx;
    hfi_index at = before == HFI_NONE ? conn->rx_head : before;
    while (at != HFI_NONE && hfi_chunk_before(rx, rx->number[at], number))
        before = at, at = rx->next[at];
    if (at != HFI_NONE && rx->number[at] == number) return at;
    if (has_rx_share(ctx, conn)) return HFI_NONE;
    const hfi_index fresh = hfi_chunk_take(rx, number, hfi_owner_of(ctx, conn));
    if (fresh == HFI_NONE) return HFI_NONE;
    rx->next[fresh] = at;
    if (before == HFI_NONE)
        conn->rx_head = fresh;
    else
        rx->next[before] = fresh;
    return fresh;
}

/* Copies [seq, seq + bytes) from the arrival to its place, starting the search at `hint`. Returns
 * the chunk of the last byte and how many were written (fewer when the pool is empty). */
static hfi_index place(hfi_ctx *ctx, hfi_conn *conn, const hfi_arrival *arrival, hf_seq seq,
                       uint32_t bytes, hfi_index hint, uint32_t *ret_placed) {
    cursor from = cursor_at(arrival, seq - arrival->tcp.seq);
    uint32_t offset = hfi_rcv_offset(conn, seq), placed = 0;
    hfi_index last = hint;
    while (placed < bytes) {
        const hfi_index chunk = chunk_for(ctx, conn, last, hfi_chunk_number(&ctx->rx, offset));
        if (chunk == HFI_NONE) break;
        const uint32_t here = hfi_min32(bytes - placed, hfi_chunk_room(&ctx->rx, offset));
        cursor_copy(&from, hfi_chunk_at(&ctx->rx, chunk, offset), here);
        placed += here;
        offset += here;
        last = chunk;
    }
    *ret_placed = placed;
    return last;
}

/* ---- Out of order ---- */

static void range_free(hfi_ctx *ctx, hfi_conn *conn, hfi_index range) {
    if (hfi_receive_recent(ctx, conn) == range) hfi_receive_set_recent(ctx, conn, HFI_NONE);
    hfi_pool_give(&ctx->root->range_pool, ctx->range_next, range);
    conn->ranges--;
}

/* Drops the furthest range and the chunks that only it used. */
static void drop_furthest(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_index before = HFI_NONE, last = conn->range_head;
    while (ctx->ranges[last].next != HFI_NONE) before = last, last = ctx->ranges[last].next;
    const hfi_index keep = before == HFI_NONE ? conn->rx_tail : ctx->ranges[before].chunk;
    hfi_index *link = keep == HFI_NONE ? &conn->rx_head : &ctx->rx.next[keep];
    hfi_index chunk = *link;
    *link = HFI_NONE;
    while (chunk != HFI_NONE) {
        const hfi_index next = ctx->rx.next[chunk];
        hfi_chunk_drop(&ctx->rx, chunk);
        chunk = next;
    }
    if (before == HFI_NONE)
        conn->range_head = HFI_NONE;
    else
        ctx->ranges[before].next = HFI_NONE;
    range_free(ctx, conn, last);
    hfi_count(ctx, HF_CAUSE_DROP_REASSEMBLY_FULL);
}

/* Makes [start, end) part of the ranges: joined to those it touches, else a new one after `before`,
 * which the caller has seen to be free. */
static void range_add(hfi_ctx *ctx, hfi_conn *conn, hfi_index before, hf_seq start, hf_seq end,
                      hfi_index chunk) {
    hfi_range *ranges = ctx->ranges;
    hfi_index at = before;
    if (before != HFI_NONE && hf_seq_le(start, ranges[before].end)) {
        if (hf_seq_lt(ranges[before].end, end))
            ranges[before].end = end, ranges[before].chunk = chunk;
    } else {
        at = hfi_pool_take(&ctx->root->range_pool, ctx->range_next);
        HF_ASSERT(at != HFI_NONE);
        hfi_index *link = before == HFI_NONE ? &conn->range_head : &ranges[before].next;
        ranges[at] = (hfi_range){start, end, chunk, *link};
        *link = at;
        conn->ranges++;
    }
    for (hfi_index next = ranges[at].next;
         next != HFI_NONE && hf_seq_le(ranges[next].start, ranges[at].end);
         next = ranges[at].next) {
        if (hf_seq_lt(ranges[at].end, ranges[next].end))
            ranges[at].end = ranges[next].end, ranges[at].chunk = ranges[next].chunk;
        ranges[at].next = ranges[next].next;
        range_free(ctx, conn, next);
    }
    hfi_receive_set_recent(ctx, conn, at);
}

/* The last range that starts at or before seq, or HFI_NONE. Segments mostly come in order: the walk
 * starts at the range that changed last, unless that one lies beyond. */
static hfi_index range_before(const hfi_ctx *ctx, const hfi_conn *conn, hf_seq seq) {
    const hfi_index recent = hfi_receive_recent(ctx, conn);
    hfi_index before = HFI_NONE, from = conn->range_head;
    if (recent != HFI_NONE && hf_seq_le(ctx->ranges[recent].start, seq)) from = recent;
    for (hfi_index at = from; at != HFI_NONE && hf_seq_le(ctx->ranges[at].start, seq);
         at = ctx->ranges[at].next)
        before = at;
    return before;
}

static hf_cause take_out_of_order(hfi_ctx *ctx, hfi_conn *conn, const hfi_arrival *arrival,
                                  hf_seq seq, uint32_t bytes, uint32_t *ret_a) {
    hfi_receive_owe_ack(ctx, conn, HF_CAUSE_SENT_ACK_OUT_OF_ORDER);
    if (hfi_pool_left(&ctx->root->rx_pool) <= ctx->root->rx_pool.count / 16)
        return HF_CAUSE_DROP_NO_MEMORY;
    hfi_index before = range_before(ctx, conn, seq);
    const bool joins = before != HFI_NONE && hf_seq_le(seq, ctx->ranges[before].end);
    /* The range is looked for first: bytes without one would be chunks that nobody knows of. */
    const bool full =
        conn->ranges == HFI_RANGES_PER_CONN || hfi_pool_left(&ctx->root->range_pool) == 0;
    if (!joins && full) {
        hfi_index last = conn->range_head;
        while (last != HFI_NONE && ctx->ranges[last].next != HFI_NONE)
            last = ctx->ranges[last].next;
        if (before == last) return HF_CAUSE_DROP_REASSEMBLY_FULL;
        drop_furthest(ctx, conn);
    }
    /* Looked at before anything is placed: a chunk that no range names would be lost. */
    if (!joins && hfi_pool_left(&ctx->root->range_pool) == 0) return HF_CAUSE_DROP_REASSEMBLY_FULL;
    const hfi_index hint = before == HFI_NONE ? conn->rx_tail : ctx->ranges[before].chunk;
    /* The chunk of a range's last byte may lie beyond seq if the segment is inside the range. */
    if (joins && hf_seq_le(seq + bytes, ctx->ranges[before].end)) {
        hfi_receive_set_recent(ctx, conn, before);
        hfi_receive_duplicate(ctx, conn, seq, seq + bytes);
        *ret_a = bytes;
        return HF_CAUSE_TOOK_DATA_OUT_OF_ORDER;
    }
    const hf_seq from = joins ? ctx->ranges[before].end : seq;
    hfi_receive_duplicate(ctx, conn, seq, from);
    uint32_t placed;
    const hfi_index chunk = place(ctx, conn, arrival, from, seq + bytes - from, hint, &placed);
    if (placed == 0) return no_room(ctx, conn);
    *ret_a = placed;
    range_add(ctx, conn, before, from, from + placed, chunk);
    return HF_CAUSE_TOOK_DATA_OUT_OF_ORDER;
}

/* Ranges that rcv.nxt has reached become readable. True if there was one. */
static bool absorb_ranges(hfi_ctx *ctx, hfi_conn *conn) {
    bool absorbed = false;
    while (conn->range_head != HFI_NONE) {
        const hfi_index first = conn->range_head;
        const hfi_range range = ctx->ranges[first];
        if (!hf_seq_le(range.start, conn->rcv_nxt)) break;
        if (hf_seq_lt(conn->rcv_nxt, range.end))
            conn->rcv_nxt = range.end, conn->rx_tail = range.chunk;
        conn->range_head = range.next;
        range_free(ctx, conn, first);
        absorbed = true;
    }
    return absorbed;
}

/* ---- In order ---- */

/* RFC 9293 3.8.6.3, RFC 5681 4.2: at once for the second full segment, else soon. */
static void decide_ack(hfi_ctx *ctx, hfi_conn *conn) {
    if ((conn->pending & HFI_P_ACK) != 0) return;
    if (conn->rcv_nxt - conn->last_ack_sent >= 2u * conn->rcv_mss) {
        hfi_receive_owe_ack(ctx, conn, HF_CAUSE_SENT_ACK_SECOND_SEGMENT);
    } else if (conn->quick_acks > 0) {
        conn->quick_acks--;
        hfi_receive_owe_ack(ctx, conn, HF_CAUSE_SENT_ACK_QUICK);
    } else if ((conn->timers & HFI_T_ACK) == 0) {
        conn->timers |= HFI_T_ACK;
        conn->ack_at = hfi_ticks_from(ctx, ctx->limits->delayed_ack_ns);
    }
}

static void note_segment_size(hfi_conn *conn, const hfi_arrival *arrival) {
    const uint32_t size = arrival->gso_bytes != 0 ? arrival->gso_bytes : arrival->tcp.payload_bytes;
    if (size > conn->rcv_mss) conn->rcv_mss = (uint16_t)hfi_min32(size, UINT16_MAX);
}

/* ---- When the pool is empty ---- */

/* How far beyond RCV.NXT the furthest kept byte lies. */
static uint32_t reach_of(const hfi_ctx *ctx, const hfi_conn *conn) {
    hfi_index last = conn->range_head;
    while (ctx->ranges[last].next != HFI_NONE) last = ctx->ranges[last].next;
    return ctx->ranges[last].end - conn->rcv_nxt;
}

/* Of the connections with data beyond a gap: the furthest reaching one of the owner that holds most.
 */
static hfi_conn *largest_holder(hfi_ctx *ctx) {
    hfi_conn *best = NULL;
    uint32_t most = 0, furthest = 0;
    for (hfi_index i = 0; i < ctx->root->config.conns; i++) {
        hfi_conn *conn = &ctx->conns[i];
        if (conn->ranges == 0) continue;
        const uint32_t held = ctx->owners.rx[hfi_owner_of(ctx, conn)];
        if (best != NULL && held < most) continue;
        const uint32_t reach = reach_of(ctx, conn);
        if (best != NULL && held == most && reach <= furthest) continue;
        best = conn, most = held, furthest = reach;
    }
    return best;
}

/* What is next for one connection comes before what is out of order for any. Looks through all
 * connections, so at most once a tick; what finds no room meanwhile will be sent again. */
static bool relieve(hfi_ctx *ctx) {
    if (ctx->root->relieved_at == ctx->now_tick) return false;
    ctx->root->relieved_at = ctx->now_tick;
    hfi_conn *holder = largest_holder(ctx);
    while (holder != NULL && holder->range_head != HFI_NONE &&
           hfi_pool_left(&ctx->root->rx_pool) == 0) {
        hfi_note(ctx, hfi_conn_index(ctx, holder), HF_CAUSE_DATA_GAVE_WAY, reach_of(ctx, holder),
                 0);
        drop_furthest(ctx, holder);
    }
    return hfi_pool_left(&ctx->root->rx_pool) > 0;
}

static hf_cause take_in_order(hfi_ctx *ctx, hfi_conn *conn, const hfi_arrival *arrival,
                              uint32_t bytes, uint32_t *ret_a) {
    /* What is next comes before what is out of order, or a gap could keep its own filling out. */
    while (hfi_pool_left(&ctx->root->rx_pool) == 0 && conn->range_head != HFI_NONE)
        drop_furthest(ctx, conn);
    uint32_t placed;
    hfi_index chunk = place(ctx, conn, arrival, conn->rcv_nxt, bytes, conn->rx_tail, &placed);
    /* What lies beyond a gap must not keep out what fills it: it gives way, the furthest first. */
    while (placed == 0 && conn->range_head != HFI_NONE) {
        drop_furthest(ctx, conn);
        chunk = place(ctx, conn, arrival, conn->rcv_nxt, bytes, conn->rx_tail, &placed);
    }
    if (placed == 0 && !has_rx_share(ctx, conn) && relieve(ctx))
        chunk = place(ctx, conn, arrival, conn->rcv_nxt, bytes, conn->rx_tail, &placed);
    if (placed == 0) {
        hfi_receive_owe_ack(ctx, conn, HF_CAUSE_SENT_ACK_DUPLICATE);
        return no_room(ctx, conn);
    }
    conn->rx_tail = chunk;
    conn->rcv_nxt += placed;
    note_segment_size(conn, arrival);
    *ret_a = placed;
    const bool had_gap = conn->range_head != HFI_NONE;
    const bool filled = absorb_ranges(ctx, conn);
    if (had_gap)
        hfi_receive_owe_ack(ctx, conn, HF_CAUSE_SENT_ACK_FILLED_GAP);
    else
        decide_ack(ctx, conn);
    hfi_conn_event(ctx, conn, HF_EVENT_READABLE);
    return filled ? HF_CAUSE_TOOK_DATA_FILLED_GAP : HF_CAUSE_TOOK_DATA;
}

hf_cause hfi_receive_data(hfi_ctx *ctx, hfi_conn *conn, const hfi_arrival *arrival,
                          uint32_t *ret_a) {
    const hf_seq start = hf_seq_max(arrival->tcp.seq, conn->rcv_nxt);
    const hf_seq end = hf_seq_min(arrival->tcp.seq + arrival->tcp.payload_bytes, conn->rcv_adv);
    *ret_a = 0;
    hfi_receive_old(ctx, conn, &arrival->tcp);
    hfi_receive_measure(ctx, conn, &arrival->tcp);
    if (!hf_seq_lt(start, end)) {
        hfi_receive_owe_ack(ctx, conn, HF_CAUSE_SENT_ACK_DUPLICATE);
        return HF_CAUSE_DROP_OUT_OF_WINDOW;
    }
    if (start == conn->rcv_nxt) return take_in_order(ctx, conn, arrival, end - start, ret_a);
    return take_out_of_order(ctx, conn, arrival, start, end - start, ret_a);
}

/* ---- ECN, RFC 3168 6.1.3 ---- */

#define CE 3 /* RFC 3168 5: a router has seen congestion */

/* Every ACK says so, since one could be lost, until the sender says that it has slowed down. The first
 * goes at once: what the sender does not know yet fills the queue. */
void hfi_receive_marks(hfi_ctx *ctx, hfi_conn *conn, const hfi_arrival *arrival) {
    if ((arrival->tcp.flags & HFI_TCP_CWR) != 0 && hfi_has(conn, HFI_F_ECN_ECHO)) {
        conn->flags &= ~HFI_F_ECN_ECHO;
        hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_ECN_SLOWED_DOWN, 0, 0);
    }
    if ((arrival->traffic_class & 3) != CE) return;
    hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_ECN_MARKED, arrival->tcp.payload_bytes, 0);
    if (hfi_has(conn, HFI_F_ECN_ECHO)) return;
    conn->flags |= HFI_F_ECN_ECHO;
    hfi_receive_owe_ack(ctx, conn, HF_CAUSE_SENT_ACK_MARKED);
}

/* ---- FIN ---- */

bool hfi_receive_fin_due(const hfi_conn *conn) {
    return hfi_has(conn, HFI_F_PEER_FIN_SEEN) && !hfi_has(conn, HFI_F_PEER_FIN) &&
           conn->peer_fin == conn->rcv_nxt;
}

void hfi_receive_take_fin(hfi_ctx *ctx, hfi_conn *conn) {
    while (conn->range_head != HFI_NONE) drop_furthest(ctx, conn); /* nothing follows a FIN */
    conn->rcv_nxt++;
    if (conn->rcv_adv + 1 == conn->rcv_nxt) conn->rcv_adv++, ctx->root->rx_granted_bytes++;
    conn->flags |= HFI_F_PEER_FIN;
    hfi_receive_owe_ack(ctx, conn, HF_CAUSE_SENT_ACK_FIN);
    hfi_conn_event(ctx, conn, HF_EVENT_PEER_CLOSED | HF_EVENT_READABLE);
}

bool hfi_receive_fin(hfi_ctx *ctx, hfi_conn *conn, hf_seq seq) {
    if (hfi_has(conn, HFI_F_PEER_FIN)) return true;
    conn->flags |= HFI_F_PEER_FIN_SEEN;
    conn->peer_fin = seq;
    (void)ctx;
    return seq == conn->rcv_nxt;
}

/* ---- Acknowledging ---- */

void hfi_receive_owe_ack(hfi_ctx *ctx, hfi_conn *conn, hf_cause cause) {
    conn->ack_cause = (uint8_t)cause;
    conn->timers &= (uint8_t)~HFI_T_ACK;
    hfi_conn_owe(ctx, conn, HFI_P_ACK);
}

void hfi_receive_ack_timeout(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_receive_owe_ack(ctx, conn, HF_CAUSE_SENT_ACK_DELAYED);
}

void hfi_receive_acked(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_receive_duplicate_told(ctx, conn);
    conn->pending &= (uint16_t)~HFI_P_ACK;
    conn->timers &= (uint8_t)~HFI_T_ACK;
    conn->last_ack_sent = conn->rcv_nxt;
}

/* How far the right edge could go now, by the application's reading and by the ledger. Others may
 * hold all credits for as long as they like, so who has read everything gets two segments all the
 * same: slow, but never stuck, and never with a window that is too small for a segment. The part of
 * the pool that is not in the ledger stands for these. */
static hf_seq right_edge(const hfi_ctx *ctx, const hfi_conn *conn) {
    /* HF_ACCEPT_AT_WINDOW: closed until the application accepts. */
    if (hfi_has(conn, HFI_F_UNACCEPTED) &&
        ctx->listeners[hfi_conn_listener(ctx, conn)].accept_at == HF_ACCEPT_AT_WINDOW)
        return conn->rcv_adv;
    const hf_seq wanted = conn->rx_read + hfi_receive_limit(ctx, conn);
    if (hf_seq_le(wanted, conn->rcv_adv)) return conn->rcv_adv;
    const uint32_t more =
        (uint32_t)hfi_min64(wanted - conn->rcv_adv, hfi_receive_credits_for(ctx, conn));
    const hf_seq edge = conn->rcv_adv + more;
    if (hfi_readable(conn) > 0 || conn->range_head != HFI_NONE) return edge;
    return hf_seq_max(edge, hf_seq_min(conn->rcv_nxt + 2u * conn->rcv_mss, wanted));
}

/* Receiver's silly window avoidance, RFC 9293 3.8.6.2.2 MUST-39. */
static bool worth_telling(const hfi_ctx *ctx, const hfi_conn *conn, hf_seq edge) {
    const uint32_t more = edge - conn->rcv_adv;
    return more > 0 && more >= hfi_min32(hfi_receive_limit(ctx, conn) / 2, conn->rcv_mss);
}

uint16_t hfi_receive_window_field(hfi_ctx *ctx, hfi_conn *conn) {
    const uint32_t scale = hfi_has(conn, HFI_F_WSCALE) ? conn->rcv_wscale : 0;
    if (hfi_has(conn, HFI_F_PEER_FIN))
        return (uint16_t)(hfi_min32((conn->rcv_adv - conn->rcv_nxt) >> scale, 65535));
    const hf_seq edge = right_edge(ctx, conn);
    const hf_seq target = worth_telling(ctx, conn, edge) ? edge : conn->rcv_adv;
    const uint32_t window = target - conn->rcv_nxt;
    uint32_t field = hfi_min32(window >> scale, 65535);
    /* Rounding down must not take back what was told: then the field rounds up. So the edge creeps
     * by less than a unit with each ACK; under a rain of tiny segments it stops a sixteenth beyond
     * the limit, and may then seem to move back by less than a unit. */
    const hf_seq most = conn->rx_read + hfi_receive_limit(ctx, conn) / 16 * 17 + (1u << scale);
    const bool takes_back = hf_seq_lt(conn->rcv_nxt + (field << scale), conn->rcv_adv);
    if (takes_back && field < 65535 && hf_seq_le(conn->rcv_nxt + ((field + 1) << scale), most))
        field++;
    const hf_seq told = conn->rcv_nxt + (field << scale);
    if (hf_seq_lt(conn->rcv_adv, told)) {
        ctx->root->rx_granted_bytes += told - conn->rcv_adv;
        conn->rcv_adv = told;
    }
    return (uint16_t)field;
}

/* ---- The application's side ---- */

size_t hfi_receive_parts(const hfi_ctx *ctx, const hfi_conn *conn, hf_part *ret_parts, size_t max) {
    uint32_t left = hfi_readable(conn), offset = hfi_rcv_offset(conn, conn->rx_read);
    size_t count = 0;
    for (hfi_index chunk = conn->rx_head; left > 0 && count < max; chunk = ctx->rx.next[chunk]) {
        const uint32_t here = hfi_min32(left, hfi_chunk_room(&ctx->rx, offset));
        ret_parts[count++] = (hf_part){hfi_chunk_at(&ctx->rx, chunk, offset), here};
        offset += here;
        left -= here;
    }
    return count;
}

/* Frees the chunks that lie wholly before what is still to be read. */
static void free_read(hfi_ctx *ctx, hfi_conn *conn) {
    const uint32_t number = hfi_chunk_number(&ctx->rx, hfi_rcv_offset(conn, conn->rx_read));
    while (conn->rx_head != HFI_NONE &&
           hfi_chunk_before(&ctx->rx, ctx->rx.number[conn->rx_head], number)) {
        const hfi_index chunk = conn->rx_head;
        conn->rx_head = ctx->rx.next[chunk];
        if (conn->rx_tail == chunk) conn->rx_tail = HFI_NONE;
        hfi_chunk_drop(&ctx->rx, chunk);
    }
    /* A chunk read to its last arrived byte is given back too, if nothing later lies in it. */
    if (conn->rx_head != HFI_NONE && conn->range_head == HFI_NONE && hfi_readable(conn) == 0) {
        hfi_chunk_drop(&ctx->rx, conn->rx_head);
        conn->rx_head = conn->rx_tail = HFI_NONE;
    }
}

void hfi_receive_consume(hfi_ctx *ctx, hfi_conn *conn, uint32_t bytes) {
    HF_ASSERT(bytes <= hfi_readable(conn));
    conn->rx_read += bytes;
    conn->bytes_to_app += bytes;
    ctx->root->rx_granted_bytes -= bytes;
    free_read(ctx, conn);
    if (hfi_has(conn, HFI_F_ENDED | HFI_F_PEER_FIN) || !hfi_may_receive(conn->state)) return;
    /* An update is worth a segment of its own when the window has opened by two segments or half.
     */
    const hf_seq edge = right_edge(ctx, conn);
    const uint32_t more = edge - conn->rcv_adv, window = conn->rcv_adv - conn->rcv_nxt;
    const uint32_t segments = window < conn->rcv_mss ? 1 : 2;
    const uint32_t enough = hfi_min32(hfi_receive_limit(ctx, conn) / 2, segments * conn->rcv_mss);
    if (more >= hfi_max32(enough, 1) && window <= hfi_receive_limit(ctx, conn) / 2)
        hfi_receive_owe_ack(ctx, conn, HF_CAUSE_SENT_WINDOW_UPDATE);
}

void hfi_receive_discard(hfi_ctx *ctx, hfi_conn *conn) {
    const uint32_t bytes = hfi_readable(conn);
    if (bytes == 0) return;
    hfi_receive_consume(ctx, conn, bytes);
    conn->bytes_to_app -= bytes; /* the application has not had them */
}

uint32_t hfi_receive_copy(hfi_ctx *ctx, hfi_conn *conn, void *to, uint32_t bytes) {
    const uint32_t wanted = hfi_min32(bytes, hfi_readable(conn));
    uint32_t copied = 0, offset = hfi_rcv_offset(conn, conn->rx_read);
    for (hfi_index chunk = conn->rx_head; copied < wanted; chunk = ctx->rx.next[chunk]) {
        const uint32_t here = hfi_min32(wanted - copied, hfi_chunk_room(&ctx->rx, offset));
        memcpy((uint8_t *)to + copied, hfi_chunk_at(&ctx->rx, chunk, offset), here);
        copied += here;
        offset += here;
    }
    if (copied > 0) hfi_receive_consume(ctx, conn, copied);
    return copied;
}

void hfi_receive_stop(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_receive_duplicate_told(ctx, conn);
    while (conn->range_head != HFI_NONE) drop_furthest(ctx, conn);
    const uint32_t unread = hfi_readable(conn);
    const hf_seq kept = conn->rx_read + unread;
    if (hf_seq_lt(conn->rcv_adv, kept)) return; /* everything was given back before, unread */
    ctx->root->rx_granted_bytes -= conn->rcv_adv - kept;
    conn->rcv_adv = kept;
    conn->timers &= (uint8_t)~HFI_T_ACK;
}

void hfi_receive_end(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_receive_stop(ctx, conn);
    ctx->root->rx_granted_bytes -= conn->rcv_adv - conn->rx_read;
    conn->rcv_adv = conn->rx_read;
    while (conn->rx_head != HFI_NONE) {
        const hfi_index chunk = conn->rx_head;
        conn->rx_head = ctx->rx.next[chunk];
        hfi_chunk_drop(&ctx->rx, chunk);
    }
    conn->rx_tail = HFI_NONE;
}
