/* stack: the engine put together. Memory plan, frames in and out, the step, events, and the public
 * calls.
 *
 *     frames in --> rx.c --> tcp --> effects --> tx.c --> slots --> hf_tx_peek
 *                              |                   ^
 *                       transmit list -------------+   connections that owe segments: peek pulls
 *
 * Transmission is pulled: a step only notes which connections owe something, hf_tx_peek makes the
 * frames while slots are free. So a batch of arrivals is answered once, and no queue can overflow.
 * Replies without a connection are made at once, into a slot; without a free one they are dropped
 * and counted.
 *
 * A slot holds the headers and names chunks; while a driver holds the frame, the chunks are
 * referenced. A frame for a loopback interface goes to a ring of its own and comes in again with
 * the next step.
 *
 * On Ethernet a segment needs the next hop's link address (link.c). A connection that waits for one
 * is not on the transmit list but on the list of the neighbour entry; it keeps IN_TX, so that
 * nobody lists it twice, and uses the same link. What its timers send meanwhile goes nowhere, as if
 * lost on the way: TCP counts it, so every bound on silence holds. Answers without a connection go
 * back to where the frame came from and need no entry, so that a flood of forged packets fills no
 * table. */
#ifndef HFI_ENGINE_H
#define HFI_ENGINE_H

#include <hf/udp.h>
#include "icmp/icmp.h"
#include "ip/ip.h"
#include "ip/reassembly.h"
#include "neighbor/neighbor.h"
#include "tcp/tcp.h"
#include "udp/udp.h"

/* Ethernet 14, IPv6 40, TCP 60. */
#define HFI_SLOT_HEADER_BYTES 128 /* Ethernet 14, IP 20 and a source route of 32, TCP 60 */
#define HFI_SLOT_PARTS (HF_FRAME_PARTS - 1)

typedef enum hfi_slot_state { HFI_SLOT_FREE, HFI_SLOT_READY, HFI_SLOT_TAKEN } hfi_slot_state;

/* In the block. */
typedef struct hfi_slot_part {
    hfi_index chunk;
    uint32_t offset; /* within the stream; its low bits are the place in the chunk */
    uint32_t bytes;
} hfi_slot_part;

/* A frame made and not yet done. In the block. */
typedef struct hfi_slot {
    uint8_t header[HFI_SLOT_HEADER_BYTES];
    uint32_t interface, flags;
    uint16_t gso_bytes, header_bytes, csum_start, csum_offset;
    uint32_t total_bytes;
    uint32_t frame_id;
    hf_conn conn;
    uint16_t cause;
    uint8_t state, part_count;
    uint32_t a, b;
    hfi_slot_part parts[HFI_SLOT_PARTS];
} hfi_slot;

/* What stack keeps in the block beside the tables. */
typedef struct hfi_stack_state {
    hfi_pool slot_pool;
    uint32_t order_head, order_count; /* ring of slots in the order of sending */
    uint32_t peeked;                  /* of these, lent last */
    uint32_t loop_head, loop_count;   /* ring of slots for ourselves */
} hfi_stack_state;

/* Where a frame leaves. */
typedef struct hfi_exit {
    uint32_t interface;
    hfi_mac mac; /* of the next hop, on Ethernet */
} hfi_exit;

/* The link side of the frame in hand, while it is in hand. */
typedef struct hfi_rx_link {
    bool active;   /* there is one, from an Ethernet link */
    bool to_group; /* sent to many: RFC 1122 3.3.6 */
    uint32_t interface;
    hfi_mac from;
} hfi_rx_link;

typedef struct hfi_engine {
    hfi_ctx ctx;
    hfi_ip ip;
    hfi_neighbors neighbors;
    hfi_reassembly reassembly;
    hfi_udp_table udp;
    hfi_icmp_limit *icmp_limit;
    hfi_rx_link rx;
    hfi_stack_state *state;
    hfi_slot *slots;
    hfi_index *slot_next;
    uint32_t *order, *loop;
    hf_addr *locals; /* what ctx.locals shows */
} hfi_engine;

_Static_assert(sizeof(hfi_engine) <= sizeof(hf_engine), "the handle has room for the engine's");

static inline hfi_engine *hfi_of(hf_engine *engine) { return (hfi_engine *)(void *)engine; }
static inline const hfi_engine *hfi_of_const(const hf_engine *engine) {
    return (const hfi_engine *)(const void *)engine;
}

/* ---- rx.c ---- */

/* Takes one frame. */
hf_verdict hfi_rx(hfi_engine *e, const hf_frame *frame);

/* Takes the first of `count` frames, and those that follow it as a run (rx.c). Returns how many, and their
 * verdicts unless ret_verdicts is NULL. */
size_t hfi_rx_some(hfi_engine *e, const hf_frame *frames, size_t count, hf_verdict *ret_verdicts);

static inline hf_verdict hfi_verdict(uint8_t action, hf_cause cause) {
    return (hf_verdict){action, cause, {HFI_NONE, 0}, 0, 0};
}

/* True if the checksum of a transport packet, which starts `skip` bytes into the frame, is right or
 * somebody trusted vouches for it. */
bool hfi_rx_sum_good(const hfi_engine *e, const hf_frame *frame, const hfi_ip_view *ip,
                     uint32_t skip);

/* ---- messages.c: ICMP. datagrams.c: UDP. `local` is HFI_NONE for what was sent to many. ---- */

hf_verdict hfi_rx_icmp(hfi_engine *e, const hf_frame *frame, const hfi_ip_view *ip, uint32_t skip,
                       uint32_t local, bool was_fragmented);
