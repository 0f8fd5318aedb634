#include "test.h"
#include "icmp/icmp.h"
#include <string.h>

static const hf_ns start_ns = 40 * HF_SECOND;

static hfi_icmp_limit fresh(void) {
    const hf_config config = {.seed = {9}};
    hfi_icmp_limit limit;
    hfi_icmp_limit_init(&limit, &config, start_ns);
    return limit;
}

static hfi_ip_view packet_to_us(uint8_t version) {
    const hf_addr six = {{0x20, 1, 0xd, 0xb8, [15] = 5}}, own6 = {{0x20, 1, 0xd, 0xb8, [15] = 7}};
    return (hfi_ip_view){.source = version == 4 ? hf_addr4(192, 0, 2, 5) : six,
                         .destination = version == 4 ? hf_addr4(192, 0, 2, 7) : own6,
                         .version = version,
                         .protocol = HFI_IP_UDP};
}

static hfi_icmp_kind sorted(uint8_t version, uint8_t type, uint8_t code) {
    const hfi_ip_view packet = packet_to_us(version);
    const hfi_icmp_view icmp = {.version = version,
                                .type = type,
                                .code = code,
                                .is_error = hfi_icmp_is_error(version, type),
                                .rest = 0xabcd0578,
                                .quoted = {.source_port = 1021, .seq = 77}};
    hfi_icmp_result result = {
        HFI_ICMP_KIND_NOTHING, 0, 0, 0, {{0}}, {{{0}}, {{0}}, 0, false, 0, 0, 0}};
    const hf_cause cause = hfi_icmp_sort(&packet, &icmp, &result);
    assert_int_equal(cause == HF_CAUSE_NONE, result.kind != HFI_ICMP_KIND_NOTHING);
    if (cause == HF_CAUSE_NONE) {
        assert_memory_equal(&result.from, &packet.source, 16);
        assert_int_equal(result.type, type);
        assert_int_equal(result.code, code);
        assert_int_equal(result.quoted.seq, icmp.is_error ? 77 : 0);
    }
    return result.kind;
}

static void errors_are_sorted_as_tcp_needs_them(void **state) {
    (void)state;
    for (uint8_t code = 0; code < 16; code++) {
        const hfi_icmp_kind kind = code == 4                ? HFI_ICMP_KIND_TOO_BIG
                                   : code == 2 || code == 3 ? HFI_ICMP_KIND_HARD
                                                            : HFI_ICMP_KIND_SOFT;
        assert_int_equal(sorted(4, HFI_ICMP4_UNREACHABLE, code), kind);
    }
    for (uint8_t code = 0; code < 8; code++)
        assert_int_equal(sorted(6, HFI_ICMP6_UNREACHABLE, code),
                         code == 1 || code == 4 ? HFI_ICMP_KIND_HARD : HFI_ICMP_KIND_SOFT);
    assert_int_equal(sorted(4, HFI_ICMP4_TIME_EXCEEDED, 0), HFI_ICMP_KIND_SOFT);
    assert_int_equal(sorted(4, HFI_ICMP4_PARAMETER_PROBLEM, 0), HFI_ICMP_KIND_SOFT);
    assert_int_equal(sorted(6, HFI_ICMP6_TIME_EXCEEDED, 1), HFI_ICMP_KIND_SOFT);
    assert_int_equal(sorted(6, HFI_ICMP6_PARAMETER_PROBLEM, 1), HFI_ICMP_KIND_SOFT);
    assert_int_equal(sorted(6, HFI_ICMP6_TOO_BIG, 0), HFI_ICMP_KIND_TOO_BIG);
}

/* G05. */
static void source_quench_and_redirect_ask_nothing_of_us(void **state) {
    (void)state;
    assert_int_equal(sorted(4, HFI_ICMP4_SOURCE_QUENCH, 0), HFI_ICMP_KIND_NOTHING);
    assert_int_equal(sorted(4, HFI_ICMP4_REDIRECT, 1), HFI_ICMP_KIND_NOTHING);
    assert_int_equal(sorted(6, 137, 0), HFI_ICMP_KIND_NOTHING);
    assert_int_equal(sorted(4, HFI_ICMP4_ECHO_REPLY, 0), HFI_ICMP_KIND_NOTHING);
    assert_int_equal(sorted(6, HFI_ICMP6_ECHO_REPLY, 0), HFI_ICMP_KIND_NOTHING);
    assert_int_equal(sorted(4, 13, 0), HFI_ICMP_KIND_NOTHING); /* timestamp */
}

static void the_mtu_is_16_bits_in_ipv4_and_32_in_ipv6(void **state) {
    (void)state;
    const hfi_ip_view packet = packet_to_us(4);
    hfi_icmp_view icmp = {.version = 4, .type = 3, .code = 4, .is_error = true, .rest = 0xabcd0578};
    hfi_icmp_result result;
    assert_int_equal(hfi_icmp_sort(&packet, &icmp, &result), HF_CAUSE_NONE);
    assert_int_equal(result.mtu, 1400);
    icmp = (hfi_icmp_view){.version = 6, .type = 2, .is_error = true, .rest = 0x00010578};
    assert_int_equal(hfi_icmp_sort(&packet, &icmp, &result), HF_CAUSE_NONE);
    assert_int_equal(result.mtu, 0x10578);
}

