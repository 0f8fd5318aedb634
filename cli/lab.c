/* holdfast lab */
#define _POSIX_C_SOURCE 200809L
#include "cli/cli.h"
#include "lab/scenario.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_ROWS = 240, USUAL_TIME_LIMIT_S = 600, MOST_PARAMS = 16 };

struct lab_arguments {
    lab_run_options run;
    bool json, jsonl, mermaid, trace, quiet, list, no_fold, expectations;
    const char *folder, *pcapng;
    cli_sweep sweep;
    const char *params[MOST_PARAMS];
    unsigned time_limit_s;
};

static volatile bool stop_wanted;

static void on_alarm(int number) {
    (void)number;
    stop_wanted = true;
}

static void help(FILE *to) {
    fputs("usage: holdfast lab FILE.lua [options]\n"
          "       holdfast lab --list [FOLDER]\n\n"
          "Runs a scenario in virtual time and draws what happened. A scenario is a test too:\n"
          "its expectations decide how the command ends.\n\n"
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
          "  --trace         draw timers, and what each receiver made of each packet, too\n"
          "  --no-fold       draw repetition in full\n"
          "  --expectations  tell the passed expectations, too (stderr)\n"
          "  --quiet         draw nothing\n"
          "  --time-limit S  give up after S seconds of real time (600)\n"
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
static bool set_switch(struct lab_arguments *to, const char *word) {
    const struct {
        const char *name;
        bool *value;
    } switches[] = {{"--json", &to->json},       {"--jsonl", &to->jsonl},
                    {"--mermaid", &to->mermaid}, {"--trace", &to->trace},
                    {"--quiet", &to->quiet},     {"--expectations", &to->expectations},
                    {"--list", &to->list},       {"--no-fold", &to->no_fold}};
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        if (strcmp(word, switches[i].name) != 0) continue;
        *switches[i].value = true;
        return true;
    }
    return false;
}

static int set_number(struct lab_arguments *to, const char *name, const char *value) {
    unsigned long long given = 0;
    const bool seed = strcmp(name, "--seed") == 0;
    if (!number(value, seed ? UINT64_MAX : 1000000, &given) || (!seed && given == 0)) {
        fprintf(stderr,
                "holdfast lab: %s %s is not a whole number in range; see holdfast lab --help\n",
                name, value);
        return CLI_USAGE;
    }
    if (seed)
        to->run.seed = given;
    else
        to->time_limit_s = (unsigned)given;
    return CLI_PASS;
}

static int read_arguments(int argc, char **argv, struct lab_arguments *to) {
    for (int i = 1; i < argc; i++) {
        const char *const word = argv[i];
        if (HF_WITH_PCAPNG && strcmp(word, "--pcapng") == 0) {
            if (i + 1 == argc) return wrong("%s wants a file behind it", word);
            to->pcapng = argv[++i];
            to->run.whole_packets = true;
            continue;
        }
        if (strcmp(word, "--without") == 0) {
            if (i + 1 == argc || !lab_option_exists(argv[i + 1]))
                return wrong("%s wants the name of an option of connections", word);
            to->run.without = argv[++i];
            continue;
        }
        if (strcmp(word, "-p") == 0) {
            if (i + 1 == argc || !strchr(argv[i + 1], '='))
                return wrong("%s wants NAME=VALUE behind it", word);
            if (to->run.param_count == MOST_PARAMS) return wrong("too many %s", word);
            to->params[to->run.param_count++] = argv[++i];
            to->run.params = to->params;
            continue;
        }
        if (strcmp(word, "--seeds") == 0 || strcmp(word, "--shard") == 0) {
            if (i + 1 == argc || !cli_sweep_read(&to->sweep, word, argv[i + 1]))
                return wrong("%s wants two numbers behind it, as in --seeds 1-100 --shard 0/4",
                             word);
            i++;
            continue;
        }
        const bool numeric = strcmp(word, "--seed") == 0 || strcmp(word, "--time-limit") == 0;
        if (numeric && i + 1 == argc) return wrong("%s wants a number behind it", word);
        if (numeric) {
            const int result = set_number(to, word, argv[++i]);
            if (result != CLI_PASS) return result;
        } else if (word[0] != '-' && to->list && !to->folder) {
            to->folder = word;
        } else if (word[0] != '-') {
            if (to->run.file) return wrong("'%s' is a second file; one scenario at a time", word);
            to->run.file = word;
        } else if (!set_switch(to, word)) {
            return wrong("there is no option '%s'", word);
        }
    }
    if (!to->run.file && !to->list) return wrong("%s", "which scenario? give its file");
    if (to->json + to->jsonl + to->mermaid + to->quiet > 1)
        return wrong("%s", "choose one of --json, --jsonl, --mermaid and --quiet");
    return CLI_PASS;
}

static bool set_in_environment(const char *name) {
    const char *const value = getenv(name);
    return value && value[0];
}

/* As the C library does: the first of the three that is set decides. */
static bool locale_is_utf8(void) {
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (int i = 0; i < 3; i++) {
        if (!set_in_environment(names[i])) continue;
        const char *const value = getenv(names[i]);
        return strstr(value, "UTF-8") || strstr(value, "utf8") || strstr(value, "UTF8");
    }
    return false;
}

static bool show(const lab_scenario *scenario, const struct lab_arguments *arguments) {
    if (arguments->quiet) return true;
    if (arguments->json || arguments->jsonl)
        return lab_show_json(scenario, arguments->jsonl, stdout);
    if (arguments->mermaid) return lab_show_mermaid(scenario, stdout);
    const lab_view view = {.colour = isatty(STDOUT_FILENO) && !set_in_environment("NO_COLOR"),
                           .utf8 = locale_is_utf8(),
                           .trace = arguments->trace,
                           .fold = !arguments->no_fold,
                           .width = 80,
                           .most_rows = arguments->no_fold ? 0 : MOST_ROWS};
    return lab_show_ladder(scenario, &view, stdout);
}

static int exit_code(lab_result result) {
    switch (result) {
    case LAB_RESULT_PASS: return CLI_PASS;
    case LAB_RESULT_FAIL: return CLI_FAIL;
    case LAB_RESULT_WRONG: return CLI_USAGE;
    case LAB_RESULT_SKIPPED: return CLI_SKIPPED;
    case LAB_RESULT_STOPPED: return CLI_TIME_LIMIT;
    }
    return CLI_USAGE;
}

static void limit_time(unsigned seconds) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_alarm;
    sigaction(SIGALRM, &action, NULL);
    alarm(seconds);
}

