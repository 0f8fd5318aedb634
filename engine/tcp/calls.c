/* The user's calls, RFC 9293 3.10.1 to 3.10.6, on connections that exist. */
#include "tcp/tcp.h"

/* ---- OPEN ---- */

hf_err hfi_tcp_connect(hfi_ctx *ctx, hfi_open_how *how, hfi_index *ret_conn) {
    how->has_isn = false;
    /* First of all: choosing may take a pair out of TIME_WAIT, and must not do so in vain. */
    if (!hfi_open_has_slot(ctx)) return HF_NO_CONNECTION_SLOT;
    if (hfi_options_watch(&ctx->option_sets[how->options].value) && !hfi_watch_free(ctx))
        return HF_NO_MEMORY;
    if (hfi_tcp_time_wait_is_spoken_for(ctx, &how->key.remote)) {
        how->first_free_at_ns = hfi_tw_next_at(ctx);
        return HF_TIME_WAIT_FULL;
    }
    hf_err err = hfi_tcp_choose_port(ctx, how);
    if (err == HF_OK) err = hfi_open_connect(ctx, how, ret_conn);
    if (err != HF_OK) return err;
    hfi_live_begin(ctx, &ctx->conns[*ret_conn]);
    hfi_live_watch(ctx, &ctx->conns[*ret_conn]);
    hfi_tcp_settle(ctx, &ctx->conns[*ret_conn]);
    return HF_OK;
}

static hf_cause failure_cause(hf_err err) {
    switch ((int)err) {
    case HF_NO_ROUTE:
    case HF_NO_ADDRESS: return HF_CAUSE_END_NO_ROUTE;
    case HF_NO_PORT:
    case HF_TUPLE_IN_USE: return HF_CAUSE_END_NO_PORT;
    case HF_TIME_WAIT_FULL: return HF_CAUSE_END_TIME_WAIT_FULL;
    default: return HF_CAUSE_END_NO_MEMORY;
    }
}

void hfi_tcp_open_failed(hfi_ctx *ctx, const hfi_open_how *how, hf_err err) {
    const bool waits = err == HF_NO_PORT || err == HF_TUPLE_IN_USE || err == HF_TIME_WAIT_FULL;
    hfi_end_record_failure(ctx, &how->key, failure_cause(err), waits ? how->first_free_at_ns : 0);
}

/* ---- SEND, RECEIVE ---- */

hf_err hfi_tcp_may_send(const hfi_conn *conn) {
    if (hfi_has(conn, HFI_F_ENDED)) return HF_ENDED;
    return hfi_has(conn, HFI_F_FIN_QUEUED) ? HF_STATE : HF_OK;
}

hf_err hfi_tcp_send(hfi_ctx *ctx, hfi_conn *conn, const void *data, size_t bytes,
                    size_t *ret_taken) {
    *ret_taken = 0;
    const hf_err err = hfi_tcp_may_send(conn);
    if (err != HF_OK) return err;
    *ret_taken = hfi_send_write(ctx, conn, data, (uint32_t)hfi_min64(bytes, UINT32_MAX / 2));
    hfi_tcp_settle(ctx, conn);
    return *ret_taken == 0 && bytes > 0 ? HF_AGAIN : HF_OK;
}

hf_err hfi_tcp_may_receive(const hfi_conn *conn) {
    if (hfi_has(conn, HFI_F_CLOSED_BY_APP)) return HF_STATE;
    if (hfi_readable(conn) > 0) return HF_OK;
    if (hfi_has(conn, HFI_F_PEER_FIN)) return HF_END_OF_STREAM;
    return hfi_has(conn, HFI_F_ENDED) ? HF_ENDED : HF_AGAIN;
}

void hfi_tcp_shutdown(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_close_shutdown(ctx, conn);
    hfi_tcp_settle(ctx, conn);
}

void hfi_tcp_abort(hfi_ctx *ctx, hfi_conn *conn) {
    const bool reset = hfi_is_synchronized(conn->state);
    hfi_close_end(ctx, conn, HF_CAUSE_END_APP_ABORTED, HF_CAUSE_BY_CALL,
                  reset ? HF_CAUSE_SENT_RST_ABORT : HF_CAUSE_NONE);
    hfi_tcp_settle(ctx, conn);
}

