/* Retransmission: RFC 6298's arithmetic, Karn, back-off, R1 and R2, RFC 5681, 6582, 3042 and 6675.
 * The peer advertises a large window; cwnd decides. */
#include "peer.h"

#define MSS 1460u

static void connected(peer *p) {
    peer_begin(p);
    peer_listen_and_accept(p);
    peer_run(p, 100 * HF_MS);
    peer_forget(p);
}

static void connected_by_reno(peer *p) {
    const hf_tcp_options reno = {.congestion = HF_CONGESTION_NEWRENO};
    peer_begin(p);
    peer_listen_and_accept_with(p, &reno);
    peer_run(p, 100 * HF_MS);
    peer_forget(p);
}

static void connected_with_sack(peer *p) {
    peer_begin(p);
    p->syn_options.present |= HFI_OPT_SACK_PERMITTED;
    peer_listens_with(p, &(hf_listen_options){.port = 80});
    peer_sends_syn(p, 0);
    p->ack = peer_expect(p, HFI_TCP_SYN | HFI_TCP_ACK)->tcp.seq + 1;
    peer_run(p, 20 * HF_MS); /* the round trip, so that no tail loss probe comes within one */
    peer_says(p, HFI_TCP_ACK, 0);
    assert_int_equal(hf_accept(&p->engine, p->listener, &p->conn), HF_OK);
    peer_run(p, 100 * HF_MS);
    peer_forget(p);
}

/* The peer acknowledges `bytes` more, `rtt` after now. */
static void acks(peer *p, uint32_t bytes, hf_ns rtt_ns) {
    peer_run(p, rtt_ns);
    p->ack += bytes;
    peer_says(p, HFI_TCP_ACK, 0);
}

/* ---- RFC 6298 ---- */

/* 2.1 to 2.3, and 5.2: numbers by hand. R' = 100, then 180 ms. */
static void srtt_and_rttvar_follow_the_rfcs_arithmetic(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    hf_listen_options listen = {.port = 80};
    peer_listens_with(&p, &listen);
    peer_sends_syn(&p, 0);
    p.ack = peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK)->tcp.seq + 1;
    peer_run(&p, 100 * HF_MS);
    peer_says(&p, HFI_TCP_ACK, 0);
    hf_accept(&p.engine, p.listener, &p.conn);
    hf_conn_status s = peer_status(&p);
    assert_int_equal(s.srtt_ns, 100 * HF_MS); /* 2.2: SRTT = R, RTTVAR = R/2, RTO = R + 4 R/2 */
    assert_int_equal(s.rttvar_ns, 50 * HF_MS);
    assert_int_equal(s.rto_ns, 300 * HF_MS);
    peer_app_sends(&p, 10);
    acks(&p, 10, 180 * HF_MS);
    s = peer_status(&p);
    assert_in_range(s.srtt_ns, 110 * HF_MS - 2000, 110 * HF_MS);       /* 7/8 100 + 1/8 180 */
    assert_in_range(s.rttvar_ns, 57500 * HF_US - 2000, 57500 * HF_US); /* 3/4 50 + 1/4 80 */
    peer_end(&p);
}

static void the_first_rto_is_one_second_and_each_doubles_it_up_to_sixty(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    hf_listen_options listen = {.port = 80};
    peer_listens_with(&p, &listen);
    peer_is_called(&p);
    const hf_ns began_ns = p.now_ns;
    const uint32_t at_s[] = {1, 3, 7, 15, 31, 63, 123}; /* 2.1, 2.5, 5.5 */
    peer_run(&p, 183 * HF_SECOND);
    for (int i = 0; i < 7; i++) {
        const peer_segment *syn = peer_expect(&p, HFI_TCP_SYN);
        assert_in_range(syn->at_ns - began_ns, at_s[i] * HF_SECOND,
                        at_s[i] * HF_SECOND + (hf_ns)(i + 1) * 2 * HF_MS);
        assert_int_equal(syn->tcp.seq, p.ack - 1);
    }
    peer_expect_nothing(&p);
    assert_int_equal(peer_state(&p), HF_SYN_SENT); /* MUST-23: three minutes at least */
    peer_run(&p, HF_SECOND);
    assert_int_equal(peer_conn_end(&p).cause, HF_CAUSE_END_SYN_UNANSWERED); /* MUST-22 */
    peer_end(&p);
}

