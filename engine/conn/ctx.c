#include "conn/ctx.h"

static void write_record(hfi_ctx *ctx, hf_trace_record record) {
    hf_trace *trace = ctx->trace;
    trace->records[trace->written & (trace->capacity - 1)] = record;
    trace->written++;
}

void hfi_trace(hfi_ctx *ctx, hf_trace_event event, hfi_index conn, hf_cause cause, uint32_t a,
               uint64_t b) {
    hf_trace *trace = ctx->trace;
    if (trace == NULL) return;
#ifdef HF_CAUSE_MARKS
    hfi_cause_hit(cause);
#endif
    const uint64_t room = trace->capacity - (trace->written - trace->read);
    if (room < (trace->lost > 0 ? 2u : 1u)) {
        trace->lost++;
        return;
    }
    if (trace->lost > 0) {
        write_record(ctx,
                     (hf_trace_record){ctx->now_ns, 0, HFI_NONE, HF_TRACE_GAP, 0, trace->lost, 0});
        trace->lost = 0;
    }
    write_record(ctx, (hf_trace_record){ctx->now_ns, ctx->frame_id, conn, (uint16_t)event,
                                        (uint16_t)cause, a, b});
}

static bool is_row_of(const hfi_owners *owners, uint32_t row, const hf_addr *prefix) {
    return memcmp(&owners->prefix[row], prefix, sizeof *prefix) == 0;
}

/* An owner that holds nothing yet gets the first row of its set that nobody holds anything by; 0 if there is none. */
static uint32_t find_owner(const hfi_ctx *ctx, const hf_addr *remote) {
    const hfi_owners *owners = &ctx->owners;
    if (owners->sets == 0) return 0;
    const hf_addr prefix = hfi_owner_prefix(remote);
    uint64_t words[3] = {0, 0, 1};
    memcpy(words, prefix.bytes, sizeof prefix);
    const uint64_t set = hfi_siphash13_words(ctx->root->jitter_key, words, 3) % owners->sets;
    const uint32_t first = 1 + (uint32_t)set * HFI_OWNER_WAYS;
    uint32_t free_row = 0;
    for (uint32_t row = first; row < first + HFI_OWNER_WAYS; row++) {
        const bool held = hfi_owner_holds(owners, row);
        if (held && is_row_of(owners, row, &prefix)) return row;
        if (!held && free_row == 0) free_row = row;
    }
    if (free_row == 0 || is_row_of(owners, free_row, &prefix)) return free_row;
    owners->prefix[free_row] = prefix;
    owners->refused[free_row] = 0;
    return free_row;
}

void hfi_owner_join(hfi_ctx *ctx, hfi_conn *conn) {
    const uint32_t row = find_owner(ctx, &conn->remote);
    ctx->owners.of_conn[hfi_conn_index(ctx, conn)] = (uint8_t)row;
    ctx->owners.conns[row]++;
}

void hfi_owner_leave(hfi_ctx *ctx, const hfi_conn *conn) {
    const uint32_t row = hfi_owner_of(ctx, conn);
    HF_ASSERT(ctx->owners.conns[row] > 0);
    ctx->owners.conns[row]--;
}

/* How many shares of connections a row stands for. */
static uint32_t conns_a_share(const hfi_ctx *ctx, uint32_t row) {
    const uint32_t shares = row == 0 ? ctx->root->config.other_shares : 1;
    return (ctx->owners.conns[row] + shares - 1) / shares;
}

/* The last sixteenth of the connections is not for who holds most. */
static bool holds_most(const hfi_ctx *ctx, uint32_t row) {
    const uint32_t mine = conns_a_share(ctx, row);
    for (uint32_t other = 0; other < hfi_owner_rows(&ctx->owners); other++)
        if (conns_a_share(ctx, other) > mine) return false;
    return mine > 0;
}

static bool may_connect(const hfi_ctx *ctx, uint32_t row) {
    const hf_config *config = &ctx->root->config;
    if (hfi_owner_is_full(ctx, ctx->owners.conns, row, config->owner_conns)) return false;
    const bool scarce = hfi_pool_left(&ctx->root->conn_pool) <= config->conns / 16;
    return !scarce || !holds_most(ctx, row);
}

bool hfi_owner_may_connect(const hfi_ctx *ctx, const hf_addr *remote) {
    return ctx->root->config.owner_conns == 0 || may_connect(ctx, find_owner(ctx, remote));
}

void hfi_owner_note_refused(hfi_ctx *ctx, const hf_addr *remote) {
    ctx->owners.refused[find_owner(ctx, remote)]++;
}

static hfi_index *link_of(hfi_ctx *ctx, hfi_link_field field, hfi_index conn) {
    hfi_conn *c = &ctx->conns[conn];
    switch (field) {
    case HFI_LINK_TX: return &c->tx_next;
    case HFI_LINK_READY: return &c->ready_next;
    case HFI_LINK_QUEUE: return &c->queue_next;
    }
    return NULL;
}

