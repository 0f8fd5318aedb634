/* segq: what is in flight, as descriptors in sequence order, and the scoreboard on them.
 *
 * send appends, recover marks and removes. A descriptor stands for one segment or one
 * super-segment; it is split where the two differ in fate. Counts of SACKed and of lost bytes are
 * kept in the flight block, so that the pipe (RFC 6675 2) is arithmetic:
 *
 *     pipe = (snd.nxt - snd.una) - sacked - lost        lost: marked, and not sent again yet
 */
#ifndef HFI_SEGQ_H
#define HFI_SEGQ_H

#include "conn/ctx.h"

/* Appends [seq, seq + bytes), attaching a flight block if there is none. False: no descriptor or no
 * flight block is left. */
bool hfi_segq_push(hfi_ctx *ctx, hfi_conn *conn, hf_seq seq, uint32_t bytes, hfi_index chunk,
                   uint16_t flags);

typedef struct hfi_segq_acked {
    uint32_t bytes; /* newly acknowledged and not SACKed before */
    bool sampled;   /* rtt_us is a sample that Karn allows (RFC 6298 3) */
    hfi_us32 rtt_us;
} hfi_segq_acked;

/* Removes what `ack` covers, trimming the descriptor that it cuts. */
hfi_segq_acked hfi_segq_remove(hfi_ctx *ctx, hfi_conn *conn, hf_seq ack);

/* Marks the whole segments inside [start, end) SACKed. Returns the bytes newly marked. */
uint32_t hfi_segq_sack(hfi_ctx *ctx, hfi_conn *conn, hf_seq start, hf_seq end);

/* Marks lost, from the front, what is not SACKed and ends at or before `limit`, and was not sent
 * again. Returns the bytes newly marked. */
uint32_t hfi_segq_lose_before(hfi_ctx *ctx, hfi_conn *conn, hf_seq limit);

/* Marks the first `bytes` lost (split off if need be), even if they were sent again before. */
void hfi_segq_lose_first(hfi_ctx *ctx, hfi_conn *conn, uint32_t bytes);

/* A time-out: everything is lost, and SACKs are forgotten, as the peer may have reneged (RFC 2018
 * 8). */
void hfi_segq_lose_all(hfi_ctx *ctx, hfi_conn *conn);

/* The first lost descriptor not sent again, or HFI_NONE. */
hfi_index hfi_segq_next_lost(hfi_ctx *ctx, const hfi_conn *conn);

/* Splits so that the descriptor keeps `bytes`. False if no descriptor is left. */
bool hfi_segq_split(hfi_ctx *ctx, hfi_conn *conn, hfi_index index, uint32_t bytes);

/* It is sent again now. */
void hfi_segq_resent(hfi_ctx *ctx, hfi_conn *conn, hfi_index index);

/* Bytes believed to be in the network. */
uint32_t hfi_segq_pipe(const hfi_ctx *ctx, const hfi_conn *conn);

/* Gives everything back. */
void hfi_segq_end(hfi_ctx *ctx, hfi_conn *conn);

#endif
