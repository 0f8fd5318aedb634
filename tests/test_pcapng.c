#define _GNU_SOURCE
/* A capture is read back by a reader that knows the format only from its specification. */
#include "test.h"

#include <hf/pcapng.h>
#include <stdlib.h>
#include <string.h>

/* ---- The reader ---- */

typedef struct file_bytes {
    char *data;
    size_t bytes;
} file_bytes;

static uint16_t get16(const char *at) {
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint32_t get32(const char *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* The n-th block, whose two lengths must agree and fit. */
static const char *block(const file_bytes *file, int n) {
    size_t at = 0;
    for (int i = 0;; i++) {
        assert_true(at + 12 <= file->bytes);
        const uint32_t bytes = get32(file->data + at + 4);
        assert_int_equal(bytes % 4, 0);
        assert_true(at + bytes <= file->bytes);
        assert_int_equal(get32(file->data + at + bytes - 4), bytes);
        if (i == n) return file->data + at;
        at += bytes;
    }
}

static size_t block_count(const file_bytes *file) {
    size_t at = 0, count = 0;
    for (; at < file->bytes; count++) at += get32(file->data + at + 4);
    assert_int_equal(at, file->bytes);
    return count;
}

/* The value of an option in a block whose options start at `at`, or NULL. */
static const char *option(const char *in_block, uint32_t at, uint16_t code, uint16_t *ret_bytes) {
    for (;;) {
        assert_true(at + 4 <= get32(in_block + 4) - 4);
        const uint16_t found = get16(in_block + at), bytes = get16(in_block + at + 2);
        if (found == code) *ret_bytes = bytes;
        if (found == code) return in_block + at + 4;
        if (found == 0) return NULL;
        at += 4 + (bytes + 3u) / 4 * 4;
    }
}

static uint32_t packet_options(const char *packet) { return 28 + (get32(packet + 20) + 3) / 4 * 4; }

/* ---- The tests ---- */

static hf_pcapng begin(file_bytes *ret_file, hf_link link, hf_ns epoch_ns) {
    hf_pcapng capture;
    FILE *file = open_memstream(&ret_file->data, &ret_file->bytes);
    assert_non_null(file);
    assert_true(hf_pcapng_begin(&capture, file, epoch_ns));
    assert_true(hf_pcapng_interface(&capture, link, "hf0"));
    return capture;
}

static hf_frame frame_of(const char *first, const char *second) {
    return (hf_frame){
        .total_bytes = (uint32_t)(strlen(first) + strlen(second)),
        .part_count = 2,
        .parts = {{first, (uint32_t)strlen(first)}, {second, (uint32_t)strlen(second)}},
    };
}

static void the_file_tells_its_format_and_no_host(void **state) {
    (void)state;
    file_bytes file;
    hf_pcapng capture = begin(&file, HF_LINK_IP, 0);
    assert_true(hf_pcapng_end(&capture));
    assert_int_equal(block_count(&file), 2);
    const char *section = block(&file, 0);
    assert_int_equal(get32(section), 0x0a0d0d0a);
    assert_int_equal(get32(section + 8), 0x1a2b3c4d);
    assert_int_equal(get16(section + 12), 1);
    assert_int_equal(get16(section + 14), 0);
    uint16_t bytes;
    assert_null(option(section, 24, 2, &bytes)); /* hardware */
    assert_null(option(section, 24, 3, &bytes)); /* operating system */
    const char *application = option(section, 24, 4, &bytes);
    assert_non_null(application);
    assert_memory_equal(application, "Holdfast ", 9);
    free(file.data);
}

static void ip_interfaces_are_raw_and_ethernet_is_ethernet(void **state) {
    (void)state;
    file_bytes file;
    hf_pcapng capture = begin(&file, HF_LINK_IP, 0);
    assert_true(hf_pcapng_interface(&capture, HF_LINK_ETHERNET, "eth7"));
    assert_true(hf_pcapng_end(&capture));
    const char *ip = block(&file, 1), *ethernet = block(&file, 2);
    uint16_t bytes;
    assert_int_equal(get32(ip), 1);
    assert_int_equal(get16(ip + 8), 101);
    assert_int_equal(get16(ethernet + 8), 1);
    assert_int_equal(option(ip, 16, 9, &bytes)[0], 9); /* nanoseconds */
    assert_int_equal(bytes, 1);
    assert_memory_equal(option(ethernet, 16, 2, &bytes), "eth7", 4);
    free(file.data);
}

static void a_frame_is_one_packet_with_its_sentence(void **state) {
    (void)state;
    static const char sentence[] = "Two full segments have arrived: acknowledged.";
    file_bytes file;
    hf_pcapng capture = begin(&file, HF_LINK_IP, 5);
    const hf_frame frame = frame_of("header", "payload");
    const hf_ns at_ns = UINT64_C(0x123456789a);
    assert_true(hf_pcapng_frame(&capture, 0, at_ns, HF_WAY_OUT, &frame, sentence));
    assert_true(hf_pcapng_end(&capture));
    assert_int_equal(block_count(&file), 3);
    const char *packet = block(&file, 2);
    assert_int_equal(get32(packet), 6);
    assert_int_equal(get32(packet + 8), 0);
    assert_int_equal(get32(packet + 12), 0x12);
    assert_int_equal(get32(packet + 16), 0x3456789a + 5);
    assert_int_equal(get32(packet + 20), 13);
    assert_int_equal(get32(packet + 24), 13);
    assert_memory_equal(packet + 28, "headerpayload", 13);
    uint16_t bytes;
    const char *comment = option(packet, packet_options(packet), 1, &bytes);
    assert_int_equal(bytes, sizeof sentence - 1);
    assert_memory_equal(comment, sentence, bytes);
    assert_int_equal(get32(option(packet, packet_options(packet), 2, &bytes)), 2); /* outbound */
    free(file.data);
}

static void a_received_frame_without_a_sentence_has_no_comment(void **state) {
    (void)state;
    file_bytes file;
    hf_pcapng capture = begin(&file, HF_LINK_IP, 0);
    const hf_frame frame = frame_of("abcd", "");
    assert_true(hf_pcapng_frame(&capture, 0, 3, HF_WAY_IN, &frame, NULL));
    assert_true(hf_pcapng_end(&capture));
    const char *packet = block(&file, 2);
    uint16_t bytes;
    assert_null(option(packet, packet_options(packet), 1, &bytes));
    assert_int_equal(get32(option(packet, packet_options(packet), 2, &bytes)), 1); /* inbound */
    free(file.data);
}

static void a_checksum_left_out_is_completed_over_odd_parts(void **state) {
    (void)state;
    /* Two bytes of network header, then: 1 2 | sum field holding 0x1000 | 3 | 4 5 in a part of its
     * own. */
    const char first[] = {9, 9, 1, 2, 0x10, 0, 3}, second[] = {4, 5};
    const hf_frame frame = {
        .flags = HF_FRAME_NEEDS_CSUM,
        .csum_start = 2,
        .csum_offset = 2,
        .total_bytes = 9,
        .part_count = 2,
        .parts = {{first, sizeof first}, {second, sizeof second}},
    };
    file_bytes file;
    hf_pcapng capture = begin(&file, HF_LINK_IP, 0);
    assert_true(hf_pcapng_frame(&capture, 0, 3, HF_WAY_OUT, &frame, NULL));
    assert_true(hf_pcapng_end(&capture));
    /* 0x0102 + 0x1000 + 0x0304 + 0x0500 = 0x1906; its complement is 0xe6f9. */
    const char expected[] = {9, 9, 1, 2, (char)0xe6, (char)0xf9, 3, 4, 5};
    assert_memory_equal(block(&file, 2) + 28, expected, sizeof expected);
    free(file.data);
}

static void a_checksum_field_outside_the_frame_is_left_alone(void **state) {
    (void)state;
    hf_frame frame = frame_of("abc", "def");
    frame.flags = HF_FRAME_NEEDS_CSUM;
    frame.csum_start = 40000;
    frame.csum_offset = 40000;
    file_bytes file;
    hf_pcapng capture = begin(&file, HF_LINK_IP, 0);
    assert_true(hf_pcapng_frame(&capture, 0, 3, HF_WAY_OUT, &frame, NULL));
    assert_true(hf_pcapng_end(&capture));
    assert_memory_equal(block(&file, 2) + 28, "abcdef", 6);
    free(file.data);
}

static void a_super_segment_is_one_packet(void **state) {
    (void)state;
    static char payload[64000];
    memset(payload, 'p', sizeof payload);
    const hf_frame frame = {
        .flags = HF_FRAME_GSO4,
        .gso_bytes = 1460,
        .total_bytes = 4 + sizeof payload,
        .part_count = 2,
        .parts = {{"head", 4}, {payload, sizeof payload}},
    };
    file_bytes file;
    hf_pcapng capture = begin(&file, HF_LINK_IP, 0);
    assert_true(hf_pcapng_frame(&capture, 0, 3, HF_WAY_OUT, &frame, "x"));
    assert_true(hf_pcapng_end(&capture));
    assert_int_equal(block_count(&file), 3);
    assert_int_equal(get32(block(&file, 2) + 20), 64004);
    free(file.data);
}

static void an_interface_that_was_not_given_is_refused(void **state) {
    (void)state;
    file_bytes file;
    hf_pcapng capture = begin(&file, HF_LINK_IP, 0);
    const hf_frame frame = frame_of("a", "b");
    assert_false(hf_pcapng_frame(&capture, 1, 3, HF_WAY_OUT, &frame, NULL));
    assert_true(hf_pcapng_end(&capture));
    assert_int_equal(block_count(&file), 2);
    free(file.data);
}

static void a_full_disk_is_told(void **state) {
    (void)state;
    FILE *file = fopen("/dev/full", "w");
    assert_non_null(file);
    hf_pcapng capture;
    hf_pcapng_begin(&capture, file, 0);
    assert_false(hf_pcapng_end(&capture));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_tells_its_format_and_no_host),
        cmocka_unit_test(ip_interfaces_are_raw_and_ethernet_is_ethernet),
        cmocka_unit_test(a_frame_is_one_packet_with_its_sentence),
        cmocka_unit_test(a_received_frame_without_a_sentence_has_no_comment),
        cmocka_unit_test(a_checksum_left_out_is_completed_over_odd_parts),
        cmocka_unit_test(a_checksum_field_outside_the_frame_is_left_alone),
        cmocka_unit_test(a_super_segment_is_one_packet),
        cmocka_unit_test(an_interface_that_was_not_given_is_refused),
        cmocka_unit_test(a_full_disk_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
