/* What passed, what failed and where, and how to run it again. */
#include "lab/scenario.h"
#include <hf/ladder.h>
#include <string.h>

const char *lab_result_name(lab_result result) {
    switch (result) {
    case LAB_RESULT_PASS: return "pass";
    case LAB_RESULT_FAIL: return "fail";
    case LAB_RESULT_WRONG: return "wrong";
    case LAB_RESULT_SKIPPED: return "skipped";
    case LAB_RESULT_STOPPED: return "stopped";
    }
    return "unknown";
}

static void show_world(const lab_world *world, bool every_expectation, uint32_t *passed, FILE *to) {
    for (uint32_t i = 0; i < world->expect_count; i++) {
        const lab_expect *const expect = world->expects[i];
        const bool good = expect->outcome == LAB_PASSED;
        *passed += good;
        if (!good || every_expectation)
            fprintf(to, "%s %s: %s\n", good ? "  ok  " : "  FAIL", expect->where, expect->message);
    }
    for (uint32_t i = 0; i < world->problem_count; i++)
        fprintf(to, "  FAIL %s\n", world->problems[i]);
}

static void show_replay(const lab_scenario *scenario, FILE *to) {
    const lab_run_options *const options = &scenario->options;
    fprintf(to, "replay: holdfast lab %s --seed %llu", options->file,
            (unsigned long long)options->seed);
    for (size_t i = 0; i < options->param_count; i++) fprintf(to, " -p %s", options->params[i]);
    for (size_t i = 0; i < options->set_count; i++) fprintf(to, " --set %s", options->sets[i]);
    if (options->without) fprintf(to, " --without %s", options->without);
    if (options->on->wait) fputs(" --on linux", to);
    fputc('\n', to);
}

void lab_show_result(const lab_scenario *scenario, bool every_expectation, FILE *to) {
    uint32_t passed = 0;
    const bool judged = scenario->result == LAB_RESULT_PASS || scenario->result == LAB_RESULT_FAIL;
    for (uint32_t i = 0; i < scenario->part_count && judged; i++)
        show_world(scenario->parts[i], every_expectation, &passed, to);
    const char *const file = scenario->options.file;
    switch (scenario->result) {
    case LAB_RESULT_PASS:
        fprintf(to, "PASS %s, seed %llu: %u expectation%s\n", file,
                (unsigned long long)scenario->options.seed, passed, passed == 1 ? "" : "s");
        break;
    case LAB_RESULT_FAIL:
        fprintf(to, "FAIL %s, seed %llu\n", file, (unsigned long long)scenario->options.seed);
        show_replay(scenario, to);
        break;
    case LAB_RESULT_WRONG: fprintf(to, "holdfast lab: %s\n", scenario->message); break;
    case LAB_RESULT_SKIPPED: fprintf(to, "SKIP %s: %s\n", file, scenario->message); break;
    case LAB_RESULT_STOPPED:
        fprintf(to, "STOP %s: %s\n", file, scenario->message);
        show_replay(scenario, to);
        break;
    }
}
