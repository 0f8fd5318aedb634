/* Ten thousand queries a second to a print server that answers and closes first (RFC 1179), each on a
 * connection of its own, so that TIME_WAIT is the server's: 600,000 entries of 48 bytes, each for 60 s,
 * beside 512 connections. Nobody is refused and no entry leaves early.
 *
 * The clients are scripts without an engine. One client has 64,512 ports, 6.4 s of them: it takes its
 * pairs up again within TIME_WAIT, which is safe with timestamps (RFC 6191) or with ISNs that only grow
 * (RFC 9293 3.10.7.4). Clients with neither must not: so many ports are asked for that each lies fallow
 * for 60 s, 16 clients with 37,530 ports, or 22 with 28,230 of Linux's default range.
 *
 * A tenth of the rate, and of the ports, where the build is slow (sanitizers, no optimizer). */
#include "test.h"
#include <hf/ledger.h>
#include <hf/tcp.h>
#include <stdlib.h>
#include <string.h>
#include "wire/ip.h"
#include "wire/tcp.h"

#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define SCALE 1u
#else
#define SCALE 10u
#endif

enum { A_MS = 10, CONNS = 512, ENTRIES = 640000, WIRE = 2048, PACKET = 96, HOSTS = 22 };
enum { PORTS_MAX = 65536, ANSWER_BYTES = 11, TIME_WAIT_MS = 60000 };

/* What tells the clients of a run apart. */
typedef struct clients {
    const char *words;
    uint32_t hosts, port_low, ports;
    bool timestamps, growing_isn;
    uint32_t seconds;
} clients;

typedef struct packet {
    uint32_t bytes;
    uint8_t data[PACKET];
} packet;

typedef struct wire {
    packet packets[WIRE];
    uint32_t count;
} wire;

/* A query on its way: what the client has sent and heard. */
typedef struct query {
    hf_seq seq, ack;
    uint32_t heard_bytes, ts_echo;
    bool open;
} query;

typedef struct world {
    hf_engine engine;
    void *block, *data;
    hf_memory memory;
    hf_addr server;
    hf_listener listener;
    hf_ns now_ns;
    const clients *clients;
    wire wires[2]; /* to the server, to the clients */
    query queries[HOSTS][PORTS_MAX];
    uint64_t random;
    uint64_t asked, answered, refused, late;
} world;

/* ---- The server ---- */

static void server_begin(world *w) {
    hf_config config;
    hf_config_default(&config);
    memset(config.seed, 0x35, sizeof config.seed);
    config.conns = config.flights = config.syn_entries = CONNS;
    config.time_wait = ENTRIES / SCALE;
    config.time_wait6 = 0;
    config.tx_frames = WIRE;
    config.chunk_bytes = 256;
    config.rx_chunks = config.tx_chunks = 4 * CONNS;
    w->memory = hf_engine_bytes(&config);
    w->block = aligned_alloc(64, (w->memory.block_bytes + 63) / 64 * 64);
    w->data = aligned_alloc(64, (w->memory.data_bytes + 63) / 64 * 64);
    assert_int_equal(hf_engine_init(&w->engine, &config, w->block, w->memory.block_bytes, w->data,
                                    w->memory.data_bytes, w->now_ns),
                     HF_OK);
    const hf_interface_options link = {.link = HF_LINK_IP, .mtu = 1500, .auto_done = true};
    uint32_t interface;
    assert_int_equal(hf_interface_add(&w->engine, &link, &interface), HF_OK);
    w->server = hf_addr4(10, 0, 1, 1);
    assert_int_equal(hf_address_add(&w->engine, interface, &w->server, 16), HF_OK);
    const hf_listen_options listen = {.port = 515, .backlog = CONNS / 2};
    assert_int_equal(hf_listen(&w->engine, &listen, &w->listener), HF_OK);
}

static void answer(world *w, hf_conn conn) {
    char text[16];
    size_t got = 0, sent = 0;
    if (hf_receive(&w->engine, conn, text, sizeof text, &got) != HF_OK || got != 4) return;
    assert_int_equal(hf_send(&w->engine, conn, "no entries\n", ANSWER_BYTES, &sent), HF_OK);
    assert_int_equal(hf_close(&w->engine, conn, NULL), HF_OK);
    assert_int_equal(hf_release(&w->engine, conn), HF_OK);
}

static void serve(world *w) {
    hf_event event;
    hf_conn conn;
    while (hf_next_event(&w->engine, &event)) {
        if (event.object == HF_OBJECT_LISTENER)
            while (hf_accept(&w->engine, w->listener, &conn) == HF_OK) answer(w, conn);
        else if ((event.bits & HF_EVENT_READABLE) != 0)
            answer(w, (hf_conn){event.index, event.generation});
    }
}

/* ---- The clients ---- */

static hf_addr client_address(uint32_t host) { return hf_addr4(10, 0, 0, (uint8_t)(host + 1)); }

