/* TCP connections and listeners of an engine. RFC 9293 3.9.1 names the calls. */
#ifndef HF_TCP_H
#define HF_TCP_H

#include <hf/end.h>
#include <hf/engine.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Who decides how much may be in flight. DEFAULT is what the profile says (hf_limits.congestion):
 * CUBIC, but for `linux`. */
typedef enum hf_congestion {
    HF_CONGESTION_DEFAULT,
    HF_CONGESTION_CUBIC,  /* RFC 9438, HyStart++ (RFC 9406) */
    HF_CONGESTION_NEWRENO /* RFC 5681, RFC 3465 */
} hf_congestion;

/* Explicit congestion notification, RFC 3168: routers mark packets instead of dropping them. DEFAULT is
 * what the profile says (hf_limits.ecn): ACCEPT. */
typedef enum hf_ecn {
    HF_ECN_DEFAULT,
    HF_ECN_OFF,
    HF_ECN_ACCEPT, /* who asks gets it, we do not ask */
    HF_ECN_ASK     /* our SYN asks, too; if it is lost, the next does not */
} hf_ecn;

/* What a bound does when its time is over: the connection ends by RST, or HF_EVENT_BOUND tells it once,
 * and again only after the matter was good in between. */
typedef enum hf_bound_action { HF_BOUND_END, HF_BOUND_REPORT } hf_bound_action;

/* Options of a connection, or of every connection that a listener gives. All zero is a good
 * default, without any bound on silence: hf_conn_status then says notice_by = HF_NEVER for an idle
 * connection. */
typedef struct hf_tcp_options {
    hf_ns detect_within_ns;      /* silence for this long ends the connection; 0 is off, MUST-25 */
    bool detect_strict;          /* end with BOUND_UNSOUND rather than raise the bound */
    uint8_t min_probes;          /* unanswered transmissions before a verdict; 0 means 4 */
    hf_ns keepalive_idle_ns;     /* 0 is off, MUST-25. RFC 9293 3.8.4 */
    hf_ns keepalive_interval_ns; /* 0 means 75 s */
    uint32_t keepalive_count;    /* 0 means 9 */
    hf_ns user_timeout_ns; /* unacknowledged data for this long ends the connection; 0 is off */
    uint32_t send_bytes;   /* most bytes held for sending; 0: grows with the congestion window */
    uint32_t
        receive_bytes; /* most bytes of receive window; 0: grows with what is read in a round trip */
    bool no_delay;     /* no Nagle (RFC 9293 MUST-17) */
    uint8_t ttl;       /* 0 means 64, MUST-49 */
    uint8_t traffic_class; /* DSCP in the upper six bits, MUST-48; the lower two are TCP's own */
    uint8_t congestion;    /* hf_congestion */
    uint8_t ecn;           /* hf_ecn */

    /* RFC 5482; each takes a watch (hf_config.watches). */
    bool advertise_user_timeout; /* tell the peer user_timeout_ns, if it is not 0 */
    hf_ns
        user_timeout_most_ns; /* if not 0: our user timeout grows to what the peer tells, so far */

    /* The siblings of detect_within; 0 is off. docs/PROMISES.md has the exact rules. Each takes a
     * watch (hf_config.watches). */
    hf_ns progress_within_ns; /* the peer answers but takes no data: PEER_STUCK. APP_NOT_READING has
                                 the same time, and only ever reports */
    uint32_t min_progress_bytes; /* that many must be acknowledged in that time; 0 means 1 */
    hf_ns
        answer_within_ns; /* we have sent and no payload comes: PEER_NOT_ANSWERING, a hung program */
    hf_ns idle_within_ns; /* no payload either way: IDLE, the supervisor's bound */
    hf_bound_action progress_action, answer_action, idle_action;
    hf_ns
        open_check_ns; /* a connecting side that has heard nothing but the handshake asks once, so long
                            after it, whether the peer has the connection */
    bool account;      /* keep books of why nothing was sent: hf_why_not_sending */

    /* Only hf_connect takes one, to an IPv4 peer and with HF_QUIRK_SOURCE_ROUTES (MUST-51). Reads as
     * the route in use: this one, or that by which the peer of a listener came. */
    hf_source_route source_route;
} hf_tcp_options;

/* ---- OPEN ---- */

typedef struct hf_connect_options {
    hf_addr remote;
    uint16_t remote_port;
    hf_addr local;       /* any: chosen by route (RFC 9293 MUST-44) */
    uint16_t local_port; /* 0: chosen by RFC 6056 */
    hf_tcp_options tcp;
} hf_connect_options;

