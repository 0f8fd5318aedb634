/* Up to three engines on one Ethernet hub (or one IP link) in virtual time. A frame reaches every other
 * host after 1 ms; a filter may drop or look. */
#ifndef HF_TEST_NET_RIG_H
#define HF_TEST_NET_RIG_H

#include "test.h"
#include <hf/tcp.h>
#include <hf/udp.h>
#include <stdlib.h>
#include <string.h>

#define NET_HOSTS 3
#define NET_FRAMES 4096
#define NET_BYTES 9100

typedef struct net_frame {
    hf_ns at_ns;
    int from;
    uint32_t bytes;
    hf_cause cause;
    uint8_t data[NET_BYTES];
} net_frame;

typedef struct net net;
struct net {
    hf_engine engine[NET_HOSTS];
    void *block[NET_HOSTS], *data[NET_HOSTS];
    int hosts;
    hf_link link;
    hf_ns now_ns;
    net_frame *frames; /* ring */
    size_t head, count;
    bool cut[NET_HOSTS];                               /* this host neither sends nor hears */
    bool (*drop)(net *n, int from, const net_frame *); /* true: lost */
    uint32_t sent[NET_HOSTS], arps[NET_HOSTS];
    hf_cause last_verdict[NET_HOSTS];
};

static inline hf_addr net_addr4(int host) { return hf_addr4(192, 0, 2, (uint8_t)(host + 1)); }
static inline hf_addr net_addr6(int host) {
    return (hf_addr){{0x20, 1, 0xd, 0xb8, [15] = (uint8_t)(host + 1)}};
}

static inline void net_config(hf_config *config) {
    hf_config_default(config);
    config->conns = 32;
    config->syn_entries = 16;
    config->time_wait = config->time_wait6 = 32;
    config->flights = 32;
    config->segments = 512;
    config->ranges = 128;
    config->paths = 16;
    config->neighbors = 8;
    config->rx_chunks = config->tx_chunks = 128;
}

static inline void net_host(net *n, const hf_config *given, hf_interface_options options) {
    const int i = n->hosts++;
    hf_config config = *given;
    memset(config.seed, 0x21 * (i + 1), sizeof config.seed);
    const hf_memory memory = hf_engine_bytes(&config);
    n->block[i] = aligned_alloc(64, (memory.block_bytes + 63) / 64 * 64);
    n->data[i] = aligned_alloc(64, (memory.data_bytes + 63) / 64 * 64);
    assert_int_equal(hf_engine_init(&n->engine[i], &config, n->block[i], memory.block_bytes,
                                    n->data[i], memory.data_bytes, n->now_ns),
                     HF_OK);
    uint32_t interface;
    const uint8_t mac[6] = {2, 0, 0, 0, 0, (uint8_t)(0x10 + i)};
    memcpy(options.mac, mac, 6);
    options.auto_done = true;
    assert_int_equal(hf_interface_add(&n->engine[i], &options, &interface), HF_OK);
}

static inline void net_addresses(net *n) {
    for (int i = 0; i < n->hosts; i++) {
        const hf_addr four = net_addr4(i), six = net_addr6(i);
        assert_int_equal(hf_address_add(&n->engine[i], 0, &four, 24), HF_OK);
        assert_int_equal(hf_address_add(&n->engine[i], 0, &six, 64), HF_OK);
    }
}

static inline void net_init(net *n, hf_link link, int hosts) {
    hf_config config;
    net_config(&config);
    memset(n, 0, sizeof *n);
    n->now_ns = HF_SECOND;
    n->link = link;
    n->frames = malloc(NET_FRAMES * sizeof *n->frames);
    for (int i = 0; i < hosts; i++)
        net_host(n, &config, (hf_interface_options){.link = link, .mtu = 1500});
    net_addresses(n);
}

static inline void net_end(net *n) {
    for (int i = 0; i < n->hosts; i++) free(n->block[i]), free(n->data[i]);
    free(n->frames);
}

static inline hf_verdict net_inject(net *n, int to, const void *data, uint32_t bytes) {
    const hf_frame frame = {.total_bytes = bytes, .part_count = 1, .parts = {{data, bytes}}};
    hf_verdict verdict;
    hf_engine_step(&n->engine[to], n->now_ns, &frame, 1, &verdict);
    n->last_verdict[to] = verdict.cause;
    return verdict;
}

