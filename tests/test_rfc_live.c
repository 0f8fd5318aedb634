/* Is the peer there? Each bound in each phase (K group, RULINGS of detect_within): never early,
 * within the time, four transmissions unanswered; keepalive, user timeout, gaps of our own clock.
 * The peer falls silent at once; what the engine sends afterwards is counted by hand. */
#include "peer.h"

#define T (10 * HF_SECOND)

static const hf_tcp_options bound = {.detect_within_ns = T};

typedef enum phase {
    CONNECTING,
    CROSSED,
    IDLE,
    IN_FLIGHT,
    WRITING,
    ZERO_WINDOW,
    HALF_CLOSED_BY_US,
    HALF_CLOSED_BY_PEER,
    CLOSING_FIRST,
    LAST_ACK,
    UNREAD,
    PHASES
} phase;

/* Goes to the phase; the last segment of the peer is heard now. */
static void reach(peer *p, phase ph, const hf_tcp_options *options) {
    if (ph == CONNECTING || ph == CROSSED) {
        peer_is_called_with(p, options);
        if (ph == CROSSED) peer_sends_syn(p, 0);
        return;
    }
    peer_listen_and_accept_with(p, options);
    peer_run(p, 100 * HF_MS);
    if (ph == ZERO_WINDOW) p->window = 0;
    if (ph == HALF_CLOSED_BY_PEER || ph == LAST_ACK) peer_says(p, HFI_TCP_FIN | HFI_TCP_ACK, 0);
    if (ph == HALF_CLOSED_BY_US || ph == CLOSING_FIRST || ph == LAST_ACK)
        hf_shutdown(&p->engine, p->conn), peer_drain(p);
    if (ph == HALF_CLOSED_BY_US) p->ack++;
    peer_says(p, HFI_TCP_ACK, ph == UNREAD ? 500 : 0);
    if (ph == IN_FLIGHT || ph == WRITING || ph == ZERO_WINDOW) peer_app_sends(p, 3000);
}

static bool elicits(const peer_segment *out) {
    return (out->tcp.flags & (HFI_TCP_SYN | HFI_TCP_FIN)) != 0 || out->tcp.payload_bytes > 0 ||
           out->cause == HF_CAUSE_SENT_KEEPALIVE || out->cause == HF_CAUSE_SENT_WINDOW_PROBE;
}

/* K01 to K04, K08: in each phase the end comes at T of silence, not a millisecond before. */
static void silence_is_noticed_at_the_bound_in_every_phase(void **state) {
    (void)state;
    for (phase ph = 0; ph < PHASES; ph++) {
        peer p;
        peer_begin(&p);
        reach(&p, ph, &bound);
        const hf_ns heard_ns = p.now_ns;
        while (p.now_ns < heard_ns + T - 100 * HF_MS) {
            if (ph == WRITING) {
                size_t taken;
                hf_send(&p.engine, p.conn, "twenty bytes of text", 20, &taken);
            }
            peer_run(&p, 50 * HF_MS);
        }
        assert_int_not_equal(peer_state(&p), HF_CLOSED); /* never early */
        peer_run(&p, 200 * HF_MS);
        const hf_end end = peer_conn_end(&p);
        assert_int_equal(end.cause, HF_CAUSE_END_PEER_SILENT);
        assert_int_equal(end.mechanism, HF_CAUSE_BY_DETECT_WITHIN);
        assert_in_range(end.at_ns, heard_ns + T - 2 * HFI_TICK_NS, heard_ns + T + 5 * HF_MS);
        uint32_t questions = 0;
        for (size_t i = 0; i < p.out_count; i++) questions += elicits(&p.out[i]);
        assert_true(questions >= 4);
        assert_true(peer_event(&p, HF_OBJECT_CONN, HF_EVENT_END));
        peer_end(&p);
    }
}

/* MUST-26: with anything outstanding no keepalive is sent. */
static void no_keepalive_leaves_while_data_is_outstanding(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    const hf_tcp_options options = {.detect_within_ns = T, .keepalive_idle_ns = HF_SECOND};
    reach(&p, IN_FLIGHT, &options);
    peer_run(&p, 11 * HF_SECOND);
    assert_int_equal(peer_count(&p, HF_CAUSE_SENT_KEEPALIVE), 0);
    peer_end(&p);
}

