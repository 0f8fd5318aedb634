#include "live/internal.h"

#define SPACING_MAX_NS (60 * HF_SECOND)
#define KEEPALIVE_INTERVAL_DEFAULT_NS (75 * HF_SECOND)
#define KEEPALIVE_COUNT_DEFAULT 9
#define MIN_PROBES_DEFAULT 4

static uint32_t min_probes(const hf_tcp_options *options) {
    return options->min_probes != 0 ? options->min_probes : MIN_PROBES_DEFAULT;
}

static hf_ns keepalive_interval(const hf_tcp_options *options) {
    return options->keepalive_interval_ns != 0 ? options->keepalive_interval_ns
                                               : KEEPALIVE_INTERVAL_DEFAULT_NS;
}

static uint32_t keepalive_count(const hf_tcp_options *options) {
    return options->keepalive_count != 0 ? options->keepalive_count : KEEPALIVE_COUNT_DEFAULT;
}

static hf_ns spacing_ns(const hfi_ctx *ctx, const hfi_conn *conn) {
    const hf_ns sixth = hfi_options(ctx, conn)->detect_within_ns / 6;
    return hfi_min64(hfi_max64(sixth, hfi_recover_patience_ns(conn)), SPACING_MAX_NS);
}

hf_ns hfi_live_bound_ns(const hfi_ctx *ctx, const hfi_conn *conn) {
    const hf_tcp_options *options = hfi_options(ctx, conn);
    if (options->detect_within_ns == 0) return 0;
    return hfi_max64(options->detect_within_ns, (min_probes(options) + 1) * spacing_ns(ctx, conn));
}

void hfi_live_begin(hfi_ctx *ctx, hfi_conn *conn) {
    conn->heard_at = conn->elicited_at = ctx->now_tick;
    conn->unanswered = 0;
}

void hfi_live_heard(hfi_ctx *ctx, hfi_conn *conn) {
    conn->heard_at = ctx->now_tick;
    conn->unanswered = 0;
    conn->flags &= ~(uint32_t)HFI_F_WARNED;
}

/* ---- An absence of our own ---- */

static bool before_gap(const hfi_ctx *ctx, hfi_tick stamp) {
    const hf_ns gap_ns = ctx->root->gap_until_ns;
    return HFI_UNLIKELY(gap_ns != 0) && hfi_tick_lt(stamp, hfi_tick_of(gap_ns));
}

/* How many questions from before the gap still count: so many that one fresh one completes them. */
static uint32_t kept_questions(const hf_tcp_options *options) {
    if (options->detect_within_ns != 0) return min_probes(options) - 1;
    return options->keepalive_idle_ns != 0 ? keepalive_count(options) - 1 : 0;
}

bool hfi_live_excused(const hfi_ctx *ctx, const hfi_conn *conn) {
    if (!before_gap(ctx, conn->heard_at)) return false;
    if (before_gap(ctx, conn->counted_at) || conn->unanswered == 0) return true;
    /* Two that were counted since lie far enough apart. */
    if (conn->unanswered >= kept_questions(hfi_options(ctx, conn)) + 2) return false;
    return hfi_live_since_ns(ctx, conn->counted_at) < hfi_recover_patience_ns(conn);
}

void hfi_live_elicited(hfi_ctx *ctx, hfi_conn *conn) {
    const hf_ns since_ns = hfi_live_since_ns(ctx, conn->counted_at);
    const bool first = before_gap(ctx, conn->counted_at) && before_gap(ctx, conn->heard_at);
    conn->elicited_at = ctx->now_tick;
    /* A tick of tolerance: timers round to ticks, and a probe at its instant must count. */
    if (!first && conn->unanswered > 0 && since_ns + HFI_TICK_NS < spacing_ns(ctx, conn)) return;
    if (first)
        conn->unanswered =
            (uint8_t)hfi_min32(conn->unanswered, kept_questions(hfi_options(ctx, conn)));
    conn->counted_at = ctx->now_tick;
    if (conn->unanswered < UINT8_MAX) conn->unanswered++;
}

void hfi_live_keepalive_on(hfi_ctx *ctx, hfi_conn *conn) {
    if (conn->unanswered == 0) conn->elicited_at = ctx->now_tick;
}

/* ---- What is outstanding ---- */

static bool outstanding(const hfi_conn *conn) { return hfi_in_flight(conn) > 0; }
static bool queued(const hfi_conn *conn) { return hfi_in_flight(conn) > 0 || hfi_unsent(conn) > 0; }

