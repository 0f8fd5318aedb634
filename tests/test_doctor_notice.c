/* The doctor's predictions against real cuts on this kernel: connections in every phase under every
 * combination of settings, cut all at once in their peer's prerouting. The doctor looks at the
 * moment of the cut and twice later, while probes and retransmissions go on, and what it says must
 * hold: noticed no later than said and said no more than 13 % too late.
 *
 *     test_doctor_notice             the kernel's usual sysctls, what ends within 45 s
 *     test_doctor_notice sysctls     others
 *     test_doctor_notice long        the usual ones, until all that will end has (half an hour)
 *
 * A run that failed is repeated once: the machine may have been busy. */
#define _GNU_SOURCE
#include "kernel_net.h"
#include "doctor/notice.h"
#include <math.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <time.h>

#ifndef TCP_RTO_MAX_MS
#define TCP_RTO_MAX_MS 44
#endif

typedef enum kind {
    IDLE,
    IN_FLIGHT,
    CLOSING,
    WINDOW_DEAD,
    WINDOW_LIVE,
    CLOSED_HERE,
    CLOSED_THERE,
    CLOSED_THERE_IN_FLIGHT,
    CONNECTING,
    KINDS
} kind;

static const struct {
    const char *name;
    hf_phase phase;
} kinds[KINDS] = {[IDLE] = {"idle", HF_PHASE_IDLE},
                  [IN_FLIGHT] = {"in flight", HF_PHASE_IN_FLIGHT},
                  [CLOSING] = {"closing", HF_PHASE_CLOSING},
                  [WINDOW_DEAD] = {"zero window, gone", HF_PHASE_ZERO_WINDOW_DEAD},
                  [WINDOW_LIVE] = {"zero window, alive", HF_PHASE_ZERO_WINDOW_LIVE},
                  [CLOSED_HERE] = {"half-closed here", HF_PHASE_HALF_CLOSED_HERE},
                  [CLOSED_THERE] = {"half-closed there", HF_PHASE_HALF_CLOSED_THERE},
                  [CLOSED_THERE_IN_FLIGHT] = {"there, in flight", HF_PHASE_IN_FLIGHT},
                  [CONNECTING] = {"connecting", HF_PHASE_CONNECTING}};

/* 0: not set. */
typedef struct setting {
    int idle_s, interval_s, count, user_timeout_ms, rto_max_ms;
} setting;

static const setting settings[] = {{0, 0, 0, 0, 0},     {1, 1, 2, 0, 0},      {2, 1, 3, 0, 0},
                                   {3, 2, 4, 0, 0},     {5, 5, 3, 0, 0},      {10, 3, 3, 0, 0},
                                   {5, 7, 2, 13000, 0}, {0, 0, 0, 2500, 0},   {0, 0, 0, 10000, 0},
                                   {2, 2, 9, 5300, 0},  {5, 5, 3, 3000, 0},   {5, 5, 3, 12000, 0},
                                   {4, 3, 2, 20000, 0}, {0, 0, 0, 0, 1000},   {3, 1, 5, 0, 1000},
                                   {2, 2, 2, 0, 2000},  {1, 3, 2, 7700, 1500}};

enum {
    SETTINGS = sizeof settings / sizeof settings[0],
    CASES = SETTINGS * KINDS,
    LOOKS = 3,
    FIRST_PORT = 7000
};

/* What one look has said of a case. */
typedef struct said {
    bool seen;
    double at_s, by_s;
    hf_cause mechanism;
} said;

typedef struct test_case {
    kind kind;
    const setting *set;
    uint16_t port, local_port;
    int listener, ours, theirs;
    bool expected;                 /* told by the first look to end, while it lives on in silence */
    double ended_at_s, lived_at_s; /* it ended between these: a busy machine wakes us late */
    int error;
    said said[LOOKS];
    doctor_notice phase; /* of the phase at its worst, from the first look */
} test_case;

static test_case cases[CASES];
static double cut_at_s;
static int failures, held;

static double now_s(void) { return (double)hf_kernel_now() / 1e9; }

static void put_option(int fd, int level, int option, int value) {
    if (value > 0 && setsockopt(fd, level, option, &value, sizeof value) != 0)
        net_die("setsockopt");
}

static void put_settings(int fd, const setting *set) {
    put_option(fd, SOL_SOCKET, SO_KEEPALIVE, set->idle_s > 0);
    put_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, set->idle_s);
    put_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, set->interval_s);
    put_option(fd, IPPROTO_TCP, TCP_KEEPCNT, set->count);
    put_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, set->user_timeout_ms);
    put_option(fd, IPPROTO_TCP, TCP_RTO_MAX_MS, set->rto_max_ms);
}

static uint16_t port_of(int fd) {
    struct sockaddr_in6 name;
    socklen_t length = sizeof name;
    getsockname(fd, (struct sockaddr *)&name, &length);
    return ntohs(name.sin6_port);
}

