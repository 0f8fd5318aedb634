/* Frames in: from the link to the transport. */
#include "stack/engine.h"
#include "wire/ip.h"
#include "wire/plain.h"

/* The sum of the transport segment, which starts `skip` bytes into the parts. */
static uint32_t sum_parts(const hfi_engine *e, const hf_frame *frame, uint32_t skip,
                          uint32_t bytes) {
    uint32_t sum = 0, done = 0;
    for (uint32_t i = 0; i < frame->part_count && done < bytes; i++) {
        const hf_part *part = &frame->parts[i];
        if (skip >= part->bytes) {
            skip -= part->bytes;
            continue;
        }
        const uint32_t here = hfi_min32(part->bytes - skip, bytes - done);
        const uint32_t piece = hfi_sum(&e->ctx, (const uint8_t *)part->data + skip, here);
        sum += (done & 1) != 0 ? hfi_csum_swap(piece) : piece;
        done += here;
        skip = 0;
    }
    return sum;
}

bool hfi_rx_sum_good(const hfi_engine *e, const hf_frame *frame, const hfi_ip_view *ip,
                     uint32_t skip) {
    if ((frame->flags & (HF_FRAME_CSUM_OK | HF_FRAME_NEEDS_CSUM)) != 0) return true;
    /* Only ICMPv4 has none (RFC 792). */
    const bool bare = ip->protocol == HFI_IP_ICMP4 && ip->version == 4;
    const uint32_t pseudo =
        bare ? 0
             : hfi_ip_pseudo_sum(&ip->source, &ip->destination, ip->protocol, ip->payload_bytes);
    return hfi_csum_good(pseudo + sum_parts(e, frame, skip, ip->payload_bytes));
}

/* Only loopback brings what we sent to ourselves. */
static bool is_land(const hfi_engine *e, const hfi_arrival *arrival, uint32_t interface) {
    return arrival->tcp.source_port == arrival->tcp.destination_port &&
           hf_addr_equal(&arrival->source, &arrival->destination) &&
           e->ip.interfaces[interface].link != HF_LINK_LOOPBACK;
}

/* A destination that is not one of our addresses is a group's. What belongs to a connection has good
 * addresses, or there would be none: but for LAND nothing is asked. */
static hf_cause check_tcp_addresses(const hfi_engine *e, const hfi_ip_view *ip,
                                    const hfi_arrival *arrival, uint32_t interface,
                                    uint32_t local) {
    if (HFI_UNLIKELY(is_land(e, arrival, interface))) return HF_CAUSE_DROP_LAND;
    if (hfi_flow_kind(arrival->ref) == HFI_FLOW_CONN) return HF_CAUSE_NONE;
    const bool group = local == HFI_NONE || hfi_addr_is_multicast(&ip->source) ||
                       hfi_ip_is_broadcast(&e->ip, &ip->source);
    if (group) return HF_CAUSE_DROP_TCP_GROUP;
    return hf_addr_is_any(&ip->source) ? HF_CAUSE_DROP_IP_SOURCE : HF_CAUSE_NONE;
}

/* RFC 9293 3.9.2.1, behind an option that is off: the way back of a packet's source route. Of a packet
 * that came in fragments it is not known. */
static hf_cause read_route(const hfi_engine *e, const hf_frame *frame, const hfi_ip_view *ip,
                           uint32_t skip, hf_source_route *back, const hf_source_route **ret) {
    *ret = NULL;
    const bool may_have = ip->version == 4 && ip->header_bytes > HFI_IP4_BYTES &&
                          skip >= ip->header_bytes && hfi_quirk(&e->ctx, HF_QUIRK_SOURCE_ROUTES);
    if (HFI_LIKELY(!may_have)) return HF_CAUSE_NONE;
    const uint8_t *packet = (const uint8_t *)frame->parts[0].data + skip - ip->header_bytes;
    const hfi_route_kind kind = hfi_ip4_route_read(packet, ip->header_bytes, back);
    if (kind == HFI_ROUTE_BACK) *ret = back;
    return kind == HFI_ROUTE_BAD ? HF_CAUSE_DROP_SOURCE_ROUTE : HF_CAUSE_NONE;
}