static inline void net_drain(net *n, int from) {
    hf_frame frames[8];
    size_t count;
    while ((count = hf_tx_peek(&n->engine[from], frames, 8)) != 0) {
        for (size_t i = 0; i < count; i++) {
            assert_true(n->count < NET_FRAMES);
            net_frame *f = &n->frames[(n->head + n->count) % NET_FRAMES];
            *f = (net_frame){.at_ns = n->now_ns + HF_MS, .from = from, .cause = frames[i].cause};
            for (uint32_t k = 0; k < frames[i].part_count; k++) {
                assert_true(f->bytes + frames[i].parts[k].bytes <= NET_BYTES);
                memcpy(f->data + f->bytes, frames[i].parts[k].data, frames[i].parts[k].bytes);
                f->bytes += frames[i].parts[k].bytes;
            }
            assert_int_equal(f->bytes, frames[i].total_bytes);
            n->sent[from]++;
            n->arps[from] += n->link == HF_LINK_ETHERNET && f->data[12] == 8 && f->data[13] == 6;
            if (n->cut[from] || (n->drop != NULL && n->drop(n, from, f))) continue;
            n->count++;
        }
        hf_tx_taken(&n->engine[from], count);
    }
}

static inline void net_drain_all(net *n) {
    for (int i = 0; i < n->hosts; i++) net_drain(n, i);
}

static inline hf_ns net_next_at(net *n) {
    hf_ns next_ns = n->count > 0 ? n->frames[n->head].at_ns : HF_NEVER;
    for (int i = 0; i < n->hosts; i++) {
        const hf_ns at_ns = hf_engine_next_at(&n->engine[i]);
        if (at_ns < next_ns) next_ns = at_ns;
    }
    return next_ns;
}

static inline void net_run(net *n, hf_ns for_ns) {
    const hf_ns until_ns = n->now_ns + for_ns;
    uint32_t idle = 0;
    for (;;) {
        net_drain_all(n);
        const hf_ns next_ns = net_next_at(n);
        if (next_ns > until_ns) break;
        idle = next_ns > n->now_ns ? 0 : idle + 1;
        assert_true(idle < 10000); /* an engine that is always due never rests */
        if (next_ns > n->now_ns) n->now_ns = next_ns;
        if (n->count > 0 && n->frames[n->head].at_ns <= n->now_ns) {
            net_frame *f = &n->frames[n->head];
            n->head = (n->head + 1) % NET_FRAMES;
            n->count--;
            for (int i = 0; i < n->hosts; i++)
                if (i != f->from && !n->cut[i]) net_inject(n, i, f->data, f->bytes);
        } else {
            for (int i = 0; i < n->hosts; i++)
                hf_engine_step(&n->engine[i], n->now_ns, NULL, 0, NULL);
        }
    }
    n->now_ns = until_ns;
    for (int i = 0; i < n->hosts; i++) hf_engine_step(&n->engine[i], n->now_ns, NULL, 0, NULL);
    net_drain_all(n);
}

static inline uint64_t net_count(net *n, int host, hf_cause cause) {
    return hf_cause_count(&n->engine[host], cause);
}

/* Takes one object's events of a host, all of them; other objects' are thrown away. */
static inline uint32_t net_events(net *n, int host, hf_object object, uint32_t index) {
    uint32_t bits = 0;
    hf_event event;
    while (hf_next_event(&n->engine[host], &event))
        if (event.object == object && event.index == index) bits |= event.bits;
    return bits;
}

static inline hf_conn net_connect(net *n, int from, hf_addr to, const hf_tcp_options *options) {
    hf_connect_options connect = {.remote = to, .remote_port = 80};
    hf_conn conn;
    if (options != NULL) connect.tcp = *options;
    assert_int_equal(hf_connect(&n->engine[from], &connect, &conn), HF_OK);
    return conn;
}

static inline hf_listener net_listen(net *n, int host) {
    const hf_listen_options options = {.port = 80};
    hf_listener listener;
    assert_int_equal(hf_listen(&n->engine[host], &options, &listener), HF_OK);
    return listener;
}

static inline hf_udp net_udp_open(net *n, int host, uint16_t port) {
    const hf_addr any = {{0}};
    hf_udp udp;
    assert_int_equal(hf_udp_open(&n->engine[host], &any, port, &udp), HF_OK);
    return udp;
}

static inline hf_state net_state(net *n, int host, hf_conn conn) {
    hf_conn_status status;
    assert_int_equal(hf_conn_status_get(&n->engine[host], conn, &status), HF_OK);
    return status.state;
}

#endif
