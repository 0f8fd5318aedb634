/* What the doctor knows: sockets, who owns them, what is set on them, and what their network
 * namespace allows. Facts only: what they mean is notice.h's and rules.h's.
 *
 *     diag.c      every TCP socket, by sock_diag             works for everybody
 *     owners.c    inode -> process and descriptor, by /proc  one's own processes; root: all
 *     settings.c  keepalive and the like, which sock_diag    the same, by pidfd_getfd + getsockopt
 *                 does not tell
 *     bpf.c       owners and settings in one pass each       root, a kernel with BTF
 *     watch.c     events, as they happen                     the same
 *     netns.c     namespaces, their sysctls and counters     sysctls for everybody
 *
 * What could not be seen is counted and said. A setting that could not be read is unknown; nothing
 * is ever filled in.
 */
#ifndef DOCTOR_FACTS_H
#define DOCTOR_FACTS_H

#include <hf/kernel.h>
#include <sys/types.h>

enum { DOCTOR_COMMAND = 16, DOCTOR_RELEASE = 40, DOCTOR_WHY = 160 };

/* As the kernel numbers them; SYN_RECV requests and TIME_WAIT included. */
typedef enum doctor_state {
    DOCTOR_ESTABLISHED = 1,
    DOCTOR_SYN_SENT,
    DOCTOR_SYN_RECV,
    DOCTOR_FIN_WAIT_1,
    DOCTOR_FIN_WAIT_2,
    DOCTOR_TIME_WAIT,
    DOCTOR_CLOSE,
    DOCTOR_CLOSE_WAIT,
    DOCTOR_LAST_ACK,
    DOCTOR_LISTEN,
    DOCTOR_CLOSING,
    DOCTOR_NEW_SYN_RECV,
    DOCTOR_STATES
} doctor_state;

const char *doctor_state_name(unsigned state); /* "CLOSE_WAIT" */

/* What sock_diag calls idiag_timer. */
typedef enum doctor_timer {
    DOCTOR_TIMER_NONE,
    DOCTOR_TIMER_RETRANSMIT, /* or a tail loss probe */
    DOCTOR_TIMER_KEEPALIVE,
    DOCTOR_TIMER_TIME_WAIT,
    DOCTOR_TIMER_WINDOW_PROBE
} doctor_timer;

typedef enum doctor_source {
    DOCTOR_UNKNOWN, /* nobody may tell us */
    DOCTOR_BY_GETSOCKOPT,
    DOCTOR_BY_BPF
} doctor_source;

/* Options of a socket, as they are in force: what is not set on it has its namespace's value. */
typedef struct doctor_settings {
    doctor_source source;
    bool keepalive, linger_zero;
    uint32_t keep_idle_s, keep_interval_s, keep_count;
    uint32_t user_timeout_ms; /* 0: off */
    uint32_t rto_max_ms;
    uint32_t syn_retries;
} doctor_settings;

/* Of the kernel's tcp_info what is used here. */
typedef struct doctor_info {
    bool known; /* TIME_WAIT and requests have none */
    uint8_t retransmits, probes, backoff;
    uint32_t rto_us, rtt_us, rttvar_us;
    uint32_t unacked_segs, retrans_segs, total_retrans, notsent_bytes;
    uint32_t since_data_sent_ms, since_data_heard_ms, since_ack_heard_ms;
    uint32_t segs_in, segs_out, data_segs_in, data_segs_out;
    uint64_t bytes_acked, bytes_received;
} doctor_info;

typedef struct doctor_conn {
    hf_addr local, remote;
    uint16_t local_port, remote_port;
    bool is6, shared;           /* shared: other descriptors lead to it, too */
    uint8_t state, timer;       /* doctor_state, doctor_timer */
    uint8_t retransmits;        /* as the timer counts them; of a request: SYN-ACKs repeated */
    uint32_t expires_ms;        /* until the timer does */
    uint32_t received_bytes;    /* and not read; of a listener: waiting in the accept queue */
    uint32_t queued_bytes;      /* unsent or unacknowledged; of a listener: the queue's limit */
    uint32_t drops;             /* of a listener: SYNs and last ACKs thrown away since it began */
    uint32_t uid, inode, netns; /* inode 0: no descriptor: orphan, request, or not accepted yet */
    uint64_t cookie;
    pid_t pid; /* 0: not known */
    int fd;
    char command[DOCTOR_COMMAND];
    doctor_settings settings;
    doctor_info info;
} doctor_conn;

