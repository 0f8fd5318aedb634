/* The controllers alone, by numbers, and which of them a connection has. */
#include "test.h"
#include "congest/congest.h"
#include "peer.h"
#include "send/send.h"

#define CUBIC HF_CONGESTION_CUBIC
#define NEWRENO HF_CONGESTION_NEWRENO

/* ---- A path that acknowledges two segments at a time ---- */

typedef struct path {
    hfi_congest state;
    hf_congestion kind;
    hfi_congest_window window;
    uint32_t mss;
    uint64_t now_us, rtt_us;
    hf_seq acked;
    bool unused; /* the application has nothing to send */
} path;

static path path_with(hf_congestion kind, uint32_t mss, uint64_t rtt_us, uint32_t cwnd_segs) {
    return (path){.kind = kind,
                  .window = {cwnd_segs * mss, HFI_SSTHRESH_NONE},
                  .mss = mss,
                  .now_us = 77777,
                  .rtt_us = rtt_us,
                  .acked = 0xfffff000};
}

static void path_ack(path *p, uint32_t bytes) {
    p->acked += bytes;
    const hfi_congest_sample sample = {.now_us = (hfi_us32)p->now_us,
                                       .acked_bytes = bytes,
                                       .rtt_us = (hfi_us32)p->rtt_us,
                                       .srtt_us = (hfi_us32)p->rtt_us,
                                       .acked_to = p->acked,
                                       .sent_to = p->acked + p->window.cwnd,
                                       .mss = p->mss,
                                       .app_limited = p->unused,
                                       .cwnd_limited = !p->unused};
    p->window = hfi_congest_acked(&p->state, p->kind, p->window, &sample);
}

/* One round trip: the window of its beginning is acknowledged, evenly. */
static void path_round(path *p) {
    const uint32_t acks = p->window.cwnd / (2 * p->mss);
    const uint64_t began_us = p->now_us;
    for (uint32_t i = 1; i <= acks; i++) {
        p->now_us = began_us + p->rtt_us * i / acks;
        path_ack(p, 2 * p->mss);
    }
    p->now_us = began_us + p->rtt_us;
}

static void path_lose(path *p) {
    const hfi_congest_event event = {(hfi_us32)p->now_us, p->window.cwnd, p->mss};
    p->window = hfi_congest_lost(&p->state, p->kind, p->window, &event);
}

static void path_time_out(path *p, bool again) {
    const hfi_congest_event event = {(hfi_us32)p->now_us, p->window.cwnd, p->mss};
    p->window = hfi_congest_timeout(&p->state, p->kind, p->window, &event, again);
}

static uint32_t segs(const path *p) { return p->window.cwnd / p->mss; }

/* ---- The initial window ---- */

static void the_first_window_is_ten_segments_or_what_fits_14600_bytes(void **state) {
    (void)state;
    const uint32_t rows[][3] = {{1460, 10, 14600}, {536, 10, 5360}, {2190, 10, 14600},
                                {9000, 10, 18000}, {1460, 1, 1460}, {1448, 3, 4344}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const hfi_congest_window window = hfi_congest_initial(rows[i][0], rows[i][1]);
        assert_int_equal(window.cwnd, rows[i][2]);
        assert_int_equal(window.ssthresh, HFI_SSTHRESH_NONE);
    }
}

/* ---- NewReno ---- */

static void newreno_doubles_in_slow_start_and_then_adds_a_segment_a_round(void **state) {
    (void)state;
    path p = path_with(NEWRENO, 1000, 50000, 10);
    path_round(&p);
    assert_int_equal(p.window.cwnd, 20000);
    p.window.ssthresh = 20000;
    for (uint32_t round = 1; round <= 4; round++) path_round(&p);
    assert_in_range(p.window.cwnd, 23000, 24000);
    path_lose(&p);
    assert_in_range(p.window.cwnd, 11500, 12000);
}

