/* The siblings of detect_within, by packets: the peer takes no data, its application does not answer,
 * nothing is said; and where the watches come from. */
#include "peer.h"

#define T (10 * HF_SECOND)

static void begin_open(peer *p, const hf_tcp_options *options) {
    peer_begin(p);
    peer_listen_and_accept_with(p, options);
    peer_run(p, 300 * HF_MS);
    peer_says(p, HFI_TCP_ACK, 0);
    peer_forget(p);
}

/* The peer acknowledges all it has seen, and answers probes, for `for_ns`. */
static void peer_answers_for(peer *p, hf_ns for_ns) {
    const hf_ns until_ns = p->now_ns + for_ns;
    while (p->now_ns < until_ns && !hfi_has(peer_block(p), HFI_F_ENDED)) {
        peer_forget(p);
        peer_run(p, 50 * HF_MS);
        if (p->out_count > 0) peer_sends(p, HFI_TCP_ACK, p->seq, p->ack, 0);
    }
}

static void expect_end(peer *p, hf_cause cause, hf_cause by, hf_ns from_ns, hf_ns after_ns) {
    const hf_end end = peer_conn_end(p);
    assert_int_equal(end.cause, cause);
    assert_int_equal(end.mechanism, by);
    assert_in_range(end.at_ns, from_ns + after_ns - 2 * HFI_TICK_NS,
                    from_ns + after_ns + 5 * HF_MS);
}

/* ---- progress_within ---- */

static const hf_tcp_options progress = {.progress_within_ns = T};

static void a_live_peer_that_takes_no_data_is_stuck(void **state) {
    (void)state;
    peer p;
    begin_open(&p, &progress);
    p.window = 0;
    peer_says(&p, HFI_TCP_ACK, 0);
    peer_run(&p, 3 * HF_SECOND); /* an idle connection has no progress to make */
    const hf_ns queued_ns = p.now_ns;
    peer_app_sends(&p, 40);
    peer_answers_for(&p, T - 60 * HF_MS);
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    peer_forget(&p);
    peer_answers_for(&p, 2 * T);
    expect_end(&p, HF_CAUSE_END_PEER_STUCK, HF_CAUSE_BY_PROGRESS_WITHIN, queued_ns, T);
    assert_int_equal(peer_count(&p, HF_CAUSE_SENT_RST_BOUND), 1);
    peer_end(&p);
}

/* The sentence must be true: who is not heard either is silent. */
static void a_dead_peer_makes_no_progress_and_is_silent(void **state) {
    (void)state;
    peer p;
    begin_open(&p, &progress);
    const hf_ns queued_ns = p.now_ns;
    peer_app_sends(&p, 40);
    assert_int_equal(peer_status(&p).notice_by, HF_CAUSE_BY_PROGRESS_WITHIN);
    assert_in_range(peer_status(&p).notice_by_ns, queued_ns + T - 2 * HFI_TICK_NS, queued_ns + T);
    peer_run(&p, 2 * T);
    expect_end(&p, HF_CAUSE_END_PEER_SILENT, HF_CAUSE_BY_PROGRESS_WITHIN, queued_ns, T);
    peer_end(&p);
}

/* A FIN that the peer does not acknowledge is no progress either. */
static void a_queued_fin_counts_as_something_to_take(void **state) {
    (void)state;
    peer p;
    begin_open(&p, &progress);
    p.window = 0;
    peer_says(&p, HFI_TCP_ACK, 0);
    const hf_ns queued_ns = p.now_ns;
    assert_int_equal(hf_shutdown(&p.engine, p.conn), HF_OK);
    peer_answers_for(&p, 2 * T);
    expect_end(&p, HF_CAUSE_END_PEER_STUCK, HF_CAUSE_BY_PROGRESS_WITHIN, queued_ns, T);
    peer_end(&p);
}

/* A trickle: 30 bytes each 7 s. Enough when any byte is, too little when 100 are asked for in T. */
static void each_advance_begins_the_time_anew_unless_more_is_asked(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        peer p;
        const hf_tcp_options options = {.progress_within_ns = T,
                                        .min_progress_bytes = i == 0 ? 0 : 100};
        begin_open(&p, &options);
        const hf_ns queued_ns = p.now_ns;
        peer_app_sends(&p, 1000);
        for (int step = 0; step < 6 && !hfi_has(peer_block(&p), HFI_F_ENDED); step++) {
            peer_answers_for(&p, 7 * HF_SECOND);
            p.ack += 30;
            if (!hfi_has(peer_block(&p), HFI_F_ENDED)) peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 0);
        }
        if (i == 0)
            assert_int_equal(peer_state(&p), HF_ESTABLISHED);
        else
            expect_end(&p, HF_CAUSE_END_PEER_STUCK, HF_CAUSE_BY_PROGRESS_WITHIN, queued_ns, T);
        peer_end(&p);
    }
}

