/* RST, and RFC 5961: what a stranger may guess does nothing; challenges are few. */
#include "peer.h"

static const hf_state states[] = {HF_ESTABLISHED, HF_FIN_WAIT_1, HF_FIN_WAIT_2,
                                  HF_CLOSE_WAIT,  HF_CLOSING,    HF_LAST_ACK};

static void an_exact_rst_ends_the_connection_in_every_state(void **state) {
    (void)state;
    for (int i = 0; i < 6; i++) {
        for (uint8_t ack = 0; ack <= HFI_TCP_ACK; ack += HFI_TCP_ACK) {
            peer p;
            peer_begin(&p);
            peer_reach(&p, states[i]);
            peer_sends(&p, HFI_TCP_RST | ack, p.seq, p.ack, 0); /* RFC 5961 3.2 */
            peer_expect_nothing(&p);                            /* a RST is never answered */
            const hf_end end = peer_conn_end(&p);
            assert_int_equal(end.cause, HF_CAUSE_END_PEER_RESET); /* MUST-12 */
            assert_int_equal(end.mechanism, HF_CAUSE_BY_RST);
            assert_int_equal(end.state, states[i]);
            assert_true(peer_event(&p, HF_OBJECT_CONN, HF_EVENT_END));
            peer_end(&p);
        }
    }
}

/* B01 */
static void a_rst_elsewhere_in_the_window_is_challenged(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_sends(&p, HFI_TCP_RST, p.seq + 1, 0, 0);
    const peer_segment *challenge = peer_expect_ack(&p, p.seq);
    assert_int_equal(challenge->cause, HF_CAUSE_SENT_CHALLENGE_ACK);
    assert_int_equal(challenge->tcp.seq, p.ack);
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    peer_end(&p);
}

/* RFC 5961 3.2: a peer that really restarted answers the challenge with the exact RST. */
static void a_challenge_lets_a_restarted_peer_reset(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    p.iss = 987654;
    peer_sends_syn(&p, 0); /* B03 */
    const peer_segment *challenge = peer_expect(&p, HFI_TCP_ACK);
    peer_sends(&p, HFI_TCP_RST, challenge->tcp.ack, 0, 0);
    assert_int_equal(peer_conn_end(&p).cause, HF_CAUSE_END_PEER_RESTARTED);
    peer_sends_syn(&p, 0);
    peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK);
    peer_end(&p);
}

/* RFC 5961 7: one challenge in half a second or more, however many segments ask for it. */
static void challenges_are_limited(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    for (int i = 0; i < 1000; i++) {
        peer_sends(&p, HFI_TCP_RST, p.seq + 2 + (hf_seq)i, 0, 0);
        peer_sends(&p, HFI_TCP_SYN, p.seq + 3 + (hf_seq)i, 0, 0);
        peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack + 7 + (hf_seq)i, 0);
        peer_run(&p, 10 * HF_MS);
    }
    assert_in_range(p.out_count, 10, 21); /* in ten seconds */
    assert_int_equal(peer_state(&p), HF_ESTABLISHED);
    peer_end(&p);
}

/* B08 */
static void the_payload_of_a_rst_is_never_delivered(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_says(&p, HFI_TCP_ACK, 5);
    peer_sends(&p, HFI_TCP_RST, p.seq, 0, 21); /* SHLD-2: it may carry data */
    assert_int_equal(peer_conn_end(&p).bytes_unread, 5);
    peer_app_reads(&p, 0, 5); /* what came before stays readable */
    peer_app_reads(&p, 5, 0);
    peer_end(&p);
}

/* B11, RFC 7323 5.2: PAWS does not judge RST. */
static void an_exact_rst_with_an_old_timestamp_is_honoured(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_offers_everything(&p);
    peer_listen_and_accept(&p);
    p.ts_value -= 5000;
    peer_sends(&p, HFI_TCP_RST, p.seq, 0, 0);
    assert_int_equal(peer_conn_end(&p).cause, HF_CAUSE_END_PEER_RESET);
    peer_end(&p);
}

