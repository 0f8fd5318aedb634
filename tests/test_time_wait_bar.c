/* The bar: a million active closes a minute from one address to one port of one peer, over 32,768 local
 * ports, with 250,000 TIME_WAIT entries at most. With timestamps none is refused, no entry leaves early
 * unsafely, and no byte of an old incarnation is ever taken: saved segments of the connection before
 * are played into the next one on the same pair. Without timestamps the ports run out, and the ledger
 * says when the first is free.
 *
 * HF_CLOSES says how many; a tenth of a million where the build is slow (sanitizers, no optimizer). */
#include "test.h"
#include <hf/ledger.h>
#include <hf/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "wire/ip.h"
#include "wire/tcp.h"

#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CLOSES 1000000
#else
#define CLOSES 100000
#endif

enum { CLIENT, SERVER, PORTS = 32768, PORT_LOW = 32768, CONNS = 2048, CAP = 250000 };
enum { A_MINUTE = 1000000, SAVED_BYTES = 80, EVERY_PORT = 8, WIRE = 8192, STEP_MS = 1 };

typedef struct packet {
    uint32_t bytes;
    uint8_t data[SAVED_BYTES + 20];
} packet;

/* What travels one way during a step. */
typedef struct wire {
    packet packets[WIRE];
    uint32_t count;
} wire;

typedef struct use {
    uint64_t id;   /* of the connection: what it says, eight bytes */
    uint32_t read; /* bytes of the other end's, so far */
    uint64_t got;
    bool used, closed;
} use;

typedef struct world {
    hf_engine engine[2];
    void *block[2], *data[2];
    hf_addr addr[2];
    hf_ns now_ns;
    hf_listener listener;
    wire wires[2][2]; /* by sender; being filled, being delivered */
    int filling;
    bool strip; /* the wire takes the timestamps option out of SYNs */
    use uses[2][CONNS];
    /* The last payload each way, by local port: of the connection there is and of the one before. */
    packet saved[PORTS / EVERY_PORT][2], old[PORTS / EVERY_PORT][2];
    hf_conn talkers[WIRE]; /* clients that are connected and say their number in the next step */
    uint32_t talker_count;
    uint64_t opened, closed, replayed, replays_taken, wrong, refused, no_slot;
} world;

static void engine_begin(world *w, int side) {
    hf_config config;
    hf_config_default(&config);
    memset(config.seed, 0x21 + side, sizeof config.seed);
    config.conns = config.flights = config.end_budget = CONNS;
    config.syn_entries = CONNS / 2;
    config.time_wait = side == CLIENT ? CAP : 1024;
    config.port_low = PORT_LOW;
    config.port_high = PORT_LOW + PORTS - 1;
    config.tx_frames = WIRE;
    config.chunk_bytes = 256;
    config.rx_chunks = config.tx_chunks = 4 * CONNS;
    const hf_memory memory = hf_engine_bytes(&config);
    w->block[side] = aligned_alloc(64, (memory.block_bytes + 63) / 64 * 64);
    w->data[side] = aligned_alloc(64, (memory.data_bytes + 63) / 64 * 64);
    assert_int_equal(hf_engine_init(&w->engine[side], &config, w->block[side], memory.block_bytes,
                                    w->data[side], memory.data_bytes, w->now_ns),
                     HF_OK);
    const hf_interface_options link = {.link = HF_LINK_IP, .mtu = 1500, .auto_done = true};
    uint32_t interface;
    assert_int_equal(hf_interface_add(&w->engine[side], &link, &interface), HF_OK);
    w->addr[side] = hf_addr4(10, 0, 0, (uint8_t)(side + 1));
    assert_int_equal(hf_address_add(&w->engine[side], interface, &w->addr[side], 24), HF_OK);
}

static world *world_begin(bool strip) {
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->now_ns = HF_SECOND;
    w->strip = strip;
    engine_begin(w, CLIENT);
    engine_begin(w, SERVER);
    const hf_listen_options listen = {.port = 515, .backlog = CONNS / 2};
    assert_int_equal(hf_listen(&w->engine[SERVER], &listen, &w->listener), HF_OK);
    return w;
}

static void world_end(world *w) {
    for (int side = 0; side < 2; side++) free(w->block[side]), free(w->data[side]);
    free(w);
}

/* ---- The wire ---- */

