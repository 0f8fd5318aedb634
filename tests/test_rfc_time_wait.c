/* TIME_WAIT: RFC 9293 3.6 MUST-13, RFC 1337, RFC 6191; its own table, its order of leaving, its
 * cost. */
#include "peer.h"

static void begin_small(peer *p, uint32_t time_wait, bool ip6, bool timestamps) {
    hf_config config = peer_config();
    config.time_wait = ip6 ? 1 : time_wait;
    config.time_wait6 = ip6 ? time_wait : 1;
    peer_begin_with(p, &config, ip6);
    if (timestamps) peer_offers_everything(p);
}

static uint64_t ended(const peer *p) { return peer_count(p, HF_CAUSE_TIME_WAIT_ENDED); }

static void it_lasts_twice_the_segment_lifetime(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_reach(&p, HF_TIME_WAIT);
    peer_run(&p, 60 * HF_SECOND - 2 * HF_MS); /* MUST-13 */
    assert_int_equal(ended(&p), 0);
    peer_run(&p, 5 * HF_MS);
    assert_int_equal(ended(&p), 1);
    peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 1);
    peer_expect(&p, HFI_TCP_RST);
    peer_end(&p);
}

/* C01, RFC 1337: no RST ends it, exact or not. */
static void no_rst_ends_it(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_reach(&p, HF_TIME_WAIT);
    peer_sends(&p, HFI_TCP_RST, p.seq, 0, 0);
    peer_sends(&p, HFI_TCP_RST | HFI_TCP_ACK, p.seq, p.ack, 0);
    peer_sends(&p, HFI_TCP_RST, p.seq + 9, 0, 0);
    peer_expect_nothing(&p);
    assert_int_equal(peer_count(&p, HF_CAUSE_DROP_RST_TIME_WAIT), 3);
    peer_sends(&p, HFI_TCP_ACK | HFI_TCP_FIN, p.seq - 1, p.ack, 0);
    peer_expect_ack(&p, p.seq);
    peer_end(&p);
}

/* C02: RFC 9293 3.10.7.4, first and eighth step. */
static void old_segments_are_acknowledged_and_the_fin_restarts_it(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_reach(&p, HF_TIME_WAIT);
    peer_run(&p, 40 * HF_SECOND);
    peer_sends(&p, HFI_TCP_ACK, p.seq - 40, p.ack, 30);
    const peer_segment *ack = peer_expect_ack(&p, p.seq);
    assert_int_equal(ack->tcp.seq, p.ack);
    peer_run(&p, 10 * HF_SECOND);
    peer_sends(&p, HFI_TCP_ACK | HFI_TCP_FIN, p.seq - 1, p.ack, 0);
    peer_expect_ack(&p, p.seq);
    peer_run(&p, 59 * HF_SECOND);
    assert_int_equal(ended(&p), 0);
    peer_run(&p, 2 * HF_SECOND);
    assert_int_equal(ended(&p), 1);
    peer_end(&p);
}

/* B13: after a simultaneous close both ends are here; a duplicated ACK must not bounce for ever. */
static void a_bare_ack_is_not_answered(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_reach(&p, HF_TIME_WAIT);
    peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 0);
    peer_sends(&p, HFI_TCP_ACK, p.seq - 1, p.ack, 0);
    peer_sends(&p, HFI_TCP_ACK, p.seq + 3, p.ack - 5, 0);
    peer_expect_nothing(&p);
    peer_end(&p);
}

/* ---- A new incarnation, MAY-2 ---- */

static void reopens(bool timestamps, int32_t seq_more, int32_t ts_more, bool expected) {
    peer p;
    peer_begin(&p);
    if (timestamps) peer_offers_everything(&p);
    peer_reach(&p, HF_TIME_WAIT);
    peer_run(&p, 2 * HF_SECOND);
    p.iss = p.seq + (uint32_t)seq_more;
    p.ts_value += (uint32_t)ts_more;
    const hf_seq rcv_nxt = p.seq;
    peer_sends_syn(&p, 0);
    if (expected) {
        const peer_segment *syn_ack = peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK);
        assert_int_equal(syn_ack->tcp.ack, p.iss + 1);
        assert_true(hf_seq_lt(p.ack + 65535, syn_ack->tcp.seq)); /* above all old numbers */
    } else {
        peer_expect_ack(&p, rcv_nxt);
    }
    peer_expect_nothing(&p);
    peer_end(&p);
}