void hfi_tcp_close(hfi_ctx *ctx, hfi_conn *conn, const hf_close_options *options) {
    if (hfi_has(conn, HFI_F_ENDED | HFI_F_CLOSED_BY_APP)) return;
    const hf_close_options plain = {0};
    const hf_close_options *how = options != NULL ? options : &plain;
    if (how->drain || how->after_peer_ns != 0) hfi_receive_discard(ctx, conn);
    if (conn->state == HF_SYN_SENT) {
        hfi_close_end(ctx, conn, HF_CAUSE_END_CLOSED_BEFORE_OPEN, HF_CAUSE_BY_CALL, HF_CAUSE_NONE);
    } else if (options != NULL && options->deadline_ns != 0 &&
               hfi_quirk(ctx, HF_QUIRK_NO_LINGER_TIMEOUT)) {
        hfi_close_end(ctx, conn, HF_CAUSE_END_APP_ABORTED, HF_CAUSE_BY_CALL,
                      HF_CAUSE_SENT_RST_ABORT);
    } else if (hfi_readable(conn) > 0) {
        /* RFC 9293 3.6.1 SHLD-3: the peer must learn that its data was not read. */
        hfi_close_end(ctx, conn, HF_CAUSE_END_APP_ABORTED, HF_CAUSE_BY_CALL,
                      HF_CAUSE_SENT_RST_UNREAD);
    } else {
        hfi_close_begin(ctx, conn, how);
    }
    hfi_tcp_settle(ctx, conn);
}

void hfi_tcp_release(hfi_ctx *ctx, hfi_conn *conn) {
    if (!hfi_has(conn, HFI_F_ENDED)) hfi_tcp_close(ctx, conn, NULL);
    if (hfi_has(conn, HFI_F_ENDED)) {
        if (!hfi_has(conn, HFI_E_TOLD)) hfi_end_record(ctx, conn, false);
        hfi_end_unlist(ctx, conn);
        hfi_receive_end(ctx, conn);
    }
    conn->generation++;
    conn->flags |= HFI_F_DETACHED | HFI_F_RELEASED;
    if (hfi_has(conn, HFI_F_ENDED))
        hfi_tcp_try_free(ctx, conn);
    else
        hfi_tcp_settle(ctx, conn);
}

/* An application that does not ask how its connections ended must not keep their blocks: the oldest
 * gives its handle back. */
void hfi_tcp_take_unread(hfi_ctx *ctx) {
    for (hfi_conn *conn; (conn = hfi_end_over_budget(ctx)) != NULL;) {
        hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_UNREAD_END_DROPPED, conn->remote_port, 0);
        hfi_end_record(ctx, conn, true);
        conn->flags |= HFI_E_TOLD;
        hfi_tcp_release(ctx, conn);
    }
}

void hfi_tcp_try_free(hfi_ctx *ctx, hfi_conn *conn) {
    const bool gone = hfi_has(conn, HFI_F_ENDED) && hfi_has(conn, HFI_F_DETACHED);
    if (!gone || hfi_has(conn, HFI_F_IN_TX | HFI_F_IN_READY)) return;
    if (!hfi_has(conn, HFI_F_RELEASED)) conn->generation++;
    hfi_receive_end(ctx, conn);
    hfi_live_unwatch(ctx, conn);
    hfi_open_options_drop(ctx, conn->options);
    if (conn->path != HFI_NONE) hfi_path_give(&ctx->paths, conn->path);
    conn->path = HFI_NONE;
    hfi_owner_leave(ctx, conn);
    conn->flags = 0;
    conn->state = HF_CLOSED;
    hfi_pool_give(&ctx->root->conn_pool, ctx->conn_next, hfi_conn_index(ctx, conn));
}

hfi_index hfi_tcp_accept(hfi_ctx *ctx, hfi_index listener) {
    hfi_listener *l = &ctx->listeners[listener];
    const hfi_index index = hfi_queue_pop(ctx, &l->accept, HFI_LINK_QUEUE);
    if (index == HFI_NONE) return HFI_NONE;
    hfi_conn *conn = &ctx->conns[index];
    l->accepted++;
    conn->flags &= ~(uint32_t)HFI_F_UNACCEPTED;
    if (conn->events != 0) hfi_conn_event(ctx, conn, 0);
    if (l->accept_at == HF_ACCEPT_AT_WINDOW) {
        hfi_open_gate(ctx, conn);
        hfi_tcp_settle(ctx, conn);
    }
    hfi_tcp_drain(ctx);
    return index;
}

static void reset_waiting(hfi_ctx *ctx, hfi_index listener) {
    hfi_listener *l = &ctx->listeners[listener];
    while (l->accept.head != HFI_NONE) {
        hfi_conn *conn = &ctx->conns[l->accept.head];
        hfi_close_end(ctx, conn, HF_CAUSE_END_LISTENER_CLOSED, HF_CAUSE_BY_CALL,
                      HF_CAUSE_SENT_RST_LISTENER_CLOSED);
        hfi_tcp_settle(ctx, conn);
    }
}

void hfi_tcp_unlisten(hfi_ctx *ctx, hfi_index listener) {
    reset_waiting(ctx, listener);
    hfi_open_unlisten(ctx, listener);
}