/* K10, ruling 15: a peer that answers, however quiet, is never ended. */
static void a_peer_that_answers_is_never_ended(void **state) {
    (void)state;
    for (phase ph = IDLE; ph < PHASES; ph++) {
        if (ph == IN_FLIGHT || ph == WRITING || ph == CLOSING_FIRST || ph == LAST_ACK) continue;
        peer p;
        peer_begin(&p);
        reach(&p, ph, &bound);
        for (int i = 0; i < 4000; i++) {
            peer_forget(&p);
            peer_run(&p, HF_SECOND / 2);
            if (p.out_count > 0) peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 0);
        }
        assert_int_not_equal(peer_state(&p), HF_CLOSED);
        peer_end(&p);
    }
}

/* One answer to the fourth question starts all over. */
static void the_last_answer_counts(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    reach(&p, IDLE, &bound);
    peer_run(&p, T - 20 * HF_MS);
    peer_says(&p, HFI_TCP_ACK, 0);
    peer_run(&p, T - 20 * HF_MS);
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    peer_run(&p, 30 * HF_MS);
    assert_int_equal(peer_conn_end(&p).cause, HF_CAUSE_END_PEER_SILENT);
    peer_end(&p);
}

/* Proof of life is an acceptable segment: strangers and old segments are none. */
static void unacceptable_segments_are_no_sign_of_life(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    reach(&p, IDLE, &bound);
    const hf_ns heard_ns = p.now_ns;
    for (int i = 0; i < 9; i++) {
        peer_run(&p, HF_SECOND);
        peer_sends(&p, HFI_TCP_ACK, p.seq + 3000000, p.ack, 0);
        peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack + 9, 4);
        peer_sends(&p, HFI_TCP_RST, p.seq + 9, 0, 0);
        peer_sends(&p, HFI_TCP_SYN, p.seq + 9, 0, 0);
    }
    peer_run(&p, heard_ns + T + 5 * HF_MS - p.now_ns);
    assert_int_equal(peer_conn_end(&p).cause, HF_CAUSE_END_PEER_SILENT);
    peer_end(&p);
}

/* Ruling 14: too small for the path: raised to five times the spacing, and told; or, strict, ended.
 */
static void a_bound_too_small_is_raised_and_told(void **state) {
    (void)state;
    for (int strict = 0; strict < 2; strict++) {
        peer p;
        peer_begin(&p);
        const hf_tcp_options options = {.detect_within_ns = HF_SECOND,
                                        .detect_strict = strict == 1};
        reach(&p, IDLE, &options);
        const hf_ns heard_ns = p.now_ns;
        assert_int_equal(peer_status(&p).detect_within_ns, 2500 * HF_MS);
        assert_true(peer_event(&p, HF_OBJECT_CONN, HF_EVENT_BOUND_RAISED));
        assert_int_equal(peer_count(&p, HF_CAUSE_BOUND_RAISED), 1);
        peer_run(&p, 4 * HF_SECOND);
        const hf_end end = peer_conn_end(&p);
        assert_int_equal(end.cause, strict ? HF_CAUSE_END_BOUND_UNSOUND : HF_CAUSE_END_PEER_SILENT);
        const hf_ns after_ns = strict ? HF_SECOND : 2500 * HF_MS;
        assert_in_range(end.at_ns - heard_ns, after_ns - 2 * HFI_TICK_NS, after_ns + 6 * HF_MS);
        peer_end(&p);
    }
}

/* Rulings 1 and 14: strict ends at the bound itself, wherever the questions lie, but not because
 * we were away. */
static void a_strict_bound_ends_at_its_time_and_not_for_our_own_gap(void **state) {
    (void)state;
    const hf_tcp_options options = {.detect_within_ns = 1300 * HF_MS, .detect_strict = true};
    peer p;
    peer_begin(&p);
    reach(&p, IDLE, &options);
    hf_ns heard_ns = p.now_ns;
    peer_run(&p, 4 * HF_SECOND);
    assert_int_equal(peer_conn_end(&p).cause, HF_CAUSE_END_BOUND_UNSOUND);
    assert_in_range(peer_conn_end(&p).at_ns - heard_ns, 1298 * HF_MS, 1306 * HF_MS);
    peer_end(&p);
    peer_begin(&p);
    reach(&p, IDLE, &options);
    hf_engine_step(&p.engine, p.now_ns += 7 * HF_SECOND, NULL, 0, NULL);
    peer_drain(&p);
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    peer_run(&p, 4 * HF_SECOND);
    assert_int_equal(peer_conn_end(&p).cause, HF_CAUSE_END_BOUND_UNSOUND);
    peer_end(&p);
}

/* ---- Keepalive, RFC 9293 3.8.4 ---- */

