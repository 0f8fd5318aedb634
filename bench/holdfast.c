/* Holdfast's side of the bench: two engines on the memory wire. No super-segments: the frames are as long
 * as the MTU says, like everybody's. */
#include "common.h"

#include <hf/csum.h>
#include <hf/mem.h>
#include <hf/tcp.h>

#define PORT 80

/* Addresses that the server engine has: a client has 64,512 ports for each. */
static uint32_t servers = 32;

typedef struct world {
    hf_engine engine[2];
    void *block[2], *data[2];
    hf_memory memory[2];
    uint32_t interface[2];
    hf_addr addr[2];
    hf_mem wire;
    hf_ns now_ns;
    hf_listener listener;
} world;

typedef struct size {
    uint32_t mtu, conns, time_wait, chunks;
    bool sum;
} size;

static hf_config config_of(size s) {
    hf_config config;
    hf_config_default(&config);
    config.conns = s.conns + 16;
    config.flights = s.conns < 10000 ? s.conns + 16 : 10016;
    config.syn_entries = 512;
    config.time_wait = s.time_wait;
    config.time_wait6 = 0;
    config.tx_frames = 256;
    config.segments = 16384;
    config.rx_chunks = config.tx_chunks = s.chunks;
    config.addresses = servers + 2;
    config.port_low = 1024;
    config.port_high = 65535;
    config.csum = hf_csum_best();
    return config;
}

static void begin_engine(world *w, int i, size s) {
    hf_config config = config_of(s);
    memset(config.seed, i + 1, sizeof config.seed);
    need(hf_config_problem(&config) == NULL, hf_config_problem(&config));
    w->memory[i] = hf_engine_bytes(&config);
    /* Staggered, so that the two engines' buffers have no page offset in common. */
    w->block[i] = aligned_alloc(64, (w->memory[i].block_bytes + 63) / 64 * 64);
    w->data[i] = aligned_alloc(64, (w->memory[i].data_bytes + 63) / 64 * 64);
    need(hf_engine_init(&w->engine[i], &config, w->block[i], w->memory[i].block_bytes, w->data[i],
                        w->memory[i].data_bytes, w->now_ns) == HF_OK,
         "hf_engine_init");
    hf_interface_options link;
    hf_mem_interface_options(&link);
    link.mtu = s.mtu;
    link.gso_max_bytes = 0;
    link.csum_offload = !s.sum;
    need(hf_interface_add(&w->engine[i], &link, &w->interface[i]) == HF_OK, "hf_interface_add");
}

static hf_addr server_addr(uint32_t i) { return hf_addr4(10, 0, 1, (uint8_t)(i + 1)); }

static void world_begin(world *w, size s) {
    memset(w, 0, sizeof *w);
    w->now_ns = HF_SECOND;
    for (int i = 0; i < 2; i++) begin_engine(w, i, s);
    const hf_addr client = hf_addr4(10, 0, 0, 1);
    need(hf_address_add(&w->engine[0], w->interface[0], &client, 16) == HF_OK, "hf_address_add");
    for (uint32_t i = 0; i < servers; i++) {
        const hf_addr server = server_addr(i);
        need(hf_address_add(&w->engine[1], w->interface[1], &server, 16) == HF_OK, "address");
    }
    const hf_mem_options options = {.batch_frames = 64};
    need(hf_mem_join(&w->wire, &w->engine[0], 0, &w->engine[1], 0, &options), "hf_mem_join");
    const hf_listen_options listen = {.port = PORT, .backlog = 4096, .tcp = {.no_delay = true}};
    need(hf_listen(&w->engine[1], &listen, &w->listener) == HF_OK, "hf_listen");
}

static void settle(world *w) {
    while (hf_mem_exchange(&w->wire, w->now_ns) != 0) {
    }
}

static void drain_events(world *w) {
    hf_event event;
    for (int i = 0; i < 2; i++)
        while (hf_next_event(&w->engine[i], &event)) {
        }
}

typedef struct pair {
    hf_conn client, server;
} pair;

