/* Every pool exhausted in turn (R03): nothing is lost, nothing crashes, all comes back. */
#include "peer.h"

static void expect_all_given_back(peer *p) {
    const hfi_root *root = peer_ctx(p)->root;
    assert_int_equal(root->rx_pool.used, 0);
    assert_int_equal(root->tx_pool.used, 0);
    assert_int_equal(root->segment_pool.used, 0);
    assert_int_equal(root->range_pool.used, 0);
    assert_int_equal(root->flight_pool.used, 0);
    assert_int_equal(root->syn_pool.used, 0);
    assert_int_equal(root->conn_pool.used, 0);
    assert_int_equal(root->live, 0);
    assert_int_equal(root->rx_granted_bytes, 0);
    assert_int_equal(hfi_of(&p->engine)->state->slot_pool.used, 0);
}

/* Ends the connection in order, whatever it did before, and frees it. */
static void finish(peer *p) {
    peer_sends(p, HFI_TCP_RST, peer_block(p)->rcv_nxt, 0, 0);
    assert_int_equal(hf_release(&p->engine, p->conn), HF_OK);
    peer_drain(p);
    peer_event(p, HF_OBJECT_CONN, 0);
}

/* The engine sends `total` bytes; the peer takes what comes in order and acknowledges. */
static void stream_out(peer *p, uint32_t total) {
    static const uint8_t text[4000];
    uint32_t written = 0;
    const hf_seq end = p->ack + total;
    for (int round = 0; p->ack != end && round < 5000; round++) {
        size_t taken = 0;
        const uint32_t want = total - written < sizeof text ? total - written : sizeof text;
        hf_send(&p->engine, p->conn, text, want, &taken);
        written += (uint32_t)taken;
        peer_drain(p);
        bool any = false;
        for (const peer_segment *out; (out = peer_next(p)) != NULL;) {
            any = true;
            if (out->tcp.seq == p->ack) p->ack += out->tcp.payload_bytes;
        }
        peer_forget(p);
        if (any)
            peer_says(p, HFI_TCP_ACK, 0);
        else
            peer_run(p, HF_SECOND);
    }
    assert_int_equal(end - p->ack, 0);
}

static void begin(peer *p, const hf_config *config) {
    peer_begin_with(p, config, false);
    p->syn_options.present |= HFI_OPT_SACK_PERMITTED;
}

static void two_frames_are_enough(void **state) {
    (void)state;
    hf_config config = peer_config();
    config.tx_frames = 2;
    peer p;
    begin(&p, &config);
    peer_listen_and_accept(&p);
    stream_out(&p, 300000);
    finish(&p);
    expect_all_given_back(&p);
    peer_end(&p);
}

static void one_segment_descriptor_is_enough(void **state) {
    (void)state;
    hf_config config = peer_config();
    config.segments = 1;
    peer p;
    begin(&p, &config);
    peer_listen_and_accept(&p);
    stream_out(&p, 60000);
    hf_shutdown(&p.engine, p.conn);
    peer_drain(&p);
    peer_expect(&p, HFI_TCP_FIN | HFI_TCP_ACK);
    finish(&p);
    expect_all_given_back(&p);
    peer_end(&p);
}

static void two_chunks_are_enough_to_send(void **state) {
    (void)state;
    hf_config config = peer_config();
    config.tx_chunks = 2;
    config.chunk_bytes = 256;
    peer p;
    begin(&p, &config);
    peer_listen_and_accept(&p);
    stream_out(&p, 60000);
    finish(&p);
    expect_all_given_back(&p);
    peer_end(&p);
}

/* With one flight block, who comes second sends when the first is done. */
static void flights_are_used_in_turn(void **state) {
    (void)state;
    hf_config config = peer_config();
    config.flights = 1;
    peer p;
    begin(&p, &config);
    peer_listen_and_accept(&p);
    const hf_conn first = p.conn;
    const hf_seq first_seq = p.seq, first_ack = p.ack;
    p.their_port = 2222;
    p.iss = 55;
    peer_handshake(&p);
    assert_int_equal(hf_accept(&p.engine, p.listener, &p.conn), HF_OK);
    size_t taken;
    hf_send(&p.engine, first, "first", 5, &taken);
    hf_send(&p.engine, p.conn, "second", 6, &taken);
    peer_drain(&p);
    assert_int_equal(peer_expect(&p, HFI_TCP_ACK)->tcp.payload_bytes, 5);
    peer_expect_nothing(&p);
    p.their_port = 4321;
    peer_sends(&p, HFI_TCP_ACK, first_seq, first_ack + 5, 0);
    p.their_port = 2222;
    peer_run(&p, 2 * HF_SECOND);
    assert_int_equal(peer_expect(&p, HFI_TCP_ACK)->tcp.payload_bytes, 6);
    finish(&p);
    p.conn = first;
    p.their_port = 4321;
    finish(&p);
    expect_all_given_back(&p);
    peer_end(&p);
}

