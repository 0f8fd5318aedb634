/* The doctor's rules, filters and sums over sockets that are made up: what fires, what does not, and
 * what is unknown. Real ones are in test_doctor_notice.c and doctor_cli. */
#define _GNU_SOURCE
#include "test.h"
#include "doctor/filter.h"
#include "doctor/rules.h"
#include "doctor/show.h"
#include "doctor/sums.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 128 };
static doctor_conn conns[MOST];
static doctor_netns netns;
static doctor_view view;

static void begin(void) {
    netns = (doctor_netns){.inode = 7, .name = "this", .seen = true};
    netns.limits = (doctor_limits){.retries2 = 15,
                                   .syn_retries = 6,
                                   .syn_linear = 4,
                                   .rto_max_ms = 120000,
                                   .fin_timeout_s = 60,
                                   .tw_buckets = 100,
                                   .first_port = 40000,
                                   .last_port = 40099};
    view = (doctor_view){.conns = conns,
                         .netns = &netns,
                         .netns_count = 1,
                         .major = 6,
                         .minor = 18,
                         .jiffy_s = 0.004};
}

/* An idle connection of process 31 with keepalive 5/7/3 and a bound on everything else. */
static doctor_conn *add(void) {
    doctor_conn *const conn = &conns[view.conn_count++];
    *conn = (doctor_conn){.local = hf_addr4(10, 0, 0, 1),
                          .remote = hf_addr4(10, 0, 0, 2),
                          .local_port = (uint16_t)(41000 + view.conn_count),
                          .remote_port = 443,
                          .state = DOCTOR_ESTABLISHED,
                          .inode = (uint32_t)view.conn_count,
                          .pid = 31,
                          .fd = (int)view.conn_count + 2,
                          .command = "tester"};
    conn->settings = (doctor_settings){.source = DOCTOR_BY_GETSOCKOPT,
                                       .keepalive = true,
                                       .keep_idle_s = 5,
                                       .keep_interval_s = 7,
                                       .keep_count = 3,
                                       .rto_max_ms = 3000,
                                       .syn_retries = 6};
    conn->info = (doctor_info){.known = true,
                               .rto_us = 204000,
                               .rtt_us = 300,
                               .since_data_sent_ms = 1100,
                               .since_data_heard_ms = 1200,
                               .since_ack_heard_ms = 1300,
                               .bytes_acked = 17,
                               .data_segs_in = 3};
    return conn;
}

/* How many sockets the rule finds; *ret_severity is the first finding's. */
static size_t found(doctor_rule rule, doctor_severity *ret_severity) {
    doctor_findings findings;
    size_t count = 0;
    doctor_find(&view, &findings);
    for (size_t i = 0; i < findings.count; i++) {
        if (findings.rows[i].rule != rule) continue;
        if (count == 0) *ret_severity = findings.rows[i].severity;
        count += findings.rows[i].count;
    }
    doctor_findings_free(&findings);
    return count;
}

static void assert_found(doctor_rule rule, size_t count, doctor_severity severity) {
    doctor_severity its = DOCTOR_INFO;
    assert_int_equal(found(rule, &its), count);
    if (count > 0) assert_int_equal(its, severity);
}

/* ---- Rules ---- */

static void a_bounded_connection_has_no_finding(void **state) {
    (void)state;
    doctor_findings findings;
    begin();
    add();
    doctor_find(&view, &findings);
    assert_int_equal(findings.count, 0);
    assert_int_equal(doctor_exit_code(&view, &findings), DOCTOR_OK);
    doctor_findings_free(&findings);
}

static void without_keepalive_a_peer_is_never_noticed(void **state) {
    (void)state;
    begin();
    add()->settings.keepalive = false;
    assert_found(DOCTOR_NEVER_NOTICED, 1, DOCTOR_WARNING);
    begin();
    doctor_conn *const conn = add();
    conn->settings.keepalive = false;
    conn->settings.user_timeout_ms = 9000; /* needs something in flight */
    assert_found(DOCTOR_NEVER_NOTICED, 1, DOCTOR_WARNING);
}

static void no_line_is_cut_within_one_machine(void **state) {
    (void)state;
    begin();
    doctor_conn *const conn = add();
    conn->settings.keepalive = false;
    conn->remote = hf_addr4(127, 0, 0, 1);
    assert_found(DOCTOR_NEVER_NOTICED, 0, DOCTOR_INFO);
    conn->remote = conn->local;
    assert_found(DOCTOR_NEVER_NOTICED, 0, DOCTOR_INFO);
}

