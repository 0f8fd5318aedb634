#include "test.h"
#include "wire/tcp.h"
#include <stdlib.h>

#define PAYLOAD_BYTES 3

/* Parses from a malloc of exactly the bytes given, so that a sanitizer sees a read beyond them. */
static hf_cause parse_parts(const uint8_t *segment, uint32_t available, uint32_t total,
                            hfi_tcp_view *view) {
    uint8_t *const exact = malloc(available > 0 ? available : 1);
    assert_non_null(exact);
    if (available > 0) memcpy(exact, segment, available);
    const hf_cause cause = hfi_tcp_parse(exact, available, total, view);
    free(exact);
    return cause;
}

static hf_cause parse(const uint8_t *segment, uint32_t bytes, hfi_tcp_view *view) {
    return parse_parts(segment, bytes, bytes, view);
}

/* A segment with the flags and the option bytes given, and PAYLOAD_BYTES of payload; returns its
 * bytes. */
static uint32_t segment_make(uint8_t *to, uint8_t flags, const uint8_t *options,
                             uint32_t option_bytes) {
    const hfi_tcp_view view = {.source_port = 1021,
                               .destination_port = 80,
                               .seq = 1001,
                               .ack = 2003,
                               .window = 4005,
                               .urgent = 0,
                               .flags = flags};
    assert_int_equal(hfi_tcp_build(to, &view), 20);
    const uint32_t padded = (option_bytes + 3) / 4 * 4;
    memset(to + 20, 0, padded);
    if (option_bytes > 0) memcpy(to + 20, options, option_bytes);
    to[12] = (uint8_t)((20 + padded) << 2);
    memset(to + 20 + padded, 0, PAYLOAD_BYTES);
    return 20 + padded + PAYLOAD_BYTES;
}

static hf_cause parse_options(const uint8_t *options, uint32_t option_bytes, hfi_tcp_view *view) {
    uint8_t segment[64 + PAYLOAD_BYTES];
    const uint32_t bytes = segment_make(segment, HFI_TCP_ACK, options, option_bytes);
    return parse(segment, bytes, view);
}

static hf_cause parse_flags(uint8_t flags) {
    uint8_t segment[64];
    hfi_tcp_view view;
    return parse(segment, segment_make(segment, flags, NULL, 0), &view);
}

#define PARSE_OPTIONS(view, ...)                                                                   \
    parse_options((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), view)

static hfi_tcp_view full_syn(void) {
    return (hfi_tcp_view){.source_port = 1021,
                          .destination_port = 80,
                          .seq = 0xfffffffe,
                          .window = 64240,
                          .flags = HFI_TCP_SYN | HFI_TCP_ECE | HFI_TCP_CWR,
                          .options = {.present = HFI_OPT_MSS | HFI_OPT_WSCALE |
                                                 HFI_OPT_SACK_PERMITTED | HFI_OPT_TIMESTAMPS |
                                                 HFI_OPT_USER_TIMEOUT,
                                      .wscale = 7,
                                      .mss = 1460,
                                      .user_timeout = 0x8005,
                                      .ts_value = 3000000001,
                                      .ts_echo = 0}};
}

static void every_field_comes_back_from_what_was_built(void **state) {
    (void)state;
    hfi_tcp_view in = full_syn(), out;
    in.ack = 17;
    in.urgent = 19;
    uint8_t segment[60];
    const uint32_t bytes = hfi_tcp_build(segment, &in);
    assert_int_equal(bytes, 20 + 24);
    assert_int_equal(parse_parts(segment, bytes, bytes + 70000, &out), HF_CAUSE_NONE);
    assert_int_equal(out.source_port, 1021);
    assert_int_equal(out.destination_port, 80);
    assert_int_equal(out.seq, 0xfffffffe);
    assert_int_equal(out.ack, 17);
    assert_int_equal(out.window, 64240);
    assert_int_equal(out.urgent, 19);
    assert_int_equal(out.flags, in.flags);
    assert_int_equal(out.header_bytes, bytes);
    assert_int_equal(out.payload_bytes, 70000);
    assert_int_equal(out.options.present, in.options.present);
    assert_int_equal(out.options.mss, 1460);
    assert_int_equal(out.options.wscale, 7);
    assert_int_equal(out.options.user_timeout, 0x8005);
    assert_int_equal(out.options.ts_value, 3000000001);
    assert_int_equal(out.options.ts_echo, 0);
}