static void a_bound_that_reports_tells_once_and_again_after_progress(void **state) {
    (void)state;
    peer p;
    const hf_tcp_options options = {.progress_within_ns = T, .progress_action = HF_BOUND_REPORT};
    begin_open(&p, &options);
    peer_app_sends(&p, 90);
    while (peer_event(&p, HF_OBJECT_CONN, HF_EVENT_BOUND)) {
    }
    peer_answers_for(&p, 3 * T);
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    assert_true(peer_event(&p, HF_OBJECT_CONN, HF_EVENT_BOUND));
    assert_int_equal(peer_count(&p, HF_CAUSE_PROGRESS_OVERDUE), 1);
    assert_int_equal(peer_status(&p).bounds_passed, HF_PASSED_PROGRESS);
    p.ack += 20;
    peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 0);
    assert_int_equal(peer_status(&p).bounds_passed, 0);
    peer_answers_for(&p, T + HF_SECOND);
    assert_int_equal(peer_count(&p, HF_CAUSE_PROGRESS_OVERDUE), 2);
    p.ack += 70;
    peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 0);
    peer_answers_for(&p, 3 * T);
    assert_int_equal(peer_count(&p, HF_CAUSE_PROGRESS_OVERDUE), 2);
    peer_end(&p);
}

/* What the driver has not taken the peer cannot acknowledge. */
static void the_time_stands_still_while_only_our_own_side_blocks(void **state) {
    (void)state;
    peer p;
    size_t taken;
    begin_open(&p, &progress);
    assert_int_equal(hf_send(&p.engine, p.conn, "nine byte", 9, &taken), HF_OK);
    for (int i = 0; i < 300; i++) hf_engine_step(&p.engine, p.now_ns += 100 * HF_MS, NULL, 0, NULL);
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    const hf_ns left_ns = p.now_ns;
    peer_drain(&p);
    peer_expect(&p, HFI_TCP_ACK | HFI_TCP_PSH);
    peer_answers_for(&p, 2 * T);
    expect_end(&p, HF_CAUSE_END_PEER_STUCK, HF_CAUSE_BY_PROGRESS_WITHIN, left_ns, T);
    peer_end(&p);
}

/* Ruling 17: we who do not read are never the reason for an end. */
static void an_application_that_does_not_read_is_told_and_no_more(void **state) {
    (void)state;
    peer p;
    begin_open(&p, &progress);
    peer_says(&p, HFI_TCP_ACK, 300);
    while (peer_event(&p, HF_OBJECT_CONN, HF_EVENT_BOUND)) {
    }
    peer_run(&p, T - 100 * HF_MS);
    assert_int_equal(peer_count(&p, HF_CAUSE_APP_NOT_READING), 0);
    peer_run(&p, 5 * T);
    assert_int_equal(peer_count(&p, HF_CAUSE_APP_NOT_READING), 1);
    assert_int_equal(peer_status(&p).bounds_passed, HF_PASSED_APP_NOT_READING);
    assert_true(peer_event(&p, HF_OBJECT_CONN, HF_EVENT_BOUND));
    peer_app_reads(&p, 0, 300);
    peer_says(&p, HFI_TCP_ACK, 7);
    assert_int_equal(peer_status(&p).bounds_passed, 0);
    peer_run(&p, T + HF_SECOND);
    assert_int_equal(peer_count(&p, HF_CAUSE_APP_NOT_READING), 2);
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    peer_end(&p);
}

/* ---- answer_within ---- */

static const hf_tcp_options answer = {.answer_within_ns = T};

/* The peer acknowledges what the application asks each second, and says nothing. */
static void ask_each_second(peer *p, int times) {
    for (int i = 0; i < times && !hfi_has(peer_block(p), HFI_F_ENDED); i++) {
        peer_app_sends(p, 20);
        p->ack += 20;
        peer_sends(p, HFI_TCP_ACK, p->seq, p->ack, 0);
        peer_run(p, HF_SECOND);
    }
}

