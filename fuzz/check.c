#include "check.h"
#include "stack/engine.h"

/* What is counted while walking over everything that is reachable. */
typedef struct census {
    const hfi_engine *e;
    const hfi_ctx *ctx;
    const hfi_root *root;
    bool conn_free[CHECK_CONNS];
    uint16_t rx_references[CHECK_CHUNKS], tx_references[CHECK_CHUNKS];
    uint32_t segments, ranges, flights, live, known, sets_used;
    uint32_t in_tx, in_ready, waits_room, unaccepted, untold;
    uint64_t granted_bytes;
} census;

/* ---- Pools ---- */

/* The free list holds what is not used, each slot once. */
static void check_pool(const hfi_pool *pool, const hfi_index *next, uint32_t used) {
    FUZZ_CHECK(pool->used == used);
    uint32_t free_count = 0;
    for (hfi_index at = pool->head; at != HFI_NONE; at = next[at]) {
        FUZZ_CHECK(at < pool->count);
        FUZZ_CHECK(++free_count <= pool->count);
    }
    FUZZ_CHECK(free_count == hfi_pool_left(pool));
}

static void mark_free_conns(census *c) {
    FUZZ_CHECK(c->root->conn_pool.count <= CHECK_CONNS);
    for (hfi_index at = c->root->conn_pool.head; at != HFI_NONE; at = c->ctx->conn_next[at]) {
        FUZZ_CHECK(!c->conn_free[at]);
        c->conn_free[at] = true;
    }
}

/* Each chunk in use is its owner's, and the owners' sums are the pool's. */
static void check_owners(const hfi_chunks *chunks, const uint16_t *references, uint32_t rows) {
    uint32_t held[1 + HFI_OWNERS_MAX] = {0}, sum = 0;
    for (uint32_t i = 0; i < chunks->pool->count; i++)
        if (references[i] > 0) held[chunks->owner[i]]++;
    for (uint32_t row = 0; row < rows; row++) {
        FUZZ_CHECK(held[row] == chunks->held[row]);
        sum += held[row];
    }
    FUZZ_CHECK(sum == chunks->pool->used);
}

/* Each connection in use is its owner's, by its row or as OTHER. */
static void check_conn_owners(const census *c) {
    const hfi_owners *owners = &c->ctx->owners;
    uint32_t held[1 + HFI_OWNERS_MAX] = {0};
    for (uint32_t i = 0; i < c->root->conn_pool.count; i++) {
        if (c->conn_free[i]) continue;
        const uint32_t row = owners->of_conn[i];
        const hf_addr prefix = hfi_owner_prefix(&c->ctx->conns[i].remote);
        FUZZ_CHECK(row == 0 || hf_addr_equal(&owners->prefix[row], &prefix));
        held[row]++;
    }
    for (uint32_t row = 0; row < hfi_owner_rows(owners); row++)
        FUZZ_CHECK(held[row] == owners->conns[row]);
}

/* A chunk in a connection's chain is its peer's, or OTHER's. */
static void check_owner(const census *c, const hfi_chunks *chunks, hfi_index chunk,
                        const hfi_conn *conn) {
    const hf_addr prefix = hfi_owner_prefix(&conn->remote);
    const uint32_t row = chunks->owner[chunk];
    FUZZ_CHECK(row == 0 || hf_addr_equal(&c->ctx->owners.prefix[row], &prefix));
}

static void check_chunks(const hfi_chunks *chunks, const uint16_t *references, uint32_t rows) {
    uint32_t used = 0;
    check_owners(chunks, references, rows);
    FUZZ_CHECK(chunks->pool->count <= CHECK_CHUNKS);
    for (uint32_t i = 0; i < chunks->pool->count; i++) {
        if (references[i] > 0) FUZZ_CHECK(chunks->references[i] == references[i]);
        used += references[i] > 0;
    }
    check_pool(chunks->pool, chunks->next, used);
}

/* ---- One connection: sending ---- */

static bool syn_is_out(const hfi_conn *conn) {
    return conn->state == HF_SYN_SENT || conn->state == HF_SYN_RECEIVED;
}

