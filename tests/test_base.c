#include "test.h"
#include "base/base.h"
#include "base/hash.h"
#include "base/pool.h"

static void sequence_numbers_compare_across_the_wrap(void **state) {
    (void)state;
    assert_true(hf_seq_lt(0xfffffff0u, 5));
    assert_false(hf_seq_lt(5, 0xfffffff0u));
    assert_true(hf_seq_le(7, 7));
    assert_int_equal(hf_seq_max(0xfffffff0u, 5), 5);
    assert_int_equal(hf_seq_min(0xfffffff0u, 5), 0xfffffff0u);
}

static void deadlines_round_up_and_past_stamps_round_down(void **state) {
    (void)state;
    assert_int_equal(hfi_tick_deadline(1), 1);
    assert_int_equal(hfi_tick_of(HFI_TICK_NS - 1), 0);
    const hf_ns now_ns = 3 * HFI_TICK_NS;
    assert_int_equal(hfi_tick_past_ns(1, now_ns), HFI_TICK_NS);
    assert_int_equal(hfi_tick_near_ns(5, now_ns), 5 * HFI_TICK_NS);
}

static void stamps_survive_their_wrap_after_fifty_days(void **state) {
    (void)state;
    const hf_ns now_ns = (UINT64_C(1) << 32) * HFI_TICK_NS + 7 * HFI_TICK_NS;
    assert_int_equal(hfi_tick_past_ns(0xfffffffeu, now_ns),
                     ((UINT64_C(1) << 32) - 2) * HFI_TICK_NS);
}

/* The vectors of the SipHash paper, appendix A: key 00..0f, input 00..0e. */
static void siphash_gives_the_published_vector(void **state) {
    (void)state;
    const hfi_key key = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    uint8_t data[15];
    for (uint8_t i = 0; i < 15; i++) data[i] = i;
    assert_true(hfi_siphash24(key, data, sizeof data) == UINT64_C(0xa129ca6149be45e5));
}

static void a_pool_gives_each_slot_once_and_then_none(void **state) {
    (void)state;
    hfi_index next[3];
    hfi_pool pool;
    hfi_pool_init(&pool, next, 3);
    uint32_t seen = 0;
    for (int i = 0; i < 3; i++) seen |= 1u << hfi_pool_take(&pool, next);
    assert_int_equal(seen, 7);
    assert_int_equal(hfi_pool_take(&pool, next), HFI_NONE);
    hfi_pool_give(&pool, next, 1);
    assert_int_equal(hfi_pool_take(&pool, next), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequence_numbers_compare_across_the_wrap),
        cmocka_unit_test(deadlines_round_up_and_past_stamps_round_down),
        cmocka_unit_test(stamps_survive_their_wrap_after_fifty_days),
        cmocka_unit_test(siphash_gives_the_published_vector),
        cmocka_unit_test(a_pool_gives_each_slot_once_and_then_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
