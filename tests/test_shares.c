/* Shares: the most that one peer's address may hold of connections and of buffers. After every step the
 * owners' table adds up to the pools. */
#include "peer.h"
#include <hf/ledger.h>

static const hf_addr NOBODY = {{0}};

static hf_addr host(uint8_t number) { return hf_addr4(10, 0, 0, number); }

static void begin(peer *p, const hf_config *config, uint32_t backlog) {
    peer_begin_with(p, config, false);
    const hf_listen_options listen = {.port = 80, .backlog = backlog};
    peer_listens_with(p, &listen);
}

static void expect_sums(const peer *p) {
    hf_resources used, all;
    hf_owner owner;
    uint32_t conns = 0, rx = 0, tx = 0, row = 0;
    hf_resources_get(&p->engine, &used, &all);
    while (hf_owner_next(&p->engine, &row, &owner))
        conns += owner.conns, rx += owner.rx_chunks, tx += owner.tx_chunks;
    assert_int_equal(conns, used.conns);
    assert_int_equal(rx, used.rx_chunks);
    assert_int_equal(tx, used.tx_chunks);
}

static hf_owner owner_of(const peer *p, hf_addr prefix) {
    uint32_t row = 0;
    hf_owner owner;
    while (hf_owner_next(&p->engine, &row, &owner))
        if (hf_addr_equal(&owner.prefix, &prefix)) return owner;
    return (hf_owner){.conns = 0};
}

static void be(peer *p, hf_addr them, uint16_t port) {
    p->them = them;
    p->their_port = port;
    p->iss = p->seq = PEER_ISS + port;
    peer_forget(p);
}

static void opens(peer *p, hf_addr them, uint16_t port) {
    be(p, them, port);
    peer_handshake(p);
    assert_int_equal(hf_accept(&p->engine, p->listener, &p->conn), HF_OK);
    peer_forget(p);
    expect_sums(p);
}

static void is_refused(peer *p, hf_addr them, uint16_t port) {
    hf_listener_status status;
    be(p, them, port);
    peer_run(p, HF_SECOND); /* replies to one source are limited */
    peer_forget(p);
    peer_sends_syn(p, 0);
    assert_int_equal(peer_expect(p, HFI_TCP_RST | HFI_TCP_ACK)->cause,
                     HF_CAUSE_SENT_RST_OWNER_SHARE);
    assert_int_equal(p->verdict.cause, HF_CAUSE_DROP_OWNER_SHARE);
    assert_int_equal(hf_listener_status_get(&p->engine, p->listener, &status), HF_OK);
    assert_int_equal(status.last_overflow, HF_CAUSE_SENT_RST_OWNER_SHARE);
    assert_true(hf_addr_equal(&status.last_overflow_peer, &them));
    expect_sums(p);
}

static void aborts(peer *p, hf_conn conn) {
    assert_int_equal(hf_abort(&p->engine, conn), HF_OK);
    peer_drain(p);
    expect_sums(p);
    assert_int_equal(hf_release(&p->engine, conn), HF_OK);
    hf_event event;
    while (hf_next_event(&p->engine, &event)) continue;
    peer_forget(p);
    expect_sums(p);
}

/* ---- Connections ---- */

static void a_peer_has_no_more_connections_than_its_share(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.owner_conns = 3;
    begin(&p, &config, 16);
    opens(&p, host(2), 7001);
    const hf_conn first = p.conn;
    opens(&p, host(2), 7002);
    opens(&p, host(2), 7003);
    is_refused(&p, host(2), 7004);
    is_refused(&p, host(2), 7005);
    opens(&p, host(3), 7004);
    assert_int_equal(owner_of(&p, host(2)).conns, 3);
    assert_int_equal(owner_of(&p, host(2)).refused, 2);
    assert_int_equal(owner_of(&p, host(3)).refused, 0);
    aborts(&p, first);
    opens(&p, host(2), 7006);
    assert_int_equal(peer_count(&p, HF_CAUSE_SENT_RST_OWNER_SHARE), 2);
    peer_end(&p);
}

/* What the application itself opens counts, but is its own choice. */
static void our_own_connects_are_not_refused(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.owner_conns = 2;
    begin(&p, &config, 16);
    const hf_connect_options connect = {.remote = host(2), .remote_port = 9000};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(hf_connect(&p.engine, &connect, &p.conn), HF_OK);
        expect_sums(&p);
    }
    is_refused(&p, host(2), 7001);
    assert_int_equal(owner_of(&p, host(2)).conns, 3);
    peer_end(&p);
}

