/* Frames out: departures become frames in slots, in order, and slots are lent to the driver. */
#include "stack/engine.h"
#include "wire/ip.h"

/* Segments that one connection may send before the next has its turn. */
#define TURN_SEGMENTS 16

/* ---- Making a frame ---- */

/* Names the chunks of the payload and holds them. */
static void add_payload(hfi_engine *e, hfi_slot *slot, const hfi_departure *d) {
    hfi_chunks *tx = &e->ctx.tx;
    uint32_t left = d->tcp.payload_bytes, offset = d->offset;
    for (hfi_index chunk = d->chunk; left > 0; chunk = tx->next[chunk]) {
        HF_ASSERT(chunk != HFI_NONE && slot->part_count < HFI_SLOT_PARTS);
        const uint32_t here = hfi_min32(left, hfi_chunk_room(tx, offset));
        slot->parts[slot->part_count++] = (hfi_slot_part){chunk, offset, here};
        hfi_chunk_hold(tx, chunk);
        offset += here;
        left -= here;
    }
}

static uint32_t sum_payload(const hfi_engine *e, const hfi_slot *slot) {
    uint32_t sum = 0, done = 0;
    for (uint32_t i = 0; i < slot->part_count; i++) {
        const hfi_slot_part *part = &slot->parts[i];
        const uint32_t piece =
            hfi_csum_add(0, hfi_chunk_at(&e->ctx.tx, part->chunk, part->offset), part->bytes);
        sum += (done & 1) != 0 ? hfi_csum_swap(piece) : piece;
        done += part->bytes;
    }
    return sum;
}

static void finish_checksum(hfi_engine *e, hfi_slot *slot, const hfi_interface *interface,
                            uint8_t *tcp, uint32_t tcp_bytes, uint32_t pseudo) {
    if (interface->csum_offload) {
        slot->flags |= HF_FRAME_NEEDS_CSUM;
        slot->csum_start = (uint16_t)(tcp - slot->header);
        slot->csum_offset = HFI_TCP_CSUM_OFFSET;
        hfi_store16(tcp + HFI_TCP_CSUM_OFFSET, hfi_csum_fold(pseudo));
        return;
    }
    hfi_csum_store(tcp + HFI_TCP_CSUM_OFFSET,
                   pseudo + hfi_csum_add(0, tcp, tcp_bytes) + sum_payload(e, slot));
}

static void build_headers(hfi_engine *e, hfi_slot *slot, const hfi_departure *d,
                          const hfi_interface *interface) {
    const bool ip4 = hf_addr_is4(&d->destination);
    const uint32_t ip_bytes = ip4 ? HFI_IP4_BYTES : HFI_IP6_BYTES;
    uint8_t *tcp = slot->header + ip_bytes;
    const uint32_t tcp_bytes = hfi_tcp_build(tcp, &d->tcp);
    const uint32_t segment = tcp_bytes + d->tcp.payload_bytes;
    if (ip4)
        hfi_ip4_build(slot->header, &d->source, &d->destination, HFI_IP_TCP, d->ttl,
                      d->traffic_class, 0, true, segment);
    else
        hfi_ip6_build(slot->header, &d->source, &d->destination, HFI_IP_TCP, d->ttl,
                      d->traffic_class, 0, segment);
    slot->header_bytes = (uint16_t)(ip_bytes + tcp_bytes);
    slot->total_bytes = ip_bytes + segment;
    if (d->gso_bytes != 0) {
        slot->gso_bytes = d->gso_bytes;
        slot->flags |= ip4 ? HF_FRAME_GSO4 : HF_FRAME_GSO6;
    }
    const uint32_t pseudo = hfi_ip_pseudo_sum(&d->source, &d->destination, HFI_IP_TCP, segment);
    finish_checksum(e, slot, interface, tcp, tcp_bytes, pseudo);
}

static void queue_slot(hfi_engine *e, uint32_t index) {
    hfi_stack_state *s = e->state;
    e->slots[index].state = HFI_SLOT_READY;
    e->order[(s->order_head + s->order_count) % e->ctx.root->config.tx_frames] = index;
    s->order_count++;
}

bool hfi_tx_departure(hfi_engine *e, const hfi_departure *d) {
    hfi_ctx *ctx = &e->ctx;
    hfi_next_hop hop;
    if (!hfi_ip_route(&e->ip, &d->destination, &hop)) {
        hfi_count(ctx, HF_CAUSE_DROP_NEIGHBOR_UNKNOWN);
        return false;
    }
    const uint32_t index = hfi_pool_take(&e->state->slot_pool, e->slot_next);
    if (index == HFI_NONE) {
        hfi_count(ctx, HF_CAUSE_DROP_TX_FULL);
        return false;
    }
    hfi_slot *slot = &e->slots[index];
    const uint32_t generation = d->conn != HFI_NONE ? ctx->conns[d->conn].generation : 0;
    slot->interface = hop.interface;
    slot->flags = 0;
    slot->gso_bytes = slot->csum_start = slot->csum_offset = 0;
    slot->part_count = 0;
    slot->frame_id = ++ctx->root->frame_id;
    slot->conn = (hf_conn){d->conn, generation};
    slot->cause = (uint16_t)d->cause;
    slot->a = d->a;
    slot->b = d->b;
    add_payload(e, slot, d);
    build_headers(e, slot, d, &e->ip.interfaces[hop.interface]);
    queue_slot(e, index);
    hfi_count(ctx, d->cause);
    if (HFI_UNLIKELY(ctx->trace != NULL)) {
        ctx->frame_id = slot->frame_id;
        hfi_trace(ctx, HF_TRACE_FRAME_SENT, d->conn, d->cause, d->a, d->b);
    }
    return true;
}

