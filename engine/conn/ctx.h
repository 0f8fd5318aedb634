/* The context: where the engine's tables are mapped, and the few words of state that belong to no
 * object. Every TCP room gets it first. It holds pointers and so lies outside the block, in
 * hf_engine. */
#ifndef HFI_CTX_H
#define HFI_CTX_H

#include <hf/config.h>
#include <hf/frame.h>
#include "base/chunk.h"
#include "base/hash.h"
#include "congest/congest.h"
#include "conn/conn.h"
#include "conn/owner.h"
#include "flow/ports.h"
#include "flow/table.h"
#include "path/path.h"
#include "timer/wheel.h"
#include "wire/ip.h"
#include "wire/tcp.h"

/* A singly linked list of connections, first in, first out; the link is the list's own field.
 * In the block. */
typedef struct hfi_queue {
    hfi_index head, tail;
    uint32_t count;
} hfi_queue;

/* An option set, shared by all connections that have the same. In the block. */
typedef struct hfi_option_set {
    hf_tcp_options value;
    uint32_t uses;
} hfi_option_set;

/* A listener; open owns it. In the block. */
typedef struct hfi_listener {
    hf_addr local;
    uint16_t port;
    uint16_t options;
    uint32_t generation;
    uint32_t backlog;
    uint32_t handshaking;     /* SYN entries: places reserved, not yet verified */
    uint32_t young;           /* of these, whose SYN-ACK went once only */
    hfi_index oldest, newest; /* SYN entries by age */
    hfi_queue accept;         /* linked by queue_next */
    uint32_t peak_waiting;
    uint64_t accepted, cookies_sent, cookies_good, overflows;
    hf_addr overflow_peer;
    uint16_t overflow_port;
    uint16_t overflow_cause;
    uint32_t events;
    hf_ns drain_at_ns; /* with draining */
    uint32_t
        pending; /* SYN entries that the application has to answer; no place is kept for them */
    uint8_t when_full, accept_at;
    bool used, in_ready, draining, drained;
    hfi_index ready_next;
} hfi_listener;

/* A handshake that a listener began; open owns it. Becomes a connection with the handshake's last
 * ACK. In the block. */
typedef struct hfi_syn_entry {
    hf_addr remote;
    uint16_t remote_port, local_port;
    uint16_t local;
    uint16_t mss; /* the peer's */
    uint16_t mtu; /* of the link back */
    uint16_t peer_window;
    hf_seq iss, irs;
    uint32_t ts_recent;
    uint32_t window;
    hfi_index listener;
    hfi_tick began_at;
    hfi_us32 sent_us;
    uint8_t wscale;
    uint8_t present; /* options that the SYN carried, HFI_OPT_* */
    uint8_t attempts;
    uint8_t repeats;          /* of the SYN */
    hfi_index next, previous; /* of the listener's, oldest first */
    uint32_t serial;          /* names a pending one */
    uint16_t route_set;       /* option set with the way back, or HFI_NO_ROUTE_SET */
    bool pending, shown;      /* the application has to answer it; it was given it */
    bool ecn;                 /* each SYN has asked for ECN, and each SYN-ACK agreed */
} hfi_syn_entry;

#define HFI_NO_ROUTE_SET UINT16_MAX

_Static_assert(sizeof(hfi_syn_entry) <= 160, "a SYN entry is at most 160 bytes");

/* TIME_WAIT, 36 bytes for IPv4 and 48 for IPv6; with the flow slot at its load (12) 48 and 60.
 * close owns it. In the block. */
typedef struct hfi_time_wait {
    uint16_t remote_port, local_port;
    uint16_t local;
    uint8_t kind;  /* how it may leave early: hfi_tw_class */
    uint8_t flags; /* timestamps; RST allowed once */
    hf_seq snd_nxt, rcv_nxt;
    uint32_t ts_recent;
    hfi_tick until;
    hfi_index next, previous;
    uint8_t remote4[4];
} hfi_time_wait;

_Static_assert(sizeof(hfi_time_wait) == 36,
               "an IPv4 TIME_WAIT entry is 36 bytes, 48 with its flow slot");

/* The rest of the address of an IPv6 entry, in an array of its own. In the block. */
typedef struct hfi_time_wait6 {
    uint8_t remote_head[12];
} hfi_time_wait6;