/* C03, SHLD-4, RFC 6191 2 */
static void a_newer_syn_opens_a_new_incarnation(void **state) {
    (void)state;
    reopens(false, 1, 0, true);
    reopens(false, 0, 0, false);
    reopens(false, -1, 0, false);
    reopens(true, -50000, 1, true);
    reopens(true, 1, 0, true);
    reopens(true, 0, 0, false);
    reopens(true, 50000, -1, false);
}

static void a_newer_syn_without_a_listener_leaves_it_alone(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_reach(&p, HF_TIME_WAIT);
    assert_int_equal(hf_listener_close(&p.engine, p.listener), HF_OK);
    const hf_seq rcv_nxt = p.seq;
    p.iss = p.seq + 5000;
    peer_sends_syn(&p, 0);
    peer_expect_ack(&p, rcv_nxt);
    assert_int_equal(ended(&p), 0);
    peer_end(&p);
}

/* ---- A SYN that is turned away leaves the guard ---- */

/* One connection in TIME_WAIT, and a listener whose single place is taken. */
static void reach_time_wait_at_a_full_listener(peer *p, hf_when_full when_full, bool timestamps) {
    peer_begin(p);
    if (timestamps) peer_offers_everything(p);
    const hf_listen_options listen = {.port = p->our_port, .backlog = 1, .when_full = when_full};
    peer_listens_with(p, &listen);
    peer_handshake(p);
    assert_int_equal(hf_accept(&p->engine, p->listener, &p->conn), HF_OK);
    assert_int_equal(hf_shutdown(&p->engine, p->conn), HF_OK);
    peer_drain(p);
    p->ack++;
    peer_says(p, HFI_TCP_FIN | HFI_TCP_ACK, 0);
    const hf_seq iss = p->iss, seq = p->seq, ack = p->ack;
    p->their_port++;
    peer_forget(p);
    peer_handshake(p);
    peer_forget(p);
    p->their_port--;
    p->iss = iss, p->seq = seq, p->ack = ack;
    peer_run(p, 2 * HF_SECOND);
    peer_forget(p);
}

static void a_syn_that_is_turned_away_leaves_the_guard(void **state) {
    (void)state;
    for (int policy = HF_FULL_IGNORE; policy <= HF_FULL_REFUSE; policy++) {
        peer p;
        reach_time_wait_at_a_full_listener(&p, (hf_when_full)policy, false);
        const hf_seq rcv_nxt = p.seq;
        p.iss = p.seq + 5000;
        peer_sends_syn(&p, 0);
        if (policy == HF_FULL_REFUSE) peer_expect(&p, HFI_TCP_RST | HFI_TCP_ACK);
        peer_expect_nothing(&p);
        assert_int_equal(peer_count(&p, HF_CAUSE_TOOK_TIME_WAIT_SYN), 0);
        peer_sends(&p, HFI_TCP_ACK | HFI_TCP_FIN, rcv_nxt - 1, p.ack, 0);
        peer_expect_ack(&p, rcv_nxt);
        peer_end(&p);
    }
}

/* Without timestamps a cookie stands for a new incarnation only if it is above all old numbers. */
static void a_cookie_after_time_wait_is_above_all_old_numbers(void **state) {
    (void)state;
    uint32_t answered = 0, silent = 0;
    for (uint32_t more = 1; more < 40; more++) {
        peer p;
        reach_time_wait_at_a_full_listener(&p, HF_FULL_COOKIE, false);
        p.iss = p.seq + 5000 * more;
        peer_sends_syn(&p, 0);
        const peer_segment *cookie = peer_next(&p);
        if (cookie != NULL) assert_true(hf_seq_lt(p.ack + 65536, cookie->tcp.seq));
        answered += cookie != NULL;
        silent += cookie == NULL;
        peer_end(&p);
    }
    assert_true(answered > 5 && silent > 5);
}