/* A socket with its options set before it connects. */
static int connect_with(const test_case *c) {
    socklen_t length;
    const bool is6 = c->port % 2;
    const struct sockaddr_storage name = net_name(is6, true, c->port, &length);
    const int fd = socket(is6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    put_settings(fd, c->set);
    if (connect(fd, (const struct sockaddr *)&name, length) != 0 && errno != EINPROGRESS)
        net_die("connect");
    return fd;
}

static void fill(int fd) {
    static const char bytes[4096];
    for (int i = 0; i < 64; i++)
        if (send(fd, bytes, sizeof bytes, MSG_NOSIGNAL) < 0) break;
}

static void set_up(test_case *c) {
    const bool small = c->kind == WINDOW_DEAD || c->kind == WINDOW_LIVE;
    c->listener = net_listen(c->port % 2, c->port, 4, small ? 4096 : 0);
    c->ours = c->theirs = -1;
    if (c->kind == CONNECTING) return;
    c->ours = connect_with(c);
    c->theirs = net_accept(c->listener);
    c->local_port = port_of(c->ours);
    if (c->kind == CLOSED_HERE) shutdown(c->ours, SHUT_WR);
    if (c->kind == CLOSED_THERE || c->kind == CLOSED_THERE_IN_FLIGHT) shutdown(c->theirs, SHUT_WR);
}

static void turn(test_case *c) {
    if (c->kind == IN_FLIGHT || c->kind == CLOSED_THERE_IN_FLIGHT)
        send(c->ours, "thirty-one bytes that get lost.", 31, MSG_NOSIGNAL);
    if (c->kind == CLOSING) shutdown(c->ours, SHUT_WR);
    if (c->kind == CONNECTING) {
        c->ours = connect_with(c);
        c->local_port = port_of(c->ours);
    }
}

/* ---- The cut ---- */

static void cut_all(void) {
    static char ports[CASES * 6];
    size_t length = 0;
    for (int i = 0; i < CASES; i++)
        if (cases[i].kind != WINDOW_LIVE)
            length += (size_t)snprintf(ports + length, sizeof ports - length, "%s%u",
                                       length ? "," : "", cases[i].port);
    char *const command = malloc(length + 100);
    snprintf(command, length + 100, "nft add element inet cut ports { %s }", ports);
    net_run_there(command);
    free(command);
    cut_at_s = now_s();
    for (int i = 0; i < CASES; i++) turn(&cases[i]);
}

/* ---- The doctor ---- */

static void take(test_case *c, const doctor_view *view, int which, double at_s) {
    doctor_verdict verdict;
    for (size_t i = 0; i < view->conn_count; i++) {
        const doctor_conn *const conn = &view->conns[i];
        if (conn->local_port != c->local_port || conn->remote_port != c->port) continue;
        doctor_judge(view, conn, &verdict);
        if (!verdict.now.known) {
            printf("FAIL: %s: the settings of a socket of our own are unknown\n",
                   kinds[c->kind].name);
            failures++;
            return;
        }
        c->said[which] = (said){true, at_s, verdict.now.by_s, verdict.now.mechanism};
        if (which == 0) c->phase = verdict.phases[kinds[c->kind].phase];
    }
}

static void look(int which) {
    doctor_view view;
    char why[200];
    const doctor_scope scope = {.pid = getpid()};
    if (!doctor_look(&view, &scope, why, sizeof why)) {
        fprintf(stderr, "%s\n", why);
        exit(1);
    }
    const double at_s = (double)view.seen_at_ns / 1e9;
    for (int i = 0; i < CASES; i++)
        if (cases[i].ended_at_s == 0 && cases[i].ours >= 0) take(&cases[i], &view, which, at_s);
    doctor_view_free(&view);
}

static int error_of(int fd) {
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    return error;
}

#define TICK_S 0.02
static double least(double a, double b) { return a < b ? a : b; }

/* Waits until `until_s`; notes who ends. Returns how many live. */
static int watch_until(double until_s) {
    static struct pollfd fds[CASES];
    for (;;) {
        int living = 0;
        for (int i = 0; i < CASES; i++) {
            const bool lives = cases[i].ended_at_s == 0;
            fds[i] = (struct pollfd){.fd = lives ? cases[i].ours : -1, .events = POLLPRI};
            living += lives;
        }
        const double before_s = now_s(), left_s = until_s - before_s;
        if (left_s <= 0 || living == 0) return living;
        if (poll(fds, CASES, (int)ceil(least(left_s, TICK_S) * 1e3)) <= 0) continue;
        for (int i = 0; i < CASES; i++)
            if (fds[i].fd >= 0 && (fds[i].revents & POLLERR)) {
                cases[i].ended_at_s = now_s();
                cases[i].lived_at_s = before_s;
                cases[i].error = error_of(cases[i].ours);
            }
    }
}

/* ---- Judging ---- */

/* For what passed between the look and its stamp, and for timers that a busy machine runs late. */
#define SLACK_S 0.06

static void complain(const test_case *c, int which, const char *what) {
    const said *const s = &c->said[which];
    printf("FAIL: %s, %s (ka %d/%d/%d ut %d ms rto_max %d ms), look %d: said %.2f s (%s), from the "
           "cut %.2f; was %.2f, from the cut %.2f\n",
           what, kinds[c->kind].name, c->set->idle_s, c->set->interval_s, c->set->count,
           c->set->user_timeout_ms, c->set->rto_max_ms, which, s->by_s,
           hf_kernel_cause_name(s->mechanism), s->at_s + s->by_s - cut_at_s,
           c->ended_at_s - s->at_s, c->ended_at_s - cut_at_s);
    failures++;
}

/* The connection ended: what was said is between the truth and 13 % more than the truth, counted
 * from the cut, or from when the peer was last heard, which is what the kernel counts from. */
static void check_ended(const test_case *c, int which) {
    const said *const s = &c->said[which];
    const double said_at_s = s->at_s + s->by_s, waited_s = c->ended_at_s - cut_at_s + 2.3;
    if (s->by_s == HUGE_VAL)
        complain(c, which, "said never");
    else if (said_at_s + SLACK_S < c->lived_at_s)
        complain(c, which, "optimistic");
    else if (said_at_s > c->ended_at_s + 0.13 * waited_s + SLACK_S)
        complain(c, which, "too late");
    else
        held++;
}

static void check_lives(const test_case *c, int which, double end_s) {
    const said *const s = &c->said[which];
    if (s->by_s != HUGE_VAL && s->at_s + s->by_s + SLACK_S < end_s)
        complain(c, which, "optimistic, it lives");
    else if (s->by_s == HUGE_VAL)
        held++;
}

/* At the worst moment of the phase nothing may take longer than said. A user timeout kills a slow
 * peer; that is no notice, and not counted here. */
static void check_phase(const test_case *c, double end_s) {
    const double took_s = (c->ended_at_s > 0 ? c->lived_at_s : end_s) - cut_at_s;
    if (c->kind == WINDOW_LIVE || took_s <= c->phase.by_s + SLACK_S) return;
    printf("FAIL: %s, ka %d/%d/%d: at worst %.2f s was said, it took %.2f\n", kinds[c->kind].name,
           c->set->idle_s, c->set->interval_s, c->set->count, c->phase.by_s, took_s);
    failures++;
}

static void check(const test_case *c, double end_s) {
    for (int which = 0; which < LOOKS; which++) {
        if (!c->said[which].seen) continue;
        /* What would be noticed if the peer vanished is not: it lives. */
        if (c->kind == WINDOW_LIVE && c->said[which].mechanism != HF_CAUSE_BY_USER_TIMEOUT)
            continue;
        if (c->ended_at_s > 0)
            check_ended(c, which);
        else
            check_lives(c, which, end_s);
    }
    if (!c->said[0].seen && c->ended_at_s == 0) {
        printf("FAIL: %s was not seen\n", kinds[c->kind].name);
        failures++;
    }
    check_phase(c, end_s);
}

static void set_sysctls(void) {
    const bool good = net_write("/proc/sys/net/ipv4/tcp_retries2", "5") &&
                      net_write("/proc/sys/net/ipv4/tcp_syn_retries", "2") &&
                      net_write("/proc/sys/net/ipv4/tcp_syn_linear_timeouts", "1") &&
                      net_write("/proc/sys/net/ipv4/tcp_keepalive_time", "4");
    if (!good) net_die("sysctl");
}

static double longest_said(void) {
    double longest_s = 0;
    for (int i = 0; i < CASES; i++) {
        const double by_s = cases[i].said[0].by_s;
        if (by_s != HUGE_VAL && by_s > longest_s && cases[i].kind != WINDOW_LIVE) longest_s = by_s;
    }
    return longest_s;
}

static int play(const char *how) {
    net_make();
    if (strcmp(how, "sysctls") == 0) set_sysctls();
    for (int i = 0; i < CASES; i++) {
        cases[i] = (test_case){.kind = (kind)(i % KINDS), .set = &settings[i / KINDS]};
        cases[i].port = (uint16_t)(FIRST_PORT + i);
        set_up(&cases[i]);
    }
    for (int i = 0; i < CASES; i++)
        if (cases[i].kind == WINDOW_DEAD || cases[i].kind == WINDOW_LIVE) fill(cases[i].ours);
    watch_until(now_s() + 1.3);
    cut_all();
    look(0);
    watch_until(cut_at_s + 3.4);
    look(1);
    watch_until(cut_at_s + 9.1);
    look(2);
    const double end_s = cut_at_s + (strcmp(how, "long") == 0 ? longest_said() + 20 : (double)45);
    watch_until(end_s);
    for (int i = 0; i < CASES; i++) check(&cases[i], end_s);
    int ended = 0;
    for (int i = 0; i < CASES; i++) ended += cases[i].ended_at_s > 0;
    printf("%d connections, %d ended, %d predictions held, %d failed\n", CASES, ended, held,
           failures);
    return failures != 0;
}

/* In a process of its own, since the namespaces of a process are for good. */
static int play_once(const char *how) {
    int status;
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) exit(play(how));
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return 1;
    return WEXITSTATUS(status);
}

int main(int argc, char **argv) {
    const char *const how = argc > 1 ? argv[1] : "usual";
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    const int result = play_once(how);
    return result == 1 ? play_once(how) : result;
}
