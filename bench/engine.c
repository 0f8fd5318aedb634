/* What the engine costs: both ends in one process, on one core, over the memory wire, in CPU time.
 * Each work is run beside its floor, the same bytes moved by the same copies and sums without a
 * protocol.
 *
 *     bench-engine            all works, a table
 *     bench-engine NAME [N]   one work, N rounds (for callgrind)
 *     bench-engine --json     the table as JSON */
#define _POSIX_C_SOURCE 200809L
#include <hf/mem.h>
#include <hf/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct world {
    hf_engine engine[2];
    void *block[2], *data[2];
    hf_addr addr[2];
    hf_mem wire;
    hf_ns now_ns;
    hf_listener listener;
} world;

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void need(bool good, const char *what) {
    if (good) return;
    fprintf(stderr, "bench-engine: %s failed\n", what);
    exit(1);
}

typedef struct setting {
    uint32_t mtu, conns;
    bool sum;
} setting;

static void world_begin(world *w, setting s) {
    memset(w, 0, sizeof *w);
    w->now_ns = HF_SECOND;
    hf_config config;
    hf_config_default(&config);
    config.conns = s.conns + 16;
    config.flights = s.conns + 16;
    config.syn_entries = 512;
    config.time_wait = 70000;
    config.tx_frames = 256;
    config.segments = 65536;
    config.rx_chunks = config.tx_chunks = s.conns > 1000 ? 40960 : 4096;
    for (int i = 0; i < 2; i++) {
        memset(config.seed, i + 1, sizeof config.seed);
        const hf_memory m = hf_engine_bytes(&config);
        w->block[i] = aligned_alloc(64, (m.block_bytes + 63) / 64 * 64);
        w->data[i] = aligned_alloc(64, (m.data_bytes + 63) / 64 * 64);
        need(hf_engine_init(&w->engine[i], &config, w->block[i], m.block_bytes, w->data[i],
                            m.data_bytes, w->now_ns) == HF_OK,
             "init");
        hf_interface_options link;
        hf_mem_interface_options(&link);
        link.mtu = s.mtu;
        link.csum_offload = !s.sum;
        uint32_t interface;
        need(hf_interface_add(&w->engine[i], &link, &interface) == HF_OK, "interface");
        w->addr[i] = hf_addr4(10, 0, 0, (uint8_t)(i + 1));
        need(hf_address_add(&w->engine[i], interface, &w->addr[i], 24) == HF_OK, "address");
    }
    const hf_mem_options options = {.batch_frames = 64};
    need(hf_mem_join(&w->wire, &w->engine[0], 0, &w->engine[1], 0, &options), "join");
    const hf_listen_options listen = {.port = 80, .backlog = 4096, .tcp = {.no_delay = true}};
    need(hf_listen(&w->engine[1], &listen, &w->listener) == HF_OK, "listen");
}

static void world_end(world *w) {
    hf_mem_part(&w->wire);
    for (int i = 0; i < 2; i++) free(w->block[i]), free(w->data[i]);
}

static void settle(world *w) {
    while (hf_mem_exchange(&w->wire, w->now_ns) != 0) {
    }
}

static void open_pair(world *w, hf_conn *client, hf_conn *server) {
    const hf_connect_options connect = {
        .remote = w->addr[1], .remote_port = 80, .tcp = {.no_delay = true}};
    need(hf_connect(&w->engine[0], &connect, client) == HF_OK, "connect");
    settle(w);
    need(hf_accept(&w->engine[1], w->listener, server) == HF_OK, "accept");
}

static void drain_events(world *w) {
    hf_event event;
    for (int i = 0; i < 2; i++)
        while (hf_next_event(&w->engine[i], &event)) {
        }
}

/* ---- Works: each returns the CPU seconds of `rounds` units ---- */

#define WRITE_BYTES 16384

static uint8_t source[WRITE_BYTES], sink[WRITE_BYTES];

static double bulk(setting s, uint64_t rounds) {
    world w;
    s.conns = 1;
    world_begin(&w, s);
    hf_conn client, server;
    open_pair(&w, &client, &server);
    const double begin = cpu_seconds();
    for (uint64_t sent = 0, got_all = 0; got_all < rounds;) {
        size_t n;
        while (sent < rounds && hf_send(&w.engine[0], client, source, sizeof source, &n) == HF_OK)
            sent += n;
        hf_mem_exchange(&w.wire, w.now_ns += 10 * HF_US);
        while (hf_receive(&w.engine[1], server, sink, sizeof sink, &n) == HF_OK) got_all += n;
        hf_mem_exchange(&w.wire, w.now_ns);
        drain_events(&w);
    }
    const double took = cpu_seconds() - begin;
    world_end(&w);
    return took;
}

