/* The same for programs. Keys are stable, units stand in them, numbers are numbers; null is "never",
 * and what is not known is the text "unknown". */
#include "doctor/show.h"
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SCHEMA = 1 };

static json_t *name_json(const hf_addr *addr, uint16_t port, bool is6) {
    char name[DOCTOR_NAME];
    doctor_name(addr, port, is6, name);
    return json_string(name);
}

static json_t *number_or_null(bool known, long long number) {
    return known ? json_integer(number) : json_null();
}

/* A command is bytes that the process chose. */
static json_t *text_json(const char *text) {
    json_t *const json = json_string(text);
    return json ? json : json_string("?");
}

static json_t *notice_json(const doctor_notice *notice) {
    if (!notice->known) return json_string("unknown");
    if (notice->by_s == HUGE_VAL) return json_null();
    return json_integer((json_int_t)ceil(notice->by_s * 1e3));
}

static json_t *settings_json(const doctor_settings *set) {
    if (set->source == DOCTOR_UNKNOWN) return json_string("unknown");
    return json_pack("{s:b, s:i, s:i, s:i, s:i, s:i, s:i, s:b, s:s}", "keepalive", set->keepalive,
                     "keepalive_idle_s", (int)set->keep_idle_s, "keepalive_interval_s",
                     (int)set->keep_interval_s, "keepalive_count", (int)set->keep_count,
                     "user_timeout_ms", (int)set->user_timeout_ms, "rto_max_ms",
                     (int)set->rto_max_ms, "syn_retries", (int)set->syn_retries, "linger_zero",
                     set->linger_zero, "source",
                     set->source == DOCTOR_BY_BPF ? "bpf" : "getsockopt");
}

static json_t *worst_json(const doctor_verdict *verdict) {
    const doctor_notice *const worst = &verdict->phases[verdict->worst];
    return json_pack("{s:s, s:o, s:s}", "phase", hf_phase_name(verdict->worst), "notice_by_ms",
                     notice_json(worst), "mechanism", doctor_mechanism(worst));
}

/* Sockets come in the order of processes, so one is remembered. */
static json_t *cgroup_json(pid_t pid) {
    static char cgroup[DOCTOR_CGROUP];
    static pid_t whose;
    if (pid != whose) doctor_cgroup(pid, cgroup, sizeof cgroup);
    whose = pid;
    return cgroup[0] && pid > 0 ? text_json(cgroup) : json_null();
}

static json_t *connection_json(const doctor_view *view, const doctor_conn *conn) {
    doctor_verdict verdict;
    char sentence[600];
    doctor_judge(view, conn, &verdict);
    doctor_notice_text(view, conn, &verdict, verdict.phase, true, sentence, sizeof sentence);
    const bool owned = conn->pid > 0;
    return json_pack(
        "{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:s, s:s, s:s, s:I, s:I, "
        "s:I, s:o}",
        "local", name_json(&conn->local, conn->local_port, conn->is6), "remote",
        name_json(&conn->remote, conn->remote_port, conn->is6), "state",
        doctor_state_name(conn->state), "pid", number_or_null(owned, conn->pid), "command",
        owned ? text_json(conn->command) : json_null(), "fd", number_or_null(owned, conn->fd),
        "settings", settings_json(&conn->settings), "notice_by_ms", notice_json(&verdict.now),
        "mechanism", doctor_mechanism(&verdict.now), "worst_case", worst_json(&verdict), "phase",
        hf_phase_name(verdict.phase), "sentence", sentence, "netns", view->netns[conn->netns].name,
        "uid", (json_int_t)conn->uid, "received_bytes", (json_int_t)conn->received_bytes,
        "queued_bytes", (json_int_t)conn->queued_bytes, "cgroup", cgroup_json(conn->pid));
}

