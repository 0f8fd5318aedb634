/* Large packets may vanish without a word (RFC 4821, RFC 8899). Two questions find out, and both are real
 * data of the connection:
 *
 *     Is it their size?   The oldest data went again and again in a large segment, and none of that size
 *                         arrived. From the third repetition on its first bytes go beside it, once more,
 *                         in a small segment. If both arrive it was no matter of size, and if neither
 *                         does the peer is gone or the path is out: nothing has changed but a packet
 *                         more. An ACK of the small one alone is proof.
 *     Does more get through?   A path that is known to take less than the peer and the link would: one
 *                         segment of the next larger size, when nothing is lost and enough follows, or
 *                         may be expected to, to tell soon whether it has arrived (RFC 4821 7.4).
 *
 * The small segment departs from RFC 5681 3.1, which lets one segment out after a time-out: what it adds
 * is sent only beside what has been backed off three times. */
#include "send/internal.h"

#define REPETITIONS                                                                                \
    3u /* of the large one; the fifth and every other is asked about with the floor */
#define SEGS_BEHIND 3u /* as many as tell of a loss at once */
#define SEGS_BUSY 8u   /* so much is out that more will follow */

uint32_t hfi_send_mtu_question(hfi_ctx *ctx, const hfi_conn *conn) {
    if (ctx->limits->plpmtud == 0 || conn->transmissions < REPETITIONS) return 0;
    if (conn->path == HFI_NONE || conn->segq_head == HFI_NONE) return 0;
    const bool is4 = hf_addr_is4(&conn->remote);
    const uint32_t headers = hfi_header_bytes(ctx, conn), base = hfi_path_base(is4) - headers;
    const uint32_t full = hfi_segq_length_at(ctx, conn, conn->snd_una);
    const bool lower = conn->transmissions > REPETITIONS + 1 && conn->transmissions % 2 != 0;
    const uint32_t small = lower || full <= base ? hfi_path_floor(is4) - headers : base;
    /* What the peer's window does not take it may well have dropped. */
    if (full <= small || conn->snd_wnd < full) return 0;
    return hfi_segq_longest_sacked(ctx, conn) > small ? 0 : small;
}

/* Else a lost probe would look like congestion. At the first segment of a burst there is no flight yet. */
static bool tells_losses_by_sack(const hfi_ctx *ctx, const hfi_conn *conn) {
    if (conn->flight != HFI_NONE) return hfi_recover_by_time(ctx, conn);
    return ctx->limits->rack != 0 && hfi_has(conn, HFI_F_SACK);
}

uint32_t hfi_send_mtu_probe(hfi_ctx *ctx, hfi_conn *conn, bool *ret_waits) {
    *ret_waits = false;
    if (conn->path == HFI_NONE || conn->backoff > 0 || !tells_losses_by_sack(ctx, conn)) return 0;
    if (hfi_has(conn, HFI_F_RECOVERY | HFI_F_LOSS)) return 0;
    const uint32_t headers = hfi_header_bytes(ctx, conn);
    if (hfi_path_limit(&ctx->paths, conn->path, ctx->now_ns) > conn->mss + headers)
        conn->pending |= HFI_P_MTU; /* another connection has found out */
    const uint32_t packet = hfi_path_probe_size(&ctx->paths, conn->path, ctx->now_ns);
    if (packet <= conn->mss + headers) return 0;
    const uint32_t payload = packet - headers, pipe = hfi_segq_pipe(ctx, conn);
    const bool busy = hfi_in_flight(conn) >= SEGS_BUSY * conn->mss;
    const uint32_t wanted = payload + (busy ? 0 : SEGS_BEHIND * conn->mss);
    if (hfi_unsent(conn) < wanted || hfi_send_usable_window(conn) < wanted) return 0;
    if (conn->cwnd < payload + conn->mss) return 0;
    *ret_waits = conn->cwnd < pipe + payload; /* for the ACKs of what is out */
    return *ret_waits ? 0 : payload;
}