static double requests(setting s, uint64_t rounds) {
    world w;
    world_begin(&w, s);
    hf_conn *client = malloc(s.conns * sizeof *client), *server = malloc(s.conns * sizeof *server);
    for (uint32_t i = 0; i < s.conns; i++) open_pair(&w, &client[i], &server[i]);
    drain_events(&w);
    uint8_t message[64] = {0};
    size_t n;
    const uint32_t batch = s.conns < 100 ? s.conns : 100;
    const double begin = cpu_seconds();
    for (uint64_t done = 0; done < rounds; done += batch) {
        const uint32_t first = (uint32_t)(done % s.conns);
        for (uint32_t i = 0; i < batch; i++)
            hf_send(&w.engine[0], client[(first + i) % s.conns], message, 64, &n);
        w.now_ns += HF_US;
        settle(&w);
        for (uint32_t i = 0; i < batch; i++) {
            const hf_conn c = server[(first + i) % s.conns];
            if (hf_receive(&w.engine[1], c, message, 64, &n) == HF_OK)
                hf_send(&w.engine[1], c, message, 64, &n);
        }
        settle(&w);
        for (uint32_t i = 0; i < batch; i++)
            need(hf_receive(&w.engine[0], client[(first + i) % s.conns], message, 64, &n) == HF_OK,
                 "answer");
        drain_events(&w);
    }
    const double took = cpu_seconds() - begin;
    free(client), free(server);
    world_end(&w);
    return took;
}

/* Connect, one byte, echo, the client closes first, TIME_WAIT kept: 1,000 cycles a virtual second.
 */
static double cycles(setting s, uint64_t rounds) {
    world w;
    s.conns = 100;
    world_begin(&w, s);
    const double begin = cpu_seconds();
    for (uint64_t i = 0; i < rounds; i++) {
        hf_conn client, server;
        uint8_t byte = 1;
        size_t n;
        open_pair(&w, &client, &server);
        hf_send(&w.engine[0], client, &byte, 1, &n);
        settle(&w);
        hf_receive(&w.engine[1], server, &byte, 1, &n);
        hf_send(&w.engine[1], server, &byte, 1, &n);
        settle(&w);
        hf_receive(&w.engine[0], client, &byte, 1, &n);
        hf_close(&w.engine[0], client, NULL);
        settle(&w);
        hf_close(&w.engine[1], server, NULL);
        settle(&w);
        hf_release(&w.engine[0], client);
        hf_release(&w.engine[1], server);
        drain_events(&w);
        w.now_ns += HF_MS;
    }
    const double took = cpu_seconds() - begin;
    need(hf_cause_count(&w.engine[0], HF_CAUSE_TIME_WAIT_STARTED) >= rounds, "TIME_WAIT");
    world_end(&w);
    return took;
}

/* 60 virtual seconds of idle connections with keepalive, no probe due. `rounds` is the connections.
 */
static double idle(setting s, uint64_t rounds) {
    world w;
    s.conns = (uint32_t)rounds;
    world_begin(&w, s);
    for (uint64_t i = 0; i < rounds; i++) {
        const hf_connect_options connect = {.remote = w.addr[1],
                                            .remote_port = 80,
                                            .local_port = (uint16_t)(1024 + i % 60000),
                                            .tcp = {.keepalive_idle_ns = 7200 * HF_SECOND}};
        hf_conn client, server;
        need(hf_connect(&w.engine[0], &connect, &client) == HF_OK, "connect");
        settle(&w);
        need(hf_accept(&w.engine[1], w.listener, &server) == HF_OK, "accept");
        drain_events(&w);
    }
    const double begin = cpu_seconds();
    const hf_ns until_ns = w.now_ns + 60 * HF_SECOND;
    for (hf_ns at; (at = hf_mem_next_at(&w.wire)) <= until_ns;) {
        w.now_ns = at;
        settle(&w);
    }
    const double took = cpu_seconds() - begin;
    world_end(&w);
    return took;
}

/* ---- The floor: the same bytes by the same copies, in frames, without a protocol ---- */

static uint64_t word_sum(const uint8_t *data, size_t bytes) {
    uint64_t sum = 0;
    for (size_t i = 0; i + 4 <= bytes; i += 4) {
        uint32_t word;
        memcpy(&word, data + i, 4);
        sum += word;
    }
    return sum;
}

static volatile uint64_t keep;

