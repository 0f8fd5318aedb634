/* Closing: RFC 9293 3.6, 3.10.4, 3.10.5. FIN wherever it can come, half-closes, orphans, outcomes. */
#include "peer.h"

/* Trap 15: state by how the FIN comes. Each FIN is acknowledged, each connection ends well. */
static void a_fin_moves_each_state_to_the_next(void **state) {
    (void)state;
    const struct {
        hf_state from, to;
        bool acks_our_fin;
    } moves[] = {{HF_ESTABLISHED, HF_CLOSE_WAIT, false},
                 {HF_FIN_WAIT_1, HF_CLOSING, false},
                 {HF_FIN_WAIT_1, HF_TIME_WAIT, true},
                 {HF_FIN_WAIT_2, HF_TIME_WAIT, false}};
    for (int i = 0; i < 4; i++) {
        for (uint32_t bytes = 0; bytes < 40; bytes += 13) {
            peer p;
            peer_begin(&p);
            peer_reach(&p, moves[i].from);
            if (moves[i].acks_our_fin) p.ack++;
            peer_says(&p, HFI_TCP_FIN | HFI_TCP_ACK, bytes);
            assert_int_equal(peer_expect_ack(&p, p.seq)->cause, HF_CAUSE_SENT_ACK_FIN);
            assert_int_equal(peer_state(&p), moves[i].to);
            assert_true(peer_event(&p, HF_OBJECT_CONN, HF_EVENT_PEER_CLOSED));
            peer_app_reads(&p, 0, bytes);
            uint8_t byte;
            size_t got;
            assert_int_equal(hf_receive(&p.engine, p.conn, &byte, 1, &got), HF_END_OF_STREAM);
            peer_sends(&p, HFI_TCP_FIN | HFI_TCP_ACK, p.seq - 1, p.ack, 0); /* again */
            peer_expect_ack(&p, p.seq);
            peer_end(&p);
        }
    }
}

/* B07 */
static void a_fin_beyond_a_gap_waits_for_it(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_sends(&p, HFI_TCP_FIN | HFI_TCP_ACK, p.seq + 20, p.ack, 5);
    peer_expect_ack(&p, p.seq);
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    peer_app_reads(&p, 0, 0);
    peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 20);
    peer_expect_ack(&p, p.seq + 26);
    assert_int_equal(peer_state(&p), HF_CLOSE_WAIT);
    peer_app_reads(&p, 0, 25);
    peer_end(&p);
}

static void a_fin_beyond_the_window_is_left_for_its_repetition(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    const uint32_t window = peer_status(&p).our_window_bytes;
    peer_sends(&p, HFI_TCP_FIN | HFI_TCP_ACK, p.seq + window + 1, p.ack, 0);
    peer_expect_ack(&p, p.seq);
    assert_int_equal(peer_block(&p)->flags & HFI_F_PEER_FIN_SEEN, 0);
    peer_end(&p);
}

/* The outcome of a full close, from either side. */
static void the_outcome_says_who_holds_time_wait_and_what_was_acknowledged(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_app_sends(&p, 33);
    hf_close(&p.engine, p.conn, NULL);
    peer_drain(&p);
    peer_expect(&p, HFI_TCP_ACK);
    peer_expect(&p, HFI_TCP_FIN | HFI_TCP_ACK);
    p.ack += 34;
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(peer_state(&p), HF_FIN_WAIT_2);
    peer_says(&p, HFI_TCP_FIN | HFI_TCP_ACK, 0);
    hf_end end = peer_conn_end(&p);
    assert_int_equal(end.cause, HF_CAUSE_END_CLOSED);
    assert_int_equal(end.time_wait, HF_TW_US);
    assert_true(end.fin_acked && end.fin_heard);
    assert_int_equal(end.bytes_acked, 33);
    assert_int_equal(end.bytes_from_app, 33);
    peer_end(&p);

    peer_begin(&p);
    peer_reach(&p, HF_LAST_ACK);
    p.ack++;
    peer_says(&p, HFI_TCP_ACK, 0);
    end = peer_conn_end(&p);
    assert_int_equal(end.time_wait, HF_TW_PEER);
    peer_expect_nothing(&p);
    peer_end(&p);
}

/* SHLD-3, C07 */
static void a_close_with_unread_data_resets_and_says_how_much(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_says(&p, HFI_TCP_ACK, 41);
    peer_forget(&p);
    hf_close(&p.engine, p.conn, NULL);
    peer_drain(&p);
    const peer_segment *rst = peer_expect(&p, HFI_TCP_RST | HFI_TCP_ACK);
    assert_int_equal(rst->cause, HF_CAUSE_SENT_RST_UNREAD);
    assert_int_equal(rst->tcp.seq, p.ack);
    assert_int_equal(peer_conn_end(&p).bytes_unread, 41);
    peer_end(&p);
}

