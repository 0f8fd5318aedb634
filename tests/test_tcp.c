#include "rig.h"

static void handshake_takes_three_segments_and_both_are_established(void **state) {
    (void)state;
    rig r;
    rig_init(&r);
    hf_conn client, server;
    rig_connect(&r, NULL, &client, &server);
    assert_int_equal(rig_state(&r, 0, client), HF_ESTABLISHED);
    assert_int_equal(rig_state(&r, 1, server), HF_ESTABLISHED);
    assert_int_equal(r.sent[0], 2);
    assert_int_equal(r.sent[1], 1);
    rig_end(&r);
}

/* Moves `total` bytes from 0 to 1 and checks each; returns the virtual time it took. */
static hf_ns transfer(rig *r, hf_conn from, hf_conn to, uint32_t total) {
    uint8_t buffer[3000];
    uint32_t written = 0, read = 0;
    const hf_ns start_ns = r->now_ns;
    while (read < total) {
        while (written < total) {
            const uint32_t want = total - written < sizeof buffer ? total - written : sizeof buffer;
            for (uint32_t i = 0; i < want; i++)
                buffer[i] = (uint8_t)((written + i) * 7 + ((written + i) >> 8));
            size_t taken;
            if (hf_send(&r->engine[0], from, buffer, want, &taken) != HF_OK) break;
            written += (uint32_t)taken;
        }
        size_t got;
        while (hf_receive(&r->engine[1], to, buffer, sizeof buffer, &got) == HF_OK) {
            for (uint32_t i = 0; i < got; i++)
                assert_int_equal(buffer[i], (uint8_t)((read + i) * 7 + ((read + i) >> 8)));
            read += (uint32_t)got;
        }
        if (read < total) assert_true(rig_once(r, r->now_ns + 200 * HF_SECOND));
    }
    return r->now_ns - start_ns;
}

static void one_megabyte_arrives_whole(void **state) {
    (void)state;
    rig r;
    rig_init(&r);
    hf_conn client, server;
    rig_connect(&r, NULL, &client, &server);
    const hf_ns took = transfer(&r, client, server, 1000000);
    assert_true(took < 2 * HF_SECOND);
    rig_end(&r);
}

static void one_megabyte_arrives_whole_through_loss(void **state) {
    (void)state;
    rig r;
    rig_init(&r);
    hf_conn client, server;
    rig_connect(&r, NULL, &client, &server);
    r.filter = rig_lose_2_percent;
    const hf_ns took = transfer(&r, client, server, 1000000);
    assert_true(r.dropped > 5);
    assert_true(took < 60 * HF_SECOND);
    rig_end(&r);
}

static void who_closes_first_holds_time_wait(void **state) {
    (void)state;
    rig r;
    rig_init(&r);
    hf_conn client, server;
    rig_connect(&r, NULL, &client, &server);
    hf_close(&r.engine[0], client, NULL);
    rig_run(&r, HF_SECOND);
    size_t got;
    char byte;
    assert_int_equal(hf_receive(&r.engine[1], server, &byte, 1, &got), HF_END_OF_STREAM);
    assert_int_equal(rig_state(&r, 0, client), HF_FIN_WAIT_2);
    hf_close(&r.engine[1], server, NULL);
    rig_run(&r, HF_SECOND);
    hf_end end;
    assert_int_equal(hf_conn_end(&r.engine[0], client, &end), HF_OK);
    assert_int_equal(end.cause, HF_CAUSE_END_CLOSED);
    assert_int_equal(end.time_wait, HF_TW_US);
    assert_int_equal(hf_conn_end(&r.engine[1], server, &end), HF_OK);
    assert_int_equal(end.time_wait, HF_TW_PEER);
    assert_true(end.fin_acked && end.fin_heard);
    assert_int_equal(hf_cause_count(&r.engine[0], HF_CAUSE_TIME_WAIT_ENDED), 0);
    rig_run(&r, 61 * HF_SECOND);
    assert_int_equal(hf_cause_count(&r.engine[0], HF_CAUSE_TIME_WAIT_ENDED), 1);
    rig_end(&r);
}

static void a_silent_peer_is_noticed_within_the_bound_when_idle(void **state) {
    (void)state;
    rig r;
    rig_init(&r);
    hf_conn client, server;
    const hf_tcp_options options = {.detect_within_ns = 10 * HF_SECOND};
    rig_connect(&r, &options, &client, &server);
    rig_run(&r, 100 * HF_SECOND);
    assert_int_equal(rig_state(&r, 0, client), HF_ESTABLISHED);
    r.cut[0] = r.cut[1] = true;
    hf_conn_status status;
    hf_conn_status_get(&r.engine[0], client, &status);
    rig_run(&r, 30 * HF_SECOND);
    hf_end end;
    assert_int_equal(hf_conn_end(&r.engine[0], client, &end), HF_OK);
    assert_int_equal(end.cause, HF_CAUSE_END_PEER_SILENT);
    assert_int_equal(end.mechanism, HF_CAUSE_BY_DETECT_WITHIN);
    const hf_ns silence = end.at_ns - end.last_heard_ns;
    assert_true(silence >= 10 * HF_SECOND && silence < 10 * HF_SECOND + 10 * HF_MS);
    rig_end(&r);
}

