#include "wire/ip.h"

struct hfi_ip4 {
    uint8_t version_ihl;
    uint8_t traffic_class;
    hf_be16 total_bytes;
    hf_be16 id;
    hf_be16 fragment;
    uint8_t ttl;
    uint8_t protocol;
    hf_be16 checksum;
    uint8_t source[4];
    uint8_t destination[4];
};
_Static_assert(sizeof(struct hfi_ip4) == HFI_IP4_BYTES, "as on the wire");

#define IP4_DONT_FRAGMENT 0x4000
#define IP4_MORE_FRAGMENTS 0x2000
#define IP4_OFFSET_MASK 0x1fff

static hfi_ip_view ip4_view(const struct hfi_ip4 *ip, uint32_t header_bytes,
                            uint32_t payload_bytes) {
    const uint16_t fragment = hfi_get16(ip->fragment);
    return (hfi_ip_view){
        .source = hfi_load_addr4(ip->source),
        .destination = hfi_load_addr4(ip->destination),
        .version = 4,
        .protocol = ip->protocol,
        .ttl = ip->ttl,
        .traffic_class = ip->traffic_class,
        .header_bytes = (uint16_t)header_bytes,
        .payload_bytes = payload_bytes,
        .is_fragment = (fragment & (IP4_MORE_FRAGMENTS | IP4_OFFSET_MASK)) != 0,
        .more_fragments = (fragment & IP4_MORE_FRAGMENTS) != 0,
        .fragment_offset = (uint32_t)(fragment & IP4_OFFSET_MASK) * 8,
        .fragment_id = hfi_get16(ip->id),
    };
}

/* A fragment that is not the last fills whole units of 8 bytes, and none reaches beyond the largest
 * packet (RFC 791 3.2); the sum of the two is what "ping of death" got wrong. */
static bool ip4_fragment_is_sound(const hfi_ip_view *view) {
    if (view->more_fragments && (view->payload_bytes == 0 || view->payload_bytes % 8 != 0))
        return false;
    return view->header_bytes + view->fragment_offset + view->payload_bytes <= 65535;
}

hf_cause hfi_ip4_parse(const uint8_t *packet, uint32_t header_available, uint32_t total_bytes,
                       bool csum_trusted, hfi_ip_view *ret) {
    if (header_available < HFI_IP4_BYTES) return HF_CAUSE_DROP_TRUNCATED;
    const struct hfi_ip4 *const ip = (const void *)packet;
    const uint32_t header_bytes = (ip->version_ihl & 15u) * 4;
    const uint32_t packet_bytes = hfi_get16(ip->total_bytes);
    if (header_bytes < HFI_IP4_BYTES || header_bytes > packet_bytes) return HF_CAUSE_DROP_IP_HEADER;
    if (packet_bytes > total_bytes || header_bytes > header_available)
        return HF_CAUSE_DROP_TRUNCATED;
    if (!csum_trusted && !hfi_csum_good(hfi_csum_add(0, packet, header_bytes)))
        return HF_CAUSE_DROP_IP_CHECKSUM;
    const hfi_ip_view view = ip4_view(ip, header_bytes, packet_bytes - header_bytes);
    if (view.is_fragment && !ip4_fragment_is_sound(&view)) return HF_CAUSE_DROP_FRAGMENT;
    *ret = view;
    return HF_CAUSE_NONE;
}

hf_cause hfi_ip4_parse_quoted(const uint8_t *packet, uint32_t bytes, hfi_ip_view *ret) {
    if (bytes < HFI_IP4_BYTES) return HF_CAUSE_DROP_ICMP_HEADER;
    const struct hfi_ip4 *const ip = (const void *)packet;
    const uint32_t header_bytes = (ip->version_ihl & 15u) * 4;
    if (header_bytes < HFI_IP4_BYTES || header_bytes > bytes) return HF_CAUSE_DROP_ICMP_HEADER;
    *ret = ip4_view(ip, header_bytes, bytes - header_bytes);
    return HF_CAUSE_NONE;
}

uint32_t hfi_ip4_build(uint8_t *to, const hf_addr *src, const hf_addr *dst, uint8_t protocol,
                       uint8_t ttl, uint8_t traffic_class, uint16_t id, bool dont_fragment,
                       uint32_t payload_bytes) {
    HF_ASSERT(payload_bytes <= HFI_IP4_PAYLOAD_MAX);
    struct hfi_ip4 *const ip = (void *)to;
    ip->version_ihl = 0x45;
    ip->traffic_class = traffic_class;
    ip->total_bytes = hfi_put16((uint16_t)(HFI_IP4_BYTES + payload_bytes));
    ip->id = hfi_put16(id);
    ip->fragment = hfi_put16(dont_fragment ? IP4_DONT_FRAGMENT : 0);
    ip->ttl = ttl;
    ip->protocol = protocol;
    ip->checksum = hfi_put16(0);
    hfi_store_addr4(ip->source, src);
    hfi_store_addr4(ip->destination, dst);
    hfi_csum_store(ip->checksum.b, hfi_csum_add(0, to, HFI_IP4_BYTES));
    return HFI_IP4_BYTES;
}
