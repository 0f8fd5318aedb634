/* Closing by deadline, lingering, after the peer; orphans in FIN_WAIT_2. */
#include "peer.h"

static hf_end_record next_record(const peer *p, uint64_t *cursor) {
    hf_end_record record;
    assert_true(hf_end_next(&p->engine, cursor, &record));
    return record;
}

static void closes_with(peer *p, hf_close_options options) {
    assert_int_equal(hf_close(&p->engine, p->conn, &options), HF_OK);
    peer_drain(p);
}

static bool has_ended(peer *p) {
    hf_end end;
    return hf_conn_end(&p->engine, p->conn, &end) == HF_OK;
}

/* ---- The deadline ---- */

static void a_close_goes_on_alone_at_its_deadline(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_app_sends(&p, 300);
    closes_with(&p, (hf_close_options){.deadline_ns = 3 * HF_SECOND});
    peer_run(&p, 2900 * HF_MS);
    assert_false(has_ended(&p));
    peer_run(&p, 200 * HF_MS);
    assert_true(peer_event(&p, HF_OBJECT_CONN, HF_EVENT_END));
    hf_end end = peer_conn_end(&p);
    assert_int_equal(end.cause, HF_CAUSE_END_CLOSE_DEADLINE);
    assert_int_equal(end.mechanism, HF_CAUSE_BY_DETACH);
    assert_int_equal(end.who, HF_WHO_STACK);
    assert_int_equal(end.bytes_from_app, 300);
    assert_int_equal(end.bytes_sent, 300);
    assert_int_equal(end.bytes_thrown, 0);
    assert_int_equal(end.state, HF_FIN_WAIT_1);
    assert_int_equal(peer_count(&p, HF_CAUSE_CLOSE_DETACHED), 1);
    assert_int_equal(peer_count(&p, HF_CAUSE_BY_DETACH), 1);
    p.ack += 120;
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(peer_conn_end(&p).bytes_acked, 120); /* how far it is by now */
    assert_int_equal(hf_release(&p.engine, p.conn), HF_OK);
    uint64_t cursor = 0;
    hf_end_record record;
    assert_false(hf_end_next(&p.engine, &cursor, &record));
    p.ack += 181;
    peer_says(&p, HFI_TCP_FIN | HFI_TCP_ACK, 0);
    record = next_record(&p, &cursor);
    assert_int_equal(record.end.cause, HF_CAUSE_END_CLOSED);
    assert_int_equal(record.end.bytes_acked, 300);
    assert_int_equal(record.end.time_wait, HF_TW_US);
    peer_end(&p);
}

static void the_profile_limits_what_goes_on_alone(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_app_sends(&p, 300);
    closes_with(&p, (hf_close_options){.deadline_ns = 3 * HF_SECOND});
    peer_run(&p, 4 * HF_SECOND);
    assert_int_equal(peer_conn_end(&p).mechanism, HF_CAUSE_BY_DETACH);
    assert_int_equal(hf_release(&p.engine, p.conn), HF_OK);
    peer_run(&p, 118 * HF_SECOND);
    assert_int_equal(peer_count(&p, HF_CAUSE_END_CLOSE_DEADLINE), 0);
    peer_run(&p, 2 * HF_SECOND);
    uint64_t cursor = 0;
    const hf_end_record record = next_record(&p, &cursor);
    assert_int_equal(record.end.cause, HF_CAUSE_END_CLOSE_DEADLINE);
    assert_int_equal(record.end.mechanism, HF_CAUSE_BY_ORPHAN_LIMIT);
    assert_int_equal(record.end.reset_by, HF_RESET_BY_US);
    assert_int_equal(record.end.bytes_thrown, 300);
    peer_end(&p);
}

static void a_close_is_reset_at_its_deadline_if_that_was_asked(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    closes_with(&p,
                (hf_close_options){.deadline_ns = 3 * HF_SECOND, .at_deadline = HF_DEADLINE_RST});
    p.ack++;
    peer_says(&p, HFI_TCP_ACK, 0); /* FIN_WAIT_2: without the option it would end silently */
    peer_forget(&p);
    peer_run(&p, 3100 * HF_MS);
    peer_expect(&p, HFI_TCP_RST | HFI_TCP_ACK);
    const hf_end end = peer_conn_end(&p);
    assert_int_equal(end.cause, HF_CAUSE_END_CLOSE_DEADLINE);
    assert_int_equal(end.reset_by, HF_RESET_BY_US);
    peer_end(&p);
}