static void unknown_settings_are_no_finding_and_no_all_clear(void **state) {
    (void)state;
    doctor_findings findings;
    doctor_verdict verdict;
    begin();
    doctor_conn *const conn = add();
    conn->settings = (doctor_settings){.source = DOCTOR_UNKNOWN};
    doctor_judge(&view, conn, &verdict);
    assert_false(verdict.now.known);
    assert_string_equal(doctor_mechanism(&verdict.now), "unknown");
    view.unknown_settings = 1;
    doctor_find(&view, &findings);
    assert_int_equal(findings.count, 0);
    assert_int_equal(doctor_exit_code(&view, &findings), DOCTOR_IS_UNKNOWN);
    doctor_findings_free(&findings);
}

static void a_long_limit_in_one_phase_is_late(void **state) {
    (void)state;
    begin();
    add()->settings.rto_max_ms = 120000;
    assert_found(DOCTOR_NOTICED_LATE, 1, DOCTOR_INFO);
}

static void flowing_data_starves_keepalive(void **state) {
    (void)state;
    begin();
    doctor_conn *const conn = add();
    conn->settings.rto_max_ms = 120000;
    assert_found(DOCTOR_KEEPALIVE_STARVED, 0, DOCTOR_INFO);
    conn->info.data_segs_out = 9;
    assert_found(DOCTOR_KEEPALIVE_STARVED, 1, DOCTOR_WARNING);
    conn->info.since_data_sent_ms = conn->info.since_data_heard_ms = 4000;
    assert_found(DOCTOR_KEEPALIVE_STARVED, 0, DOCTOR_INFO);
}

static void a_user_timeout_overrides_and_kills(void **state) {
    (void)state;
    begin();
    doctor_conn *const conn = add();
    conn->settings.user_timeout_ms = 26000; /* what the count says, too */
    assert_found(DOCTOR_USER_TIMEOUT_OVERRIDES, 0, DOCTOR_INFO);
    assert_found(DOCTOR_USER_TIMEOUT_KILLS, 1, DOCTOR_INFO);
    conn->settings.user_timeout_ms = 13000;
    conn->timer = DOCTOR_TIMER_WINDOW_PROBE;
    assert_found(DOCTOR_USER_TIMEOUT_OVERRIDES, 1, DOCTOR_INFO);
    assert_found(DOCTOR_USER_TIMEOUT_KILLS, 1, DOCTOR_WARNING);
    assert_found(DOCTOR_ZERO_WINDOW, 1, DOCTOR_WARNING);
}

static void a_client_that_nobody_acknowledges_is_half_established(void **state) {
    (void)state;
    begin();
    doctor_conn *const conn = add();
    conn->timer = DOCTOR_TIMER_RETRANSMIT;
    conn->retransmits = conn->info.retransmits = 2;
    conn->info.unacked_segs = 1;
    assert_found(DOCTOR_HALF_ESTABLISHED, 0, DOCTOR_INFO);
    assert_found(DOCTOR_RETRANSMITTING, 1, DOCTOR_WARNING);
    conn->info.bytes_acked = 1;
    conn->info.data_segs_in = 0;
    assert_found(DOCTOR_HALF_ESTABLISHED, 1, DOCTOR_WARNING);
}

static void leaks_count_from_a_minute_on(void **state) {
    (void)state;
    begin();
    for (int i = 0; i < 100; i++) {
        doctor_conn *const conn = add();
        conn->state = i < 3 ? DOCTOR_FIN_WAIT_2 : DOCTOR_CLOSE_WAIT;
        conn->info.since_ack_heard_ms = conn->info.since_data_heard_ms = i == 50 ? 59000 : 61000;
    }
    assert_found(DOCTOR_CLOSE_WAIT_LEAK, 96, DOCTOR_WARNING);
    assert_found(DOCTOR_FIN_WAIT_2_HOARD, 3, DOCTOR_WARNING);
    for (int i = 0; i < 4; i++) {
        doctor_conn *const conn = add();
        conn->state = DOCTOR_CLOSE_WAIT;
        conn->info.since_ack_heard_ms = conn->info.since_data_heard_ms = 61000;
    }
    assert_found(DOCTOR_CLOSE_WAIT_LEAK, 100, DOCTOR_CRITICAL);
}

