/* How large a receive buffer is where the application has not said (`receive_bytes` 0).
 *
 *     read in a round trip   |----|----|--------|----------------|      limit / 2 or less: stays
 *                            begin                     more: four times as much, by the ledger
 *
 * A reader that takes more than half of the buffer in one round trip may be held back by it, so it
 * becomes four times what was read: twice for the sender that doubles its window with each round trip,
 * and twice because what we tell now is used in the next (dynamic right-sizing, Fisk and Feng 2001;
 * Linux's tcp_rcv_space_adjust does the same). One that does not read does not make it grow, whatever
 * arrives. It never shrinks, as the window must not (RFC 9293 SHLD-14).
 *
 * A round trip needs no estimate where there are timestamps: it is over when a segment echoes an ACK that
 * left after its beginning. Without them it is what the handshake took, and if that says nothing, the
 * time in which a whole buffer arrives.
 *
 * The ledger: growth takes half of what may still be promised at most, and nothing of the last eighth of
 * the pool, so that there is something left for who comes later.
 *
 * The state lies where other states of the connection keep theirs: the deadline of a close, the place of
 * the peer's FIN. After either nothing grows. */
#include "receive/internal.h"

/* `grown` counts these, so that 16 bits reach over 256 MiB. */
#define PAGE_BYTES 4096u

#define GROWTH 4u

uint64_t hfi_receive_pool_bytes(const hfi_ctx *ctx) {
    return (uint64_t)ctx->root->rx_pool.count << ctx->rx.shift;
}

uint64_t hfi_receive_credits(const hfi_ctx *ctx) {
    const uint64_t pool = hfi_receive_pool_bytes(ctx), limit = pool - pool / 16;
    return limit > ctx->root->rx_granted_bytes ? limit - ctx->root->rx_granted_bytes : 0;
}

uint64_t hfi_receive_share(const hfi_ctx *ctx) {
    const uint32_t chunks = ctx->root->config.owner_rx_chunks;
    return chunks != 0 ? (uint64_t)chunks << ctx->rx.shift : hfi_receive_pool_bytes(ctx);
}

uint64_t hfi_receive_credits_for(const hfi_ctx *ctx, const hfi_conn *conn) {
    const uint64_t credits = hfi_receive_credits(ctx);
    const uint32_t row = hfi_owner_of(ctx, conn);
    if (ctx->root->config.owner_rx_chunks == 0 || row == 0) return credits;
    const uint32_t window = conn->rcv_adv - conn->rcv_nxt;
    const uint64_t taken = ((uint64_t)ctx->owners.rx[row] << ctx->rx.shift) + window,
                   share = hfi_receive_share(ctx);
    return hfi_min64(credits, share > taken ? share - taken : 0);
}

uint32_t hfi_receive_most(const hfi_ctx *ctx, uint32_t receive_bytes) {
    return receive_bytes != 0 ? receive_bytes : ctx->limits->receive_bytes_most;
}

uint32_t hfi_receive_limit(const hfi_ctx *ctx, const hfi_conn *conn) {
    const uint32_t asked = hfi_options(ctx, conn)->receive_bytes;
    if (asked != 0) return asked;
    const bool grows = !hfi_has(conn, HFI_F_CLOSED_BY_APP | HFI_F_ENDED);
    return grows && conn->grown != 0 ? conn->grown * PAGE_BYTES : ctx->limits->buffer_bytes;
}

static bool round_is_over(const hfi_ctx *ctx, const hfi_conn *conn, const hfi_tcp_view *seg) {
    if (hfi_has(conn, HFI_F_TIMESTAMPS) && (seg->options.present & HFI_OPT_TIMESTAMPS) != 0)
        return hfi_tick_lt(conn->round_at, seg->options.ts_echo - conn->ts_offset);
    const uint32_t ticks = ctx->now_tick - conn->round_at;
    if (conn->srtt_us != 0) return ticks > conn->srtt_us / (uint32_t)(HFI_TICK_NS / HF_US);
    return conn->rcv_nxt - conn->round_read >= hfi_receive_limit(ctx, conn);
}

/* What the window field can tell (RFC 7323 2.3), and the profile allows. */
static uint32_t most_of(const hfi_ctx *ctx, const hfi_conn *conn) {
    const uint32_t scale = hfi_has(conn, HFI_F_WSCALE) ? conn->rcv_wscale : 0;
    return hfi_min32(ctx->limits->receive_bytes_most, 65535u << scale);
}

/* The last eighth of the pool is for windows that begin. */
#define FOR_BEGINNINGS 8

/* What the ledger has left once this connection has told all of its present limit. */
static uint64_t left_over(const hfi_ctx *ctx, const hfi_conn *conn, uint32_t limit) {
    const uint32_t told = conn->rcv_adv - conn->rx_read;
    const uint64_t kept = hfi_receive_pool_bytes(ctx) / FOR_BEGINNINGS;
    const uint64_t taken = kept + (limit > told ? limit - told : 0);
    const uint64_t credits = hfi_receive_credits_for(ctx, conn);
    return credits > taken ? credits - taken : 0;
}

static void grow(hfi_ctx *ctx, hfi_conn *conn, uint32_t read, uint32_t limit) {
    const uint32_t wanted = (uint32_t)hfi_min64((uint64_t)GROWTH * read, most_of(ctx, conn));
    if (wanted / PAGE_BYTES <= limit / PAGE_BYTES) return;
    const uint64_t granted = hfi_min64(wanted, limit + left_over(ctx, conn, limit) / 2);
    const uint32_t pages = (uint32_t)granted / PAGE_BYTES;
    if (pages <= limit / PAGE_BYTES) {
        hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_RECEIVE_BUFFER_KEPT, read, limit);
        return;
    }
    conn->grown = (uint16_t)pages;
    hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_RECEIVE_BUFFER_GREW, read,
             pages * PAGE_BYTES);
}

void hfi_receive_measure(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg) {
    if (hfi_has(conn, HFI_F_CLOSED_BY_APP | HFI_F_PEER_FIN_SEEN)) return;
    if (hfi_options(ctx, conn)->receive_bytes != 0 || !round_is_over(ctx, conn, seg)) return;
    const uint32_t read = conn->rx_read - conn->round_read, limit = hfi_receive_limit(ctx, conn);
    conn->round_at = ctx->now_tick;
    conn->round_read = conn->rx_read;
    if (read > limit / 2) grow(ctx, conn, read, limit);
}
