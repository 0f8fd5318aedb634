/* One transfer over one path in virtual time: two engines, a bottleneck with a buffer, and what the
 * path does to packets. Deterministic: the same row and seed give the same completion time. */
#ifndef HF_TEST_WEATHER_H
#define HF_TEST_WEATHER_H

#include <hf/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct weather_path {
    const char *name;
    double rate_mbit, rtt_ms;
    double buffer_bdp; /* of the bottleneck, drop-tail; of 1,500-byte packets at least 4 */
    double loss;       /* of data packets, each for itself */
    double burst;      /* mean length of a loss, in packets; 0 for single ones */
    double reorder;    /* share of data packets that arrive reorder_ms later */
    double reorder_ms;
    double jitter_ms;     /* up to this much more delay, order kept */
    double ack_loss;      /* of what comes back */
    double policed_mbit;  /* a token bucket of 64 KiB drops what is above; 0 for none */
    double mark_ms;       /* marks CE when the queue is longer than this; 0: never */
    uint64_t bytes;       /* to transfer */
    uint32_t buffers;     /* bytes of both buffers; 0: ample, 1: nobody sets them */
    uint32_t takes_bytes; /* longer packets vanish without a word; 0: none do */
} weather_path;

typedef struct weather_packet {
    hf_ns at_ns;
    uint64_t order;
    uint32_t bytes;
    int to;
    uint8_t data[1536];
} weather_packet;

#define WEATHER_PACKETS 65536

typedef struct weather {
    const weather_path *path;
    hf_engine engine[2];
    void *block[2], *data[2];
    hf_addr addr[2];
    hf_ns now_ns, busy_until_ns[2], last_arrival_ns[2];
    uint64_t random, order;
    double tokens;
    hf_ns tokens_at_ns;
    bool losing;
    weather_packet *packets;
    uint32_t *heap, *spare;
    uint32_t heap_count, spare_count;
    uint64_t sent, lost, queue_lost, marked;
} weather;

/* xorshift64*; a share of 2^53. */
static inline double weather_random(weather *w) {
    w->random ^= w->random >> 12, w->random ^= w->random << 25, w->random ^= w->random >> 27;
    return (double)((w->random * UINT64_C(2685821657736338717)) >> 11) / 9007199254740992.0;
}

/* ---- Packets under way: a heap by arrival, then by order of sending ---- */

static inline bool weather_sooner(const weather *w, uint32_t a, uint32_t b) {
    const weather_packet *x = &w->packets[a], *y = &w->packets[b];
    return x->at_ns != y->at_ns ? x->at_ns < y->at_ns : x->order < y->order;
}

static inline void weather_push(weather *w, uint32_t packet) {
    uint32_t at = w->heap_count++;
    for (; at > 0 && weather_sooner(w, packet, w->heap[(at - 1) / 2]); at = (at - 1) / 2)
        w->heap[at] = w->heap[(at - 1) / 2];
    w->heap[at] = packet;
}

static inline uint32_t weather_pop(weather *w) {
    const uint32_t first = w->heap[0], last = w->heap[--w->heap_count];
    uint32_t at = 0;
    for (uint32_t child; (child = 2 * at + 1) < w->heap_count; at = child) {
        if (child + 1 < w->heap_count && weather_sooner(w, w->heap[child + 1], w->heap[child]))
            child++;
        if (!weather_sooner(w, w->heap[child], last)) break;
        w->heap[at] = w->heap[child];
    }
    w->heap[at] = last;
    return first;
}

/* ---- What the path does ---- */

static inline hf_ns weather_ns(double ms) { return (hf_ns)(ms * 1e6); }

/* Losses in bursts: a chain of two states, lossy for `burst` packets on average. */
static inline bool weather_loses(weather *w) {
    const weather_path *p = w->path;
    if (p->loss == 0) return false;
    if (p->burst == 0) return weather_random(w) < p->loss;
    const double leave = 1 / p->burst, enter = leave * p->loss / (1 - p->loss);
    w->losing = w->losing ? weather_random(w) >= leave : weather_random(w) < enter;
    return w->losing;
}

static inline bool weather_polices(weather *w, uint32_t bytes) {
    if (w->path->policed_mbit == 0) return false;
    const double bucket = 65536;
    w->tokens += (double)(w->now_ns - w->tokens_at_ns) * w->path->policed_mbit / 8000;
    w->tokens_at_ns = w->now_ns;
    if (w->tokens > bucket) w->tokens = bucket;
    if (w->tokens < bytes) return true;
    w->tokens -= bytes;
    return false;
}

