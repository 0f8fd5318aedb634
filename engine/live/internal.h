/* What the files of live share. */
#ifndef HFI_LIVE_INTERNAL_H
#define HFI_LIVE_INTERNAL_H

#include "live/live.h"

/* Something may have happened: the clocks of the watch follow. May give the watch back. */
void hfi_live_look(hfi_ctx *ctx, hfi_conn *conn);

/* Charges the time since the last look, and looks anew. */
void hfi_live_account(hfi_ctx *ctx, hfi_conn *conn, hfi_watch *watch);

/* An instant that is `wait_ns` after a stamp, as a tick that is never early: the stamp was rounded
 * down. */
static inline hfi_tick hfi_live_after(hfi_tick from, hf_ns wait_ns) {
    return from + 1 + hfi_tick_deadline(wait_ns);
}

static inline hfi_tick hfi_live_later(hfi_tick a, hfi_tick b) { return hfi_tick_lt(a, b) ? b : a; }

static inline hf_ns hfi_live_since_ns(const hfi_ctx *ctx, hfi_tick stamp) {
    return (hf_ns)(uint32_t)(ctx->now_tick - stamp) * HFI_TICK_NS;
}

/* The earliest of several deadlines. */
typedef struct hfi_live_earliest {
    bool any;
    hfi_tick at;
} hfi_live_earliest;

static inline void hfi_live_by(hfi_live_earliest *earliest, hfi_tick at) {
    if (!earliest->any || hfi_tick_lt(at, earliest->at)) earliest->at = at;
    earliest->any = true;
}

/* Nothing was heard but the handshake: no byte of the peer's, no ACK beyond our SYN. */
static inline bool hfi_live_only_handshake(const hfi_conn *conn) {
    return conn->snd_una == conn->iss + 1 && conn->rcv_nxt == conn->irs + 1 &&
           conn->state >= HF_ESTABLISHED && !hfi_has(conn, HFI_F_PASSIVE);
}

/* ---- bounds.c: progress_within, answer_within, idle_within, APP_NOT_READING ---- */

void hfi_live_bounds_look(hfi_ctx *ctx, hfi_conn *conn, hfi_watch *watch);
void hfi_live_bounds_plan(const hfi_ctx *ctx, const hfi_conn *conn, hfi_live_earliest *earliest);
hfi_live_verdict hfi_live_bounds_timeout(hfi_ctx *ctx, hfi_conn *conn);

/* If the peer, or only its program, vanished now: the earliest of the watch's bounds that would
 * tell. */
hfi_live_notice hfi_live_bounds_notice(const hfi_ctx *ctx, const hfi_conn *conn, bool only_hung);

/* ---- doubt.c ---- */

void hfi_live_doubt_look(hfi_ctx *ctx, hfi_conn *conn, hfi_watch *watch);
void hfi_live_check_plan(const hfi_ctx *ctx, const hfi_conn *conn, hfi_live_earliest *earliest);
void hfi_live_check_timeout(hfi_ctx *ctx, hfi_conn *conn);

#endif
