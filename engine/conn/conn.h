/* conn: the connection block. Data only; each part names the room that owns it, and only that room
 * writes it (docs/OWNERS.md).
 *
 *     hot  128 bytes   what every segment touches: sequence space, windows, RTT, cwnd, queues
 *     cold 128 bytes   who the peer is, deadlines, counters, how it ended
 *
 * Idle, a connection costs these 256 bytes, a flow slot (8 at its load), a wheel node (12) and its
 * pool and list links (8): less than 320 in all. Send and receive data, descriptors and ranges
 * come from pools and only while they are needed.
 *
 * A stream's offset counts from its first byte: snd offset = seq - (iss + 1), rcv offset = seq -
 * (irs + 1).
 */
#ifndef HFI_CONN_H
#define HFI_CONN_H

#include <hf/tcp.h>
#include "base/base.h"

/* hfi_conn.flags */
enum {
    HFI_F_TIMESTAMPS = 1u << 0,
    HFI_F_SACK = 1u << 1,
    HFI_F_WSCALE = 1u << 2,
    HFI_F_FIN_QUEUED = 1u << 3,    /* the application closed its side: FIN after the queued data */
    HFI_F_FIN_SENT = 1u << 4,      /* snd.nxt is beyond the FIN */
    HFI_F_PEER_FIN = 1u << 5,      /* the peer's FIN was taken, in order */
    HFI_F_PEER_FIN_SEEN = 1u << 6, /* the peer's FIN is known (at peer_fin), maybe beyond a gap */
    HFI_F_CLOSED_BY_APP = 1u << 7, /* hf_close: nobody will read any more */
    HFI_F_DETACHED = 1u << 8,      /* no handle: freed when it ends */
    HFI_F_ENDED = 1u << 9,         /* over; the end record is valid */
    HFI_F_RECOVERY = 1u << 10,     /* fast recovery until snd.una passes `recover` */
    HFI_F_LOSS = 1u << 11,         /* after a time-out, until snd.una passes `recover` */
    HFI_F_IN_TX = 1u << 12,        /* on the transmit list */
    HFI_F_IN_READY = 1u << 13,     /* on the event list */
    HFI_F_WANTS_ROOM = 1u << 14,   /* a send took less than asked: tell when there is room */
    HFI_F_PASSIVE = 1u << 15,      /* opened by a listener (MUST-11) */
    HFI_F_UNACCEPTED = 1u << 16,   /* in the accept queue */
    HFI_F_SMALL_IN_FLIGHT = 1u << 17, /* Minshall: a segment below the MSS is unacknowledged */
    HFI_F_KNOWN = 1u << 18,           /* in the flow table */
    HFI_F_WARNED = 1u << 19,          /* UNHEARD was told since last heard */
    HFI_F_PERSIST = 1u << 20, /* the peer's window keeps us from sending, nothing in flight */
    HFI_F_BOUND_RAISED = 1u << 21,
    HFI_F_WATCHED = 1u << 22,        /* `watch` is valid, else `listener` */
    HFI_F_WAITS_NEIGHBOR = 1u << 23, /* on a neighbour entry's waiting list */
    HFI_F_RST_ON_DEADLINE = 1u << 24,
    HFI_F_WAITS_ROOM = 1u << 26, /* on the list of those who wait for transmit chunks */
    HFI_F_RELEASED = 1u << 28, /* the handle was given back; freed when it ends and is on no list */
    HFI_F_COOKIE = 1u << 29,   /* opened by a SYN cookie, which may come again */
    HFI_F_ECN = 1u << 30       /* ECN is agreed; in SYN_SENT: each SYN so far has asked for it */
};
/* A mark was received and the peer has not said yet that it slowed down: our ACKs echo it. (An enum
 * holds no more than an int.) */
#define HFI_F_ECN_ECHO (1u << 31)

/* hfi_conn.flags of a connection that has ended: bits of what only the living do. */
enum {
    HFI_E_TOLD = HFI_F_RECOVERY,        /* hf_conn_end was asked */
    HFI_E_LISTED = HFI_F_LOSS,          /* on the list of ends that wait to be told */
    HFI_E_RESET = HFI_F_PERSIST,        /* the end was told to the peer by RST */
    HFI_E_SEGMENT = HFI_F_WARNED,       /* a segment ended it: `fatal` */
    HFI_E_STAMP = HFI_F_SMALL_IN_FLIGHT /* its timestamps were not the peer's */
};