/* Starts to connect; HF_EVENT_CONNECTED or HF_EVENT_END follows. Copies options.
 * HF_BAD_DESTINATION, HF_NO_ROUTE, HF_NO_ADDRESS, HF_NO_PORT, HF_TUPLE_IN_USE,
 * HF_TIME_WAIT_FULL, HF_NO_CONNECTION_SLOT, HF_NO_MEMORY. A refused connect leaves a record
 * (hf_end_next), which says when a port is free; hf/ledger.h what holds them. */
hf_err hf_connect(hf_engine *engine, const hf_connect_options *options, hf_conn *ret_conn);

typedef struct hf_listener {
    uint32_t index, generation;
} hf_listener;

/* What a listener does with a SYN when its places are taken. RULE of the house: a client that got a
 * SYN-ACK has a place, or is told by RST. */
typedef enum hf_when_full { HF_FULL_COOKIE, HF_FULL_IGNORE, HF_FULL_REFUSE } hf_when_full;

/* When a client becomes ESTABLISHED.
 * HANDSHAKE: when its handshake is done; the program accepts later, and a place is kept until then.
 * SYN: when the program has said yes to its SYN (hf_pending_next, hf_syn_answer); connect() means
 *     accept(). Hurts clients that wait less than the program takes: a user timeout, Happy Eyeballs.
 * WINDOW: as HANDSHAKE, but with a closed window until hf_accept: the client can send nothing before.
 *     Hurts clients whose user timeout counts a closed window (Linux's does). */
typedef enum hf_accept_at {
    HF_ACCEPT_AT_HANDSHAKE,
    HF_ACCEPT_AT_SYN,
    HF_ACCEPT_AT_WINDOW
} hf_accept_at;

typedef struct hf_listen_options {
    hf_addr local; /* any: all addresses */
    uint16_t port;
    uint32_t backlog; /* places: handshakes with a reservation and connections not yet accepted; 0
                         means 128 */
    hf_when_full when_full; /* with ACCEPT_AT_SYN a cookie cannot be: COOKIE then is IGNORE */
    hf_accept_at accept_at;
    hf_tcp_options tcp; /* given to each connection */
} hf_listen_options;

/* Listens. HF_ARGUMENT, HF_PORT_IN_USE, HF_NO_ADDRESS, HF_NO_LISTENER_SLOT. */
hf_err hf_listen(hf_engine *engine, const hf_listen_options *options, hf_listener *ret_listener);

/* Gives the next connection whose handshake is done. HF_AGAIN: wait for HF_EVENT_ACCEPTABLE. */
hf_err hf_accept(hf_engine *engine, hf_listener listener, hf_conn *ret_conn);

/* A SYN that waits for the program's answer, with ACCEPT_AT_SYN. */
typedef struct hf_pending {
    uint32_t index, serial; /* which */
    hf_addr remote, local;
    uint16_t remote_port;
    uint16_t mss; /* that it names; 0 if none */
    bool timestamps, sack, window_scaling;
    uint8_t repeats; /* how often it came again */
    hf_ns age_ns;    /* since it came first */
} hf_pending;

/* Gives the oldest SYN that has come, or come again, since it was given last. HF_AGAIN: wait for
 * HF_EVENT_SYN. It waits for an answer until 3 s after it came last, then it is forgotten without a
 * word. */
hf_err hf_pending_next(hf_engine *engine, hf_listener listener, hf_pending *ret_pending);

typedef enum hf_syn_verdict {
    HF_SYN_ACCEPT, /* SYN-ACK, and a connection reserved: hf_accept gives it */
    HF_SYN_REFUSE, /* RST */
    HF_SYN_IGNORE  /* forgotten; if it comes again it is new */
} hf_syn_verdict;

/* Answers. HF_STALE: it is forgotten, or answered. HF_NO_CONNECTION_SLOT: cannot be accepted now, it
 * waits on. */
hf_err hf_syn_answer(hf_engine *engine, hf_listener listener, const hf_pending *pending,
                     hf_syn_verdict verdict);

/* Takes no more SYNs (they are refused), lets handshakes finish and the program accept what waits;
 * then, or after deadline_ns (a wait from now; what still waits is reset), stops listening and tells
 * HF_EVENT_DRAINED. The handle stays until hf_listener_close. */
hf_err hf_listener_drain(hf_engine *engine, hf_listener listener, hf_ns deadline_ns);

/* Stops listening; connections not yet accepted are reset. */
hf_err hf_listener_close(hf_engine *engine, hf_listener listener);

typedef struct hf_listener_status {
    uint32_t waiting;     /* done handshakes, not yet accepted */
    uint32_t handshaking; /* reservations */
    uint32_t backlog;
    uint32_t peak_waiting;
    uint64_t accepted, cookies_sent, cookies_good, overflows;
    hf_cause last_overflow; /* what was done */
    hf_addr last_overflow_peer;
    uint16_t last_overflow_port;
    uint32_t pending; /* SYNs that wait for hf_syn_answer */
    bool draining, drained;
} hf_listener_status;

