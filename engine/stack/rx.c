/* Frames in: from the link to the TCP room. */
#include "stack/engine.h"
#include "wire/ip.h"

static hf_verdict verdict(uint8_t action, hf_cause cause) {
    return (hf_verdict){action, cause, {HFI_NONE, 0}, 0, 0};
}

/* The sum of the transport segment, which starts `skip` bytes into the parts. */
static uint32_t sum_parts(const hf_frame *frame, uint32_t skip, uint32_t bytes) {
    uint32_t sum = 0, done = 0;
    for (uint32_t i = 0; i < frame->part_count && done < bytes; i++) {
        const hf_part *part = &frame->parts[i];
        if (skip >= part->bytes) {
            skip -= part->bytes;
            continue;
        }
        const uint32_t here = hfi_min32(part->bytes - skip, bytes - done);
        const uint32_t piece = hfi_csum_add(0, (const uint8_t *)part->data + skip, here);
        sum += (done & 1) != 0 ? hfi_csum_swap(piece) : piece;
        done += here;
        skip = 0;
    }
    return sum;
}

static bool transport_sum_good(const hf_frame *frame, const hfi_ip_view *ip, uint32_t skip) {
    if ((frame->flags & (HF_FRAME_CSUM_OK | HF_FRAME_NEEDS_CSUM)) != 0) return true;
    const uint32_t pseudo =
        hfi_ip_pseudo_sum(&ip->source, &ip->destination, ip->protocol, ip->payload_bytes);
    return hfi_csum_good(pseudo + sum_parts(frame, skip, ip->payload_bytes));
}

static hf_cause check_tcp_addresses(const hfi_engine *e, const hfi_ip_view *ip,
                                    const hfi_tcp_view *seg, uint32_t interface) {
    const bool group =
        hfi_addr_is_multicast(&ip->source) || hfi_addr_is_multicast(&ip->destination) ||
        hfi_ip_is_broadcast(&e->ip, &ip->source) || hfi_ip_is_broadcast(&e->ip, &ip->destination);
    if (group) return HF_CAUSE_DROP_TCP_GROUP;
    if (hf_addr_is_any(&ip->source)) return HF_CAUSE_DROP_IP_SOURCE;
    const bool self =
        hf_addr_equal(&ip->source, &ip->destination) && seg->source_port == seg->destination_port;
    if (self && e->ip.interfaces[interface].link != HF_LINK_LOOPBACK) return HF_CAUSE_DROP_LAND;
    return HF_CAUSE_NONE;
}

/* MTU of the way back, capped so that a segment's payload fits the parts of a frame. */
static uint16_t mtu_of(const hfi_engine *e, uint32_t interface) {
    const uint32_t parts_max = (HFI_SLOT_PARTS - 1) * hfi_chunk_bytes(&e->ctx.tx) + 60;
    return (uint16_t)hfi_min32(hfi_min32(hfi_ip_mtu(&e->ip, interface), parts_max), UINT16_MAX);
}

static hf_verdict rx_tcp(hfi_engine *e, const hf_frame *frame, const hfi_ip_view *ip, uint32_t skip,
                         uint32_t local) {
    const uint8_t *segment = (const uint8_t *)frame->parts[0].data + skip;
    hfi_arrival arrival;
    const hf_cause parse =
        hfi_tcp_parse(segment, frame->parts[0].bytes - skip, ip->payload_bytes, &arrival.tcp);
    if (parse != HF_CAUSE_NONE) return verdict(HF_VERDICT_DROPPED, parse);
    if (!transport_sum_good(frame, ip, skip))
        return verdict(HF_VERDICT_DROPPED, HF_CAUSE_DROP_TCP_CHECKSUM);
    const hf_cause addresses = check_tcp_addresses(e, ip, &arrival.tcp, frame->interface);
    if (addresses != HF_CAUSE_NONE) return verdict(HF_VERDICT_DROPPED, addresses);
    arrival.source = ip->source;
    arrival.destination = ip->destination;
    arrival.local = (uint16_t)local;
    arrival.mtu = mtu_of(e, frame->interface);
    arrival.traffic_class = ip->traffic_class;
    arrival.gso_bytes =
        (frame->flags & (HF_FRAME_GSO4 | HF_FRAME_GSO6)) != 0 ? frame->gso_bytes : 0;
    arrival.parts = frame->parts;
    arrival.part_count = frame->part_count;
    arrival.skip = skip + arrival.tcp.header_bytes;
    hfi_effects effects = hfi_no_effects();
    const hfi_outcome out = hfi_tcp_arrives(&e->ctx, &arrival, &effects);
    hfi_tx_effects(e, &effects);
    const uint32_t generation = out.conn != HFI_NONE ? e->ctx.conns[out.conn].generation : 0;
    return (hf_verdict){out.action, out.cause, {out.conn, generation}, out.a, out.b};
}

static hf_verdict rx_ip(hfi_engine *e, const hf_frame *frame, uint32_t skip) {
    const hf_part *head = &frame->parts[0];
    hfi_ip_view ip;
    const bool trusted = false;
    const hf_cause parse = hfi_ip_parse((const uint8_t *)head->data + skip, head->bytes - skip,
                                        frame->total_bytes - skip, trusted, &ip);
    if (parse != HF_CAUSE_NONE) return verdict(HF_VERDICT_DROPPED, parse);
    const uint32_t local = hfi_ip_local(&e->ip, &ip.destination);
    if (local == HFI_NONE) return verdict(HF_VERDICT_DROPPED, HF_CAUSE_DROP_NOT_OURS);
    if (ip.is_fragment) return verdict(HF_VERDICT_DROPPED, HF_CAUSE_DROP_FRAGMENT);
    if (ip.protocol != HFI_IP_TCP) return verdict(HF_VERDICT_DROPPED, HF_CAUSE_DROP_PROTOCOL);
    return rx_tcp(e, frame, &ip, skip + ip.header_bytes, local);
}

/* TOOK_ and DROP_ causes count here, once a frame. A verdict that tells of something sent, ended or
 * noted names a cause that was counted where it had its effect. */
static bool counts_with_the_frame(hf_cause cause) {
    return cause >= HF_CAUSE_TOOK_SYN && cause <= HF_CAUSE_DROP_NEIGHBOR_UNKNOWN;
}

hf_verdict hfi_rx(hfi_engine *e, const hf_frame *frame) {
    hfi_ctx *ctx = &e->ctx;
    ctx->frame_id = frame->frame_id;
    hf_verdict v = verdict(HF_VERDICT_DROPPED, HF_CAUSE_DROP_TRUNCATED);
    const bool sound = frame->part_count > 0 && frame->part_count <= HF_FRAME_PARTS &&
                       frame->interface < e->ip.state->interface_count;
    if (sound) v = rx_ip(e, frame, 0);
    if (counts_with_the_frame(v.cause)) hfi_count(ctx, v.cause);
    if (HFI_UNLIKELY(ctx->trace != NULL))
        hfi_trace(ctx, HF_TRACE_FRAME_IN, v.conn.index, v.cause, v.a, v.b);
    return v;
}