static hf_ns silence_ns(const hfi_ctx *ctx, const hfi_conn *conn) {
    return hfi_live_since_ns(ctx, conn->heard_at);
}

static hfi_tick after_heard(const hfi_conn *conn, hf_ns wait_ns) {
    return hfi_live_after(conn->heard_at, wait_ns);
}

static bool keepalive_applies(const hfi_ctx *ctx, const hfi_conn *conn) {
    if (hfi_options(ctx, conn)->keepalive_idle_ns == 0 || conn->state == HF_SYN_SENT) return false;
    if (outstanding(conn)) return false; /* RFC 9293 MUST-26 */
    return !queued(conn) || !hfi_quirk(ctx, HF_QUIRK_KEEPALIVE_STOPS_FOR_DATA);
}

/* ---- Planning ---- */

/* After a jump of time nobody is silent before one fresh question had its time to be answered. */
static bool gap_forbids(const hfi_ctx *ctx, const hfi_conn *conn) {
    return ctx->now_ns < ctx->root->gap_until_ns + hfi_recover_patience_ns(conn) &&
           hfi_tick_past_ns(conn->heard_at, ctx->now_ns) < ctx->root->gap_until_ns;
}

/* detect_within: the next probe, resend or verdict. */
static hfi_tick bound_next(const hfi_ctx *ctx, const hfi_conn *conn) {
    const hf_ns s = spacing_ns(ctx, conn), bound = hfi_live_bound_ns(ctx, conn);
    const uint32_t wanted = min_probes(hfi_options(ctx, conn));
    if (conn->unanswered >= wanted) {
        if (!gap_forbids(ctx, conn)) return after_heard(conn, bound);
        return hfi_tick_deadline(ctx->root->gap_until_ns + hfi_recover_patience_ns(conn));
    }
    /* From the last one that counted: what the back-off sends in between must not put it off. */
    const hfi_tick last = conn->unanswered > 0 ? conn->counted_at : conn->elicited_at;
    const hfi_tick again = last + hfi_tick_deadline(s);
    if (outstanding(conn)) return again;
    const hfi_tick planned = after_heard(conn, bound - (wanted - conn->unanswered) * s);
    return conn->unanswered > 0 && hfi_tick_lt(planned, again) ? again : planned;
}

static bool strict_ends(const hfi_ctx *ctx, const hfi_conn *conn) {
    const hf_tcp_options *options = hfi_options(ctx, conn);
    return options->detect_within_ns != 0 && options->detect_strict &&
           hfi_live_bound_ns(ctx, conn) > options->detect_within_ns;
}

/* The instant at which a strict bound that the path is too slow for ends the connection. */
static hfi_tick strict_next(const hfi_ctx *ctx, const hfi_conn *conn) {
    if (gap_forbids(ctx, conn))
        return hfi_tick_deadline(ctx->root->gap_until_ns + hfi_recover_patience_ns(conn));
    return after_heard(conn, hfi_options(ctx, conn)->detect_within_ns);
}

/* The first probe: a full idle period after the last segment heard, and after keepalive was
 * switched on. */
static hfi_tick first_probe(const hfi_ctx *ctx, const hfi_conn *conn, hf_ns idle_ns) {
    const hfi_tick heard = after_heard(conn, idle_ns), idle = hfi_tick_deadline(idle_ns);
    const bool on_lately = (hfi_tick)(ctx->now_tick - conn->elicited_at) <= idle;
    return on_lately ? hfi_live_later(heard, conn->elicited_at + 1 + idle) : heard;
}

static hfi_tick keepalive_next(const hfi_ctx *ctx, const hfi_conn *conn) {
    const hf_tcp_options *options = hfi_options(ctx, conn);
    if (conn->unanswered == 0) return first_probe(ctx, conn, options->keepalive_idle_ns);
    return conn->elicited_at + hfi_tick_deadline(keepalive_interval(options));
}

/* The user timeout counts from the first transmission that brought no progress (as Linux does). A
 * peer that answers with a closed window is alive (MUST-37): then it counts from the last answer,
 * and the last question has its time. */
static hfi_tick user_timeout_at(const hfi_ctx *ctx, const hfi_conn *conn) {
    const bool closed = conn->snd_wnd == 0 && conn->state >= HF_ESTABLISHED;
    if (closed && !hfi_quirk(ctx, HF_QUIRK_USER_TIMEOUT_OVERRIDES))
        return hfi_live_later(after_heard(conn, hfi_live_user_timeout_ns(ctx, conn)),
                              conn->elicited_at + hfi_tick_deadline(hfi_recover_patience_ns(conn)));
    return conn->progress_at + hfi_tick_deadline(hfi_live_user_timeout_ns(ctx, conn));
}