/* Overwrites the timestamps option of a SYN by no-operations. */
static void strip_timestamps(world *w, int from, packet *p) {
    uint8_t *tcp = p->data + 20;
    if ((tcp[13] & HFI_TCP_SYN) == 0) return;
    const uint32_t header = (uint32_t)(tcp[12] >> 4) * 4;
    for (uint32_t at = 20; at + 1 < header && tcp[at] != 0; at += tcp[at] == 1 ? 1 : tcp[at + 1])
        if (tcp[at] == 8) {
            memset(tcp + at, 1, 10);
            break;
        }
    const uint32_t bytes = p->bytes - 20;
    tcp[16] = tcp[17] = 0;
    hfi_csum_store(tcp + 16, hfi_ip_pseudo_sum(&w->addr[from], &w->addr[!from], HFI_IP_TCP, bytes) +
                                 hfi_csum_add(0, tcp, bytes));
}

/* Keeps the last segment with payload of a connection, for the next on its pair. */
static void save(world *w, int from, const packet *p) {
    const uint8_t *tcp = p->data + 20;
    const uint32_t header = (uint32_t)(tcp[12] >> 4) * 4;
    const uint32_t port = (uint32_t)tcp[from == CLIENT ? 0 : 2] << 8 | tcp[from == CLIENT ? 1 : 3];
    if (p->bytes <= 20 + header || port % EVERY_PORT != 0) return;
    w->saved[(port - PORT_LOW) / EVERY_PORT][from] = *p;
}

static void drain(world *w, int from) {
    hf_frame frames[64];
    wire *to = &w->wires[from][w->filling];
    size_t n;
    while ((n = hf_tx_peek(&w->engine[from], frames, 64)) != 0) {
        for (size_t i = 0; i < n; i++) {
            assert_true(to->count < WIRE);
            packet *p = &to->packets[to->count++];
            p->bytes = 0;
            for (uint32_t k = 0; k < frames[i].part_count; k++) {
                assert_true(p->bytes + frames[i].parts[k].bytes <= sizeof p->data);
                memcpy(p->data + p->bytes, frames[i].parts[k].data, frames[i].parts[k].bytes);
                p->bytes += frames[i].parts[k].bytes;
            }
            if (w->strip) strip_timestamps(w, from, p);
        }
        hf_tx_taken(&w->engine[from], n);
    }
}

static hf_verdict inject(world *w, int to, const packet *p) {
    const hf_frame frame = {
        .total_bytes = p->bytes, .part_count = 1, .parts = {{p->data, p->bytes}}};
    hf_verdict verdict;
    hf_engine_step(&w->engine[to], w->now_ns, &frame, 1, &verdict);
    return verdict;
}

/* Old segments of this pair come late, while the next connection lives. */
static void replay(world *w, int to, uint32_t port) {
    if (port % EVERY_PORT != 0) return;
    const packet *old = &w->old[(port - PORT_LOW) / EVERY_PORT][!to];
    if (old->bytes == 0) return;
    const hf_verdict verdict = inject(w, to, old);
    w->replayed++;
    w->replays_taken += verdict.cause == HF_CAUSE_TOOK_DATA ||
                        verdict.cause == HF_CAUSE_TOOK_DATA_OUT_OF_ORDER ||
                        verdict.cause == HF_CAUSE_TOOK_DATA_FILLED_GAP;
}

static void deliver(world *w) {
    w->filling = !w->filling;
    for (int from = 0; from < 2; from++) {
        wire *full = &w->wires[from][!w->filling];
        for (uint32_t i = 0; i < full->count; i++) {
            inject(w, !from, &full->packets[i]);
            save(w, from, &full->packets[i]);
        }
        full->count = 0;
    }
}

/* ---- The programs: the client says its number, the server says it again, the client closes ---- */

static uint32_t local_port(world *w, int side, hf_conn conn) {
    hf_conn_status status;
    if (hf_conn_status_get(&w->engine[side], conn, &status) != HF_OK) return 0;
    return side == CLIENT ? status.local_port : status.remote_port;
}

