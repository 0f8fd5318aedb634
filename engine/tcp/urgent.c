/* Urgent data, RFC 9293 3.8.5: the mark that says how far it reaches, both ways. The data itself stays
 * in line (RFC 6093), so it can be of any length (MUST-31).
 *
 *     |<---- data of the stream ---->|<- urgent ->|<---- more
 *                                                 ^ mark: the octet after it (MUST-62); each segment
 *                                                   before it has URG and the distance to it
 *
 * The two marks lie in the connection's watch, which lasts as long as one of them is ahead. */
#include "tcp/tcp.h"

/* ---- Out ---- */

hf_err hfi_tcp_send_urgent(hfi_ctx *ctx, hfi_conn *conn, const void *data, size_t bytes,
                           size_t *ret_taken) {
    *ret_taken = 0;
    const hf_err may = hfi_tcp_may_send(conn);
    if (may != HF_OK) return may;
    if (!hfi_live_attach(ctx, conn)) return HF_NO_MEMORY;
    *ret_taken = hfi_send_write(ctx, conn, data, (uint32_t)hfi_min64(bytes, UINT32_MAX / 2));
    if (*ret_taken > 0) {
        hfi_watch *watch = hfi_watch_of(ctx, conn);
        watch->urgent_out = conn->snd_end;
        watch->flags |= HFI_W_URGENT_OUT;
        /* If the data cannot go now, an ACK tells: the mark counts even where the window is closed
         * (MUST-66). If it can, it takes the ACK along. */
        if (hfi_is_synchronized(conn->state) && conn->state != HF_SYN_RECEIVED)
            hfi_receive_owe_ack(ctx, conn, HF_CAUSE_SENT_URGENT);
    }
    hfi_tcp_settle(ctx, conn);
    return *ret_taken == 0 && bytes > 0 ? HF_AGAIN : HF_OK;
}

bool hfi_tcp_urgent_waits(const hfi_ctx *ctx, const hfi_conn *conn) {
    return hfi_has(conn, HFI_F_WATCHED) && (hfi_watch_of(ctx, conn)->flags & HFI_W_URGENT_OUT) != 0;
}

/* A mark further off than the field reaches is told as far off as it can be. */
void hfi_tcp_urgent_tell(const hfi_ctx *ctx, const hfi_conn *conn, hfi_tcp_view *seg) {
    if (!hfi_tcp_urgent_waits(ctx, conn)) return;
    const hf_seq mark = hfi_watch_of(ctx, conn)->urgent_out;
    if (!hf_seq_lt(seg->seq, mark)) return;
    seg->flags |= HFI_TCP_URG;
    seg->urgent = (uint16_t)hfi_min32(mark - seg->seq, UINT16_MAX);
}

/* ---- In: the sixth step ---- */

/* No stranger takes the last quarter of the watches from those who asked for one. */
static bool may_remember(hfi_ctx *ctx, hfi_conn *conn) {
    const uint32_t kept = ctx->root->watches_promised + ctx->root->config.watches / 4;
    return hfi_has(conn, HFI_F_WATCHED) ||
           (hfi_pool_left(&ctx->root->watch_pool) > kept && hfi_live_attach(ctx, conn));
}

void hfi_tcp_urgent_heard(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg) {
    const hf_seq mark = seg->seq + seg->urgent;
    if ((seg->flags & HFI_TCP_URG) == 0 || !hfi_may_receive(conn->state)) return;
    if (hfi_has(conn, HFI_F_CLOSED_BY_APP) || !hf_seq_lt(conn->rx_read, mark)) return;
    if (may_remember(ctx, conn)) {
        hfi_watch *watch = hfi_watch_of(ctx, conn);
        const bool pending = (watch->flags & HFI_W_URGENT_IN) != 0;
        if (pending && !hf_seq_lt(watch->urgent_in, mark))
            return; /* MUST-32: only if it moves on */
        watch->urgent_in = mark;
        watch->flags |= HFI_W_URGENT_IN;
    }
    hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_URGENT_HEARD, mark - conn->rx_read, 0);
    hfi_conn_event(ctx, conn, HF_EVENT_URGENT);
}

uint32_t hfi_tcp_urgent_bytes(const hfi_ctx *ctx, const hfi_conn *conn) {
    if (!hfi_has(conn, HFI_F_WATCHED)) return 0;
    const hfi_watch *watch = hfi_watch_of(ctx, conn);
    const bool ahead =
        (watch->flags & HFI_W_URGENT_IN) != 0 && hf_seq_lt(conn->rx_read, watch->urgent_in);
    return ahead ? watch->urgent_in - conn->rx_read : 0;
}

/* ---- Either ---- */

void hfi_tcp_urgent_look(const hfi_ctx *ctx, const hfi_conn *conn) {
    hfi_watch *watch = hfi_watch_of(ctx, conn);
    if (hf_seq_le(watch->urgent_in, conn->rx_read)) watch->flags &= (uint16_t)~HFI_W_URGENT_IN;
    if (hf_seq_le(watch->urgent_out, conn->snd_una)) watch->flags &= (uint16_t)~HFI_W_URGENT_OUT;
}