static void a_silent_peer_is_noticed_within_the_bound_when_writing(void **state) {
    (void)state;
    rig r;
    rig_init(&r);
    hf_conn client, server;
    const hf_tcp_options options = {.detect_within_ns = 10 * HF_SECOND};
    rig_connect(&r, &options, &client, &server);
    hf_end end;
    for (int second = 0; second < 40; second++) {
        size_t taken;
        if (hf_send(&r.engine[0], client, "twenty bytes of text", 20, &taken) == HF_ENDED) break;
        if (second == 5) r.cut[0] = r.cut[1] = true;
        rig_run(&r, HF_SECOND);
    }
    assert_int_equal(hf_conn_end(&r.engine[0], client, &end), HF_OK);
    assert_int_equal(end.mechanism, HF_CAUSE_BY_DETECT_WITHIN);
    const hf_ns silence = end.at_ns - end.last_heard_ns;
    assert_true(silence >= 10 * HF_SECOND && silence < 10 * HF_SECOND + 10 * HF_MS);
    assert_int_equal(hf_cause_count(&r.engine[0], HF_CAUSE_SENT_KEEPALIVE), 0);
    rig_end(&r);
}

static void without_a_bound_a_writer_waits_a_quarter_of_an_hour(void **state) {
    (void)state;
    rig r;
    hf_config config;
    hf_config_default(&config);
    assert_int_equal(hf_config_profile(&config, "linux"), HF_OK);
    rig_init_with(&r, &config, &config);
    hf_conn client, server;
    const hf_tcp_options options = {.keepalive_idle_ns = 5 * HF_SECOND,
                                    .keepalive_interval_ns = 5 * HF_SECOND,
                                    .keepalive_count = 3};
    rig_connect(&r, &options, &client, &server);
    hf_ns cut_ns = 0;
    for (int second = 0; second < 1200; second++) {
        size_t taken;
        if (hf_send(&r.engine[0], client, "twenty bytes of text", 20, &taken) == HF_ENDED) break;
        if (second == 5) r.cut[0] = r.cut[1] = true, cut_ns = r.now_ns;
        rig_run(&r, HF_SECOND);
    }
    hf_end end;
    assert_int_equal(hf_conn_end(&r.engine[0], client, &end), HF_OK);
    assert_int_equal(end.cause, HF_CAUSE_END_PEER_SILENT);
    assert_int_equal(end.mechanism, HF_CAUSE_BY_RETRANSMIT_LIMIT);
    const double after = (double)(end.at_ns - cut_ns) / 1e9;
    assert_true(after > 900 && after < 980);
    assert_int_equal(hf_cause_count(&r.engine[0], HF_CAUSE_SENT_KEEPALIVE), 0);
    rig_end(&r);
}

static void a_closed_port_answers_reset_and_the_client_is_refused(void **state) {
    (void)state;
    rig r;
    rig_init(&r);
    hf_conn client;
    const hf_connect_options connect = {.remote = r.addr[1], .remote_port = 81};
    assert_int_equal(hf_connect(&r.engine[0], &connect, &client), HF_OK);
    rig_run(&r, HF_SECOND);
    hf_end end;
    assert_int_equal(hf_conn_end(&r.engine[0], client, &end), HF_OK);
    assert_int_equal(end.cause, HF_CAUSE_END_REFUSED);
    rig_end(&r);
}

static void a_closed_window_is_probed_and_a_live_peer_is_never_given_up(void **state) {
    (void)state;
    rig r;
    rig_init(&r);
    hf_conn client, server;
    const hf_tcp_options options = {.detect_within_ns = 10 * HF_SECOND, .send_bytes = 400000};
    rig_connect(&r, &options, &client, &server);
    static uint8_t data[400000];
    size_t taken, sent = 0;
    hf_send(&r.engine[0], client, data, sizeof data, &taken);
    sent += taken;
    rig_run(&r, 600 * HF_SECOND);
    assert_int_equal(rig_state(&r, 0, client), HF_ESTABLISHED);
    assert_true(hf_cause_count(&r.engine[0], HF_CAUSE_SENT_WINDOW_PROBE) > 5);
    size_t got, read = 0;
    while (read < sent) {
        while (hf_receive(&r.engine[1], server, data, sizeof data, &got) == HF_OK) read += got;
        if (read < sent) assert_true(rig_once(&r, r.now_ns + 100 * HF_SECOND));
    }
    rig_end(&r);
}

static void abort_resets_the_peer_and_says_what_it_threw_away(void **state) {
    (void)state;
    rig r;
    rig_init(&r);
    hf_conn client, server;
    rig_connect(&r, NULL, &client, &server);
    size_t taken;
    hf_send(&r.engine[0], client, "seven b", 7, &taken);
    assert_int_equal(hf_abort(&r.engine[0], client), HF_OK);
    rig_run(&r, HF_SECOND);
    hf_end end;
    assert_int_equal(hf_conn_end(&r.engine[0], client, &end), HF_OK);
    assert_int_equal(end.bytes_from_app - end.bytes_acked, 7);
    assert_int_equal(hf_conn_end(&r.engine[1], server, &end), HF_OK);
    assert_int_equal(end.cause, HF_CAUSE_END_PEER_RESET);
    rig_end(&r);
}