/* hfi_conn.pending: what transmission owes, cleared as it is sent. */
enum {
    HFI_P_ACK = 1u << 0,
    HFI_P_SYN = 1u << 1,
    HFI_P_SYN_ACK = 1u << 2,
    HFI_P_RST = 1u << 3,
    HFI_P_PROBE = 1u << 4,  /* a zero-length segment at snd.una - 1 */
    HFI_P_RESEND = 1u << 5, /* the oldest unacknowledged segment, whatever cwnd says */
    HFI_P_DATA = 1u << 6,   /* look whether data or FIN can go */
    HFI_P_CHALLENGE = 1u << 7,
    HFI_P_OVERRIDE =
        1u << 8,         /* the override timer ended: a small segment may go (SHLD, 3.8.6.2.1) */
    HFI_P_MTU = 1u << 9, /* the path's MTU may have changed, or a small segment asks about it */
    HFI_P_TAIL_PROBE = 1u << 11, /* recover: a new segment, or the last again, whatever cwnd says */
    HFI_P_CWR = 1u << 12,        /* no debt: the next new data says that the window fell */
    HFI_P_NO_ECT = 1u << 13,     /* no debt, for ever: nothing of ours may be marked any more */
    HFI_P_OPENED = 1u << 14,     /* the window that was closed until the accept */
    HFI_P_GATE = 1u << 15 /* no debt, but until the peer is heard it may come again: OPENED */
};

/* What stands in `pending` and is nothing to send. */
#define HFI_P_STANDING (HFI_P_CWR | HFI_P_NO_ECT)

/* hfi_conn.close_how */
enum {
    HFI_CLOSE_DRAIN = 1,      /* what comes is read and thrown away */
    HFI_CLOSE_AFTER_PEER = 2, /* our FIN waits for the peer's, until close_at */
    HFI_CLOSE_DETACH = 4,     /* close_at is a deadline at which the close goes on alone */
    HFI_CLOSE_TOLD = 8,       /* it does, and the application knows */
    HFI_CLOSE_SAW_SYN = 16    /* before a close too: the last challenge answers a SYN */
};

/* The age of ts_recent matters in days (RFC 7323 5.5), so its instant lacks the low 8 bits. */
#define HFI_TS_AGE_SHIFT 8u
#define HFI_TS_AGE_MASK 0xffffffu

/* The segment that ended a connection. In the block. */
typedef struct hfi_fatal {
    hf_seq seq, ack;
    uint32_t rcv_window; /* ours, then */
    uint16_t window;
    uint8_t flags, ttl;
} hfi_fatal;