static void open_pair(world *w, uint32_t server, hf_ns keepalive_ns, pair *ret) {
    const hf_connect_options connect = {
        .remote = server_addr(server % servers),
        .remote_port = PORT,
        .tcp = {.no_delay = true, .keepalive_idle_ns = keepalive_ns}};
    need(hf_connect(&w->engine[0], &connect, &ret->client) == HF_OK, "hf_connect");
    settle(w);
    need(hf_accept(&w->engine[1], w->listener, &ret->server) == HF_OK, "hf_accept");
}

/* ---- Bulk ---- */

static uint8_t source[WRITE_BYTES], sink[WRITE_BYTES];

static uint64_t write_copied(world *w, hf_conn conn) {
    size_t taken = 0;
    return hf_send(&w->engine[0], conn, source, sizeof source, &taken) == HF_OK ? taken : 0;
}

/* The application fills what it is lent, or has filled it before: that is its own time. */
static uint64_t write_lent(world *w, hf_conn conn) {
    void *room;
    size_t bytes;
    if (hf_send_reserve(&w->engine[0], conn, &room, &bytes) != HF_OK) return 0;
    need(hf_send_commit(&w->engine[0], conn, bytes) == HF_OK, "hf_send_commit");
    return bytes;
}

static uint64_t read_copied(world *w, hf_conn conn) {
    size_t bytes = 0;
    return hf_receive(&w->engine[1], conn, sink, sizeof sink, &bytes) == HF_OK ? bytes : 0;
}

static uint64_t read_lent(world *w, hf_conn conn) {
    hf_part parts[16];
    size_t count = 0, bytes = 0;
    if (hf_receive_peek(&w->engine[1], conn, parts, 16, &count) != HF_OK) return 0;
    for (size_t i = 0; i < count; i++) bytes += parts[i].bytes;
    need(hf_receive_consume(&w->engine[1], conn, bytes) == HF_OK, "hf_receive_consume");
    return bytes;
}

static double bulk(const work *k, uint64_t rounds) {
    world w;
    pair p;
    world_begin(&w, (size){k->mtu, 1, 16, 4096, k->sum});
    open_pair(&w, 0, 0, &p);
    const double begin = cpu_seconds();
    for (uint64_t sent = 0, got = 0; got < rounds;) {
        for (uint64_t n = 1; n != 0 && sent < rounds; sent += n)
            n = k->lent ? write_lent(&w, p.client) : write_copied(&w, p.client);
        hf_mem_exchange(&w.wire, w.now_ns += 10 * HF_US);
        for (uint64_t n = 1; n != 0; got += n)
            n = k->lent ? read_lent(&w, p.server) : read_copied(&w, p.server);
        hf_mem_exchange(&w.wire, w.now_ns);
        drain_events(&w);
    }
    return cpu_seconds() - begin;
}

/* ---- Requests ---- */

/* `rounds` exchanges, each connection in its turn, from *at on. */
static double exchange(world *w, const pair *pairs, uint32_t conns, uint64_t rounds, uint64_t *at) {
    uint8_t message[64] = {0};
    size_t n;
    const uint32_t batch = conns < 100 ? conns : 100;
    const double begin = cpu_seconds();
    for (uint64_t done = 0; done < rounds; done += batch, *at += batch) {
        for (uint32_t i = 0; i < batch; i++)
            need(hf_send(&w->engine[0], pairs[(*at + i) % conns].client, message, 64, &n) == HF_OK,
                 "request");
        w->now_ns += HF_US;
        settle(w);
        for (uint32_t i = 0; i < batch; i++) {
            const hf_conn server = pairs[(*at + i) % conns].server;
            need(hf_receive(&w->engine[1], server, message, 64, &n) == HF_OK, "request");
            hf_send(&w->engine[1], server, message, 64, &n);
        }
        settle(w);
        for (uint32_t i = 0; i < batch; i++)
            need(hf_receive(&w->engine[0], pairs[(*at + i) % conns].client, message, 64, &n) ==
                     HF_OK,
                 "answer");
        drain_events(w);
    }
    return cpu_seconds() - begin;
}

