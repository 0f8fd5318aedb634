/* Buffers that nobody has set grow with the path; RULE: within the ledger, and no window shrinks. */
#include "peer.h"
#include "rig.h"
#include "weather.h"

enum { FIRST = 64 * 1024, MOST = 4 * 1024 * 1024 };

/* ---- What it is for ---- */

static const weather_path long_fat = {"", 100, 100, 1, .bytes = 30000000};

static void a_path_of_100_mbit_and_100_ms_fills_with_buffers_that_nobody_set(void **state) {
    (void)state;
    const hf_tcp_options grows = {0};
    const hf_tcp_options fixed = {.send_bytes = 256 * 1024, .receive_bytes = 256 * 1024};
    const hf_tcp_options ample = {.send_bytes = MOST, .receive_bytes = MOST};
    const double ms = weather_run(&long_fat, &grows, 1), before = weather_run(&long_fat, &fixed, 1);
    const double least = weather_run(&long_fat, &ample, 1);
    assert_true(ms > 0 && before > 3 * ms); /* 256 KiB a round trip: 20 Mbit/s */
    assert_true(ms < 1.1 * least);
}

/* ---- Two engines ---- */

/* The right edges that engine 1 has told, by its segments. */
static struct edges {
    uint32_t scale;
    hf_seq edge;
    bool known;
    uint32_t moved_back;
} edges;

static bool watch_edges(rig *r, int from, const uint8_t *packet, uint32_t bytes) {
    (void)r;
    hfi_tcp_view view;
    if (from != 1 || hfi_tcp_parse(packet + 20, bytes - 20, bytes - 20, &view) != HF_CAUSE_NONE)
        return false;
    if ((view.flags & HFI_TCP_SYN) != 0) {
        edges = (struct edges){.scale = view.options.wscale};
        return false;
    }
    const hf_seq edge = view.ack + ((uint32_t)view.window << edges.scale);
    if (edges.known && hf_seq_lt(edge, edges.edge)) edges.moved_back++;
    edges.edge = edges.known ? hf_seq_max(edges.edge, edge) : edge;
    edges.known = true;
    return false;
}

typedef struct transfer {
    rig rig;
    hf_conn client, server;
} transfer;

static hf_conn_status status_of(transfer *t, int side) {
    hf_conn_status status;
    const hf_conn conn = side == 0 ? t->client : t->server;
    assert_int_equal(hf_conn_status_get(&t->rig.engine[side], conn, &status), HF_OK);
    return status;
}

static uint64_t count_of(transfer *t, hf_cause cause) {
    return hf_cause_count(&t->rig.engine[1], cause);
}

static void begin_with(transfer *t, const hf_config *config, const hf_tcp_options *options) {
    rig_init_with(&t->rig, config, config);
    t->rig.filter = watch_edges;
    const hf_listen_options listen = {.port = 80, .tcp = *options};
    hf_listener listener;
    assert_int_equal(hf_listen(&t->rig.engine[1], &listen, &listener), HF_OK);
    rig_connect(&t->rig, options, &t->client, &t->server);
}

static void begin(transfer *t, const hf_tcp_options *options) {
    hf_config config;
    hf_config_default(&config);
    begin_with(t, &config, options);
}

/* For `ms` milliseconds the client writes what it can, and the server reads up to `per_ms` bytes each. */
static void move_bytes(transfer *t, uint32_t ms, uint32_t per_ms) {
    static uint8_t text[65536];
    for (uint32_t i = 0; i < ms; i++) {
        size_t taken = 1, got = 1;
        while (taken > 0)
            if (hf_send(&t->rig.engine[0], t->client, text, sizeof text, &taken) != HF_OK) break;
        for (uint32_t left = per_ms; left > 0 && got > 0; left -= (uint32_t)got) {
            const size_t most = left < sizeof text ? left : sizeof text;
            if (hf_receive(&t->rig.engine[1], t->server, text, most, &got) != HF_OK) break;
        }
        rig_run(&t->rig, HF_MS);
    }
}

static void a_reader_that_keeps_up_makes_the_buffer_grow_and_no_edge_moves_back(void **state) {
    (void)state;
    static transfer t;
    begin(&t, &(hf_tcp_options){0});
    assert_int_equal(status_of(&t, 1).receive_buffer_bytes, FIRST);
    move_bytes(&t, 500, 1000000);
    assert_true(status_of(&t, 1).receive_buffer_bytes > 8 * FIRST);
    assert_true(count_of(&t, HF_CAUSE_RECEIVE_BUFFER_GREW) >= 2);
    assert_true(status_of(&t, 0).send_buffer_bytes > 4 * FIRST);
    assert_int_equal(edges.moved_back, 0);
    rig_end(&t.rig);
}

static void a_slow_reader_keeps_the_first_buffer(void **state) {
    (void)state;
    static transfer t;
    begin(&t, &(hf_tcp_options){0});
    move_bytes(&t, 1000, 500); /* 10 kB in a round trip */
    assert_int_equal(status_of(&t, 1).receive_buffer_bytes, FIRST);
    assert_int_equal(count_of(&t, HF_CAUSE_RECEIVE_BUFFER_GREW), 0);
    assert_true(status_of(&t, 1).readable_bytes <= FIRST);
    assert_int_equal(edges.moved_back, 0);
    rig_end(&t.rig);
}