/* One list of segments: how many, each with the flags asked for and linked both ways. */
static uint32_t check_segment_list(const census *c, hfi_segment_list list, uint8_t flag) {
    uint32_t count = 0;
    hfi_index before = HFI_NONE;
    for (hfi_index at = list.head; at != HFI_NONE; at = c->ctx->segments[at].later) {
        const hfi_segment *s = &c->ctx->segments[at];
        FUZZ_CHECK(s->earlier == before && ++count <= c->root->segment_pool.count);
        FUZZ_CHECK((s->flags & (HFI_SEG_LOST | HFI_SEG_SACKED)) == flag);
        before = at;
    }
    FUZZ_CHECK(list.tail == before);
    return count;
}

/* The lanes: nodes in order, each for what lies one lane lower. */
static void check_lanes(census *c, const hfi_flight *flight) {
    for (uint32_t i = 0; i < HFI_LANES; i++) {
        hfi_index before = HFI_NONE;
        for (hfi_index at = flight->lane_head[i]; at != HFI_NONE; at = c->ctx->segments[at].next) {
            const hfi_segment *s = &c->ctx->segments[at];
            FUZZ_CHECK(hf_seq_le(s->seq, c->ctx->segments[s->chunk].seq));
            if (before != HFI_NONE) FUZZ_CHECK(hf_seq_lt(c->ctx->segments[before].seq, s->seq));
            c->segments++;
            before = at;
        }
        FUZZ_CHECK(flight->lane_tail[i] == before);
    }
}

static void check_flight(census *c, const hfi_conn *conn, uint32_t count) {
    const hfi_flight *flight = &c->ctx->flights[conn->flight];
    c->flights++;
    FUZZ_CHECK(flight->conn == hfi_conn_index(c->ctx, conn));
    uint32_t sacked = 0;
    for (hfi_index at = conn->segq_head; at != HFI_NONE; at = c->ctx->segments[at].next)
        sacked += (c->ctx->segments[at].flags & HFI_SEG_SACKED) != 0;
    FUZZ_CHECK(check_segment_list(c, flight->sent, 0) +
                   check_segment_list(c, flight->lost, HFI_SEG_LOST) + sacked ==
               count);
    check_lanes(c, flight);
}

static void check_segments(census *c, const hfi_conn *conn) {
    uint32_t count = 0, sacked = 0, lost = 0;
    hf_seq at_seq = conn->snd_una;
    hfi_index before = HFI_NONE;
    for (hfi_index at = conn->segq_head; at != HFI_NONE; at = c->ctx->segments[at].next) {
        const hfi_segment *s = &c->ctx->segments[at];
        FUZZ_CHECK(++count <= c->root->segment_pool.count);
        FUZZ_CHECK(s->bytes > 0 && s->seq == at_seq);
        const bool both = (s->flags & HFI_SEG_SACKED) != 0 && (s->flags & HFI_SEG_LOST) != 0;
        FUZZ_CHECK(!both);
        if ((s->flags & HFI_SEG_SACKED) != 0) sacked += s->bytes;
        if ((s->flags & HFI_SEG_LOST) != 0) lost += s->bytes;
        if (hf_seq_lt(s->seq, conn->snd_end)) {
            const uint32_t number = hfi_chunk_number(&c->ctx->tx, hfi_snd_offset(conn, s->seq));
            FUZZ_CHECK(s->chunk != HFI_NONE && c->ctx->tx.number[s->chunk] == number);
            FUZZ_CHECK(c->tx_references[s->chunk] > 0);
        }
        at_seq += s->bytes;
        before = at;
    }
    FUZZ_CHECK(conn->segq_tail == before);
    if (count > 0) FUZZ_CHECK(conn->flight != HFI_NONE);
    c->segments += count;
    if (conn->flight != HFI_NONE) check_flight(c, conn, count);
    if (count == 0) {
        FUZZ_CHECK(syn_is_out(conn) || hfi_in_flight(conn) == 0);
        return;
    }
    FUZZ_CHECK(at_seq == conn->snd_nxt);
    const hfi_flight *flight = &c->ctx->flights[conn->flight];
    FUZZ_CHECK(flight->lost_bytes == lost);
    /* Without SACK duplicate ACKs stand for segments that no descriptor names. */
    const bool sacks = hfi_has(conn, HFI_F_SACK) && (flight->marks & HFI_FLIGHT_RENEGED) == 0;
    if (sacks) FUZZ_CHECK(flight->sacked_bytes == sacked);
    FUZZ_CHECK((uint64_t)flight->sacked_bytes + flight->lost_bytes <= hfi_in_flight(conn));
}

