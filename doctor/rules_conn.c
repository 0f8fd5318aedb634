/* The rules that look at one connection at a time; what they find is gathered by process. */
#include "doctor/rules.h"
#include "doctor/sums.h"
#include <hf/explain.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define LEAK_S 60.0 /* so long CLOSE_WAIT and FIN_WAIT_2 may last and be a matter of course */
enum { LEAKS_CRITICAL = 100, DATA_FLOWS_SEGS = 8, WORDS = 48 };

/* What one rule says of one connection. */
struct sign {
    doctor_severity severity;
    double measure; /* of several connections the one with the most is shown */
    char words[160];
};

static double seconds(uint32_t ms) { return ms / 1e3; }

static double heard_ago_s(const doctor_conn *conn) {
    const doctor_info *const info = &conn->info;
    return seconds(info->since_ack_heard_ms < info->since_data_heard_ms
                       ? info->since_ack_heard_ms
                       : info->since_data_heard_ms);
}

static void time_words(double time_s, char *to, size_t size) {
    hf_explain_duration((hf_ns)(time_s * 1e3) * HF_MS, to, size);
}

bool doctor_is_local(const doctor_conn *conn) {
    const bool loop4 = hf_addr_is4(&conn->remote) && conn->remote.bytes[12] == 127;
    return loop4 || memcmp(&conn->local, &conn->remote, sizeof conn->local) == 0;
}

static bool never_noticed(const doctor_conn *conn, const doctor_verdict *verdict,
                          struct sign *sign) {
    const doctor_notice *const worst = &verdict->phases[verdict->worst];
    if (doctor_is_local(conn) || !worst->known || worst->by_s != HUGE_VAL) return false;
    sign->severity = DOCTOR_WARNING;
    sign->measure = heard_ago_s(conn);
    snprintf(sign->words, sizeof sign->words, "%s: %s", hf_phase_name(verdict->worst),
             conn->settings.keepalive ? "nothing that runs ends it" : "SO_KEEPALIVE is off");
    return true;
}

static bool noticed_late(const doctor_conn *conn, const doctor_verdict *verdict,
                         struct sign *sign) {
    char when[WORDS];
    const doctor_notice *const worst = &verdict->phases[verdict->worst];
    if (doctor_is_local(conn) || !worst->known || worst->by_s == HUGE_VAL) return false;
    if (worst->by_s <= DOCTOR_LATE_S) return false;
    doctor_notice_time(worst, when, sizeof when);
    sign->severity = DOCTOR_INFO;
    sign->measure = worst->by_s;
    snprintf(sign->words, sizeof sign->words, "%s: up to %s, by %s", hf_phase_name(verdict->worst),
             when, doctor_mechanism(worst));
    return true;
}

static bool has_flowing_data(const doctor_conn *conn) {
    const doctor_info *const info = &conn->info;
    const uint32_t ms = info->since_data_sent_ms < info->since_data_heard_ms
                            ? info->since_data_sent_ms
                            : info->since_data_heard_ms;
    return info->data_segs_out > DATA_FLOWS_SEGS && seconds(ms) < conn->settings.keep_idle_s / 2.0;
}

static bool keepalive_starved(const doctor_conn *conn, const doctor_verdict *verdict,
                              struct sign *sign) {
    char idle[WORDS], flight[WORDS];
    const doctor_notice *const in_flight = &verdict->phases[HF_PHASE_IN_FLIGHT];
    const doctor_notice *const resting = &verdict->phases[HF_PHASE_IDLE];
    if (!conn->settings.keepalive || !in_flight->known || doctor_is_local(conn)) return false;
    if (in_flight->by_s < 2 * resting->by_s) return false;
    if (!doctor_has_outstanding(conn) && !has_flowing_data(conn)) return false;
    doctor_notice_time(resting, idle, sizeof idle);
    doctor_notice_time(in_flight, flight, sizeof flight);
    sign->severity = in_flight->by_s > DOCTOR_LATE_S ? DOCTOR_WARNING : DOCTOR_INFO;
    sign->measure = in_flight->by_s;
    snprintf(sign->words, sizeof sign->words,
             "%s if idle, %s with data in flight; %u segments sent", idle, flight,
             conn->info.data_segs_out);
    return true;
}