static double bulk_floor(setting s, uint64_t rounds) {
    enum { RING = 64, QUEUE = 256 * 1024 };
    const uint32_t mss = s.mtu - 52;
    uint8_t *queue = malloc(QUEUE + 65536), *ring = malloc((size_t)RING * (s.mtu + 192)),
            *in = malloc(QUEUE + 65536);
    uint64_t sum = 0;
    size_t at = 0, read = 0;
    const double begin = cpu_seconds();
    for (uint64_t moved = 0; moved < rounds;) {
        for (size_t filled = 0; filled < (size_t)RING * mss; filled += WRITE_BYTES)
            memcpy(queue + (at + filled) % QUEUE, source, WRITE_BYTES);
        for (int i = 0; i < RING; i++) {
            uint8_t *frame = ring + (size_t)i * (s.mtu + 192);
            if (s.sum) sum += word_sum(queue + at, mss);
            memset(frame, 0, 52);
            memcpy(frame + 52, queue + at, mss);
            at = (at + mss) % QUEUE;
        }
        for (int i = 0; i < RING; i++) {
            const uint8_t *frame = ring + (size_t)i * (s.mtu + 192);
            if (s.sum) sum += word_sum(frame + 52, mss);
            memcpy(in + read, frame + 52, mss);
            read = (read + mss) % QUEUE;
        }
        for (size_t taken = 0; taken < (size_t)RING * mss; taken += WRITE_BYTES)
            memcpy(sink, in + taken % QUEUE, WRITE_BYTES);
        moved += (uint64_t)RING * mss;
    }
    const double took = cpu_seconds() - begin;
    keep = sum + sink[7];
    free(queue), free(ring), free(in);
    return took;
}

/* ---- The table ---- */

typedef struct row {
    const char *name, *unit;
    double (*work)(setting s, uint64_t rounds);
    double (*floor)(setting s, uint64_t rounds);
    setting with;
    uint64_t rounds;
    double scale; /* from seconds a round to the unit */
} row;

static const row rows[] = {
    {"bulk_1500_copied_sum", "ns/byte", bulk, bulk_floor, {1500, 1, true}, 400u << 20, 1e9},
    {"bulk_1500_copied_nosum", "ns/byte", bulk, bulk_floor, {1500, 1, false}, 400u << 20, 1e9},
    {"bulk_9000_copied_sum", "ns/byte", bulk, bulk_floor, {9000, 1, true}, 400u << 20, 1e9},
    {"rr_1", "ns/exchange", requests, NULL, {1500, 1, true}, 300000, 1e9},
    {"rr_100", "ns/exchange", requests, NULL, {1500, 100, true}, 300000, 1e9},
    {"rr_10000", "ns/exchange", requests, NULL, {1500, 10000, true}, 300000, 1e9},
    {"cycles_tw_kept", "ns/cycle", cycles, NULL, {1500, 100, true}, 60000, 1e9},
    {"idle_10000", "ms/60 s", idle, NULL, {1500, 10000, true}, 10000, 1e3 * 10000},
};

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Median of five, work and floor in turn. */
static void measure(const row *r, double *ret_work, double *ret_floor) {
    double work[5], floor_[5] = {0};
    for (int i = 0; i < 5; i++) {
        work[i] = r->work(r->with, r->rounds) / (double)r->rounds * r->scale;
        if (r->floor != NULL)
            floor_[i] = r->floor(r->with, r->rounds) / (double)r->rounds * r->scale;
    }
    qsort(work, 5, sizeof work[0], compare);
    qsort(floor_, 5, sizeof floor_[0], compare);
    *ret_work = work[2];
    *ret_floor = floor_[2];
}

static void print_all(bool json) {
    printf(json ? "{\"schema\": 1, \"rows\": [" : "%-24s %12s %12s  %s\n", "work", "Holdfast",
           "to floor", "unit");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double work, floor_;
        measure(&rows[i], &work, &floor_);
        char ratio[32] = "";
        if (floor_ > 0) snprintf(ratio, sizeof ratio, "%.2f", work / floor_);
        if (json)
            printf("%s\n  {\"work\": \"%s\", \"stack\": \"holdfast\", \"unit\": \"%s\", "
                   "\"median\": %.4f, \"cost_ratio_to_floor\": %s}",
                   i > 0 ? "," : "", rows[i].name, rows[i].unit, work, floor_ > 0 ? ratio : "null");
        else
            printf("%-24s %12.3f %12s  %s\n", rows[i].name, work, floor_ > 0 ? ratio : "-",
                   rows[i].unit);
        fflush(stdout);
    }
    if (json) printf("\n]}\n");
}

int main(int argc, char **argv) {
    if (argc < 2 || strcmp(argv[1], "--json") == 0) {
        print_all(argc >= 2);
        return 0;
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(argv[1], rows[i].name) != 0) continue;
        const uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : rows[i].rounds;
        printf("%.4f %s\n", rows[i].work(rows[i].with, rounds) / (double)rounds * rows[i].scale,
               rows[i].unit);
        return 0;
    }
    fprintf(stderr, "bench-engine: no work '%s'\n", argv[1]);
    return 2;
}