static void one_that_does_not_read_keeps_the_first_buffer(void **state) {
    (void)state;
    static transfer t;
    begin(&t, &(hf_tcp_options){0});
    move_bytes(&t, 1000, 0);
    assert_int_equal(status_of(&t, 1).receive_buffer_bytes, FIRST);
    /* Windows are told in units of 128 bytes, and rounding up creeps (rfc_window). */
    assert_true(status_of(&t, 1).readable_bytes <= FIRST / 16 * 17 + 128);
    rig_end(&t.rig);
}

static void a_size_that_the_application_has_set_stays(void **state) {
    (void)state;
    static transfer t;
    begin(&t, &(hf_tcp_options){.send_bytes = 100001, .receive_bytes = 90001});
    move_bytes(&t, 500, 1000000);
    assert_int_equal(status_of(&t, 1).receive_buffer_bytes, 90001);
    assert_int_equal(status_of(&t, 0).send_buffer_bytes, 100001);
    assert_int_equal(count_of(&t, HF_CAUSE_RECEIVE_BUFFER_GREW), 0);
    rig_end(&t.rig);
}

static void the_most_that_the_profile_allows_is_the_end(void **state) {
    (void)state;
    static transfer t;
    hf_config config;
    hf_config_default(&config);
    config.limits.receive_bytes_most = config.limits.send_bytes_most = 200 * 1024;
    begin_with(&t, &config, &(hf_tcp_options){0});
    move_bytes(&t, 500, 1000000);
    assert_int_equal(status_of(&t, 1).receive_buffer_bytes, 200 * 1024);
    assert_int_equal(status_of(&t, 0).send_buffer_bytes, 200 * 1024);
    rig_end(&t.rig);
}

/* 60 chunks, of which the ledger promises 225 KiB: growth takes half of what is left, again and again. */
static void scarcity_stops_growth_of_the_receiver(void **state) {
    (void)state;
    static transfer t;
    hf_config config;
    hf_config_default(&config);
    config.rx_chunks = 60;
    begin_with(&t, &config, &(hf_tcp_options){0});
    move_bytes(&t, 1000, 1000000);
    const uint32_t bytes = status_of(&t, 1).receive_buffer_bytes;
    assert_in_range(bytes, FIRST + 1, 60 * 4096 - 1);
    assert_true(count_of(&t, HF_CAUSE_RECEIVE_BUFFER_KEPT) > 0);
    assert_int_equal(edges.moved_back, 0);
    /* Who comes now still gets a window of more than a segment. */
    hf_conn client, server;
    rig_connect(&t.rig, &(hf_tcp_options){0}, &client, &server);
    hf_conn_status late;
    assert_int_equal(hf_conn_status_get(&t.rig.engine[1], server, &late), HF_OK);
    assert_true(late.our_window_bytes > 4096);
    rig_end(&t.rig);
}

static void scarcity_stops_growth_of_the_sender(void **state) {
    (void)state;
    static transfer t;
    hf_config config;
    hf_config_default(&config);
    config.tx_chunks = 60;
    begin_with(&t, &config, &(hf_tcp_options){0});
    move_bytes(&t, 500, 1000000);
    const hf_conn_status status = status_of(&t, 0);
    assert_true(status.send_buffer_bytes > FIRST);
    const hfi_ctx *ctx = &hfi_of(&t.rig.engine[0])->ctx;
    assert_true(hfi_pool_left(&ctx->root->tx_pool) >= 10);
    rig_end(&t.rig);
}

static void a_path_of_a_millisecond_grows_too(void **state) {
    (void)state;
    const weather_path fast = {"", 1000, 1, 1, .bytes = 40000000};
    const double ms = weather_run(&fast, &(hf_tcp_options){0}, 1);
    assert_true(ms > 0 && ms < 40000000 * 8 / 1000000.0 * 1.15);
}

/* ---- A peer by hand, which has no timestamps: the handshake's round trip is the measure. ---- */

static void peer_with_scaling(peer *p) {
    peer_begin(p);
    p->syn_options.present |= HFI_OPT_WSCALE;
    p->syn_options.wscale = 7;
    peer_listens_with(p, &(hf_listen_options){.port = 80});
    peer_sends_syn(p, 0);
    const peer_segment *syn_ack = peer_expect(p, HFI_TCP_SYN | HFI_TCP_ACK);
    assert_int_equal(syn_ack->tcp.options.wscale, 7); /* 4 MiB in 16 bits */
    p->ack = syn_ack->tcp.seq + 1;
    peer_run(p, 40 * HF_MS);
    peer_says(p, HFI_TCP_ACK, 0);
    assert_int_equal(hf_accept(&p->engine, p->listener, &p->conn), HF_OK);
}

