/* Ends: who, what, on which evidence; the receipt; the ring that tells what no handle tells. */
#include "peer.h"
#include <hf/explain.h>
#include "wire/icmp.h"

/* Reads a record that must be there. */
static hf_end_record next_record(const peer *p, uint64_t *cursor) {
    hf_end_record record;
    assert_true(hf_end_next(&p->engine, cursor, &record));
    return record;
}

static void expect_no_record(const peer *p, uint64_t cursor) {
    hf_end_record record;
    assert_false(hf_end_next(&p->engine, &cursor, &record));
}

/* ---- Evidence ---- */

static void an_rst_is_kept_with_what_was_expected_when_it_came(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_says(&p, HFI_TCP_ACK, 37);
    const uint32_t window = peer_status(&p).our_window_bytes;
    p.window = 1234;
    peer_says(&p, HFI_TCP_RST | HFI_TCP_ACK, 0);
    const hf_end end = peer_conn_end(&p);
    assert_int_equal(end.who, HF_WHO_PEER);
    assert_int_equal(end.reset_by, HF_RESET_BY_PEER);
    assert_true(end.segment.present);
    assert_int_equal(end.segment.flags, HFI_TCP_RST | HFI_TCP_ACK);
    assert_int_equal(end.segment.seq, p.seq);
    assert_int_equal(end.segment.ack, p.ack);
    assert_int_equal(end.segment.window, 1234);
    assert_int_equal(end.segment.ttl, 64);
    assert_int_equal(end.segment.rcv_nxt, p.seq);
    assert_int_equal(end.segment.rcv_window, window);
    assert_int_equal(end.bytes_unread, 37);
    peer_end(&p);
}

/* ---- Is it the peer's? ---- */

/* The peer's RST, exact, after a connection whose segments came with TTL 57 and timestamps; the segment
 * may say more than that. */
static hf_end ended_by_rst(uint8_t ttl, hfi_tcp_view rst, const char *sentence) {
    peer p;
    peer_begin(&p);
    peer_offers_everything(&p);
    p.ttl = 57;
    peer_listen_and_accept(&p);
    peer_says(&p, HFI_TCP_ACK, 37);
    peer_app_sends(&p, 41);
    rst.seq = p.seq;
    rst.flags |= HFI_TCP_RST;
    rst.ack += p.ack;
    rst.options.ts_value += p.ts_value;
    rst.options.ts_echo += p.ts_echo;
    p.timestamps = false; /* as `rst` has them */
    p.ttl = ttl;
    peer_send_view(&p, rst);
    const hf_end end = peer_conn_end(&p);
    assert_int_equal(end.cause, HF_CAUSE_END_PEER_RESET);
    assert_int_equal(end.segment.usual_ttl, 57);
    const uint16_t doubts = end.segment.doubts;
    assert_int_equal(peer_count(&p, HF_CAUSE_RST_TTL_UNLIKE), (doubts & HF_RST_TTL_UNLIKE) != 0);
    assert_int_equal(peer_count(&p, HF_CAUSE_RST_ACK_UNLIKE), (doubts & HF_RST_ACK_UNLIKE) != 0);
    assert_int_equal(peer_count(&p, HF_CAUSE_RST_STAMP_UNLIKE),
                     (doubts & HF_RST_STAMP_UNLIKE) != 0);
    char text[600];
    hf_explain_end(&end, text, sizeof text);
    assert_int_equal(strstr(text, "doubtful") != NULL, doubts != 0);
    if (sentence != NULL) assert_non_null(strstr(text, sentence));
    peer_end(&p);
    return end;
}

static uint16_t doubts_of(uint8_t ttl, hfi_tcp_view rst, const char *sentence) {
    return ended_by_rst(ttl, rst, sentence).segment.doubts;
}