static void addresses_of_one_64_have_one_share(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.owner_conns = 2;
    peer_begin_with(&p, &config, true);
    const hf_listen_options listen = {.port = 80};
    peer_listens_with(&p, &listen);
    const hf_addr one = {{0x20, 0x01, 0x0d, 0xb8, [8] = 1}},
                  two = {{0x20, 0x01, 0x0d, 0xb8, [8] = 2}},
                  other = {{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 7, [8] = 2}};
    assert_int_equal(hf_route_add(&p.engine, &NOBODY, 0, &NOBODY, 0), HF_OK);
    opens(&p, one, 7001);
    opens(&p, two, 7002);
    is_refused(&p, one, 7003);
    opens(&p, other, 7004);
    peer_end(&p);
}

/* A SYN can be forged, so it takes nothing of the share that its address has; the handshake's last ACK does. */
static void a_share_is_taken_by_who_finishes_the_handshake(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.owner_conns = 1;
    begin(&p, &config, 16);
    for (uint16_t port = 8001; port < 8006; port++) {
        be(&p, host(2), port);
        peer_sends_syn(&p, 0);
        peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK);
    }
    be(&p, host(2), 7002);
    peer_sends_syn(&p, 0);
    const hf_seq ack = peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK)->tcp.seq + 1;
    opens(&p, host(2), 7001);
    const hf_conn first = p.conn;
    be(&p, host(2), 7002);
    peer_sends(&p, HFI_TCP_ACK, p.iss + 1, ack, 0);
    assert_int_equal(peer_expect(&p, HFI_TCP_RST)->cause, HF_CAUSE_SENT_RST_OWNER_SHARE);
    assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_OWNER_SHARE);
    expect_sums(&p);
    aborts(&p, first);
    opens(&p, host(2), 7002);
    peer_end(&p);
}

static void a_cookie_beyond_the_share_is_reset(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.owner_conns = 1;
    begin(&p, &config, 2);
    for (uint16_t port = 8001; port < 8003; port++) {
        be(&p, host(9), port);
        peer_sends_syn(&p, 0);
    }
    be(&p, host(2), 7002);
    peer_sends_syn(&p, 0);
    const peer_segment *cookie = peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK);
    assert_int_equal(cookie->cause, HF_CAUSE_SENT_SYN_COOKIE);
    const hf_seq ack = cookie->tcp.seq + 1;
    peer_run(&p, 20 * HF_SECOND); /* the others are forgotten */
    opens(&p, host(2), 7001);
    be(&p, host(2), 7002);
    peer_sends(&p, HFI_TCP_ACK, p.iss + 1, ack, 0);
    assert_int_equal(peer_expect(&p, HFI_TCP_RST)->cause, HF_CAUSE_SENT_RST_OWNER_SHARE);
    expect_sums(&p);
    peer_end(&p);
}

/* When connections are scarce, the largest holder goes without first, below its share too. */
static void the_last_sixteenth_is_not_for_who_holds_most(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.conns = 32;
    config.owner_conns = 25;
    begin(&p, &config, 32);
    for (uint16_t i = 0; i < 20; i++) opens(&p, host(2), (uint16_t)(7001 + i));
    for (uint16_t i = 0; i < 10; i++) opens(&p, host(3), (uint16_t)(7101 + i));
    is_refused(&p, host(2), 7021);
    opens(&p, host(3), 7111);
    is_refused(&p, host(2), 7022);
    opens(&p, host(4), 7201);
    assert_int_equal(owner_of(&p, host(2)).refused, 2);
    peer_end(&p);
}

/* Those who found no row share some shares. */
static void other_has_its_shares_too(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.owners = 4;
    config.owner_conns = 2;
    config.other_shares = 2;
    begin(&p, &config, 16);
    for (uint8_t i = 0; i < 8; i++) opens(&p, host((uint8_t)(2 + i)), 7001);
    assert_int_equal(owner_of(&p, NOBODY).conns, 4);
    is_refused(&p, host(10), 7001);
    opens(&p, host(2), 7002);
    peer_end(&p);
}

static void other_without_a_share_is_no_configuration(void **state) {
    (void)state;
    hf_config config = peer_config();
    assert_null(hf_config_problem(&config));
    assert_int_equal(config.owner_conns + config.owner_rx_chunks + config.owner_tx_chunks, 0);
    config.other_shares = 0;
    assert_non_null(strstr(hf_config_problem(&config), "other_shares"));
}

/* ---- Buffers ---- */

