/* Who holds the pools: the sums are exact, and who holds most gives way. */
#include "peer.h"
#include <hf/ledger.h>

static void opens_from(peer *p, hf_addr them, uint16_t port) {
    p->them = them;
    p->their_port = port;
    p->iss = p->seq = PEER_ISS + port;
    peer_forget(p);
    peer_handshake(p);
    assert_int_equal(hf_accept(&p->engine, p->listener, &p->conn), HF_OK);
    peer_forget(p);
}

static hf_owner owner_of(const peer *p, const hf_addr *prefix) {
    uint32_t row = 0;
    hf_owner owner;
    while (hf_owner_next(&p->engine, &row, &owner))
        if (hf_addr_equal(&owner.prefix, prefix)) return owner;
    return (hf_owner){.rx_chunks = 0};
}

/* The rows add up to the pools. */
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

static void what_a_peer_holds_is_counted_to_it(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.chunk_bytes = 256;
    peer_begin_with(&p, &config, false);
    const hf_listen_options listen = {.port = 80};
    peer_listens_with(&p, &listen);
    const hf_addr one = hf_addr4(10, 0, 0, 2), two = hf_addr4(10, 0, 0, 3);
    opens_from(&p, one, 7001);
    const hf_conn first = p.conn;
    peer_says(&p, HFI_TCP_ACK, 700);
    peer_sends(&p, HFI_TCP_ACK, p.seq + 1024, p.ack, 100);
    opens_from(&p, one, 7002);
    peer_says(&p, HFI_TCP_ACK, 10);
    opens_from(&p, two, 7003);
    peer_app_sends(&p, 600);
    hf_resources held, used, all;
    assert_int_equal(hf_conn_resources_get(&p.engine, first, &held), HF_OK);
    assert_int_equal(held.conns, 1);
    assert_int_equal(held.rx_chunks, 5); /* 0 to 2, and 6 and 7 beyond the gap */
    assert_int_equal(held.ranges, 1);
    hf_peer_resources_get(&p.engine, &one, &held);
    assert_int_equal(held.conns, 2);
    assert_int_equal(held.rx_chunks, 6);
    assert_int_equal(held.tx_chunks, 0);
    hf_peer_resources_get(&p.engine, &two, &held);
    assert_int_equal(held.tx_chunks, 3);
    assert_int_equal(held.flights, 1);
    assert_int_equal(held.segments, 1);
    assert_int_equal(owner_of(&p, &one).rx_chunks, 6);
    assert_int_equal(owner_of(&p, &two).tx_chunks, 3);
    hf_resources_get(&p.engine, &used, &all);
    assert_int_equal(used.conns, 3);
    assert_int_equal(used.rx_chunks, 6);
    assert_int_equal(all.rx_chunks, config.rx_chunks);
    expect_sums(&p);
    assert_int_equal(hf_abort(&p.engine, first), HF_OK);
    assert_int_equal(hf_release(&p.engine, first), HF_OK);
    assert_int_equal(hf_conn_resources_get(&p.engine, first, &held), HF_STALE);
    assert_int_equal(owner_of(&p, &one).rx_chunks, 1);
    expect_sums(&p);
    peer_end(&p);
}

/* A host of IPv6 has a /64 to itself. */
static void addresses_of_one_64_are_one_owner(void **state) {
    (void)state;
    peer p;
    const hf_config config = peer_config();
    peer_begin_with(&p, &config, true);
    const hf_listen_options listen = {.port = 80};
    peer_listens_with(&p, &listen);
    hf_addr prefix = {{0x20, 0x01, 0x0d, 0xb8}};
    for (uint8_t i = 0; i < 5; i++) {
        const hf_addr them = {{0x20, 0x01, 0x0d, 0xb8, [8] = i, [15] = 9}};
        opens_from(&p, them, (uint16_t)(7001 + i));
        peer_says(&p, HFI_TCP_ACK, 10);
    }
    assert_int_equal(owner_of(&p, &prefix).rx_chunks, 5);
    hf_resources held;
    hf_peer_resources_get(&p.engine, &p.them, &held);
    assert_int_equal(held.conns, 5);
    expect_sums(&p);
    peer_end(&p);
}

