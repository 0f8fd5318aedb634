/* Windows: RFC 9293 3.8.6. Zero windows and probes, both halves of silly window avoidance,
 * shrinking, scaling, and the right edge that never moves left. */
#include "peer.h"

static void update_window(peer *p, uint16_t window) {
    p->window = window;
    peer_says(p, HFI_TCP_ACK, 0);
}

static void acks_all(peer *p) {
    p->ack = peer_block(p)->snd_nxt;
    peer_says(p, HFI_TCP_ACK, 0);
}

/* ---- Zero windows ---- */

/* MUST-35, MUST-36, SHLD-29, SHLD-30: the first probe after an RTO, then at doubling waits. */
static void a_closed_window_is_probed_with_growing_waits(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    update_window(&p, 0);
    peer_app_sends(&p, 100);
    peer_expect_nothing(&p);
    const hf_ns began_ns = p.now_ns, rto_ns = peer_status(&p).rto_ns;
    hf_ns wait_ns = rto_ns, due_ns = began_ns;
    for (int i = 0; i < 5; i++) {
        due_ns += wait_ns;
        peer_run(&p, due_ns + 8 * HF_MS - p.now_ns);
        const peer_segment *probe = peer_expect(&p, HFI_TCP_ACK);
        assert_int_equal(probe->cause, HF_CAUSE_SENT_WINDOW_PROBE);
        assert_int_equal(probe->tcp.seq, p.ack - 1);
        assert_in_range(probe->at_ns, due_ns, due_ns + 8 * HF_MS);
        peer_expect_nothing(&p);
        peer_says(&p, HFI_TCP_ACK, 0);
        wait_ns *= 2;
    }
    peer_end(&p);
}

/* MUST-37, MAY-8, W01: as long as probes are answered it may stay closed for ever. */
static void a_peer_that_answers_probes_is_never_given_up(void **state) {
    (void)state;
    for (int with_bound = 0; with_bound < 2; with_bound++) {
        peer p;
        peer_begin(&p);
        const hf_tcp_options options = {.detect_within_ns = with_bound ? 20 * HF_SECOND : 0};
        peer_listen_and_accept_with(&p, &options);
        update_window(&p, 0);
        peer_app_sends(&p, 100);
        for (int i = 0; i < 20000; i++) {
            peer_forget(&p);
            peer_run(&p, HF_SECOND);
            if (p.out_count > 0) peer_says(&p, HFI_TCP_ACK, 0);
        }
        assert_int_equal(peer_state(&p), HF_ESTABLISHED);
        peer_end(&p);
    }
}

/* After hours of closed window a first loss must not count as the fifteenth. */
static void a_loss_after_a_long_closed_window_is_like_any_other(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    update_window(&p, 0);
    peer_app_sends(&p, 100);
    for (int i = 0; i < 3000; i++) {
        peer_forget(&p);
        peer_run(&p, HF_SECOND);
        if (p.out_count > 0) peer_says(&p, HFI_TCP_ACK, 0);
    }
    peer_forget(&p);
    update_window(&p, 5000);
    assert_int_equal(peer_expect(&p, HFI_TCP_ACK)->tcp.payload_bytes, 100);
    peer_run(&p, 1500 * HF_MS);
    assert_int_equal(peer_expect(&p, HFI_TCP_ACK)->cause, HF_CAUSE_SENT_RETRANSMISSION_RTO);
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    peer_end(&p);
}

/* A FIN takes a sequence number too: it waits for a window, and does not count as lost. */
static void a_fin_waits_for_the_window_and_a_live_peer_is_not_given_up(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    update_window(&p, 0);
    assert_int_equal(hf_shutdown(&p.engine, p.conn), HF_OK);
    peer_drain(&p);
    peer_expect_nothing(&p);
    for (int i = 0; i < 5000; i++) {
        peer_run(&p, HF_SECOND);
        for (const peer_segment *out; (out = peer_next(&p)) != NULL;)
            assert_int_equal(out->cause, HF_CAUSE_SENT_WINDOW_PROBE);
        if (p.out_count > 0) peer_says(&p, HFI_TCP_ACK, 0);
        peer_forget(&p);
    }
    update_window(&p, 1);
    peer_expect(&p, HFI_TCP_FIN | HFI_TCP_ACK);
    peer_end(&p);
}