static hf_verdict verdict_of(const hfi_engine *e, hfi_outcome out) {
    const uint32_t generation = out.conn != HFI_NONE ? e->ctx.conns[out.conn].generation : 0;
    return (hf_verdict){out.action, out.cause, {out.conn, generation}, out.a, out.b};
}

/* Where the payload of an arrival lies: in the frame's parts. */
static void lies_in(const hf_frame *frame, uint32_t skip, hfi_arrival *ret) {
    ret->gso_bytes = (frame->flags & (HF_FRAME_GSO4 | HF_FRAME_GSO6)) != 0 ? frame->gso_bytes : 0;
    ret->parts = frame->parts;
    ret->part_count = frame->part_count;
    ret->skip = skip;
}

static hf_verdict give_to_tcp(hfi_engine *e, const hfi_arrival *arrival) {
    hfi_effects effects = hfi_no_effects();
    const hfi_outcome out = hfi_tcp_arrives(&e->ctx, arrival, &effects);
    hfi_tx_effects(e, &effects);
    return verdict_of(e, out);
}

static uint32_t owner_of_segment(const hfi_engine *e, const hfi_arrival *arrival) {
    const hfi_flow_key key = {arrival->destination, arrival->source, arrival->tcp.destination_port,
                              arrival->tcp.source_port};
    return hfi_tcp_find(&e->ctx, &key);
}

static hf_verdict rx_tcp(hfi_engine *e, const hf_frame *frame, const hfi_ip_view *ip, uint32_t skip,
                         uint32_t local) {
    const uint8_t *segment = (const uint8_t *)frame->parts[0].data + skip;
    hfi_arrival arrival;
    const uint32_t available = frame->parts[0].bytes - skip;
    const hf_cause parse = hfi_tcp_parse(segment, available, ip->payload_bytes, &arrival.tcp);
    const bool bad_option = parse == HF_CAUSE_DROP_TCP_OPTION;
    if (parse != HF_CAUSE_NONE && !bad_option) return hfi_verdict(HF_VERDICT_DROPPED, parse);
    if (bad_option) hfi_tcp_parse_header(segment, available, ip->payload_bytes, &arrival.tcp);
    if (!hfi_rx_sum_good(e, frame, ip, skip))
        return hfi_verdict(HF_VERDICT_DROPPED, HF_CAUSE_DROP_TCP_CHECKSUM);
    hf_source_route back;
    const hf_cause route = read_route(e, frame, ip, skip, &back, &arrival.route);
    arrival.source = ip->source;
    arrival.destination = ip->destination;
    arrival.local = (uint16_t)local;
    arrival.ref = owner_of_segment(e, &arrival);
    const hf_cause addresses = check_tcp_addresses(e, ip, &arrival, frame->interface, local);
    if (addresses != HF_CAUSE_NONE) return hfi_verdict(HF_VERDICT_DROPPED, addresses);
    if (route != HF_CAUSE_NONE) return hfi_verdict(HF_VERDICT_DROPPED, route);
    arrival.mtu = hfi_link_tcp_mtu(e, frame->interface);
    arrival.traffic_class = ip->traffic_class;
    arrival.ttl = ip->ttl;
    lies_in(frame, skip + arrival.tcp.header_bytes, &arrival);
    if (HFI_UNLIKELY(bad_option)) return verdict_of(e, hfi_tcp_bad_option(&e->ctx, &arrival));
    return give_to_tcp(e, &arrival);
}

/* ---- IP. ---- */

/* Where a packet was sent: to one of our addresses (*ret_local), to many of whom we are one
 * (HFI_NONE), or to somebody else (false). */
static bool is_for_us(const hfi_engine *e, uint32_t interface, const hfi_ip_view *ip,
                      uint32_t *ret_local) {
    *ret_local = hfi_ip_local(&e->ip, &ip->destination);
    if (*ret_local != HFI_NONE) return true;
    if (hfi_addr_is_multicast(&ip->destination))
        return hfi_neighbor_group_member(&e->ip, interface, &ip->destination);
    return hfi_ip_is_broadcast(&e->ip, &ip->destination);
}

