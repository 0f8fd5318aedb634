/* ACKs: RFC 9293 3.10.7.4 fifth step, RFC 5961 5.2, delayed and immediate ACKs, probes, and ACK
 * wars that must end. */
#include "peer.h"

/* B05, MUST: what was never sent is not acknowledged. */
static void an_ack_of_what_was_never_sent_advances_nothing(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_app_sends(&p, 10);
    peer_forget(&p);
    peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack + 11, 3);
    assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_ACK_OF_UNSENT);
    peer_expect_ack(&p, p.seq);
    assert_int_equal(peer_status(&p).in_flight_bytes, 10);
    assert_int_equal(peer_status(&p).readable_bytes, 0);
    peer_end(&p);
}

/* RFC 5961 5.2, MAY-12, trap 14: an ACK up to MAX.SND.WND old is no reason to drop data. */
static void data_with_an_old_ack_is_taken_as_far_back_as_the_largest_window(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack - p.window, 4);
    assert_int_equal(peer_status(&p).readable_bytes, 4);
    peer_sends(&p, HFI_TCP_ACK, p.seq + 4, p.ack - p.window - 1, 4);
    assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_ACK_TOO_OLD);
    assert_int_equal(peer_status(&p).readable_bytes, 4);
    peer_end(&p);
}

/* RFC 9293 3.10.7.4: only if SND.UNA =< SEG.ACK does the window follow. */
static void an_old_ack_does_not_change_the_window(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_app_sends(&p, 900);
    p.ack += 900;
    peer_says(&p, HFI_TCP_ACK, 1);
    assert_int_equal(peer_status(&p).peer_window_bytes, 60000);
    p.window = 65000;
    peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack - 900, 2);
    assert_int_equal(peer_status(&p).readable_bytes, 3);
    assert_int_equal(peer_status(&p).peer_window_bytes, 60000);
    peer_end(&p);
}

/* B12 and RFC 9293 3.10.7.4, SND.WL1 and SND.WL2. */
static void an_older_segment_does_not_bring_an_older_window_back(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_says(&p, HFI_TCP_ACK, 20);
    p.window = 40000;
    peer_says(&p, HFI_TCP_ACK, 30);
    p.window = 63;
    peer_sends(&p, HFI_TCP_ACK, p.seq - 40, p.ack, 45); /* repacketised, partly old */
    assert_int_equal(peer_status(&p).peer_window_bytes, 40000);
    peer_sends(&p, HFI_TCP_ACK, p.seq + 2000000, p.ack, 0);
    assert_int_equal(peer_status(&p).peer_window_bytes, 40000);
    peer_end(&p);
}

/* ---- When we acknowledge ---- */

static void past_quick_acks(peer *p) {
    for (int i = 0; i < 16; i++) {
        peer_says(p, HFI_TCP_ACK, 536);
        p->out_read = p->out_count = 0;
        peer_run(p, 100 * HF_MS);
    }
    peer_forget(p);
}

/* SHLD-18, MUST-40 */
static void a_single_segment_is_acknowledged_late_but_within_half_a_second(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    past_quick_acks(&p);
    const hf_ns came_ns = p.now_ns;
    peer_says(&p, HFI_TCP_ACK, 100);
    peer_expect_nothing(&p);
    peer_run(&p, HF_SECOND);
    const peer_segment *ack = peer_expect_ack(&p, p.seq);
    assert_in_range(ack->at_ns - came_ns, 40 * HF_MS, 50 * HF_MS);
    peer_expect_nothing(&p);
    peer_end(&p);
}

/* SHLD-19 */
static void every_second_full_segment_is_acknowledged_at_once(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    past_quick_acks(&p);
    for (int i = 0; i < 6; i++) {
        peer_says(&p, HFI_TCP_ACK, 536);
        if (i % 2 == 1) peer_expect_ack(&p, p.seq);
        peer_expect_nothing(&p);
    }
    peer_end(&p);
}

/* MUST-58, MUST-59: one ACK for a batch, after the whole batch. */
static void a_batch_of_segments_is_answered_once(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    static uint8_t packets[8][1600];
    hf_frame frames[8];
    for (int i = 0; i < 8; i++) {
        const hfi_tcp_view view = {.flags = HFI_TCP_ACK,
                                   .seq = p.seq,
                                   .ack = p.ack,
                                   .window = 60000,
                                   .payload_bytes = 1000,
                                   .source_port = p.their_port,
                                   .destination_port = 80};
        const uint32_t bytes = peer_build(&p, &view, packets[i]);
        frames[i] =
            (hf_frame){.part_count = 1, .total_bytes = bytes, .parts = {{packets[i], bytes}}};
        p.seq += 1000;
    }
    hf_engine_step(&p.engine, p.now_ns, frames, 8, NULL);
    peer_drain(&p);
    peer_expect_ack(&p, p.seq);
    peer_expect_nothing(&p);
    peer_end(&p);
}

