/* Who holds the local ports and TIME_WAIT, and when one is free: hf/ledger.h. */
#include "peer.h"
#include <hf/ledger.h>

static void begin_with_ports(peer *p, uint16_t low, uint16_t high, uint32_t time_wait,
                             hf_tw_full tw_full) {
    hf_config config = peer_config();
    config.port_low = low;
    config.port_high = high;
    config.time_wait = time_wait;
    config.tw_full = tw_full;
    peer_begin_with(p, &config, false);
}

static hf_port_ledger ledger_of(peer *p, uint16_t remote_port) {
    const hf_addr any = {{0}};
    hf_port_ledger ledger;
    assert_int_equal(hf_port_ledger_get(&p->engine, &any, &p->them, remote_port, &ledger), HF_OK);
    uint32_t held =
        ledger.by_handshake + ledger.by_time_wait + ledger.by_fin_wait_2 + ledger.by_listener;
    for (int i = 0; i < HF_STATE_COUNT; i++) held += ledger.by_state[i];
    assert_int_equal(ledger.ports, ledger.free + held);
    return ledger;
}

static hf_time_wait_status time_wait_of(peer *p) {
    hf_time_wait_status status;
    hf_time_wait_status_get(&p->engine, &status);
    return status;
}

static hf_err call(peer *p, uint16_t local_port) {
    const hf_connect_options connect = {
        .remote = p->them, .remote_port = 9000, .local_port = local_port};
    return hf_connect(&p->engine, &connect, &p->conn);
}

/* A connection of ours to the peer's port 9000, established. */
static void calls(peer *p, uint16_t local_port) {
    p->their_port = 9000;
    assert_int_equal(call(p, local_port), HF_OK);
    peer_drain(p);
    const peer_segment *syn = peer_expect(p, HFI_TCP_SYN);
    p->our_port = syn->tcp.source_port;
    p->ack = syn->tcp.seq + 1;
    p->ts_echo = syn->tcp.options.ts_value;
    peer_answers_call(p);
    peer_run(p, 5 * HF_MS); /* the ISN clock moves on */
}

/* And closed by us first, by the peer then. */
static void calls_and_closes_first(peer *p, uint16_t local_port) {
    calls(p, local_port);
    hf_shutdown(&p->engine, p->conn);
    peer_drain(p);
    p->ack++;
    peer_says(p, HFI_TCP_FIN | HFI_TCP_ACK, 0);
    hf_release(&p->engine, p->conn);
    peer_event(p, HF_OBJECT_CONN, 0);
    peer_forget(p);
}

/* ---- Ports ---- */

static void the_ledger_says_what_holds_each_port(void **state) {
    (void)state;
    peer p;
    begin_with_ports(&p, 40000, 40008, 100, HF_TW_EVICT);
    assert_int_equal(ledger_of(&p, 9000).ports, 9);
    assert_int_equal(ledger_of(&p, 9000).free, 9);
    calls_and_closes_first(&p, 40000);
    peer_run(&p, 3 * HF_SECOND);
    calls_and_closes_first(&p, 40001);
    calls(&p, 40002);
    assert_int_equal(call(&p, 40003), HF_OK); /* SYN_SENT */
    peer_drain(&p);
    peer_forget(&p);
    const hf_listen_options listen = {.port = 40004};
    peer_listens_with(&p, &listen);
    calls(&p, 40005);
    hf_close(&p.engine, p.conn, NULL);
    hf_release(&p.engine, p.conn);
    peer_drain(&p);
    p.ack++;
    peer_says(&p, HFI_TCP_ACK, 0); /* an orphan in FIN_WAIT_2 */
    peer_forget(&p);
    const hf_port_ledger ledger = ledger_of(&p, 9000);
    assert_int_equal(ledger.free, 3);
    assert_int_equal(ledger.by_time_wait, 2);
    assert_int_equal(ledger.by_state[HF_ESTABLISHED], 1);
    assert_int_equal(ledger.by_state[HF_SYN_SENT], 1);
    assert_int_equal(ledger.by_listener, 1);
    assert_int_equal(ledger.by_fin_wait_2, 1);
    assert_int_equal(ledger.first_free_at_ns, p.now_ns);
    assert_int_equal(ledger_of(&p, 9001).free, 8); /* another destination */
    peer_end(&p);
}