static bool user_timeout_overrides(const doctor_conn *conn, const doctor_verdict *verdict,
                                   struct sign *sign) {
    const doctor_settings *const set = &conn->settings;
    sum_keepalive with = {set->keep_idle_s, set->keep_interval_s, set->keep_count, 0};
    (void)verdict;
    if (!set->keepalive || set->user_timeout_ms == 0) return false;
    const double by_count_s = sum_idle_nominal(&with);
    with.user_timeout_s = seconds(set->user_timeout_ms);
    const double by_timeout_s = sum_idle_nominal(&with);
    if (fabs(by_count_s - by_timeout_s) <= 1) return false;
    sign->severity = DOCTOR_INFO;
    sign->measure = fabs(by_count_s - by_timeout_s);
    snprintf(sign->words, sizeof sign->words, "idle: %g s instead of %u + %u x %u = %g s",
             by_timeout_s, set->keep_idle_s, set->keep_interval_s, set->keep_count, by_count_s);
    return true;
}

static bool user_timeout_kills(const doctor_conn *conn, const doctor_verdict *verdict,
                               struct sign *sign) {
    const bool closed = conn->timer == DOCTOR_TIMER_WINDOW_PROBE;
    if (!verdict->kills_slow_peers) return false;
    sign->severity = closed ? DOCTOR_WARNING : DOCTOR_INFO;
    sign->measure = closed;
    snprintf(sign->words, sizeof sign->words, "TCP_USER_TIMEOUT %u ms%s",
             conn->settings.user_timeout_ms, closed ? "; the window is closed now" : "");
    return true;
}

static bool half_established(const doctor_conn *conn, const doctor_verdict *verdict,
                             struct sign *sign) {
    const doctor_info *const info = &conn->info;
    (void)verdict;
    if (conn->state != DOCTOR_ESTABLISHED || !info->known || info->retransmits < 2) return false;
    if (info->bytes_acked > 1 || info->data_segs_in > 0) return false;
    sign->severity = DOCTOR_WARNING;
    sign->measure = info->retransmits;
    snprintf(sign->words, sizeof sign->words,
             "its first data was sent %u times, and no byte was ever acknowledged",
             info->retransmits + 1u);
    return true;
}

static bool retransmitting(const doctor_conn *conn, const doctor_verdict *verdict,
                           struct sign *sign) {
    char heard[WORDS], when[WORDS];
    if (conn->timer != DOCTOR_TIMER_RETRANSMIT || conn->retransmits < 2) return false;
    if (conn->state == DOCTOR_SYN_SENT) {
        doctor_notice_time(&verdict->now, when, sizeof when);
        sign->severity = DOCTOR_WARNING;
        snprintf(sign->words, sizeof sign->words, "connecting: %u SYNs unanswered; given up in: %s",
                 conn->retransmits + 1u, when);
        return true;
    }
    time_words(heard_ago_s(conn), heard, sizeof heard);
    doctor_notice_time(&verdict->now, when, sizeof when);
    sign->severity = DOCTOR_WARNING;
    sign->measure = heard_ago_s(conn);
    snprintf(sign->words, sizeof sign->words,
             "%u retransmissions, nothing heard for %s; given up in: %s", conn->info.retransmits,
             heard, when);
    return true;
}

static bool zero_window(const doctor_conn *conn, const doctor_verdict *verdict, struct sign *sign) {
    (void)verdict;
    if (conn->timer != DOCTOR_TIMER_WINDOW_PROBE) return false;
    sign->severity = DOCTOR_WARNING;
    sign->measure = conn->queued_bytes;
    snprintf(sign->words, sizeof sign->words, "%u bytes wait, %u window probes are unanswered",
             conn->queued_bytes, conn->info.probes);
    return true;
}

static bool rests_in(const doctor_conn *conn, doctor_state state, struct sign *sign) {
    char heard[WORDS];
    if (conn->state != state || conn->inode == 0 || heard_ago_s(conn) < LEAK_S) return false;
    time_words(heard_ago_s(conn), heard, sizeof heard);
    sign->severity = DOCTOR_WARNING;
    sign->measure = heard_ago_s(conn);
    snprintf(sign->words, sizeof sign->words, "the oldest for %s at least%s", heard,
             conn->received_bytes > 1 ? ", with data unread" : ""); /* 1: the FIN itself */
    return true;
}

static bool close_wait_leak(const doctor_conn *conn, const doctor_verdict *verdict,
                            struct sign *sign) {
    (void)verdict;
    return rests_in(conn, DOCTOR_CLOSE_WAIT, sign);
}

