/* Hostile peers and crowds of them: what they make us do and hold is bounded, counted here in
 * frames, ranges and slots, never in time. */
#include "rig.h"
#include "stack/engine.h"
#include "wire/tcp.h"
#include "wire/csum.h"
#include "wire/ip.h"

static const hfi_engine *inside(rig *r, int side) { return hfi_of_const(&r->engine[side]); }
static hfi_conn *conn_at(rig *r, int side, hf_conn conn) {
    return &hfi_of(&r->engine[side])->ctx.conns[conn.index];
}

/* One segment from the peer of `conn` as it stands; the caller changes what it wants. */
static hfi_tcp_view from_peer(rig *r, int side, hf_conn conn) {
    const hfi_conn *c = conn_at(r, side, conn);
    return (hfi_tcp_view){.source_port = c->remote_port,
                          .destination_port = c->local_port,
                          .seq = c->rcv_nxt,
                          .ack = c->snd_una,
                          .flags = HFI_TCP_ACK,
                          .window = 65535,
                          .options = {.present = HFI_OPT_TIMESTAMPS, .ts_value = c->ts_recent}};
}

static hf_verdict inject(rig *r, int side, const hf_addr *from, const hfi_tcp_view *view) {
    uint8_t packet[2048], header[HFI_TCP_BYTES_MAX];
    const uint32_t tcp_bytes = hfi_tcp_build(header, view);
    const uint32_t segment = tcp_bytes + view->payload_bytes;
    hfi_ip4_build(packet, from, &r->addr[side], HFI_IP_TCP, 64, 0, 1, true, segment);
    memset(packet + 20, 0, segment);
    memcpy(packet + 20, header, tcp_bytes);
    hfi_csum_store(packet + 20 + HFI_TCP_CSUM_OFFSET,
                   hfi_ip_pseudo_sum(from, &r->addr[side], HFI_IP_TCP, segment) +
                       hfi_csum_add(0, packet + 20, segment));
    return rig_inject(r, side, packet, 20 + segment);
}

/* Counts and throws away what a side sends. */
static uint32_t sent_now(rig *r, int side) {
    hf_frame frames[16];
    uint32_t sent = 0;
    for (size_t n; (n = hf_tx_peek(&r->engine[side], frames, 16)) > 0; sent += (uint32_t)n)
        hf_tx_taken(&r->engine[side], n);
    return sent;
}

static void connected(rig *r, hf_conn *client, hf_conn *server) {
    rig_init(r);
    rig_connect(r, NULL, client, server);
}

/* ---- Reassembly and SACK ---- */

static void every_other_byte_backwards_is_kept_in_few_ranges(void **state) {
    (void)state;
    rig r;
    hf_conn client, server;
    connected(&r, &client, &server);
    for (uint32_t i = 100000; i > 0; i--) {
        hfi_tcp_view view = from_peer(&r, 1, server);
        view.seq += i * 2 % 60000 + 1;
        view.payload_bytes = 1;
        inject(&r, 1, &r.addr[0], &view);
        if (i % 64 == 0) sent_now(&r, 1);
    }
    const hfi_root *root = inside(&r, 1)->ctx.root;
    assert_true(conn_at(&r, 1, server)->ranges <= HFI_RANGES_PER_CONN);
    assert_true(root->range_pool.used <= HFI_RANGES_PER_CONN + 1); /* and a duplicate to tell of */
    assert_true(root->rx_pool.used <= 60000 / 4096 + 2);
    rig_end(&r);
}

static void single_bytes_sacked_cost_no_descriptors(void **state) {
    (void)state;
    rig r;
    hf_conn client, server;
    connected(&r, &client, &server);
    static uint8_t data[14000];
    size_t taken;
    assert_int_equal(hf_send(&r.engine[0], client, data, sizeof data, &taken), HF_OK);
    sent_now(&r, 0);
    const uint32_t before = inside(&r, 0)->ctx.root->segment_pool.used;
    assert_true(before > 0); /* segments, or super-segments */
    uint32_t answers = 0;
    for (uint32_t i = 1; i < 10000; i += 2) {
        hfi_tcp_view view = from_peer(&r, 0, client);
        view.options.present |= HFI_OPT_SACK;
        view.options.sack_count = 1;
        view.options.sack[0] = (hfi_sack_block){view.ack + i, view.ack + i + 1};
        inject(&r, 0, &r.addr[1], &view);
        answers += sent_now(&r, 0);
    }
    assert_true(inside(&r, 0)->ctx.root->segment_pool.used <= before + 10);
    assert_true(answers < 40); /* not thousands: what is not SACKed whole says nothing */
    rig_end(&r);
}

