#include "test.h"
#include <stdlib.h>
#include "timer/wheel.h"

#define TICKS(n) ((hf_ns)(n)*HFI_TICK_NS)
#define HOUR (3600 * HF_SECOND)

static hfi_wheel wheel_at(uint32_t count, hf_ns now_ns) {
    hfi_wheel w;
    void *mem = malloc(hfi_wheel_bytes(count));
    assert_non_null(mem);
    hfi_wheel_init(&w, mem, count, now_ns);
    return w;
}

static void give_back(hfi_wheel *w) { free(w->block); }

static void a_deadline_rounds_up_and_is_never_early(void **state) {
    (void)state;
    hfi_wheel w = wheel_at(3, 0);
    hfi_wheel_arm(&w, 2, TICKS(5) + 1);
    assert_int_equal(hfi_wheel_deadline(&w, 2), TICKS(6));
    hfi_wheel_advance(&w, TICKS(6) - 1);
    assert_false(hfi_wheel_has_due(&w));
    hfi_wheel_advance(&w, TICKS(6));
    assert_true(hfi_wheel_has_due(&w));
    assert_int_equal(hfi_wheel_pop(&w), 2);
    assert_false(hfi_wheel_armed(&w, 2));
    assert_int_equal(hfi_wheel_pop(&w), HFI_NONE);
    give_back(&w);
}

static void a_deadline_that_has_come_is_due_at_once(void **state) {
    (void)state;
    hfi_wheel w = wheel_at(3, TICKS(9) + 7);
    hfi_wheel_arm(&w, 1, TICKS(9) + 8);
    hfi_wheel_arm(&w, 2, TICKS(9) + 7);
    hfi_wheel_arm(&w, 0, 3);
    assert_int_equal(hfi_wheel_next(&w), TICKS(9));
    assert_int_equal(hfi_wheel_pop(&w), 2);
    assert_int_equal(hfi_wheel_pop(&w), 0);
    assert_int_equal(hfi_wheel_pop(&w), HFI_NONE);
    assert_int_equal(hfi_wheel_next(&w), TICKS(10));
    give_back(&w);
}

static void never_cancels_and_cancelling_twice_is_harmless(void **state) {
    (void)state;
    hfi_wheel w = wheel_at(2, 0);
    assert_int_equal(hfi_wheel_next(&w), HF_NEVER);
    hfi_wheel_arm(&w, 1, TICKS(400));
    hfi_wheel_arm(&w, 1, HF_NEVER);
    hfi_wheel_cancel(&w, 1);
    assert_false(hfi_wheel_armed(&w, 1));
    assert_int_equal(hfi_wheel_deadline(&w, 1), HF_NEVER);
    assert_int_equal(hfi_wheel_next(&w), HF_NEVER);
    hfi_wheel_advance(&w, TICKS(500));
    assert_false(hfi_wheel_has_due(&w));
    give_back(&w);
}

static void a_due_id_can_be_cancelled_or_armed_again(void **state) {
    (void)state;
    hfi_wheel w = wheel_at(5, 0);
    for (uint32_t id = 0; id < 5; id++) hfi_wheel_arm(&w, id, TICKS(3 + id / 2));
    hfi_wheel_advance(&w, TICKS(8));
    hfi_wheel_cancel(&w, 0);
    hfi_wheel_arm(&w, 2, TICKS(11));
    hfi_wheel_arm(&w, 1, TICKS(2));
    assert_int_equal(hfi_wheel_pop(&w), 3);
    assert_int_equal(hfi_wheel_pop(&w), 4);
    assert_int_equal(hfi_wheel_pop(&w), 1);
    assert_int_equal(hfi_wheel_pop(&w), HFI_NONE);
    hfi_wheel_advance(&w, TICKS(11));
    assert_int_equal(hfi_wheel_pop(&w), 2);
    give_back(&w);
}