static inline bool weather_queue(weather *w, int from, weather_packet *packet) {
    const weather_path *p = w->path;
    const hf_ns takes = (hf_ns)((double)packet->bytes * 8000 / p->rate_mbit);
    const hf_ns begins = w->busy_until_ns[from] > w->now_ns ? w->busy_until_ns[from] : w->now_ns;
    const hf_ns waits = begins - w->now_ns;
    double room_ms = p->buffer_bdp * p->rtt_ms;
    if (room_ms < 4 * 12 / p->rate_mbit) room_ms = 4 * 12 / p->rate_mbit;
    if (from == 0 && waits > weather_ns(room_ms)) {
        w->queue_lost++;
        return false;
    }
    if (from == 0 && p->mark_ms > 0 && waits > weather_ns(p->mark_ms) &&
        (packet->data[1] & 3) != 0) {
        /* RFC 3168 5: CE, and the header checksum follows. */
        const uint32_t before = packet->data[1];
        packet->data[1] |= 3;
        uint32_t sum = (uint32_t)(packet->data[10] << 8 | packet->data[11]);
        sum = (~sum & 0xffff) + (~before & 0xffff) + packet->data[1];
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        packet->data[10] = (uint8_t)(~sum >> 8);
        packet->data[11] = (uint8_t)~sum;
        w->marked++;
    }
    w->busy_until_ns[from] = begins + takes;
    packet->at_ns = begins + takes + weather_ns(p->rtt_ms / 2);
    return true;
}

/* False if the path swallows it. */
static inline bool weather_sends(weather *w, int from, weather_packet *packet) {
    const weather_path *p = w->path;
    w->sent++;
    const bool data = from == 0 && packet->bytes > 100;
    if (p->takes_bytes > 0 && packet->bytes > p->takes_bytes) return w->lost++, false;
    if (data && weather_loses(w)) return w->lost++, false;
    if (from == 1 && p->ack_loss > 0 && weather_random(w) < p->ack_loss) return w->lost++, false;
    if (data && weather_polices(w, packet->bytes)) return w->lost++, false;
    if (!weather_queue(w, from, packet)) return false;
    if (data && p->reorder > 0 && weather_random(w) < p->reorder) {
        packet->at_ns += weather_ns(p->reorder_ms);
        return true;
    }
    if (p->jitter_ms > 0) packet->at_ns += weather_ns(weather_random(w) * p->jitter_ms);
    if (packet->at_ns < w->last_arrival_ns[from]) packet->at_ns = w->last_arrival_ns[from];
    w->last_arrival_ns[from] = packet->at_ns;
    return true;
}

static inline void weather_need(bool good, const char *what) {
    if (good) return;
    fprintf(stderr, "weather: %s failed\n", what);
    exit(1);
}

static inline void weather_drain(weather *w, int from) {
    hf_frame frames[32];
    for (size_t n; (n = hf_tx_peek(&w->engine[from], frames, 32)) != 0;) {
        for (size_t i = 0; i < n; i++) {
            weather_need(w->spare_count > 0, "room for packets");
            const uint32_t index = w->spare[w->spare_count - 1];
            weather_packet *packet = &w->packets[index];
            *packet = (weather_packet){.to = !from, .order = w->order++};
            for (uint32_t k = 0; k < frames[i].part_count; k++) {
                memcpy(packet->data + packet->bytes, frames[i].parts[k].data,
                       frames[i].parts[k].bytes);
                packet->bytes += frames[i].parts[k].bytes;
            }
            if (!weather_sends(w, from, packet)) continue;
            w->spare_count--;
            weather_push(w, index);
        }
        hf_tx_taken(&w->engine[from], n);
    }
}

/* ---- The two hosts ---- */

