/* UDP in and out, and the public calls of hf/udp.h. */
#include "stack/engine.h"

#define DATAGRAM_TTL 64
#define GROUP_TTL 1 /* RFC 1112 6.1: a group is on the link unless said otherwise */

/* ---- In. ---- */

static hf_cause datagram_check(const hfi_engine *e, const hf_frame *frame, const hfi_ip_view *ip,
                               uint32_t skip, hfi_udp_view *ret) {
    const uint8_t *datagram = (const uint8_t *)frame->parts[0].data + skip;
    const hf_cause parse =
        hfi_udp_parse(datagram, frame->parts[0].bytes - skip, ip->payload_bytes, ret);
    if (parse != HF_CAUSE_NONE) return parse;
    /* The checksum is over the datagram's own length; IP's may be more (RFC 768). */
    hfi_ip_view own = *ip;
    own.payload_bytes = HFI_UDP_BYTES + ret->payload_bytes;
    const bool absent = ret->checksum == 0 && ip->version == 4;
    if (!absent && (ret->checksum == 0 || !hfi_rx_sum_good(e, frame, &own, skip)))
        return HF_CAUSE_DROP_UDP_HEADER;
    return HF_CAUSE_NONE;
}

hf_verdict hfi_rx_udp(hfi_engine *e, const hf_frame *frame, const hfi_ip_view *ip, uint32_t skip,
                      uint32_t local) {
    hfi_udp_view udp;
    const hf_cause cause = datagram_check(e, frame, ip, skip, &udp);
    if (cause != HF_CAUSE_NONE) return hfi_verdict(HF_VERDICT_DROPPED, cause);
    if (hfi_addr_is_multicast(&ip->source) || hfi_ip_is_broadcast(&e->ip, &ip->source))
        return hfi_verdict(HF_VERDICT_DROPPED, HF_CAUSE_DROP_IP_SOURCE);
    const hfi_index socket = hfi_udp_demux(&e->udp, &ip->destination, udp.destination_port);
    if (socket == HFI_NONE) {
        if (local != HFI_NONE) hfi_tx_port_unreachable(e, frame, ip, skip - ip->header_bytes);
        return hfi_verdict(HF_VERDICT_DROPPED, HF_CAUSE_DROP_UDP_NO_SOCKET);
    }
    const hf_cause taken =
        hfi_udp_deliver(&e->udp, socket, &ip->source, udp.source_port, frame->parts,
                        frame->part_count, skip + HFI_UDP_BYTES, udp.payload_bytes);
    const bool took = taken == HF_CAUSE_TOOK_DATAGRAM;
    return hfi_verdict(took ? HF_VERDICT_TOOK : HF_VERDICT_DROPPED, taken);
}

/* ---- Out. ---- */

static uint8_t *datagram_ip(hfi_engine *e, hfi_slot *slot, const hfi_exit *exit,
                            const hf_addr *from, const hf_addr *to, uint32_t bytes) {
    const bool is4 = hf_addr_is4(to);
    const uint8_t ttl = hfi_addr_is_multicast(to) ? GROUP_TTL : DATAGRAM_TTL;
    uint8_t *const ip = hfi_slot_ip(e, slot, exit, is4);
    if (!is4) return ip + hfi_ip6_build(ip, from, to, HFI_IP_UDP, ttl, 0, 0, bytes);
    return ip + hfi_ip4_build(ip, from, to, HFI_IP_UDP, ttl, 0, hfi_ip_ident(&e->ip, from, to),
                              false, bytes);
}

static void datagram_sum(hfi_engine *e, hfi_slot *slot, uint8_t *udp, uint32_t pseudo,
                         uint32_t payload_sum) {
    if (e->ip.interfaces[slot->interface].csum_offload) {
        slot->flags |= HF_FRAME_NEEDS_CSUM;
        slot->csum_start = (uint16_t)(udp - slot->header);
        slot->csum_offset = HFI_UDP_CSUM_OFFSET;
        hfi_store16(udp + HFI_UDP_CSUM_OFFSET, hfi_csum_fold(pseudo));
        return;
    }
    hfi_udp_csum_store(udp, pseudo + hfi_csum_add(0, udp, HFI_UDP_BYTES) + payload_sum);
}

typedef struct datagram_out {
    hfi_exit exit;
    hf_addr from, to;
    uint16_t from_port, to_port;
    const void *data;
    uint32_t bytes;
} datagram_out;

