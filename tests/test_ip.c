#include "test.h"
#include "ip/ip.h"
#include <stdlib.h>

/* A host with an Ethernet link (0), a loopback (1) and an IP link (2). */
typedef struct world {
    hf_config config;
    hfi_ip ip;
    void *mem;
} world;

static hf_addr addr6(uint16_t first, uint16_t second, uint16_t last) {
    hf_addr addr = {{0}};
    addr.bytes[0] = (uint8_t)(first >> 8), addr.bytes[1] = (uint8_t)first;
    addr.bytes[2] = (uint8_t)(second >> 8), addr.bytes[3] = (uint8_t)second;
    addr.bytes[14] = (uint8_t)(last >> 8), addr.bytes[15] = (uint8_t)last;
    return addr;
}

static const hf_addr none;

static uint32_t add(world *w, uint32_t interface, hf_addr addr, uint32_t bits) {
    uint32_t index = HFI_NONE;
    assert_int_equal(hfi_ip_address_add(&w->ip, interface, &addr, bits, &index), HF_OK);
    return index;
}

static int setup(void **state) {
    world *w = calloc(1, sizeof *w);
    w->config = (hf_config){.seed = {3}, .interfaces = 3, .addresses = 7, .routes = 9};
    const size_t bytes = hfi_ip_bytes(&w->config);
    assert_int_equal(bytes % 64, 0);
    w->mem = aligned_alloc(64, bytes);
    hfi_ip_attach(&w->ip, w->mem, &w->config);
    hfi_ip_init(&w->ip, &w->config);
    const hf_interface_options ethernet = {
        .link = HF_LINK_ETHERNET, .mtu = 1500, .mac = {2, 0, 0, 0, 0, 5}};
    const hf_interface_options loopback = {.link = HF_LINK_LOOPBACK, .mtu = 65535};
    const hf_interface_options tunnel = {.link = HF_LINK_IP, .mtu = 1400};
    uint32_t interface;
    assert_int_equal(hfi_ip_interface_add(&w->ip, &ethernet, &interface), HF_OK);
    assert_int_equal(interface, 0);
    assert_int_equal(hfi_ip_interface_add(&w->ip, &loopback, &interface), HF_OK);
    assert_int_equal(hfi_ip_interface_add(&w->ip, &tunnel, &interface), HF_OK);
    assert_int_equal(interface, 2);
    *state = w;
    return 0;
}

static int teardown(void **state) {
    world *w = *state;
    free(w->mem);
    free(w);
    return 0;
}

static void bad_interfaces_are_refused_and_slots_are_counted(void **state) {
    world *w = *state;
    uint32_t interface;
    const hf_interface_options fourth = {.link = HF_LINK_IP, .mtu = 1280};
    assert_int_equal(hfi_ip_interface_add(&w->ip, &fourth, &interface), HF_NO_INTERFACE_SLOT);
    const hf_interface_options group_mac = {
        .link = HF_LINK_ETHERNET, .mtu = 1500, .mac = {1, 2, 3, 4, 5, 6}};
    assert_int_equal(hfi_ip_interface_add(&w->ip, &group_mac, &interface), HF_ARGUMENT);
    const hf_interface_options narrow6 = {.link = HF_LINK_IP, .mtu = 1279, .ip6_autoconf = true};
    assert_int_equal(hfi_ip_interface_add(&w->ip, &narrow6, &interface), HF_ARGUMENT);
    const hf_interface_options narrow4 = {.link = HF_LINK_IP, .mtu = 67};
    assert_int_equal(hfi_ip_interface_add(&w->ip, &narrow4, &interface), HF_ARGUMENT);
}