/* W03 */
static void a_lost_window_update_is_found_by_a_probe(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    update_window(&p, 0);
    peer_app_sends(&p, 300);
    peer_run(&p, HF_SECOND);
    peer_forget(&p);
    update_window(&p, 4000); /* as the answer to a probe */
    assert_int_equal(peer_expect(&p, HFI_TCP_ACK)->tcp.payload_bytes, 300);
    peer_end(&p);
}

/* ---- Shrinking, MUST-34 ---- */

/* SHLD-15, SHLD-16, MAY-7 */
static void a_shrunk_window_stops_new_data_but_not_what_was_sent(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_app_sends(&p, 8000);
    peer_forget(&p);
    update_window(&p, 2000);
    peer_app_sends(&p, 3000);
    peer_expect_nothing(&p);
    peer_run(&p, peer_status(&p).rto_ns + 5 * HF_MS);
    assert_int_equal(peer_expect(&p, HFI_TCP_ACK)->tcp.seq, p.ack);
    peer_end(&p);
}

/* SHLD-17, MUST-37: shrunk to nothing with data in flight, and the peer answers. */
static void a_live_peer_that_shrank_its_window_to_nothing_is_not_given_up(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_app_sends(&p, 5000);
    update_window(&p, 0);
    for (int i = 0; i < 5000; i++) {
        peer_forget(&p);
        peer_run(&p, HF_SECOND);
        if (p.out_count > 0) peer_says(&p, HFI_TCP_ACK, 0);
    }
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    peer_forget(&p);
    peer_run(&p, 61 * HF_SECOND);
    assert_true(p.out_count > 0);
    peer_end(&p);
}

static void a_dead_peer_that_shrank_its_window_is_given_up(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_app_sends(&p, 5000);
    update_window(&p, 0);
    peer_run(&p, 3000 * HF_SECOND);
    assert_int_equal(peer_conn_end(&p).cause, HF_CAUSE_END_PEER_SILENT);
    peer_end(&p);
}

/* ---- Sender's silly windows, MUST-38, W04, and Nagle ---- */

static void tiny_windows_are_not_filled_at_once(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_app_sends(&p, 20000);
    peer_forget(&p);
    p.window = 100;
    acks_all(&p); /* 100 bytes of window are less than a segment and half the largest */
    peer_expect_nothing(&p);
    peer_run(&p, 1200 * HF_MS); /* the override timer */
    const peer_segment *out = peer_expect(&p, HFI_TCP_ACK);
    assert_int_equal(out->tcp.payload_bytes, 100);
    peer_end(&p);
}

/* SHLD-7, MUST-17 */
static void nagle_keeps_a_second_small_segment_back_unless_switched_off(void **state) {
    (void)state;
    for (int no_delay = 0; no_delay < 2; no_delay++) {
        peer p;
        peer_begin(&p);
        const hf_tcp_options options = {.no_delay = no_delay == 1};
        peer_listen_and_accept_with(&p, &options);
        peer_app_sends(&p, 10);
        peer_app_sends(&p, 20);
        assert_int_equal(p.out_count, no_delay ? 2 : 1);
        peer_forget(&p);
        acks_all(&p);
        if (!no_delay) assert_int_equal(peer_expect(&p, HFI_TCP_ACK)->tcp.payload_bytes, 20);
        peer_end(&p);
    }
}

