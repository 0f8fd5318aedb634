/* Two engines, one bad wire, random calls: every stream stays whole, every slot comes back. */
#include "rig.h"
#include "stack/engine.h"

#define PAIRS 4

typedef struct stream {
    uint32_t written, read;
    bool closed_by_writer;
} stream;

typedef struct pair {
    hf_conn conn[2];
    bool accepted, closed[2], ended[2];
    stream way[2]; /* by writer */
} pair;

static uint8_t pattern(uint32_t offset, int way) {
    return (uint8_t)(offset * 31 + (offset >> 7) + (uint32_t)way * 101);
}

static void write_some(rig *r, pair *p, int side) {
    uint8_t buffer[5000];
    const uint32_t want = 1 + rig_random(r) % sizeof buffer;
    for (uint32_t i = 0; i < want; i++) buffer[i] = pattern(p->way[side].written + i, side);
    size_t taken = 0;
    hf_send(&r->engine[side], p->conn[side], buffer, want, &taken);
    p->way[side].written += (uint32_t)taken;
}

static void read_some(rig *r, pair *p, int side) {
    uint8_t buffer[7000];
    stream *way = &p->way[!side];
    size_t got;
    const size_t want = 1 + rig_random(r) % sizeof buffer;
    while (hf_receive(&r->engine[side], p->conn[side], buffer, want, &got) == HF_OK) {
        for (size_t i = 0; i < got; i++)
            assert_int_equal(buffer[i], pattern(way->read + (uint32_t)i, !side));
        way->read += (uint32_t)got;
        if (rig_random(r) % 3 == 0) break;
    }
}

static bool writer_done(const pair *p, int side, uint32_t total) {
    return p->way[side].written >= total;
}

/* Each side writes about `total`, shuts down, reads to the end, closes. */
static void act(rig *r, pair *p, int side, uint32_t total) {
    if (p->closed[side]) return;
    switch (rig_random(r) % 4) {
    case 0:
        if (!writer_done(p, side, total)) write_some(r, p, side);
        break;
    case 1:
    case 2: read_some(r, p, side); break;
    default:
        if (writer_done(p, side, total) && !p->way[side].closed_by_writer) {
            p->way[side].closed_by_writer = true;
            const hf_err err = hf_shutdown(&r->engine[side], p->conn[side]);
            if (err != HF_OK) {
                hf_end end;
                hf_conn_end(&r->engine[side], p->conn[side], &end);
                fail_msg("side %d ended by cause %d, mechanism %d, in state %d", side, end.cause,
                         end.mechanism, end.state);
            }
        }
    }
    uint8_t byte;
    size_t got;
    if (!p->way[side].closed_by_writer) return;
    const hf_err err = hf_receive(&r->engine[side], p->conn[side], &byte, 1, &got);
    if (err == HF_OK) {
        assert_int_equal(byte, pattern(p->way[!side].read, !side));
        p->way[!side].read++;
    } else if (err == HF_END_OF_STREAM) {
        /* Time runs as fast as timers allow here, so the deadline must be far. */
        const hf_close_options options = {.deadline_ns = 86400 * HF_SECOND};
        hf_close(&r->engine[side], p->conn[side], &options);
        p->closed[side] = true;
    }
}

/* Exactly what is in use when nothing is left: only what TIME_WAIT holds. */
static void expect_all_given_back(rig *r) {
    for (int side = 0; side < 2; side++) {
        const hfi_engine *e = (const hfi_engine *)(const void *)&r->engine[side];
        const hfi_root *root = e->ctx.root;
        assert_int_equal(root->rx_pool.used, 0);
        assert_int_equal(root->tx_pool.used, 0);
        assert_int_equal(root->segment_pool.used, 0);
        assert_int_equal(root->range_pool.used, 0);
        assert_int_equal(root->flight_pool.used, 0);
        assert_int_equal(root->syn_pool.used, 0);
        assert_int_equal(root->conn_pool.used, 0);
        assert_int_equal(root->live, 0);
        assert_int_equal(root->rx_granted_bytes, 0);
        assert_int_equal(e->state->slot_pool.used, 0);
    }
}

