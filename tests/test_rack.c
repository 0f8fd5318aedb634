/* RACK-TLP, RFC 8985: what is lost by time, and what a probe finds out. */
#include "recovery.h"

#define RTT (20 * HF_MS)
#define SLACK (2 * HF_MS + 100 * HF_US) /* deadlines round up to ticks */

/* ---- RACK, RFC 8985 6.2 ---- */

/* Step 5: a quarter of the shortest round trip is left for reordering. */
static void a_gap_has_a_quarter_of_a_round_trip_to_close(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    const hf_seq first = p.ack;
    peer_app_sends(&p, 2 * MSS);
    peer_forget(&p);
    peer_run(&p, RTT);
    recovery_sacks(&p, first, first, (blocks){1, {{1, 2}}});
    const hf_ns sacked_ns = p.now_ns;
    peer_expect_nothing(&p);
    peer_run(&p, 30 * HF_MS);
    const peer_segment *again = recovery_expect(&p, first, 0, HF_CAUSE_SENT_RETRANSMISSION_RACK);
    assert_in_range(again->at_ns - sacked_ns, RTT / 4, RTT / 4 + SLACK);
    peer_expect_nothing(&p);
    assert_int_equal(peer_count(&p, HF_CAUSE_RACK_MARKED_LOST), 1);
    assert_int_equal(peer_count(&p, HF_CAUSE_RECOVERY_STARTED), 1);
    peer_end(&p);
}

static void a_gap_that_closes_in_time_costs_nothing(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    const hf_seq first = p.ack;
    peer_app_sends(&p, 2 * MSS);
    const uint32_t cwnd = peer_status(&p).cwnd_bytes;
    peer_forget(&p);
    peer_run(&p, RTT);
    recovery_sacks(&p, first, first, (blocks){1, {{1, 2}}});
    peer_run(&p, 3 * HF_MS);
    recovery_sacks(&p, first + 2 * MSS, first, (blocks){0});
    peer_run(&p, 500 * HF_MS);
    peer_expect_nothing(&p);
    assert_true(peer_status(&p).cwnd_bytes >= cwnd);
    assert_int_equal(peer_count(&p, HF_CAUSE_REORDERING_SEEN), 1); /* step 3 */
    peer_end(&p);
}

/* Step 4: while no reordering was seen, three SACKed segments are proof enough. */
static void three_segments_beyond_a_gap_are_proof_at_once(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    const hf_seq first = p.ack;
    peer_app_sends(&p, 4 * MSS);
    peer_forget(&p);
    peer_run(&p, RTT);
    recovery_sacks(&p, first, first, (blocks){1, {{1, 3}}});
    peer_expect_nothing(&p);
    recovery_sacks(&p, first, first, (blocks){1, {{1, 4}}});
    recovery_expect(&p, first, 0, HF_CAUSE_SENT_RETRANSMISSION_RACK);
    peer_end(&p);
}

static void after_reordering_three_segments_are_no_proof_yet(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    hf_seq first = p.ack;
    peer_app_sends(&p, 2 * MSS);
    peer_run(&p, RTT);
    recovery_sacks(&p, first, first, (blocks){1, {{1, 2}}});
    p.ack = first += 2 * MSS;
    recovery_sacks(&p, first, first, (blocks){0});
    peer_app_sends(&p, 5 * MSS);
    peer_forget(&p);
    peer_run(&p, RTT);
    recovery_sacks(&p, first, first, (blocks){1, {{1, 5}}});
    peer_expect_nothing(&p);
    peer_run(&p, RTT / 4 + SLACK);
    recovery_expect(&p, first, 0, HF_CAUSE_SENT_RETRANSMISSION_RACK);
    peer_end(&p);
}

/* RFC 8985 3.1: duplicates would not tell of it; a time-out would. */
static void a_lost_retransmission_is_found_by_what_left_after_it(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    const hf_seq first = p.ack;
    peer_app_sends(&p, 14 * MSS);
    peer_forget(&p);
    peer_run(&p, RTT);
    recovery_sacks(&p, first, first, (blocks){1, {{1, 10}}});
    recovery_expect(&p, first, 0, HF_CAUSE_SENT_RETRANSMISSION_RACK);
    for (uint32_t i = 10; i < 14; i++) recovery_expect(&p, first, i, HF_CAUSE_SENT_DATA);
    peer_run(&p, RTT + SLACK);
    recovery_sacks(&p, first, first, (blocks){1, {{1, 14}}});
    recovery_expect(&p, first, 0, HF_CAUSE_SENT_RETRANSMISSION_RACK);
    assert_int_equal(peer_count(&p, HF_CAUSE_RTO_BACKED_OFF), 0);
    assert_int_equal(peer_count(&p, HF_CAUSE_RECOVERY_STARTED), 1);
    peer_end(&p);
}

