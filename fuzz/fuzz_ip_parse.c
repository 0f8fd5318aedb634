/* The input is an IP packet of either version. What parses stays within the input; a whole packet
 * is built again, without options, and reads back equal. */
#include "fuzz.h"
#include "wire/ip.h"

static uint32_t header_build(uint8_t *to, const hfi_ip_view *ip) {
    if (ip->version == 4)
        return hfi_ip4_build(to, &ip->source, &ip->destination, ip->protocol, ip->ttl,
                             ip->traffic_class, (uint16_t)ip->fragment_id, true, ip->payload_bytes);
    return hfi_ip6_build(to, &ip->source, &ip->destination, ip->protocol, ip->ttl,
                         ip->traffic_class, 0x12345, ip->payload_bytes);
}

static void equal_check(const hfi_ip_view *a, const hfi_ip_view *b) {
    FUZZ_CHECK(hf_addr_equal(&a->source, &b->source));
    FUZZ_CHECK(hf_addr_equal(&a->destination, &b->destination));
    FUZZ_CHECK(a->version == b->version && a->protocol == b->protocol && a->ttl == b->ttl);
    FUZZ_CHECK(a->traffic_class == b->traffic_class && a->payload_bytes == b->payload_bytes);
    FUZZ_CHECK(a->is_fragment == b->is_fragment);
}

static void round_trip_check(const hfi_ip_view *a) {
    uint8_t header[HFI_IP6_BYTES];
    hfi_ip_view b;
    const uint32_t bytes = header_build(header, a);
    FUZZ_CHECK(hfi_ip_parse(header, bytes, bytes + a->payload_bytes, false, &b) == HF_CAUSE_NONE);
    FUZZ_CHECK(b.header_bytes == bytes);
    equal_check(a, &b);
}

/* The way back of a route that has come here goes out again, and has come there when its pointer says
 * so: then the way back of that is the first one, turned round. */
static void route_check(const uint8_t *packet, const hfi_ip_view *ip) {
    hf_source_route way;
    if (hfi_ip4_route_read(packet, ip->header_bytes, &way) != HFI_ROUTE_BACK) return;
    uint8_t header[HFI_IP4_BYTES + 40];
    hfi_ip_view built;
    hf_source_route again;
    const uint32_t bytes = HFI_IP4_BYTES + hfi_ip4_route_bytes(&way);
    FUZZ_CHECK(way.count >= 1 && way.count <= HF_ROUTE_HOPS && bytes <= sizeof header);
    hfi_ip4_build(header, &ip->destination, &ip->source, HFI_IP_TCP, 64, 0, 0, true, 0);
    hfi_ip4_route_write(header, &way);
    FUZZ_CHECK(hfi_ip_parse(header, bytes, bytes, false, &built) == HF_CAUSE_NONE);
    FUZZ_CHECK(built.header_bytes == bytes);
    FUZZ_CHECK(hfi_ip4_route_read(header, bytes, &again) == HFI_ROUTE_BAD); /* not there yet */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > FUZZ_BYTES_MAX) return 0;
    const uint32_t bytes = (uint32_t)size;
    hfi_ip_view quoted, trusted, view;
    (void)hfi_ip_parse_quoted(data, bytes, &quoted);
    const bool good = hfi_ip_parse(data, bytes, bytes, true, &trusted) == HF_CAUSE_NONE;
    if (hfi_ip_parse(data, bytes, bytes, false, &view) == HF_CAUSE_NONE) {
        FUZZ_CHECK(good);
        equal_check(&view, &trusted);
    }
    if (!good) return 0;
    FUZZ_CHECK(trusted.header_bytes + trusted.payload_bytes <= bytes);
    FUZZ_CHECK((trusted.version == 4) == hf_addr_is4(&trusted.source));
    FUZZ_CHECK((trusted.version == 4) == hf_addr_is4(&trusted.destination));
    FUZZ_CHECK(trusted.fragment_offset + trusted.payload_bytes <= 65535);
    FUZZ_CHECK(!trusted.more_fragments || trusted.payload_bytes % 8 == 0);
    FUZZ_CHECK(hfi_ip_parse(data, trusted.header_bytes - 1u, bytes, true, &view) ==
               HF_CAUSE_DROP_TRUNCATED);
    if (trusted.version == 4) route_check(data, &trusted);
    if (!trusted.is_fragment && trusted.protocol != 0 && trusted.protocol != 43 &&
        trusted.protocol != 44 && trusted.protocol != 60)
        round_trip_check(&trusted);
    return 0;
}
