#include "close/ends.h"

/* ---- Evidence ---- */

/* The segment in hand is the connection's own, not one that made room for another. */
static bool is_own_segment(const hfi_conn *conn, const hfi_arrival *arrival) {
    return arrival != NULL && arrival->tcp.source_port == conn->remote_port &&
           arrival->tcp.destination_port == conn->local_port &&
           hf_addr_equal(&arrival->source, &conn->remote);
}

/* RFC 7323 5.2, for the RST that it exempts: one that has timestamps has the peer's. Its echo says
 * something only with an ACK. */
static bool stamps_differ(const hfi_ctx *ctx, const hfi_conn *conn, const hfi_tcp_view *seg) {
    const bool both =
        hfi_has(conn, HFI_F_TIMESTAMPS) && (seg->options.present & HFI_OPT_TIMESTAMPS) != 0;
    const uint32_t our_clock = ctx->now_tick + conn->ts_offset;
    const bool echoes_future =
        (seg->flags & HFI_TCP_ACK) != 0 && hf_seq_lt(our_clock, seg->options.ts_echo);
    return both && (hf_seq_lt(seg->options.ts_value, conn->ts_recent) || echoes_future);
}

static void keep_evidence(const hfi_ctx *ctx, hfi_conn *conn) {
    const hfi_arrival *arrival = ctx->arrival;
    const hf_addr unknown = {{0}};
    if (is_own_segment(conn, arrival)) {
        conn->flags |= HFI_E_SEGMENT;
        if (stamps_differ(ctx, conn, &arrival->tcp)) conn->flags |= HFI_E_STAMP;
        conn->fatal =
            (hfi_fatal){arrival->tcp.seq,    arrival->tcp.ack,   conn->rcv_adv - conn->rcv_nxt,
                        arrival->tcp.window, arrival->tcp.flags, arrival->ttl};
    }
    const bool reported = conn->end_icmp != 0 && conn->path != HFI_NONE;
    conn->end_router = reported ? ctx->paths.paths[conn->path].trouble_from : unknown;
}

/* ---- Is a RST the peer's? ---- */

/* A route may change by a hop while a connection lives; a middlebox is rarely that near the peer. */
#define TTL_SLACK 1u

static bool ttl_differs(const hfi_conn *conn) {
    const uint32_t usual = conn->heard_ttl, ttl = conn->fatal.ttl;
    return usual != 0 && hfi_max32(usual, ttl) - hfi_min32(usual, ttl) > TTL_SLACK;
}

/* RFC 5961 5.2, for the RST that it does not ask. */
static bool ack_differs(const hfi_conn *conn) {
    const hf_seq least = conn->snd_una - conn->snd_max_wnd, ack = conn->fatal.ack;
    return (conn->fatal.flags & HFI_TCP_ACK) != 0 &&
           (hf_seq_lt(ack, least) || hf_seq_lt(conn->snd_nxt, ack));
}

/* HF_RST_* of a RST that ended it. Exact in its sequence number it was, or nothing would have ended. */
static uint16_t doubts_of(const hfi_conn *conn) {
    if (!hfi_has(conn, HFI_E_SEGMENT) || (conn->fatal.flags & HFI_TCP_RST) == 0) return 0;
    return (uint16_t)((ttl_differs(conn) ? HF_RST_TTL_UNLIKE : 0) |
                      (ack_differs(conn) ? HF_RST_ACK_UNLIKE : 0) |
                      (hfi_has(conn, HFI_E_STAMP) ? HF_RST_STAMP_UNLIKE : 0));
}

static void note_doubts(hfi_ctx *ctx, const hfi_conn *conn) {
    const hfi_index index = hfi_conn_index(ctx, conn);
    const uint16_t doubts = doubts_of(conn);
    if ((doubts & HF_RST_TTL_UNLIKE) != 0)
        hfi_note(ctx, index, HF_CAUSE_RST_TTL_UNLIKE, conn->fatal.ttl, conn->heard_ttl);
    if ((doubts & HF_RST_ACK_UNLIKE) != 0) hfi_note(ctx, index, HF_CAUSE_RST_ACK_UNLIKE, 0, 0);
    if ((doubts & HF_RST_STAMP_UNLIKE) != 0) hfi_note(ctx, index, HF_CAUSE_RST_STAMP_UNLIKE, 0, 0);
}

/* ---- The list of ends that wait to be told ---- */

static void list(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_queue *told = &ctx->root->ended;
    const hfi_index index = hfi_conn_index(ctx, conn);
    conn->end_next = HFI_NONE;
    conn->end_previous = told->tail;
    if (told->tail == HFI_NONE)
        told->head = index;
    else
        ctx->conns[told->tail].end_next = index;
    told->tail = index;
    told->count++;
    conn->flags |= HFI_E_LISTED;
}

