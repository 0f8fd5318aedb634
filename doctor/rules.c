/* The list of findings, and the words of the rules. */
#include "doctor/rules.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *sentence, *in_c, *by_sysctl;
} rules[DOCTOR_RULES] = {
#define DOCTOR_RULE_ROW(name, word, sentence, in_c, by_sysctl) {word, sentence, in_c, by_sysctl},
#include "doctor/rules.def"
#undef DOCTOR_RULE_ROW
};

const char *doctor_rule_name(doctor_rule rule) { return rules[rule].name; }
const char *doctor_rule_sentence(doctor_rule rule) { return rules[rule].sentence; }
const char *doctor_rule_in_c(doctor_rule rule) { return rules[rule].in_c; }
const char *doctor_rule_by_sysctl(doctor_rule rule) { return rules[rule].by_sysctl; }

const char *doctor_severity_name(doctor_severity severity) {
    static const char *const names[] = {"info", "warning", "critical"};
    return names[severity];
}

void doctor_remedy(const doctor_finding *finding, char *to, size_t size) {
    const char *const by_sysctl = doctor_rule_by_sysctl(finding->rule);
    snprintf(to, size, "%s.%s%s%s", doctor_rule_in_c(finding->rule),
             by_sysctl[0] ? " Machine-wide: " : "", by_sysctl, by_sysctl[0] ? "." : "");
}

void doctor_owner(const doctor_conn *conn, char *to, size_t size) {
    if (conn->pid > 0)
        snprintf(to, size, "%s[%d]", conn->command, (int)conn->pid);
    else if (conn->inode > 0)
        snprintf(to, size, "unseen (uid %u)", conn->uid);
    else
        snprintf(to, size, "no process");
}

doctor_finding *doctor_finding_new(doctor_findings *findings, doctor_rule rule,
                                   doctor_severity severity, uint32_t netns) {
    findings->rows =
        doctor_grow(findings->rows, &findings->room, findings->count, sizeof *findings->rows);
    doctor_finding *const finding = &findings->rows[findings->count++];
    *finding =
        (doctor_finding){.rule = rule, .severity = severity, .netns = netns, .example = SIZE_MAX};
    return finding;
}

/* Severity, then the rule, then how many. */
static int worst_first(const void *a, const void *b) {
    const doctor_finding *const x = a, *const y = b;
    if (x->severity != y->severity) return x->severity > y->severity ? -1 : 1;
    if (x->rule != y->rule) return x->rule < y->rule ? -1 : 1;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    return x->pid < y->pid ? -1 : x->pid > y->pid;
}

void doctor_find(const doctor_view *view, doctor_findings *ret) {
    *ret = (doctor_findings){NULL, 0, 0};
    doctor_find_connections(view, ret);
    doctor_find_listeners(view, ret);
    doctor_find_hoards(view, ret);
    if (ret->count > 0) qsort(ret->rows, ret->count, sizeof *ret->rows, worst_first);
}

void doctor_findings_free(doctor_findings *findings) {
    free(findings->rows);
    *findings = (doctor_findings){NULL, 0, 0};
}
