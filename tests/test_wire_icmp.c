#include "test.h"
#include "wire/icmp.h"
#include "wire/nd.h"
#include "wire/tcp.h"
#include <stdlib.h>

static const hf_addr a4 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1}};
static const hf_addr b4 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 2}};
static const hf_addr a6 = {{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
static const hf_addr b6 = {{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}};
static const hf_addr link6 = {{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3}};
static const hf_addr any6 = {{0}};
static const hf_addr all_nodes6 = {{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

static hf_cause parse(const uint8_t *message, uint32_t bytes, uint8_t version,
                      hfi_icmp_view *view) {
    uint8_t *const exact = malloc(bytes > 0 ? bytes : 1);
    assert_non_null(exact);
    if (bytes > 0) memcpy(exact, message, bytes);
    const hf_cause cause = hfi_icmp_parse(exact, bytes, bytes, version, view);
    free(exact);
    return cause;
}

/* A TCP packet of ours with payload_bytes of payload; returns its bytes. */
static uint32_t packet_make(uint8_t *to, bool is4, uint32_t payload_bytes) {
    const hfi_tcp_view tcp = {
        .source_port = 1021, .destination_port = 80, .seq = 70001, .flags = HFI_TCP_ACK};
    const uint32_t ip_bytes =
        is4 ? hfi_ip4_build(to, &a4, &b4, HFI_IP_TCP, 64, 0, 7, true, 20 + payload_bytes)
            : hfi_ip6_build(to, &a6, &b6, HFI_IP_TCP, 64, 0, 0, 20 + payload_bytes);
    hfi_tcp_build(to + ip_bytes, &tcp);
    memset(to + ip_bytes + 20, 'x', payload_bytes);
    return ip_bytes + 20 + payload_bytes;
}

/* An error of b to a, about a packet of a; returns its bytes. */
static uint32_t error_make(uint8_t *to, bool is4, uint32_t payload_bytes) {
    static uint8_t packet[2000];
    const uint32_t bytes = packet_make(packet, is4, payload_bytes);
    return hfi_icmp_port_unreachable_build(to, is4 ? &b4 : &b6, is4 ? &a4 : &a6, packet, bytes);
}

static bool csum_is_good(const uint8_t *message, uint32_t bytes, bool is4) {
    const uint32_t sum = is4 ? 0 : hfi_ip_pseudo_sum(&b6, &a6, HFI_IP_ICMP6, bytes);
    return hfi_csum_good(hfi_csum_add(sum, message, bytes));
}

static void an_error_tells_whose_segment_it_is_about(void **state) {
    (void)state;
    for (int is4 = 0; is4 < 2; is4++) {
        uint8_t message[HFI_ICMP_ERROR_BYTES_MAX];
        hfi_icmp_view view;
        const uint32_t bytes = error_make(message, is4, 5);
        assert_int_equal(parse(message, bytes, is4 ? 4 : 6, &view), HF_CAUSE_NONE);
        assert_true(view.is_error && view.quoted.has_transport);
        assert_int_equal(view.type, is4 ? 3 : 1);
        assert_int_equal(view.code, is4 ? 3 : 4);
        assert_int_equal(view.quoted.protocol, HFI_IP_TCP);
        assert_int_equal(view.quoted.source_port, 1021);
        assert_int_equal(view.quoted.destination_port, 80);
        assert_int_equal(view.quoted.seq, 70001);
        assert_true(hf_addr_equal(&view.quoted.source, is4 ? &a4 : &a6));
        assert_true(hf_addr_equal(&view.quoted.destination, is4 ? &b4 : &b6));
        assert_true(csum_is_good(message, bytes, is4));
    }
}

static void an_error_stays_within_576_or_1280_bytes(void **state) {
    (void)state;
    uint8_t message[HFI_ICMP_ERROR_BYTES_MAX];
    assert_int_equal(error_make(message, true, 1400) + 20, 576);
    assert_true(csum_is_good(message, 556, true));
    assert_int_equal(error_make(message, false, 1400) + 40, 1280);
    assert_true(csum_is_good(message, 1240, false));
    assert_int_equal(error_make(message, true, 3), 8 + 43);
}

static void every_truncation_of_an_error_before_8_transport_bytes_is_dropped(void **state) {
    (void)state;
    for (int is4 = 0; is4 < 2; is4++) {
        uint8_t message[HFI_ICMP_ERROR_BYTES_MAX];
        hfi_icmp_view view;
        error_make(message, is4, 5);
        const uint32_t enough = 8 + (is4 ? 20 : 40) + 8;
        for (uint32_t bytes = 0; bytes < enough; bytes++) {
            const hf_cause cause = bytes < 8 ? HF_CAUSE_DROP_TRUNCATED : HF_CAUSE_DROP_ICMP_HEADER;
            assert_int_equal(parse(message, bytes, is4 ? 4 : 6, &view), cause);
        }
        assert_int_equal(parse(message, enough, is4 ? 4 : 6, &view), HF_CAUSE_NONE);
    }
}

static void a_quote_that_lies_about_its_header_is_dropped(void **state) {
    (void)state;
    uint8_t message[HFI_ICMP_ERROR_BYTES_MAX];
    hfi_icmp_view view;
    const uint32_t bytes = error_make(message, true, 5);
    const uint8_t firsts[] = {0x44, 0x4f, 0x40, 0x05, 0x65, 0xf5};
    for (int i = 0; i < 6; i++) {
        message[8] = firsts[i];
        assert_int_equal(parse(message, bytes, 4, &view), HF_CAUSE_DROP_ICMP_HEADER);
    }
}

static void a_quote_of_the_other_version_is_dropped(void **state) {
    (void)state;
    uint8_t message[HFI_ICMP_ERROR_BYTES_MAX];
    hfi_icmp_view view;
    uint32_t bytes = error_make(message, false, 5);
    message[0] = HFI_ICMP4_UNREACHABLE;
    assert_int_equal(parse(message, bytes, 4, &view), HF_CAUSE_DROP_ICMP_HEADER);
    bytes = error_make(message, true, 40);
    message[0] = HFI_ICMP6_UNREACHABLE;
    assert_int_equal(parse(message, bytes, 6, &view), HF_CAUSE_DROP_ICMP_HEADER);
}

static void a_quoted_later_fragment_has_no_ports(void **state) {
    (void)state;
    uint8_t message[HFI_ICMP_ERROR_BYTES_MAX];
    hfi_icmp_view view;
    const uint32_t bytes = error_make(message, true, 5);
    hfi_store16(message + 8 + 6, 185);
    assert_int_equal(parse(message, bytes, 4, &view), HF_CAUSE_NONE);
    assert_false(view.quoted.has_transport);
    assert_int_equal(view.quoted.source_port, 0);
    assert_int_equal(view.quoted.seq, 0);
}

/* G05 is the caller's to ignore; the parser names them. */
static void source_quench_and_redirect_are_errors_by_type(void **state) {
    (void)state;
    assert_true(hfi_icmp_is_error(4, HFI_ICMP4_SOURCE_QUENCH) &&
                hfi_icmp_is_error(4, HFI_ICMP4_REDIRECT));
    assert_false(hfi_icmp_is_error(4, HFI_ICMP4_ECHO_REQUEST) ||
                 hfi_icmp_is_error(6, HFI_ICMP6_ECHO_REPLY));
    uint8_t message[HFI_ICMP_ERROR_BYTES_MAX];
    hfi_icmp_view view;
    const uint32_t bytes = error_make(message, false, 5);
    message[0] = 100;
    assert_int_equal(parse(message, bytes, 6, &view), HF_CAUSE_DROP_ICMP_UNKNOWN);
}

static void an_echo_is_answered_in_place_or_elsewhere_with_its_own_bytes(void **state) {
    (void)state;
    for (int is4 = 0; is4 < 2; is4++) {
        uint8_t request[13] = {is4 ? 8 : 128, 0, 9, 9, 0x12, 0x34, 0, 7, 'h', 'e', 'l', 'l', 'o'};
        uint8_t reply[13];
        hfi_icmp_view view;
        const hf_addr *const src = is4 ? &b4 : &b6, *const dst = is4 ? &a4 : &a6;
        assert_int_equal(hfi_icmp_echo_reply_build(reply, src, dst, request, 13), 13);
        assert_int_equal(hfi_icmp_echo_reply_build(request, src, dst, request, 13), 13);
        assert_memory_equal(reply, request, 13);
        assert_true(csum_is_good(reply, 13, is4));
        assert_int_equal(parse(reply, 13, is4 ? 4 : 6, &view), HF_CAUSE_NONE);
        assert_int_equal(view.type, is4 ? 0 : 129);
        assert_int_equal(view.rest, 0x12340007);
        assert_int_equal(view.payload_bytes, 5);
        assert_false(view.is_error);
    }
}

/* ---- Neighbour discovery. ---- */

static hfi_ip_view nd_ip(const hf_addr *source, const hf_addr *destination) {
    return (hfi_ip_view){.source = *source,
                         .destination = *destination,
                         .version = 6,
                         .protocol = HFI_IP_ICMP6,
                         .ttl = HFI_ND_HOP_LIMIT};
}

static hf_cause nd_parse(const hfi_ip_view *ip, const uint8_t *message, uint32_t bytes,
                         hfi_nd_view *view) {
    uint8_t *const exact = malloc(bytes > 0 ? bytes : 1);
    assert_non_null(exact);
    if (bytes > 0) memcpy(exact, message, bytes);
    const hf_cause cause = hfi_nd_parse(ip, exact, bytes, view);
    free(exact);
    return cause;
}

static hfi_nd_view advertisement(void) {
    return (hfi_nd_view){.type = HFI_ND_ROUTER_ADVERTISEMENT,
                         .has_source_mac = true,
                         .source_mac = {{2, 0, 0, 0, 0, 3}},
                         .hop_limit = 64,
                         .other_config = true,
                         .router_lifetime_seconds = 1800,
                         .reachable_ms = 30000,
                         .retransmit_ms = 1000,
                         .mtu = 1400,
                         .prefix_count = 1,
                         .prefixes = {{{{0xfd, 0, 0, 9}}, 64, true, true, 86400, 14400}}};
}

static void a_router_advertisement_reads_back_with_prefix_and_mtu(void **state) {
    (void)state;
    const hfi_nd_view in = advertisement();
    hfi_nd_view out;
    uint8_t message[HFI_ND_BYTES_MAX];
    const uint32_t bytes = hfi_nd_build(message, &link6, &all_nodes6, &in);
    assert_int_equal(bytes, 16 + 8 + 8 + 32);
    const uint32_t pseudo = hfi_ip_pseudo_sum(&link6, &all_nodes6, HFI_IP_ICMP6, bytes);
    assert_true(hfi_csum_good(hfi_csum_add(pseudo, message, bytes)));
    hfi_ip_view ip = nd_ip(&link6, &all_nodes6);
    assert_int_equal(nd_parse(&ip, message, bytes, &out), HF_CAUSE_NONE);
    assert_int_equal(out.router_lifetime_seconds, 1800);
    assert_int_equal(out.reachable_ms, 30000);
    assert_int_equal(out.retransmit_ms, 1000);
    assert_int_equal(out.hop_limit, 64);
    assert_true(out.other_config && !out.managed);
    assert_int_equal(out.mtu, 1400);
    assert_true(out.has_source_mac && hfi_mac_equal(&out.source_mac, &in.source_mac));
    assert_int_equal(out.prefix_count, 1);
    assert_true(hf_addr_equal(&out.prefixes[0].prefix, &in.prefixes[0].prefix));
    assert_int_equal(out.prefixes[0].prefix_bits, 64);
    assert_true(out.prefixes[0].on_link && out.prefixes[0].autonomous);
    assert_int_equal(out.prefixes[0].valid_seconds, 86400);
    assert_int_equal(out.prefixes[0].preferred_seconds, 14400);
    ip.source = a6;
    assert_int_equal(nd_parse(&ip, message, bytes, &out), HF_CAUSE_DROP_NEIGHBOR);
}

static uint32_t solicitation_make(uint8_t *to) {
    const hfi_nd_view in = {.type = HFI_ND_NEIGHBOR_SOLICITATION,
                            .target = b6,
                            .has_source_mac = true,
                            .source_mac = {{2, 0, 0, 0, 0, 1}}};
    return hfi_nd_build(to, &a6, &b6, &in);
}

static void every_truncation_of_a_neighbour_message_is_dropped(void **state) {
    (void)state;
    uint8_t message[HFI_ND_BYTES_MAX];
    hfi_nd_view view;
    const hfi_ip_view ip = nd_ip(&a6, &b6);
    assert_int_equal(solicitation_make(message), 32);
    for (uint32_t bytes = 0; bytes < 32; bytes++) {
        const hf_cause cause = nd_parse(&ip, message, bytes, &view);
        if (bytes < 24) assert_int_equal(cause, HF_CAUSE_DROP_TRUNCATED);
        if (bytes > 24) assert_int_equal(cause, HF_CAUSE_DROP_NEIGHBOR);
    }
    assert_int_equal(nd_parse(&ip, message, 32, &view), HF_CAUSE_NONE);
    assert_true(hf_addr_equal(&view.target, &b6) && view.has_source_mac);
}

static void a_neighbour_message_from_beyond_the_link_is_dropped(void **state) {
    (void)state;
    uint8_t message[HFI_ND_BYTES_MAX];
    hfi_nd_view view;
    hfi_ip_view ip = nd_ip(&a6, &b6);
    const uint32_t bytes = solicitation_make(message);
    ip.ttl = 254;
    assert_int_equal(nd_parse(&ip, message, bytes, &view), HF_CAUSE_DROP_NEIGHBOR);
    ip.ttl = 255;
    message[1] = 1;
    assert_int_equal(nd_parse(&ip, message, bytes, &view), HF_CAUSE_DROP_NEIGHBOR);
}

static void a_neighbour_option_of_length_0_or_beyond_the_message_is_dropped(void **state) {
    (void)state;
    uint8_t message[HFI_ND_BYTES_MAX];
    hfi_nd_view view;
    const hfi_ip_view ip = nd_ip(&a6, &b6);
    const uint32_t bytes = solicitation_make(message);
    message[25] = 0;
    assert_int_equal(nd_parse(&ip, message, bytes, &view), HF_CAUSE_DROP_NEIGHBOR);
    message[25] = 2;
    assert_int_equal(nd_parse(&ip, message, bytes, &view), HF_CAUSE_DROP_NEIGHBOR);
}

static void the_walk_over_neighbour_options_ends_after_32_of_them(void **state) {
    (void)state;
    uint8_t message[24 + 33 * 8] = {0};
    hfi_nd_view view;
    const hfi_ip_view ip = nd_ip(&a6, &b6);
    solicitation_make(message);
    for (int i = 0; i < 33; i++) memcpy(message + 24 + 8 * i, (const uint8_t[]){99, 1}, 2);
    assert_int_equal(nd_parse(&ip, message, 24 + 32 * 8, &view), HF_CAUSE_NONE);
    assert_int_equal(nd_parse(&ip, message, 24 + 33 * 8, &view), HF_CAUSE_DROP_NEIGHBOR);
}

static void a_probe_for_a_duplicate_goes_to_the_group_and_names_no_sender(void **state) {
    (void)state;
    const hfi_nd_view in = {.type = HFI_ND_NEIGHBOR_SOLICITATION, .target = b6};
    const hf_addr group = hfi_nd_solicited_node(&b6);
    uint8_t message[HFI_ND_BYTES_MAX];
    hfi_nd_view view;
    const uint32_t bytes = hfi_nd_build(message, &any6, &group, &in);
    hfi_ip_view ip = nd_ip(&any6, &group);
    assert_int_equal(nd_parse(&ip, message, bytes, &view), HF_CAUSE_NONE);
    ip.destination = b6;
    assert_int_equal(nd_parse(&ip, message, bytes, &view), HF_CAUSE_DROP_NEIGHBOR);
    ip.destination = group;
    assert_int_equal(nd_parse(&ip, message, solicitation_make(message), &view),
                     HF_CAUSE_DROP_NEIGHBOR);
}

static void an_advertisement_to_many_is_not_an_answer(void **state) {
    (void)state;
    const hfi_nd_view in = {.type = HFI_ND_NEIGHBOR_ADVERTISEMENT,
                            .target = b6,
                            .has_target_mac = true,
                            .target_mac = {{2, 0, 0, 0, 0, 2}},
                            .solicited = true,
                            .override = true};
    uint8_t message[HFI_ND_BYTES_MAX];
    hfi_nd_view view;
    const uint32_t bytes = hfi_nd_build(message, &b6, &a6, &in);
    hfi_ip_view ip = nd_ip(&b6, &a6);
    assert_int_equal(nd_parse(&ip, message, bytes, &view), HF_CAUSE_NONE);
    assert_true(view.solicited && view.override && !view.is_router && view.has_target_mac);
    ip.destination = all_nodes6;
    assert_int_equal(nd_parse(&ip, message, bytes, &view), HF_CAUSE_DROP_NEIGHBOR);
}

static void a_group_has_no_neighbour_entry_neither_as_target_nor_as_station(void **state) {
    (void)state;
    uint8_t message[HFI_ND_BYTES_MAX];
    hfi_nd_view view;
    const hfi_ip_view ip = nd_ip(&a6, &b6);
    const uint32_t bytes = solicitation_make(message);
    message[26] |= 1;
    assert_int_equal(nd_parse(&ip, message, bytes, &view), HF_CAUSE_DROP_NEIGHBOR);
    message[26] &= 0xfe;
    message[8] = 0xff;
    assert_int_equal(nd_parse(&ip, message, bytes, &view), HF_CAUSE_DROP_NEIGHBOR);
    memcpy(message + 8, a4.bytes, 16);
    assert_int_equal(nd_parse(&ip, message, bytes, &view), HF_CAUSE_DROP_NEIGHBOR);
}

static void a_solicitation_of_routers_needs_no_address_but_then_names_no_sender(void **state) {
    (void)state;
    hfi_nd_view in = {.type = HFI_ND_ROUTER_SOLICITATION}, view;
    uint8_t message[HFI_ND_BYTES_MAX];
    const hfi_ip_view ip = nd_ip(&any6, &all_nodes6);
    assert_int_equal(nd_parse(&ip, message, hfi_nd_build(message, &any6, &all_nodes6, &in), &view),
                     HF_CAUSE_NONE);
    in.has_source_mac = true;
    const uint32_t bytes = hfi_nd_build(message, &any6, &all_nodes6, &in);
    assert_int_equal(nd_parse(&ip, message, bytes, &view), HF_CAUSE_DROP_NEIGHBOR);
}

static void a_prefix_longer_than_128_bits_is_ignored(void **state) {
    (void)state;
    hfi_nd_view in = advertisement(), view;
    in.prefixes[0].prefix_bits = 129;
    uint8_t message[HFI_ND_BYTES_MAX];
    const uint32_t bytes = hfi_nd_build(message, &link6, &all_nodes6, &in);
    const hfi_ip_view ip = nd_ip(&link6, &all_nodes6);
    assert_int_equal(nd_parse(&ip, message, bytes, &view), HF_CAUSE_NONE);
    assert_int_equal(view.prefix_count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_tells_whose_segment_it_is_about),
        cmocka_unit_test(an_error_stays_within_576_or_1280_bytes),
        cmocka_unit_test(every_truncation_of_an_error_before_8_transport_bytes_is_dropped),
        cmocka_unit_test(a_quote_that_lies_about_its_header_is_dropped),
        cmocka_unit_test(a_quote_of_the_other_version_is_dropped),
        cmocka_unit_test(a_quoted_later_fragment_has_no_ports),
        cmocka_unit_test(source_quench_and_redirect_are_errors_by_type),
        cmocka_unit_test(an_echo_is_answered_in_place_or_elsewhere_with_its_own_bytes),
        cmocka_unit_test(a_router_advertisement_reads_back_with_prefix_and_mtu),
        cmocka_unit_test(every_truncation_of_a_neighbour_message_is_dropped),
        cmocka_unit_test(a_neighbour_message_from_beyond_the_link_is_dropped),
        cmocka_unit_test(a_neighbour_option_of_length_0_or_beyond_the_message_is_dropped),
        cmocka_unit_test(the_walk_over_neighbour_options_ends_after_32_of_them),
        cmocka_unit_test(a_probe_for_a_duplicate_goes_to_the_group_and_names_no_sender),
        cmocka_unit_test(an_advertisement_to_many_is_not_an_answer),
        cmocka_unit_test(a_group_has_no_neighbour_entry_neither_as_target_nor_as_station),
        cmocka_unit_test(a_solicitation_of_routers_needs_no_address_but_then_names_no_sender),
        cmocka_unit_test(a_prefix_longer_than_128_bits_is_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