/* SHLD-28, MUST-61, SHLD-27: full segments, PSH on the last. */
static void many_small_writes_leave_as_full_segments_pushed_at_the_end(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_app_sends(&p, 10);
    static const uint8_t text[146];
    size_t taken;
    for (int i = 0; i < 30; i++) hf_send(&p.engine, p.conn, text, sizeof text, &taken);
    peer_forget(&p);
    acks_all(&p);
    for (int i = 0; i < 3; i++) {
        const peer_segment *out = peer_expect(&p, HFI_TCP_ACK);
        assert_int_equal(out->tcp.payload_bytes, 1460);
        assert_int_equal((out->tcp.flags & HFI_TCP_PSH) != 0, i == 2);
    }
    peer_expect_nothing(&p);
    peer_end(&p);
}

/* ---- Our window ---- */

/* MUST-39 and SHLD-14: what is told grows by a segment or half the buffer, and never moves left. */
static void the_right_edge_never_moves_left_and_no_tiny_step_is_told(void **state) {
    (void)state;
    for (int scaled = 0; scaled < 2; scaled++) {
        peer p;
        peer_begin(&p);
        if (scaled) p.syn_options.present |= HFI_OPT_WSCALE, p.syn_options.wscale = 2;
        const hf_tcp_options options = {.receive_bytes = scaled ? 3000017 : 40001};
        peer_listen_and_accept_with(&p, &options);
        const uint32_t shift = peer_block(&p)->rcv_wscale;
        assert_int_equal(shift > 4, scaled);
        hf_seq edge = p.seq;
        bool first = true;
        for (uint32_t i = 0; i < 3000; i++) {
            const uint32_t window = peer_status(&p).our_window_bytes;
            const uint32_t size = 1 + i * 37 % 1460;
            if (window > 0) peer_says(&p, HFI_TCP_ACK, size < window ? size : window);
            uint8_t buffer[600];
            size_t got;
            if (i % 3 != 0) hf_receive(&p.engine, p.conn, buffer, 1 + i * 13 % 600, &got);
            peer_drain(&p);
            for (const peer_segment *out; (out = peer_next(&p)) != NULL; first = false) {
                const hf_seq told = out->tcp.ack + ((uint32_t)out->tcp.window << shift);
                assert_true(hf_seq_le(edge, told));
                if (told - edge >= 1u << shift && !first)
                    assert_true(told - edge >= 536); /* Fr*RCV.BUFF or Eff.MSS */
                edge = told;
            }
            peer_forget(&p);
            peer_run(&p, 50 * HF_MS);
        }
        peer_end(&p);
    }
}

/* Rounding up to the window's unit must not keep it open for ever. */
static void tiny_segments_do_not_outgrow_the_limit(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    p.syn_options.present |= HFI_OPT_WSCALE;
    const hf_tcp_options options = {.receive_bytes = 200000};
    peer_listen_and_accept_with(&p, &options);
    assert_true(peer_block(&p)->rcv_wscale > 0);
    while (peer_status(&p).our_window_bytes > 1000)
        peer_says(&p, HFI_TCP_ACK, 999), peer_forget(&p);
    for (int i = 0; i < 30000; i++) {
        if (peer_status(&p).our_window_bytes > 0) peer_says(&p, HFI_TCP_ACK, 1);
        peer_forget(&p);
    }
    assert_true(peer_status(&p).readable_bytes <= 200000 / 16 * 17 + 4);
    peer_end(&p);
}

/* Trap 11, RFC 7323 2.2: the window of a SYN is not scaled, all others are. */
static void windows_of_syns_are_not_scaled(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    p.syn_options.present |= HFI_OPT_WSCALE;
    p.syn_options.wscale = 7;
    p.window = 500;
    peer_is_called(&p);
    peer_answers_call(&p);
    assert_int_equal(peer_status(&p).peer_window_bytes, 500);
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(peer_status(&p).peer_window_bytes, 500 << 7);
    peer_end(&p);
}

/* W05, MUST-1, REC-1 */
static void the_largest_window_is_handled(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    p.syn_options.present |= HFI_OPT_WSCALE;
    p.syn_options.wscale = 255; /* P10: taken as 14 */
    p.window = 65535;
    peer_listen_and_accept(&p);
    assert_int_equal(peer_status(&p).peer_window_bytes, 65535u << 14);
    peer_app_sends(&p, 50000);
    assert_int_equal(p.out_count, 10);
    peer_end(&p);
}

