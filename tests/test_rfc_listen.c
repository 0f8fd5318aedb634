/* Listeners: places, cookies, policies, floods (RFC 9293 3.10.7.2, RFC 4987). */
#include "peer.h"

static hf_listener_status listener(const peer *p) {
    hf_listener_status s;
    assert_int_equal(hf_listener_status_get(&p->engine, p->listener, &s), HF_OK);
    return s;
}

static void syn_from(peer *p, uint16_t port) {
    p->their_port = port;
    p->iss = p->seq = PEER_ISS + port;
    peer_sends_syn(p, 0);
}

static void begin(peer *p, uint32_t backlog, hf_when_full when_full) {
    peer_begin(p);
    const hf_listen_options listen = {.port = 80, .backlog = backlog, .when_full = when_full};
    peer_listens_with(p, &listen);
}

/* Ruling 19: unverified handshakes take three quarters of the places. */
static void handshakes_take_three_quarters_of_the_backlog_then_cookies_come(void **state) {
    (void)state;
    peer p;
    begin(&p, 8, HF_FULL_COOKIE);
    for (uint16_t i = 0; i < 7; i++) syn_from(&p, (uint16_t)(2000 + i));
    assert_int_equal(listener(&p).handshaking, 6);
    assert_int_equal(listener(&p).cookies_sent, 1);
    assert_int_equal(p.out_count, 7);
    assert_int_equal(p.out[6].cause, HF_CAUSE_SENT_SYN_COOKIE);
    peer_end(&p);
}

static void the_policy_decides_what_the_next_client_hears(void **state) {
    (void)state;
    peer p;
    begin(&p, 1, HF_FULL_IGNORE);
    syn_from(&p, 2000);
    peer_forget(&p);
    syn_from(&p, 2001);
    peer_expect_nothing(&p);
    assert_int_equal(listener(&p).last_overflow, HF_CAUSE_DROP_LISTENER_FULL);
    peer_end(&p);
    begin(&p, 1, HF_FULL_REFUSE);
    syn_from(&p, 2000);
    peer_forget(&p);
    syn_from(&p, 2001);
    assert_int_equal(peer_expect(&p, HFI_TCP_RST | HFI_TCP_ACK)->tcp.ack, p.iss + 1);
    assert_true(peer_event(&p, HF_OBJECT_LISTENER, HF_EVENT_OVERFLOW));
    assert_int_equal(listener(&p).last_overflow_port, 2001); /* it names the peer */
    const hf_listener_status s = listener(&p);
    assert_true(hf_addr_equal(&s.last_overflow_peer, &p.them));
    assert_int_equal(listener(&p).overflows, 1);
    peer_end(&p);
}

/* ---- Cookies ---- */

/* The cookie's SYN-ACK for a client with all options; the place of another is taken. */
static void get_cookie(peer *p, uint32_t backlog) {
    begin(p, backlog, HF_FULL_COOKIE);
    for (uint16_t i = 0; i < backlog - backlog / 4; i++) syn_from(p, (uint16_t)(2000 + i));
    peer_offers_everything(p);
    p->syn_options.wscale = 9;
    peer_forget(p);
    syn_from(p, 3000);
    const peer_segment *cookie = peer_expect(p, HFI_TCP_SYN | HFI_TCP_ACK);
    assert_int_equal(cookie->cause, HF_CAUSE_SENT_SYN_COOKIE);
    p->ack = cookie->tcp.seq + 1;
    p->ts_echo = cookie->tcp.options.ts_value;
}

/* Trap 26: window scale and SACK ride in the timestamp. */
static void a_good_cookie_brings_mss_scale_and_sack_back(void **state) {
    (void)state;
    peer p;
    get_cookie(&p, 8);
    assert_int_equal(listener(&p).handshaking, 6); /* no state */
    p.ts_value++;
    peer_says(&p, HFI_TCP_ACK, 12);
    assert_int_equal(listener(&p).cookies_good, 1);
    assert_int_equal(hf_accept(&p.engine, p.listener, &p.conn), HF_OK);
    const hf_conn_status s = peer_status(&p);
    assert_true(s.sack && s.timestamps && s.window_scaling);
    assert_int_equal(s.peer_window_bytes, 60000u << 9);
    assert_int_equal(s.mss, 1448);
    peer_app_reads(&p, 0, 12);
    peer_end(&p);
}

