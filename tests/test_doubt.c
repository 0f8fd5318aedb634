/* The client's doubt (ruling 21) and its open check: has the server taken the connection? The peer is a
 * server whose accept queue is full: it drops our ACK and sends its SYN-ACK again. */
#include "peer.h"

static void call_with(peer *p, const hf_tcp_options *options) {
    peer_begin(p);
    peer_is_called_with(p, options);
    peer_run(p, 20 * HF_MS);
    peer_answers_call(p);
    while (peer_event(p, HF_OBJECT_CONN, HF_EVENT_DOUBT)) {
    }
}

/* The SYN-ACK comes again after a wait, and is acknowledged each time. */
static void syn_ack_again(peer *p, hf_ns after_ns) {
    peer_run(p, after_ns);
    peer_forget(p);
    peer_sends_syn(p, HFI_TCP_ACK);
    peer_expect_ack(p, p->seq);
}

static void the_second_late_syn_ack_is_a_doubt_and_no_verdict(void **state) {
    (void)state;
    peer p;
    call_with(&p, NULL);
    syn_ack_again(&p, HF_SECOND);
    const hf_ns first_ns = p.now_ns;
    assert_int_equal(peer_status(&p).doubt.count, 1);
    assert_int_equal(peer_count(&p, HF_CAUSE_PEER_MAY_NOT_HAVE_ACCEPTED), 0);
    syn_ack_again(&p, 2 * HF_SECOND);
    assert_true(peer_event(&p, HF_OBJECT_CONN, HF_EVENT_DOUBT));
    const hf_doubt doubt = peer_status(&p).doubt;
    assert_int_equal(doubt.count, 2);
    assert_int_equal(doubt.reasons, HF_DOUBT_SYN_ACK_REPEATED);
    assert_in_range(doubt.first_at_ns, first_ns - 2 * HFI_TICK_NS, first_ns);
    syn_ack_again(&p, 4 * HF_SECOND);
    assert_int_equal(peer_status(&p).doubt.count, 3);
    assert_int_equal(peer_count(&p, HF_CAUSE_PEER_MAY_NOT_HAVE_ACCEPTED), 1);
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    peer_end(&p);
}

/* What the network duplicates comes soon after our ACK. */
static void a_syn_ack_soon_after_our_ack_counts_nothing(void **state) {
    (void)state;
    peer p;
    call_with(&p, NULL);
    for (int i = 0; i < 9; i++) syn_ack_again(&p, 490 * HF_MS);
    assert_int_equal(peer_status(&p).doubt.count, 0);
    assert_int_equal(peer_count(&p, HF_CAUSE_PEER_MAY_NOT_HAVE_ACCEPTED), 0);
    peer_says(&p, HFI_TCP_ACK, 1);
    assert_int_equal(peer_ctx(&p)->root->watch_pool.used, 0);
    peer_end(&p);
}

static void any_byte_or_ack_of_data_ends_the_doubt(void **state) {
    (void)state;
    for (int by_ack = 0; by_ack < 2; by_ack++) {
        peer p;
        call_with(&p, NULL);
        peer_app_sends(&p, 30);
        syn_ack_again(&p, 900 * HF_MS);
        syn_ack_again(&p, 2 * HF_SECOND);
        assert_int_equal(peer_status(&p).doubt.reasons,
                         HF_DOUBT_SYN_ACK_REPEATED | HF_DOUBT_DATA_IGNORED);
        if (by_ack) p.ack += 30;
        peer_says(&p, HFI_TCP_ACK, by_ack ? 0 : 1);
        assert_int_equal(peer_status(&p).doubt.count, 0);
        assert_int_equal(peer_count(&p, HF_CAUSE_DOUBT_ENDED), 1);
        assert_int_equal(peer_ctx(&p)->root->watch_pool.used, 0);
        for (int i = 0; i < 3; i++) { /* old ones, and no doubt any more */
            peer_run(&p, 4 * HF_SECOND);
            peer_sends_syn(&p, HFI_TCP_ACK);
        }
        assert_int_equal(peer_status(&p).doubt.count, 0);
        peer_end(&p);
    }
}

/* A plain ACK of our SYN is what a pending request answers too: it proves nothing. */
static void an_ack_of_the_syn_alone_ends_no_doubt(void **state) {
    (void)state;
    peer p;
    call_with(&p, NULL);
    syn_ack_again(&p, HF_SECOND);
    peer_run(&p, HF_SECOND);
    peer_says(&p, HFI_TCP_ACK, 0);
    syn_ack_again(&p, HF_SECOND);
    assert_int_equal(peer_status(&p).doubt.count, 2);
    peer_end(&p);
}

static void without_a_watch_the_doubt_is_told_at_once(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.watches = 0;
    peer_begin_with(&p, &config, false);
    peer_is_called(&p);
    peer_answers_call(&p);
    syn_ack_again(&p, HF_SECOND);
    assert_true(peer_event(&p, HF_OBJECT_CONN, HF_EVENT_DOUBT));
    assert_int_equal(peer_count(&p, HF_CAUSE_PEER_MAY_NOT_HAVE_ACCEPTED), 1);
    peer_end(&p);
}