static void a_rst_as_the_peer_would_send_it_is_not_doubted(void **state) {
    (void)state;
    const hfi_tcp_options stamps = {.present = HFI_OPT_TIMESTAMPS};
    assert_int_equal(doubts_of(57, (hfi_tcp_view){.flags = 0}, NULL), 0);
    assert_int_equal(doubts_of(57, (hfi_tcp_view){.flags = HFI_TCP_ACK}, NULL), 0);
    assert_int_equal(doubts_of(57, (hfi_tcp_view){.flags = HFI_TCP_ACK, .ack = 41}, NULL), 0);
    assert_int_equal(doubts_of(57, (hfi_tcp_view){.flags = HFI_TCP_ACK, .options = stamps}, NULL),
                     0);
    assert_int_equal(doubts_of(56, (hfi_tcp_view){.flags = 0}, NULL), 0); /* a hop more */
}

static void a_rst_from_nearer_or_further_off_is_doubted(void **state) {
    (void)state;
    assert_int_equal(doubts_of(63, (hfi_tcp_view){.flags = 0},
                               "it came with TTL 63, the peer's segments with 57;"),
                     HF_RST_TTL_UNLIKE);
    assert_int_equal(doubts_of(255, (hfi_tcp_view){.flags = 0}, NULL), HF_RST_TTL_UNLIKE);
    assert_int_equal(doubts_of(55, (hfi_tcp_view){.flags = 0}, NULL), HF_RST_TTL_UNLIKE);
}

static void a_rst_that_acknowledges_what_cannot_be_is_doubted(void **state) {
    (void)state;
    const hfi_tcp_view unsent = {.flags = HFI_TCP_ACK, .ack = 42};
    assert_int_equal(doubts_of(57, unsent, "acknowledges what was never sent"), HF_RST_ACK_UNLIKE);
    const hfi_tcp_view old = {.flags = HFI_TCP_ACK, .ack = (uint32_t)-9000000};
    assert_int_equal(doubts_of(57, old, NULL), HF_RST_ACK_UNLIKE);
    assert_int_equal(doubts_of(57, (hfi_tcp_view){.flags = 0, .ack = 42}, NULL), 0); /* no ACK */
}

static void a_rst_with_timestamps_that_cannot_be_the_peers_is_doubted(void **state) {
    (void)state;
    hfi_tcp_view rst = {.flags = HFI_TCP_ACK, .options = {.present = HFI_OPT_TIMESTAMPS}};
    rst.options.ts_value = (uint32_t)-1;
    assert_int_equal(doubts_of(57, rst, "its timestamps cannot be the peer's"),
                     HF_RST_STAMP_UNLIKE);
    rst.options.ts_value = 3;
    rst.options.ts_echo = 100000;
    assert_int_equal(doubts_of(57, rst, NULL), HF_RST_STAMP_UNLIKE);
    rst.flags = 0; /* no ACK: no echo */
    assert_int_equal(doubts_of(57, rst, NULL), 0);
    rst.ack = 0, rst.flags = HFI_TCP_ACK, rst.options.ts_echo = 77777, rst.ack = 99;
    assert_int_equal(doubts_of(60, rst, NULL),
                     HF_RST_TTL_UNLIKE | HF_RST_ACK_UNLIKE | HF_RST_STAMP_UNLIKE);
}

/* Only what was acceptable says how the peer's segments come: a stranger cannot prepare his RST. */
static void a_segment_that_is_not_acceptable_says_nothing_of_the_usual_ttl(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    p.ttl = 57;
    peer_listen_and_accept(&p);
    p.ttl = 63;
    peer_sends(&p, HFI_TCP_ACK, p.seq - 5000, p.ack, 3);
    peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack + 9, 3);
    peer_sends(&p, HFI_TCP_RST, p.seq + 1, 0, 0);
    peer_sends(&p, HFI_TCP_RST, p.seq, 0, 0);
    const hf_end end = peer_conn_end(&p);
    assert_int_equal(end.segment.ttl, 63);
    assert_int_equal(end.segment.usual_ttl, 57);
    assert_int_equal(end.segment.doubts, HF_RST_TTL_UNLIKE);
    peer_end(&p);
}

