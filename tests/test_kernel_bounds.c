/* Every bound of hf/kernel.h against real cuts on this kernel, all cases at once: who is cut must
 * be noticed in the time that hf_watch_begin said, and who lives must not be given up. As `long`,
 * with the 30 s cases and healthy runs of ten minutes (tests/kernel_long.sh). */
#define _GNU_SOURCE
#include "kernel_net.h"
#include <hf/kernel.h>
#include <poll.h>

typedef enum kind {
    IDLE,
    SLOW_WRITER, /* every 30 s */
    WRITER,      /* 20 bytes a second, never answered: an answer bound is for others */
    ZERO_WINDOW,
    CLOSED_HERE,
    CLOSED_THERE,
    CONNECTING,
    FIN_AFTER_CUT,
    STUCK,   /* zero window, peer alive, with a bound on progress */
    STOPPED, /* the peer's process is stopped; its kernel answers */
    QUIET,   /* alive, with a bound on idleness */
    READER   /* the peer writes 20 bytes a second, and we send nothing */
} kind;

static const char *const kind_names[] = {[IDLE] = "idle",
                                         [SLOW_WRITER] = "30 s writer",
                                         [WRITER] = "1 s writer",
                                         [ZERO_WINDOW] = "zero window",
                                         [CLOSED_HERE] = "closed here",
                                         [CLOSED_THERE] = "closed there",
                                         [CONNECTING] = "connecting",
                                         [FIN_AFTER_CUT] = "FIN after cut",
                                         [STUCK] = "stuck",
                                         [STOPPED] = "stopped",
                                         [QUIET] = "quiet",
                                         [READER] = "1 s reader"};

typedef struct test_case {
    kind kind;
    uint16_t bound_s;
    bool cut, is6, lossy, dual; /* dual: an IPv6 socket to a mapped IPv4 address */
    hf_watch_verdict expected;
    hf_phase phase; /* whose hold must be kept */
    uint16_t port;
    int listener, ours, theirs;
    pid_t stopped;
    hf_watch watch;
    hf_watch_holds holds;
    hf_ns next_ns, write_at_ns, from_ns, verdict_ns, lag_ns, heard_ns;
    hf_watch_verdict verdict;
    bool done;
    unsigned heard_count, given_up_count; /* of the lossy: how often each came about */
} test_case;

enum { MAX_CASES = 128, LOSSY_EACH = 12 };
static test_case cases[MAX_CASES];
static size_t case_count;
static int failures;

static void add(kind which, uint16_t bound_s, bool cut, bool is6, hf_watch_verdict expected,
                hf_phase phase) {
    test_case *const c = &cases[case_count++];
    *c = (test_case){.kind = which,
                     .bound_s = bound_s,
                     .cut = cut,
                     .is6 = is6,
                     .expected = expected,
                     .phase = phase,
                     .listener = -1,
                     .ours = -1,
                     .theirs = -1,
                     .write_at_ns = HF_NEVER};
    c->port = (uint16_t)(7000 + case_count);
}

static hf_watch_bounds bounds_of(const test_case *c) {
    const hf_ns bound = c->bound_s * HF_SECOND;
    switch (c->kind) {
    case STUCK: return (hf_watch_bounds){.silent_ns = bound, .stuck_ns = bound + 700 * HF_MS};
    case STOPPED: return (hf_watch_bounds){.silent_ns = bound, .answer_ns = bound + 900 * HF_MS};
    case QUIET: return (hf_watch_bounds){.silent_ns = bound, .idle_ns = bound + 300 * HF_MS};
    default: return (hf_watch_bounds){.silent_ns = bound};
    }
}

static void begin_watch(test_case *c) {
    char words[256];
    hf_kernel_problem problem;
    const hf_watch_bounds bounds = bounds_of(c);
    if (!hf_watch_begin(&c->watch, c->ours, &bounds, hf_kernel_now(), &c->holds, &problem)) {
        hf_kernel_problem_text(&problem, words, sizeof words);
        fprintf(stderr, "%s\n", words);
        exit(1);
    }
}