typedef enum hfi_tw_class {
    HFI_TW_TIMESTAMPS,
    HFI_TW_ISN,
    HFI_TW_COOKIE,     /* no TIME_WAIT: CLOSED, but a cookie that could open it again */
    HFI_TW_FIN_WAIT_2, /* not yet: an orphan's peer has still to close */
    HFI_TW_UNGUARDED,
    HFI_TW_CLASSES
} hfi_tw_class;

/* One family's TIME_WAIT entries. In the block. */
typedef struct hfi_tw_pool {
    hfi_index free;
    uint32_t used;
    uint32_t counts[HFI_TW_CLASSES];
    hfi_index head[HFI_TW_CLASSES], tail[HFI_TW_CLASSES]; /* oldest first */
} hfi_tw_pool;

/* An out-of-order range [start, end) of received data; receive owns it. In the block. */
typedef struct hfi_range {
    hf_seq start, end;
    hfi_index chunk; /* holds end - 1 */
    hfi_index next;
} hfi_range;

_Static_assert(sizeof(hfi_range) == 16, "a range is 16 bytes");

/* A segment, or super-segment, in flight; segq owns it, and says in its header what the lists are. Also
 * a node of a lane over the queue: seq, next and chunk (what it stands for). In the block. */
typedef struct hfi_segment {
    hf_seq seq;
    hfi_index next;   /* in the order of sequence numbers; of a free one, the next free one */
    hfi_index chunk;  /* holds seq */
    hfi_us32 sent_us; /* the last transmission */
    hfi_index later, earlier; /* its list; of a SACKed one, `later` leads past its neighbours */
    uint16_t bytes;           /* sequence space, FIN counted */
    uint8_t flags;            /* HFI_SEG_* */
    uint8_t transmissions;
} hfi_segment;

_Static_assert(sizeof(hfi_segment) == 28, "with its share of the lanes, a segment takes 30 bytes");

/* LOST: on the list of what goes again. RESENT: sent again, and not taken for lost since. ASKED: sent
 * again as a question, which tells nothing about the path. PROBE: asks whether the path takes so much, and
 * its loss is no sign of congestion. TOO_LONG: lost since the path takes less. */
enum {
    HFI_SEG_LOST = 1,
    HFI_SEG_SACKED = 2,
    HFI_SEG_FIN = 4,
    HFI_SEG_RESENT = 8,
    HFI_SEG_ASKED = 16,
    HFI_SEG_PROBE = 32,
    HFI_SEG_TOO_LONG = 64
};

/* A lane has a node for every 16th, 256th or 4,096th segment; three reach over 65,536 of them. */
#define HFI_LANES 3u

/* A doubly linked list of segments, by `later` and `earlier`. In the block. */
typedef struct hfi_segment_list {
    hfi_index head, tail;
} hfi_segment_list;

/* hfi_flight.marks */
enum {
    HFI_FLIGHT_RACK = 1 << 0,         /* rack_sent_us, rack_end and rack_rtt_us are valid */
    HFI_FLIGHT_REORDERED = 1 << 1,    /* reordering was seen */
    HFI_FLIGHT_ROUND = 1 << 2,        /* dsack_round is valid */
    HFI_FLIGHT_WAITS = 1 << 3,        /* something may be lost, or late: known at reorder_at */
    HFI_FLIGHT_PROBED = 1 << 4,       /* a tail loss probe is out */
    HFI_FLIGHT_PROBED_AGAIN = 1 << 5, /* and it was a retransmission */
    HFI_FLIGHT_UNMEASURED = 1 << 6,   /* no RTT sample since the last probe */
    HFI_FLIGHT_UNDO = 1 << 7,         /* congest remembers a window that could come back */
    HFI_FLIGHT_STAMPED = 1 << 8,      /* resent_at is valid */
    HFI_FLIGHT_RENEGED = 1 << 9,      /* the peer took SACKs back: no more are believed */
    HFI_FLIGHT_UNDONE = 1 << 10,      /* undone_until is valid */
    HFI_FLIGHT_MARKED = 1 << 11,      /* the window falls because of marks, until conn.recover */
    HFI_FLIGHT_MTU_LOST = 1 << 14,    /* segq: the segment that probed the path's MTU is lost */
    HFI_FLIGHT_MTU_ASKED = 1 << 15    /* send: a small segment went beside the one at snd.una */
};