static void a_syn_has_its_options_where_common_stacks_have_them(void **state) {
    (void)state;
    hfi_tcp_view view = full_syn();
    view.options.present &= (uint8_t)~HFI_OPT_USER_TIMEOUT;
    uint8_t segment[60];
    assert_int_equal(hfi_tcp_build(segment, &view), 40);
    const uint8_t expected[] = {2,    4,    0x05, 0xb4, 4, 2, 8, 10, 0xb2, 0xd0,
                                0x5e, 0x01, 0,    0,    0, 0, 1, 3,  3,    7};
    assert_memory_equal(segment + 20, expected, sizeof expected);
    view.options.present = HFI_OPT_SACK_PERMITTED | HFI_OPT_MSS;
    assert_int_equal(hfi_tcp_build(segment, &view), 28);
    const uint8_t short_form[] = {2, 4, 0x05, 0xb4, 1, 1, 4, 2};
    assert_memory_equal(segment + 20, short_form, sizeof short_form);
}

static void sack_blocks_that_do_not_fit_are_left_out(void **state) {
    (void)state;
    hfi_tcp_view in = {.source_port = 3, .destination_port = 5, .flags = HFI_TCP_ACK}, out;
    in.options.sack_count = 4;
    for (uint32_t i = 0; i < 4; i++)
        in.options.sack[i] = (hfi_sack_block){100 * i + 7, 100 * i + 50};
    uint8_t segment[60];
    in.options.present = HFI_OPT_SACK;
    assert_int_equal(hfi_tcp_build(segment, &in), 20 + 36);
    assert_int_equal(parse(segment, 56, &out), HF_CAUSE_NONE);
    assert_int_equal(out.options.sack_count, 4);
    in.options.present = HFI_OPT_SACK | HFI_OPT_TIMESTAMPS;
    assert_int_equal(hfi_tcp_build(segment, &in), 20 + 12 + 28);
    assert_int_equal(parse(segment, 60, &out), HF_CAUSE_NONE);
    assert_int_equal(out.options.sack_count, 3);
    assert_int_equal(out.options.sack[2].start, 207);
    assert_int_equal(out.options.sack[2].end, 250);
    in.options.present = 63;
    assert_int_equal(hfi_tcp_build(segment, &in), 20 + 24 + 12);
}

static void timestamps_alone_and_timestamps_among_others_read_the_same(void **state) {
    (void)state;
    hfi_tcp_view fast, slow;
    assert_int_equal(PARSE_OPTIONS(&fast, 1, 1, 8, 10, 0, 0, 1, 2, 0, 0, 3, 4), HF_CAUSE_NONE);
    assert_int_equal(PARSE_OPTIONS(&slow, 8, 10, 0, 0, 1, 2, 0, 0, 3, 4, 1, 1), HF_CAUSE_NONE);
    assert_int_equal(fast.options.present, HFI_OPT_TIMESTAMPS);
    assert_int_equal(slow.options.present, HFI_OPT_TIMESTAMPS);
    assert_int_equal(fast.options.ts_value, 0x0102);
    assert_int_equal(slow.options.ts_value, 0x0102);
    assert_int_equal(fast.options.ts_echo, 0x0304);
    assert_int_equal(slow.options.ts_echo, 0x0304);
}

static void a_segment_takes_its_payload_and_one_each_for_syn_and_fin(void **state) {
    (void)state;
    hfi_tcp_view view = {.payload_bytes = 5, .flags = HFI_TCP_ACK};
    assert_int_equal(hfi_tcp_seq_bytes(&view), 5);
    view.flags = HFI_TCP_ACK | HFI_TCP_FIN;
    assert_int_equal(hfi_tcp_seq_bytes(&view), 6);
    view.flags = HFI_TCP_SYN;
    view.payload_bytes = 0;
    assert_int_equal(hfi_tcp_seq_bytes(&view), 1);
}

/* P01. */
static void an_option_of_length_0_drops_the_segment_wherever_it_stands(void **state) {
    (void)state;
    hfi_tcp_view view;
    for (uint32_t kind = 2; kind < 256; kind++)
        for (uint32_t at = 0; at <= 38; at++) {
            uint8_t options[40];
            memset(options, 1, sizeof options);
            options[at] = (uint8_t)kind;
            options[at + 1] = 0;
            assert_int_equal(parse_options(options, 40, &view), HF_CAUSE_DROP_TCP_OPTION);
        }
}

/* P02. */
static void an_option_of_length_1_drops_the_segment(void **state) {
    (void)state;
    hfi_tcp_view view;
    for (uint32_t kind = 2; kind < 256; kind++)
        assert_int_equal(PARSE_OPTIONS(&view, 1, (uint8_t)kind, 1, 0), HF_CAUSE_DROP_TCP_OPTION);
}

