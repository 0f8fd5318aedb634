/* The words behind `holdfast lab`. */
#include "cli/lab.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void cli_lab_help(FILE *to) {
    fputs("usage: holdfast lab FILE.lua [options]\n"
          "       holdfast lab --list [FOLDER]\n\n"
          "Runs a scenario in virtual time and draws what happened. A scenario is a test too:\n"
          "its expectations decide how the command ends.\n\n"
          "  --on BACKEND    holdfast (virtual time), or linux: the kernel's TCP, in real time\n"
          "  -p NAME=VALUE   a parameter of the scenario, as often as wanted\n"
          "  --seed N        the seed of all randomness (1); a run is repeated exactly by it\n"
          "  --seeds A-B     run it quietly under each of these seeds and tell which fail\n"
          "  --shard I/N     of these seeds only each N-th, from the I-th on (0 to N-1)\n"
          "  --json          the whole run as one JSON object, instead of the drawing\n"
          "  --jsonl         the same as one object a line\n"
          "  --mermaid       a Mermaid sequence diagram, instead of the drawing\n"
#if HF_WITH_PCAPNG
          "  --pcapng FILE   write a capture whose packets carry their explanation, too\n"
#endif
#if HF_WITH_HTML
          "  --html FILE     write the run as one page for a browser, with every packet to click\n"
#endif
          "  --svg FILE      write the chart of what it swept, if the scenario draws one\n"
          "  --part N, --from T, --until T  draw only this part, or what happened then\n"
          "  --summary       print only what the scenario says at its end\n"
          "  --trace         draw timers, and what each receiver made of each packet, too\n"
          "  --no-fold       draw repetition in full\n"
          "  --expectations  tell the passed expectations, too (stderr)\n"
          "  --quiet         draw nothing\n"
          "  --time-limit S  give up after S seconds of real time (600)\n"
          "  --set NAME=VALUE  a setting of every host, whatever the scenario says; also\n"
          "                  quirks=NAME\n"
          "  --without NAME  do not obey this option of connections, as detect_within\n"
          "  --list          list the scenarios of a folder, or those that came with holdfast\n\n"
          "Colours appear on a terminal only, and never with NO_COLOR set.\n"
          "exit: 0 passed, 1 an expectation failed, 2 usage or a wrong scenario, 77 skipped,\n"
          "      124 time limit\n",
          to);
}

static bool number(const char *text, unsigned long long most, unsigned long long *ret_number) {
    char *end;
    errno = 0;
    *ret_number = strtoull(text, &end, 0);
    return errno == 0 && end != text && *end == 0 && text[0] != '-' && *ret_number <= most;
}

static int wrong(const char *format, const char *word) {
    fputs("holdfast lab: ", stderr);
    fprintf(stderr, format, word);
    fputs("; see holdfast lab --help\n", stderr);
    return CLI_USAGE;
}

/* True if `word` is a plain switch, which is then set. */
static bool set_switch(cli_lab_arguments *to, const char *word) {
    const struct {
        const char *name;
        bool *value;
    } switches[] = {
        {"--json", &to->json},   {"--jsonl", &to->jsonl},     {"--mermaid", &to->mermaid},
        {"--trace", &to->trace}, {"--quiet", &to->quiet},     {"--expectations", &to->expectations},
        {"--list", &to->list},   {"--no-fold", &to->no_fold}, {"--summary", &to->summary}};
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        if (strcmp(word, switches[i].name) != 0) continue;
        *switches[i].value = true;
        return true;
    }
    return false;
}

/* ---- Options with a value ---- */

static bool set_seed(cli_lab_arguments *to, const char *value) {
    unsigned long long seed;
    if (!number(value, UINT64_MAX, &seed)) return false;
    to->run.seed = seed;
    return true;
}

static bool set_small(unsigned *ret_number, const char *value) {
    unsigned long long given;
    if (!number(value, 1000000, &given) || given == 0) return false;
    *ret_number = (unsigned)given;
    return true;
}

static bool set_time_limit(cli_lab_arguments *to, const char *value) {
    return set_small(&to->time_limit_s, value);
}

static bool set_part(cli_lab_arguments *to, const char *value) {
    return set_small(&to->part, value);
}

static bool set_from(cli_lab_arguments *to, const char *value) {
    return lab_duration_parse(value, &to->from_ns);
}

static bool set_until(cli_lab_arguments *to, const char *value) {
    return lab_duration_parse(value, &to->until_ns);
}

static bool set_seeds(cli_lab_arguments *to, const char *value) {
    return cli_sweep_read(&to->sweep, "--seeds", value);
}

