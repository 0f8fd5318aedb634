/* The application's side of send: the chain of chunks. */
#include "send/send.h"

#define SEND_BYTES_DEFAULT (256u * 1024)

static uint32_t send_limit(const hfi_ctx *ctx, const hfi_conn *conn) {
    const uint32_t asked = hfi_options(ctx, conn)->send_bytes;
    return asked != 0 ? asked : SEND_BYTES_DEFAULT;
}

void hfi_send_begin(hfi_ctx *ctx, hfi_conn *conn, hf_seq iss) {
    (void)ctx;
    conn->iss = iss;
    conn->snd_una = conn->snd_nxt = iss;
    conn->snd_end = iss + 1;
    conn->tx_head = conn->tx_tail = HFI_NONE;
    conn->snd_wnd = conn->snd_max_wnd = 0;
}

uint32_t hfi_send_room(const hfi_ctx *ctx, const hfi_conn *conn) {
    const uint32_t limit = send_limit(ctx, conn), used = hfi_held(conn);
    return used < limit ? limit - used : 0;
}

/* The connection's owner has its whole share of buffers. */
static bool has_tx_share(const hfi_ctx *ctx, const hfi_conn *conn) {
    return hfi_owner_is_full(ctx, ctx->owners.tx, hfi_owner_of(ctx, conn),
                             ctx->root->config.owner_tx_chunks);
}

/* Bytes of room at snd_end, adding a chunk if the last one is full. */
static uint32_t tail_room(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_chunks *tx = &ctx->tx;
    const uint32_t offset = hfi_snd_offset(conn, conn->snd_end);
    const uint32_t number = hfi_chunk_number(tx, offset);
    if (conn->tx_tail == HFI_NONE || tx->number[conn->tx_tail] != number) {
        if (has_tx_share(ctx, conn)) return 0;
        const hfi_index fresh = hfi_chunk_take(tx, number, hfi_owner_of(ctx, conn));
        if (fresh == HFI_NONE) return 0;
        if (conn->tx_tail == HFI_NONE)
            conn->tx_head = fresh;
        else
            tx->next[conn->tx_tail] = fresh;
        conn->tx_tail = fresh;
    }
    return hfi_chunk_room(tx, offset);
}

/* The pool is empty, or the owner has its share: who comes first is told first when there is a chunk for it. */
static void wait_for_room(hfi_ctx *ctx, hfi_conn *conn) {
    conn->flags |= HFI_F_WANTS_ROOM;
    const bool has_chunk = hfi_pool_left(&ctx->root->tx_pool) > 0 && !has_tx_share(ctx, conn);
    if (hfi_has(conn, HFI_F_WAITS_ROOM) || has_chunk) return;
    conn->flags |= HFI_F_WAITS_ROOM;
    hfi_queue_push(ctx, &ctx->root->room, HFI_LINK_QUEUE, hfi_conn_index(ctx, conn));
}

static void note_queued(hfi_ctx *ctx, hfi_conn *conn, uint32_t bytes) {
    if (hfi_held(conn) == 0) conn->progress_at = ctx->now_tick;
    conn->snd_end += bytes;
    if (hfi_is_synchronized(conn->state)) hfi_conn_owe(ctx, conn, HFI_P_DATA);
}

uint32_t hfi_send_write(hfi_ctx *ctx, hfi_conn *conn, const void *data, uint32_t bytes) {
    const uint32_t wanted = hfi_min32(bytes, hfi_send_room(ctx, conn));
    uint32_t taken = 0;
    while (taken < wanted) {
        const uint32_t here = hfi_min32(tail_room(ctx, conn), wanted - taken);
        if (here == 0) break;
        memcpy(hfi_chunk_at(&ctx->tx, conn->tx_tail, hfi_snd_offset(conn, conn->snd_end)),
               (const uint8_t *)data + taken, here);
        taken += here;
        note_queued(ctx, conn, here);
    }
    if (taken < bytes) wait_for_room(ctx, conn);
    return taken;
}

uint32_t hfi_send_reserve(hfi_ctx *ctx, hfi_conn *conn, void **ret_room) {
    const uint32_t limit = hfi_send_room(ctx, conn);
    const uint32_t room = limit > 0 ? hfi_min32(tail_room(ctx, conn), limit) : 0;
    if (room == 0)
        wait_for_room(ctx, conn);
    else
        *ret_room = hfi_chunk_at(&ctx->tx, conn->tx_tail, hfi_snd_offset(conn, conn->snd_end));
    return room;
}

void hfi_send_commit(hfi_ctx *ctx, hfi_conn *conn, uint32_t bytes) {
    if (bytes > 0) note_queued(ctx, conn, bytes);
}

static void free_chunk(hfi_ctx *ctx, hfi_conn *conn) {
    const hfi_index chunk = conn->tx_head;
    conn->tx_head = ctx->tx.next[chunk];
    if (conn->tx_head == HFI_NONE) conn->tx_tail = HFI_NONE;
    hfi_chunk_drop(&ctx->tx, chunk);
}

void hfi_send_wake_room(hfi_ctx *ctx) {
    const uint32_t waiting = ctx->root->room.count;
    for (uint32_t i = 0; i < waiting && hfi_pool_left(&ctx->root->tx_pool) > 0; i++) {
        const hfi_index index = hfi_queue_pop(ctx, &ctx->root->room, HFI_LINK_QUEUE);
        hfi_conn *conn = &ctx->conns[index];
        if (has_tx_share(ctx, conn)) { /* for it there is none yet */
            hfi_queue_push(ctx, &ctx->root->room, HFI_LINK_QUEUE, index);
            continue;
        }
        conn->flags &= ~(uint32_t)(HFI_F_WAITS_ROOM | HFI_F_WANTS_ROOM);
        hfi_conn_event(ctx, conn, HF_EVENT_WRITABLE);
    }
}

void hfi_send_acked(hfi_ctx *ctx, hfi_conn *conn) {
    const uint32_t number = hfi_chunk_number(&ctx->tx, hfi_snd_offset(conn, conn->snd_una));
    while (conn->tx_head != HFI_NONE &&
           hfi_chunk_before(&ctx->tx, ctx->tx.number[conn->tx_head], number))
        free_chunk(ctx, conn);
    /* Nothing is held: an idle connection keeps no chunk. */
    if (conn->tx_head != HFI_NONE && hfi_held(conn) == 0) free_chunk(ctx, conn);
    hfi_send_wake_room(ctx);
    if (conn->snd_una == conn->snd_nxt) conn->flags &= ~(uint32_t)HFI_F_SMALL_IN_FLIGHT;
    if (hfi_held(conn) == 0) hfi_conn_event(ctx, conn, HF_EVENT_ALL_ACKED);
    if (hfi_has(conn, HFI_F_WANTS_ROOM) && hfi_send_room(ctx, conn) >= send_limit(ctx, conn) / 3) {
        conn->flags &= ~(uint32_t)HFI_F_WANTS_ROOM;
        if (!hfi_has(conn, HFI_F_WAITS_ROOM)) hfi_conn_event(ctx, conn, HF_EVENT_WRITABLE);
    }
}

void hfi_send_end(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_segq_end(ctx, conn);
    while (conn->tx_head != HFI_NONE) free_chunk(ctx, conn);
    if (hfi_has(conn, HFI_F_WAITS_ROOM)) {
        hfi_queue_remove(ctx, &ctx->root->room, HFI_LINK_QUEUE, hfi_conn_index(ctx, conn));
        conn->flags &= ~(uint32_t)HFI_F_WAITS_ROOM;
    }
    hfi_send_wake_room(ctx);
}
