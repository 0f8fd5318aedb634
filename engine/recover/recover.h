/* recover: round-trip time, retransmission time-out, what is lost and when it goes again.
 *
 * RFC 6298 (RTO), RFC 5681 and 6582 (fast retransmit, NewReno) and, where the peer sends SACK, RFC
 * 6675's scoreboard and pipe. Without SACK each duplicate ACK stands for one segment that has left
 * the network, so both cases run on the same pipe.
 *
 * States: neither flag set (open), HFI_F_RECOVERY (fast recovery until snd.una passes `recover`),
 * HFI_F_LOSS (slow start after a time-out, likewise). The timer's deadline is kept in rtx_at. */
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

/* The timer ended with nothing in flight: one RTO has passed, the flight block goes back. False if
 * something is in flight. */
bool hfi_recover_rested(hfi_ctx *ctx, hfi_conn *conn);

/* snd.una < ack <= snd.nxt: takes an ACK that advances. Returns the bytes of sequence space. */
uint32_t hfi_recover_ack(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg);

/* An ACK that does not advance; `duplicate` as RFC 5681 2 defines it. */
void hfi_recover_repeated_ack(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg,
                              bool duplicate);

/* The window is open again: what comes now is sent for the first time. */
void hfi_recover_probing_ended(hfi_conn *conn);

/* The retransmission timer ended: marks all lost, backs off. True if the limit (R2) is reached. */
bool hfi_recover_timeout(hfi_ctx *ctx, hfi_conn *conn);

#endif
