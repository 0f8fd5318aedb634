/* The input decides what happens between two engines: which side writes, reads or closes, and what
 * the channel does to each packet (drop, twice, late, spoiled, cut from or merged to
 * super-segments). After that the channel is fair: every stream arrives whole, both sides end, and
 * everything is given back. */
#include "program.h"
#include "stack/engine.h"

#define PAIRS 3
#define PACKETS 64
#define PACKET_BYTES 9200
#define STREAM_BYTES_MAX 30000
#define OPERATIONS_MAX 1500
/* Longer spoiling would rightly end connections: seven SYNs take two minutes, six SYN-ACKs one. */
#define HOSTILE_NS (40 * HF_SECOND)
#define DELAY_NS (5 * HF_MS)
#define ROUNDS_MAX 60000

typedef struct packet {
    hf_ns at_ns;
    int to;
    uint32_t bytes, header_bytes;
    uint16_t gso_bytes; /* 0: one segment */
    uint8_t data[PACKET_BYTES];
} packet;

typedef struct side {
    hf_conn conn;
    bool has, shut, done;
    uint32_t written, read;
} side;

typedef struct pair_run {
    program input;
    plant plants[2];
    check_memory memory[2];
    hf_listener listener;
    side sides[PAIRS][2];
    packet packets[PACKETS];
    uint32_t packet_count;
    hf_ns now_ns, end_of_hostility_ns;
    bool hostile;
} pair_run;

static hf_engine *engine_at(pair_run *r, int at) { return &r->plants[at].engine; }

static uint8_t stream_byte(int pair, int writer, uint32_t at) {
    return (uint8_t)(at * 31 + (at >> 7) + (uint32_t)(pair * 2 + writer) * 59);
}

/* ---- The channel ---- */

static packet *channel_add(pair_run *r, int from, hf_ns wait_ns) {
    if (r->packet_count == PACKETS) return NULL; /* a full queue drops */
    packet *const p = &r->packets[r->packet_count++];
    p->at_ns = r->now_ns + wait_ns;
    p->to = !from;
    return p;
}

static void checksum_fill(uint8_t *data, uint32_t bytes) {
    hfi_ip_view ip;
    FUZZ_CHECK(hfi_ip_parse(data, bytes, bytes, false, &ip) == HF_CAUSE_NONE);
    uint8_t *const tcp = data + ip.header_bytes;
    memset(tcp + HFI_TCP_CSUM_OFFSET, 0, 2);
    hfi_csum_store(tcp + HFI_TCP_CSUM_OFFSET,
                   hfi_ip_pseudo_sum(&ip.source, &ip.destination, HFI_IP_TCP, ip.payload_bytes) +
                       hfi_csum_add(0, tcp, ip.payload_bytes));
}

/* One segment out of a packet: payload bytes [start, start + bytes). */
static void segment_cut(packet *to, const packet *whole, uint32_t start, uint32_t bytes) {
    const uint32_t headers = whole->header_bytes, payload = whole->bytes - headers;
    hfi_ip_view ip;
    FUZZ_CHECK(hfi_ip_parse(whole->data, whole->bytes, whole->bytes, false, &ip) == HF_CAUSE_NONE);
    memcpy(to->data, whole->data, headers);
    memcpy(to->data + headers, whole->data + headers + start, bytes);
    const uint32_t tcp_bytes = headers - ip.header_bytes;
    hfi_ip4_build(to->data, &ip.source, &ip.destination, HFI_IP_TCP, 64, 0, 9, true,
                  tcp_bytes + bytes);
    uint8_t *const tcp = to->data + ip.header_bytes;
    hfi_store32(tcp + 4, hfi_load32(tcp + 4) + start);
    if (start + bytes < payload) tcp[13] &= (uint8_t) ~(HFI_TCP_FIN | HFI_TCP_PSH);
    to->bytes = headers + bytes;
    to->header_bytes = headers;
    to->gso_bytes = 0;
    checksum_fill(to->data, to->bytes);
}

