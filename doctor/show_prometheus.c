/* Text exposition format 0.0.4. Labels are bounded: states, rules, commands and listeners; a peer's
 * address is never one. */
#include "doctor/show.h"
#include <math.h>
#include <string.h>

static void head(FILE *to, const char *name, const char *type, const char *help) {
    fprintf(to, "# HELP holdfast_doctor_%s %s\n# TYPE holdfast_doctor_%s %s\n", name, help, name,
            type);
}

static void put_label(FILE *to, const char *text) {
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', to);
        fputc((unsigned char)*text < 32 ? '?' : *text, to);
    }
}

static void show_states(const doctor_view *view, FILE *to) {
    size_t counts[DOCTOR_STATES] = {0};
    for (size_t i = 0; i < view->conn_count; i++)
        if (view->conns[i].state < DOCTOR_STATES) counts[view->conns[i].state]++;
    counts[DOCTOR_SYN_RECV] += counts[DOCTOR_NEW_SYN_RECV];
    head(to, "sockets", "gauge", "TCP sockets by state.");
    for (unsigned i = 1; i < DOCTOR_NEW_SYN_RECV; i++)
        fprintf(to, "holdfast_doctor_sockets{state=\"%s\"} %zu\n", doctor_state_name(i), counts[i]);
}

/* What is said of all connections of one command. */
struct command {
    char name[DOCTOR_COMMAND];
    size_t connections, never, unknown;
    double longest_s;
};
enum { MOST_COMMANDS = 64 };

static struct command *command_of(struct command *commands, size_t *count, const char *name) {
    for (size_t i = 0; i < *count; i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    if (*count + 1 == MOST_COMMANDS) name = "others";
    if (*count == MOST_COMMANDS) return &commands[MOST_COMMANDS - 1];
    struct command *const command = &commands[(*count)++];
    memset(command, 0, sizeof *command);
    snprintf(command->name, sizeof command->name, "%s", name);
    return command;
}

static void add(const doctor_view *view, const doctor_conn *conn, struct command *command) {
    doctor_verdict verdict;
    doctor_judge(view, conn, &verdict);
    const doctor_notice *const worst = &verdict.phases[verdict.worst];
    command->connections++;
    command->unknown += !worst->known;
    if (!worst->known || doctor_is_local(conn)) return;
    command->never += worst->by_s == HUGE_VAL;
    if (worst->by_s != HUGE_VAL && worst->by_s > command->longest_s)
        command->longest_s = worst->by_s;
}

static void row(FILE *to, const char *name, const struct command *command, double value) {
    fprintf(to, "holdfast_doctor_%s{command=\"", name);
    put_label(to, command->name);
    fprintf(to, "\"} %.10g\n", value);
}

static void show_commands(const doctor_view *view, FILE *to) {
    struct command commands[MOST_COMMANDS];
    size_t count = 0;
    for (size_t i = 0; i < view->conn_count; i++)
        if (doctor_is_connection(&view->conns[i]))
            add(view, &view->conns[i], command_of(commands, &count, view->conns[i].command));
    head(to, "connections", "gauge", "Connections by the command that holds them.");
    for (size_t i = 0; i < count; i++)
        row(to, "connections", &commands[i], (double)commands[i].connections);
    head(to, "connections_never_noticed", "gauge",
         "Connections whose vanished peer some phase never notices.");
    for (size_t i = 0; i < count; i++)
        row(to, "connections_never_noticed", &commands[i], (double)commands[i].never);
    head(to, "connections_unknown", "gauge", "Connections whose settings cannot be read.");
    for (size_t i = 0; i < count; i++)
        row(to, "connections_unknown", &commands[i], (double)commands[i].unknown);
    head(to, "notice_by_seconds", "gauge",
         "Longest time until a vanished peer is noticed, where it is.");
    for (size_t i = 0; i < count; i++)
        row(to, "notice_by_seconds", &commands[i], commands[i].longest_s);
}

static void listener_row(FILE *to, const char *name, const doctor_conn *conn, uint32_t value) {
    char local[DOCTOR_NAME];
    doctor_name(&conn->local, conn->local_port, conn->is6, local);
    fprintf(to, "holdfast_doctor_listener_%s{netns=\"%u\",local=\"%s\",command=\"", name,
            conn->netns, local);
    put_label(to, conn->command);
    fprintf(to, "\",pid=\"%d\",fd=\"%d\"} %u\n", (int)conn->pid, conn->fd, value);
}

static void show_listeners(const doctor_view *view, FILE *to) {
    head(to, "listener_waiting", "gauge", "Connections that wait for accept().");
    for (size_t i = 0; i < view->conn_count; i++)
        if (view->conns[i].state == DOCTOR_LISTEN)
            listener_row(to, "waiting", &view->conns[i], view->conns[i].received_bytes);
    head(to, "listener_limit", "gauge", "The backlog in force.");
    for (size_t i = 0; i < view->conn_count; i++)
        if (view->conns[i].state == DOCTOR_LISTEN)
            listener_row(to, "limit", &view->conns[i], view->conns[i].queued_bytes);
    head(to, "listener_drops_total", "counter", "SYNs and last ACKs that a listener dropped.");
    for (size_t i = 0; i < view->conn_count; i++)
        if (view->conns[i].state == DOCTOR_LISTEN)
            listener_row(to, "drops_total", &view->conns[i], view->conns[i].drops);
}

static void show_findings(const doctor_findings *findings, FILE *to) {
    size_t counts[DOCTOR_RULES][DOCTOR_CRITICAL + 1] = {{0}};
    for (size_t i = 0; i < findings->count; i++)
        counts[findings->rows[i].rule][findings->rows[i].severity] += findings->rows[i].count;
    head(to, "finding_sockets", "gauge", "Sockets that a rule found something about.");
    for (int i = 0; i < DOCTOR_RULES; i++)
        for (int k = 0; k <= DOCTOR_CRITICAL; k++)
            if (counts[i][k] > 0)
                fprintf(to, "holdfast_doctor_finding_sockets{rule=\"%s\",severity=\"%s\"} %zu\n",
                        doctor_rule_name((doctor_rule)i), doctor_severity_name((doctor_severity)k),
                        counts[i][k]);
}

void doctor_show_prometheus(const doctor_view *view, const doctor_findings *findings, FILE *to) {
    show_states(view, to);
    show_commands(view, to);
    show_listeners(view, to);
    show_findings(findings, to);
    head(to, "unknown_sockets", "gauge", "Sockets of which something could not be read.");
    fprintf(to, "holdfast_doctor_unknown_sockets{what=\"owner\"} %zu\n", view->unknown_owners);
    fprintf(to, "holdfast_doctor_unknown_sockets{what=\"settings\"} %zu\n", view->unknown_settings);
}