/* P03. */
static void a_kind_in_the_last_byte_has_no_length_and_drops_the_segment(void **state) {
    (void)state;
    hfi_tcp_view view;
    for (uint32_t kind = 2; kind < 256; kind++) {
        uint8_t segment[64];
        const uint8_t options[] = {1, 1, 1, (uint8_t)kind};
        const uint32_t bytes = segment_make(segment, HFI_TCP_ACK, options, 4) - PAYLOAD_BYTES;
        assert_int_equal(parse(segment, bytes, &view), HF_CAUSE_DROP_TCP_OPTION);
    }
}

/* P04. The payload behind the header must not make a long option legal. */
static void an_option_that_runs_past_the_header_drops_the_segment(void **state) {
    (void)state;
    hfi_tcp_view view;
    assert_int_equal(PARSE_OPTIONS(&view, 1, 2, 4, 5), HF_CAUSE_DROP_TCP_OPTION);
    assert_int_equal(PARSE_OPTIONS(&view, 1, 1, 77, 3), HF_CAUSE_DROP_TCP_OPTION);
    assert_int_equal(PARSE_OPTIONS(&view, 1, 77, 3, 9), HF_CAUSE_NONE);
    assert_int_equal(PARSE_OPTIONS(&view, 77, 255, 3, 9), HF_CAUSE_DROP_TCP_OPTION);
}

/* P05. */
static void a_data_offset_below_5_is_dropped(void **state) {
    (void)state;
    uint8_t segment[64];
    hfi_tcp_view view;
    const uint32_t bytes = segment_make(segment, HFI_TCP_ACK, NULL, 0);
    for (uint32_t offset = 0; offset < 5; offset++) {
        segment[12] = (uint8_t)(offset << 4);
        assert_int_equal(parse(segment, bytes, &view), HF_CAUSE_DROP_TCP_HEADER);
    }
}

/* P06. */
static void a_data_offset_beyond_the_segment_is_dropped(void **state) {
    (void)state;
    uint8_t segment[64];
    hfi_tcp_view view;
    const uint32_t bytes = segment_make(segment, HFI_TCP_ACK, NULL, 0);
    for (uint32_t offset = 6; offset < 16; offset++) {
        segment[12] = (uint8_t)(offset << 4);
        assert_int_equal(parse(segment, bytes, &view), HF_CAUSE_DROP_TCP_HEADER);
    }
}

/* P07. */
static void forty_nops_without_an_end_are_accepted(void **state) {
    (void)state;
    uint8_t options[40];
    hfi_tcp_view view;
    memset(options, 1, sizeof options);
    assert_int_equal(parse_options(options, 40, &view), HF_CAUSE_NONE);
    assert_int_equal(view.header_bytes, 60);
    assert_int_equal(view.options.present, 0);
    assert_int_equal(view.payload_bytes, PAYLOAD_BYTES);
}

/* P08. */
static void an_mss_option_of_length_3_or_5_drops_the_segment(void **state) {
    (void)state;
    hfi_tcp_view view;
    assert_int_equal(PARSE_OPTIONS(&view, 2, 3, 5, 0), HF_CAUSE_DROP_TCP_OPTION);
    assert_int_equal(PARSE_OPTIONS(&view, 2, 5, 5, 180, 0), HF_CAUSE_DROP_TCP_OPTION);
    assert_int_equal(PARSE_OPTIONS(&view, 2, 2, 0, 0), HF_CAUSE_DROP_TCP_OPTION);
}

/* P08's neighbours. */
static void other_options_of_one_length_drop_the_segment_with_another(void **state) {
    (void)state;
    hfi_tcp_view view;
    assert_int_equal(PARSE_OPTIONS(&view, 3, 2, 0, 0), HF_CAUSE_DROP_TCP_OPTION);
    assert_int_equal(PARSE_OPTIONS(&view, 3, 4, 7, 7), HF_CAUSE_DROP_TCP_OPTION);
    assert_int_equal(PARSE_OPTIONS(&view, 4, 3, 0, 0), HF_CAUSE_DROP_TCP_OPTION);
    assert_int_equal(PARSE_OPTIONS(&view, 28, 3, 0, 0), HF_CAUSE_DROP_TCP_OPTION);
    assert_int_equal(PARSE_OPTIONS(&view, 8, 9, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0),
                     HF_CAUSE_DROP_TCP_OPTION);
    assert_int_equal(PARSE_OPTIONS(&view, 1, 1, 8, 11, 1, 2, 3, 4, 5, 6, 7, 0),
                     HF_CAUSE_DROP_TCP_OPTION);
}

