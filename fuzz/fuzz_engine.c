/* The input is a program for one small engine: segments near what its connections expect, jumps of
 * time, calls with good and bad arguments, a driver that takes frames in part and is done with them
 * late. After each operation all invariants hold (check.c), every byte read or sent is the one that
 * belongs there, and a second run, moved to other memory on the way, gives the same frames. */
#include "program.h"
#include "stack/engine.h"

#define CONNS 6
#define HANDLES 8
#define LISTENERS 2
#define FRAMES 6
#define PAYLOAD_MAX 3000
#define OPERATIONS_MAX 1500

typedef struct run {
    program input;
    plant plant;
    check_memory memory;
    hf_ns now_ns;
    hf_conn conns[HANDLES];
    uint32_t conn_count; /* ever given; the table is a ring */
    hf_listener listeners[LISTENERS];
    uint32_t listener_count;
    uint32_t held[FRAMES]; /* tokens taken and not done */
    uint32_t held_count;
    bool auto_done, may_move;
    uint64_t digest;
} run;

static hf_engine *engine_of(run *r) { return &r->plant.engine; }
static const hfi_ctx *ctx_of(const run *r) { return &hfi_of_const(&r->plant.engine)->ctx; }

static void note(run *r, const void *data, size_t bytes) {
    r->digest = digest_add(r->digest, data, bytes);
}
static hf_err note_err(run *r, hf_err err) {
    note(r, &err, sizeof err);
    return err;
}

/* ---- The engine ---- */

