/* The sockets you already have: bounds, closing with a receipt, listeners, failed connects. Linux
 * TCP, IPv4 and IPv6, no root, no thread, no malloc, nothing of the engine.
 *
 * To copy it into a tree, take hf/kernel.h, hf/base.h, hf/err.def, hf/cause.h, hf/cause.def and
 * kernel.c; or link `pkg-config --cflags --libs holdfast-kernel`.
 *
 * THE WATCH. Begin one for a connected or connecting socket, then look at the instants it asks for:
 *
 *     hf_watch watch;
 *     hf_watch_bounds bounds = {.silent_ns = 5 * HF_SECOND};
 *     if (!hf_watch_begin(&watch, fd, &bounds, hf_kernel_now(), NULL, &problem)) ...
 *     loop: poll(..., until next_ns);
 *           if (hf_watch_look(&watch, hf_kernel_now(), &next_ns) == HF_WATCH_PEER_SILENT)
 * close(fd);
 *
 * A look costs one getsockopt(TCP_INFO) and hardly more: measured 2.5 us, 1.05 times the bare call,
 * on each of 10,000 sockets in turn (bench/watch.c). A watch of a living peer asks for about one
 * look in each bound, for T = 3 s one in two seconds. A look never blocks, reads no data, takes no
 * pending error and kills nothing: the loop and the verdict are the caller's.
 *
 * What is heard: an acceptable ACK (tcpi_last_ack_recv) or data in order (tcpi_last_data_recv). Our
 * own sends, and segments that the kernel threw away (the peer's keepalive probes, repeated
 * SYN-ACKs), are no sign that the peer hears us. What makes the peer speak is the kernel's:
 * keepalive probes while nothing is outstanding, retransmissions and window probes otherwise. A
 * verdict of silence needs the time AND unanswered transmissions, so neither a suspended machine
 * nor a late look ends a healthy peer.
 *
 * Functions that write text copy it to `to`, at most size - 1 characters and a 0, and return the
 * length that the whole text has, as snprintf does. A watch is used by one thread at a time.
 */
#ifndef HF_KERNEL_H
#define HF_KERNEL_H

#include <hf/cause.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Nanoseconds of CLOCK_MONOTONIC: a `now_ns` that suits everything here. */
hf_ns hf_kernel_now(void);

/* Names and sentences of hf/cause.def, for programs without the explain library. */
const char *hf_kernel_cause_name(hf_cause cause);
const char *hf_kernel_cause_sentence(hf_cause cause);

/* What a call could not do: which system call, which option, which value, the errno, what to do. */
typedef struct hf_kernel_problem {
    const char *call;   /* "setsockopt" */
    const char *option; /* "TCP_KEEPIDLE", or "" */
    const char *to_do;  /* a sentence */
    long long value;    /* that was asked for */
    int error;          /* errno */
} hf_kernel_problem;

/* "setsockopt(TCP_KEEPIDLE, 40000): Invalid argument. Give a bound of at most ..." */
size_t hf_kernel_problem_text(const hf_kernel_problem *problem, char *to, size_t size);

/* ---- Watch ---- */

/* 0 is off. With all zero nothing is armed, and an idle connection's end is never noticed. */
typedef struct hf_watch_bounds {
    hf_ns silent_ns; /* nothing heard; raised to 3 s, or to 5 times a slow path's RTT with its
                        spread */
    hf_ns
        stuck_ns; /* data is waiting and none of it was acknowledged, though the peer may answer */
    hf_ns answer_ns;       /* data was sent and no data has come: what finds a hung process */
    hf_ns idle_ns;         /* no data either way */
    hf_ns user_timeout_ns; /* also set TCP_USER_TIMEOUT, by which the kernel itself ends the
                            * connection: a live peer that does not read included */
} hf_watch_bounds;

typedef enum hf_watch_verdict {
    HF_WATCH_OK,
    HF_WATCH_IDLE,
    HF_WATCH_PEER_SILENT,
    HF_WATCH_PEER_STUCK,
    HF_WATCH_PEER_NOT_ANSWERING,
    HF_WATCH_PEER_MAY_NOT_HAVE_ACCEPTED, /* doubt, not proof: see hf_watch.refused_segs */
    HF_WATCH_ENDED                       /* the kernel has ended it: hf_watch_take_error says why */
} hf_watch_verdict;

typedef enum hf_phase {
    HF_PHASE_CONNECTING,
    HF_PHASE_IDLE,              /* nothing outstanding */
    HF_PHASE_IN_FLIGHT,         /* data sent and not acknowledged */
    HF_PHASE_ZERO_WINDOW_DEAD,  /* data waits for a window of a peer that is gone */
    HF_PHASE_ZERO_WINDOW_LIVE,  /* the same, but the peer answers: it is never silent */
    HF_PHASE_HALF_CLOSED_HERE,  /* our FIN is acknowledged, the peer's has not come */
    HF_PHASE_HALF_CLOSED_THERE, /* the peer's FIN has come, ours is not sent */
    HF_PHASE_CLOSING,           /* our FIN is in flight */
    HF_PHASE_COUNT
} hf_phase;

