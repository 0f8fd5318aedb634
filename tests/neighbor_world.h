/* A host on an Ethernet link, for the tests of the neighbour room. */
#ifndef HF_TEST_NEIGHBOR_WORLD_H
#define HF_TEST_NEIGHBOR_WORLD_H

#include "test.h"
#include "neighbor/neighbor.h"
#include <stdlib.h>
#include <string.h>

/* One host, 192.0.2.7/24 and 2001:db8::7/64, on Ethernet link 0. */
typedef struct world {
    hf_config config;
    hfi_ip ip;
    hfi_neighbors neighbors;
    void *ip_mem, *mem;
    hf_ns now_ns;
    uint32_t own6; /* address index */
    hfi_neighbor_effect effect;
    hfi_neighbor_action actions[8];
} world;

static const hfi_mac own_mac = {{2, 0, 0, 0, 0, 7}}, peer_mac = {{2, 0, 0, 0, 0, 9}};
static const hfi_mac evil_mac = {{2, 0, 0, 0, 0x66, 6}};

static inline hf_addr addr4(uint8_t last) { return hf_addr4(192, 0, 2, last); }
static inline hf_addr addr6(uint8_t last) { return (hf_addr){{0x20, 1, 0xd, 0xb8, [15] = last}}; }
static inline hf_addr link6(uint8_t last) { return (hf_addr){{0xfe, 0x80, [15] = last}}; }

static inline int setup_with(void **state, bool autoconf) {
    world *w = calloc(1, sizeof *w);
    w->config =
        (hf_config){.seed = {8}, .interfaces = 2, .addresses = 12, .routes = 20, .neighbors = 4};
    w->ip_mem = aligned_alloc(64, hfi_ip_bytes(&w->config));
    w->mem = aligned_alloc(64, hfi_neighbor_bytes(&w->config));
    hfi_ip_attach(&w->ip, w->ip_mem, &w->config);
    hfi_ip_init(&w->ip, &w->config);
    hfi_neighbor_attach(&w->neighbors, w->mem, &w->config);
    hfi_neighbor_init(&w->neighbors, &w->config);
    w->now_ns = 1000 * HF_SECOND;
    const hf_interface_options link = {
        .link = HF_LINK_ETHERNET, .mtu = 1500, .mac = {2, 0, 0, 0, 0, 7}, .ip6_autoconf = autoconf};
    uint32_t index;
    assert_int_equal(hfi_ip_interface_add(&w->ip, &link, &index), HF_OK);
    assert_int_equal(hfi_neighbor_interface_added(&w->neighbors, &w->ip, 0, w->now_ns), HF_OK);
    *state = w;
    return 0;
}

static inline int setup(void **state) {
    setup_with(state, false);
    world *w = *state;
    uint32_t index;
    const hf_addr own4 = addr4(7), own6 = addr6(7);
    assert_int_equal(hfi_ip_address_add(&w->ip, 0, &own4, 24, &index), HF_OK);
    assert_int_equal(hfi_ip_address_add(&w->ip, 0, &own6, 64, &w->own6), HF_OK);
    hfi_ip_address_state_set(&w->ip, w->own6, HFI_ADDRESS_PREFERRED);
    return 0;
}

static inline int setup_autoconf(void **state) { return setup_with(state, true); }

static inline int teardown(void **state) {
    world *w = *state;
    free(w->ip_mem);
    free(w->mem);
    free(w);
    return 0;
}

static inline hfi_neighbor_answer want(world *w, hf_addr addr, hfi_mac *mac) {
    hfi_index hint = HFI_NONE;
    return hfi_neighbor_want(&w->neighbors, &w->ip, 0, &addr, w->now_ns, &hint, mac);
}

static inline uint32_t tick(world *w) {
    return hfi_neighbor_tick(&w->neighbors, &w->ip, w->now_ns, w->actions, 8);
}

static inline hfi_neighbor *entry(world *w, hf_addr addr) {
    const hfi_index index = hfi_neighbor_find(&w->neighbors, 0, &addr);
    return index == HFI_NONE ? NULL : &w->neighbors.entries[index];
}

static inline void assert_state(world *w, hf_addr addr, hfi_neighbor_nud state) {
    assert_non_null(entry(w, addr));
    assert_int_equal(entry(w, addr)->state, state);
}

static inline hf_cause arp(world *w, uint16_t operation, hf_addr sender, hfi_mac mac,
                           hf_addr target) {
    const hfi_arp_view view = {.operation = operation,
                               .sender_mac = mac,
                               .sender = sender,
                               .target_mac = own_mac,
                               .target = target};
    return hfi_neighbor_arp_input(&w->neighbors, &w->ip, 0, &view, w->now_ns, &w->effect);
}

static inline hf_cause nd(world *w, hf_addr source, hf_addr destination, hfi_mac from,
                          hfi_nd_view view) {
    const hfi_ip_view packet = {.source = source, .destination = destination, .version = 6};
    return hfi_neighbor_nd_input(&w->neighbors, &w->ip, 0, &packet, &from, &view, w->now_ns,
                                 &w->effect);
}

static inline hf_cause advertise(world *w, hf_addr target, hfi_mac mac, bool solicited,
                                 bool override) {
    return nd(w, target, addr6(7), mac,
              (hfi_nd_view){.type = HFI_ND_NEIGHBOR_ADVERTISEMENT,
                            .has_target_mac = true,
                            .target_mac = mac,
                            .target = target,
                            .solicited = solicited,
                            .override = override});
}

static inline hf_cause solicit(world *w, hf_addr source, hfi_mac mac, hf_addr target) {
    const bool anonymous = hf_addr_is_any(&source);
    return nd(w, source, hfi_nd_solicited_node(&target), mac,
              (hfi_nd_view){.type = HFI_ND_NEIGHBOR_SOLICITATION,
                            .has_source_mac = !anonymous,
                            .source_mac = mac,
                            .target = target});
}

/* Makes an entry REACHABLE by asking and being answered. */
static inline void resolve4(world *w, uint8_t last) {
    hfi_mac mac;
    assert_int_equal(want(w, addr4(last), &mac), HFI_NEIGHBOR_ASKED);
    tick(w);
    assert_int_equal(arp(w, HFI_ARP_REPLY, addr4(last), peer_mac, addr4(7)),
                     HF_CAUSE_TOOK_NEIGHBOR);
    assert_state(w, addr4(last), HFI_NEIGHBOR_REACHABLE);
}

static inline void resolve6(world *w, uint8_t last) {
    hfi_mac mac;
    assert_int_equal(want(w, addr6(last), &mac), HFI_NEIGHBOR_ASKED);
    tick(w);
    assert_int_equal(advertise(w, addr6(last), peer_mac, true, true), HF_CAUSE_TOOK_NEIGHBOR);
    assert_state(w, addr6(last), HFI_NEIGHBOR_REACHABLE);
}

#define WITH_WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define WITH_AUTOCONF(f) cmocka_unit_test_setup_teardown(f, setup_autoconf, teardown)

#endif
