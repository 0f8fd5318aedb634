/* Two engines and a wire in virtual time, for tests. The wire delivers after `delay_ns`, in order;
 * a filter may drop, and sees each IP packet whole. */
#ifndef HF_TEST_RIG_H
#define HF_TEST_RIG_H

#include "test.h"
#include <hf/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct rig_packet {
    hf_ns at_ns;
    int to;
    uint32_t bytes;
    hf_cause cause;
    uint8_t data[2048];
} rig_packet;

typedef struct rig rig;
typedef bool (*rig_filter)(rig *r, int from, const uint8_t *packet, uint32_t bytes);

struct rig {
    hf_engine engine[2];
    void *block[2], *data[2];
    hf_addr addr[2];
    hf_ns now_ns, delay_ns;
    rig_packet *packets; /* ring */
    size_t head, count, capacity;
    rig_filter filter; /* true: drop */
    bool cut[2];       /* by sender */
    uint32_t sent[2], dropped;
    hf_cause last_cause[2], last_verdict[2];
    uint64_t random;
    hf_ns jitter_ns; /* up to this much more delay: reordering */
    uint32_t duplicate_percent;
    bool print;
};

#define RIG_PACKETS 65536

static inline void rig_init_with(rig *r, const hf_config *config0, const hf_config *config1) {
    memset(r, 0, sizeof *r);
    r->delay_ns = 10 * HF_MS;
    r->now_ns = HF_SECOND;
    r->capacity = RIG_PACKETS;
    r->packets = malloc(r->capacity * sizeof *r->packets);
    r->random = 7;
    for (int i = 0; i < 2; i++) {
        hf_config config = i == 0 ? *config0 : *config1;
        memset(config.seed, 0x11 * (i + 1), sizeof config.seed);
        const hf_memory memory = hf_engine_bytes(&config);
        r->block[i] = aligned_alloc(64, (memory.block_bytes + 63) / 64 * 64);
        r->data[i] = aligned_alloc(64, (memory.data_bytes + 63) / 64 * 64);
        assert_int_equal(hf_engine_init(&r->engine[i], &config, r->block[i], memory.block_bytes,
                                        r->data[i], memory.data_bytes, r->now_ns),
                         HF_OK);
        const hf_interface_options link = {.link = HF_LINK_IP, .mtu = 1500, .auto_done = true};
        uint32_t interface;
        assert_int_equal(hf_interface_add(&r->engine[i], &link, &interface), HF_OK);
        r->addr[i] = hf_addr4(10, 0, 0, (uint8_t)(i + 1));
        assert_int_equal(hf_address_add(&r->engine[i], interface, &r->addr[i], 24), HF_OK);
    }
}

static inline void rig_init(rig *r) {
    hf_config config;
    hf_config_default(&config);
    rig_init_with(r, &config, &config);
}

static inline void rig_end(rig *r) {
    for (int i = 0; i < 2; i++) free(r->block[i]), free(r->data[i]);
    free(r->packets);
}

static inline uint32_t rig_random(rig *r) {
    r->random = r->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(r->random >> 33);
}

/* Puts the packet that lies behind the last one in its place by time. */
static inline void rig_enqueue(rig *r) {
    rig_packet *last = &r->packets[(r->head + r->count) % r->capacity];
    if (r->jitter_ns != 0) last->at_ns += rig_random(r) % r->jitter_ns;
    r->count++;
    if (r->jitter_ns == 0) return;
    for (size_t i = r->count - 1; i > 0; i--) {
        rig_packet *a = &r->packets[(r->head + i - 1) % r->capacity],
                   *b = &r->packets[(r->head + i) % r->capacity];
        if (a->at_ns <= b->at_ns) break;
        static rig_packet swap;
        swap = *a, *a = *b, *b = swap;
    }
}