static void two_idle_hours_cost_one_advance(void **state) {
    (void)state;
    hfi_wheel w = wheel_at(7, 12345);
    hfi_wheel_arm(&w, 6, 2 * HOUR);
    const hf_ns deadline_ns = hfi_wheel_next(&w);
    assert_true(deadline_ns >= 2 * HOUR && deadline_ns < 2 * HOUR + HFI_TICK_NS);
    hfi_wheel_advance(&w, deadline_ns);
    assert_int_equal(hfi_wheel_pop(&w), 6);
    give_back(&w);
}

/* A wait beyond the span is cut to it, and the id can be armed for the rest. */
static void a_wait_beyond_the_span_pops_at_its_end(void **state) {
    (void)state;
    hfi_wheel w = wheel_at(2, TICKS(17));
    hfi_wheel_arm(&w, 1, HF_NEVER - 1);
    assert_int_equal(hfi_wheel_next(&w), TICKS(17) + TICKS(HFI_WHEEL_SPAN_TICKS));
    hfi_wheel_advance(&w, hfi_wheel_next(&w));
    assert_int_equal(hfi_wheel_pop(&w), 1);
    give_back(&w);
}

/* A process that slept for forty days: the order holds, and "next" does not lie in the future. */
static void what_fell_due_in_a_long_sleep_pops_in_order(void **state) {
    (void)state;
    hfi_wheel w = wheel_at(3, 0);
    hfi_wheel_arm(&w, 0, 24 * 24 * HOUR);
    hfi_wheel_arm(&w, 2, 9 * HOUR);
    hfi_wheel_arm(&w, 1, TICKS(3));
    hfi_wheel_advance(&w, 40 * 24 * HOUR);
    assert_true(hfi_wheel_next(&w) <= 40 * 24 * HOUR);
    assert_int_equal(hfi_wheel_pop(&w), 1);
    assert_int_equal(hfi_wheel_pop(&w), 2);
    assert_int_equal(hfi_wheel_deadline(&w, 0), TICKS(hfi_tick_deadline(24 * 24 * HOUR)));
    assert_int_equal(hfi_wheel_pop(&w), 0);
    give_back(&w);
}

static void deadlines_survive_the_wrap_of_the_ticks(void **state) {
    (void)state;
    const uint64_t wrap = UINT64_C(1) << 32;
    hfi_wheel w = wheel_at(4, TICKS(wrap - 5));
    hfi_wheel_arm(&w, 0, TICKS(wrap + 70000));
    hfi_wheel_arm(&w, 1, TICKS(wrap + 2));
    hfi_wheel_arm(&w, 2, TICKS(wrap - 1));
    hfi_wheel_arm(&w, 3, TICKS(wrap));
    const uint32_t order[] = {2, 3, 1, 0};
    const uint64_t ticks[] = {wrap - 1, wrap, wrap + 2, wrap + 70000};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(hfi_wheel_next(&w), TICKS(ticks[i]));
        hfi_wheel_advance(&w, TICKS(ticks[i]) - 1);
        assert_false(hfi_wheel_has_due(&w));
        hfi_wheel_advance(&w, TICKS(ticks[i]));
        assert_int_equal(hfi_wheel_deadline(&w, order[i]), TICKS(ticks[i]));
        assert_int_equal(hfi_wheel_pop(&w), order[i]);
    }
    give_back(&w);
}

/* 64 in a slot are looked at, 65 give the start of the slot, and one advance there the truth. */
static void a_crowded_slot_gives_a_bound_that_one_advance_resolves(void **state) {
    (void)state;
    hfi_wheel w = wheel_at(65, 0);
    for (uint32_t id = 0; id < 64; id++) hfi_wheel_arm(&w, id, TICKS(500 - id));
    assert_int_equal(hfi_wheel_next(&w), TICKS(437));
    hfi_wheel_arm(&w, 64, TICKS(300));
    assert_int_equal(hfi_wheel_next(&w), TICKS(256));
    hfi_wheel_advance(&w, TICKS(256));
    assert_false(hfi_wheel_has_due(&w));
    assert_int_equal(hfi_wheel_next(&w), TICKS(300));
    give_back(&w);
}

