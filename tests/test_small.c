/* The print server of the question, in 64 KiB: eight sockets, ten questions a second, and TIME_WAIT
 * at the server, which answers and closes first (RFC 1179). */
#include "test.h"
#include "rig.h"

enum { ASKED = 1300, EVERY_MS = 100 };

static hf_config small_config(void) {
    hf_config config;
    hf_config_default(&config);
    config.conns = 8;
    config.listeners = 2;
    config.syn_entries = 8;
    config.time_wait = 620;
    config.time_wait6 = 0;
    config.flights = 8;
    config.watches = 0;
    config.segments = 16;
    config.ranges = 8;
    config.option_sets = 4;
    config.interfaces = 1;
    config.addresses = 2;
    config.routes = 2;
    config.neighbors = 2;
    config.paths = 4;
    config.udp_sockets = 0;
    config.udp_buffers = 0;
    config.tx_frames = 12;
    config.reassembly = 0;
    config.end_records = 4;
    config.owners = 4;
    config.chunk_bytes = 256;
    config.rx_chunks = 24;
    config.tx_chunks = 8;
    return config;
}

static bool answer_and_close(rig *r, hf_listener listener) {
    hf_conn server;
    hf_event event;
    while (hf_next_event(&r->engine[1], &event)) continue;
    if (hf_accept(&r->engine[1], listener, &server) != HF_OK) return false;
    size_t sent;
    assert_int_equal(hf_send(&r->engine[1], server, "no entries\n", 11, &sent), HF_OK);
    assert_int_equal(hf_close(&r->engine[1], server, NULL), HF_OK);
    assert_int_equal(hf_release(&r->engine[1], server), HF_OK);
    return true;
}

static void ten_questions_a_second_in_64_kib_are_never_refused(void **state) {
    (void)state;
    rig r;
    hf_config client, server = small_config();
    hf_config_default(&client);
    const hf_memory memory = hf_engine_bytes(&server);
    assert_true(memory.block_bytes + memory.data_bytes <= 65536);
    rig_init_with(&r, &client, &server);
    hf_listener listener;
    const hf_listen_options listen = {.port = 515, .backlog = 4};
    assert_int_equal(hf_listen(&r.engine[1], &listen, &listener), HF_OK);
    int answered = 0;
    for (int i = 0; i < ASKED; i++) {
        hf_conn conn;
        char text[16];
        size_t got = 0;
        hf_event event;
        const hf_connect_options connect = {.remote = r.addr[1], .remote_port = 515};
        const hf_ns next_ns = r.now_ns + EVERY_MS * HF_MS;
        assert_int_equal(hf_connect(&r.engine[0], &connect, &conn), HF_OK);
        rig_run(&r, 4 * r.delay_ns);
        assert_true(answer_and_close(&r, listener));
        rig_run(&r, 2 * r.delay_ns);
        assert_int_equal(hf_receive(&r.engine[0], conn, text, sizeof text, &got), HF_OK);
        answered += got == 11;
        assert_int_equal(hf_close(&r.engine[0], conn, NULL), HF_OK);
        assert_int_equal(hf_release(&r.engine[0], conn), HF_OK);
        while (hf_next_event(&r.engine[0], &event)) continue;
        rig_run_until(&r, next_ns);
    }
    assert_int_equal(answered, ASKED);
    rig_end(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_questions_a_second_in_64_kib_are_never_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