static void run(uint64_t seed, uint32_t loss_percent, hf_ns jitter_ns, uint32_t duplicate_percent);

static uint32_t loss_now;
static bool lose(rig *r, int from, const uint8_t *packet, uint32_t bytes) {
    (void)from, (void)packet, (void)bytes;
    return rig_random(r) % 100 < loss_now;
}

static void run(uint64_t seed, uint32_t loss_percent, hf_ns jitter_ns, uint32_t duplicate_percent) {
    rig r;
    hf_config config;
    hf_config_default(&config);
    config.rx_chunks = config.tx_chunks = 96; /* scarce */
    config.chunk_bytes = seed % 2 == 0 ? 512 : 4096;
    config.segments = 300;
    config.limits.syn_ack_limit = 5; /* two repetitions are few where a fifth is lost */
    rig_init_with(&r, &config, &config);
    r.random = seed;
    r.jitter_ns = jitter_ns;
    r.duplicate_percent = duplicate_percent;
    loss_now = loss_percent;
    r.filter = lose;
    hf_listener listener;
    const hf_listen_options listen = {.port = 80, .tcp = {.receive_bytes = 20000}};
    assert_int_equal(hf_listen(&r.engine[1], &listen, &listener), HF_OK);
    pair pairs[PAIRS];
    memset(pairs, 0, sizeof pairs);
    for (int i = 0; i < PAIRS; i++) {
        const hf_connect_options connect = {
            .remote = r.addr[1], .remote_port = 80, .local_port = (uint16_t)(5000 + i)};
        assert_int_equal(hf_connect(&r.engine[0], &connect, &pairs[i].conn[0]), HF_OK);
    }
    const uint32_t total = 40000;
    int finished = 0;
    for (int round = 0; round < 400000 && finished < 2 * PAIRS; round++) {
        hf_conn conn;
        if (hf_accept(&r.engine[1], listener, &conn) == HF_OK) {
            hf_conn_status status;
            hf_conn_status_get(&r.engine[1], conn, &status);
            pairs[status.remote_port - 5000].conn[1] = conn;
            pairs[status.remote_port - 5000].accepted = true;
        }
        pair *p = &pairs[rig_random(&r) % PAIRS];
        if (p->accepted) act(&r, p, (int)(rig_random(&r) % 2), total);
        rig_once(&r, HF_NEVER);
        finished = 0;
        for (int i = 0; i < PAIRS; i++) finished += pairs[i].closed[0] + pairs[i].closed[1];
    }
    assert_int_equal(finished, 2 * PAIRS);
    for (int i = 0; i < PAIRS; i++)
        for (int side = 0; side < 2; side++) {
            assert_int_equal(pairs[i].way[side].read, pairs[i].way[side].written);
            assert_int_equal(hf_release(&r.engine[side], pairs[i].conn[side]), HF_OK);
        }
    hf_listener_close(&r.engine[1], listener);
    rig_run(&r, 400 * HF_SECOND);
    hf_event event;
    for (int side = 0; side < 2; side++)
        while (hf_next_event(&r.engine[side], &event)) {
        }
    expect_all_given_back(&r);
    rig_end(&r);
}

static void streams_stay_whole_on_a_clean_wire(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) run(seed, 0, 0, 0);
}

static void streams_stay_whole_through_loss(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) run(seed, 10, 0, 0);
}

static void streams_stay_whole_through_reordering_and_duplication(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) run(seed, 0, 40 * HF_MS, 20);
}

static void streams_stay_whole_through_everything_at_once(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) run(seed, 15, 60 * HF_MS, 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_stay_whole_on_a_clean_wire),
        cmocka_unit_test(streams_stay_whole_through_loss),
        cmocka_unit_test(streams_stay_whole_through_reordering_and_duplication),
        cmocka_unit_test(streams_stay_whole_through_everything_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