/* W07: a probe while we are full. */
static void a_full_receiver_answers_probes_and_keeps_no_byte(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    const hf_tcp_options options = {.receive_bytes = 2000};
    peer_listen_and_accept_with(&p, &options);
    for (uint32_t left; (left = peer_status(&p).our_window_bytes) > 0;)
        peer_says(&p, HFI_TCP_ACK, left < 700 ? left : 700);
    const uint32_t had = peer_status(&p).readable_bytes;
    peer_forget(&p);
    for (int i = 0; i < 5; i++) {
        peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 1);
        assert_int_equal(peer_expect_ack(&p, p.seq)->tcp.window, 0);
        peer_sends(&p, HFI_TCP_ACK, p.seq - 1, p.ack, 0);
        assert_int_equal(peer_expect_ack(&p, p.seq)->tcp.window, 0);
    }
    peer_app_reads(&p, 0, had);
    assert_true(peer_expect_ack(&p, p.seq)->tcp.window > 0); /* the update */
    peer_end(&p);
}

/* RFC 9293 3.10.7.4: with a closed window the ACK of a segment still counts. */
static void a_full_receiver_still_takes_acks(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    const hf_tcp_options options = {.receive_bytes = 2000};
    peer_listen_and_accept_with(&p, &options);
    for (uint32_t left; (left = peer_status(&p).our_window_bytes) > 0;)
        peer_says(&p, HFI_TCP_ACK, left < 700 ? left : 700);
    peer_app_sends(&p, 50);
    peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack + 50, 9);
    assert_int_equal(peer_status(&p).in_flight_bytes, 0);
    peer_end(&p);
}

/* S09 */
static void data_past_the_right_edge_is_trimmed(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    const hf_tcp_options options = {.receive_bytes = 2000};
    peer_listen_and_accept_with(&p, &options);
    const uint32_t window = peer_status(&p).our_window_bytes;
    peer_sends(&p, HFI_TCP_ACK | HFI_TCP_FIN, p.seq, p.ack, window + 500);
    assert_int_equal(peer_status(&p).readable_bytes, window);
    assert_int_equal(peer_state(&p), HF_ESTABLISHED); /* its FIN lies beyond */
    peer_app_reads(&p, 0, window);
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_closed_window_is_probed_with_growing_waits),
        cmocka_unit_test(a_peer_that_answers_probes_is_never_given_up),
        cmocka_unit_test(a_loss_after_a_long_closed_window_is_like_any_other),
        cmocka_unit_test(a_fin_waits_for_the_window_and_a_live_peer_is_not_given_up),
        cmocka_unit_test(a_lost_window_update_is_found_by_a_probe),
        cmocka_unit_test(a_shrunk_window_stops_new_data_but_not_what_was_sent),
        cmocka_unit_test(a_live_peer_that_shrank_its_window_to_nothing_is_not_given_up),
        cmocka_unit_test(a_dead_peer_that_shrank_its_window_is_given_up),
        cmocka_unit_test(tiny_windows_are_not_filled_at_once),
        cmocka_unit_test(nagle_keeps_a_second_small_segment_back_unless_switched_off),
        cmocka_unit_test(many_small_writes_leave_as_full_segments_pushed_at_the_end),
        cmocka_unit_test(the_right_edge_never_moves_left_and_no_tiny_step_is_told),
        cmocka_unit_test(tiny_segments_do_not_outgrow_the_limit),
        cmocka_unit_test(windows_of_syns_are_not_scaled),
        cmocka_unit_test(the_largest_window_is_handled),
        cmocka_unit_test(a_full_receiver_answers_probes_and_keeps_no_byte),
        cmocka_unit_test(a_full_receiver_still_takes_acks),
        cmocka_unit_test(data_past_the_right_edge_is_trimmed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