/* hfi_flight.timer: what rtx_at is. */
enum { HFI_TIMER_RTO, HFI_TIMER_PROBE, HFI_TIMER_REORDER };

/* What a connection needs only while data is in flight, and for one RTO after. In the block. */
typedef struct hfi_flight {
    /* segq */
    uint32_t sacked_bytes; /* above snd.una */
    uint32_t lost_bytes;   /* marked lost and not sent again */
    hfi_segment_list sent; /* neither SACKed nor lost, by the time of sending */
    hfi_segment_list lost; /* in the order in which they go again */
    hfi_index lane_head[HFI_LANES], lane_tail[HFI_LANES];
    uint32_t pushed;          /* counts segments, for the lanes */
    hfi_index conn;           /* whose it is */
    hfi_index next, previous; /* those at rest, the oldest first; `next` also of a free one */

    hf_seq fack; /* the highest end of what was delivered (RFC 8985 5.3) */

    /* recover: which deadline rtx_at is, and the others */
    uint16_t marks; /* HFI_FLIGHT_* */
    uint8_t timer;  /* HFI_TIMER_* */
    uint8_t frto;   /* RFC 5682: ACKs since the time-out that it judges by, and 1; 0: it does not */
    hfi_tick rto_at;     /* RFC 6298 5 */
    hfi_tick reorder_at; /* with HFI_FLIGHT_WAITS */
    /* RACK, RFC 8985 5.3 */
    hfi_us32 rack_sent_us,
        rack_rtt_us; /* with HFI_FLIGHT_RACK: of what left last among the delivered */
    hf_seq rack_end;
    hfi_us32 min_rtt_us; /* 0 before the first sample */
    hfi_tick min_rtt_at;
    hf_seq dsack_round; /* with HFI_FLIGHT_ROUND: widened once until this is acknowledged */
    uint8_t reo_wnd_mult, reo_persist; /* of the reordering window; recoveries that it stays wide */
    bool cwnd_limited; /* send: cwnd kept data back when snd.nxt was limited_until */
    hf_seq tlp_end;    /* with HFI_FLIGHT_PROBED: snd.nxt when the probe left */
    /* PRR, RFC 9937 6 */
    uint32_t prr_delivered, prr_out, recover_fs;
    /* undoing, with HFI_FLIGHT_UNDO */
    hf_seq undone_until;  /* with HFI_FLIGHT_UNDONE: until then nothing is undone again */
    hf_seq undo_from;     /* snd.una when the window fell */
    uint32_t undo_bytes;  /* sent again since, and not yet known to be in vain */
    hfi_tick resent_at;   /* with HFI_FLIGHT_STAMPED: the first retransmission */
    uint32_t asked_bytes; /* sent again as a question: duplicates that say nothing of the path */

    /* For congest. */
    hf_seq limited_until;     /* send */
    uint32_t delivered_bytes; /* recover: acknowledged or SACKed, modulo 2^32 */
    uint32_t pace_tick_bytes; /* recover: by congest's number, what may leave in a tick; 0: all */
    int32_t pace_credit;      /* send: bytes that may leave now */
    hfi_us32 pace_us;         /* send: pace_credit is of this instant */
    hfi_tick pace_at;         /* send: when there is credit again; valid with HFI_T_PACE */
    hfi_congest congest;      /* the controller's own, kept by recover */
} hfi_flight;

_Static_assert(sizeof(hfi_flight) <= 256, "a flight block is at most 256 bytes");

/* What a connection needs only if somebody watches it more closely than for silence, or while urgent
 * data is under way (tcp's fields); else live owns it.
 * In the block. */