/* Who has asked for nothing is told at the end, not before. */
static void without_a_deadline_the_profiles_limit_ends_it(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    closes_with(&p, (hf_close_options){0});
    peer_run(&p, 119 * HF_SECOND);
    assert_false(has_ended(&p));
    peer_run(&p, 2 * HF_SECOND);
    assert_int_equal(peer_conn_end(&p).mechanism, HF_CAUSE_BY_ORPHAN_LIMIT);
    peer_end(&p);
}

/* ---- Lingering ---- */

static void a_lingering_close_reads_what_comes_and_sends_no_rst(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_says(&p, HFI_TCP_ACK, 20);
    peer_app_reads(&p, 0, 20);
    peer_says(&p, HFI_TCP_ACK, 41); /* unread at the close */
    peer_app_sends(&p, 90);
    closes_with(&p, (hf_close_options){.drain = true});
    peer_forget(&p);
    const uint32_t window = peer_status(&p).our_window_bytes;
    for (int i = 0; i < 30; i++) {
        peer_says(&p, HFI_TCP_ACK, 1000);
        peer_run(&p, 50 * HF_MS);
    }
    p.ack += 91;
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_true(peer_status(&p).our_window_bytes >= window / 2);
    peer_says(&p, HFI_TCP_FIN | HFI_TCP_ACK, 7);
    for (const peer_segment *out; (out = peer_next(&p)) != NULL;)
        assert_int_equal(out->tcp.flags & HFI_TCP_RST, 0);
    const hf_end end = peer_conn_end(&p);
    assert_int_equal(end.cause, HF_CAUSE_END_CLOSED);
    assert_int_equal(end.bytes_acked, 90);
    assert_int_equal(end.bytes_to_app, 20);
    assert_int_equal(end.bytes_drained, 41 + 30 * 1000 + 7);
    assert_int_equal(end.bytes_unread, end.bytes_drained);
    peer_end(&p);
}

static void a_lingering_close_ends_at_its_deadline(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    closes_with(&p, (hf_close_options){.deadline_ns = 4 * HF_SECOND,
                                       .at_deadline = HF_DEADLINE_RST,
                                       .drain = true});
    p.ack++;
    for (int i = 0; i < 50 && !has_ended(&p); i++) {
        peer_says(&p, HFI_TCP_ACK, 10);
        peer_run(&p, 100 * HF_MS);
    }
    const hf_end end = peer_conn_end(&p);
    assert_int_equal(end.cause, HF_CAUSE_END_CLOSE_DEADLINE);
    assert_in_range(end.bytes_drained, 380, 410);
    peer_end(&p);
}

/* ---- After the peer ---- */

static void our_fin_waits_for_the_peers_so_that_time_wait_is_there(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_app_sends(&p, 33);
    closes_with(&p, (hf_close_options){.after_peer_ns = 5 * HF_SECOND});
    peer_forget(&p);
    p.ack += 33;
    peer_says(&p, HFI_TCP_ACK, 9);
    peer_run(&p, 4900 * HF_MS);
    assert_int_equal(peer_count(&p, HF_CAUSE_SENT_FIN), 0);
    peer_says(&p, HFI_TCP_FIN | HFI_TCP_ACK, 0);
    peer_run(&p, 10 * HF_MS);
    assert_int_equal(peer_count(&p, HF_CAUSE_SENT_FIN), 1);
    p.ack++;
    peer_says(&p, HFI_TCP_ACK, 0);
    const hf_end end = peer_conn_end(&p);
    assert_int_equal(end.cause, HF_CAUSE_END_CLOSED);
    assert_int_equal(end.time_wait, HF_TW_PEER);
    assert_int_equal(end.who, HF_WHO_PEER);
    assert_int_equal(end.bytes_drained, 9);
    peer_end(&p);
}

static void our_fin_does_not_wait_longer_than_was_said(void **state) {
    (void)state;
    for (int given = 0; given < 2; given++) {
        peer p;
        peer_begin(&p);
        peer_listen_and_accept(&p);
        closes_with(&p, (hf_close_options){.after_peer_ns = 5 * HF_SECOND,
                                           .deadline_ns = given ? 20 * HF_SECOND : 0});
        peer_run(&p, 4990 * HF_MS);
        assert_int_equal(peer_count(&p, HF_CAUSE_SENT_FIN), 0);
        peer_run(&p, 20 * HF_MS);
        assert_int_equal(peer_count(&p, HF_CAUSE_SENT_FIN), 1);
        /* The deadline counts from the close; without one the limit does from our FIN. */
        peer_run(&p, given ? 14900 * HF_MS : 119 * HF_SECOND);
        assert_false(has_ended(&p));
        peer_run(&p, given ? 200 * HF_MS : 2 * HF_SECOND);
        assert_int_equal(peer_conn_end(&p).mechanism,
                         given ? HF_CAUSE_BY_DETACH : HF_CAUSE_BY_ORPHAN_LIMIT);
        peer_end(&p);
    }
}

