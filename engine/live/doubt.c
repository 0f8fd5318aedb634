/* Has the peer taken the connection? The client's doubt, and the question that settles what the wire
 * can settle. */
#include "live/internal.h"

static void raise_doubt(hfi_ctx *ctx, hfi_conn *conn, uint32_t count) {
    hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_PEER_MAY_NOT_HAVE_ACCEPTED, count, 0);
    hfi_conn_event(ctx, conn, HF_EVENT_DOUBT);
}

/* SYN-ACKs come again at growing distances; when the next would be overdue the peer has given up, and
 * only then does a question bring more than the answer of a pending request. */
static void put_check_off(const hfi_ctx *ctx, const hfi_conn *conn, hfi_watch *watch) {
    const hfi_tick before = hfi_live_later(watch->syn_ack_heard_at, conn->heard_at);
    const hf_ns wait_ns = 2 * hfi_live_since_ns(ctx, before) + hfi_recover_patience_ns(conn);
    const hfi_tick at = hfi_ticks_from(ctx, wait_ns);
    watch->check_at = hfi_live_later(watch->check_at, at);
    watch->syn_ack_heard_at = ctx->now_tick;
}

void hfi_live_syn_ack_again(hfi_ctx *ctx, hfi_conn *conn) {
    if (!hfi_live_only_handshake(conn)) return;
    const bool watched = hfi_has(conn, HFI_F_WATCHED);
    const hfi_tick acked_at =
        watched ? hfi_live_later(hfi_watch_of(ctx, conn)->syn_ack_acked_at, conn->heard_at)
                : conn->heard_at;
    const bool late = hfi_live_since_ns(ctx, acked_at) > hfi_recover_patience_ns(conn);
    if (!hfi_live_attach(ctx, conn)) {
        if (late) raise_doubt(ctx, conn, 1); /* nobody can count: better one too many */
        return;
    }
    hfi_watch *watch = hfi_watch_of(ctx, conn);
    if (!watched) watch->syn_ack_heard_at = conn->heard_at;
    watch->flags |= HFI_W_REPEATED;
    put_check_off(ctx, conn, watch);
    watch->syn_ack_acked_at = ctx->now_tick; /* it is answered at once */
    if (!late) return;
    if (watch->doubt_count == 0) watch->doubt_at = ctx->now_tick;
    if (watch->doubt_count < UINT16_MAX) watch->doubt_count++;
    watch->doubt_reasons |= HF_DOUBT_SYN_ACK_REPEATED;
    if (hfi_in_flight(conn) > 0) watch->doubt_reasons |= HF_DOUBT_DATA_IGNORED;
    if (watch->doubt_count == 2) raise_doubt(ctx, conn, 2);
}

void hfi_live_doubt_look(hfi_ctx *ctx, hfi_conn *conn, hfi_watch *watch) {
    if ((watch->flags & HFI_W_REPEATED) == 0 || hfi_live_only_handshake(conn)) return;
    watch->flags &= (uint16_t)~HFI_W_REPEATED;
    if (watch->doubt_count >= 2)
        hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_DOUBT_ENDED, watch->doubt_count, 0);
    watch->doubt_count = 0;
    watch->doubt_reasons = 0;
}

void hfi_live_doubt(const hfi_ctx *ctx, const hfi_conn *conn, hf_doubt *ret) {
    *ret = (hf_doubt){0, 0, 0};
    if (!hfi_has(conn, HFI_F_WATCHED)) return;
    const hfi_watch *watch = hfi_watch_of(ctx, conn);
    if (watch->doubt_count == 0) return;
    *ret = (hf_doubt){watch->doubt_count, hfi_tick_past_ns(watch->doubt_at, ctx->now_ns),
                      watch->doubt_reasons};
}

/* ---- The open check ---- */

static bool check_waits(const hfi_ctx *ctx, const hfi_conn *conn) {
    return hfi_options(ctx, conn)->open_check_ns != 0 && hfi_live_only_handshake(conn) &&
           (hfi_watch_of(ctx, conn)->flags & HFI_W_CHECKED) == 0;
}

void hfi_live_check_plan(const hfi_ctx *ctx, const hfi_conn *conn, hfi_live_earliest *earliest) {
    if (check_waits(ctx, conn)) hfi_live_by(earliest, hfi_watch_of(ctx, conn)->check_at);
}

/* Data in flight is a question already (RFC 9293 MUST-26). */
void hfi_live_check_timeout(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_watch *watch = hfi_watch_of(ctx, conn);
    if (!check_waits(ctx, conn) || hfi_tick_lt(ctx->now_tick, watch->check_at)) return;
    watch->flags |= HFI_W_CHECKED;
    if (hfi_in_flight(conn) > 0) return;
    watch->flags |= HFI_W_CHECK_OWED;
    hfi_conn_owe(ctx, conn, HFI_P_PROBE);
}

bool hfi_live_never_taken(const hfi_ctx *ctx, const hfi_conn *conn) {
    return hfi_has(conn, HFI_F_WATCHED) && hfi_live_only_handshake(conn) &&
           (hfi_watch_of(ctx, conn)->flags & HFI_W_CHECKED) != 0;
}