/* Addresses that stay inside a host never come from a wire (RFC 1122 3.2.1.3 g, RFC 4291 2.5.3),
 * nor do ours: who answered would answer himself for ever. TCP's own check is LAND's, since its
 * handshake ends such a talk. */
static hf_cause check_wire_addresses(const hfi_engine *e, uint32_t interface,
                                     const hfi_ip_view *ip) {
    if (e->ip.interfaces[interface].link == HF_LINK_LOOPBACK) return HF_CAUSE_NONE;
    const bool from_self =
        ip->protocol != HFI_IP_TCP && hfi_ip_local(&e->ip, &ip->source) != HFI_NONE;
    if (from_self || hfi_addr_is_loopback(&ip->source)) return HF_CAUSE_DROP_IP_SOURCE;
    return hfi_addr_is_loopback(&ip->destination) ? HF_CAUSE_DROP_NOT_OURS : HF_CAUSE_NONE;
}

static hf_verdict rx_transport(hfi_engine *e, const hf_frame *frame, const hfi_ip_view *ip,
                               uint32_t skip, uint32_t local, bool was_fragmented) {
    /* RFC 1122 3.3.6: what the link brought to many was not meant for one address. */
    if (local != HFI_NONE && e->rx.active && e->rx.to_group)
        return hfi_verdict(HF_VERDICT_DROPPED, HF_CAUSE_DROP_ETHERNET_OTHER);
    if (ip->protocol == HFI_IP_TCP) return rx_tcp(e, frame, ip, skip, local);
    if (ip->protocol == HFI_IP_UDP) return hfi_rx_udp(e, frame, ip, skip, local);
    if (ip->protocol == (ip->version == 4 ? HFI_IP_ICMP4 : HFI_IP_ICMP6))
        return hfi_rx_icmp(e, frame, ip, skip, local, was_fragmented);
    return hfi_verdict(HF_VERDICT_DROPPED, HF_CAUSE_DROP_PROTOCOL);
}

/* A fragment; the last one to come brings the whole packet. */
static hf_verdict rx_fragment(hfi_engine *e, const hf_frame *frame, const hfi_ip_view *fragment,
                              uint32_t skip, uint32_t local) {
    hfi_whole_packet whole;
    hfi_ip_view ip;
    const uint64_t evicted = e->reassembly.state->evicted;
    const hf_cause cause = hfi_reassembly_add(&e->reassembly, fragment, frame->parts,
                                              frame->part_count, skip, e->ctx.now_ns, &whole);
    if (e->reassembly.state->evicted != evicted)
        hfi_note(&e->ctx, HFI_NONE, HF_CAUSE_DROP_FRAGMENT_EVICTED, 0, 0);
    if (cause == HF_CAUSE_TOOK_FRAGMENT) return hfi_verdict(HF_VERDICT_TOOK, cause);
    if (cause != HF_CAUSE_NONE) return hfi_verdict(HF_VERDICT_DROPPED, cause);
    const hf_frame made = {.interface = frame->interface,
                           .total_bytes = whole.bytes,
                           .part_count = 1,
                           .frame_id = frame->frame_id,
                           .parts = {{whole.packet, whole.bytes}}};
    const hf_cause parse = hfi_ip_parse(whole.packet, whole.bytes, whole.bytes, true, &ip);
    if (parse != HF_CAUSE_NONE) return hfi_verdict(HF_VERDICT_DROPPED, parse);
    return rx_transport(e, &made, &ip, ip.header_bytes, local, true);
}

/* ---- The plain shape ---- */

/* Reads a segment of the shape that nearly all have (wire/plain.h) and finds its connection. False: the
 * long way has to say what it is, or what is wrong with it. Nothing is changed. `known`: whose it is, if
 * that is clear already, else HFI_NONE. */
