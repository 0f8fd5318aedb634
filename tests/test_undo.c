/* Losses that were none: timestamps (RFC 3522), DSACK (RFC 3708), order (RFC 5682); and that the window
 * comes back (RFC 4015). */
#include "recovery.h"

#define RTT (20 * HF_MS)

static void nothing_is_undone(const peer *p) {
    assert_int_equal(peer_count(p, HF_CAUSE_UNDONE_BY_TIMESTAMP), 0);
    assert_int_equal(peer_count(p, HF_CAUSE_UNDONE_BY_DSACK), 0);
    assert_int_equal(peer_count(p, HF_CAUSE_UNDONE_BY_ORDER), 0);
}

/* Until the retransmission timer has ended once. */
static void until_time_out(peer *p) {
    while (peer_count(p, HF_CAUSE_RTO_BACKED_OFF) == 0) peer_run(p, HF_MS);
    peer_run(p, 0);
}

/* ---- Timestamps ---- */

/* RFC 3522 3.2: the ACK, though it comes after the time-out, echoes the first transmission. */
static void an_ack_of_the_first_transmission_undoes_a_time_out(void **state) {
    (void)state;
    for (int late = 0; late < 2; late++) {
        peer p;
        const hf_config config = peer_config();
        recovery_begin_as(&p, &config, RTT, false, true);
        const hf_seq first = p.ack;
        peer_app_sends(&p, 8 * MSS);
        const uint32_t echo_of_first = peer_expect(&p, HFI_TCP_ACK)->tcp.options.ts_value;
        const hf_conn_status before = peer_status(&p);
        peer_forget(&p);
        until_time_out(&p);
        const uint32_t echo_of_second =
            recovery_expect(&p, first, 0, HF_CAUSE_SENT_RETRANSMISSION_RTO)->tcp.options.ts_value;
        assert_int_equal(peer_status(&p).cwnd_bytes, MSS);
        p.ts_value += 5;
        p.ts_echo = late ? echo_of_first : echo_of_second;
        p.ack += MSS;
        peer_run(&p, 3 * HF_MS);
        peer_says(&p, HFI_TCP_ACK, 0);
        if (late) {
            assert_int_equal(peer_count(&p, HF_CAUSE_UNDONE_BY_TIMESTAMP), 1);
            assert_true(peer_status(&p).cwnd_bytes >= before.cwnd_bytes);
            assert_int_equal(peer_status(&p).ssthresh_bytes, before.ssthresh_bytes);
            peer_expect_nothing(&p); /* the other seven are in flight */
            assert_int_equal(recovery_flight(&p)->lost_bytes, 0);
        } else {
            nothing_is_undone(&p);
            recovery_expect(&p, first, 1, HF_CAUSE_SENT_RETRANSMISSION_RTO);
        }
        peer_end(&p);
    }
}

/* The segment was overtaken by more than the reordering window. */
static void an_ack_of_the_first_transmission_undoes_a_fast_retransmit(void **state) {
    (void)state;
    peer p;
    const hf_config config = peer_config();
    recovery_begin_as(&p, &config, RTT, true, true);
    const hf_seq first = p.ack;
    peer_app_sends(&p, 8 * MSS);
    p.ts_echo = peer_expect(&p, HFI_TCP_ACK)->tcp.options.ts_value;
    const hf_conn_status before = peer_status(&p);
    peer_forget(&p);
    peer_run(&p, RTT);
    p.ts_value += 5;
    recovery_sacks(&p, first, first, (blocks){1, {{1, 8}}});
    recovery_expect(&p, first, 0, HF_CAUSE_SENT_RETRANSMISSION_RACK);
    assert_true(peer_status(&p).ssthresh_bytes < before.cwnd_bytes);
    p.ack += 8 * MSS;
    peer_run(&p, 2 * HF_MS);
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(peer_count(&p, HF_CAUSE_UNDONE_BY_TIMESTAMP), 1);
    assert_true(peer_status(&p).cwnd_bytes >= before.cwnd_bytes);
    assert_int_equal(peer_status(&p).ssthresh_bytes, before.ssthresh_bytes);
    peer_end(&p);
}

/* ---- DSACK ---- */

/* RFC 3708 2: only when all that was sent again is known to have been in vain. */
static void dsacks_of_all_retransmissions_undo(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    const hf_seq first = p.ack;
    peer_app_sends(&p, 8 * MSS);
    const hf_conn_status before = peer_status(&p);
    peer_forget(&p);
    peer_run(&p, RTT);
    recovery_sacks(&p, first, first, (blocks){1, {{2, 8}}});
    for (uint32_t i = 0; i < 2; i++)
        recovery_expect(&p, first, i, HF_CAUSE_SENT_RETRANSMISSION_RACK);
    p.ack += 8 * MSS;
    peer_run(&p, 5 * HF_MS);
    peer_says(&p, HFI_TCP_ACK, 0); /* recovery is over */
    assert_true(peer_status(&p).cwnd_bytes < before.cwnd_bytes);
    peer_run(&p, 5 * HF_MS);
    recovery_sacks(&p, p.ack, first, (blocks){1, {{0, 1}}});
    nothing_is_undone(&p);
    recovery_sacks(&p, p.ack, first, (blocks){1, {{1, 2}}});
    assert_int_equal(peer_count(&p, HF_CAUSE_UNDONE_BY_DSACK), 1);
    assert_int_equal(peer_status(&p).cwnd_bytes, before.cwnd_bytes);
    assert_int_equal(peer_status(&p).ssthresh_bytes, before.ssthresh_bytes);
    peer_end(&p);
}

/* Where packets are overtaken, several losses a round trip turn out to have been none; and a peer that
 * echoes what it likes gets its window back, but has us walk through all that is lost once a round trip. */