static bool capture(const lab_scenario *scenario, const char *path) {
#if HF_WITH_PCAPNG
    if (!path || cli_capture(scenario, path)) return true;
    fprintf(stderr, "holdfast lab: the capture '%s' could not be written\n", path);
    return false;
#else
    (void)scenario;
    return path == NULL;
#endif
}

static int run(struct lab_arguments *arguments) {
    arguments->run.stop = &stop_wanted;
    limit_time(arguments->time_limit_s);
    lab_scenario *const scenario = lab_scenario_run(&arguments->run);
    alarm(0);
    const bool shown = show(scenario, arguments) && fflush(stdout) == 0;
    if (!shown) fputs("holdfast lab: stdout cannot be written\n", stderr);
    const bool captured = capture(scenario, arguments->pcapng);
    lab_show_result(scenario, arguments->expectations, stderr);
    const int code = shown && captured ? exit_code(scenario->result) : CLI_USAGE;
    lab_scenario_free(scenario);
    return code;
}

/* One run after another; the first that is not a matter of the seed ends the sweep. */
static int sweep(struct lab_arguments *arguments) {
    unsigned long long runs = 0, failed = 0;
    arguments->run.stop = &stop_wanted;
    limit_time(arguments->time_limit_s);
    const cli_sweep *const seeds = &arguments->sweep;
    for (unsigned long long seed = seeds->first + seeds->index; seed <= seeds->last;
         seed += seeds->count) {
        arguments->run.seed = seed;
        lab_scenario *const scenario = lab_scenario_run(&arguments->run);
        const int code = exit_code(scenario->result);
        if (code != CLI_PASS) lab_show_result(scenario, false, stderr);
        lab_scenario_free(scenario);
        if (code != CLI_PASS && code != CLI_FAIL) return code;
        runs++;
        failed += code == CLI_FAIL;
        if (seed > UINT64_MAX - seeds->count) break;
    }
    printf("%s: %llu seeds, %llu failed\n", arguments->run.file, runs, failed);
    return failed > 0 ? CLI_FAIL : CLI_PASS;
}

int cli_lab(int argc, char **argv) {
    struct lab_arguments arguments = {.run = {.seed = 1}, .time_limit_s = USUAL_TIME_LIMIT_S};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") != 0 && strcmp(argv[i], "-h") != 0) continue;
        help(stdout);
        return CLI_PASS;
    }
    const int result = read_arguments(argc, argv, &arguments);
    if (result != CLI_PASS) return result;
    if (arguments.list) return cli_lab_list(arguments.folder);
    return arguments.sweep.last > 0 ? sweep(&arguments) : run(&arguments);
}