static void begin_with_chunks(peer *p, uint32_t rx, uint32_t tx) {
    hf_config config = peer_config();
    config.chunk_bytes = 256;
    config.rx_chunks = config.tx_chunks = 64;
    config.owner_rx_chunks = rx;
    config.owner_tx_chunks = tx;
    begin(p, &config, 16);
}

static void data_beyond_the_share_is_dropped_until_it_is_read(void **state) {
    (void)state;
    peer p;
    begin_with_chunks(&p, 4, 0);
    opens(&p, host(2), 7001);
    const hf_conn first = p.conn;
    peer_says(&p, HFI_TCP_ACK, 1024);
    assert_int_equal(p.verdict.cause, HF_CAUSE_TOOK_DATA);
    peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 100);
    assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_OWNER_SHARE);
    expect_sums(&p);
    const hf_seq seq = p.seq;
    opens(&p, host(2), 7002); /* its other connections have no more */
    peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 10);
    assert_int_equal(p.verdict.cause, HF_CAUSE_DROP_OWNER_SHARE);
    assert_int_equal(owner_of(&p, host(2)).rx_chunks, 4);
    assert_int_equal(owner_of(&p, host(2)).refused, 2);
    opens(&p, host(3), 7003); /* and others miss nothing */
    peer_says(&p, HFI_TCP_ACK, 1024);
    assert_int_equal(p.verdict.cause, HF_CAUSE_TOOK_DATA);
    be(&p, host(2), 7001);
    p.conn = first;
    p.seq = seq;
    p.ack = hfi_of(&p.engine)->ctx.conns[first.index].snd_nxt;
    peer_app_reads(&p, 0, 1024);
    peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 100);
    assert_int_equal(p.verdict.cause, HF_CAUSE_TOOK_DATA);
    expect_sums(&p);
    peer_end(&p);
}

static void opens_from_iss(peer *p, hf_addr them, uint16_t port, hf_seq iss) {
    be(p, them, port);
    p->iss = p->seq = iss;
    peer_handshake(p);
    assert_int_equal(hf_accept(&p->engine, p->listener, &p->conn), HF_OK);
    peer_forget(p);
}

/* Sends within the window, and reads every `pace` segments. Returns how many bytes were read. */
static uint32_t fills_windows(peer *p, hf_addr them, int pace) {
    uint32_t read = 0;
    for (int i = 0; i < 40; i++) {
        const hf_conn_status status = peer_status(p);
        const uint32_t bytes = status.our_window_bytes < 512 ? status.our_window_bytes : 512;
        assert_in_range(status.our_window_bytes, pace == 1 ? 3000 : 0, 4096);
        if (bytes > 0) {
            peer_says(p, HFI_TCP_ACK, bytes);
            assert_int_equal(p->verdict.cause, HF_CAUSE_TOOK_DATA);
        }
        assert_true(owner_of(p, them).rx_chunks <= 16);
        const uint32_t unread = peer_status(p).readable_bytes;
        if (i % pace == pace - 1) peer_app_reads(p, read, unread), read += unread;
        peer_drain(p);
        peer_forget(p);
        expect_sums(p);
    }
    return read;
}

/* The window is no larger than what the share still takes, so an honest sender loses nothing; wherever
 * in the sequence space it is. */
static void no_window_is_promised_beyond_the_share(void **state) {
    (void)state;
    const hf_seq starts[] = {1000, 0xfffff800u};
    for (int i = 0; i < 4; i++) {
        peer p;
        begin_with_chunks(&p, 16, 0);
        be(&p, host(2), 7001);
        peer_sends_syn(&p, 0);
        assert_in_range(peer_expect(&p, HFI_TCP_SYN | HFI_TCP_ACK)->tcp.window, 1460, 4096);
        opens_from_iss(&p, host(3), 7002, starts[i % 2]);
        assert_in_range(fills_windows(&p, host(3), i < 2 ? 8 : 1), 16000, 20480);
        assert_int_equal(peer_count(&p, HF_CAUSE_DROP_OWNER_SHARE), 0);
        peer_end(&p);
    }
}

/* As in an empty pool: what is next comes before what lies beyond a gap. */
static void what_fills_a_gap_finds_room_in_a_full_share(void **state) {
    (void)state;
    peer p;
    begin_with_chunks(&p, 4, 0);
    opens(&p, host(2), 7001);
    peer_sends(&p, HFI_TCP_ACK, p.seq + 256, p.ack, 1024);
    assert_int_equal(owner_of(&p, host(2)).rx_chunks, 4);
    peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 256);
    assert_int_equal(p.verdict.cause, HF_CAUSE_TOOK_DATA);
    assert_true(owner_of(&p, host(2)).rx_chunks <= 4);
    expect_sums(&p);
    peer_end(&p);
}