static void a_cookie_whose_ack_was_lost_comes_back_with_data_and_fin(void **state) {
    (void)state;
    peer p;
    get_cookie(&p, 8);
    peer_says(&p, HFI_TCP_ACK | HFI_TCP_FIN, 5);
    assert_int_equal(hf_accept(&p.engine, p.listener, &p.conn), HF_OK);
    assert_int_equal(peer_state(&p), HF_CLOSE_WAIT);
    peer_app_reads(&p, 0, 5);
    peer_end(&p);
}

/* H14, H15 */
static void a_forged_or_expired_cookie_is_reset(void **state) {
    (void)state;
    const hf_seq flips[] = {1, 8, 0x100, 0x80000000};
    for (int i = 0; i < 5; i++) {
        peer p;
        get_cookie(&p, 8);
        if (i == 4) peer_run(&p, 129 * HF_SECOND), peer_forget(&p);
        const hf_seq ack = i < 4 ? p.ack ^ flips[i] : p.ack;
        peer_sends(&p, HFI_TCP_ACK, p.seq, ack, 0);
        assert_int_equal(peer_expect(&p, HFI_TCP_RST)->tcp.seq, ack);
        assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_BAD_COOKIE);
        assert_int_equal(listener(&p).waiting, 0);
        peer_end(&p);
    }
}

/* The rule of the house: a good cookie without a place gets RST, never silence; so does what
 * follows. */
static void a_cookie_without_a_place_is_reset(void **state) {
    (void)state;
    peer p;
    get_cookie(&p, 1);
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(peer_expect(&p, HFI_TCP_RST)->cause, HF_CAUSE_SENT_RST_NO_PLACE);
    peer_says(&p, HFI_TCP_ACK, 5);
    peer_expect(&p, HFI_TCP_RST);
    assert_int_equal(listener(&p).last_overflow, HF_CAUSE_SENT_RST_NO_PLACE);
    peer_end(&p);
}

static void a_cookies_window_is_kept_when_it_comes_back(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.rx_chunks = 40; /* scarce: shares shrink as connections come */
    peer_begin_with(&p, &config, false);
    const hf_listen_options listen = {.port = 80, .backlog = 64};
    peer_listens_with(&p, &listen);
    for (uint16_t i = 0; i < 48; i++) syn_from(&p, (uint16_t)(2000 + i));
    peer_forget(&p);
    syn_from(&p, 3000);
    const peer_segment *cookie = peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK);
    assert_int_equal(cookie->cause, HF_CAUSE_SENT_SYN_COOKIE);
    const hf_seq edge = p.seq + cookie->tcp.window, ack = cookie->tcp.seq + 1;
    peer_forget(&p);
    for (uint16_t i = 0; i < 5; i++) {
        hfi_syn_entry *entry = &peer_ctx(&p)->syns[i];
        p.their_port = entry->remote_port;
        peer_sends(&p, HFI_TCP_ACK, entry->irs + 1, entry->iss + 1, 0);
    }
    p.their_port = 3000;
    p.ack = ack;
    peer_forget(&p);
    peer_says(&p, HFI_TCP_ACK, 1);
    const peer_segment *out = peer_next(&p);
    assert_non_null(out);
    assert_true(hf_seq_le(edge, out->tcp.ack + out->tcp.window)); /* SHLD-14 */
    peer_end(&p);
}

/* ---- Entries ---- */