/* The connecting side has the SYN-ACK to compare with, and nothing before it. */
static void a_refusal_has_nothing_to_be_compared_with(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_is_called(&p);
    p.ttl = 63;
    peer_sends(&p, HFI_TCP_RST | HFI_TCP_ACK, 0, p.ack, 0);
    hf_end end = peer_conn_end(&p);
    assert_int_equal(end.cause, HF_CAUSE_END_REFUSED);
    assert_int_equal(end.segment.usual_ttl, 0);
    assert_int_equal(end.segment.doubts, 0);
    assert_int_equal(hf_release(&p.engine, p.conn), HF_OK);
    p.iss = 5000, p.ttl = 57;
    peer_forget(&p);
    peer_is_called(&p);
    peer_answers_call(&p);
    p.ttl = 63;
    peer_sends(&p, HFI_TCP_RST, p.seq, 0, 0);
    assert_int_equal(peer_conn_end(&p).segment.doubts, HF_RST_TTL_UNLIKE);
    peer_end(&p);
}

static void a_timer_ends_without_a_segment(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    const hf_tcp_options options = {.detect_within_ns = 5 * HF_SECOND};
    peer_listen_and_accept_with(&p, &options);
    const hf_ns heard_ns = peer_status(&p).last_heard_ns;
    peer_app_sends(&p, 53);
    p.deaf = true;
    peer_run(&p, 6 * HF_SECOND);
    const hf_end end = peer_conn_end(&p);
    assert_int_equal(end.cause, HF_CAUSE_END_PEER_SILENT);
    assert_int_equal(end.who, HF_WHO_STACK);
    assert_int_equal(end.reset_by, HF_RESET_BY_US);
    assert_false(end.segment.present);
    assert_int_equal(end.last_heard_ns, heard_ns);
    assert_true(end.unanswered >= 4 && end.retransmissions >= 4);
    assert_int_equal(end.bytes_sent, 53);
    assert_int_equal(end.bytes_thrown, 53);
    peer_end(&p);
}

/* An ICMP error from `from` about the engine's SYN. */
static void icmp_comes(peer *p, hf_addr from, uint8_t type, uint8_t code) {
    uint8_t packet[100], quote[28];
    memset(quote, 0, sizeof quote);
    hfi_ip4_build(quote, &p->us, &p->them, HFI_IP_TCP, 64, 0, 0, true, 20);
    hfi_store16(quote + 20, p->our_port);
    hfi_store16(quote + 22, p->their_port);
    hfi_store32(quote + 24, p->ack - 1);
    uint8_t *icmp =
        packet + hfi_ip4_build(packet, &from, &p->us, HFI_IP_ICMP4, 61, 0, 7, false, 8 + 28);
    memset(icmp, 0, 8);
    icmp[0] = type, icmp[1] = code;
    memcpy(icmp + 8, quote, 28);
    hfi_csum_store(icmp + 2, hfi_csum_add(0, icmp, 8 + 28));
    peer_inject(p, packet, 20 + 8 + 28);
    peer_drain(p);
}

static void an_unreachable_peer_is_told_with_the_router_that_said_so(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_is_called(&p);
    const hf_addr router = hf_addr4(192, 0, 2, 77);
    icmp_comes(&p, router, 3, 2);
    const hf_end end = peer_conn_end(&p);
    assert_int_equal(end.cause, HF_CAUSE_END_UNREACHABLE);
    assert_int_equal(end.who, HF_WHO_PATH);
    assert_int_equal(end.icmp_type, 3);
    assert_int_equal(end.icmp_code, 2);
    assert_true(hf_addr_equal(&end.router, &router));
    assert_int_equal(end.state, HF_SYN_SENT);
    peer_end(&p);
}

/* A soft error ends nothing (RFC 9293 MUST-56), but whoever gives up later says what was heard. */
static void an_unanswered_syn_is_told_with_the_soft_error_that_came(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_is_called(&p);
    const hf_addr router = hf_addr4(192, 0, 2, 78);
    icmp_comes(&p, router, 3, 1);
    peer_run(&p, 400 * HF_SECOND);
    const hf_end end = peer_conn_end(&p);
    assert_int_equal(end.cause, HF_CAUSE_END_SYN_UNANSWERED);
    assert_int_equal(end.who, HF_WHO_STACK);
    assert_int_equal(end.icmp_type, 3);
    assert_int_equal(end.icmp_code, 1);
    assert_true(hf_addr_equal(&end.router, &router));
    assert_int_equal(end.retransmissions, 7);
    peer_end(&p);
}