/* Without a descriptor nothing left; then the window closes: it must be probed all the same. */
static void who_starved_still_probes_a_closed_window(void **state) {
    (void)state;
    hf_config config = peer_config();
    config.segments = 1;
    peer p;
    begin(&p, &config);
    peer_listen_and_accept(&p);
    peer_app_sends(&p, 1460);
    peer_app_sends(&p, 3000); /* finds no descriptor */
    peer_forget(&p);
    p.ack += 1460;
    p.window = 0;
    peer_says(&p, HFI_TCP_ACK, 0);
    peer_forget(&p);
    peer_run(&p, 5 * HF_SECOND);
    assert_int_equal(peer_expect(&p, HFI_TCP_ACK)->cause, HF_CAUSE_SENT_WINDOW_PROBE);
    peer_end(&p);
}

/* Ranges: out-of-order segments of one byte each, every other byte, from the right (S05). */
static void out_of_order_data_is_bounded(uint32_t ranges, uint32_t chunks, uint32_t chunk_bytes) {
    hf_config config = peer_config();
    config.ranges = ranges;
    config.rx_chunks = chunks;
    config.chunk_bytes = chunk_bytes;
    peer p;
    begin(&p, &config);
    peer_listen_and_accept(&p);
    const uint32_t window = peer_status(&p).our_window_bytes;
    const uint32_t reach = window < 9000 ? window : 9000;
    for (uint32_t i = 1; i < reach; i += 2) {
        peer_sends(&p, HFI_TCP_ACK, p.seq + reach - i, p.ack, 1);
        peer_forget(&p);
    }
    uint32_t left = reach;
    for (int round = 0; left > 0 && round < 2000; round++) { /* then all of it, in order */
        const hf_seq nxt = peer_block(&p)->rcv_nxt;
        const uint32_t want = left < 700 ? left : 700;
        peer_sends(&p, HFI_TCP_ACK, nxt, p.ack, want);
        peer_forget(&p);
        const uint32_t got = peer_status(&p).readable_bytes;
        assert_true(got > 0); /* trap 13: what fills the first gap always gets in */
        peer_app_reads(&p, reach - left, got);
        left -= got;
        peer_forget(&p);
    }
    assert_int_equal(left, 0);
    assert_int_equal(peer_ctx(&p)->root->rx_pool.used, 0);
    assert_int_equal(peer_ctx(&p)->root->range_pool.used, 0);
    finish(&p);
    expect_all_given_back(&p);
    peer_end(&p);
}

static void out_of_order_data_never_keeps_in_order_data_out(void **state) {
    (void)state;
    out_of_order_data_is_bounded(4096, 1024, 4096);
    out_of_order_data_is_bounded(3, 1024, 256);
    out_of_order_data_is_bounded(64, 8, 256);
    out_of_order_data_is_bounded(64, 2, 256);
    out_of_order_data_is_bounded(1, 20, 512);
}

static void connections_and_option_sets_run_out_with_an_error_each(void **state) {
    (void)state;
    hf_config config = peer_config();
    config.conns = 5;
    config.option_sets = 3;
    peer p;
    begin(&p, &config);
    hf_connect_options connect = {.remote = p.them, .remote_port = 9000};
    hf_conn conns[5], other;
    for (uint32_t i = 0; i < 3; i++) {
        connect.tcp.send_bytes = 1000 + i;
        assert_int_equal(hf_connect(&p.engine, &connect, &conns[i]), HF_OK);
    }
    connect.tcp.send_bytes = 77;
    assert_int_equal(hf_connect(&p.engine, &connect, &other), HF_NO_OPTION_SLOT);
    connect.tcp.send_bytes = 1000;
    assert_int_equal(hf_connect(&p.engine, &connect, &conns[3]), HF_OK);
    assert_int_equal(hf_connect(&p.engine, &connect, &conns[4]), HF_OK);
    assert_int_equal(hf_connect(&p.engine, &connect, &other), HF_NO_CONNECTION_SLOT);
    for (int i = 0; i < 5; i++) assert_int_equal(hf_release(&p.engine, conns[i]), HF_OK);
    peer_drain(&p);
    peer_event(&p, HF_OBJECT_CONN, 0);
    expect_all_given_back(&p);
    for (uint32_t i = 0; i < 3; i++) assert_int_equal(peer_ctx(&p)->option_sets[i].uses, 0);
    peer_end(&p);
}

