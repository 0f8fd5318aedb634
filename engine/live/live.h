/* live: is the peer there? Keepalive, window probes, user timeout and detect_within.
 *
 * Proof of life is an acceptable segment, never our own sending. Each eliciting transmission (SYN,
 * data, FIN, probe) that goes unanswered is counted, spaced at least s apart, with
 *
 *     s = clamp(T / 6, max(SRTT + 4 RTTVAR, 500 ms), 60 s)        T = detect_within
 *     T_eff = max(T, 5 s)
 *
 *     heard            T-4s   T-3s   T-2s   T-s      T_eff
 *     --|---------------|------|------|------|--------|--> verdict: silence >= T_eff and
 *                    idle: probes                          min_probes unanswered
 *                    in flight: the oldest segment again at min(RTO, s)
 *
 * With data outstanding no keepalive is sent (RFC 9293 MUST-26): the retransmission is the probe.
 * Resending at s does not touch SRTT, cwnd or the back-off. Departs from RFC 6298 2.5 and 5.5, by
 * option; Linux offers the same with TCP_RTO_MAX_MS.
 *
 * The room answers one deadline for all of it, live_at, and one function runs what is due.
 *
 * Whoever is watched more closely has a watch, a block from a pool of its own: the siblings of
 * detect_within (bounds.c), the client's doubt and its open check (doubt.c), the books of why nothing
 * was sent (watch.c). Most of it is found out by looking when an event is over, so the way of a
 * segment only asks for a flag.
 *
 *     progress_within   | runs while snd.una < the end of what is queued, FIN counted; begins again
 *                       | when snd.una moves; stands still while only our own side blocks
 *     answer_within     | begins with the first new data that leaves; any payload of the peer's ends it
 *     idle_within       | begins again with any new payload, either way
 *
 * After an absence of our own (CLOCK_GAP) every clock of silence needs one fresh question that had its
 * time to be answered, and the siblings begin anew. */
#ifndef HFI_LIVE_H
#define HFI_LIVE_H

#include "send/send.h"

/* A connection begins: nothing is unanswered. */
void hfi_live_begin(hfi_ctx *ctx, hfi_conn *conn);

/* An acceptable segment has come. */
void hfi_live_heard(hfi_ctx *ctx, hfi_conn *conn);

/* An eliciting segment has left now. */
void hfi_live_elicited(hfi_ctx *ctx, hfi_conn *conn);

/* Keepalive was off and is on now: the first probe waits a full idle period. */
void hfi_live_keepalive_on(hfi_ctx *ctx, hfi_conn *conn);

/* The bound in force, 0 if none (T_eff). Notes when it had to be raised. */
hf_ns hfi_live_bound_ns(const hfi_ctx *ctx, const hfi_conn *conn);

/* Sets live_at and its timer bit to what comes next. */
void hfi_live_plan(hfi_ctx *ctx, hfi_conn *conn);

typedef struct hfi_live_verdict {
    hf_cause cause; /* END_*, or NONE while the connection goes on */
    hf_cause mechanism;
    hf_cause reset; /* SENT_RST_*, or NONE */
} hfi_live_verdict;

/* live_at has come: probes, warns or ends. */
hfi_live_verdict hfi_live_timeout(hfi_ctx *ctx, hfi_conn *conn);

/* The persist timer (rtx_at with HFI_F_PERSIST) has come. */
hfi_live_verdict hfi_live_persist_timeout(hfi_ctx *ctx, hfi_conn *conn);

/* Starts the persist timer if data waits behind the peer's window, stops it if not. */
void hfi_live_persist(hfi_ctx *ctx, hfi_conn *conn);

/* The segment of a probe: snd.una - 1, without data. */
void hfi_live_probe(hfi_ctx *ctx, hfi_conn *conn, hfi_departure *ret);

/* When the application would know, and by what (BY_*), if the peer vanished now, or if only its
 * program hung; HF_NEVER and NONE. */
typedef struct hfi_live_notice {
    hf_ns at_ns;
    hf_cause by;
} hfi_live_notice;
hfi_live_notice hfi_live_notice_by(const hfi_ctx *ctx, const hfi_conn *conn);
hfi_live_notice hfi_live_hung_notice_by(const hfi_ctx *ctx, const hfi_conn *conn);

/* True while a verdict on silence would rest on a time in which we were away ourselves: nothing that
 * was asked since had its time to be answered. The caller asks again instead of giving up. */
bool hfi_live_excused(const hfi_ctx *ctx, const hfi_conn *conn);

/* ---- Watches ---- */

/* Takes a watch, unless the connection has one. False: none is free. */
bool hfi_live_attach(hfi_ctx *ctx, hfi_conn *conn);

/* Takes a watch if the options ask for one. False: none is free. */
bool hfi_live_watch(hfi_ctx *ctx, hfi_conn *conn);

/* Gives the watch back, if there is one. */
void hfi_live_unwatch(hfi_ctx *ctx, hfi_conn *conn);

/* New payload came from the peer, or of ours left for the first time; of a connection with a watch. */
void hfi_live_payload_in(hfi_ctx *ctx, hfi_conn *conn);
void hfi_live_payload_out(hfi_ctx *ctx, hfi_conn *conn);

/* RFC 5482: the user timeout in force, what the peer told last (0: nothing), a segment that may tell it,
 * and the option for one that leaves: true if it carries it. */
hf_ns hfi_live_user_timeout_ns(const hfi_ctx *ctx, const hfi_conn *conn);
hf_ns hfi_live_peer_user_timeout_ns(const hfi_ctx *ctx, const hfi_conn *conn);
void hfi_live_user_timeout_heard(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg);
void hfi_live_user_timeout_tell(hfi_ctx *ctx, hfi_conn *conn, hfi_tcp_options *ret);

/* The SYN-ACK came again on an open connection; it is acknowledged at once. */
void hfi_live_syn_ack_again(hfi_ctx *ctx, hfi_conn *conn);
void hfi_live_doubt(const hfi_ctx *ctx, const hfi_conn *conn, hf_doubt *ret);

/* True if a RST now means that the peer never took the connection: the open check was made, and nothing
 * but the handshake was ever heard. */
bool hfi_live_never_taken(const hfi_ctx *ctx, const hfi_conn *conn);

/* What keeps it from sending, and the books. */
void hfi_live_why(const hfi_ctx *ctx, const hfi_conn *conn, hf_not_sending *ret);

/* The connection has ended: the books are closed. */
void hfi_live_ended(hfi_ctx *ctx, hfi_conn *conn);

#endif
