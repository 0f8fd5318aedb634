/* The command line tool: `holdfast VERB`. What is data goes to stdout, what is talk to stderr. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>

/* How every verb ends, but where its own page says otherwise. */
enum { CLI_PASS = 0, CLI_FAIL = 1, CLI_USAGE = 2, CLI_SKIPPED = 77, CLI_TIME_LIMIT = 124 };

/* The words behind the verb; argv[0] is the verb. */
int cli_answer(int argc, char **argv);
int cli_doctor(int argc, char **argv);
int cli_lab(int argc, char **argv);

/* Many seeds: first to last, each count-th from the index-th on. last 0: none. */
typedef struct cli_sweep {
    unsigned long long first, last, index, count;
} cli_sweep;

/* Reads the value of --seeds or --shard; false if it is not one. */
bool cli_sweep_read(cli_sweep *sweep, const char *option, const char *value);

/* Lists the scenarios of a folder, or of the usual ones if it is NULL. */
int cli_lab_list(const char *folder);

/* Writes a run as a pcapng file; false if that fails. */
struct lab_scenario;
bool cli_capture(const struct lab_scenario *scenario, const char *path);

#endif