/* The chain holds [snd.una, snd_end) without a hole. */
static void check_tx_chain(census *c, const hfi_conn *conn) {
    const hfi_chunks *tx = &c->ctx->tx;
    hfi_index last = HFI_NONE;
    const uint32_t numbers = UINT32_MAX >> tx->shift;
    for (hfi_index at = conn->tx_head; at != HFI_NONE; at = tx->next[at]) {
        FUZZ_CHECK(c->tx_references[at]++ == 0);
        check_owner(c, tx, at, conn);
        if (last != HFI_NONE) FUZZ_CHECK(tx->number[at] == ((tx->number[last] + 1) & numbers));
        last = at;
    }
    FUZZ_CHECK(conn->tx_tail == last);
    const hf_seq first = syn_is_out(conn) ? conn->iss + 1 : conn->snd_una;
    if (!hf_seq_lt(first, conn->snd_end)) return;
    FUZZ_CHECK(last != HFI_NONE);
    FUZZ_CHECK(tx->number[conn->tx_head] == hfi_chunk_number(tx, hfi_snd_offset(conn, first)));
    /* The tail may be a chunk that was reserved and not written to yet. */
    const uint32_t end = hfi_chunk_number(tx, hfi_snd_offset(conn, conn->snd_end - 1));
    FUZZ_CHECK(tx->number[last] == end || tx->number[last] == ((end + 1) & numbers));
}

static void check_send(census *c, const hfi_conn *conn) {
    if (!hfi_has(conn, HFI_F_ENDED)) { /* what has ended keeps its evidence there */
        check_tx_chain(c, conn);
        check_segments(c, conn);
    }
    FUZZ_CHECK(hf_seq_le(conn->snd_una, conn->snd_nxt));
    FUZZ_CHECK(hf_seq_le(conn->snd_nxt, conn->snd_end + 1));
    if (hfi_has(conn, HFI_F_FIN_SENT)) FUZZ_CHECK(conn->snd_nxt == conn->snd_end + 1);
    if (!syn_is_out(conn) && !hfi_has(conn, HFI_F_ENDED)) FUZZ_CHECK(conn->cwnd > 0);
}

/* ---- One connection: receiving ---- */

static bool chain_has(const hfi_chunks *chunks, hfi_index head, uint32_t number) {
    return hfi_chunk_find(chunks, head, number) != HFI_NONE;
}

static void check_bytes_have_chunks(census *c, const hfi_conn *conn, hf_seq start, hf_seq end) {
    const hfi_chunks *rx = &c->ctx->rx;
    for (hf_seq at = start; hf_seq_lt(at, end);) {
        const uint32_t offset = hfi_rcv_offset(conn, at);
        FUZZ_CHECK(chain_has(rx, conn->rx_head, hfi_chunk_number(rx, offset)));
        at += hfi_chunk_room(rx, offset);
    }
}