/* The guard ends when the cookie comes back and there is a place by then. */
static void a_cookie_that_comes_back_opens_a_new_incarnation(void **state) {
    (void)state;
    peer p;
    reach_time_wait_at_a_full_listener(&p, HF_FULL_COOKIE, true);
    p.iss = p.seq + 5000;
    p.ts_value += 5000;
    const hf_seq rcv_nxt = p.seq;
    peer_sends_syn(&p, 0);
    const peer_segment *cookie = peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK);
    const hf_seq answer = cookie->tcp.seq + 1;
    p.ts_echo = cookie->tcp.options.ts_value;
    peer_sends(&p, HFI_TCP_ACK, p.seq, answer + 1, 0); /* no cookie of ours */
    peer_expect_nothing(&p);
    peer_sends(&p, HFI_TCP_ACK | HFI_TCP_FIN, rcv_nxt - 1, p.ack, 0);
    peer_expect_ack(&p, rcv_nxt);
    hf_conn other;
    assert_int_equal(hf_accept(&p.engine, p.listener, &other), HF_OK);
    p.ack = answer;
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(hf_accept(&p.engine, p.listener, &p.conn), HF_OK);
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    assert_int_equal(peer_count(&p, HF_CAUSE_TOOK_TIME_WAIT_SYN), 1);
    peer_end(&p);
}

/* RFC 9293 MUST-48, MUST-49: the last ACK is a segment of the connection like any other. */
static void the_last_ack_has_the_hop_limit_and_class_of_the_options(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    const hf_tcp_options options = {.ttl = 37, .traffic_class = 0x48};
    peer_listen_and_accept_with(&p, &options);
    assert_int_equal(hf_shutdown(&p.engine, p.conn), HF_OK);
    peer_drain(&p);
    peer_expect(&p, HFI_TCP_FIN | HFI_TCP_ACK);
    p.ack++;
    peer_says(&p, HFI_TCP_FIN | HFI_TCP_ACK, 0);
    const peer_segment *ack = peer_expect_ack(&p, p.seq);
    assert_int_equal(ack->ttl, 37);
    assert_int_equal(ack->traffic_class, 0x48);
    peer_end(&p);
}

/* A client that restarts with a lower ISN and without timestamps must not be locked out. */
static void a_restarting_peer_gets_through_by_an_exact_rst(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_reach(&p, HF_TIME_WAIT);
    p.iss = p.seq - 400000;
    const hf_seq rcv_nxt = p.seq;
    peer_sends_syn(&p, 0);
    const peer_segment *ack = peer_expect_ack(&p, rcv_nxt);
    peer_run(&p, 30 * HF_MS);
    peer_sends(&p, HFI_TCP_RST, ack->tcp.ack, 0, 0);
    assert_int_equal(peer_count(&p, HF_CAUSE_TW_ENDED_BY_RESTARTING_PEER), 1);
    peer_sends_syn(&p, 0);
    peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK);
    peer_end(&p);
}

static void that_rst_must_come_soon(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_reach(&p, HF_TIME_WAIT);
    p.iss = p.seq - 400000;
    const hf_seq rcv_nxt = p.seq;
    peer_sends_syn(&p, 0);
    peer_expect_ack(&p, rcv_nxt);
    peer_run(&p, 4 * HF_SECOND);
    peer_sends(&p, HFI_TCP_RST, rcv_nxt, 0, 0);
    assert_int_equal(peer_count(&p, HF_CAUSE_TW_ENDED_BY_RESTARTING_PEER), 0);
    assert_int_equal(peer_count(&p, HF_CAUSE_DROP_RST_TIME_WAIT), 1);
    peer_end(&p);
}

/* ---- Its table ---- */

static void one_more(peer *p, uint16_t port) {
    p->their_port = port;
    p->iss = p->seq = PEER_ISS + port;
    peer_handshake(p);
    assert_int_equal(hf_accept(&p->engine, p->listener, &p->conn), HF_OK);
    assert_int_equal(hf_shutdown(&p->engine, p->conn), HF_OK);
    peer_drain(p);
    p->ack++;
    peer_says(p, HFI_TCP_FIN | HFI_TCP_ACK, 0);
    assert_int_equal(hf_release(&p->engine, p->conn), HF_OK);
    peer_event(p, HF_OBJECT_CONN, 0);
    peer_forget(p);
}

