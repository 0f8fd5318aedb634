/* How Linux keeps a listener, so that the lab can predict it. Nothing is reserved: a request takes no
 * place in the accept queue, which is looked at when the handshake's ACK comes. If it is full then the
 * ACK is dropped and the client, ESTABLISHED by now, is not told.
 *
 *     request queue   backlog + 1    full: a cookie (IGNORE: silence, as with tcp_syncookies = 0)
 *     accept queue    backlog + 1    full: SYNs are dropped, and handshake ACKs too (REFUSE: RST,
 *                                    as with tcp_abort_on_overflow = 1)
 *
 * The numbers are measured, on Linux 6.18. */
#include "open/internal.h"

bool hfi_open_late_has_place(const hfi_ctx *ctx, const hfi_listener *listener) {
    const bool watch = hfi_options_watch(&ctx->option_sets[listener->options].value);
    if (watch && !hfi_watch_free(ctx)) return false;
    return listener->accept.count <= listener->backlog && hfi_pool_left(&ctx->root->conn_pool) > 0;
}

bool hfi_open_late_queue_full(const hfi_ctx *ctx, const hfi_listener *listener) {
    return listener->handshaking > listener->backlog || hfi_pool_left(&ctx->root->syn_pool) == 0;
}

/* Half of the queue is for the young: while old requests take more they are given up earlier, after
 * two SYN-ACKs at least. */
uint32_t hfi_open_late_limit(const hfi_ctx *ctx, const hfi_listener *listener) {
    uint32_t limit = ctx->limits->syn_ack_limit;
    if (2 * listener->handshaking <= hfi_max32(8, listener->backlog)) return limit;
    for (uint32_t young = 2 * listener->young; limit > 2 && listener->handshaking >= young;
         young *= 2)
        limit--;
    return limit;
}
