/* Randomness and time of the operating system. */
#include "test.h"

#include <hf/os.h>

static void a_seed_is_drawn_anew_each_time(void **state) {
    (void)state;
    uint8_t first[32] = {0}, second[32] = {0};
    const uint8_t zero[32] = {0};
    assert_true(hf_seed_from_os(first));
    assert_true(hf_seed_from_os(second));
    assert_memory_not_equal(first, second, sizeof first);
    assert_memory_not_equal(first, zero, sizeof first);
    assert_memory_not_equal(first + 16, zero, 16);
}

static void time_does_not_go_back(void **state) {
    (void)state;
    hf_ns last_ns = hf_now_from_os();
    assert_true(last_ns > 0);
    for (int i = 0; i < 1000; i++) {
        const hf_ns now_ns = hf_now_from_os();
        assert_true(now_ns >= last_ns);
        last_ns = now_ns;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_is_drawn_anew_each_time),
        cmocka_unit_test(time_does_not_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