/* In the block. */
typedef struct hfi_conn {
    /* ---- hot ---- */
    uint8_t state;                          /* tcp: hf_state */
    uint8_t duplicate_acks;                 /* recover */
    uint16_t pending;                       /* every room, through hfi_conn_owe */
    uint32_t flags;                         /* every room its own */
    uint16_t local_port, remote_port;       /* open */
    uint8_t snd_wscale : 4, rcv_wscale : 4; /* open */
    uint8_t ack_cause;                      /* receive: why an ACK is owed */
    uint16_t mss;   /* open: payload bytes of a full segment, options counted out (MUST-16) */
    hf_seq snd_una; /* recover: RFC 9293 3.3.1 */
    hf_seq snd_nxt; /* send */
    hf_seq snd_end; /* send: after the last queued byte, without FIN */
    hf_seq snd_wl1, snd_wl2;     /* send */
    uint32_t snd_wnd;            /* send */
    uint32_t snd_max_wnd;        /* send */
    hf_seq rcv_nxt;              /* receive */
    hf_seq rcv_adv;              /* receive: the right edge the peer was told */
    uint32_t ts_recent;          /* receive: RFC 7323 4.3 */
    uint32_t ts_recent_at : 24;  /* receive: in 256 ticks, HFI_TS_AGE_SHIFT */
    uint32_t heard_ttl : 8;      /* receive: of the last acceptable segment */
    hf_seq last_ack_sent;        /* receive */
    hfi_us32 srtt_us, rttvar_us; /* recover: RFC 6298 2, srtt 0 before the first sample */
    hfi_us32 rto_us;             /* recover: without back-off */
    uint32_t cwnd, ssthresh;     /* congest's numbers, kept by recover */
    hf_seq recover;              /* recover: RFC 6582 */
    uint8_t backoff;             /* recover: time-outs, or window probes, since una advanced */
    uint8_t unanswered;          /* live: eliciting transmissions since last heard, spaced */
    uint8_t quick_acks;          /* receive: ACKs still to be sent without delay */
    uint8_t ranges;              /* receive: out-of-order ranges held */
    union {
        struct {
            hfi_index segq_head, segq_tail; /* segq */
            hfi_index tx_head, tx_tail;     /* send: chain of chunks */
        };
        hfi_fatal fatal; /* close: afterwards, with HFI_E_SEGMENT */
    };
    hfi_index rx_head, rx_tail; /* receive: chain; tail holds rcv.nxt - 1 */
    hfi_tick heard_at;          /* live: the last acceptable segment */
    hfi_tick progress_at; /* recover: the last advance of snd.una, or the first byte queued since */
    hfi_index flight;     /* recover: HFI_NONE while nothing is in flight */

    /* ---- cold ---- */
    hf_addr remote;   /* open */
    uint16_t local;   /* open: index of our address */
    uint16_t options; /* open: index of the option set */
    uint32_t path;    /* stack: HFI_NONE before the first segment */
    union {
        struct {
            hfi_tick rtx_at;  /* recover, live: RTO or window probe; valid with HFI_T_RTX */
            hfi_tick ack_at;  /* receive; valid with HFI_T_ACK */
            hfi_tick live_at; /* live; valid with HFI_T_LIVE */
            union {
                hfi_tick close_at; /* close; valid with HFI_T_CLOSE */
                hfi_tick round_at; /* receive: before the application's close, a round began */
            };
        };
        hf_addr end_router; /* close: afterwards, who sent the ICMP error of end_icmp */
    };
    hf_seq iss, irs;        /* open */
    hf_seq rx_read;         /* receive: the next byte the application reads */
    hfi_index range_head;   /* receive */
    hfi_index range_recent; /* receive: the range that changed last, first in SACK */
    union {
        hf_seq peer_fin;   /* receive: with HFI_F_PEER_FIN_SEEN */
        hf_seq round_read; /* receive: before, rx_read when the round began */
    };
    uint64_t bytes_acked;  /* recover: of the application's */
    uint64_t bytes_to_app; /* receive */
    uint32_t generation;   /* stack: of the handle */
    uint16_t events;       /* tcp: HF_EVENT_* not yet told */
    uint8_t timers;        /* HFI_T_* */
    uint8_t transmissions; /* recover: of the oldest unacknowledged segment */
    hfi_index ready_next;  /* stack */
    hfi_index tx_next;     /* stack */
    hfi_index queue_next;  /* open: accept queue; send: those who wait for room */
    union {
        hfi_index listener; /* open: while unaccepted; in the watch if there is one */
        hfi_index watch;    /* live: with HFI_F_WATCHED */
    };
    union {
        struct {
            hfi_tick elicited_at; /* live: the last eliciting transmission */
            hfi_tick counted_at;  /* live: the last one counted in `unanswered` */
        };
        struct {
            hfi_index end_next, end_previous; /* close: afterwards, with HFI_E_LISTED */
        };
    };
    union {
        hfi_tick challenge_at; /* close: the last challenge ACK, while the connection lives */
        hfi_tick end_at;       /* close: afterwards */
    };
    union {
        uint16_t close_more_s; /* close: from close_at, while our FIN waits, to the deadline */
        uint16_t grown;        /* receive: before the close, the buffer in pages; 0: not grown */
        struct {
            uint8_t end_cause, end_mechanism; /* close: afterwards */
        };
    };
    union {
        uint8_t close_how; /* close: HFI_CLOSE_*, from the application's close on */
        uint8_t end_state; /* close: afterwards */
    };
    uint8_t end_icmp;         /* close: ICMP type << 4 | code */
    uint16_t rcv_mss;         /* receive: the largest segment seen */
    uint16_t retransmissions; /* recover: ever, saturating */
    uint32_t ts_offset;       /* open: of our timestamp clock, by tuple */
} hfi_conn;

