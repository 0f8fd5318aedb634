/* What is the matter, with whom, by what evidence, and what to do about it. */
#ifndef DOCTOR_RULES_H
#define DOCTOR_RULES_H

#include "doctor/notice.h"

typedef enum doctor_rule {
#define DOCTOR_RULE_ROW(name, word, sentence, in_c, by_sysctl) DOCTOR_##name,
#include "doctor/rules.def"
#undef DOCTOR_RULE_ROW
    DOCTOR_RULES
} doctor_rule;

typedef enum doctor_severity {
    DOCTOR_INFO,    /* worth knowing */
    DOCTOR_WARNING, /* will hurt */
    DOCTOR_CRITICAL /* hurts now */
} doctor_severity;

const char *doctor_rule_name(doctor_rule rule);
const char *doctor_rule_sentence(doctor_rule rule);
const char *doctor_rule_in_c(doctor_rule rule);
const char *doctor_rule_by_sysctl(doctor_rule rule); /* "": there is none */
const char *doctor_severity_name(doctor_severity severity);

/* One rule and one process, listener or peer. */
typedef struct doctor_finding {
    doctor_rule rule;
    doctor_severity severity;
    uint32_t netns;
    pid_t pid;
    size_t count;   /* sockets */
    size_t example; /* the worst of them, as an index into view->conns; SIZE_MAX: none */
    double measure; /* by which it is the worst */
    char who[80];   /* "nginx[812]", "listener 0.0.0.0:80", "peer 10.0.0.7" */
    char evidence[240];
} doctor_finding;

typedef struct doctor_findings {
    doctor_finding *rows;
    size_t count, room;
} doctor_findings;

/* Later than this is "after minutes". */
#define DOCTOR_LATE_S 120.0

void doctor_find(const doctor_view *view, doctor_findings *ret); /* worst first */
void doctor_findings_free(doctor_findings *findings);

/* The remedy as one text: in C, and by sysctl. */
void doctor_remedy(const doctor_finding *finding, char *to, size_t size);

/* True if both ends are on this machine by their addresses: no line between them can be cut. */
bool doctor_is_local(const doctor_conn *conn);

/* ---- Of this room ---- */

doctor_finding *doctor_finding_new(doctor_findings *findings, doctor_rule rule,
                                   doctor_severity severity, uint32_t netns);
void doctor_find_connections(const doctor_view *view, doctor_findings *findings);
void doctor_find_listeners(const doctor_view *view, doctor_findings *findings);
void doctor_find_hoards(const doctor_view *view, doctor_findings *findings);
/* "nginx[812]", "a process that may not be seen", "no process" */
void doctor_owner(const doctor_conn *conn, char *to, size_t size);

#endif