static void a_listener_is_full_beyond_its_limit(void **state) {
    (void)state;
    begin();
    doctor_conn *const conn = add();
    conn->state = DOCTOR_LISTEN;
    conn->queued_bytes = 8;
    conn->received_bytes = 5;
    assert_found(DOCTOR_LISTENER_FULL, 0, DOCTOR_INFO);
    conn->drops = 3;
    assert_found(DOCTOR_LISTENER_FULL, 1, DOCTOR_INFO);
    conn->received_bytes = 6;
    assert_found(DOCTOR_LISTENER_FULL, 1, DOCTOR_WARNING);
    conn->received_bytes = 9;
    assert_found(DOCTOR_LISTENER_FULL, 1, DOCTOR_CRITICAL);
}

static void time_wait_fills_the_port_range(void **state) {
    (void)state;
    begin();
    for (int i = 0; i < 49; i++) {
        doctor_conn *const conn = add();
        conn->state = DOCTOR_TIME_WAIT;
        conn->local_port = (uint16_t)(40000 + i);
        conn->expires_ms = 30000;
        conn->inode = 0;
    }
    assert_found(DOCTOR_TIME_WAIT_PORTS, 0, DOCTOR_INFO);
    for (int i = 0; i < 9; i++) conns[i].expires_ms = 58000; /* 1.8 a second: 108 in a minute */
    assert_found(DOCTOR_TIME_WAIT_PORTS, 49, DOCTOR_WARNING);
    netns.limits.last_port = 40048;
    assert_found(DOCTOR_TIME_WAIT_PORTS, 49, DOCTOR_CRITICAL);
    netns.limits.tw_buckets = 54;
    assert_found(DOCTOR_TIME_WAIT_BUCKETS, 49, DOCTOR_WARNING);
    netns.limits.tw_buckets = 55;
    assert_found(DOCTOR_TIME_WAIT_BUCKETS, 0, DOCTOR_INFO);
}

static void an_idle_hoard_of_one_peer_is_found_and_a_busy_one_is_not(void **state) {
    (void)state;
    begin();
    for (int i = 0; i < 51; i++) {
        doctor_conn *const conn = add();
        conn->local_port = 80;
        conn->remote_port = (uint16_t)(50000 + i);
    }
    assert_found(DOCTOR_ONE_PEER, 0, DOCTOR_INFO);
    for (int i = 0; i < 46; i++)
        conns[i].info.since_data_sent_ms = conns[i].info.since_data_heard_ms = 61000;
    assert_found(DOCTOR_ONE_PEER, 51, DOCTOR_WARNING);
}

static void a_reset_at_close_is_found(void **state) {
    (void)state;
    begin();
    add()->settings.linger_zero = true;
    assert_found(DOCTOR_LINGER_ZERO, 1, DOCTOR_WARNING);
}

static void findings_are_gathered_by_process_and_sorted(void **state) {
    (void)state;
    doctor_findings findings;
    begin();
    for (int i = 0; i < 5; i++) {
        doctor_conn *const conn = add();
        conn->settings.keepalive = false;
        conn->pid = i < 2 ? 31 : 32;
    }
    add()->settings.rto_max_ms = 120000;
    conns[5].pid = 33;
    doctor_find(&view, &findings);
    assert_int_equal(findings.count, 3);
    assert_int_equal(findings.rows[0].pid, 32);
    assert_int_equal(findings.rows[0].count, 3);
    assert_string_equal(findings.rows[1].who, "tester[31]");
    assert_int_equal(findings.rows[2].severity, DOCTOR_INFO);
    doctor_findings_free(&findings);
}

/* ---- The screen ---- */

static void the_summary_fits_a_screen_of_80_by_24(void **state) {
    (void)state;
    doctor_findings findings;
    char *text = NULL;
    size_t size = 0, lines = 0;
    begin();
    for (int i = 0; i < 120; i++) {
        doctor_conn *const conn = add();
        conn->settings.keepalive = false;
        conn->settings.linger_zero = true;
        conn->pid = 4190000 + i;
        memcpy(conn->command, "a-long-command", 15);
    }
    view.unknown_owners = view.unknown_settings = 99999999;
    view.unseen_netns = 1000;
    doctor_find(&view, &findings);
    FILE *const to = open_memstream(&text, &size);
    doctor_show_summary(&view, &findings, false, to);
    fclose(to);
    for (char *line = text; *line; lines++) {
        const size_t length = strcspn(line, "\n");
        assert_true(length <= 80);
        line += length + 1;
    }
    assert_true(lines <= 24);
    free(text);
    doctor_findings_free(&findings);
}

