/* The summary: what is worst comes first, and what could not be seen is said. */
#include "doctor/show.h"
#include <math.h>
#include <string.h>

enum { ROWS_OF_FINDINGS = 7, WIDTH = 80 };

struct totals {
    size_t connections, listeners, time_wait, requests, never, late, close_wait, unknown;
};

static struct totals total(const doctor_view *view) {
    struct totals totals = {0};
    for (size_t i = 0; i < view->conn_count; i++) {
        const doctor_conn *const conn = &view->conns[i];
        totals.listeners += conn->state == DOCTOR_LISTEN;
        totals.time_wait += conn->state == DOCTOR_TIME_WAIT;
        totals.requests += conn->state == DOCTOR_NEW_SYN_RECV || conn->state == DOCTOR_SYN_RECV;
        totals.close_wait += conn->state == DOCTOR_CLOSE_WAIT;
        if (!doctor_is_connection(conn)) continue;
        doctor_verdict verdict;
        doctor_judge(view, conn, &verdict);
        const doctor_notice *const worst = &verdict.phases[verdict.worst];
        totals.connections++;
        /* What no program holds nobody waits for. */
        totals.unknown += !worst->known && (conn->inode > 0 || conn->state == DOCTOR_ESTABLISHED);
        if (!worst->known || doctor_is_local(conn)) continue;
        totals.never += worst->by_s == HUGE_VAL;
        totals.late += worst->by_s != HUGE_VAL && worst->by_s > DOCTOR_LATE_S;
    }
    return totals;
}

static bool is_partial(const doctor_view *view) {
    return view->unknown_settings > 0 || view->unknown_owners > 0 || view->unseen_netns > 0;
}

int doctor_exit_code(const doctor_view *view, const doctor_findings *findings) {
    if (findings->count > 0 && findings->rows[0].severity == DOCTOR_CRITICAL)
        return DOCTOR_IS_CRITICAL;
    if (findings->count > 0 && findings->rows[0].severity == DOCTOR_WARNING)
        return DOCTOR_IS_WARNING;
    return is_partial(view) ? DOCTOR_IS_UNKNOWN : DOCTOR_OK;
}

static size_t count_severity(const doctor_findings *findings, doctor_severity severity) {
    size_t count = 0;
    for (size_t i = 0; i < findings->count; i++) count += findings->rows[i].severity == severity;
    return count;
}

/* One line for Nagios: what is the matter, and after the bar the numbers. */
static void show_status(const doctor_view *view, const doctor_findings *findings,
                        const struct totals *totals, FILE *to) {
    static const char *const words[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
    fprintf(to, "%s: %zu critical, %zu warnings", words[doctor_exit_code(view, findings)],
            count_severity(findings, DOCTOR_CRITICAL), count_severity(findings, DOCTOR_WARNING));
    fprintf(to, " | conns=%zu never=%zu late=%zu unknown=%zu\n", totals->connections, totals->never,
            totals->late, totals->unknown);
}

static void show_facts(const doctor_view *view, const struct totals *totals, FILE *to) {
    fprintf(to, "Linux %.30s; %zu connections, %zu listeners, %zu in TIME_WAIT\n", view->release,
            totals->connections, totals->listeners, totals->time_wait);
    fprintf(to, "A vanished peer: never noticed %zu, later than %g s %zu, unknown %zu.\n",
            totals->never, DOCTOR_LATE_S, totals->late, totals->unknown);
}

/* Cuts the text where the line ends. */
static void put_cut(FILE *to, const char *text, int width) {
    const int length = (int)strlen(text);
    fprintf(to, length > width ? "%.*s...\n" : "%.*s\n", length > width ? width - 3 : width, text);
}

static void show_finding(const doctor_view *view, const doctor_finding *finding, FILE *to) {
    char line[600], example[2 * DOCTOR_NAME + 8] = "";
    snprintf(line, sizeof line, "%-9s%-22s %5zu x %s", doctor_severity_name(finding->severity),
             doctor_rule_name(finding->rule), finding->count, finding->who);
    put_cut(to, line, WIDTH);
    if (finding->example < view->conn_count && finding->pid > 0)
        snprintf(example, sizeof example, "fd %d: ", view->conns[finding->example].fd);
    snprintf(line, sizeof line, "         %s%s", example, finding->evidence);
    put_cut(to, line, WIDTH);
}

static void show_remedy(const doctor_finding *finding, FILE *to) {
    char remedy[600], line[620];
    doctor_remedy(finding, remedy, sizeof remedy);
    snprintf(line, sizeof line, "         -> %s", remedy);
    fprintf(to, "%s\n", line);
}

static void show_unseen(const doctor_view *view, FILE *to) {
    if (view->unknown_owners > 0 || view->unknown_settings > 0)
        fprintf(to, "Not seen: owners of %zu sockets, options of %zu. Root sees more.\n",
                view->unknown_owners, view->unknown_settings);
    if (view->unseen_netns > 0)
        fprintf(to, "Not seen: %zu network namespaces that may not be entered.\n",
                view->unseen_netns);
}

void doctor_show_summary(const doctor_view *view, const doctor_findings *findings, bool all,
                         FILE *to) {
    const struct totals totals = total(view);
    const size_t most = all ? findings->count : ROWS_OF_FINDINGS;
    show_status(view, findings, &totals, to);
    show_facts(view, &totals, to);
    if (findings->count > 0) fputc('\n', to);
    for (size_t i = 0; i < findings->count && i < most; i++) {
        show_finding(view, &findings->rows[i], to);
        if (all) show_remedy(&findings->rows[i], to);
    }
    if (findings->count > most)
        fprintf(to, "... and %zu more, with remedies: holdfast doctor --all\n",
                findings->count - most);
    else if (findings->count > 0 && !all)
        fputs("What to do about it: holdfast doctor --all\n", to);
    fputc('\n', to);
    show_unseen(view, to);
    fputs("Each connection: holdfast doctor ps. One: holdfast doctor explain PID:FD.\n", to);
}
