#include "test.h"
#include <hf/explain.h>
#include <hf/ladder.h>
#include <string.h>

static void durations_read_as_people_say_them(void **state) {
    (void)state;
    static const struct {
        hf_ns ns;
        const char *words;
    } cases[] = {
        {0, "0 s"},
        {7, "7 ns"},
        {850 * HF_US, "850 us"},
        {1500 * HF_US, "1.5 ms"},
        {200 * HF_MS, "200 ms"},
        {999600 * HF_US, "1 s"},
        {4890 * HF_MS, "4.89 s"},
        {5 * HF_SECOND, "5 s"},
        {59999 * HF_MS, "1 min"},
        {939 * HF_SECOND, "15 min 39 s"},
        {3600 * HF_SECOND, "1 h"},
        {7200 * HF_SECOND + 180 * HF_SECOND, "2 h 3 min"},
        {86400 * HF_SECOND * 2 + 3600 * HF_SECOND * 5, "2 d 5 h"},
        {HF_NEVER, "never"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char words[40];
        assert_int_equal(hf_explain_duration(cases[i].ns, words, sizeof words),
                         strlen(cases[i].words));
        assert_string_equal(words, cases[i].words);
    }
}

static void counts_set_their_thousands_off(void **state) {
    (void)state;
    char words[40];
    hf_explain_count(1048576, words, sizeof words);
    assert_string_equal(words, "1,048,576");
    hf_explain_bytes(1, words, sizeof words);
    assert_string_equal(words, "1 byte");
    hf_explain_bytes(1448, words, sizeof words);
    assert_string_equal(words, "1,448 bytes");
}

static void a_cause_tells_its_two_numbers(void **state) {
    (void)state;
    char words[200];
    hf_explain_cause(HF_CAUSE_SENT_KEEPALIVE, 5000, 2, words, sizeof words);
    assert_string_equal(words, "Nothing heard for 5 s: probe 2 asks whether the peer is there.");
    hf_explain_cause(HF_CAUSE_SENT_DATA, 20, 0, words, sizeof words);
    assert_string_equal(words, "20 bytes of the application's data sent.");
    hf_explain_cause(HF_CAUSE_SENT_RETRANSMISSION_RTO, 939000, 16, words, sizeof words);
    assert_string_equal(words,
                        "No ACK for 15 min 39 s: the oldest data is sent again (attempt 16).");
}

/* A placeholder with a typing error would be printed as it stands. */
static void no_sentence_has_a_placeholder_that_is_not_filled(void **state) {
    (void)state;
    for (int cause = 0; cause < HF_CAUSE_COUNT; cause++) {
        char words[400];
        const size_t length = hf_explain_cause((hf_cause)cause, 3, 5, words, sizeof words);
        assert_true(length > 0 && length < sizeof words);
        assert_null(strchr(words, '{'));
        assert_null(strchr(words, '}'));
    }
}

static void text_that_does_not_fit_is_cut_and_its_length_told(void **state) {
    (void)state;
    char words[6];
    assert_int_equal(hf_explain_bytes(1448, words, sizeof words), strlen("1,448 bytes"));
    assert_string_equal(words, "1,448");
    assert_int_equal(hf_explain_bytes(7, NULL, 0), strlen("7 bytes"));
}

static void names_are_found_both_ways(void **state) {
    (void)state;
    hf_cause cause;
    uint32_t quirk;
    assert_true(hf_cause_by_name("END_", "PEER_SILENT", &cause));
    assert_int_equal(cause, HF_CAUSE_END_PEER_SILENT);
    assert_string_equal(hf_cause_name(cause), "END_PEER_SILENT");
    assert_false(hf_cause_by_name("END_", "RST", &cause));
    assert_true(hf_quirk_by_name("FORGET_REQUEST_SILENTLY", &quirk));
    assert_int_equal(quirk, HF_QUIRK_FORGET_REQUEST_SILENTLY);
    assert_string_equal(hf_quirk_name(quirk), "FORGET_REQUEST_SILENTLY");
    assert_string_equal(hf_err_name(HF_NO_ROUTE), "NO_ROUTE");
    assert_string_equal(hf_cause_name((hf_cause)HF_CAUSE_COUNT), "UNKNOWN");
}

static void an_end_tells_what_became_of_each_byte(void **state) {
    (void)state;
    char words[400];
    const hf_end end = {.cause = HF_CAUSE_END_PEER_SILENT,
                        .mechanism = HF_CAUSE_BY_DETECT_WITHIN,
                        .at_ns = 15 * HF_SECOND,
                        .last_heard_ns = 5 * HF_SECOND,
                        .bytes_from_app = 300,
                        .bytes_acked = 100};
    hf_explain_end(&end, words, sizeof words);
    assert_string_equal(
        words, "PEER_SILENT by DETECT_WITHIN: The peer is not heard any more. Last heard 10 s ago."
               " Of 300 bytes given, 100 were acknowledged, 200 not.");
}

static void addresses_are_written_as_rfc_5952_says(void **state) {
    (void)state;
    char words[48];
    const hf_addr four = hf_addr4(10, 0, 3, 7);
    hf_explain_addr(&four, words, sizeof words);
    assert_string_equal(words, "10.0.3.7");
    const hf_addr documentation = {{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0x5a}};
    hf_explain_addr(&documentation, words, sizeof words);
    assert_string_equal(words, "2001:db8::1:0:0:5a");
    const hf_addr any = {{0}};
    hf_explain_addr(&any, words, sizeof words);
    assert_string_equal(words, "::");
}

/* ---- Packets ---- */

/* A SYN of 10.0.1.1:40001 to 10.0.1.2:7000, ISN 5000, window 300, MSS 1460, scale 3. */
static const uint8_t syn[] = {0x45, 0, 0,    48,   0,  0, 0x40, 0,    64,   6,    0,    0,
                              10,   0, 1,    1,    10, 0, 1,    2,    0x9c, 0x41, 0x1b, 0x58,
                              0,    0, 0x13, 0x88, 0,  0, 0,    0,    0x70, 2,    1,    0x2c,
                              0,    0, 0,    0,    2,  4, 5,    0xb4, 1,    3,    3,    3};

/* The server's SYN ACK with ISN 9000, scale 2. */
static const uint8_t syn_ack[] = {0x45, 0, 0,    48,   0,  0, 0x40, 0,    64,   6,    0,    0,
                                  10,   0, 1,    2,    10, 0, 1,    1,    0x1b, 0x58, 0x9c, 0x41,
                                  0,    0, 0x23, 0x28, 0,  0, 0x13, 0x89, 0x70, 0x12, 1,    0x90,
                                  0,    0, 0,    0,    2,  4, 5,    0xb4, 1,    3,    3,    2};

/* 3 bytes of the client's at sequence 5001, window 50. */
static const uint8_t data[] = {0x45, 0,    0,  43, 0,    0,    0x40, 0,   64,   6,    0,
                               0,    10,   0,  1,  1,    10,   0,    1,   2,    0x9c, 0x41,
                               0x1b, 0x58, 0,  0,  0x13, 0x89, 0,    0,   0x23, 0x29, 0x50,
                               0x18, 0,    50, 0,  0,    0,    0,    'a', 'b',  'c'};

static void see(hf_flows *flows, const uint8_t *bytes, size_t count) {
    hf_packet packet;
    hf_packet_parse(bytes, count, count, false, &packet);
    hf_flows_see(flows, &packet);
}

static void a_segment_is_told_with_relative_numbers_and_its_scaled_window(void **state) {
    (void)state;
    static hf_flows flows;
    char line[200];
    hf_packet packet;
    see(&flows, syn, sizeof syn);
    see(&flows, syn_ack, sizeof syn_ack);
    hf_packet_parse(data, sizeof data, sizeof data, false, &packet);
    hf_packet_line(&packet, &flows, line, sizeof line);
    assert_string_equal(line, "10.0.1.1:40001 > 10.0.1.2:7000 PSH ACK seq 1 ack 1 win 400 len 3");
    hf_packet_label(&packet, &flows, line, sizeof line);
    assert_string_equal(line, "PSH ACK seq 1 len 3");
}

static void a_syn_is_told_with_its_options(void **state) {
    (void)state;
    hf_packet packet;
    char line[200];
    hf_packet_parse(syn, sizeof syn, sizeof syn, false, &packet);
    assert_int_equal(packet.mss, 1460);
    assert_int_equal(packet.scale, 3);
    hf_packet_line(&packet, NULL, line, sizeof line);
    assert_string_equal(
        line, "10.0.1.1:40001 > 10.0.1.2:7000 SYN seq 5,000 win 300 len 0 mss 1,460 wscale 3");
}

static void payload_that_was_not_captured_still_counts(void **state) {
    (void)state;
    hf_packet packet;
    uint8_t head[sizeof data];
    memcpy(head, data, sizeof data);
    head[2] = 1;
    head[3] = 44; /* 300 bytes on the wire, of which 40 are at hand */
    hf_packet_parse(head, 40, 300, false, &packet);
    assert_int_equal(packet.kind, HF_PACKET_TCP);
    assert_int_equal(packet.payload_bytes, 260);
}

static void bytes_that_end_early_are_broken_and_never_read_past(void **state) {
    (void)state;
    for (size_t bytes = 0; bytes < sizeof syn; bytes++) {
        hf_packet packet;
        uint8_t *const exact = test_malloc(bytes + 1);
        memcpy(exact, syn, bytes);
        hf_packet_parse(exact, bytes, bytes, false, &packet);
        assert_true(packet.kind == HF_PACKET_BROKEN || packet.kind == HF_PACKET_OTHER);
        test_free(exact);
    }
}

static void arp_on_ethernet_is_told(void **state) {
    (void)state;
    const uint8_t frame[42] = {[12] = 8, [13] = 6,  [15] = 1, [16] = 8,  [18] = 6, [19] = 4,
                               [21] = 1, [28] = 10, [31] = 5, [38] = 10, [41] = 9};
    hf_packet packet;
    char line[100];
    hf_packet_parse(frame, sizeof frame, sizeof frame, true, &packet);
    hf_packet_line(&packet, NULL, line, sizeof line);
    assert_string_equal(line, "10.0.0.5 > 10.0.0.9 ARP who has");
}

/* ---- The ladder ---- */

static const char *const names[] = {"client", "server"};

static size_t draw(const hf_ladder *ladder, const hf_ladder_row *rows, size_t count, char *to,
                   size_t size) {
    FILE *const file = tmpfile();
    assert_non_null(file);
    assert_true(hf_ladder_print(ladder, rows, count, file));
    rewind(file);
    const size_t length = fread(to, 1, size - 1, file);
    to[length] = 0;
    fclose(file);
    return length;
}

static void assert_lines_fit(const char *text, size_t width) {
    for (const char *line = text; *line;) {
        const size_t length = strcspn(line, "\n");
        assert_true(length <= width);
        line += length + 1;
    }
}

static void an_arrow_stands_between_its_hosts_and_its_reason_beside_it(void **state) {
    (void)state;
    const hf_ladder ladder = {.names = names, .columns = 2, .fold = true};
    const hf_ladder_row rows[] = {
        {0, HF_LADDER_ARROW, HF_TONE_GOOD, 0, 1, false, "SYN seq 0", "SYN sent.", 0},
        {10 * HF_MS, HF_LADDER_ARROW, HF_TONE_GOOD, 1, 0, false, "SYN ACK seq 0", "SYN-ACK sent.",
         0},
        {70 * HF_SECOND, HF_LADDER_ARROW, HF_TONE_BAD, 0, 1, true, "ACK 1", "The link is cut.", 0},
    };
    char text[2000];
    draw(&ladder, rows, 3, text, sizeof text);
    assert_non_null(strstr(text, "     0.000  |- SYN seq 0 ----------------->|  SYN sent.\n"));
    assert_non_null(strstr(text, "     0.010  |<- SYN ACK seq 0 -------------|  SYN-ACK sent.\n"));
    assert_non_null(
        strstr(text, "  1:10.000  |- ACK 1 -------------x        |  The link is cut.\n"));
    assert_null(strchr(text, '\x1b'));
}

static void repetition_is_folded_and_counted(void **state) {
    (void)state;
    const hf_ladder ladder = {.names = names, .columns = 2, .fold = true};
    hf_ladder_row rows[40];
    for (int i = 0; i < 40; i += 2) {
        const hf_ladder_row call = {
            (hf_ns)i * HF_SECOND, HF_LADDER_CALL, HF_TONE_PLAIN, 0, 0, false, "write", "", 1};
        const hf_ladder_row arrow = {
            (hf_ns)i * HF_SECOND, HF_LADDER_ARROW, HF_TONE_PLAIN, 0, 1, false, "data", "Sent.", 2};
        rows[i] = call;
        rows[i + 1] = arrow;
    }
    char text[4000];
    draw(&ladder, rows, 40, text, sizeof text);
    assert_non_null(
        strstr(text, "these 2 steps 17 times more: 17 packets, 17 calls, until 36.000"));
    assert_lines_fit(text, 80);
    const hf_ladder whole = {.names = names, .columns = 2, .fold = false};
    draw(&whole, rows, 40, text, sizeof text);
    assert_null(strstr(text, "more"));
}

static void what_is_too_much_is_cut_and_counted(void **state) {
    (void)state;
    const hf_ladder ladder = {.names = names, .columns = 2, .fold = true, .most_rows = 9};
    hf_ladder_row rows[50];
    for (int i = 0; i < 50; i++) {
        const hf_ladder_row arrow = {
            (hf_ns)i * HF_SECOND, HF_LADDER_ARROW, HF_TONE_PLAIN, 0, 1, i == 20, "data", "", 0};
        rows[i] = arrow;
    }
    char text[4000];
    draw(&ladder, rows, 50, text, sizeof text);
    assert_non_null(strstr(text, "cut here, --jsonl has all: 41 packets (1 lost), until 46.000"));
}

static void long_words_never_pass_the_eightieth_column(void **state) {
    (void)state;
    const char *const three[] = {"a", "b", "c"};
    const char *const sentence =
        "A sentence that is long enough to need more than one line wherever it is put, and a "
        "word-that-has-no-"
        "place-to-break-at-all-and-goes-on-and-on-and-on-without-any-space-in-it.";
    for (uint32_t columns = 1; columns <= 3; columns++) {
        const hf_ladder ladder = {.names = three, .columns = columns, .fold = true};
        const hf_ladder_row rows[] = {
            {5, HF_LADDER_ARROW, HF_TONE_PLAIN, 0, columns - 1, false,
             "PSH ACK seq 1234567890 len 1448 and much more", sentence, 0},
            {5, HF_LADDER_AT, HF_TONE_PLAIN, columns - 1, 0, false, sentence, sentence, 0},
            {5, HF_LADDER_NOTE, HF_TONE_PLAIN, 0, 0, false, sentence, "", 0},
        };
        char text[6000];
        draw(&ladder, columns == 1 ? rows + 1 : rows, columns == 1 ? 2 : 3, text, sizeof text);
        assert_lines_fit(text, 80);
    }
}

/* The reasons in the order of their times; what took none is not named. */
static void why_nothing_is_sent_is_told_with_its_times(void **state) {
    (void)state;
    char text[300];
    hf_not_sending why = {.why = HF_WHY_NAGLE};
    hf_explain_why(&why, text, sizeof text);
    assert_null(strstr(text, " Of "));
    assert_non_null(strstr(text, "Nagle"));
    why = (hf_not_sending){.why = HF_WHY_APPLICATION,
                           .accounted = true,
                           .total_ns = 9 * HF_SECOND,
                           .for_ns = {[HF_WHY_APPLICATION] = 2 * HF_SECOND,
                                      [HF_WHY_MEMORY] = 2 * HF_SECOND,
                                      [HF_WHY_PEER_WINDOW] = 5 * HF_SECOND}};
    hf_explain_why(&why, text, sizeof text);
    assert_non_null(
        strstr(text, "Of 9 s: 5 s the peer's window, 2 s nothing to send, 2 s no memory."));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_read_as_people_say_them),
        cmocka_unit_test(counts_set_their_thousands_off),
        cmocka_unit_test(a_cause_tells_its_two_numbers),
        cmocka_unit_test(no_sentence_has_a_placeholder_that_is_not_filled),
        cmocka_unit_test(text_that_does_not_fit_is_cut_and_its_length_told),
        cmocka_unit_test(names_are_found_both_ways),
        cmocka_unit_test(why_nothing_is_sent_is_told_with_its_times),
        cmocka_unit_test(an_end_tells_what_became_of_each_byte),
        cmocka_unit_test(addresses_are_written_as_rfc_5952_says),
        cmocka_unit_test(a_segment_is_told_with_relative_numbers_and_its_scaled_window),
        cmocka_unit_test(a_syn_is_told_with_its_options),
        cmocka_unit_test(payload_that_was_not_captured_still_counts),
        cmocka_unit_test(bytes_that_end_early_are_broken_and_never_read_past),
        cmocka_unit_test(arp_on_ethernet_is_told),
        cmocka_unit_test(an_arrow_stands_between_its_hosts_and_its_reason_beside_it),
        cmocka_unit_test(repetition_is_folded_and_counted),
        cmocka_unit_test(what_is_too_much_is_cut_and_counted),
        cmocka_unit_test(long_words_never_pass_the_eightieth_column),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