/* ---- The receipt ---- */

static void an_abort_says_what_it_threw_away(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    p.window = 100;
    peer_listen_and_accept(&p);
    peer_app_sends(&p, 170); /* 100 leave, 70 wait */
    p.ack += 60;
    peer_says(&p, HFI_TCP_ACK, 41);
    p.window = 0;
    peer_sends(&p, HFI_TCP_ACK, p.seq, p.ack, 0);
    assert_int_equal(hf_abort(&p.engine, p.conn), HF_OK);
    const hf_end end = peer_conn_end(&p);
    assert_int_equal(end.who, HF_WHO_APPLICATION);
    assert_int_equal(end.bytes_from_app, 170);
    assert_int_equal(end.bytes_acked, 60);
    assert_true(end.bytes_sent >= 100 && end.bytes_sent <= 160);
    assert_int_equal(end.bytes_thrown, 110);
    assert_int_equal(end.bytes_unread, 41);
    assert_int_equal(end.reset_by, HF_RESET_BY_US);
    assert_false(end.fin_sent || end.fin_acked || end.fin_heard);
    assert_int_equal(end.time_wait, HF_TW_NOBODY);
    assert_int_equal(end.time_wait_until_ns, 0);
    peer_end(&p);
}

static void a_graceful_end_says_until_when_time_wait_is_held(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    hf_shutdown(&p.engine, p.conn);
    peer_drain(&p);
    p.ack++;
    peer_says(&p, HFI_TCP_FIN | HFI_TCP_ACK, 0);
    const hf_end end = peer_conn_end(&p);
    assert_int_equal(end.who, HF_WHO_APPLICATION);
    assert_true(end.fin_sent && end.fin_acked && end.fin_heard);
    assert_int_equal(end.time_wait, HF_TW_US);
    assert_in_range(end.time_wait_until_ns, p.now_ns + 60 * HF_SECOND - 2 * HF_MS,
                    p.now_ns + 60 * HF_SECOND);
    assert_int_equal(end.reset_by, HF_RESET_BY_NOBODY);
    peer_end(&p);
}

/* A table without entries guards nothing, and the outcome does not claim that it does. */
static void without_a_table_nobody_holds_time_wait(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.time_wait = 0;
    peer_begin_with(&p, &config, false);
    peer_listen_and_accept(&p);
    hf_shutdown(&p.engine, p.conn);
    peer_drain(&p);
    p.ack++;
    peer_says(&p, HFI_TCP_FIN | HFI_TCP_ACK, 0);
    assert_int_equal(peer_conn_end(&p).time_wait, HF_TW_NOBODY);
    peer_end(&p);
}

/* ---- The ring ---- */

static void an_orphans_end_is_told_by_the_ring(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    peer_app_sends(&p, 29);
    assert_int_equal(hf_release(&p.engine, p.conn), HF_OK);
    peer_drain(&p);
    uint64_t cursor = 0;
    expect_no_record(&p, cursor);
    peer_says(&p, HFI_TCP_RST, 0);
    const hf_end_record record = next_record(&p, &cursor);
    assert_int_equal(record.number, 0);
    assert_int_equal(record.lost, 0);
    assert_true(hf_addr_equal(&record.local, &p.us) && hf_addr_equal(&record.remote, &p.them));
    assert_int_equal(record.local_port, 80);
    assert_int_equal(record.remote_port, 4321);
    assert_int_equal(record.end.cause, HF_CAUSE_END_PEER_RESET);
    assert_int_equal(record.end.bytes_thrown, 29);
    assert_in_range(record.end.at_ns, p.now_ns - 2 * HF_MS, p.now_ns);
    assert_false(record.dropped);
    expect_no_record(&p, cursor);
    peer_end(&p);
}

