/* Behaviours of other stacks, one test each (include/hf/quirk.def): what the quirk does, and that
 * without it the engine does not. */
#include "peer.h"

static void begin_profile(peer *p, const char *profile, const hf_listen_options *listen) {
    hf_config config = peer_config();
    assert_int_equal(hf_config_profile(&config, profile), HF_OK);
    peer_begin_with(p, &config, false);
    if (listen != NULL) peer_listens_with(p, listen);
}

static void begin_quirk(peer *p, uint32_t quirk, const hf_listen_options *listen) {
    hf_config config = peer_config();
    config.quirks = quirk;
    peer_begin_with(p, &config, false);
    if (listen != NULL) peer_listens_with(p, listen);
}

static hf_listener_status listener_now(const peer *p) {
    hf_listener_status s;
    assert_int_equal(hf_listener_status_get(&p->engine, p->listener, &s), HF_OK);
    return s;
}

/* A client of its own port sends SYN; the SYN-ACK is the last segment out. */
static void call_from(peer *p, uint16_t port) {
    p->their_port = port;
    p->iss = p->seq = PEER_ISS + port;
    peer_forget(p);
    peer_sends_syn(p, 0);
}

static void shake_from(peer *p, uint16_t port) {
    call_from(p, port);
    p->ack = peer_expect(p, HFI_TCP_SYN | HFI_TCP_ACK)->tcp.seq + 1;
    peer_says(p, HFI_TCP_ACK, 0);
}

/* ---- LATE_SLOT_CHECK ---- */

static void linux_keeps_one_connection_more_than_the_backlog(void **state) {
    (void)state;
    peer p;
    begin_profile(&p, "linux", &(hf_listen_options){.port = 80, .backlog = 3});
    for (uint16_t i = 0; i < 4; i++) shake_from(&p, (uint16_t)(2000 + i));
    assert_int_equal(listener_now(&p).waiting, 4);
    call_from(&p, 2900);
    peer_expect_nothing(&p); /* the queue is full: SYNs are dropped, whatever the policy */
    assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_LISTENER_FULL);
    peer_end(&p);
}

/* Three handshakes stand open when the queue fills with others. */
static void fill_behind(peer *p, uint32_t backlog, hf_when_full when_full) {
    begin_profile(p, "linux",
                  &(hf_listen_options){.port = 80, .backlog = backlog, .when_full = when_full});
    call_from(p, 3000);
    const hf_seq iss = p->iss, ack = peer_expect(p, HFI_TCP_SYN | HFI_TCP_ACK)->tcp.seq + 1;
    for (uint16_t i = 0; i <= backlog; i++) shake_from(p, (uint16_t)(2000 + i));
    p->their_port = 3000;
    p->iss = iss, p->seq = iss + 1, p->ack = ack;
    peer_forget(p);
}

static void linux_drops_the_handshakes_ack_silently_and_takes_a_later_one(void **state) {
    (void)state;
    peer p;
    fill_behind(&p, 2, HF_FULL_COOKIE);
    peer_says(&p, HFI_TCP_ACK, 0);
    peer_expect_nothing(&p);
    assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_HANDSHAKE_ACK);
    peer_says(&p, HFI_TCP_ACK, 5); /* and its data */
    peer_expect_nothing(&p);
    p.seq -= 5;
    assert_int_equal(listener_now(&p).last_overflow, HF_CAUSE_DROP_HANDSHAKE_ACK);
    hf_conn other;
    assert_int_equal(hf_accept(&p.engine, p.listener, &other), HF_OK);
    peer_run(&p, HF_SECOND + 10 * HF_MS);
    assert_int_equal(peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK)->cause,
                     HF_CAUSE_SENT_SYN_ACK_AGAIN);
    peer_says(&p, HFI_TCP_ACK, 5);
    assert_int_equal(listener_now(&p).waiting, 3); /* it heals */
    peer_end(&p);
}

static void linux_with_abort_on_overflow_resets_at_the_ack(void **state) {
    (void)state;
    peer p;
    fill_behind(&p, 2, HF_FULL_REFUSE);
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(peer_expect(&p, HFI_TCP_RST)->cause, HF_CAUSE_SENT_RST_NO_PLACE);
    assert_int_equal(listener_now(&p).handshaking, 0);
    peer_end(&p);
}

/* ---- FORGET_REQUEST_SILENTLY ---- */

static void linux_forgets_a_request_after_63_seconds_without_a_word(void **state) {
    (void)state;
    peer p;
    begin_profile(&p, "linux", &(hf_listen_options){.port = 80, .backlog = 100});
    call_from(&p, 2000);
    peer_run(&p, 63 * HF_SECOND - 10 * HF_MS);
    assert_int_equal(p.out_count, 6); /* 0, 1, 3, 7, 15, 31 s */
    assert_int_equal(listener_now(&p).handshaking, 1);
    peer_run(&p, 20 * HF_MS);
    assert_int_equal(listener_now(&p).handshaking, 0);
    assert_int_equal(p.out_count, 6);
    peer_end(&p);
}

