/* accept_at SYN and WINDOW, and draining: what the listener's program decides, and when. */
#include "peer.h"

static hf_listener_status listener_status_of(const peer *p) {
    hf_listener_status s;
    assert_int_equal(hf_listener_status_get(&p->engine, p->listener, &s), HF_OK);
    return s;
}

static void begin_at(peer *p, hf_accept_at at, uint32_t backlog, hf_when_full when_full) {
    peer_begin(p);
    peer_listens_with(p,
                      &(hf_listen_options){
                          .port = 80, .backlog = backlog, .when_full = when_full, .accept_at = at});
}

static void knock(peer *p, uint16_t port) {
    p->their_port = port;
    p->iss = p->seq = PEER_ISS + port;
    peer_sends_syn(p, 0);
}

static hf_pending pending_of(peer *p) {
    hf_pending pending;
    assert_int_equal(hf_pending_next(&p->engine, p->listener, &pending), HF_OK);
    return pending;
}

static bool none_pending(peer *p) {
    hf_pending pending;
    return hf_pending_next(&p->engine, p->listener, &pending) == HF_AGAIN;
}

static hf_err answer_with(peer *p, const hf_pending *pending, hf_syn_verdict verdict) {
    const hf_err err = hf_syn_answer(&p->engine, p->listener, pending, verdict);
    peer_drain(p);
    return err;
}

/* ---- SYN ---- */

static void a_syn_is_shown_with_what_it_says_and_costs_no_connection(void **state) {
    (void)state;
    peer p;
    begin_at(&p, HF_ACCEPT_AT_SYN, 4, HF_FULL_COOKIE);
    peer_offers_everything(&p);
    knock(&p, 2000);
    peer_expect_nothing(&p);
    assert_int_equal(p.verdict.cause, HF_CAUSE_TOOK_SYN_PENDING);
    assert_int_equal(p.verdict.action, HF_VERDICT_TOOK);
    assert_true(peer_event(&p, HF_OBJECT_LISTENER, HF_EVENT_SYN));
    peer_run(&p, 700 * HF_MS);
    const hf_pending pending = pending_of(&p);
    assert_true(hf_addr_equal(&pending.remote, &p.them) && hf_addr_equal(&pending.local, &p.us));
    assert_int_equal(pending.remote_port, 2000);
    assert_int_equal(pending.mss, 1460);
    assert_true(pending.timestamps && pending.sack && pending.window_scaling);
    assert_int_equal(pending.repeats, 0);
    assert_in_range(pending.age_ns, 695 * HF_MS, 705 * HF_MS);
    assert_true(none_pending(&p)); /* each is given once */
    assert_int_equal(listener_status_of(&p).pending, 1);
    assert_int_equal(peer_ctx(&p)->root->conn_pool.used, 0);
    peer_end(&p);
}

static void accepting_answers_the_latest_syn_and_the_handshake_goes_on(void **state) {
    (void)state;
    peer p;
    begin_at(&p, HF_ACCEPT_AT_SYN, 4, HF_FULL_COOKIE);
    peer_offers_everything(&p);
    knock(&p, 2000);
    const hf_pending first = pending_of(&p);
    peer_run(&p, HF_SECOND);
    p.ts_value += 1000;
    knock(&p, 2000);
    assert_int_equal(p.verdict.cause, HF_CAUSE_TOOK_SYN_REPEATED);
    const hf_pending again = pending_of(&p);
    assert_int_equal(again.serial, first.serial);
    assert_int_equal(again.repeats, 1);
    assert_in_range(again.age_ns, 995 * HF_MS, 1005 * HF_MS);
    assert_int_equal(answer_with(&p, &again, HF_SYN_ACCEPT), HF_OK);
    const peer_segment *syn_ack = peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK);
    assert_int_equal(syn_ack->cause, HF_CAUSE_SENT_SYN_ACK_ACCEPTED);
    assert_int_equal(syn_ack->tcp.options.ts_echo, p.ts_value);
    assert_true(syn_ack->tcp.window > 0);
    assert_int_equal(answer_with(&p, &again, HF_SYN_REFUSE), HF_STALE); /* answered is answered */
    p.ack = syn_ack->tcp.seq + 1;
    p.ts_echo = syn_ack->tcp.options.ts_value;
    peer_says(&p, HFI_TCP_ACK, 3);
    assert_int_equal(hf_accept(&p.engine, p.listener, &p.conn), HF_OK);
    peer_app_reads(&p, 0, 3);
    assert_int_equal(listener_status_of(&p).pending, 0);
    peer_end(&p);
}

