/* close: what is known of an end, and the ring that keeps it when no handle does (hf/end.h).
 *
 * While a connection lives nothing is kept for its end. When it ends, evidence goes into fields that
 * are needed no more: the segment queue's, the timers', the stamps of questions.
 *
 *     hfi_conn:  segq, tx chain -> header of the fatal segment     timers' instants -> ICMP's sender
 *                stamps of questions -> list of the ends that wait to be told, oldest first
 *
 * Limits: config.end_budget ends wait; the oldest beyond goes to the ring. config.end_records records
 * are kept, the oldest is overwritten; readers see by its number what they missed. */
#ifndef HFI_ENDS_H
#define HFI_ENDS_H

#include "conn/ctx.h"

/* The connection ends now: keeps the evidence, and lists it if it has a handle. */
void hfi_end_begin(hfi_ctx *ctx, hfi_conn *conn);

/* The handle tells it no more, or nobody had one. */
void hfi_end_unlist(hfi_ctx *ctx, hfi_conn *conn);

/* The oldest end that waits beyond the budget, or NULL. */
hfi_conn *hfi_end_over_budget(const hfi_ctx *ctx);

/* What a handle, or the ring, tells. */
void hfi_end_fill(const hfi_ctx *ctx, const hfi_conn *conn, hf_end *ret);

/* What the handle of a close tells that goes on alone (HFI_CLOSE_TOLD). */
void hfi_end_fill_detached(const hfi_ctx *ctx, const hfi_conn *conn, hf_end *ret);

/* Writes an ended connection into the ring. */
void hfi_end_record(hfi_ctx *ctx, const hfi_conn *conn, bool dropped);

/* A connect that failed before there was a connection; ports and addresses as far as chosen. */
void hfi_end_record_failure(hfi_ctx *ctx, const hfi_flow_key *key, hf_cause cause,
                            hf_ns first_free_at_ns);

#endif
