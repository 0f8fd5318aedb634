/* segq: what is in flight, as descriptors in sequence order, and the scoreboard on them.
 *
 * send appends, recover marks and removes. A descriptor stands for one segment or one
 * super-segment; it is split where the two differ in fate. Counts of SACKed and of lost bytes are
 * kept in the flight block, so that the pipe (RFC 6675 2) is arithmetic:
 *
 *     pipe = (snd.nxt - snd.una) - sacked - lost        lost: marked, and not sent again yet
 *
 * Each descriptor is in the queue, and in one of two lists or in none:
 *
 *     queue    1 - 2 - 3 - 4 - 5 - 6 - 7        by sequence number
 *              L   .   s   s   .   L'  .        L lost, s SACKed, L' lost again
 *     sent         2 --------- 5 ----- 7        by time of sending: the oldest is asked first
 *     lost     1 ----------------- 6            in the order in which they go again
 *
 * What a SACK costs, in steps:
 *   - to find its start: lanes over the queue have a node for every 16th, 256th and 4,096th
 *     descriptor, so 16 steps a lane and 16 more: O(log n), at most 64 in a queue of 65,536.
 *   - to mark: once for each descriptor, while its SACK stands. What is SACKed already is stepped over
 *     by `later`, which leads to the first behind it that is not, and is shortened on the way: O(log n)
 *     on average.
 *   - what else a block names costs nothing: it is cut where it leaves the queue.
 * So the work of an ACK does not depend on how much is in flight, however its blocks are chosen. Marking
 * all lost, or none, walks the queue: that is for time-outs, for undoing once a round trip, and once for
 * a peer that reneges.
 *
 * The flight block stays for one RTO after all is acknowledged: what came back late is still
 * recognised, and a connection that asks and answers does not start anew each time. When the pool is
 * empty the one longest at rest gives way.
 */
#ifndef HFI_SEGQ_H
#define HFI_SEGQ_H

#include "conn/ctx.h"

/* Lays out the pools of descriptors and of flight blocks. */
void hfi_segq_init(hfi_ctx *ctx, uint32_t segments, uint32_t flights);

/* Appends [seq, seq + bytes), attaching a flight block if there is none. False: no descriptor or no
 * flight block is left. */
bool hfi_segq_push(hfi_ctx *ctx, hfi_conn *conn, hf_seq seq, uint32_t bytes, hfi_index chunk,
                   uint16_t flags);

/* What one ACK brought: the first part is recover's question, the rest the answer. */
typedef struct hfi_delivery {
    bool echoes; /* the ACK carries an echo of our clock: `echo`, a tick of it */
    hfi_tick echo;
    hf_seq limit; /* what ends after it was sent after a time-out */
    hf_seq
        fack; /* the highest end of what was delivered before this ACK, whose blocks have no order */

    uint32_t bytes; /* newly acknowledged or SACKed */
    bool any;       /* of what arrived, one was sent last (RFC 8985 6.2, step 2): */
    hfi_us32 sent_us;
    hf_seq end;
    bool reordered; /* an older segment, sent once, came after a newer one (step 3) */
    bool original;  /* something that ends at or before the limit and was sent once */
    bool sampled;   /* rtt_us is a sample that Karn allows (RFC 6298 3) */
    bool delayed;   /* the ACK waited for a retransmission */
    bool probe;     /* the segment that probed the path's MTU */
    hfi_us32 rtt_us;
} hfi_delivery;

/* Removes what `ack` covers, trimming the descriptor that it cuts. */
void hfi_segq_remove(hfi_ctx *ctx, hfi_conn *conn, hf_seq ack, hfi_delivery *delivery);

/* Marks the whole segments inside [start, end) SACKed. */
void hfi_segq_sack(hfi_ctx *ctx, hfi_conn *conn, hf_seq start, hf_seq end, hfi_delivery *delivery);

/* True if the oldest in flight is SACKed: its receiver has thrown it away again (RFC 2018 8). */
bool hfi_segq_reneged(const hfi_ctx *ctx, const hfi_conn *conn);

/* Marks lost, from the front, what is not SACKed and ends at or before `limit`, and was not sent
 * again (RFC 6675). Stops at what was: behind it lies only what went later. Returns the bytes newly
 * marked, without those of a probe of the path's MTU (RFC 4821 7.5: no sign of congestion). */
uint32_t hfi_segq_lose_before(hfi_ctx *ctx, hfi_conn *conn, hf_seq limit);

/* Marks lost what was sent before the segment that left at sent_us and ends at `end`, and at least
 * `wait_us` ago (RFC 8985 6.2, step 5). Returns likewise; *ret_more_us is the wait until the next is
 * old enough, or 0. */
uint32_t hfi_segq_lose_older(hfi_ctx *ctx, hfi_conn *conn, hfi_us32 sent_us, hf_seq end,
                             hfi_us32 wait_us, hfi_us32 *ret_more_us);

/* Marks the first `bytes` lost (split off if need be), even if they were sent again before. */
void hfi_segq_lose_first(hfi_ctx *ctx, hfi_conn *conn, uint32_t bytes);

/* Marks lost what is in flight in segments of more than `bytes`: the path does not take them. Walks
 * the queue. */
void hfi_segq_lose_longer(hfi_ctx *ctx, hfi_conn *conn, uint32_t bytes);

/* The length of the segment of the wire that `seq`, which lies in the queue, is in; of the longest that
 * is SACKed, 0 if none is. The second walks the queue. */
uint32_t hfi_segq_length_at(hfi_ctx *ctx, const hfi_conn *conn, hf_seq seq);
uint32_t hfi_segq_longest_sacked(const hfi_ctx *ctx, const hfi_conn *conn);

/* The descriptor appended last probes the path's MTU. */
void hfi_segq_probes(hfi_ctx *ctx, const hfi_conn *conn);

/* Everything is lost, and SACKs are forgotten, as the peer may have reneged (RFC 2018 8). */
void hfi_segq_lose_all(hfi_ctx *ctx, hfi_conn *conn);

/* Nothing was lost after all: of what was not sent again up to `most` descriptors, the last first, are in
 * flight as before. */
void hfi_segq_lose_none(hfi_ctx *ctx, hfi_conn *conn, uint32_t most);

/* The lost descriptor that goes next, or HFI_NONE. */
hfi_index hfi_segq_next_lost(const hfi_ctx *ctx, const hfi_conn *conn);

/* Splits so that the descriptor keeps `bytes`. False if no descriptor is left. */
bool hfi_segq_split(hfi_ctx *ctx, hfi_conn *conn, hfi_index index, uint32_t bytes);

/* It is sent again now; `asked`: only to be answered, so that nothing follows from when it left. */
void hfi_segq_resent(hfi_ctx *ctx, hfi_conn *conn, hfi_index index, bool asked);

/* Bytes believed to be in the network. */
uint32_t hfi_segq_pipe(const hfi_ctx *ctx, const hfi_conn *conn);

/* Gives the flight block of a connection that rests back. */
void hfi_segq_rest_over(hfi_ctx *ctx, hfi_conn *conn);

/* Gives everything back. */
void hfi_segq_end(hfi_ctx *ctx, hfi_conn *conn);

#endif
