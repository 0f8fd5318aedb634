/* What a notice says in words. */
#include "doctor/notice.h"
#include <hf/explain.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const char *doctor_mechanism(const doctor_notice *notice) {
    if (!notice->known) return "unknown";
    if (notice->mechanism == HF_CAUSE_NONE) return "none";
    const char *const name = hf_kernel_cause_name(notice->mechanism);
    return strncmp(name, "BY_", 3) == 0 ? name + 3 : name;
}

/* Whole seconds from 10 s on, upwards: a limit that is rounded down would be a wrong one. */
static void time_words(double by_s, char *to, size_t size) {
    const double whole_s = by_s >= 10 ? ceil(by_s) : ceil(by_s * 10) / 10;
    hf_explain_duration((hf_ns)(whole_s * 1e3 + 0.5) * HF_MS, to, size);
}

void doctor_notice_time(const doctor_notice *notice, char *to, size_t size) {
    if (!notice->known)
        snprintf(to, size, "unknown");
    else if (notice->by_s == HUGE_VAL)
        snprintf(to, size, "never");
    else
        time_words(notice->by_s, to, size);
}

enum { WORDS = 40, REASON = 400 };

static void idle_reason(const doctor_settings *set, char *to, size_t size) {
    char limit[WORDS];
    time_words(set->user_timeout_ms / 1e3, limit, sizeof limit);
    if (!set->keepalive)
        snprintf(to, size, "nothing is sent, so nothing can go unanswered: SO_KEEPALIVE is off%s.",
                 set->user_timeout_ms > 0 ? ", and the user timeout needs something to be sent"
                                          : "");
    else if (set->user_timeout_ms > 0)
        snprintf(to, size,
                 "keepalive probes after %u s of silence and each %u s; the user timeout of %s "
                 "replaces the count of %u: the first probe's turn after it ends the connection.",
                 set->keep_idle_s, set->keep_interval_s, limit, set->keep_count);
    else
        snprintf(to, size,
                 "keepalive probes after %u s of silence and each %u s; %u of them unanswered end "
                 "the connection.",
                 set->keep_idle_s, set->keep_interval_s, set->keep_count);
}

static void in_flight_reason(const doctor_settings *set, const doctor_limits *limits, char *to,
                             size_t size) {
    char limit[WORDS];
    time_words(set->user_timeout_ms / 1e3, limit, sizeof limit);
    const char *const no_probe = set->keepalive ? " Keepalive does not run meanwhile." : "";
    if (set->user_timeout_ms > 0)
        snprintf(to, size, "retransmissions, for the user timeout of %s after the first one.%s",
                 limit, no_probe);
    else
        snprintf(to, size,
                 "retransmissions, at growing intervals of up to %u s, until tcp_retries2 = %u is "
                 "reached.%s",
                 set->rto_max_ms / 1000, limits->retries2, no_probe);
}

static void window_reason(const doctor_settings *set, const doctor_limits *limits, bool lives,
                          char *to, size_t size) {
    char limit[WORDS];
    time_words(set->user_timeout_ms / 1e3, limit, sizeof limit);
    if (set->user_timeout_ms > 0)
        snprintf(to, size,
                 "window probes; the user timeout of %s ends the connection, and ends that of a "
                 "peer that lives and does not read, too.",
                 limit);
    else if (lives)
        snprintf(to, size, "the peer answers window probes: it lives and does not read.");
    else
        snprintf(
            to, size,
            "window probes, at growing intervals of up to %u s; %u of them unanswered (and one "
            "wait) end the connection. Keepalive does not run meanwhile.",
            set->rto_max_ms / 1000, limits->retries2);
}

static void connecting_reason(const doctor_settings *set, const doctor_limits *limits, char *to,
                              size_t size) {
    char limit[WORDS];
    time_words(set->user_timeout_ms / 1e3, limit, sizeof limit);
    if (set->user_timeout_ms > 0)
        snprintf(to, size, "SYNs, for the user timeout of %s after connect().", limit);
    else
        snprintf(to, size, "SYNs: tcp_syn_retries = %u, after %u at one a second.",
                 set->syn_retries, limits->syn_linear);
}

static void reason_of(const doctor_view *view, const doctor_conn *conn, const doctor_notice *notice,
                      hf_phase phase, bool now, char *to, size_t size) {
    const doctor_settings *const set = &conn->settings;
    const doctor_limits *const limits = &view->netns[conn->netns].limits;
    if (notice->mechanism == HF_CAUSE_BY_FIN_WAIT_2_LIMIT ||
        notice->mechanism == HF_CAUSE_BY_ORPHAN_LIMIT) {
        snprintf(to, size, "no program holds it: the kernel ends it, and tells nobody.");
        return;
    }
    switch (phase) {
    case HF_PHASE_IDLE:
    case HF_PHASE_HALF_CLOSED_HERE:
    case HF_PHASE_HALF_CLOSED_THERE: idle_reason(set, to, size); return;
    case HF_PHASE_IN_FLIGHT:
    case HF_PHASE_CLOSING: in_flight_reason(set, limits, to, size); return;
    case HF_PHASE_ZERO_WINDOW_LIVE: window_reason(set, limits, !now, to, size); return;
    case HF_PHASE_ZERO_WINDOW_DEAD: window_reason(set, limits, false, to, size); return;
    case HF_PHASE_CONNECTING: connecting_reason(set, limits, to, size); return;
    case HF_PHASE_COUNT: break;
    }
    to[0] = 0;
}

void doctor_notice_text(const doctor_view *view, const doctor_conn *conn,
                        const doctor_verdict *verdict, hf_phase phase, bool now, char *to,
                        size_t size) {
    char when[WORDS], reason[REASON];
    const doctor_notice *const notice = now ? &verdict->now : &verdict->phases[phase];
    if (!notice->known) {
        snprintf(to, size, "unknown: the settings of this socket could not be read.");
        return;
    }
    const bool lives = phase == HF_PHASE_ZERO_WINDOW_LIVE && !now;
    doctor_notice_time(notice, when, sizeof when);
    reason_of(view, conn, notice, phase, now, reason, sizeof reason);
    snprintf(to, size, "%s%s: %s%s",
             lives && verdict->kills_slow_peers ? "killed"
             : notice->by_s == HUGE_VAL         ? ""
                                                : "within ",
             lives && verdict->kills_slow_peers ? "" : when, reason,
             verdict->measured ? "" : " (Computed; this version of the kernel was not measured.)");
}