static bool rx_plain(const hfi_engine *e, const hf_frame *frame, uint32_t skip, uint32_t known,
                     hfi_arrival *ret) {
    const hf_part *head = &frame->parts[0];
    hfi_plain plain;
    if (!hfi_plain_parse((const uint8_t *)head->data + skip, head->bytes - skip,
                         frame->total_bytes - skip, &ret->tcp, &plain))
        return false;
    ret->source = plain.source;
    ret->destination = plain.destination;
    ret->ref = known != HFI_NONE ? known : owner_of_segment(e, ret);
    if (ret->ref == HFI_NONE || hfi_flow_kind(ret->ref) != HFI_FLOW_CONN) return false;
    ret->local = e->ctx.conns[hfi_flow_index(ret->ref)].local;
    if (!hfi_ip_usable(&e->ip, ret->local) || (e->rx.active && e->rx.to_group)) return false;
    if (HFI_UNLIKELY(is_land(e, ret, frame->interface))) return false;
    if ((frame->flags & (HF_FRAME_CSUM_OK | HF_FRAME_NEEDS_CSUM)) == 0 &&
        !hfi_csum_good(plain.pseudo_sum +
                       sum_parts(e, frame, skip + HFI_IP4_BYTES, plain.segment_bytes)))
        return false;
    ret->mtu = hfi_link_tcp_mtu(e, frame->interface);
    ret->route = NULL;
    ret->traffic_class = plain.traffic_class;
    ret->ttl = plain.ttl;
    lies_in(frame, skip + HFI_IP4_BYTES + ret->tcp.header_bytes, ret);
    return true;
}

static hf_verdict rx_ip(hfi_engine *e, const hf_frame *frame, uint32_t skip) {
    const hf_part *head = &frame->parts[0];
    hfi_ip_view ip;
    uint32_t local;
    hfi_arrival arrival;
    if (HFI_LIKELY(head->bytes >= skip) && rx_plain(e, frame, skip, HFI_NONE, &arrival))
        return give_to_tcp(e, &arrival);
    const hf_cause parse = hfi_ip_parse((const uint8_t *)head->data + skip, head->bytes - skip,
                                        frame->total_bytes - skip, false, &ip);
    if (parse != HF_CAUSE_NONE) return hfi_verdict(HF_VERDICT_DROPPED, parse);
    if (!is_for_us(e, frame->interface, &ip, &local))
        return hfi_verdict(HF_VERDICT_DROPPED, HF_CAUSE_DROP_NOT_OURS);
    const hf_cause wire = check_wire_addresses(e, frame->interface, &ip);
    if (wire != HF_CAUSE_NONE) return hfi_verdict(HF_VERDICT_DROPPED, wire);
    if (ip.is_fragment) return rx_fragment(e, frame, &ip, skip, local);
    return rx_transport(e, frame, &ip, skip + ip.header_bytes, local, ip.has_fragment_header);
}

/* ---- Ethernet. ---- */

/* For us by address, or for many; and not our own frame that came back. */
static hf_cause ethernet_parse(hfi_engine *e, const hf_frame *frame, hfi_eth_view *ret) {
    const hfi_interface *interface = &e->ip.interfaces[frame->interface];
    const hf_cause cause = hfi_eth_parse(frame->parts[0].data, frame->parts[0].bytes, ret);
    if (cause != HF_CAUSE_NONE) return cause;
    const bool to_group = hfi_mac_is_group(&ret->destination);
    const bool to_us = memcmp(ret->destination.b, interface->mac, 6) == 0;
    const bool from_us = memcmp(ret->source.b, interface->mac, 6) == 0;
    return (to_us || to_group) && !from_us ? HF_CAUSE_NONE : HF_CAUSE_DROP_ETHERNET_OTHER;
}