static void refusing_resets_and_ignoring_sends_nothing(void **state) {
    (void)state;
    peer p;
    begin_at(&p, HF_ACCEPT_AT_SYN, 4, HF_FULL_COOKIE);
    knock(&p, 2000);
    hf_pending pending = pending_of(&p);
    assert_int_equal(answer_with(&p, &pending, HF_SYN_REFUSE), HF_OK);
    const peer_segment *reset = peer_expect(&p, HFI_TCP_RST | HFI_TCP_ACK);
    assert_int_equal(reset->cause, HF_CAUSE_SENT_RST_TURNED_AWAY);
    assert_int_equal(reset->tcp.ack, p.iss + 1);
    assert_int_equal(reset->tcp.seq, 0);
    knock(&p, 2001);
    pending = pending_of(&p);
    assert_int_equal(answer_with(&p, &pending, HF_SYN_IGNORE), HF_OK);
    peer_run(&p, 10 * HF_SECOND);
    peer_expect_nothing(&p);
    assert_int_equal(peer_count(&p, HF_CAUSE_SYN_IGNORED), 1);
    knock(&p, 2001); /* again: new */
    assert_int_equal(pending_of(&p).repeats, 0);
    peer_end(&p);
}

static void a_syn_waits_three_seconds_for_its_answer(void **state) {
    (void)state;
    peer p;
    begin_at(&p, HF_ACCEPT_AT_SYN, 4, HF_FULL_COOKIE);
    knock(&p, 2000);
    const hf_pending pending = pending_of(&p);
    peer_run(&p, 2 * HF_SECOND);
    knock(&p, 2000); /* counts anew */
    peer_run(&p, 3 * HF_SECOND - 5 * HF_MS);
    assert_int_equal(listener_status_of(&p).pending, 1);
    peer_run(&p, 10 * HF_MS);
    assert_int_equal(listener_status_of(&p).pending, 0);
    assert_int_equal(listener_status_of(&p).handshaking, 0);
    assert_int_equal(answer_with(&p, &pending, HF_SYN_ACCEPT), HF_STALE);
    peer_expect_nothing(&p);
    assert_int_equal(peer_count(&p, HF_CAUSE_SYN_UNANSWERED_BY_APP), 1);
    peer_end(&p);
}

static void no_more_syns_wait_than_the_backlog_has_places(void **state) {
    (void)state;
    for (int refuse = 0; refuse < 2; refuse++) {
        peer p;
        begin_at(&p, HF_ACCEPT_AT_SYN, 3, refuse == 1 ? HF_FULL_REFUSE : HF_FULL_COOKIE);
        for (uint16_t i = 0; i < 3; i++) knock(&p, (uint16_t)(2000 + i));
        peer_expect_nothing(&p);
        knock(&p, 2900);
        if (refuse == 1)
            peer_expect(&p, HFI_TCP_RST | HFI_TCP_ACK);
        else
            peer_expect_nothing(&p); /* a cookie would say yes in the program's name */
        assert_int_equal(listener_status_of(&p).overflows, 1);
        peer_end(&p);
    }
}

static void what_comes_before_the_answer_is_no_handshake(void **state) {
    (void)state;
    peer p;
    begin_at(&p, HF_ACCEPT_AT_SYN, 4, HF_FULL_COOKIE);
    knock(&p, 2000);
    peer_sends(&p, HFI_TCP_ACK, p.iss + 1, peer_ctx(&p)->syns[0].iss + 1, 0); /* guessed right */
    peer_expect(&p, HFI_TCP_RST);
    assert_int_equal(listener_status_of(&p).waiting, 0);
    assert_int_equal(listener_status_of(&p).pending, 1);
    peer_sends(&p, HFI_TCP_RST, p.iss + 1, 0, 0); /* its client has given up */
    assert_int_equal(listener_status_of(&p).pending, 0);
    peer_end(&p);
}

static void a_yes_without_a_connection_waits_on(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.conns = 1;
    peer_begin_with(&p, &config, false);
    peer_listens_with(&p, &(hf_listen_options){.port = 80, .accept_at = HF_ACCEPT_AT_SYN});
    knock(&p, 2000);
    knock(&p, 2001);
    const hf_pending first = pending_of(&p), second = pending_of(&p);
    assert_int_equal(answer_with(&p, &first, HF_SYN_ACCEPT), HF_OK); /* the reservation is firm */
    assert_int_equal(answer_with(&p, &second, HF_SYN_ACCEPT), HF_NO_CONNECTION_SLOT);
    assert_int_equal(answer_with(&p, &second, HF_SYN_REFUSE), HF_OK);
    peer_end(&p);
}

/* ---- WINDOW ---- */