_Static_assert(offsetof(hfi_conn, remote) == 128, "the hot half is two cache lines");
_Static_assert(sizeof(hfi_conn) == 256, "a connection is 256 bytes");
/* ack_cause, end_cause and end_mechanism: cause.def has what is sent and how connections end before the rest. */
_Static_assert(HF_CAUSE_BY_OPTION < 256, "causes of segments and of ends are stored in a byte");

/* hfi_conn.timers: which deadlines are valid; and one bit of open's, whether mss is less than the peer and
 * the link would take, since the path does not. */
enum {
    HFI_T_RTX = 1,
    HFI_T_ACK = 2,
    HFI_T_LIVE = 4,
    HFI_T_CLOSE = 8,
    HFI_T_PACE = 16,
    HFI_T_MSS_CUT = 32
};

static inline bool hfi_has(const hfi_conn *conn, uint32_t flag) {
    return (conn->flags & flag) != 0;
}

static inline uint32_t hfi_snd_offset(const hfi_conn *conn, hf_seq seq) {
    return seq - (conn->iss + 1);
}
static inline uint32_t hfi_rcv_offset(const hfi_conn *conn, hf_seq seq) {
    return seq - (conn->irs + 1);
}

/* The first byte of the application's that is not acknowledged. Before the handshake is done
 * snd.una is the SYN's number. (No comparison with iss tells: a long stream goes round it.) */
static inline hf_seq hfi_snd_first(const hfi_conn *conn) {
    const uint8_t state = hfi_has(conn, HFI_F_ENDED) ? conn->end_state : conn->state;
    return state <= HF_SYN_RECEIVED ? conn->iss + 1 : conn->snd_una;
}

/* Bytes of the application's that are held: unacknowledged and unsent. */
static inline uint32_t hfi_held(const hfi_conn *conn) {
    const hf_seq first = hfi_snd_first(conn);
    return hf_seq_lt(first, conn->snd_end) ? conn->snd_end - first : 0;
}

/* Sequence numbers in flight, SYN and FIN counted. */
static inline uint32_t hfi_in_flight(const hfi_conn *conn) { return conn->snd_nxt - conn->snd_una; }

/* Bytes queued and not yet sent once. */
static inline uint32_t hfi_unsent(const hfi_conn *conn) {
    return hfi_has(conn, HFI_F_FIN_SENT) ? 0 : conn->snd_end - conn->snd_nxt;
}

/* Is there anything that transmission could be asked for when a window opens? A closed window that is
 * probed counts, as its end has to be noticed. */
static inline bool hfi_has_unsent(const hfi_conn *conn) {
    const bool fin = (conn->flags & (HFI_F_FIN_QUEUED | HFI_F_FIN_SENT)) == HFI_F_FIN_QUEUED;
    return hfi_unsent(conn) > 0 || fin || hfi_has(conn, HFI_F_PERSIST);
}

static inline uint32_t hfi_readable(const hfi_conn *conn) {
    const hf_seq end = hfi_has(conn, HFI_F_PEER_FIN) ? conn->rcv_nxt - 1 : conn->rcv_nxt;
    return end - conn->rx_read;
}

/* What a lingering close read: it came in order, and the application neither had it nor can have it.
 * Exact up to 4 GiB. */
static inline uint32_t hfi_drained(const hfi_conn *conn) {
    const bool began = conn->rcv_nxt != 0 || conn->irs != 0; /* the peer's SYN has come */
    return began ? conn->rx_read - (conn->irs + 1) - (uint32_t)conn->bytes_to_app : 0;
}

/* States in which the handshake is done and the peer is still there. */
static inline bool hfi_is_synchronized(uint8_t state) {
    return state >= HF_SYN_RECEIVED && state <= HF_LAST_ACK;
}

/* States in which the peer may still send data (RFC 9293 3.10.7.4, seventh step). */
static inline bool hfi_may_receive(uint8_t state) {
    return state == HF_ESTABLISHED || state == HF_FIN_WAIT_1 || state == HF_FIN_WAIT_2;
}

#endif
