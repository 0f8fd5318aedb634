/* holdfast lab */
#define _POSIX_C_SOURCE 200809L
#include "cli/lab.h"
#include "lab/scenario.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_ROWS = 240, USUAL_TIME_LIMIT_S = 600 };

static volatile bool stop_wanted;

static void on_alarm(int number) {
    (void)number;
    stop_wanted = true;
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

static bool show(const lab_scenario *scenario, const cli_lab_arguments *arguments) {
    if (arguments->quiet) return true;
    if (arguments->json || arguments->jsonl)
        return lab_show_json(scenario, arguments->jsonl, stdout);
    if (arguments->mermaid) return lab_show_mermaid(scenario, stdout);
    const lab_view view = {.colour = isatty(STDOUT_FILENO) && !set_in_environment("NO_COLOR"),
                           .utf8 = locale_is_utf8(),
                           .trace = arguments->trace,
                           .summary = arguments->summary,
                           .part = arguments->part,
                           .from_ns = arguments->from_ns,
                           .until_ns = arguments->until_ns,
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

static bool put_chart(const lab_scenario *scenario, FILE *to) {
    return lab_show_svg(scenario->chart, to);
}

/* Writes one view into a file of its own. */
static bool write_to(const char *path, const char *what, const lab_scenario *scenario,
                     bool (*put)(const lab_scenario *, FILE *)) {
    FILE *const file = fopen(path, "w");
    bool good = file && put(scenario, file);
    if (file && fclose(file) != 0) good = false;
    if (!good) fprintf(stderr, "holdfast lab: the %s '%s' could not be written\n", what, path);
    return good;
}

static bool chart(const lab_scenario *scenario, const char *path) {
    if (!path) return true;
    if (scenario->chart) return write_to(path, "chart", scenario, put_chart);
    fputs("holdfast lab: --svg: the scenario draws no chart\n", stderr);
    return false;
}

static bool page(const lab_scenario *scenario, const char *path) {
#if HF_WITH_HTML
    return !path || write_to(path, "page", scenario, lab_show_html);
#else
    (void)scenario;
    return path == NULL;
#endif
}

static int run(cli_lab_arguments *arguments) {
    arguments->run.stop = &stop_wanted;
    limit_time(arguments->time_limit_s);
    lab_scenario *const scenario = lab_scenario_run(&arguments->run);
    alarm(0);
    const bool shown = show(scenario, arguments) && fflush(stdout) == 0;
    if (!shown) fputs("holdfast lab: stdout cannot be written\n", stderr);
    const bool captured = capture(scenario, arguments->pcapng) && chart(scenario, arguments->svg) &&
                          page(scenario, arguments->html);
    lab_show_result(scenario, arguments->expectations, stderr);
    const int code = shown && captured ? exit_code(scenario->result) : CLI_USAGE;
    lab_scenario_free(scenario);
    return code;
}

/* One run after another; the first that is not a matter of the seed ends the sweep. */
static int sweep(cli_lab_arguments *arguments) {
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
    cli_lab_arguments arguments = {.run = {.on = &lab_on_holdfast, .seed = 1},
                                   .time_limit_s = USUAL_TIME_LIMIT_S};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") != 0 && strcmp(argv[i], "-h") != 0) continue;
        cli_lab_help(stdout);
        return CLI_PASS;
    }
    const int result = cli_lab_read(argc, argv, &arguments);
    if (result != CLI_PASS) return result;
    if (arguments.list) return cli_lab_list(arguments.folder);
    return arguments.sweep.last > 0 ? sweep(&arguments) : run(&arguments);
}
