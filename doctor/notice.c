/* What is left of each of the kernel's timers, as tcp_timer.c and tcp_output.c of Linux 6.18 play
 * them. A chain of waits has two ends: the earliest that it may be over, without any lateness, and
 * the latest. The kernel compares times with limits when a timer expires; so the last wait is the
 * last whose predecessor may have ended before the limit. */
#include "doctor/notice.h"
#include "doctor/sums.h"
#include <math.h>

#define NEVER HUGE_VAL
enum { MEASURED_MAJOR = 6, MEASURED_MINOR = 18, MOST_WAITS = 512 };
#define PROBE0_DOUBLINGS 10 /* ilog2(TCP_RTO_MAX / TCP_RTO_MIN) + 1 */

static double least(double a, double b) { return a < b ? a : b; }
static double most(double a, double b) { return a > b ? a : b; }

/* What an answer is computed of. */
struct ground {
    const doctor_conn *conn;
    const doctor_settings *set;
    const doctor_limits *limits;
    double jiffy_s, rto_max_s, base_rto_s, user_timeout_s;
};

static double late(const struct ground *g, double wait_s) {
    return wait_s + sum_lateness(wait_s, g->jiffy_s);
}

static doctor_notice by(double by_s, hf_cause mechanism) {
    return (doctor_notice){true, by_s, by_s == NEVER ? HF_CAUSE_NONE : mechanism};
}

static doctor_notice sooner(doctor_notice a, doctor_notice b) { return a.by_s <= b.by_s ? a : b; }

struct chain {
    double earliest, latest;
};

/* One more wait; before it the limit was not reached, so it began before the limit. */
static void wait_on(const struct ground *g, struct chain *chain, double wait_s, double limit_s) {
    chain->latest = least(chain->latest, limit_s) + late(g, wait_s);
    chain->earliest += wait_s;
}

/* ---- Idle: keepalive ---- */

/* From the first tick on, `elapsed_s` after the peer was last heard at the earliest, with `probes`
 * of them unanswered before it. A user timeout counts at the ticks, and the count does not. */
static doctor_notice keepalive(const struct ground *g, double first_s, double first_latest_s,
                               double heard_s, unsigned probes) {
    const double interval_s = g->set->keep_interval_s, limit_s = g->user_timeout_s - heard_s;
    struct chain chain = {first_s, first_latest_s};
    if (!g->set->keepalive) return by(NEVER, HF_CAUSE_NONE);
    if (g->user_timeout_s <= 0) {
        const unsigned left = g->set->keep_count > probes ? g->set->keep_count - probes : 0;
        return by(chain.latest + left * late(g, interval_s), HF_CAUSE_BY_KEEPALIVE_COUNT);
    }
    if (probes == 0) wait_on(g, &chain, interval_s, NEVER);
    for (unsigned i = 0; chain.earliest < limit_s && i < UINT16_MAX; i++)
        wait_on(g, &chain, interval_s, limit_s);
    return by(chain.latest, HF_CAUSE_BY_USER_TIMEOUT);
}

static doctor_notice idle_at_worst(const struct ground *g) {
    const double idle_s = g->set->keep_idle_s;
    return keepalive(g, idle_s, late(g, idle_s), 0, 0);
}

static doctor_notice idle_now(const struct ground *g) {
    const doctor_info *const info = &g->conn->info;
    const double heard_s =
        least(info->since_ack_heard_ms, info->since_data_heard_ms) / 1e3; /* ago */
    const double idle_s = g->set->keep_idle_s;
    const bool running = g->conn->timer == DOCTOR_TIMER_KEEPALIVE;
    const double armed_s = running ? g->conn->expires_ms / 1e3 : 0;
    double first_s = armed_s;
    if (info->probes == 0) first_s = most(armed_s, idle_s - heard_s);
    const double wait_s = info->probes == 0 ? idle_s : g->set->keep_interval_s;
    return keepalive(g, first_s, first_s + sum_lateness(wait_s, g->jiffy_s), heard_s, info->probes);
}

/* ---- In flight: retransmissions ---- */