/* While it would rest on an absence of our own the fresh question has its time first. */
static hfi_tick user_timeout_next(const hfi_ctx *ctx, const hfi_conn *conn) {
    const hfi_tick at = user_timeout_at(ctx, conn);
    if (!hfi_live_excused(ctx, conn) || before_gap(ctx, conn->counted_at)) return at;
    return hfi_live_later(at, conn->counted_at + hfi_tick_deadline(hfi_recover_patience_ns(conn)));
}

static bool user_timeout_applies(const hfi_ctx *ctx, const hfi_conn *conn) {
    if (hfi_options(ctx, conn)->user_timeout_ns == 0 || !queued(conn)) return false;
    /* Linux ends a live peer with a closed window all the same. */
    return outstanding(conn) || hfi_quirk(ctx, HF_QUIRK_USER_TIMEOUT_OVERRIDES) ||
           conn->unanswered > 0;
}

/* The path is too slow for the bound: the application is told once that it is longer now. */
static void tell_if_raised(hfi_ctx *ctx, hfi_conn *conn) {
    const hf_ns bound = hfi_live_bound_ns(ctx, conn);
    if (bound <= hfi_options(ctx, conn)->detect_within_ns || hfi_has(conn, HFI_F_BOUND_RAISED))
        return;
    conn->flags |= HFI_F_BOUND_RAISED;
    hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_BOUND_RAISED, (uint32_t)(bound / HF_MS), 0);
    hfi_conn_event(ctx, conn, HF_EVENT_BOUND_RAISED);
}

/* A question that has not left yet is not asked again: what is due then waits, else the timer would
 * be due over and over at one instant. Its leaving plans anew. */
static hfi_tick after_asking(const hfi_ctx *ctx, const hfi_conn *conn, hfi_tick next) {
    const uint16_t questions = HFI_P_SYN | HFI_P_SYN_ACK | HFI_P_PROBE | HFI_P_RESEND;
    if ((conn->pending & questions) == 0 || hfi_tick_lt(ctx->now_tick, next)) return next;
    return hfi_ticks_from(ctx, hfi_recover_patience_ns(conn));
}

void hfi_live_plan(hfi_ctx *ctx, hfi_conn *conn) {
    const hf_tcp_options *options = hfi_options(ctx, conn);
    hfi_live_earliest next = {false, 0};
    conn->timers &= (uint8_t)~HFI_T_LIVE;
    if (HFI_UNLIKELY(hfi_has(conn, HFI_F_WATCHED)))
        hfi_live_look(ctx, conn);
    else if ((options->detect_within_ns | options->keepalive_idle_ns | options->user_timeout_ns) ==
             0)
        return; /* the way of most segments */
    if (options->detect_within_ns != 0) {
        hfi_live_by(&next, bound_next(ctx, conn));
        if (strict_ends(ctx, conn)) hfi_live_by(&next, strict_next(ctx, conn));
        tell_if_raised(ctx, conn);
    }
    if (keepalive_applies(ctx, conn)) hfi_live_by(&next, keepalive_next(ctx, conn));
    if (user_timeout_applies(ctx, conn)) hfi_live_by(&next, user_timeout_next(ctx, conn));
    if (HFI_UNLIKELY(hfi_has(conn, HFI_F_WATCHED))) {
        hfi_live_bounds_plan(ctx, conn, &next);
        hfi_live_check_plan(ctx, conn, &next);
    }
    if (!next.any) return;
    conn->timers |= HFI_T_LIVE;
    conn->live_at = after_asking(ctx, conn, next.at);
}

/* ---- What is due ---- */

static void warn_unheard(hfi_ctx *ctx, hfi_conn *conn) {
    if (hfi_has(conn, HFI_F_WARNED)) return;
    conn->flags |= HFI_F_WARNED;
    hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_UNHEARD_WARNING,
             (uint32_t)(silence_ns(ctx, conn) / HF_MS), 0);
    hfi_conn_event(ctx, conn, HF_EVENT_UNHEARD);
}

