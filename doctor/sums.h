/* What Linux's timers add up to: the arithmetic behind `holdfast answer` and `holdfast doctor`, and
 * the only place where it is done. Seconds throughout.
 *
 * The rules are those of Linux 6.18; tests/test_answer.c holds each sum against a measurement, and
 * tests/test_doctor_notice.c what doctor/notice.c makes of them for a socket that exists. Where a
 * sum is called nominal it is what the kernel's rules promise; else it also has the
 * lateness of the kernel's timers, which is why nothing ends to the millisecond:
 *
 *     a wait below 0.256 s is at most 4 ms late, below 2.048 s 32 ms, below 16.4 s 256 ms,
 *     below 131 s 2 s, below 1049 s 16 s, beyond that 131 s   (HZ=250: up to 1/8 of the wait)
 */
#ifndef DOCTOR_SUMS_H
#define DOCTOR_SUMS_H

#include <stdbool.h>

#define SUMS_NEVER (-1.0)

/* A wait with half the lateness that it may have: what is found on average. */
double sum_wait(double wait_s);

/* How late a wait of `wait_s` may end, at the most, on a kernel whose jiffy is `jiffy_s`: the timer
 * wheel has levels, each eight times as coarse as the one below it. */
double sum_lateness(double wait_s, double jiffy_s);

/* As the kernel's tcp_model_timeout() has it: what `retries` retries take that double from `base_s`
 * up to `rto_max_s`. */
double sum_model(double base_s, double rto_max_s, unsigned retries);
#define SUM_RTO_BASE_S 0.2 /* TCP_RTO_MIN, which the model begins with, whatever the path */
#define SUM_SYN_BASE_S 1.0 /* TCP_TIMEOUT_INIT */

/* When nobody answers for good: the data's retransmissions. */
typedef struct sum_retries {
    double rto_s;          /* when the peer vanished, as `ss -i` shows it; from 0.2 s */
    double rto_max_s;      /* tcp_rto_max_ms, TCP_RTO_MAX_MS */
    unsigned retries;      /* tcp_retries2 */
    double user_timeout_s; /* TCP_USER_TIMEOUT; 0 is off */
} sum_retries;

/* What ip-sysctl.rst computes: 0.2 s, doubling up to rto_max, `retries` times. */
double sum_nominal(const sum_retries *with);

/* How often the wait doubles in it; the rest of the retries wait for rto_max. */
unsigned sum_doublings(const sum_retries *with);

/* From a send that nobody answers until the kernel gives up: at the first retransmission timeout at
 * which the nominal sum, or the user timeout, is over since the first retransmission. */
double sum_in_flight(const sum_retries *with);

/* From the window's closing until the kernel gives up; the peer vanishes `closed_s` later and has
 * answered each probe until then. */
double sum_zero_window(const sum_retries *with, double closed_s);

/* An idle connection: from the last packet heard. */
typedef struct sum_keepalive {
    double idle_s, interval_s;
    unsigned count;
    double user_timeout_s;
} sum_keepalive;

double sum_idle_nominal(const sum_keepalive *with);
double sum_idle(const sum_keepalive *with);

/* connect() to a silent address. */
typedef struct sum_connect {
    unsigned syn_retries, linear; /* tcp_syn_retries, tcp_syn_linear_timeouts */
    double rto_max_s, user_timeout_s;
} sum_connect;

double sum_connect_nominal(const sum_connect *with);
double sum_connect_gives_up(const sum_connect *with);

/* The wait after SYN number `index`, from 0. */
double sum_syn_wait(const sum_connect *with, unsigned index);

/* When SYN number `index` (from 0) goes, nominal; SUMS_NEVER if connect() has given up by then. */
double sum_syn_at(const sum_connect *with, unsigned index);

/* How long a listener keeps a handshake whose last ACK it dropped: 1, 2, 4 ... s. */
double sum_syn_received(unsigned synack_retries);

/* A table of sockets in which TIME_WAIT counts. */
typedef struct sum_table {
    double sockets, in_use, every_s, time_wait_s;
} sum_table;

/* How many connections pass before the first refusal; SUMS_NEVER if none comes. */
double sum_table_passes(const sum_table *with);

/* Sockets that the load needs in TIME_WAIT. */
double sum_table_needs(const sum_table *with);

/* Where `clients` connections end that come in one burst while nobody accepts (Linux). */
typedef struct sum_burst {
    double queued, syn_received, cookies, unanswered;
} sum_burst;

sum_burst sum_overflow(double backlog, double waiting, double clients, bool syncookies);

#endif