/* sysctls of one network namespace; what the running kernel does not have, has the value that it
 * acts by. */
typedef struct doctor_limits {
    uint32_t retries2, syn_retries, syn_linear, synack_retries, orphan_retries;
    uint32_t rto_max_ms, keep_idle_s, keep_interval_s, keep_count, fin_timeout_s;
    uint32_t tw_buckets, tw_reuse, max_orphans, somaxconn;
    uint32_t first_port, last_port;
    bool syncookies, abort_on_overflow;
} doctor_limits;

/* Counters of one network namespace since it began. */
typedef struct doctor_counters {
    uint64_t listen_overflows, listen_drops, aborts_on_timeout, aborts_on_memory, aborts_on_linger;
    uint64_t aborts_on_data, time_wait_overflows, cookies_sent, cookies_failed, request_queue_full;
    uint64_t active_opens, passive_opens; /* connect(), and handshakes that were accepted */
    uint64_t retransmitted_segs, resets_sent, established_resets;
    uint64_t orphans, time_wait; /* now; of the whole machine where it is kept so */
} doctor_counters;

typedef struct doctor_netns {
    uint64_t inode;
    char name[64]; /* of /run/netns, or "pid N" */
    bool seen;     /* its sockets were read */
    doctor_limits limits;
    doctor_counters counters;
} doctor_netns;

/* What the doctor is asked to look at. All zero: the network namespace that it runs in. */
typedef struct doctor_scope {
    bool every_netns;
    const char *netns; /* a name in /run/netns or a path; NULL */
    pid_t pid;         /* the namespace of this process, and only its sockets; 0 */
    bool no_bpf;
    bool only_listeners; /* and the handshakes towards them */
} doctor_scope;

/* What was seen, and what was not. */
typedef struct doctor_view {
    doctor_conn *conns; /* listeners, requests and TIME_WAIT among them */
    size_t conn_count, conn_room;
    doctor_netns *netns;
    size_t netns_count;
    hf_ns seen_at_ns; /* CLOCK_MONOTONIC; what the timers have left counts from here */
    char release[DOCTOR_RELEASE];
    unsigned major, minor; /* of the kernel */
    double jiffy_s;
    bool by_bpf; /* settings and owners are BPF's */
    char why_no_bpf[DOCTOR_WHY];
    size_t unknown_settings, unknown_owners; /* connections with a descriptor somewhere */
    size_t unseen_netns;
} doctor_view;

/* Looks. False: nothing could be seen, and `why` (a sentence) tells. Free the view in any case. */
bool doctor_look(doctor_view *view, const doctor_scope *scope, char *why, size_t size);
void doctor_view_free(doctor_view *view);

/* "10.0.0.1:80", "[fd00::1]:80"; IPv4 in IPv6 is shown as IPv4. */
enum { DOCTOR_NAME = 56 };
void doctor_name(const hf_addr *addr, uint16_t port, bool is6, char to[DOCTOR_NAME]);

/* The control group of a process, which names its container or service; "" if it cannot be read. */
enum { DOCTOR_CGROUP = 256 };
void doctor_cgroup(pid_t pid, char *to, size_t size);

/* False for a listener, a request, TIME_WAIT: no connection of somebody's, yet or any more. */
bool doctor_is_connection(const doctor_conn *conn);

/* ---- Of this room ---- */

/* `states`: bits of doctor_state. */
bool doctor_diag_read(doctor_view *view, uint32_t netns, uint32_t states, char *why, size_t size);
bool doctor_netns_find(doctor_view *view, const doctor_scope *scope, char *why, size_t size);
struct doctor_bpf;
bool doctor_netns_read(doctor_view *view, const doctor_scope *scope, struct doctor_bpf *bpf,
                       char *why, size_t size);
void doctor_limits_read(doctor_limits *limits);
void doctor_counters_read(doctor_counters *counters);
void doctor_owners_read(doctor_view *view, const doctor_scope *scope);
void doctor_settings_read(doctor_view *view);
/* Reads the options of one descriptor of ours. */
bool doctor_settings_of(int fd, doctor_settings *settings);
void *doctor_grow(void *array, size_t *room, size_t count, size_t bytes);

#endif