/* Asks for a sign of life: by the oldest data if there is any, else by a probe. */
static void elicit(hfi_ctx *ctx, hfi_conn *conn) {
    if (conn->unanswered > 0) warn_unheard(ctx, conn);
    if (conn->state == HF_SYN_SENT)
        hfi_conn_owe(ctx, conn, HFI_P_SYN);
    else if (conn->state == HF_SYN_RECEIVED)
        hfi_conn_owe(ctx, conn, HFI_P_SYN_ACK);
    else
        hfi_conn_owe(ctx, conn, outstanding(conn) ? HFI_P_RESEND : HFI_P_PROBE);
}

static bool bound_is_over(const hfi_ctx *ctx, const hfi_conn *conn) {
    const hf_tcp_options *options = hfi_options(ctx, conn);
    if (options->detect_within_ns == 0 || gap_forbids(ctx, conn)) return false;
    return conn->unanswered >= min_probes(options) &&
           !hfi_tick_lt(ctx->now_tick, after_heard(conn, hfi_live_bound_ns(ctx, conn)));
}

static bool strict_is_over(const hfi_ctx *ctx, const hfi_conn *conn) {
    return strict_ends(ctx, conn) && !hfi_tick_lt(ctx->now_tick, strict_next(ctx, conn));
}

static bool keepalive_is_over(const hfi_ctx *ctx, const hfi_conn *conn) {
    const hf_tcp_options *options = hfi_options(ctx, conn);
    if (!keepalive_applies(ctx, conn) || hfi_tick_lt(ctx->now_tick, keepalive_next(ctx, conn)))
        return false;
    if (hfi_quirk(ctx, HF_QUIRK_USER_TIMEOUT_OVERRIDES) && options->user_timeout_ns != 0)
        return conn->unanswered > 0 && silence_ns(ctx, conn) >= hfi_live_user_timeout_ns(ctx, conn);
    /* Probes of a closed window count too, but the time is keepalive's. */
    return conn->unanswered >= keepalive_count(options) &&
           silence_ns(ctx, conn) >=
               options->keepalive_idle_ns + keepalive_count(options) * keepalive_interval(options);
}

/* CLOCK_GAP: what was asked before we were away ourselves proves nothing: one question is asked
 * anew. */
static void forget_questions_before_gap(hfi_ctx *ctx, hfi_conn *conn) {
    if (!gap_forbids(ctx, conn) ||
        hfi_tick_past_ns(conn->elicited_at, ctx->now_ns) >= ctx->root->gap_until_ns)
        return;
    const uint32_t wanted = min_probes(hfi_options(ctx, conn));
    if (conn->unanswered >= wanted) conn->unanswered = (uint8_t)(wanted - 1);
}

/* The user timeout is over, but what would be held against the peer fell into our absence: it is asked
 * once more. */
static void ask_after_gap(hfi_ctx *ctx, hfi_conn *conn) {
    if (before_gap(ctx, conn->counted_at)) elicit(ctx, conn);
}

static bool user_timeout_due(const hfi_ctx *ctx, const hfi_conn *conn) {
    return user_timeout_applies(ctx, conn) &&
           !hfi_tick_lt(ctx->now_tick, user_timeout_next(ctx, conn));
}

/* The verdicts on silence. */
static hfi_live_verdict silence_verdict(const hfi_ctx *ctx, const hfi_conn *conn) {
    const bool user_overrides = hfi_quirk(ctx, HF_QUIRK_USER_TIMEOUT_OVERRIDES) &&
                                hfi_options(ctx, conn)->user_timeout_ns != 0;
    const bool quiet = hfi_quirk(ctx, HF_QUIRK_NO_RST_ON_GIVING_UP);
    const bool excused = hfi_live_excused(ctx, conn);
    const hf_cause reset = conn->state == HF_SYN_SENT ? HF_CAUSE_NONE : HF_CAUSE_SENT_RST_GAVE_UP;
    if (strict_is_over(ctx, conn))
        return (hfi_live_verdict){HF_CAUSE_END_BOUND_UNSOUND, HF_CAUSE_BY_DETECT_WITHIN, reset};
    if (bound_is_over(ctx, conn))
        return (hfi_live_verdict){HF_CAUSE_END_PEER_SILENT, HF_CAUSE_BY_DETECT_WITHIN, reset};
    if (!excused && keepalive_is_over(ctx, conn))
        return (hfi_live_verdict){
            HF_CAUSE_END_PEER_SILENT,
            user_overrides ? HF_CAUSE_BY_USER_TIMEOUT : HF_CAUSE_BY_KEEPALIVE_COUNT, reset};
    if (!excused && user_timeout_due(ctx, conn))
        return (hfi_live_verdict){HF_CAUSE_END_PEER_SILENT, HF_CAUSE_BY_USER_TIMEOUT,
                                  quiet ? HF_CAUSE_NONE : reset};
    return (hfi_live_verdict){HF_CAUSE_NONE, HF_CAUSE_NONE, HF_CAUSE_NONE};
}