typedef struct hfi_watch {
    hfi_index listener; /* open's, while the connection is unaccepted */
    /* progress_within */
    hfi_tick progress_from; /* the clock's beginning, moved by what does not count */
    hf_seq progress_una;    /* snd.una then */
    hfi_tick looked_at;
    /* answer_within, idle_within */
    hfi_tick asked_at;   /* the first new data that left since payload came */
    hfi_tick payload_at; /* the last payload, either way */
    /* APP_NOT_READING */
    hfi_tick unread_from;
    hf_seq unread_at; /* rx_read then */
    /* doubt */
    hfi_tick syn_ack_acked_at; /* our last ACK of the SYN-ACK */
    hfi_tick syn_ack_heard_at; /* the last repeated one */
    hfi_tick doubt_at;         /* of the first that counted */
    hfi_tick check_at;         /* the open check is due */
    uint16_t doubt_count;
    uint16_t flags;             /* HFI_W_* */
    uint16_t peer_user_timeout; /* as on the wire (RFC 5482 3); 0 if never told */
    uint8_t doubt_reasons;
    uint8_t passed;    /* HF_PASSED_*, told and still so */
    uint8_t why;       /* hf_why since charged_ns */
    hf_seq urgent_in;  /* tcp: the peer's urgent data ends before it, with HFI_W_URGENT_IN */
    hf_seq urgent_out; /* tcp: and ours, with HFI_W_URGENT_OUT */
    hf_ns charged_ns;  /* up to here the time is charged */
    hf_ns spent_ns[HF_WHY_COUNT];
} hfi_watch;

_Static_assert(sizeof(hfi_watch) <= 168, "a watch is at most 168 bytes");

/* hfi_watch.flags */
enum {
    HFI_W_PROGRESS_RUNS = 1,
    HFI_W_OUR_SIDE = 2, /* since looked_at only our own side kept data back */
    HFI_W_ASKED = 4,
    HFI_W_UNREAD = 8,
    HFI_W_CHECKED = 16, /* the open check has left */
    HFI_W_ACCOUNTS = 32,
    HFI_W_BOOKS_CLOSED = 64,
    HFI_W_CHECK_OWED = 128,    /* the next probe is the open check */
    HFI_W_OPENED = 256,        /* seen ESTABLISHED: its clocks have begun */
    HFI_W_TELL_TIMEOUT = 1024, /* the next segment with room tells our user timeout */
    HFI_W_URGENT_IN = 2048,    /* tcp: some of it is not read */
    HFI_W_URGENT_OUT = 4096,   /* tcp: some of it is not acknowledged */
    HFI_W_REPEATED = 512       /* the SYN-ACK came again, and nothing else yet */
};

/* Tokens for stateless replies to one source prefix (RULE of RFC 5961 7: no counter that a stranger
 * can read); reply owns it. In the block. */
typedef struct hfi_reply_bucket {
    hfi_tick at;
    uint16_t tokens;
    uint16_t weight; /* by how much its prefix asks more than all others that fall here */
    uint32_t prefix; /* hashed */
} hfi_reply_bucket;

#define HFI_REPLY_BUCKETS 64

/* The last search for a port that found none: while no key was freed since and no TIME_WAIT entry has
 * become reusable, the next would find none either. tcp owns it. In the block. */
typedef struct hfi_no_port {
    hf_ns until_ns;
    uint64_t destination; /* hash */
    uint32_t releases;
    bool valid;
} hfi_no_port;

/* The last TIME_WAIT entry that left early though nothing else guards its pair; close owns it. In the
 * block. */
typedef struct hfi_tw_exit {
    hf_addr remote;
    uint16_t remote_port, local_port;
    hf_ns at_ns, age_ns;
} hfi_tw_exit;

/* State of the engine that belongs to no object. In the block. */
typedef struct hfi_root {
    hf_config config; /* its trace pointer is cleared: the handle keeps that one */
    hf_ns now_ns;
    hf_ns gap_until_ns; /* no verdict on silence that rests on a time before this */
    uint64_t counts[HF_CAUSE_COUNT];
    hfi_key isn_key, ts_key, cookie_key, jitter_key, shard_key;
    hfi_pool conn_pool, segment_pool, range_pool, flight_pool, syn_pool, rx_pool, tx_pool;
    hfi_pool watch_pool;
    uint32_t watches_promised; /* to handshakes whose listener asks for a watch */
    hfi_tw_pool tw4, tw6;
    hfi_ports ports;
    hfi_queue tx, ready, ready_listeners, room;
    hfi_queue ended;    /* ends that wait to be told, oldest first, doubly linked (close/ends.h) */
    uint64_t end_count; /* records ever written to the ring */
    hfi_index rest_head, rest_tail; /* segq: flights of connections with nothing in flight */
    hfi_reply_bucket reply_buckets[HFI_REPLY_BUCKETS];
    hfi_tick relieved_at; /* receive: when data beyond gaps last gave way */
    hfi_no_port no_port;
    hfi_tw_exit tw_last_unsafe;
    uint64_t rx_granted_bytes; /* windows promised: the credit ledger */
    uint32_t live;             /* connections that have not ended */
    uint32_t pending_syns;     /* of the SYN entries; they reserve no connection */
    uint32_t syn_serial;       /* counts them */
    uint32_t draining;         /* listeners that drain */
    uint64_t random;           /* counts draws, so that each is new */
    uint32_t frame_id;
} hfi_root;

