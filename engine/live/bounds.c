/* The siblings of detect_within: each is a clock that runs while something is owed. */
#include "live/internal.h"

typedef enum bound { PROGRESS, ANSWER, IDLE, READING, BOUNDS } bound;

/* What a bound says when its time is over. */
static const struct {
    uint8_t passed;
    uint16_t end, mechanism, note;
} bound_words[BOUNDS] = {
    [PROGRESS] = {HF_PASSED_PROGRESS, HF_CAUSE_END_PEER_STUCK, HF_CAUSE_BY_PROGRESS_WITHIN,
                  HF_CAUSE_PROGRESS_OVERDUE},
    [ANSWER] = {HF_PASSED_ANSWER, HF_CAUSE_END_PEER_NOT_ANSWERING, HF_CAUSE_BY_ANSWER_WITHIN,
                HF_CAUSE_ANSWER_OVERDUE},
    [IDLE] = {HF_PASSED_IDLE, HF_CAUSE_END_IDLE, HF_CAUSE_BY_IDLE_WITHIN, HF_CAUSE_IDLE_OVERDUE},
    [READING] = {HF_PASSED_APP_NOT_READING, HF_CAUSE_NONE, HF_CAUSE_NONE, HF_CAUSE_APP_NOT_READING},
};

/* ---- The clocks ---- */

static bool is_open(const hfi_conn *conn) {
    return conn->state >= HF_ESTABLISHED && conn->state <= HF_LAST_ACK;
}

/* What the peer still owes an ACK for, FIN counted, sent or not. */
static uint32_t owed(const hfi_conn *conn) {
    return conn->snd_end - conn->snd_una + hfi_has(conn, HFI_F_FIN_QUEUED);
}

/* Nothing is at the peer or on its way, and what keeps data back is here. */
static bool only_our_side_blocks(const hfi_ctx *ctx, const hfi_conn *conn) {
    if (hfi_in_flight(conn) > 0) return false;
    switch (hfi_send_why(ctx, conn)) {
    case HF_WHY_MEMORY:
    case HF_WHY_NEIGHBOR:
    case HF_WHY_DRIVER:
    case HF_WHY_PACING: return true;
    case HF_WHY_APPLICATION:
    case HF_WHY_RTO:
    case HF_WHY_PEER_WINDOW:
    case HF_WHY_CONGESTION:
    case HF_WHY_NAGLE:
    case HF_WHY_SILLY_WINDOW:
    case HF_WHY_SEND_BUFFER:
    case HF_WHY_COUNT: break;
    }
    return false;
}

static void restart_progress(const hfi_ctx *ctx, const hfi_conn *conn, hfi_watch *watch) {
    watch->progress_from = ctx->now_tick;
    watch->progress_una = conn->snd_una;
    watch->passed &= (uint8_t)~HF_PASSED_PROGRESS;
}

static void look_at_progress(hfi_ctx *ctx, hfi_conn *conn, hfi_watch *watch) {
    const bool ran = (watch->flags & HFI_W_PROGRESS_RUNS) != 0;
    const bool runs = is_open(conn) && owed(conn) > 0;
    const uint32_t least = hfi_max32(hfi_options(ctx, conn)->min_progress_bytes, 1);
    if ((watch->flags & HFI_W_OUR_SIDE) != 0)
        watch->progress_from += ctx->now_tick - watch->looked_at;
    if (!ran || !runs || conn->snd_una - watch->progress_una >= least)
        restart_progress(ctx, conn, watch);
    watch->looked_at = ctx->now_tick;
    watch->flags &= (uint16_t) ~(HFI_W_PROGRESS_RUNS | HFI_W_OUR_SIDE);
    if (!runs) return;
    watch->flags |= HFI_W_PROGRESS_RUNS;
    if (only_our_side_blocks(ctx, conn)) watch->flags |= HFI_W_OUR_SIDE;
}

static void look_at_reading(const hfi_ctx *ctx, const hfi_conn *conn, hfi_watch *watch) {
    const bool unread = hfi_readable(conn) > 0 && !hfi_has(conn, HFI_F_CLOSED_BY_APP);
    const bool was = (watch->flags & HFI_W_UNREAD) != 0;
    if (!unread || !was || watch->unread_at != conn->rx_read) {
        watch->unread_from = ctx->now_tick;
        watch->unread_at = conn->rx_read;
        watch->passed &= (uint8_t)~HF_PASSED_APP_NOT_READING;
    }
    watch->flags = (uint16_t)(unread ? watch->flags | HFI_W_UNREAD : watch->flags & ~HFI_W_UNREAD);
}

void hfi_live_bounds_look(hfi_ctx *ctx, hfi_conn *conn, hfi_watch *watch) {
    if (!is_open(conn) || hfi_options(ctx, conn)->progress_within_ns == 0) return;
    look_at_progress(ctx, conn, watch);
    look_at_reading(ctx, conn, watch);
}

void hfi_live_payload_in(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_watch *watch = hfi_watch_of(ctx, conn);
    watch->payload_at = ctx->now_tick;
    watch->flags &= (uint16_t)~HFI_W_ASKED;
    watch->passed &= (uint8_t) ~(HF_PASSED_ANSWER | HF_PASSED_IDLE);
}