/* MUST-24, MUST-25, MUST-27, MUST-28: off unless asked for; SHLD-12: no data in it. */
static void keepalive_is_off_unless_asked_for(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    reach(&p, IDLE, NULL);
    assert_int_equal(peer_status(&p).notice_by_ns, HF_NEVER);
    peer_forget(&p);
    peer_run(&p, 10 * 86400 * HF_SECOND);
    peer_expect_nothing(&p);
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    peer_end(&p);
}

static void keepalive_probes_at_its_interval_and_ends_after_its_count(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    const hf_tcp_options options = {.keepalive_idle_ns = 7 * HF_SECOND,
                                    .keepalive_interval_ns = 2 * HF_SECOND,
                                    .keepalive_count = 3};
    reach(&p, IDLE, &options);
    const hf_ns heard_ns = p.now_ns;
    peer_forget(&p);
    peer_run(&p, 20 * HF_SECOND);
    for (uint32_t i = 0; i < 3; i++) {
        const peer_segment *probe = peer_expect(&p, HFI_TCP_ACK);
        assert_int_equal(probe->tcp.seq, p.ack - 1);
        assert_int_equal(probe->tcp.payload_bytes, 0);
        assert_in_range(probe->at_ns - heard_ns, (7 + 2 * i) * HF_SECOND - HFI_TICK_NS,
                        (7 + 2 * i) * HF_SECOND + 8 * HF_MS);
    }
    const hf_end end = peer_conn_end(&p);
    assert_int_equal(end.mechanism, HF_CAUSE_BY_KEEPALIVE_COUNT);
    assert_in_range(end.at_ns - heard_ns, 13 * HF_SECOND - HFI_TICK_NS, 13 * HF_SECOND + 9 * HF_MS);
    peer_end(&p);
}

/* MUST-29: one lost answer is no verdict. */
static void one_answer_of_three_keeps_the_connection(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    const hf_tcp_options options = {.keepalive_idle_ns = 5 * HF_SECOND,
                                    .keepalive_interval_ns = 5 * HF_SECOND,
                                    .keepalive_count = 3};
    reach(&p, IDLE, &options);
    uint32_t probes = 0;
    for (int i = 0; i < 2000; i++) {
        peer_forget(&p);
        peer_run(&p, HF_SECOND);
        for (size_t k = 0; k < p.out_count; k++)
            if (++probes % 3 == 0) peer_says(&p, HFI_TCP_ACK, 0);
    }
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    assert_true(probes > 100);
    peer_end(&p);
}

/* K06 */
static void a_rebooted_peer_is_found_by_the_probe(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    reach(&p, IDLE, &bound);
    peer_forget(&p);
    peer_run(&p, T / 2);
    const peer_segment *probe = peer_expect(&p, HFI_TCP_ACK);
    peer_sends(&p, HFI_TCP_RST, probe->tcp.ack, 0, 0);
    assert_int_equal(peer_conn_end(&p).cause, HF_CAUSE_END_PEER_RESET);
    peer_end(&p);
}

/* ---- User timeout, RFC 9293 3.9.1.3, MUST-21 ---- */

static void the_user_timeout_counts_unacknowledged_data_only(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    const hf_tcp_options options = {.user_timeout_ns = 8 * HF_SECOND};
    reach(&p, IDLE, &options);
    peer_run(&p, 1000 * HF_SECOND);
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    peer_app_sends(&p, 40);
    const hf_ns sent_ns = p.now_ns;
    peer_run(&p, 20 * HF_SECOND);
    const hf_end end = peer_conn_end(&p);
    assert_int_equal(end.mechanism, HF_CAUSE_BY_USER_TIMEOUT);
    assert_in_range(end.at_ns - sent_ns, 8 * HF_SECOND - 2 * HFI_TICK_NS,
                    8 * HF_SECOND + 5 * HF_MS);
    peer_end(&p);
}

/* A FIN alone is unacknowledged from when it is queued: idle time before it is nobody's fault. */
static void the_user_timeout_of_a_lone_fin_counts_from_the_close(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    const hf_tcp_options options = {.user_timeout_ns = 8 * HF_SECOND};
    reach(&p, IDLE, &options);
    peer_run(&p, 30 * HF_SECOND);
    hf_shutdown(&p.engine, p.conn);
    const hf_ns closed_ns = p.now_ns;
    peer_run(&p, 7 * HF_SECOND);
    assert_int_equal(peer_state(&p), HF_FIN_WAIT_1);
    peer_run(&p, 2 * HF_SECOND);
    const hf_end end = peer_conn_end(&p);
    assert_int_equal(end.mechanism, HF_CAUSE_BY_USER_TIMEOUT);
    assert_in_range(end.at_ns - closed_ns, 8 * HF_SECOND - 2 * HFI_TICK_NS,
                    8 * HF_SECOND + 5 * HF_MS);
    peer_end(&p);
}