static void check_ranges(census *c, const hfi_conn *conn) {
    const hfi_chunks *rx = &c->ctx->rx;
    uint32_t count = 0;
    hf_seq before = conn->rcv_nxt;
    hfi_index recent = conn->range_recent;
    /* A duplicate that is still to be told of stands before it, in no list and without a chunk. */
    if (recent != HFI_NONE && c->ctx->ranges[recent].chunk == HFI_NONE) {
        recent = c->ctx->ranges[recent].next;
        c->ranges++;
    }
    bool recent_found = recent == HFI_NONE;
    for (hfi_index at = conn->range_head; at != HFI_NONE; at = c->ctx->ranges[at].next) {
        const hfi_range *range = &c->ctx->ranges[at];
        FUZZ_CHECK(++count <= c->root->range_pool.count);
        FUZZ_CHECK(hf_seq_lt(before, range->start) && hf_seq_lt(range->start, range->end));
        FUZZ_CHECK(hf_seq_le(range->end, conn->rcv_adv));
        FUZZ_CHECK(c->rx_references[range->chunk] == 1);
        FUZZ_CHECK(rx->number[range->chunk] ==
                   hfi_chunk_number(rx, hfi_rcv_offset(conn, range->end - 1)));
        check_bytes_have_chunks(c, conn, range->start, range->end);
        if (at == recent) recent_found = true;
        before = range->end;
    }
    FUZZ_CHECK(count == conn->ranges && recent_found);
    c->ranges += count;
}

static void check_receive(census *c, const hfi_conn *conn) {
    const hfi_chunks *rx = &c->ctx->rx;
    hfi_index before = HFI_NONE;
    bool tail_found = conn->rx_tail == HFI_NONE;
    for (hfi_index at = conn->rx_head; at != HFI_NONE; at = rx->next[at]) {
        FUZZ_CHECK(c->rx_references[at]++ == 0);
        check_owner(c, rx, at, conn);
        if (before != HFI_NONE)
            FUZZ_CHECK((int32_t)((rx->number[before] - rx->number[at]) << rx->shift) < 0);
        if (at == conn->rx_tail) tail_found = true;
        before = at;
    }
    FUZZ_CHECK(tail_found);
    check_ranges(c, conn);
    const uint32_t readable = hfi_readable(conn);
    /* Of an ended connection the number of unread bytes may outlive the bytes. */
    const hf_seq end = hf_seq_min(conn->rx_read + readable, conn->rcv_adv);
    check_bytes_have_chunks(c, conn, conn->rx_read, end);
    if (readable > 0 && !hfi_has(conn, HFI_F_ENDED))
        FUZZ_CHECK(conn->rx_tail != HFI_NONE &&
                   rx->number[conn->rx_tail] ==
                       hfi_chunk_number(rx, hfi_rcv_offset(conn, end - 1)));
    FUZZ_CHECK(hf_seq_le(conn->rx_read, conn->rcv_adv));
    c->granted_bytes += conn->rcv_adv - conn->rx_read;
}

/* ---- One connection: as a whole ---- */

/* RULINGS of the house: a wait that nobody owns has a deadline. These may last, while a handle, or
 * a listener's queue, owns them. */
static bool may_wait_for_ever(const hfi_conn *conn) {
    if (hfi_has(conn, HFI_F_CLOSED_BY_APP | HFI_F_RELEASED)) return false;
    const bool resting = conn->state == HF_ESTABLISHED || conn->state == HF_CLOSE_WAIT ||
                         conn->state == HF_FIN_WAIT_2;
    return resting && hfi_in_flight(conn) == 0 && hfi_unsent(conn) == 0;
}

static void check_timer(const census *c, const hfi_conn *conn, uint32_t index) {
    const bool armed = hfi_wheel_armed(&c->ctx->wheel, index);
    if (hfi_has(conn, HFI_F_ENDED)) {
        FUZZ_CHECK(!armed);
        return;
    }
    if (conn->timers != 0) FUZZ_CHECK(armed);
    /* What stands on the transmit list is looked at before anything else can happen to it. */
    if (!armed) FUZZ_CHECK(may_wait_for_ever(conn) || hfi_has(conn, HFI_F_IN_TX));
}

static void check_known(census *c, const hfi_conn *conn, uint32_t index) {
    FUZZ_CHECK(hfi_has(conn, HFI_F_KNOWN) == !hfi_has(conn, HFI_F_ENDED));
    if (!hfi_has(conn, HFI_F_KNOWN)) return;
    const hfi_flow_key key = hfi_conn_key(c->ctx, conn);
    FUZZ_CHECK(hfi_tcp_find(c->ctx, &key) == hfi_flow_ref(HFI_FLOW_CONN, index));
    c->known++;
}

