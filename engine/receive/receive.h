/* receive: the window we offer, what arrives in it and out of order, when to acknowledge, what the
 * application reads.
 *
 *         rx_read          rcv_nxt      range          rcv_adv
 *     ------|----------------|.......[########]...........|------->
 *        readable, in order     gap   kept, SACKed    right edge told
 *
 * Data is copied once, from the frame to its place in the chain of chunks (base/chunk.h). Ranges
 * tell which bytes beyond rcv.nxt are there. Duties: the right edge never moves left (SHLD-14); the
 * sum of all windows is kept in a credit ledger, so that scarcity stops windows from opening and
 * never shrinks one; under scarcity the last sixteenth of the pool is for data at rcv.nxt alone.
 *
 * Limits: HFI_RANGES_PER_CONN ranges of 16 bytes; a further gap drops the furthest range, which is
 * legal (RFC 2018 8). Work per segment is bounded by that number, never by the window.
 */
#ifndef HFI_RECEIVE_H
#define HFI_RECEIVE_H

#include "conn/ctx.h"

/* As many as the counter holds: 4 KiB, for a slow start that loses every second of 500 segments. */
#define HFI_RANGES_PER_CONN 255

/* The first window, RULE: min(64 KiB, the pool by the number of established), at least one segment.
 */
#define HFI_FIRST_WINDOW_BYTES 65535u

/* Starts receiving after irs. */
void hfi_receive_begin(hfi_ctx *ctx, hfi_conn *conn, hf_seq irs);

/* The window that a SYN or SYN-ACK may offer now, unscaled. */
uint32_t hfi_receive_first_window(const hfi_ctx *ctx, uint32_t receive_bytes, uint32_t mss);

/* The same with the share of a full house: it depends on nothing that changes. */
uint32_t hfi_receive_least_window(const hfi_ctx *ctx, uint32_t receive_bytes, uint32_t mss);

/* What a connection may hold and offer now; and the most that it may ever, for the window scale. */
uint32_t hfi_receive_limit(const hfi_ctx *ctx, const hfi_conn *conn);
uint32_t hfi_receive_most(const hfi_ctx *ctx, uint32_t receive_bytes);

/* The first window of a handshake was told: it is a promise. */
void hfi_receive_grant_first(hfi_ctx *ctx, hfi_conn *conn, uint32_t window);

/* RFC 9293 3.10.7.4, first step: is any of the segment inside the window? */
bool hfi_receive_acceptable(const hfi_conn *conn, const hfi_tcp_view *seg);

/* Whether the timestamp is too old (RFC 7323 5.3), with the rule for idle of 24 days. */
bool hfi_receive_paws_rejects(const hfi_ctx *ctx, const hfi_conn *conn, const hfi_tcp_view *seg);

/* An acceptable segment has come: with which TTL (or hop limit), so that a RST can be compared. */
void hfi_receive_heard(hfi_conn *conn, const hfi_arrival *arrival);

/* RFC 7323 4.3: remembers TSval of a segment that covers the last ACK. Only after acceptance. */
void hfi_receive_timestamp(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg);

/* Takes the payload of an acceptable segment; *ret_a is the number for the cause. */
hf_cause hfi_receive_data(hfi_ctx *ctx, hfi_conn *conn, const hfi_arrival *arrival,
                          uint32_t *ret_a);

/* RFC 3168 6.1.3: what an acceptable segment with payload says of the path, with ECN agreed. */
void hfi_receive_marks(hfi_ctx *ctx, hfi_conn *conn, const hfi_arrival *arrival);

/* Notes the peer's FIN at `seq`. True if everything before it is here: rcv.nxt has passed it. */
bool hfi_receive_fin(hfi_ctx *ctx, hfi_conn *conn, hf_seq seq);

/* True if a FIN noted earlier is now in order. */
bool hfi_receive_fin_due(const hfi_conn *conn);
void hfi_receive_take_fin(hfi_ctx *ctx, hfi_conn *conn);

/* An ACK is owed at once, because of `cause`. */
void hfi_receive_owe_ack(hfi_ctx *ctx, hfi_conn *conn, hf_cause cause);

/* The delayed ACK timer ended. */
void hfi_receive_ack_timeout(hfi_ctx *ctx, hfi_conn *conn);

/* The window field for a segment that leaves now; commits to the right edge that it tells. */
uint16_t hfi_receive_window_field(hfi_ctx *ctx, hfi_conn *conn);

/* SACK blocks for a segment that leaves now, the latest range first (RFC 2018 4). */
void hfi_receive_sack(const hfi_ctx *ctx, const hfi_conn *conn, hfi_tcp_options *options);
bool hfi_receive_has_sack(const hfi_ctx *ctx, const hfi_conn *conn);

/* What of a segment lies below RCV.NXT has come before: with SACK the ACK names it (RFC 2883). */
void hfi_receive_old(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg);

/* A segment with ACK has left: nothing is owed any more. */
void hfi_receive_acked(hfi_ctx *ctx, hfi_conn *conn);

/* ---- The application's side ---- */

uint32_t hfi_receive_copy(hfi_ctx *ctx, hfi_conn *conn, void *to, uint32_t bytes);
size_t hfi_receive_parts(const hfi_ctx *ctx, const hfi_conn *conn, hf_part *ret_parts, size_t max);
void hfi_receive_consume(hfi_ctx *ctx, hfi_conn *conn, uint32_t bytes);

/* Reads all that is readable, for nobody. */
void hfi_receive_discard(hfi_ctx *ctx, hfi_conn *conn);

/* Gives back all memory; readable data is lost. */
void hfi_receive_end(hfi_ctx *ctx, hfi_conn *conn);

/* Gives back out-of-order data and the promised window; what is readable stays. */
void hfi_receive_stop(hfi_ctx *ctx, hfi_conn *conn);

#endif
