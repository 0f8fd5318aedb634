/* Why is nothing sent? Each reason in a state that packets and calls make, and the books: every
 * nanosecond since the handshake has one reason. */
#include "peer.h"

static const hf_tcp_options account = {.account = true};

static hf_not_sending why_of(peer *p) {
    hf_not_sending why;
    assert_int_equal(hf_why_not_sending(&p->engine, p->conn, &why), HF_OK);
    return why;
}

static void expect_spent(peer *p, hf_why why, hf_ns for_ns) {
    assert_int_equal(why_of(p).for_ns[why], for_ns);
}

static void begin_accounted(peer *p) {
    peer_begin(p);
    peer_listen_and_accept_with(p, &account);
    peer_forget(p);
}

static void app_queues(peer *p, uint32_t bytes) {
    static const uint8_t text[70000];
    size_t taken;
    assert_int_equal(hf_send(&p->engine, p->conn, text, bytes, &taken), HF_OK);
}

static void nothing_is_asked_before_the_handshake_is_done(void **state) {
    (void)state;
    peer p;
    hf_not_sending why;
    peer_begin(&p);
    peer_is_called(&p);
    assert_int_equal(hf_why_not_sending(&p.engine, p.conn, &why), HF_STATE);
    peer_answers_call(&p);
    assert_int_equal(hf_why_not_sending(&p.engine, p.conn, &why), HF_OK);
    assert_int_equal(why.why, HF_WHY_APPLICATION);
    assert_false(why.accounted);
    peer_end(&p);
}

/* One after the other; each lasts its own time, and the sum is the whole. */
static void each_reason_has_its_time_and_the_sum_is_the_whole(void **state) {
    (void)state;
    peer p;
    begin_accounted(&p);
    const hf_ns open_ns = p.now_ns;
    peer_run(&p, 1111 * HF_MS);
    assert_int_equal(why_of(&p).why, HF_WHY_APPLICATION);
    app_queues(&p, 100);
    assert_int_equal(why_of(&p).why, HF_WHY_DRIVER);
    hf_engine_step(&p.engine, p.now_ns += 7 * HF_MS, NULL, 0, NULL);
    expect_spent(&p, HF_WHY_DRIVER, 7 * HF_MS);
    peer_drain(&p);
    app_queues(&p, 50);
    peer_drain(&p);
    assert_int_equal(why_of(&p).why, HF_WHY_NAGLE);
    peer_run(&p, 31 * HF_MS);
    p.window = 0;
    p.ack += 100;
    peer_says(&p, HFI_TCP_ACK, 0);
    expect_spent(&p, HF_WHY_NAGLE, 31 * HF_MS);
    assert_int_equal(why_of(&p).why, HF_WHY_PEER_WINDOW);
    peer_run(&p, 123 * HF_MS);
    p.window = 60000;
    peer_says(&p, HFI_TCP_ACK, 0);
    expect_spent(&p, HF_WHY_PEER_WINDOW, 123 * HF_MS);
    expect_spent(&p, HF_WHY_APPLICATION, 1111 * HF_MS);
    peer_run(&p, 5 * HF_MS);
    const hf_not_sending why = why_of(&p);
    assert_true(why.accounted);
    assert_int_equal(why.total_ns, p.now_ns - open_ns);
    peer_end(&p);
}

static void a_full_congestion_window_is_named_and_then_the_time_out(void **state) {
    (void)state;
    peer p;
    begin_accounted(&p);
    app_queues(&p, 60000);
    peer_drain(&p);
    const hf_conn_status status = peer_status(&p);
    assert_int_equal(why_of(&p).why, status.in_flight_bytes + 536 > status.cwnd_bytes
                                         ? HF_WHY_CONGESTION
                                         : HF_WHY_PEER_WINDOW);
    assert_int_equal(why_of(&p).why, HF_WHY_CONGESTION);
    const hf_ns full_ns = p.now_ns;
    while (peer_count(&p, HF_CAUSE_RTO_BACKED_OFF) == 0) peer_run(&p, HF_MS);
    const hf_ns congested_ns = why_of(&p).for_ns[HF_WHY_CONGESTION];
    assert_in_range(congested_ns, p.now_ns - full_ns - HF_MS, p.now_ns - full_ns);
    assert_int_equal(why_of(&p).why, HF_WHY_RTO);
    peer_run(&p, 100 * HF_MS);
    assert_int_equal(why_of(&p).for_ns[HF_WHY_CONGESTION], congested_ns);
    peer_end(&p);
}