static void check_memory_of(const hfi_conn *conn, check_memory *memory, uint32_t index) {
    const bool same = memory->conns[index].known && !hfi_has(conn, HFI_F_ENDED) &&
                      memory->conns[index].generation == conn->generation;
    if (same) {
        FUZZ_CHECK(hf_seq_le(memory->conns[index].right_edge, conn->rcv_adv));
        FUZZ_CHECK(hf_seq_le(memory->conns[index].snd_una, conn->snd_una));
        FUZZ_CHECK(hf_seq_le(memory->conns[index].rcv_nxt, conn->rcv_nxt));
        FUZZ_CHECK(hf_seq_le(memory->conns[index].rx_read, conn->rx_read));
    }
    /* Before the peer's SYN there is no sequence number of the peer's. */
    memory->conns[index].known = !hfi_has(conn, HFI_F_ENDED) && conn->state != HF_SYN_SENT;
    memory->conns[index].generation = conn->generation;
    memory->conns[index].right_edge = conn->rcv_adv;
    memory->conns[index].snd_una = conn->snd_una;
    memory->conns[index].rcv_nxt = conn->rcv_nxt;
    memory->conns[index].rx_read = conn->rx_read;
}

static void check_conn(census *c, const hfi_conn *conn, uint32_t index) {
    FUZZ_CHECK(conn->state < HF_STATE_COUNT && conn->state != HF_LISTEN);
    if (conn->state == HF_CLOSED || conn->state == HF_TIME_WAIT)
        FUZZ_CHECK(hfi_has(conn, HFI_F_ENDED));
    check_send(c, conn);
    check_receive(c, conn);
    check_timer(c, conn, index);
    check_known(c, conn, index);
    c->live += !hfi_has(conn, HFI_F_ENDED);
    c->in_tx += hfi_has(conn, HFI_F_IN_TX);
    c->in_ready += hfi_has(conn, HFI_F_IN_READY);
    c->waits_room += hfi_has(conn, HFI_F_WAITS_ROOM);
    c->untold += hfi_has(conn, HFI_F_ENDED) && hfi_has(conn, HFI_E_LISTED);
    c->unaccepted += hfi_has(conn, HFI_F_UNACCEPTED);
    /* Until the handshake is done, what else is owed waits for it. */
    if (conn->pending != 0 && !syn_is_out(conn)) FUZZ_CHECK(hfi_has(conn, HFI_F_IN_TX));
    const bool tells = conn->events != 0 && !hfi_has(conn, HFI_F_UNACCEPTED | HFI_F_DETACHED);
    if (tells) FUZZ_CHECK(hfi_has(conn, HFI_F_IN_READY));
    FUZZ_CHECK(c->ctx->option_sets[conn->options].uses > 0);
    c->sets_used++;
}

static void check_conns(census *c, check_memory *memory) {
    uint32_t used = 0;
    for (uint32_t i = 0; i < c->root->conn_pool.count; i++) {
        const hfi_conn *conn = &c->ctx->conns[i];
        if (c->conn_free[i]) {
            FUZZ_CHECK(conn->flags == 0 && conn->state == HF_CLOSED);
            FUZZ_CHECK(!hfi_wheel_armed(&c->ctx->wheel, i));
            memory->conns[i].known = false;
            continue;
        }
        used++;
        check_memory_of(conn, memory, i);
        check_conn(c, conn, i);
    }
    check_pool(&c->root->conn_pool, c->ctx->conn_next, used);
    FUZZ_CHECK(c->root->live == c->live);
}

/* ---- Lists ---- */