/* P09: the floor is the connection's; the parser hands on what came. */
static void an_mss_of_0_or_1_or_47_is_reported_as_it_came(void **state) {
    (void)state;
    hfi_tcp_view view;
    const uint8_t values[] = {0, 1, 47};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(PARSE_OPTIONS(&view, 2, 4, 0, values[i]), HF_CAUSE_NONE);
        assert_int_equal(view.options.mss, values[i]);
        assert_int_equal(view.options.present, HFI_OPT_MSS);
    }
}

/* P10. */
static void a_window_scale_above_14_is_taken_as_14(void **state) {
    (void)state;
    hfi_tcp_view view;
    const uint8_t values[] = {13, 14, 15, 255}, expected[] = {13, 14, 14, 14};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(PARSE_OPTIONS(&view, 3, 3, values[i], 0), HF_CAUSE_NONE);
        assert_int_equal(view.options.wscale, expected[i]);
    }
}

/* P12. A length of 42 (five blocks) cannot lie within 40 bytes: it runs past the header, as P04. */
static void a_sack_option_of_no_whole_number_of_blocks_is_ignored(void **state) {
    (void)state;
    for (uint32_t length = 2; length <= 40; length++) {
        uint8_t options[40] = {5, (uint8_t)length};
        hfi_tcp_view view;
        assert_int_equal(parse_options(options, 40, &view), HF_CAUSE_NONE);
        const bool whole = length > 2 && (length - 2) % 8 == 0;
        assert_int_equal(view.options.present, whole ? HFI_OPT_SACK : 0);
        assert_int_equal(view.options.sack_count, whole ? (length - 2) / 8 : 0);
    }
    const uint8_t five_blocks[40] = {5, 42};
    hfi_tcp_view view;
    assert_int_equal(parse_options(five_blocks, 40, &view), HF_CAUSE_DROP_TCP_OPTION);
}

/* P13, and every kind that nobody speaks. */
static void unknown_options_and_md5_of_length_2_or_3_are_stepped_over(void **state) {
    (void)state;
    hfi_tcp_view view;
    for (uint32_t kind = 0; kind < 256; kind++) {
        if (kind <= 5 || kind == 8 || kind == 28) continue;
        assert_int_equal(PARSE_OPTIONS(&view, (uint8_t)kind, 2, (uint8_t)kind, 3, 9, 3, 3, 6),
                         HF_CAUSE_NONE);
        assert_int_equal(view.options.wscale, 6);
    }
}

/* P14. */
static void an_urgent_pointer_of_0_is_only_reported(void **state) {
    (void)state;
    uint8_t segment[64];
    hfi_tcp_view view;
    const uint32_t bytes = segment_make(segment, HFI_TCP_ACK | HFI_TCP_URG, NULL, 0);
    assert_int_equal(parse(segment, bytes, &view), HF_CAUSE_NONE);
    assert_int_equal(view.urgent, 0);
    assert_int_equal(view.payload_bytes, PAYLOAD_BYTES);
}

/* P17 and P18: all 256 flag bytes. */
static void syn_goes_with_neither_fin_nor_rst_and_some_flag_must_be_set(void **state) {
    (void)state;
    for (uint32_t flags = 0; flags < 256; flags++) {
        const bool syn = flags & HFI_TCP_SYN, fin = flags & HFI_TCP_FIN, rst = flags & HFI_TCP_RST;
        const bool bad = (syn && (fin || rst)) || !(syn || fin || rst || (flags & HFI_TCP_ACK));
        assert_int_equal(parse_flags((uint8_t)flags),
                         bad ? HF_CAUSE_DROP_TCP_FLAGS : HF_CAUSE_NONE);
    }
}

static void port_0_is_dropped_on_either_side(void **state) {
    (void)state;
    uint8_t segment[64];
    hfi_tcp_view view;
    const uint32_t bytes = segment_make(segment, HFI_TCP_SYN, NULL, 0);
    hfi_store16(segment, 0);
    assert_int_equal(parse(segment, bytes, &view), HF_CAUSE_DROP_TCP_PORT_ZERO);
    hfi_store16(segment, 9);
    hfi_store16(segment + 2, 0);
    assert_int_equal(parse(segment, bytes, &view), HF_CAUSE_DROP_TCP_PORT_ZERO);
}