static hf_err open_one(world *w, uint64_t id) {
    const hf_connect_options connect = {.remote = w->addr[SERVER], .remote_port = 515};
    hf_conn conn;
    const hf_err err = hf_connect(&w->engine[CLIENT], &connect, &conn);
    if (err != HF_OK) return err;
    w->uses[CLIENT][conn.index] = (use){.id = id, .used = true};
    w->opened++;
    const uint32_t port = local_port(w, CLIENT, conn), slot = (port - PORT_LOW) / EVERY_PORT;
    if (port % EVERY_PORT == 0) memcpy(w->old[slot], w->saved[slot], sizeof w->old[slot]);
    return HF_OK;
}

static void talk(world *w) {
    for (uint32_t i = 0; i < w->talker_count; i++) {
        const hf_conn conn = w->talkers[i];
        size_t taken;
        assert_int_equal(
            hf_send(&w->engine[CLIENT], conn, &w->uses[CLIENT][conn.index].id, 8, &taken), HF_OK);
    }
    w->talker_count = 0;
}

static void read_some(world *w, int side, hf_conn conn) {
    use *u = &w->uses[side][conn.index];
    uint8_t bytes[64];
    size_t got = 0;
    while (hf_receive(&w->engine[side], conn, bytes, sizeof bytes, &got) == HF_OK)
        for (size_t i = 0; i < got; i++, u->read++)
            if (u->read < 8) memcpy((uint8_t *)&u->got + u->read, &bytes[i], 1);
    if (u->read > 8) w->wrong++;
    if (u->read < 8 || u->closed) return;
    u->closed = true;
    if (side == SERVER) {
        size_t taken;
        assert_int_equal(hf_send(&w->engine[side], conn, &u->got, 8, &taken), HF_OK);
        return;
    }
    w->wrong += u->got != u->id;
    replay(w, CLIENT, local_port(w, side, conn)); /* into the living one, in its last moments too */
    assert_int_equal(hf_close(&w->engine[side], conn, NULL), HF_OK);
}

static void over(world *w, int side, hf_conn conn) {
    hf_end end;
    assert_int_equal(hf_conn_end(&w->engine[side], conn, &end), HF_OK);
    const use *u = &w->uses[side][conn.index];
    const bool good = end.cause == HF_CAUSE_END_CLOSED && end.bytes_acked == 8 && u->read == 8 &&
                      end.time_wait == (side == CLIENT ? HF_TW_US : HF_TW_PEER);
    w->wrong += !good;
    w->closed += side == CLIENT;
    assert_int_equal(hf_release(&w->engine[side], conn), HF_OK);
}

static void conn_event(world *w, int side, const hf_event *event) {
    const hf_conn conn = {event->index, event->generation};
    if ((event->bits & HF_EVENT_CONNECTED) != 0 && side == CLIENT) {
        replay(w, CLIENT, local_port(w, side, conn));
        replay(w, SERVER, local_port(w, side, conn)); /* still a handshake there */
        w->talkers[w->talker_count++] = conn;
    }
    if ((event->bits & HF_EVENT_READABLE) != 0) read_some(w, side, conn);
    if ((event->bits & HF_EVENT_PEER_CLOSED) != 0 && side == SERVER)
        hf_close(&w->engine[side], conn, NULL);
    if ((event->bits & HF_EVENT_END) != 0) over(w, side, conn);
}

static void accept_all(world *w) {
    hf_conn conn;
    while (hf_accept(&w->engine[SERVER], w->listener, &conn) == HF_OK) {
        w->uses[SERVER][conn.index] = (use){.used = true};
        replay(w, SERVER, local_port(w, SERVER, conn)); /* before anything new has come */
        read_some(w, SERVER, conn);
    }
}

static void events(world *w, int side) {
    hf_event event;
    while (hf_next_event(&w->engine[side], &event)) {
        if (event.object == HF_OBJECT_LISTENER)
            accept_all(w);
        else
            conn_event(w, side, &event);
    }
}

static void tick(world *w) {
    w->now_ns += STEP_MS * HF_MS;
    deliver(w);
    talk(w);
    for (int side = 0; side < 2; side++) {
        hf_engine_step(&w->engine[side], w->now_ns, NULL, 0, NULL);
        events(w, side);
        drain(w, side);
    }
}

/* ---- The bar ---- */

static uint64_t closes_wanted(void) {
    const char *text = getenv("HF_CLOSES");
    return text != NULL ? strtoull(text, NULL, 10) : CLOSES;
}