/* 5.7: after a SYN that timed out, the RTO starts from three seconds. */
static void data_after_a_repeated_syn_waits_three_seconds(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_is_called(&p);
    peer_run(&p, 1500 * HF_MS);
    peer_forget(&p);
    peer_answers_call(&p);
    assert_int_equal(peer_status(&p).srtt_ns, 0); /* MUST-18: Karn */
    assert_int_equal(peer_status(&p).rto_ns, 3 * HF_SECOND);
    assert_int_equal(peer_status(&p).cwnd_bytes, MSS); /* RFC 5681 3.1 */
    peer_end(&p);
}

/* MUST-18: Karn. No sample from what was sent twice, and the back-off stays until there is one. */
static void the_back_off_stays_until_something_sent_once_is_measured(void **state) {
    (void)state;
    peer p;
    connected(&p);
    peer_app_sends(&p, 100);
    const hf_ns rto_ns = peer_status(&p).rto_ns;
    peer_run(&p, 4 * rto_ns - 50 * HF_MS); /* at 1 and 3 RTO */
    const hf_conn_status s = peer_status(&p);
    assert_int_equal(s.rto_ns, 4 * rto_ns);
    acks(&p, 100, HF_MS);
    assert_int_equal(peer_status(&p).srtt_ns, s.srtt_ns);
    assert_int_equal(peer_status(&p).rto_ns, 4 * rto_ns);
    peer_app_sends(&p, 100);
    acks(&p, 100, 2 * HF_MS);
    assert_true(peer_status(&p).rto_ns <= rto_ns);
    peer_end(&p);
}

/* 5.3: an ACK of new data restarts the timer. */
static void an_ack_restarts_the_timer(void **state) {
    (void)state;
    peer p;
    connected(&p);
    peer_app_sends(&p, 3 * MSS);
    peer_forget(&p);
    peer_run(&p, 150 * HF_MS);
    p.ack += MSS;
    peer_says(&p, HFI_TCP_ACK, 0);
    const hf_ns rto_ns = peer_status(&p).rto_ns, at_ns = p.now_ns;
    peer_run(&p, rto_ns + 5 * HF_MS);
    const peer_segment *again = peer_expect(&p, HFI_TCP_ACK);
    assert_int_equal(again->tcp.seq, p.ack);
    assert_in_range(again->at_ns - at_ns, rto_ns, rto_ns + 3 * HF_MS);
    assert_int_equal(again->cause, HF_CAUSE_SENT_RETRANSMISSION_RTO);
    peer_end(&p);
}

/* MUST-20, SHLD-9, SHLD-10, SHLD-11 */
static void r1_warns_and_r2_ends_after_a_hundred_seconds_at_least(void **state) {
    (void)state;
    peer p;
    connected(&p);
    peer_app_sends(&p, 10);
    const hf_ns sent_ns = p.now_ns;
    peer_run(&p, 2 * HF_SECOND);
    assert_true(peer_event(&p, HF_OBJECT_CONN, HF_EVENT_UNHEARD));
    assert_true(p.out_count >= 4); /* three retransmissions */
    peer_run(&p, 3000 * HF_SECOND);
    const hf_end end = peer_conn_end(&p);
    assert_int_equal(end.cause, HF_CAUSE_END_PEER_SILENT);
    assert_int_equal(end.mechanism, HF_CAUSE_BY_RETRANSMIT_LIMIT);
    assert_true(end.at_ns - sent_ns >= 100 * HF_SECOND);
    peer_end(&p);
}

/* ---- Fast retransmit, RFC 5681 3.2 and 3042 ---- */

static void bare_dup(peer *p) { peer_sends(p, HFI_TCP_ACK, p->seq, p->ack, 0); }

