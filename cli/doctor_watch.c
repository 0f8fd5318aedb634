/* holdfast doctor watch: what changes, second by second. Events come from the kernel's tracepoints
 * where BPF is permitted; without it the counters and the findings are compared. */
#define _GNU_SOURCE
#include "doctor/watch.h"
#include "cli/doctor.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_EVENTS_AN_INTERVAL = 200 };

static volatile sig_atomic_t stopped;

static void on_signal(int number) {
    (void)number;
    stopped = 1;
}

struct showing {
    const cli_doctor_arguments *arguments;
    unsigned shown, hidden; /* events of this interval */
};

static void show_event(void *of, const doctor_event *event) {
    struct showing *const showing = of;
    const bool reset =
        event->kind == DOCTOR_IS_RESET_SENT || event->kind == DOCTOR_IS_RESET_RECEIVED;
    if (showing->arguments->resets && !reset) return;
    if (showing->shown == MOST_EVENTS_AN_INTERVAL) {
        showing->hidden++;
        return;
    }
    showing->shown++;
    doctor_event_show(event, showing->arguments->jsonl, stdout);
}

/* ---- What came and went between two looks ---- */

static bool has(const doctor_findings *findings, const doctor_finding *finding) {
    for (size_t i = 0; i < findings->count; i++)
        if (findings->rows[i].rule == finding->rule &&
            strcmp(findings->rows[i].who, finding->who) == 0)
            return true;
    return false;
}

static void show_difference(const doctor_findings *from, const doctor_findings *to, bool came,
                            bool json) {
    for (size_t i = 0; i < from->count; i++) {
        const doctor_finding *const finding = &from->rows[i];
        if (has(to, finding)) continue;
        if (json)
            printf("{\"type\":\"%s\",\"rule\":\"%s\",\"severity\":\"%s\",\"pid\":%d,\"sockets\":%"
                   "zu}\n",
                   came ? "finding_came" : "finding_went", doctor_rule_name(finding->rule),
                   doctor_severity_name(finding->severity), (int)finding->pid, finding->count);
        else
            printf("%s %s %s: %zu x %s, %s\n", came ? "+" : "-",
                   doctor_severity_name(finding->severity), doctor_rule_name(finding->rule),
                   finding->count, finding->who, finding->evidence);
    }
}

static doctor_counters sum_of(const doctor_view *view) {
    doctor_counters sum = {0};
    for (size_t i = 0; i < view->netns_count; i++) {
        const doctor_counters *const one = &view->netns[i].counters;
        sum.active_opens += one->active_opens;
        sum.passive_opens += one->passive_opens;
        sum.retransmitted_segs += one->retransmitted_segs;
        sum.resets_sent += one->resets_sent;
        sum.established_resets += one->established_resets;
        sum.aborts_on_timeout += one->aborts_on_timeout;
        sum.listen_drops += one->listen_drops;
    }
    return sum;
}

static void show_interval(const doctor_counters *before, const doctor_counters *now, bool json) {
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {{"connected", now->active_opens - before->active_opens},
                {"accepted", now->passive_opens - before->passive_opens},
                {"retransmitted", now->retransmitted_segs - before->retransmitted_segs},
                {"resets_sent", now->resets_sent - before->resets_sent},
                {"ended_by_reset", now->established_resets - before->established_resets},
                {"timed_out", now->aborts_on_timeout - before->aborts_on_timeout},
                {"listen_drops", now->listen_drops - before->listen_drops}};
    fputs(json ? "{\"type\":\"interval\"" : "=", stdout);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        printf(json ? ",\"%s\":%llu" : " %s %llu", rows[i].name, (unsigned long long)rows[i].value);
    puts(json ? "}" : "");
}

/* One look, compared with the one before. False: nothing could be seen. */
static bool compare(const cli_doctor_arguments *arguments, doctor_findings *last,
                    doctor_counters *counters, bool first) {
    doctor_view view;
    doctor_findings findings;
    char why[240];
    if (!doctor_look(&view, &arguments->scope, why, sizeof why)) {
        fprintf(stderr, "holdfast doctor: %s\n", why);
        doctor_view_free(&view);
        return false;
    }
    doctor_find(&view, &findings);
    const doctor_counters now = sum_of(&view);
    if (!first && !arguments->resets) {
        show_interval(counters, &now, arguments->jsonl);
        show_difference(last, &findings, false, arguments->jsonl);
    }
    if (!arguments->resets) show_difference(&findings, last, true, arguments->jsonl);
    doctor_findings_free(last);
    *last = findings;
    *counters = now;
    doctor_view_free(&view);
    return true;
}

/* Until the interval is over, by the clock: events end a poll early. */
static void wait_interval(doctor_watch *watch, struct showing *showing) {
    const hf_ns until_ns = hf_kernel_now() + showing->arguments->interval_s * HF_SECOND;
    showing->shown = showing->hidden = 0;
    for (hf_ns now_ns; !stopped && (now_ns = hf_kernel_now()) < until_ns;) {
        const int left_ms = (int)((until_ns - now_ns) / HF_MS) + 1;
        if (watch) {
            doctor_watch_poll(watch, left_ms, show_event, showing);
        } else {
            const struct timespec pause = {left_ms / 1000, left_ms % 1000 * 1000000L};
            nanosleep(&pause, NULL);
        }
    }
    if (showing->hidden > 0)
        fprintf(stderr, "... and %u more events in this interval\n", showing->hidden);
}

static uint64_t netns_of(const cli_doctor_arguments *arguments) {
    doctor_view view = {0};
    char why[240];
    uint64_t inode = 0;
    if (!arguments->scope.every_netns &&
        doctor_netns_find(&view, &arguments->scope, why, sizeof why))
        inode = view.netns[0].inode;
    doctor_view_free(&view);
    return inode;
}

static void show_totals(const doctor_watch *watch) {
    uint64_t counts[DOCTOR_KINDS];
    const uint64_t lost = doctor_watch_counts(watch, counts);
    fputs("in all:", stderr);
    for (int i = 0; i < DOCTOR_KINDS; i++)
        fprintf(stderr, " %s %llu", doctor_kind_name((doctor_kind)i),
                (unsigned long long)counts[i]);
    fprintf(stderr, "; not shown for want of room %llu\n", (unsigned long long)lost);
}

int cli_doctor_watch(const cli_doctor_arguments *arguments) {
    struct sigaction action = {.sa_handler = on_signal};
    struct showing showing = {.arguments = arguments};
    doctor_findings last = {NULL, 0, 0};
    doctor_counters counters = {0};
    char why[240] = "--no-bpf";
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    doctor_watch *const watch =
        arguments->scope.no_bpf ? NULL : doctor_watch_begin(netns_of(arguments), why, sizeof why);
    if (!watch) fprintf(stderr, "holdfast doctor: no events, only counters: %s\n", why);
    int code = watch || !arguments->resets ? CLI_PASS : DOCTOR_IS_UNKNOWN;
    for (unsigned i = 0; code == CLI_PASS; i++) {
        if (!compare(arguments, &last, &counters, i == 0)) code = DOCTOR_IS_UNKNOWN;
        fflush(stdout);
        if (stopped || (arguments->count > 0 && i == arguments->count)) break;
        if (code == CLI_PASS) wait_interval(watch, &showing);
    }
    if (watch) show_totals(watch);
    doctor_watch_end(watch);
    doctor_findings_free(&last);
    return code;
}
