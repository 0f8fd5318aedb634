#include "test.h"
#include "wire/arp.h"
#include "wire/ip.h"
#include "wire/tcp.h"
#include "wire/udp.h"
#include <stdlib.h>

static const hf_addr a4 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1}};
static const hf_addr b4 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 2}};
static const hf_addr a6 = {{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
static const hf_addr b6 = {{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}};

/* Parses from a malloc of exactly the bytes given, so that a sanitizer sees a read beyond them. */
static hf_cause parse_parts(const uint8_t *packet, uint32_t available, uint32_t total,
                            hfi_ip_view *view) {
    uint8_t *const exact = malloc(available > 0 ? available : 1);
    assert_non_null(exact);
    if (available > 0) memcpy(exact, packet, available);
    const hf_cause cause = hfi_ip_parse(exact, available, total, false, view);
    free(exact);
    return cause;
}

static hf_cause parse(const uint8_t *packet, uint32_t bytes, hfi_ip_view *view) {
    return parse_parts(packet, bytes, bytes, view);
}

static void ip4_resum(uint8_t *packet) {
    const uint32_t bytes = (packet[0] & 15u) * 4;
    hfi_store16(packet + 10, 0);
    hfi_csum_store(packet + 10, hfi_csum_add(0, packet, bytes));
}

/* 20 bytes of IPv4 header and 24 of payload. */
static uint32_t ip4_make(uint8_t *to) {
    memset(to, 0, 64);
    return hfi_ip4_build(to, &a4, &b4, HFI_IP_TCP, 61, 0x2e, 4711, true, 24) + 24;
}

/* An IPv6 packet of `bytes` bytes after the base header, the first header being `next`. */
static uint32_t ip6_make(uint8_t *to, uint8_t next, const uint8_t *rest, uint32_t bytes) {
    hfi_ip6_build(to, &a6, &b6, next, 63, 0x1c, 0xabcde, bytes);
    memcpy(to + 40, rest, bytes);
    return 40 + bytes;
}

#define PARSE6(view, next, ...)                                                                    \
    parse6((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), next, view)

static hf_cause parse6(const uint8_t *rest, uint32_t bytes, uint8_t next, hfi_ip_view *view) {
    uint8_t packet[512];
    assert_true(bytes <= sizeof packet - 40);
    return parse(packet, ip6_make(packet, next, rest, bytes), view);
}

static void an_ip4_header_reads_back_as_it_was_built(void **state) {
    (void)state;
    uint8_t packet[64];
    hfi_ip_view view;
    assert_int_equal(parse(packet, ip4_make(packet), &view), HF_CAUSE_NONE);
    assert_true(hf_addr_equal(&view.source, &a4) && hf_addr_equal(&view.destination, &b4));
    assert_int_equal(view.version, 4);
    assert_int_equal(view.protocol, HFI_IP_TCP);
    assert_int_equal(view.ttl, 61);
    assert_int_equal(view.traffic_class, 0x2e);
    assert_int_equal(view.header_bytes, 20);
    assert_int_equal(view.payload_bytes, 24);
    assert_int_equal(view.fragment_id, 4711);
    assert_false(view.is_fragment);
    assert_int_equal(hfi_load16(packet + 6), 0x4000);
}

static void an_ip6_header_reads_back_as_it_was_built(void **state) {
    (void)state;
    hfi_ip_view view;
    uint8_t packet[64];
    assert_int_equal(parse(packet, ip6_make(packet, HFI_IP_UDP, a6.bytes, 16), &view),
                     HF_CAUSE_NONE);
    assert_int_equal(hfi_load32(packet), 0x61cabcde);
    assert_true(hf_addr_equal(&view.source, &a6) && hf_addr_equal(&view.destination, &b6));
    assert_int_equal(view.version, 6);
    assert_int_equal(view.protocol, HFI_IP_UDP);
    assert_int_equal(view.ttl, 63);
    assert_int_equal(view.traffic_class, 0x1c);
    assert_int_equal(view.header_bytes, 40);
    assert_int_equal(view.payload_bytes, 16);
}

static void a_padded_frame_is_as_long_as_ip_says(void **state) {
    (void)state;
    uint8_t packet[64];
    hfi_ip_view view;
    const uint32_t bytes = ip4_make(packet);
    assert_int_equal(parse(packet, bytes + 2, &view), HF_CAUSE_NONE);
    assert_int_equal(view.payload_bytes, 24);
}

static void a_super_segment_of_65535_bytes_needs_only_its_headers_here(void **state) {
    (void)state;
    uint8_t header[40];
    hfi_ip_view view;
    hfi_ip4_build(header, &a4, &b4, HFI_IP_TCP, 64, 0, 1, true, HFI_IP4_PAYLOAD_MAX);
    assert_int_equal(parse_parts(header, 20, 65535, &view), HF_CAUSE_NONE);
    assert_int_equal(view.payload_bytes, 65515);
    hfi_ip6_build(header, &a6, &b6, HFI_IP_TCP, 64, 0, 0, 65535);
    assert_int_equal(parse_parts(header, 40, 65575, &view), HF_CAUSE_NONE);
    assert_int_equal(view.payload_bytes, 65535);
}

/* P23. */
static void every_truncation_of_a_packet_is_dropped(void **state) {
    (void)state;
    uint8_t packet[64];
    const uint8_t rest[20] = {HFI_IP_TCP, 0, 1, 4};
    hfi_ip_view view;
    const uint32_t bytes4 = ip4_make(packet);
    for (uint32_t bytes = 0; bytes < bytes4; bytes++)
        assert_int_equal(parse(packet, bytes, &view), HF_CAUSE_DROP_TRUNCATED);
    for (uint32_t bytes = 0; bytes < 20; bytes++)
        assert_int_equal(parse_parts(packet, bytes, bytes4, &view), HF_CAUSE_DROP_TRUNCATED);
    const uint32_t bytes6 = ip6_make(packet, 60, rest, 20);
    for (uint32_t bytes = 0; bytes < bytes6; bytes++)
        assert_int_equal(parse(packet, bytes, &view), HF_CAUSE_DROP_TRUNCATED);
    for (uint32_t bytes = 0; bytes < 48; bytes++)
        assert_int_equal(parse_parts(packet, bytes, bytes6, &view), HF_CAUSE_DROP_TRUNCATED);
    assert_int_equal(parse_parts(packet, 48, bytes6, &view), HF_CAUSE_NONE);
}

static void other_versions_are_dropped(void **state) {
    (void)state;
    uint8_t packet[64];
    hfi_ip_view view;
    const uint32_t bytes = ip4_make(packet);
    for (uint32_t version = 0; version < 16; version++) {
        if (version == 4 || version == 6) continue;
        packet[0] = (uint8_t)(version << 4 | 5);
        assert_int_equal(parse(packet, bytes, &view), HF_CAUSE_DROP_IP_VERSION);
    }
}

/* L01. */
static void a_header_length_below_20_or_beyond_the_total_is_dropped(void **state) {
    (void)state;
    uint8_t packet[64];
    hfi_ip_view view;
    const uint32_t bytes = ip4_make(packet);
    for (uint32_t words = 0; words < 16; words++) {
        packet[0] = (uint8_t)(0x40 | words);
        if (words >= 5 && words * 4 <= bytes) continue;
        assert_int_equal(parse(packet, 64, &view), HF_CAUSE_DROP_IP_HEADER);
    }
}

/* L02. */
static void a_total_length_beyond_the_frame_is_dropped(void **state) {
    (void)state;
    uint8_t packet[64];
    hfi_ip_view view;
    const uint32_t bytes = ip4_make(packet);
    hfi_store16(packet + 2, (uint16_t)(bytes + 1));
    ip4_resum(packet);
    assert_int_equal(parse(packet, bytes, &view), HF_CAUSE_DROP_TRUNCATED);
    assert_int_equal(parse(packet, bytes + 1, &view), HF_CAUSE_NONE);
}

/* P16. */
static void a_total_length_below_ip_and_tcp_headers_is_dropped(void **state) {
    (void)state;
    uint8_t packet[64];
    hfi_ip_view ip;
    hfi_tcp_view tcp;
    ip4_make(packet);
    for (uint16_t total = 0; total < 40; total++) {
        hfi_store16(packet + 2, total);
        ip4_resum(packet);
        const hf_cause cause = parse(packet, 44, &ip);
        assert_int_equal(cause, total < 20 ? HF_CAUSE_DROP_IP_HEADER : HF_CAUSE_NONE);
        if (total >= 20)
            assert_int_equal(hfi_tcp_parse(packet + 20, 24, ip.payload_bytes, &tcp),
                             HF_CAUSE_DROP_TRUNCATED);
    }
}

/* L03: length 0, 1, beyond the header, and a source route whose pointer leads away. */
static void ip4_options_are_stepped_over_whatever_they_say(void **state) {
    (void)state;
    const uint8_t options[][4] = {
        {7, 0, 0, 0}, {7, 1, 4, 0}, {148, 255, 0, 0}, {131, 3, 255, 0}, {1, 1, 1, 131}};
    for (int i = 0; i < 5; i++) {
        uint8_t packet[64];
        hfi_ip_view view;
        const uint32_t bytes = ip4_make(packet);
        packet[0] = 0x46;
        memcpy(packet + 20, options[i], 4);
        ip4_resum(packet);
        assert_int_equal(parse(packet, bytes, &view), HF_CAUSE_NONE);
        assert_int_equal(view.header_bytes, 24);
        assert_int_equal(view.payload_bytes, 20);
    }
}

/* P19, for IP: each single flipped bit of the header, unless another check sees it first. */
static void a_wrong_header_checksum_is_dropped_unless_trusted(void **state) {
    (void)state;
    uint8_t packet[64];
    hfi_ip_view view;
    const uint32_t bytes = ip4_make(packet);
    for (uint32_t bit = 32; bit < 160; bit++) {
        packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(parse(packet, bytes, &view), HF_CAUSE_DROP_IP_CHECKSUM);
        packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    hfi_store16(packet + 10, 0);
    assert_int_equal(parse(packet, bytes, &view), HF_CAUSE_DROP_IP_CHECKSUM);
    hfi_store16(packet + 10, 0xffff);
    assert_int_equal(parse(packet, bytes, &view), HF_CAUSE_DROP_IP_CHECKSUM);
    assert_int_equal(hfi_ip_parse(packet, bytes, bytes, true, &view), HF_CAUSE_NONE);
}

static hf_cause parse_ip4_fragment(uint16_t fragment, uint16_t total, hfi_ip_view *view) {
    static uint8_t packet[1500];
    hfi_ip4_build(packet, &a4, &b4, HFI_IP_UDP, 64, 0, 513, false, total - 20u);
    hfi_store16(packet + 6, fragment);
    ip4_resum(packet);
    return parse(packet, total, view);
}

static void ip4_fragments_are_told_with_offset_and_id(void **state) {
    (void)state;
    hfi_ip_view view;
    assert_int_equal(parse_ip4_fragment(0x2000 | 3, 20 + 16, &view), HF_CAUSE_NONE);
    assert_true(view.is_fragment && view.more_fragments);
    assert_int_equal(view.fragment_offset, 24);
    assert_int_equal(view.fragment_id, 513);
    assert_int_equal(parse_ip4_fragment(5, 20 + 7, &view), HF_CAUSE_NONE);
    assert_true(view.is_fragment && !view.more_fragments);
    assert_int_equal(view.fragment_offset, 40);
}

static void fragments_that_cannot_be_put_together_are_dropped(void **state) {
    (void)state;
    hfi_ip_view view;
    assert_int_equal(parse_ip4_fragment(0x2000, 20 + 15, &view), HF_CAUSE_DROP_FRAGMENT);
    assert_int_equal(parse_ip4_fragment(0x2000, 20, &view), HF_CAUSE_DROP_FRAGMENT);
    assert_int_equal(parse_ip4_fragment(8189, 20 + 3, &view), HF_CAUSE_NONE);
    assert_int_equal(parse_ip4_fragment(8189, 20 + 4, &view), HF_CAUSE_DROP_FRAGMENT);
    assert_int_equal(parse_ip4_fragment(0x1fff, 1500, &view), HF_CAUSE_DROP_FRAGMENT);
    assert_int_equal(PARSE6(&view, 44, 17, 0, 0, 1, 0, 0, 0, 9, 1, 2, 3), HF_CAUSE_DROP_FRAGMENT);
    assert_int_equal(PARSE6(&view, 44, 17, 0, 0, 1, 0, 0, 0, 9), HF_CAUSE_DROP_FRAGMENT);
    assert_int_equal(PARSE6(&view, 44, 17, 0, 0xff, 0xf8, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7),
                     HF_CAUSE_NONE);
    assert_int_equal(PARSE6(&view, 44, 17, 0, 0xff, 0xf8, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8),
                     HF_CAUSE_DROP_FRAGMENT);
}

static void ip6_extension_headers_are_walked_to_the_payload(void **state) {
    (void)state;
    hfi_ip_view view;
    /* Hop-by-hop with router alert, routing with no segment left, destination options with PadN. */
    assert_int_equal(PARSE6(&view, 0, 43, 0, 5, 2, 0, 0, 1, 0, 60, 0, 0, 0, 0, 0, 0, 0, HFI_IP_TCP,
                            0, 1, 4, 0, 0, 0, 0, 9, 9, 9),
                     HF_CAUSE_NONE);
    assert_int_equal(view.protocol, HFI_IP_TCP);
    assert_int_equal(view.header_bytes, 64);
    assert_int_equal(view.payload_bytes, 3);
}

static void an_ip6_fragment_ends_the_walk_and_an_atomic_one_does_not(void **state) {
    (void)state;
    hfi_ip_view view;
    assert_int_equal(PARSE6(&view, 44, 60, 0, 0, 17, 0, 0, 2, 1, 1, 2, 3, 4, 5, 6, 7, 8),
                     HF_CAUSE_NONE);
    assert_true(view.is_fragment && view.more_fragments);
    assert_int_equal(view.fragment_offset, 16);
    assert_int_equal(view.fragment_id, 513);
    assert_int_equal(view.protocol, 60);
    assert_int_equal(view.payload_bytes, 8);
    assert_int_equal(PARSE6(&view, 44, 60, 0, 0, 0, 0, 0, 2, 1, 17, 0, 1, 4, 0, 0, 0, 0, 7),
                     HF_CAUSE_NONE);
    assert_false(view.is_fragment);
    assert_int_equal(view.protocol, HFI_IP_UDP);
    assert_int_equal(view.payload_bytes, 1);
}

static void ip6_extension_headers_that_lie_are_dropped(void **state) {
    (void)state;
    hfi_ip_view view;
    assert_int_equal(PARSE6(&view, 60, 0, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0),
                     HF_CAUSE_DROP_IP_HEADER);
    assert_int_equal(PARSE6(&view, 43, 6, 0, 0, 1, 0, 0, 0, 0), HF_CAUSE_DROP_IP_HEADER);
    assert_int_equal(PARSE6(&view, 44, 44, 0, 0, 0, 0, 0, 0, 9, 6, 0, 0, 0, 0, 0, 0, 9),
                     HF_CAUSE_DROP_IP_HEADER);
    assert_int_equal(PARSE6(&view, 60, 6, 1, 1, 4, 0, 0, 0, 0), HF_CAUSE_DROP_TRUNCATED);
    assert_int_equal(PARSE6(&view, 60, 6, 255, 1, 4, 0, 0, 0, 0), HF_CAUSE_DROP_TRUNCATED);
    assert_int_equal(PARSE6(&view, 60, 6, 0, 1, 5, 0, 0, 0, 0), HF_CAUSE_DROP_IP_HEADER);
    assert_int_equal(PARSE6(&view, 60, 6, 0, 0, 0, 0, 0, 0, 1), HF_CAUSE_DROP_IP_HEADER);
    assert_int_equal(PARSE6(&view, 0, 6, 0, 0xc2, 4, 0, 1, 0, 0), HF_CAUSE_DROP_IP_HEADER);
}

static void the_ip6_walk_ends_after_8_headers(void **state) {
    (void)state;
    uint8_t rest[9 * 8];
    hfi_ip_view view;
    for (int i = 0; i < 9; i++) memcpy(rest + 8 * i, (const uint8_t[]){60, 0, 1, 4, 0, 0, 0, 0}, 8);
    rest[7 * 8] = HFI_IP_TCP;
    assert_int_equal(parse6(rest, 8 * 8, 60, &view), HF_CAUSE_NONE);
    rest[7 * 8] = 60;
    rest[8 * 8] = HFI_IP_TCP;
    assert_int_equal(parse6(rest, 9 * 8, 60, &view), HF_CAUSE_DROP_IP_HEADER);
}

static void the_walk_over_ip6_options_ends_after_64_of_them(void **state) {
    (void)state;
    uint8_t rest[80] = {HFI_IP_TCP, 7};
    hfi_ip_view view;
    assert_int_equal(parse6(rest, 64, 60, &view), HF_CAUSE_NONE);
    rest[1] = 8;
    assert_int_equal(parse6(rest, 72, 60, &view), HF_CAUSE_DROP_IP_HEADER);
}

static void ip6_addresses_that_would_pass_for_ip4_are_dropped(void **state) {
    (void)state;
    uint8_t packet[40];
    hfi_ip_view view;
    hfi_ip6_build(packet, &a4, &b6, HFI_IP_TCP, 64, 0, 0, 0);
    assert_int_equal(parse(packet, 40, &view), HF_CAUSE_DROP_IP_SOURCE);
    hfi_ip6_build(packet, &a6, &b4, HFI_IP_TCP, 64, 0, 0, 0);
    assert_int_equal(parse(packet, 40, &view), HF_CAUSE_DROP_NOT_OURS);
}

static void the_pseudo_header_sums_as_if_it_were_written_out(void **state) {
    (void)state;
    const uint8_t pseudo4[] = {10, 0, 0, 1, 10, 0, 0, 2, 0, 6, 0x04, 0xd2};
    assert_int_equal(hfi_csum_fold(hfi_ip_pseudo_sum(&a4, &b4, 6, 1234)),
                     hfi_csum_add(0, pseudo4, 12));
    uint8_t pseudo6[40] = {0};
    memcpy(pseudo6, a6.bytes, 16);
    memcpy(pseudo6 + 16, b6.bytes, 16);
    hfi_store32(pseudo6 + 32, 70000);
    pseudo6[39] = 58;
    assert_int_equal(hfi_csum_fold(hfi_ip_pseudo_sum(&a6, &b6, 58, 70000)),
                     hfi_csum_add(0, pseudo6, 40));
}

static void addresses_are_told_apart(void **state) {
    (void)state;
    const hf_addr group4 = hf_addr4(239, 1, 2, 3), all4 = hf_addr4(255, 255, 255, 255);
    const hf_addr loop4 = hf_addr4(127, 9, 0, 1), loop6 = {{[15] = 1}}, any6 = {{0}};
    const hf_addr group6 = {{0xff, 2, [15] = 1}}, link6 = {{0xfe, 0xbf, [15] = 7}},
                  site6 = {{0xfe, 0xc0}};
    assert_true(hfi_addr_is_multicast(&group4) && hfi_addr_is_multicast(&group6));
    assert_false(hfi_addr_is_multicast(&a4) || hfi_addr_is_multicast(&a6) ||
                 hfi_addr_is_multicast(&all4));
    assert_true(hfi_addr_is_broadcast4(&all4));
    assert_false(hfi_addr_is_broadcast4(&a4) || hfi_addr_is_broadcast4(&group6));
    assert_true(hfi_addr_is_loopback(&loop4) && hfi_addr_is_loopback(&loop6));
    assert_false(hfi_addr_is_loopback(&a4) || hfi_addr_is_loopback(&a6) ||
                 hfi_addr_is_loopback(&any6));
    assert_true(hfi_addr_is_link_local6(&link6));
    assert_false(hfi_addr_is_link_local6(&site6) || hfi_addr_is_link_local6(&a4));
}

static void ethernet_headers_read_back_and_come_from_one_station(void **state) {
    (void)state;
    const hfi_mac one = {{2, 0, 0, 0, 0, 1}}, two = {{2, 0, 0, 0, 0, 2}};
    uint8_t frame[HFI_ETH_BYTES];
    hfi_eth_view view;
    hfi_eth_build(frame, &two, &one, HFI_ETH_IP6);
    for (uint32_t bytes = 0; bytes < HFI_ETH_BYTES; bytes++)
        assert_int_equal(hfi_eth_parse(frame, bytes, &view), HF_CAUSE_DROP_TRUNCATED);
    assert_int_equal(hfi_eth_parse(frame, HFI_ETH_BYTES, &view), HF_CAUSE_NONE);
    assert_true(hfi_mac_equal(&view.destination, &two) && hfi_mac_equal(&view.source, &one));
    assert_int_equal(view.type, HFI_ETH_IP6);
    frame[6] |= 1;
    assert_int_equal(hfi_eth_parse(frame, HFI_ETH_BYTES, &view), HF_CAUSE_DROP_ETHERNET_OTHER);
    const hf_addr group4 = hf_addr4(239, 129, 2, 3);
    const hfi_mac mac4 = {{1, 0, 0x5e, 1, 2, 3}}, got4 = hfi_mac_of_group(&group4);
    assert_true(hfi_mac_equal(&got4, &mac4) && hfi_mac_is_group(&got4));
}

static void arp_reads_back_and_every_truncation_and_forgery_is_dropped(void **state) {
    (void)state;
    const hfi_arp_view in = {HFI_ARP_REPLY, {{2, 0, 0, 0, 0, 1}}, a4, {{2, 0, 0, 0, 0, 2}}, b4};
    uint8_t packet[HFI_ARP_BYTES];
    hfi_arp_view out;
    assert_int_equal(hfi_arp_build(packet, &in), HFI_ARP_BYTES);
    for (uint32_t bytes = 0; bytes < HFI_ARP_BYTES; bytes++) {
        uint8_t *const exact = malloc(bytes + 1);
        memcpy(exact + 1, packet, bytes);
        assert_int_equal(hfi_arp_parse(exact + 1, bytes, &out), HF_CAUSE_DROP_TRUNCATED);
        free(exact);
    }
    assert_int_equal(hfi_arp_parse(packet, 46, &out), HF_CAUSE_NONE);
    assert_int_equal(out.operation, HFI_ARP_REPLY);
    assert_true(hf_addr_equal(&out.sender, &a4) && hf_addr_equal(&out.target, &b4));
    assert_true(hfi_mac_equal(&out.sender_mac, &in.sender_mac));
    assert_true(hfi_mac_equal(&out.target_mac, &in.target_mac));
    /* Hardware, protocol, both lengths, operation, a group as the sender's two addresses. */
    const uint8_t wrong[][2] = {{1, 2}, {2, 9}, {4, 5},    {5, 16},
                                {7, 3}, {8, 3}, {14, 224}, {14, 255}};
    for (int i = 0; i < 8; i++) {
        uint8_t forged[HFI_ARP_BYTES];
        memcpy(forged, packet, sizeof forged);
        forged[wrong[i][0]] = wrong[i][1];
        assert_int_equal(hfi_arp_parse(forged, HFI_ARP_BYTES, &out), HF_CAUSE_DROP_NEIGHBOR);
    }
}

static void udp_lengths_are_obeyed_or_the_datagram_is_dropped(void **state) {
    (void)state;
    uint8_t header[HFI_UDP_BYTES];
    hfi_udp_view view;
    assert_int_equal(hfi_udp_build(header, 53, 1021, 5), 8);
    assert_int_equal(hfi_udp_parse(header, 8, 13, &view), HF_CAUSE_NONE);
    assert_int_equal(view.source_port, 53);
    assert_int_equal(view.destination_port, 1021);
    assert_int_equal(view.payload_bytes, 5);
    assert_int_equal(hfi_udp_parse(header, 8, 15, &view), HF_CAUSE_NONE);
    assert_int_equal(view.payload_bytes, 5);
    assert_int_equal(hfi_udp_parse(header, 8, 12, &view), HF_CAUSE_DROP_UDP_HEADER);
    for (uint32_t bytes = 0; bytes < 8; bytes++) {
        assert_int_equal(hfi_udp_parse(header, bytes, 13, &view), HF_CAUSE_DROP_TRUNCATED);
        assert_int_equal(hfi_udp_parse(header, 8, bytes, &view), HF_CAUSE_DROP_TRUNCATED);
        hfi_store16(header + 4, (uint16_t)bytes);
        assert_int_equal(hfi_udp_parse(header, 8, 13, &view), HF_CAUSE_DROP_UDP_HEADER);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ip4_header_reads_back_as_it_was_built),
        cmocka_unit_test(an_ip6_header_reads_back_as_it_was_built),
        cmocka_unit_test(a_padded_frame_is_as_long_as_ip_says),
        cmocka_unit_test(a_super_segment_of_65535_bytes_needs_only_its_headers_here),
        cmocka_unit_test(every_truncation_of_a_packet_is_dropped),
        cmocka_unit_test(other_versions_are_dropped),
        cmocka_unit_test(a_header_length_below_20_or_beyond_the_total_is_dropped),
        cmocka_unit_test(a_total_length_beyond_the_frame_is_dropped),
        cmocka_unit_test(a_total_length_below_ip_and_tcp_headers_is_dropped),
        cmocka_unit_test(ip4_options_are_stepped_over_whatever_they_say),
        cmocka_unit_test(a_wrong_header_checksum_is_dropped_unless_trusted),
        cmocka_unit_test(ip4_fragments_are_told_with_offset_and_id),
        cmocka_unit_test(fragments_that_cannot_be_put_together_are_dropped),
        cmocka_unit_test(ip6_extension_headers_are_walked_to_the_payload),
        cmocka_unit_test(an_ip6_fragment_ends_the_walk_and_an_atomic_one_does_not),
        cmocka_unit_test(ip6_extension_headers_that_lie_are_dropped),
        cmocka_unit_test(the_ip6_walk_ends_after_8_headers),
        cmocka_unit_test(the_walk_over_ip6_options_ends_after_64_of_them),
        cmocka_unit_test(ip6_addresses_that_would_pass_for_ip4_are_dropped),
        cmocka_unit_test(the_pseudo_header_sums_as_if_it_were_written_out),
        cmocka_unit_test(addresses_are_told_apart),
        cmocka_unit_test(ethernet_headers_read_back_and_come_from_one_station),
        cmocka_unit_test(arp_reads_back_and_every_truncation_and_forgery_is_dropped),
        cmocka_unit_test(udp_lengths_are_obeyed_or_the_datagram_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