typedef struct hfi_ctx {
    hfi_root *root;
    const hf_limits *limits;
    hf_trace *trace;
    const hf_addr *locals; /* our addresses, by the index that connections hold */
    hfi_conn *conns;
    hfi_index *conn_next;
    hfi_listener *listeners;
    hfi_option_set *option_sets;
    hfi_segment *segments;
    hfi_range *ranges;
    hfi_index *range_next;
    hfi_flight *flights;
    hfi_watch *watches;
    hfi_index *watch_next;
    hfi_syn_entry *syns;
    hfi_index *syn_next;
    hfi_time_wait *tw4, *tw6;
    hfi_time_wait6 *tw6_head;
    hf_end_record *end_records;
    hfi_owners owners;
    hfi_chunks rx, tx;
    hfi_wheel wheel;
    hfi_flow flow;
    hfi_paths paths;
    hf_ns now_ns;
    hfi_tick now_tick;
    hfi_us32 now_us;
    /* Of payload: the caller's routines (hf/csum.h), or our own. */
    uint32_t (*csum_add)(uint32_t sum, const void *data, size_t bytes);
    uint32_t (*csum_copy)(uint32_t sum, void *to, const void *from, size_t bytes);
    uint32_t frame_id;                 /* of the frame in hand, for the trace */
    const struct hfi_arrival *arrival; /* the segment in hand, or NULL */
} hfi_ctx;

/* The sum of payload. A short one is not worth the way to the caller's routine. */
static inline uint32_t hfi_sum(const hfi_ctx *ctx, const void *data, size_t bytes) {
    return bytes < 160 ? hfi_csum_add(0, data, bytes) : ctx->csum_add(0, data, bytes);
}

/* A limit of unanswered attempts, and the lower one of a connection that nobody owns. */
static inline uint32_t hfi_attempts(const hfi_ctx *ctx, const hfi_conn *conn, uint32_t limit) {
    const uint32_t orphan = ctx->limits->orphan_attempts;
    return orphan != 0 && hfi_has(conn, HFI_F_CLOSED_BY_APP) ? hfi_min32(orphan, limit) : limit;
}

/* What the caller of a TCP step hands on: rooms never call `stack`. */
typedef struct hfi_departure {
    hfi_tcp_view tcp; /* window as on the wire */
    hf_addr source, destination;
    hfi_index chunk;    /* of the first payload byte */
    uint32_t offset;    /* stream offset of it */
    uint16_t gso_bytes; /* payload of each piece, 0 if one segment */
    uint8_t ttl, traffic_class;
    const hf_source_route *route; /* borrowed until it is a frame; NULL: straight */
    hfi_index conn;               /* or HFI_NONE */
    hf_cause cause;
    uint32_t a, b;
} hfi_departure;

typedef struct hfi_effects {
    bool reply; /* `departure` is to be sent: a segment that no connection keeps */
    hfi_departure departure;
    hfi_index reachable;  /* path that has just been proved, or HFI_NONE (RFC 4861 7.3.1) */
    hfi_index doubt_path; /* path that lets us down, MUST-20's R1 */
} hfi_effects;

/* An arriving segment, parsed and with a good checksum. */
typedef struct hfi_arrival {
    hfi_tcp_view tcp;
    hf_addr source, destination;
    uint16_t local; /* index of the destination among our addresses */
    uint16_t mtu;   /* of the link back */
    uint32_t ref;   /* whose it is: a reference of the flow table, or HFI_NONE */
    uint8_t traffic_class, ttl;
    uint16_t gso_bytes;           /* payload of each merged piece, 0 if one segment */
    const hf_source_route *route; /* borrowed: the way back of its source route, or NULL */
    const hf_part *parts;         /* borrowed: where the payload lies */
    uint32_t part_count;
    uint32_t skip; /* bytes of the parts before the payload */
} hfi_arrival;

