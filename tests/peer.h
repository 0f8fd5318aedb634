/* One engine in virtual time and a peer by hand: the test writes each segment that the peer sends
 * and looks at each segment that the engine offers.
 *
 *     peer p;
 *     peer_begin(&p);
 *     peer_listen_and_accept(&p);
 *     peer_says(&p, HFI_TCP_ACK, 5);           five bytes in order
 *     peer_expect(&p, HFI_TCP_ACK);            what the engine answers, oldest first
 *     peer_expect_nothing(&p);
 *
 * The peer's bytes follow a pattern by their place in the stream, which peer_reads checks. */
#ifndef HF_TEST_PEER_H
#define HF_TEST_PEER_H

#include "test.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "stack/engine.h"
#include "wire/ip.h"

#define PEER_OUT 4096
#define PEER_ISS 1000u

typedef struct peer_segment {
    hfi_tcp_view tcp;
    hf_cause cause;
    hf_ns at_ns;
    uint32_t packet_bytes;
    uint8_t ttl, traffic_class;
    hf_addr source, destination;
    uint8_t ip_options[40], ip_option_bytes; /* of IPv4 */
    uint8_t first_byte;
} peer_segment;

typedef struct peer {
    hf_engine engine;
    hf_config config;
    void *block, *data;
    hf_memory memory;
    hf_addr us, them; /* the engine's address, and the peer's */
    uint16_t our_port, their_port;
    hf_ns now_ns;
    hf_conn conn;
    hf_listener listener;
    hf_seq iss, seq, ack; /* the peer's ISS, SND.NXT and RCV.NXT */
    uint16_t window;
    uint8_t ttl;                 /* of the peer's packets, as they arrive */
    hfi_tcp_options syn_options; /* of the peer's SYN */
    bool timestamps;             /* on every segment of the peer */
    uint32_t ts_value, ts_echo;
    hf_verdict verdict; /* of the last segment */
    bool deaf;          /* what the engine sends is thrown away */
    peer_segment out[PEER_OUT];
    size_t out_read, out_count;
} peer;

/* ---- Life ---- */

static inline void peer_begin_on(peer *p, const hf_config *config, bool ip6,
                                 const hf_interface_options *link) {
    memset(p, 0, sizeof *p);
    p->config = *config;
    memset(p->config.seed, 0x5a, sizeof p->config.seed);
    p->memory = hf_engine_bytes(&p->config);
    p->block = aligned_alloc(64, (p->memory.block_bytes + 63) / 64 * 64);
    p->data = aligned_alloc(64, (p->memory.data_bytes + 63) / 64 * 64);
    p->now_ns = 5 * HF_SECOND;
    assert_int_equal(hf_engine_init(&p->engine, &p->config, p->block, p->memory.block_bytes,
                                    p->data, p->memory.data_bytes, p->now_ns),
                     HF_OK);
    uint32_t interface;
    assert_int_equal(hf_interface_add(&p->engine, link, &interface), HF_OK);
    if (ip6) {
        p->us = (hf_addr){{0x20, 0x01, 0x0d, 0xb8, [15] = 1}};
        p->them = (hf_addr){{0x20, 0x01, 0x0d, 0xb8, [15] = 2}};
    } else {
        p->us = hf_addr4(10, 0, 0, 1);
        p->them = hf_addr4(10, 0, 0, 2);
    }
    assert_int_equal(hf_address_add(&p->engine, interface, &p->us, ip6 ? 64 : 24), HF_OK);
    p->our_port = 80;
    p->their_port = 4321;
    p->iss = p->seq = PEER_ISS;
    p->window = 60000;
    p->ttl = 64;
    p->syn_options = (hfi_tcp_options){.present = HFI_OPT_MSS, .mss = 1460};
}

static inline void peer_begin_with(peer *p, const hf_config *config, bool ip6) {
    const hf_interface_options link = {.link = HF_LINK_IP, .mtu = 1500, .auto_done = true};
    peer_begin_on(p, config, ip6, &link);
}

static inline hf_config peer_config(void) {
    hf_config config;
    hf_config_default(&config);
    return config;
}

static inline void peer_begin(peer *p) {
    const hf_config config = peer_config();
    peer_begin_with(p, &config, false);
}

static inline void peer_end(peer *p) { free(p->block), free(p->data); }

/* The peer's SYN offers all options. */
static inline void peer_offers_everything(peer *p) {
    p->syn_options = (hfi_tcp_options){.present = HFI_OPT_MSS | HFI_OPT_WSCALE |
                                                  HFI_OPT_SACK_PERMITTED | HFI_OPT_TIMESTAMPS,
                                       .mss = 1460,
                                       .wscale = 7};
    p->timestamps = true;
    p->ts_value = 70000;
}

