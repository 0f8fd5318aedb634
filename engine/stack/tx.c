/* Segments out: departures become frames, pulled from the connections that owe some. */
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
            hfi_sum(&e->ctx, hfi_chunk_at(&e->ctx.tx, part->chunk, part->offset), part->bytes);
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
                          const hfi_exit *exit) {
    const bool ip4 = hf_addr_is4(&d->destination);
    const uint32_t option_bytes = d->route != NULL ? hfi_ip4_route_bytes(d->route) : 0;
    const uint32_t ip_bytes = HFI_IP_HEADER_BYTES(ip4) + option_bytes;
    uint8_t *const ip = hfi_slot_ip(e, slot, exit, ip4);
    uint8_t *tcp = ip + ip_bytes;
    const uint32_t tcp_bytes = hfi_tcp_build(tcp, &d->tcp);
    const uint32_t segment = tcp_bytes + d->tcp.payload_bytes;
    if (ip4)
        hfi_ip4_build(ip, &d->source, &d->destination, HFI_IP_TCP, d->ttl, d->traffic_class, 0,
                      true, segment);
    else
        hfi_ip6_build(ip, &d->source, &d->destination, HFI_IP_TCP, d->ttl, d->traffic_class, 0,
                      segment);
    if (option_bytes > 0) hfi_ip4_route_write(ip, d->route);
    slot->header_bytes = (uint16_t)(tcp + tcp_bytes - slot->header);
    slot->total_bytes = slot->header_bytes + d->tcp.payload_bytes;
    if (d->gso_bytes != 0) {
        slot->gso_bytes = d->gso_bytes;
        slot->flags |= ip4 ? HF_FRAME_GSO4 : HF_FRAME_GSO6;
        if ((d->tcp.flags & HFI_TCP_CWR) != 0) slot->flags |= HF_FRAME_ECN;
    }
    const uint32_t pseudo = hfi_ip_pseudo_sum(&d->source, &d->destination, HFI_IP_TCP, segment);
    finish_checksum(e, slot, &e->ip.interfaces[exit->interface], tcp, tcp_bytes, pseudo);
}

bool hfi_tx_departure(hfi_engine *e, const hfi_departure *d, const hfi_exit *exit) {
    hfi_slot *slot = hfi_slot_take(e, exit->interface, d->cause);
    if (slot == NULL) return false;
    if (d->conn != HFI_NONE) slot->conn = (hf_conn){d->conn, e->ctx.conns[d->conn].generation};
    slot->a = d->a;
    slot->b = d->b;
    add_payload(e, slot, d);
    build_headers(e, slot, d, exit);
    hfi_slot_send(e, slot);
    return true;
}

void hfi_tx_effects(hfi_engine *e, const hfi_effects *effects) {
    hfi_exit exit;
    if (effects->reply) {
        const hf_addr first =
            hfi_first_hop(effects->departure.route, &effects->departure.destination);
        if (hfi_link_reply_exit(e, &first, &exit))
            hfi_tx_departure(e, &effects->departure, &exit);
        else
            hfi_count(&e->ctx, HF_CAUSE_DROP_NEIGHBOR_UNKNOWN);
    }
    if (effects->reachable != HFI_NONE) hfi_link_reachable(e, effects->reachable);
    if (effects->doubt_path != HFI_NONE) hfi_link_doubt(e, effects->doubt_path);
}

/* ---- Pulling from connections ---- */

/* The most payload in one frame: a super-segment's, where the interface takes one. */
static uint32_t super_max(const hfi_engine *e, const hfi_conn *conn, const hfi_exit *exit) {
    const uint32_t gso =
        hfi_min32(e->ip.interfaces[exit->interface].gso_max_bytes, HFI_IP_PACKET_MAX);
    const uint32_t by_parts = (HFI_SLOT_PARTS - 1) * hfi_chunk_bytes(&e->ctx.tx);
    if (gso > 200) return hfi_min32(gso - 120, by_parts);
    /* Where no driver cuts, send_pieces does: as many as there are slots, a turn at most, and what one
     * descriptor can stand for. What is decided once for 16 segments costs each a sixteenth. */
    const uint32_t slots = hfi_min32(hfi_pool_left(&e->state->slot_pool), TURN_SEGMENTS);
    return hfi_min32(slots, UINT16_MAX / conn->mss) * conn->mss;
}

