#include "test.h"
#include "wire/csum.h"
#include "wire/udp.h"
#include <stdlib.h>

#define LENGTHS 131
#define ALIGNMENTS 8

/* RFC 1071 as it is written: 16-bit big-endian words, one at a time. */
static uint16_t naive_sum(const uint8_t *data, size_t bytes) {
    uint32_t sum = 0;
    for (size_t i = 0; i < bytes; i++) sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

enum pattern { ZEROS, ONES, MIXED, PATTERNS };

static void fill(uint8_t *data, size_t bytes, enum pattern pattern) {
    uint32_t x = 12345;
    for (size_t i = 0; i < bytes; i++) {
        x = x * 1103515245 + 12345;
        data[i] = pattern == ZEROS ? 0 : pattern == ONES ? 0xff : (uint8_t)(x >> 16);
    }
}

static void sum_equals_the_naive_loop_for_every_length_and_alignment(void **state) {
    (void)state;
    for (int pattern = 0; pattern < PATTERNS; pattern++)
        for (size_t bytes = 0; bytes < LENGTHS; bytes++)
            for (size_t align = 0; align < ALIGNMENTS; align++) {
                uint8_t *const room = malloc(align + bytes > 0 ? align + bytes : 1);
                assert_non_null(room);
                uint8_t *const data = room + align;
                fill(data, bytes, (enum pattern)pattern);
                assert_int_equal(hfi_csum_fold(hfi_csum_add(0, data, bytes)),
                                 naive_sum(data, bytes));
                free(room);
            }
}

static void copy_copies_exactly_and_gives_the_same_sum(void **state) {
    (void)state;
    for (int pattern = 0; pattern < PATTERNS; pattern++)
        for (size_t bytes = 0; bytes < LENGTHS; bytes++)
            for (size_t align = 0; align < ALIGNMENTS; align++) {
                uint8_t from[LENGTHS + ALIGNMENTS], to[LENGTHS + ALIGNMENTS + 1];
                fill(from, sizeof from, (enum pattern)pattern);
                memset(to, 0x5a, sizeof to);
                const size_t shift = ALIGNMENTS - 1 - align;
                const uint32_t sum = hfi_csum_copy(7, to + shift, from + align, bytes);
                assert_int_equal(sum, hfi_csum_add(7, from + align, bytes));
                assert_memory_equal(to + shift, from + align, bytes);
                assert_int_equal(to[shift + bytes], 0x5a);
                if (shift > 0) assert_int_equal(to[shift - 1], 0x5a);
            }
}

static void a_packet_in_two_parts_sums_as_one_at_every_split(void **state) {
    (void)state;
    uint8_t data[LENGTHS];
    fill(data, sizeof data, MIXED);
    for (size_t bytes = 0; bytes < LENGTHS; bytes++)
        for (size_t split = 0; split <= bytes; split++) {
            const uint32_t head = hfi_csum_add(0, data, split);
            uint32_t rest = hfi_csum_add(0, data + split, bytes - split);
            if (split % 2 == 1) rest = hfi_csum_swap(rest);
            assert_int_equal(hfi_csum_fold(head + rest), naive_sum(data, bytes));
        }
}

static void unfolded_sums_lose_no_carry(void **state) {
    (void)state;
    const uint8_t data[] = {0xff, 0xff, 0x00, 0x03};
    assert_int_equal(hfi_csum_add(0xffffffff, data, 4), 3);
    assert_int_equal(hfi_csum_fold(0xffffffff), 0xffff);
    assert_int_equal(hfi_csum_fold(0x1ffff), 1);
    assert_int_equal(hfi_csum_swap(0x00020103), 0x0501);
}

static void a_large_buffer_of_ones_folds_to_ones_and_of_zeros_to_zero(void **state) {
    (void)state;
    static uint8_t data[65535 + 65536];
    assert_int_equal(hfi_csum_add(0, data, sizeof data), 0);
    memset(data, 0xff, sizeof data);
    assert_int_equal(hfi_csum_add(0, data, sizeof data - 1), 0xffff);
    assert_int_equal(hfi_csum_add(0, data, sizeof data), 0xff00);
}

/* RFC 1071 3 works this example: 00 01 f2 03 f4 f5 f6 f7 sums to ddf2. */
static void the_example_of_the_rfc_comes_out(void **state) {
    (void)state;
    const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    assert_int_equal(hfi_csum_fold(hfi_csum_add(0, data, sizeof data)), 0xddf2);
}

static void a_stored_checksum_makes_the_packet_good_and_any_flipped_bit_bad(void **state) {
    (void)state;
    uint8_t packet[21];
    fill(packet, sizeof packet, MIXED);
    packet[4] = packet[5] = 0;
    hfi_csum_store(packet + 4, hfi_csum_add(0, packet, sizeof packet));
    assert_true(hfi_csum_good(hfi_csum_add(0, packet, sizeof packet)));
    for (size_t bit = 0; bit < 8 * sizeof packet; bit++) {
        packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(hfi_csum_good(hfi_csum_add(0, packet, sizeof packet)));
        packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void a_udp_checksum_of_zero_is_sent_as_ones(void **state) {
    (void)state;
    uint8_t header[HFI_UDP_BYTES];
    assert_int_equal(hfi_udp_build(header, 53, 1021, 5), 8);
    hfi_udp_csum_store(header, 0xffff);
    assert_int_equal(hfi_load16(header + 6), 0xffff);
    hfi_udp_csum_store(header, 0x1234);
    assert_int_equal(hfi_load16(header + 6), 0xedcb);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sum_equals_the_naive_loop_for_every_length_and_alignment),
        cmocka_unit_test(copy_copies_exactly_and_gives_the_same_sum),
        cmocka_unit_test(a_packet_in_two_parts_sums_as_one_at_every_split),
        cmocka_unit_test(unfolded_sums_lose_no_carry),
        cmocka_unit_test(a_large_buffer_of_ones_folds_to_ones_and_of_zeros_to_zero),
        cmocka_unit_test(the_example_of_the_rfc_comes_out),
        cmocka_unit_test(a_stored_checksum_makes_the_packet_good_and_any_flipped_bit_bad),
        cmocka_unit_test(a_udp_checksum_of_zero_is_sent_as_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
