/* The input is a run of steps for one host on Ethernet that listens, connects and has UDP sockets: each step
 * is a frame or a wait. Addresses and checksums of frames are put right in half of them, so that
 * most get past the first checks. Whatever comes, the engine rests at last, and every slot comes back. */
#include "fuzz.h"
#include "stack/engine.h"

static _Alignas(64) uint8_t block[4 << 20], payload[1 << 20];
static hf_engine engine;
static hf_ns now_ns;

static const hf_addr own4 = {{[10] = 0xff, 0xff, 192, 0, 2, 7}};
static const hf_addr own6 = {{0x20, 1, 0xd, 0xb8, [15] = 7}};

static void configure(hf_config *config) {
    hf_config_default(config);
    config->seed[0] = 1;
    config->conns = 8, config->listeners = 2, config->syn_entries = 4;
    config->time_wait = config->time_wait6 = 4, config->flights = 4;
    config->segments = 32, config->ranges = 16, config->paths = 4, config->neighbors = 4;
    config->tx_frames = 8, config->reassembly = 2, config->reassembly_bytes = 2048;
    config->udp_sockets = 2, config->udp_buffers = 8;
    config->chunk_bytes = 512, config->rx_chunks = config->tx_chunks = 64;
}

static void begin(void) {
    hf_config config;
    configure(&config);
    now_ns = HF_SECOND;
    FUZZ_CHECK(hf_engine_init(&engine, &config, block, sizeof block, payload, sizeof payload,
                              now_ns) == HF_OK);
    const hf_interface_options ethernet = {.link = HF_LINK_ETHERNET,
                                           .mtu = 1500,
                                           .auto_done = true,
                                           .mac = {2, 0, 0, 0, 0, 7},
                                           .ip6_autoconf = true};
    const hf_addr any = {{0}};
    const hf_listen_options listen = {.port = 80};
    const hf_connect_options connect = {
        .remote = hf_addr4(192, 0, 2, 9), .remote_port = 443, .local_port = 5};
    uint32_t interface;
    hf_listener listener;
    hf_udp udp;
    hf_conn conn;
    FUZZ_CHECK(hf_interface_add(&engine, &ethernet, &interface) == HF_OK);
    FUZZ_CHECK(hf_address_add(&engine, interface, &own4, 24) == HF_OK);
    FUZZ_CHECK(hf_address_add(&engine, interface, &own6, 64) == HF_OK);
    FUZZ_CHECK(hf_listen(&engine, &listen, &listener) == HF_OK);
    FUZZ_CHECK(hf_udp_open(&engine, &any, 53, &udp) == HF_OK);
    FUZZ_CHECK(hf_connect(&engine, &connect, &conn) == HF_OK);
}

static void drain(void) {
    hf_frame frames[4];
    hf_event event;
    hf_conn conn;
    size_t count;
    for (int i = 0; i < 1000 && (count = hf_tx_peek(&engine, frames, 4)) != 0; i++)
        hf_tx_taken(&engine, count);
    FUZZ_CHECK(hf_tx_peek(&engine, frames, 4) == 0);
    while (hf_next_event(&engine, &event))
        if (event.object == HF_OBJECT_UDP) {
            uint8_t text[64];
            size_t bytes;
            hf_udp_from from;
            const hf_udp udp = {event.index, event.generation};
            while (hf_udp_receive(&engine, udp, text, sizeof text, &bytes, &from) == HF_OK)
                if (from.port != 0) hf_udp_send(&engine, udp, &from.addr, from.port, text, 3);
        }
    while (hf_accept(&engine, (hf_listener){0, 1}, &conn) == HF_OK) hf_close(&engine, conn, NULL);
}

/* ---- Putting a frame right. ---- */

static void fix_transport(uint8_t *frame, const hfi_ip_view *ip, uint32_t at) {
    uint8_t *const transport = frame + at;
    const uint32_t place = ip->protocol == HFI_IP_TCP ? 16 : ip->protocol == HFI_IP_UDP ? 6 : 2;
    if (ip->is_fragment || ip->payload_bytes < place + 2) return;
    const bool bare = ip->protocol == HFI_IP_ICMP4;
    const uint32_t pseudo =
        bare ? 0
             : hfi_ip_pseudo_sum(&ip->source, &ip->destination, ip->protocol, ip->payload_bytes);
    hfi_store16(transport + place, 0);
    hfi_csum_store(transport + place, hfi_csum_add(pseudo, transport, ip->payload_bytes));
}

