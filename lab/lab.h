/* The lab: hosts, links and faults in virtual time.
 *
 * A world has a clock that only events move, a heap of events ordered by (time, rank, sequence),
 * hosts that each hold one engine, and links between pairs of hosts. All randomness comes from the
 * world's seed, so a world is replayed byte for byte by it. Everything that happens is recorded;
 * expectations are judged on the records and on what connections said at their end.
 *
 *     script (Lua)  ->  world: at, every, run
 *                         host  -- engine, step, peek, taken -->
 *                         link  -- delay, loss, cut -->  host
 *                         conn  -- the application's end: what it wrote, what it read and verified
 *                         record, expect
 *
 * The room sees include/hf and nothing of the engine. Lua is in lua_*.c only.
 */
#ifndef LAB_LAB_H
#define LAB_LAB_H

#include <hf/engine.h>
#include <hf/explain.h>
#include <hf/ledger.h>
#include <hf/tcp.h>
#include <stdio.h>

enum {
    LAB_HOSTS = 64,           /* in a world */
    LAB_LINKS = 256,          /* in a world; each has its own network 10.0.N.0/24 */
    LAB_HOST_LINKS = 16,      /* of one host */
    LAB_LISTENERS = 16,       /* of one host */
    LAB_INBOX_FRAMES = 1024,  /* frames that wait for a stalled host */
    LAB_NAME = 24,            /* of a host, with its closing 0 */
    LAB_RECORDS = 1 << 21,    /* kept; later ones are counted only */
    LAB_SNAP_BYTES = 128,     /* of each packet kept, unless whole packets are asked for */
    LAB_TRACE_RECORDS = 8192, /* a host's trace ring, emptied after each step */
    LAB_TX_BATCH = 64
};

#define LAB_LONGEST                                                                                \
    (UINT64_C(7) * 24 * 3600 * HF_SECOND) /* a world ends here at the latest: 7 days */
#define LAB_ANY UINT32_MAX                /* any host, no connection */

typedef struct lab_world lab_world;
typedef struct lab_host lab_host;
typedef struct lab_link lab_link;
typedef struct lab_conn lab_conn;
typedef struct lab_listener lab_listener;
typedef struct lab_backend lab_backend;

/* ---- random.c: xoshiro256**, one stream per user of it ---- */

typedef struct lab_random {
    uint64_t state[4];
} lab_random;

/* A stream of its own for each label and index. */
void lab_random_init(lab_random *random, uint64_t seed, const char *label, uint64_t index);
uint64_t lab_random_next(lab_random *random);
uint64_t lab_random_below(lab_random *random, uint64_t limit); /* 0 if limit is 0 */
bool lab_random_chance(lab_random *random, double probability);

/* ---- heap.c: what is due, in order ---- */

typedef enum lab_due_kind {
    /* The order is the rank at one instant: frames come before scripts and these before engine's
     * timers, since a driver drains its input before time moves. */
    LAB_DUE_FRAME,
    LAB_DUE_SCRIPT,
    LAB_DUE_HOST,
    LAB_DUE_LOOK /* an expectation is judged at this instant */
} lab_due_kind;

typedef struct lab_flight lab_flight;

typedef struct lab_due {
    hf_ns at_ns;
    lab_due_kind kind;
    uint64_t sequence;
    uint32_t index;     /* SCRIPT: of the timer; HOST: of the host */
    uint32_t serial;    /* HOST: stale if the host's has moved on */
    lab_flight *flight; /* FRAME */
} lab_due;

typedef struct lab_heap {
    lab_due *items;
    size_t count, room;
    uint64_t sequence;
} lab_heap;

bool lab_heap_push(lab_heap *heap, lab_due due);
bool lab_heap_pop(lab_heap *heap, lab_due *ret_due);
const lab_due *lab_heap_first(const lab_heap *heap);
void lab_heap_free(lab_heap *heap);

/* ---- record.c: what happened ---- */

typedef enum lab_kind {
    LAB_FRAME, /* a packet, from its sender to its fate */
    LAB_CALL,  /* an application's call */
    LAB_EVENT, /* what the engine told the application */
    LAB_TRACE, /* a record of the engine's trace */
    LAB_FAULT, /* the script broke or mended something */
    LAB_NOTE   /* the script said something */
} lab_kind;