/* RFC 3465 2.3: who acknowledges a whole window at once does not get a burst of twice that. */
static void an_ack_of_much_counts_as_two_segments(void **state) {
    (void)state;
    path p = path_with(NEWRENO, 1000, 50000, 10);
    path_ack(&p, 9000);
    assert_int_equal(p.window.cwnd, 12000);
    path_ack(&p, 300); /* and one of little as what it acknowledges */
    assert_int_equal(p.window.cwnd, 12300);
}

static void a_time_out_leaves_one_segment_and_a_second_one_keeps_ssthresh(void **state) {
    (void)state;
    path p = path_with(NEWRENO, 1000, 50000, 30);
    path_time_out(&p, false);
    assert_int_equal(p.window.cwnd, 1000);
    assert_int_equal(p.window.ssthresh, 15000);
    path_time_out(&p, true);
    assert_int_equal(p.window.ssthresh, 15000);
}

/* ---- CUBIC, RFC 9438 ---- */

static double cube_root_of(double x) {
    double low = 0, high = 4000;
    for (int i = 0; i < 200; i++) {
        const double middle = (low + high) / 2;
        if (middle * middle * middle < x)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Runs until twice the time to the plateau and compares each round with 4.2's formula. */
static void follow_the_curve(uint32_t mss, uint64_t rtt_us, uint32_t w_max) {
    path p = path_with(CUBIC, mss, rtt_us, w_max);
    path_lose(&p);
    assert_int_equal(p.window.cwnd, (uint64_t)w_max * mss * 7 / 10);
    const uint64_t began_us = p.now_us;
    const double least = p.window.cwnd / (double)mss;
    const double k = cube_root_of((w_max - least) / 0.4);
    double worst = 0;
    for (double t = 0; t < 2 * k; t = (double)(p.now_us - began_us) / 1e6) {
        path_round(&p);
        t = (double)(p.now_us - began_us) / 1e6;
        const double curve = 0.4 * (t - k) * (t - k) * (t - k) + w_max;
        const double away = p.window.cwnd / (double)mss - curve;
        if (away > worst) worst = away;
        if (-away > worst) worst = -away;
    }
    if (worst > 1)
        fail_msg("mss %u, rtt %u us, W_max %u: %d thousandths of a segment away", mss,
                 (unsigned)rtt_us, w_max, (int)(worst * 1000));
    assert_true(segs(&p) > w_max);
}

/* Long and fat, so that Reno would be slower everywhere. */
static void cubic_is_where_its_formula_says_to_a_segment(void **state) {
    (void)state;
    follow_the_curve(1448, 100000, 800);
    follow_the_curve(1448, 60000, 2000);
    follow_the_curve(536, 100000, 1500);
    follow_the_curve(8948, 30000, 12000);
    follow_the_curve(1448, 100000, 10000);
}

/* RFC 9438 4.3. On a short way Reno is faster: 9/17 of a segment a round up to the window before the
 * loss, from there one. */
static void cubic_is_never_slower_than_reno(void **state) {
    (void)state;
    path p = path_with(CUBIC, 1000, 2000, 40);
    path_lose(&p);
    assert_int_equal(p.window.cwnd, 28000);
    for (int round = 0; round < 17; round++) path_round(&p);
    assert_in_range(p.window.cwnd, 36000, 37500);
    for (int round = 0; round < 7; round++) path_round(&p); /* now at 40 */
    const uint32_t before = p.window.cwnd;
    assert_in_range(before, 39500, 41500);
    for (int round = 0; round < 10; round++) path_round(&p);
    assert_in_range(p.window.cwnd - before, 9000, 10500);
}

/* RFC 9438 4.7: two losses at 100 and 60 aim at 51, not at 60. */
static void a_second_loss_at_less_makes_room(void **state) {
    (void)state;
    path p = path_with(CUBIC, 1000, 100000, 100);
    path_lose(&p);
    path_ack(&p, 1000);
    assert_int_equal(p.state.w_max, 100000);
    p.window.cwnd = 60000;
    path_lose(&p);
    assert_int_equal(p.state.w_max, 51000);
    p.window.cwnd = 90000;
    path_lose(&p);
    assert_int_equal(p.state.w_max, 90000);
}

/* RFC 9438 4.8: from where slow start ends the curve starts flat. */
static void after_a_time_out_the_plateau_is_where_slow_start_ends(void **state) {
    (void)state;
    path p = path_with(CUBIC, 1000, 100000, 200);
    path_time_out(&p, false);
    assert_int_equal(p.window.cwnd, 1000);
    assert_int_equal(p.window.ssthresh, 140000);
    path_time_out(&p, true);
    assert_int_equal(p.window.ssthresh, 140000);
    for (int round = 0; round < 60 && p.window.cwnd < p.window.ssthresh; round++) {
        path_ack(&p, 1000);
        path_round(&p);
    }
    assert_true(p.window.cwnd >= p.window.ssthresh);
    path_ack(&p, 1000);
    assert_int_equal(p.state.k_us, 0);
    assert_in_range(p.state.w_max, p.window.ssthresh, p.window.cwnd);
}

/* RFC 9438 4.9: a loss that was none leaves the curve as it was. */
static void a_loss_that_was_none_is_taken_back(void **state) {
    (void)state;
    path p = path_with(CUBIC, 1448, 100000, 500);
    path_lose(&p);
    for (int round = 0; round < 20; round++) path_round(&p);
    const hfi_congest before = p.state;
    const hfi_congest_window window = p.window;
    path_lose(&p);
    assert_true(p.window.cwnd < window.cwnd);
    p.window = hfi_congest_undo(&p.state, CUBIC, p.window);
    assert_int_equal(p.window.cwnd, window.cwnd);
    assert_int_equal(p.window.ssthresh, window.ssthresh);
    assert_int_equal(p.state.w_max, before.w_max);
    assert_int_equal(p.state.k_us, before.k_us);
    assert_int_equal(p.state.t_us, before.t_us);
    assert_int_equal(p.state.w_est, before.w_est);
    assert_int_equal(p.state.flags & HFI_CC_EPOCH, HFI_CC_EPOCH);
    path_lose(&p);
    path_time_out(&p, false);
    const hfi_congest_window once = hfi_congest_undo(&p.state, CUBIC, p.window);
    p.window.cwnd = 1448;
    assert_int_equal(hfi_congest_undo(&p.state, CUBIC, p.window).cwnd, 1448); /* once only */
    assert_true(once.cwnd > 1448);
}

/* RFC 9438 5.8, RFC 7661 4.3: what is not used does not grow, and its time does not count. */
static void a_window_that_is_not_used_stands_still(void **state) {
    (void)state;
    for (hf_congestion kind = CUBIC; kind <= NEWRENO; kind++) {
        path p = path_with(kind, 1000, 100000, 100);
        p.unused = true;
        path_round(&p);
        assert_int_equal(segs(&p), 100); /* in slow start */
        path_lose(&p);
        const uint32_t cwnd = p.window.cwnd;
        for (int round = 0; round < 300; round++) path_round(&p);
        assert_int_equal(p.window.cwnd, cwnd);
        p.unused = false;
        path_round(&p);
        assert_in_range(p.window.cwnd, cwnd + 900, cwnd + 9000);
    }
}

static void after_idling_it_starts_again_and_remembers_three_quarters(void **state) {
    (void)state;
    hfi_congest s = {.kind = CUBIC};
    hfi_congest_window window = {80000, 20000};
    window = hfi_congest_idle(&s, window, 1000, 10);
    assert_int_equal(window.cwnd, 10000);
    assert_int_equal(window.ssthresh, 60000);
    window = hfi_congest_idle(NULL, (hfi_congest_window){7000, 3000}, 1000, 10);
    assert_int_equal(window.cwnd, 7000);
    assert_int_equal(window.ssthresh, 3000);
}

/* No window grows for ever or wraps. */
static void the_largest_windows_do_not_overflow(void **state) {
    (void)state;
    for (hf_congestion kind = CUBIC; kind <= NEWRENO; kind++) {
        path p = path_with(kind, 65000, 300000, 1);
        p.window = (hfi_congest_window){0xfff00000, 0x10000000};
        for (int i = 0; i < 100000; i++) {
            const uint32_t before = p.window.cwnd;
            p.now_us += 290000;
            path_ack(&p, 0x7fffffff);
            assert_true(p.window.cwnd >= before);
        }
        path_lose(&p);
        path_ack(&p, 65000);
        assert_true(p.window.cwnd >= (kind == CUBIC ? 0xb0000000 : 0x7f000000));
    }
}

/* ---- HyStart++, RFC 9406 ---- */

/* A round whose every ACK measures the same. */
static void round_of(path *p, uint64_t rtt_us) {
    p->rtt_us = rtt_us;
    path_round(p);
}

static void
slow_start_slows_down_when_the_round_trip_grows_and_ends_after_five_rounds(void **state) {
    (void)state;
    path p = path_with(CUBIC, 1000, 80000, 20);
    round_of(&p, 80000);
    assert_int_equal(segs(&p), 40);
    round_of(&p, 89000); /* less than an eighth more */
    assert_int_equal(segs(&p), 80);
    round_of(&p, 101000); /* more: the rest of the round grows by a quarter */
    assert_in_range(segs(&p), 95, 120);
    uint32_t before = segs(&p);
    for (int round = 0; round < 3; round++) {
        round_of(&p, 101000);
        assert_in_range(segs(&p), before * 12 / 10, before * 13 / 10);
        before = segs(&p);
        assert_int_equal(p.window.ssthresh, HFI_SSTHRESH_NONE);
    }
    round_of(&p, 101000);
    round_of(&p, 101000);
    assert_true(p.window.ssthresh <= p.window.cwnd);
    before = segs(&p);
    round_of(&p, 101000);
    assert_in_range(segs(&p), before, before + 3);
    assert_int_equal(p.state.k_us, 0); /* RFC 9438 4.10 */
}

static void a_round_trip_that_shrinks_again_was_jitter(void **state) {
    (void)state;
    path p = path_with(CUBIC, 1000, 80000, 20);
    round_of(&p, 80000);
    round_of(&p, 101000);
    assert_int_equal(p.state.flags & HFI_CC_CSS, HFI_CC_CSS);
    round_of(&p, 101000);
    round_of(&p, 82000);
    assert_int_equal(p.state.flags & HFI_CC_CSS, 0);
    const uint32_t before = segs(&p);
    round_of(&p, 82000);
    assert_in_range(segs(&p), before * 2 - 2, before * 2);
}

/* 1 ms and 4 ms more is still noise: the threshold is 4 ms at least and 16 ms at most. */
static void small_and_large_round_trips_have_their_own_threshold(void **state) {
    (void)state;
    const struct {
        uint64_t first_us, second_us;
        bool css;
    } rows[] = {
        {1000, 4900, false}, {1000, 5100, true}, {300000, 315000, false}, {300000, 317000, true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        path p = path_with(CUBIC, 1000, rows[i].first_us, 20);
        round_of(&p, rows[i].first_us);
        round_of(&p, rows[i].second_us);
        assert_int_equal((p.state.flags & HFI_CC_CSS) != 0, rows[i].css);
    }
}

static void slow_starts_after_a_loss_do_not_look_at_the_round_trip(void **state) {
    (void)state;
    path p = path_with(CUBIC, 1000, 80000, 200);
    path_time_out(&p, false);
    for (int round = 0; round < 5; round++) {
        path_ack(&p, 1000);
        round_of(&p, 80000 + (uint64_t)round * 40000);
    }
    assert_int_equal(p.state.flags & HFI_CC_CSS, 0);
}

/* ---- Pacing ---- */

static void the_pace_is_twice_the_window_a_round_trip_and_then_a_quarter_more(void **state) {
    (void)state;
    const hfi_congest_window growing = {100000, HFI_SSTHRESH_NONE}, known = {100000, 50000};
    assert_in_range(hfi_congest_pacing(CUBIC, growing, 102400), 1998, 2002);
    assert_in_range(hfi_congest_pacing(CUBIC, known, 102400), 1248, 1252);
    const hfi_congest_window largest = {UINT32_MAX, 1}, least = {500, 400};
    assert_in_range(hfi_congest_pacing(CUBIC, largest, 4096), 1340000000, 1345000000);
    assert_int_equal(hfi_congest_pacing(CUBIC, least, 0xffffffff), 1);
    assert_int_equal(hfi_congest_pacing(CUBIC, growing, 4000), 0); /* finer than the timer */
    assert_int_equal(hfi_congest_pacing(NEWRENO, growing, 102400), 0);
}

/* A client that writes; the first ten segments were acknowledged together, 100 ms after they left. */
static void ten_are_acked(peer *p, uint8_t congestion) {
    const hf_tcp_options options = {.congestion = congestion};
    peer_begin(p);
    peer_listen_and_accept_with(p, &options);
    peer_app_sends(p, 60000);
    assert_int_equal(p->out_count, 10); /* nothing in flight, nothing to wait for */
    peer_run(p, 100 * HF_MS);
    peer_forget(p);
    p->ack += 14600;
    peer_says(p, HFI_TCP_ACK, 0);
}

static void a_window_leaves_over_its_round_trip(void **state) {
    (void)state;
    peer p;
    ten_are_acked(&p, CUBIC);
    assert_in_range(p.out_count, 10, 11); /* nothing was in flight: ten at once */
    assert_true(hfi_send_paced(peer_block(&p)));
    hf_not_sending why;
    assert_int_equal(hf_why_not_sending(&p.engine, p.conn, &why), HF_OK);
    assert_int_equal(why.why, HF_WHY_PACING);
    assert_true(peer_count(&p, HF_CAUSE_PACED) > 0);
    const hf_ns began_ns = p.now_ns;
    peer_run(&p, 100 * HF_MS);
    assert_in_range(p.out_count, 18, 20);
    uint32_t at_once = 0, most = 0;
    for (size_t i = 11; i < p.out_count; i++) {
        at_once = p.out[i].at_ns == p.out[i - 1].at_ns ? at_once + 1 : 1;
        most = at_once > most ? at_once : most;
    }
    assert_in_range(most, 1, 4); /* two windows in the 12.5 ms of SRTT so far: 3.3 a tick */
    assert_in_range(p.out[p.out_count - 1].at_ns - began_ns, 2 * HF_MS, 60 * HF_MS);
    assert_false(hfi_send_paced(peer_block(&p)));
    peer_end(&p);
}

static void newreno_sends_what_its_window_lets_out(void **state) {
    (void)state;
    peer p;
    ten_are_acked(&p, NEWRENO);
    assert_int_equal(p.out_count, 12);
    assert_int_equal(peer_count(&p, HF_CAUSE_PACED), 0);
    peer_end(&p);
}

/* ---- Which one a connection has ---- */

/* Loses one segment and says what is left of the window, in segments. */
static uint32_t window_after_a_loss(const hf_config *config, uint8_t congestion) {
    peer p;
    peer_begin_with(&p, config, false);
    p.syn_options = (hfi_tcp_options){.present = HFI_OPT_MSS, .mss = 1000};
    const hf_tcp_options options = {.congestion = congestion};
    peer_listen_and_accept_with(&p, &options);
    peer_app_sends(&p, 30000);
    p.ack += 10000;
    peer_says(&p, HFI_TCP_ACK, 0); /* RFC 3465: L is 2 or 8 segments */
    assert_int_equal(peer_status(&p).cwnd_bytes / 1000, congestion == NEWRENO ? 12 : 18);
    for (int i = 0; i < 3; i++) peer_says(&p, HFI_TCP_ACK, 0);
    const uint32_t left = peer_status(&p).ssthresh_bytes;
    peer_end(&p);
    return left / 1000;
}

static void each_connection_has_its_own_controller(void **state) {
    (void)state;
    const hf_config config = peer_config();
    /* Of twelve or eighteen: half, or seven tenths. Limited transmit does not count (RFC 5681 3.2). */
    assert_int_equal(window_after_a_loss(&config, NEWRENO), 6);
    assert_int_equal(window_after_a_loss(&config, CUBIC), 12);
    assert_int_equal(window_after_a_loss(&config, HF_CONGESTION_DEFAULT), 12);
}

/* Options are shared by all connections that have the same, and these two have not. */
static void two_connections_of_an_engine_differ(void **state) {
    (void)state;
    peer p;
    peer_begin(&p);
    const uint8_t asked[] = {NEWRENO, CUBIC};
    for (int i = 0; i < 2; i++) {
        const hf_tcp_options options = {.congestion = asked[i]};
        peer_is_called_with(&p, &options);
        assert_int_equal(hfi_congestion(peer_ctx(&p), peer_block(&p)), asked[i]);
    }
    const hf_connect_options connect = {
        .remote = p.them, .remote_port = 9000, .tcp.congestion = HF_CONGESTION_NEWRENO + 1};
    assert_int_equal(hf_connect(&p.engine, &connect, &p.conn), HF_ARGUMENT);
    peer_end(&p);
}

static void profiles_choose_the_controller_of_who_asks_for_none(void **state) {
    (void)state;
    hf_config config = peer_config();
    assert_int_equal(config.limits.congestion, CUBIC);
    assert_int_equal(hf_config_profile(&config, "linux"), HF_OK);
    assert_int_equal(config.limits.congestion, NEWRENO);
    config.limits.congestion = HF_CONGESTION_DEFAULT;
    assert_non_null(hf_config_problem(&config));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_window_is_ten_segments_or_what_fits_14600_bytes),
        cmocka_unit_test(newreno_doubles_in_slow_start_and_then_adds_a_segment_a_round),
        cmocka_unit_test(an_ack_of_much_counts_as_two_segments),
        cmocka_unit_test(a_time_out_leaves_one_segment_and_a_second_one_keeps_ssthresh),
        cmocka_unit_test(cubic_is_where_its_formula_says_to_a_segment),
        cmocka_unit_test(cubic_is_never_slower_than_reno),
        cmocka_unit_test(a_second_loss_at_less_makes_room),
        cmocka_unit_test(after_a_time_out_the_plateau_is_where_slow_start_ends),
        cmocka_unit_test(a_loss_that_was_none_is_taken_back),
        cmocka_unit_test(a_window_that_is_not_used_stands_still),
        cmocka_unit_test(after_idling_it_starts_again_and_remembers_three_quarters),
        cmocka_unit_test(the_largest_windows_do_not_overflow),
        cmocka_unit_test(
            slow_start_slows_down_when_the_round_trip_grows_and_ends_after_five_rounds),
        cmocka_unit_test(a_round_trip_that_shrinks_again_was_jitter),
        cmocka_unit_test(small_and_large_round_trips_have_their_own_threshold),
        cmocka_unit_test(slow_starts_after_a_loss_do_not_look_at_the_round_trip),
        cmocka_unit_test(the_pace_is_twice_the_window_a_round_trip_and_then_a_quarter_more),
        cmocka_unit_test(a_window_leaves_over_its_round_trip),
        cmocka_unit_test(newreno_sends_what_its_window_lets_out),
        cmocka_unit_test(each_connection_has_its_own_controller),
        cmocka_unit_test(two_connections_of_an_engine_differ),
        cmocka_unit_test(profiles_choose_the_controller_of_who_asks_for_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