static hf_err datagram_send(hfi_engine *e, const datagram_out *out) {
    hfi_slot *slot = hfi_slot_take(e, out->exit.interface, HF_CAUSE_SENT_DATAGRAM);
    const hf_part part = {out->data, out->bytes};
    const uint32_t bytes = HFI_UDP_BYTES + out->bytes;
    uint32_t sum = 0;
    if (slot == NULL || !hfi_slot_fill(e, slot, &part, 1, 0, out->bytes, &sum)) return HF_AGAIN;
    uint8_t *const udp = datagram_ip(e, slot, &out->exit, &out->from, &out->to, bytes);
    hfi_udp_build(udp, out->from_port, out->to_port, out->bytes);
    datagram_sum(e, slot, udp, hfi_ip_pseudo_sum(&out->from, &out->to, HFI_IP_UDP, bytes), sum);
    slot->header_bytes = (uint16_t)(udp + HFI_UDP_BYTES - slot->header);
    slot->total_bytes += slot->header_bytes;
    slot->a = out->bytes;
    hfi_slot_send(e, slot);
    return HF_OK;
}

/* ---- The calls. ---- */

hf_err hf_udp_open(hf_engine *engine, const hf_addr *local, uint16_t port, hf_udp *ret_udp) {
    hfi_engine *e = hfi_of(engine);
    const bool all = hf_addr_is_any(local);
    const uint32_t index = all ? HFI_NONE : hfi_ip_local(&e->ip, local);
    if (!all && index == HFI_NONE) return HF_NO_ADDRESS;
    return hfi_udp_socket_open(&e->udp, local, index, port, ret_udp);
}

hf_err hf_udp_close(hf_engine *engine, hf_udp udp) {
    hfi_engine *e = hfi_of(engine);
    hfi_udp_socket *socket = hfi_udp_socket_of(&e->udp, udp);
    if (socket == NULL) return HF_STALE;
    hfi_udp_socket_close(&e->udp, socket);
    return HF_OK;
}

hf_err hf_udp_port(const hf_engine *engine, hf_udp udp, uint16_t *ret_port) {
    const hfi_udp_socket *socket = hfi_udp_socket_of(&hfi_of_const(engine)->udp, udp);
    if (socket == NULL) return HF_STALE;
    *ret_port = socket->port;
    return HF_OK;
}

/* The longest datagram payload of a way: its MTU, and what the parts of a frame hold. */
static uint32_t payload_max(const hfi_engine *e, const hf_addr *to, uint32_t interface) {
    const uint32_t headers = HFI_IP_HEADER_BYTES(hf_addr_is4(to)) + HFI_UDP_BYTES;
    const uint32_t by_parts = HFI_SLOT_PARTS * hfi_chunk_bytes(&e->ctx.tx);
    return hfi_min32(by_parts, hfi_link_mtu(e, to, interface) - headers);
}

hf_err hf_udp_send(hf_engine *engine, hf_udp udp, const hf_addr *to, uint16_t port,
                   const void *data, size_t bytes) {
    hfi_engine *e = hfi_of(engine);
    hfi_udp_socket *socket = hfi_udp_socket_of(&e->udp, udp);
    if (socket == NULL) return HF_STALE;
    if (port == 0 || hf_addr_is_any(to)) return HF_ARGUMENT;
    uint32_t local = socket->local_index;
    if (local != HFI_NONE && hf_addr_is4(&socket->local) != hf_addr_is4(to)) return HF_NO_ADDRESS;
    /* RFC 4862 5.5.4: its valid lifetime may have ended since. */
    if (local != HFI_NONE && hfi_ip_local(&e->ip, &socket->local) == HFI_NONE) return HF_NO_ADDRESS;
    datagram_out out = {.to = *to, .from_port = socket->port, .to_port = port, .data = data};
    const hf_err err = hfi_link_datagram_exit(e, to, &local, &out.exit);
    if (err != HF_OK) return err;
    if (bytes > payload_max(e, to, out.exit.interface)) return HF_TOO_LONG;
    out.from = e->ip.addresses[local].addr;
    out.bytes = (uint32_t)bytes;
    return datagram_send(e, &out);
}

hf_err hf_udp_receive(hf_engine *engine, hf_udp udp, void *to, size_t room, size_t *ret_bytes,
                      hf_udp_from *ret_from) {
    hfi_engine *e = hfi_of(engine);
    hfi_udp_socket *socket = hfi_udp_socket_of(&e->udp, udp);
    if (socket == NULL) return HF_STALE;
    return hfi_udp_take(&e->udp, socket, to, room, ret_bytes, ret_from);
}