static bool is_orphan(const doctor_conn *conn) {
    return conn->inode == 0 && (conn->state == DOCTOR_FIN_WAIT_1 || conn->state == DOCTOR_CLOSING ||
                                conn->state == DOCTOR_LAST_ACK || conn->state == DOCTOR_FIN_WAIT_2);
}

/* Retries of a connection that nobody holds any more: 8 of one that is alive if the sysctl is 0. */
static unsigned orphan_retries(const doctor_limits *limits) {
    return limits->orphan_retries > 0 ? limits->orphan_retries : 8;
}

static double retransmit_limit(const struct ground *g) {
    if (is_orphan(g->conn))
        return sum_model(SUM_RTO_BASE_S, g->rto_max_s, orphan_retries(g->limits));
    if (g->user_timeout_s > 0) return g->user_timeout_s;
    return sum_model(SUM_RTO_BASE_S, g->rto_max_s, g->limits->retries2);
}

static hf_cause retransmit_mechanism(const struct ground *g) {
    if (is_orphan(g->conn)) return HF_CAUSE_BY_ORPHAN_LIMIT;
    return g->user_timeout_s > 0 ? HF_CAUSE_BY_USER_TIMEOUT : HF_CAUSE_BY_RETRANSMIT_LIMIT;
}

/* From `chain` on, whose 0 is the first retransmission, with `wait_s` as the first whole wait. A
 * user timeout cuts the last wait short. */
static double retransmissions(const struct ground *g, struct chain chain, double wait_s,
                              double limit_s) {
    const bool cut = g->user_timeout_s > 0 && !is_orphan(g->conn);
    for (unsigned i = 0; chain.earliest < limit_s && i < MOST_WAITS; i++) {
        const double whole_s = least(wait_s, g->rto_max_s);
        const double rest_s = cut ? least(whole_s, limit_s - chain.earliest) : whole_s;
        const double late_s = sum_lateness(whole_s, g->jiffy_s);
        chain.latest = least(chain.latest, limit_s) + late_s;
        if (cut)
            chain.latest = least(chain.latest + whole_s, limit_s + late_s);
        else
            chain.latest += whole_s;
        chain.earliest += rest_s;
        wait_s *= 2;
    }
    return chain.latest;
}

/* A tail loss probe goes first and starts the timer anew, hence two waits before the first. */
static doctor_notice in_flight_from(const struct ground *g, double first_latest_s) {
    const double limit_s = retransmit_limit(g), rto_s = least(g->base_rto_s, g->rto_max_s);
    const struct chain chain = {0, 0};
    return by(first_latest_s + retransmissions(g, chain, 2 * rto_s, limit_s),
              retransmit_mechanism(g));
}

static doctor_notice in_flight_at_worst(const struct ground *g) {
    const double rto_s = least(g->base_rto_s, g->rto_max_s);
    return in_flight_from(g, 2 * late(g, rto_s));
}

/* What the waits before the present one took at least, since the first retransmission. */
static double retransmitting_for(const struct ground *g, double rto_s) {
    const doctor_info *const info = &g->conn->info;
    double passed_s = most(rto_s - g->conn->expires_ms / 1e3, 0);
    for (unsigned i = 1; i < info->backoff && i < MOST_WAITS; i++)
        passed_s += least(ldexp(g->base_rto_s, (int)i), g->rto_max_s);
    return passed_s;
}

static doctor_notice in_flight_now(const struct ground *g) {
    const doctor_info *const info = &g->conn->info;
    const double rto_s = info->rto_us / 1e6, armed_s = g->conn->expires_ms / 1e3;
    if (g->conn->timer != DOCTOR_TIMER_RETRANSMIT) return in_flight_at_worst(g);
    if (info->retransmits == 0)
        return in_flight_from(g, armed_s + sum_lateness(rto_s, g->jiffy_s) + late(g, rto_s));
    const double limit_s = retransmit_limit(g) - retransmitting_for(g, rto_s);
    const struct chain chain = {armed_s, armed_s + sum_lateness(rto_s, g->jiffy_s)};
    return by(retransmissions(g, chain, 2 * rto_s, limit_s), retransmit_mechanism(g));
}

/* ---- Zero window: window probes ---- */