/* Each end is told once: by its handle, or by the ring. */
static void a_released_end_is_in_the_ring_if_nobody_asked_for_it(void **state) {
    (void)state;
    for (int asked = 0; asked < 2; asked++) {
        peer p;
        peer_begin(&p);
        peer_listen_and_accept(&p);
        const hf_conn handle = p.conn;
        peer_says(&p, HFI_TCP_RST, 0);
        if (asked == 1) peer_conn_end(&p);
        assert_int_equal(hf_release(&p.engine, p.conn), HF_OK);
        uint64_t cursor = 0;
        if (asked == 1) {
            expect_no_record(&p, cursor);
        } else {
            const hf_end_record record = next_record(&p, &cursor);
            assert_int_equal(record.end.cause, HF_CAUSE_END_PEER_RESET);
            assert_int_equal(record.conn.index, handle.index);
            assert_int_equal(record.conn.generation, handle.generation);
        }
        peer_end(&p);
    }
}

static void what_was_never_accepted_is_told_by_the_ring(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    const hf_listen_options listen = {.port = 80};
    peer_listens_with(&p, &listen);
    peer_handshake(&p);
    peer_says(&p, HFI_TCP_ACK, 19);
    hf_listener_close(&p.engine, p.listener);
    uint64_t cursor = 0;
    const hf_end_record record = next_record(&p, &cursor);
    assert_int_equal(record.end.cause, HF_CAUSE_END_LISTENER_CLOSED);
    assert_int_equal(record.end.who, HF_WHO_APPLICATION);
    assert_int_equal(record.end.bytes_unread, 19);
    peer_end(&p);
}

static void reset_and_leave(peer *p, uint16_t port, bool release) {
    p->their_port = port;
    p->iss = p->seq = PEER_ISS + port;
    peer_handshake(p);
    assert_int_equal(hf_accept(&p->engine, p->listener, &p->conn), HF_OK);
    peer_says(p, HFI_TCP_RST, 0);
    if (release) assert_int_equal(hf_release(&p->engine, p->conn), HF_OK);
    peer_event(p, HF_OBJECT_CONN, 0);
    peer_forget(p);
}

static void a_reader_that_comes_late_sees_how_many_it_missed(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.end_records = 3;
    peer_begin_with(&p, &config, false);
    const hf_listen_options listen = {.port = 80};
    peer_listens_with(&p, &listen);
    for (uint16_t i = 0; i < 5; i++) reset_and_leave(&p, (uint16_t)(7001 + i), true);
    uint64_t cursor = 0;
    hf_end_record record = next_record(&p, &cursor);
    assert_int_equal(record.lost, 2);
    assert_int_equal(record.number, 2);
    assert_int_equal(record.remote_port, 7003);
    record = next_record(&p, &cursor);
    assert_int_equal(record.lost, 0);
    assert_int_equal(record.remote_port, 7004);
    assert_int_equal(next_record(&p, &cursor).remote_port, 7005);
    expect_no_record(&p, cursor);
    peer_end(&p);
}

static void ends_that_nobody_asks_for_give_their_handles_back(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.conns = 4;
    config.syn_entries = 1;
    config.end_budget = 2;
    peer_begin_with(&p, &config, false);
    const hf_listen_options listen = {.port = 80};
    peer_listens_with(&p, &listen);
    reset_and_leave(&p, 7001, false);
    const hf_conn first = p.conn;
    reset_and_leave(&p, 7002, false);
    const hf_conn second = p.conn;
    hf_end end;
    assert_int_equal(hf_conn_end(&p.engine, first, &end), HF_OK);
    reset_and_leave(&p, 7003, false);
    assert_int_equal(hf_conn_end(&p.engine, first, &end), HF_STALE);
    assert_int_equal(hf_conn_end(&p.engine, second, &end), HF_OK);
    assert_int_equal(peer_count(&p, HF_CAUSE_UNREAD_END_DROPPED), 1);
    uint64_t cursor = 0;
    const hf_end_record record = next_record(&p, &cursor);
    assert_true(record.dropped);
    assert_int_equal(record.remote_port, 7001);
    assert_int_equal(record.conn.index, first.index);
    for (uint16_t i = 0; i < 50; i++) reset_and_leave(&p, (uint16_t)(7101 + i), false);
    peer_end(&p);
}