static void repeated_bare_acks_release_no_more_than_the_window(void **state) {
    (void)state;
    rig r;
    hf_conn client, server;
    connected(&r, &client, &server);
    static uint8_t data[200000];
    size_t taken;
    assert_int_equal(hf_send(&r.engine[0], client, data, sizeof data, &taken), HF_OK);
    const uint32_t first = sent_now(&r, 0);
    uint32_t more = 0;
    for (int i = 0; i < 1000; i++) {
        const hfi_tcp_view view = from_peer(&r, 0, client);
        inject(&r, 0, &r.addr[1], &view);
        const uint32_t now = sent_now(&r, 0);
        assert_true(now <= 3);
        more += now;
    }
    const hfi_conn *c = conn_at(&r, 0, client);
    assert_true(first >= 10);
    assert_true(hfi_in_flight(c) <= c->snd_wnd);
    assert_true(more <= c->snd_wnd / c->mss + 3);
    rig_end(&r);
}

/* ---- Windows and segment sizes ---- */

static void one_byte_windows_are_not_filled_at_once(void **state) {
    (void)state;
    rig r;
    hf_conn client, server;
    connected(&r, &client, &server);
    static uint8_t data[5000];
    size_t taken;
    hfi_tcp_view view = from_peer(&r, 0, client);
    view.window = 0;
    inject(&r, 0, &r.addr[1], &view);
    assert_int_equal(hf_send(&r.engine[0], client, data, sizeof data, &taken), HF_OK);
    sent_now(&r, 0);
    uint32_t sent = 0;
    for (int i = 0; i < 500; i++) {
        view = from_peer(&r, 0, client);
        view.ack = conn_at(&r, 0, client)->snd_nxt;
        view.window = 0; /* scaled, so the smallest open window is 2^shift bytes */
        inject(&r, 0, &r.addr[1], &view);
        view.window = 1;
        inject(&r, 0, &r.addr[1], &view);
        sent += sent_now(&r, 0);
    }
    assert_int_equal(sent, 0);
    rig_end(&r);
}

static void a_tiny_mss_is_raised_to_a_floor(void **state) {
    (void)state;
    rig r;
    rig_init(&r);
    hf_listener listener;
    const hf_listen_options listen = {.port = 80};
    assert_int_equal(hf_listen(&r.engine[1], &listen, &listener), HF_OK);
    hfi_tcp_view view = {.source_port = 777,
                         .destination_port = 80,
                         .seq = 50,
                         .flags = HFI_TCP_SYN,
                         .window = 65535,
                         .options = {.present = HFI_OPT_MSS, .mss = 1}};
    inject(&r, 1, &r.addr[0], &view);
    const hfi_syn_entry *entry = &inside(&r, 1)->ctx.syns[0];
    view.seq = 51;
    view.ack = entry->iss + 1;
    view.flags = HFI_TCP_ACK;
    view.options.present = 0;
    sent_now(&r, 1);
    inject(&r, 1, &r.addr[0], &view);
    hf_conn conn;
    assert_int_equal(hf_accept(&r.engine[1], listener, &conn), HF_OK);
    static uint8_t data[8800];
    size_t taken;
    assert_int_equal(hf_send(&r.engine[1], conn, data, sizeof data, &taken), HF_OK);
    assert_int_equal(conn_at(&r, 1, conn)->mss, 88);
    assert_true(sent_now(&r, 1) <= 10); /* the initial window counts segments, not bytes */
    rig_end(&r);
}

/* ---- Crowds ---- */

static void spoofed_syns_take_no_more_than_their_share(void **state) {
    (void)state;
    rig r;
    rig_init(&r);
    hf_listener listener;
    const hf_listen_options listen = {.port = 80, .backlog = 40};
    assert_int_equal(hf_listen(&r.engine[1], &listen, &listener), HF_OK);
    uint32_t answers = 0;
    for (uint32_t i = 0; i < 100000; i++) {
        const hf_addr from = hf_addr4(10, 0, 0, (uint8_t)(10 + i % 200));
        const hfi_tcp_view view = {.source_port = (uint16_t)(1000 + i / 200),
                                   .destination_port = 80,
                                   .seq = i * 7,
                                   .flags = HFI_TCP_SYN,
                                   .window = 1000};
        if (i % 100 == 0) r.now_ns += 100 * HF_US;
        inject(&r, 1, &from, &view);
        answers += sent_now(&r, 1);
    }
    const hfi_root *root = inside(&r, 1)->ctx.root;
    assert_true(root->syn_pool.used <= 30);
    assert_int_equal(root->conn_pool.used, 0);
    assert_int_equal(root->rx_pool.used, 0);
    assert_true(answers <= 100000);
    /* An honest client gets in all the same, by a cookie. */
    hf_conn client, server;
    const hf_connect_options connect = {.remote = r.addr[1], .remote_port = 80};
    assert_int_equal(hf_connect(&r.engine[0], &connect, &client), HF_OK);
    rig_run(&r, 5 * HF_SECOND);
    assert_int_equal(rig_state(&r, 0, client), HF_ESTABLISHED);
    assert_int_equal(hf_accept(&r.engine[1], listener, &server), HF_OK);
    rig_end(&r);
}

