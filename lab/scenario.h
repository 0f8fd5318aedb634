/* A scenario: a Lua file that builds worlds and says what must come of them. It runs to its end
 * before anything is shown; then the caller asks for the views it wants. */
#ifndef LAB_SCENARIO_H
#define LAB_SCENARIO_H

#include "lab/chart.h"
#include "lab/lab.h"

typedef struct lab_run_options {
    const char *file;
    const lab_backend *on;
    uint64_t seed;
    bool whole_packets;  /* keep them whole, for a capture */
    const char *without; /* an option of connections that is read and not obeyed; NULL: none */
    const char *const *params; /* "name=value", for param() */
    size_t param_count;
    const char *const *sets; /* "name=value", a setting of every host */
    size_t set_count;
    volatile bool *stop; /* may become true while it runs: a time limit */
} lab_run_options;

typedef enum lab_result {
    LAB_RESULT_PASS,
    LAB_RESULT_FAIL,
    LAB_RESULT_WRONG,   /* the scenario itself is wrong: message has file:line */
    LAB_RESULT_SKIPPED, /* message says why */
    LAB_RESULT_STOPPED  /* by options.stop */
} lab_result;

typedef struct lab_scenario {
    lab_run_options options;
    lab_result result;
    char *message;
    lab_world **parts;
    char **titles; /* NULL for one without */
    uint32_t part_count;
    char *summary;    /* what the scenario says at its end, or NULL */
    lab_chart *chart; /* what it swept, or NULL */
    char **asked;     /* the names that it gave to param() */
    uint32_t asked_count;
    void *lua;
} lab_scenario;

/* "1min 30s"; false if it is not so. */
bool lab_duration_parse(const char *text, hf_ns *ret_ns);
/* True if connections have an option of this name. */
bool lab_option_exists(const char *name);
lab_scenario *lab_scenario_run(const lab_run_options *options); /* never NULL */
void lab_scenario_free(lab_scenario *scenario);

/* ---- Views ---- */

typedef struct lab_view {
    bool colour, utf8, trace, fold;
    bool summary;            /* only what it says at its end */
    uint32_t part;           /* only this one, counted from 1; 0: all */
    hf_ns from_ns, until_ns; /* only what happened then; until 0: to the end */
    uint32_t width, most_rows;
} lab_view;

bool lab_show_ladder(const lab_scenario *scenario, const lab_view *view, FILE *to);
bool lab_show_json(const lab_scenario *scenario, bool lines, FILE *to);
bool lab_show_mermaid(const lab_scenario *scenario, FILE *to);
bool lab_show_html(const lab_scenario *scenario, FILE *to); /* with HF_WITH_HTML */
/* Why a packet left and what became of it; with `trace` also what a receiver that took it made of
 * it. */
void lab_frame_sentence(const lab_record *record, bool trace, char *to, size_t size);
/* What passed and what failed, and how to run it again. */
void lab_show_result(const lab_scenario *scenario, bool every_expectation, FILE *to);
const char *lab_result_name(lab_result result);

#endif