/* ---- Filters ---- */

static bool read_filter(const char *words, doctor_filter *filter, char *why, size_t size) {
    char copy[200], *at, *list[32];
    size_t count = 0;
    strcpy(copy, words);
    for (char *word = strtok_r(copy, " ", &at); word; word = strtok_r(NULL, " ", &at))
        list[count++] = word;
    return doctor_filter_read(filter, list, count, why, size);
}

static bool holds(const char *words, const doctor_conn *conn) {
    char why[160];
    doctor_filter filter;
    assert_true(read_filter(words, &filter, why, sizeof why));
    return doctor_filter_holds(&filter, conn);
}

static void filters_understand_the_words_of_ss(void **state) {
    (void)state;
    begin();
    const doctor_conn *const conn = add(); /* 10.0.0.1:41001 to 10.0.0.2:443 */
    assert_true(holds("", conn));
    assert_true(holds("state established", conn));
    assert_true(holds("state ESTAB", conn));
    assert_false(holds("state close-wait", conn));
    assert_false(holds("exclude established", conn));
    assert_true(holds("dport = :443", conn));
    assert_true(holds("dport 443 and sport ge :41001", conn));
    assert_false(holds("sport le :41000", conn));
    assert_true(holds("dst 10.0.0.2:443 src 10.0.0.0/30", conn));
    assert_false(holds("dst 10.0.0.3", conn));
    assert_true(holds("dport != :80", conn));
    assert_true(holds("dst 10.0.0.3 or sport = :41001", conn));
    assert_false(holds("dst 10.0.0.3 or not sport = :41001", conn));
    assert_false(holds("dst [fd00::1]:443", conn));
}

static void a_wrong_filter_is_refused_with_the_word(void **state) {
    (void)state;
    static const char *const bad[] = {"state zorro",  "dst 300.1.1.1",   "zorro 1",
                                      "sport :70000", "src 10.0.0.0/33", "dport"};
    char why[160];
    doctor_filter filter;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(read_filter(bad[i], &filter, why, sizeof why));
        assert_non_null(strchr(why, '\''));
    }
}

/* ---- Sums ---- */

static void lateness_is_at_most_an_eighth_and_a_jiffy(void **state) {
    (void)state;
    for (double wait_s = 0.004; wait_s < 8000; wait_s *= 1.07) {
        const double late_s = sum_lateness(wait_s, 0.004);
        assert_true(late_s >= 0.008);
        assert_true(late_s <= wait_s / 7.8 + 0.008);
    }
}

static void the_model_is_the_documented_lower_bound(void **state) {
    (void)state;
    assert_true(fabs(sum_model(SUM_RTO_BASE_S, 120, 15) - 924.6) < 1e-9);
    assert_true(fabs(sum_model(SUM_SYN_BASE_S, 120, 6) - 127) < 1e-9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bounded_connection_has_no_finding),
        cmocka_unit_test(without_keepalive_a_peer_is_never_noticed),
        cmocka_unit_test(no_line_is_cut_within_one_machine),
        cmocka_unit_test(unknown_settings_are_no_finding_and_no_all_clear),
        cmocka_unit_test(a_long_limit_in_one_phase_is_late),
        cmocka_unit_test(flowing_data_starves_keepalive),
        cmocka_unit_test(a_user_timeout_overrides_and_kills),
        cmocka_unit_test(a_client_that_nobody_acknowledges_is_half_established),
        cmocka_unit_test(leaks_count_from_a_minute_on),
        cmocka_unit_test(a_listener_is_full_beyond_its_limit),
        cmocka_unit_test(time_wait_fills_the_port_range),
        cmocka_unit_test(an_idle_hoard_of_one_peer_is_found_and_a_busy_one_is_not),
        cmocka_unit_test(a_reset_at_close_is_found),
        cmocka_unit_test(findings_are_gathered_by_process_and_sorted),
        cmocka_unit_test(the_summary_fits_a_screen_of_80_by_24),
        cmocka_unit_test(filters_understand_the_words_of_ss),
        cmocka_unit_test(a_wrong_filter_is_refused_with_the_word),
        cmocka_unit_test(lateness_is_at_most_an_eighth_and_a_jiffy),
        cmocka_unit_test(the_model_is_the_documented_lower_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