/* Is the pair still guarded? An old FIN is acknowledged, or there is nobody. */
static bool guarded(peer *p, uint16_t port) {
    p->their_port = port;
    peer_sends(p, HFI_TCP_FIN | HFI_TCP_ACK, PEER_ISS + port + 1, p->ack, 0);
    const peer_segment *out = peer_next(p);
    assert_non_null(out);
    const bool alive = (out->tcp.flags & HFI_TCP_RST) == 0;
    peer_forget(p);
    return alive;
}

static void a_full_table_lets_guarded_entries_go_first_and_counts_unsafe_ones(void **state) {
    (void)state;
    for (int ip6 = 0; ip6 < 2; ip6++) {
        peer p;
        begin_small(&p, 3, ip6 == 1, false);
        const hf_listen_options listen = {.port = 80};
        peer_listens_with(&p, &listen);
        one_more(&p, 5001);
        peer_offers_everything(&p);
        one_more(&p, 5002);
        one_more(&p, 5003);
        p.timestamps = false;
        p.syn_options = (hfi_tcp_options){.present = 0};
        one_more(&p, 5004); /* the oldest with timestamps goes */
        assert_int_equal(peer_count(&p, HF_CAUSE_TIME_WAIT_EVICTED_GUARDED), 1);
        assert_true(guarded(&p, 5001) && !guarded(&p, 5002) && guarded(&p, 5003));
        one_more(&p, 5005);
        assert_int_equal(peer_count(&p, HF_CAUSE_TIME_WAIT_EVICTED_GUARDED), 2);
        assert_true(guarded(&p, 5001) && !guarded(&p, 5003) && guarded(&p, 5004));
        peer_end(&p);
    }
}

/* Without timestamps, an entry whose pair has sent more than the ISN clock has moved is guarded by
 * nothing. */
static void an_entry_that_nothing_guards_is_counted_as_unsafe(void **state) {
    (void)state;
    peer p;
    begin_small(&p, 1, false, false);
    const hf_listen_options listen = {.port = 80};
    peer_listens_with(&p, &listen);
    peer_handshake(&p);
    assert_int_equal(hf_accept(&p.engine, p.listener, &p.conn), HF_OK);
    for (int i = 0; i < 50; i++) { /* 500,000 bytes in no time: the ISN clock moves 250 in a ms */
        peer_app_sends(&p, 10000);
        p.ack += 10000;
        peer_says(&p, HFI_TCP_ACK, 0);
        peer_forget(&p);
    }
    hf_shutdown(&p.engine, p.conn);
    peer_drain(&p);
    p.ack++;
    peer_says(&p, HFI_TCP_FIN | HFI_TCP_ACK, 0);
    peer_forget(&p);
    one_more(&p, 5001);
    assert_int_equal(peer_count(&p, HF_CAUSE_TIME_WAIT_EVICTED_UNSAFE), 1);
    assert_int_equal(peer_count(&p, HF_CAUSE_TIME_WAIT_EVICTED_GUARDED), 0);
    peer_end(&p);
}

/* S4: no TIME_WAIT ever takes a connection's slot. */
static void it_takes_no_connection(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.conns = 2;
    config.syn_entries = 1;
    config.time_wait = 100;
    peer_begin_with(&p, &config, false);
    const hf_listen_options listen = {.port = 80};
    peer_listens_with(&p, &listen);
    for (uint16_t i = 0; i < 300; i++) one_more(&p, (uint16_t)(6000 + i));
    assert_int_equal(peer_count(&p, HF_CAUSE_TIME_WAIT_STARTED), 300);
    peer_end(&p);
}

/* MEMORY: 48 bytes an IPv4 entry and 64 an IPv6 one at most, hash share included, when as many are
 * added as the flow table doubles for. */
static void an_entry_costs_48_bytes_or_64(void **state) {
    (void)state;
    hf_config config = peer_config();
    config.time_wait = config.time_wait6 = 0;
    const size_t base = hf_engine_bytes(&config).block_bytes;
    const uint32_t count = 1u << 20;
    config.time_wait = count;
    const size_t with4 = hf_engine_bytes(&config).block_bytes;
    config.time_wait = 0;
    config.time_wait6 = count;
    const size_t with6 = hf_engine_bytes(&config).block_bytes;
    assert_in_range((with4 - base) / count, 40, 48);
    assert_in_range((with6 - base) / count, 52, 64);
}

/* ---- Our own connects ---- */

