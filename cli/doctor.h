/* The words behind `holdfast doctor`. */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include "cli/cli.h"
#include "doctor/show.h"

enum { CLI_DOCTOR_WORDS = 64 };

typedef struct cli_doctor_arguments {
    doctor_scope scope;
    doctor_table table;
    doctor_filter filter;
    bool json, jsonl, prometheus, all, no_ladder, resets;
    unsigned count, interval_s; /* of what repeats; count 0: until stopped */
    const char *verb;           /* "", "ps", "explain", "listen", "watch" */
    char *words[CLI_DOCTOR_WORDS];
    size_t word_count;
} cli_doctor_arguments;

void cli_doctor_help(FILE *to);
/* Says on stderr what is wrong; CLI_PASS or CLI_USAGE. */
int cli_doctor_read(int argc, char **argv, cli_doctor_arguments *to);
int cli_doctor_watch(const cli_doctor_arguments *arguments);
int cli_doctor_listen(const cli_doctor_arguments *arguments);
/* Plays what would happen if the peer vanished now. False: the lab is not built, or it failed. */
bool cli_doctor_ladder(const doctor_view *view, const doctor_conn *conn);

#endif