/* What holds in one phase if the peer vanishes: the verdict falls between from_ns and by_ns after
 * the peer was last heard (after connect() in HF_PHASE_CONNECTING), if the caller looks when asked
 * to. */
typedef struct hf_watch_hold {
    hf_ns from_ns, by_ns; /* HF_NEVER: not noticed */
    hf_ns kernel_ends_ns; /* the kernel itself ends it, at the earliest; HF_NEVER */
    uint32_t unanswered;  /* transmissions that the verdict rests on */
    bool measured;        /* on this kernel's version; else computed: unverified */
    const char *why;      /* a sentence */
} hf_watch_hold;

typedef struct hf_watch_holds {
    char release[32]; /* of the running kernel */
    bool has_rto_max; /* it has TCP_RTO_MAX_MS (since 6.15) */
    hf_watch_hold phase[HF_PHASE_COUNT];
} hf_watch_holds;

/* The caller's memory; read it, and write nothing. */
typedef struct hf_watch {
    int fd, error; /* errno of the end, once taken */
    hf_watch_bounds bounds;
    hf_phase phase;
    hf_watch_verdict verdict; /* of the last look */
    hf_cause cause;           /* its cause, HF_CAUSE_NONE while OK */
    hf_cause mechanism;       /* by what, HF_CAUSE_BY_* */
    hf_ns silent_bound_ns;    /* in force: raised if the path asks for it */
    hf_ns silence_ns;         /* nothing heard for this long */
    uint32_t unanswered;      /* transmissions since then that should have been answered */
    uint32_t refused_segs; /* segments that came and were no acceptable ACK, until a byte passed */
    hf_ns begun_at_ns, looked_at_ns;
    hf_ns ack_at_ns, data_at_ns; /* last acceptable ACK, last data */
    hf_ns progress_at_ns;        /* the queue began to wait, or the last advance in it */
    hf_ns asked_at_ns;           /* when data was sent to which no data has come; HF_NEVER */
    hf_ns payload_at_ns;         /* last data either way */
    uint64_t bytes_acked, busy_us;
    uint32_t segs_in, data_segs_in, new_segs_out, retrans_at_heard, syn_retrans;
    uint32_t probe_s, probe_every_ms, syns;
    hf_ns shaken_at_ns, refused_first_ns, poked_at_ns;
    bool outstanding, passed, doubted, refused_again, has_rto_max, short_path;
} hf_watch;

/* Arms the socket and starts the watch; call it right after accept(), or after connect() was called
 * (non-blocking connects included). Sets SO_KEEPALIVE with its times and TCP_RTO_MAX_MS from
 * silent_ns, where the kernel has it; TCP_USER_TIMEOUT only if asked. `ret_holds` and `ret_problem`
 * may be NULL. The descriptor stays the caller's. False: problem, nothing is watched. */
bool hf_watch_begin(hf_watch *watch, int fd, const hf_watch_bounds *bounds, hf_ns now_ns,
                    hf_watch_holds *ret_holds, hf_kernel_problem *ret_problem);

/* Judges. *ret_next_ns is when to look again at the latest (looking more often does no harm). */
hf_watch_verdict hf_watch_look(hf_watch *watch, hf_ns now_ns, hf_ns *ret_next_ns);

/* After HF_WATCH_ENDED: takes the socket's pending error (SO_ERROR, which then is gone) and sets
 * watch->cause and watch->mechanism by it. Returns the errno, 0 for an end by FIN. The kernel gives
 * an error once: if recv() or send() had it first, give it to hf_watch_error_was instead. */
int hf_watch_take_error(hf_watch *watch);
void hf_watch_error_was(hf_watch *watch, int error);

const char *hf_watch_verdict_name(hf_watch_verdict verdict); /* "PEER_SILENT" */
const char *hf_phase_name(hf_phase phase);                   /* "zero window, peer gone" */

/* The last look's verdict as a sentence, with its numbers. */
size_t hf_watch_text(const hf_watch *watch, char *to, size_t size);

/* One phase as a sentence: "idle: noticed 5 s to 5.25 s after last heard, ..." */
size_t hf_watch_hold_text(const hf_watch_holds *holds, hf_phase phase, char *to, size_t size);

/* ---- Closing ---- */

typedef enum hf_closing_end { HF_CLOSING_RST, HF_CLOSING_DETACH } hf_closing_end;

