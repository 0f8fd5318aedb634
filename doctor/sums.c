#include "doctor/sums.h"
#include <math.h>

/* Level 0 of the kernel's timer wheel has 63 jiffies; see kernel/time/timer.c there. */
enum { WHEEL_LEVEL_JIFFIES = 63, WHEEL_LEVEL_STEP = 8, WHEEL_LEVELS = 9 };

double sum_wait(double wait_s) {
    double below_s = 0.256, step_s = 0.004;
    while (wait_s >= below_s && step_s < 131) {
        below_s *= 8;
        step_s *= 8;
    }
    return wait_s + step_s / 2;
}

double sum_lateness(double wait_s, double jiffy_s) {
    double below_s = WHEEL_LEVEL_JIFFIES * jiffy_s, step_s = jiffy_s;
    for (int level = 1; level < WHEEL_LEVELS && wait_s >= below_s; level++) {
        below_s *= WHEEL_LEVEL_STEP;
        step_s *= WHEEL_LEVEL_STEP;
    }
    return step_s + jiffy_s; /* armed within a jiffy, which is cut off */
}

static double least(double a, double b) { return a < b ? a : b; }
static double most(double a, double b) { return a > b ? a : b; }

static unsigned doublings_below(double base_s, double rto_max_s, unsigned retries) {
    unsigned doublings = 0;
    while (doublings < retries && ldexp(base_s, (int)doublings + 1) <= rto_max_s) doublings++;
    return doublings;
}

double sum_model(double base_s, double rto_max_s, unsigned retries) {
    const unsigned doublings = doublings_below(base_s, rto_max_s, retries);
    return (ldexp(2, (int)doublings) - 1) * base_s + (retries - doublings) * rto_max_s;
}

unsigned sum_doublings(const sum_retries *with) {
    return doublings_below(SUM_RTO_BASE_S, with->rto_max_s, with->retries);
}

double sum_nominal(const sum_retries *with) {
    return sum_model(SUM_RTO_BASE_S, with->rto_max_s, with->retries);
}

/* A tail loss probe goes first and starts the timer anew, hence two waits before the first timeout.
 * The user timeout also cuts the last wait short, so it is met as it is. */
double sum_in_flight(const sum_retries *with) {
    const double rto_s = least(with->rto_s, with->rto_max_s);
    const double first_s = 2 * sum_wait(rto_s);
    if (with->user_timeout_s > 0) return first_s + sum_wait(with->user_timeout_s);
    const double limit_s = sum_nominal(with);
    double at_s = first_s, next_s = 2 * rto_s;
    while (at_s - first_s < limit_s) {
        at_s += sum_wait(least(next_s, with->rto_max_s));
        next_s *= 2;
    }
    return at_s;
}

/* Answers keep the count at 0 but not the waits, which go on doubling. The back-off stops at
 * tcp_retries2 doublings, too. */
double sum_zero_window(const sum_retries *with, double closed_s) {
    double at_s = 0, next_s = with->rto_s;
    unsigned unanswered = 0;
    if (with->user_timeout_s > 0) return most(sum_wait(with->user_timeout_s), closed_s);
    for (unsigned probe = 0;; probe++) {
        at_s += sum_wait(least(next_s, with->rto_max_s));
        if (probe < with->retries) next_s *= 2;
        if (at_s < closed_s) continue;
        if (unanswered++ == with->retries) return at_s;
    }
}

/* Of a user timeout the first tick of keepalive that is not before it counts, once a probe is
 * unanswered; the count is ignored then. */
static unsigned unanswered_probes(const sum_keepalive *with) {
    if (with->user_timeout_s <= 0) return with->count;
    const double ticks = ceil((with->user_timeout_s - with->idle_s) / with->interval_s - 1e-9);
    return (unsigned)most(ticks, 1);
}

double sum_idle_nominal(const sum_keepalive *with) {
    return with->idle_s + unanswered_probes(with) * with->interval_s;
}

double sum_idle(const sum_keepalive *with) {
    return sum_wait(with->idle_s) + unanswered_probes(with) * sum_wait(with->interval_s);
}

double sum_syn_wait(const sum_connect *with, unsigned index) {
    const unsigned doublings = index < with->linear ? 0 : index - with->linear;
    return least(ldexp(SUM_SYN_BASE_S, (int)least(doublings, 30)), with->rto_max_s);
}

typedef double (*wait_rule)(double wait_s);
static double as_it_is(double wait_s) { return wait_s; }

/* Gives up when the SYNs are used up, or at the first timeout beyond what the retries without the
 * linear ones would take. */
static double connect_ends(const sum_connect *with, wait_rule rule) {
    const double limit_s = sum_model(SUM_SYN_BASE_S, with->rto_max_s, with->syn_retries);
    if (with->user_timeout_s > 0) return rule(with->user_timeout_s);
    double at_s = 0;
    for (unsigned index = 0; index <= with->syn_retries + with->linear; index++) {
        at_s += rule(sum_syn_wait(with, index));
        if (at_s >= limit_s) break;
    }
    return at_s;
}

double sum_connect_nominal(const sum_connect *with) { return connect_ends(with, as_it_is); }
double sum_connect_gives_up(const sum_connect *with) { return connect_ends(with, sum_wait); }

double sum_syn_at(const sum_connect *with, unsigned index) {
    double at_s = 0;
    for (unsigned i = 0; i < index; i++) at_s += sum_syn_wait(with, i);
    return at_s < sum_connect_nominal(with) ? at_s : SUMS_NEVER;
}

double sum_syn_received(unsigned synack_retries) {
    return ldexp(1, (int)least(synack_retries, 30) + 1) - 1;
}

double sum_table_needs(const sum_table *with) {
    return ceil(with->time_wait_s / with->every_s - 1e-9);
}

double sum_table_passes(const sum_table *with) {
    const double places = most(with->sockets - with->in_use, 0);
    return sum_table_needs(with) > places ? places : SUMS_NEVER;
}

/* The accept queue takes backlog + 1, and so does the queue of requests; a full accept queue drops
 * the SYN itself. */
sum_burst sum_overflow(double backlog, double waiting, double clients, bool syncookies) {
    const double places = most(backlog + 1 - waiting, 0);
    sum_burst ret = {0, 0, 0, 0};
    if (places == 0) {
        ret.unanswered = clients;
        return ret;
    }
    const double requests = least(clients, backlog + 1);
    ret.queued = least(requests, places);
    ret.syn_received = requests - ret.queued;
    *(syncookies ? &ret.cookies : &ret.unanswered) = clients - requests;
    return ret;
}
