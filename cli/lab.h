/* The words behind `holdfast lab`. */
#ifndef CLI_LAB_H
#define CLI_LAB_H

#include "cli/cli.h"
#include "lab/scenario.h"

enum { CLI_LAB_PARAMS = 16 };

typedef struct cli_lab_arguments {
    lab_run_options run;
    bool json, jsonl, mermaid, trace, quiet, list, no_fold, expectations, summary;
    const char *folder, *pcapng, *svg, *html;
    unsigned part;
    hf_ns from_ns, until_ns;
    cli_sweep sweep;
    const char *params[CLI_LAB_PARAMS], *sets[CLI_LAB_PARAMS];
    unsigned time_limit_s;
} cli_lab_arguments;

void cli_lab_help(FILE *to);
/* Says on stderr what is wrong; CLI_PASS or CLI_USAGE. */
int cli_lab_read(int argc, char **argv, cli_lab_arguments *to);

#endif
