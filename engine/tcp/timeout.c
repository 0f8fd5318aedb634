/* Time-outs: RFC 9293 3.10.8, and what the rooms wait for. */
#include "tcp/tcp.h"

/* What a timer is for: the cause under which the trace tells of it. */
static hf_cause purpose(const hfi_conn *conn, uint32_t timer) {
    switch (timer) {
    case HFI_T_RTX:
        return hfi_has(conn, HFI_F_PERSIST) ? HF_CAUSE_TIMER_PERSIST : HF_CAUSE_TIMER_RETRANSMIT;
    case HFI_T_ACK: return HF_CAUSE_TIMER_DELAYED_ACK;
    case HFI_T_LIVE: return HF_CAUSE_TIMER_LIVE;
    case HFI_T_CLOSE: return HF_CAUSE_TIMER_CLOSE;
    default: return HF_CAUSE_TIMER_PACE;
    }
}

static void trace_armed(hfi_ctx *ctx, const hfi_conn *conn, uint32_t timer, hf_ns due_ns) {
    const hf_ns wait_ns = due_ns > ctx->now_ns ? due_ns - ctx->now_ns : 0;
    hfi_trace(ctx, HF_TRACE_TIMER_ARMED, hfi_conn_index(ctx, conn), purpose(conn, timer),
              (uint32_t)(wait_ns / HF_MS), 0);
}

/* The timer that is due first, and when; 0: none runs. */
static uint32_t earliest(const hfi_ctx *ctx, const hfi_conn *conn, hfi_tick *ret_at) {
    const hfi_tick at[4] = {conn->rtx_at, conn->ack_at, conn->live_at, conn->close_at};
    uint32_t timer = 0;
    for (uint32_t i = 0; i < 4; i++)
        if ((conn->timers >> i & 1) != 0 && (timer == 0 || hfi_tick_lt(at[i], *ret_at)))
            timer = 1u << i, *ret_at = at[i];
    if (!hfi_send_paced(conn)) return timer;
    const hfi_tick pace_at = hfi_send_pace_at(ctx, conn);
    if (timer != 0 && !hfi_tick_lt(pace_at, *ret_at)) return timer;
    *ret_at = pace_at;
    return HFI_T_PACE;
}

void hfi_tcp_settle(hfi_ctx *ctx, hfi_conn *conn) {
    const uint32_t id = hfi_conn_index(ctx, conn);
    hfi_close_shrink(ctx, conn);
    if (hfi_has(conn, HFI_F_ENDED)) {
        hfi_wheel_cancel(&ctx->wheel, id);
        hfi_live_ended(ctx, conn);
        hfi_tcp_try_free(ctx, conn);
        hfi_tcp_take_unread(ctx);
        return;
    }
    if (HFI_UNLIKELY(hfi_has(conn, HFI_F_WATCHED))) hfi_tcp_urgent_look(ctx, conn);
    hfi_live_plan(ctx, conn);
    hfi_tick next = 0;
    const uint32_t timer = earliest(ctx, conn, &next);
    if (timer == 0) return;
    const hf_ns due_ns = hfi_tick_near_ns(next, ctx->now_ns);
    if (hfi_wheel_armed(&ctx->wheel, id) && due_ns >= hfi_wheel_deadline(&ctx->wheel, id)) return;
    hfi_wheel_arm(&ctx->wheel, id, due_ns);
    if (HFI_UNLIKELY(ctx->trace != NULL)) trace_armed(ctx, conn, timer, due_ns);
}

/* True if this timer has ended; told in the trace. */
static bool is_due(hfi_ctx *ctx, const hfi_conn *conn, uint8_t timer, hfi_tick at) {
    if ((conn->timers & timer) == 0 || !hfi_tick_le(at, ctx->now_tick)) return false;
    if (HFI_UNLIKELY(ctx->trace != NULL))
        hfi_trace(ctx, HF_TRACE_TIMER_FIRED, hfi_conn_index(ctx, conn), purpose(conn, timer), 0, 0);
    return true;
}

static void give_up(hfi_ctx *ctx, hfi_conn *conn, hf_cause cause, hf_cause mechanism,
                    hf_cause reset) {
    hfi_close_end(ctx, conn, cause, mechanism, reset);
}

/* The attempts are used up, but we were away ourselves: it is asked once more. */
static bool asks_after_gap(hfi_ctx *ctx, hfi_conn *conn, uint16_t question) {
    if (!hfi_live_excused(ctx, conn)) return false;
    hfi_recover_restart_timer(ctx, conn);
    hfi_conn_owe(ctx, conn, question);
    return true;
}