static pair *open_all(world *w, uint32_t conns, hf_ns keepalive_ns) {
    pair *pairs = calloc(conns, sizeof *pairs);
    need(pairs != NULL, "memory");
    for (uint32_t i = 0; i < conns; i++) {
        open_pair(w, i, keepalive_ns, &pairs[i]);
        if (i % 64 == 63) drain_events(w);
    }
    drain_events(w);
    return pairs;
}

static double requests(const work *k, uint64_t rounds) {
    world w;
    uint64_t at = 0;
    world_begin(&w, (size){k->mtu, k->conns, 16, 8192, k->sum});
    const pair *pairs = open_all(&w, k->conns, 0);
    exchange(&w, pairs, k->conns, k->conns, &at); /* the quick ACKs of the beginning */
    return exchange(&w, pairs, k->conns, rounds, &at);
}

/* ---- Cycles ---- */

static void cycle(world *w, uint32_t server) {
    pair p;
    uint8_t byte = 1;
    size_t n;
    open_pair(w, server, 0, &p);
    hf_send(&w->engine[0], p.client, &byte, 1, &n);
    settle(w);
    need(hf_receive(&w->engine[1], p.server, &byte, 1, &n) == HF_OK, "byte");
    hf_send(&w->engine[1], p.server, &byte, 1, &n);
    settle(w);
    need(hf_receive(&w->engine[0], p.client, &byte, 1, &n) == HF_OK, "echo");
    hf_close(&w->engine[0], p.client, NULL);
    settle(w);
    hf_close(&w->engine[1], p.server, NULL);
    settle(w);
    hf_release(&w->engine[0], p.client);
    hf_release(&w->engine[1], p.server);
    drain_events(w);
}

/* A virtual second has `a_second` cycles, over all servers; each TIME_WAIT stays for 60 of them. */
static double cycles(uint32_t a_second, uint64_t rounds) {
    const uint32_t kept = 60 * a_second;
    world w;
    world_begin(&w, (size){1500, 100, kept + kept / 16 + 64, 4096, true});
    double begin = 0;
    for (uint64_t i = 0; i < kept + rounds; i++) {
        if (i == kept) begin = cpu_seconds();
        cycle(&w, (uint32_t)i % servers);
        w.now_ns += HF_SECOND / a_second;
    }
    const double took = cpu_seconds() - begin;
    need(hf_cause_count(&w.engine[0], HF_CAUSE_TIME_WAIT_STARTED) == kept + rounds, "TIME_WAIT");
    need(hf_cause_count(&w.engine[0], HF_CAUSE_TIME_WAIT_ENDED) + kept + a_second >= rounds + kept,
         "TIME_WAIT to its end");
    return took;
}

/* ---- A million, and ten ---- */

/* Virtual seconds without a packet of ours but what timers bring. */
static double pass(world *w, hf_ns wait_ns) {
    const hf_ns until_ns = w->now_ns + wait_ns;
    const double begin = cpu_seconds();
    for (hf_ns at; (at = hf_mem_next_at(&w->wire)) <= until_ns;) {
        w->now_ns = at;
        settle(w);
    }
    w->now_ns = until_ns;
    settle(w);
    return cpu_seconds() - begin;
}

/* Keepalive after 150 s: 60 s without a probe, then the time in which each connection is probed. */
static int million(uint32_t conns) {
    enum { SLICE = 100000, OPENS = 1000, TIMES = 5 };
    world w;
    uint64_t at = 0;
    world_begin(&w, (size){1500, conns + OPENS * TIMES, 1024, 16384, true});
    const pair *pairs = open_all(&w, conns, 150 * HF_SECOND);
    exchange(&w, pairs, conns, conns, &at);
    for (int i = 0; i < TIMES; i++)
        printf("rr_1000000 %.2f\n", exchange(&w, pairs, conns, SLICE, &at) / SLICE * 1e9);
    for (int i = 0; i < TIMES; i++) {
        const double begin = cpu_seconds();
        pair more;
        for (int j = 0; j < OPENS; j++) open_pair(&w, (uint32_t)j, 0, &more);
        printf("open_at_1000000 %.2f\n", (cpu_seconds() - begin) / OPENS * 1e9);
        drain_events(&w);
    }
    pass(&w, 10 * HF_SECOND); /* the last retransmission timers */
    for (int i = 0; i < 2; i++) printf("idle_1000000 %.5f\n", pass(&w, 60 * HF_SECOND));
    const uint64_t before = hf_cause_count(&w.engine[0], HF_CAUSE_SENT_KEEPALIVE);
    const double took = pass(&w, 60 * HF_SECOND);
    const uint64_t probes = hf_cause_count(&w.engine[0], HF_CAUSE_SENT_KEEPALIVE) - before;
    need(probes >= conns, "every connection probed");
    printf("probe_1000000 %.2f\n", took / (double)probes * 1e9);
    return 0;
}