void hfi_tx_lose(hfi_engine *e, hfi_conn *conn) {
    hfi_departure departure;
    for (uint32_t i = 0; i < TURN_SEGMENTS && conn->pending != 0; i++) {
        if (!hfi_tcp_emit(&e->ctx, conn, conn->mss, &departure)) break;
        hfi_note(&e->ctx, departure.conn, HF_CAUSE_DROP_NEIGHBOR_UNKNOWN, 0, 0);
    }
}

typedef enum turn { TURN_DONE, TURN_MORE, TURN_WAITS } turn;

/* A super-segment as the frames that it stands for. */
static void send_pieces(hfi_engine *e, const hfi_departure *whole, const hfi_exit *exit) {
    const hfi_chunks *tx = &e->ctx.tx;
    hfi_departure piece = *whole;
    uint32_t left = whole->tcp.payload_bytes;
    piece.gso_bytes = 0;
    piece.tcp.flags &= (uint8_t) ~(HFI_TCP_FIN | HFI_TCP_PSH);
    for (uint32_t here; left > 0; left -= here) {
        here = hfi_min32(left, whole->gso_bytes);
        if (here == left) piece.tcp.flags |= whole->tcp.flags & (HFI_TCP_FIN | HFI_TCP_PSH);
        if (whole->a == whole->tcp.payload_bytes) piece.a = here;
        piece.tcp.payload_bytes = here;
        piece.chunk = hfi_chunk_find(tx, piece.chunk, hfi_chunk_number(tx, piece.offset));
        hfi_tx_departure(e, &piece, exit);
        piece.tcp.flags &= (uint8_t)~HFI_TCP_CWR; /* RFC 3168 6.1.2: once */
        piece.tcp.seq += here;
        piece.offset += here;
    }
}

static turn send_turn(hfi_engine *e, hfi_conn *conn, const hfi_exit *exit) {
    hfi_departure departure;
    const bool driver_cuts = e->ip.interfaces[exit->interface].gso_max_bytes > 0;
    for (uint32_t i = 0; i < TURN_SEGMENTS; i++) {
        if (hfi_pool_left(&e->state->slot_pool) == 0) return TURN_MORE;
        if (!hfi_tcp_emit(&e->ctx, conn, super_max(e, conn, exit), &departure)) return TURN_DONE;
        if (departure.gso_bytes != 0 && !driver_cuts)
            send_pieces(e, &departure, exit);
        else
            hfi_tx_departure(e, &departure, exit);
        if (conn->pending == 0) return TURN_DONE;
    }
    return TURN_MORE;
}

/* One connection's turn. */
static turn serve(hfi_engine *e, hfi_conn *conn) {
    hfi_exit exit;
    hfi_index neighbor;
    if (conn->pending == 0) return TURN_DONE;
    switch (hfi_link_exit(e, conn, &exit, &neighbor)) {
    case HFI_WAY_OPEN: return send_turn(e, conn, &exit);
    case HFI_WAY_ASKED:
        if (hfi_has(conn, HFI_F_ENDED)) break; /* its RST is not worth a wait */
        hfi_link_wait(e, conn, neighbor);
        return TURN_WAITS;
    case HFI_WAY_CLOSED: break;
    }
    hfi_tx_lose(e, conn);
    return TURN_DONE;
}

void hfi_tx_fill(hfi_engine *e, size_t wanted) {
    hfi_ctx *ctx = &e->ctx;
    hfi_queue *list = &ctx->root->tx;
    while (list->head != HFI_NONE && e->state->order_count < wanted &&
           hfi_pool_left(&e->state->slot_pool) > 0) {
        const hfi_index index = hfi_queue_pop(ctx, list, HFI_LINK_TX);
        hfi_conn *conn = &ctx->conns[index];
        const turn result = serve(e, conn);
        if (result == TURN_WAITS) {
            hfi_tcp_settle(ctx, conn);
            continue;
        }
        if (result == TURN_MORE)
            hfi_queue_push(ctx, list, HFI_LINK_TX, index);
        else
            conn->flags &= ~(uint32_t)HFI_F_IN_TX;
        hfi_tcp_settle(ctx, conn);
    }
}