hf_verdict hfi_rx_udp(hfi_engine *e, const hf_frame *frame, const hfi_ip_view *ip, uint32_t skip,
                      uint32_t local);

/* "Port unreachable" about a packet that starts `skip` bytes into the frame, within the limits. */
void hfi_tx_port_unreachable(hfi_engine *e, const hf_frame *frame, const hfi_ip_view *ip,
                             uint32_t skip);

/* ---- slots.c ---- */

/* Takes a slot for a frame of no connection, or NULL, counted as DROP_TX_FULL. */
hfi_slot *hfi_slot_take(hfi_engine *e, uint32_t interface, hf_cause cause);

/* Writes the Ethernet header, if the interface has one, and returns where the IP header begins. */
uint8_t *hfi_slot_ip(const hfi_engine *e, hfi_slot *slot, const hfi_exit *exit, bool is4);

/* Copies `bytes` bytes that start at `at` in the parts into chunks of the slot's own; adds to *sum.
 * False if there is no memory or the parts would be too many: the slot is given back. */
bool hfi_slot_fill(hfi_engine *e, hfi_slot *slot, const hf_part *parts, uint32_t part_count,
                   uint32_t at, uint32_t bytes, uint32_t *sum);

/* The frame is made: it waits for the driver, or to come in again. Counts and tells the cause. */
void hfi_slot_send(hfi_engine *e, hfi_slot *slot);

/* The frame is done, or will not be sent. */
void hfi_slot_finish(hfi_engine *e, uint32_t index);

/* Takes in the frames that wait for ourselves. */
void hfi_loop_run(hfi_engine *e);

/* ---- tx.c ---- */

/* Makes the frame of a departure in a free slot. False, counted as DROP_TX_FULL, if there is none.
 */
bool hfi_tx_departure(hfi_engine *e, const hfi_departure *departure, const hfi_exit *exit);

/* Carries out what a TCP step asks of the rest. */
void hfi_tx_effects(hfi_engine *e, const hfi_effects *effects);

/* Lets a connection send up to a turn's segments into the void. */
void hfi_tx_lose(hfi_engine *e, hfi_conn *conn);

/* Makes frames of connections that owe segments, until `wanted` frames wait for the driver. */
void hfi_tx_fill(hfi_engine *e, size_t wanted);

/* ---- link.c ---- */

typedef enum hfi_way {
    HFI_WAY_OPEN,
    HFI_WAY_ASKED, /* the next hop is being asked: wait */
    HFI_WAY_CLOSED /* no route, or no entry for the next hop: as if lost */
} hfi_way;

/* Where a connection's segments leave. With ASKED, *ret_neighbor is the entry to wait for. */
hfi_way hfi_link_exit(hfi_engine *e, hfi_conn *conn, hfi_exit *ret, hfi_index *ret_neighbor);

/* Hangs a connection, which is on no list, on a neighbour entry. */
void hfi_link_wait(hfi_engine *e, hfi_conn *conn, hfi_index neighbor);

/* A connection that has ended waits no longer: the transmit list frees it. Else does nothing. */
void hfi_link_unwait(hfi_engine *e, hfi_conn *conn);

/* Where an answer to the frame in hand leaves, or a segment of a handshake that no connection
 * keeps. */
bool hfi_link_reply_exit(hfi_engine *e, const hf_addr *destination, hfi_exit *ret);

/* Where a datagram leaves, and from which of our addresses (an index) unless that is given. */
hf_err hfi_link_datagram_exit(hfi_engine *e, const hf_addr *destination, uint32_t *local,
                              hfi_exit *ret);

/* Sends what neighbours and our own addresses ask for, and wakes who waited. */
void hfi_link_run(hfi_engine *e);

hf_verdict hfi_rx_arp(hfi_engine *e, const hf_frame *frame);
hf_verdict hfi_rx_nd(hfi_engine *e, const hf_frame *frame, const hfi_ip_view *ip, uint32_t skip);

/* A path proved itself, or is in doubt (RFC 4861 7.3.1, RFC 1122 4.2.3.5). */
void hfi_link_reachable(hfi_engine *e, hfi_index path);
void hfi_link_doubt(hfi_engine *e, hfi_index path);

/* Copies our addresses to where TCP sees them. */
void hfi_locals_update(hfi_engine *e);

/* The largest packet with a TCP segment that the link takes, and whose payload fits the parts of a frame.
 * What is known of the path is no part of it: the MSS that we name is about what we can receive (RFC
 * 1191 3.1), and what we send is limited when the handshake is done. */
static inline uint16_t hfi_link_tcp_mtu(const hfi_engine *e, uint32_t interface) {
    const uint32_t parts_max = (HFI_SLOT_PARTS - 1) * hfi_chunk_bytes(&e->ctx.tx) + 60;
    return (uint16_t)hfi_min32(hfi_ip_mtu(&e->ip, interface), hfi_min32(parts_max, UINT16_MAX));
}

/* The largest IP packet to a destination as known now. */
uint32_t hfi_link_mtu(const hfi_engine *e, const hf_addr *destination, uint32_t interface);

/* ---- The rest. ---- */

/* Resolves a handle; NULL if stale. */
hfi_conn *hfi_conn_of(const hfi_engine *e, hf_conn handle);

static inline hfi_effects hfi_no_effects(void) {
    hfi_effects effects;
    effects.reply = false;
    effects.reachable = effects.doubt_path = HFI_NONE;
    return effects;
}

#endif