static void an_address_that_cannot_be_a_host_is_refused(void **state) {
    world *w = *state;
    uint32_t index;
    const hf_addr bad[] = {hf_addr4(0, 0, 0, 0), hf_addr4(224, 0, 0, 5),
                           hf_addr4(255, 255, 255, 255), none, addr6(0xff02, 0, 1)};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(hfi_ip_address_add(&w->ip, 0, &bad[i], 24, &index), HF_ARGUMENT);
    const hf_addr good = hf_addr4(192, 0, 2, 7);
    assert_int_equal(hfi_ip_address_add(&w->ip, 0, &good, 33, &index), HF_ARGUMENT);
    assert_int_equal(hfi_ip_address_add(&w->ip, 3, &good, 24, &index), HF_ARGUMENT);
    add(w, 0, good, 24);
    assert_int_equal(hfi_ip_address_add(&w->ip, 2, &good, 24, &index), HF_ARGUMENT);
}

static void address_slots_run_out_and_come_back(void **state) {
    world *w = *state;
    uint32_t index;
    for (uint8_t i = 1; i <= 7; i++) add(w, 2, hf_addr4(10, 0, 0, i), 32);
    const hf_addr eighth = hf_addr4(10, 0, 0, 8);
    assert_int_equal(hfi_ip_address_add(&w->ip, 2, &eighth, 32, &index), HF_NO_ADDRESS_SLOT);
    hfi_ip_address_remove(&w->ip, 4);
    assert_int_equal(hfi_ip_address_add(&w->ip, 2, &eighth, 32, &index), HF_NO_ADDRESS_SLOT);
    hfi_ip_address_free(&w->ip, 4);
    assert_int_equal(hfi_ip_address_add(&w->ip, 2, &eighth, 32, &index), HF_OK);
    assert_int_equal(index, 4);
    assert_int_equal(hfi_ip_local(&w->ip, &eighth), 4);
}

static void a_removed_address_receives_nothing_and_keeps_its_slot(void **state) {
    world *w = *state;
    const hf_addr addr = hf_addr4(10, 0, 0, 3), other = hf_addr4(10, 0, 0, 4);
    const uint32_t index = add(w, 2, addr, 32);
    hfi_ip_address_remove(&w->ip, index);
    assert_int_equal(hfi_ip_local(&w->ip, &addr), HFI_NONE);
    assert_int_equal(hfi_ip_address_find(&w->ip, &addr), HFI_NONE);
    assert_int_not_equal(add(w, 2, other, 32), index);
    assert_int_not_equal(add(w, 2, addr, 32), index);
    hfi_ip_address_free(&w->ip, index);
    assert_int_equal(add(w, 2, hf_addr4(10, 0, 0, 5), 32), index);
}

static void an_ipv6_address_on_ethernet_is_tentative_until_checked(void **state) {
    world *w = *state;
    const hf_addr addr = addr6(0x2001, 0xdb8, 5), peer = addr6(0x2001, 0xdb8, 9);
    const uint32_t index = add(w, 0, addr, 64);
    assert_int_equal(hfi_ip_local(&w->ip, &addr), HFI_NONE);
    assert_int_equal(hfi_ip_source(&w->ip, &peer, 0), HFI_NONE);
    assert_int_equal(hfi_ip_address_find(&w->ip, &addr), index);
    hfi_ip_address_state_set(&w->ip, index, HFI_ADDRESS_PREFERRED);
    assert_int_equal(hfi_ip_local(&w->ip, &addr), index);
    assert_int_equal(hfi_ip_source(&w->ip, &peer, 0), index);
}

static void the_longest_prefix_wins_then_the_newest_route(void **state) {
    world *w = *state;
    add(w, 0, hf_addr4(192, 0, 2, 7), 24);
    const hf_addr any = hf_addr4(0, 0, 0, 0), net = hf_addr4(198, 51, 0, 0);
    const hf_addr first = hf_addr4(192, 0, 2, 1), second = hf_addr4(192, 0, 2, 2);
    assert_int_equal(hfi_ip_route_add(&w->ip, &net, 16, &second, 0), HF_OK);
    assert_int_equal(hfi_ip_route_add(&w->ip, &any, 0, &first, 0), HF_OK);
    hfi_next_hop hop;
    const hf_addr inside = hf_addr4(198, 51, 9, 9), outside = hf_addr4(8, 8, 8, 8);
    const hf_addr near = hf_addr4(192, 0, 2, 99);
    assert_true(hfi_ip_route(&w->ip, &inside, &hop));
    assert_memory_equal(&hop.addr, &second, 16);
    assert_true(hfi_ip_route(&w->ip, &outside, &hop));
    assert_memory_equal(&hop.addr, &first, 16);
    assert_true(hfi_ip_route(&w->ip, &near, &hop));
    assert_memory_equal(&hop.addr, &near, 16);
    assert_int_equal(hfi_ip_route_add(&w->ip, &any, 0, &none, 2), HF_OK);
    assert_true(hfi_ip_route(&w->ip, &outside, &hop));
    assert_int_equal(hop.interface, 2);
    assert_memory_equal(&hop.addr, &outside, 16);
    assert_true(hfi_ip_route_remove(&w->ip, &any, 0, &none, 2));
    assert_true(hfi_ip_route(&w->ip, &outside, &hop));
    assert_int_equal(hop.interface, 0);
    assert_false(hfi_ip_route_remove(&w->ip, &any, 0, &none, 2));
}