static bool set_shard(cli_lab_arguments *to, const char *value) {
    return cli_sweep_read(&to->sweep, "--shard", value);
}

static bool set_without(cli_lab_arguments *to, const char *value) {
    to->run.without = value;
    return lab_option_exists(value);
}

static bool set_svg(cli_lab_arguments *to, const char *value) {
    to->svg = value;
    return true;
}

#if HF_WITH_HTML
static bool set_html(cli_lab_arguments *to, const char *value) {
    to->html = value;
    return true;
}
#endif

#if HF_WITH_PCAPNG
static bool set_pcapng(cli_lab_arguments *to, const char *value) {
    to->pcapng = value;
    to->run.whole_packets = true;
    return true;
}
#endif

static bool set_on(cli_lab_arguments *to, const char *value) {
    to->run.on = strcmp(value, "holdfast") == 0 ? &lab_on_holdfast : NULL;
#if HF_WITH_LAB_LINUX
    if (strcmp(value, "linux") == 0) to->run.on = &lab_on_linux;
#endif
    return to->run.on != NULL;
}

static bool set_param(cli_lab_arguments *to, const char *value) {
    if (!strchr(value, '=') || to->run.param_count == CLI_LAB_PARAMS) return false;
    to->params[to->run.param_count++] = value;
    to->run.params = to->params;
    return true;
}

static bool set_set(cli_lab_arguments *to, const char *value) {
    if (!strchr(value, '=') || to->run.set_count == CLI_LAB_PARAMS) return false;
    to->sets[to->run.set_count++] = value;
    to->run.sets = to->sets;
    return true;
}

static const struct {
    const char *name, *wants;
    bool (*set)(cli_lab_arguments *to, const char *value);
} valued[] = {
    {"--on", HF_WITH_LAB_LINUX ? "holdfast or linux" : "holdfast (linux is not built in)", set_on},
    {"-p", "NAME=VALUE", set_param},
    {"--seed", "a whole number", set_seed},
    {"--time-limit", "a whole number from 1 on", set_time_limit},
    {"--part", "a whole number from 1 on", set_part},
    {"--from", "an instant, as in --from 1.5s,", set_from},
    {"--until", "an instant, as in --until 1.5s,", set_until},
    {"--seeds", "two numbers, as in --seeds 1-100,", set_seeds},
    {"--shard", "two numbers, as in --shard 0/4,", set_shard},
    {"--without", "the name of an option of connections", set_without},
    {"--set", "NAME=VALUE", set_set},
    {"--svg", "a file", set_svg},
#if HF_WITH_HTML
    {"--html", "a file", set_html},
#endif
#if HF_WITH_PCAPNG
    {"--pcapng", "a file", set_pcapng},
#endif
};

/* Sets the option at argv[*at] and moves on to its value; CLI_SKIPPED if it is no such option. */
static int set_valued(cli_lab_arguments *to, int argc, char **argv, int *at) {
    for (size_t i = 0; i < sizeof valued / sizeof valued[0]; i++) {
        if (strcmp(argv[*at], valued[i].name) != 0) continue;
        const char *const value = *at + 1 < argc ? argv[*at + 1] : "";
        if (*at + 1 < argc && valued[i].set(to, value)) return ++*at, CLI_PASS;
        fprintf(stderr, "holdfast lab: %s %s: it wants %s behind it; see holdfast lab --help\n",
                valued[i].name, value, valued[i].wants);
        return CLI_USAGE;
    }
    return CLI_SKIPPED;
}

static int set_plain(cli_lab_arguments *to, const char *word) {
    if (word[0] == '-')
        return set_switch(to, word) ? CLI_PASS : wrong("there is no option '%s'", word);
    if (to->list && !to->folder) {
        to->folder = word;
        return CLI_PASS;
    }
    if (to->run.file) return wrong("'%s' is a second file; one scenario at a time", word);
    to->run.file = word;
    return CLI_PASS;
}

int cli_lab_read(int argc, char **argv, cli_lab_arguments *to) {
    for (int i = 1; i < argc; i++) {
        int result = set_valued(to, argc, argv, &i);
        if (result == CLI_SKIPPED) result = set_plain(to, argv[i]);
        if (result != CLI_PASS) return result;
    }
    if (!to->run.file && !to->list) return wrong("%s", "which scenario? give its file");
    if (to->run.on->wait && to->sweep.last > 0)
        return wrong("%s", "--seeds repeat nothing on linux; give one run");
    if (to->json + to->jsonl + to->mermaid + to->quiet + to->summary > 1)
        return wrong("%s", "choose one of --json, --jsonl, --mermaid, --quiet and --summary");
    return CLI_PASS;
}