/* MAY-13, RFC 5681 4.2: a gap, and what fills it, is acknowledged at once. */
static void a_gap_and_its_filling_are_acknowledged_at_once(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    past_quick_acks(&p);
    peer_sends(&p, HFI_TCP_ACK, p.seq + 50, p.ack, 60);
    peer_expect_ack(&p, p.seq);
    peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 50);
    peer_expect_ack(&p, p.seq + 110);
    peer_expect_nothing(&p);
    peer_end(&p);
}

/* Trap 9: out-of-window data is answered each time, however often. */
static void old_data_is_acknowledged_each_time(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_says(&p, HFI_TCP_ACK, 500);
    peer_forget(&p);
    for (int i = 0; i < 20; i++) {
        peer_sends(&p, HFI_TCP_ACK, p.seq - 500, p.ack, 500);
        peer_expect_ack(&p, p.seq);
    }
    peer_end(&p);
}

/* K07, MAY-6, trap 8: with no octet and with one, each is answered and none is delivered. */
static void keepalive_probes_are_answered_each_time(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_says(&p, HFI_TCP_ACK, 7);
    peer_forget(&p);
    for (uint32_t i = 0; i < 20; i++) {
        peer_sends(&p, HFI_TCP_ACK, p.seq - 1, p.ack, i % 2);
        peer_expect_ack(&p, p.seq);
        peer_expect_nothing(&p);
    }
    peer_app_reads(&p, 0, 7);
    peer_end(&p);
}

/* ---- Wars, B13 ---- */

/* Two ends that disagree by `shift`: each answer of ours is answered by the mirror image of
 * ourselves. Returns how many we sent in ten seconds. */
static uint32_t war(peer *p, uint32_t shift) {
    uint32_t sent = 0;
    peer_sends(p, HFI_TCP_ACK, p->seq - shift, p->ack + shift, 0);
    for (const hf_ns until_ns = p->now_ns + 10 * HF_SECOND; p->now_ns < until_ns;) {
        const bool answered = p->out_count > 0;
        sent += (uint32_t)p->out_count;
        peer_forget(p);
        peer_run(p, 5 * HF_MS);
        if (answered) peer_sends(p, HFI_TCP_ACK, p->seq - shift, p->ack + shift, 0);
    }
    return sent;
}

static void two_ends_that_disagree_do_not_talk_for_ever(void **state) {
    (void)state;
    const uint32_t shifts[] = {1, 2, 3000, 70000};
    for (int i = 0; i < 4; i++) {
        peer p;
        peer_begin(&p);
        peer_listen_and_accept(&p);
        assert_in_range(war(&p, shifts[i]), 1, 25);
        assert_int_equal(peer_state(&p), HF_ESTABLISHED);
        peer_end(&p);
    }
}

static void two_ends_with_old_timestamps_do_not_talk_for_ever(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_offers_everything(&p);
    peer_listen_and_accept(&p);
    p.ts_value -= 1000;
    assert_in_range(war(&p, 0), 1, 25);
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ack_of_what_was_never_sent_advances_nothing),
        cmocka_unit_test(data_with_an_old_ack_is_taken_as_far_back_as_the_largest_window),
        cmocka_unit_test(an_old_ack_does_not_change_the_window),
        cmocka_unit_test(an_older_segment_does_not_bring_an_older_window_back),
        cmocka_unit_test(a_single_segment_is_acknowledged_late_but_within_half_a_second),
        cmocka_unit_test(every_second_full_segment_is_acknowledged_at_once),
        cmocka_unit_test(a_batch_of_segments_is_answered_once),
        cmocka_unit_test(a_gap_and_its_filling_are_acknowledged_at_once),
        cmocka_unit_test(old_data_is_acknowledged_each_time),
        cmocka_unit_test(keepalive_probes_are_answered_each_time),
        cmocka_unit_test(two_ends_that_disagree_do_not_talk_for_ever),
        cmocka_unit_test(two_ends_with_old_timestamps_do_not_talk_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