static double probe_wait(const struct ground *g, unsigned backoff) {
    const unsigned doublings = backoff < PROBE0_DOUBLINGS ? backoff : PROBE0_DOUBLINGS;
    return least(ldexp(most(g->base_rto_s, SUM_RTO_BASE_S), (int)doublings), g->rto_max_s);
}

/* The window has been closed for as long as one likes, so the waits have grown to their most. */
static doctor_notice window_at_worst(const struct ground *g) {
    const double wait_s = probe_wait(g, g->limits->retries2);
    const doctor_notice count =
        by((g->limits->retries2 + 1) * late(g, wait_s), HF_CAUSE_BY_PERSIST_LIMIT);
    if (g->user_timeout_s <= 0) return count;
    return sooner(by(late(g, g->user_timeout_s), HF_CAUSE_BY_USER_TIMEOUT), count);
}

/* What is left of the user timeout after `passed_s`. The timer that is running is as late as the
 * whole of its wait allows, however little of it is left. */
static doctor_notice rest_of_user_timeout(const struct ground *g, double passed_s, double whole_s) {
    const double rest_s = most(g->user_timeout_s - passed_s, g->conn->expires_ms / 1e3);
    return by(rest_s + sum_lateness(most(rest_s, whole_s), g->jiffy_s), HF_CAUSE_BY_USER_TIMEOUT);
}

/* The user timeout runs from the first expiry of the probe's timer, that is, all waits but the very
 * first one; an answered probe arms the timer anew and so makes them longer. */
static doctor_notice window_by_user_timeout(const struct ground *g) {
    const unsigned backoff = g->conn->info.backoff;
    const double armed_s = g->conn->expires_ms / 1e3, wait_s = probe_wait(g, backoff);
    if (backoff == 0)
        return by(armed_s + sum_lateness(wait_s, g->jiffy_s) + late(g, g->user_timeout_s),
                  HF_CAUSE_BY_USER_TIMEOUT);
    double passed_s = 0;
    for (unsigned i = 1; i < backoff; i++) passed_s += probe_wait(g, i);
    const double whole_s = least(wait_s, most(g->user_timeout_s - passed_s, 0));
    return rest_of_user_timeout(g, passed_s + most(whole_s - armed_s, 0), whole_s);
}

/* Of the last probe an answer may still be on its way. */
static unsigned unanswered_probes(const struct ground *g, double wait_s) {
    const doctor_info *const info = &g->conn->info;
    const double sent_s = wait_s - g->conn->expires_ms / 1e3; /* ago */
    const double answer_s = (info->rtt_us + 4.0 * info->rttvar_us) / 1e6 + 2 * g->jiffy_s;
    return info->probes == 1 && sent_s <= answer_s ? 0 : info->probes;
}

static doctor_notice window_by_count(const struct ground *g) {
    const unsigned limit = g->limits->retries2;
    unsigned backoff = g->conn->info.backoff;
    const double wait_s = probe_wait(g, backoff);
    double at_s = g->conn->expires_ms / 1e3 + sum_lateness(wait_s, g->jiffy_s);
    for (unsigned i = unanswered_probes(g, wait_s); i < limit; i++) {
        if (backoff < limit) backoff++;
        at_s += late(g, probe_wait(g, backoff));
    }
    return by(at_s, HF_CAUSE_BY_PERSIST_LIMIT);
}

static doctor_notice window_now(const struct ground *g) {
    if (g->conn->timer != DOCTOR_TIMER_WINDOW_PROBE) return window_at_worst(g);
    const doctor_notice count = window_by_count(g);
    return g->user_timeout_s > 0 ? sooner(window_by_user_timeout(g), count) : count;
}

/* ---- Connecting ---- */

