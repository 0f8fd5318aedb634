/* When the kernel would notice that a peer has vanished, and by what.
 *
 * Every answer is the latest moment: each wait is taken as late as the kernel's timer wheel may be
 * (sums.h), and where lateness decides whether one more wait is needed, it is taken as needed. So
 * the kernel is never later, and earlier by an eighth at most; tests/test_doctor_notice.c holds it
 * to that against real cuts.
 *
 *     now                        the peer vanishes now, and the program does nothing more: counted
 *                                from now, with the timers that are running
 *     in a phase                 the peer vanishes in that phase at the worst moment in it: counted
 *                                from then on
 *
 * What "noticed" means: the kernel ends the connection, and the next call on it (or poll) says so.
 * A program that has a timer of its own may notice earlier; the kernel cannot know.
 */
#ifndef DOCTOR_NOTICE_H
#define DOCTOR_NOTICE_H

#include "doctor/facts.h"

typedef struct doctor_notice {
    bool known;         /* false: a setting that decides it is unknown */
    double by_s;        /* HUGE_VAL: never */
    hf_cause mechanism; /* HF_CAUSE_BY_*; HF_CAUSE_NONE: nothing */
} doctor_notice;

typedef struct doctor_verdict {
    hf_phase phase; /* present */
    doctor_notice now;
    doctor_notice phases[HF_PHASE_COUNT];
    hf_phase worst;        /* of the phases that it may still come into, with a peer that is gone */
    bool kills_slow_peers; /* a user timeout ends a peer that lives and does not read */
    bool measured;         /* on this version of the kernel; else computed */
} doctor_verdict;

void doctor_judge(const doctor_view *view, const doctor_conn *conn, doctor_verdict *ret);

/* "KEEPALIVE_COUNT", "none", "unknown" */
const char *doctor_mechanism(const doctor_notice *notice);

/* "21 s", "15 min 39 s", "never", "unknown" */
void doctor_notice_time(const doctor_notice *notice, char *to, size_t size);

/* The sentence that explains the notice of a phase, or, with `now`, of the present. */
void doctor_notice_text(const doctor_view *view, const doctor_conn *conn,
                        const doctor_verdict *verdict, hf_phase phase, bool now, char *to,
                        size_t size);

/* Data is sent and unacknowledged, or waits. */
bool doctor_has_outstanding(const doctor_conn *conn);

#endif
