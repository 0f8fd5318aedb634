/* tcp: the events of RFC 9293 3.10, one function each. It calls every TCP room; none calls it.
 *
 *     OPEN SEND RECEIVE CLOSE ABORT STATUS    calls.c
 *     SEGMENT ARRIVES                         arrives.c (CLOSED, LISTEN, SYN-SENT)
 *                                             steps.c (the eight steps)
 *     time-outs                               timeout.c
 *     what leaves                             emit.c
 *     the path's MTU                          mtu.c
 *
 * Only this room arms a connection's timer: the others say which deadline they want (conn.timers
 * and the instants beside it), hfi_tcp_settle arms the earliest. A timer is moved lazily: while the
 * armed instant is early enough it stays, and one that fires too early is armed anew. */
#ifndef HFI_TCP_ROOM_H
#define HFI_TCP_ROOM_H

#include "close/close.h"
#include "close/time_wait.h"
#include "live/live.h"
#include "open/open.h"

/* What became of a segment. */
typedef struct hfi_outcome {
    uint8_t action; /* HF_VERDICT_* */
    hf_cause cause;
    hfi_index conn;
    uint32_t a, b;
} hfi_outcome;

/* SEGMENT ARRIVES, RFC 9293 3.10.7. Borrows arrival; sets effects. */
hfi_outcome hfi_tcp_arrives(hfi_ctx *ctx, const hfi_arrival *arrival, hfi_effects *effects);

/* The eight steps of RFC 9293 3.10.7.4. */
hfi_outcome hfi_tcp_steps(hfi_ctx *ctx, hfi_conn *conn, const hfi_arrival *arrival,
                          hfi_effects *effects);

/* A segment with an option of impossible length, told without its options. It resets a connection in
 * whose window it lies if the profile asks for that; nothing else has any effect. */
hfi_outcome hfi_tcp_bad_option(hfi_ctx *ctx, const hfi_arrival *arrival);

/* Wheel id `id` is due: a connection's timer or a SYN entry's. */
void hfi_tcp_timeout(hfi_ctx *ctx, uint32_t id, hfi_effects *effects);

/* The next segment that the connection owes; `super_max` is the most payload in one departure.
 * False: none. */
bool hfi_tcp_emit(hfi_ctx *ctx, hfi_conn *conn, uint32_t super_max, hfi_departure *ret);

/* An event is over: plans and arms the timer. */
void hfi_tcp_settle(hfi_ctx *ctx, hfi_conn *conn);

/* The connection goes to TIME_WAIT and so ends; its last ACK leaves by effects. */
void hfi_tcp_time_wait(hfi_ctx *ctx, hfi_conn *conn, hfi_effects *effects);

/* Starts a departure of a connection: addresses, ports, what its options say of the IP header. */
void hfi_tcp_begin(hfi_ctx *ctx, const hfi_conn *conn, hfi_departure *ret);

/* Fills what each segment of a connection carries: ACK, window, TCP options. */
void hfi_tcp_finish(hfi_ctx *ctx, hfi_conn *conn, hfi_departure *ret);

/* The slot is free if the connection has ended, was released and is on no list. */
void hfi_tcp_try_free(hfi_ctx *ctx, hfi_conn *conn);

/* What has this key: a connection, a SYN entry or TIME_WAIT (not a listener), or HFI_NONE. */
uint32_t hfi_tcp_find(const hfi_ctx *ctx, const hfi_flow_key *key);

/* ---- Urgent data: urgent.c ---- */

/* As hfi_tcp_send; the mark is after what was taken. HF_NO_MEMORY: no watch is free. */
hf_err hfi_tcp_send_urgent(hfi_ctx *ctx, hfi_conn *conn, const void *data, size_t bytes,
                           size_t *ret_taken);

/* True while ours is not all acknowledged: then segments leave one by one, as each has its own pointer. */
bool hfi_tcp_urgent_waits(const hfi_ctx *ctx, const hfi_conn *conn);
void hfi_tcp_urgent_tell(const hfi_ctx *ctx, const hfi_conn *conn, hfi_tcp_view *seg);

/* RFC 9293 3.10.7.4, sixth step. */
void hfi_tcp_urgent_heard(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg);

/* Bytes still to be read, arrived or not, up to the peer's mark. */
uint32_t hfi_tcp_urgent_bytes(const hfi_ctx *ctx, const hfi_conn *conn);

/* Marks that were passed are forgotten; of a connection with a watch. */
void hfi_tcp_urgent_look(const hfi_ctx *ctx, const hfi_conn *conn);