static void three_duplicates_send_the_missing_segment_and_two_allow_new_ones(void **state) {
    (void)state;
    peer p;
    connected_by_reno(&p);
    peer_app_sends(&p, 20 * MSS); /* ten of them leave: RFC 6928 */
    assert_int_equal(p.out_count, 10);
    peer_forget(&p);
    peer_run(&p, 20 * HF_MS);
    for (int i = 0; i < 2; i++) { /* RFC 3042 */
        bare_dup(&p);
        const peer_segment *fresh = peer_expect(&p, HFI_TCP_ACK);
        assert_int_equal(fresh->cause, HF_CAUSE_SENT_LIMITED_TRANSMIT);
        assert_int_equal(fresh->tcp.seq, p.ack + (10 + (hf_seq)i) * MSS);
        peer_expect_nothing(&p);
    }
    bare_dup(&p);
    const peer_segment *again = peer_expect(&p, HFI_TCP_ACK);
    assert_int_equal(again->tcp.seq, p.ack);
    assert_int_equal(again->cause, HF_CAUSE_SENT_RETRANSMISSION_FAST);
    assert_int_equal(peer_status(&p).ssthresh_bytes,
                     5 * MSS); /* ten, without the two of RFC 3042 */
    peer_end(&p);
}

/* A window update is no duplicate (RFC 5681 2, trap 10), nor is data. */
static void window_updates_and_data_are_not_duplicates(void **state) {
    (void)state;
    peer p;
    connected(&p);
    peer_app_sends(&p, 5 * MSS);
    peer_forget(&p);
    for (int i = 0; i < 6; i++) {
        p.window = (uint16_t)(50000 + i);
        bare_dup(&p);
        peer_says(&p, HFI_TCP_ACK, 3);
    }
    for (const peer_segment *out; (out = peer_next(&p)) != NULL;)
        assert_int_equal(out->tcp.payload_bytes, 0);
    peer_end(&p);
}

/* RFC 6582 3.2: a partial ACK sends the next hole; only the full one ends recovery. */
static void a_partial_ack_sends_the_next_missing_segment(void **state) {
    (void)state;
    peer p;
    connected(&p);
    peer_app_sends(&p, 10 * MSS);
    peer_forget(&p);
    peer_run(&p, 20 * HF_MS);
    for (int i = 0; i < 3; i++) bare_dup(&p);
    assert_int_equal(peer_expect(&p, HFI_TCP_ACK)->tcp.seq, p.ack);
    peer_forget(&p);
    acks(&p, 4 * MSS, 20 * HF_MS);
    const peer_segment *next = peer_expect(&p, HFI_TCP_ACK);
    assert_int_equal(next->tcp.seq, p.ack);
    assert_int_equal(next->cause, HF_CAUSE_SENT_RETRANSMISSION_PARTIAL);
    assert_int_equal(peer_count(&p, HF_CAUSE_RECOVERY_ENDED), 0);
    acks(&p, 6 * MSS, 20 * HF_MS);
    assert_int_equal(peer_count(&p, HF_CAUSE_RECOVERY_ENDED), 1);
    assert_int_equal(peer_count(&p, HF_CAUSE_RECOVERY_STARTED), 1);
    peer_end(&p);
}

/* RFC 6582 3.2 step 1: duplicates of the very ACK that ended a recovery start no other. */
static void duplicates_of_the_last_recoverys_end_start_no_other(void **state) {
    (void)state;
    peer p;
    connected(&p);
    peer_app_sends(&p, 10 * MSS);
    for (int i = 0; i < 3; i++) bare_dup(&p);
    acks(&p, 10 * MSS, 20 * HF_MS);
    peer_app_sends(&p, 5 * MSS);
    peer_forget(&p);
    for (int i = 0; i < 3; i++) bare_dup(&p);
    assert_int_equal(peer_count(&p, HF_CAUSE_RECOVERY_STARTED), 1);
    peer_end(&p);
}