void hfi_live_payload_out(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_watch *watch = hfi_watch_of(ctx, conn);
    watch->payload_at = ctx->now_tick;
    watch->passed &= (uint8_t)~HF_PASSED_IDLE;
    if ((watch->flags & HFI_W_ASKED) != 0) return;
    watch->flags |= HFI_W_ASKED;
    watch->asked_at = ctx->now_tick;
}

/* ---- What they say ---- */

/* One clock as it stands. */
typedef struct clock {
    bool runs, ends;
    hf_ns within_ns;
    hfi_tick from;
} clock;

/* While we were away ourselves nothing could reach us: the clocks begin anew (CLOCK_GAP). */
static hfi_tick after_gap(const hfi_ctx *ctx, hfi_tick from) {
    const hf_ns gap_ns = ctx->root->gap_until_ns;
    return hfi_tick_past_ns(from, ctx->now_ns) < gap_ns ? hfi_tick_of(gap_ns) : from;
}

static clock clock_of(const hfi_ctx *ctx, const hfi_conn *conn, bound which) {
    const hf_tcp_options *options = hfi_options(ctx, conn);
    const hfi_watch *watch = hfi_watch_of(ctx, conn);
    clock c = {false, false, 0, 0};
    switch (which) {
    case PROGRESS:
        c = (clock){(watch->flags & HFI_W_PROGRESS_RUNS) != 0,
                    options->progress_action == HF_BOUND_END, options->progress_within_ns,
                    watch->progress_from};
        break;
    case ANSWER:
        c = (clock){(watch->flags & HFI_W_ASKED) != 0 && hfi_may_receive(conn->state) &&
                        !hfi_has(conn, HFI_F_CLOSED_BY_APP),
                    options->answer_action == HF_BOUND_END, options->answer_within_ns,
                    watch->asked_at};
        break;
    case IDLE:
        c = (clock){is_open(conn), options->idle_action == HF_BOUND_END, options->idle_within_ns,
                    watch->payload_at};
        break;
    case READING:
        c = (clock){(watch->flags & HFI_W_UNREAD) != 0, false, options->progress_within_ns,
                    watch->unread_from};
        break;
    case BOUNDS: break;
    }
    c.runs = c.runs && c.within_ns != 0 && (watch->passed & bound_words[which].passed) == 0;
    c.from = after_gap(ctx, c.from);
    return c;
}

void hfi_live_bounds_plan(const hfi_ctx *ctx, const hfi_conn *conn, hfi_live_earliest *earliest) {
    const bool paused = (hfi_watch_of(ctx, conn)->flags & HFI_W_OUR_SIDE) != 0;
    for (bound which = 0; which < BOUNDS; which++) {
        const clock c = clock_of(ctx, conn, which);
        /* A paused clock is looked at again when its time would be over, or when something moves. */
        const hfi_tick from = which == PROGRESS && paused ? ctx->now_tick : c.from;
        if (c.runs) hfi_live_by(earliest, hfi_live_after(from, c.within_ns));
    }
}

/* The bound is over, but the peer's transport is not heard either: then that is what is said. One
 * question may be on its way. */
static bool is_silent_too(const hfi_conn *conn, const clock *c) {
    return conn->unanswered > 1 || hfi_tick_lt(conn->heard_at, c->from);
}

static hfi_live_verdict end_by(const hfi_conn *conn, bound which, const clock *c) {
    const bool silent = which != IDLE && is_silent_too(conn, c);
    return (hfi_live_verdict){silent ? HF_CAUSE_END_PEER_SILENT : (hf_cause)bound_words[which].end,
                              (hf_cause)bound_words[which].mechanism, HF_CAUSE_SENT_RST_BOUND};
}

static void report(hfi_ctx *ctx, hfi_conn *conn, bound which, const clock *c) {
    hfi_watch_of(ctx, conn)->passed |= bound_words[which].passed;
    hfi_note(ctx, hfi_conn_index(ctx, conn), (hf_cause)bound_words[which].note,
             (uint32_t)(hfi_live_since_ns(ctx, c->from) / HF_MS), 0);
    hfi_conn_event(ctx, conn, HF_EVENT_BOUND);
}

hfi_live_verdict hfi_live_bounds_timeout(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_live_bounds_look(ctx, conn, hfi_watch_of(ctx, conn));
    for (bound which = 0; which < BOUNDS; which++) {
        const clock c = clock_of(ctx, conn, which);
        if (!c.runs || hfi_tick_lt(ctx->now_tick, hfi_live_after(c.from, c.within_ns))) continue;
        if (c.ends) return end_by(conn, which, &c);
        report(ctx, conn, which, &c);
    }
    return (hfi_live_verdict){HF_CAUSE_NONE, HF_CAUSE_NONE, HF_CAUSE_NONE};
}

hfi_live_notice hfi_live_bounds_notice(const hfi_ctx *ctx, const hfi_conn *conn, bool only_hung) {
    hfi_live_notice notice = {HF_NEVER, HF_CAUSE_NONE};
    for (bound which = only_hung ? ANSWER : PROGRESS; which <= IDLE; which++) {
        const clock c = clock_of(ctx, conn, which);
        const hf_ns at_ns = hfi_tick_past_ns(c.from, ctx->now_ns) + c.within_ns;
        if (!c.runs || at_ns >= notice.at_ns) continue;
        notice = (hfi_live_notice){at_ns, (hf_cause)bound_words[which].mechanism};
    }
    return notice;
}
