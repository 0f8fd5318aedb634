/* TIME_WAIT: what guards an address pair after this side closed first (RFC 9293 3.6, MUST-13).
 *
 * A table of its own, 36 bytes an entry (48 for IPv6) and a flow slot; never a connection. All
 * entries live equally long, so each class is a FIFO and expiry looks at heads only. When the table
 * is full an entry leaves early, in the order of harm:
 *
 *     TIMESTAMPS  both sides use them: PAWS and our growing TSval guard the pair (RFC 7323, 6191)
 *     ISN         our keyed ISN clock is ahead of snd.nxt: a new incarnation cannot be confused
 *     COOKIE      a connection that a SYN cookie opened is over, and not by TIME_WAIT: as long as a
 *                 late copy of the handshake's ACK can come, the cookie must not open another
 *     FIN_WAIT_2  no guard yet, but an orphan whose peer has still to close (see below)
 *     UNGUARDED   nothing else guards: counted as unsafe
 *
 * An orphan in FIN_WAIT_2 has nothing to send and nobody to read: an entry does for it too. The
 * peer's FIN makes TIME_WAIT of it, data is answered by RST, and after fin_wait_2_ns it ends. It only
 * takes an entry that is free.
 */
#ifndef HFI_TIME_WAIT_H
#define HFI_TIME_WAIT_H

#include "reply/reply.h"

/* Empties the table. */
void hfi_tw_init(hfi_ctx *ctx);

/* Moves a connection into the table: its flow entry now means TIME_WAIT. The connection ends
 * elsewhere. False if the table has no entries at all. */
bool hfi_tw_begin(hfi_ctx *ctx, hfi_conn *conn);

/* A connection that a cookie opened is over, by FIN or RST: its pair is CLOSED, and nothing but a SYN
 * opens it. */
void hfi_tw_guard_cookie(hfi_ctx *ctx, hfi_conn *conn);

/* Moves an orphan in FIN_WAIT_2 into the table, if an entry is free. The connection ends elsewhere. */
bool hfi_tw_begin_fin_wait_2(hfi_ctx *ctx, hfi_conn *conn);

/* True if entry `ref` is for this key. */
bool hfi_tw_matches(const hfi_ctx *ctx, uint32_t ref, const hfi_flow_key *key);

typedef enum hfi_tw_verdict { HFI_TW_DONE, HFI_TW_NEW_INCARNATION } hfi_tw_verdict;

/* A segment for an entry; what it sends is in effects. NEW_INCARNATION, only with `may_reopen`: treat the SYN as in LISTEN, with an
 * ISN of at least *ret_isn. The entry stays: who takes the SYN ends it by hfi_tw_replaced, who turns
 * it away leaves the guard where it is. */
hfi_tw_verdict hfi_tw_input(hfi_ctx *ctx, uint32_t ref, const hfi_arrival *arrival, bool may_reopen,
                            hfi_effects *effects, hf_cause *ret_cause, hf_seq *ret_isn);

/* A new incarnation takes the entry's place. */
void hfi_tw_replaced(hfi_ctx *ctx, uint32_t ref);

/* True if timestamps tell the segments of the entry's connection from newer ones, or none can come. */
bool hfi_tw_has_timestamps(const hfi_ctx *ctx, uint32_t ref);

/* A good cookie comes to an entry: true if it is of a newer SYN than the entry's connection had. */
bool hfi_tw_cookie_is_new(const hfi_ctx *ctx, uint32_t ref, const hfi_tcp_view *seg);

/* Our own connect wants the pair, whose local port the application `named` or not: true if the entry allows it
 * (RFC 6191) and is gone. */
bool hfi_tw_reuse(hfi_ctx *ctx, uint32_t ref, const hfi_flow_key *key, bool named, hf_seq *ret_isn);

/* When a connect of ours that names no port may have the entry's pair, as far as known now: perhaps now. */
hf_ns hfi_tw_free_at(const hfi_ctx *ctx, uint32_t ref);
bool hfi_tw_is_fin_wait_2(const hfi_ctx *ctx, uint32_t ref);

/* Lets entries go that are due, at most `budget`; returns how many. */
uint32_t hfi_tw_expire(hfi_ctx *ctx, uint32_t budget);
hf_ns hfi_tw_next_at(const hfi_ctx *ctx);

#endif