static inline hfi_ctx *peer_ctx(peer *p) { return &hfi_of(&p->engine)->ctx; }
static inline hfi_conn *peer_block(peer *p) { return &peer_ctx(p)->conns[p->conn.index]; }
static inline uint64_t peer_count(const peer *p, hf_cause cause) {
    return hf_cause_count(&p->engine, cause);
}

static inline hf_conn_status peer_status(const peer *p) {
    hf_conn_status status;
    assert_int_equal(hf_conn_status_get(&p->engine, p->conn, &status), HF_OK);
    return status;
}
static inline hf_state peer_state(const peer *p) { return peer_status(p).state; }

static inline hf_end peer_conn_end(peer *p) {
    hf_end end;
    assert_int_equal(hf_conn_end(&p->engine, p->conn, &end), HF_OK);
    return end;
}

/* ---- What the engine sends ---- */

/* Whom the checksum means: at the end of a source route, if there is one. */
static inline hf_addr peer_far_end(const uint8_t *packet, const hfi_ip_view *ip) {
    const uint8_t *option = packet + HFI_IP4_BYTES;
    if (ip->version != 4 || ip->header_bytes == HFI_IP4_BYTES) return ip->destination;
    return hfi_load_addr4(option + option[1] - 4);
}

static inline void peer_take_frame(peer *p, const hf_frame *frame) {
    peer_segment *out = &p->out[p->out_count];
    assert_true(p->out_count < PEER_OUT);
    hfi_ip_view ip;
    uint8_t packet[66000];
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < frame->part_count; i++) {
        memcpy(packet + bytes, frame->parts[i].data, frame->parts[i].bytes);
        bytes += frame->parts[i].bytes;
    }
    assert_int_equal(bytes, frame->total_bytes);
    assert_int_equal(hfi_ip_parse(packet, bytes, bytes, false, &ip), HF_CAUSE_NONE);
    const uint8_t *tcp = packet + ip.header_bytes;
    assert_int_equal(hfi_tcp_parse(tcp, ip.payload_bytes, ip.payload_bytes, &out->tcp),
                     HF_CAUSE_NONE);
    const hf_addr far_end = peer_far_end(packet, &ip);
    const uint32_t pseudo = hfi_ip_pseudo_sum(&ip.source, &far_end, HFI_IP_TCP, ip.payload_bytes);
    if ((frame->flags & HF_FRAME_NEEDS_CSUM) == 0)
        assert_true(hfi_csum_good(pseudo + hfi_csum_add(0, tcp, ip.payload_bytes))); /* MUST-2 */
    out->cause = frame->cause;
    out->at_ns = p->now_ns;
    out->packet_bytes = bytes;
    out->ttl = ip.ttl;
    out->traffic_class = ip.traffic_class;
    out->source = ip.source;
    out->destination = ip.destination;
    out->ip_option_bytes = ip.version == 4 ? (uint8_t)(ip.header_bytes - HFI_IP4_BYTES) : 0;
    memcpy(out->ip_options, packet + HFI_IP4_BYTES, out->ip_option_bytes);
    out->first_byte = out->tcp.payload_bytes > 0 ? tcp[out->tcp.header_bytes] : 0;
    p->out_count++;
}

static inline void peer_drain(peer *p) {
    hf_frame frames[16];
    size_t n;
    while ((n = hf_tx_peek(&p->engine, frames, 16)) != 0) {
        for (size_t i = 0; i < n && !p->deaf; i++) peer_take_frame(p, &frames[i]);
        hf_tx_taken(&p->engine, n);
    }
}

static inline void peer_forget(peer *p) { p->out_read = p->out_count = 0; }

/* The oldest segment not yet looked at, or NULL. */
static inline const peer_segment *peer_next(peer *p) {
    return p->out_read < p->out_count ? &p->out[p->out_read++] : NULL;
}

static inline const peer_segment *peer_expect(peer *p, uint8_t flags) {
    const peer_segment *out = peer_next(p);
    if (out == NULL) fail_msg("nothing was sent; expected flags %02x", flags);
    if ((out->tcp.flags & ~HFI_TCP_PSH) != (flags & ~HFI_TCP_PSH))
        fail_msg("flags %02x sent, expected %02x", out->tcp.flags, flags);
    return out;
}

static inline const peer_segment *peer_expect_ack(peer *p, hf_seq ack) {
    const peer_segment *out = peer_expect(p, HFI_TCP_ACK);
    assert_int_equal(out->tcp.ack, ack);
    assert_int_equal(out->tcp.payload_bytes, 0);
    return out;
}

static inline void peer_expect_nothing(peer *p) {
    const peer_segment *out = peer_next(p);
    if (out != NULL)
        fail_msg("sent: flags %02x, %u bytes, cause %d", out->tcp.flags, out->tcp.payload_bytes,
                 (int)out->cause);
    peer_forget(p);
}