/* The wait for a gap of one, from the SACK to the retransmission. Both segments are acknowledged then. */
static hf_ns wait_for_a_gap(peer *p) {
    const hf_seq first = p->ack;
    peer_app_sends(p, 2 * MSS);
    peer_forget(p);
    peer_run(p, RTT);
    recovery_sacks(p, first, first, (blocks){1, {{1, 2}}});
    const hf_ns sacked_ns = p->now_ns;
    peer_run(p, RTT);
    const hf_ns wait_ns =
        recovery_expect(p, first, 0, HF_CAUSE_SENT_RETRANSMISSION_RACK)->at_ns - sacked_ns;
    p->ack = first + 2 * MSS;
    peer_run(p, HF_MS);
    peer_says(p, HFI_TCP_ACK, 0);
    return wait_ns;
}

/* Step 4: min_RTT / 4 more for each round with a DSACK; as before after sixteen recoveries. */
static void a_dsack_widens_the_window_for_sixteen_recoveries(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    assert_in_range(wait_for_a_gap(&p), RTT / 4, RTT / 4 + SLACK);
    const hf_seq first = p.ack;
    peer_app_sends(&p, 2 * MSS);
    peer_run(&p, RTT);
    const blocks twice = {1, {{0, 1}}};
    recovery_sacks(&p, first + MSS, first, twice);
    recovery_sacks(&p, first + MSS, first, twice); /* the same round */
    p.ack = first + 2 * MSS;
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(peer_count(&p, HF_CAUSE_DSACK_HEARD), 2);
    for (int i = 0; i < 16; i++) assert_in_range(wait_for_a_gap(&p), RTT / 2, RTT / 2 + SLACK);
    assert_in_range(wait_for_a_gap(&p), RTT / 4, RTT / 4 + SLACK);
    peer_end(&p);
}

/* The profile `small`, and whoever sets limits.rack = 0: RFC 6675's three duplicates, at once. */
static void without_rack_the_count_decides(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.limits.rack = 0;
    recovery_begin_as(&p, &config, RTT, true, false);
    const hf_seq first = p.ack;
    peer_app_sends(&p, 5 * MSS);
    peer_forget(&p);
    peer_run(&p, RTT);
    recovery_sacks(&p, first, first, (blocks){1, {{1, 2}}});
    peer_run(&p, 100 * HF_MS); /* neither a reordering timer nor a probe */
    peer_expect_nothing(&p);
    recovery_sacks(&p, first, first, (blocks){1, {{1, 3}}});
    peer_expect_nothing(&p);
    recovery_sacks(&p, first, first, (blocks){1, {{1, 4}}});
    recovery_expect(&p, first, 0, HF_CAUSE_SENT_RETRANSMISSION_FAST);
    peer_end(&p);
}

/* RFC 2018 8, and RFC 8985 6.3: the ACK stops at what was SACKed. */
static void a_peer_that_takes_its_sack_back_gets_all_again(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    const hf_seq first = p.ack;
    peer_app_sends(&p, 4 * MSS);
    peer_forget(&p);
    peer_run(&p, RTT);
    recovery_sacks(&p, first, first, (blocks){1, {{1, 3}}});
    p.ack = first + MSS;
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(peer_count(&p, HF_CAUSE_SACK_RENEGED), 1);
    for (uint32_t i = 1; i < 3; i++)
        recovery_expect(&p, first, i, HF_CAUSE_SENT_RETRANSMISSION_PARTIAL);
    peer_expect_nothing(&p);
    recovery_sacks(&p, p.ack, first, (blocks){1, {{3, 4}}}); /* not believed any more */
    recovery_expect(&p, first, 3, HF_CAUSE_SENT_RETRANSMISSION_PARTIAL);
    peer_end(&p);
}

/* ---- TLP, RFC 8985 7 ---- */