static void a_program_that_hangs_is_noticed_though_its_kernel_answers(void **state) {
    (void)state;
    peer p;
    begin_open(&p, &answer);
    peer_run(&p, 5 * T); /* nothing was asked: no answer is due */
    assert_int_equal(peer_status(&p).hung_notice_by_ns, HF_NEVER);
    ask_each_second(&p, 3);
    peer_says(&p, HFI_TCP_ACK, 11); /* one answer for all three */
    peer_run(&p, 2 * T);
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    const hf_ns asked_ns = p.now_ns;
    ask_each_second(&p, 1);
    assert_in_range(peer_status(&p).hung_notice_by_ns, asked_ns + T - 2 * HFI_TICK_NS,
                    asked_ns + T);
    ask_each_second(&p, 30); /* later questions do not put it off */
    expect_end(&p, HF_CAUSE_END_PEER_NOT_ANSWERING, HF_CAUSE_BY_ANSWER_WITHIN, asked_ns, T);
    peer_end(&p);
}

static void an_answer_out_of_order_is_one(void **state) {
    (void)state;
    peer p;
    begin_open(&p, &answer);
    ask_each_second(&p, 1);
    peer_sends(&p, HFI_TCP_ACK, p.seq + 100, p.ack, 50);
    peer_run(&p, 3 * T);
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    peer_end(&p);
}

static void a_peer_that_has_closed_owes_no_answer(void **state) {
    (void)state;
    peer p;
    begin_open(&p, &answer);
    ask_each_second(&p, 1);
    peer_says(&p, HFI_TCP_FIN | HFI_TCP_ACK, 0);
    peer_run(&p, 3 * T);
    assert_int_equal(peer_state(&p), HF_CLOSE_WAIT);
    peer_end(&p);
}

static void a_dead_peer_does_not_answer_and_is_silent(void **state) {
    (void)state;
    peer p;
    begin_open(&p, &answer);
    const hf_ns asked_ns = p.now_ns;
    peer_app_sends(&p, 20);
    peer_run(&p, 2 * T);
    expect_end(&p, HF_CAUSE_END_PEER_SILENT, HF_CAUSE_BY_ANSWER_WITHIN, asked_ns, T);
    peer_end(&p);
}

static void an_overdue_answer_may_only_be_reported(void **state) {
    (void)state;
    peer p;
    const hf_tcp_options options = {.answer_within_ns = T, .answer_action = HF_BOUND_REPORT};
    begin_open(&p, &options);
    ask_each_second(&p, 40);
    assert_int_equal(peer_count(&p, HF_CAUSE_ANSWER_OVERDUE), 1);
    assert_int_equal(peer_status(&p).bounds_passed, HF_PASSED_ANSWER);
    peer_says(&p, HFI_TCP_ACK, 3);
    assert_int_equal(peer_status(&p).bounds_passed, 0);
    ask_each_second(&p, 12);
    assert_int_equal(peer_count(&p, HF_CAUSE_ANSWER_OVERDUE), 2);
    peer_end(&p);
}

/* ---- idle_within ---- */

static void payload_either_way_keeps_a_connection_from_being_idle(void **state) {
    (void)state;
    peer p;
    const hf_tcp_options options = {.idle_within_ns = T, .keepalive_idle_ns = 2 * HF_SECOND};
    begin_open(&p, &options);
    peer_run(&p, 7 * HF_SECOND);
    peer_says(&p, HFI_TCP_ACK, 4);
    peer_run(&p, 7 * HF_SECOND);
    const hf_ns last_ns = p.now_ns;
    ask_each_second(&p, 1);
    peer_answers_for(&p, 2 * T); /* probes and their answers are no payload */
    expect_end(&p, HF_CAUSE_END_IDLE, HF_CAUSE_BY_IDLE_WITHIN, last_ns, T);
    assert_true(peer_count(&p, HF_CAUSE_SENT_KEEPALIVE) > 2);
    peer_end(&p);
}

static void idleness_may_only_be_reported(void **state) {
    (void)state;
    peer p;
    const hf_tcp_options options = {.idle_within_ns = T, .idle_action = HF_BOUND_REPORT};
    begin_open(&p, &options);
    peer_run(&p, 9 * T);
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    assert_int_equal(peer_count(&p, HF_CAUSE_IDLE_OVERDUE), 1);
    assert_int_equal(peer_status(&p).bounds_passed, HF_PASSED_IDLE);
    peer_end(&p);
}

/* ---- An absence of our own ---- */

static void be_away(peer *p, hf_ns for_ns) {
    peer_forget(p);
    hf_engine_step(&p->engine, p->now_ns += for_ns, NULL, 0, NULL);
    peer_drain(p);
    assert_int_equal(peer_state(p), HF_ESTABLISHED);
}