void hfi_end_begin(hfi_ctx *ctx, hfi_conn *conn) {
    conn->flags &=
        ~(uint32_t)(HFI_E_TOLD | HFI_E_LISTED | HFI_E_RESET | HFI_E_SEGMENT | HFI_E_STAMP);
    keep_evidence(ctx, conn);
    note_doubts(ctx, conn);
    if (!hfi_has(conn, HFI_F_DETACHED)) list(ctx, conn);
}

void hfi_end_unlist(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_queue *told = &ctx->root->ended;
    if (!hfi_has(conn, HFI_E_LISTED)) return;
    conn->flags &= ~(uint32_t)HFI_E_LISTED;
    if (conn->end_previous == HFI_NONE)
        told->head = conn->end_next;
    else
        ctx->conns[conn->end_previous].end_next = conn->end_next;
    if (conn->end_next == HFI_NONE)
        told->tail = conn->end_previous;
    else
        ctx->conns[conn->end_next].end_previous = conn->end_previous;
    told->count--;
}

hfi_conn *hfi_end_over_budget(const hfi_ctx *ctx) {
    const hfi_queue *told = &ctx->root->ended;
    return told->count > ctx->root->config.end_budget ? &ctx->conns[told->head] : NULL;
}

/* ---- Telling ---- */

static hf_tw_holder holder_of(const hfi_conn *conn) {
    if (conn->end_cause == HF_CAUSE_END_ORPHANED) return HF_TW_US;
    if (conn->end_cause != HF_CAUSE_END_CLOSED) return HF_TW_NOBODY;
    if (conn->end_state == HF_LAST_ACK) return HF_TW_PEER;
    const bool ours = conn->state == HF_TIME_WAIT; /* else its table has no entries at all */
    if (conn->end_state == HF_CLOSING) return ours ? HF_TW_BOTH : HF_TW_PEER;
    return ours ? HF_TW_US : HF_TW_NOBODY;
}

static hf_end_who who_ended(hf_cause cause, hf_state state) {
    switch ((int)cause) {
    case HF_CAUSE_END_CLOSED: return state == HF_LAST_ACK ? HF_WHO_PEER : HF_WHO_APPLICATION;
    case HF_CAUSE_END_APP_ABORTED:
    case HF_CAUSE_END_ORPHANED:
    case HF_CAUSE_END_LISTENER_CLOSED:
    case HF_CAUSE_END_CLOSED_BEFORE_OPEN: return HF_WHO_APPLICATION;
    case HF_CAUSE_END_PEER_RESET:
    case HF_CAUSE_END_PEER_RESTARTED:
    case HF_CAUSE_END_NOT_ACCEPTED:
    case HF_CAUSE_END_REFUSED: return HF_WHO_PEER;
    case HF_CAUSE_END_UNREACHABLE:
    case HF_CAUSE_END_NO_ROUTE:
    case HF_CAUSE_END_NEIGHBOR_SILENT: return HF_WHO_PATH;
    case HF_CAUSE_END_NO_PORT:
    case HF_CAUSE_END_TIME_WAIT_FULL:
    case HF_CAUSE_END_NO_MEMORY: return HF_WHO_MEMORY;
    default: return HF_WHO_STACK;
    }
}

static uint32_t sent_unacked(const hfi_conn *conn) {
    const hf_seq first = hfi_snd_first(conn), sent = hf_seq_min(conn->snd_nxt, conn->snd_end);
    return hf_seq_lt(first, sent) ? sent - first : 0;
}

static void fill_receipt(const hfi_conn *conn, hf_end *ret) {
    ret->bytes_acked = conn->bytes_acked;
    ret->bytes_sent = conn->bytes_acked + sent_unacked(conn);
    ret->bytes_thrown = hfi_held(conn);
    ret->bytes_from_app = conn->bytes_acked + ret->bytes_thrown;
    ret->bytes_to_app = conn->bytes_to_app;
    ret->bytes_drained = hfi_drained(conn);
    ret->bytes_unread = ret->bytes_drained + hfi_readable(conn);
    ret->fin_sent = hfi_has(conn, HFI_F_FIN_SENT);
    ret->fin_acked = ret->fin_sent && conn->snd_una == conn->snd_end + 1;
    ret->fin_heard = hfi_has(conn, HFI_F_PEER_FIN);
}

static void fill_segment(const hfi_conn *conn, hf_end_segment *ret) {
    const hfi_fatal *fatal = &conn->fatal;
    if (!hfi_has(conn, HFI_E_SEGMENT)) return;
    *ret = (hf_end_segment){.present = true,
                            .flags = fatal->flags,
                            .ttl = fatal->ttl,
                            .usual_ttl = conn->heard_ttl,
                            .doubts = doubts_of(conn),
                            .window = fatal->window,
                            .seq = fatal->seq,
                            .ack = fatal->ack,
                            .rcv_nxt = conn->rcv_nxt,
                            .rcv_window = fatal->rcv_window};
}