/* Equal deadlines armed from ever nearer, so that they wait in four different levels. */
static void check_order_of_arming(uint64_t deadline) {
    const uint64_t before[] = {deadline, 20000000, 70000, 65800, 300, 256, 255, 10, 1};
    hfi_wheel w = wheel_at(9, 0);
    for (uint32_t i = 0; i < 9; i++) {
        const uint32_t id = (i * 4 + 3) % 9;
        hfi_wheel_advance(&w, TICKS(deadline - before[i]));
        hfi_wheel_arm(&w, id, TICKS(deadline));
    }
    hfi_wheel_advance(&w, TICKS(deadline + 100000));
    for (uint32_t i = 0; i < 9; i++) assert_int_equal(hfi_wheel_pop(&w), (i * 4 + 3) % 9);
    give_back(&w);
}

/* In the later three, slots of several levels start with the same tick and cascade together. */
static void equal_deadlines_pop_in_the_order_of_arming(void **state) {
    (void)state;
    const uint64_t top = 3 * (UINT64_C(1) << 24);
    check_order_of_arming(top + 2 * 65536 + 256 + 9);
    check_order_of_arming(top + 2 * 65536 + 9);
    check_order_of_arming(top + 9);
    check_order_of_arming(top);
}

static void the_block_works_where_it_is_copied_to(void **state) {
    (void)state;
    hfi_wheel w = wheel_at(6, 0), copy;
    hfi_wheel_arm(&w, 5, TICKS(1000));
    hfi_wheel_arm(&w, 3, TICKS(70));
    void *mem = malloc(hfi_wheel_bytes(6));
    assert_non_null(mem);
    memcpy(mem, w.block, hfi_wheel_bytes(6));
    give_back(&w);
    hfi_wheel_attach(&copy, mem, 6);
    hfi_wheel_advance(&copy, TICKS(2000));
    assert_int_equal(hfi_wheel_pop(&copy), 3);
    assert_int_equal(hfi_wheel_pop(&copy), 5);
    give_back(&copy);
}

static void a_million_timers_take_twelve_million_bytes_and_a_page(void **state) {
    (void)state;
    const size_t bytes = hfi_wheel_bytes(1000000);
    assert_in_range(bytes, 12000000 + 4096, 12000000 + 4096 + 256);
}

/* ---- Against a model: an array that is searched in whole. ---- */

#define MODEL_COUNT 61u

typedef struct {
    uint64_t deadline; /* in ticks; UINT64_MAX if not armed */
    uint64_t order;
} model_timer;

typedef struct {
    hfi_wheel w;
    model_timer timers[MODEL_COUNT];
    hf_ns now_ns;
    uint64_t order;
    uint64_t random;
} model;

static uint64_t model_random(model *m, uint64_t below) {
    m->random = m->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (m->random >> 16) % below;
}

static uint32_t model_first(const model *m) {
    uint32_t first = 0;
    for (uint32_t id = 1; id < MODEL_COUNT; id++) {
        const model_timer *a = &m->timers[id], *b = &m->timers[first];
        if (a->deadline < b->deadline || (a->deadline == b->deadline && a->order < b->order))
            first = id;
    }
    return first;
}

/* A distance whose size, not value, is uniform: from less than a tick to ten hours. */
static hf_ns model_distance(model *m) {
    const hf_ns limits[] = {HFI_TICK_NS, TICKS(4), TICKS(300), TICKS(70000), HOUR, 10 * HOUR};
    return model_random(m, limits[model_random(m, 6)]);
}

static void model_arm(model *m) {
    const uint32_t id = (uint32_t)model_random(m, MODEL_COUNT);
    hf_ns deadline_ns = m->now_ns + model_distance(m);
    const uint32_t twin = (uint32_t)model_random(m, MODEL_COUNT);
    /* A third share a deadline that exists, so that ties are common. */
    if (model_random(m, 3) == 0 && m->timers[twin].deadline != UINT64_MAX)
        deadline_ns = TICKS(m->timers[twin].deadline);
    else if (model_random(m, 20) == 0)
        deadline_ns = m->now_ns - hfi_min64(m->now_ns, model_distance(m));
    hfi_wheel_arm(&m->w, id, deadline_ns);
    const bool past = deadline_ns <= m->now_ns;
    m->timers[id].deadline =
        past ? m->now_ns / HFI_TICK_NS : (deadline_ns + HFI_TICK_NS - 1) / HFI_TICK_NS;
    m->timers[id].order = ++m->order;
}