#ifndef HF_QUIRKS
#define HF_QUIRKS 1
#endif
#if HF_QUIRKS
static inline bool hfi_quirk(const hfi_ctx *ctx, uint32_t quirk) {
    return (ctx->root->config.quirks & quirk) != 0;
}
#else
static inline bool hfi_quirk(const hfi_ctx *ctx, uint32_t quirk) {
    (void)ctx, (void)quirk;
    return false;
}
#endif

/* RFC 7323 3.2: a segment on which timestamps were agreed, which has none, and which the profile drops
 * for that. No RST need have them, nor a SYN, which may be of another connection. */
static inline bool hfi_tcp_lacks_timestamp(const hfi_ctx *ctx, const hfi_tcp_view *seg) {
    return (seg->options.present & HFI_OPT_TIMESTAMPS) == 0 &&
           (seg->flags & (HFI_TCP_RST | HFI_TCP_SYN)) == 0 &&
           hfi_quirk(ctx, HF_QUIRK_TIMESTAMPS_REQUIRED);
}

static inline const hf_tcp_options *hfi_options(const hfi_ctx *ctx, const hfi_conn *conn) {
    return &ctx->option_sets[conn->options].value;
}

/* Bytes of an IP packet beside a full segment's payload (RFC 9293 3.7.1 MUST-16). */
static inline uint32_t hfi_header_bytes(const hfi_ctx *ctx, const hfi_conn *conn) {
    const uint32_t stamps = hfi_has(conn, HFI_F_TIMESTAMPS) ? 12 : 0;
    const hf_source_route *route = &hfi_options(ctx, conn)->source_route;
    return (hf_addr_is4(&conn->remote) ? 40 : 60) + stamps +
           (route->count > 0 ? hfi_ip4_route_bytes(route) : 0);
}

/* Where packets of a connection go first. */
static inline hf_addr hfi_first_hop(const hf_source_route *route, const hf_addr *remote) {
    return route != NULL && route->count > 0 ? hf_addr4(route->hops[0][0], route->hops[0][1],
                                                        route->hops[0][2], route->hops[0][3])
                                             : *remote;
}

static inline hf_congestion hfi_congestion(const hfi_ctx *ctx, const hfi_conn *conn) {
    const uint32_t asked = hfi_options(ctx, conn)->congestion;
    return (hf_congestion)(asked != HF_CONGESTION_DEFAULT ? asked : ctx->limits->congestion);
}

static inline hf_ecn hfi_ecn(const hfi_ctx *ctx, const hf_tcp_options *options) {
    return (hf_ecn)(options->ecn != HF_ECN_DEFAULT ? options->ecn : ctx->limits->ecn);
}

static inline hfi_watch *hfi_watch_of(const hfi_ctx *ctx, const hfi_conn *conn) {
    return &ctx->watches[conn->watch];
}

/* The listener of a connection that waits to be accepted. */
static inline hfi_index hfi_conn_listener(const hfi_ctx *ctx, const hfi_conn *conn) {
    return hfi_has(conn, HFI_F_WATCHED) ? hfi_watch_of(ctx, conn)->listener : conn->listener;
}

/* True if connections with these options have a watch. */
static inline bool hfi_options_watch(const hf_tcp_options *options) {
    return options->progress_within_ns != 0 || options->answer_within_ns != 0 ||
           options->idle_within_ns != 0 || options->open_check_ns != 0 || options->account ||
           options->user_timeout_most_ns != 0 || options->advertise_user_timeout;
}

/* True if a watch is free that no handshake was promised. */
static inline bool hfi_watch_free(const hfi_ctx *ctx) {
    return hfi_pool_left(&ctx->root->watch_pool) > ctx->root->watches_promised;
}

static inline hfi_index hfi_conn_index(const hfi_ctx *ctx, const hfi_conn *conn) {
    return (hfi_index)(conn - ctx->conns);
}

static inline hfi_tick hfi_ticks_from(const hfi_ctx *ctx, hf_ns wait_ns) {
    return hfi_tick_deadline(ctx->now_ns + wait_ns);
}

#ifdef HF_CAUSE_MARKS
/* A build for tests only: tests/cause_marks.c notes which causes its runs have counted or told. */
void hfi_cause_hit(hf_cause cause);
#endif