static inline void weather_begin(weather *w, const weather_path *path, uint64_t seed) {
    memset(w, 0, sizeof *w);
    w->path = path;
    w->now_ns = w->tokens_at_ns = HF_SECOND;
    w->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    w->tokens = 65536;
    w->packets = malloc(WEATHER_PACKETS * sizeof *w->packets);
    w->heap = malloc(WEATHER_PACKETS * sizeof *w->heap);
    w->spare = malloc(WEATHER_PACKETS * sizeof *w->spare);
    for (uint32_t i = 0; i < WEATHER_PACKETS; i++) w->spare[i] = WEATHER_PACKETS - 1 - i;
    w->spare_count = WEATHER_PACKETS;
    for (int i = 0; i < 2; i++) {
        hf_config config;
        hf_config_default(&config);
        config.conns = config.flights = 4;
        config.rx_chunks = config.tx_chunks = 4096;
        memset(config.seed, (int)seed + 0x11 * (i + 1), sizeof config.seed);
        const hf_memory memory = hf_engine_bytes(&config);
        w->block[i] = aligned_alloc(64, (memory.block_bytes + 63) / 64 * 64);
        w->data[i] = aligned_alloc(64, (memory.data_bytes + 63) / 64 * 64);
        weather_need(hf_engine_init(&w->engine[i], &config, w->block[i], memory.block_bytes,
                                    w->data[i], memory.data_bytes, w->now_ns) == HF_OK,
                     "init");
        const hf_interface_options link = {.link = HF_LINK_IP, .mtu = 1500, .auto_done = true};
        uint32_t interface;
        weather_need(hf_interface_add(&w->engine[i], &link, &interface) == HF_OK, "interface");
        w->addr[i] = hf_addr4(10, 0, 0, (uint8_t)(i + 1));
        weather_need(hf_address_add(&w->engine[i], interface, &w->addr[i], 24) == HF_OK, "address");
    }
}

static inline void weather_end(weather *w) {
    for (int i = 0; i < 2; i++) free(w->block[i]), free(w->data[i]);
    free(w->packets), free(w->heap), free(w->spare);
}

static inline bool weather_once(weather *w) {
    weather_drain(w, 0), weather_drain(w, 1);
    hf_ns next_ns = w->heap_count > 0 ? w->packets[w->heap[0]].at_ns : HF_NEVER;
    const bool packet = next_ns != HF_NEVER;
    bool timer = false;
    for (int i = 0; i < 2; i++) {
        const hf_ns at_ns = hf_engine_next_at(&w->engine[i]);
        if (at_ns < next_ns) next_ns = at_ns, timer = true;
    }
    if (next_ns == HF_NEVER) return false;
    if (next_ns > w->now_ns) w->now_ns = next_ns;
    if (packet && !timer) {
        const uint32_t index = weather_pop(w);
        const weather_packet *p = &w->packets[index];
        const hf_frame frame = {
            .total_bytes = p->bytes, .part_count = 1, .parts = {{p->data, p->bytes}}};
        hf_engine_step(&w->engine[p->to], w->now_ns, &frame, 1, NULL);
        w->spare[w->spare_count++] = index;
    } else {
        for (int i = 0; i < 2; i++) hf_engine_step(&w->engine[i], w->now_ns, NULL, 0, NULL);
    }
    return true;
}

static inline uint64_t weather_read(weather *w, hf_conn conn) {
    hf_part parts[16];
    size_t count = 0;
    uint64_t bytes = 0;
    while (hf_receive_peek(&w->engine[1], conn, parts, 16, &count) == HF_OK && count > 0) {
        size_t here = 0;
        for (size_t i = 0; i < count; i++) here += parts[i].bytes;
        hf_receive_consume(&w->engine[1], conn, here);
        bytes += here;
    }
    return bytes;
}

/* Milliseconds from the call to connect to the last byte read, or -1 if it takes ten minutes. */
static inline double weather_run(const weather_path *path, const hf_tcp_options *options,
                                 uint64_t seed) {
    static const uint8_t text[65536];
    weather w;
    weather_begin(&w, path, seed);
    const hf_ns began_ns = w.now_ns;
    const hf_listen_options listen = {.port = 80, .tcp = *options};
    const hf_connect_options connect = {.remote = w.addr[1], .remote_port = 80, .tcp = *options};
    hf_listener listener;
    hf_conn client, server = {0};
    bool accepted = false;
    weather_need(hf_listen(&w.engine[1], &listen, &listener) == HF_OK, "listen");
    weather_need(hf_connect(&w.engine[0], &connect, &client) == HF_OK, "connect");
    uint64_t written = 0, read = 0;
    while (read < path->bytes && w.now_ns < began_ns + 600 * HF_SECOND) {
        size_t taken = 1;
        while (written < path->bytes && taken > 0) {
            const uint64_t left = path->bytes - written;
            const size_t most = left < sizeof text ? (size_t)left : sizeof text;
            if (hf_send(&w.engine[0], client, text, most, &taken) != HF_OK) taken = 0;
            written += taken;
        }
        if (!accepted) accepted = hf_accept(&w.engine[1], listener, &server) == HF_OK;
        if (accepted) read += weather_read(&w, server);
        if (read < path->bytes && !weather_once(&w)) break;
    }
    const double ms = (double)(w.now_ns - began_ns) / 1e6;
    weather_end(&w);
    return read == path->bytes ? ms : -1;
}

#endif