static void fill(int fd) {
    static const char bytes[4096];
    for (int i = 0; i < 64; i++)
        if (send(fd, bytes, sizeof bytes, MSG_NOSIGNAL) < 0) break;
}

/* A process that owns the accepted connection and reads it, until it is stopped. */
static pid_t stoppable_reader(int fd) {
    const pid_t pid = fork();
    if (pid != 0) return pid;
    char bytes[512];
    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        poll(&wait, 1, -1);
        if (recv(fd, bytes, sizeof bytes, 0) == 0) _exit(0);
    }
}

static void set_up(test_case *c) {
    c->listener =
        net_listen(c->is6, c->port, 8, c->kind == ZERO_WINDOW || c->kind == STUCK ? 4096 : 0);
    c->ours = c->dual ? net_connect_mapped(c->port) : net_connect(c->is6, c->port);
    begin_watch(c);
    c->theirs = net_accept(c->listener);
    c->next_ns = hf_kernel_now();
    if (c->kind == WRITER || c->kind == SLOW_WRITER || c->kind == READER)
        c->write_at_ns = hf_kernel_now();
    if (c->kind == ZERO_WINDOW || c->kind == STUCK) fill(c->ours);
    if (c->kind == CLOSED_HERE) shutdown(c->ours, SHUT_WR);
    if (c->kind == CLOSED_THERE) shutdown(c->theirs, SHUT_WR);
    if (c->kind == STOPPED) c->stopped = stoppable_reader(c->theirs);
    c->from_ns = hf_kernel_now();
}

/* What happens at the moment of the cut. */
static void turn(test_case *c) {
    c->from_ns = hf_kernel_now();
    if (c->kind == FIN_AFTER_CUT) shutdown(c->ours, SHUT_WR);
    if (c->kind == CONNECTING) {
        c->ours = net_connect(c->is6, c->port);
        begin_watch(c);
        c->next_ns = hf_kernel_now();
    }
    if (c->kind == STOPPED) {
        kill(c->stopped, SIGSTOP);
        send(c->ours, "question", 8, MSG_NOSIGNAL);
        c->from_ns = hf_kernel_now();
    }
}

/* The ports of the cases that are cut, or of those that lose 30 % each way. */
static void list_ports(bool lossy, char *ports, size_t size) {
    size_t length = 0;
    ports[0] = 0;
    for (size_t i = 0; i < case_count; i++)
        if (lossy ? cases[i].lossy : cases[i].cut)
            length += (size_t)snprintf(ports + length, size - length, "%s%u", length ? "," : "",
                                       cases[i].port);
}

static void cut_all(void) {
    char ports[500];
    list_ports(false, ports, sizeof ports);
    net_cut(ports);
    for (size_t i = 0; i < case_count; i++)
        if (cases[i].cut || cases[i].kind == STOPPED) turn(&cases[i]);
}

static void serve_peer(test_case *c) {
    char bytes[512];
    const int reader = c->kind == READER ? c->ours : c->theirs;
    if (reader >= 0 && (c->kind == WRITER || c->kind == SLOW_WRITER || c->kind == READER))
        while (recv(reader, bytes, sizeof bytes, 0) > 0) continue;
}

/* Counts how often a peer behind loss was heard, and how often it was given up. */
static void look_and_count(test_case *c, hf_ns now) {
    const hf_watch_verdict before = c->verdict;
    c->verdict = hf_watch_look(&c->watch, now, &c->next_ns);
    c->next_ns = now + 100 * HF_MS;
    const hf_ns heard = now - c->watch.silence_ns;
    if (heard > c->heard_ns + 50 * HF_MS) {
        c->heard_count++;
        c->heard_ns = heard;
    }
    if (c->verdict != before && c->verdict == HF_WATCH_PEER_SILENT) c->given_up_count++;
}