static hf_reset_by reset_by(const hfi_conn *conn) {
    if (hfi_has(conn, HFI_E_RESET)) return HF_RESET_BY_US;
    const bool heard =
        conn->end_cause == HF_CAUSE_END_PEER_RESET || conn->end_cause == HF_CAUSE_END_REFUSED;
    return heard ? HF_RESET_BY_PEER : HF_RESET_BY_NOBODY;
}

void hfi_end_fill(const hfi_ctx *ctx, const hfi_conn *conn, hf_end *ret) {
    memset(ret, 0, sizeof *ret);
    ret->cause = (hf_cause)conn->end_cause;
    ret->mechanism = (hf_cause)conn->end_mechanism;
    ret->state = (hf_state)conn->end_state;
    ret->who = who_ended(ret->cause, ret->state);
    ret->at_ns = hfi_tick_past_ns(conn->end_at, ctx->now_ns);
    ret->last_heard_ns = hfi_tick_past_ns(conn->heard_at, ctx->now_ns);
    ret->unanswered = conn->unanswered;
    ret->retransmissions = conn->transmissions;
    fill_segment(conn, &ret->segment);
    ret->icmp_type = conn->end_icmp >> 4;
    ret->icmp_code = conn->end_icmp & 15;
    ret->router = conn->end_router;
    fill_receipt(conn, ret);
    ret->reset_by = reset_by(conn);
    ret->time_wait = holder_of(conn);
    const bool orphan = ret->cause == HF_CAUSE_END_ORPHANED;
    if (ret->time_wait == HF_TW_US || ret->time_wait == HF_TW_BOTH)
        ret->time_wait_until_ns =
            ret->at_ns + (orphan ? ctx->limits->fin_wait_2_ns : ctx->limits->msl2_ns);
}

void hfi_end_fill_detached(const hfi_ctx *ctx, const hfi_conn *conn, hf_end *ret) {
    memset(ret, 0, sizeof *ret);
    ret->cause = HF_CAUSE_END_CLOSE_DEADLINE;
    ret->mechanism = HF_CAUSE_BY_DETACH;
    ret->state = (hf_state)conn->state;
    ret->who = who_ended(ret->cause, ret->state);
    ret->at_ns = ctx->now_ns;
    ret->last_heard_ns = hfi_tick_past_ns(conn->heard_at, ctx->now_ns);
    ret->unanswered = conn->unanswered;
    ret->retransmissions = conn->transmissions;
    fill_receipt(conn, ret);
    ret->bytes_thrown = 0; /* nothing yet: it goes on */
}

/* ---- The ring ---- */

/* The next record, cleared and numbered; NULL if the engine keeps none. */
static hf_end_record *next_record(hfi_ctx *ctx) {
    const uint32_t size = ctx->root->config.end_records;
    const uint64_t number = ctx->root->end_count++;
    if (size == 0) return NULL;
    hf_end_record *record = &ctx->end_records[number % size];
    memset(record, 0, sizeof *record);
    record->number = number;
    record->conn = (hf_conn){HFI_NONE, 0};
    return record;
}

static void set_key(hf_end_record *record, const hfi_flow_key *key) {
    record->local = key->local;
    record->remote = key->remote;
    record->local_port = key->local_port;
    record->remote_port = key->remote_port;
}

void hfi_end_record(hfi_ctx *ctx, const hfi_conn *conn, bool dropped) {
    hf_end_record *record = next_record(ctx);
    if (record == NULL) return;
    const hfi_flow_key key = hfi_conn_key(ctx, conn);
    set_key(record, &key);
    record->conn = (hf_conn){hfi_conn_index(ctx, conn), conn->generation};
    record->dropped = dropped;
    hfi_end_fill(ctx, conn, &record->end);
}

void hfi_end_record_failure(hfi_ctx *ctx, const hfi_flow_key *key, hf_cause cause,
                            hf_ns first_free_at_ns) {
    hfi_note(ctx, HFI_NONE, cause, key->remote_port, 0);
    hfi_count(ctx, HF_CAUSE_BY_CALL);
    hf_end_record *record = next_record(ctx);
    if (record == NULL) return;
    set_key(record, key);
    record->end.cause = cause;
    record->end.mechanism = HF_CAUSE_BY_CALL;
    record->end.who = who_ended(cause, HF_CLOSED);
    record->end.at_ns = ctx->now_ns;
    record->end.first_free_at_ns = first_free_at_ns;
}
