/* ECN, RFC 3168 6.1.2: the peer echoes a router's mark. The window falls as for a loss, once a round trip,
 * but nothing is lost and nothing goes again. PRR leads it down (RFC 9937), so that the ACK clock goes
 * on: at once it would stop for half a round trip.
 *
 *     open --- ACK with ECE ---> marked, falling --- snd.una = recover ---> marked --- beyond ---> open
 *                                  |
 *                                  +--- a loss is found ---> RECOVERY, in which the window has fallen already
 *
 * The ACK at `recover` may still have the echo: CWR goes with what is sent behind it. So only what is
 * acknowledged beyond it can tell of another mark.
 *
 * Whatever makes the window fall, the next new data says so (CWR), and the peer ends its echo. A mark
 * cannot turn out to have been none, so nothing is undone.
 *
 * At two segments a round trip the window falls no further, and marks have nothing left to say: the path
 * marks everything, by mistake, or it is so full that only losses and the time-out can slow us down more.
 * Then we send unmarkable segments, and echoes mean nothing any more. */
#include "recover/internal.h"

/* Below it a fall ends at the least window, which grows by a segment in a round trip. */
#define LEAST_SEGS 3u

bool hfi_recover_is_marked(const hfi_ctx *ctx, const hfi_conn *conn) {
    return conn->flight != HFI_NONE &&
           hfi_recover_marked(&ctx->flights[conn->flight], HFI_FLIGHT_MARKED);
}

bool hfi_recover_is_falling(const hfi_ctx *ctx, const hfi_conn *conn) {
    return hfi_recover_is_marked(ctx, conn) && hf_seq_lt(conn->snd_una, conn->recover);
}

static void give_marks_up(hfi_ctx *ctx, hfi_conn *conn) {
    conn->pending |= HFI_P_NO_ECT;
    hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_ECN_GIVEN_UP, conn->cwnd, 0);
}

static void slow_down(hfi_ctx *ctx, hfi_conn *conn, uint32_t acked, uint32_t delivered) {
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    if (conn->cwnd < LEAST_SEGS * conn->mss) give_marks_up(ctx, conn);
    hfi_recover_unmark(flight, HFI_FLIGHT_UNDO | HFI_FLIGHT_STAMPED);
    flight->marks |= HFI_FLIGHT_MARKED;
    conn->recover = conn->snd_nxt;
    hfi_recover_window_marked(ctx, conn, hfi_in_flight(conn) + acked);
    hfi_recover_prr_begin(ctx, conn, delivered);
    conn->cwnd = hfi_segq_pipe(ctx, conn); /* then PRR says */
    hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_ECN_WINDOW_FELL, conn->ssthresh, 0);
}

bool hfi_recover_echo(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg, uint32_t acked,
                      uint32_t delivered) {
    const bool echoes = hfi_has(conn, HFI_F_ECN) && (seg->flags & HFI_TCP_ECE) != 0;
    if (!echoes || (conn->pending & HFI_P_NO_ECT) != 0) return false;
    if (hfi_has(conn, HFI_F_RECOVERY | HFI_F_LOSS) || hfi_recover_is_marked(ctx, conn))
        return false;
    slow_down(ctx, conn, acked, delivered);
    hfi_recover_echo_over(ctx, conn);
    return true;
}

void hfi_recover_echo_over(hfi_ctx *ctx, hfi_conn *conn) {
    if (!hfi_recover_is_marked(ctx, conn) || hf_seq_lt(conn->snd_una, conn->recover)) return;
    conn->cwnd = conn->ssthresh;
    if (conn->snd_una != conn->recover)
        hfi_recover_unmark(hfi_recover_flight(ctx, conn), HFI_FLIGHT_MARKED);
}
