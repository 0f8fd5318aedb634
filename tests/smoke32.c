/* Two engines talk over the public API alone, without a test library, so that this runs wherever
 * the engine compiles: it is the 32-bit build's test. A client connects, both sides exchange data
 * through a wire that loses one frame of seven, the server's engine is moved in memory midway,
 * both close, and all is accounted for. */
#include <hf/tcp.h>
#include <hf/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("smoke32: line %d: not true: %s\n", __LINE__, #condition);                      \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

enum { REQUEST_BYTES = 300007, CHUNK = 1009, LOSE_ONE_OF = 7, BATCH = 16 };

typedef struct host {
    hf_engine engine;
    hf_memory size;
    void *block, *data;
    uint32_t events;
} host;

static hf_ns now_ns = HF_SECOND;
static unsigned frames_made;

static void host_start(host *h, uint8_t seed, uint8_t last_octet) {
    hf_config config;
    hf_config_default(&config);
    config.conns = 11;
    config.flights = 11;
    for (int i = 0; i < 32; i++) config.seed[i] = (uint8_t)(seed + i);
    CHECK(hf_config_problem(&config) == NULL);
    h->size = hf_engine_bytes(&config);
    h->block = aligned_alloc(64, (h->size.block_bytes + 63) & ~(size_t)63);
    h->data = aligned_alloc(64, (h->size.data_bytes + 63) & ~(size_t)63);
    CHECK(h->block != NULL && h->data != NULL);
    CHECK(hf_engine_init(&h->engine, &config, h->block, h->size.block_bytes, h->data,
                         h->size.data_bytes, now_ns) == HF_OK);
    uint32_t interface;
    const hf_interface_options options = {.link = HF_LINK_IP, .mtu = 1500, .auto_done = true};
    CHECK(hf_interface_add(&h->engine, &options, &interface) == HF_OK);
    const hf_addr addr = hf_addr4(192, 0, 2, last_octet);
    CHECK(hf_address_add(&h->engine, interface, &addr, 24) == HF_OK);
}

/* Copies the block and the data to other places and goes on there; the old ones are spoilt. */
static void host_move(host *h) {
    void *block = aligned_alloc(64, (h->size.block_bytes + 63) & ~(size_t)63);
    void *data = aligned_alloc(64, (h->size.data_bytes + 63) & ~(size_t)63);
    CHECK(block != NULL && data != NULL);
    memcpy(block, h->block, h->size.block_bytes);
    memcpy(data, h->data, h->size.data_bytes);
    memset(h->block, 0xa5, h->size.block_bytes);
    memset(h->data, 0xa5, h->size.data_bytes);
    free(h->block);
    free(h->data);
    h->block = block;
    h->data = data;
    CHECK(hf_engine_attach(&h->engine, block, data, NULL, NULL) == HF_OK);
}

/* One in seven, drawn: a strict count would lose the same ACK of each retransmission for ever. */
static bool is_lost(void) {
    static uint32_t random = 3;
    random = random * 1664525u + 1013904223u;
    frames_made++;
    return (random >> 16) % LOSE_ONE_OF == 0;
}

/* Carries what `from` has to send to `to`, at the present instant, and loses some. */
static bool carry(host *from, host *to) {
    bool carried = false;
    hf_frame frames[BATCH];
    for (size_t count; (count = hf_tx_peek(&from->engine, frames, BATCH)) != 0;) {
        for (size_t i = 0; i < count; i++) {
            frames[i].interface = 0;
            frames[i].token = 0;
            if (!is_lost()) hf_engine_step(&to->engine, now_ns, &frames[i], 1, NULL);
        }
        hf_tx_taken(&from->engine, count);
        carried = true;
    }
    return carried;
}

/* True if the application has been told something. */
static bool gather_events(host *h) {
    bool some = false;
    for (hf_event event; hf_next_event(&h->engine, &event); some = true) h->events |= event.bits;
    return some;
}

/* One round: frames until the wire is quiet; then, unless an application has something to look at,
 * time moves to what is due next. */
static void round_trip(host *a, host *b) {
    for (bool carried = true; carried;) {
        carried = carry(a, b);
        carried = carry(b, a) || carried;
    }
    const bool a_told = gather_events(a), b_told = gather_events(b);
    if (a_told || b_told) return;
    const hf_ns a_at = hf_engine_next_at(&a->engine), b_at = hf_engine_next_at(&b->engine);
    const hf_ns next = a_at < b_at ? a_at : b_at;
    if (next != HF_NEVER && next > now_ns) now_ns = next;
    hf_engine_step(&a->engine, now_ns, NULL, 0, NULL);
    hf_engine_step(&b->engine, now_ns, NULL, 0, NULL);
}

static uint8_t byte_at(size_t at) { return (uint8_t)(at * 31 + at / 251); }

static size_t write_some(host *h, hf_conn conn, size_t done) {
    uint8_t out[CHUNK];
    size_t bytes = REQUEST_BYTES - done < CHUNK ? REQUEST_BYTES - done : CHUNK, taken = 0;
    for (size_t i = 0; i < bytes; i++) out[i] = byte_at(done + i);
    const hf_err err = hf_send(&h->engine, conn, out, bytes, &taken);
    CHECK(err == HF_OK || err == HF_AGAIN);
    return taken;
}

