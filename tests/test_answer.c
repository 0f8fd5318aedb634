/* The arithmetic of `holdfast answer`, held against what Linux 6.18 was measured to do: HZ=250,
 * round trips below 1 ms but where named. Its timers fire up to 1/8 late, so a figure computed with
 * half that lateness may be 13 % off; most are within 2 %. */
#include "test.h"
#include "cli/numbers.h"
#include "cli/page.h"
#include "doctor/sums.h"
#include <string.h>

static void near(double computed, double measured, double percent) {
    const double slack = measured * percent / 100;
    if (computed >= measured - slack && computed <= measured + slack) return;
    fail_msg("computed %.2f s, measured %.2f s: more than %.0f %% apart", computed, measured,
             percent);
}

/* ---- In flight ---- */

static void data_in_flight_is_given_up_as_measured(void **state) {
    (void)state;
    static const struct {
        sum_retries with;
        double measured_s;
    } rows[] = {{{0.204, 120, 15, 0}, 938.9}, /* the defaults */
                {{0.204, 120, 3, 0}, 6.72},   /* tcp_retries2 */
                {{0.204, 120, 5, 0}, 13.34},   {{0.204, 120, 8, 0}, 107.78},
                {{0.204, 5, 15, 0}, 63.09},                                  /* TCP_RTO_MAX_MS */
                {{0.204, 1, 15, 0}, 14.99},    {{0.244, 120, 15, 0}, 974.5}, /* round trip 40 ms */
                {{0.472, 120, 15, 0}, 970.41},                               /* and 200 ms */
                {{0.204, 120, 15, 3}, 3.4},    {{0.204, 120, 15, 10}, 10.6},
                {{0.204, 120, 15, 12}, 12.7},  {{0.204, 120, 15, 30}, 30.6},
                {{0.468, 120, 15, 10}, 11.18}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        near(sum_in_flight(&rows[i].with), rows[i].measured_s, 5);
}

static void the_nominal_sum_is_the_documented_lower_bound(void **state) {
    (void)state;
    const sum_retries usual = {0.204, 120, 15, 0}, short_one = {0.204, 1, 15, 0};
    near(sum_nominal(&usual), 924.6, 0.001);
    assert_int_equal(sum_doublings(&usual), 9);
    near(sum_nominal(&short_one), 14.4, 0.001);
    assert_int_equal(sum_doublings(&short_one), 2);
    assert_true(sum_in_flight(&usual) > sum_nominal(&usual));
}

/* ---- Zero window ---- */

static void a_closed_window_with_a_dead_peer_is_given_up_as_measured(void **state) {
    (void)state;
    const double closed_s = 3.9; /* before the cut, in all of these runs */
    static const struct {
        sum_retries with;
        double measured_s;
    } rows[] = {{{0.204, 120, 15, 0}, 1428.1}, {{0.204, 5, 15, 0}, 83.6},
                {{0.204, 1, 15, 0}, 20.0},     {{0.204, 120, 15, 10}, 10.4},
                {{0.204, 120, 15, 30}, 30.3},  {{0.204, 120, 3, 0}, 10.46},
                {{0.204, 120, 5, 0}, 36.44}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        near(sum_zero_window(&rows[i].with, closed_s), rows[i].measured_s, 13);
}

static void the_longer_a_window_was_closed_the_longer_its_death_takes(void **state) {
    (void)state;
    const sum_retries usual = {0.204, 120, 15, 0};
    assert_true(sum_zero_window(&usual, 300) - 300 > sum_zero_window(&usual, 4) - 4);
}

/* ---- Idle ---- */

static void an_idle_connection_ends_as_measured(void **state) {
    (void)state;
    static const struct {
        sum_keepalive with;
        double measured_s;
    } rows[] = {{{5, 5, 3, 0}, 20.4},   {{10, 10, 5, 0}, 61.4}, {{1, 1, 3, 0}, 4.1},
                {{10, 3, 3, 0}, 19.35}, {{5, 5, 3, 10}, 10.2},  {{5, 5, 3, 12}, 15.3},
                {{5, 5, 3, 30}, 30.6},  {{5, 5, 3, 3}, 10.2},   {{10, 10, 3, 20}, 20.3}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        near(sum_idle(&rows[i].with), rows[i].measured_s, 2);
}

static void a_user_timeout_overrides_the_count(void **state) {
    (void)state;
    const sum_keepalive with = {5, 7, 3, 13}, without = {5, 7, 3, 0};
    assert_true(sum_idle_nominal(&with) == 19);
    assert_true(sum_idle_nominal(&without) == 26);
}

/* ---- connect() ---- */

static void connect_gives_up_as_measured(void **state) {
    (void)state;
    static const struct {
        sum_connect with;
        double measured_s;
    } rows[] = {{{6, 4, 120, 0}, 134},   {{1, 4, 120, 0}, 3.06}, {{3, 4, 120, 0}, 19.46},
                {{6, 0, 120, 0}, 130.3}, {{2, 0, 120, 0}, 7.1},  {{6, 4, 5, 0}, 31.86},
                {{6, 4, 1, 0}, 7.15},    {{6, 4, 120, 10}, 10.1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        near(sum_connect_gives_up(&rows[i].with), rows[i].measured_s, 2);
}

static void syns_go_when_they_were_seen(void **state) {
    (void)state;
    static const double seen_s[] = {0,    1.01,  2.03,  3.05,  4.08, 5.1,
                                    7.12, 11.38, 19.57, 35.69, 68.46};
    const sum_connect usual = {6, 4, 120, 0};
    for (unsigned i = 1; i < 11; i++) {
        assert_true(sum_syn_at(&usual, i) <= seen_s[i]);
        near(sum_syn_at(&usual, i), seen_s[i], 13);
    }
    assert_true(sum_syn_at(&usual, 11) == SUMS_NEVER);
}

/* ---- Full listeners ---- */

static void assert_burst(sum_burst burst, double queued, double syn_received, double cookies,
                         double unanswered) {
    assert_true(burst.queued == queued);
    assert_true(burst.syn_received == syn_received);
    assert_true(burst.cookies == cookies);
    assert_true(burst.unanswered == unanswered);
}

static void a_burst_ends_as_measured(void **state) {
    (void)state;
    assert_burst(sum_overflow(1, 0, 12, true), 2, 0, 10, 0);
    assert_burst(sum_overflow(1, 0, 12, false), 2, 0, 0, 10);
    assert_burst(sum_overflow(2, 0, 12, false), 3, 0, 0, 9);
    assert_burst(sum_overflow(8, 0, 24, true), 9, 0, 15, 0);
    assert_burst(sum_overflow(8, 8, 20, true), 1, 8, 11, 0);
    assert_burst(sum_overflow(8, 8, 20, false), 1, 8, 0, 11);
    assert_burst(sum_overflow(8, 9, 5, true), 0, 0, 0, 5);
    assert_burst(sum_overflow(128, 0, 50, true), 50, 0, 0, 0);
}

static void a_handshake_without_a_place_is_kept_as_measured(void **state) {
    (void)state;
    assert_true(sum_syn_received(5) == 63);
    assert_true(sum_syn_received(2) == 7);
}

/* ---- TIME_WAIT ---- */

static void a_table_of_sockets_refuses_as_measured(void **state) {
    (void)state;
    const sum_table ten = {255, 20, 0.1, 60}, four = {255, 20, 0.25, 60},
                    slower = {255, 20, 0.26, 60}, freed = {255, 16, 0.1, 60};
    assert_true(sum_table_passes(&ten) == 235);
    near(sum_table_passes(&ten) * ten.every_s, 23.5, 0.001);
    assert_true(sum_table_needs(&ten) == 600);
    assert_true(sum_table_passes(&four) == 235); /* then 6 refusals */
    assert_true(sum_table_needs(&four) == 240);
    assert_true(sum_table_passes(&slower) == SUMS_NEVER);
    assert_true(sum_table_passes(&freed) == 239);
}

/* ---- Pages ---- */

static size_t parameters_of(const cli_page *page) {
    page_parameter parameter;
    size_t count = 0;
    while (page_parameter_at(page, count, &parameter)) count++;
    return count;
}

static void a_page_documents_exactly_the_parameters_of_its_sums(void **state) {
    (void)state;
    size_t with_sums = 0;
    for (size_t i = 0; i < cli_page_count; i++) {
        const numbers *const of = numbers_of(cli_pages[i].name);
        with_sums += of != NULL;
        assert_int_equal(parameters_of(&cli_pages[i]), of ? numbers_count(of) : 0);
        for (size_t k = 0; of && k < numbers_count(of); k++) {
            page_parameter parameter;
            double value;
            char why[240];
            assert_true(page_parameter_at(&cli_pages[i], k, &parameter));
            assert_string_equal(parameter.name, of->rules[k].name);
            assert_true(number_read(&of->rules[k], parameter.value, &value, why, sizeof why));
        }
    }
    assert_int_equal(with_sums, 5);
}

static void every_page_has_a_title_keywords_and_a_short_answer(void **state) {
    (void)state;
    for (size_t i = 0; i < cli_page_count; i++) {
        char title[160];
        page_title(&cli_pages[i], title, sizeof title);
        assert_string_not_equal(title, cli_pages[i].name);
        assert_true(strncmp(cli_pages[i].text, "<!-- keywords: ", 15) == 0);
        assert_non_null(strstr(cli_pages[i].text, "\n## Short answer\n"));
    }
}

static void a_word_is_found_however_it_is_spelt(void **state) {
    (void)state;
    char tw[] = "time_wait", nowhere[] = "zorro";
    char *words[] = {tw, nowhere};
    bool in_head;
    const cli_page *const page = page_by_name("time-wait");
    assert_non_null(page);
    assert_true(page_score(page, words, 1, &in_head) > 0);
    assert_true(in_head);
    assert_int_equal(page_score(page, words, 2, &in_head), 0);
}

/* ---- Values ---- */

static double value_of(number_kind kind, const char *text) {
    const number_rule rule = {"x", kind, 0, 1e6};
    double value;
    char why[240];
    return number_read(&rule, text, &value, why, sizeof why) ? value : -1;
}

static void values_have_units(void **state) {
    (void)state;
    near(value_of(NUMBER_DURATION, "1min 30s"), 90, 0.001);
    near(value_of(NUMBER_DURATION, "250ms"), 0.25, 0.001);
    assert_true(value_of(NUMBER_DURATION, "0") == 0);
    near(value_of(NUMBER_RATE, "600/min"), 10, 0.001);
    assert_true(value_of(NUMBER_COUNT, "17") == 17);
    assert_true(value_of(NUMBER_SWITCH, "off") == 0);
    static const char *const bad[] = {"10",  "10 parsecs", "",      "s",  "-3s",
                                      "inf", "nan",        "0x10s", "5s5"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_true(value_of(NUMBER_DURATION, bad[i]) == -1);
    assert_true(value_of(NUMBER_COUNT, "1.5") == -1);
    assert_true(value_of(NUMBER_COUNT, "2000000") == -1);
    assert_true(value_of(NUMBER_RATE, "1000") == -1);
    assert_true(value_of(NUMBER_SWITCH, "maybe") == -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_in_flight_is_given_up_as_measured),
        cmocka_unit_test(the_nominal_sum_is_the_documented_lower_bound),
        cmocka_unit_test(a_closed_window_with_a_dead_peer_is_given_up_as_measured),
        cmocka_unit_test(the_longer_a_window_was_closed_the_longer_its_death_takes),
        cmocka_unit_test(an_idle_connection_ends_as_measured),
        cmocka_unit_test(a_user_timeout_overrides_the_count),
        cmocka_unit_test(connect_gives_up_as_measured),
        cmocka_unit_test(syns_go_when_they_were_seen),
        cmocka_unit_test(a_burst_ends_as_measured),
        cmocka_unit_test(a_handshake_without_a_place_is_kept_as_measured),
        cmocka_unit_test(a_table_of_sockets_refuses_as_measured),
        cmocka_unit_test(a_page_documents_exactly_the_parameters_of_its_sums),
        cmocka_unit_test(every_page_has_a_title_keywords_and_a_short_answer),
        cmocka_unit_test(a_word_is_found_however_it_is_spelt),
        cmocka_unit_test(values_have_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