void hfi_tcp_drain(hfi_ctx *ctx) {
    for (hfi_index i = 0; ctx->root->draining > 0 && i < ctx->root->config.listeners; i++) {
        const hfi_listener *l = &ctx->listeners[i];
        if (!hfi_open_drains(l)) continue;
        const bool late = ctx->now_ns >= l->drain_at_ns;
        if (late) reset_waiting(ctx, i);
        if (late || l->accept.count + l->handshaking == 0) hfi_open_drained(ctx, i);
    }
}

/* The last ACK of a connection that goes to TIME_WAIT leaves on its own: the connection is over. */
void hfi_tcp_time_wait(hfi_ctx *ctx, hfi_conn *conn, hfi_effects *effects) {
    hfi_departure *ack = &effects->departure;
    hfi_tcp_begin(ctx, conn, ack);
    ack->tcp.seq = conn->snd_nxt;
    ack->tcp.flags = HFI_TCP_ACK;
    ack->cause = HF_CAUSE_SENT_ACK_FIN;
    hfi_tcp_finish(ctx, conn, ack);
    effects->reply = true;
    hfi_close_time_wait(ctx, conn);
}

hf_err hfi_tcp_set_options(hfi_ctx *ctx, hfi_conn *conn, uint32_t option_set) {
    const uint16_t before = conn->options;
    const bool keepalive_was_on = hfi_options(ctx, conn)->keepalive_idle_ns != 0;
    conn->options = (uint16_t)option_set;
    if (!hfi_has(conn, HFI_F_ENDED) && !hfi_live_watch(ctx, conn)) {
        conn->options = before;
        return HF_NO_MEMORY;
    }
    if (!keepalive_was_on && !hfi_has(conn, HFI_F_ENDED)) hfi_live_keepalive_on(ctx, conn);
    hfi_open_options_drop(ctx, before);
    hfi_tcp_settle(ctx, conn);
    return HF_OK;
}

/* ---- STATUS ---- */

void hfi_tcp_status(const hfi_ctx *ctx, const hfi_conn *conn, hf_conn_status *ret) {
    memset(ret, 0, sizeof *ret);
    ret->state = (hf_state)conn->state;
    ret->local = ctx->locals[conn->local];
    ret->remote = conn->remote;
    ret->local_port = conn->local_port;
    ret->remote_port = conn->remote_port;
    ret->mss = conn->mss;
    ret->timestamps = hfi_has(conn, HFI_F_TIMESTAMPS);
    ret->sack = hfi_has(conn, HFI_F_SACK);
    ret->window_scaling = hfi_has(conn, HFI_F_WSCALE);
    ret->ecn = hfi_has(conn, HFI_F_ECN);
    ret->srtt_ns = conn->srtt_us * HF_US;
    ret->rttvar_ns = conn->rttvar_us * HF_US;
    ret->rto_ns = hfi_recover_rto_ns(ctx, conn);
    ret->cwnd_bytes = conn->cwnd;
    ret->ssthresh_bytes = conn->ssthresh;
    ret->peer_window_bytes = conn->snd_wnd;
    ret->our_window_bytes = conn->rcv_adv - conn->rcv_nxt;
    ret->in_flight_bytes = hfi_in_flight(conn);
    ret->queued_bytes = hfi_unsent(conn);
    ret->readable_bytes = hfi_readable(conn);
    ret->bytes_acked = conn->bytes_acked;
    ret->bytes_from_app = conn->bytes_acked + hfi_held(conn);
    ret->bytes_received = conn->bytes_to_app + hfi_readable(conn) + hfi_drained(conn);
    ret->last_heard_ns = hfi_tick_past_ns(conn->heard_at, ctx->now_ns);
    const hfi_live_notice notice = hfi_live_notice_by(ctx, conn);
    ret->notice_by_ns = notice.at_ns;
    ret->notice_by = notice.by;
    ret->hung_notice_by_ns = hfi_live_hung_notice_by(ctx, conn).at_ns;
    ret->bounds_passed = hfi_has(conn, HFI_F_WATCHED) ? hfi_watch_of(ctx, conn)->passed : 0;
    hfi_live_doubt(ctx, conn, &ret->doubt);
    ret->urgent_bytes = hfi_tcp_urgent_bytes(ctx, conn);
    ret->user_timeout_ns = hfi_live_user_timeout_ns(ctx, conn);
    ret->peer_user_timeout_ns = hfi_live_peer_user_timeout_ns(ctx, conn);
    ret->send_buffer_bytes = hfi_send_limit(ctx, conn);
    ret->receive_buffer_bytes = hfi_receive_limit(ctx, conn);
    ret->detect_within_ns = hfi_live_bound_ns(ctx, conn);
    ret->unanswered = conn->unanswered;
    ret->retransmissions = conn->retransmissions;
    hfi_tcp_mtu_status(ctx, conn, ret);
    ret->soft_error = conn->end_icmp != 0 ? HF_CAUSE_TOOK_ICMP_SOFT : HF_CAUSE_NONE;
}