/* ---- Time ---- */

/* Lets time pass, stepping at each instant that the engine asks for. */
static inline void peer_run(peer *p, hf_ns for_ns) {
    const hf_ns until_ns = p->now_ns + for_ns;
    peer_drain(p);
    for (hf_ns at; (at = hf_engine_next_at(&p->engine)) <= until_ns;) {
        p->now_ns = at > p->now_ns ? at : p->now_ns;
        hf_engine_step(&p->engine, p->now_ns, NULL, 0, NULL);
        peer_drain(p);
    }
    p->now_ns = until_ns;
    hf_engine_step(&p->engine, p->now_ns, NULL, 0, NULL);
    peer_drain(p);
}

/* ---- What the peer sends ---- */

static inline uint8_t peer_byte(uint32_t offset) { return (uint8_t)(offset * 7 + (offset >> 8)); }

/* A segment exactly as `view` says, its payload by the pattern of the peer's stream. */
static inline uint32_t peer_build(const peer *p, const hfi_tcp_view *view, uint8_t *packet) {
    const bool ip4 = hf_addr_is4(&p->us);
    const uint32_t ip_bytes = HFI_IP_HEADER_BYTES(ip4);
    uint8_t *tcp = packet + ip_bytes;
    const uint32_t header = hfi_tcp_build(tcp, view);
    const hf_seq first = view->seq + ((view->flags & HFI_TCP_SYN) != 0);
    for (uint32_t i = 0; i < view->payload_bytes; i++)
        tcp[header + i] = peer_byte(first + i - (p->iss + 1));
    const uint32_t bytes = header + view->payload_bytes;
    if (ip4)
        hfi_ip4_build(packet, &p->them, &p->us, HFI_IP_TCP, p->ttl, 0, 0, true, bytes);
    else
        hfi_ip6_build(packet, &p->them, &p->us, HFI_IP_TCP, p->ttl, 0, 0, bytes);
    hfi_csum_store(tcp + HFI_TCP_CSUM_OFFSET,
                   hfi_ip_pseudo_sum(&p->them, &p->us, HFI_IP_TCP, bytes) +
                       hfi_csum_add(0, tcp, bytes));
    return ip_bytes + bytes;
}

static inline void peer_inject(peer *p, const uint8_t *packet, uint32_t bytes) {
    hf_frame frame = {.part_count = 1, .total_bytes = bytes};
    frame.parts[0] = (hf_part){packet, bytes};
    hf_engine_step(&p->engine, p->now_ns, &frame, 1, &p->verdict);
}

/* Sends without draining: what the engine owes stays owed. */
static inline void peer_send_view(peer *p, hfi_tcp_view view) {
    uint8_t packet[66000];
    view.source_port = p->their_port;
    view.destination_port = p->our_port;
    if (p->timestamps && (view.options.present & HFI_OPT_TIMESTAMPS) == 0) {
        view.options.present |= HFI_OPT_TIMESTAMPS;
        view.options.ts_value = p->ts_value;
        view.options.ts_echo = p->ts_echo;
    }
    peer_inject(p, packet, peer_build(p, &view, packet));
}

/* A segment at a place of the test's choice. */
static inline void peer_sends(peer *p, uint8_t flags, hf_seq seq, hf_seq ack, uint32_t bytes) {
    peer_send_view(p, (hfi_tcp_view){.flags = flags,
                                     .seq = seq,
                                     .ack = (flags & HFI_TCP_ACK) != 0 ? ack : 0,
                                     .window = p->window,
                                     .payload_bytes = bytes});
    peer_drain(p);
}

/* The next segment in order; SND.NXT of the peer follows. */
static inline void peer_says(peer *p, uint8_t flags, uint32_t bytes) {
    peer_sends(p, flags, p->seq, p->ack, bytes);
    p->seq += bytes + ((flags & HFI_TCP_FIN) != 0);
}

static inline void peer_sends_syn(peer *p, uint8_t more_flags) {
    p->syn_options.ts_value = p->ts_value;
    p->syn_options.ts_echo = (more_flags & HFI_TCP_ACK) != 0 ? p->ts_echo : 0;
    peer_send_view(p, (hfi_tcp_view){.flags = (uint8_t)(HFI_TCP_SYN | more_flags),
                                     .seq = p->iss,
                                     .ack = (more_flags & HFI_TCP_ACK) != 0 ? p->ack : 0,
                                     .window = p->window,
                                     .options = p->syn_options});
    peer_drain(p);
    p->seq = p->iss + 1;
}

/* ---- Opening ---- */

static inline void peer_listens_with(peer *p, const hf_listen_options *options) {
    assert_int_equal(hf_listen(&p->engine, options, &p->listener), HF_OK);
}