static void each_loss_of_a_round_trip_is_undone_but_all_is_taken_back_once(void **state) {
    (void)state;
    peer p;
    const hf_config config = peer_config();
    recovery_begin_as(&p, &config, RTT, true, true);
    peer_app_sends(&p, 10 * MSS);
    for (uint32_t segs = 10; segs < 40; segs *= 2) { /* slow start */
        peer_run(&p, RTT);
        p.ts_echo = p.out[p.out_count - 1].tcp.options.ts_value;
        p.ack += segs * MSS;
        peer_says(&p, HFI_TCP_ACK, 0);
        peer_app_sends(&p, 2 * segs * MSS);
        peer_run(&p, RTT);
        p.ts_echo = p.out[p.out_count - 1].tcp.options.ts_value;
    }
    const hf_seq first = p.ack;
    const hf_conn_status before = peer_status(&p);
    assert_true(before.in_flight_bytes >= 35 * MSS);
    peer_run(&p, RTT);
    for (uint32_t i = 0; i < 2; i++) {
        recovery_sacks(&p, p.ack, first, (blocks){1, {{32, 34 + i}}});
        assert_true(peer_status(&p).ssthresh_bytes < before.ssthresh_bytes);
        assert_true(recovery_flight(&p)->lost_bytes > 0);
        peer_run(&p, 2 * HF_MS);
        p.ack += MSS;
        peer_says(&p, HFI_TCP_ACK, 0);
        assert_int_equal(peer_count(&p, HF_CAUSE_UNDONE_BY_TIMESTAMP), i + 1);
    }
    assert_true(recovery_flight(&p)->lost_bytes > 0); /* more than 16 were */
    peer_end(&p);
}

/* ---- F-RTO, RFC 5682 ---- */

/* Ten in flight and more queued, the time-out has sent the first again, and the first ACK has come. */
static void timed_out(peer *p, bool sack, uint32_t *ret_cwnd) {
    const hf_config config = peer_config();
    recovery_begin_as(p, &config, RTT, sack, false);
    const hf_seq first = p->ack;
    peer_app_sends(p, 20 * MSS);
    *ret_cwnd = peer_status(p).cwnd_bytes;
    until_time_out(p);
    peer_forget(p);
    peer_run(p, 5 * HF_MS);
    p->ack += MSS;
    peer_says(p, HFI_TCP_ACK, 0);
    /* 2.1, step 2b: two new segments, and none again. A probe may have sent one before. */
    for (uint32_t i = 0; i < 2; i++) recovery_expect(p, first, 10 + sack + i, HF_CAUSE_SENT_DATA);
    peer_expect_nothing(p);
}

/* 2.1, step 3b */
static void a_second_ack_that_advances_undoes_a_time_out(void **state) {
    (void)state;
    peer p;
    uint32_t cwnd;
    timed_out(&p, false, &cwnd);
    p.ack += MSS;
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(peer_count(&p, HF_CAUSE_UNDONE_BY_ORDER), 1);
    assert_true(peer_status(&p).cwnd_bytes >= cwnd);
    assert_int_equal(recovery_flight(&p)->lost_bytes, 0);
    peer_end(&p);
}

/* 2.1, step 3a */
static void a_duplicate_after_the_first_ack_confirms_the_time_out(void **state) {
    (void)state;
    peer p;
    uint32_t cwnd;
    timed_out(&p, false, &cwnd);
    const hf_seq ack = p.ack;
    peer_says(&p, HFI_TCP_ACK, 0);
    peer_run(&p, RTT); /* what goes again is paced */
    nothing_is_undone(&p);
    recovery_expect(&p, ack, 0, HF_CAUSE_SENT_RETRANSMISSION_RTO);
    assert_true(peer_status(&p).ssthresh_bytes < cwnd);
    peer_end(&p);
}

/* 3.1, step 3: with SACK a duplicate may name what was sent once, before the time-out. */
static void a_sack_of_what_was_sent_once_undoes_a_time_out(void **state) {
    (void)state;
    for (int old = 0; old < 2; old++) {
        peer p;
        uint32_t cwnd;
        timed_out(&p, true, &cwnd);
        const uint32_t at = old ? 3 : 11; /* in flight at the time-out, or sent after it */
        recovery_sacks(&p, p.ack, p.ack - MSS, (blocks){1, {{at, at + 1}}});
        assert_int_equal(peer_count(&p, HF_CAUSE_UNDONE_BY_ORDER), old);
        peer_end(&p);
    }
}

/* 2.1, step 1: a time-out within recovery is believed. */
static void a_time_out_in_recovery_is_not_judged_by_order(void **state) {
    (void)state;
    peer p;
    recovery_begin(&p, RTT);
    const hf_seq first = p.ack;
    peer_app_sends(&p, 20 * MSS);
    peer_run(&p, RTT);
    recovery_sacks(&p, first, first, (blocks){1, {{1, 5}}});
    until_time_out(&p);
    assert_int_equal(recovery_flight(&p)->frto, 0);
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ack_of_the_first_transmission_undoes_a_time_out),
        cmocka_unit_test(an_ack_of_the_first_transmission_undoes_a_fast_retransmit),
        cmocka_unit_test(dsacks_of_all_retransmissions_undo),
        cmocka_unit_test(each_loss_of_a_round_trip_is_undone_but_all_is_taken_back_once),
        cmocka_unit_test(a_second_ack_that_advances_undoes_a_time_out),
        cmocka_unit_test(a_duplicate_after_the_first_ack_confirms_the_time_out),
        cmocka_unit_test(a_sack_of_what_was_sent_once_undoes_a_time_out),
        cmocka_unit_test(a_time_out_in_recovery_is_not_judged_by_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