static void a_connect_without_a_port_is_told_when_to_come_again(void **state) {
    (void)state;
    for (int timestamps = 0; timestamps < 2; timestamps++) {
        peer p;
        begin_with_ports(&p, 40000, 40002, 100, HF_TW_EVICT);
        if (timestamps == 1) peer_offers_everything(&p);
        calls_and_closes_first(&p, 0);
        const hf_ns first_ns = p.now_ns;
        peer_run(&p, 200 * HF_MS);
        p.ts_value += 200;
        calls_and_closes_first(&p, 0);
        calls(&p, 0);
        assert_int_equal(call(&p, 0), HF_NO_PORT);
        const hf_ns wait_ns = timestamps == 1 ? 1000 * HFI_TICK_NS : 60 * HF_SECOND;
        const hf_ns free_at_ns = ledger_of(&p, 9000).first_free_at_ns;
        assert_in_range(free_at_ns, first_ns + wait_ns - 2 * HF_MS, first_ns + wait_ns + 2 * HF_MS);
        uint64_t cursor = 0;
        hf_end_record record;
        do assert_true(hf_end_next(&p.engine, &cursor, &record));
        while (record.end.cause != HF_CAUSE_END_NO_PORT);
        assert_int_equal(record.end.first_free_at_ns, free_at_ns);
        peer_run(&p, free_at_ns - p.now_ns - HF_MS);
        assert_int_equal(call(&p, 0), HF_NO_PORT);
        peer_run(&p, HF_MS);
        assert_int_equal(call(&p, 0), HF_OK);
        peer_end(&p);
    }
}

/* The search is not made again while nothing has changed, but as soon as something has. */
static void a_port_that_comes_free_is_found(void **state) {
    (void)state;
    peer p;
    begin_with_ports(&p, 40000, 40001, 100, HF_TW_EVICT);
    calls(&p, 0);
    const hf_conn first = p.conn;
    calls(&p, 0);
    for (int i = 0; i < 3; i++) assert_int_equal(call(&p, 0), HF_NO_PORT);
    assert_int_equal(ledger_of(&p, 9000).first_free_at_ns, HF_NEVER);
    assert_int_equal(hf_abort(&p.engine, first), HF_OK);
    assert_int_equal(call(&p, 0), HF_OK);
    assert_int_equal(call(&p, 0), HF_NO_PORT);
    const hf_connect_options other = {.remote = p.them, .remote_port = 9001};
    assert_int_equal(hf_connect(&p.engine, &other, &p.conn), HF_OK);
    peer_end(&p);
}

/* RFC 6056 3.2 */
static void a_port_that_nothing_has_comes_before_one_in_time_wait(void **state) {
    (void)state;
    for (uint16_t left = 40000; left <= 40003; left++) {
        peer p;
        begin_with_ports(&p, 40000, 40003, 5, HF_TW_EVICT);
        peer_offers_everything(&p);
        for (uint16_t port = 40000; port <= 40003; port++)
            if (port != left) calls_and_closes_first(&p, port);
        peer_run(&p, 2 * HF_SECOND);
        calls(&p, 0);
        assert_int_equal(p.our_port, left);
        assert_int_equal(peer_count(&p, HF_CAUSE_TIME_WAIT_REUSED), 0);
        calls(&p, 0); /* none is left: the timestamps guard */
        assert_int_equal(peer_count(&p, HF_CAUSE_TIME_WAIT_REUSED), 1);
        peer_end(&p);
    }
}

static void a_listeners_port_is_not_chosen(void **state) {
    (void)state;
    peer p;
    begin_with_ports(&p, 40000, 40001, 100, HF_TW_EVICT);
    const hf_listen_options listen = {.port = 40001};
    peer_listens_with(&p, &listen);
    assert_int_equal(call(&p, 0), HF_OK);
    hf_conn_status status = peer_status(&p);
    assert_int_equal(status.local_port, 40000);
    assert_int_equal(call(&p, 0), HF_NO_PORT);
    peer_end(&p);
}

static void without_a_route_there_is_no_ledger(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    const hf_addr any = {{0}}, far = hf_addr4(172, 16, 3, 4);
    hf_port_ledger ledger;
    assert_int_equal(hf_port_ledger_get(&p.engine, &any, &far, 80, &ledger), HF_NO_ROUTE);
    assert_int_equal(hf_port_ledger_get(&p.engine, &far, &p.them, 80, &ledger), HF_NO_ADDRESS);
    peer_end(&p);
}

/* ---- TIME_WAIT ---- */

