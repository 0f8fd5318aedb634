/* What was taken for a loss may have been a delay. Three witnesses can tell, and each undoes what the
 * window lost:
 *
 *   timestamps (Eifel, RFC 3522)   the ACK answers what was sent before the retransmission
 *   DSACK (RFC 2883, 3708)         all that was sent again had arrived already
 *   order (F-RTO, RFC 5682)        after a time-out ACKs go on for what was never sent again
 *
 * The answer is RFC 4015's: window and threshold go back, what is marked lost is in flight again. The
 * RTO keeps its back-off until something sent once is measured (RFC 6298 5.7), so that a path that has
 * become slower does not time out again at once.
 *
 * While F-RTO judges, what is lost does not go again and new data goes instead, two segments on the
 * first ACK: the second ACK tells. */
#include "recover/internal.h"

void hfi_recover_undo_begin(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    if (flight == NULL) return;
    flight->marks |= HFI_FLIGHT_UNDO;
    hfi_recover_unmark(flight, HFI_FLIGHT_STAMPED);
    flight->undo_from = conn->snd_una;
    flight->undo_bytes = 0;
}

/* Taking back what is marked lost walks through it, and a peer that lies could have us do so at each ACK:
 * once a round trip all, then a few. What stays marked goes again, in vain. The window itself goes back each
 * time: where packets are overtaken several losses a round trip turn out to have been none. */
#define AGAIN_SEGS 16u

static void undo(hfi_ctx *ctx, hfi_conn *conn, hf_cause cause) {
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    hfi_recover_unmark(flight, HFI_FLIGHT_UNDO | HFI_FLIGHT_STAMPED);
    const bool again = hfi_recover_marked(flight, HFI_FLIGHT_UNDONE) &&
                       hf_seq_lt(conn->snd_una, flight->undone_until);
    if (!again) flight->undone_until = conn->snd_nxt;
    flight->marks |= HFI_FLIGHT_UNDONE;
    flight->frto = 0;
    hfi_recover_window_restore(ctx, conn);
    if (hfi_has(conn, HFI_F_RECOVERY | HFI_F_LOSS)) {
        hfi_segq_lose_none(ctx, conn, again ? AGAIN_SEGS : UINT32_MAX);
        conn->recover = conn->snd_una;
        conn->flags &= ~(uint32_t)(HFI_F_RECOVERY | HFI_F_LOSS);
        conn->duplicate_acks = 0;
    }
    hfi_note(ctx, hfi_conn_index(ctx, conn), cause, conn->cwnd, 0);
    hfi_conn_owe(ctx, conn, HFI_P_DATA);
}

void hfi_recover_duplicate(hfi_ctx *ctx, hfi_conn *conn, hf_seq start, hf_seq end) {
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    const uint32_t bytes = end - start;
    hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_DSACK_HEARD, bytes, 0);
    if (flight->asked_bytes > 0) { /* our question, not the path's doing */
        flight->asked_bytes -= hfi_min32(flight->asked_bytes, bytes);
        return;
    }
    const hf_seq data_end = flight->tlp_end - hfi_has(conn, HFI_F_FIN_SENT);
    if (hfi_recover_marked(flight, HFI_FLIGHT_PROBED_AGAIN) && end == data_end) {
        /* RFC 8985 7.4.2: original and probe have arrived, nothing was lost. */
        hfi_recover_unmark(flight, HFI_FLIGHT_PROBED | HFI_FLIGHT_PROBED_AGAIN);
        return;
    }
    hfi_recover_rack_duplicate(ctx, conn);
    if (!hfi_recover_marked(flight, HFI_FLIGHT_UNDO) || flight->undo_bytes == 0) return;
    if (hf_seq_lt(start, flight->undo_from)) return;
    flight->undo_bytes -= hfi_min32(flight->undo_bytes, bytes);
    if (flight->undo_bytes == 0) undo(ctx, conn, HF_CAUSE_UNDONE_BY_DSACK);
}

/* RFC 3522 3.2, step 5. */
static bool eifel_tells(const hfi_conn *conn, const hfi_flight *flight,
                        const hfi_delivery *delivery) {
    return hfi_has(conn, HFI_F_RECOVERY | HFI_F_LOSS) && delivery->echoes &&
           hfi_recover_marked(flight, HFI_FLIGHT_STAMPED) &&
           hfi_tick_lt(delivery->echo, flight->resent_at);
}

/* Is there something new to send, so that F-RTO can go on? */
static bool has_new(const hfi_conn *conn) {
    return hfi_unsent(conn) > 0 && hf_seq_lt(conn->snd_nxt, conn->snd_una + conn->snd_wnd);
}

/* RFC 5682 2.1 and 3.1, step 2: the first ACK after the time-out. */
static void frto_first(hfi_ctx *ctx, hfi_conn *conn, hfi_flight *flight, bool advances) {
    flight->frto = 0;
    if (!advances || !hf_seq_lt(conn->snd_una, conn->recover) || !has_new(conn)) return;
    flight->frto = 2;
    conn->cwnd = hfi_max32(conn->cwnd, hfi_segq_pipe(ctx, conn) + 2u * conn->mss);
}

/* Step 3: the second. With SACK it may be a duplicate, and tell all the same. */
static bool frto_second(const hfi_ctx *ctx, const hfi_conn *conn, hfi_flight *flight,
                        const hfi_delivery *delivery, bool advances) {
    flight->frto = 0;
    return hfi_recover_by_sack(ctx, conn) ? delivery->original : advances;
}

void hfi_recover_judge(hfi_ctx *ctx, hfi_conn *conn, const hfi_delivery *delivery, bool advances) {
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    if (!hfi_recover_marked(flight, HFI_FLIGHT_UNDO)) return;
    if (advances && eifel_tells(conn, flight, delivery)) {
        undo(ctx, conn, HF_CAUSE_UNDONE_BY_TIMESTAMP);
        return;
    }
    if (!hfi_has(conn, HFI_F_LOSS)) return;
    if (flight->frto == 1)
        frto_first(ctx, conn, flight, advances);
    else if (flight->frto == 2 && frto_second(ctx, conn, flight, delivery, advances))
        undo(ctx, conn, HF_CAUSE_UNDONE_BY_ORDER);
}