static void model_cancel(model *m) {
    const uint32_t id = (uint32_t)model_random(m, MODEL_COUNT);
    hfi_wheel_cancel(&m->w, id);
    m->timers[id].deadline = UINT64_MAX;
}

static void model_pop(model *m) {
    const uint32_t first = model_first(m);
    const uint64_t deadline = m->timers[first].deadline;
    const bool due = deadline != UINT64_MAX && deadline <= m->now_ns / HFI_TICK_NS;
    assert_int_equal(hfi_wheel_has_due(&m->w), due);
    assert_int_equal(hfi_wheel_pop(&m->w), due ? first : HFI_NONE);
    if (due) m->timers[first].deadline = UINT64_MAX;
}

static void model_check(const model *m, uint32_t id) {
    const uint64_t first = m->timers[model_first(m)].deadline;
    const uint64_t deadline = m->timers[id].deadline;
    assert_int_equal(hfi_wheel_armed(&m->w, id), deadline != UINT64_MAX);
    assert_int_equal(hfi_wheel_deadline(&m->w, id),
                     deadline == UINT64_MAX ? HF_NEVER : TICKS(deadline));
    assert_int_equal(hfi_wheel_next(&m->w), first == UINT64_MAX ? HF_NEVER : TICKS(first));
}

static void model_run(uint64_t seed, hf_ns start_ns, uint32_t operations) {
    model m = {.w = wheel_at(MODEL_COUNT, start_ns), .now_ns = start_ns, .random = seed};
    for (uint32_t id = 0; id < MODEL_COUNT; id++) m.timers[id] = (model_timer){UINT64_MAX, 0};
    for (uint32_t i = 0; i < operations; i++) {
        const uint64_t choice = model_random(&m, 16);
        if (choice < 8)
            model_arm(&m);
        else if (choice < 10)
            model_cancel(&m);
        else if (choice < 12)
            hfi_wheel_advance(&m.w, m.now_ns += model_distance(&m) >> model_random(&m, 12));
        else
            model_pop(&m);
        model_check(&m, (uint32_t)model_random(&m, MODEL_COUNT));
    }
    give_back(&m.w);
}

static void random_use_agrees_with_a_sorted_model(void **state) {
    (void)state;
    model_run(11, 0, 200000);
}

static void random_use_across_the_wrap_agrees_with_a_sorted_model(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++)
        model_run(seed, TICKS((UINT64_C(1) << 32) - seed * 1000 * seed), 500);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_rounds_up_and_is_never_early),
        cmocka_unit_test(a_deadline_that_has_come_is_due_at_once),
        cmocka_unit_test(never_cancels_and_cancelling_twice_is_harmless),
        cmocka_unit_test(a_due_id_can_be_cancelled_or_armed_again),
        cmocka_unit_test(two_idle_hours_cost_one_advance),
        cmocka_unit_test(a_wait_beyond_the_span_pops_at_its_end),
        cmocka_unit_test(what_fell_due_in_a_long_sleep_pops_in_order),
        cmocka_unit_test(deadlines_survive_the_wrap_of_the_ticks),
        cmocka_unit_test(a_crowded_slot_gives_a_bound_that_one_advance_resolves),
        cmocka_unit_test(equal_deadlines_pop_in_the_order_of_arming),
        cmocka_unit_test(the_block_works_where_it_is_copied_to),
        cmocka_unit_test(a_million_timers_take_twelve_million_bytes_and_a_page),
        cmocka_unit_test(random_use_agrees_with_a_sorted_model),
        cmocka_unit_test(random_use_across_the_wrap_agrees_with_a_sorted_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