static void a_rst_is_judged_by_our_window_not_by_its_own(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    const uint32_t ours = peer_status(&p).our_window_bytes;
    p.window = 65535;
    peer_sends(&p, HFI_TCP_RST, p.seq + ours + 1, 0, 0);
    peer_expect_nothing(&p);
    assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_RST_OUT_OF_WINDOW);
    peer_end(&p);
}

/* MUST-66 for RST: a closed window does not keep it out. */
static void a_rst_counts_while_our_window_is_closed(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    const hf_tcp_options options = {.receive_bytes = 3000};
    peer_listen_and_accept_with(&p, &options);
    peer_says(&p, HFI_TCP_ACK, 1460);
    peer_says(&p, HFI_TCP_ACK, 1460);
    peer_says(&p, HFI_TCP_ACK, peer_status(&p).our_window_bytes);
    assert_int_equal(peer_status(&p).our_window_bytes, 0);
    peer_sends(&p, HFI_TCP_RST, p.seq, 0, 0);
    assert_int_equal(peer_conn_end(&p).cause, HF_CAUSE_END_PEER_RESET);
    peer_end(&p);
}

/* ---- Handshakes ---- */

/* H02, H03 */
static void in_syn_sent_only_a_rst_that_acknowledges_our_syn_refuses(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_reach(&p, HF_SYN_SENT);
    peer_sends(&p, HFI_TCP_RST, 0, 0, 0);
    peer_sends(&p, HFI_TCP_RST | HFI_TCP_ACK, 0, p.ack + 1, 0);
    peer_sends(&p, HFI_TCP_RST | HFI_TCP_ACK, 0, p.ack - 1, 0);
    peer_expect_nothing(&p);
    assert_int_equal(peer_state(&p), HF_SYN_SENT);
    peer_sends(&p, HFI_TCP_RST | HFI_TCP_ACK, 0, p.ack, 0);
    assert_int_equal(peer_conn_end(&p).cause, HF_CAUSE_END_REFUSED);
    peer_expect_nothing(&p);
    peer_end(&p);
}

/* H06 */
static void a_rst_frees_a_handshakes_place_at_once(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    const hf_listen_options listen = {.port = 80};
    peer_listens_with(&p, &listen);
    peer_sends_syn(&p, 0);
    peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK);
    hf_listener_status status;
    peer_sends(&p, HFI_TCP_RST, p.seq + 70000, 0, 0);
    peer_expect_nothing(&p);
    peer_sends(&p, HFI_TCP_RST, p.seq + 5, 0, 0); /* RFC 5961 3.2 in SYN_RECEIVED too */
    peer_expect_ack(&p, p.seq);
    hf_listener_status_get(&p.engine, p.listener, &status);
    assert_int_equal(status.handshaking, 1);
    peer_sends(&p, HFI_TCP_RST, p.seq, 0, 0);
    hf_listener_status_get(&p.engine, p.listener, &status);
    assert_int_equal(status.handshaking, 0);
    peer_run(&p, 100 * HF_SECOND);
    peer_expect_nothing(&p);
    peer_end(&p);
}

/* RFC 9293 3.10.7.4, second step: an active open is refused, not only forgotten. */
static void a_rst_after_a_simultaneous_open_refuses(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_reach(&p, HF_SYN_RECEIVED);
    peer_sends(&p, HFI_TCP_RST, p.seq, 0, 0);
    assert_int_equal(peer_conn_end(&p).cause, HF_CAUSE_END_REFUSED); /* MUST-11 */
    peer_end(&p);
}

/* ---- RSTs that we send, RFC 9293 3.10.7.1 ---- */

/* H17, trap 5: SEQ=SEG.ACK without ACK bit, or SEQ=0 with ACK=SEG.SEQ+SEG.LEN, SYN and FIN
 * counted. */