static hf_err sends(peer *p, hf_conn conn, size_t bytes, size_t *ret_taken) {
    static const uint8_t text[4096];
    *ret_taken = 0;
    const hf_err err = hf_send(&p->engine, conn, text, bytes, ret_taken);
    peer_drain(p);
    expect_sums(p);
    return err;
}

static bool is_writable(peer *p, hf_conn conn) {
    hf_event event;
    bool seen = false;
    while (hf_next_event(&p->engine, &event))
        seen |= event.object == HF_OBJECT_CONN && event.index == conn.index &&
                (event.bits & HF_EVENT_WRITABLE) != 0;
    return seen;
}

static void a_send_beyond_the_share_waits_and_is_told_when_there_is_room(void **state) {
    (void)state;
    peer p;
    size_t taken;
    begin_with_chunks(&p, 0, 3);
    opens(&p, host(2), 7001);
    const hf_conn first = p.conn;
    opens(&p, host(2), 7002);
    const hf_conn second = p.conn;
    opens(&p, host(3), 7003);
    is_writable(&p, second);
    assert_int_equal(sends(&p, first, 2000, &taken), HF_OK);
    assert_int_equal(taken, 768);
    assert_int_equal(sends(&p, second, 100, &taken), HF_AGAIN);
    assert_int_equal(owner_of(&p, host(2)).tx_chunks, 3);
    assert_int_equal(sends(&p, p.conn, 768, &taken), HF_OK);
    assert_int_equal(taken, 768);
    assert_false(is_writable(&p, second));
    const hf_seq all = peer_ctx(&p)->conns[first.index].snd_end;
    be(&p, host(2), 7001);
    peer_sends(&p, HFI_TCP_ACK, p.iss + 1, all, 0);
    expect_sums(&p);
    assert_true(is_writable(&p, second));
    assert_int_equal(sends(&p, second, 100, &taken), HF_OK);
    assert_int_equal(taken, 100);
    peer_end(&p);
}

/* Who waits for a share does not keep those waiting who need none. */
static void who_waits_for_its_share_holds_nobody_up(void **state) {
    (void)state;
    peer p;
    size_t taken;
    begin_with_chunks(&p, 0, 40);
    opens(&p, host(2), 7001);
    assert_int_equal(sends(&p, p.conn, 4096, &taken), HF_OK);
    opens(&p, host(2), 7002);
    assert_int_equal(sends(&p, p.conn, 4096, &taken), HF_OK);
    opens(&p, host(2), 7003);
    assert_int_equal(sends(&p, p.conn, 4096, &taken), HF_OK);
    assert_int_equal(taken, 8 * 256); /* 16, 16 and 8 of 40 chunks; the rest waits */
    opens(&p, host(3), 7004);
    const hf_conn third = p.conn;
    assert_int_equal(sends(&p, third, 4096, &taken), HF_OK);
    opens(&p, host(4), 7005);
    const hf_conn fourth = p.conn;
    assert_int_equal(sends(&p, fourth, 4096, &taken), HF_OK);
    assert_int_equal(taken, 8 * 256); /* the pool is empty */
    is_writable(&p, fourth);
    const hf_seq all = peer_ctx(&p)->conns[third.index].snd_end;
    be(&p, host(3), 7004);
    peer_sends(&p, HFI_TCP_ACK, p.iss + 1, all, 0);
    assert_true(is_writable(&p, fourth));
    expect_sums(&p);
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_has_no_more_connections_than_its_share),
        cmocka_unit_test(our_own_connects_are_not_refused),
        cmocka_unit_test(addresses_of_one_64_have_one_share),
        cmocka_unit_test(a_share_is_taken_by_who_finishes_the_handshake),
        cmocka_unit_test(a_cookie_beyond_the_share_is_reset),
        cmocka_unit_test(the_last_sixteenth_is_not_for_who_holds_most),
        cmocka_unit_test(other_has_its_shares_too),
        cmocka_unit_test(other_without_a_share_is_no_configuration),
        cmocka_unit_test(data_beyond_the_share_is_dropped_until_it_is_read),
        cmocka_unit_test(no_window_is_promised_beyond_the_share),
        cmocka_unit_test(what_fills_a_gap_finds_room_in_a_full_share),
        cmocka_unit_test(a_send_beyond_the_share_waits_and_is_told_when_there_is_room),
        cmocka_unit_test(who_waits_for_its_share_holds_nobody_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
