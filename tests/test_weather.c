/* The weather table: one transfer over each of many paths, by CUBIC and by NewReno, in virtual time.
 * The times repeat exactly, so they stand in tests/data/weather.txt, and a path on which the engine has
 * become slower by more than a twentieth fails.
 *
 *     test_weather             compares
 *     test_weather --print     the table, for tests/data/weather.txt (make weather)
 *     test_weather --markdown  the same for docs/PERFORMANCE.md */
#include "test.h"
#include "weather.h"

#define MB *1000000
#define KB *1000

/* Rate in Mbit/s, round trip in ms, buffer in units of their product. */
static const weather_path paths[] = {
    {"rtt_1ms", 200, 1, 1, .bytes = 60 MB},
    {"rtt_10ms", 100, 10, 1, .bytes = 60 MB},
    {"rtt_50ms", 20, 50, 1, .bytes = 30 MB},
    {"rtt_100ms", 50, 100, 1, .bytes = 60 MB},
    {"rtt_300ms", 20, 300, 1, .bytes = 60 MB},
    {"buffer_0.1bdp", 20, 50, 0.1, .bytes = 30 MB},
    {"buffer_0.25bdp", 20, 50, 0.25, .bytes = 30 MB},
    {"buffer_0.5bdp", 20, 50, 0.5, .bytes = 30 MB},
    {"buffer_2bdp", 20, 50, 2, .bytes = 30 MB},
    {"buffer_4bdp", 20, 50, 4, .bytes = 30 MB},
    {"buffer_0.1bdp_long", 50, 100, 0.1, .bytes = 60 MB},
    {"loss_0.01%", 50, 100, 1, .loss = 0.0001, .bytes = 60 MB},
    {"loss_0.1%", 20, 50, 1, .loss = 0.001, .bytes = 20 MB},
    {"loss_0.5%", 20, 50, 1, .loss = 0.005, .bytes = 10 MB},
    {"loss_1%", 20, 50, 1, .loss = 0.01, .bytes = 10 MB},
    {"loss_2%", 20, 50, 1, .loss = 0.02, .bytes = 5 MB},
    {"loss_5%", 20, 50, 1, .loss = 0.05, .bytes = 3 MB},
    {"loss_10%", 20, 50, 1, .loss = 0.1, .bytes = 1 MB},
    {"loss_1%_1ms", 200, 1, 1, .loss = 0.01, .bytes = 30 MB},
    {"loss_1%_300ms", 20, 300, 1, .loss = 0.01, .bytes = 3 MB},
    {"burst_8", 20, 50, 1, .loss = 0.005, .burst = 8, .bytes = 10 MB},
    {"burst_30", 20, 50, 1, .loss = 0.005, .burst = 30, .bytes = 10 MB},
    {"reorder_1%_2ms", 20, 50, 1, .reorder = 0.01, .reorder_ms = 2, .bytes = 20 MB},
    {"reorder_5%_10ms", 20, 50, 1, .reorder = 0.05, .reorder_ms = 10, .bytes = 20 MB},
    {"jitter_5ms", 20, 50, 1, .jitter_ms = 5, .bytes = 20 MB},
    {"jitter_30ms", 20, 50, 1, .jitter_ms = 30, .bytes = 20 MB},
    {"ack_loss_20%", 20, 50, 1, .ack_loss = 0.2, .bytes = 20 MB},
    {"ack_loss_50%", 20, 50, 1, .ack_loss = 0.5, .bytes = 20 MB},
    {"policer_10mbit", 100, 20, 4, .policed_mbit = 10, .bytes = 10 MB},
    {"fixed_256kb_100ms", 100, 100, 1, .bytes = 30 MB, .buffers = 262144},
    {"unset_100ms", 100, 100, 1, .bytes = 30 MB, .buffers = 1},
    {"unset_300ms", 20, 300, 1, .bytes = 30 MB, .buffers = 1},
    {"unset_1ms", 1000, 1, 1, .bytes = 60 MB, .buffers = 1},
    {"unset_loss_0.1%", 20, 50, 1, .loss = 0.001, .bytes = 20 MB, .buffers = 1},
    {"marks_5ms", 20, 50, 1, .mark_ms = 5, .bytes = 30 MB},
    {"marks_5ms_100ms", 50, 100, 1, .mark_ms = 5, .bytes = 60 MB},
    {"marks_12ms_4bdp", 20, 50, 4, .mark_ms = 12, .bytes = 30 MB},
    {"marks_2ms_0.1bdp", 20, 50, 0.1, .mark_ms = 2, .bytes = 30 MB},
    {"short_15kb", 20, 100, 1, .bytes = 15 KB},
    {"short_300kb", 20, 100, 1, .bytes = 300 KB},
    {"short_15kb_loss_2%", 20, 100, 1, .loss = 0.02, .bytes = 15 KB},
    {"short_300kb_loss_2%", 20, 100, 1, .loss = 0.02, .bytes = 300 KB},
    {"black_hole_1400", 20, 50, 1, .takes_bytes = 1400, .bytes = 10 MB},
    {"black_hole_1400_loss", 20, 50, 1, .takes_bytes = 1400, .loss = 0.01, .bytes = 10 MB},
};
enum { PATHS = sizeof paths / sizeof paths[0], CONTROLLERS = 2 };