static void the_status_counts_entries_by_what_guards_them(void **state) {
    (void)state;
    peer p;
    begin_with_ports(&p, 40000, 49999, 5, HF_TW_EVICT);
    calls_and_closes_first(&p, 40000);
    peer_offers_everything(&p);
    calls_and_closes_first(&p, 40001);
    calls_and_closes_first(&p, 40002);
    hf_time_wait_status status = time_wait_of(&p);
    assert_int_equal(status.ip4.entries, 5);
    assert_int_equal(status.ip4.used, 3);
    assert_int_equal(status.ip4.by_timestamps, 2);
    assert_int_equal(status.ip4.by_isn, 1);
    assert_int_equal(status.ip4.unguarded, 0);
    peer_run(&p, 2 * HF_SECOND);
    assert_int_equal(call(&p, 40001), HF_OK);
    status = time_wait_of(&p);
    assert_int_equal(status.ip4.used, 2);
    assert_int_equal(status.reused, 1);
    assert_int_equal(peer_count(&p, HF_CAUSE_TIME_WAIT_REUSED), 1);
    peer_run(&p, 61 * HF_SECOND);
    status = time_wait_of(&p);
    assert_int_equal(status.ip4.used, 0);
    assert_int_equal(status.ended, 2);
    assert_int_equal(status.next_end_at_ns, HF_NEVER);
    assert_int_equal(status.early_guarded + status.early_unsafe, 0);
    peer_end(&p);
}

/* A connection that sends more than the ISN clock moves is guarded by nothing; when it leaves early it
 * is named. */
static void an_unsafe_exit_is_named_with_peer_and_age(void **state) {
    (void)state;
    peer p;
    begin_with_ports(&p, 40000, 49999, 1, HF_TW_EVICT);
    calls(&p, 40000);
    for (int i = 0; i < 50; i++) {
        peer_app_sends(&p, 10000);
        p.ack += 10000;
        peer_says(&p, HFI_TCP_ACK, 0);
        peer_forget(&p);
    }
    hf_shutdown(&p.engine, p.conn);
    peer_drain(&p);
    p.ack++;
    peer_says(&p, HFI_TCP_FIN | HFI_TCP_ACK, 0);
    peer_forget(&p);
    assert_int_equal(time_wait_of(&p).ip4.unguarded, 1);
    peer_run(&p, 7 * HF_SECOND);
    p.their_port = 9000;
    calls_and_closes_first(&p, 40001);
    const hf_time_wait_status status = time_wait_of(&p);
    assert_int_equal(status.early_unsafe, 1);
    assert_true(hf_addr_equal(&status.last_unsafe_peer, &p.them));
    assert_int_equal(status.last_unsafe_peer_port, 9000);
    assert_int_equal(status.last_unsafe_local_port, 40000);
    assert_in_range(status.last_unsafe_age_ns, 6990 * HF_MS, 7010 * HF_MS);
    assert_int_equal(status.last_unsafe_at_ns, p.now_ns);
    peer_end(&p);
}

static void a_connect_is_refused_rather_than_an_entry_evicted(void **state) {
    (void)state;
    peer p;
    begin_with_ports(&p, 40000, 49999, 3, HF_TW_REFUSE_CONNECT);
    calls_and_closes_first(&p, 0);
    const hf_ns first_ns = p.now_ns;
    peer_run(&p, HF_SECOND);
    calls_and_closes_first(&p, 0);
    calls(&p, 0); /* it may need the last entry */
    const hf_conn last = p.conn;
    assert_int_equal(call(&p, 0), HF_TIME_WAIT_FULL);
    uint64_t cursor = 0;
    hf_end_record record;
    do assert_true(hf_end_next(&p.engine, &cursor, &record));
    while (record.end.cause != HF_CAUSE_END_TIME_WAIT_FULL);
    assert_in_range(record.end.first_free_at_ns, first_ns + 60 * HF_SECOND - 2 * HF_MS,
                    first_ns + 60 * HF_SECOND + 2 * HF_MS);
    assert_int_equal(record.end.who, HF_WHO_MEMORY);
    peer_run(&p, record.end.first_free_at_ns - p.now_ns);
    assert_int_equal(call(&p, 0), HF_OK);
    assert_int_equal(call(&p, 0), HF_TIME_WAIT_FULL);
    hf_abort(&p.engine, last);
    assert_int_equal(call(&p, 0), HF_OK);
    assert_int_equal(time_wait_of(&p).early_guarded + time_wait_of(&p).early_unsafe, 0);
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ledger_says_what_holds_each_port),
        cmocka_unit_test(a_connect_without_a_port_is_told_when_to_come_again),
        cmocka_unit_test(a_port_that_comes_free_is_found),
        cmocka_unit_test(a_port_that_nothing_has_comes_before_one_in_time_wait),
        cmocka_unit_test(a_listeners_port_is_not_chosen),
        cmocka_unit_test(without_a_route_there_is_no_ledger),
        cmocka_unit_test(the_status_counts_entries_by_what_guards_them),
        cmocka_unit_test(an_unsafe_exit_is_named_with_peer_and_age),
        cmocka_unit_test(a_connect_is_refused_rather_than_an_entry_evicted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