static size_t read_some(host *h, hf_conn conn, size_t done) {
    uint8_t in[CHUNK];
    size_t bytes = 0;
    const hf_err err = hf_receive(&h->engine, conn, in, sizeof in, &bytes);
    CHECK(err == HF_OK || err == HF_AGAIN);
    if (err != HF_OK) return 0;
    for (size_t i = 0; i < bytes; i++) CHECK(in[i] == byte_at(done + i));
    return bytes;
}

static hf_conn connect_both(host *client, host *server, hf_conn *ret_accepted) {
    hf_listener listener;
    const hf_listen_options listen_options = {.port = 7000, .backlog = 3};
    CHECK(hf_listen(&server->engine, &listen_options, &listener) == HF_OK);
    hf_conn conn;
    const hf_connect_options options = {.remote = hf_addr4(192, 0, 2, 2), .remote_port = 7000};
    CHECK(hf_connect(&client->engine, &options, &conn) == HF_OK);
    for (int i = 0; i < 50 && hf_accept(&server->engine, listener, ret_accepted) != HF_OK; i++)
        round_trip(client, server);
    CHECK((client->events & HF_EVENT_CONNECTED) != 0);
    CHECK((server->events & HF_EVENT_ACCEPTABLE) != 0);
    return conn;
}

/* The client sends REQUEST_BYTES; the server's engine moves to another place midway. */
static void transfer(host *client, hf_conn to, host *server, hf_conn from) {
    size_t sent = 0, got = 0;
    bool moved = false;
    for (int round = 0; got < REQUEST_BYTES; round++) {
        CHECK(round < 20000);
        for (size_t taken = 1; sent < REQUEST_BYTES && taken > 0; sent += taken)
            taken = write_some(client, to, sent);
        round_trip(client, server);
        for (size_t bytes; (bytes = read_some(server, from, got)) > 0;) got += bytes;
        if (!moved && got > REQUEST_BYTES / 3) {
            host_move(server);
            moved = true;
        }
    }
    CHECK(moved && sent == REQUEST_BYTES);
}

static void close_both(host *client, hf_conn conn, host *server, hf_conn accepted) {
    CHECK(hf_close(&client->engine, conn, NULL) == HF_OK);
    size_t bytes;
    uint8_t byte;
    for (int i = 0;
         i < 50 && hf_receive(&server->engine, accepted, &byte, 1, &bytes) != HF_END_OF_STREAM; i++)
        round_trip(client, server);
    CHECK(hf_close(&server->engine, accepted, NULL) == HF_OK);
    hf_end client_end, server_end;
    for (int i = 0; i < 50 && hf_conn_end(&server->engine, accepted, &server_end) != HF_OK; i++)
        round_trip(client, server);
    CHECK(hf_conn_end(&client->engine, conn, &client_end) == HF_OK);
    CHECK(hf_conn_end(&server->engine, accepted, &server_end) == HF_OK);
    CHECK(client_end.cause == HF_CAUSE_END_CLOSED && server_end.cause == HF_CAUSE_END_CLOSED);
    CHECK(client_end.bytes_from_app == REQUEST_BYTES && client_end.bytes_acked == REQUEST_BYTES);
    CHECK(server_end.bytes_to_app == REQUEST_BYTES && server_end.bytes_unread == 0);
    CHECK(client_end.fin_acked && client_end.fin_heard && client_end.time_wait == HF_TW_US);
    CHECK(hf_release(&client->engine, conn) == HF_OK);
    CHECK(hf_release(&client->engine, conn) == HF_STALE);
}

static void datagram(host *client, host *server) {
    hf_udp to, from;
    const hf_addr any = {{0}}, server_addr = hf_addr4(192, 0, 2, 2);
    CHECK(hf_udp_open(&server->engine, &any, 53, &to) == HF_OK);
    CHECK(hf_udp_open(&client->engine, &any, 0, &from) == HF_OK);
    char in[16];
    size_t bytes = 0;
    hf_udp_from sender;
    hf_err err = HF_AGAIN;
    for (int i = 0; i < 9 && err == HF_AGAIN; i++) { /* the wire may lose some */
        CHECK(hf_udp_send(&client->engine, from, &server_addr, 53, "hold fast", 9) == HF_OK);
        carry(client, server);
        err = hf_udp_receive(&server->engine, to, in, sizeof in, &bytes, &sender);
    }
    CHECK(err == HF_OK && bytes == 9 && memcmp(in, "hold fast", 9) == 0);
}

int main(void) {
    static host client, server;
    host_start(&client, 3, 1);
    host_start(&server, 101, 2);
    hf_conn accepted;
    const hf_conn conn = connect_both(&client, &server, &accepted);
    transfer(&client, conn, &server, accepted);
    close_both(&client, conn, &server, accepted);
    datagram(&client, &server);
    CHECK(now_ns < 61 * HF_SECOND);
    printf("smoke32: %u-bit pointers, %u frames, %d bytes, %.3f s of virtual time\n",
           (unsigned)sizeof(void *) * 8, frames_made, REQUEST_BYTES,
           (double)(now_ns - HF_SECOND) / 1e9);
    return 0;
}