static void echo_requests_are_to_be_answered(void **state) {
    (void)state;
    assert_int_equal(sorted(4, HFI_ICMP4_ECHO_REQUEST, 0), HFI_ICMP_KIND_ECHO_REQUEST);
    assert_int_equal(sorted(6, HFI_ICMP6_ECHO_REQUEST, 0), HFI_ICMP_KIND_ECHO_REQUEST);
}

static uint32_t taken(hfi_icmp_limit *limit, hf_addr to, hf_ns now_ns) {
    uint32_t count = 0;
    while (count < 100 && hfi_icmp_limit_take(limit, &to, now_ns)) count++;
    return count;
}

static void one_source_gets_a_burst_and_then_eight_a_second(void **state) {
    (void)state;
    hfi_icmp_limit limit = fresh();
    const hf_addr peer = hf_addr4(192, 0, 2, 5);
    const uint32_t burst = taken(&limit, peer, start_ns);
    assert_in_range(burst, 8, 15);
    assert_int_equal(taken(&limit, peer, start_ns + HF_SECOND / 8 - 1), 0);
    assert_int_equal(taken(&limit, peer, start_ns + HF_SECOND / 8), 1);
    assert_int_equal(taken(&limit, peer, start_ns + HF_SECOND), 7);
    assert_int_equal(taken(&limit, peer, start_ns + 100 * HF_SECOND), burst);
}

static void a_flood_from_one_source_leaves_another_its_answers(void **state) {
    (void)state;
    hfi_icmp_limit limit = fresh();
    const hf_addr flooder = hf_addr4(192, 0, 2, 5), other = hf_addr4(192, 0, 2, 6);
    for (int i = 0; i < 10000; i++) hfi_icmp_limit_take(&limit, &flooder, start_ns);
    assert_in_range(taken(&limit, other, start_ns), 8, 15);
}

static void an_ipv6_site_is_one_source(void **state) {
    (void)state;
    hfi_icmp_limit limit = fresh();
    uint32_t count = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        hf_addr addr = {{0x20, 1, 0xd, 0xb8, [14] = (uint8_t)(i >> 8)}};
        addr.bytes[15] = (uint8_t)i;
        count += hfi_icmp_limit_take(&limit, &addr, start_ns);
    }
    assert_in_range(count, 8, 15);
}

static void all_sources_together_stay_below_a_thousand_a_second(void **state) {
    (void)state;
    hfi_icmp_limit limit = fresh();
    uint32_t count = 0;
    for (uint32_t i = 0; i < 100000; i++) {
        const hf_addr addr = hf_addr4(10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i);
        count += hfi_icmp_limit_take(&limit, &addr, start_ns);
    }
    assert_in_range(count, 250, 1000);
}

static void errors_groups_and_later_fragments_are_never_answered_with_an_error(void **state) {
    (void)state;
    hfi_ip_view packet = packet_to_us(4);
    assert_true(hfi_icmp_error_allowed(&packet, false, 0));
    assert_false(hfi_icmp_error_allowed(&packet, true, 0));
    packet.fragment_offset = 8;
    assert_false(hfi_icmp_error_allowed(&packet, false, 0));
    packet = packet_to_us(4);
    packet.protocol = HFI_IP_ICMP4;
    assert_true(hfi_icmp_error_allowed(&packet, false, HFI_ICMP4_ECHO_REQUEST));
    assert_false(hfi_icmp_error_allowed(&packet, false, HFI_ICMP4_UNREACHABLE));
    packet = packet_to_us(6);
    packet.protocol = HFI_IP_ICMP6;
    assert_false(hfi_icmp_error_allowed(&packet, false, 100)); /* an unknown error */
    packet = packet_to_us(6);
    packet.destination.bytes[0] = 0xff;
    assert_false(hfi_icmp_error_allowed(&packet, false, 0));
    const hf_addr bad[] = {hf_addr4(0, 0, 0, 0), hf_addr4(224, 0, 0, 9),
                           hf_addr4(255, 255, 255, 255)};
    for (int i = 0; i < 3; i++) {
        packet = packet_to_us(4);
        packet.source = bad[i];
        assert_false(hfi_icmp_error_allowed(&packet, false, 0));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_sorted_as_tcp_needs_them),
        cmocka_unit_test(source_quench_and_redirect_ask_nothing_of_us),
        cmocka_unit_test(the_mtu_is_16_bits_in_ipv4_and_32_in_ipv6),
        cmocka_unit_test(echo_requests_are_to_be_answered),
        cmocka_unit_test(one_source_gets_a_burst_and_then_eight_a_second),
        cmocka_unit_test(a_flood_from_one_source_leaves_another_its_answers),
        cmocka_unit_test(an_ipv6_site_is_one_source),
        cmocka_unit_test(all_sources_together_stay_below_a_thousand_a_second),
        cmocka_unit_test(errors_groups_and_later_fragments_are_never_answered_with_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
