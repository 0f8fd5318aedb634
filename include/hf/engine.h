/* The engine: TCP/IP that does no I/O, reads no clock, draws no random number and allocates
 * nothing.
 *
 * The caller owns time, randomness, memory and frames. One round of its loop:
 *
 *     hf_engine_step(&engine, now_ns, frames_in, count, verdicts);   what came, then what is due
 *     while (hf_next_event(&engine, &event)) ...                     what the application must know
 *     hf_send, hf_receive, hf_close ...                              what the application wants
 *     while ((n = hf_tx_peek(&engine, frames, 32)) != 0)             what goes out
 *         hf_tx_taken(&engine, driver_send(frames, n));
 *     sleep until a frame comes or hf_engine_next_at(&engine);
 *
 * Drivers drain their input before time moves: give every waiting frame to the step that moves
 * time, else a peer whose answer lies in the queue could be taken for silent.
 *
 * Words for pointers: a call copies (yours again at return), borrows (until return), links (must
 * live until a named moment), lends (ours, until the next call) or takes.
 *
 * Calls never block. One engine is used by one thread at a time; engines share nothing.
 */
#ifndef HF_ENGINE_H
#define HF_ENGINE_H

#include <hf/cause.h>
#include <hf/config.h>
#include <hf/frame.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The engine's handle: the caller's, at a fixed place. It only holds where the block is mapped; all
 * state is in the block and the data region, free of pointers, so that both can be copied. */
typedef struct hf_engine {
    uint64_t opaque[128];
} hf_engine;

/* ---- Life ---- */

typedef struct hf_memory {
    size_t block_bytes; /* objects and tables; align to 64 */
    size_t data_bytes;  /* buffers for payload; align to 64 */
} hf_memory;

/* How much memory this configuration takes, exactly. The engine never needs more. */
hf_memory hf_engine_bytes(const hf_config *config);

/* Lays an engine out. Copies config; links block and data until the engine is dropped (there is
 * nothing to free). HF_CONFIG, HF_SEED, HF_BLOCK_TOO_SMALL. */
hf_err hf_engine_init(hf_engine *engine, const hf_config *config, void *block, size_t block_bytes,
                      void *data, size_t data_bytes, hf_ns now_ns);

/* Takes up an engine whose block and data were mapped or copied elsewhere. The trace and the
 * checksum routines, if any, are given anew. */
hf_err hf_engine_attach(hf_engine *engine, void *block, void *data, hf_trace *trace,
                        const hf_csum *csum);

/* ---- Time and frames ---- */

/* Takes `in_count` received frames (borrows them), then lets time pass to now_ns and runs what is
 * due. A now_ns that lies back is counted (TIME_WENT_BACK) and taken as the last one. With
 * ret_verdicts, writes one verdict per frame, in order. */
void hf_engine_step(hf_engine *engine, hf_ns now_ns, const hf_frame *in, size_t in_count,
                    hf_verdict *ret_verdicts);

/* The next instant at which a step has something to do without input; HF_NEVER if none. It may be
 * now. */
hf_ns hf_engine_next_at(const hf_engine *engine);

/* The engine's time: of the last step. */
hf_ns hf_engine_now(const hf_engine *engine);

/* Lends up to `max` frames to send, in order; the same again until hf_tx_taken. Returns how many.
 */
size_t hf_tx_peek(hf_engine *engine, hf_frame *ret_frames, size_t max);

/* The driver took the first `count` of the frames lent last; the others are offered again. */
void hf_tx_taken(hf_engine *engine, size_t count);

/* The driver is done with a taken frame's parts. Not needed on interfaces with auto_done. A token that
 * was given back already does nothing. */
void hf_tx_done(hf_engine *engine, uint32_t token);

/* How often a cause had its effect since init. Exact, with or without a trace. */
uint64_t hf_cause_count(const hf_engine *engine, hf_cause cause);

/* ---- Events ---- */

