/* close: FIN and RST, the ends of connections and their records, challenge ACKs, orphans. TIME_WAIT
 * is in time_wait.h.
 *
 * Every end goes through hfi_close_end, which records the cause and the mechanism, stops the timers
 * and gives the memory back; what the application has not read stays readable. */
#ifndef HFI_CLOSE_H
#define HFI_CLOSE_H

#include "close/ends.h"
#include "reply/reply.h"
#include "send/send.h"

/* Queues our FIN after what is queued, and moves the state (RFC 9293 3.10.4). */
void hfi_close_shutdown(hfi_ctx *ctx, hfi_conn *conn);

/* Nobody owns the connection's end any more, or a deadline was given: it ends by then. */
void hfi_close_limit(hfi_ctx *ctx, hfi_conn *conn, hf_ns wait_ns);

/* The deadline of close_at came. */
void hfi_close_timeout(hfi_ctx *ctx, hfi_conn *conn);

/* Ends the connection. With `reset_cause` other than NONE a RST is owed for it. */
void hfi_close_end(hfi_ctx *ctx, hfi_conn *conn, hf_cause cause, hf_cause mechanism,
                   hf_cause reset_cause);

/* Both sides have closed and ours was first: ends it, and TIME_WAIT guards the tuple. */
void hfi_close_time_wait(hfi_ctx *ctx, hfi_conn *conn);

/* The RST of an ended connection that owes one. */
void hfi_close_reset(hfi_ctx *ctx, hfi_conn *conn, hfi_departure *ret);

/* A challenge ACK (RFC 5961) is owed, unless one left within the last half second or so. */
void hfi_close_challenge(hfi_ctx *ctx, hfi_conn *conn);

#endif