typedef struct hf_closing_options {
    uint64_t bytes_written;     /* on this socket by send(), for the receipt */
    hf_ns deadline_ns;          /* a wait from now; 0 means 10 s */
    hf_closing_end at_deadline; /* reset, or leave the rest to the kernel and be told no more */
} hf_closing_options;

/* What became of the bytes. Acknowledged means: the peer's kernel has them. That its program has
 * read them only its own answer can say. */
typedef struct hf_receipt {
    hf_cause cause, mechanism; /* HF_CAUSE_END_CLOSED by HF_CAUSE_BY_FIN, ... */
    uint64_t bytes_written, bytes_acked, bytes_lost; /* lost: not acknowledged at the end */
    uint64_t bytes_unread; /* arrived, and thrown away unread: close() would have sent RST */
    bool fin_acked, fin_heard;
    bool time_wait_here; /* this side closed first: the address pair rests 60 s here */
    int error;           /* errno of the connection, 0 */
    hf_ns took_ns;
} hf_receipt;

typedef struct hf_closing {
    int fd; /* -1 when done */
    hf_closing_options options;
    hf_ns begun_at_ns, deadline_at_ns;
    bool peer_closed_first;
    hf_receipt receipt;
} hf_closing;

/* Takes the descriptor and shuts our side: queued data, then FIN. False: problem; the descriptor is
 * still the caller's. */
bool hf_closing_begin(hf_closing *closing, int fd, const hf_closing_options *options, hf_ns now_ns,
                      hf_kernel_problem *ret_problem);

/* Throws away what still arrives (counted in bytes_unread; read before closing what you want), and
 * closes the descriptor when both FINs are acknowledged and heard, the connection is over, or the
 * deadline has come. True when done: the receipt is final. Else look again when readable, or at
 * *ret_next_ns. Never blocks. */
bool hf_closing_look(hf_closing *closing, hf_ns now_ns, hf_ns *ret_next_ns);

/* Takes the descriptor, resets the connection and says what was lost by it. (The name hf_abort is
 * the engine's, in hf/tcp.h; a program may use both.) */
hf_receipt hf_closing_abort(int fd, uint64_t bytes_written);

/* "END_CLOSED by FIN: ... 6,000 of 6,000 bytes acknowledged, FIN acknowledged ..." */
size_t hf_receipt_text(const hf_receipt *receipt, char *to, size_t size);

/* ---- Listening ---- */

typedef struct hf_listener_view {
    uint32_t waiting, limit; /* done handshakes not yet accepted; the limit is passed by one */
    uint32_t peak_waiting;   /* seen by these looks */
    uint32_t drops,
        drops_before; /* SYNs and last ACKs thrown away by this listener; at the first look */
    bool begun, full;
    /* Of the whole network namespace, by hf_listener_counters: */
    uint64_t overflows, cookies_sent, cookies_failed, queue_full_drops;
} hf_listener_view;

/* Looks at a listening socket: two getsockopts. All zero to begin with. */
bool hf_listener_look(hf_listener_view *view, int fd, hf_kernel_problem *ret_problem);

/* Adds the counters that the kernel keeps per network namespace only; reads /proc/net/netstat. */
bool hf_listener_counters(hf_listener_view *view, hf_kernel_problem *ret_problem);

size_t hf_listener_text(const hf_listener_view *view, char *to, size_t size);

/* The backlog that loses nothing when so many connections a second come and accept() stalls for
 * `stall_ns`; mind net.core.somaxconn. */
uint32_t hf_backlog_for(double connects_per_second, hf_ns stall_ns);

/* ---- Connecting ---- */

typedef struct hf_connect_story {
    hf_cause cause, mechanism; /* HF_CAUSE_END_REFUSED by HF_CAUSE_BY_RST or BY_ICMP, ... */
    int error;
    bool no_port;   /* no local port is free for this destination; then: */
    uint32_t ports; /* in net.ipv4.ip_local_port_range */
    uint32_t held;  /* of these by sockets towards this destination */
    uint32_t held_time_wait, held_established, held_other;
    hf_ns next_free_ns; /* a wait: when the first TIME_WAIT ends; HF_NEVER if none is */
    bool icmp;          /* an ICMP error came; from: */
    hf_addr icmp_from;
    uint8_t icmp_type, icmp_code;
    uint32_t syns; /* sent in vain, as far as is known; 0 */
} hf_connect_story;

/* Why this connect failed. `fd` is the socket (-1 if it is gone: ICMP and SYN counts are then not
 * known), `error` the errno of connect() or of SO_ERROR. Reads the error queue, neighbours by
 * netlink, /proc/net/tcp and sysctls: for the slow path, not for each connect. */
void hf_connect_explain(int fd, const struct sockaddr *to, int error, hf_connect_story *ret_story);
size_t hf_connect_text(const hf_connect_story *story, char *to, size_t size);

#ifdef __cplusplus
}
#endif
#endif
