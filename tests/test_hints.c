/* What a peer says beside the stream: that it has restarted (RFC 5961 4), and how long it would wait
 * (RFC 5482). */
#include "peer.h"

/* ---- Restart ---- */

/* The peer rebooted and calls from the same port: its SYN is challenged, its RST is exact. */
static void a_restarted_peer_ends_its_old_connection_at_once(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_run(&p, 3 * HF_SECOND);
    peer_sends(&p, HFI_TCP_SYN, p.seq + 7000000, 0, 0);
    const peer_segment *challenge = peer_expect_ack(&p, p.seq);
    assert_int_equal(challenge->cause, HF_CAUSE_SENT_CHALLENGE_ACK);
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    peer_run(&p, 40 * HF_MS);
    peer_sends(&p, HFI_TCP_RST, challenge->tcp.ack, 0, 0);
    const hf_end end = peer_conn_end(&p);
    assert_int_equal(end.cause, HF_CAUSE_END_PEER_RESTARTED);
    assert_int_equal(end.mechanism, HF_CAUSE_BY_RST);
    assert_int_equal(end.who, HF_WHO_PEER);
    assert_int_equal(hf_release(&p.engine, p.conn), HF_OK);
    peer_forget(&p);
    p.iss += 7000000;
    peer_handshake(&p); /* and its next SYN finds the listener */
    peer_end(&p);
}

/* A SYN inside the window is one too; and nothing but an exact RST ends anything. */
static void a_forged_syn_ends_nothing(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_sends(&p, HFI_TCP_SYN, p.seq + 50, 0, 0);
    peer_expect_ack(&p, p.seq);
    peer_sends(&p, HFI_TCP_RST, p.seq + 1, 0, 0);
    peer_run(&p, 20 * HF_SECOND);
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    peer_sends(&p, HFI_TCP_RST, p.seq, 0, 0); /* long after: no answer to the challenge */
    assert_int_equal(peer_conn_end(&p).cause, HF_CAUSE_END_PEER_RESET);
    peer_end(&p);
}

/* ---- RFC 5482 ---- */

static const hf_tcp_options teller = {.user_timeout_ns = 300 * HF_SECOND,
                                      .advertise_user_timeout = true};

static void expect_told(const peer_segment *out, uint16_t field) {
    assert_true((out->tcp.options.present & HFI_OPT_USER_TIMEOUT) != 0);
    assert_int_equal(out->tcp.options.user_timeout, field);
}

static void expect_not_told(const peer_segment *out) {
    assert_int_equal(out->tcp.options.present & HFI_OPT_USER_TIMEOUT, 0);
}

static void the_user_timeout_is_told_in_the_syn_and_the_first_segment_after(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_is_called_with(&p, &teller);
    expect_told(&p.out[0], 300);
    peer_sends_syn(&p, HFI_TCP_ACK);
    expect_told(peer_expect_ack(&p, p.seq), 300);
    peer_app_sends(&p, 10);
    expect_not_told(peer_expect(&p, HFI_TCP_ACK | HFI_TCP_PSH));
    peer_end(&p);
}

/* Beyond 32,767 s it is told in minutes; a listener tells with its first segment, not in the SYN-ACK. */
static void long_timeouts_are_told_in_minutes_and_not_in_a_syn_ack(void **state) {
    (void)state;
    peer p;
    const hf_tcp_options options = {.user_timeout_ns = 36061 * HF_SECOND,
                                    .advertise_user_timeout = true};
    const hf_listen_options listen = {.port = 80, .tcp = options};
    peer_begin(&p);
    peer_listens_with(&p, &listen);
    peer_sends_syn(&p, 0);
    const peer_segment *syn_ack = peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK);
    expect_not_told(syn_ack);
    p.ack = syn_ack->tcp.seq + 1;
    peer_says(&p, HFI_TCP_ACK, 0);
    peer_says(&p, HFI_TCP_ACK, 5);
    expect_told(peer_expect_ack(&p, p.seq), 0x8000 | 602);
    peer_end(&p);
}

static void peer_tells(peer *p, uint16_t field) {
    peer_send_view(
        p, (hfi_tcp_view){.flags = HFI_TCP_ACK,
                          .seq = p->seq,
                          .ack = p->ack,
                          .window = p->window,
                          .options = {.present = HFI_OPT_USER_TIMEOUT, .user_timeout = field}});
    peer_drain(p);
}

static void what_the_peer_tells_is_a_hint_within_limits(void **state) {
    (void)state;
    peer p;
    const hf_tcp_options options = {.user_timeout_ns = 20 * HF_SECOND,
                                    .user_timeout_most_ns = 500 * HF_SECOND};
    static const struct {
        uint16_t told;
        hf_ns heard_s, in_force_s;
    } rows[] = {{90, 90, 90}, {7, 7, 20}, {0x8000 | 5, 300, 300}, {900, 900, 500}, {0, 900, 500}};
    peer_begin(&p);
    peer_listen_and_accept_with(&p, &options);
    assert_int_equal(peer_status(&p).user_timeout_ns, 20 * HF_SECOND);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        peer_tells(&p, rows[i].told);
        assert_int_equal(peer_status(&p).peer_user_timeout_ns, rows[i].heard_s * HF_SECOND);
        assert_int_equal(peer_status(&p).user_timeout_ns, rows[i].in_force_s * HF_SECOND);
    }
    assert_int_equal(peer_count(&p, HF_CAUSE_PEER_USER_TIMEOUT), 4);
    /* And it is obeyed. */
    peer_tells(&p, 45);
    const hf_ns sent_ns = p.now_ns;
    peer_app_sends(&p, 10);
    peer_run(&p, 200 * HF_SECOND);
    const hf_end end = peer_conn_end(&p);
    assert_int_equal(end.mechanism, HF_CAUSE_BY_USER_TIMEOUT);
    assert_in_range(end.at_ns - sent_ns, 45 * HF_SECOND - 2 * HFI_TICK_NS,
                    45 * HF_SECOND + 5 * HF_MS);
    peer_end(&p);
}

static void who_did_not_ask_does_not_heed_the_peer(void **state) {
    (void)state;
    const hf_tcp_options options[] = {{.user_timeout_ns = 20 * HF_SECOND},
                                      {.user_timeout_most_ns = 500 * HF_SECOND}};
    for (int i = 0; i < 2; i++) {
        peer p;
        peer_begin(&p);
        peer_listen_and_accept_with(&p, &options[i]);
        peer_tells(&p, 90);
        assert_int_equal(peer_status(&p).user_timeout_ns, options[i].user_timeout_ns);
        peer_end(&p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restarted_peer_ends_its_old_connection_at_once),
        cmocka_unit_test(a_forged_syn_ends_nothing),
        cmocka_unit_test(the_user_timeout_is_told_in_the_syn_and_the_first_segment_after),
        cmocka_unit_test(long_timeouts_are_told_in_minutes_and_not_in_a_syn_ack),
        cmocka_unit_test(what_the_peer_tells_is_a_hint_within_limits),
        cmocka_unit_test(who_did_not_ask_does_not_heed_the_peer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