static void the_bounds_begin_anew_after_an_absence_of_our_own(void **state) {
    (void)state;
    const hf_tcp_options options[] = {progress, answer, {.idle_within_ns = T}};
    for (int i = 0; i < 3; i++) {
        peer p;
        begin_open(&p, &options[i]);
        peer_app_sends(&p, 20);
        peer_answers_for(&p, T / 2);
        be_away(&p, 3600 * HF_SECOND);
        const hf_ns back_ns = p.now_ns;
        peer_answers_for(&p, 2 * T);
        assert_in_range(peer_conn_end(&p).at_ns, back_ns + T - 2 * HFI_TICK_NS,
                        back_ns + T + 5 * HF_MS);
        peer_end(&p);
    }
}

/* Ruling 1: one fresh question has its time before any verdict on silence. */
static void keepalive_asks_once_more_after_an_absence_of_our_own(void **state) {
    (void)state;
    peer p;
    const hf_tcp_options options = {.keepalive_idle_ns = 7 * HF_SECOND,
                                    .keepalive_interval_ns = 2 * HF_SECOND,
                                    .keepalive_count = 3};
    begin_open(&p, &options);
    peer_run(&p, 11500 * HF_MS); /* three probes have left, the verdict is half a second away */
    assert_int_equal(peer_count(&p, HF_CAUSE_SENT_KEEPALIVE), 3);
    be_away(&p, 60 * HF_SECOND);
    assert_int_equal(peer_count(&p, HF_CAUSE_SENT_KEEPALIVE), 4);
    const hf_ns back_ns = p.now_ns;
    peer_run(&p, 30 * HF_SECOND);
    expect_end(&p, HF_CAUSE_END_PEER_SILENT, HF_CAUSE_BY_KEEPALIVE_COUNT, back_ns, 2 * HF_SECOND);
    peer_end(&p);
}

static void the_user_timeout_asks_once_more_after_an_absence_of_our_own(void **state) {
    (void)state;
    for (int answers = 0; answers < 2; answers++) {
        peer p;
        const hf_tcp_options options = {.user_timeout_ns = 8 * HF_SECOND};
        begin_open(&p, &options);
        peer_app_sends(&p, 20);
        peer_run(&p, 7500 * HF_MS);
        be_away(&p, 60 * HF_SECOND);
        assert_true(p.out_count > 0);
        const hf_ns back_ns = p.now_ns;
        if (answers) {
            p.ack += 20;
            peer_says(&p, HFI_TCP_ACK, 0);
        }
        peer_run(&p, 400 * HF_MS);
        assert_int_equal(peer_state(&p), HF_ESTABLISHED);
        peer_run(&p, 30 * HF_SECOND);
        if (answers)
            assert_int_equal(peer_state(&p), HF_ESTABLISHED);
        else
            expect_end(&p, HF_CAUSE_END_PEER_SILENT, HF_CAUSE_BY_USER_TIMEOUT, back_ns,
                       500 * HF_MS);
        peer_end(&p);
    }
}

static void the_retransmission_limit_asks_once_more_after_an_absence_of_our_own(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.limits.retransmit_limit = 2;
    peer_begin_with(&p, &config, false);
    peer_listen_and_accept(&p);
    peer_app_sends(&p, 20);
    while (peer_count(&p, HF_CAUSE_RTO_BACKED_OFF) < 2) peer_run(&p, 50 * HF_MS);
    be_away(&p, 600 * HF_SECOND);
    assert_int_equal(p.out_count, 1);
    const hf_ns back_ns = p.now_ns, rto_ns = peer_status(&p).rto_ns;
    peer_run(&p, 600 * HF_SECOND);
    const hf_end end = peer_conn_end(&p);
    assert_int_equal(end.mechanism, HF_CAUSE_BY_RETRANSMIT_LIMIT);
    assert_in_range(end.at_ns, back_ns + rto_ns - 2 * HFI_TICK_NS, back_ns + rto_ns + 5 * HF_MS);
    peer_end(&p);
}

/* ---- Watches ---- */

static uint32_t watches_used(peer *p) { return peer_ctx(p)->root->watch_pool.used; }