static void linux_forgets_earlier_while_old_requests_fill_half_the_queue(void **state) {
    (void)state;
    peer p;
    begin_profile(&p, "linux", &(hf_listen_options){.port = 80, .backlog = 8});
    for (uint16_t i = 0; i < 8; i++) call_from(&p, (uint16_t)(2000 + i));
    peer_run(&p, 6 * HF_SECOND);
    assert_int_equal(listener_now(&p).handshaking, 8);
    peer_run(&p, 2 * HF_SECOND); /* at 7 s */
    assert_int_equal(listener_now(&p).handshaking, 4);
    peer_run(&p, 54 * HF_SECOND);
    assert_int_equal(listener_now(&p).handshaking, 4);
    peer_run(&p, 2 * HF_SECOND);
    assert_int_equal(listener_now(&p).handshaking, 0);
    peer_end(&p);
}

/* ---- COOKIE_LOSES_DATA, COOKIE_REVIVES ---- */

/* The cookie for port 4000; `others` handshakes stand open. Acknowledges nothing yet. */
static void get_cookie_from(peer *p, uint32_t others) {
    for (uint16_t i = 0; i < others; i++) call_from(p, (uint16_t)(3000 + i));
    call_from(p, 4000);
    const peer_segment *cookie = peer_expect(p, HFI_TCP_SYN | HFI_TCP_ACK);
    assert_int_equal(cookie->cause, HF_CAUSE_SENT_SYN_COOKIE);
    p->ack = cookie->tcp.seq + 1;
    peer_forget(p);
}

static void linux_drops_a_good_cookie_and_its_data_silently(void **state) {
    (void)state;
    peer p;
    begin_profile(&p, "linux", &(hf_listen_options){.port = 80, .backlog = 1});
    get_cookie_from(&p, 2);
    const hf_seq iss = p.iss, ack = p.ack;
    p.syn_options.present = HFI_OPT_MSS;
    for (uint16_t i = 0; i < 2; i++) { /* others fill the queue, by cookies too */
        call_from(&p, (uint16_t)(2000 + i));
        p.ack = peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK)->tcp.seq + 1;
        peer_says(&p, HFI_TCP_ACK, 0);
    }
    assert_int_equal(listener_now(&p).waiting, 2);
    p.their_port = 4000;
    p.iss = iss, p.seq = iss + 1, p.ack = ack;
    peer_forget(&p);
    peer_says(&p, HFI_TCP_ACK, 4);
    peer_expect_nothing(&p);
    assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_COOKIE_ACK);
    peer_says(&p, HFI_TCP_ACK | HFI_TCP_FIN, 0);
    peer_expect(&p, HFI_TCP_RST); /* which finds no socket at the client */
    peer_end(&p);
}

/* A connection by cookie, whose handshake ACK is still under way, is closed by the peer first. */
static void close_before_the_handshakes_ack(peer *p) {
    get_cookie_from(p, 9);
    peer_says(p, HFI_TCP_ACK, 4);
    peer_says(p, HFI_TCP_ACK | HFI_TCP_FIN, 0);
    assert_int_equal(hf_accept(&p->engine, p->listener, &p->conn), HF_OK);
    peer_app_reads(p, 0, 4);
    hf_close(&p->engine, p->conn, NULL);
    peer_drain(p);
    p->ack++;
    peer_says(p, HFI_TCP_ACK, 0);
    assert_int_equal(peer_conn_end(p).cause, HF_CAUSE_END_CLOSED);
    hf_release(&p->engine, p->conn);
    peer_forget(p);
}

static void late_ack(peer *p) { peer_sends(p, HFI_TCP_ACK, p->iss + 1, p->ack - 1, 0); }

static void linux_revives_a_closed_connection_by_its_cookie(void **state) {
    (void)state;
    peer p;
    begin_profile(&p, "linux", &(hf_listen_options){.port = 80, .backlog = 8});
    close_before_the_handshakes_ack(&p);
    late_ack(&p);
    assert_int_equal(listener_now(&p).waiting, 1);
    peer_end(&p);
}

static void a_used_cookie_opens_nothing_more(void **state) {
    (void)state;
    peer p;
    begin_profile(&p, "holdfast", &(hf_listen_options){.port = 80, .backlog = 12});
    close_before_the_handshakes_ack(&p);
    for (int i = 0; i < 4; i++) {
        late_ack(&p);
        assert_int_equal(peer_expect(&p, HFI_TCP_RST)->tcp.seq, p.ack - 1);
        assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_COOKIE_USED);
        peer_run(&p, 10 * HF_SECOND);
        peer_forget(&p);
    }
    assert_int_equal(listener_now(&p).waiting, 0);
    peer_sends(&p, HFI_TCP_RST, p.seq, 0, 0);
    peer_expect_nothing(&p);
    call_from(&p, 4000); /* the same client may come again at once */
    peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK);
    peer_end(&p);
}