static void handshake_timeout(hfi_ctx *ctx, hfi_conn *conn) {
    if (!hfi_open_timeout(ctx, conn)) return;
    const uint16_t question = conn->state == HF_SYN_SENT ? HFI_P_SYN : HFI_P_SYN_ACK;
    if (!asks_after_gap(ctx, conn, question))
        give_up(ctx, conn, HF_CAUSE_END_SYN_UNANSWERED, HF_CAUSE_BY_RETRANSMIT_LIMIT,
                HF_CAUSE_NONE);
}

static void persist_timeout(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_segq_rest_over(ctx, conn); /* a window probe waits for one RTO at least */
    const hfi_live_verdict verdict = hfi_live_persist_timeout(ctx, conn);
    if (verdict.cause != HF_CAUSE_NONE)
        give_up(ctx, conn, verdict.cause, verdict.mechanism, verdict.reset);
}

static void retransmit_timeout(hfi_ctx *ctx, hfi_conn *conn, hfi_effects *effects) {
    if (hfi_recover_timeout(ctx, conn)) {
        if (asks_after_gap(ctx, conn, HFI_P_RESEND)) return;
        const hf_cause reset = hfi_quirk(ctx, HF_QUIRK_NO_RST_ON_GIVING_UP)
                                   ? HF_CAUSE_NONE
                                   : HF_CAUSE_SENT_RST_GAVE_UP;
        give_up(ctx, conn, HF_CAUSE_END_PEER_SILENT, HF_CAUSE_BY_RETRANSMIT_LIMIT, reset);
        return;
    }
    if (conn->backoff != ctx->limits->retransmit_warn) return;
    /* R1, RFC 9293 MUST-20a and SHLD-9: the network layer is advised, the application told. */
    effects->doubt_path = conn->path;
    if (hfi_has(conn, HFI_F_WARNED)) return;
    conn->flags |= HFI_F_WARNED;
    hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_UNHEARD_WARNING,
             (uint32_t)((uint64_t)(uint32_t)(ctx->now_tick - conn->heard_at) * HFI_TICK_NS / HF_MS),
             conn->backoff);
    hfi_conn_event(ctx, conn, HF_EVENT_UNHEARD);
}

static void rtx_due(hfi_ctx *ctx, hfi_conn *conn, hfi_effects *effects) {
    if (conn->state == HF_SYN_SENT || conn->state == HF_SYN_RECEIVED)
        handshake_timeout(ctx, conn);
    else if (hfi_has(conn, HFI_F_PERSIST))
        persist_timeout(ctx, conn);
    else if (hfi_tcp_mtu_explains(ctx, conn))
        return;
    else if (hfi_recover_early(ctx, conn))
        hfi_open_gate_timeout(ctx, conn);
    else
        retransmit_timeout(ctx, conn, effects);
}

static void live_due(hfi_ctx *ctx, hfi_conn *conn) {
    const hfi_live_verdict verdict = hfi_live_timeout(ctx, conn);
    if (verdict.cause != HF_CAUSE_NONE)
        give_up(ctx, conn, verdict.cause, verdict.mechanism, verdict.reset);
}

static void conn_timeout(hfi_ctx *ctx, hfi_conn *conn, hfi_effects *effects) {
    if (hfi_has(conn, HFI_F_ENDED)) return;
    if (is_due(ctx, conn, HFI_T_ACK, conn->ack_at)) hfi_receive_ack_timeout(ctx, conn);
    if (hfi_send_paced(conn) && hfi_tick_le(hfi_send_pace_at(ctx, conn), ctx->now_tick))
        hfi_send_pace_over(ctx, conn);
    if (is_due(ctx, conn, HFI_T_LIVE, conn->live_at)) live_due(ctx, conn);
    if (!hfi_has(conn, HFI_F_ENDED) && is_due(ctx, conn, HFI_T_RTX, conn->rtx_at))
        rtx_due(ctx, conn, effects);
    if (!hfi_has(conn, HFI_F_ENDED) && is_due(ctx, conn, HFI_T_CLOSE, conn->close_at))
        hfi_close_timeout(ctx, conn);
    hfi_tcp_settle(ctx, conn);
}

void hfi_tcp_timeout(hfi_ctx *ctx, uint32_t id, hfi_effects *effects) {
    const uint32_t conns = ctx->root->config.conns;
    if (id < conns)
        conn_timeout(ctx, &ctx->conns[id], effects);
    else
        hfi_open_entry_timeout(ctx, id - conns, effects);
}