static void report(const char *what, double value) {
    printf("%s %.3f\n", what, value);
    fflush(stdout);
}

/* Ten million idle connections in each of the two engines. */
static int scale(uint32_t conns) {
    enum { SLICE = 100000, STRIDE = 7919 };
    world w;
    servers = conns / 55000 + 1;
    need(servers <= 250, "servers");
    world_begin(&w, (size){1500, conns, 1024, 16384, true});
    report("gigabytes_an_engine", (double)(w.memory[1].block_bytes + w.memory[1].data_bytes) / 1e9);
    double begin = cpu_seconds();
    const pair *pairs = open_all(&w, conns, 7200 * HF_SECOND);
    report("open_us_both_ends", (cpu_seconds() - begin) / conns * 1e6);
    begin = cpu_seconds();
    hf_conn_status status;
    for (uint32_t i = 0; i < SLICE; i++)
        hf_conn_status_get(&w.engine[1], pairs[(uint64_t)i * STRIDE % conns].server, &status);
    report("status_ns", (cpu_seconds() - begin) / SLICE * 1e9);
    uint64_t at = 0;
    exchange(&w, pairs, conns, SLICE, &at);
    report("exchange_ns", exchange(&w, pairs, conns, SLICE, &at) / SLICE * 1e9);
    pass(&w, 10 * HF_SECOND);
    report("idle_seconds_a_minute", pass(&w, 60 * HF_SECOND));
    begin = cpu_seconds();
    for (uint32_t i = 0; i < SLICE; i++)
        hf_engine_step(&w.engine[1], w.now_ns += HF_US, NULL, 0, NULL);
    report("tick_ns", (cpu_seconds() - begin) / SLICE * 1e9);
    return 0;
}

/* ---- Sizes ---- */

static size_t block_bytes(uint32_t conns, uint32_t time_wait, uint32_t time_wait6) {
    hf_config config = config_of((size){1500, conns, time_wait, 4096, true});
    config.flights = 16;
    config.time_wait6 = time_wait6;
    return hf_engine_bytes(&config).block_bytes;
}

/* Bytes of one more, over a million of them. */
static int bytes(void) {
    const uint32_t n = 1000000;
    const size_t none = block_bytes(16, 16, 16);
    printf("bytes_idle %.0f\n", (double)(block_bytes(16 + n, 16, 16) - none) / n);
    printf("bytes_tw_ip4 %.0f\n", (double)(block_bytes(16, 16 + n, 16) - none) / n);
    printf("bytes_tw_ip6 %.0f\n", (double)(block_bytes(16, 16, 16 + n) - none) / n);
    return 0;
}

static double run(const work *k, uint64_t rounds) {
    switch (k->kind) {
    case WORK_BULK: return bulk(k, rounds);
    case WORK_REQUESTS: return requests(k, rounds);
    case WORK_CYCLES_FEW: return cycles(10, rounds);
    case WORK_CYCLES_KEPT: return cycles(16000, rounds);
    }
    return 0;
}

static const char *cannot(const work *k) {
    (void)k;
    return NULL;
}

int main(int argc, char **argv) {
    if (argc >= 2 && strcmp(argv[1], "million") == 0)
        return million(argc > 2 ? (uint32_t)atoi(argv[2]) : 1000000);
    if (argc >= 2 && strcmp(argv[1], "scale") == 0)
        return scale(argc > 2 ? (uint32_t)atoi(argv[2]) : 10000000);
    if (argc == 2 && strcmp(argv[1], "bytes") == 0) return bytes();
    return bench_main(argc, argv, run, cannot);
}
