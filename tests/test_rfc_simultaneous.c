/* Both sides at once: opening (RFC 9293 3.5 MUST-10), closing (3.6), and a connection to itself. */
#include "peer.h"

static void crossing_syns_make_one_connection(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_offers_everything(&p);
    peer_is_called(&p);
    peer_sends_syn(&p, 0);
    const peer_segment *syn_ack = peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK); /* MUST-10 */
    assert_int_equal(syn_ack->tcp.seq, p.ack - 1);
    assert_int_equal(syn_ack->tcp.ack, p.iss + 1);
    assert_int_equal(syn_ack->tcp.options.mss, 1460);
    assert_int_equal(peer_state(&p), HF_SYN_RECEIVED);
    peer_sends_syn(&p, HFI_TCP_ACK); /* its own SYN-ACK crosses ours */
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    peer_app_sends(&p, 8);
    p.ack += 8;
    peer_says(&p, HFI_TCP_ACK, 9);
    peer_app_reads(&p, 0, 9);
    peer_end(&p);
}

static void a_plain_ack_completes_it_too(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_reach(&p, HF_SYN_RECEIVED);
    peer_says(&p, HFI_TCP_ACK, 6);
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    peer_app_reads(&p, 0, 6);
    peer_end(&p);
}

/* The crossing SYN-ACK takes a sequence number before its data. */
static void data_and_fin_on_the_crossing_syn_ack_are_taken_in_place(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_reach(&p, HF_SYN_RECEIVED);
    peer_send_view(&p, (hfi_tcp_view){.flags = HFI_TCP_SYN | HFI_TCP_ACK,
                                      .seq = p.iss,
                                      .ack = p.ack,
                                      .window = p.window,
                                      .payload_bytes = 11});
    peer_drain(&p);
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    peer_app_reads(&p, 0, 11);
    peer_end(&p);
}

/* H07, RFC 9293 3.10.7.4: a bad ACK in SYN_RECEIVED is reset, the state stays. */
static void a_bad_ack_in_syn_received_is_reset_and_changes_nothing(void **state) {
    (void)state;
    const int32_t wrong[] = {1, -1, 5000, -70000};
    for (int i = 0; i < 4; i++) {
        peer p;
        peer_begin(&p);
        peer_reach(&p, HF_SYN_RECEIVED);
        const hf_seq bad = p.ack + (hf_seq)wrong[i];
        peer_sends(&p, HFI_TCP_ACK, p.seq, bad, 3);
        assert_int_equal(peer_expect(&p, HFI_TCP_RST)->tcp.seq, bad);
        peer_expect_nothing(&p);
        assert_int_equal(peer_state(&p), HF_SYN_RECEIVED);
        peer_says(&p, HFI_TCP_ACK, 0);
        assert_int_equal(peer_state(&p), HF_ESTABLISHED);
        peer_end(&p);
    }
}

/* Trap 20: the same SYN again has not heard our SYN-ACK. */
static void the_same_syn_again_gets_the_same_syn_ack_at_once(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_reach(&p, HF_SYN_RECEIVED);
    peer_sends_syn(&p, 0);
    assert_int_equal(peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK)->tcp.seq, p.ack - 1);
    assert_int_equal(peer_state(&p), HF_SYN_RECEIVED);
    peer_end(&p);
}

/* RFC 9293 3.10.4: CLOSE before the handshake is done waits for it, with the data. */
static void a_close_in_syn_received_follows_the_handshake(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_reach(&p, HF_SYN_RECEIVED);
    size_t taken;
    hf_send(&p.engine, p.conn, "abcdefg", 7, &taken);
    hf_shutdown(&p.engine, p.conn);
    peer_drain(&p);
    peer_expect_nothing(&p);
    peer_says(&p, HFI_TCP_ACK, 0);
    const peer_segment *out = peer_expect(&p, HFI_TCP_FIN | HFI_TCP_ACK);
    assert_int_equal(out->tcp.payload_bytes, 7);
    p.ack += 8;
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(peer_state(&p), HF_FIN_WAIT_2);
    assert_int_equal(peer_status(&p).bytes_acked, 7);
    peer_end(&p);
}

/* C06 */
static void crossing_fins_end_in_time_wait_on_both_sides(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_reach(&p, HF_CLOSING);
    p.ack++;
    peer_says(&p, HFI_TCP_ACK, 0);
    peer_expect_nothing(&p);
    const hf_end end = peer_conn_end(&p);
    assert_int_equal(end.cause, HF_CAUSE_END_CLOSED);
    assert_int_equal(end.time_wait, HF_TW_BOTH);
    peer_sends(&p, HFI_TCP_FIN | HFI_TCP_ACK, p.seq - 1, p.ack, 0);
    peer_expect_ack(&p, p.seq);
    peer_end(&p);
}

/* ---- Itself, over loopback ---- */

/* Frames of a loopback interface come back inside the engine. */
static void loop(peer *p) {
    for (int i = 0; i < 20; i++) {
        hf_frame frames[4];
        assert_int_equal(hf_tx_peek(&p->engine, frames, 4), 0);
        p->now_ns += HF_MS;
        hf_engine_step(&p->engine, p->now_ns, NULL, 0, NULL);
    }
}

static void a_connection_to_its_own_port_is_a_simultaneous_open_with_itself(void **state) {
    (void)state;
    const hf_interface_options link = {.link = HF_LINK_LOOPBACK, .mtu = 1500, .auto_done = true};
    const hf_config config = peer_config();
    peer p;
    peer_begin_on(&p, &config, false, &link);
    const hf_connect_options connect = {
        .remote = p.us, .remote_port = 7777, .local = p.us, .local_port = 7777};
    assert_int_equal(hf_connect(&p.engine, &connect, &p.conn), HF_OK);
    loop(&p);
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    size_t taken;
    hf_send(&p.engine, p.conn, "echo", 4, &taken);
    loop(&p);
    char text[9];
    size_t got;
    assert_int_equal(hf_receive(&p.engine, p.conn, text, sizeof text, &got), HF_OK);
    assert_int_equal(got, 4);
    assert_memory_equal(text, "echo", 4);
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crossing_syns_make_one_connection),
        cmocka_unit_test(a_plain_ack_completes_it_too),
        cmocka_unit_test(data_and_fin_on_the_crossing_syn_ack_are_taken_in_place),
        cmocka_unit_test(a_bad_ack_in_syn_received_is_reset_and_changes_nothing),
        cmocka_unit_test(the_same_syn_again_gets_the_same_syn_ack_at_once),
        cmocka_unit_test(a_close_in_syn_received_follows_the_handshake),
        cmocka_unit_test(crossing_fins_end_in_time_wait_on_both_sides),
        cmocka_unit_test(a_connection_to_its_own_port_is_a_simultaneous_open_with_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
