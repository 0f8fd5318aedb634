#include "test.h"
#include "flow/ports.h"

static const hfi_key port_key = {11, 13};

static void every_port_of_the_range_is_visited_once(void **state) {
    (void)state;
    const hf_addr local = hf_addr4(10, 0, 0, 1), remote = hf_addr4(10, 0, 0, 2);
    hfi_ports p;
    hfi_ports_init(&p, port_key, 50000, 50022);
    /* A counter that wraps in the middle of a search must not repeat a port. */
    p.counters[3] = UINT32_MAX - 25;
    for (uint16_t remote_port = 1; remote_port < 60; remote_port++) {
        uint8_t seen[23] = {0};
        for (uint32_t attempt = 0; attempt < hfi_ports_count(&p); attempt++) {
            const uint16_t port = hfi_ports_candidate(&p, &local, &remote, remote_port, attempt);
            assert_in_range(port, 50000, 50022);
            assert_int_equal(seen[port - 50000]++, 0);
        }
    }
}

static void the_whole_range_of_ports_fits(void **state) {
    (void)state;
    const hf_addr local = hf_addr4(10, 0, 0, 1), remote = hf_addr4(10, 0, 0, 2);
    static uint8_t seen[65536];
    hfi_ports p;
    hfi_ports_init(&p, port_key, 1, 65535);
    assert_int_equal(hfi_ports_count(&p), 65535);
    for (uint32_t attempt = 0; attempt < 65535; attempt++)
        assert_int_equal(seen[hfi_ports_candidate(&p, &local, &remote, 443, attempt)]++, 0);
    assert_int_equal(seen[0], 0);
}

static void a_commit_moves_the_next_search_behind_the_port_taken(void **state) {
    (void)state;
    const hf_addr local = hf_addr4(10, 0, 0, 1), remote = hf_addr4(10, 0, 0, 2);
    hfi_ports p;
    hfi_ports_init(&p, port_key, 50000, 50999);
    const uint16_t fourth = hfi_ports_candidate(&p, &local, &remote, 80, 4);
    hfi_ports_commit(&p, &local, &remote, 80, 3);
    assert_int_equal(hfi_ports_candidate(&p, &local, &remote, 80, 0), fourth);
}

static void asking_without_a_commit_changes_nothing(void **state) {
    (void)state;
    const hf_addr local = hf_addr4(10, 0, 0, 1), remote = hf_addr4(10, 0, 0, 2);
    hfi_ports p;
    hfi_ports_init(&p, port_key, 50000, 50999);
    const hfi_ports before = p;
    hfi_ports_candidate(&p, &local, &remote, 80, 5);
    assert_memory_equal(&p, &before, sizeof p);
}

static uint16_t first_port(hfi_key key, hf_addr local, hf_addr remote, uint16_t remote_port) {
    hfi_ports p;
    hfi_ports_init(&p, key, 1024, 65535);
    return hfi_ports_candidate(&p, &local, &remote, remote_port, 0);
}

static void each_destination_and_each_key_has_a_start_of_its_own(void **state) {
    (void)state;
    const hf_addr a = hf_addr4(10, 0, 0, 1), b = hf_addr4(10, 0, 0, 2), c = hf_addr4(10, 0, 0, 3);
    const hfi_key other_key = {11, 17};
    const uint16_t port = first_port(port_key, a, b, 80);
    assert_int_equal(first_port(port_key, a, b, 80), port);
    assert_int_not_equal(first_port(port_key, a, c, 80), port);
    assert_int_not_equal(first_port(port_key, c, b, 80), port);
    assert_int_not_equal(first_port(port_key, a, b, 81), port);
    assert_int_not_equal(first_port(port_key, a, b, 80 + 256), port);
    assert_int_not_equal(first_port(other_key, a, b, 80), port);
}

/* RFC 6056 3.3.4: a connection to one destination moves the sequence of those that share its
 * counter, and no other. */
static void a_commit_moves_only_the_destinations_that_share_a_counter(void **state) {
    (void)state;
    const hf_addr local = hf_addr4(10, 0, 0, 1), remote = hf_addr4(10, 0, 0, 2);
    hfi_ports p;
    hfi_ports_init(&p, port_key, 50000, 59999);
    uint16_t before[1601];
    for (uint16_t port = 1; port <= 1600; port++)
        before[port] = hfi_ports_candidate(&p, &local, &remote, port, 0);
    hfi_ports_commit(&p, &local, &remote, 1, 0);
    uint32_t moved = 0;
    for (uint16_t port = 1; port <= 1600; port++)
        moved += hfi_ports_candidate(&p, &local, &remote, port, 0) != before[port];
    assert_in_range(moved, 60, 140);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_port_of_the_range_is_visited_once),
        cmocka_unit_test(the_whole_range_of_ports_fits),
        cmocka_unit_test(a_commit_moves_the_next_search_behind_the_port_taken),
        cmocka_unit_test(asking_without_a_commit_changes_nothing),
        cmocka_unit_test(each_destination_and_each_key_has_a_start_of_its_own),
        cmocka_unit_test(a_commit_moves_only_the_destinations_that_share_a_counter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