static void a_closed_port_resets_each_segment_by_its_numbers(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    const struct {
        uint8_t flags;
        uint32_t bytes, length;
    } c[] = {{HFI_TCP_SYN, 0, 1}, {HFI_TCP_SYN, 9, 10},  {HFI_TCP_SYN | HFI_TCP_ACK, 0, 1},
             {HFI_TCP_ACK, 0, 0}, {HFI_TCP_ACK, 33, 33}, {HFI_TCP_FIN | HFI_TCP_ACK, 2, 3},
             {HFI_TCP_FIN, 4, 5}};
    for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
        peer_sends(&p, c[i].flags, 5000, 777, c[i].bytes);
        if ((c[i].flags & HFI_TCP_ACK) != 0) {
            const peer_segment *rst = peer_expect(&p, HFI_TCP_RST);
            assert_int_equal(rst->tcp.seq, 777);
        } else {
            const peer_segment *rst = peer_expect(&p, HFI_TCP_RST | HFI_TCP_ACK);
            assert_int_equal(rst->tcp.seq, 0);
            assert_int_equal(rst->tcp.ack, 5000 + c[i].length);
        }
        peer_expect_nothing(&p);
    }
    peer_sends(&p, HFI_TCP_RST, 5000, 0, 0);
    peer_sends(&p, HFI_TCP_RST | HFI_TCP_ACK, 5000, 777, 0);
    peer_expect_nothing(&p);
    peer_end(&p);
}

/* R08, trap 17: no flood makes us flood. */
static void resets_to_one_source_are_limited(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    for (int i = 0; i < 4000; i++) peer_sends(&p, HFI_TCP_SYN, (hf_seq)i, 0, 0);
    assert_in_range(p.out_count, 64, 256);
    assert_true(peer_count(&p, HF_CAUSE_DROP_REPLY_LIMIT) > 3000);
    peer_forget(&p);
    peer_run(&p, HF_SECOND);
    peer_sends(&p, HFI_TCP_SYN, 5, 0, 0);
    peer_expect(&p, HFI_TCP_RST | HFI_TCP_ACK);
    peer_end(&p);
}

/* Trap 6: the sequence number of our RST is acceptable to a peer whose window shrank. */
static void our_rst_is_inside_the_peers_window(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_app_sends(&p, 5000);
    peer_forget(&p);
    p.window = 100;
    peer_says(&p, HFI_TCP_ACK, 0);
    hf_abort(&p.engine, p.conn);
    peer_drain(&p);
    const peer_segment *rst = peer_expect(&p, HFI_TCP_RST | HFI_TCP_ACK);
    assert_int_equal(rst->tcp.seq, p.ack + 100);
    assert_int_equal(rst->tcp.ack, p.seq);
    peer_end(&p);
}

/* An engine whose clock starts at 0 has as many tokens as one that starts later. */
static void the_first_instant_of_all_answers_too(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    p.now_ns = 0;
    assert_int_equal(hf_engine_init(&p.engine, &p.config, p.block, p.memory.block_bytes, p.data,
                                    p.memory.data_bytes, p.now_ns),
                     HF_OK);
    const hf_interface_options link = {.link = HF_LINK_IP, .mtu = 1500, .auto_done = true};
    uint32_t interface;
    assert_int_equal(hf_interface_add(&p.engine, &link, &interface), HF_OK);
    assert_int_equal(hf_address_add(&p.engine, interface, &p.us, 24), HF_OK);
    for (int i = 0; i < 100; i++) {
        peer_sends(&p, HFI_TCP_ACK, 77, 88, 0);
        peer_expect(&p, HFI_TCP_RST);
    }
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exact_rst_ends_the_connection_in_every_state),
        cmocka_unit_test(a_rst_elsewhere_in_the_window_is_challenged),
        cmocka_unit_test(a_challenge_lets_a_restarted_peer_reset),
        cmocka_unit_test(challenges_are_limited),
        cmocka_unit_test(the_payload_of_a_rst_is_never_delivered),
        cmocka_unit_test(an_exact_rst_with_an_old_timestamp_is_honoured),
        cmocka_unit_test(a_rst_is_judged_by_our_window_not_by_its_own),
        cmocka_unit_test(a_rst_counts_while_our_window_is_closed),
        cmocka_unit_test(in_syn_sent_only_a_rst_that_acknowledges_our_syn_refuses),
        cmocka_unit_test(a_rst_frees_a_handshakes_place_at_once),
        cmocka_unit_test(a_rst_after_a_simultaneous_open_refuses),
        cmocka_unit_test(a_closed_port_resets_each_segment_by_its_numbers),
        cmocka_unit_test(resets_to_one_source_are_limited),
        cmocka_unit_test(our_rst_is_inside_the_peers_window),
        cmocka_unit_test(the_first_instant_of_all_answers_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
