/* What the doctor has to say, on paper: for people, for programs, for Prometheus. */
#ifndef DOCTOR_SHOW_H
#define DOCTOR_SHOW_H

#include "doctor/filter.h"
#include "doctor/rules.h"
#include <stdio.h>

/* As Nagios wants it. */
enum { DOCTOR_OK = 0, DOCTOR_IS_WARNING = 1, DOCTOR_IS_CRITICAL = 2, DOCTOR_IS_UNKNOWN = 3 };
int doctor_exit_code(const doctor_view *view, const doctor_findings *findings);

/* One screen of 80 x 24, worst first; `all`: as long as it takes. */
void doctor_show_summary(const doctor_view *view, const doctor_findings *findings, bool all,
                         FILE *to);

typedef struct doctor_table {
    bool wide, no_header;
} doctor_table;

void doctor_show_table(const doctor_view *view, const doctor_filter *filter,
                       const doctor_table *table, FILE *to);

/* One connection and everything about it. */
void doctor_show_connection(const doctor_view *view, const doctor_conn *conn, FILE *to);

/* One object, or one object a line. False if memory ran out or `to` cannot be written. */
bool doctor_show_json(const doctor_view *view, const doctor_findings *findings,
                      const doctor_filter *filter, bool lines, FILE *to);

/* Text exposition; a few labels, never addresses of peers. */
void doctor_show_prometheus(const doctor_view *view, const doctor_findings *findings, FILE *to);

/* "curl[812]:5" */
void doctor_handle(const doctor_conn *conn, char *to, size_t size);

#endif