/* From now, `sent` SYNs having been repeated, with `armed_s` left of the present wait. */
static doctor_notice connecting(const struct ground *g, unsigned sent, double armed_s) {
    const sum_connect with = {g->set->syn_retries, g->limits->syn_linear, g->rto_max_s, 0};
    double passed_s = most(sum_syn_wait(&with, sent) - armed_s, 0);
    for (unsigned i = 0; i < sent; i++) passed_s += sum_syn_wait(&with, i);
    const bool limited = g->user_timeout_s <= 0; /* else that is the limit */
    const double limit_s =
        limited ? sum_model(SUM_SYN_BASE_S, g->rto_max_s, with.syn_retries) - passed_s : NEVER;
    const double wait_s = sum_syn_wait(&with, sent);
    struct chain chain = {armed_s, armed_s + sum_lateness(wait_s, g->jiffy_s)};
    for (unsigned i = sent + 1; chain.earliest < limit_s && i <= with.syn_retries + with.linear;
         i++)
        wait_on(g, &chain, sum_syn_wait(&with, i), limit_s);
    const doctor_notice count = by(chain.latest, HF_CAUSE_BY_RETRANSMIT_LIMIT);
    return limited ? count : sooner(rest_of_user_timeout(g, passed_s, wait_s), count);
}

static doctor_notice connecting_now(const struct ground *g) {
    return connecting(g, g->conn->retransmits, g->conn->expires_ms / 1e3);
}

/* ---- All together ---- */

bool doctor_has_outstanding(const doctor_conn *conn) {
    return conn->info.unacked_segs > 0 || conn->info.notsent_bytes > 0;
}

static hf_phase phase_of(const doctor_conn *conn) {
    switch (conn->state) {
    case DOCTOR_SYN_SENT:
    case DOCTOR_SYN_RECV:
    case DOCTOR_NEW_SYN_RECV: return HF_PHASE_CONNECTING;
    case DOCTOR_FIN_WAIT_1:
    case DOCTOR_CLOSING:
    case DOCTOR_LAST_ACK: return HF_PHASE_CLOSING;
    case DOCTOR_FIN_WAIT_2: return HF_PHASE_HALF_CLOSED_HERE;
    default: break;
    }
    if (conn->timer == DOCTOR_TIMER_WINDOW_PROBE && conn->info.unacked_segs == 0)
        return conn->info.probes > 1 ? HF_PHASE_ZERO_WINDOW_DEAD : HF_PHASE_ZERO_WINDOW_LIVE;
    if (doctor_has_outstanding(conn)) return HF_PHASE_IN_FLIGHT;
    return conn->state == DOCTOR_CLOSE_WAIT ? HF_PHASE_HALF_CLOSED_THERE : HF_PHASE_IDLE;
}

static struct ground ground_of(const doctor_view *view, const doctor_conn *conn) {
    const doctor_settings *const set = &conn->settings;
    const double rto_max_s = set->rto_max_ms / 1e3;
    const double rto_s = conn->info.rto_us > 0 ? conn->info.rto_us / 1e6 : SUM_SYN_BASE_S;
    const double base_s = conn->timer == DOCTOR_TIMER_RETRANSMIT
                              ? ldexp(rto_s, -(int)least(conn->info.backoff, 30))
                              : rto_s;
    return (struct ground){.conn = conn,
                           .set = set,
                           .limits = &view->netns[conn->netns].limits,
                           .jiffy_s = view->jiffy_s,
                           .rto_max_s = rto_max_s,
                           /* Backed off up to a limit it no longer shows where it began. */
                           .base_rto_s = most(base_s, least(rto_s, SUM_RTO_BASE_S)),
                           .user_timeout_s = set->user_timeout_ms / 1e3};
}

/* FIN_WAIT_2 that nobody holds: the kernel ends it, and nobody is told. */
static doctor_notice orphan_rests(const struct ground *g) {
    const double left_s =
        g->conn->timer == DOCTOR_TIMER_NONE ? g->limits->fin_timeout_s : g->conn->expires_ms / 1e3;
    return by(late(g, left_s), HF_CAUSE_BY_FIN_WAIT_2_LIMIT);
}

static doctor_notice notice_now(const struct ground *g, hf_phase phase) {
    switch (phase) {
    case HF_PHASE_CONNECTING: return connecting_now(g);
    case HF_PHASE_IN_FLIGHT:
    case HF_PHASE_CLOSING: return in_flight_now(g);
    case HF_PHASE_ZERO_WINDOW_DEAD:
    case HF_PHASE_ZERO_WINDOW_LIVE: return window_now(g);
    case HF_PHASE_IDLE:
    case HF_PHASE_HALF_CLOSED_HERE:
    case HF_PHASE_HALF_CLOSED_THERE:
    case HF_PHASE_COUNT: break;
    }
    return is_orphan(g->conn) ? orphan_rests(g) : idle_now(g);
}