static inline void rig_drain(rig *r, int from) {
    hf_frame frames[16];
    size_t n;
    while ((n = hf_tx_peek(&r->engine[from], frames, 16)) != 0) {
        for (size_t i = 0; i < n; i++) {
            rig_packet *p = &r->packets[(r->head + r->count) % r->capacity];
            assert_true(r->count < r->capacity);
            p->at_ns = r->now_ns + r->delay_ns;
            p->to = !from;
            p->bytes = 0;
            p->cause = frames[i].cause;
            for (uint32_t k = 0; k < frames[i].part_count; k++) {
                assert_true(p->bytes + frames[i].parts[k].bytes <= sizeof p->data);
                memcpy(p->data + p->bytes, frames[i].parts[k].data, frames[i].parts[k].bytes);
                p->bytes += frames[i].parts[k].bytes;
            }
            assert_int_equal(p->bytes, frames[i].total_bytes);
            r->sent[from]++;
            r->last_cause[from] = frames[i].cause;
            const bool drop =
                r->cut[from] || (r->filter != NULL && r->filter(r, from, p->data, p->bytes));
            if (r->print)
                printf("%10.4f %c%s cause %d flags %02x seq %u len %u\n", (double)r->now_ns / 1e9,
                       "AB"[from], drop ? " x" : "", (int)p->cause, p->data[33],
                       (unsigned)(p->data[24] << 24 | p->data[25] << 16 | p->data[26] << 8 |
                                  p->data[27]),
                       p->bytes - 20 - (p->data[32] >> 4) * 4);
            if (drop) {
                r->dropped++;
                continue;
            }
            const bool twice =
                r->duplicate_percent != 0 && rig_random(r) % 100 < r->duplicate_percent;
            const rig_packet copy = *p;
            rig_enqueue(r);
            if (!twice) continue;
            r->packets[(r->head + r->count) % r->capacity] = copy;
            rig_enqueue(r);
        }
        hf_tx_taken(&r->engine[from], n);
    }
}

static inline void rig_drain_both(rig *r) { rig_drain(r, 0), rig_drain(r, 1); }

/* Brings one raw packet to an engine now. */
static inline hf_verdict rig_inject(rig *r, int to, const uint8_t *packet, uint32_t bytes) {
    hf_frame frame = {.total_bytes = bytes, .part_count = 1, .parts = {{packet, bytes}}};
    hf_verdict verdict;
    hf_engine_step(&r->engine[to], r->now_ns, &frame, 1, &verdict);
    r->last_verdict[to] = verdict.cause;
    return verdict;
}

/* One event: the next packet or timer, not after until_ns. False if there is none. */
static inline bool rig_once(rig *r, hf_ns until_ns) {
    rig_drain_both(r);
    hf_ns next_ns = HF_NEVER;
    for (int i = 0; i < 2; i++) {
        const hf_ns at = hf_engine_next_at(&r->engine[i]);
        if (at < next_ns) next_ns = at;
    }
    const bool packet = r->count > 0 && r->packets[r->head].at_ns <= next_ns;
    if (packet) next_ns = r->packets[r->head].at_ns;
    if (next_ns == HF_NEVER || next_ns > until_ns) return false;
    if (next_ns > r->now_ns) r->now_ns = next_ns;
    if (packet) {
        rig_packet *p = &r->packets[r->head];
        r->head = (r->head + 1) % r->capacity;
        r->count--;
        rig_inject(r, p->to, p->data, p->bytes);
    } else {
        for (int i = 0; i < 2; i++) hf_engine_step(&r->engine[i], r->now_ns, NULL, 0, NULL);
    }
    rig_drain_both(r);
    return true;
}

static inline void rig_run_until(rig *r, hf_ns until_ns) {
    while (rig_once(r, until_ns)) {
    }
    if (until_ns != HF_NEVER && r->now_ns < until_ns) {
        r->now_ns = until_ns;
        for (int i = 0; i < 2; i++) hf_engine_step(&r->engine[i], r->now_ns, NULL, 0, NULL);
        rig_drain_both(r);
    }
}

static inline void rig_run(rig *r, hf_ns for_ns) { rig_run_until(r, r->now_ns + for_ns); }

/* Engine 1 listens on port 80, engine 0 connects and 1 accepts. */
static inline void rig_connect(rig *r, const hf_tcp_options *options, hf_conn *ret_client,
                               hf_conn *ret_server) {
    hf_listener listener;
    const hf_listen_options listen = {.port = 80};
    hf_connect_options connect = {.remote = r->addr[1], .remote_port = 80};
    if (options != NULL) connect.tcp = *options;
    const hf_err err = hf_listen(&r->engine[1], &listen, &listener);
    if (err == HF_PORT_IN_USE) listener = (hf_listener){0, 1};
    assert_int_equal(hf_connect(&r->engine[0], &connect, ret_client), HF_OK);
    rig_run(r, 4 * r->delay_ns);
    assert_int_equal(hf_accept(&r->engine[1], listener, ret_server), HF_OK);
}

static inline hf_state rig_state(rig *r, int side, hf_conn conn) {
    hf_conn_status status;
    assert_int_equal(hf_conn_status_get(&r->engine[side], conn, &status), HF_OK);
    return status.state;
}

static inline bool rig_lose_2_percent(rig *r, int from, const uint8_t *packet, uint32_t bytes) {
    (void)from, (void)packet, (void)bytes;
    return rig_random(r) % 100 < 2;
}

#endif