typedef enum lab_fate {
    LAB_FATE_ARRIVED,
    LAB_FATE_IN_FLIGHT, /* the run ended first */
    LAB_FATE_LOST,      /* by the link's loss */
    LAB_FATE_CUT,
    LAB_FATE_QUEUE_FULL,
    LAB_FATE_TOO_LONG,  /* above the link's MTU */
    LAB_FATE_SWALLOWED, /* above what the path beyond takes, and nobody says so */
    LAB_FATE_HOST_DOWN, /* arrived where nobody runs */
    LAB_FATE_INBOX_FULL /* arrived at a stalled host that holds too many */
} lab_fate;

typedef struct lab_record {
    hf_ns at_ns;
    lab_kind kind;
    uint32_t host;  /* whose; the sender */
    uint32_t peer;  /* FRAME: who should get it */
    uint32_t conn;  /* of the world's connections, or LAB_ANY */
    hf_cause cause; /* FRAME, TRACE */
    uint32_t a, b;
    /* FRAME */
    uint32_t link, frame_id;
    hf_ns arrives_at_ns;
    lab_fate fate;
    bool corrupted, duplicate, reordered, marked, judged;
    hf_verdict verdict; /* if judged */
    uint8_t *bytes;
    uint32_t captured, total;
    /* EVENT, TRACE */
    uint32_t bits;
    hf_trace_record trace;
    /* CALL, EVENT, FAULT, NOTE */
    char *text;
    char *detail;
} lab_record;