static void judge_phases(const struct ground *g, doctor_notice *phases) {
    phases[HF_PHASE_CONNECTING] = connecting(g, 0, SUM_SYN_BASE_S);
    phases[HF_PHASE_IDLE] = idle_at_worst(g);
    phases[HF_PHASE_HALF_CLOSED_HERE] = phases[HF_PHASE_HALF_CLOSED_THERE] = phases[HF_PHASE_IDLE];
    phases[HF_PHASE_IN_FLIGHT] = phases[HF_PHASE_CLOSING] = in_flight_at_worst(g);
    phases[HF_PHASE_ZERO_WINDOW_DEAD] = window_at_worst(g);
    /* Nothing is to be noticed of a peer that lives, but that it is killed: kills_slow_peers. */
    phases[HF_PHASE_ZERO_WINDOW_LIVE] = by(NEVER, HF_CAUSE_NONE);
}

/* True if a connection in this state may come into the phase. */
static bool may_come(unsigned state, hf_phase phase) {
    const bool sends = state == DOCTOR_ESTABLISHED || state == DOCTOR_CLOSE_WAIT;
    const bool opens =
        state == DOCTOR_SYN_SENT || state == DOCTOR_SYN_RECV || state == DOCTOR_NEW_SYN_RECV;
    switch (phase) {
    case HF_PHASE_CONNECTING: return opens;
    case HF_PHASE_IDLE:
    case HF_PHASE_IN_FLIGHT:
    case HF_PHASE_ZERO_WINDOW_DEAD: return opens || sends;
    case HF_PHASE_HALF_CLOSED_HERE:
        return opens || state == DOCTOR_ESTABLISHED || state == DOCTOR_FIN_WAIT_1 ||
               state == DOCTOR_FIN_WAIT_2;
    case HF_PHASE_HALF_CLOSED_THERE: return opens || sends;
    case HF_PHASE_CLOSING: return state != DOCTOR_FIN_WAIT_2;
    case HF_PHASE_ZERO_WINDOW_LIVE:
    case HF_PHASE_COUNT: break;
    }
    return false;
}

static hf_phase worst_of(const doctor_notice *phases, unsigned state, hf_phase present) {
    hf_phase worst = present == HF_PHASE_ZERO_WINDOW_LIVE ? HF_PHASE_ZERO_WINDOW_DEAD : present;
    for (int i = 0; i < HF_PHASE_COUNT; i++)
        if (may_come(state, (hf_phase)i) && phases[i].by_s > phases[worst].by_s)
            worst = (hf_phase)i;
    return worst;
}

void doctor_judge(const doctor_view *view, const doctor_conn *conn, doctor_verdict *ret) {
    *ret = (doctor_verdict){.phase = phase_of(conn)};
    ret->worst = ret->phase;
    ret->measured = view->major == MEASURED_MAJOR && view->minor == MEASURED_MINOR;
    /* A request's settings are its listener's, and an orphan's nobody's: unknown, but an orphan in
     * FIN_WAIT_2, which only the namespace rules. */
    if (conn->settings.source == DOCTOR_UNKNOWN && !is_orphan(conn)) return;
    struct ground g = ground_of(view, conn);
    if (conn->settings.source == DOCTOR_UNKNOWN) {
        if (conn->state != DOCTOR_FIN_WAIT_2) return;
        ret->now = ret->phases[ret->phase] = orphan_rests(&g);
        return;
    }
    judge_phases(&g, ret->phases);
    ret->now = notice_now(&g, ret->phase);
    if (is_orphan(conn)) ret->phases[ret->phase] = ret->now;
    ret->worst = worst_of(ret->phases, conn->state, ret->phase);
    ret->kills_slow_peers =
        g.user_timeout_s > 0 && may_come(conn->state, HF_PHASE_ZERO_WINDOW_DEAD);
}
