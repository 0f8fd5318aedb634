#include "wire/ip.h"

hf_cause hfi_ip_parse(const uint8_t *packet, uint32_t header_available, uint32_t total_bytes,
                      bool csum_trusted, hfi_ip_view *ret) {
    const uint32_t available = hfi_min32(header_available, total_bytes);
    if (available == 0) return HF_CAUSE_DROP_TRUNCATED;
    const uint8_t version = packet[0] >> 4;
    if (version == 4) return hfi_ip4_parse(packet, available, total_bytes, csum_trusted, ret);
    if (version == 6) return hfi_ip6_parse(packet, available, total_bytes, ret);
    return HF_CAUSE_DROP_IP_VERSION;
}

hf_cause hfi_ip_parse_quoted(const uint8_t *packet, uint32_t bytes, hfi_ip_view *ret) {
    if (bytes == 0) return HF_CAUSE_DROP_ICMP_HEADER;
    const uint8_t version = packet[0] >> 4;
    if (version == 4) return hfi_ip4_parse_quoted(packet, bytes, ret);
    if (version == 6) return hfi_ip6_parse_quoted(packet, bytes, ret);
    return HF_CAUSE_DROP_ICMP_HEADER;
}

uint32_t hfi_ip_pseudo_sum(const hf_addr *src, const hf_addr *dst, uint8_t protocol,
                           uint32_t transport_bytes) {
    HF_ASSERT(hf_addr_is4(src) == hf_addr_is4(dst));
    const uint32_t sum = hfi_csum_fold(transport_bytes) + (uint32_t)protocol;
    if (hf_addr_is4(src)) {
        const uint32_t a = hfi_addr_ip4(src), b = hfi_addr_ip4(dst);
        return hfi_csum_fold(sum + (a >> 16) + (a & 0xffff) + (b >> 16) + (b & 0xffff));
    }
    return hfi_csum_add(hfi_csum_add(sum, src->bytes, 16), dst->bytes, 16);
}