/* ---- The open check ---- */

static const hf_tcp_options check = {.open_check_ns = 1500 * HF_MS};

/* The cookie kind: the server keeps nothing, so nothing is seen; the question draws RST. */
static void a_dropped_cookie_is_found_by_the_open_check(void **state) {
    (void)state;
    peer p;
    call_with(&p, &check);
    const hf_ns open_ns = p.now_ns;
    peer_run(&p, 1490 * HF_MS);
    peer_expect_nothing(&p);
    peer_run(&p, 20 * HF_MS);
    const peer_segment *probe = peer_expect(&p, HFI_TCP_ACK);
    assert_int_equal(probe->cause, HF_CAUSE_SENT_OPEN_CHECK);
    assert_int_equal(probe->tcp.seq, p.ack - 1);
    assert_in_range(probe->at_ns - open_ns, 1500 * HF_MS, 1503 * HF_MS);
    peer_sends(&p, HFI_TCP_RST, probe->tcp.ack, 0, 0);
    assert_int_equal(peer_conn_end(&p).cause, HF_CAUSE_END_NOT_ACCEPTED);
    assert_int_equal(peer_conn_end(&p).mechanism, HF_CAUSE_BY_OPEN_CHECK);
    peer_end(&p);
}

static void the_open_check_is_made_once_and_only_where_nothing_was_heard(void **state) {
    (void)state;
    peer p;
    call_with(&p, &check);
    peer_run(&p, 9 * HF_SECOND);
    peer_expect(&p, HFI_TCP_ACK);
    peer_says(&p, HFI_TCP_ACK, 0);
    peer_run(&p, 900 * HF_SECOND);
    peer_expect_nothing(&p);
    peer_end(&p);
    call_with(&p, &check);
    peer_says(&p, HFI_TCP_ACK, 1);
    peer_forget(&p);
    peer_run(&p, 900 * HF_SECOND);
    peer_expect_nothing(&p);
    peer_sends(&p, HFI_TCP_RST, p.seq, 0, 0);
    assert_int_equal(peer_conn_end(&p).cause, HF_CAUSE_END_PEER_RESET);
    peer_end(&p);
}

/* MUST-26: data in flight is the question, and its RST the answer. */
static void data_in_flight_makes_the_check(void **state) {
    (void)state;
    peer p;
    call_with(&p, &check);
    peer_app_sends(&p, 30);
    peer_forget(&p);
    peer_run(&p, 4 * HF_SECOND);
    assert_int_equal(peer_count(&p, HF_CAUSE_SENT_OPEN_CHECK), 0);
    peer_sends(&p, HFI_TCP_RST, p.seq, 0, 0);
    assert_int_equal(peer_conn_end(&p).cause, HF_CAUSE_END_NOT_ACCEPTED);
    peer_end(&p);
}

/* While the server repeats its SYN-ACK it would answer the question, whatever comes of it: the check
 * waits until the next one is overdue. At 1, 3 and 7 s; forgotten after that, at 15 s. */
static void repeated_syn_acks_put_the_check_off_beyond_their_horizon(void **state) {
    (void)state;
    peer p;
    call_with(&p, &check);
    const hf_ns open_ns = p.now_ns;
    syn_ack_again(&p, HF_SECOND);
    syn_ack_again(&p, 2 * HF_SECOND);
    syn_ack_again(&p, 4 * HF_SECOND);
    assert_int_equal(peer_count(&p, HF_CAUSE_SENT_OPEN_CHECK), 0);
    peer_run(&p, 60 * HF_SECOND);
    const peer_segment *probe = peer_expect(&p, HFI_TCP_ACK);
    assert_int_equal(probe->cause, HF_CAUSE_SENT_OPEN_CHECK);
    assert_in_range(probe->at_ns - open_ns, 15 * HF_SECOND + 490 * HF_MS,
                    15 * HF_SECOND + 510 * HF_MS);
    peer_end(&p);
}

static void who_accepts_has_no_doubt_and_makes_no_check(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept_with(&p, &check);
    peer_run(&p, 900 * HF_SECOND);
    peer_expect_nothing(&p);
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_late_syn_ack_is_a_doubt_and_no_verdict),
        cmocka_unit_test(a_syn_ack_soon_after_our_ack_counts_nothing),
        cmocka_unit_test(any_byte_or_ack_of_data_ends_the_doubt),
        cmocka_unit_test(an_ack_of_the_syn_alone_ends_no_doubt),
        cmocka_unit_test(without_a_watch_the_doubt_is_told_at_once),
        cmocka_unit_test(a_dropped_cookie_is_found_by_the_open_check),
        cmocka_unit_test(the_open_check_is_made_once_and_only_where_nothing_was_heard),
        cmocka_unit_test(data_in_flight_makes_the_check),
        cmocka_unit_test(repeated_syn_acks_put_the_check_off_beyond_their_horizon),
        cmocka_unit_test(who_accepts_has_no_doubt_and_makes_no_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
