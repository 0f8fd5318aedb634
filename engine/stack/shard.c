/* Which shard a frame belongs to: one engine per core, sharing nothing (several engines made from
 * one seed). */
#include "stack/engine.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/ip.h"

static uint32_t shard_of_icmp(const hfi_ctx *ctx, const uint8_t *message, uint32_t bytes,
                              const hfi_ip_view *ip, uint32_t count) {
    hfi_icmp_view icmp;
    if (hfi_icmp_parse(message, bytes, ip->payload_bytes, ip->version, &icmp) != HF_CAUSE_NONE)
        return 0;
    const bool nd = ip->version == 6 && icmp.type >= 133 && icmp.type <= 137;
    if (nd) return UINT32_MAX;
    if (!icmp.is_error || !icmp.quoted.has_transport) return 0;
    const hfi_flow_key key = {icmp.quoted.source, icmp.quoted.destination, icmp.quoted.source_port,
                              icmp.quoted.destination_port};
    return hfi_shard(ctx, &key, count);
}

static uint32_t shard_of_packet(const hfi_ctx *ctx, const uint8_t *packet, uint32_t available,
                                uint32_t total, uint32_t count) {
    hfi_ip_view ip;
    if (hfi_ip_parse(packet, available, total, true, &ip) != HF_CAUSE_NONE || ip.is_fragment)
        return 0;
    const uint8_t *transport = packet + ip.header_bytes;
    const uint32_t bytes = available - ip.header_bytes;
    if (ip.protocol == HFI_IP_ICMP4 || ip.protocol == HFI_IP_ICMP6)
        return shard_of_icmp(ctx, transport, bytes, &ip, count);
    if ((ip.protocol != HFI_IP_TCP && ip.protocol != HFI_IP_UDP) || bytes < 4) return 0;
    const hfi_flow_key key = {ip.destination, ip.source, hfi_load16(transport + 2),
                              hfi_load16(transport)};
    return hfi_shard(ctx, &key, count);
}

uint32_t hf_shard_of(const hf_engine *engine, const hf_frame *frame, uint32_t count) {
    const hfi_engine *e = hfi_of_const(engine);
    if (frame->part_count == 0 || frame->interface >= e->ip.state->interface_count || count <= 1)
        return 0;
    const uint8_t *at = frame->parts[0].data;
    const uint32_t available = frame->parts[0].bytes;
    if (e->ip.interfaces[frame->interface].link != HF_LINK_ETHERNET)
        return shard_of_packet(&e->ctx, at, available, frame->total_bytes, count);
    hfi_eth_view eth;
    if (hfi_eth_parse(at, available, &eth) != HF_CAUSE_NONE) return 0;
    if (eth.type == HFI_ETH_ARP) return UINT32_MAX;
    return shard_of_packet(&e->ctx, at + HFI_ETH_BYTES, available - HFI_ETH_BYTES,
                           frame->total_bytes - HFI_ETH_BYTES, count);
}
