/* The command line tool: `holdfast VERB`. What is data goes to stdout, what is talk to stderr. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>

/* How every verb ends, but where its own page says otherwise. */
enum { CLI_PASS = 0, CLI_FAIL = 1, CLI_USAGE = 2, CLI_SKIPPED = 77, CLI_TIME_LIMIT = 124 };

/* The words behind the verb; argv[0] is the verb. */
int cli_lab(int argc, char **argv);

/* Lists the scenarios of a folder, or of the usual ones if it is NULL. */
int cli_lab_list(const char *folder);

/* Writes a run as a pcapng file; false if that fails. */
struct lab_scenario;
bool cli_capture(const struct lab_scenario *scenario, const char *path);

#endif