/* Trap 21: `recover` must not fall 2^31 behind. */
static void fast_retransmit_works_after_gigabytes(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    hfi_conn *conn = peer_block(&p);
    for (uint64_t moved = 0; moved < UINT64_C(2300) << 20;) {
        hf_conn_status s = peer_status(&p);
        static const uint8_t text[200000];
        size_t taken;
        hf_send(&p.engine, p.conn, text, sizeof text, &taken);
        p.deaf = true;
        peer_drain(&p);
        p.deaf = false;
        (void)s;
        moved += conn->snd_nxt - p.ack;
        p.ack = conn->snd_nxt;
        peer_send_view(
            &p, (hfi_tcp_view){.flags = HFI_TCP_ACK, .seq = p.seq, .ack = p.ack, .window = 60000});
    }
    p.deaf = true;
    peer_run(&p, HF_MS);
    p.ack = conn->snd_nxt;
    peer_says(&p, HFI_TCP_ACK, 0);
    peer_run(&p, HF_MS);
    p.deaf = false;
    p.ack = conn->snd_una;
    for (int i = 0; i < 3; i++) bare_dup(&p);
    assert_int_equal(peer_count(&p, HF_CAUSE_RECOVERY_STARTED), 1);
    peer_end(&p);
}

/* X02: an endless row of duplicates buys no more than what was in flight. */
static void a_thousand_duplicates_are_no_burst(void **state) {
    (void)state;
    peer p;
    connected(&p);
    const hf_tcp_options options = {.send_bytes = 1000000};
    hf_conn_options_set(&p.engine, p.conn, &options);
    static const uint8_t text[500000];
    size_t taken;
    hf_send(&p.engine, p.conn, text, sizeof text, &taken);
    p.window = 65535;
    peer_drain(&p);
    const size_t before = p.out_count;
    for (int i = 0; i < 1000; i++) bare_dup(&p);
    assert_true(p.out_count - before <= 14);
    peer_end(&p);
}

/* ---- After a time-out, RFC 5681 3.1 ---- */

static void a_time_out_falls_to_one_segment_and_half_the_flight(void **state) {
    (void)state;
    peer p;
    connected_by_reno(&p);
    peer_app_sends(&p, 10 * MSS);
    peer_forget(&p);
    peer_run(&p, peer_status(&p).rto_ns + 4 * HF_MS);
    assert_int_equal(peer_status(&p).cwnd_bytes, MSS);
    assert_int_equal(peer_status(&p).ssthresh_bytes, 5 * MSS);
    peer_expect(&p, HFI_TCP_ACK);
    peer_expect_nothing(&p);
    acks(&p, MSS, 10 * HF_MS); /* slow start over what was lost */
    assert_int_equal(p.out_count, 2);
    assert_int_equal(peer_expect(&p, HFI_TCP_ACK)->tcp.seq, p.ack);
    assert_int_equal(peer_expect(&p, HFI_TCP_ACK)->tcp.seq, p.ack + MSS);
    peer_end(&p);
}

/* ---- SACK, RFC 2018 and 6675 ---- */

static void sacks(peer *p, uint32_t count, const uint32_t (*blocks)[2]) {
    hfi_tcp_view view = {.flags = HFI_TCP_ACK, .seq = p->seq, .ack = p->ack, .window = p->window};
    view.options.present = HFI_OPT_SACK;
    view.options.sack_count = (uint8_t)count;
    for (uint32_t i = 0; i < count; i++)
        view.options.sack[i] = (hfi_sack_block){p->ack + blocks[i][0], p->ack + blocks[i][1]};
    peer_send_view(p, view);
    peer_drain(p);
}

static void only_what_is_not_sacked_goes_again(void **state) {
    (void)state;
    peer p;
    connected_with_sack(&p);
    peer_app_sends(&p, 10 * MSS);
    peer_forget(&p);
    peer_run(&p, 20 * HF_MS);
    const uint32_t blocks[][2] = {{6 * MSS, 10 * MSS}, {2 * MSS, 4 * MSS}};
    sacks(&p, 2, blocks); /* 0, 1, 4 and 5 are missing; pipe allows: 10 - 6 - 4 = 0 */
    const hf_seq missing[] = {0, 1, 4, 5};
    for (int i = 0; i < 4; i++)
        assert_int_equal(peer_expect(&p, HFI_TCP_ACK)->tcp.seq, p.ack + missing[i] * MSS);
    peer_expect_nothing(&p);
    assert_int_equal(peer_status(&p).ssthresh_bytes, 7 * MSS);
    peer_end(&p);
}