static inline void hfi_count(hfi_ctx *ctx, hf_cause cause) {
    ctx->root->counts[cause]++;
#ifdef HF_CAUSE_MARKS
    hfi_cause_hit(cause);
#endif
}

/* Writes a trace record, if there is a sink. Counts nothing. */
void hfi_trace(hfi_ctx *ctx, hf_trace_event event, hfi_index conn, hf_cause cause, uint32_t a,
               uint64_t b);

/* Counts the cause and tells of it. */
static inline void hfi_note(hfi_ctx *ctx, hfi_index conn, hf_cause cause, uint32_t a, uint64_t b) {
    hfi_count(ctx, cause);
    if (HFI_UNLIKELY(ctx->trace != NULL)) hfi_trace(ctx, HF_TRACE_NOTE, conn, cause, a, b);
}

/* Puts the connection on the transmit list, owing `what` (HFI_P_*). */
void hfi_conn_owe(hfi_ctx *ctx, hfi_conn *conn, uint16_t what);

/* Adds pending events and lists the connection once. */
void hfi_conn_event(hfi_ctx *ctx, hfi_conn *conn, uint16_t bits);
void hfi_listener_event(hfi_ctx *ctx, hfi_listener *listener, uint32_t bits);

/* The key under which the flow table knows the connection. */
hfi_flow_key hfi_conn_key(const hfi_ctx *ctx, const hfi_conn *conn);

/* A new connection, whose peer is known, gets the row of its owner; one whose block is given back leaves
 * it. */
void hfi_owner_join(hfi_ctx *ctx, hfi_conn *conn);
void hfi_owner_leave(hfi_ctx *ctx, const hfi_conn *conn);

static inline uint32_t hfi_owner_of(const hfi_ctx *ctx, const hfi_conn *conn) {
    return ctx->owners.of_conn[hfi_conn_index(ctx, conn)];
}

/* True if the row holds as many as one may (0: any number). */
static inline bool hfi_owner_is_full(const hfi_ctx *ctx, const uint32_t *held, uint32_t row,
                                     uint32_t most) {
    const uint32_t shares = row == 0 ? ctx->root->config.other_shares : 1;
    return most != 0 && held[row] >= (uint64_t)most * shares;
}

/* True if the peer may open one connection more: within its share, and not the largest holder when
 * connections are scarce. */
bool hfi_owner_may_connect(const hfi_ctx *ctx, const hf_addr *remote);

/* Something of this peer was refused for its share. */
void hfi_owner_note_refused(hfi_ctx *ctx, const hf_addr *remote);

/* A keyed number that nobody outside can predict and that differs at each call. */
uint32_t hfi_random(hfi_ctx *ctx);

/* RFC 6528: the initial sequence number of a tuple now, 4 microsecond clock plus keyed hash. */
hf_seq hfi_isn(const hfi_ctx *ctx, const hfi_flow_key *key);

/* Which of `count` shards a tuple belongs to, the same seen from both ends. */
uint32_t hfi_shard(const hfi_ctx *ctx, const hfi_flow_key *key, uint32_t count);

/* RFC 7323 5.4: the offset of a tuple's timestamp clock, the same for each of its incarnations. */
uint32_t hfi_timestamp_offset(const hfi_ctx *ctx, const hfi_flow_key *key);

/* Our timestamp clock, of 1.024 ms, for a tuple that no connection stands for. */
static inline uint32_t hfi_timestamp(const hfi_ctx *ctx, const hfi_flow_key *key) {
    return ctx->now_tick + hfi_timestamp_offset(ctx, key);
}

/* Moves the state; asserts that RFC 9293 3.3.2 has the move. */
void hfi_conn_move(hfi_ctx *ctx, hfi_conn *conn, hf_state to);

/* Queues linked through conn fields. */
typedef enum hfi_link_field { HFI_LINK_TX, HFI_LINK_READY, HFI_LINK_QUEUE } hfi_link_field;
void hfi_queue_push(hfi_ctx *ctx, hfi_queue *queue, hfi_link_field field, hfi_index conn);
hfi_index hfi_queue_pop(hfi_ctx *ctx, hfi_queue *queue, hfi_link_field field);
/* Takes one out of the middle; walks the queue, so for rare paths only. */
bool hfi_queue_remove(hfi_ctx *ctx, hfi_queue *queue, hfi_link_field field, hfi_index conn);

#endif