static void connect_behind_a_closed_window(peer *p) {
    begin_at(p, HF_ACCEPT_AT_WINDOW, 8, HF_FULL_COOKIE);
    peer_sends_syn(p, 0);
    const peer_segment *syn_ack = peer_expect(p, HFI_TCP_SYN | HFI_TCP_ACK);
    assert_int_equal(syn_ack->tcp.window, 0);
    p->ack = syn_ack->tcp.seq + 1;
    peer_says(p, HFI_TCP_ACK, 0);
    peer_expect_nothing(p);
}

static void the_window_stays_closed_until_the_accept(void **state) {
    (void)state;
    peer p;
    connect_behind_a_closed_window(&p);
    peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 1); /* a window probe with an octet (MAY-6) */
    assert_int_equal(peer_expect_ack(&p, p.seq)->tcp.window, 0);
    peer_run(&p, 600 * HF_SECOND);
    peer_expect_nothing(&p);
    assert_int_equal(hf_accept(&p.engine, p.listener, &p.conn), HF_OK);
    peer_drain(&p);
    const peer_segment *opened = peer_expect_ack(&p, p.seq);
    assert_int_equal(opened->cause, HF_CAUSE_SENT_WINDOW_OPENED);
    assert_true(opened->tcp.window > 0);
    peer_says(&p, HFI_TCP_ACK, 100);
    peer_app_reads(&p, 0, 100);
    peer_forget(&p);
    peer_run(&p, 600 * HF_SECOND);
    peer_expect_nothing(&p); /* heard: nothing is repeated */
    peer_end(&p);
}

/* A watch lies where the listener's number was: by its options, or by a stranger's urgent mark. */
static void a_watched_connections_window_stays_closed_too(void **state) {
    (void)state;
    for (int marked = 0; marked < 2; marked++) {
        peer p;
        peer_begin(&p);
        hf_listener other;
        assert_int_equal(hf_listen(&p.engine, &(hf_listen_options){.port = 90}, &other), HF_OK);
        peer_listens_with(&p, &(hf_listen_options){.port = 80,
                                                   .accept_at = HF_ACCEPT_AT_WINDOW,
                                                   .tcp = {.account = marked == 0}});
        peer_handshake(&p);
        if (marked == 1)
            peer_send_view(&p, (hfi_tcp_view){.flags = HFI_TCP_ACK | HFI_TCP_URG,
                                              .seq = p.seq,
                                              .ack = p.ack,
                                              .window = p.window,
                                              .urgent = 9});
        peer_forget(&p);
        peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 1);
        assert_int_equal(peer_expect_ack(&p, p.seq)->tcp.window, 0);
        assert_int_equal(hf_accept(&p.engine, p.listener, &p.conn), HF_OK);
        peer_drain(&p);
        assert_true(peer_expect_ack(&p, p.seq)->tcp.window > 0);
        peer_end(&p);
    }
}

static void the_update_is_repeated_with_a_probe_until_somebody_answers(void **state) {
    (void)state;
    peer p;
    connect_behind_a_closed_window(&p);
    hf_accept(&p.engine, p.listener, &p.conn);
    peer_drain(&p);
    peer_forget(&p);
    peer_run(&p, 30 * HF_SECOND);
    assert_int_equal(p.out_count, 6); /* three times an update and a probe, backed off */
    for (int i = 0; i < 3; i++) {
        const peer_segment *update = peer_expect_ack(&p, p.seq);
        assert_int_equal(update->cause, HF_CAUSE_SENT_WINDOW_OPENED);
        const hf_ns at_ns = update->at_ns;
        assert_int_equal(update->tcp.seq, p.ack);
        const peer_segment *probe = peer_expect_ack(&p, p.seq);
        assert_int_equal(probe->tcp.seq, p.ack - 1);
        assert_int_equal(probe->at_ns, at_ns);
    }
    peer_end(&p);
    connect_behind_a_closed_window(&p);
    hf_accept(&p.engine, p.listener, &p.conn);
    peer_drain(&p);
    peer_forget(&p);
    peer_run(&p, 1500 * HF_MS);
    const size_t before = p.out_count;
    assert_true(before >= 2);
    peer_says(&p, HFI_TCP_ACK, 0); /* the answer to the probe */
    peer_run(&p, 30 * HF_SECOND);
    assert_int_equal(p.out_count, before);
    peer_end(&p);
}

static void a_cookies_window_is_closed_too(void **state) {
    (void)state;
    peer p;
    begin_at(&p, HF_ACCEPT_AT_WINDOW, 4, HF_FULL_COOKIE);
    for (uint16_t i = 0; i < 3; i++) knock(&p, (uint16_t)(2000 + i));
    peer_forget(&p);
    knock(&p, 3000);
    const peer_segment *cookie = peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK);
    assert_int_equal(cookie->cause, HF_CAUSE_SENT_SYN_COOKIE);
    assert_int_equal(cookie->tcp.window, 0);
    p.ack = cookie->tcp.seq + 1;
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(hf_accept(&p.engine, p.listener, &p.conn), HF_OK);
    peer_drain(&p);
    assert_true(peer_expect_ack(&p, p.seq)->tcp.window > 0);
    peer_end(&p);
}