lab_record *lab_record_add(lab_world *world, lab_kind kind, uint32_t host); /* never NULL */
void lab_record_text(lab_record *record, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void lab_record_detail(lab_record *record, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
const char *lab_fate_name(lab_fate fate);
const char *lab_fate_sentence(lab_fate fate);

/* ---- link.c ---- */

/* What a link does to packets one way. */
typedef struct lab_way_options {
    hf_ns delay_ns, jitter_ns, reorder_by_ns;
    uint64_t rate_bits;  /* a second; 0: no limit */
    uint32_t queue;      /* packets that may wait for the rate */
    uint32_t silent_mtu; /* longer packets vanish without a word; 0: none do */
    double loss, reorder, duplicate, corrupt, mark;
    uint32_t mark_queue; /* packets waiting for the rate beyond which one is marked; 0: never */
    bool
        strip_timestamps; /* a middlebox replaces the option in SYNs by NOPs, so that none has it */
} lab_way_options;

typedef struct lab_way {
    lab_way_options options;
    lab_random random;
    bool cut;
    hf_ns last_arrival_ns;
    hf_ns *departures; /* ring of `queue` departure times, for a link with a rate */
    uint32_t departure_first, departure_count;
    hf_ns busy_until_ns;
    uint64_t sent, lost, cut_lost, queue_lost, reordered, duplicated, corrupted, stripped, marked;
    uint64_t swallowed;
} lab_way;

/* Packets that take a slower path than those around them. */
typedef struct lab_hold {
    uint32_t way;
    hf_ns by_ns;   /* longer than the link's delay */
    uint32_t left; /* so many more; it must come to 0 */
    uint8_t flags_set, flags_clear;
    uint32_t length_least;
    char where[160];
} lab_hold;

typedef struct lab_cut {
    hf_ns at_ns;
    uint64_t packets[2]; /* lost to it, each way */
    bool way[2], unseen_allowed, healed;
    char where[160];
} lab_cut;

struct lab_link {
    lab_world *world;
    uint32_t index, mtu;
    lab_host *end[2];
    hf_addr addr[2];
    uint32_t interface[2];
    lab_way way[2];        /* way[i] carries what end[i] sends */
    bool unseen_allowed;   /* its faults need not show */
    struct lab_veth *veth; /* on linux */
    lab_cut *cuts;
    uint32_t cut_count;
    lab_hold *holds;
    uint32_t hold_count;
    char where[160];
};

struct lab_flight {
    lab_link *link;
    uint32_t way;
    uint32_t record; /* index, or LAB_ANY if it was not kept */
    uint32_t total;
    uint8_t bytes[];
};

lab_link *lab_link_new(lab_world *world, lab_host *a, lab_host *b, const lab_way_options *options,
                       uint32_t mtu);
void lab_link_send(lab_link *link, uint32_t way, const hf_frame *frame, uint32_t conn);
void lab_link_cut(lab_link *link, bool way0, bool way1, bool unseen_allowed, const char *where);
void lab_link_heal(lab_link *link);
void lab_link_hold(lab_link *link, const lab_hold *hold); /* copies it */
/* middlebox.c: the first hold that means this packet, and counts it; 0 if none does. */
hf_ns lab_held_by(lab_link *link, const lab_flight *flight);
/* Sets CE in a packet whose sender allows it (RFC 3168 5); false if it does not. */
bool lab_mark_congestion(uint8_t *packet, uint32_t bytes);
/* Turns a timestamps option of a SYN into NOPs; true if there was one. */
bool lab_strip_timestamps(uint8_t *packet, uint32_t bytes);
bool lab_link_can_change(const lab_link *link); /* its options, after it was made */
lab_link *lab_link_between(const lab_host *a, const lab_host *b);
void lab_link_free(lab_link *link);

/* ---- host.c ---- */

typedef enum lab_power { LAB_UP, LAB_STALLED, LAB_DOWN } lab_power;

struct lab_host {
    lab_world *world;
    uint32_t index;
    char name[LAB_NAME];
    hf_config config;
    lab_random random;
    lab_power power;
    uint32_t boots;
    hf_engine engine;
    void *block, *data;               /* in the memory below, aligned */
    void *block_memory, *data_memory; /* to be freed */
    hf_memory memory;
    hf_trace trace;
    hf_trace_record *trace_records;
    lab_link *links[LAB_HOST_LINKS]; /* by interface */
    uint32_t link_count;
    lab_flight *inbox[LAB_INBOX_FRAMES];
    uint32_t inbox_count;
    lab_listener *listeners[LAB_LISTENERS];
    uint32_t listener_count;
    uint32_t *conns; /* engine index -> connection of the world, or LAB_ANY */
    uint32_t due_serial;
    hf_ns due_at_ns;
    bool working;
    int on_up;               /* script's reference */
    struct lab_netns *netns; /* on linux */
};

/* NULL with *ret_problem if the configuration is refused. */
lab_host *lab_host_new(lab_world *world, const char *name, const hf_config *config,
                       const char **ret_problem);
void lab_host_free(lab_host *host);

/* Brings the engine to the world's time before a call; false if nothing runs there. */
bool lab_host_enter(lab_host *host);
/* Hands on what the call brought about. */
void lab_host_leave(lab_host *host);
void lab_host_tick(lab_host *host);
/* What became of a packet, into its record. */
void lab_flight_settle(const lab_flight *flight, lab_fate fate, const hf_verdict *verdict);
void lab_host_take(lab_host *host, lab_flight *flight);
void lab_host_work(
    lab_host *host); /* gives the inbox to the engine and hands on what comes of it */
void lab_host_stall(lab_host *host);
void lab_host_resume(lab_host *host);
void lab_host_crash(lab_host *host);
void lab_host_boot(lab_host *host);
hf_err lab_host_attach(lab_host *host, lab_link *link, uint32_t end);

/* ---- conn.c: the application's end of a connection ---- */

typedef enum lab_last_call {
    LAB_CALL_NONE,
    LAB_CALL_CONNECT,
    LAB_CALL_CLOSE,
    LAB_CALL_ABORT,
    LAB_CALL_SHUTDOWN
} lab_last_call;

/* A text that was written instead of the pattern. */
typedef struct lab_span {
    uint64_t at;
    char *text;
    size_t bytes;
} lab_span;

typedef enum lab_conn_event {
    LAB_ON_CONNECTED,
    LAB_ON_READABLE,
    LAB_ON_PEER_CLOSED,
    LAB_ON_END,
    LAB_ON_UNHEARD,
    LAB_ON_DOUBT,
    LAB_ON_ALL_ACKED,
    LAB_ON_BOUND,
    LAB_ON_PATH_MTU,
    LAB_ON_COUNT
} lab_conn_event;

struct lab_conn {
    lab_world *world;
    lab_host *host;
    lab_listener *listener; /* NULL if it connected */
    uint32_t index, boot;   /* of the host at which it was made */
    hf_conn handle;
    bool held; /* the handle is ours to use */
    bool gone; /* its host crashed: no end was ever told */
    hf_addr local, remote;
    uint16_t local_port, remote_port;
    uint64_t key;   /* of the pattern that this end writes */
    lab_conn *peer; /* the other end, once it is known */
    bool reading;
    uint64_t wanted, written; /* by the script, and taken by the engine */
    uint64_t read, wrong_at;  /* verified; wrong_at UINT64_MAX while all is well */
    lab_span *spans;
    uint32_t span_count;
    bool connected, peer_closed, eof_read, ended;
    hf_end end;
    hf_conn_status last_status;
    lab_link *link;
    hf_ns connected_at_ns, call_at_ns;
    hf_ns ended_at_ns; /* when the application was told; end.at_ns is as coarse as the engine's
                          stamps */
    lab_last_call last_call;
    bool shutdown_wanted, close_wanted; /* once everything wanted is written */
    hf_close_options close_options;
    int on_event[LAB_ON_COUNT]; /* script's references, by lab_conn_event */
    int self;                   /* script's reference to its object */
    uint32_t refused_calls;
    struct lab_socket *socket; /* on linux */
    uint32_t told_passed;      /* HF_PASSED_* */
    uint32_t told_packet;      /* packet_bytes of the last PATH_MTU */
};

struct lab_listener {
    lab_host *host;
    hf_listener handle;
    hf_listen_options options;
    uint32_t boot;
    bool accepting, reading, closed;
    uint64_t accepted;
    int on_accept, on_syn;
};

hf_err lab_listen(lab_host *host, const hf_listen_options *options, lab_listener **ret_listener);
/* *ret_conn is set even if the engine refused: the connection then ended at once. */
hf_err lab_connect(lab_host *host, lab_host *to, uint16_t port, uint16_t local_port,
                   const hf_tcp_options *options, lab_conn **ret_conn);
lab_conn *lab_accept(lab_listener *listener);
hf_err lab_write(lab_conn *conn, const char *text, uint64_t bytes, uint64_t *ret_taken);
/* Reads up to `bytes` and checks them against what the peer wrote. */
hf_err lab_read(lab_conn *conn, uint64_t bytes, uint64_t *ret_read);
void lab_reading(lab_conn *conn, bool reading);
hf_err lab_shutdown(lab_conn *conn);
hf_err lab_close(lab_conn *conn, const hf_close_options *options);
hf_err lab_abort(lab_conn *conn);
hf_err lab_release(lab_conn *conn);
hf_err lab_options_set(lab_conn *conn, const hf_tcp_options *options);
hf_err lab_options_get(lab_conn *conn, hf_tcp_options *ret_options);
void lab_listener_close(lab_listener *listener);
hf_err lab_listener_drain(lab_listener *listener, hf_ns deadline_ns);
hf_err lab_pending_next(lab_listener *listener, hf_pending *ret_pending);
hf_err lab_syn_answer(lab_listener *listener, const hf_pending *pending, hf_syn_verdict verdict);
hf_err lab_listener_status(lab_listener *listener, hf_listener_status *ret_status);
bool lab_why(lab_conn *conn, hf_not_sending *ret_why);
bool lab_status(lab_conn *conn, hf_conn_status *ret_status); /* of now, or the last one known */
hf_state lab_state(lab_conn *conn);
/* Gives the engine as much as it takes of what is to be written. */
hf_err lab_conn_push(lab_conn *conn);
/* Takes and verifies what has arrived, without a record of a call. */
hf_err lab_conn_take(lab_conn *conn, uint64_t bytes, uint64_t *ret_read);
/* events.c */
void lab_conn_events(lab_host *host, const hf_event *event);
void lab_conn_event_bits(lab_conn *conn, uint32_t bits);
void lab_accept_all(lab_listener *listener);
void lab_conn_free(lab_conn *conn);
/* The other end, or NULL while no application holds it. */
lab_conn *lab_conn_peer(lab_conn *conn);
uint8_t lab_pattern(uint64_t key, uint64_t at);

/* ---- What runs a world: engines in virtual time, or the kernel in real time ----
 * holdfast: host.c, holdfast.c. linux: linux.h. */

typedef struct lab_host_ops {
    hf_err (*power_on)(lab_host *host);
    void (*power_off)(lab_host *host); /* its connections are forgotten already; or NULL */
    void (*resumed)(lab_host *host);   /* or NULL */
    void (*free)(lab_host *host);      /* or NULL */
    hf_err (*attach)(lab_host *host, lab_link *link, uint32_t end);
    bool (*enter)(lab_host *host);
    void (*leave)(lab_host *host);
    void (*take)(lab_host *host, lab_flight *flight);
    void (*work)(lab_host *host);
    bool (*sysctl)(lab_host *host, const char *name, const char *value); /* or NULL: not heard */
} lab_host_ops;

/* The calls of hf/tcp.h, on a connection of the lab. */
typedef struct lab_conn_ops {
    hf_err (*listen)(lab_host *host, const hf_listen_options *options, hf_listener *ret_handle);
    hf_err (*accept)(lab_listener *listener, hf_conn *ret_handle);
    void (*listener_close)(lab_listener *listener);
    hf_err (*listener_status)(lab_listener *listener, hf_listener_status *ret_status);
    /* NULL where the backend's listeners cannot. */
    hf_err (*listener_drain)(lab_listener *listener, hf_ns deadline_ns);
    hf_err (*pending_next)(lab_listener *listener, hf_pending *ret_pending);
    hf_err (*syn_answer)(lab_listener *listener, const hf_pending *pending, hf_syn_verdict verdict);
    hf_err (*connect)(lab_host *host, const hf_connect_options *options, hf_conn *ret_handle);
    void (*hold)(lab_conn *conn); /* conn->handle is in use from now on */
    void (*release)(lab_conn *conn);
    void (*free)(lab_conn *conn); /* or NULL */
    hf_err (*send)(lab_conn *conn, const void *data, size_t bytes, size_t *ret_taken);
    hf_err (*receive)(lab_conn *conn, void *to, size_t bytes, size_t *ret_bytes);
    bool (*unread)(lab_conn *conn); /* something is left to read */
    hf_err (*shutdown)(lab_conn *conn);
    hf_err (*close)(lab_conn *conn, const hf_close_options *options);
    hf_err (*abort)(lab_conn *conn);
    hf_err (*options_set)(lab_conn *conn, const hf_tcp_options *options);
    hf_err (*options_get)(lab_conn *conn, hf_tcp_options *ret_options);
    hf_err (*status)(lab_conn *conn, hf_conn_status *ret_status);
    hf_err (*end)(lab_conn *conn, hf_end *ret_end);
    /* hf_end_next of the host; or NULL: nothing is kept of connections that nobody holds */
    bool (*end_next)(lab_host *host, uint64_t *cursor, hf_end_record *ret_record);
    hf_err (*why)(lab_conn *conn, hf_not_sending *ret_why); /* or NULL: it does not say */
    /* hf/ledger.h, or NULL */
    hf_err (*ports)(lab_host *host, const hf_addr *local, const hf_addr *remote, uint16_t port,
                    hf_port_ledger *ret_ledger);
    void (*time_wait)(lab_host *host, hf_time_wait_status *ret_status);
} lab_conn_ops;

struct lab_backend {
    const char *name;
    const lab_host_ops *host;
    const lab_conn_ops *conn;
    const char *(*missing)(void); /* what it needs and the machine lacks; or NULL */
    bool (*link_can_change)(const lab_link *link); /* or NULL: it can */
    void (*link_changed)(lab_link *link);          /* cut or healed; or NULL */
    void (*link_free)(lab_link *link);             /* or NULL */
    void (*world_free)(lab_world *world);          /* or NULL */
    /* Lets real time pass until an instant, or until something has happened, and sets the world's
     * clock; NULL: time is virtual. */
    void (*wait)(lab_world *world, hf_ns until_ns);
};

extern const lab_host_ops lab_engine_host;
extern const lab_backend lab_on_holdfast;
extern const lab_backend lab_on_linux; /* where it is built: HF_WITH_LAB_LINUX */

/* ---- expect.c ---- */

typedef enum lab_expect_kind {
    LAB_EXPECT_ENDS,
    LAB_EXPECT_NEVER_ENDS,
    LAB_EXPECT_STATE,
    LAB_EXPECT_RECEIVES,
    LAB_EXPECT_CORRUPTED,
    LAB_EXPECT_PACKETS
} lab_expect_kind;

typedef enum lab_reference {
    LAB_OF_START,
    LAB_OF_CUT,
    LAB_OF_LAST_HEARD,
    LAB_OF_CALL,
    LAB_OF_CONNECTED
} lab_reference;

/* Which packets are counted; LAB_ANY, HF_CAUSE_COUNT, -1 and NULL leave it open. */
typedef struct lab_filter {
    uint32_t from, to, conn;
    hf_cause cause;
    int lost;
    uint8_t flags_set, flags_clear;
    hf_ns after_ns, before_ns;
    uint32_t length_least, length_most;
} lab_filter;

typedef enum lab_outcome { LAB_OPEN, LAB_PASSED, LAB_FAILED } lab_outcome;

typedef struct lab_expect {
    lab_expect_kind kind;
    lab_conn *conn;
    hf_cause cause, mechanism; /* HF_CAUSE_COUNT: any */
    bool timed;
    hf_ns least_ns, most_ns; /* after the reference */
    lab_reference of;
    hf_ns until_ns; /* NEVER_ENDS, STATE: the instant of judgement; HF_NEVER: when the run ends */
    hf_state state;
    uint64_t bytes;
    int time_wait;          /* an hf_tw_holder, or -1 */
    uint64_t acked, unread; /* UINT64_MAX: any */
    lab_filter filter;
    uint64_t count_least, count_most;
    lab_outcome outcome;
    char where[160];
    char message[400];
} lab_expect;

lab_expect *lab_expect_new(lab_world *world, lab_expect_kind kind, lab_conn *conn,
                           const char *where);
/* Sets the instant at which it is judged. */
void lab_expect_until(lab_world *world, lab_expect *expect, hf_ns until_ns);
void lab_expect_look(lab_world *world);   /* judges what can be judged now */
void lab_expect_finish(lab_world *world); /* judges the rest, and the faults */
lab_filter lab_filter_any(void);
uint64_t lab_count(const lab_world *world, const lab_filter *filter);

/* ---- world.c ---- */

typedef struct lab_timer {
    hf_ns period_ns; /* 0: once */
    hf_ns at_ns;
    int callback;
    uint32_t next_free;  /* of a slot that is free; LAB_NO_TIMER: the last */
    bool stopped, fired; /* only one that repeats can be stopped */
    char where[160];
} lab_timer;

#define LAB_NO_TIMER UINT32_MAX

/* What the script wants to be called for. Each returns false if the script failed: the world stops.
 */
typedef struct lab_hooks {
    void *context;
    bool (*timer)(void *context, int callback, bool last); /* last: it is not called again */
    bool (*conn_event)(void *context, lab_conn *conn, lab_conn_event event);
    bool (*accepted)(void *context, lab_listener *listener, lab_conn *conn);
    bool (*syn)(void *context, lab_listener *listener);
    bool (*host_up)(void *context, lab_host *host);
} lab_hooks;

struct lab_world {
    const lab_backend *backend;
    uint64_t seed;
    const char *title;
    lab_random script_random;
    struct lab_kernel *kernel; /* on linux */
    hf_ns now_ns, duration_ns; /* HF_NEVER: open */
    lab_heap heap;
    lab_host *hosts[LAB_HOSTS];
    uint32_t host_count;
    lab_link *links[LAB_LINKS];
    uint32_t link_count;
    lab_conn **conns;
    size_t conn_room;
    uint32_t conn_count;
    lab_timer *timers;
    size_t timer_room;
    uint32_t timer_count, timer_free, once_waiting;
    lab_record *records;
    size_t record_count, record_room;
    uint64_t records_not_kept, frames_in_flight, corrupt_streams;
    lab_record spare_record; /* written when no more are kept */
    lab_expect **expects;
    uint32_t expect_count;
    char **problems; /* what else fails the run */
    uint32_t problem_count;
    lab_hooks hooks;
    bool whole_packets, failed_script, finished;
    bool quiet;          /* in real time: nothing is under way */
    volatile bool *stop; /* set by a time limit from outside */
};

lab_world *lab_world_new(const lab_backend *backend, uint64_t seed, const lab_hooks *hooks);
void lab_world_free(lab_world *world);
uint32_t lab_at(lab_world *world, hf_ns at_ns, hf_ns period_ns, int callback, const char *where);
/* Runs until an instant, or (HF_NEVER) until the run is over: nothing is due, its duration is over,
 * or all expectations are settled, no `at` is waiting and no packet is on its way. */
void lab_run(lab_world *world, hf_ns until_ns);
void lab_take_frames(lab_world *world, hf_ns at_ns); /* those that are due, by their hosts */
void lab_problem(lab_world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool lab_passed(const lab_world *world);
void *lab_grow(void *items, size_t count, size_t *room,
               size_t item_bytes); /* exits if memory runs out */
void *lab_alloc(size_t bytes);     /* zeroed; same */
char *lab_copy_text(const char *text);

#endif
