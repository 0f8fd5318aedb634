/* holdfast doctor listen :PORT, one line a second. */
#define _POSIX_C_SOURCE 200809L
#include "cli/doctor.h"
#include <signal.h>
#include <string.h>
#include <time.h>

static volatile sig_atomic_t stopped;

static void on_signal(int number) {
    (void)number;
    stopped = 1;
}

/* What is remembered of one look after another. */
struct history {
    uint32_t peak, first_drops, drops;
    uint64_t first_opens, opens;
    unsigned looks;
    double most_opens_a_second;
};

static const doctor_conn *find(const doctor_view *view, const hf_addr *addr, unsigned bits,
                               uint16_t port) {
    for (size_t i = 0; i < view->conn_count; i++) {
        const doctor_conn *const conn = &view->conns[i];
        if (conn->state != DOCTOR_LISTEN || conn->local_port != port) continue;
        if (bits == 0 || memcmp(&conn->local, addr, sizeof *addr) == 0) return conn;
    }
    return NULL;
}

static size_t requests_of(const doctor_view *view, const doctor_conn *listener) {
    size_t count = 0;
    for (size_t i = 0; i < view->conn_count; i++)
        count += view->conns[i].state != DOCTOR_LISTEN && view->conns[i].netns == listener->netns &&
                 view->conns[i].local_port == listener->local_port;
    return count;
}

static void note(struct history *history, const doctor_view *view, const doctor_conn *listener,
                 unsigned interval_s) {
    const uint64_t opens = view->netns[listener->netns].counters.passive_opens;
    if (history->looks == 0) {
        history->first_drops = listener->drops;
        history->first_opens = opens;
    } else {
        const double rate = (double)(opens - history->opens) / interval_s;
        if (rate > history->most_opens_a_second) history->most_opens_a_second = rate;
    }
    if (listener->received_bytes > history->peak) history->peak = listener->received_bytes;
    history->drops = listener->drops;
    history->opens = opens;
    history->looks++;
}

static void show_line(const struct history *history, const doctor_view *view,
                      const doctor_conn *listener) {
    printf("%7u %7u %7u %9zu %9u %11.1f\n", listener->received_bytes, listener->queued_bytes,
           history->peak, requests_of(view, listener), listener->drops - history->first_drops,
           history->most_opens_a_second);
    fflush(stdout);
}

static void show_end(const struct history *history) {
    fprintf(stderr,
            "%u looks; at most %u waited; %u SYNs and last ACKs dropped since the first look, %u "
            "since it listens.\n",
            history->looks, history->peak, history->drops - history->first_drops, history->drops);
    if (history->most_opens_a_second <= 0) return;
    fprintf(
        stderr,
        "At %.1f connections a second (of the whole namespace), an accept() that pauses for 1 s "
        "needs a backlog of %u.\n",
        history->most_opens_a_second, hf_backlog_for(history->most_opens_a_second, HF_SECOND));
}

static bool look_once(const cli_doctor_arguments *arguments, const hf_addr *addr, unsigned bits,
                      uint16_t port, struct history *history) {
    doctor_view view;
    char why[240] = "nobody listens there";
    const doctor_conn *listener = NULL;
    if (doctor_look(&view, &arguments->scope, why, sizeof why))
        listener = find(&view, addr, bits, port);
    if (listener) {
        if (history->looks == 0) {
            char name[DOCTOR_NAME], owner[48];
            doctor_name(&listener->local, listener->local_port, listener->is6, name);
            doctor_handle(listener, owner, sizeof owner);
            fprintf(stderr, "%s, listening on %s\n", owner, name);
            printf("%7s %7s %7s %9s %9s %11s\n", "WAITING", "LIMIT", "PEAK", "HANDSHAKE", "DROPPED",
                   "MOST CONN/s");
        }
        note(history, &view, listener, arguments->interval_s);
        show_line(history, &view, listener);
    } else {
        fprintf(stderr, "holdfast doctor: %s\n", why);
    }
    doctor_view_free(&view);
    return listener != NULL;
}

int cli_doctor_listen(const cli_doctor_arguments *arguments) {
    cli_doctor_arguments mine = *arguments;
    struct history history = {0};
    struct sigaction action = {.sa_handler = on_signal};
    hf_addr addr;
    unsigned bits;
    uint16_t port;
    if (!doctor_endpoint_read(arguments->words[0], &addr, &bits, &port) || port == 0) {
        fputs("holdfast doctor: listen wants :PORT or ADDRESS:PORT\n", stderr);
        return CLI_USAGE;
    }
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    mine.scope.only_listeners = true;
    while (!stopped && (arguments->count == 0 || history.looks < arguments->count)) {
        if (!look_once(&mine, &addr, bits, port, &history)) return DOCTOR_IS_UNKNOWN;
        const struct timespec pause = {.tv_sec = arguments->interval_s};
        if (history.looks != arguments->count) nanosleep(&pause, NULL);
    }
    show_end(&history);
    return CLI_PASS;
}
