#include "test.h"
#include "path/path.h"
#include <stdlib.h>

/* A host with one IP link of 1,500 bytes, 192.0.2.7/24 and 2001:db8::7/64, and three paths. */
typedef struct world {
    hf_config config;
    hfi_ip ip;
    hfi_paths paths;
    void *ip_mem, *path_mem;
} world;

static const hf_ns start_ns = 5 * HF_SECOND;

static hf_addr addr6(uint8_t last) {
    hf_addr addr = {{0x20, 0x01, 0x0d, 0xb8}};
    addr.bytes[15] = last;
    return addr;
}

static int setup(void **state) {
    world *w = calloc(1, sizeof *w);
    w->config = (hf_config){.seed = {4}, .interfaces = 2, .addresses = 3, .routes = 5, .paths = 3};
    w->ip_mem = aligned_alloc(64, hfi_ip_bytes(&w->config));
    w->path_mem = aligned_alloc(64, hfi_path_bytes(&w->config));
    hfi_ip_attach(&w->ip, w->ip_mem, &w->config);
    hfi_ip_init(&w->ip, &w->config);
    hfi_path_attach(&w->paths, w->path_mem, &w->config);
    hfi_path_init(&w->paths, &w->config);
    const hf_interface_options link = {.link = HF_LINK_IP, .mtu = 1500};
    uint32_t index;
    assert_int_equal(hfi_ip_interface_add(&w->ip, &link, &index), HF_OK);
    const hf_addr own4 = hf_addr4(192, 0, 2, 7), own6 = addr6(7);
    assert_int_equal(hfi_ip_address_add(&w->ip, 0, &own4, 24, &index), HF_OK);
    assert_int_equal(hfi_ip_address_add(&w->ip, 0, &own6, 64, &index), HF_OK);
    *state = w;
    return 0;
}

static int teardown(void **state) {
    world *w = *state;
    free(w->ip_mem);
    free(w->path_mem);
    free(w);
    return 0;
}

static hfi_index take(world *w, uint8_t last) {
    const hf_addr addr = hf_addr4(192, 0, 2, last);
    return hfi_path_take(&w->paths, &w->ip, &addr);
}

static bool known(world *w, uint8_t last) {
    const hf_addr addr = hf_addr4(192, 0, 2, last);
    return hfi_path_find(&w->paths, &addr) != HFI_NONE;
}

static void two_connections_share_one_path(void **state) {
    world *w = *state;
    const hfi_index index = take(w, 11);
    assert_int_not_equal(index, HFI_NONE);
    assert_int_equal(take(w, 11), index);
    assert_int_equal(w->paths.paths[index].refs, 2);
    assert_int_equal(w->paths.state->count, 1);
}

static void a_destination_without_route_has_no_path(void **state) {
    world *w = *state;
    const hf_addr far = hf_addr4(198, 51, 100, 3);
    assert_int_equal(hfi_path_take(&w->paths, &w->ip, &far), HFI_NONE);
    assert_int_equal(w->paths.state->count, 0);
}

static void the_idle_path_given_first_makes_way_and_a_held_one_never(void **state) {
    world *w = *state;
    const hfi_index a = take(w, 11), b = take(w, 12), c = take(w, 13);
    assert_int_equal(take(w, 14), HFI_NONE);
    hfi_path_give(&w->paths, b);
    hfi_path_give(&w->paths, a);
    assert_int_equal(take(w, 14), b);
    assert_false(known(w, 12));
    assert_true(known(w, 11));
    assert_int_equal(take(w, 11), a);
    assert_int_equal(take(w, 15), HFI_NONE);
    hfi_path_give(&w->paths, c);
    assert_int_equal(take(w, 15), c);
}

static void what_one_connection_learned_the_next_one_finds(void **state) {
    world *w = *state;
    const hfi_index index = take(w, 11);
    hfi_path_metrics_set(&w->paths, index, 21000, 3000, 70000);
    hfi_path_give(&w->paths, index);
    assert_int_equal(take(w, 11), index);
    assert_int_equal(w->paths.paths[index].srtt_us, 21000);
    assert_int_equal(w->paths.paths[index].ssthresh_bytes, 70000);
}

static void a_reported_mtu_is_believed_for_ten_minutes(void **state) {
    world *w = *state;
    const hfi_index index = take(w, 11);
    const hf_addr addr = hf_addr4(192, 0, 2, 11);
    assert_int_equal(hfi_path_mtu(&w->paths, &w->ip, index, start_ns), 1500);
    assert_true(hfi_path_too_big(&w->paths, &w->ip, &addr, 1400, start_ns));
    assert_int_equal(hfi_path_mtu(&w->paths, &w->ip, index, start_ns + 599 * HF_SECOND), 1400);
    assert_int_equal(hfi_path_mtu(&w->paths, &w->ip, index, start_ns + 601 * HF_SECOND), 1500);
}

static void a_report_never_raises_the_mtu(void **state) {
    world *w = *state;
    const hfi_index index = take(w, 11);
    const hf_addr addr = hf_addr4(192, 0, 2, 11);
    assert_true(hfi_path_too_big(&w->paths, &w->ip, &addr, 1300, start_ns));
    assert_false(hfi_path_too_big(&w->paths, &w->ip, &addr, 1301, start_ns));
    assert_false(hfi_path_too_big(&w->paths, &w->ip, &addr, 9000, start_ns));
    assert_int_equal(hfi_path_mtu(&w->paths, &w->ip, index, start_ns), 1300);
}