static void a_cookie_of_a_connection_that_was_reset_opens_nothing_more(void **state) {
    (void)state;
    peer p;
    begin_profile(&p, "holdfast", &(hf_listen_options){.port = 80, .backlog = 12});
    get_cookie_from(&p, 9);
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(hf_accept(&p.engine, p.listener, &p.conn), HF_OK);
    hf_abort(&p.engine, p.conn);
    peer_drain(&p);
    peer_forget(&p);
    peer_sends(&p, HFI_TCP_ACK, p.iss + 1, p.ack, 0);
    peer_expect(&p, HFI_TCP_RST);
    assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_COOKIE_USED);
    peer_end(&p);
}

/* ---- TIME_WAIT_SKIPPED_AT_CAP ---- */

static void close_first(peer *p, uint16_t port) {
    shake_from(p, port);
    assert_int_equal(hf_accept(&p->engine, p->listener, &p->conn), HF_OK);
    hf_close(&p->engine, p->conn, NULL);
    peer_drain(p);
    p->ack++;
    peer_says(p, HFI_TCP_ACK | HFI_TCP_FIN, 0);
    hf_release(&p->engine, p->conn);
}

static void linux_skips_time_wait_when_its_table_is_full(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    hf_config_profile(&config, "linux");
    config.time_wait = 2;
    peer_begin_with(&p, &config, false);
    peer_listens_with(&p, &(hf_listen_options){.port = 80});
    for (uint16_t i = 0; i < 5; i++) close_first(&p, (uint16_t)(2000 + i));
    assert_int_equal(peer_count(&p, HF_CAUSE_TIME_WAIT_STARTED), 2);
    assert_int_equal(peer_count(&p, HF_CAUSE_TIME_WAIT_SKIPPED), 3);
    assert_int_equal(peer_count(&p, HF_CAUSE_TIME_WAIT_EVICTED_UNSAFE), 0);
    peer_end(&p);
}

/* ---- NO_LINGER_TIMEOUT ---- */

static void a_linger_time_that_is_not_supported_resets(void **state) {
    (void)state;
    for (int quirk = 0; quirk < 2; quirk++) {
        peer p;
        begin_quirk(&p, quirk == 1 ? HF_QUIRK_NO_LINGER_TIMEOUT : 0, NULL);
        peer_listen_and_accept(&p);
        const hf_close_options options = {.deadline_ns = 5 * HF_SECOND};
        hf_close(&p.engine, p.conn, &options);
        peer_drain(&p);
        peer_expect(&p, quirk == 1 ? HFI_TCP_RST | HFI_TCP_ACK : HFI_TCP_FIN | HFI_TCP_ACK);
        peer_end(&p);
    }
}

/* ---- KEEPALIVE_STOPS_FOR_DATA ---- */

/* The window is closed, something waits behind it, and then nobody answers. Seconds to the end. */
static uint64_t seconds_to_the_end_behind_a_closed_window(uint32_t quirk) {
    peer p;
    begin_quirk(&p, quirk, NULL);
    const hf_tcp_options options = {.keepalive_idle_ns = 5 * HF_SECOND,
                                    .keepalive_interval_ns = 5 * HF_SECOND,
                                    .keepalive_count = 3};
    peer_listen_and_accept_with(&p, &options);
    p.window = 0;
    peer_says(&p, HFI_TCP_ACK, 1);
    peer_app_sends(&p, 9);
    p.deaf = true;
    const hf_ns began = p.now_ns;
    hf_end end;
    while (hf_conn_end(&p.engine, p.conn, &end) == HF_AGAIN && p.now_ns < began + 2000 * HF_SECOND)
        peer_run(&p, HF_SECOND / 10);
    assert_int_equal(peer_conn_end(&p).mechanism,
                     quirk != 0 ? HF_CAUSE_BY_PERSIST_LIMIT : HF_CAUSE_BY_KEEPALIVE_COUNT);
    const uint64_t seconds = (p.now_ns - began) / HF_SECOND;
    peer_end(&p);
    return seconds;
}

static void keepalive_watches_a_closed_window_unless_it_stops_for_data(void **state) {
    (void)state;
    const uint64_t watched = seconds_to_the_end_behind_a_closed_window(0);
    assert_in_range(watched, 20, 25); /* idle and three intervals; never before */
    assert_true(seconds_to_the_end_behind_a_closed_window(HF_QUIRK_KEEPALIVE_STOPS_FOR_DATA) > 500);
}