/* The peer has closed already: there is nothing to wait for. */
static void after_the_peers_fin_our_own_leaves_at_once(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_reach(&p, HF_CLOSE_WAIT);
    closes_with(&p, (hf_close_options){.after_peer_ns = 5 * HF_SECOND});
    peer_expect(&p, HFI_TCP_FIN | HFI_TCP_ACK);
    peer_end(&p);
}

/* ---- Orphans in FIN_WAIT_2 ---- */

static void reach_orphan(peer *p, bool ip6, bool timestamps) {
    const hf_config config = peer_config();
    peer_begin_with(p, &config, ip6);
    if (timestamps) peer_offers_everything(p);
    peer_listen_and_accept(p);
    peer_app_sends(p, 25);
    assert_int_equal(hf_close(&p->engine, p->conn, NULL), HF_OK);
    assert_int_equal(hf_release(&p->engine, p->conn), HF_OK);
    peer_drain(p);
    p->ack += 26;
    peer_says(p, HFI_TCP_ACK, 0);
    peer_forget(p);
}

static void an_orphan_in_fin_wait_2_keeps_no_connection(void **state) {
    (void)state;
    peer p;
    reach_orphan(&p, false, false);
    peer_event(&p, HF_OBJECT_CONN, 0);
    assert_int_equal(peer_ctx(&p)->root->conn_pool.used, 0);
    assert_int_equal(peer_ctx(&p)->root->tw4.used, 1);
    uint64_t cursor = 0;
    const hf_end end = next_record(&p, &cursor).end;
    assert_int_equal(end.cause, HF_CAUSE_END_ORPHANED);
    assert_int_equal(end.bytes_acked, 25);
    assert_true(end.fin_acked && !end.fin_heard);
    peer_run(&p, 61 * HF_SECOND);
    assert_int_equal(peer_count(&p, HF_CAUSE_FIN_WAIT_2_ENDED), 1);
    assert_int_equal(peer_ctx(&p)->root->tw4.used, 0);
    peer_end(&p);
}

static void its_peers_fin_makes_time_wait_of_it(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        peer p;
        reach_orphan(&p, i % 2 == 1, i / 2 == 1);
        peer_run(&p, 30 * HF_SECOND);
        p.ts_value += 30000;
        peer_says(&p, HFI_TCP_FIN | HFI_TCP_ACK, 0);
        const peer_segment *ack = peer_expect_ack(&p, p.seq);
        assert_int_equal(ack->tcp.seq, p.ack);
        assert_int_equal((ack->tcp.options.present & HFI_OPT_TIMESTAMPS) != 0, p.timestamps);
        peer_run(&p, 59 * HF_SECOND);
        assert_int_equal(peer_count(&p, HF_CAUSE_TIME_WAIT_ENDED), 0);
        peer_sends(&p, HFI_TCP_FIN | HFI_TCP_ACK, p.seq - 1, p.ack, 0);
        peer_expect_ack(&p, p.seq);
        peer_run(&p, 61 * HF_SECOND);
        assert_int_equal(peer_count(&p, HF_CAUSE_TIME_WAIT_ENDED), 1);
        peer_end(&p);
    }
}

/* SHLD-3: nobody will read it. */
static void data_for_it_is_answered_by_rst(void **state) {
    (void)state;
    for (uint32_t gap = 0; gap < 200; gap += 150) {
        peer p;
        reach_orphan(&p, false, true);
        peer_sends(&p, HFI_TCP_ACK, p.seq + gap, p.ack, 11);
        const peer_segment *rst = peer_expect(&p, HFI_TCP_RST | HFI_TCP_ACK);
        assert_int_equal(rst->tcp.seq, p.ack);
        assert_int_equal(peer_ctx(&p)->root->tw4.used, 0);
        peer_end(&p);
    }
}