hf_err hf_listener_status_get(const hf_engine *engine, hf_listener listener,
                              hf_listener_status *ret);

/* ---- SEND ---- */

/* Copies up to `bytes` into the connection's queue; *ret_taken says how many (0 with HF_AGAIN: wait
 * for HF_EVENT_WRITABLE). Data queued before the handshake is done is sent after it. HF_STATE after
 * a close of our side, HF_ENDED. */
hf_err hf_send(hf_engine *engine, hf_conn conn, const void *data, size_t bytes, size_t *ret_taken);

/* As hf_send, and the end of what was taken becomes the urgent mark (RFC 9293 3.8.5): the peer's
 * application is told that the stream is urgent up to there, at once even if the data itself has to
 * wait. The data stays in line. Only for protocols that have it from old times (telnet, rlogin): new
 * ones should not (SHLD-13, RFC 6093). Takes a watch (hf_config.watches) until it is acknowledged;
 * HF_NO_MEMORY if none is free. */
hf_err hf_send_urgent(hf_engine *engine, hf_conn conn, const void *data, size_t bytes,
                      size_t *ret_taken);

/* Lends room in the queue, at least 1 byte and often a whole chunk; write there, then commit what
 * was written before any other call on the connection and before the next step. */
hf_err hf_send_reserve(hf_engine *engine, hf_conn conn, void **ret_room, size_t *ret_bytes);
hf_err hf_send_commit(hf_engine *engine, hf_conn conn, size_t bytes);

/* ---- RECEIVE ---- */

/* Copies up to `bytes` of what has arrived in order. HF_AGAIN: nothing yet. HF_END_OF_STREAM: the
 * peer closed and all is read. HF_ENDED: reset or timed out, and all that came before is read. */
hf_err hf_receive(hf_engine *engine, hf_conn conn, void *to, size_t bytes, size_t *ret_bytes);

/* Lends what has arrived, as parts in order (up to `max`); consume gives bytes back from the front.
 */
hf_err hf_receive_peek(hf_engine *engine, hf_conn conn, hf_part *ret_parts, size_t max,
                       size_t *ret_count);
hf_err hf_receive_consume(hf_engine *engine, hf_conn conn, size_t bytes);

/* ---- CLOSE, ABORT ---- */

/* What becomes of a close that is not finished by its deadline. DETACH: HF_EVENT_END tells how far it
 * came (END_CLOSE_DEADLINE, BY_DETACH) and it goes on without the application, within the profile's
 * limits; its real end is told by hf_end_next once the handle is released. RST: it ends, and the peer
 * is told. */
typedef enum hf_at_deadline { HF_DEADLINE_DETACH, HF_DEADLINE_RST } hf_at_deadline;

typedef struct hf_close_options {
    hf_ns
        deadline_ns; /* a wait from now, 20 days at most; 0: the profile's orphan limit, at which it
                          ends */
    hf_at_deadline at_deadline;
    /* Lingers: what the peer sends, or has sent and nobody read, is read and thrown away until its
     * FIN or the deadline. Else it is answered by RST, which may destroy at the peer what we sent
     * last. */
    bool drain;
    /* Our FIN waits for the peer's, this long at most, so that TIME_WAIT stays with the peer; drains
     * meanwhile. 0: it does not wait. */
    hf_ns after_peer_ns;
} hf_close_options;

/* Closes our side after all queued data (FIN), keeps reading: a half-close, without a deadline. */
hf_err hf_shutdown(hf_engine *engine, hf_conn conn);

/* Closes both sides, in order: queued data, FIN; without `drain`, what still arrives is refused by
 * RST (SHLD-3), and so is a close with unread data. HF_EVENT_END follows, with the receipt, at the
 * deadline at the latest. Who does not care for it releases the handle: the engine goes on alone,
 * within the same limits. options may be NULL: all zero. HF_ARGUMENT.
 *
 * SO_LINGER's three modes: off is hf_close(NULL) and hf_release; on with n seconds is a close with a
 * deadline of n seconds, DETACH, and waiting for HF_EVENT_END; on with 0 is hf_abort. */
hf_err hf_close(hf_engine *engine, hf_conn conn, const hf_close_options *options);

/* Resets the connection and throws away what is queued; HF_EVENT_END follows at once. */
hf_err hf_abort(hf_engine *engine, hf_conn conn);

/* Gives the handle back. A connection that has not ended is first closed, detached. */
hf_err hf_release(hf_engine *engine, hf_conn conn);

/* ---- STATUS. How a connection ended: hf/end.h. ---- */