static hf_verdict rx_ethernet(hfi_engine *e, const hf_frame *frame) {
    hfi_eth_view eth;
    const hf_cause cause = ethernet_parse(e, frame, &eth);
    if (cause != HF_CAUSE_NONE) return hfi_verdict(HF_VERDICT_DROPPED, cause);
    e->rx = (hfi_rx_link){true, hfi_mac_is_group(&eth.destination), frame->interface, eth.source};
    hf_verdict v = hfi_verdict(HF_VERDICT_DROPPED, HF_CAUSE_DROP_ETHERNET_OTHER);
    if (eth.type == HFI_ETH_ARP)
        v = hfi_rx_arp(e, frame);
    else if (eth.type == HFI_ETH_IP4 || eth.type == HFI_ETH_IP6)
        v = rx_ip(e, frame, HFI_ETH_BYTES);
    e->rx.active = false;
    return v;
}

/* TOOK_ and DROP_ causes count here, once a frame. A verdict that tells of something sent, ended or
 * noted names a cause that was counted where it had its effect. */
static bool counts_with_the_frame(hf_cause cause) {
    return cause >= HF_CAUSE_TOOK_SYN && cause < HF_CAUSE_END_CLOSED;
}

hf_verdict hfi_rx(hfi_engine *e, const hf_frame *frame) {
    hfi_ctx *ctx = &e->ctx;
    ctx->frame_id = frame->frame_id;
    hf_verdict v = hfi_verdict(HF_VERDICT_DROPPED, HF_CAUSE_DROP_TRUNCATED);
    const bool sound = frame->part_count > 0 && frame->part_count <= HF_FRAME_PARTS &&
                       frame->interface < e->ip.state->interface_count;
    if (sound)
        v = e->ip.interfaces[frame->interface].link == HF_LINK_ETHERNET ? rx_ethernet(e, frame)
                                                                        : rx_ip(e, frame, 0);
    if (counts_with_the_frame(v.cause)) hfi_count(ctx, v.cause);
    if (HFI_UNLIKELY(ctx->trace != NULL))
        hfi_trace(ctx, HF_TRACE_FRAME_IN, v.conn.index, v.cause, v.a, v.b);
    return v;
}

/* ---- Runs: segments of a batch that follow one another on one connection are taken as one, like what an
 * interface has merged: one decision for each of the eight steps, one ACK, and each frame its verdict. Bulk
 * over 1,500-byte frames costs the receiver a third. ---- */

#define RUN_FRAMES 16
#define RUN_KEY_AT 12 /* addresses, and behind a header of 20 bytes the ports */
#define RUN_KEY_BYTES 12

typedef struct frame_run {
    hfi_arrival arrival;
    hf_part parts[RUN_FRAMES];
    uint32_t bytes, pieces, piece_bytes;
} frame_run;

/* A look that most pairs of frames do not pass. */
static bool same_flow(const hf_frame *a, const hf_frame *b) {
    return a->interface == b->interface && a->part_count == 1 && b->part_count == 1 &&
           a->parts[0].bytes > RUN_KEY_AT + RUN_KEY_BYTES &&
           b->parts[0].bytes > RUN_KEY_AT + RUN_KEY_BYTES &&
           memcmp((const uint8_t *)a->parts[0].data + RUN_KEY_AT,
                  (const uint8_t *)b->parts[0].data + RUN_KEY_AT, RUN_KEY_BYTES) == 0;
}

/* In order, with nothing beyond it, and with room for all of it: then the whole run is taken. */
static bool would_take(const hfi_engine *e, const hfi_arrival *a, uint32_t bytes) {
    const hfi_conn *conn = &e->ctx.conns[hfi_flow_index(a->ref)];
    const hfi_pool *pool = &e->ctx.root->rx_pool;
    return conn->state == HF_ESTABLISHED && a->tcp.seq == conn->rcv_nxt &&
           conn->range_head == HFI_NONE && bytes <= conn->rcv_adv - conn->rcv_nxt &&
           !hfi_has(conn, HFI_F_CLOSED_BY_APP | HFI_F_PEER_FIN_SEEN) &&
           hfi_pool_left(pool) > pool->count / 16 + hfi_chunk_number(&e->ctx.rx, bytes) + 2;
}