/* MUST-37 and the user timeout: a live peer with a closed window is not its matter. */
static void the_user_timeout_spares_a_live_closed_window(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    const hf_tcp_options options = {.user_timeout_ns = 8 * HF_SECOND};
    reach(&p, ZERO_WINDOW, &options);
    for (int i = 0; i < 6000; i++) {
        peer_forget(&p);
        peer_run(&p, 100 * HF_MS);
        if (p.out_count > 0) peer_says(&p, HFI_TCP_ACK, 0);
    }
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    peer_run(&p, 200 * HF_SECOND); /* now it is dead */
    assert_int_equal(peer_conn_end(&p).mechanism, HF_CAUSE_BY_USER_TIMEOUT);
    peer_end(&p);
}

/* ---- CLOCK_GAP, ruling 1 ---- */

/* We were away for an hour, in one step: no verdict before a fresh question had its time. */
static void a_gap_of_our_own_is_no_silence_of_the_peer(void **state) {
    (void)state;
    const phase phases[] = {IDLE, IN_FLIGHT, ZERO_WINDOW};
    for (int i = 0; i < 3; i++) {
        peer p;
        peer_begin(&p);
        reach(&p, phases[i], &bound);
        peer_forget(&p);
        p.now_ns += 3600 * HF_SECOND;
        hf_engine_step(&p.engine, p.now_ns, NULL, 0, NULL);
        peer_drain(&p);
        assert_int_equal(peer_count(&p, HF_CAUSE_CLOCK_GAP), 1);
        assert_int_not_equal(peer_state(&p), HF_CLOSED);
        peer_run(&p, 300 * HF_MS);
        assert_int_not_equal(peer_state(&p), HF_CLOSED);
        assert_true(p.out_count > 0);
        peer_says(&p, HFI_TCP_ACK, 0);
        peer_run(&p, 5 * HF_SECOND);
        assert_int_not_equal(peer_state(&p), HF_CLOSED);
        peer_run(&p, 6 * HF_SECOND);
        assert_int_equal(peer_conn_end(&p).cause, HF_CAUSE_END_PEER_SILENT);
        peer_end(&p);
    }
}

/* Linux's user timeout begins when the call is made, also while the SYN cannot leave. */
static void a_user_timeout_does_not_end_a_call_whose_syn_has_not_left(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    assert_int_equal(hf_config_profile(&config, "linux"), HF_OK);
    peer_begin_with(&p, &config, false);
    const hf_connect_options connect = {
        .remote = p.them, .remote_port = 9000, .tcp = {.user_timeout_ns = 3 * HF_SECOND}};
    assert_int_equal(hf_connect(&p.engine, &connect, &p.conn), HF_OK);
    hf_engine_step(&p.engine, p.now_ns += 600 * HF_MS, NULL, 0, NULL);
    assert_int_equal(peer_state(&p), HF_SYN_SENT);
    peer_drain(&p);
    peer_expect(&p, HFI_TCP_SYN);
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_is_noticed_at_the_bound_in_every_phase),
        cmocka_unit_test(no_keepalive_leaves_while_data_is_outstanding),
        cmocka_unit_test(a_peer_that_answers_is_never_ended),
        cmocka_unit_test(the_last_answer_counts),
        cmocka_unit_test(unacceptable_segments_are_no_sign_of_life),
        cmocka_unit_test(a_bound_too_small_is_raised_and_told),
        cmocka_unit_test(a_strict_bound_ends_at_its_time_and_not_for_our_own_gap),
        cmocka_unit_test(keepalive_is_off_unless_asked_for),
        cmocka_unit_test(keepalive_probes_at_its_interval_and_ends_after_its_count),
        cmocka_unit_test(one_answer_of_three_keeps_the_connection),
        cmocka_unit_test(a_rebooted_peer_is_found_by_the_probe),
        cmocka_unit_test(the_user_timeout_counts_unacknowledged_data_only),
        cmocka_unit_test(the_user_timeout_of_a_lone_fin_counts_from_the_close),
        cmocka_unit_test(the_user_timeout_spares_a_live_closed_window),
        cmocka_unit_test(a_gap_of_our_own_is_no_silence_of_the_peer),
        cmocka_unit_test(a_user_timeout_does_not_end_a_call_whose_syn_has_not_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
