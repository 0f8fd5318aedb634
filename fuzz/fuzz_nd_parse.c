/* The input is an IPv6 packet with a neighbour discovery message. What parses is built again: the
 * result is whole, parses, and built once more gives the same bytes. */
#include "fuzz.h"
#include "wire/nd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > FUZZ_BYTES_MAX) return 0;
    hfi_ip_view ip;
    hfi_nd_view a, b;
    if (hfi_ip_parse(data, (uint32_t)size, (uint32_t)size, true, &ip) != HF_CAUSE_NONE) return 0;
    if (hfi_nd_parse(&ip, data + ip.header_bytes, ip.payload_bytes, &a) != HF_CAUSE_NONE) return 0;
    FUZZ_CHECK(ip.version == 6 && ip.ttl == HFI_ND_HOP_LIMIT);
    FUZZ_CHECK(a.prefix_count <= HFI_ND_PREFIXES);
    FUZZ_CHECK(!hfi_addr_is_multicast(&a.target) && !hf_addr_is4(&a.target));
    uint8_t first[HFI_ND_BYTES_MAX], second[HFI_ND_BYTES_MAX];
    const uint32_t bytes = hfi_nd_build(first, &ip.source, &ip.destination, &a);
    FUZZ_CHECK(bytes <= sizeof first);
    const uint32_t pseudo = hfi_ip_pseudo_sum(&ip.source, &ip.destination, HFI_IP_ICMP6, bytes);
    FUZZ_CHECK(hfi_csum_good(hfi_csum_add(pseudo, first, bytes)));
    FUZZ_CHECK(hfi_nd_parse(&ip, first, bytes, &b) == HF_CAUSE_NONE);
    FUZZ_CHECK(a.type == b.type && a.mtu == b.mtu && a.prefix_count == b.prefix_count);
    FUZZ_CHECK(a.has_source_mac == b.has_source_mac && a.has_target_mac == b.has_target_mac);
    FUZZ_CHECK(hf_addr_equal(&a.target, &b.target));
    FUZZ_CHECK(hfi_nd_build(second, &ip.source, &ip.destination, &b) == bytes);
    FUZZ_CHECK(memcmp(first, second, bytes) == 0);
    return 0;
}
