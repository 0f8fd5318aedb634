/* holdfast doctor */
#define _POSIX_C_SOURCE 200809L
#include "cli/doctor.h"
#include <stdlib.h>
#include <string.h>

/* ---- explain: which connection is meant ---- */

struct target {
    bool by_fd;
    pid_t pid;
    int fd;
    hf_addr addr[2];
    unsigned bits[2];
    uint16_t port[2];
};

/* "812:7", or two ends, as two words or joined by "->" or a comma. */
static bool read_target(const cli_doctor_arguments *arguments, struct target *target) {
    char joined[160];
    int length = 0;
    if (arguments->word_count == 1) {
        const char *const word = arguments->words[0];
        target->by_fd =
            sscanf(word, "%d:%d%n", &target->pid, &target->fd, &length) == 2 && word[length] == 0;
        if (target->by_fd) return true;
    }
    snprintf(joined, sizeof joined, "%.70s %.70s", arguments->words[0],
             arguments->word_count > 1 ? arguments->words[1] : "");
    char *at;
    const char *const first = strtok_r(joined, " ,>", &at);
    char *const second = strtok_r(NULL, " ,>", &at);
    if (!first || !second) return false;
    char *const dash = strrchr(first, '-');
    if (dash && dash[1] == 0) *dash = 0;
    return doctor_endpoint_read(first, &target->addr[0], &target->bits[0], &target->port[0]) &&
           doctor_endpoint_read(second, &target->addr[1], &target->bits[1], &target->port[1]);
}

static bool is_end(const hf_addr *addr, uint16_t port, const struct target *target, int end) {
    return port == target->port[end] &&
           (target->bits[end] == 0 || memcmp(addr, &target->addr[end], sizeof *addr) == 0);
}

static bool is_target(const doctor_conn *conn, const struct target *target) {
    if (!doctor_is_connection(conn)) return false;
    if (target->by_fd) return conn->pid == target->pid && conn->fd == target->fd;
    return is_end(&conn->local, conn->local_port, target, 0) &&
           is_end(&conn->remote, conn->remote_port, target, 1);
}

static const doctor_conn *find(const doctor_view *view, const struct target *target) {
    for (size_t i = 0; i < view->conn_count; i++)
        if (is_target(&view->conns[i], target)) return &view->conns[i];
    return NULL;
}

static int explain(const cli_doctor_arguments *arguments, const doctor_view *view) {
    struct target target;
    memset(&target, 0, sizeof target);
    if (!read_target(arguments, &target)) {
        fputs("holdfast doctor: explain wants PID:FD, or two ends as 10.0.0.1:80 10.0.0.2:4711\n",
              stderr);
        return CLI_USAGE;
    }
    const doctor_conn *const conn = find(view, &target);
    if (!conn) {
        fputs("holdfast doctor: there is no such connection\n", stderr);
        return CLI_USAGE;
    }
    doctor_show_connection(view, conn, stdout);
    if (!arguments->no_ladder && !cli_doctor_ladder(view, conn)) return DOCTOR_IS_UNKNOWN;
    return CLI_PASS;
}

/* ---- All others ---- */

static int summary(const cli_doctor_arguments *arguments, const doctor_view *view) {
    doctor_findings findings;
    doctor_find(view, &findings);
    const int code = doctor_exit_code(view, &findings);
    bool good = true;
    if (arguments->json || arguments->jsonl)
        good = doctor_show_json(view, &findings, &arguments->filter, arguments->jsonl, stdout);
    else if (arguments->prometheus)
        doctor_show_prometheus(view, &findings, stdout);
    else
        doctor_show_summary(view, &findings, arguments->all, stdout);
    doctor_findings_free(&findings);
    return good ? code : DOCTOR_IS_UNKNOWN;
}

static int show(const cli_doctor_arguments *arguments, const doctor_view *view) {
    if (strcmp(arguments->verb, "explain") == 0) return explain(arguments, view);
    if (arguments->verb[0] == 0 || arguments->json || arguments->jsonl || arguments->prometheus)
        return summary(arguments, view);
    doctor_show_table(view, &arguments->filter, &arguments->table, stdout);
    return CLI_PASS;
}

int cli_doctor(int argc, char **argv) {
    static cli_doctor_arguments arguments;
    doctor_view view;
    char why[240] = "";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") != 0 && strcmp(argv[i], "-h") != 0) continue;
        cli_doctor_help(stdout);
        return CLI_PASS;
    }
    const int result = cli_doctor_read(argc, argv, &arguments);
    if (result != CLI_PASS) return result;
    if (strcmp(arguments.verb, "listen") == 0) return cli_doctor_listen(&arguments);
    if (strcmp(arguments.verb, "watch") == 0) return cli_doctor_watch(&arguments);
    if (!doctor_look(&view, &arguments.scope, why, sizeof why)) {
        printf("UNKNOWN: %s\n", why);
        doctor_view_free(&view);
        return DOCTOR_IS_UNKNOWN;
    }
    int code = show(&arguments, &view);
    if (fflush(stdout) != 0) code = DOCTOR_IS_UNKNOWN;
    doctor_view_free(&view);
    return code;
}