/* R05 */
static void when_ports_are_gone_connect_says_so(void **state) {
    (void)state;
    hf_config config = peer_config();
    config.port_low = 40000;
    config.port_high = 40002;
    peer p;
    begin(&p, &config);
    const hf_connect_options connect = {.remote = p.them, .remote_port = 9000};
    const hf_connect_options elsewhere = {.remote = p.them, .remote_port = 9001};
    hf_conn conn;
    for (int i = 0; i < 3; i++) assert_int_equal(hf_connect(&p.engine, &connect, &conn), HF_OK);
    assert_int_equal(hf_connect(&p.engine, &connect, &conn), HF_NO_PORT);
    assert_int_equal(hf_connect(&p.engine, &elsewhere, &conn), HF_OK);
    peer_end(&p);
}

/* R02: one peer's connections that nobody reads hold what they were promised, and no more. */
static void unread_data_of_many_connections_stays_within_the_pool(void **state) {
    (void)state;
    hf_config config = peer_config();
    config.rx_chunks = 64;
    config.chunk_bytes = 1024;
    peer p;
    begin(&p, &config);
    const hf_listen_options listen = {.port = 80};
    peer_listens_with(&p, &listen);
    for (uint16_t i = 0; i < 60; i++) {
        p.their_port = (uint16_t)(3000 + i);
        p.iss = p.seq = i * 7u;
        peer_handshake(&p);
        for (int k = 0; k < 20; k++)
            peer_sends(&p, HFI_TCP_ACK, p.seq + (hf_seq)k * 500, p.ack, 500);
        peer_forget(&p);
    }
    assert_true(peer_ctx(&p)->root->rx_pool.used <= 64);
    hf_listener_close(&p.engine, p.listener);
    peer_drain(&p);
    expect_all_given_back(&p);
    peer_end(&p);
}

/* The ledger is exact, whoever ends it and whatever was not read. */
static void what_was_never_read_is_given_back_once(void **state) {
    (void)state;
    for (int how = 0; how < 4; how++) {
        peer p;
        peer_begin(&p);
        peer_listen_and_accept(&p);
        peer_says(&p, HFI_TCP_ACK, 900);
        peer_sends(&p, HFI_TCP_ACK, p.seq + 50, p.ack, 60);
        if (how == 0) hf_abort(&p.engine, p.conn);
        if (how == 1) hf_close(&p.engine, p.conn, NULL);
        if (how == 2) peer_says(&p, HFI_TCP_RST, 0);
        assert_int_equal(hf_release(&p.engine, p.conn), HF_OK);
        peer_drain(&p);
        peer_event(&p, HF_OBJECT_CONN, 0);
        expect_all_given_back(&p);
        peer_end(&p);
    }
}

/* A driver that reports a frame done twice does not end the frame that took its slot meanwhile. */
static void a_token_given_back_twice_ends_no_other_frame(void **state) {
    (void)state;
    const hf_config config = peer_config();
    const hf_interface_options link = {.link = HF_LINK_IP, .mtu = 1500};
    peer p;
    hf_frame frame;
    peer_begin_on(&p, &config, false, &link);
    uint32_t token[2];
    for (int i = 0; i < 2; i++) {
        peer_sends(&p, HFI_TCP_ACK, 7, 9, 0); /* answered by RST; peer_drain takes it */
        peer_send_view(&p, (hfi_tcp_view){.flags = HFI_TCP_ACK, .seq = 11, .ack = 13});
        assert_int_equal(hf_tx_peek(&p.engine, &frame, 1), 1);
        token[i] = frame.token;
        hf_tx_taken(&p.engine, 1);
        if (i == 0) hf_tx_done(&p.engine, token[0]);
    }
    const uint32_t used = hfi_of(&p.engine)->state->slot_pool.used;
    hf_tx_done(&p.engine, token[0]);
    assert_int_equal(hfi_of(&p.engine)->state->slot_pool.used, used);
    hf_tx_done(&p.engine, token[1]);
    assert_int_equal(hfi_of(&p.engine)->state->slot_pool.used, used - 1);
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_given_back_twice_ends_no_other_frame),
        cmocka_unit_test(two_frames_are_enough),
        cmocka_unit_test(one_segment_descriptor_is_enough),
        cmocka_unit_test(two_chunks_are_enough_to_send),
        cmocka_unit_test(flights_are_used_in_turn),
        cmocka_unit_test(who_starved_still_probes_a_closed_window),
        cmocka_unit_test(out_of_order_data_never_keeps_in_order_data_out),
        cmocka_unit_test(connections_and_option_sets_run_out_with_an_error_each),
        cmocka_unit_test(when_ports_are_gone_connect_says_so),
        cmocka_unit_test(what_was_never_read_is_given_back_once),
        cmocka_unit_test(unread_data_of_many_connections_stays_within_the_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