static void a_million_closes_a_minute_are_safe_with_timestamps(void **state) {
    (void)state;
    const uint64_t wanted = closes_wanted();
    world *w = world_begin(false);
    const hf_ns began_ns = w->now_ns;
    uint64_t tried = 0;
    while (w->closed < wanted) {
        const uint64_t due = (w->now_ns - began_ns) / HF_MS * A_MINUTE / 60000 + 1;
        for (; tried < due && tried < wanted; tried++) {
            const hf_err err = open_one(w, tried * UINT64_C(0x9e3779b97f4a7c15) + 7);
            if (err != HF_OK) print_message("connect %d: %d\n", (int)tried, (int)err);
            assert_int_equal(err, HF_OK);
        }
        tick(w);
        assert_true(w->now_ns - began_ns < 70 * HF_SECOND * (wanted / A_MINUTE + 1));
    }
    hf_time_wait_status status;
    hf_time_wait_status_get(&w->engine[CLIENT], &status);
    print_message("%llu closes in %.1f s of virtual time; TIME_WAIT %u of %u, %llu taken over by "
                  "RFC 6191; %llu old segments played in, %llu taken\n",
                  (unsigned long long)w->closed, (double)(w->now_ns - began_ns) / 1e9,
                  status.ip4.used, status.ip4.entries, (unsigned long long)status.reused,
                  (unsigned long long)w->replayed, (unsigned long long)w->replays_taken);
    assert_int_equal(w->wrong, 0);
    assert_int_equal(w->replays_taken, 0);
    assert_true(wanted < 2 * PORTS || w->replayed > wanted / EVERY_PORT);
    assert_int_equal(status.early_unsafe, 0);
    assert_int_equal(status.early_guarded, 0);
    assert_true(wanted < PORTS || status.reused >= wanted - PORTS - CONNS);
    for (int side = 0; side < 2; side++)
        assert_int_equal(hf_cause_count(&w->engine[side], HF_CAUSE_END_PEER_RESET), 0);
    world_end(w);
}

static void
without_timestamps_the_ledger_refuses_with_the_instant_of_the_first_free_port(void **state) {
    (void)state;
    world *w = world_begin(true);
    uint64_t tried = 0;
    hf_err err = HF_OK;
    while (err == HF_OK && tried < 2 * PORTS) {
        for (int i = 0; i < 16 && err == HF_OK; i++) err = open_one(w, ++tried);
        tick(w);
    }
    assert_int_equal(err, HF_NO_PORT);
    assert_int_equal(w->opened, PORTS);
    while (w->closed < PORTS) tick(w);
    const hf_addr any = {{0}};
    hf_port_ledger ledger;
    assert_int_equal(hf_port_ledger_get(&w->engine[CLIENT], &any, &w->addr[SERVER], 515, &ledger),
                     HF_OK);
    assert_int_equal(ledger.ports, PORTS);
    assert_int_equal(ledger.free, 0);
    assert_int_equal(ledger.by_time_wait, PORTS);
    /* The first close was some milliseconds after the start, and 60 s are not over before. */
    assert_in_range(ledger.first_free_at_ns, 61 * HF_SECOND, 61 * HF_SECOND + 50 * HF_MS);
    w->now_ns = ledger.first_free_at_ns - 2 * HF_MS;
    tick(w);
    assert_int_equal(open_one(w, ++tried), HF_NO_PORT);
    uint64_t cursor = 0;
    hf_end_record record, last;
    memset(&last, 0, sizeof last);
    while (hf_end_next(&w->engine[CLIENT], &cursor, &record)) last = record;
    assert_int_equal(last.end.cause, HF_CAUSE_END_NO_PORT);
    assert_int_equal(last.end.first_free_at_ns, ledger.first_free_at_ns);
    w->now_ns = ledger.first_free_at_ns - HF_MS;
    tick(w);
    assert_int_equal(open_one(w, ++tried), HF_OK);
    hf_time_wait_status status;
    hf_time_wait_status_get(&w->engine[CLIENT], &status);
    assert_int_equal(status.early_unsafe + status.early_guarded, 0);
    assert_int_equal(w->wrong, 0);
    world_end(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_closes_a_minute_are_safe_with_timestamps),
        cmocka_unit_test(
            without_timestamps_the_ledger_refuses_with_the_instant_of_the_first_free_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
