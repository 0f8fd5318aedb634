/* recover: round-trip time, retransmission time-out, what is lost and when it goes again.
 *
 *   recover.c   RFC 6298's estimates, the deadlines, the time-out
 *   ack.c       what an ACK says; into recovery and out (RFC 5681, 6582, 6675, 2018, 2883)
 *   rack.c      what is lost, by time (RFC 8985 6)
 *   probe.c     tail loss probes (RFC 8985 7)
 *   window.c    congest's numbers; the window within recovery (RFC 9937)
 *   undo.c      losses that were none (RFC 3522, 4015, 5682, 3708)
 *   ecn.c       marks instead of losses (RFC 3168)
 *   mtu.c       what the path takes (RFC 4821, 8899)
 *
 * States: neither flag set (open), HFI_F_RECOVERY (fast recovery until snd.una passes `recover`),
 * HFI_F_LOSS (slow start after a time-out, likewise):
 *
 *            lost, by RACK or three duplicates          rtx_at: RTO
 *      +---------------------------------- open ------------------------------+
 *      v      snd.una >= recover, or undone  ^   snd.una >= recover, or undone  v
 *   RECOVERY --------------------------------+-------------------------------- LOSS
 *      |                                   rtx_at: RTO                         ^
 *      +------------------------------------------------------------------------+
 *
 * Without SACK each duplicate ACK stands for one segment that has left the network, so that both run on
 * the same pipe. With limits.rack = 0, duplicates are counted although there is SACK (RFC 6675).
 *
 * What detect_within sends again as a question touches none of this: neither the window nor an RTT, nor
 * what RACK knows. One deadline, rtx_at, serves all timers; what it is stands in the flight block. */
#ifndef HFI_RECOVER_H
#define HFI_RECOVER_H

#include "segq/segq.h"

/* Numbers of a new connection; `syn_resent` starts from one segment (RFC 5681 3.1). */
void hfi_recover_begin(hfi_ctx *ctx, hfi_conn *conn);
void hfi_recover_established(hfi_ctx *ctx, hfi_conn *conn, bool syn_resent);

/* One RTT measurement, RFC 6298 2.2 and 2.3. */
void hfi_recover_sample(hfi_ctx *ctx, hfi_conn *conn, hfi_us32 rtt_us);

/* The time-out with its back-off, in nanoseconds. */
hf_ns hfi_recover_rto_ns(const hfi_ctx *ctx, const hfi_conn *conn);

/* SRTT + 4 RTTVAR without back-off, at least 500 ms: how long a healthy peer may take to answer. */
hf_ns hfi_recover_patience_ns(const hfi_conn *conn);

/* Before new data: after a time-out's worth of silence on our side the window starts again
 * (RFC 5681 4.1). */
void hfi_recover_idle(hfi_ctx *ctx, hfi_conn *conn);

/* (Re)starts or stops the retransmission timer as RFC 6298 5.1 to 5.3 say. */
void hfi_recover_restart_timer(hfi_ctx *ctx, hfi_conn *conn);
void hfi_recover_stop_timer(hfi_conn *conn);

/* Payload has left, for the first time or again; `first`: nothing was in flight before; `asked`: it
 * went as a question, which changes nothing here (detect_within). */
void hfi_recover_sent(hfi_ctx *ctx, hfi_conn *conn, uint32_t bytes, bool first);
void hfi_recover_sent_again(hfi_ctx *ctx, hfi_conn *conn, uint32_t bytes, bool asked);

/* Whether time says what is lost (RFC 8985), and not the count of duplicates (RFC 6675, 6582). */
bool hfi_recover_by_time(const hfi_ctx *ctx, const hfi_conn *conn);

/* F-RTO waits for an ACK: what is lost does not go again yet. */
bool hfi_recover_holds_back(const hfi_ctx *ctx, const hfi_conn *conn);

/* The segment that a tail loss probe sends again, at most a whole one from the end; HFI_NONE if there
 * is none. And: the probe has left. */
hfi_index hfi_recover_probe_segment(hfi_ctx *ctx, hfi_conn *conn);
void hfi_recover_probed(hfi_ctx *ctx, hfi_conn *conn, bool again);

/* rtx_at has come. True if it was no RTO and has been dealt with: a tail loss probe, something that is
 * lost rather than late, or the end of the flight block's rest. */
bool hfi_recover_early(hfi_ctx *ctx, hfi_conn *conn);

/* snd.una < ack <= snd.nxt: takes an ACK that advances. Returns the bytes of sequence space. */
uint32_t hfi_recover_ack(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg);

/* An ACK that does not advance; `duplicate` as RFC 5681 2 defines it. */
void hfi_recover_repeated_ack(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg,
                              bool duplicate);

/* The path takes longer segments than it was known to. */
void hfi_recover_mss_grown(hfi_conn *conn);

/* The window is open again: what comes now is sent for the first time. */
void hfi_recover_probing_ended(hfi_conn *conn);

/* The retransmission timer ended: marks all lost, backs off. True if the limit (R2) is reached. */
bool hfi_recover_timeout(hfi_ctx *ctx, hfi_conn *conn);

#endif