static bool continues_run(const frame_run *run, const hfi_arrival *next) {
    const hfi_tcp_view *a = &run->arrival.tcp, *b = &next->tcp;
    return b->seq == a->seq + run->bytes && b->ack == a->ack && b->window == a->window &&
           b->payload_bytes > 0 && b->payload_bytes <= run->piece_bytes &&
           b->options.present == a->options.present && b->options.ts_value == a->options.ts_value &&
           b->options.ts_echo == a->options.ts_echo &&
           next->traffic_class == run->arrival.traffic_class;
}

static void add_to_run(frame_run *run, const hfi_arrival *a) {
    run->parts[run->pieces++] =
        (hf_part){(const uint8_t *)a->parts[0].data + a->skip, a->tcp.payload_bytes};
    run->bytes += a->tcp.payload_bytes;
    run->arrival.tcp.flags |= a->tcp.flags; /* PSH */
}

/* A shorter piece ends a run, as its sender had no more to send. */
static void gather_run(const hfi_engine *e, const hf_frame *frames, size_t count, frame_run *run) {
    run->bytes = run->pieces = 0;
    if (!rx_plain(e, &frames[0], 0, HFI_NONE, &run->arrival) || run->arrival.gso_bytes != 0) return;
    run->piece_bytes = run->arrival.tcp.payload_bytes;
    if (run->piece_bytes == 0 || !would_take(e, &run->arrival, run->piece_bytes)) return;
    add_to_run(run, &run->arrival);
    for (size_t i = 1; i < count && i < RUN_FRAMES; i++) {
        hfi_arrival next;
        if (!same_flow(&frames[0], &frames[i]) ||
            !rx_plain(e, &frames[i], 0, run->arrival.ref, &next))
            return;
        if (next.gso_bytes != 0 || !continues_run(run, &next)) return;
        if (!would_take(e, &run->arrival, run->bytes + next.tcp.payload_bytes)) return;
        add_to_run(run, &next);
        if (next.tcp.payload_bytes < run->piece_bytes) return;
    }
}

static void take_run(hfi_engine *e, frame_run *run, const hf_frame *frames,
                     hf_verdict *ret_verdicts) {
    hfi_ctx *ctx = &e->ctx;
    ctx->frame_id = frames[0].frame_id;
    run->arrival.tcp.payload_bytes = run->bytes;
    run->arrival.gso_bytes = (uint16_t)run->piece_bytes;
    run->arrival.parts = run->parts;
    run->arrival.part_count = run->pieces;
    run->arrival.skip = 0;
    const hf_verdict all = give_to_tcp(e, &run->arrival);
    uint32_t left = all.a;
    for (uint32_t i = 0; i < run->pieces; i++) {
        hf_verdict v = all;
        ctx->frame_id = frames[i].frame_id;
        v.a = hfi_min32(left, run->parts[i].bytes);
        left -= v.a;
        if (v.a == 0 && all.a > 0) /* its peer's share was used up in between */
            v.action = HF_VERDICT_DROPPED, v.cause = HF_CAUSE_DROP_NO_MEMORY;
        if (counts_with_the_frame(v.cause)) hfi_count(ctx, v.cause);
        if (HFI_UNLIKELY(ctx->trace != NULL))
            hfi_trace(ctx, HF_TRACE_FRAME_IN, v.conn.index, v.cause, v.a, v.b);
        if (ret_verdicts != NULL) ret_verdicts[i] = v;
    }
}

size_t hfi_rx_some(hfi_engine *e, const hf_frame *frames, size_t count, hf_verdict *ret_verdicts) {
    const bool may = count > 1 && frames[0].interface < e->ip.state->interface_count &&
                     e->ip.interfaces[frames[0].interface].link == HF_LINK_IP &&
                     same_flow(&frames[0], &frames[1]);
    frame_run run;
    run.pieces = 0;
    if (may) gather_run(e, frames, count, &run);
    if (run.pieces > 1) {
        take_run(e, &run, frames, ret_verdicts);
        return run.pieces;
    }
    const hf_verdict v = hfi_rx(e, &frames[0]);
    if (ret_verdicts != NULL) *ret_verdicts = v;
    return 1;
}