static void an_ipv6_default_route_does_not_catch_ipv4(void **state) {
    world *w = *state;
    const hf_addr gateway = addr6(0xfe80, 0, 1), far4 = hf_addr4(8, 8, 4, 4),
                  far6 = addr6(0x2001, 3, 4);
    assert_int_equal(hfi_ip_route_add(&w->ip, &none, 0, &gateway, 0), HF_OK);
    hfi_next_hop hop;
    assert_false(hfi_ip_route(&w->ip, &far4, &hop));
    assert_true(hfi_ip_route(&w->ip, &far6, &hop));
    assert_memory_equal(&hop.addr, &gateway, 16);
    assert_int_equal(hfi_ip_route_add(&w->ip, &none, 0, &far4, 0), HF_ARGUMENT);
}

static void route_slots_run_out_but_the_same_route_needs_no_second(void **state) {
    world *w = *state;
    for (uint8_t i = 0; i < 9; i++) {
        const hf_addr net = hf_addr4(10, i, 0, 0);
        assert_int_equal(hfi_ip_route_add(&w->ip, &net, 16, &none, 2), HF_OK);
    }
    const hf_addr again = hf_addr4(10, 3, 0, 0), tenth = hf_addr4(10, 10, 0, 0);
    assert_int_equal(hfi_ip_route_add(&w->ip, &again, 16, &none, 2), HF_OK);
    assert_int_equal(hfi_ip_route_add(&w->ip, &tenth, 16, &none, 2), HF_NO_ROUTE_SLOT);
    uint32_t index;
    assert_int_equal(hfi_ip_address_add(&w->ip, 2, &tenth, 16, &index), HF_NO_ROUTE_SLOT);
    assert_int_equal(hfi_ip_address_find(&w->ip, &tenth), HFI_NONE);
}

static void our_own_address_is_reached_by_loopback(void **state) {
    world *w = *state;
    const hf_addr own = hf_addr4(192, 0, 2, 7);
    const uint32_t index = add(w, 0, own, 24);
    add(w, 1, hf_addr4(127, 0, 0, 1), 8);
    hfi_next_hop hop;
    assert_true(hfi_ip_route(&w->ip, &own, &hop));
    assert_int_equal(hop.interface, 1);
    assert_int_equal(hfi_ip_source(&w->ip, &own, 1), index);
}

static void a_loopback_address_is_never_a_source_on_the_wire(void **state) {
    world *w = *state;
    add(w, 1, hf_addr4(127, 0, 0, 1), 8);
    const hf_addr peer = hf_addr4(192, 0, 2, 9);
    assert_int_equal(hfi_ip_source(&w->ip, &peer, 0), HFI_NONE);
    assert_int_equal(hfi_ip_source(&w->ip, &peer, 2), HFI_NONE);
}