static inline void peer_handshake(peer *p) {
    peer_sends_syn(p, 0);
    const peer_segment *syn_ack = peer_expect(p, HFI_TCP_SYN | HFI_TCP_ACK);
    assert_int_equal(syn_ack->tcp.ack, p->iss + 1);
    p->ack = syn_ack->tcp.seq + 1;
    p->ts_echo = syn_ack->tcp.options.ts_value;
    peer_says(p, HFI_TCP_ACK, 0);
}

static inline void peer_listen_and_accept_with(peer *p, const hf_tcp_options *options) {
    hf_listen_options listen = {.port = p->our_port};
    if (options != NULL) listen.tcp = *options;
    peer_listens_with(p, &listen);
    peer_handshake(p);
    assert_int_equal(hf_accept(&p->engine, p->listener, &p->conn), HF_OK);
    peer_expect_nothing(p);
}

static inline void peer_listen_and_accept(peer *p) { peer_listen_and_accept_with(p, NULL); }

/* The engine connects; its SYN is out[0]. */
static inline void peer_is_called_with(peer *p, const hf_tcp_options *options) {
    hf_connect_options connect = {.remote = p->them, .remote_port = 9000};
    if (options != NULL) connect.tcp = *options;
    assert_int_equal(hf_connect(&p->engine, &connect, &p->conn), HF_OK);
    p->their_port = 9000;
    peer_drain(p);
    const peer_segment *syn = peer_expect(p, HFI_TCP_SYN);
    p->our_port = syn->tcp.source_port;
    p->ack = syn->tcp.seq + 1;
    p->ts_echo = syn->tcp.options.ts_value;
}

static inline void peer_is_called(peer *p) { peer_is_called_with(p, NULL); }

static inline void peer_answers_call(peer *p) {
    peer_sends_syn(p, HFI_TCP_ACK);
    peer_expect_ack(p, p->seq);
    assert_int_equal(peer_state(p), HF_ESTABLISHED);
}

/* Takes the connection to a state, by segments and calls. The peer acknowledges our FIN in
 * FIN_WAIT_2 and TIME_WAIT only. */
static inline void peer_reach(peer *p, hf_state state) {
    if (state == HF_SYN_SENT || state == HF_SYN_RECEIVED) {
        peer_is_called(p);
        if (state == HF_SYN_RECEIVED) {
            peer_sends_syn(p, 0);
            peer_expect(p, HFI_TCP_SYN | HFI_TCP_ACK);
        }
        peer_expect_nothing(p);
        assert_int_equal(peer_state(p), state);
        return;
    }
    peer_listen_and_accept(p);
    if (state == HF_CLOSE_WAIT || state == HF_LAST_ACK) peer_says(p, HFI_TCP_FIN | HFI_TCP_ACK, 0);
    if (state != HF_ESTABLISHED && state != HF_CLOSE_WAIT) {
        assert_int_equal(hf_shutdown(&p->engine, p->conn), HF_OK);
        peer_drain(p);
    }
    if (state == HF_CLOSING) peer_says(p, HFI_TCP_FIN | HFI_TCP_ACK, 0);
    if (state == HF_FIN_WAIT_2 || state == HF_TIME_WAIT) p->ack++, peer_says(p, HFI_TCP_ACK, 0);
    if (state == HF_TIME_WAIT) peer_says(p, HFI_TCP_FIN | HFI_TCP_ACK, 0);
    peer_forget(p);
    if (state == HF_TIME_WAIT)
        assert_int_equal(hf_release(&p->engine, p->conn), HF_OK);
    else
        assert_int_equal(peer_state(p), state);
}

/* ---- The engine's application ---- */

static inline void peer_app_sends(peer *p, uint32_t bytes) {
    static const uint8_t text[70000];
    size_t taken;
    assert_int_equal(hf_send(&p->engine, p->conn, text, bytes, &taken), HF_OK);
    assert_int_equal(taken, bytes);
    peer_drain(p);
}

/* Reads all there is, which is the peer's stream from `offset`, and expects `bytes` of it. */
static inline void peer_app_reads(peer *p, uint32_t offset, uint32_t bytes) {
    static uint8_t buffer[70000];
    size_t got = 0;
    const hf_err err = hf_receive(&p->engine, p->conn, buffer, sizeof buffer, &got);
    if (bytes == 0)
        assert_int_not_equal(err, HF_OK);
    else
        assert_int_equal(err, HF_OK);
    assert_int_equal(got, bytes);
    for (uint32_t i = 0; i < bytes; i++) assert_int_equal(buffer[i], peer_byte(offset + i));
    peer_drain(p);
}

static inline bool peer_event(peer *p, hf_object object, uint32_t bit) {
    hf_event event;
    bool seen = false;
    while (hf_next_event(&p->engine, &event))
        seen |= event.object == object && (event.bits & bit) != 0;
    return seen;
}

#endif