static void it_answers_probes_and_strangers_and_only_an_exact_rst_ends_it(void **state) {
    (void)state;
    peer p;
    reach_orphan(&p, false, false);
    peer_sends(&p, HFI_TCP_ACK, p.seq - 1, p.ack, 0); /* keepalive */
    assert_int_equal(peer_expect_ack(&p, p.seq)->cause, HF_CAUSE_SENT_ACK_PROBE);
    peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 0);
    peer_sends(&p, HFI_TCP_ACK, p.seq + 400000, p.ack, 0);
    peer_expect_nothing(&p);
    peer_sends(&p, HFI_TCP_ACK, p.seq - 30, p.ack, 20);
    peer_expect_ack(&p, p.seq);
    p.iss = p.seq + 5000;
    const hf_seq seq = p.seq;
    peer_sends_syn(&p, 0);
    peer_expect_ack(&p, seq);
    p.seq = seq;
    peer_sends(&p, HFI_TCP_RST, p.seq + 1, 0, 0);
    peer_expect_nothing(&p);
    assert_int_equal(peer_ctx(&p)->root->tw4.used, 1);
    peer_sends(&p, HFI_TCP_RST, p.seq, 0, 0);
    assert_int_equal(peer_ctx(&p)->root->tw4.used, 0);
    peer_end(&p);
}

/* Released later, it shrinks then; with a full table, or one that drains, it stays a connection. */
static void it_shrinks_when_it_is_released_and_there_is_an_entry(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        peer p;
        hf_config config = peer_config();
        config.time_wait = i == 1 ? 0 : 3;
        peer_begin_with(&p, &config, false);
        peer_listen_and_accept(&p);
        closes_with(&p, (hf_close_options){.drain = i == 2});
        p.ack++;
        peer_says(&p, HFI_TCP_ACK, 0);
        assert_int_equal(peer_state(&p), HF_FIN_WAIT_2);
        assert_int_equal(hf_release(&p.engine, p.conn), HF_OK);
        peer_drain(&p);
        peer_event(&p, HF_OBJECT_CONN, 0);
        assert_int_equal(peer_ctx(&p)->root->conn_pool.used, i == 0 ? 0 : 1);
        peer_forget(&p);
        peer_says(&p, HFI_TCP_FIN | HFI_TCP_ACK, 0);
        peer_expect_ack(&p, p.seq);
        peer_end(&p);
    }
}

/* A real TIME_WAIT takes the place of one, never the other way round. */
static void time_wait_takes_its_entry_when_the_table_is_full(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.time_wait = 1;
    peer_begin_with(&p, &config, false);
    peer_listen_and_accept(&p);
    closes_with(&p, (hf_close_options){0});
    p.ack++;
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(hf_release(&p.engine, p.conn), HF_OK);
    assert_int_equal(peer_ctx(&p)->root->tw4.used, 1);
    for (int i = 0; i < 2; i++) {
        p.their_port++;
        p.iss = p.seq = 99000;
        peer_forget(&p);
        peer_handshake(&p);
        assert_int_equal(hf_accept(&p.engine, p.listener, &p.conn), HF_OK);
        closes_with(&p, (hf_close_options){0});
        p.ack++;
        peer_says(&p, i == 0 ? HFI_TCP_FIN | HFI_TCP_ACK : HFI_TCP_ACK, 0);
        if (i == 1) assert_int_equal(hf_release(&p.engine, p.conn), HF_OK);
        assert_int_equal(peer_count(&p, HF_CAUSE_FIN_WAIT_2_EVICTED), 1);
    }
    assert_int_equal(peer_count(&p, HF_CAUSE_TIME_WAIT_EVICTED_GUARDED), 0);
    assert_int_equal(peer_ctx(&p)->conns[p.conn.index].state, HF_FIN_WAIT_2);
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_close_goes_on_alone_at_its_deadline),
        cmocka_unit_test(the_profile_limits_what_goes_on_alone),
        cmocka_unit_test(a_close_is_reset_at_its_deadline_if_that_was_asked),
        cmocka_unit_test(without_a_deadline_the_profiles_limit_ends_it),
        cmocka_unit_test(a_lingering_close_reads_what_comes_and_sends_no_rst),
        cmocka_unit_test(a_lingering_close_ends_at_its_deadline),
        cmocka_unit_test(our_fin_waits_for_the_peers_so_that_time_wait_is_there),
        cmocka_unit_test(our_fin_does_not_wait_longer_than_was_said),
        cmocka_unit_test(after_the_peers_fin_our_own_leaves_at_once),
        cmocka_unit_test(an_orphan_in_fin_wait_2_keeps_no_connection),
        cmocka_unit_test(its_peers_fin_makes_time_wait_of_it),
        cmocka_unit_test(data_for_it_is_answered_by_rst),
        cmocka_unit_test(it_answers_probes_and_strangers_and_only_an_exact_rst_ends_it),
        cmocka_unit_test(it_shrinks_when_it_is_released_and_there_is_an_entry),
        cmocka_unit_test(time_wait_takes_its_entry_when_the_table_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