static void the_source_has_the_destinations_scope_then_the_longest_match(void **state) {
    world *w = *state;
    const uint32_t link = add(w, 2, addr6(0xfe80, 0, 5), 64);
    const uint32_t near = add(w, 2, addr6(0x2001, 0xdb8, 6), 64);
    const uint32_t far = add(w, 2, addr6(0x2a00, 0x77, 7), 64);
    add(w, 2, addr6(0xfe80, 0, 0x7000), 64);
    const hf_addr to_link = addr6(0xfe80, 0, 9), to_near = addr6(0x2001, 0xdb9, 9);
    const hf_addr to_far = addr6(0x2a00, 0x70, 9), all_nodes = addr6(0xff02, 0, 1);
    assert_int_equal(hfi_ip_source(&w->ip, &to_link, 2), link);
    assert_int_equal(hfi_ip_source(&w->ip, &all_nodes, 2), link);
    assert_int_equal(hfi_ip_source(&w->ip, &to_near, 2), near);
    assert_int_equal(hfi_ip_source(&w->ip, &to_far, 2), far);
    hfi_ip_address_state_set(&w->ip, far, HFI_ADDRESS_DEPRECATED);
    assert_int_equal(hfi_ip_source(&w->ip, &to_far, 2), near);
    assert_int_equal(hfi_ip_local(&w->ip, &w->ip.addresses[far].addr), far);
}

static void broadcast_is_the_limited_one_and_those_of_our_networks(void **state) {
    world *w = *state;
    add(w, 0, hf_addr4(192, 0, 2, 7), 25);
    add(w, 2, hf_addr4(10, 0, 0, 4), 31);
    const hf_addr yes[] = {hf_addr4(255, 255, 255, 255), hf_addr4(192, 0, 2, 127)};
    const hf_addr no[] = {hf_addr4(192, 0, 2, 255), hf_addr4(10, 0, 0, 5),
                          hf_addr4(192, 0, 2, 126)};
    for (int i = 0; i < 2; i++) assert_true(hfi_ip_is_broadcast(&w->ip, &yes[i]));
    for (int i = 0; i < 3; i++) assert_false(hfi_ip_is_broadcast(&w->ip, &no[i]));
}

/* I04. */
static void identifications_tell_nothing_of_other_hosts(void **state) {
    world *w = *state;
    const hf_addr own = hf_addr4(192, 0, 2, 7), a = hf_addr4(192, 0, 2, 8),
                  b = hf_addr4(192, 0, 2, 9);
    uint32_t steps_of_one = 0;
    uint16_t last = hfi_ip_ident(&w->ip, &own, &a);
    for (int i = 0; i < 4000; i++) {
        hfi_ip_ident(&w->ip, &own, &b);
        const uint16_t next = hfi_ip_ident(&w->ip, &own, &a);
        steps_of_one += (uint16_t)(next - last) <= 2;
        last = next;
    }
    assert_in_range(steps_of_one, 0, 4); /* by chance 0.2 */
}

static void common_bits_count_across_bytes(void **state) {
    (void)state;
    const hf_addr a = hf_addr4(10, 0, 0, 0), b = hf_addr4(10, 0, 16, 0);
    assert_int_equal(hfi_addr_common_bits(&a, &b), 96 + 19);
    assert_int_equal(hfi_addr_common_bits(&a, &a), 128);
}

#define WITH_WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_WORLD(bad_interfaces_are_refused_and_slots_are_counted),
        WITH_WORLD(an_address_that_cannot_be_a_host_is_refused),
        WITH_WORLD(address_slots_run_out_and_come_back),
        WITH_WORLD(a_removed_address_receives_nothing_and_keeps_its_slot),
        WITH_WORLD(an_ipv6_address_on_ethernet_is_tentative_until_checked),
        WITH_WORLD(the_longest_prefix_wins_then_the_newest_route),
        WITH_WORLD(an_ipv6_default_route_does_not_catch_ipv4),
        WITH_WORLD(route_slots_run_out_but_the_same_route_needs_no_second),
        WITH_WORLD(our_own_address_is_reached_by_loopback),
        WITH_WORLD(a_loopback_address_is_never_a_source_on_the_wire),
        WITH_WORLD(the_source_has_the_destinations_scope_then_the_longest_match),
        WITH_WORLD(broadcast_is_the_limited_one_and_those_of_our_networks),
        WITH_WORLD(identifications_tell_nothing_of_other_hosts),
        cmocka_unit_test(common_bits_count_across_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