/* ---- FULL_POOL_REFUSES ---- */

static void a_small_machine_refuses_when_time_wait_holds_its_last_socket(void **state) {
    (void)state;
    for (int quirk = 0; quirk < 2; quirk++) {
        peer p;
        hf_config config = peer_config();
        config.limits.conn_pool_with_time_wait = 3;
        config.quirks = quirk == 1 ? HF_QUIRK_FULL_POOL_REFUSES : 0;
        peer_begin_with(&p, &config, false);
        peer_listens_with(&p, &(hf_listen_options){.port = 80, .when_full = HF_FULL_IGNORE});
        for (uint16_t i = 0; i < 3; i++) close_first(&p, (uint16_t)(2000 + i));
        call_from(&p, 2900);
        if (quirk == 1)
            peer_expect(&p, HFI_TCP_RST | HFI_TCP_ACK);
        else
            peer_expect_nothing(&p);
        hf_connect_options out = {.remote = p.them, .remote_port = 9};
        assert_int_equal(hf_connect(&p.engine, &out, &p.conn), HF_NO_CONNECTION_SLOT);
        peer_run(&p, 61 * HF_SECOND);
        call_from(&p, 2901);
        peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK);
        peer_end(&p);
    }
}

/* ---- TIME_WAIT_KEEPS_PORT ---- */

/* Our connect from the only port there is has ended, and we closed first. */
static void leave_time_wait_on_the_only_port(peer *p, uint32_t quirk) {
    hf_config config = peer_config();
    config.quirks = quirk;
    config.port_low = config.port_high = 40007;
    peer_begin_with(p, &config, false);
    peer_offers_everything(p);
    peer_is_called(p);
    peer_answers_call(p);
    assert_int_equal(hf_close(&p->engine, p->conn, NULL), HF_OK);
    peer_drain(p);
    p->ack++;
    peer_says(p, HFI_TCP_FIN | HFI_TCP_ACK, 0);
    assert_int_equal(peer_count(p, HF_CAUSE_TIME_WAIT_STARTED), 1);
    assert_int_equal(hf_release(&p->engine, p->conn), HF_OK);
    peer_forget(p);
}

static void linux_keeps_a_port_in_time_wait_from_who_does_not_name_it(void **state) {
    (void)state;
    for (int quirk = 0; quirk < 2; quirk++) {
        peer p;
        leave_time_wait_on_the_only_port(&p, quirk == 1 ? HF_QUIRK_TIME_WAIT_KEEPS_PORT : 0);
        hf_connect_options any = {.remote = p.them, .remote_port = 9000};
        hf_connect_options named = any;
        named.local_port = 40007;
        assert_int_equal(hf_connect(&p.engine, &any, &p.conn), HF_NO_PORT);
        if (quirk == 1) { /* who names it has it at once: timestamps guard the pair */
            peer_run(&p, 30 * HF_SECOND);
            assert_int_equal(hf_connect(&p.engine, &any, &p.conn), HF_NO_PORT);
            assert_int_equal(hf_connect(&p.engine, &named, &p.conn), HF_OK);
        } else {
            assert_int_equal(hf_connect(&p.engine, &named, &p.conn), HF_TUPLE_IN_USE);
            peer_run(&p, 1100 * HF_MS);
            assert_int_equal(hf_connect(&p.engine, &any, &p.conn), HF_OK);
        }
        assert_int_equal(peer_count(&p, HF_CAUSE_TIME_WAIT_REUSED), 1);
        peer_end(&p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linux_keeps_one_connection_more_than_the_backlog),
        cmocka_unit_test(linux_drops_the_handshakes_ack_silently_and_takes_a_later_one),
        cmocka_unit_test(linux_with_abort_on_overflow_resets_at_the_ack),
        cmocka_unit_test(linux_forgets_a_request_after_63_seconds_without_a_word),
        cmocka_unit_test(linux_forgets_earlier_while_old_requests_fill_half_the_queue),
        cmocka_unit_test(linux_drops_a_good_cookie_and_its_data_silently),
        cmocka_unit_test(linux_revives_a_closed_connection_by_its_cookie),
        cmocka_unit_test(a_used_cookie_opens_nothing_more),
        cmocka_unit_test(a_cookie_of_a_connection_that_was_reset_opens_nothing_more),
        cmocka_unit_test(linux_skips_time_wait_when_its_table_is_full),
        cmocka_unit_test(a_linger_time_that_is_not_supported_resets),
        cmocka_unit_test(keepalive_watches_a_closed_window_unless_it_stops_for_data),
        cmocka_unit_test(a_small_machine_refuses_when_time_wait_holds_its_last_socket),
        cmocka_unit_test(linux_keeps_a_port_in_time_wait_from_who_does_not_name_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