static void look(test_case *c) {
    const hf_ns now = hf_kernel_now();
    if (c->ours < 0 || c->done) return;
    serve_peer(c);
    if (now >= c->write_at_ns) {
        send(c->kind == READER ? c->theirs : c->ours, "twenty bytes of data", 20, MSG_NOSIGNAL);
        c->write_at_ns += (c->kind == SLOW_WRITER ? 30 : 1) * HF_SECOND;
    }
    if (now < c->next_ns) return;
    if (c->lossy) {
        look_and_count(c, now);
        return;
    }
    /* Looks that ask for a probe count too: being late with one delays all that follow. */
    c->lag_ns = (c->watch.unanswered > 0 ? c->lag_ns : 0) + now - c->next_ns;
    c->verdict = hf_watch_look(&c->watch, hf_kernel_now(), &c->next_ns);
    if (c->verdict == HF_WATCH_OK) return;
    c->verdict_ns = hf_kernel_now();
    c->heard_ns = c->verdict_ns - c->watch.silence_ns;
    c->done = true;
}

static hf_ns soonest(void) {
    hf_ns at = HF_NEVER;
    for (size_t i = 0; i < case_count; i++) {
        if (cases[i].done || cases[i].ours < 0) continue;
        if (cases[i].next_ns < at) at = cases[i].next_ns;
        if (cases[i].write_at_ns < at) at = cases[i].write_at_ns;
    }
    return at;
}

static void run_until(hf_ns end_ns) {
    for (;;) {
        for (size_t i = 0; i < case_count; i++) look(&cases[i]);
        const hf_ns now = hf_kernel_now(), at = soonest() < end_ns ? soonest() : end_ns;
        if (now >= end_ns) return;
        if (at > now)
            usleep((useconds_t)((at - now) / 1000 > 100000 ? 100000 : (at - now) / 1000 + 1));
    }
}

static void report(const test_case *c, bool good, const char *what) {
    char words[400];
    hf_watch_text(&c->watch, words, sizeof words);
    printf("%s: %s%s, %u s, %s: %s%s\n", good ? "ok" : "FAIL", kind_names[c->kind],
           c->is6    ? " IPv6"
           : c->dual ? " dual stack"
                     : "",
           c->bound_s, c->cut ? "cut" : "alive", words, what);
    if (!good) failures++;
}

static hf_ns wanted_bound(const test_case *c) {
    const hf_watch_bounds bounds = bounds_of(c);
    switch (c->kind) {
    case STUCK: return bounds.stuck_ns;
    case STOPPED: return bounds.answer_ns;
    case QUIET: return bounds.idle_ns;
    default: return bounds.silent_ns;
    }
}

/* From last heard, or from when the waiting began, to the verdict. */
static hf_ns took(const test_case *c) {
    if (c->kind == STUCK) return c->verdict_ns - c->watch.progress_at_ns;
    return c->verdict_ns - (c->expected == HF_WATCH_PEER_SILENT ? c->heard_ns : c->from_ns);
}

static void check(const test_case *c) {
    char what[200];
    const hf_watch_hold *const hold = &c->holds.phase[c->phase];
    const bool later =
        c->expected == HF_WATCH_PEER_SILENT && hold->by_ns > hf_kernel_now() - c->from_ns;
    if (c->expected == HF_WATCH_OK || !c->done) {
        report(c, c->verdict == c->expected || later, later ? " [not yet, as the hold says]" : "");
        return;
    }
    const hf_ns bound = wanted_bound(c), time = took(c);
    const hf_ns by = c->expected == HF_WATCH_PEER_SILENT ? hold->by_ns : bound + bound / 20;
    /* Last heard is before the cut, and by no more than what makes the peer speak once a second or
     * more often, or once in a third of the bound. */
    const hf_ns before = c->cut ? c->from_ns - c->heard_ns : 0;
    const hf_ns spacing = bound / 3 > 1200 * HF_MS ? bound / 3 + bound / 20 : 1200 * HF_MS;
    const bool heard_well =
        !c->cut || (c->heard_ns < c->from_ns + 20 * HF_MS && (int64_t)before < (int64_t)spacing);
    const bool good =
        c->verdict == c->expected && time + 5 * HF_MS >= bound && time <= by + c->lag_ns &&
        (c->expected != HF_WATCH_PEER_SILENT || c->watch.unanswered >= hold->unanswered) &&
        heard_well;
    snprintf(what, sizeof what,
             " [%.2f s after %s, at most %.2f; cut %.2f s before the verdict; look late %.0f ms]",
             (double)time / 1e9, c->expected == HF_WATCH_PEER_SILENT ? "last heard" : "it began",
             (double)by / 1e9, (double)(c->verdict_ns - c->from_ns) / 1e9, (double)c->lag_ns / 1e6);
    report(c, good, what);
}

