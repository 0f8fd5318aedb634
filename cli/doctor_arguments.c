#define _POSIX_C_SOURCE 200809L
#include "cli/doctor.h"
#include <stdlib.h>
#include <string.h>

void cli_doctor_help(FILE *to) {
    fputs("usage: holdfast doctor [OPTION]...                  one screen, worst first\n"
          "       holdfast doctor ps [OPTION]... [FILTER]      one line a socket\n"
          "       holdfast doctor explain PID:FD | LOCAL REMOTE  one connection, everything\n"
          "       holdfast doctor listen :PORT                 one listener, once a second\n"
          "       holdfast doctor watch [OPTION]...            what changes, and events\n\n"
          "When would each connection's vanished peer be noticed, by what, and what should be "
          "set?\n\n"
          "  --all            every finding, with its remedy\n"
          "  --json           one object\n"
          "  --jsonl          one object a line\n"
          "  --prometheus     text exposition\n"
          "  -p, --pid PID    the sockets of one process\n"
          "  -N, --netns NAME a network namespace, by its name in /run/netns or its path\n"
          "  --all-netns      every network namespace\n"
          "  -w, --wide       ps: with phase and settings\n"
          "  -H, --no-header  ps: without the first line\n"
          "  --no-bpf         not by BPF, even if that is allowed\n"
          "  --no-ladder      explain: do not play what would happen\n"
          "  --resets         watch: only resets, with the kernel's reasons\n"
          "  --count N        listen, watch: so many times\n"
          "  --interval N     listen, watch: so many seconds apart\n\n"
          "FILTER is of ss's words: state close-wait, dport = :443, src 10.0.0.0/8, and, or, not.\n"
          "Exit status: 0 well, 1 warning, 2 critical, 3 something could not be seen; other verbs: "
          "0,\n"
          "2 wrong words, 3 nothing could be seen.\n",
          to);
}

static int wrong(const char *what, const char *word) {
    fprintf(stderr, "holdfast doctor: %s%s; see holdfast doctor --help\n", what, word);
    return CLI_USAGE;
}

static bool read_flag(const char *word, cli_doctor_arguments *to) {
    const struct {
        const char *name, *letter;
        bool *flag;
    } flags[] = {{"--all", NULL, &to->all},
                 {"--json", NULL, &to->json},
                 {"--jsonl", NULL, &to->jsonl},
                 {"--prometheus", NULL, &to->prometheus},
                 {"--all-netns", NULL, &to->scope.every_netns},
                 {"--wide", "-w", &to->table.wide},
                 {"--no-header", "-H", &to->table.no_header},
                 {"--no-bpf", NULL, &to->scope.no_bpf},
                 {"--no-ladder", NULL, &to->no_ladder},
                 {"--resets", NULL, &to->resets}};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        const bool by_letter = flags[i].letter && strcmp(word, flags[i].letter) == 0;
        if (strcmp(word, flags[i].name) != 0 && !by_letter) continue;
        *flags[i].flag = true;
        return true;
    }
    return false;
}

static bool read_number(const char *value, unsigned *ret) {
    char *end;
    const unsigned long number = value ? strtoul(value, &end, 10) : 0;
    if (!value || value[0] < '0' || value[0] > '9' || *end != 0 || number > 1u << 30) return false;
    *ret = (unsigned)number;
    return true;
}

/* An option with a value. Returns how many words it took, 0 if it is none, -1 if it is wrong. */
static int read_valued(const char *word, const char *value, cli_doctor_arguments *to) {
    unsigned number = 0;
    if (strcmp(word, "--netns") == 0 || strcmp(word, "-N") == 0) {
        to->scope.netns = value;
        return value ? 2 : -1;
    }
    if (strcmp(word, "--pid") == 0 || strcmp(word, "-p") == 0) {
        const bool good = read_number(value, &number);
        to->scope.pid = (pid_t)number;
        return good && number > 0 ? 2 : -1;
    }
    if (strcmp(word, "--count") == 0) return read_number(value, &to->count) ? 2 : -1;
    if (strcmp(word, "--interval") == 0)
        return read_number(value, &to->interval_s) && to->interval_s > 0 ? 2 : -1;
    return 0;
}

static bool is_verb(const char *word) {
    static const char *const verbs[] = {"ps", "explain", "listen", "watch"};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(word, verbs[i]) == 0) return true;
    return false;
}

static int read_words(cli_doctor_arguments *to) {
    char why[160];
    const bool filters = to->verb[0] == 0 || strcmp(to->verb, "ps") == 0;
    if (strcmp(to->verb, "watch") == 0)
        return to->word_count == 0 ? CLI_PASS : wrong("watch takes no words, but ", to->words[0]);
    if (!filters) return to->word_count > 0 ? CLI_PASS : wrong("say which: ", to->verb);
    if (doctor_filter_read(&to->filter, to->words, to->word_count, why, sizeof why))
        return CLI_PASS;
    return wrong(why, "");
}

int cli_doctor_read(int argc, char **argv, cli_doctor_arguments *to) {
    to->verb = "";
    to->interval_s = 1;
    for (int i = 1; i < argc; i++) {
        if (read_flag(argv[i], to)) continue;
        const int taken = read_valued(argv[i], i + 1 < argc ? argv[i + 1] : NULL, to);
        if (taken < 0) return wrong("the value is missing or wrong after ", argv[i]);
        if (taken > 0) {
            i += taken - 1;
            continue;
        }
        if (argv[i][0] == '-' && argv[i][1] != 0) return wrong("there is no option ", argv[i]);
        if (to->verb[0] == 0 && to->word_count == 0 && is_verb(argv[i]))
            to->verb = argv[i];
        else if (to->word_count < CLI_DOCTOR_WORDS)
            to->words[to->word_count++] = argv[i];
        else
            return wrong("too many words at ", argv[i]);
    }
    if (to->json + to->jsonl + to->prometheus > 1)
        return wrong("one of --json, --jsonl and --prometheus", "");
    return read_words(to);
}