static void a_call_that_asks_for_a_bound_without_a_watch_is_refused(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.watches = 1;
    peer_begin_with(&p, &config, false);
    peer_is_called_with(&p, &answer);
    assert_int_equal(watches_used(&p), 1);
    const hf_connect_options more = {.remote = p.them, .remote_port = 9001, .tcp = answer};
    const hf_connect_options plain = {.remote = p.them, .remote_port = 9001};
    hf_conn second;
    assert_int_equal(hf_connect(&p.engine, &more, &second), HF_NO_MEMORY);
    assert_int_equal(hf_connect(&p.engine, &plain, &second), HF_OK);
    assert_int_equal(hf_conn_options_set(&p.engine, second, &answer), HF_NO_MEMORY);
    hf_tcp_options got;
    assert_int_equal(hf_conn_options_get(&p.engine, second, &got), HF_OK);
    assert_int_equal(got.answer_within_ns, 0);
    const hf_tcp_options none = {0};
    assert_int_equal(hf_conn_options_set(&p.engine, p.conn, &none), HF_OK);
    assert_int_equal(watches_used(&p), 0);
    assert_int_equal(hf_conn_options_set(&p.engine, second, &answer), HF_OK);
    assert_int_equal(watches_used(&p), 1);
    assert_int_equal(hf_abort(&p.engine, second), HF_OK);
    assert_int_equal(hf_release(&p.engine, second), HF_OK);
    peer_drain(&p);
    while (peer_event(&p, HF_OBJECT_CONN, HF_EVENT_END)) {
    }
    assert_int_equal(watches_used(&p), 0);
    peer_end(&p);
}

/* The bound of an accepted connection is never lost: without a watch there is no place. */
static void a_listener_keeps_a_watch_with_each_place(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.watches = 2;
    peer_begin_with(&p, &config, false);
    const hf_listen_options listen = {
        .port = 80, .when_full = HF_FULL_REFUSE, .tcp = {.idle_within_ns = T}};
    peer_listens_with(&p, &listen);
    peer_sends_syn(&p, 0); /* one handshake begun, one done */
    peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK);
    p.their_port++;
    peer_handshake(&p);
    assert_int_equal(watches_used(&p), 1);
    p.their_port++;
    peer_sends_syn(&p, 0);
    peer_expect(&p, HFI_TCP_RST | HFI_TCP_ACK);
    const hf_connect_options connect = {.remote = p.them, .remote_port = 9001, .tcp = answer};
    assert_int_equal(hf_connect(&p.engine, &connect, &p.conn), HF_NO_MEMORY);
    hf_listener_status status;
    assert_int_equal(hf_listener_status_get(&p.engine, p.listener, &status), HF_OK);
    assert_int_equal(status.overflows, 1);
    /* The one in the queue is idle from the start, and leaves it. */
    peer_run(&p, T + HF_SECOND);
    assert_int_equal(hf_accept(&p.engine, p.listener, &p.conn), HF_AGAIN);
    assert_int_equal(peer_count(&p, HF_CAUSE_END_IDLE), 1);
    peer_run(&p, 100 * HF_SECOND); /* and the unfinished handshake is forgotten */
    assert_int_equal(watches_used(&p), 0);
    assert_int_equal(peer_ctx(&p)->root->watches_promised, 0);
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_live_peer_that_takes_no_data_is_stuck),
        cmocka_unit_test(a_dead_peer_makes_no_progress_and_is_silent),
        cmocka_unit_test(a_queued_fin_counts_as_something_to_take),
        cmocka_unit_test(each_advance_begins_the_time_anew_unless_more_is_asked),
        cmocka_unit_test(a_bound_that_reports_tells_once_and_again_after_progress),
        cmocka_unit_test(the_time_stands_still_while_only_our_own_side_blocks),
        cmocka_unit_test(an_application_that_does_not_read_is_told_and_no_more),
        cmocka_unit_test(a_program_that_hangs_is_noticed_though_its_kernel_answers),
        cmocka_unit_test(an_answer_out_of_order_is_one),
        cmocka_unit_test(a_peer_that_has_closed_owes_no_answer),
        cmocka_unit_test(a_dead_peer_does_not_answer_and_is_silent),
        cmocka_unit_test(an_overdue_answer_may_only_be_reported),
        cmocka_unit_test(payload_either_way_keeps_a_connection_from_being_idle),
        cmocka_unit_test(idleness_may_only_be_reported),
        cmocka_unit_test(the_bounds_begin_anew_after_an_absence_of_our_own),
        cmocka_unit_test(keepalive_asks_once_more_after_an_absence_of_our_own),
        cmocka_unit_test(the_user_timeout_asks_once_more_after_an_absence_of_our_own),
        cmocka_unit_test(the_retransmission_limit_asks_once_more_after_an_absence_of_our_own),
        cmocka_unit_test(a_call_that_asks_for_a_bound_without_a_watch_is_refused),
        cmocka_unit_test(a_listener_keeps_a_watch_with_each_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
