/* Watches: taken and given back, and what the books say. */
#include "live/internal.h"

static void begin_watch(const hfi_ctx *ctx, const hfi_conn *conn, hfi_watch *watch) {
    memset(watch, 0, sizeof *watch);
    watch->listener = conn->listener;
    watch->progress_from = watch->looked_at = ctx->now_tick;
    watch->asked_at = watch->payload_at = watch->unread_from = ctx->now_tick;
    watch->progress_una = conn->snd_una;
    watch->syn_ack_acked_at = conn->heard_at;
}

bool hfi_live_attach(hfi_ctx *ctx, hfi_conn *conn) {
    if (hfi_has(conn, HFI_F_WATCHED)) return true;
    if (!hfi_watch_free(ctx)) return false;
    const hfi_index index = hfi_pool_take(&ctx->root->watch_pool, ctx->watch_next);
    begin_watch(ctx, conn, &ctx->watches[index]);
    conn->watch = index;
    conn->flags |= HFI_F_WATCHED;
    return true;
}

bool hfi_live_watch(hfi_ctx *ctx, hfi_conn *conn) {
    const hf_tcp_options *options = hfi_options(ctx, conn);
    if (!hfi_options_watch(options)) return true;
    if (!hfi_live_attach(ctx, conn)) return false;
    hfi_watch *watch = hfi_watch_of(ctx, conn);
    if (options->advertise_user_timeout) watch->flags |= HFI_W_TELL_TIMEOUT;
    if ((watch->flags & HFI_W_CHECKED) == 0)
        watch->check_at = hfi_ticks_from(ctx, options->open_check_ns);
    return true;
}

void hfi_live_unwatch(hfi_ctx *ctx, hfi_conn *conn) {
    if (!hfi_has(conn, HFI_F_WATCHED)) return;
    const hfi_index index = conn->watch;
    conn->listener = ctx->watches[index].listener;
    conn->flags &= ~(uint32_t)HFI_F_WATCHED;
    hfi_pool_give(&ctx->root->watch_pool, ctx->watch_next, index);
}

/* ---- Looking ---- */

static void begin_clocks(const hfi_ctx *ctx, const hfi_conn *conn, hfi_watch *watch) {
    watch->flags |= HFI_W_OPENED;
    watch->payload_at = ctx->now_tick;
    watch->check_at = hfi_ticks_from(ctx, hfi_options(ctx, conn)->open_check_ns);
}

void hfi_live_look(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_watch *watch = hfi_watch_of(ctx, conn);
    if (conn->state >= HF_ESTABLISHED && (watch->flags & HFI_W_OPENED) == 0)
        begin_clocks(ctx, conn, watch);
    hfi_live_account(ctx, conn, watch);
    hfi_live_bounds_look(ctx, conn, watch);
    hfi_live_doubt_look(ctx, conn, watch);
    const uint32_t kept = HFI_W_REPEATED | HFI_W_URGENT_IN | HFI_W_URGENT_OUT;
    if ((watch->flags & kept) == 0 && !hfi_options_watch(hfi_options(ctx, conn)))
        hfi_live_unwatch(ctx, conn);
}

/* ---- The books ---- */

static void charge_time(const hfi_ctx *ctx, hfi_watch *watch) {
    watch->spent_ns[watch->why] += ctx->now_ns - watch->charged_ns;
    watch->charged_ns = ctx->now_ns;
}

/* The time since the last look belongs to the reason found then: nothing happened in between. */
void hfi_live_account(hfi_ctx *ctx, hfi_conn *conn, hfi_watch *watch) {
    const bool opened = (watch->flags & HFI_W_ACCOUNTS) != 0;
    if (!hfi_options(ctx, conn)->account || conn->state < HF_ESTABLISHED) return;
    if (opened) charge_time(ctx, watch);
    if (!opened) watch->charged_ns = ctx->now_ns;
    watch->flags |= HFI_W_ACCOUNTS;
    watch->why = (uint8_t)hfi_send_why(ctx, conn);
}

void hfi_live_ended(hfi_ctx *ctx, hfi_conn *conn) {
    if (!hfi_has(conn, HFI_F_WATCHED)) return;
    hfi_watch *watch = hfi_watch_of(ctx, conn);
    if ((watch->flags & (HFI_W_ACCOUNTS | HFI_W_BOOKS_CLOSED)) == HFI_W_ACCOUNTS)
        charge_time(ctx, watch);
    watch->flags |= HFI_W_BOOKS_CLOSED;
}

void hfi_live_why(const hfi_ctx *ctx, const hfi_conn *conn, hf_not_sending *ret) {
    memset(ret, 0, sizeof *ret);
    if (!hfi_has(conn, HFI_F_ENDED)) ret->why = hfi_send_why(ctx, conn);
    if (!hfi_has(conn, HFI_F_WATCHED)) return;
    const hfi_watch *watch = hfi_watch_of(ctx, conn);
    if ((watch->flags & HFI_W_ACCOUNTS) == 0) return;
    ret->accounted = true;
    for (uint32_t i = 0; i < HF_WHY_COUNT; i++) ret->for_ns[i] = watch->spent_ns[i];
    if ((watch->flags & HFI_W_BOOKS_CLOSED) == 0)
        ret->for_ns[watch->why] += ctx->now_ns - watch->charged_ns;
    for (uint32_t i = 0; i < HF_WHY_COUNT; i++) ret->total_ns += ret->for_ns[i];
}