/* What the channel does to one packet that left. */
static void channel_take(pair_run *r, int from, const packet *whole) {
    const uint8_t fate = r->hostile ? take8(&r->input) : 0;
    const hf_ns late_ns = fate & 16 ? (hf_ns)(fate >> 5) * 30 * HF_MS : 0;
    if ((fate & 15) == 1) return;
    const int copies = (fate & 15) == 2 ? 2 : 1;
    for (int i = 0; i < copies; i++) {
        packet *const p = channel_add(r, from, DELAY_NS + late_ns * (hf_ns)(i + 1));
        if (p == NULL) return;
        const hf_ns at_ns = p->at_ns;
        const int to = p->to;
        memcpy(p, whole, offsetof(packet, data) + whole->bytes);
        p->at_ns = at_ns;
        p->to = to;
        if ((fate & 15) == 3) p->data[take16(&r->input) % p->bytes] ^= (uint8_t)(1 << (fate >> 5));
    }
}

/* A super-segment stays whole, or is cut as a network card does. */
static void frame_leaves(pair_run *r, int from, const hf_frame *frame) {
    static packet whole, piece;
    whole.bytes = 0;
    for (uint32_t i = 0; i < frame->part_count; i++) {
        FUZZ_CHECK(whole.bytes + frame->parts[i].bytes <= PACKET_BYTES);
        memcpy(whole.data + whole.bytes, frame->parts[i].data, frame->parts[i].bytes);
        whole.bytes += frame->parts[i].bytes;
    }
    whole.header_bytes = frame->header_bytes;
    whole.gso_bytes = frame->gso_bytes;
    if (frame->flags & HF_FRAME_NEEDS_CSUM) checksum_fill(whole.data, whole.bytes);
    const uint32_t payload = whole.bytes - whole.header_bytes;
    const bool cut = whole.gso_bytes != 0 && (!r->hostile || (take8(&r->input) & 3) != 0);
    if (!cut) {
        channel_take(r, from, &whole);
        return;
    }
    for (uint32_t start = 0; start < payload; start += whole.gso_bytes) {
        const uint32_t left = payload - start;
        segment_cut(&piece, &whole, start, left < whole.gso_bytes ? left : whole.gso_bytes);
        channel_take(r, from, &piece);
    }
}

static void drain(pair_run *r) {
    for (int from = 0; from < 2; from++) {
        hf_frame frames[4];
        size_t count;
        while ((count = hf_tx_peek(engine_at(r, from), frames, 4)) > 0) {
            for (size_t i = 0; i < count; i++) frame_leaves(r, from, &frames[i]);
            hf_tx_taken(engine_at(r, from), count);
        }
    }
}

static uint32_t channel_first(const pair_run *r) {
    uint32_t first = 0;
    for (uint32_t i = 1; i < r->packet_count; i++)
        if (r->packets[i].at_ns < r->packets[first].at_ns) first = i;
    return first;
}

static void deliver(pair_run *r) {
    const uint32_t index = channel_first(r);
    static packet p;
    memcpy(&p, &r->packets[index], sizeof p);
    /* The others keep their order, so that equal instants stay first in, first out. */
    r->packet_count--;
    memmove(&r->packets[index], &r->packets[index + 1],
            (r->packet_count - index) * sizeof r->packets[0]);
    if (p.at_ns > r->now_ns) r->now_ns = p.at_ns;
    hf_frame frame = {.total_bytes = p.bytes, .part_count = 1, .parts = {{p.data, p.bytes}}};
    frame.gso_bytes = p.gso_bytes;
    if (p.gso_bytes != 0) frame.flags = HF_FRAME_GSO4;
    hf_engine_step(engine_at(r, p.to), r->now_ns, &frame, 1, NULL);
}

/* The next packet or timer. False if there is none. */
static bool happen(pair_run *r) {
    hf_ns next_ns = HF_NEVER;
    for (int i = 0; i < 2; i++) {
        const hf_ns at_ns = hf_engine_next_at(engine_at(r, i));
        if (at_ns < next_ns) next_ns = at_ns;
    }
    if (r->packet_count > 0 && r->packets[channel_first(r)].at_ns <= next_ns) {
        deliver(r);
    } else {
        if (next_ns == HF_NEVER) return false;
        if (next_ns > r->now_ns) r->now_ns = next_ns;
        for (int i = 0; i < 2; i++) hf_engine_step(engine_at(r, i), r->now_ns, NULL, 0, NULL);
    }
    drain(r);
    for (int i = 0; i < 2; i++) check_engine(engine_at(r, i), &r->memory[i]);
    return true;
}

