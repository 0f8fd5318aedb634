/* The plain shape of a segment, beside the general parsers; and the drivers' checksums beside the engine's. */
#include "test.h"

#include <hf/csum.h>
#include "wire/ip.h"
#include "wire/plain.h"

enum { PAYLOAD = 7, STAMPED = HFI_TCP_BYTES + 12, PACKET = HFI_IP4_BYTES + STAMPED + PAYLOAD };

static void make_packet(uint8_t *packet) {
    const hf_addr from = hf_addr4(192, 0, 2, 3), to = hf_addr4(192, 0, 2, 5);
    const hfi_tcp_view view = {
        .source_port = 1025,
        .destination_port = 81,
        .seq = 1111,
        .ack = 2222,
        .window = 333,
        .flags = HFI_TCP_ACK | HFI_TCP_PSH,
        .options = {.present = HFI_OPT_TIMESTAMPS, .ts_value = 44, .ts_echo = 55}};
    memset(packet, 9, PACKET);
    assert_int_equal(hfi_tcp_build(packet + HFI_IP4_BYTES, &view), STAMPED);
    hfi_ip4_build(packet, &from, &to, HFI_IP_TCP, 61, 4, 0, true, STAMPED + PAYLOAD);
}

/* What the two say of a packet, where both take it. */
static bool agree(const uint8_t *packet, uint32_t bytes) {
    hfi_tcp_view quick, slow;
    hfi_plain plain;
    hfi_ip_view ip;
    if (!hfi_plain_parse(packet, bytes, bytes, &quick, &plain)) return false;
    assert_int_equal(hfi_ip_parse(packet, bytes, bytes, false, &ip), HF_CAUSE_NONE);
    assert_int_equal(
        hfi_tcp_parse(packet + ip.header_bytes, bytes - ip.header_bytes, ip.payload_bytes, &slow),
        HF_CAUSE_NONE);
    assert_false(ip.is_fragment);
    assert_true(hf_addr_equal(&plain.source, &ip.source));
    assert_true(hf_addr_equal(&plain.destination, &ip.destination));
    assert_int_equal(plain.segment_bytes, ip.payload_bytes);
    assert_int_equal(plain.traffic_class, ip.traffic_class);
    assert_int_equal(plain.ttl, ip.ttl);
    assert_int_equal(hfi_csum_fold(plain.pseudo_sum),
                     hfi_ip_pseudo_sum(&ip.source, &ip.destination, HFI_IP_TCP, ip.payload_bytes));
    assert_int_equal(quick.source_port, slow.source_port);
    assert_int_equal(quick.destination_port, slow.destination_port);
    assert_int_equal(quick.seq, slow.seq);
    assert_int_equal(quick.ack, slow.ack);
    assert_int_equal(quick.window, slow.window);
    assert_int_equal(quick.urgent, slow.urgent);
    assert_int_equal(quick.flags, slow.flags);
    assert_int_equal(quick.header_bytes, slow.header_bytes);
    assert_int_equal(quick.payload_bytes, slow.payload_bytes);
    assert_int_equal(quick.options.present, slow.options.present);
    assert_int_equal(quick.options.ts_value, slow.options.ts_value);
    assert_int_equal(quick.options.ts_echo, slow.options.ts_echo);
    return true;
}

static void a_stamped_segment_is_plain(void **state) {
    uint8_t packet[PACKET];
    (void)state;
    make_packet(packet);
    assert_true(agree(packet, PACKET));
}

/* A changed bit of the header makes it something else, or is seen alike; never is it taken otherwise. */
static void every_bit_is_read_as_the_general_parsers_read_it(void **state) {
    uint8_t packet[PACKET];
    uint32_t plain = 0;
    (void)state;
    for (uint32_t bit = 0; bit < 8 * (HFI_IP4_BYTES + STAMPED); bit++) {
        make_packet(packet);
        packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
        /* The header's sum follows, so that not every change of IP's part is refused for that. */
        if (bit / 8 < 10 || (bit / 8 >= 12 && bit / 8 < 20)) {
            packet[10] = packet[11] = 0;
            hfi_csum_store(packet + 10, hfi_csum_add(0, packet, HFI_IP4_BYTES));
        }
        plain += agree(packet, PACKET);
    }
    assert_in_range(plain, 150, 400); /* most bits are of numbers */
}

static void cut_anywhere_it_is_never_plain(void **state) {
    uint8_t packet[PACKET];
    (void)state;
    make_packet(packet);
    for (uint32_t bytes = 0; bytes < PACKET; bytes++) assert_false(agree(packet, bytes));
}

static void the_best_checksum_is_the_portable_one(void **state) {
    static uint8_t from[2200], here[2200], there[2200];
    const hf_csum *best = hf_csum_best();
    uint32_t seed = 3;
    (void)state;
    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
    for (size_t offset = 0; offset < 5; offset++)
        for (size_t bytes = 0; bytes < 2100; bytes += bytes < 400 ? 1 : 37) {
            const uint32_t wanted = hf_csum_add(offset * 70001u, from + offset, bytes);
            assert_int_equal(best->add((uint32_t)offset * 70001u, from + offset, bytes), wanted);
            memset(here, 0, sizeof here);
            memset(there, 0, sizeof there);
            memcpy(there + offset, from + offset, bytes);
            assert_int_equal(
                best->copy((uint32_t)offset * 70001u, here + offset, from + offset, bytes), wanted);
            assert_memory_equal(here, there, sizeof here);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stamped_segment_is_plain),
        cmocka_unit_test(every_bit_is_read_as_the_general_parsers_read_it),
        cmocka_unit_test(cut_anywhere_it_is_never_plain),
        cmocka_unit_test(the_best_checksum_is_the_portable_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
