/* Urgent data, RFC 9293 3.8.5: MUST-30 to MUST-33, MUST-62, MUST-66; RFC 6093. */
#include "peer.h"

static size_t app_sends_urgent(peer *p, uint32_t bytes) {
    static const uint8_t text[70000];
    size_t taken = 0;
    assert_int_equal(hf_send_urgent(&p->engine, p->conn, text, bytes, &taken), HF_OK);
    peer_drain(p);
    return taken;
}

/* The peer's bytes, the urgent ones ending `mark` after the first. */
static void peer_says_urgent(peer *p, hf_seq seq, uint32_t bytes, uint16_t mark) {
    peer_send_view(p, (hfi_tcp_view){.flags = HFI_TCP_ACK | HFI_TCP_URG,
                                     .seq = seq,
                                     .ack = p->ack,
                                     .window = p->window,
                                     .urgent = mark,
                                     .payload_bytes = bytes});
    peer_drain(p);
}

static bool told(peer *p) { return peer_event(p, HF_OBJECT_CONN, HF_EVENT_URGENT); }

/* ---- Sent ---- */

/* MUST-62: the pointer is the distance to the octet after the urgent data. */
static void urgent_data_is_marked_by_its_end(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept_with(&p, &(hf_tcp_options){.no_delay = true});
    assert_int_equal(app_sends_urgent(&p, 5), 5);
    const peer_segment *out = peer_expect(&p, HFI_TCP_ACK | HFI_TCP_URG);
    assert_int_equal(out->tcp.payload_bytes, 5);
    assert_int_equal(out->tcp.urgent, 5);
    peer_app_sends(&p, 7); /* what follows is not urgent */
    assert_int_equal(peer_expect(&p, HFI_TCP_ACK)->tcp.payload_bytes, 7);
    p.ack += 12;
    peer_says(&p, HFI_TCP_ACK, 3);
    assert_int_equal(peer_expect_ack(&p, p.seq)->tcp.urgent, 0);
    assert_int_equal(peer_ctx(&p)->root->watch_pool.used, 0); /* it is over */
    peer_end(&p);
}

static void each_segment_before_the_mark_points_at_it_and_so_does_a_retransmission(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept_with(&p, &(hf_tcp_options){.no_delay = true});
    assert_int_equal(app_sends_urgent(&p, 3000), 3000);
    for (uint32_t sent = 0; sent < 3000;) {
        const peer_segment *out = peer_expect(&p, HFI_TCP_ACK | HFI_TCP_URG);
        assert_int_equal(out->tcp.urgent, 3000 - sent);
        sent += out->tcp.payload_bytes;
    }
    peer_app_sends(&p, 11);
    assert_int_equal(peer_expect(&p, HFI_TCP_ACK)->tcp.urgent, 0);
    p.ack += 1460;
    peer_says(&p, HFI_TCP_ACK, 0);
    peer_forget(&p);
    peer_run(&p, 3 * HF_SECOND);
    for (size_t i = 0; i < p.out_count; i++) {
        const hfi_tcp_view *seg = &p.out[i].tcp;
        const bool before = hf_seq_lt(seg->seq, p.ack + 1540);
        assert_int_equal((seg->flags & HFI_TCP_URG) != 0, before);
        if (before) assert_int_equal(seg->urgent, p.ack + 1540 - seg->seq);
    }
    assert_true(p.out_count > 0);
    peer_end(&p);
}

/* A super-segment's pieces would all have the first one's pointer. */
static void urgent_data_leaves_in_plain_segments(void **state) {
    (void)state;
    peer p;
    const hf_config config = peer_config();
    const hf_interface_options link = {
        .link = HF_LINK_IP, .mtu = 1500, .auto_done = true, .gso_max_bytes = 65535};
    peer_begin_on(&p, &config, false, &link);
    peer_listen_and_accept(&p);
    peer_app_sends(&p, 5840);
    assert_true(peer_expect(&p, HFI_TCP_ACK)->tcp.payload_bytes > 1460); /* it could */
    p.ack += 5840;
    peer_says(&p, HFI_TCP_ACK, 0);
    app_sends_urgent(&p, 4380);
    for (uint32_t i = 0; i < 3; i++) {
        const peer_segment *out = peer_expect(&p, HFI_TCP_ACK | HFI_TCP_URG);
        assert_int_equal(out->tcp.payload_bytes, 1460);
        assert_int_equal(out->tcp.urgent, 4380 - 1460 * i);
    }
    peer_end(&p);
}