static uint32_t draw(world *w) {
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(w->random >> 32);
}

static uint32_t clock_ms(const world *w) { return (uint32_t)(w->now_ns / HF_MS); }

static void say(world *w, uint32_t host, uint16_t port, uint8_t flags, const char *text) {
    query *q = &w->queries[host][port];
    const hf_addr source = client_address(host);
    hfi_tcp_view view = {.source_port = port,
                         .destination_port = 515,
                         .seq = q->seq,
                         .ack = q->ack,
                         .window = 8192,
                         .flags = flags};
    if ((flags & HFI_TCP_SYN) != 0)
        view.options = (hfi_tcp_options){.present = HFI_OPT_MSS, .mss = 1460};
    if (w->clients->timestamps) {
        view.options.present |= HFI_OPT_TIMESTAMPS;
        view.options.ts_value = clock_ms(w);
        view.options.ts_echo = q->ts_echo;
    }
    assert_true(w->wires[0].count < WIRE);
    packet *p = &w->wires[0].packets[w->wires[0].count++];
    uint8_t *tcp = p->data + HFI_IP_HEADER_BYTES(true);
    const uint32_t header = hfi_tcp_build(tcp, &view), length = (uint32_t)strlen(text);
    memcpy(tcp + header, text, length);
    hfi_ip4_build(p->data, &source, &w->server, HFI_IP_TCP, 64, 0, 0, true, header + length);
    hfi_csum_store(tcp + HFI_TCP_CSUM_OFFSET,
                   hfi_ip_pseudo_sum(&source, &w->server, HFI_IP_TCP, header + length) +
                       hfi_csum_add(0, tcp, header + length));
    p->bytes = HFI_IP_HEADER_BYTES(true) + header + length;
    q->seq += length + ((flags & (HFI_TCP_SYN | HFI_TCP_FIN)) != 0);
}

/* The next pair in turn; the hosts take turns too. ISNs grow by the clock of RFC 9293 3.4.1, or are anything. */
static void ask(world *w) {
    const clients *c = w->clients;
    const uint32_t host = (uint32_t)(w->asked % c->hosts);
    const uint16_t port = (uint16_t)(c->port_low + w->asked / c->hosts % (c->ports / SCALE));
    query *q = &w->queries[host][port];
    w->late += q->open;
    *q =
        (query){.seq = c->growing_isn ? (uint32_t)(w->now_ns / 4000) + port * 2654435761u : draw(w),
                .open = true};
    w->asked++;
    say(w, host, port, HFI_TCP_SYN, "");
}

/* The handshake's ACK carries the question; the FIN is answered by one. */
static void hear(world *w, uint32_t host, const hfi_tcp_view *seg) {
    query *q = &w->queries[host][seg->destination_port];
    q->ts_echo = seg->options.ts_value;
    if ((seg->flags & HFI_TCP_RST) != 0) {
        w->refused++;
        q->open = false;
    } else if ((seg->flags & HFI_TCP_SYN) != 0) {
        q->ack = seg->seq + 1;
        say(w, host, seg->destination_port, HFI_TCP_ACK, "\4lp\n");
    } else if (seg->seq == q->ack && hfi_tcp_seq_bytes(seg) > 0) {
        q->ack += hfi_tcp_seq_bytes(seg);
        q->heard_bytes += seg->payload_bytes;
        if ((seg->flags & HFI_TCP_FIN) == 0) return;
        w->answered += q->heard_bytes == ANSWER_BYTES;
        q->open = false;
        say(w, host, seg->destination_port, HFI_TCP_ACK | HFI_TCP_FIN, "");
    }
}

/* ---- The wire: half a millisecond each way ---- */

static void to_server(world *w) {
    static hf_frame frames[WIRE];
    wire *from = &w->wires[0];
    for (uint32_t i = 0; i < from->count; i++) {
        frames[i] = (hf_frame){.total_bytes = from->packets[i].bytes, .part_count = 1};
        frames[i].parts[0] = (hf_part){from->packets[i].data, from->packets[i].bytes};
    }
    hf_engine_step(&w->engine, w->now_ns, frames, from->count, NULL);
    from->count = 0;
}

static void from_server(world *w) {
    hf_frame frames[64];
    wire *to = &w->wires[1];
    for (size_t n; (n = hf_tx_peek(&w->engine, frames, 64)) != 0; hf_tx_taken(&w->engine, n))
        for (size_t i = 0; i < n; i++) {
            assert_true(to->count < WIRE);
            packet *p = &to->packets[to->count++];
            p->bytes = 0;
            for (uint32_t k = 0; k < frames[i].part_count; k++) {
                assert_true(p->bytes + frames[i].parts[k].bytes <= PACKET);
                memcpy(p->data + p->bytes, frames[i].parts[k].data, frames[i].parts[k].bytes);
                p->bytes += frames[i].parts[k].bytes;
            }
        }
}

