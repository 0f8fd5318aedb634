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

/* The application closes both sides; nothing is left to be read. */
void hfi_close_begin(hfi_ctx *ctx, hfi_conn *conn, const hf_close_options *options);

/* The peer's FIN was taken in ESTABLISHED: our own may have waited for it. */
void hfi_close_peer_closed(hfi_ctx *ctx, hfi_conn *conn);

/* FIN_WAIT_2 begins for a connection that the application has closed: it has a limit. */
void hfi_close_fin_wait_2(hfi_ctx *ctx, hfi_conn *conn);

/* An orphan in FIN_WAIT_2 becomes an entry of TIME_WAIT's table (time_wait.h): 36 bytes wait for the
 * peer's FIN, and the connection ends. Does nothing for any other, or when the table is full. */
void hfi_close_shrink(hfi_ctx *ctx, hfi_conn *conn);

/* The instant of close_at came: our FIN need not wait for the peer's any more, the close goes on
 * alone, or the connection ends. */
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

/* The same for a SYN, which a restarted peer may have sent (RFC 5961 4). */
void hfi_close_challenge_syn(hfi_ctx *ctx, hfi_conn *conn);

/* True if a RST now, exactly at RCV.NXT, answers that challenge: the peer has a new life and says that
 * it knows nothing of this connection. */
bool hfi_close_peer_restarted(const hfi_ctx *ctx, const hfi_conn *conn);

#endif