static void say_and_read(peer *p, uint32_t segments) {
    static uint8_t to[65536];
    size_t got;
    for (uint32_t i = 0; i < segments; i++) {
        peer_says(p, HFI_TCP_ACK, 1460);
        hf_receive(&p->engine, p->conn, to, sizeof to, &got);
        peer_drain(p);
    }
    peer_forget(p);
}

static void without_timestamps_the_handshake_says_how_long_a_round_trip_is(void **state) {
    (void)state;
    peer p;
    peer_with_scaling(&p);
    say_and_read(&p, 40); /* 58,400 bytes, but the round trip is not over */
    assert_int_equal(peer_status(&p).receive_buffer_bytes, FIRST);
    peer_run(&p, 50 * HF_MS);
    say_and_read(&p, 1);
    /* Four times what was read, in pages of 4 KiB. */
    assert_int_equal(peer_status(&p).receive_buffer_bytes, 4 * 58400 / 4096 * 4096);
    for (int i = 0; i < 8; i++) peer_run(&p, 10 * HF_MS), say_and_read(&p, 5);
    assert_int_equal(peer_status(&p).receive_buffer_bytes, 4 * 58400 / 4096 * 4096);
    peer_end(&p);
}

static void after_the_peers_fin_and_after_our_close_nothing_grows(void **state) {
    (void)state;
    peer p;
    peer_with_scaling(&p);
    say_and_read(&p, 40);
    peer_run(&p, 50 * HF_MS);
    const uint32_t window = peer_status(&p).our_window_bytes;
    hf_close(&p.engine, p.conn, &(hf_close_options){.drain = true, .deadline_ns = 9 * HF_SECOND});
    peer_drain(&p);
    peer_says(&p, HFI_TCP_ACK, 1460);
    assert_int_equal(peer_count(&p, HF_CAUSE_RECEIVE_BUFFER_GREW), 0);
    assert_true(peer_status(&p).our_window_bytes + 1460 >= window);
    peer_says(&p, HFI_TCP_ACK | HFI_TCP_FIN, 5);
    assert_int_equal(peer_count(&p, HF_CAUSE_RECEIVE_BUFFER_GREW), 0);
    peer_end(&p);
}

static void a_peer_without_scaling_is_offered_what_16_bits_tell(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    peer_listen_and_accept(&p);
    for (int i = 0; i < 5; i++) peer_run(&p, 50 * HF_MS), say_and_read(&p, 40);
    assert_int_equal(peer_status(&p).receive_buffer_bytes, FIRST);
    assert_int_equal(peer_count(&p, HF_CAUSE_RECEIVE_BUFFER_KEPT), 0);
    peer_end(&p);
}

/* ---- The limits ---- */

static void nonsense_is_named(void **state) {
    (void)state;
    hf_config config;
    hf_config_default(&config);
    assert_null(hf_config_problem(&config));
    config.limits.send_bytes_most = config.limits.buffer_bytes - 1;
    assert_non_null(hf_config_problem(&config));
    hf_config_default(&config);
    config.limits.buffer_bytes = 100;
    assert_non_null(hf_config_problem(&config));
    assert_int_equal(hf_config_profile(&config, "small"), HF_OK);
    assert_int_equal(config.limits.receive_bytes_most, config.limits.buffer_bytes);
}

static void what_the_send_buffer_holds_back_is_told(void **state) {
    (void)state;
    static uint8_t text[70000];
    peer p;
    size_t taken;
    peer_begin(&p);
    peer_listen_and_accept_with(&p, &(hf_tcp_options){.send_bytes = 3000});
    hf_not_sending why;
    assert_int_equal(hf_send(&p.engine, p.conn, text, 5000, &taken), HF_OK);
    assert_int_equal(taken, 3000);
    peer_drain(&p);
    peer_run(&p, HF_MS);
    assert_int_equal(peer_status(&p).queued_bytes, 0);
    assert_int_equal(hf_why_not_sending(&p.engine, p.conn, &why), HF_OK);
    assert_int_equal(why.why, HF_WHY_SEND_BUFFER);
    peer_end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_of_100_mbit_and_100_ms_fills_with_buffers_that_nobody_set),
        cmocka_unit_test(a_reader_that_keeps_up_makes_the_buffer_grow_and_no_edge_moves_back),
        cmocka_unit_test(a_slow_reader_keeps_the_first_buffer),
        cmocka_unit_test(one_that_does_not_read_keeps_the_first_buffer),
        cmocka_unit_test(a_size_that_the_application_has_set_stays),
        cmocka_unit_test(the_most_that_the_profile_allows_is_the_end),
        cmocka_unit_test(scarcity_stops_growth_of_the_receiver),
        cmocka_unit_test(scarcity_stops_growth_of_the_sender),
        cmocka_unit_test(a_path_of_a_millisecond_grows_too),
        cmocka_unit_test(without_timestamps_the_handshake_says_how_long_a_round_trip_is),
        cmocka_unit_test(after_the_peers_fin_and_after_our_close_nothing_grows),
        cmocka_unit_test(a_peer_without_scaling_is_offered_what_16_bits_tell),
        cmocka_unit_test(nonsense_is_named),
        cmocka_unit_test(what_the_send_buffer_holds_back_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