static void data_after_a_close_is_answered_by_reset(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    hf_close(&p.engine, p.conn, NULL);
    peer_drain(&p);
    p.ack++;
    peer_says(&p, HFI_TCP_ACK, 0);
    peer_forget(&p);
    peer_says(&p, HFI_TCP_ACK, 12);
    assert_int_equal(peer_expect(&p, HFI_TCP_RST | HFI_TCP_ACK)->cause,
                     HF_CAUSE_SENT_RST_DATA_AFTER_CLOSE);
    assert_int_equal(peer_conn_end(&p).cause, HF_CAUSE_END_DATA_AFTER_CLOSE);
    peer_end(&p);
}

/* MAY-1, C11, trap 16, ruling 18: a half-close is open the other way for as long as it likes. */
static void a_half_close_lasts_for_days_and_keeps_reading(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_reach(&p, HF_FIN_WAIT_2);
    uint32_t offset = 0;
    for (int day = 0; day < 12; day++) {
        peer_run(&p, 86400 * HF_SECOND);
        peer_says(&p, HFI_TCP_ACK, 700);
        peer_app_reads(&p, offset, 700);
        offset += 700;
    }
    assert_int_equal(peer_state(&p), HF_FIN_WAIT_2);
    size_t taken;
    assert_int_equal(hf_send(&p.engine, p.conn, "x", 1, &taken), HF_STATE);
    peer_end(&p);
}

static void a_half_close_by_the_peer_keeps_sending(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_reach(&p, HF_CLOSE_WAIT);
    peer_run(&p, 86400 * HF_SECOND);
    for (int i = 0; i < 40; i++) {
        peer_app_sends(&p, 5000);
        p.ack += 5000;
        peer_says(&p, HFI_TCP_ACK, 0);
        peer_forget(&p);
    }
    assert_int_equal(peer_status(&p).bytes_acked, 200000);
    assert_int_equal(peer_state(&p), HF_CLOSE_WAIT);
    peer_end(&p);
}

/* C09, C10, ruling 18: what nobody owns has a limit. */
static void what_nobody_owns_ends_in_its_time(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    hf_close(&p.engine, p.conn, NULL);
    peer_drain(&p);
    p.ack++;
    peer_says(&p, HFI_TCP_ACK, 0);
    peer_run(&p, 61 * HF_SECOND);
    assert_int_equal(peer_conn_end(&p).cause, HF_CAUSE_END_CLOSE_DEADLINE);
    assert_int_equal(peer_conn_end(&p).mechanism, HF_CAUSE_BY_FIN_WAIT_2_LIMIT);
    peer_end(&p);

    const hf_state from[] = {HF_ESTABLISHED, HF_CLOSE_WAIT};
    for (int i = 0; i < 2; i++) { /* FIN_WAIT_1, LAST_ACK, with a peer that is gone */
        peer_begin(&p);
        peer_reach(&p, from[i]);
        hf_close(&p.engine, p.conn, NULL);
        peer_run(&p, 121 * HF_SECOND);
        assert_int_equal(peer_conn_end(&p).cause, HF_CAUSE_END_CLOSE_DEADLINE);
        assert_int_equal(p.out[p.out_count - 1].tcp.flags & HFI_TCP_RST, HFI_TCP_RST);
        peer_end(&p);
    }
}

/* C05 */
static void lost_fins_and_last_acks_are_sent_again(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_reach(&p, HF_LAST_ACK);
    peer_run(&p, HF_SECOND);
    const peer_segment *again = peer_expect(&p, HFI_TCP_FIN | HFI_TCP_ACK);
    assert_int_equal(again->cause, HF_CAUSE_SENT_FIN_AGAIN);
    assert_int_equal(again->tcp.seq, p.ack);
    peer_forget(&p);
    peer_sends(&p, HFI_TCP_FIN | HFI_TCP_ACK, p.seq - 1, p.ack, 0); /* our ACK was lost */
    peer_expect_ack(&p, p.seq);
    p.ack++;
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(peer_conn_end(&p).cause, HF_CAUSE_END_CLOSED);
    peer_end(&p);
}