/* ---- Failed opens ---- */

static hf_end_record failed(peer *p, const hf_connect_options *connect, hf_err expected,
                            uint64_t *cursor) {
    hf_conn conn;
    assert_int_equal(hf_connect(&p->engine, connect, &conn), expected);
    const hf_end_record record = next_record(p, cursor);
    assert_int_equal(record.conn.index, UINT32_MAX);
    assert_true(hf_addr_equal(&record.remote, &connect->remote));
    assert_int_equal(record.remote_port, connect->remote_port);
    assert_int_equal(record.end.at_ns, p->now_ns);
    assert_int_equal(record.end.mechanism, HF_CAUSE_BY_CALL);
    return record;
}

static void a_connect_that_fails_leaves_a_record(void **state) {
    (void)state;
    peer p;
    hf_config config = peer_config();
    config.conns = 2;
    config.port_low = config.port_high = 40000;
    peer_begin_with(&p, &config, false);
    uint64_t cursor = 0;
    hf_connect_options connect = {.remote = hf_addr4(172, 16, 9, 9), .remote_port = 9001};
    hf_end_record record = failed(&p, &connect, HF_NO_ROUTE, &cursor);
    assert_int_equal(record.end.cause, HF_CAUSE_END_NO_ROUTE);
    assert_int_equal(record.end.who, HF_WHO_PATH);
    connect.remote = p.them;
    hf_conn conn;
    assert_int_equal(hf_connect(&p.engine, &connect, &conn), HF_OK);
    record = failed(&p, &connect, HF_NO_PORT, &cursor);
    assert_int_equal(record.end.cause, HF_CAUSE_END_NO_PORT);
    assert_int_equal(record.end.who, HF_WHO_MEMORY);
    connect.remote_port = 9002;
    assert_int_equal(hf_connect(&p.engine, &connect, &conn), HF_OK);
    connect.remote_port = 9003;
    record = failed(&p, &connect, HF_NO_CONNECTION_SLOT, &cursor);
    assert_int_equal(record.end.cause, HF_CAUSE_END_NO_MEMORY);
    assert_int_equal(record.end.who, HF_WHO_MEMORY);
    connect.remote = hf_addr4(224, 0, 0, 1); /* a fault of the program, not an end */
    assert_int_equal(hf_connect(&p.engine, &connect, &conn), HF_BAD_DESTINATION);
    expect_no_record(&p, cursor);
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_rst_is_kept_with_what_was_expected_when_it_came),
        cmocka_unit_test(a_rst_as_the_peer_would_send_it_is_not_doubted),
        cmocka_unit_test(a_rst_from_nearer_or_further_off_is_doubted),
        cmocka_unit_test(a_rst_that_acknowledges_what_cannot_be_is_doubted),
        cmocka_unit_test(a_rst_with_timestamps_that_cannot_be_the_peers_is_doubted),
        cmocka_unit_test(a_segment_that_is_not_acceptable_says_nothing_of_the_usual_ttl),
        cmocka_unit_test(a_refusal_has_nothing_to_be_compared_with),
        cmocka_unit_test(a_timer_ends_without_a_segment),
        cmocka_unit_test(an_unreachable_peer_is_told_with_the_router_that_said_so),
        cmocka_unit_test(an_unanswered_syn_is_told_with_the_soft_error_that_came),
        cmocka_unit_test(an_abort_says_what_it_threw_away),
        cmocka_unit_test(a_graceful_end_says_until_when_time_wait_is_held),
        cmocka_unit_test(without_a_table_nobody_holds_time_wait),
        cmocka_unit_test(an_orphans_end_is_told_by_the_ring),
        cmocka_unit_test(a_released_end_is_in_the_ring_if_nobody_asked_for_it),
        cmocka_unit_test(what_was_never_accepted_is_told_by_the_ring),
        cmocka_unit_test(a_reader_that_comes_late_sees_how_many_it_missed),
        cmocka_unit_test(ends_that_nobody_asks_for_give_their_handles_back),
        cmocka_unit_test(a_connect_that_fails_leaves_a_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