static void a_tiny_ipv4_report_means_the_floor_and_an_impossible_one_nothing(void **state) {
    world *w = *state;
    const hfi_index index = take(w, 11);
    const hf_addr addr = hf_addr4(192, 0, 2, 11);
    assert_false(hfi_path_too_big(&w->paths, &w->ip, &addr, 67, start_ns));
    assert_int_equal(hfi_path_mtu(&w->paths, &w->ip, index, start_ns), 1500);
    assert_true(hfi_path_too_big(&w->paths, &w->ip, &addr, 68, start_ns));
    assert_int_equal(hfi_path_mtu(&w->paths, &w->ip, index, start_ns), 552);
    assert_false(hfi_path_too_big(&w->paths, &w->ip, &addr, 68, start_ns));
}

static void an_ipv6_report_below_1280_is_discarded(void **state) {
    world *w = *state;
    const hf_addr addr = addr6(9);
    const hfi_index index = hfi_path_take(&w->paths, &w->ip, &addr);
    assert_false(hfi_path_too_big(&w->paths, &w->ip, &addr, 1279, start_ns));
    assert_true(hfi_path_too_big(&w->paths, &w->ip, &addr, 1280, start_ns));
    assert_int_equal(hfi_path_mtu(&w->paths, &w->ip, index, start_ns), 1280);
}

static void an_old_routers_report_goes_down_the_plateaus_to_the_floor(void **state) {
    world *w = *state;
    const hfi_index index = take(w, 11);
    const hf_addr addr = hf_addr4(192, 0, 2, 11);
    const uint32_t steps[] = {1492, 1006, 552};
    for (int i = 0; i < 3; i++) {
        assert_true(hfi_path_too_big(&w->paths, &w->ip, &addr, 0, start_ns));
        assert_int_equal(hfi_path_mtu(&w->paths, &w->ip, index, start_ns), steps[i]);
    }
    assert_false(hfi_path_too_big(&w->paths, &w->ip, &addr, 0, start_ns));
}

static void a_report_about_a_stranger_creates_nothing(void **state) {
    world *w = *state;
    for (uint32_t i = 0; i < 1000; i++) {
        const hf_addr addr = hf_addr4(192, 0, (uint8_t)(i >> 8), (uint8_t)i);
        assert_false(hfi_path_too_big(&w->paths, &w->ip, &addr, 1000, start_ns));
    }
    assert_int_equal(w->paths.state->count, 0);
}

static void a_new_route_moves_the_next_hop(void **state) {
    world *w = *state;
    const hf_addr any = hf_addr4(0, 0, 0, 0), far = hf_addr4(8, 8, 8, 8);
    const hf_addr first = hf_addr4(192, 0, 2, 1), second = hf_addr4(192, 0, 2, 2);
    assert_int_equal(hfi_ip_route_add(&w->ip, &any, 0, &first, 0), HF_OK);
    const hfi_index index = hfi_path_take(&w->paths, &w->ip, &far);
    assert_memory_equal(&hfi_path_hop(&w->paths, &w->ip, index)->addr, &first, 16);
    assert_int_equal(hfi_ip_route_add(&w->ip, &any, 0, &second, 0), HF_OK);
    assert_memory_equal(&hfi_path_hop(&w->paths, &w->ip, index)->addr, &second, 16);
    hfi_ip_route_remove(&w->ip, &any, 0, &first, 0);
    hfi_ip_route_remove(&w->ip, &any, 0, &second, 0);
    assert_null(hfi_path_hop(&w->paths, &w->ip, index));
}

/* Against a plain array as the model: the table forgets only what nobody holds. */
static void random_takes_and_gives_agree_with_a_plain_count(void **state) {
    world *w = *state;
    uint32_t held[8] = {0}, random = 12345;
    hfi_index index[8];
    for (int step = 0; step < 20000; step++) {
        random = random * 1103515245u + 12345;
        const uint32_t host = (random >> 16) & 7;
        uint32_t hosts = 0;
        for (int i = 0; i < 8; i++) hosts += held[i] > 0;
        if ((random >> 20 & 1) && held[host] < 5) {
            const hfi_index got = take(w, (uint8_t)(20 + host));
            assert_int_equal(got != HFI_NONE, held[host] > 0 || hosts < 3);
            if (got == HFI_NONE) continue;
            if (held[host] > 0) assert_int_equal(got, index[host]);
            index[host] = got;
            held[host]++;
        } else if (held[host] > 0) {
            hfi_path_give(&w->paths, index[host]);
            held[host]--;
        }
    }
}

#define WITH_WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_WORLD(two_connections_share_one_path),
        WITH_WORLD(a_destination_without_route_has_no_path),
        WITH_WORLD(the_idle_path_given_first_makes_way_and_a_held_one_never),
        WITH_WORLD(what_one_connection_learned_the_next_one_finds),
        WITH_WORLD(a_reported_mtu_is_believed_for_ten_minutes),
        WITH_WORLD(a_report_never_raises_the_mtu),
        WITH_WORLD(a_tiny_ipv4_report_means_the_floor_and_an_impossible_one_nothing),
        WITH_WORLD(an_ipv6_report_below_1280_is_discarded),
        WITH_WORLD(an_old_routers_report_goes_down_the_plateaus_to_the_floor),
        WITH_WORLD(a_report_about_a_stranger_creates_nothing),
        WITH_WORLD(a_new_route_moves_the_next_hop),
        WITH_WORLD(random_takes_and_gives_agree_with_a_plain_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