hfi_live_verdict hfi_live_timeout(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_live_verdict verdict = silence_verdict(ctx, conn);
    if (verdict.cause == HF_CAUSE_NONE && hfi_has(conn, HFI_F_WATCHED))
        verdict = hfi_live_bounds_timeout(ctx, conn);
    if (verdict.cause != HF_CAUSE_NONE) return verdict;
    if (user_timeout_due(ctx, conn)) ask_after_gap(ctx, conn);
    forget_questions_before_gap(ctx, conn);
    const bool ask_bound = hfi_options(ctx, conn)->detect_within_ns != 0 &&
                           !hfi_tick_lt(ctx->now_tick, bound_next(ctx, conn));
    const bool ask_keepalive =
        keepalive_applies(ctx, conn) && !hfi_tick_lt(ctx->now_tick, keepalive_next(ctx, conn));
    if (ask_bound || ask_keepalive) elicit(ctx, conn);
    if (hfi_has(conn, HFI_F_WATCHED)) hfi_live_check_timeout(ctx, conn);
    return verdict;
}

/* ---- The persist timer, RFC 9293 3.8.6.1 ---- */

static hf_ns persist_wait_ns(const hfi_ctx *ctx, const hfi_conn *conn) {
    return hfi_min64(hfi_recover_rto_ns(ctx, conn), ctx->limits->persist_max_ns);
}

void hfi_live_persist(hfi_ctx *ctx, hfi_conn *conn) {
    if (!hfi_send_blocked(conn)) {
        if (!hfi_has(conn, HFI_F_PERSIST)) return;
        conn->flags &= ~(uint32_t)HFI_F_PERSIST;
        conn->backoff = 0;
        if (hfi_in_flight(conn) == 0) hfi_recover_restart_timer(ctx, conn);
        return;
    }
    if (hfi_has(conn, HFI_F_PERSIST) && (conn->timers & HFI_T_RTX) != 0) return;
    conn->flags |= HFI_F_PERSIST;
    conn->timers |= HFI_T_RTX;
    conn->rtx_at = hfi_ticks_from(ctx, persist_wait_ns(ctx, conn));
}

/* An orphan whose attempts are limited does not wait for a living peer for ever either: only until
 * the back-off can grow no more (as Linux does). */
static bool orphan_waits_longest(const hfi_ctx *ctx, const hfi_conn *conn) {
    const uint32_t attempts = ctx->limits->orphan_attempts;
    return attempts != 0 && hfi_has(conn, HFI_F_CLOSED_BY_APP) && conn->backoff >= attempts &&
           persist_wait_ns(ctx, conn) >= ctx->limits->persist_max_ns;
}

hfi_live_verdict hfi_live_persist_timeout(hfi_ctx *ctx, hfi_conn *conn) {
    const hfi_live_verdict go_on = {HF_CAUSE_NONE, HF_CAUSE_NONE, HF_CAUSE_NONE};
    conn->timers &= (uint8_t)~HFI_T_RTX;
    const bool window_open = hf_seq_lt(conn->snd_nxt, conn->snd_una + conn->snd_wnd);
    if (window_open) {
        /* Not the peer but silly window avoidance, or our own memory, keeps data back. */
        hfi_conn_owe(ctx, conn, HFI_P_DATA | HFI_P_OVERRIDE);
        hfi_live_persist(ctx, conn);
        return go_on;
    }
    /* Only probes that nobody answers count: a peer that answers may stay closed for ever, MUST-37.
     */
    if (conn->unanswered == 0) conn->transmissions = 0;
    const hf_cause reset =
        hfi_quirk(ctx, HF_QUIRK_NO_RST_ON_GIVING_UP) ? HF_CAUSE_NONE : HF_CAUSE_SENT_RST_GAVE_UP;
    const bool over = conn->transmissions >= hfi_attempts(ctx, conn, ctx->limits->persist_limit);
    if (over && !hfi_live_excused(ctx, conn))
        return (hfi_live_verdict){HF_CAUSE_END_PEER_SILENT, HF_CAUSE_BY_PERSIST_LIMIT, reset};
    if (orphan_waits_longest(ctx, conn))
        return (hfi_live_verdict){HF_CAUSE_END_CLOSE_DEADLINE, HF_CAUSE_BY_ORPHAN_LIMIT, reset};
    if (!over) conn->transmissions++;
    /* No further than the attempts that the limit allows, so that they end in step (as Linux's). */
    if (conn->backoff < hfi_min32(ctx->limits->persist_limit, 20)) conn->backoff++;
    hfi_live_persist(ctx, conn);
    hfi_conn_owe(ctx, conn, HFI_P_PROBE);
    return go_on;
}