/* MUST-31: of any length; the field reaches over 65,535 octets, then it moves along. */
static void a_mark_beyond_the_field_is_told_as_far_as_it_reaches(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_offers_everything(&p);
    p.window = 2000; /* 256,000 */
    peer_listen_and_accept_with(&p, &(hf_tcp_options){.send_bytes = 100000});
    static const uint8_t text[70000];
    size_t taken;
    assert_int_equal(hf_send_urgent(&p.engine, p.conn, text, 70000, &taken), HF_OK);
    assert_int_equal(taken, 70000);
    peer_drain(&p);
    uint32_t sent = 0;
    for (uint32_t round = 0; round < 40 && sent < 70000; round++) {
        for (const peer_segment *out; (out = peer_next(&p)) != NULL;) {
            const uint32_t left = 70000 - sent;
            assert_true((out->tcp.flags & HFI_TCP_URG) != 0);
            assert_int_equal(out->tcp.urgent, left < 65535 ? left : 65535);
            sent += out->tcp.payload_bytes;
            p.ack = out->tcp.seq + out->tcp.payload_bytes;
        }
        peer_forget(&p);
        peer_run(&p, 10 * HF_MS);
        if (p.out_count == 0) peer_says(&p, HFI_TCP_ACK, 0);
    }
    assert_int_equal(sent, 70000);
    peer_end(&p);
}

/* MUST-66, our side: the peer learns of it though its window is closed. */
static void a_closed_window_does_not_keep_the_mark_back(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    p.window = 0;
    peer_says(&p, HFI_TCP_ACK, 2);
    peer_run(&p, HF_SECOND / 2);
    peer_forget(&p);
    assert_int_equal(app_sends_urgent(&p, 13), 13);
    const peer_segment *out = peer_expect(&p, HFI_TCP_ACK | HFI_TCP_URG);
    assert_int_equal(out->cause, HF_CAUSE_SENT_URGENT);
    assert_int_equal(out->tcp.payload_bytes, 0);
    assert_int_equal(out->tcp.seq, p.ack);
    assert_int_equal(out->tcp.urgent, 13);
    peer_end(&p);
}

static void a_later_mark_takes_the_place_of_the_first(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    p.window = 0;
    peer_says(&p, HFI_TCP_ACK, 2);
    app_sends_urgent(&p, 13);
    peer_app_sends(&p, 100);
    app_sends_urgent(&p, 17);
    peer_forget(&p);
    p.window = 60000;
    peer_says(&p, HFI_TCP_ACK, 0);
    const peer_segment *out = peer_expect(&p, HFI_TCP_ACK | HFI_TCP_URG);
    assert_int_equal(out->tcp.payload_bytes, 130);
    assert_int_equal(out->tcp.urgent, 130);
    peer_end(&p);
}

static void without_a_watch_urgent_data_is_refused(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.watches = 0;
    peer_begin_with(&p, &config, false);
    peer_listen_and_accept(&p);
    size_t taken = 9;
    assert_int_equal(hf_send_urgent(&p.engine, p.conn, "now", 3, &taken), HF_NO_MEMORY);
    assert_int_equal(taken, 0);
    peer_expect_nothing(&p);
    assert_int_equal(hf_shutdown(&p.engine, p.conn), HF_OK);
    assert_int_equal(hf_send_urgent(&p.engine, p.conn, "now", 3, &taken), HF_STATE);
    peer_end(&p);
}

/* ---- Received ---- */

/* MUST-32, MUST-33: told at once, and how far it reaches. */
static void the_application_learns_of_the_mark_and_how_far_it_is(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    told(&p);
    peer_says_urgent(&p, p.seq, 7, 20); /* 13 have still to come */
    p.seq += 7;
    assert_true(told(&p));
    assert_int_equal(peer_count(&p, HF_CAUSE_URGENT_HEARD), 1);
    assert_int_equal(peer_status(&p).urgent_bytes, 20);
    peer_app_reads(&p, 0, 7);
    assert_int_equal(peer_status(&p).urgent_bytes, 13);
    peer_says_urgent(&p, p.seq, 13, 13); /* the same mark again */
    p.seq += 13;
    assert_false(told(&p));
    peer_app_reads(&p, 7, 13); /* RFC 6093: all of it in line */
    assert_int_equal(peer_status(&p).urgent_bytes, 0);
    peer_says(&p, HFI_TCP_ACK, 3);
    assert_int_equal(peer_ctx(&p)->root->watch_pool.used, 0);
    peer_end(&p);
}