static void a_tail_is_probed_after_two_round_trips(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    const hf_seq first = p.ack;
    peer_app_sends(&p, 4 * MSS);
    const hf_ns sent_ns = p.now_ns, rto_ns = peer_status(&p).rto_ns;
    const uint32_t cwnd = peer_status(&p).cwnd_bytes;
    peer_forget(&p);
    peer_run(&p, rto_ns);
    const peer_segment *probe = recovery_expect(&p, first, 3, HF_CAUSE_SENT_TAIL_LOSS_PROBE);
    assert_in_range(probe->at_ns - sent_ns, 2 * RTT, 2 * RTT + 2 * SLACK);
    peer_expect_nothing(&p);
    assert_int_equal(peer_status(&p).cwnd_bytes, cwnd);
    /* 7.3: then the RTO runs, from the probe on, and no other probe. */
    const hf_ns probe_ns = probe->at_ns;
    peer_run(&p, rto_ns);
    const peer_segment *again = recovery_expect(&p, first, 0, HF_CAUSE_SENT_RETRANSMISSION_RTO);
    assert_in_range(again->at_ns - probe_ns, rto_ns, rto_ns + SLACK);
    peer_end(&p);
}

/* 7.2: a single segment's ACK may be delayed; and no probe is later than the RTO. */
static void one_segment_is_given_the_peers_longest_delay(void **state) {
    (void)state;
    const hf_ns delays_ns[] = {30 * HF_MS, 300 * HF_MS};
    for (int i = 0; i < 2; i++) {
        peer p;
        hf_config config = peer_config();
        config.limits.tlp_ack_delay_ns = delays_ns[i];
        recovery_begin_as(&p, &config, RTT, true, false);
        const hf_seq first = p.ack;
        peer_app_sends(&p, 9);
        const hf_ns sent_ns = p.now_ns, rto_ns = peer_status(&p).rto_ns;
        peer_forget(&p);
        peer_run(&p, rto_ns + 3 * HF_MS);
        const peer_segment *probe = recovery_expect(&p, first, 0, HF_CAUSE_SENT_TAIL_LOSS_PROBE);
        const hf_ns expected_ns = i == 0 ? 2 * RTT + delays_ns[0] : rto_ns;
        assert_in_range(probe->at_ns - sent_ns, expected_ns, expected_ns + 2 * SLACK);
        assert_int_equal(peer_count(&p, HF_CAUSE_RTO_BACKED_OFF), 0);
        peer_end(&p);
    }
}

static void a_probe_is_new_data_if_there_is_some(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    const hf_seq first = p.ack;
    peer_app_sends(&p, 12 * MSS);
    peer_forget(&p); /* ten have left, cwnd is full */
    peer_run(&p, 3 * RTT);
    recovery_expect(&p, first, 10, HF_CAUSE_SENT_TAIL_LOSS_PROBE);
    peer_expect_nothing(&p);
    peer_end(&p);
}

/* 7.4.1. With timestamps, too: the echo beside the SACK is of what came before the gap. */
static void the_probes_sack_tells_of_the_losses_before_it(void **state) {
    (void)state;
    for (int timestamps = 0; timestamps < 2; timestamps++) {
        peer p;
        const hf_config config = peer_config();
        recovery_begin_as(&p, &config, RTT, true, timestamps);
        const hf_seq first = p.ack;
        peer_app_sends(&p, 4 * MSS);
        peer_forget(&p);
        peer_run(&p, 3 * RTT);
        recovery_expect(&p, first, 3, HF_CAUSE_SENT_TAIL_LOSS_PROBE);
        peer_run(&p, RTT);
        recovery_sacks(&p, first, first, (blocks){1, {{3, 4}}});
        peer_run(&p, RTT / 4 + SLACK);
        recovery_expect(&p, first, 0, HF_CAUSE_SENT_RETRANSMISSION_RACK);
        p.ack = first + MSS;
        peer_run(&p, RTT);
        p.ts_echo = p.out[p.out_count - 1].tcp.options.ts_value;
        recovery_sacks(&p, p.ack, first, (blocks){1, {{3, 4}}});
        recovery_expect(&p, first, 1, HF_CAUSE_SENT_RETRANSMISSION_RACK);
        assert_int_equal(peer_count(&p, HF_CAUSE_RTO_BACKED_OFF), 0);
        peer_end(&p);
    }
}

static void probed(peer *p, hf_seq *ret_first) {
    recovery_begin(p, RTT);
    *ret_first = p->ack;
    peer_app_sends(p, 4 * MSS);
    p->ack += 3 * MSS;
    peer_run(p, RTT);
    peer_says(p, HFI_TCP_ACK, 0);
    peer_forget(p);
    peer_run(p, 400 * HF_MS);
    recovery_expect(p, *ret_first, 3, HF_CAUSE_SENT_TAIL_LOSS_PROBE);
    p->ack += MSS;
    peer_says(p, HFI_TCP_ACK, 0);
}