void hfi_queue_push(hfi_ctx *ctx, hfi_queue *queue, hfi_link_field field, hfi_index conn) {
    *link_of(ctx, field, conn) = HFI_NONE;
    if (queue->tail == HFI_NONE)
        queue->head = conn;
    else
        *link_of(ctx, field, queue->tail) = conn;
    queue->tail = conn;
    queue->count++;
}

hfi_index hfi_queue_pop(hfi_ctx *ctx, hfi_queue *queue, hfi_link_field field) {
    const hfi_index conn = queue->head;
    if (conn == HFI_NONE) return HFI_NONE;
    queue->head = *link_of(ctx, field, conn);
    if (queue->head == HFI_NONE) queue->tail = HFI_NONE;
    queue->count--;
    return conn;
}

bool hfi_queue_remove(hfi_ctx *ctx, hfi_queue *queue, hfi_link_field field, hfi_index conn) {
    hfi_index before = HFI_NONE;
    for (hfi_index at = queue->head; at != HFI_NONE; at = *link_of(ctx, field, at)) {
        if (at != conn) {
            before = at;
            continue;
        }
        const hfi_index next = *link_of(ctx, field, at);
        if (before == HFI_NONE)
            queue->head = next;
        else
            *link_of(ctx, field, before) = next;
        if (queue->tail == conn) queue->tail = before;
        queue->count--;
        return true;
    }
    return false;
}

void hfi_conn_owe(hfi_ctx *ctx, hfi_conn *conn, uint16_t what) {
    conn->pending |= what;
    if (hfi_has(conn, HFI_F_IN_TX)) return;
    conn->flags |= HFI_F_IN_TX;
    hfi_queue_push(ctx, &ctx->root->tx, HFI_LINK_TX, hfi_conn_index(ctx, conn));
}

void hfi_conn_event(hfi_ctx *ctx, hfi_conn *conn, uint16_t bits) {
    if (hfi_has(conn, HFI_F_DETACHED)) return;
    conn->events |= bits;
    if (hfi_has(conn, HFI_F_IN_READY | HFI_F_UNACCEPTED)) return;
    conn->flags |= HFI_F_IN_READY;
    hfi_queue_push(ctx, &ctx->root->ready, HFI_LINK_READY, hfi_conn_index(ctx, conn));
}

void hfi_listener_event(hfi_ctx *ctx, hfi_listener *listener, uint32_t bits) {
    const hfi_index index = (hfi_index)(listener - ctx->listeners);
    hfi_queue *queue = &ctx->root->ready_listeners;
    listener->events |= bits;
    if (listener->in_ready) return;
    listener->in_ready = true;
    listener->ready_next = HFI_NONE;
    if (queue->tail == HFI_NONE)
        queue->head = index;
    else
        ctx->listeners[queue->tail].ready_next = index;
    queue->tail = index;
    queue->count++;
}

/* The arrows of RFC 9293 figure 5, as sets of successors; CLOSED can follow every state (ABORT,
 * RST, time-outs), and TIME_WAIT is a table entry, so a connection leaves for it through CLOSED. */
static const uint16_t successors[HF_STATE_COUNT] = {
    [HF_CLOSED] = 1 << HF_SYN_SENT | 1 << HF_ESTABLISHED,
    [HF_SYN_SENT] = 1 << HF_SYN_RECEIVED | 1 << HF_ESTABLISHED,
    [HF_SYN_RECEIVED] = 1 << HF_ESTABLISHED | 1 << HF_FIN_WAIT_1 | 1 << HF_CLOSE_WAIT,
    [HF_ESTABLISHED] = 1 << HF_FIN_WAIT_1 | 1 << HF_CLOSE_WAIT,
    [HF_FIN_WAIT_1] = 1 << HF_FIN_WAIT_2 | 1 << HF_CLOSING | 1 << HF_TIME_WAIT,
    [HF_FIN_WAIT_2] = 1 << HF_TIME_WAIT,
    [HF_CLOSE_WAIT] = 1 << HF_LAST_ACK,
    [HF_CLOSING] = 1 << HF_TIME_WAIT,
};

void hfi_conn_move(hfi_ctx *ctx, hfi_conn *conn, hf_state to) {
    const bool legal = to == HF_CLOSED || (successors[conn->state] >> to & 1) != 0;
    HF_ASSERT(legal);
    (void)legal;
    if (HFI_UNLIKELY(ctx->trace != NULL))
        hfi_trace(ctx, HF_TRACE_STATE, hfi_conn_index(ctx, conn), HF_CAUSE_NONE, conn->state, to);
    conn->state = (uint8_t)to;
}