static hf_addr our_address(uint32_t index) {
    const hf_addr six = {{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
    return index % 4 == 3 ? six : hf_addr4(10, 0, 0, 1);
}

static hf_addr peer_address(uint32_t index) {
    hf_addr six = our_address(3);
    six.bytes[15] = 9;
    return index % 4 == 3 ? six : hf_addr4(10, 0, 0, (uint8_t)(2 + index % 4));
}

static hf_config small_config(uint8_t shape) {
    hf_config c;
    hf_config_default(&c);
    if (shape & 1) hf_config_profile(&c, "linux");
    c.conns = CONNS;
    c.listeners = LISTENERS;
    c.syn_entries = 3;
    c.time_wait = 3;
    c.time_wait6 = 1;
    c.flights = (shape & 2) ? 2 : CONNS;
    c.segments = (shape & 4) ? 7 : 40;
    c.ranges = (shape & 4) ? 5 : 64;
    c.option_sets = 4;
    c.paths = 8;
    c.neighbors = 4;
    c.udp_sockets = 2;
    c.reassembly = 1;
    c.interfaces = 1;
    c.addresses = 4;
    c.routes = 6;
    c.tx_frames = FRAMES;
    c.chunk_bytes = 256;
    c.rx_chunks = (shape & 8) ? 20 : 200;
    c.tx_chunks = (shape & 8) ? 17 : 200;
    c.port_low = 40000;
    c.port_high = 40003;
    memset(c.seed, 0x2f, sizeof c.seed);
    return c;
}

static void begin(run *r) {
    const uint8_t shape = take8(&r->input), link_shape = take8(&r->input);
    hf_config config = small_config(shape);
    if (link_shape & 32) /* as the RFCs have it */
        config.quirks |= HF_QUIRK_ICMP_HARD_ENDS | HF_QUIRK_RST_ENDS_TIME_WAIT |
                         HF_QUIRK_TIME_WAIT_ANSWERS_ACKS | HF_QUIRK_TIMESTAMPS_REQUIRED |
                         HF_QUIRK_BAD_OPTION_RESETS | HF_QUIRK_SOURCE_ROUTES;
    if (link_shape & 16) { /* shares that are soon used up */
        config.owner_conns = 3;
        config.owner_rx_chunks = 12;
        config.owner_tx_chunks = 9;
        config.other_shares = 2;
    }
    r->now_ns = 3 * HF_SECOND + ((hf_ns)(shape >> 4) << 40);
    plant_begin(&r->plant, &config, r->now_ns);
    r->auto_done = link_shape & 1;
    const hf_interface_options link = {.link = HF_LINK_IP,
                                       .mtu = (link_shape & 2) ? 1500 : 1280,
                                       .gso_max_bytes = (link_shape & 4) ? 9000 : 0,
                                       .csum_offload = (link_shape & 8) != 0,
                                       .auto_done = r->auto_done};
    uint32_t interface;
    FUZZ_CHECK(hf_interface_add(engine_of(r), &link, &interface) == HF_OK);
    const hf_addr four = our_address(0), six = our_address(3);
    FUZZ_CHECK(hf_address_add(engine_of(r), interface, &four, 24) == HF_OK);
    FUZZ_CHECK(hf_address_add(engine_of(r), interface, &six, 64) == HF_OK);
}

/* ---- Segments in ---- */

/* Whom a segment is for, and what its sender may know. */
typedef struct view_of_peer {
    hf_addr local, remote;
    uint16_t local_port, remote_port;
    uint32_t rcv[4], snd[4]; /* sequence numbers worth trying */
    uint32_t ts_value, ts_echo;
} view_of_peer;

static view_of_peer peer_of_conn(const run *r, const hfi_conn *c) {
    const hfi_ctx *ctx = ctx_of(r);
    const hfi_flow_key key = hfi_conn_key(ctx, c);
    return (view_of_peer){.local = key.local,
                          .remote = key.remote,
                          .local_port = key.local_port,
                          .remote_port = key.remote_port,
                          .rcv = {c->rcv_nxt, c->rcv_adv, c->rx_read, c->irs},
                          .snd = {c->snd_nxt, c->snd_una, c->snd_end + 1, c->iss},
                          .ts_value = c->ts_recent,
                          .ts_echo = hfi_timestamp(ctx, &key)};
}

static view_of_peer peer_of_entry(const run *r, const hfi_syn_entry *s) {
    return (view_of_peer){.local = ctx_of(r)->locals[s->local],
                          .remote = s->remote,
                          .local_port = s->local_port,
                          .remote_port = s->remote_port,
                          .rcv = {s->irs + 1, s->irs, s->irs + s->window, s->irs + 2},
                          .snd = {s->iss + 1, s->iss, s->iss + 2, 0},
                          .ts_value = s->ts_recent};
}

static view_of_peer peer_of_time_wait(const run *r, const hfi_time_wait *w) {
    hf_addr remote = hf_addr4(w->remote4[0], w->remote4[1], w->remote4[2], w->remote4[3]);
    return (view_of_peer){.local = ctx_of(r)->locals[w->local],
                          .remote = remote,
                          .local_port = w->local_port,
                          .remote_port = w->remote_port,
                          .rcv = {w->rcv_nxt, w->rcv_nxt - 1, w->rcv_nxt + 1000, 0},
                          .snd = {w->snd_nxt, w->snd_nxt - 1, w->snd_nxt + 1, 0},
                          .ts_value = w->ts_recent};
}

/* Somebody new, at a port where somebody may listen. */
static view_of_peer stranger(program *p) {
    const uint8_t who = take8(p);
    return (view_of_peer){.local = our_address(who),
                          .remote = peer_address(who),
                          .local_port = (uint16_t)(80 + (who >> 2 & 3)),
                          .remote_port = (uint16_t)(5000 + (who >> 4)),
                          .rcv = {1000, 2000, 4294967290u, 0},
                          .ts_value = 77};
}

static view_of_peer choose_peer(run *r) {
    const uint8_t who = take8(&r->input);
    const hfi_ctx *ctx = ctx_of(r);
    const uint32_t index = who & 15;
    switch (who >> 4) {
    case 0:
    case 1:
        if (ctx->syns[index % 3].attempts > 0) return peer_of_entry(r, &ctx->syns[index % 3]);
        break;
    case 2:
        if (ctx->root->tw4.used > 0) return peer_of_time_wait(r, &ctx->tw4[index % 3]);
        break;
    case 3:
    case 4: return stranger(&r->input);
    default: break;
    }
    for (uint32_t i = 0; i < CONNS; i++) {
        const hfi_conn *conn = &ctx->conns[(index + i) % CONNS];
        if (hfi_has(conn, HFI_F_KNOWN)) return peer_of_conn(r, conn);
    }
    return stranger(&r->input);
}

static uint32_t near_one_of(program *p, const uint32_t *choices) {
    const uint8_t how = take8(p);
    const uint32_t base = choices[how & 3];
    switch (how >> 2 & 7) {
    case 0:
    case 1:
    case 2: return base;
    case 3: return base + 1;
    case 4: return base - 1;
    case 5: return base + take8(p);
    case 6: return base + take16(p);
    default: return base + take32(p);
    }
}

static uint8_t choose_flags(program *p) {
    static const uint8_t usual[8] = {HFI_TCP_ACK,
                                     HFI_TCP_ACK,
                                     HFI_TCP_ACK | HFI_TCP_PSH,
                                     HFI_TCP_SYN,
                                     HFI_TCP_SYN | HFI_TCP_ACK,
                                     HFI_TCP_FIN | HFI_TCP_ACK,
                                     HFI_TCP_RST,
                                     HFI_TCP_RST | HFI_TCP_ACK};
    const uint8_t how = take8(p);
    return how < 224 ? usual[how & 7] : take8(p);
}

static void choose_sack(program *p, const view_of_peer *peer, hfi_tcp_options *options) {
    options->sack_count = (uint8_t)(1 + (take8(p) & 3));
    for (uint32_t i = 0; i < options->sack_count; i++) {
        options->sack[i].start = near_one_of(p, peer->snd);
        options->sack[i].end = options->sack[i].start + take16(p) % 4000;
    }
}

static void choose_options(program *p, const view_of_peer *peer, hfi_tcp_view *view) {
    const uint8_t which = take8(p);
    hfi_tcp_options *o = &view->options;
    if ((view->flags & HFI_TCP_SYN) != 0) {
        o->present =
            which & (HFI_OPT_MSS | HFI_OPT_WSCALE | HFI_OPT_SACK_PERMITTED | HFI_OPT_TIMESTAMPS);
        o->mss = (which & 64) ? take16(p) : 1000;
        o->wscale = which & 128 ? 9 : 0;
    } else {
        o->present = which & (HFI_OPT_TIMESTAMPS | HFI_OPT_SACK);
        if (o->present & HFI_OPT_SACK) choose_sack(p, peer, o);
    }
    o->ts_value = peer->ts_value + (which & 32 ? take32(p) : 0);
    o->ts_echo = peer->ts_echo;
}

static uint32_t choose_payload(program *p, const hfi_tcp_view *view) {
    const uint8_t how = take8(p);
    if ((view->flags & (HFI_TCP_SYN | HFI_TCP_RST)) != 0 && how < 200) return 0;
    if (how < 60) return 0;
    if (how < 120) return how - 59u;
    return how < 250 ? (how - 119u) * 11 : take16(p) % PAYLOAD_MAX;
}

/* Hands a packet over in one or two parts, perhaps as a merged super-segment. */
static void give_packet(run *r, const uint8_t *packet, uint32_t bytes, uint32_t header_bytes,
                        bool whole) {
    const uint8_t how = take8(&r->input);
    const uint32_t cut = (how & 1) && bytes > header_bytes ? header_bytes + how % 7 : bytes;
    const uint32_t head = cut < bytes ? cut : bytes;
    /* Parts of exactly their size, so that a read beyond one is seen. */
    uint8_t *const first = malloc(head > 0 ? head : 1), *const second = malloc(bytes - head + 1);
    if (first == NULL || second == NULL) abort();
    memcpy(first, packet, head);
    memcpy(second, packet + head, bytes - head);
    hf_frame frame = {.total_bytes = bytes,
                      .part_count = head < bytes ? 2 : 1,
                      .parts = {{first, head}, {second, bytes - head}}};
    if ((how & 2) && whole) { /* nobody vouches for what is spoiled */
        frame.flags = HF_FRAME_GSO4 | HF_FRAME_CSUM_OK;
        frame.gso_bytes = (uint16_t)(100 + how);
    }
    hf_verdict verdict;
    memset(&verdict, 0, sizeof verdict);
    hf_engine_step(engine_of(r), r->now_ns, &frame, 1, &verdict);
    note(r, &verdict.action, sizeof verdict.action);
    note(r, &verdict.cause, sizeof verdict.cause);
    free(first);
    free(second);
}

static void segment_in(run *r) {
    program *p = &r->input;
    const view_of_peer peer = choose_peer(r);
    hfi_tcp_view view = {.source_port = peer.remote_port, .destination_port = peer.local_port};
    view.flags = choose_flags(p);
    view.seq = near_one_of(p, peer.rcv);
    view.ack = (view.flags & HFI_TCP_ACK) ? near_one_of(p, peer.snd) : 0;
    const uint8_t window = take8(p);
    view.window = window < 32 ? window : window < 64 ? 65535 : (uint16_t)(window * 70);
    choose_options(p, &peer, &view);
    view.payload_bytes = choose_payload(p, &view);
    if (view.flags & HFI_TCP_URG) view.urgent = take16(p);
    static uint8_t packet[PAYLOAD_MAX + 128];
    const uint32_t bytes = packet_build(packet, &peer.remote, &peer.local, &view);
    const uint32_t headers = bytes - view.payload_bytes;
    uint32_t given = bytes;
    const uint8_t damage = take8(p);
    if (damage >= 224) { /* one in eight is spoiled, and then may lie about anything */
        packet[take16(p) % bytes] ^= (uint8_t)(1 + (damage & 7));
        if (damage & 8) given = take16(p) % (bytes + 1);
    }
    give_packet(r, packet, given, given < headers ? given : headers, damage < 224);
}

/* ---- Time ---- */

static void time_passes(run *r) {
    const uint8_t how = take8(&r->input);
    const hf_ns next_ns = hf_engine_next_at(engine_of(r));
    if (how < 96) {
        if (next_ns != HF_NEVER) r->now_ns = next_ns;
    } else if (how < 224) {
        r->now_ns += (hf_ns)(how & 31) << (2 * (how >> 4)); /* up to seconds */
    } else {
        r->now_ns += (hf_ns)(how & 31) * 700 * HF_SECOND; /* up to six hours */
    }
    if (how == 95 && r->now_ns > HF_SECOND) r->now_ns -= HF_SECOND; /* back: taken as no move */
    hf_engine_step(engine_of(r), r->now_ns, NULL, 0, NULL);
    if (hf_engine_now(engine_of(r)) > r->now_ns) r->now_ns = hf_engine_now(engine_of(r));
    const hf_ns at_ns = hf_engine_next_at(engine_of(r));
    FUZZ_CHECK(at_ns >= r->now_ns);
    note(r, &at_ns, sizeof at_ns);
}

/* ---- Frames out ---- */

static void frame_check(run *r, const hf_frame *frame) {
    static uint8_t flat[70000];
    uint32_t bytes = 0;
    FUZZ_CHECK(frame->part_count >= 1 && frame->part_count <= HF_FRAME_PARTS);
    for (uint32_t i = 0; i < frame->part_count; i++) {
        memcpy(flat + bytes, frame->parts[i].data, frame->parts[i].bytes);
        bytes += frame->parts[i].bytes;
    }
    FUZZ_CHECK(bytes == frame->total_bytes && frame->parts[0].bytes == frame->header_bytes);
    note(r, flat, bytes);
    hfi_ip_view ip;
    FUZZ_CHECK(hfi_ip_parse(flat, bytes, bytes, false, &ip) == HF_CAUSE_NONE);
    const uint8_t *segment = flat + ip.header_bytes;
    hfi_tcp_view view;
    FUZZ_CHECK(hfi_tcp_parse(segment, ip.payload_bytes, ip.payload_bytes, &view) == HF_CAUSE_NONE);
    for (uint32_t i = 0; i < view.payload_bytes; i++)
        FUZZ_CHECK(segment[view.header_bytes + i] == check_byte(view.seq + i));
    FUZZ_CHECK(frame->gso_bytes == 0 || view.payload_bytes > frame->gso_bytes);
    if (frame->flags & HF_FRAME_NEEDS_CSUM) return;
    FUZZ_CHECK(
        hfi_csum_good(hfi_ip_pseudo_sum(&ip.source, &ip.destination, HFI_IP_TCP, ip.payload_bytes) +
                      hfi_csum_add(0, segment, ip.payload_bytes)));
}

static void frames_out(run *r) {
    const uint8_t how = take8(&r->input);
    hf_frame frames[FRAMES + 2];
    const size_t count = hf_tx_peek(engine_of(r), frames, 1 + how % (FRAMES + 2));
    FUZZ_CHECK(count <= FRAMES);
    for (size_t i = 0; i < count; i++) frame_check(r, &frames[i]);
    const size_t taken = how & 8 ? count : (how >> 4) % (count + 1);
    for (size_t i = 0; i < taken && !r->auto_done; i++) r->held[r->held_count++] = frames[i].token;
    hf_tx_taken(engine_of(r), taken);
}

static void frame_done(run *r) {
    const uint8_t which = take8(&r->input);
    if (which >= 250) hf_tx_done(engine_of(r), which * 7u); /* of no frame */
    if (r->held_count == 0) return;
    const uint32_t at = which % r->held_count;
    hf_tx_done(engine_of(r), r->held[at]);
    r->held[at] = r->held[--r->held_count];
}

/* ---- Calls ---- */

static hf_conn some_conn(run *r) { return r->conns[take8(&r->input) % HANDLES]; }

static const hfi_conn *inside(const run *r, hf_conn conn) {
    return &ctx_of(r)->conns[conn.index < CONNS ? conn.index : 0];
}

static void remember(run *r, hf_conn conn) { r->conns[r->conn_count++ % HANDLES] = conn; }

static hf_tcp_options choose_tcp_options(program *p) {
    const uint8_t how = take8(p);
    hf_tcp_options o = {.no_delay = (how & 1) != 0};
    if (how & 2) o.detect_within_ns = (1 + (how >> 4)) * HF_SECOND;
    if (how & 4) o.keepalive_idle_ns = (2 + (how >> 4)) * HF_SECOND;
    if (how & 8) o.user_timeout_ns = 5 * HF_SECOND;
    if ((how & 48) == 48) o.receive_bytes = 1 + take16(p), o.send_bytes = 1 + take16(p);
    o.detect_strict = how == 255;
    return o;
}

static void call_connect(run *r) {
    const uint8_t who = take8(&r->input);
    const hf_connect_options options = {.remote = peer_address(who),
                                        .remote_port = (uint16_t)(5000 + (who >> 5)),
                                        .local_port = who & 4 ? (uint16_t)(80 + (who >> 3 & 3)) : 0,
                                        .tcp = choose_tcp_options(&r->input)};
    hf_conn conn;
    if (note_err(r, hf_connect(engine_of(r), &options, &conn)) == HF_OK) remember(r, conn);
}

static void call_listen(run *r) {
    const uint8_t how = take8(&r->input);
    const hf_listen_options options = {.port = (uint16_t)(80 + (how & 1)),
                                       .backlog = 1 + (how >> 1 & 3),
                                       .when_full = (hf_when_full)((how >> 3 & 3) % 3),
                                       .tcp = choose_tcp_options(&r->input)};
    hf_listener listener;
    if (note_err(r, hf_listen(engine_of(r), &options, &listener)) == HF_OK)
        r->listeners[r->listener_count++ % LISTENERS] = listener;
}

static void call_accept(run *r) {
    hf_conn conn;
    const hf_listener listener = r->listeners[take8(&r->input) % LISTENERS];
    if (note_err(r, hf_accept(engine_of(r), listener, &conn)) == HF_OK) remember(r, conn);
}

static void call_unlisten(run *r) {
    const hf_listener listener = r->listeners[take8(&r->input) % LISTENERS];
    hf_listener_status status;
    note_err(r, hf_listener_status_get(engine_of(r), listener, &status));
    if (take8(&r->input) & 1) note_err(r, hf_listener_close(engine_of(r), listener));
}

static void call_send(run *r) {
    static uint8_t data[PAYLOAD_MAX];
    const hf_conn conn = some_conn(r);
    const uint32_t bytes = take16(&r->input) % sizeof data;
    const uint32_t first = inside(r, conn)->snd_end;
    for (uint32_t i = 0; i < bytes; i++) data[i] = check_byte(first + i);
    size_t taken = 0;
    note_err(r, hf_send(engine_of(r), conn, data, bytes, &taken));
    FUZZ_CHECK(taken <= bytes);
    note(r, &taken, sizeof taken);
}

static void call_reserve(run *r) {
    const hf_conn conn = some_conn(r);
    const uint8_t how = take8(&r->input);
    void *room;
    size_t bytes = 0;
    if (note_err(r, hf_send_reserve(engine_of(r), conn, &room, &bytes)) != HF_OK) return;
    const uint32_t first = inside(r, conn)->snd_end;
    for (size_t i = 0; i < bytes; i++) ((uint8_t *)room)[i] = check_byte(first + (uint32_t)i);
    if (how & 1) FUZZ_CHECK(hf_send_commit(engine_of(r), conn, bytes + 1) == HF_ARGUMENT);
    if (how & 2) return; /* never committed */
    FUZZ_CHECK(hf_send_commit(engine_of(r), conn, bytes * how / 255) == HF_OK);
}

static void read_check(const uint8_t *data, size_t bytes, uint32_t first) {
    for (size_t i = 0; i < bytes; i++) FUZZ_CHECK(data[i] == check_byte(first + (uint32_t)i));
}

static void call_receive(run *r) {
    static uint8_t data[PAYLOAD_MAX];
    const hf_conn conn = some_conn(r);
    const uint32_t first = inside(r, conn)->rx_read;
    size_t got = 0;
    note_err(r, hf_receive(engine_of(r), conn, data, take16(&r->input) % sizeof data, &got));
    read_check(data, got, first);
    note(r, &got, sizeof got);
}

static void call_peek(run *r) {
    const hf_conn conn = some_conn(r);
    uint32_t first = inside(r, conn)->rx_read;
    hf_part parts[3];
    size_t count = 0, bytes = 0;
    if (note_err(r, hf_receive_peek(engine_of(r), conn, parts, 3, &count)) != HF_OK) return;
    for (size_t i = 0; i < count; i++) {
        read_check(parts[i].data, parts[i].bytes, first + (uint32_t)bytes);
        bytes += parts[i].bytes;
    }
    const size_t eaten = bytes * take8(&r->input) / 255;
    FUZZ_CHECK(hf_receive_consume(engine_of(r), conn, eaten) == HF_OK);
    FUZZ_CHECK(hf_receive_consume(engine_of(r), conn, SIZE_MAX / 2) == HF_ARGUMENT);
}

static void call_close(run *r) {
    const hf_conn conn = some_conn(r);
    const uint8_t how = take8(&r->input);
    const hf_close_options options = {.deadline_ns = how & 2 ? (hf_ns)how * 100 * HF_MS : 0,
                                      .at_deadline = how & 4 ? HF_DEADLINE_RST : HF_DEADLINE_DETACH,
                                      .drain = how & 8,
                                      .after_peer_ns = how & 16 ? (hf_ns)how * 50 * HF_MS : 0};
    note_err(r, hf_close(engine_of(r), conn, how & 1 ? &options : NULL));
}

static void call_status(run *r) {
    const hf_conn conn = some_conn(r);
    hf_conn_status status;
    if (note_err(r, hf_conn_status_get(engine_of(r), conn, &status)) != HF_OK) return;
    FUZZ_CHECK(status.bytes_from_app >= status.bytes_acked);
    note(r, &status.state, sizeof status.state);
    hf_end end;
    const hf_err err = hf_conn_end(engine_of(r), conn, &end);
    const hfi_conn *block = inside(r, conn);
    const bool over = hfi_has(block, HFI_F_ENDED) || (block->close_how & HFI_CLOSE_TOLD) != 0;
    FUZZ_CHECK((err == HF_OK) == over);
    if (err == HF_OK) FUZZ_CHECK(end.cause != HF_CAUSE_NONE && end.mechanism != HF_CAUSE_NONE);
}

/* Every record is whole, and their numbers go up by one. */
static void call_ends(run *r) {
    uint64_t cursor = 0, before = 0;
    hf_end_record record;
    while (hf_end_next(engine_of(r), &cursor, &record)) {
        FUZZ_CHECK(record.number == before + record.lost && cursor == record.number + 1);
        FUZZ_CHECK(record.end.cause != HF_CAUSE_NONE && record.end.who != HF_WHO_NOBODY);
        FUZZ_CHECK(record.end.bytes_sent <= record.end.bytes_from_app &&
                   record.end.bytes_acked <= record.end.bytes_sent);
        before = cursor;
    }
    note(r, &cursor, sizeof cursor);
}

static void call_options(run *r) {
    const hf_conn conn = some_conn(r);
    hf_tcp_options options = choose_tcp_options(&r->input);
    note_err(r, hf_conn_options_set(engine_of(r), conn, &options));
    note_err(r, hf_conn_options_get(engine_of(r), conn, &options));
}

static void call_release(run *r) {
    const hf_conn conn = some_conn(r);
    if (note_err(r, hf_release(engine_of(r), conn)) != HF_OK) return;
    size_t got;
    FUZZ_CHECK(hf_receive(engine_of(r), conn, &got, 1, &got) == HF_STALE);
    FUZZ_CHECK(hf_release(engine_of(r), conn) == HF_STALE);
}

static void take_events(run *r) {
    hf_event event;
    for (int i = take8(&r->input) & 7; i >= 0 && hf_next_event(engine_of(r), &event); i--) {
        FUZZ_CHECK(event.bits != 0);
        note(r, &event.index, sizeof event.index);
        note(r, &event.bits, sizeof event.bits);
    }
}

/* ---- Running ---- */

static void operate(run *r) {
    const uint8_t what = take8(&r->input);
    switch (what & 31) {
    default: segment_in(r); break;
    case 11: time_passes(r); break;
    case 12:
    case 13: frames_out(r); break;
    case 14: frame_done(r); break;
    case 15: call_connect(r); break;
    case 16: call_listen(r); break;
    case 17:
    case 18: call_accept(r); break;
    case 19:
    case 20: call_send(r); break;
    case 21: call_reserve(r); break;
    case 22: call_receive(r); break;
    case 23: call_peek(r); break;
    case 24: note_err(r, hf_shutdown(engine_of(r), some_conn(r))); break;
    case 25: call_close(r); break;
    case 26:
        if (what & 32) note_err(r, hf_abort(engine_of(r), some_conn(r)));
        break;
    case 27: call_release(r); break;
    case 28: call_options(r); break;
    case 29:
        call_status(r);
        call_ends(r);
        break;
    case 30: take_events(r); break;
    case 31:
        if (what & 64) call_unlisten(r);
        if (r->may_move) plant_move(&r->plant);
        break;
    }
}

/* Everything is let go: nothing is left but what TIME_WAIT holds, and later not even that. */
static void let_go(run *r) {
    for (uint32_t i = 0; i < LISTENERS; i++) hf_listener_close(engine_of(r), r->listeners[i]);
    const hfi_ctx *ctx = ctx_of(r);
    for (uint32_t i = 0; i < CONNS; i++)
        hf_release(engine_of(r), (hf_conn){i, ctx->conns[i].generation});
    hf_frame frames[FRAMES];
    for (int round = 0; round < 4000; round++) {
        size_t count;
        while (r->held_count > 0) hf_tx_done(engine_of(r), r->held[--r->held_count]);
        while ((count = hf_tx_peek(engine_of(r), frames, FRAMES)) > 0) {
            for (size_t i = 0; i < count; i++) frame_check(r, &frames[i]);
            hf_tx_taken(engine_of(r), count);
            for (size_t i = 0; i < count; i++) hf_tx_done(engine_of(r), frames[i].token);
        }
        hf_event event;
        while (hf_next_event(engine_of(r), &event)) continue;
        check_engine(engine_of(r), &r->memory);
        const hf_ns next_ns = hf_engine_next_at(engine_of(r));
        if (next_ns == HF_NEVER) break;
        r->now_ns = next_ns;
        hf_engine_step(engine_of(r), r->now_ns, NULL, 0, NULL);
    }
    check_engine_empty(engine_of(r));
    FUZZ_CHECK(ctx->root->tw4.used == 0 && ctx->root->tw6.used == 0);
}

static uint64_t run_program(const uint8_t *data, size_t size, bool may_move) {
    run *const r = calloc(1, sizeof *r);
    if (r == NULL) abort();
    r->input = (program){data, size};
    r->may_move = may_move;
    r->digest = UINT64_C(0xcbf29ce484222325);
    for (uint32_t i = 0; i < HANDLES; i++) r->conns[i] = (hf_conn){i, UINT32_MAX};
    for (uint32_t i = 0; i < LISTENERS; i++) r->listeners[i] = (hf_listener){i, UINT32_MAX};
    begin(r);
    for (int i = 0; i < OPERATIONS_MAX && r->input.left > 0; i++) {
        operate(r);
        check_engine(engine_of(r), &r->memory);
    }
    let_go(r);
    plant_end(&r->plant);
    const uint64_t digest = r->digest;
    free(r);
    return digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 4096) return 0;
    const uint64_t first = run_program(data, size, false);
    FUZZ_CHECK(run_program(data, size, true) == first);
    return 0;
}