/* ---- Calls ---- */

/* OPEN, active. A local_port of 0 in the key is chosen (RFC 6056). HF_NO_PORT, HF_TUPLE_IN_USE,
 * HF_NO_CONNECTION_SLOT, HF_NO_MEMORY. */
hf_err hfi_tcp_connect(hfi_ctx *ctx, hfi_open_how *how, hfi_index *ret_conn);

/* ---- The pair of a new connection: ports.c ---- */

/* Chooses a local port (RFC 6056), or looks whether the one asked for is free. What TIME_WAIT lets go
 * is taken out of it. HF_NO_PORT, HF_TUPLE_IN_USE, with how->first_free_at_ns. */
hf_err hfi_tcp_choose_port(hfi_ctx *ctx, hfi_open_how *how);

/* True if a connection of ours may have this local port, its pair being free. */
bool hfi_tcp_port_usable(const hfi_ctx *ctx, const hfi_flow_key *key);

/* When the pair that `ref` holds is free: HF_NEVER if nobody can know. */
hf_ns hfi_tcp_free_at(const hfi_ctx *ctx, uint32_t ref);

/* True if config.tw_full says to refuse a connect now. */
bool hfi_tcp_time_wait_is_spoken_for(const hfi_ctx *ctx, const hf_addr *remote);

/* Tells of a connect that failed before there was a connection. */
void hfi_tcp_open_failed(hfi_ctx *ctx, const hfi_open_how *how, hf_err err);

hf_err hfi_tcp_send(hfi_ctx *ctx, hfi_conn *conn, const void *data, size_t bytes,
                    size_t *ret_taken);
hf_err hfi_tcp_may_send(const hfi_conn *conn);
hf_err hfi_tcp_may_receive(const hfi_conn *conn);
void hfi_tcp_close(hfi_ctx *ctx, hfi_conn *conn, const hf_close_options *options);
void hfi_tcp_shutdown(hfi_ctx *ctx, hfi_conn *conn);
void hfi_tcp_abort(hfi_ctx *ctx, hfi_conn *conn);
void hfi_tcp_release(hfi_ctx *ctx, hfi_conn *conn);

/* Takes the handles of the oldest ends that nobody asked for, beyond config.end_budget. */
void hfi_tcp_take_unread(hfi_ctx *ctx);
hfi_index hfi_tcp_accept(hfi_ctx *ctx, hfi_index listener);
void hfi_tcp_unlisten(hfi_ctx *ctx, hfi_index listener);
/* Other options, held by the caller; the old ones are given back. HF_NO_MEMORY: no watch is free, and all
 * is as before. */
hf_err hfi_tcp_set_options(hfi_ctx *ctx, hfi_conn *conn, uint32_t option_set);

/* Ends listeners that drain and have nothing left, or whose time is over. Call after each event. */
void hfi_tcp_drain(hfi_ctx *ctx);
void hfi_tcp_status(const hfi_ctx *ctx, const hfi_conn *conn, hf_conn_status *ret);

/* ICMP reports about the tuple; `seq` is the quoted sequence number (RFC 5927 4.1). */
typedef enum hfi_icmp_class { HFI_ICMP_SOFT, HFI_ICMP_HARD, HFI_ICMP_TOO_BIG } hfi_icmp_class;
typedef struct hfi_tcp_report {
    hfi_icmp_class class;
    uint8_t type, code;
    hf_seq seq;
    uint32_t mtu; /* TOO_BIG */
    hf_addr from;
} hfi_tcp_report;
hf_cause hfi_tcp_icmp(hfi_ctx *ctx, const hfi_flow_key *key, const hfi_tcp_report *report,
                      hfi_index *ret_conn);

/* mtu.c: takes up what the path is known to take. And: a timer of recovery has ended, does that explain
 * it? True if so: what is too long goes again, shorter. */
void hfi_tcp_mtu(hfi_ctx *ctx, hfi_conn *conn);
bool hfi_tcp_mtu_explains(hfi_ctx *ctx, hfi_conn *conn);

void hfi_tcp_mtu_status(const hfi_ctx *ctx, const hfi_conn *conn, hf_conn_status *ret);

/* Segments of `mss` bytes from now on, fewer than before. */
void hfi_tcp_mss_cut(hfi_ctx *ctx, hfi_conn *conn, uint32_t mss);

/* The next hop does not answer: ends a connection that was connecting, notes it on others. */
void hfi_tcp_unreachable(hfi_ctx *ctx, hfi_conn *conn);

#endif
