#include "cli/cli.h"
#include <hf/base.h>
#include <stdio.h>
#include <string.h>

static const struct verb {
    const char *name, *what;
    int (*run)(int argc, char **argv);
} verbs[] = {
    {"answer", "answer a question about TCP sockets, with your own numbers", cli_answer},
#if HF_WITH_LAB
    {"lab", "rehearse failures between hosts in virtual time, and explain every packet", cli_lab},
#endif
#if HF_WITH_DOCTOR
    {"doctor", "when would each kernel socket's dead peer be noticed, and what to set", cli_doctor},
#endif
    {NULL, NULL, NULL}};

static void help(FILE *to) {
    fputs("holdfast: TCP that holds fast while both ends live, lets go cleanly, and always says "
          "why\n\n"
          "usage: holdfast VERB ...\n       holdfast --help | --version\n\n",
          to);
    if (verbs[0].name) fputs("verbs:\n", to);
    for (const struct verb *verb = verbs; verb->name; verb++)
        fprintf(to, "  %-8s %s\n", verb->name, verb->what);
    if (verbs[0].name) fputs("\n`holdfast VERB --help` tells about one.\n", to);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        help(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        help(stdout);
        return CLI_PASS;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("holdfast " HF_VERSION);
        return CLI_PASS;
    }
    for (const struct verb *verb = verbs; verb->name; verb++)
        if (strcmp(argv[1], verb->name) == 0) return verb->run(argc - 1, argv + 1);
    fprintf(stderr, "holdfast: there is no verb '%s'; see holdfast --help\n", argv[1]);
    return CLI_USAGE;
}