static void fix_frame(uint8_t *frame, uint32_t bytes) {
    static const uint8_t macs[12] = {2, 0, 0, 0, 0, 7, 2, 0, 0, 0, 0, 9};
    hfi_ip_view ip;
    if (bytes < 14 + 20) return;
    if ((frame[0] & 1) == 0) memcpy(frame, macs, 12);
    frame[6] = 2;
    if (frame[12] == 8 && frame[13] == 0) {
        if ((frame[14 + 16] & 0x80) == 0) hfi_store_addr4(frame + 14 + 16, &own4);
        const uint32_t header = (frame[14] & 15u) * 4;
        if (header >= 20 && 14 + header <= bytes) {
            hfi_store16(frame + 14 + 10, 0);
            hfi_csum_store(frame + 14 + 10, hfi_csum_add(0, frame + 14, header));
        }
    }
    if (frame[12] == 0x86 && bytes >= 14 + 40 && (frame[14 + 24] & 1) == 0)
        memcpy(frame + 14 + 24, own6.bytes, 16);
    if (hfi_ip_parse(frame + 14, bytes - 14, bytes - 14, true, &ip) == HF_CAUSE_NONE)
        fix_transport(frame, &ip, 14 + ip.header_bytes);
}

/* ---- Steps. ---- */

/* The frame comes in two parts if its second byte of the record says so. */
static void take_frame(const uint8_t *data, uint32_t bytes, bool fix, uint32_t cut) {
    uint8_t frame[2048];
    memcpy(frame, data, bytes);
    if (fix) fix_frame(frame, bytes);
    const uint32_t first = cut != 0 && cut < bytes ? cut : bytes;
    const hf_frame in = {.total_bytes = bytes,
                         .part_count = first < bytes ? 2 : 1,
                         .parts = {{frame, first}, {frame + first, bytes - first}}};
    hf_verdict verdict;
    hf_engine_step(&engine, now_ns, &in, 1, &verdict);
    FUZZ_CHECK(verdict.cause < HF_CAUSE_COUNT && verdict.cause != HF_CAUSE_NONE);
}

/* To the end of all waits: an engine that nobody talks to comes to rest. */
static void rest(void) {
    for (int i = 0; i < 3000; i++) {
        drain();
        const hf_ns next_ns = hf_engine_next_at(&engine);
        if (next_ns == HF_NEVER) break;
        FUZZ_CHECK(i < 2999);
        if (next_ns > now_ns + 30 * 86400 * HF_SECOND) break; /* lifetimes of prefixes */
        if (next_ns > now_ns) now_ns = next_ns;
        hf_engine_step(&engine, now_ns, NULL, 0, NULL);
    }
    const hfi_engine *e = hfi_of_const(&engine);
    FUZZ_CHECK(e->state->slot_pool.used == 0);
    FUZZ_CHECK(e->state->loop_count == 0 && e->state->order_count == 0);
    FUZZ_CHECK(e->ctx.root->conn_pool.used <= 1); /* the one we never release */
    FUZZ_CHECK(e->ctx.root->tx_pool.used == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    begin();
    while (size >= 4) {
        const uint32_t asked = data[0] | (data[1] & 7u) << 8;
        const uint32_t bytes = asked < size - 4 ? asked : (uint32_t)size - 4;
        if ((data[1] & 0x80) != 0) {
            now_ns += (hf_ns)data[2] * 40 * HF_MS;
            hf_engine_step(&engine, now_ns, NULL, 0, NULL);
        }
        if (bytes > 0) take_frame(data + 4, bytes, (data[1] & 0x40) != 0, data[3]);
        if ((data[1] & 0x20) == 0) drain();
        data += 4 + bytes, size -= 4 + bytes;
    }
    rest();
    return 0;
}
