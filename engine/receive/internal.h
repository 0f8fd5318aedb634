/* Between the files of receive. */
#ifndef HFI_RECEIVE_INTERNAL_H
#define HFI_RECEIVE_INTERNAL_H

#include "receive/receive.h"

/* ---- buffer.c ---- */

/* The receive pool, and how much of it may still be promised; the last sixteenth is never. */
uint64_t hfi_receive_pool_bytes(const hfi_ctx *ctx);
uint64_t hfi_receive_credits(const hfi_ctx *ctx);

/* The most of it that one owner may hold, and what may still be promised to a connection beyond its
 * window: by the pool, and by that. */
uint64_t hfi_receive_share(const hfi_ctx *ctx);
uint64_t hfi_receive_credits_for(const hfi_ctx *ctx, const hfi_conn *conn);

/* Data arrives: if a round trip is over, was the buffer too small for it? */
void hfi_receive_measure(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg);

/* ---- sack.c ---- */

/* The range that changed last. */
hfi_index hfi_receive_recent(const hfi_ctx *ctx, const hfi_conn *conn);
void hfi_receive_set_recent(hfi_ctx *ctx, hfi_conn *conn, hfi_index range);

/* [start, end) came a second time: the next ACK, due at once, says so. Empty: nothing did. */
void hfi_receive_duplicate(hfi_ctx *ctx, hfi_conn *conn, hf_seq start, hf_seq end);
void hfi_receive_duplicate_told(hfi_ctx *ctx, hfi_conn *conn);

#endif