static void check_list(const census *c, const hfi_queue *queue, hfi_link_field field,
                       uint32_t flag) {
    uint32_t count = 0;
    hfi_index last = HFI_NONE;
    for (hfi_index at = queue->head; at != HFI_NONE;) {
        const hfi_conn *conn = &c->ctx->conns[at];
        FUZZ_CHECK(at < c->root->conn_pool.count && !c->conn_free[at] && hfi_has(conn, flag));
        FUZZ_CHECK(++count <= c->root->conn_pool.count);
        last = at;
        at = field == HFI_LINK_TX      ? conn->tx_next
             : field == HFI_LINK_READY ? conn->ready_next
                                       : conn->queue_next;
    }
    FUZZ_CHECK(queue->tail == last && queue->count == count);
}

/* Every ended connection that a handle stands for waits to be told, within the budget. */
static void check_untold(const census *c) {
    uint32_t count = 0;
    hfi_index before = HFI_NONE;
    for (hfi_index at = c->root->ended.head; at != HFI_NONE; at = c->ctx->conns[at].end_next) {
        const hfi_conn *conn = &c->ctx->conns[at];
        FUZZ_CHECK(!c->conn_free[at] && hfi_has(conn, HFI_F_ENDED) && hfi_has(conn, HFI_E_LISTED));
        FUZZ_CHECK(!hfi_has(conn, HFI_F_DETACHED) && conn->end_previous == before);
        FUZZ_CHECK(++count <= c->root->config.end_budget);
        before = at;
    }
    FUZZ_CHECK(c->root->ended.tail == before);
    FUZZ_CHECK(c->root->ended.count == count && c->untold == count);
}

static void check_lists(const census *c) {
    check_untold(c);
    check_list(c, &c->root->tx, HFI_LINK_TX, HFI_F_IN_TX);
    check_list(c, &c->root->ready, HFI_LINK_READY, HFI_F_IN_READY);
    check_list(c, &c->root->room, HFI_LINK_QUEUE, HFI_F_WAITS_ROOM);
    FUZZ_CHECK(c->root->tx.count == c->in_tx);
    FUZZ_CHECK(c->root->ready.count == c->in_ready);
    FUZZ_CHECK(c->root->room.count == c->waits_room);
}

/* ---- Listeners, handshakes, TIME_WAIT ---- */

static uint32_t check_listeners(census *c) {
    uint32_t used = 0, unaccepted = 0;
    for (uint32_t i = 0; i < c->root->config.listeners; i++) {
        const hfi_listener *listener = &c->ctx->listeners[i];
        if (!listener->used) continue;
        uint32_t handshaking = 0;
        for (uint32_t k = 0; k < c->root->config.syn_entries; k++)
            handshaking += c->ctx->syns[k].attempts > 0 && c->ctx->syns[k].listener == i;
        FUZZ_CHECK(handshaking == listener->handshaking);
        /* Linux reserves nothing, and its queues hold one more than the backlog. */
        const bool late = hfi_quirk(c->ctx, HF_QUIRK_LATE_SLOT_CHECK);
        FUZZ_CHECK(late || listener->accept.count + handshaking <= listener->backlog);
        check_list(c, &listener->accept, HFI_LINK_QUEUE, HFI_F_UNACCEPTED);
        unaccepted += listener->accept.count;
        c->sets_used++;
        used++;
    }
    FUZZ_CHECK(unaccepted == c->unaccepted);
    return used;
}

static void check_handshakes(census *c) {
    uint32_t used = 0;
    for (uint32_t i = 0; i < c->root->config.syn_entries; i++) {
        const hfi_syn_entry *entry = &c->ctx->syns[i];
        FUZZ_CHECK(hfi_wheel_armed(&c->ctx->wheel, c->root->config.conns + i) ==
                   (entry->attempts > 0));
        if (entry->attempts == 0) continue;
        used++;
        c->sets_used += entry->route_set != HFI_NO_ROUTE_SET;
        const hfi_flow_key key = {c->ctx->locals[entry->local], entry->remote, entry->local_port,
                                  entry->remote_port};
        FUZZ_CHECK(hfi_tcp_find(c->ctx, &key) == hfi_flow_ref(HFI_FLOW_SYN, i));
    }
    check_pool(&c->root->syn_pool, c->ctx->syn_next, used);
    /* Each reservation has its connection block. */
    const bool late = hfi_quirk(c->ctx, HF_QUIRK_LATE_SLOT_CHECK);
    FUZZ_CHECK(late || used <= hfi_pool_left(&c->root->conn_pool));
}