/* P23. */
static void every_truncation_of_a_full_header_is_dropped(void **state) {
    (void)state;
    hfi_tcp_view in = {.source_port = 3, .destination_port = 5, .flags = HFI_TCP_ACK}, out;
    in.options = (hfi_tcp_options){.present = HFI_OPT_TIMESTAMPS | HFI_OPT_SACK, .sack_count = 3};
    uint8_t segment[60];
    assert_int_equal(hfi_tcp_build(segment, &in), 60);
    for (uint32_t bytes = 0; bytes < 60; bytes++) {
        const hf_cause cause = bytes < 20 ? HF_CAUSE_DROP_TRUNCATED : HF_CAUSE_DROP_TCP_HEADER;
        assert_int_equal(parse(segment, bytes, &out), cause);
        assert_int_equal(parse_parts(segment, bytes, 60, &out), HF_CAUSE_DROP_TRUNCATED);
    }
    assert_int_equal(parse(segment, 60, &out), HF_CAUSE_NONE);
    assert_int_equal(out.payload_bytes, 0);
}

static void the_first_of_two_equal_options_counts(void **state) {
    (void)state;
    hfi_tcp_view view;
    assert_int_equal(PARSE_OPTIONS(&view, 2, 4, 0, 100, 2, 4, 0, 200, 3, 3, 2, 3, 3, 5),
                     HF_CAUSE_NONE);
    assert_int_equal(view.options.mss, 100);
    assert_int_equal(view.options.wscale, 2);
    assert_int_equal(
        PARSE_OPTIONS(&view, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 5, 10, 0, 0, 0, 3, 0, 0, 0, 4),
        HF_CAUSE_NONE);
    assert_int_equal(view.options.sack_count, 1);
    assert_int_equal(view.options.sack[0].end, 2);
}

static void nothing_after_the_end_of_options_is_read(void **state) {
    (void)state;
    hfi_tcp_view view;
    assert_int_equal(PARSE_OPTIONS(&view, 0, 2, 0, 9, 8, 0, 0, 0), HF_CAUSE_NONE);
    assert_int_equal(view.options.present, 0);
}

static void a_dropped_segment_leaves_the_result_alone(void **state) {
    (void)state;
    hfi_tcp_view view = {.seq = 77};
    assert_int_equal(PARSE_OPTIONS(&view, 2, 0, 0, 0), HF_CAUSE_DROP_TCP_OPTION);
    assert_int_equal(view.seq, 77);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_comes_back_from_what_was_built),
        cmocka_unit_test(a_syn_has_its_options_where_common_stacks_have_them),
        cmocka_unit_test(sack_blocks_that_do_not_fit_are_left_out),
        cmocka_unit_test(timestamps_alone_and_timestamps_among_others_read_the_same),
        cmocka_unit_test(a_segment_takes_its_payload_and_one_each_for_syn_and_fin),
        cmocka_unit_test(an_option_of_length_0_drops_the_segment_wherever_it_stands),
        cmocka_unit_test(an_option_of_length_1_drops_the_segment),
        cmocka_unit_test(a_kind_in_the_last_byte_has_no_length_and_drops_the_segment),
        cmocka_unit_test(an_option_that_runs_past_the_header_drops_the_segment),
        cmocka_unit_test(a_data_offset_below_5_is_dropped),
        cmocka_unit_test(a_data_offset_beyond_the_segment_is_dropped),
        cmocka_unit_test(forty_nops_without_an_end_are_accepted),
        cmocka_unit_test(an_mss_option_of_length_3_or_5_drops_the_segment),
        cmocka_unit_test(other_options_of_one_length_drop_the_segment_with_another),
        cmocka_unit_test(an_mss_of_0_or_1_or_47_is_reported_as_it_came),
        cmocka_unit_test(a_window_scale_above_14_is_taken_as_14),
        cmocka_unit_test(a_sack_option_of_no_whole_number_of_blocks_is_ignored),
        cmocka_unit_test(unknown_options_and_md5_of_length_2_or_3_are_stepped_over),
        cmocka_unit_test(an_urgent_pointer_of_0_is_only_reported),
        cmocka_unit_test(syn_goes_with_neither_fin_nor_rst_and_some_flag_must_be_set),
        cmocka_unit_test(port_0_is_dropped_on_either_side),
        cmocka_unit_test(every_truncation_of_a_full_header_is_dropped),
        cmocka_unit_test(the_first_of_two_equal_options_counts),
        cmocka_unit_test(nothing_after_the_end_of_options_is_read),
        cmocka_unit_test(a_dropped_segment_leaves_the_result_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
