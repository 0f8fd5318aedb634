/* DSACK, RFC 2883: duplicates are named, and heard of. */
#include "recovery.h"

#define RTT (20 * HF_MS)

/* The next ACK with its blocks, counted from the peer's first byte. */
static void expect_blocks(peer *p, hf_seq ack, blocks b) {
    const peer_segment *out = peer_expect(p, HFI_TCP_ACK);
    assert_int_equal(out->tcp.ack, ack);
    const hfi_tcp_options *options = &out->tcp.options;
    assert_int_equal((options->present & HFI_OPT_SACK) != 0, b.count > 0);
    if (b.count == 0) return;
    assert_int_equal(options->sack_count, b.count);
    for (uint32_t i = 0; i < b.count; i++) {
        assert_int_equal(options->sack[i].start - (PEER_ISS + 1), b.at[i][0]);
        assert_int_equal(options->sack[i].end - (PEER_ISS + 1), b.at[i][1]);
    }
}

static void at(peer *p, uint32_t offset, uint32_t bytes) {
    peer_sends(p, HFI_TCP_ACK, PEER_ISS + 1 + offset, p->ack, bytes);
}

/* ---- As receiver ---- */

/* 4.1.1: the ACK that covers the duplicate comes before the block. */
static void what_was_acknowledged_and_comes_again_is_named(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    at(&p, 0, 500);
    expect_blocks(&p, PEER_ISS + 501, (blocks){0});
    at(&p, 100, 200);
    assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_OUT_OF_WINDOW);
    expect_blocks(&p, PEER_ISS + 501, (blocks){1, {{100, 300}}});
    assert_int_equal(peer_count(&p, HF_CAUSE_SENT_ACK_DSACK), 1);
    at(&p, 500, 7); /* told once */
    expect_blocks(&p, PEER_ISS + 508, (blocks){0});
    peer_end(&p);
}

/* 4.1.2, 4.2.2: what is partly old is named in its old part. */
static void of_a_segment_that_is_partly_old_the_old_part_is_named(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    at(&p, 0, 500);
    peer_forget(&p);
    at(&p, 400, 300);
    expect_blocks(&p, PEER_ISS + 701, (blocks){1, {{400, 500}}});
    peer_app_reads(&p, 0, 700);
    peer_end(&p);
}

/* 4.2.1: inside what is kept beyond a gap; the second block is the one that holds it. */
static void a_duplicate_beyond_a_gap_comes_before_the_block_that_holds_it(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    at(&p, 1000, 300);
    at(&p, 2000, 300);
    at(&p, 2300, 300);
    peer_forget(&p);
    at(&p, 2100, 50);
    expect_blocks(&p, PEER_ISS + 1, (blocks){3, {{2100, 2150}, {2000, 2600}, {1000, 1300}}});
    at(&p, 2500, 200); /* half of it new */
    expect_blocks(&p, PEER_ISS + 1, (blocks){3, {{2500, 2600}, {2000, 2700}, {1000, 1300}}});
    at(&p, 3000, 1);
    expect_blocks(&p, PEER_ISS + 1, (blocks){3, {{3000, 3001}, {1000, 1300}, {2000, 2700}}});
    peer_end(&p);
}

static void without_sack_duplicates_are_acknowledged_only(void **state) {
    (void)state;
    peer p;
    const hf_config config = peer_config();
    recovery_begin_as(&p, &config, RTT, false, false);
    at(&p, 0, 500);
    peer_forget(&p);
    at(&p, 100, 200);
    expect_blocks(&p, PEER_ISS + 501, (blocks){0});
    assert_int_equal(peer_ctx(&p)->root->range_pool.used, 0);
    peer_end(&p);
}

/* A keepalive probe's octet was never data (RFC 9293 3.8.4). */
static void a_probes_octet_is_no_duplicate(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    at(&p, 0, 500);
    peer_forget(&p);
    at(&p, 499, 1);
    expect_blocks(&p, PEER_ISS + 501, (blocks){0});
    peer_end(&p);
}

/* Nothing is kept of a duplicate when its connection goes. */
static void a_duplicate_not_yet_told_of_goes_with_the_connection(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    at(&p, 0, 500);
    peer_send_view(&p, (hfi_tcp_view){.flags = HFI_TCP_ACK,
                                      .seq = PEER_ISS + 1,
                                      .ack = p.ack,
                                      .window = p.window,
                                      .payload_bytes = 99});
    assert_int_equal(peer_ctx(&p)->root->range_pool.used, 1);
    assert_int_equal(hf_abort(&p.engine, p.conn), HF_OK);
    assert_int_equal(peer_ctx(&p)->root->range_pool.used, 0);
    peer_end(&p);
}

/* ---- As sender ---- */

static void a_dsack_marks_nothing_sacked(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    const hf_seq first = p.ack;
    peer_app_sends(&p, 6 * MSS);
    peer_run(&p, RTT);
    recovery_sacks(&p, first, first, (blocks){2, {{3, 4}, {2, 5}}});
    assert_int_equal(peer_count(&p, HF_CAUSE_DSACK_HEARD), 1);
    assert_int_equal(recovery_flight(&p)->sacked_bytes, 3 * MSS);
    recovery_sacks(&p, first + MSS, first, (blocks){2, {{0, 1}, {2, 5}}});
    assert_int_equal(peer_count(&p, HF_CAUSE_DSACK_HEARD), 2);
    peer_end(&p);
}

static void a_dsack_of_what_was_never_sent_or_long_ago_is_ignored(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    const hf_seq first = p.ack;
    peer_app_sends(&p, 2 * MSS);
    hfi_tcp_view view = {.flags = HFI_TCP_ACK, .seq = p.seq, .ack = p.ack, .window = p.window};
    view.options.present = HFI_OPT_SACK;
    view.options.sack_count = 1;
    const hfi_sack_block lies[] = {
        {first - 90000, first - 89000}, {first - 5, first - 9}, {first - 7, first - 7}};
    for (int i = 0; i < 3; i++) {
        view.options.sack[0] = lies[i];
        peer_send_view(&p, view);
    }
    assert_int_equal(peer_count(&p, HF_CAUSE_DSACK_HEARD), 0);
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_acknowledged_and_comes_again_is_named),
        cmocka_unit_test(of_a_segment_that_is_partly_old_the_old_part_is_named),
        cmocka_unit_test(a_duplicate_beyond_a_gap_comes_before_the_block_that_holds_it),
        cmocka_unit_test(without_sack_duplicates_are_acknowledged_only),
        cmocka_unit_test(a_probes_octet_is_no_duplicate),
        cmocka_unit_test(a_duplicate_not_yet_told_of_goes_with_the_connection),
        cmocka_unit_test(a_dsack_marks_nothing_sacked),
        cmocka_unit_test(a_dsack_of_what_was_never_sent_or_long_ago_is_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