static void to_clients(world *w) {
    wire *from = &w->wires[1];
    for (uint32_t i = 0; i < from->count; i++) {
        const packet *p = &from->packets[i];
        hfi_tcp_view seg;
        assert_int_equal(hfi_tcp_parse(p->data + 20, p->bytes - 20, p->bytes - 20, &seg),
                         HF_CAUSE_NONE);
        hear(w, p->data[19] - 1u, &seg);
    }
    from->count = 0;
}

static void tick(world *w) {
    w->now_ns += HF_MS / 2;
    to_server(w);
    serve(w);
    from_server(w);
    w->now_ns += HF_MS / 2;
    to_clients(w);
}

/* ---- A run ---- */

static void tell_run(const world *w, const hf_time_wait_status *tw) {
    print_message("%s, %u ms: %llu queries, %llu answered, %llu refused; TIME_WAIT %u, %llu over, "
                  "%llu taken up again, %llu early; block %zu bytes\n",
                  w->clients->words, clock_ms(w) - 1000, (unsigned long long)w->asked,
                  (unsigned long long)w->answered, (unsigned long long)w->refused, tw->ip4.used,
                  (unsigned long long)tw->ended, (unsigned long long)tw->reused,
                  (unsigned long long)(tw->early_guarded + tw->early_unsafe),
                  w->memory.block_bytes);
}

static world *run_with(const clients *c, hf_time_wait_status *ret_time_wait) {
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->now_ns = HF_SECOND;
    w->clients = c;
    w->random = 11;
    server_begin(w);
    for (uint32_t ms = 0; ms < c->seconds * 1000; ms++) {
        for (uint32_t i = 0; i < A_MS / SCALE; i++) ask(w);
        tick(w);
    }
    for (int i = 0; i < 20; i++) tick(w);
    hf_time_wait_status_get(&w->engine, ret_time_wait);
    tell_run(w, ret_time_wait);
    assert_int_equal(w->asked, c->seconds * 1000 * A_MS / SCALE);
    assert_int_equal(w->answered, w->asked);
    assert_int_equal(w->refused + w->late, 0);
    assert_int_equal(ret_time_wait->early_guarded + ret_time_wait->early_unsafe, 0);
    assert_int_equal(hf_cause_count(&w->engine, HF_CAUSE_TIME_WAIT_STARTED), w->asked);
    assert_int_equal(hf_cause_count(&w->engine, HF_CAUSE_SENT_SYN_COOKIE), 0);
    return w;
}

static void end_run(world *w) {
    free(w->block), free(w->data);
    free(w);
}

/* Each pair comes again after 6.4 s, and each time the new connection takes it over. */
static void expect_taken_over(const clients *c) {
    hf_time_wait_status tw;
    world *w = run_with(c, &tw);
    assert_int_equal(tw.ip4.used, c->ports / SCALE);
    assert_int_equal(tw.reused, w->asked - tw.ip4.used);
    end_run(w);
}

/* Each entry lives its 60 s, and no pair comes again before. */
static void expect_whole(const clients *c) {
    hf_time_wait_status tw;
    world *w = run_with(c, &tw);
    assert_int_equal(tw.reused, 0);
    assert_in_range(tw.ip4.used, 599500 / SCALE, 600500 / SCALE);
    assert_int_equal(tw.ended + tw.ip4.used, w->asked);
    assert_true(tw.ended >= (c->seconds * 1000 - TIME_WAIT_MS - 100) * A_MS / SCALE);
    end_run(w);
}

static void one_client_with_timestamps_takes_its_pairs_up_again(void **state) {
    (void)state;
    expect_taken_over(&(clients){.words = "one client with timestamps",
                                 .hosts = 1,
                                 .port_low = 1024,
                                 .ports = 64510,
                                 .timestamps = true,
                                 .seconds = 20});
}

static void one_client_whose_isns_grow_takes_its_pairs_up_again(void **state) {
    (void)state;
    expect_taken_over(&(clients){.words = "one client with growing ISNs",
                                 .hosts = 1,
                                 .port_low = 1024,
                                 .ports = 64510,
                                 .growing_isn = true,
                                 .seconds = 20});
}

static void sixteen_clients_with_neither_keep_600000_entries_whole(void **state) {
    (void)state;
    expect_whole(&(clients){.words = "16 clients with random ISNs",
                            .hosts = 16,
                            .port_low = 28000,
                            .ports = 37530,
                            .seconds = 64});
}

static void twenty_two_clients_with_linux_ports_do_too(void **state) {
    (void)state;
    expect_whole(&(clients){.words = "22 clients with Linux's ports",
                            .hosts = 22,
                            .port_low = 32768,
                            .ports = 28230,
                            .seconds = 64});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_client_with_timestamps_takes_its_pairs_up_again),
        cmocka_unit_test(one_client_whose_isns_grow_takes_its_pairs_up_again),
        cmocka_unit_test(sixteen_clients_with_neither_keep_600000_entries_whole),
        cmocka_unit_test(twenty_two_clients_with_linux_ports_do_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