static void add_cuts(uint16_t bound_s, bool is6) {
    add(IDLE, bound_s, true, is6, HF_WATCH_PEER_SILENT, HF_PHASE_IDLE);
    add(WRITER, bound_s, true, is6, HF_WATCH_PEER_SILENT, HF_PHASE_IN_FLIGHT);
    add(SLOW_WRITER, bound_s, true, is6, HF_WATCH_PEER_SILENT, HF_PHASE_IDLE);
    add(ZERO_WINDOW, bound_s, true, is6, HF_WATCH_PEER_SILENT, HF_PHASE_ZERO_WINDOW_DEAD);
    add(CLOSED_HERE, bound_s, true, is6, HF_WATCH_PEER_SILENT, HF_PHASE_HALF_CLOSED_HERE);
    add(CLOSED_THERE, bound_s, true, is6, HF_WATCH_PEER_SILENT, HF_PHASE_HALF_CLOSED_THERE);
    add(CONNECTING, bound_s, true, is6, HF_WATCH_PEER_SILENT, HF_PHASE_CONNECTING);
    add(FIN_AFTER_CUT, bound_s, true, is6, HF_WATCH_PEER_SILENT, HF_PHASE_CLOSING);
}

static void add_living(uint16_t bound_s) {
    add(IDLE, bound_s, false, false, HF_WATCH_OK, HF_PHASE_IDLE);
    add(WRITER, bound_s, false, false, HF_WATCH_OK, HF_PHASE_IN_FLIGHT);
    add(ZERO_WINDOW, bound_s, false, false, HF_WATCH_OK, HF_PHASE_ZERO_WINDOW_LIVE);
    add(CLOSED_HERE, bound_s, false, false, HF_WATCH_OK, HF_PHASE_HALF_CLOSED_HERE);
    add(CLOSED_THERE, bound_s, false, false, HF_WATCH_OK, HF_PHASE_HALF_CLOSED_THERE);
    add(READER, bound_s, false, false, HF_WATCH_OK, HF_PHASE_IDLE);
}

/* With 30 % loss each way an exchange fails with q = 0.51. Each time a peer was heard, it is given
 * up if all transmissions of the next T fail: with T = 30 s four probes of an idle connection, nine
 * transmissions of a segment, five window probes at 5 s. */
static const struct {
    kind kind;
    double chance;
} lossy_kinds[] = {{IDLE, 0.0677}, {WRITER, 0.0023}, {ZERO_WINDOW, 0.0345}};
enum { LOSSY_KINDS = sizeof lossy_kinds / sizeof lossy_kinds[0] };

static void add_lossy(void) {
    for (int k = 0; k < LOSSY_KINDS; k++)
        for (int i = 0; i < LOSSY_EACH; i++) {
            add(lossy_kinds[k].kind, 30, false, false, HF_WATCH_OK, HF_PHASE_IDLE);
            cases[case_count - 1].lossy = true;
        }
}