/* ---- The two programs ---- */

static void write_some(pair_run *r, int pair, int at, uint32_t bytes) {
    static uint8_t data[STREAM_BYTES_MAX];
    side *const s = &r->sides[pair][at];
    if (bytes > STREAM_BYTES_MAX - s->written) bytes = STREAM_BYTES_MAX - s->written;
    for (uint32_t i = 0; i < bytes; i++) data[i] = stream_byte(pair, at, s->written + i);
    size_t taken = 0;
    const hf_err err = hf_send(engine_at(r, at), s->conn, data, bytes, &taken);
    FUZZ_CHECK(err == HF_OK || err == HF_AGAIN);
    s->written += (uint32_t)taken;
}

/* True at the end of the stream. */
static bool read_some(pair_run *r, int pair, int at, uint32_t bytes) {
    static uint8_t data[STREAM_BYTES_MAX];
    side *const s = &r->sides[pair][at];
    size_t got = 0;
    const hf_err err = hf_receive(engine_at(r, at), s->conn, data, bytes, &got);
    for (size_t i = 0; i < got; i++)
        FUZZ_CHECK(data[i] == stream_byte(pair, !at, s->read + (uint32_t)i));
    s->read += (uint32_t)got;
    FUZZ_CHECK(err == HF_OK || err == HF_AGAIN || err == HF_END_OF_STREAM);
    return err == HF_END_OF_STREAM;
}

static void shut(pair_run *r, int pair, int at) {
    side *const s = &r->sides[pair][at];
    if (s->shut) return;
    s->shut = true;
    FUZZ_CHECK(hf_shutdown(engine_at(r, at), s->conn) == HF_OK);
}

static void accept_all(pair_run *r) {
    hf_conn conn;
    while (hf_accept(engine_at(r, 1), r->listener, &conn) == HF_OK) {
        hf_conn_status status;
        FUZZ_CHECK(hf_conn_status_get(engine_at(r, 1), conn, &status) == HF_OK);
        side *const s = &r->sides[status.remote_port - 5000][1];
        FUZZ_CHECK(!s->has);
        s->conn = conn;
        s->has = true;
    }
}

static void operate(pair_run *r) {
    const uint8_t what = take8(&r->input), amount = take8(&r->input);
    const int at = what >> 3 & 1, pair = (what >> 4) % PAIRS;
    side *const s = &r->sides[pair][at];
    accept_all(r);
    switch (what & 7) {
    case 0:
    case 1:
        if (s->has && !s->shut) write_some(r, pair, at, amount * 40u + 1);
        break;
    case 2:
    case 3:
        if (s->has) read_some(r, pair, at, amount * 60u + 1);
        break;
    case 4:
        if (s->has && amount < 20) shut(r, pair, at);
        break;
    default:
        for (int i = amount & 7; i >= 0 && happen(r); i--) continue;
        return;
    }
    drain(r);
}

/* ---- From beginning to end ---- */