static void a_mark_that_moves_on_is_told_again_one_that_does_not_is_not(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_says_urgent(&p, p.seq, 10, 10);
    assert_true(told(&p));
    peer_says_urgent(&p, p.seq, 10, 4); /* goes back: as if never said */
    assert_false(told(&p));
    assert_int_equal(peer_status(&p).urgent_bytes, 10);
    peer_says_urgent(&p, p.seq + 10, 5, 5);
    assert_true(told(&p));
    assert_int_equal(peer_status(&p).urgent_bytes, 15);
    p.seq += 15;
    peer_app_reads(&p, 0, 15);
    peer_says_urgent(&p, p.seq, 0, 0); /* points at nothing new */
    assert_false(told(&p));
    peer_says_urgent(&p, p.seq, 1, 1); /* new, after the old was read */
    assert_true(told(&p));
    peer_end(&p);
}

/* MUST-66: the URG field counts though nothing else has room. */
static void a_mark_counts_while_our_window_is_closed(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept_with(&p, &(hf_tcp_options){.receive_bytes = 2000});
    peer_says(&p, HFI_TCP_ACK, 1460);
    peer_says(&p, HFI_TCP_ACK, 540);
    assert_int_equal(peer_status(&p).our_window_bytes, 0);
    told(&p);
    peer_says_urgent(&p, p.seq, 0, 6);
    assert_true(told(&p));
    assert_int_equal(peer_status(&p).urgent_bytes, 2006);
    peer_end(&p);
}

static void an_urgent_pointer_outside_the_window_or_after_the_fin_says_nothing(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    told(&p);
    peer_says_urgent(&p, p.seq - 9, 4, 60);
    assert_false(told(&p));
    peer_send_view(&p, (hfi_tcp_view){.flags = HFI_TCP_ACK, /* no URG: the field is noise */
                                      .seq = p.seq,
                                      .ack = p.ack,
                                      .window = p.window,
                                      .urgent = 9});
    assert_false(told(&p));
    peer_says(&p, HFI_TCP_FIN | HFI_TCP_ACK, 0);
    peer_says_urgent(&p, p.seq, 0, 8);
    assert_false(told(&p));
    assert_int_equal(peer_status(&p).urgent_bytes, 0);
    peer_end(&p);
}

/* A stranger's marks leave a quarter of the watches to those who asked for one. */
static void peers_cannot_take_all_watches(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.watches = 4;
    peer_begin_with(&p, &config, false);
    peer_listens_with(&p, &(hf_listen_options){.port = 80});
    for (uint16_t i = 0; i < 5; i++) {
        p.their_port = (uint16_t)(2000 + i);
        peer_handshake(&p);
        assert_int_equal(hf_accept(&p.engine, p.listener, &p.conn), HF_OK);
        told(&p);
        peer_says_urgent(&p, p.seq, 3, 3);
        assert_true(told(&p)); /* told all the same */
        assert_int_equal(peer_status(&p).urgent_bytes, i < 3 ? 3 : 0);
        peer_forget(&p);
    }
    assert_int_equal(peer_ctx(&p)->root->watch_pool.used, 3);
    assert_int_equal(app_sends_urgent(&p, 2), 2);
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urgent_data_is_marked_by_its_end),
        cmocka_unit_test(each_segment_before_the_mark_points_at_it_and_so_does_a_retransmission),
        cmocka_unit_test(urgent_data_leaves_in_plain_segments),
        cmocka_unit_test(a_mark_beyond_the_field_is_told_as_far_as_it_reaches),
        cmocka_unit_test(a_closed_window_does_not_keep_the_mark_back),
        cmocka_unit_test(a_later_mark_takes_the_place_of_the_first),
        cmocka_unit_test(without_a_watch_urgent_data_is_refused),
        cmocka_unit_test(the_application_learns_of_the_mark_and_how_far_it_is),
        cmocka_unit_test(a_mark_that_moves_on_is_told_again_one_that_does_not_is_not),
        cmocka_unit_test(a_mark_counts_while_our_window_is_closed),
        cmocka_unit_test(an_urgent_pointer_outside_the_window_or_after_the_fin_says_nothing),
        cmocka_unit_test(peers_cannot_take_all_watches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