static void a_window_too_small_to_be_worth_a_segment_is_silly(void **state) {
    (void)state;
    peer p;
    begin_accounted(&p);
    p.window = 300;
    peer_says(&p, HFI_TCP_ACK, 0);
    app_queues(&p, 3000);
    peer_drain(&p);
    assert_int_equal(why_of(&p).why, HF_WHY_SILLY_WINDOW);
    peer_end(&p);
}

static void memory_of_our_own_is_named(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.segments = 1;
    peer_begin_with(&p, &config, false);
    peer_listen_and_accept_with(&p, &account);
    app_queues(&p, 1460);
    peer_drain(&p);
    app_queues(&p, 5000);
    peer_drain(&p);
    assert_int_equal(why_of(&p).why, HF_WHY_MEMORY);
    peer_end(&p);
}

/* A window of ten segments leaves over its round trip of 200 ms. */
static void pacing_is_named(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    const hf_tcp_options options = {.account = true, .congestion = HF_CONGESTION_CUBIC};
    peer_is_called_with(&p, &options);
    peer_run(&p, 200 * HF_MS);
    peer_answers_call(&p);
    bool paced = false;
    for (int i = 0; i < 40 && !paced; i++) {
        size_t taken;
        static const uint8_t text[30000];
        hf_send(&p.engine, p.conn, text, sizeof text, &taken);
        peer_drain(&p);
        paced = why_of(&p).why == HF_WHY_PACING;
        peer_run(&p, 20 * HF_MS);
        p.ack = peer_block(&p)->snd_nxt;
        peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 0);
        peer_forget(&p);
    }
    assert_true(paced);
    assert_true(why_of(&p).for_ns[HF_WHY_PACING] > 0);
    peer_end(&p);
}

static void the_books_are_closed_with_the_connection(void **state) {
    (void)state;
    peer p;
    begin_accounted(&p);
    const hf_ns open_ns = p.now_ns;
    peer_run(&p, 777 * HF_MS);
    peer_sends(&p, HFI_TCP_RST, p.seq, 0, 0);
    const hf_ns end_ns = p.now_ns;
    peer_run(&p, 9 * HF_SECOND);
    assert_int_equal(why_of(&p).total_ns, end_ns - open_ns);
    peer_end(&p);
}

/* Whatever happens: the sum of the reasons is the lifetime. */
static void the_sum_is_the_lifetime_over_a_random_life(void **state) {
    (void)state;
    uint64_t random = 5;
    peer p;
    begin_accounted(&p);
    const hf_ns open_ns = p.now_ns;
    for (int i = 0; i < 3000 && peer_state(&p) != HF_CLOSED; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        const uint32_t draw = (uint32_t)(random >> 33);
        size_t taken;
        if (draw % 3 == 0)
            hf_send(&p.engine, p.conn, "some twenty-two bytes.", draw / 3 % 23, &taken);
        if (draw % 5 != 0) peer_drain(&p);
        if (draw % 7 == 0) {
            const hfi_conn *conn = peer_block(&p);
            p.window = (uint16_t)(draw % 11 == 0 ? 0 : draw % 5000);
            peer_sends(&p, HFI_TCP_ACK, p.seq, conn->snd_una + draw % (hfi_in_flight(conn) + 1), 0);
        }
        hf_engine_step(&p.engine, p.now_ns += draw % 90000000, NULL, 0, NULL);
        const hf_not_sending why = why_of(&p);
        assert_int_equal(why.total_ns, p.now_ns - open_ns);
        peer_forget(&p);
    }
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_asked_before_the_handshake_is_done),
        cmocka_unit_test(each_reason_has_its_time_and_the_sum_is_the_whole),
        cmocka_unit_test(a_full_congestion_window_is_named_and_then_the_time_out),
        cmocka_unit_test(a_window_too_small_to_be_worth_a_segment_is_silly),
        cmocka_unit_test(memory_of_our_own_is_named),
        cmocka_unit_test(pacing_is_named),
        cmocka_unit_test(the_books_are_closed_with_the_connection),
        cmocka_unit_test(the_sum_is_the_lifetime_over_a_random_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