/* Trap 15: send and close at once lose neither the data nor the FIN. */
static void data_and_close_at_once_leave_in_one_segment(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    size_t taken;
    hf_send(&p.engine, p.conn, "hello", 5, &taken);
    hf_close(&p.engine, p.conn, NULL);
    peer_drain(&p);
    const peer_segment *out = peer_expect(&p, HFI_TCP_FIN | HFI_TCP_ACK);
    assert_int_equal(out->tcp.payload_bytes, 5);
    p.ack += 5; /* only the data arrived */
    peer_says(&p, HFI_TCP_ACK, 0);
    peer_forget(&p);
    peer_run(&p, HF_SECOND);
    const peer_segment *fin = peer_expect(&p, HFI_TCP_FIN | HFI_TCP_ACK);
    assert_int_equal(fin->tcp.seq, p.ack);
    assert_int_equal(fin->tcp.payload_bytes, 0);
    peer_end(&p);
}

/* RFC 9293 3.10.5 */
static void abort_resets_and_says_what_was_thrown_away(void **state) {
    (void)state;
    const hf_state states[] = {HF_SYN_RECEIVED, HF_ESTABLISHED, HF_FIN_WAIT_1, HF_FIN_WAIT_2,
                               HF_CLOSE_WAIT};
    for (int i = 0; i < 5; i++) {
        peer p;
        peer_begin(&p);
        peer_reach(&p, states[i]);
        assert_int_equal(hf_abort(&p.engine, p.conn), HF_OK);
        peer_drain(&p);
        const peer_segment *rst = peer_expect(&p, HFI_TCP_RST | HFI_TCP_ACK);
        assert_int_equal(rst->tcp.ack, p.seq);
        peer_expect_nothing(&p);
        assert_int_equal(peer_conn_end(&p).cause, HF_CAUSE_END_APP_ABORTED);
        peer_end(&p);
    }
    peer p;
    peer_begin(&p);
    peer_reach(&p, HF_SYN_SENT);
    hf_abort(&p.engine, p.conn);
    peer_drain(&p);
    peer_expect_nothing(&p);
    peer_end(&p);
}

static void a_close_deadline_beyond_all_stamps_does_not_end_at_once(void **state) {
    (void)state;
    const hf_ns deadlines[] = {30 * UINT64_C(86400) * HF_SECOND, HF_NEVER};
    for (int i = 0; i < 2; i++) {
        peer p;
        peer_begin(&p);
        peer_listen_and_accept(&p);
        peer_app_sends(&p, 33);
        const hf_close_options options = {.deadline_ns = deadlines[i],
                                          .at_deadline = HF_DEADLINE_RST};
        assert_int_equal(hf_close(&p.engine, p.conn, &options), HF_OK);
        peer_run(&p, 10 * HF_MS);
        assert_int_equal(peer_state(&p), HF_FIN_WAIT_1);
        peer_end(&p);
    }
}

/* The peer's FIN and its ACK of ours come in one batch, before our ACK could leave. */
static void a_fin_is_acknowledged_though_the_ack_of_ours_ends_the_connection(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_reach(&p, HF_FIN_WAIT_1);
    peer_send_view(&p, (hfi_tcp_view){.flags = HFI_TCP_FIN | HFI_TCP_ACK,
                                      .seq = p.seq,
                                      .ack = p.ack,
                                      .window = p.window});
    p.seq++;
    p.ack++;
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(peer_conn_end(&p).time_wait, HF_TW_BOTH);
    peer_expect_ack(&p, p.seq);
    peer_expect_nothing(&p);
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fin_moves_each_state_to_the_next),
        cmocka_unit_test(a_fin_beyond_a_gap_waits_for_it),
        cmocka_unit_test(a_fin_beyond_the_window_is_left_for_its_repetition),
        cmocka_unit_test(the_outcome_says_who_holds_time_wait_and_what_was_acknowledged),
        cmocka_unit_test(a_close_with_unread_data_resets_and_says_how_much),
        cmocka_unit_test(data_after_a_close_is_answered_by_reset),
        cmocka_unit_test(a_half_close_lasts_for_days_and_keeps_reading),
        cmocka_unit_test(a_half_close_by_the_peer_keeps_sending),
        cmocka_unit_test(what_nobody_owns_ends_in_its_time),
        cmocka_unit_test(lost_fins_and_last_acks_are_sent_again),
        cmocka_unit_test(data_and_close_at_once_leave_in_one_segment),
        cmocka_unit_test(abort_resets_and_says_what_was_thrown_away),
        cmocka_unit_test(a_close_deadline_beyond_all_stamps_does_not_end_at_once),
        cmocka_unit_test(a_fin_is_acknowledged_though_the_ack_of_ours_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