/* Each way is lost where it arrives: a drop where it is sent would be told to the sender. */
static void lose(void) {
    char ports[500], command[700];
    list_ports(true, ports, sizeof ports);
    if (ports[0] == 0) return;
    snprintf(command, sizeof command,
             "nft 'add rule inet cut in tcp dport { %s } numgen random mod 100 < 30 drop'", ports);
    net_run_there(command);
    snprintf(command, sizeof command,
             "nft 'table inet lossy { chain in { type filter hook prerouting priority 0; "
             "tcp sport { %s } numgen random mod 100 < 30 drop; }; }'",
             ports);
    net_run(command);
}

/* At most as often as published: the mean of as many trials and three times its deviation. */
static void check_lossy(int k) {
    unsigned heard = 0, given_up = 0, ended = 0;
    for (size_t i = 0; i < case_count; i++) {
        if (!cases[i].lossy || cases[i].kind != lossy_kinds[k].kind) continue;
        heard += cases[i].heard_count;
        given_up += cases[i].given_up_count;
        ended += cases[i].verdict == HF_WATCH_ENDED;
    }
    const double mean = heard * lossy_kinds[k].chance;
    /* Above the mean by d as often as three deviations: d * d = 9 * mean. */
    const double above = given_up - mean - 1;
    const bool good = heard > 0 && ended == 0 && (above <= 0 || above * above <= 9 * mean);
    printf("%s: %d times %s, 30 s, 30 %% loss each way: heard %u times, given up %u times; "
           "published: %.2f %%, %.1f times\n",
           good ? "ok" : "FAIL", LOSSY_EACH, kind_names[lossy_kinds[k].kind], heard, given_up,
           100 * lossy_kinds[k].chance, mean);
    failures += !good;
}

static void print_holds(const test_case *c) {
    char words[400];
    for (int i = 0; i < HF_PHASE_COUNT; i++) {
        hf_watch_hold_text(&c->holds, (hf_phase)i, words, sizeof words);
        printf("   bound %u s, %s\n", c->bound_s, words);
    }
}

int main(int argc, char **argv) {
    const bool is_long = argc > 1 && strcmp(argv[1], "long") == 0;
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    net_make();
    add_cuts(3, false);
    add_cuts(5, false);
    add_cuts(is_long ? 30 : 3, true);
    add(IDLE, 3, true, false, HF_WATCH_PEER_SILENT, HF_PHASE_IDLE);
    cases[case_count - 1].dual = true;
    add(WRITER, 3, true, false, HF_WATCH_PEER_SILENT, HF_PHASE_IN_FLIGHT);
    cases[case_count - 1].dual = true;
    if (is_long) add_cuts(30, false);
    if (is_long) add_lossy();
    add_living(3);
    add_living(5);
    if (is_long) add_living(30);
    add(STUCK, 3, false, false, HF_WATCH_PEER_STUCK, HF_PHASE_ZERO_WINDOW_LIVE);
    add(STOPPED, 3, false, false, HF_WATCH_PEER_NOT_ANSWERING, HF_PHASE_IDLE);
    add(QUIET, 3, false, false, HF_WATCH_IDLE, HF_PHASE_IDLE);
    for (size_t i = 0; i < case_count; i++)
        if (cases[i].kind != CONNECTING) set_up(&cases[i]);
    lose();
    run_until(hf_kernel_now() + 2300 * HF_MS);
    cut_all();
    run_until(hf_kernel_now() + (is_long ? 600 : 12) * HF_SECOND);
    for (size_t i = 0; i < case_count; i++)
        if (!cases[i].lossy) check(&cases[i]);
    for (int k = 0; k < LOSSY_KINDS && is_long; k++) check_lossy(k);
    print_holds(&cases[0]);
    for (size_t i = 0; i < case_count; i++)
        if (cases[i].stopped > 0) {
            kill(cases[i].stopped, SIGKILL);
            waitpid(cases[i].stopped, NULL, 0);
        }
    printf(failures ? "%d cases failed\n" : "all cases hold\n", failures);
    return failures != 0;
}