/* S03, trap 1 */
static void sack_blocks_that_lie_are_ignored(void **state) {
    (void)state;
    peer p;
    connected_with_sack(&p);
    peer_app_sends(&p, 6 * MSS);
    peer_forget(&p);
    const uint32_t lies[][2] = {{5 * MSS, 3 * MSS}, {2 * MSS, 2 * MSS}, {4 * MSS, 7 * MSS}};
    for (int i = 0; i < 3; i++) {
        sacks(&p, 1, &lies[i]);
        const hfi_conn *conn = peer_block(&p);
        assert_int_equal(peer_ctx(&p)->flights[conn->flight].sacked_bytes, 0);
    }
    const uint32_t before[][2] = {{0xffff0000, 0xffff1000}};
    sacks(&p, 1, before);
    assert_int_equal(peer_ctx(&p)->flights[peer_block(&p)->flight].sacked_bytes, 0);
    peer_end(&p);
}

/* S01, S02: blocks of one byte must not cut segments to pieces: descriptors are everybody's. */
static void tiny_sack_blocks_take_no_descriptors(void **state) {
    (void)state;
    peer p;
    connected_with_sack(&p);
    peer_app_sends(&p, 10 * MSS);
    const uint32_t used = peer_ctx(&p)->root->segment_pool.used;
    for (uint32_t i = 1; i < 10 * MSS - 8; i += 8) {
        const uint32_t blocks[][2] = {{i, i + 1}, {i + 2, i + 3}, {i + 4, i + 5}, {i + 6, i + 7}};
        sacks(&p, 4, blocks);
    }
    assert_true(peer_ctx(&p)->root->segment_pool.used <= used + 2);
    peer_forget(&p);
    acks(&p, 10 * MSS, HF_SECOND);
    assert_int_equal(peer_ctx(&p)->root->segment_pool.used, 0);
    peer_end(&p);
}

/* RFC 2018 8: after a time-out what was SACKed may have been dropped: all goes again. */
static void a_time_out_forgets_sacks(void **state) {
    (void)state;
    peer p;
    connected_with_sack(&p);
    peer_app_sends(&p, 3 * MSS);
    const uint32_t block[][2] = {{MSS, 2 * MSS}};
    sacks(&p, 1, block);
    peer_run(&p, 2 * HF_SECOND);
    peer_forget(&p);
    acks(&p, MSS, HF_MS);
    assert_int_equal(peer_expect(&p, HFI_TCP_ACK)->tcp.seq, p.ack);
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(srtt_and_rttvar_follow_the_rfcs_arithmetic),
        cmocka_unit_test(the_first_rto_is_one_second_and_each_doubles_it_up_to_sixty),
        cmocka_unit_test(data_after_a_repeated_syn_waits_three_seconds),
        cmocka_unit_test(the_back_off_stays_until_something_sent_once_is_measured),
        cmocka_unit_test(an_ack_restarts_the_timer),
        cmocka_unit_test(r1_warns_and_r2_ends_after_a_hundred_seconds_at_least),
        cmocka_unit_test(three_duplicates_send_the_missing_segment_and_two_allow_new_ones),
        cmocka_unit_test(window_updates_and_data_are_not_duplicates),
        cmocka_unit_test(a_partial_ack_sends_the_next_missing_segment),
        cmocka_unit_test(duplicates_of_the_last_recoverys_end_start_no_other),
        cmocka_unit_test(fast_retransmit_works_after_gigabytes),
        cmocka_unit_test(a_thousand_duplicates_are_no_burst),
        cmocka_unit_test(a_time_out_falls_to_one_segment_and_half_the_flight),
        cmocka_unit_test(only_what_is_not_sacked_goes_again),
        cmocka_unit_test(sack_blocks_that_lie_are_ignored),
        cmocka_unit_test(tiny_sack_blocks_take_no_descriptors),
        cmocka_unit_test(a_time_out_forgets_sacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