static const uint8_t controllers[CONTROLLERS] = {HF_CONGESTION_CUBIC, HF_CONGESTION_NEWRENO};

/* Luck counts for more where chance is and little is transferred: there the mean of more runs. */
static uint32_t runs_of(const weather_path *p) {
    const bool chance = p->loss > 0 || p->reorder > 0 || p->jitter_ms > 0 || p->ack_loss > 0;
    if (!chance) return 1;
    return p->bytes < 1000000 ? 40 : 3;
}

static double mean_ms(const weather_path *path, uint8_t congestion) {
    const uint32_t buffers = path->buffers == 0 ? 4u << 20 : path->buffers == 1 ? 0 : path->buffers;
    const hf_tcp_options options = {.send_bytes = buffers,
                                    .receive_bytes = buffers,
                                    .congestion = congestion,
                                    .ecn = path->mark_ms > 0 ? HF_ECN_ASK : HF_ECN_DEFAULT};
    const uint32_t runs = runs_of(path);
    double sum = 0;
    for (uint32_t i = 1; i <= runs; i++) {
        const double ms = weather_run(path, &options, i);
        if (ms < 0) return -1;
        sum += ms;
    }
    return sum / runs;
}

static double limit_of(const weather_path *p) {
    return p->policed_mbit > 0 ? p->policed_mbit : p->rate_mbit;
}

static double goodput(const weather_path *p, double ms) { return (double)p->bytes * 8 / ms / 1000; }

/* ---- The table ---- */

static void print_row(const weather_path *p, const double ms[CONTROLLERS], bool markdown) {
    const char *format =
        markdown ? "| %-19s | %5.0f | %4.0f | %5.2f | %10.1f | %6.2f | %3.0f | "
                   "%10.1f | %6.2f | %3.0f | %5.2f |\n"
                 : "%-20s %5.0f %4.0f %5.2f %10.1f %6.2f %3.0f %10.1f %6.2f %3.0f %5.2f\n";
    const double cubic = goodput(p, ms[0]), reno = goodput(p, ms[1]);
    printf(format, p->name, limit_of(p), p->rtt_ms, p->buffer_bdp, ms[0], cubic,
           100 * cubic / limit_of(p), ms[1], reno, 100 * reno / limit_of(p), ms[1] / ms[0]);
}

static void print_head(bool markdown) {
    if (markdown) {
        printf(
            "| path | limit | RTT | buffer | CUBIC ms | Mbit/s | %% | NewReno ms | Mbit/s | %% | "
            "ratio |\n|---|---|---|---|---|---|---|---|---|---|---|\n");
        return;
    }
    printf(
        "# Made by `make weather`. Completion time in ms, goodput in Mbit/s and in percent of the\n"
        "# limit; buffer in round trips at the limit; ratio: NewReno's time to CUBIC's.\n"
        "#                    limit  rtt buffr   cubic_ms Mbit/s   %% newreno_ms Mbit/s   %% "
        "ratio\n");
}

static int print_table(bool markdown) {
    print_head(markdown);
    for (size_t i = 0; i < PATHS; i++) {
        double ms[CONTROLLERS];
        for (int k = 0; k < CONTROLLERS; k++) ms[k] = mean_ms(&paths[i], controllers[k]);
        print_row(&paths[i], ms, markdown);
        fflush(stdout);
    }
    return 0;
}

/* ---- The comparison ---- */

/* The two times that the table has for a path. */
static bool stored_ms(const char *table, const char *name, double ret_ms[CONTROLLERS]) {
    char start[40];
    snprintf(start, sizeof start, "\n%s ", name);
    const char *at = strstr(table, start);
    return at != NULL &&
           sscanf(at + strlen(start), "%*f %*f %*f %lf %*f %*f %lf", &ret_ms[0], &ret_ms[1]) == 2;
}

static void no_path_has_become_slower(void **state) {
    (void)state;
    static char table[65536];
    FILE *file = fopen(HF_SOURCE_DIR "/tests/data/weather.txt", "rb");
    assert_non_null(file);
    assert_true(fread(table, 1, sizeof table - 1, file) > 0);
    fclose(file);
    int slower = 0, faster = 0;
    for (size_t i = 0; i < PATHS; i++) {
        double stored[CONTROLLERS];
        if (!stored_ms(table, paths[i].name, stored)) fail_msg("no row for %s", paths[i].name);
        for (int k = 0; k < CONTROLLERS; k++) {
            const double ms = mean_ms(&paths[i], controllers[k]);
            const char *by = k == 0 ? "CUBIC" : "NewReno";
            if (ms < 0 || ms > stored[k] * 1.05) {
                print_message("%s by %s: %.1f ms, was %.1f\n", paths[i].name, by, ms, stored[k]);
                slower++;
            } else if (ms < stored[k] * 0.95) {
                print_message("%s by %s: only %.1f ms, was %.1f\n", paths[i].name, by, ms,
                              stored[k]);
                faster++;
            }
        }
    }
    if (slower + faster > 0) print_message("make weather writes the table anew\n");
    assert_int_equal(slower, 0);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--print") == 0) return print_table(false);
    if (argc > 1 && strcmp(argv[1], "--markdown") == 0) return print_table(true);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_path_has_become_slower),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