/* More owners than rows: the rest is OTHER, and nothing is lost or counted twice. */
static void who_finds_no_row_is_other(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    const hf_listen_options listen = {.port = 80, .backlog = 8};
    peer_listens_with(&p, &listen);
    hf_conn conns[150];
    for (int i = 0; i < 150; i++) {
        opens_from(&p, hf_addr4(10, 0, 0, (uint8_t)(2 + i)), (uint16_t)(7001 + i));
        peer_says(&p, HFI_TCP_ACK, 10);
        conns[i] = p.conn;
        expect_sums(&p);
    }
    const hf_addr other = {{0}};
    assert_in_range(owner_of(&p, &other).rx_chunks, 150 - 64, 149);
    for (int i = 0; i < 150; i++) {
        assert_int_equal(hf_abort(&p.engine, conns[i]), HF_OK);
        assert_int_equal(hf_release(&p.engine, conns[i]), HF_OK);
        expect_sums(&p);
    }
    peer_drain(&p);
    hf_resources used, all;
    hf_resources_get(&p.engine, &used, &all);
    assert_int_equal(used.rx_chunks, 0);
    peer_end(&p);
}

/* RULE of the pools: what is next comes before what is out of order, whoever it is for. */
static void data_beyond_a_gap_of_the_largest_holder_gives_way_to_what_is_next(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.chunk_bytes = 256;
    config.rx_chunks = 64;
    peer_begin_with(&p, &config, false);
    const hf_listen_options listen = {.port = 80};
    peer_listens_with(&p, &listen);
    const hf_addr hoarder = hf_addr4(10, 0, 0, 66), modest = hf_addr4(10, 0, 0, 67),
                  honest = hf_addr4(10, 0, 0, 68);
    opens_from(&p, modest, 7100);
    const hf_conn small = p.conn;
    peer_sends(&p, HFI_TCP_ACK, p.seq + 256, p.ack, 200);
    for (uint16_t i = 0; i < 60; i++) { /* gaps, up to the last sixteenth of the pool */
        opens_from(&p, hoarder, (uint16_t)(7001 + i));
        peer_sends(&p, HFI_TCP_ACK, p.seq + 256, p.ack, 200);
    }
    hf_resources used, all, held;
    hf_resources_get(&p.engine, &used, &all);
    assert_int_equal(all.rx_chunks - used.rx_chunks, 4);
    const uint32_t before = owner_of(&p, &hoarder).rx_chunks;
    for (uint16_t i = 0; i < 8; i++) {
        opens_from(&p, honest, (uint16_t)(7201 + i));
        peer_run(&p, 2 * HF_MS);
        peer_says(&p, HFI_TCP_ACK, 100);
        peer_app_reads(&p, 0, 0 + (p.verdict.cause == HF_CAUSE_TOOK_DATA ? 100 : 0));
        assert_int_equal(p.verdict.cause, HF_CAUSE_TOOK_DATA);
        assert_int_equal(hf_send(&p.engine, p.conn, "x", 1, &(size_t){0}), HF_OK);
        peer_says(&p, HFI_TCP_ACK, 100); /* unread: it keeps its chunk */
        expect_sums(&p);
    }
    assert_true(peer_count(&p, HF_CAUSE_DATA_GAVE_WAY) >= 4);
    assert_true(owner_of(&p, &hoarder).rx_chunks <= before - 4);
    assert_int_equal(hf_conn_resources_get(&p.engine, small, &held), HF_OK);
    assert_int_equal(held.rx_chunks, 1); /* who holds little keeps it */
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_peer_holds_is_counted_to_it),
        cmocka_unit_test(addresses_of_one_64_are_one_owner),
        cmocka_unit_test(who_finds_no_row_is_other),
        cmocka_unit_test(data_beyond_a_gap_of_the_largest_holder_gives_way_to_what_is_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