void hfi_tx_effects(hfi_engine *e, const hfi_effects *effects) {
    if (effects->reply) hfi_tx_departure(e, &effects->departure);
}

/* ---- Pulling from connections ---- */

/* The most payload in one frame: a super-segment's, where the interface takes one. */
static uint32_t super_max(const hfi_engine *e, const hfi_conn *conn) {
    hfi_next_hop hop;
    if (!hfi_ip_route(&e->ip, &conn->remote, &hop)) return conn->mss;
    const uint32_t gso =
        hfi_min32(e->ip.interfaces[hop.interface].gso_max_bytes, HFI_IP_PACKET_MAX);
    const uint32_t by_parts = (HFI_SLOT_PARTS - 1) * hfi_chunk_bytes(&e->ctx.tx);
    return gso > 200 ? hfi_min32(gso - 120, by_parts) : conn->mss;
}

/* One connection's turn. Returns true if it owes more. */
static bool serve(hfi_engine *e, hfi_conn *conn) {
    hfi_departure departure;
    const uint32_t most = super_max(e, conn);
    for (uint32_t i = 0; i < TURN_SEGMENTS; i++) {
        if (hfi_pool_left(&e->state->slot_pool) == 0) return true;
        if (!hfi_tcp_emit(&e->ctx, conn, most, &departure)) return false;
        hfi_tx_departure(e, &departure);
    }
    return true;
}

static void fill_slots(hfi_engine *e, size_t wanted) {
    hfi_ctx *ctx = &e->ctx;
    hfi_queue *list = &ctx->root->tx;
    while (list->head != HFI_NONE && e->state->order_count < wanted &&
           hfi_pool_left(&e->state->slot_pool) > 0) {
        const hfi_index index = hfi_queue_pop(ctx, list, HFI_LINK_TX);
        hfi_conn *conn = &ctx->conns[index];
        const bool more = serve(e, conn);
        if (more)
            hfi_queue_push(ctx, list, HFI_LINK_TX, index);
        else
            conn->flags &= ~(uint32_t)HFI_F_IN_TX;
        hfi_tcp_settle(ctx, conn);
    }
}

/* ---- Lending to the driver ---- */

static void lend(const hfi_engine *e, uint32_t index, hf_frame *ret) {
    const hfi_slot *slot = &e->slots[index];
    ret->interface = slot->interface;
    ret->flags = slot->flags;
    ret->gso_bytes = slot->gso_bytes;
    ret->header_bytes = slot->header_bytes;
    ret->csum_start = slot->csum_start;
    ret->csum_offset = slot->csum_offset;
    ret->total_bytes = slot->total_bytes;
    ret->part_count = slot->part_count + 1u;
    ret->token = index;
    ret->frame_id = slot->frame_id;
    ret->cause = (hf_cause)slot->cause;
    ret->conn = slot->conn;
    ret->cause_a = slot->a;
    ret->cause_b = slot->b;
    ret->parts[0] = (hf_part){slot->header, slot->header_bytes};
    for (uint32_t i = 0; i < slot->part_count; i++)
        ret->parts[i + 1] =
            (hf_part){hfi_chunk_at(&e->ctx.tx, slot->parts[i].chunk, slot->parts[i].offset),
                      slot->parts[i].bytes};
}

size_t hf_tx_peek(hf_engine *engine, hf_frame *ret_frames, size_t max) {
    hfi_engine *e = hfi_of(engine);
    fill_slots(e, max);
    const size_t count = hfi_min64(max, e->state->order_count);
    for (size_t i = 0; i < count; i++)
        lend(e, e->order[(e->state->order_head + i) % e->ctx.root->config.tx_frames],
             &ret_frames[i]);
    e->state->peeked = (uint32_t)count;
    return count;
}

static void finish_slot(hfi_engine *e, uint32_t index) {
    hfi_slot *slot = &e->slots[index];
    for (uint32_t i = 0; i < slot->part_count; i++)
        hfi_chunk_drop(&e->ctx.tx, slot->parts[i].chunk);
    slot->part_count = 0;
    slot->state = HFI_SLOT_FREE;
    hfi_pool_give(&e->state->slot_pool, e->slot_next, index);
}

void hf_tx_taken(hf_engine *engine, size_t count) {
    hfi_engine *e = hfi_of(engine);
    hfi_stack_state *s = e->state;
    const size_t taken = hfi_min64(count, s->peeked);
    for (size_t i = 0; i < taken; i++) {
        const uint32_t index = e->order[s->order_head];
        s->order_head = (s->order_head + 1) % e->ctx.root->config.tx_frames;
        s->order_count--;
        e->slots[index].state = HFI_SLOT_TAKEN;
        if (e->ip.interfaces[e->slots[index].interface].auto_done) finish_slot(e, index);
    }
    s->peeked = 0;
}

void hf_tx_done(hf_engine *engine, uint32_t token) {
    hfi_engine *e = hfi_of(engine);
    if (token < e->ctx.root->config.tx_frames && e->slots[token].state == HFI_SLOT_TAKEN)
        finish_slot(e, token);
}