/* 7.4.2: nothing else would have told of the loss. */
static void a_loss_that_the_probe_repaired_costs_window(void **state) {
    (void)state;
    peer p;
    hf_seq first;
    probed(&p, &first);
    const uint32_t cwnd = peer_status(&p).cwnd_bytes;
    peer_app_sends(&p, 7);
    p.ack += 7;
    peer_run(&p, RTT);
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(peer_count(&p, HF_CAUSE_PROBE_REPAIRED), 1);
    assert_true(peer_status(&p).cwnd_bytes < cwnd);
    peer_end(&p);
}

static void a_probe_that_was_not_needed_costs_nothing(void **state) {
    (void)state;
    for (int with_dsack = 0; with_dsack < 2; with_dsack++) {
        peer p;
        hf_seq first;
        probed(&p, &first);
        const uint32_t cwnd = peer_status(&p).cwnd_bytes;
        recovery_sacks(&p, p.ack, first, (blocks){(uint32_t)with_dsack, {{3, 4}}});
        peer_app_sends(&p, 7);
        p.ack += 7;
        peer_run(&p, RTT);
        peer_says(&p, HFI_TCP_ACK, 0);
        assert_int_equal(peer_count(&p, HF_CAUSE_PROBE_REPAIRED), 0);
        assert_true(peer_status(&p).cwnd_bytes >= cwnd);
        peer_end(&p);
    }
}

static void nobody_is_probed_without_sack(void **state) {
    (void)state;
    peer p;
    const hf_config config = peer_config();
    recovery_begin_as(&p, &config, RTT, false, false);
    peer_app_sends(&p, 4 * MSS);
    peer_forget(&p);
    peer_run(&p, 3 * HF_SECOND);
    assert_int_equal(peer_count(&p, HF_CAUSE_SENT_TAIL_LOSS_PROBE), 0);
    assert_true(peer_count(&p, HF_CAUSE_SENT_RETRANSMISSION_RTO) >= 3);
    peer_end(&p);
}

/* What detect_within sends as a question is no transmission to RACK, to the RTT or to the window. */
static void a_question_of_detect_within_moves_nothing_here(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.limits.plpmtud = 0; /* another question */
    recovery_begin_as(&p, &config, RTT, true, false);
    const hf_tcp_options options = {.detect_within_ns = 20 * HF_SECOND};
    assert_int_equal(hf_conn_options_set(&p.engine, p.conn, &options), HF_OK);
    peer_app_sends(&p, 2 * MSS);
    while (peer_count(&p, HF_CAUSE_SENT_RETRANSMISSION_BOUND) == 0) peer_run(&p, HF_MS);
    const hf_conn_status before = peer_status(&p);
    const hfi_us32 sent_us = peer_ctx(&p)->segments[peer_block(&p)->segq_head].sent_us;
    assert_true(peer_ctx(&p)->now_us - sent_us > 100000); /* when it was sent for its own sake */
    assert_int_equal(recovery_flight(&p)->asked_bytes, MSS);
    p.ack += MSS;
    peer_run(&p, HF_MS);
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(peer_status(&p).srtt_ns, before.srtt_ns);
    assert_int_equal(recovery_flight(&p)->rack_rtt_us, 0);
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gap_has_a_quarter_of_a_round_trip_to_close),
        cmocka_unit_test(a_gap_that_closes_in_time_costs_nothing),
        cmocka_unit_test(three_segments_beyond_a_gap_are_proof_at_once),
        cmocka_unit_test(after_reordering_three_segments_are_no_proof_yet),
        cmocka_unit_test(a_lost_retransmission_is_found_by_what_left_after_it),
        cmocka_unit_test(a_dsack_widens_the_window_for_sixteen_recoveries),
        cmocka_unit_test(without_rack_the_count_decides),
        cmocka_unit_test(a_peer_that_takes_its_sack_back_gets_all_again),
        cmocka_unit_test(a_tail_is_probed_after_two_round_trips),
        cmocka_unit_test(one_segment_is_given_the_peers_longest_delay),
        cmocka_unit_test(a_probe_is_new_data_if_there_is_some),
        cmocka_unit_test(the_probes_sack_tells_of_the_losses_before_it),
        cmocka_unit_test(a_loss_that_the_probe_repaired_costs_window),
        cmocka_unit_test(a_probe_that_was_not_needed_costs_nothing),
        cmocka_unit_test(nobody_is_probed_without_sack),
        cmocka_unit_test(a_question_of_detect_within_moves_nothing_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