/* ---- Drain ---- */

static void a_draining_listener_refuses_and_finishes_what_it_has(void **state) {
    (void)state;
    peer p;
    begin_at(&p, HF_ACCEPT_AT_HANDSHAKE, 8, HF_FULL_COOKIE);
    peer_handshake(&p); /* waits for accept */
    knock(&p, 2000);    /* its handshake is under way */
    const hf_seq ack = peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK)->tcp.seq + 1;
    assert_int_equal(hf_listener_drain(&p.engine, p.listener, 60 * HF_SECOND), HF_OK);
    peer_forget(&p);
    knock(&p, 2001);
    assert_int_equal(peer_expect(&p, HFI_TCP_RST | HFI_TCP_ACK)->cause, HF_CAUSE_SENT_RST_DRAINING);
    p.their_port = 2000;
    p.iss = PEER_ISS + 2000, p.seq = p.iss + 1, p.ack = ack;
    peer_says(&p, HFI_TCP_ACK, 2);
    assert_int_equal(listener_status_of(&p).waiting, 2);
    assert_true(listener_status_of(&p).draining && !listener_status_of(&p).drained);
    hf_conn other;
    assert_int_equal(hf_accept(&p.engine, p.listener, &other), HF_OK);
    assert_false(peer_event(&p, HF_OBJECT_LISTENER, HF_EVENT_DRAINED));
    assert_int_equal(hf_accept(&p.engine, p.listener, &p.conn), HF_OK);
    assert_true(peer_event(&p, HF_OBJECT_LISTENER, HF_EVENT_DRAINED));
    peer_app_reads(&p, 0, 2); /* its connections live on */
    assert_true(listener_status_of(&p).drained);
    assert_int_equal(hf_listener_drain(&p.engine, p.listener, 0), HF_STATE);
    hf_listener next;
    assert_int_equal(hf_listen(&p.engine, &(hf_listen_options){.port = 80}, &next), HF_OK);
    assert_int_equal(hf_listener_close(&p.engine, p.listener), HF_OK);
    assert_int_equal(hf_listener_close(&p.engine, p.listener), HF_STALE);
    p.listener = next;
    peer_forget(&p);
    knock(&p, 2002);
    peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK);
    peer_end(&p);
}

static void at_the_deadline_what_still_waits_is_reset(void **state) {
    (void)state;
    peer p;
    begin_at(&p, HF_ACCEPT_AT_HANDSHAKE, 8, HF_FULL_COOKIE);
    peer_handshake(&p);
    assert_int_equal(hf_listener_drain(&p.engine, p.listener, 9 * HF_SECOND), HF_OK);
    peer_run(&p, 9 * HF_SECOND - HF_MS);
    peer_expect_nothing(&p);
    peer_run(&p, 2 * HF_MS);
    assert_int_equal(peer_expect(&p, HFI_TCP_RST | HFI_TCP_ACK)->cause,
                     HF_CAUSE_SENT_RST_LISTENER_CLOSED);
    assert_true(peer_event(&p, HF_OBJECT_LISTENER, HF_EVENT_DRAINED));
    assert_int_equal(peer_ctx(&p)->root->draining, 0);
    peer_end(&p);
    begin_at(&p, HF_ACCEPT_AT_HANDSHAKE, 8, HF_FULL_COOKIE);
    hf_listener_drain(&p.engine, p.listener, HF_NEVER);
    assert_true(listener_status_of(&p).drained); /* nothing waits: at once */
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_syn_is_shown_with_what_it_says_and_costs_no_connection),
        cmocka_unit_test(accepting_answers_the_latest_syn_and_the_handshake_goes_on),
        cmocka_unit_test(refusing_resets_and_ignoring_sends_nothing),
        cmocka_unit_test(a_syn_waits_three_seconds_for_its_answer),
        cmocka_unit_test(no_more_syns_wait_than_the_backlog_has_places),
        cmocka_unit_test(what_comes_before_the_answer_is_no_handshake),
        cmocka_unit_test(a_yes_without_a_connection_waits_on),
        cmocka_unit_test(the_window_stays_closed_until_the_accept),
        cmocka_unit_test(a_watched_connections_window_stays_closed_too),
        cmocka_unit_test(the_update_is_repeated_with_a_probe_until_somebody_answers),
        cmocka_unit_test(a_cookies_window_is_closed_too),
        cmocka_unit_test(a_draining_listener_refuses_and_finishes_what_it_has),
        cmocka_unit_test(at_the_deadline_what_still_waits_is_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