/* H05, trap 20, trap 7: the same SYN again is the same handshake; its last options count. */
static void a_repeated_syn_is_one_handshake_and_its_last_options_count(void **state) {
    (void)state;
    peer p;
    begin(&p, 8, HF_FULL_COOKIE);
    p.syn_options = (hfi_tcp_options){.present = 0};
    syn_from(&p, 2000);
    const hf_seq iss = peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK)->tcp.seq;
    for (int i = 0; i < 1000; i++) {
        syn_from(&p, 2000);
        assert_int_equal(peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK)->tcp.seq, iss);
    }
    p.syn_options =
        (hfi_tcp_options){.present = HFI_OPT_MSS | HFI_OPT_WSCALE, .mss = 1000, .wscale = 3};
    syn_from(&p, 2000);
    assert_int_equal(listener(&p).handshaking, 1);
    p.ack = iss + 1;
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(hf_accept(&p.engine, p.listener, &p.conn), HF_OK);
    assert_int_equal(peer_status(&p).mss, 1000);
    assert_int_equal(peer_status(&p).peer_window_bytes, 60000 << 3);
    peer_end(&p);
}

/* H13: payload of a SYN is not delivered before the handshake. */
static void data_on_a_syn_is_left_for_its_repetition(void **state) {
    (void)state;
    peer p;
    begin(&p, 8, HF_FULL_COOKIE);
    peer_sends(&p, HFI_TCP_SYN, p.iss, 0, 1400);
    const peer_segment *syn_ack = peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK);
    assert_int_equal(syn_ack->tcp.ack, p.iss + 1);
    p.ack = syn_ack->tcp.seq + 1;
    p.seq = p.iss + 1;
    peer_says(&p, HFI_TCP_ACK, 1400);
    hf_accept(&p.engine, p.listener, &p.conn);
    peer_app_reads(&p, 0, 1400);
    peer_end(&p);
}

/* Ruling 22: four packets for a SYN, the last of which tells a client that took itself for
 * connected. */
static void syn_acks_are_repeated_then_reset_says_that_the_place_is_free(void **state) {
    (void)state;
    peer p;
    begin(&p, 100, HF_FULL_COOKIE);
    syn_from(&p, 2000);
    peer_run(&p, 7 * HF_SECOND - 10 * HF_MS);
    assert_int_equal(p.out_count, 3); /* 0, 1, 3 s */
    assert_int_equal(listener(&p).handshaking, 1);
    peer_run(&p, 20 * HF_MS);
    assert_int_equal(listener(&p).handshaking, 0);
    assert_int_equal(peer_count(&p, HF_CAUSE_SYN_CACHE_EXPIRED), 1);
    const hf_seq iss = peer_next(&p)->tcp.seq;
    peer_next(&p), peer_next(&p);
    const peer_segment *reset = peer_expect(&p, HFI_TCP_RST | HFI_TCP_ACK);
    assert_int_equal(reset->tcp.seq, iss + 1); /* exact for who is ESTABLISHED */
    assert_int_equal(reset->tcp.ack, p.iss + 1);
    peer_run(&p, 200 * HF_SECOND);
    peer_expect_nothing(&p);
    peer_end(&p);
}

/* Ruling 19: at most 3 s while others want the share. */
static void an_old_reservation_gives_way_when_the_share_is_wanted(void **state) {
    (void)state;
    peer p;
    begin(&p, 4, HF_FULL_COOKIE);
    for (uint16_t i = 0; i < 2; i++) syn_from(&p, (uint16_t)(2000 + i));
    peer_run(&p, 3500 * HF_MS); /* beyond 3 s, and nobody else has come: they stay */
    assert_int_equal(listener(&p).handshaking, 2);
    syn_from(&p, 2002);
    peer_forget(&p);
    syn_from(&p, 2003); /* the share is three */
    assert_int_equal(peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK)->cause, HF_CAUSE_SENT_SYN_ACK);
    assert_int_equal(listener(&p).handshaking, 3);
    syn_from(&p, 2004);
    assert_int_equal(peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK)->cause, HF_CAUSE_SENT_SYN_ACK);
    syn_from(&p, 2005); /* the oldest is new now */
    assert_int_equal(peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK)->cause, HF_CAUSE_SENT_SYN_COOKIE);
    peer_run(&p, 3 * HF_SECOND - 10 * HF_MS);
    assert_int_equal(listener(&p).handshaking, 3);
    peer_run(&p, 20 * HF_MS); /* pressed: three seconds to the millisecond, then the next is free */
    assert_true(listener(&p).handshaking < 3);
    peer_end(&p);
}