static bool fin_wait_2_hoard(const doctor_conn *conn, const doctor_verdict *verdict,
                             struct sign *sign) {
    const doctor_notice *const rest = &verdict->phases[HF_PHASE_HALF_CLOSED_HERE];
    if (!rests_in(conn, DOCTOR_FIN_WAIT_2, sign)) return false;
    if (rest->known && rest->by_s == HUGE_VAL && strlen(sign->words) < sizeof sign->words - 40)
        strcat(sign->words, "; if the peer is gone: for ever");
    return true;
}

static bool linger_zero(const doctor_conn *conn, const doctor_verdict *verdict, struct sign *sign) {
    (void)verdict;
    if (!conn->settings.linger_zero) return false;
    sign->severity = DOCTOR_WARNING;
    sign->measure = conn->queued_bytes;
    snprintf(sign->words, sizeof sign->words,
             "SO_LINGER {1, 0}; a close() now would throw away %u bytes", conn->queued_bytes);
    return true;
}

static const struct {
    doctor_rule rule;
    bool (*look)(const doctor_conn *conn, const doctor_verdict *verdict, struct sign *sign);
} looks[] = {{DOCTOR_NEVER_NOTICED, never_noticed},
             {DOCTOR_NOTICED_LATE, noticed_late},
             {DOCTOR_KEEPALIVE_STARVED, keepalive_starved},
             {DOCTOR_USER_TIMEOUT_OVERRIDES, user_timeout_overrides},
             {DOCTOR_USER_TIMEOUT_KILLS, user_timeout_kills},
             {DOCTOR_HALF_ESTABLISHED, half_established},
             {DOCTOR_RETRANSMITTING, retransmitting},
             {DOCTOR_ZERO_WINDOW, zero_window},
             {DOCTOR_CLOSE_WAIT_LEAK, close_wait_leak},
             {DOCTOR_FIN_WAIT_2_HOARD, fin_wait_2_hoard},
             {DOCTOR_LINGER_ZERO, linger_zero}};
enum { LOOKS = sizeof looks / sizeof looks[0] };

/* The view is in the order of processes: the last finding of a rule is the one of this process, or
 * there is none yet. */
struct gathering {
    doctor_findings *findings;
    size_t last[LOOKS]; /* index + 1 */
};

static doctor_finding *finding_of(struct gathering *gathering, int look, const doctor_conn *conn) {
    const size_t last = gathering->last[look];
    if (last > 0) {
        doctor_finding *const finding = &gathering->findings->rows[last - 1];
        if (finding->pid == conn->pid && finding->netns == conn->netns) return finding;
    }
    doctor_finding *const finding =
        doctor_finding_new(gathering->findings, looks[look].rule, DOCTOR_INFO, conn->netns);
    finding->pid = conn->pid;
    doctor_owner(conn, finding->who, sizeof finding->who);
    gathering->last[look] = gathering->findings->count;
    return finding;
}

static void gather(struct gathering *gathering, int look, const doctor_view *view, size_t index,
                   const struct sign *sign) {
    doctor_finding *const finding = finding_of(gathering, look, &view->conns[index]);
    const bool worse = finding->count == 0 || sign->severity > finding->severity ||
                       (sign->severity == finding->severity && sign->measure > finding->measure);
    finding->count++;
    if (looks[look].rule == DOCTOR_CLOSE_WAIT_LEAK && finding->count >= LEAKS_CRITICAL)
        finding->severity = DOCTOR_CRITICAL;
    if (!worse) return;
    if (sign->severity > finding->severity) finding->severity = sign->severity;
    finding->measure = sign->measure;
    finding->example = index;
    snprintf(finding->evidence, sizeof finding->evidence, "%s", sign->words);
}

void doctor_find_connections(const doctor_view *view, doctor_findings *findings) {
    struct gathering gathering = {findings, {0}};
    for (size_t i = 0; i < view->conn_count; i++) {
        const doctor_conn *const conn = &view->conns[i];
        doctor_verdict verdict;
        if (!doctor_is_connection(conn)) continue;
        doctor_judge(view, conn, &verdict);
        for (int k = 0; k < LOOKS; k++) {
            struct sign sign = {DOCTOR_INFO, 0, ""};
            if (looks[k].look(conn, &verdict, &sign)) gather(&gathering, k, view, i, &sign);
        }
    }
}