static json_t *listener_json(const doctor_view *view, const doctor_conn *conn) {
    const bool owned = conn->pid > 0;
    return json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:s}", "local",
                     name_json(&conn->local, conn->local_port, conn->is6), "pid",
                     number_or_null(owned, conn->pid), "command",
                     owned ? text_json(conn->command) : json_null(), "fd",
                     number_or_null(owned, conn->fd), "waiting", (json_int_t)conn->received_bytes,
                     "limit", (json_int_t)conn->queued_bytes, "drops", (json_int_t)conn->drops,
                     "netns", view->netns[conn->netns].name);
}

static json_t *finding_json(const doctor_view *view, const doctor_finding *finding) {
    char remedy[600];
    doctor_remedy(finding, remedy, sizeof remedy);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:o, s:s}", "rule", doctor_rule_name(finding->rule),
        "severity", doctor_severity_name(finding->severity), "evidence", finding->evidence,
        "remedy", remedy, "sentence", doctor_rule_sentence(finding->rule), "who", finding->who,
        "sockets", (json_int_t)finding->count, "pid",
        number_or_null(finding->pid > 0, finding->pid), "netns", view->netns[finding->netns].name);
}

struct writing {
    FILE *to;
    bool lines, first, good;
};

/* Takes the object. As a line it says what it is. */
static void put(struct writing *writing, const char *type, json_t *object) {
    if (!object) {
        writing->good = false;
        return;
    }
    if (writing->lines) json_object_set_new(object, "type", json_string(type));
    if (!writing->lines && !writing->first) fputs(",\n", writing->to);
    writing->first = false;
    writing->good = json_dumpf(object, writing->to, JSON_COMPACT) == 0 && writing->good;
    if (writing->lines) fputc('\n', writing->to);
    json_decref(object);
}

static void begin(struct writing *writing, const char *key) {
    if (!writing->lines) fprintf(writing->to, ",\n\"%s\":[", key);
    writing->first = true;
}

static void end(struct writing *writing) {
    if (!writing->lines) fputc(']', writing->to);
}

static json_t *head_json(const doctor_view *view) {
    return json_pack("{s:i, s:s, s:I, s:I, s:I}", "schema", SCHEMA, "kernel", view->release,
                     "unknown_settings", (json_int_t)view->unknown_settings, "unknown_owners",
                     (json_int_t)view->unknown_owners, "unseen_netns",
                     (json_int_t)view->unseen_netns);
}

/* The first object stays open, for what follows in it. */
static void put_head(struct writing *writing, const doctor_view *view) {
    if (writing->lines) {
        put(writing, "head", head_json(view));
        return;
    }
    json_t *const head = head_json(view);
    char *const text = head ? json_dumps(head, JSON_COMPACT) : NULL;
    writing->good = text != NULL;
    if (text) fprintf(writing->to, "%.*s", (int)strlen(text) - 1, text);
    free(text);
    json_decref(head);
}

bool doctor_show_json(const doctor_view *view, const doctor_findings *findings,
                      const doctor_filter *filter, bool lines, FILE *to) {
    struct writing writing = {to, lines, true, true};
    put_head(&writing, view);
    begin(&writing, "connections");
    for (size_t i = 0; i < view->conn_count; i++)
        if (doctor_is_connection(&view->conns[i]) && doctor_filter_holds(filter, &view->conns[i]))
            put(&writing, "connection", connection_json(view, &view->conns[i]));
    end(&writing);
    begin(&writing, "listeners");
    for (size_t i = 0; i < view->conn_count; i++)
        if (view->conns[i].state == DOCTOR_LISTEN && doctor_filter_holds(filter, &view->conns[i]))
            put(&writing, "listener", listener_json(view, &view->conns[i]));
    end(&writing);
    begin(&writing, "findings");
    for (size_t i = 0; i < findings->count; i++)
        put(&writing, "finding", finding_json(view, &findings->rows[i]));
    end(&writing);
    if (!lines) fputs("}\n", to);
    return writing.good && !ferror(to);
}