/* ---- Wars ---- */

static void two_ends_in_time_wait_leave_each_other_alone(void **state) {
    (void)state;
    rig r;
    hf_conn client, server;
    connected(&r, &client, &server);
    hf_close(&r.engine[0], client, NULL);
    hf_close(&r.engine[1], server, NULL); /* at once: both go through CLOSING to TIME_WAIT */
    rig_drain_both(&r);
    for (size_t i = 0, n = r.count; i < n; i++) { /* each FIN comes twice */
        r.packets[(r.head + r.count) % r.capacity] = r.packets[(r.head + i) % r.capacity];
        r.packets[(r.head + r.count) % r.capacity].at_ns += HF_MS;
        r.count++;
    }
    rig_run(&r, 30 * HF_SECOND);
    assert_int_equal(inside(&r, 0)->ctx.root->tw4.used, 1);
    assert_int_equal(inside(&r, 1)->ctx.root->tw4.used, 1);
    assert_true(r.sent[0] + r.sent[1] < 16);
    rig_end(&r);
}

static void ends_that_disagree_by_one_end_their_war(void **state) {
    (void)state;
    rig r;
    hf_conn client, server;
    connected(&r, &client, &server);
    for (int side = 0; side < 2; side++) { /* a stranger slips one byte in, on both sides */
        hfi_tcp_view view = from_peer(&r, side, side == 0 ? client : server);
        view.payload_bytes = 1;
        inject(&r, side, &r.addr[!side], &view);
    }
    const uint32_t before = r.sent[0] + r.sent[1];
    rig_run(&r, 20 * HF_SECOND);
    assert_true(r.sent[0] + r.sent[1] - before < 90); /* two every half second at most */
    rig_end(&r);
}

/* ---- Found by the fuzz targets, or while they were written ---- */

/* Puts both streams of an idle connection `bytes` further on: to walk there takes minutes. */
static void age_streams(rig *r, hf_conn client, hf_conn server, uint32_t bytes) {
    hfi_conn *c[2] = {conn_at(r, 0, client), conn_at(r, 1, server)};
    for (int side = 0; side < 2; side++) {
        assert_int_equal(hfi_in_flight(c[side]), 0);
        c[side]->iss -= bytes;
        c[side]->irs -= bytes;
    }
}

static void stream_some(rig *r, hf_conn from, hf_conn to, uint32_t total) {
    uint8_t buffer[3000];
    uint32_t written = 0, read = 0;
    size_t count;
    while (read < total) {
        for (uint32_t i = 0; i < sizeof buffer; i++) buffer[i] = (uint8_t)((written + i) * 7);
        if (written < total && hf_send(&r->engine[0], from, buffer, sizeof buffer, &count) == HF_OK)
            written += (uint32_t)count;
        while (hf_receive(&r->engine[1], to, buffer, sizeof buffer, &count) == HF_OK) {
            for (uint32_t i = 0; i < count; i++)
                assert_int_equal(buffer[i], (uint8_t)((read + i) * 7));
            read += (uint32_t)count;
        }
        if (read < total) assert_true(rig_once(r, r->now_ns + 200 * HF_SECOND));
    }
}

static void streams_pass_two_and_four_gibibytes(void **state) {
    (void)state;
    const uint32_t starts[] = {UINT32_C(0x7ffff000), UINT32_C(0x90000003), UINT32_C(0xffff0000)};
    for (int i = 0; i < 3; i++) {
        rig r;
        hf_conn client, server;
        connected(&r, &client, &server);
        age_streams(&r, client, server, starts[i]);
        r.filter = rig_lose_2_percent;
        stream_some(&r, client, server, 300000);
        r.filter = NULL;
        rig_run(&r, 5 * HF_SECOND);
        assert_true(inside(&r, 0)->ctx.root->tx_pool.used <= 1);
        assert_true(inside(&r, 1)->ctx.root->rx_pool.used <= 1);
        rig_end(&r);
    }
}