enum {
    HF_EVENT_CONNECTED = 1,      /* the handshake is done */
    HF_EVENT_READABLE = 2,       /* there is data, or the end of stream */
    HF_EVENT_WRITABLE = 4,       /* there is room again after a hf_send that took less than asked */
    HF_EVENT_PEER_CLOSED = 8,    /* the peer's FIN has come, in order */
    HF_EVENT_END = 16,           /* the connection is over: hf_conn_end says by what */
    HF_EVENT_ACCEPTABLE = 32,    /* a listener has a connection to accept */
    HF_EVENT_OVERFLOW = 64,      /* a listener turned somebody away: hf_listener_status says whom */
    HF_EVENT_UNHEARD = 128,      /* nothing heard for a while (R1, or the first unanswered probe) */
    HF_EVENT_BOUND_RAISED = 256, /* detect_within is longer than asked: hf_conn_status */
    HF_EVENT_DOUBT = 512,        /* PEER_MAY_NOT_HAVE_ACCEPTED */
    HF_EVENT_DATAGRAM = 1024,    /* a UDP socket has a datagram */
    HF_EVENT_ALL_ACKED = 2048,   /* everything sent is acknowledged */
    HF_EVENT_SOFT_ERROR = 4096,  /* ICMP trouble, the connection stays: hf_conn_status */
    HF_EVENT_PATH_MTU = 32768,   /* segments are shorter, or longer, than before: hf_conn_status */
    HF_EVENT_BOUND = 16384,      /* a bound that only reports: hf_conn_status.bounds_passed */
    HF_EVENT_URGENT = 8192,      /* the peer marks urgent data, or moves the mark: hf_conn_status */
    HF_EVENT_SYN = 65536,        /* a listener has a SYN to answer: hf_pending_next */
    HF_EVENT_DRAINED = 131072    /* a listener has finished: hf_listener_drain */
};

typedef enum hf_object { HF_OBJECT_CONN, HF_OBJECT_LISTENER, HF_OBJECT_UDP } hf_object;

typedef struct hf_event {
    hf_object object;
    uint32_t index, generation; /* of the hf_conn, hf_listener or hf_udp */
    uint32_t bits;              /* HF_EVENT_*, merged since the last time */
} hf_event;

/* Takes the next object with pending events. False if there is none. An object is listed once, so
 * events cannot overflow. */
bool hf_next_event(hf_engine *engine, hf_event *ret_event);

/* ---- Interfaces, addresses, routes ---- */

typedef enum hf_link { HF_LINK_IP, HF_LINK_ETHERNET, HF_LINK_LOOPBACK } hf_link;

typedef struct hf_interface_options {
    hf_link link;
    uint32_t mtu;           /* bytes of an IP packet; 1,280 to 65,535 (68 at least without IPv6) */
    uint32_t gso_max_bytes; /* longest super-segment, whole packet; 0 for none */
    bool csum_offload;      /* the driver completes transport checksums (NEEDS_CSUM) */
    bool auto_done;         /* frames are done when taken */
    uint8_t mac[6];         /* Ethernet */
    bool ip6_autoconf;      /* RS/RA, link-local address and SLAAC (RFC 4861, 4862) */
} hf_interface_options;

/* Adds an interface; copies options. HF_ARGUMENT, HF_NO_INTERFACE_SLOT. */
hf_err hf_interface_add(hf_engine *engine, const hf_interface_options *options,
                        uint32_t *ret_interface);

/* Gives an interface an address with its network. On Ethernet an IPv6 address is first checked for
 * duplicates (RFC 4862 5.4). HF_ARGUMENT, HF_NO_ADDRESS_SLOT, HF_NO_ROUTE_SLOT. */
hf_err hf_address_add(hf_engine *engine, uint32_t interface, const hf_addr *addr,
                      uint32_t prefix_bits);

/* Routes a network through a gateway (any address: the network is on the link). For IPv4
 * prefix_bits counts within 32. The longest prefix wins, then the newest. HF_ARGUMENT,
 * HF_NO_ROUTE_SLOT. */
hf_err hf_route_add(hf_engine *engine, const hf_addr *network, uint32_t prefix_bits,
                    const hf_addr *gateway, uint32_t interface);

/* Which shard of `count` a received frame belongs to, by the same keyed hash on every shard. A
 * fragment belongs to shard 0; UINT32_MAX means all of them (ARP, ND). */
uint32_t hf_shard_of(const hf_engine *engine, const hf_frame *frame, uint32_t count);

#ifdef __cplusplus
}
#endif
#endif