static void slots_of_ended_connections_are_used_again(void **state) {
    (void)state;
    rig r;
    rig_init(&r);
    for (int i = 0; i < 3000; i++) {
        hf_conn client, server;
        rig_connect(&r, NULL, &client, &server);
        hf_close(&r.engine[0], client, NULL);
        rig_run(&r, 40 * HF_MS);
        hf_close(&r.engine[1], server, NULL);
        rig_run(&r, 40 * HF_MS);
        assert_int_equal(hf_release(&r.engine[0], client), HF_OK);
        assert_int_equal(hf_release(&r.engine[1], server), HF_OK);
        assert_int_equal(hf_release(&r.engine[1], server), HF_STALE);
        hf_event event;
        while (hf_next_event(&r.engine[0], &event) || hf_next_event(&r.engine[1], &event)) {
        }
    }
    rig_end(&r);
}

static void a_port_is_listened_on_once_an_address(void **state) {
    (void)state;
    rig r;
    rig_init(&r);
    hf_listener first, second;
    const hf_listen_options any = {.port = 80}, one = {.local = r.addr[1], .port = 80};
    assert_int_equal(hf_listen(&r.engine[1], &any, &first), HF_OK);
    assert_int_equal(hf_listen(&r.engine[1], &any, &second), HF_PORT_IN_USE);
    assert_int_equal(hf_listen(&r.engine[1], &one, &second), HF_OK);
    assert_int_equal(hf_listener_close(&r.engine[1], first), HF_OK);
    assert_int_equal(hf_listen(&r.engine[1], &any, &first), HF_OK);
    rig_end(&r);
}

/* The first connections have all credits and keep them. */
static void who_came_late_still_talks_without_waiting(void **state) {
    (void)state;
    rig r;
    hf_config config;
    hf_config_default(&config);
    config.rx_chunks = 40;
    rig_init_with(&r, &config, &config);
    hf_conn client[12], server[12];
    const hf_tcp_options options = {.no_delay = true};
    for (int i = 0; i < 12; i++) rig_connect(&r, &options, &client[i], &server[i]);
    uint8_t message[70] = {3};
    size_t n;
    for (int i = 0; i < 12 * 40; i++) { /* the first of them open their windows and keep them */
        const hf_ns began_ns = r.now_ns;
        const hf_conn from = client[i / 40], to = server[i / 40];
        assert_int_equal(hf_send(&r.engine[0], from, message, sizeof message, &n), HF_OK);
        rig_run(&r, r.delay_ns);
        assert_int_equal(hf_receive(&r.engine[1], to, message, sizeof message, &n), HF_OK);
        assert_int_equal(n, sizeof message);
        assert_int_equal(hf_send(&r.engine[1], to, message, sizeof message, &n), HF_OK);
        rig_run(&r, r.delay_ns);
        assert_int_equal(hf_receive(&r.engine[0], from, message, sizeof message, &n), HF_OK);
        assert_int_equal(n, sizeof message);
        assert_int_equal(r.now_ns - began_ns, 2 * r.delay_ns);
    }
    rig_end(&r);
}

static void a_clock_that_steps_back_is_counted_and_not_followed(void **state) {
    (void)state;
    rig r;
    rig_init(&r);
    hf_engine_step(&r.engine[0], 9 * HF_SECOND, NULL, 0, NULL);
    hf_engine_step(&r.engine[0], 7 * HF_SECOND, NULL, 0, NULL);
    assert_int_equal(hf_engine_now(&r.engine[0]), 9 * HF_SECOND);
    assert_int_equal(hf_cause_count(&r.engine[0], HF_CAUSE_TIME_WENT_BACK), 1);
    rig_end(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake_takes_three_segments_and_both_are_established),
        cmocka_unit_test(one_megabyte_arrives_whole),
        cmocka_unit_test(one_megabyte_arrives_whole_through_loss),
        cmocka_unit_test(who_closes_first_holds_time_wait),
        cmocka_unit_test(a_silent_peer_is_noticed_within_the_bound_when_idle),
        cmocka_unit_test(a_silent_peer_is_noticed_within_the_bound_when_writing),
        cmocka_unit_test(without_a_bound_a_writer_waits_a_quarter_of_an_hour),
        cmocka_unit_test(a_closed_port_answers_reset_and_the_client_is_refused),
        cmocka_unit_test(a_closed_window_is_probed_and_a_live_peer_is_never_given_up),
        cmocka_unit_test(abort_resets_the_peer_and_says_what_it_threw_away),
        cmocka_unit_test(slots_of_ended_connections_are_used_again),
        cmocka_unit_test(who_came_late_still_talks_without_waiting),
        cmocka_unit_test(a_port_is_listened_on_once_an_address),
        cmocka_unit_test(a_clock_that_steps_back_is_counted_and_not_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