static void unread_data_thrown_away_is_taken_off_the_ledger_once(void **state) {
    (void)state;
    rig r;
    hf_conn client, server;
    connected(&r, &client, &server);
    size_t taken;
    hf_send(&r.engine[0], client, "unread", 6, &taken);
    rig_run(&r, HF_SECOND);
    hf_close(&r.engine[1], server, NULL); /* resets: there is unread data */
    hf_release(&r.engine[1], server);
    rig_run(&r, HF_SECOND);
    hf_event event;
    while (hf_next_event(&r.engine[1], &event)) continue;
    assert_int_equal(inside(&r, 1)->ctx.root->conn_pool.used, 0);
    assert_int_equal(inside(&r, 1)->ctx.root->rx_granted_bytes, 0);
    rig_end(&r);
}

static void a_due_question_is_asked_once_not_as_often_as_the_budget_lets(void **state) {
    (void)state;
    rig r;
    rig_init(&r);
    hf_conn client, server;
    const hf_tcp_options options = {.keepalive_idle_ns = 7 * HF_SECOND};
    rig_connect(&r, &options, &client, &server);
    rig_run(&r, HF_SECOND);
    const hf_ns due_ns = hf_engine_next_at(&r.engine[0]);
    hf_engine_step(&r.engine[0], due_ns, NULL, 0, NULL);
    assert_true(hf_engine_next_at(&r.engine[0]) > due_ns);
    assert_int_equal(sent_now(&r, 0), 1);
    rig_end(&r);
}

static void a_long_closed_window_leaves_no_backoff_to_what_follows(void **state) {
    (void)state;
    rig r;
    hf_conn client, server;
    connected(&r, &client, &server);
    hfi_tcp_view view = from_peer(&r, 0, client);
    view.window = 0;
    inject(&r, 0, &r.addr[1], &view);
    size_t taken;
    hf_send(&r.engine[0], client, "waits", 5, &taken);
    for (int i = 0; i < 20; i++) { /* twenty probes, each answered: still closed */
        sent_now(&r, 0);
        r.now_ns = hf_engine_next_at(&r.engine[0]);
        hf_engine_step(&r.engine[0], r.now_ns, NULL, 0, NULL);
        sent_now(&r, 0);
        view = from_peer(&r, 0, client);
        view.window = 0;
        inject(&r, 0, &r.addr[1], &view);
    }
    view.window = 1000;
    inject(&r, 0, &r.addr[1], &view);
    assert_int_equal(sent_now(&r, 0), 1); /* and it is lost */
    r.now_ns = hf_engine_next_at(&r.engine[0]);
    hf_engine_step(&r.engine[0], r.now_ns, NULL, 0, NULL);
    assert_int_equal(rig_state(&r, 0, client), HF_ESTABLISHED);
    assert_int_equal(sent_now(&r, 0), 1);
    rig_end(&r);
}

static void commit_without_reserve_is_refused(void **state) {
    (void)state;
    rig r;
    hf_conn client, server;
    connected(&r, &client, &server);
    static uint8_t data[4096];
    size_t taken;
    assert_int_equal(hf_send(&r.engine[0], client, data, sizeof data, &taken), HF_OK);
    assert_int_equal(hf_send_commit(&r.engine[0], client, 3), HF_ARGUMENT);
    rig_end(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_other_byte_backwards_is_kept_in_few_ranges),
        cmocka_unit_test(single_bytes_sacked_cost_no_descriptors),
        cmocka_unit_test(repeated_bare_acks_release_no_more_than_the_window),
        cmocka_unit_test(one_byte_windows_are_not_filled_at_once),
        cmocka_unit_test(a_tiny_mss_is_raised_to_a_floor),
        cmocka_unit_test(spoofed_syns_take_no_more_than_their_share),
        cmocka_unit_test(two_ends_in_time_wait_leave_each_other_alone),
        cmocka_unit_test(ends_that_disagree_by_one_end_their_war),
        cmocka_unit_test(streams_pass_two_and_four_gibibytes),
        cmocka_unit_test(unread_data_thrown_away_is_taken_off_the_ledger_once),
        cmocka_unit_test(a_due_question_is_asked_once_not_as_often_as_the_budget_lets),
        cmocka_unit_test(a_long_closed_window_leaves_no_backoff_to_what_follows),
        cmocka_unit_test(commit_without_reserve_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