/* Bounds whose time is over now, or signs of trouble, of a connection that goes on. */
enum {
    HF_PASSED_PROGRESS = 1,       /* the peer takes no data */
    HF_PASSED_ANSWER = 2,         /* the peer's application does not answer */
    HF_PASSED_IDLE = 4,           /* no payload either way */
    HF_PASSED_APP_NOT_READING = 8 /* what has arrived is not read by our own application */
};

/* Why the client may doubt that the peer has taken the connection (PEER_MAY_NOT_HAVE_ACCEPTED). It is
 * no verdict: a lost ACK, a duplicated segment or a server that defers its accept look the same. */
enum {
    HF_DOUBT_SYN_ACK_REPEATED =
        1,                    /* the SYN-ACK came again, though we had acknowledged it long ago */
    HF_DOUBT_DATA_IGNORED = 2 /* and data that we sent before was not acknowledged */
};

typedef struct hf_doubt {
    uint32_t count;    /* late repeated SYN-ACKs; 2 or more are a doubt, 0 after any byte or ACK */
    hf_ns first_at_ns; /* the first of them */
    uint32_t reasons;  /* HF_DOUBT_* */
} hf_doubt;

typedef struct hf_conn_status {
    hf_state state;
    hf_addr local, remote;
    uint16_t local_port, remote_port;
    uint16_t mss; /* payload bytes of a full segment we send */
    bool timestamps, sack, window_scaling, ecn;
    hf_ns srtt_ns, rttvar_ns, rto_ns;
    uint32_t cwnd_bytes, ssthresh_bytes;
    uint32_t peer_window_bytes, our_window_bytes;
    uint32_t in_flight_bytes, queued_bytes, readable_bytes;
    uint64_t bytes_from_app, bytes_acked, bytes_received;
    hf_ns last_heard_ns;
    hf_ns notice_by_ns; /* if the peer vanished now: when the application would know; HF_NEVER */
    hf_ns detect_within_ns;   /* as in force: raised if the path asks for it */
    uint32_t unanswered;      /* eliciting transmissions since last heard */
    uint32_t retransmissions; /* since the connection began */
    hf_cause soft_error;      /* the last ICMP trouble, or NONE */
    hf_cause notice_by;       /* by which bound notice_by_ns would be: HF_CAUSE_BY_*, or NONE */
    hf_ns hung_notice_by_ns;  /* if only the peer's program hung now; HF_NEVER */
    uint32_t bounds_passed;   /* HF_PASSED_* */
    hf_doubt doubt;
    hf_ns user_timeout_ns;      /* in force; 0 is off */
    hf_ns peer_user_timeout_ns; /* as the peer told it last (RFC 5482); 0 if never */
    /* To be read up to the peer's urgent mark, arrived or not (MUST-33); 0 if none is ahead, or three
     * quarters of the watches were in use. */
    uint32_t urgent_bytes;
    uint32_t send_buffer_bytes, receive_buffer_bytes; /* what each may hold now */
    uint32_t packet_bytes;      /* of the largest IP packet we send: mss with its headers */
    uint32_t packet_bytes_most; /* if the path took all that the peer and our link do */
    hf_cause mtu_cause;         /* why it is known to take less: HF_CAUSE_TOOK_ICMP_TOO_BIG,
                           HF_CAUSE_MTU_BLACK_HOLE, or NONE */
} hf_conn_status;

hf_err hf_conn_status_get(const hf_engine *engine, hf_conn conn, hf_conn_status *ret_status);

/* What keeps a connection from sending more: HF_WHY_APPLICATION, HF_WHY_PEER_WINDOW ... of why.def. */
typedef enum hf_why {
#define HF_WHY_ROW(name, words, sentence) HF_WHY_##name,
#include <hf/why.def>
#undef HF_WHY_ROW
    HF_WHY_COUNT
} hf_why;

typedef struct hf_not_sending {
    hf_why why;
    bool accounted;             /* the connection keeps books: option `account` */
    hf_ns total_ns;             /* since it is ESTABLISHED, or the option was set; to its end */
    hf_ns for_ns[HF_WHY_COUNT]; /* how much of it each took; the sum is total_ns exactly */
} hf_not_sending;

/* Says what keeps the connection from sending. HF_STATE before the handshake is done. */
hf_err hf_why_not_sending(const hf_engine *engine, hf_conn conn, hf_not_sending *ret);

const char *hf_why_name(hf_why why);

/* Changes the options of a living connection. Copies. HF_ARGUMENT, HF_NO_OPTION_SLOT, HF_NO_MEMORY
 * (watches). */
hf_err hf_conn_options_set(hf_engine *engine, hf_conn conn, const hf_tcp_options *options);
hf_err hf_conn_options_get(const hf_engine *engine, hf_conn conn, hf_tcp_options *ret_options);

#ifdef __cplusplus
}
#endif
#endif