static hf_err connect_from(peer *p, uint16_t local_port) {
    const hf_connect_options connect = {
        .remote = p->them, .remote_port = 9000, .local_port = local_port};
    return hf_connect(&p->engine, &connect, &p->conn);
}

static void call_and_close_first(peer *p) {
    peer_is_called(p);
    peer_answers_call(p);
    hf_shutdown(&p->engine, p->conn);
    peer_drain(p);
    p->ack++;
    peer_says(p, HFI_TCP_FIN | HFI_TCP_ACK, 0);
    hf_release(&p->engine, p->conn);
    peer_forget(p);
}

/* RFC 6191, ruling: with timestamps, after a second, with a higher ISN and TSval. */
static void a_connect_takes_over_a_pair_that_timestamps_guard(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_offers_everything(&p);
    call_and_close_first(&p);
    const uint32_t old_ts = p.ts_echo;
    assert_int_equal(connect_from(&p, p.our_port), HF_TUPLE_IN_USE);
    peer_run(&p, 1100 * HF_MS);
    assert_int_equal(connect_from(&p, p.our_port), HF_OK);
    peer_drain(&p);
    const peer_segment *syn = peer_expect(&p, HFI_TCP_SYN);
    assert_true(hf_seq_lt(p.ack + 65535, syn->tcp.seq));
    assert_true(hf_seq_lt(old_ts, syn->tcp.options.ts_value));
    peer_end(&p);
}

static void a_connect_does_not_take_over_a_pair_without_timestamps(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    call_and_close_first(&p);
    peer_run(&p, 50 * HF_SECOND);
    assert_int_equal(connect_from(&p, p.our_port), HF_TUPLE_IN_USE);
    peer_run(&p, 11 * HF_SECOND);
    assert_int_equal(connect_from(&p, p.our_port), HF_OK);
    peer_end(&p);
}

/* A connect that fails for want of a connection leaves the guard where it was. */
static void a_connect_without_a_slot_leaves_the_guard(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.conns = 1;
    peer_begin_with(&p, &config, false);
    peer_offers_everything(&p);
    call_and_close_first(&p);
    hf_event event;
    while (hf_next_event(&p.engine, &event)) {
    }
    peer_run(&p, 2 * HF_SECOND);
    const uint16_t guarded = p.our_port;
    const hf_connect_options other = {.remote = p.them, .remote_port = 9000};
    hf_conn conn;
    assert_int_equal(hf_connect(&p.engine, &other, &conn), HF_OK);
    assert_int_equal(ended(&p), 0);
    assert_int_equal(connect_from(&p, guarded), HF_NO_CONNECTION_SLOT);
    assert_int_equal(ended(&p), 0);
    assert_int_equal(hf_abort(&p.engine, conn), HF_OK);
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_lasts_twice_the_segment_lifetime),
        cmocka_unit_test(no_rst_ends_it),
        cmocka_unit_test(old_segments_are_acknowledged_and_the_fin_restarts_it),
        cmocka_unit_test(a_bare_ack_is_not_answered),
        cmocka_unit_test(a_newer_syn_opens_a_new_incarnation),
        cmocka_unit_test(a_newer_syn_without_a_listener_leaves_it_alone),
        cmocka_unit_test(a_syn_that_is_turned_away_leaves_the_guard),
        cmocka_unit_test(a_cookie_after_time_wait_is_above_all_old_numbers),
        cmocka_unit_test(a_cookie_that_comes_back_opens_a_new_incarnation),
        cmocka_unit_test(the_last_ack_has_the_hop_limit_and_class_of_the_options),
        cmocka_unit_test(a_restarting_peer_gets_through_by_an_exact_rst),
        cmocka_unit_test(that_rst_must_come_soon),
        cmocka_unit_test(a_full_table_lets_guarded_entries_go_first_and_counts_unsafe_ones),
        cmocka_unit_test(an_entry_that_nothing_guards_is_counted_as_unsafe),
        cmocka_unit_test(it_takes_no_connection),
        cmocka_unit_test(an_entry_costs_48_bytes_or_64),
        cmocka_unit_test(a_connect_takes_over_a_pair_that_timestamps_guard),
        cmocka_unit_test(a_connect_does_not_take_over_a_pair_without_timestamps),
        cmocka_unit_test(a_connect_without_a_slot_leaves_the_guard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