static void check_time_wait(const hfi_tw_pool *pool, const hfi_time_wait *entries, uint32_t count) {
    uint32_t used = 0;
    for (int kind = 0; kind < HFI_TW_CLASSES; kind++) {
        hfi_index before = HFI_NONE;
        for (hfi_index at = pool->head[kind]; at != HFI_NONE; at = entries[at].next) {
            FUZZ_CHECK(++used <= count && entries[at].previous == before);
            if (before != HFI_NONE)
                FUZZ_CHECK(hfi_tick_le(entries[before].until, entries[at].until));
            before = at;
        }
        FUZZ_CHECK(pool->tail[kind] == before);
    }
    FUZZ_CHECK(pool->used == used);
}

/* ---- Frames ---- */

static void check_slots(census *c) {
    uint32_t used = 0, ready = 0;
    for (uint32_t i = 0; i < c->root->config.tx_frames; i++) {
        const hfi_slot *slot = &c->e->slots[i];
        if (slot->state == HFI_SLOT_FREE) {
            FUZZ_CHECK(slot->part_count == 0);
            continue;
        }
        used++;
        ready += slot->state == HFI_SLOT_READY;
        for (uint32_t k = 0; k < slot->part_count; k++) c->tx_references[slot->parts[k].chunk]++;
    }
    check_pool(&c->e->state->slot_pool, c->e->slot_next, used);
    FUZZ_CHECK(c->e->state->order_count == ready);
}

static uint32_t option_uses(const census *c) {
    uint32_t uses = 0;
    for (uint32_t i = 0; i < c->root->config.option_sets; i++) uses += c->ctx->option_sets[i].uses;
    return uses;
}

/* ---- All of it ---- */

void check_engine(const hf_engine *engine, check_memory *memory) {
    const hfi_engine *e = hfi_of_const(engine);
    census c = {.e = e, .ctx = &e->ctx, .root = e->ctx.root};
    const hfi_root *root = c.root;
    mark_free_conns(&c);
    check_conns(&c, memory);
    check_lists(&c);
    const uint32_t listeners = check_listeners(&c);
    check_handshakes(&c);
    check_time_wait(&root->tw4, e->ctx.tw4, root->config.time_wait);
    check_time_wait(&root->tw6, e->ctx.tw6, root->config.time_wait6);
    check_slots(&c);
    FUZZ_CHECK(root->segment_pool.used == c.segments);
    check_pool(&root->range_pool, e->ctx.range_next, c.ranges);
    FUZZ_CHECK(root->flight_pool.used == c.flights);
    check_conn_owners(&c);
    check_chunks(&e->ctx.rx, c.rx_references, hfi_owner_rows(&e->ctx.owners));
    check_chunks(&e->ctx.tx, c.tx_references, hfi_owner_rows(&e->ctx.owners));
    FUZZ_CHECK(root->rx_granted_bytes == c.granted_bytes);
    FUZZ_CHECK(hfi_flow_count(&e->ctx.flow) ==
               c.known + root->syn_pool.used + root->tw4.used + root->tw6.used + listeners);
    FUZZ_CHECK(option_uses(&c) == c.sets_used);
}

void check_engine_empty(const hf_engine *engine) {
    const hfi_engine *e = hfi_of_const(engine);
    const hfi_root *root = e->ctx.root;
    const hfi_pool *pools[] = {&root->conn_pool,   &root->segment_pool, &root->range_pool,
                               &root->flight_pool, &root->syn_pool,     &root->rx_pool,
                               &root->tx_pool,     &e->state->slot_pool};
    for (size_t i = 0; i < sizeof pools / sizeof pools[0]; i++) FUZZ_CHECK(pools[i]->used == 0);
    FUZZ_CHECK(root->rx_granted_bytes == 0 && root->live == 0);
}
