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
 * The room answers one deadline for all of it, live_at, and one function runs what is due. */
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

/* When the application would know if the peer vanished now; HF_NEVER. */
hf_ns hfi_live_notice_by(const hfi_ctx *ctx, const hfi_conn *conn);

#endif