static void begin_side(pair_run *r, int at, uint8_t shape) {
    hf_config c;
    hf_config_default(&c);
    c.conns = 6;
    c.listeners = 1;
    c.syn_entries = 6;
    c.time_wait = 6;
    c.time_wait6 = 1;
    c.flights = 6;
    c.segments = shape & 1 ? 6 : 64;
    c.ranges = shape & 2 ? 4 : 64;
    c.option_sets = 4;
    c.interfaces = 1;
    c.addresses = 4;
    c.routes = c.neighbors = 4;
    c.paths = 8;
    c.udp_sockets = 1;
    c.tx_frames = 8;
    c.reassembly = 1;
    c.chunk_bytes = shape & 4 ? 256 : 1024;
    c.rx_chunks = c.tx_chunks = shape & 8 ? 24 : 200;
    c.limits.syn_ack_limit = 5; /* a listener that gives up resets: not while hostility lasts */
    memset(c.seed, 0x41 + at, sizeof c.seed);
    plant_begin(&r->plants[at], &c, r->now_ns);
    const hf_interface_options link = {.link = HF_LINK_IP,
                                       .mtu = 1280,
                                       .gso_max_bytes = shape & 16 ? 9000 : 0,
                                       .csum_offload = (shape & 32) != 0,
                                       .auto_done = true};
    uint32_t interface;
    const hf_addr addr = hf_addr4(10, 0, 0, (uint8_t)(1 + at));
    FUZZ_CHECK(hf_interface_add(engine_at(r, at), &link, &interface) == HF_OK);
    FUZZ_CHECK(hf_address_add(engine_at(r, at), interface, &addr, 24) == HF_OK);
}

static void begin(pair_run *r) {
    r->now_ns = 2 * HF_SECOND;
    r->end_of_hostility_ns = r->now_ns + HOSTILE_NS;
    r->hostile = true;
    for (int at = 0; at < 2; at++) begin_side(r, at, take8(&r->input));
    const uint8_t shape = take8(&r->input);
    const hf_tcp_options tcp = {.receive_bytes = shape & 1 ? 3000 : 0, .no_delay = shape & 2};
    const hf_listen_options listen = {.port = 80, .backlog = 16, .tcp = tcp};
    FUZZ_CHECK(hf_listen(engine_at(r, 1), &listen, &r->listener) == HF_OK);
    for (int i = 0; i < PAIRS; i++) {
        side *const s = &r->sides[i][0];
        const hf_connect_options connect = {.remote = hf_addr4(10, 0, 0, 2),
                                            .remote_port = 80,
                                            .local_port = (uint16_t)(5000 + i),
                                            .tcp = tcp};
        FUZZ_CHECK(hf_connect(engine_at(r, 0), &connect, &s->conn) == HF_OK);
        s->has = true;
    }
    drain(r);
}

/* Reads, and ends what is read to its end. */
static void finish_side(pair_run *r, int pair, int at) {
    side *const s = &r->sides[pair][at];
    if (!s->has || s->done) return;
    shut(r, pair, at);
    if (!read_some(r, pair, at, STREAM_BYTES_MAX)) return;
    FUZZ_CHECK(s->read == r->sides[pair][!at].written);
    FUZZ_CHECK(hf_release(engine_at(r, at), s->conn) == HF_OK);
    s->done = true;
}

static void finish(pair_run *r) {
    r->hostile = false;
    uint32_t left = 1;
    for (int round = 0; round < ROUNDS_MAX && left > 0; round++) {
        accept_all(r);
        left = 0;
        for (int i = 0; i < PAIRS; i++)
            for (int at = 0; at < 2; at++) {
                finish_side(r, i, at);
                left += !r->sides[i][at].done;
            }
        drain(r);
        if (!happen(r)) break;
    }
    FUZZ_CHECK(left == 0);
    FUZZ_CHECK(hf_listener_close(engine_at(r, 1), r->listener) == HF_OK);
    hf_event event;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        for (int at = 0; at < 2; at++)
            while (hf_next_event(engine_at(r, at), &event)) continue;
        if (!happen(r)) break;
    }
    for (int at = 0; at < 2; at++) {
        const hfi_engine *e = hfi_of_const(engine_at(r, at));
        check_engine_empty(engine_at(r, at));
        FUZZ_CHECK(e->ctx.root->tw4.used == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 4096) return 0;
    pair_run *const r = calloc(1, sizeof *r);
    if (r == NULL) abort();
    r->input = (program){data, size};
    begin(r);
    for (int i = 0; i < OPERATIONS_MAX && r->input.left > 0; i++) {
        if (r->now_ns >= r->end_of_hostility_ns) break;
        operate(r);
    }
    finish(r);
    for (int at = 0; at < 2; at++) plant_end(&r->plants[at]);
    free(r);
    return 0;
}
