/* How connections end: who ended them, by what, on which evidence, and what became of the bytes.
 *
 * Each end is told once: by its handle (HF_EVENT_END, then hf_conn_end), or, where no handle is left
 * to tell it by, in a ring of records that outlive their connections:
 *
 *     connection ends ---- has a handle ----> HF_EVENT_END, hf_conn_end, hf_release
 *                 |                             | released unread, or beyond config.end_budget
 *                 +-- orphan, never accepted --> ring of config.end_records --> hf_end_next
 *     hf_connect fails ------------------------>
 */
#ifndef HF_END_H
#define HF_END_H

#include <hf/engine.h>
#include <hf/state.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum hf_tw_holder { HF_TW_NOBODY, HF_TW_US, HF_TW_PEER, HF_TW_BOTH } hf_tw_holder;

/* Who ended it. A graceful close: who closed first. */
typedef enum hf_end_who {
    HF_WHO_NOBODY,
    HF_WHO_APPLICATION,
    HF_WHO_STACK, /* a bound, a timer, a deadline of ours */
    HF_WHO_PEER,
    HF_WHO_PATH,  /* a router, a missing route, a silent neighbour */
    HF_WHO_MEMORY /* a pool was empty, or the local ports were */
} hf_end_who;

typedef enum hf_reset_by { HF_RESET_BY_NOBODY, HF_RESET_BY_US, HF_RESET_BY_PEER } hf_reset_by;

/* What speaks against an RST being the peer's. Each is a doubt, never a proof: a host may give its RSTs
 * another TTL than its data, and a middlebox that knows the connection can imitate all of it. */
enum {
    HF_RST_TTL_UNLIKE = 1, /* TTL or hop limit: two or more off from the peer's last segment */
    HF_RST_ACK_UNLIKE = 2, /* it acknowledges what was never sent, or longer ago than a window */
    HF_RST_STAMP_UNLIKE =
        4 /* its timestamp is older than the peer's last, or echoes none of ours */
};

/* The header of the segment that ended the connection, and what was expected when it came. An RST had
 * seq == rcv_nxt, else it would have ended nothing (RFC 5961 3.2): a stranger who does not see the
 * traffic must guess that one number of 2^32. Who sees it, a middlebox, need not guess. */
typedef struct hf_end_segment {
    bool present; /* it was a segment that ended it, not a timer or a call */
    uint8_t flags, ttl;
    uint8_t usual_ttl; /* of the last acceptable segment before; 0: there was none */
    uint16_t window;   /* as on the wire */
    uint16_t doubts;   /* of an RST: HF_RST_*; 0: nothing speaks against it */
    uint32_t seq, ack;
    uint32_t rcv_nxt, rcv_window; /* ours, then */
} hf_end_segment;

typedef struct hf_end {
    hf_cause cause;     /* HF_CAUSE_END_* */
    hf_cause mechanism; /* HF_CAUSE_BY_* */
    hf_end_who who;
    hf_state state; /* in which it was */
    hf_ns at_ns;
    /* Evidence. */
    hf_ns last_heard_ns;          /* the last acceptable segment; before any, when it began */
    uint32_t unanswered;          /* eliciting transmissions since then */
    uint32_t retransmissions;     /* of the last unacknowledged segment */
    hf_end_segment segment;       /* that ended it */
    uint8_t icmp_type, icmp_code; /* the last ICMP error that it met; both 0 and no router: none */
    hf_addr router;               /* who sent that error; all zero if unknown */
    hf_ns first_free_at_ns; /* of END_NO_PORT: when the first port is free; HF_NEVER if unknown */
    /* The receipt. */
    uint64_t bytes_from_app; /* taken by hf_send */
    uint64_t bytes_sent;     /* of these, sent at least once */
    uint64_t bytes_acked;    /* of these, acknowledged by the peer */
    uint64_t bytes_thrown;   /* taken and not acknowledged when it ended: lost, as far as we know */
    uint64_t bytes_to_app;   /* read by the application */
    uint64_t bytes_unread;   /* arrived in order, never read */
    uint64_t bytes_drained;  /* of these, read and thrown away by a lingering close */
    bool fin_sent;           /* our FIN left */
    bool fin_acked;          /* the peer has acknowledged our FIN */
    bool fin_heard;          /* the peer has sent its FIN */
    hf_reset_by reset_by;    /* an RST ended it, or told the peer of the end */
    hf_tw_holder time_wait;
    hf_ns time_wait_until_ns; /* ours, at least; 0 if we hold none */
} hf_end;

/* An end that no handle tells. */
typedef struct hf_end_record {
    uint64_t number; /* of all records, from 0 */
    uint64_t lost;   /* records before it that were overwritten before this reader came */
    hf_conn conn;    /* the handle it had; index UINT32_MAX if hf_connect failed */
    hf_addr local, remote;
    uint16_t local_port, remote_port; /* 0: none was chosen */
    bool dropped;                     /* beyond end_budget: its handle is stale now */
    hf_end end;
} hf_end_record;

/* HF_AGAIN while the connection lives. The end is told then: releasing the handle makes no record. Of
 * a close that went on alone at its deadline it tells how far that has come by now (hf_close). */
hf_err hf_conn_end(hf_engine *engine, hf_conn conn, hf_end *ret_end);

/* Reads the next record at or after *cursor, which starts at 0 and is the reader's own: several may
 * read. False if there is none yet. */
bool hf_end_next(const hf_engine *engine, uint64_t *cursor, hf_end_record *ret_record);

#ifdef __cplusplus
}
#endif
#endif