/* Is this probe the one question after the handshake? */
static bool is_open_check(const hfi_ctx *ctx, const hfi_conn *conn) {
    if (!hfi_has(conn, HFI_F_WATCHED)) return false;
    hfi_watch *watch = hfi_watch_of(ctx, conn);
    const bool owed = (watch->flags & HFI_W_CHECK_OWED) != 0;
    watch->flags &= (uint16_t)~HFI_W_CHECK_OWED;
    return owed;
}

void hfi_live_probe(hfi_ctx *ctx, hfi_conn *conn, hfi_departure *ret) {
    const bool window = hfi_has(conn, HFI_F_PERSIST);
    ret->tcp.seq = conn->snd_una - 1;
    ret->tcp.flags = HFI_TCP_ACK;
    ret->cause = window                     ? HF_CAUSE_SENT_WINDOW_PROBE
                 : is_open_check(ctx, conn) ? HF_CAUSE_SENT_OPEN_CHECK
                                            : HF_CAUSE_SENT_KEEPALIVE;
    ret->a = (uint32_t)(silence_ns(ctx, conn) / HF_MS);
    ret->b = window ? conn->transmissions : conn->unanswered + 1u;
}

/* ---- When would it be noticed? ---- */

static void notice(hfi_live_notice *earliest, hf_ns at_ns, hf_cause by) {
    if (at_ns < earliest->at_ns) *earliest = (hfi_live_notice){at_ns, by};
}

/* How long until retransmissions are given up. */
static hf_ns retransmit_limit_ns(const hfi_ctx *ctx, const hfi_conn *conn) {
    hf_ns limit = 0, wait = (hf_ns)conn->rto_us * HF_US;
    if (hfi_recover_by_time(ctx, conn)) limit = wait; /* a tail loss probe starts the timer again */
    for (uint32_t i = 0; i <= ctx->limits->retransmit_limit; i++) {
        limit += hfi_min64(wait, ctx->limits->rto_max_ns);
        wait = hfi_min64(wait * 2, ctx->limits->rto_max_ns);
    }
    return limit;
}

hfi_live_notice hfi_live_notice_by(const hfi_ctx *ctx, const hfi_conn *conn) {
    const hf_tcp_options *options = hfi_options(ctx, conn);
    const hf_ns heard_ns = hfi_tick_past_ns(conn->heard_at, ctx->now_ns);
    hfi_live_notice by = {HF_NEVER, HF_CAUSE_NONE};
    if (hfi_has(conn, HFI_F_ENDED)) return by;
    if (options->detect_within_ns != 0)
        notice(&by, heard_ns + hfi_live_bound_ns(ctx, conn), HF_CAUSE_BY_DETECT_WITHIN);
    if (keepalive_applies(ctx, conn))
        notice(&by,
               heard_ns + options->keepalive_idle_ns +
                   keepalive_count(options) * keepalive_interval(options),
               HF_CAUSE_BY_KEEPALIVE_COUNT);
    if (user_timeout_applies(ctx, conn))
        notice(&by, heard_ns + hfi_live_user_timeout_ns(ctx, conn), HF_CAUSE_BY_USER_TIMEOUT);
    if (outstanding(conn))
        notice(&by, heard_ns + retransmit_limit_ns(ctx, conn), HF_CAUSE_BY_RETRANSMIT_LIMIT);
    if (!hfi_has(conn, HFI_F_WATCHED)) return by;
    const hfi_live_notice watched = hfi_live_bounds_notice(ctx, conn, false);
    notice(&by, watched.at_ns, watched.by);
    return by;
}

hfi_live_notice hfi_live_hung_notice_by(const hfi_ctx *ctx, const hfi_conn *conn) {
    const bool watched = hfi_has(conn, HFI_F_WATCHED) && !hfi_has(conn, HFI_F_ENDED);
    return watched ? hfi_live_bounds_notice(ctx, conn, true)
                   : (hfi_live_notice){HF_NEVER, HF_CAUSE_NONE};
}