/* Trap 18 */
static void a_closed_listener_resets_the_waiting_and_forgets_handshakes(void **state) {
    (void)state;
    peer p;
    begin(&p, 8, HF_FULL_COOKIE);
    peer_handshake(&p);
    const uint16_t done = p.their_port;
    syn_from(&p, 2000);
    peer_forget(&p);
    hf_listener_close(&p.engine, p.listener);
    peer_drain(&p);
    const peer_segment *rst = peer_expect(&p, HFI_TCP_RST | HFI_TCP_ACK);
    assert_int_equal(rst->tcp.destination_port, done);
    peer_sends(&p, HFI_TCP_ACK, p.seq, 77, 0);
    peer_expect(&p, HFI_TCP_RST);
    assert_int_equal(peer_ctx(&p)->root->syn_pool.used, 0);
    peer_end(&p);
}

/* MUST-42, MUST-41 */
static void a_listener_and_its_connections_share_the_port(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    const hf_listen_options other = {.port = 81};
    hf_listener l;
    assert_int_equal(hf_listen(&p.engine, &other, &l), HF_OK);
    const uint16_t port = p.their_port;
    const hf_seq seq = p.seq, ack = p.ack, iss = p.iss;
    syn_from(&p, 2000);
    peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK);
    p.their_port = port, p.seq = seq, p.ack = ack, p.iss = iss;
    peer_says(&p, HFI_TCP_ACK, 4);
    peer_app_reads(&p, 0, 4);
    peer_end(&p);
}

/* R01, S5: spoofed SYNs take nothing for ever, and an honest client still gets in. */
static void a_hundred_thousand_spoofed_syns_leave_room_for_an_honest_client(void **state) {
    (void)state;
    peer p;
    begin(&p, 64, HF_FULL_COOKIE);
    p.deaf = true;
    const hf_addr honest = p.them;
    for (uint32_t i = 0; i < 100000; i++) {
        p.them = hf_addr4(198, (uint8_t)(18 + (i >> 16)), (uint8_t)(i >> 8), (uint8_t)i);
        syn_from(&p, (uint16_t)(1024 + i % 60000));
        assert_true(listener(&p).handshaking <= 48);
        if (i % 100 == 0) peer_run(&p, HF_MS);
    }
    assert_true(listener(&p).cookies_sent > 90000);
    p.deaf = false;
    p.them = honest;
    syn_from(&p, 999);
    p.ack = peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK)->tcp.seq + 1;
    peer_says(&p, HFI_TCP_ACK, 0);
    assert_int_equal(hf_accept(&p.engine, p.listener, &p.conn), HF_OK);
    peer_run(&p, 200 * HF_SECOND);
    assert_int_equal(listener(&p).handshaking, 0);
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshakes_take_three_quarters_of_the_backlog_then_cookies_come),
        cmocka_unit_test(the_policy_decides_what_the_next_client_hears),
        cmocka_unit_test(a_good_cookie_brings_mss_scale_and_sack_back),
        cmocka_unit_test(a_cookie_whose_ack_was_lost_comes_back_with_data_and_fin),
        cmocka_unit_test(a_forged_or_expired_cookie_is_reset),
        cmocka_unit_test(a_cookie_without_a_place_is_reset),
        cmocka_unit_test(a_cookies_window_is_kept_when_it_comes_back),
        cmocka_unit_test(a_repeated_syn_is_one_handshake_and_its_last_options_count),
        cmocka_unit_test(data_on_a_syn_is_left_for_its_repetition),
        cmocka_unit_test(syn_acks_are_repeated_then_reset_says_that_the_place_is_free),
        cmocka_unit_test(an_old_reservation_gives_way_when_the_share_is_wanted),
        cmocka_unit_test(a_closed_listener_resets_the_waiting_and_forgets_handshakes),
        cmocka_unit_test(a_listener_and_its_connections_share_the_port),
        cmocka_unit_test(a_hundred_thousand_spoofed_syns_leave_room_for_an_honest_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
