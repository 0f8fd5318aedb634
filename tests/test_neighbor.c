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

static hf_addr addr4(uint8_t last) { return hf_addr4(192, 0, 2, last); }
static hf_addr addr6(uint8_t last) { return (hf_addr){{0x20, 1, 0xd, 0xb8, [15] = last}}; }
static hf_addr link6(uint8_t last) { return (hf_addr){{0xfe, 0x80, [15] = last}}; }

static int setup_with(void **state, bool autoconf) {
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

static int setup(void **state) {
    setup_with(state, false);
    world *w = *state;
    uint32_t index;
    const hf_addr own4 = addr4(7), own6 = addr6(7);
    assert_int_equal(hfi_ip_address_add(&w->ip, 0, &own4, 24, &index), HF_OK);
    assert_int_equal(hfi_ip_address_add(&w->ip, 0, &own6, 64, &w->own6), HF_OK);
    hfi_ip_address_state_set(&w->ip, w->own6, HFI_ADDRESS_PREFERRED);
    return 0;
}

static int setup_autoconf(void **state) { return setup_with(state, true); }

static int teardown(void **state) {
    world *w = *state;
    free(w->ip_mem);
    free(w->mem);
    free(w);
    return 0;
}

static hfi_neighbor_answer want(world *w, hf_addr addr, hfi_mac *mac) {
    hfi_index hint = HFI_NONE;
    return hfi_neighbor_want(&w->neighbors, &w->ip, 0, &addr, w->now_ns, &hint, mac);
}

static uint32_t tick(world *w) {
    return hfi_neighbor_tick(&w->neighbors, &w->ip, w->now_ns, w->actions, 8);
}

static hfi_neighbor *entry(world *w, hf_addr addr) {
    const hfi_index index = hfi_neighbor_find(&w->neighbors, 0, &addr);
    return index == HFI_NONE ? NULL : &w->neighbors.entries[index];
}

static void assert_state(world *w, hf_addr addr, hfi_neighbor_nud state) {
    assert_non_null(entry(w, addr));
    assert_int_equal(entry(w, addr)->state, state);
}

static hf_cause arp(world *w, uint16_t operation, hf_addr sender, hfi_mac mac, hf_addr target) {
    const hfi_arp_view view = {.operation = operation,
                               .sender_mac = mac,
                               .sender = sender,
                               .target_mac = own_mac,
                               .target = target};
    return hfi_neighbor_arp_input(&w->neighbors, &w->ip, 0, &view, w->now_ns, &w->effect);
}

static hf_cause nd(world *w, hf_addr source, hf_addr destination, hfi_mac from, hfi_nd_view view) {
    const hfi_ip_view packet = {.source = source, .destination = destination, .version = 6};
    return hfi_neighbor_nd_input(&w->neighbors, &w->ip, 0, &packet, &from, &view, w->now_ns,
                                 &w->effect);
}

static hf_cause advertise(world *w, hf_addr target, hfi_mac mac, bool solicited, bool override) {
    return nd(w, target, addr6(7), mac,
              (hfi_nd_view){.type = HFI_ND_NEIGHBOR_ADVERTISEMENT,
                            .has_target_mac = true,
                            .target_mac = mac,
                            .target = target,
                            .solicited = solicited,
                            .override = override});
}

static hf_cause solicit(world *w, hf_addr source, hfi_mac mac, hf_addr target) {
    const bool anonymous = hf_addr_is_any(&source);
    return nd(w, source, hfi_nd_solicited_node(&target), mac,
              (hfi_nd_view){.type = HFI_ND_NEIGHBOR_SOLICITATION,
                            .has_source_mac = !anonymous,
                            .source_mac = mac,
                            .target = target});
}

/* Makes an entry REACHABLE by asking and being answered. */
static void resolve4(world *w, uint8_t last) {
    hfi_mac mac;
    assert_int_equal(want(w, addr4(last), &mac), HFI_NEIGHBOR_ASKED);
    tick(w);
    assert_int_equal(arp(w, HFI_ARP_REPLY, addr4(last), peer_mac, addr4(7)),
                     HF_CAUSE_TOOK_NEIGHBOR);
    assert_state(w, addr4(last), HFI_NEIGHBOR_REACHABLE);
}

static void resolve6(world *w, uint8_t last) {
    hfi_mac mac;
    assert_int_equal(want(w, addr6(last), &mac), HFI_NEIGHBOR_ASKED);
    tick(w);
    assert_int_equal(advertise(w, addr6(last), peer_mac, true, true), HF_CAUSE_TOOK_NEIGHBOR);
    assert_state(w, addr6(last), HFI_NEIGHBOR_REACHABLE);
}

/* ---- Resolution. ---- */

static void an_unknown_neighbour_is_asked_three_times_a_second_apart_and_then_fails(void **state) {
    world *w = *state;
    hfi_mac mac;
    assert_int_equal(want(w, addr4(9), &mac), HFI_NEIGHBOR_ASKED);
    entry(w, addr4(9))->waiting = 33;
    assert_int_equal(hfi_neighbor_next_at(&w->neighbors), w->now_ns);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tick(w), 1);
        assert_int_equal(w->actions[0].kind, HFI_NEIGHBOR_REQUEST);
        assert_false(w->actions[0].unicast);
        assert_int_equal(want(w, addr4(9), &mac), HFI_NEIGHBOR_ASKED);
        assert_int_equal(tick(w), 0);
        assert_int_equal(hfi_neighbor_next_at(&w->neighbors), w->now_ns + HF_SECOND);
        w->now_ns += HF_SECOND;
    }
    assert_int_equal(tick(w), 1);
    assert_int_equal(w->actions[0].kind, HFI_NEIGHBOR_FAILED);
    assert_int_equal(w->actions[0].waiting, 33);
    assert_null(entry(w, addr4(9)));
    assert_int_equal(hfi_neighbor_next_at(&w->neighbors), HF_NEVER);
}

static void an_answer_wakes_who_waits(void **state) {
    world *w = *state;
    hfi_mac mac;
    want(w, addr4(9), &mac);
    entry(w, addr4(9))->waiting = 33;
    tick(w);
    assert_int_equal(arp(w, HFI_ARP_REPLY, addr4(9), peer_mac, addr4(7)), HF_CAUSE_TOOK_NEIGHBOR);
    assert_int_equal(w->effect.action.kind, HFI_NEIGHBOR_RESOLVED);
    assert_int_equal(w->effect.action.waiting, 33);
    assert_int_equal(entry(w, addr4(9))->waiting, HFI_NONE);
    assert_int_equal(want(w, addr4(9), &mac), HFI_NEIGHBOR_KNOWN);
    assert_memory_equal(&mac, &peer_mac, 6);
    assert_int_equal(tick(w), 0);
}

static void groups_and_broadcast_need_no_asking(void **state) {
    world *w = *state;
    hfi_mac mac;
    const hfi_mac everybody = hfi_mac_broadcast(), group = {{0x33, 0x33, 0, 0, 0, 1}};
    assert_int_equal(want(w, addr4(255), &mac), HFI_NEIGHBOR_KNOWN);
    assert_memory_equal(&mac, &everybody, 6);
    assert_int_equal(want(w, (hf_addr){{0xff, 2, [15] = 1}}, &mac), HFI_NEIGHBOR_KNOWN);
    assert_memory_equal(&mac, &group, 6);
    assert_int_equal(w->neighbors.state->used, 0);
}

/* ---- NUD. ---- */

static void an_idle_entry_goes_stale_and_is_asked_by_unicast_five_seconds_after_use(void **state) {
    world *w = *state;
    hfi_mac mac;
    resolve4(w, 9);
    w->now_ns += 31 * HF_SECOND;
    assert_int_equal(want(w, addr4(9), &mac), HFI_NEIGHBOR_KNOWN);
    assert_state(w, addr4(9), HFI_NEIGHBOR_DELAY);
    assert_int_equal(tick(w), 0);
    assert_int_equal(hfi_neighbor_next_at(&w->neighbors), w->now_ns + 5 * HF_SECOND);
    w->now_ns += 5 * HF_SECOND;
    assert_int_equal(tick(w), 1);
    assert_int_equal(w->actions[0].kind, HFI_NEIGHBOR_REQUEST);
    assert_true(w->actions[0].unicast);
    assert_memory_equal(&w->actions[0].mac, &peer_mac, 6);
    arp(w, HFI_ARP_REPLY, addr4(9), peer_mac, addr4(7));
    assert_state(w, addr4(9), HFI_NEIGHBOR_REACHABLE);
    assert_int_equal(hfi_neighbor_next_at(&w->neighbors), HF_NEVER);
}

static void what_tcp_hears_spares_the_question(void **state) {
    world *w = *state;
    hfi_mac mac;
    resolve4(w, 9);
    w->now_ns += 31 * HF_SECOND;
    want(w, addr4(9), &mac);
    w->now_ns += 4 * HF_SECOND;
    const hf_addr addr = addr4(9);
    hfi_neighbor_confirm(&w->neighbors, 0, &addr, HFI_NONE, w->now_ns);
    w->now_ns += 2 * HF_SECOND;
    assert_int_equal(tick(w), 0);
    assert_state(w, addr4(9), HFI_NEIGHBOR_REACHABLE);
}

static void a_hint_that_fits_no_more_confirms_nothing(void **state) {
    world *w = *state;
    const hf_addr stranger = addr4(55);
    resolve4(w, 9);
    w->now_ns += 31 * HF_SECOND;
    hfi_mac mac;
    want(w, addr4(9), &mac);
    hfi_neighbor_confirm(&w->neighbors, 0, &stranger, 0, w->now_ns);
    hfi_neighbor_confirm(&w->neighbors, 0, &stranger, 77, w->now_ns);
    assert_state(w, addr4(9), HFI_NEIGHBOR_DELAY);
}

static void a_doubt_asks_at_once_and_silence_removes_the_entry(void **state) {
    world *w = *state;
    resolve6(w, 9);
    const hf_addr addr = addr6(9);
    hfi_neighbor_doubt(&w->neighbors, 0, &addr, HFI_NONE, w->now_ns);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tick(w), 1);
        assert_true(w->actions[0].unicast);
        hfi_neighbor_doubt(&w->neighbors, 0, &addr, HFI_NONE, w->now_ns);
        assert_int_equal(tick(w), 0);
        w->now_ns += HF_SECOND;
    }
    assert_int_equal(tick(w), 1);
    assert_int_equal(w->actions[0].kind, HFI_NEIGHBOR_FAILED);
    assert_null(entry(w, addr6(9)));
}

/* ---- Poisoning. ---- */

static void an_answer_that_nobody_asked_for_makes_no_entry(void **state) {
    world *w = *state;
    assert_int_equal(arp(w, HFI_ARP_REPLY, addr4(9), evil_mac, addr4(7)), HF_CAUSE_DROP_NEIGHBOR);
    assert_int_equal(arp(w, HFI_ARP_REQUEST, addr4(9), evil_mac, addr4(9)), HF_CAUSE_DROP_NEIGHBOR);
    assert_int_equal(arp(w, HFI_ARP_REQUEST, addr4(9), evil_mac, addr4(8)), HF_CAUSE_DROP_NEIGHBOR);
    assert_int_equal(advertise(w, addr6(9), evil_mac, true, true), HF_CAUSE_DROP_NEIGHBOR);
    assert_int_equal(w->neighbors.state->used, 0);
}

static void an_arp_claim_on_a_known_neighbour_only_asks_the_old_address(void **state) {
    world *w = *state;
    hfi_mac mac;
    resolve4(w, 9);
    arp(w, HFI_ARP_REPLY, addr4(9), evil_mac, addr4(7));
    assert_int_equal(want(w, addr4(9), &mac), HFI_NEIGHBOR_KNOWN);
    assert_memory_equal(&mac, &peer_mac, 6);
    assert_int_equal(tick(w), 1);
    assert_memory_equal(&w->actions[0].mac, &peer_mac, 6);
    arp(w, HFI_ARP_REPLY, addr4(9), evil_mac, addr4(7));
    assert_state(w, addr4(9), HFI_NEIGHBOR_PROBE);
    arp(w, HFI_ARP_REPLY, addr4(9), peer_mac, addr4(7));
    assert_state(w, addr4(9), HFI_NEIGHBOR_REACHABLE);
}

static void a_neighbour_that_moved_is_found_after_the_old_address_is_silent(void **state) {
    world *w = *state;
    hfi_mac mac;
    resolve4(w, 9);
    arp(w, HFI_ARP_REQUEST, addr4(9), evil_mac, addr4(9)); /* gratuitous */
    for (int i = 0; i < 4; i++, w->now_ns += HF_SECOND) assert_int_equal(tick(w), 1);
    assert_int_equal(w->actions[0].kind, HFI_NEIGHBOR_FAILED);
    assert_int_equal(want(w, addr4(9), &mac), HFI_NEIGHBOR_ASKED);
    tick(w);
    arp(w, HFI_ARP_REPLY, addr4(9), evil_mac, addr4(7));
    assert_int_equal(want(w, addr4(9), &mac), HFI_NEIGHBOR_KNOWN);
    assert_memory_equal(&mac, &evil_mac, 6);
}

static void an_advertisement_without_override_changes_no_link_address(void **state) {
    world *w = *state;
    hfi_mac mac;
    resolve6(w, 9);
    assert_int_equal(advertise(w, addr6(9), evil_mac, true, false), HF_CAUSE_DROP_NEIGHBOR);
    assert_state(w, addr6(9), HFI_NEIGHBOR_STALE);
    assert_int_equal(advertise(w, addr6(9), evil_mac, true, false), HF_CAUSE_DROP_NEIGHBOR);
    want(w, addr6(9), &mac);
    assert_memory_equal(&mac, &peer_mac, 6);
    assert_int_equal(advertise(w, addr6(9), evil_mac, false, true), HF_CAUSE_TOOK_NEIGHBOR);
    assert_state(w, addr6(9), HFI_NEIGHBOR_STALE);
    want(w, addr6(9), &mac);
    assert_memory_equal(&mac, &evil_mac, 6);
}

static void nobody_can_claim_our_own_address(void **state) {
    world *w = *state;
    assert_int_equal(arp(w, HFI_ARP_REPLY, addr4(7), evil_mac, addr4(7)), HF_CAUSE_DROP_NEIGHBOR);
    assert_int_equal(arp(w, HFI_ARP_REQUEST, addr4(7), evil_mac, addr4(7)), HF_CAUSE_DROP_NEIGHBOR);
    assert_false(w->effect.answer);
    assert_int_equal(advertise(w, addr6(7), evil_mac, false, true), HF_CAUSE_DROP_NEIGHBOR);
    assert_int_equal(w->ip.addresses[w->own6].state, HFI_ADDRESS_PREFERRED);
}

/* ---- Answers. ---- */

static void a_question_for_us_is_answered_and_remembered(void **state) {
    world *w = *state;
    assert_int_equal(arp(w, HFI_ARP_REQUEST, addr4(9), peer_mac, addr4(7)), HF_CAUSE_TOOK_NEIGHBOR);
    assert_true(w->effect.answer);
    assert_int_equal(w->effect.arp.operation, HFI_ARP_REPLY);
    assert_memory_equal(&w->effect.arp.sender_mac, &own_mac, 6);
    assert_memory_equal(&w->effect.answer_mac, &peer_mac, 6);
    assert_int_equal(w->effect.arp.target.bytes[15], 9);
    assert_state(w, addr4(9), HFI_NEIGHBOR_STALE);

    assert_int_equal(solicit(w, addr6(9), peer_mac, addr6(7)), HF_CAUSE_TOOK_NEIGHBOR);
    assert_true(w->effect.answer && w->effect.nd_solicited);
    assert_int_equal(w->effect.nd_destination.bytes[15], 9);
    assert_state(w, addr6(9), HFI_NEIGHBOR_STALE);
}

static void who_only_checks_an_address_is_answered_and_not_remembered(void **state) {
    world *w = *state;
    const hf_addr any6 = {{0}};
    assert_int_equal(arp(w, HFI_ARP_REQUEST, hf_addr4(0, 0, 0, 0), peer_mac, addr4(7)),
                     HF_CAUSE_TOOK_NEIGHBOR);
    assert_true(w->effect.answer);
    assert_int_equal(solicit(w, any6, peer_mac, addr6(7)), HF_CAUSE_TOOK_NEIGHBOR);
    assert_true(w->effect.answer);
    assert_false(w->effect.nd_solicited);
    assert_int_equal(w->effect.nd_destination.bytes[0], 0xff);
    assert_int_equal(w->effect.answer_mac.b[0], 0x33);
    assert_int_equal(w->neighbors.state->used, 0);
}

static void questions_for_others_are_not_answered(void **state) {
    world *w = *state;
    assert_int_equal(arp(w, HFI_ARP_REQUEST, addr4(9), peer_mac, addr4(8)), HF_CAUSE_DROP_NEIGHBOR);
    assert_false(w->effect.answer);
    assert_int_equal(solicit(w, addr6(9), peer_mac, addr6(8)), HF_CAUSE_DROP_NEIGHBOR);
    assert_false(w->effect.answer);
}

static void a_stranger_from_another_network_is_answered_and_not_remembered(void **state) {
    world *w = *state;
    arp(w, HFI_ARP_REQUEST, hf_addr4(198, 51, 100, 9), peer_mac, addr4(7));
    assert_true(w->effect.answer);
    assert_int_equal(w->neighbors.state->used, 0);
    /* A network that is on another link. */
    uint32_t interface, index;
    const hf_interface_options tunnel = {.link = HF_LINK_IP, .mtu = 1400};
    const hf_addr elsewhere = hf_addr4(203, 0, 113, 7);
    assert_int_equal(hfi_ip_interface_add(&w->ip, &tunnel, &interface), HF_OK);
    assert_int_equal(hfi_ip_address_add(&w->ip, interface, &elsewhere, 24, &index), HF_OK);
    arp(w, HFI_ARP_REQUEST, hf_addr4(203, 0, 113, 9), peer_mac, addr4(7));
    assert_true(w->effect.answer);
    assert_int_equal(w->neighbors.state->used, 0);
}

/* ---- Limits. ---- */

static void a_flood_of_questions_pushes_out_only_other_askers(void **state) {
    world *w = *state;
    hfi_mac mac;
    for (uint8_t i = 20; i < 30; i++) arp(w, HFI_ARP_REQUEST, addr4(i), evil_mac, addr4(7));
    assert_int_equal(w->neighbors.state->used, 2);
    resolve4(w, 9);
    resolve4(w, 10);
    for (uint32_t i = 0; i < 100000; i++) {
        hf_addr addr = addr6(0);
        addr.bytes[12] = (uint8_t)(i >> 16), addr.bytes[13] = (uint8_t)(i >> 8),
        addr.bytes[14] = (uint8_t)i;
        solicit(w, addr, evil_mac, addr6(7));
    }
    assert_int_equal(w->neighbors.state->used, 4);
    assert_int_equal(w->neighbors.state->passive_count, 2);
    assert_int_equal(want(w, addr4(9), &mac), HFI_NEIGHBOR_KNOWN);
    assert_int_equal(want(w, addr4(10), &mac), HFI_NEIGHBOR_KNOWN);
    assert_int_equal(want(w, addr4(11), &mac), HFI_NEIGHBOR_ASKED);
    assert_int_equal(w->neighbors.state->passive_count, 1);
}

static void a_full_table_gives_up_the_one_unwanted_for_longest_but_none_waited_for(void **state) {
    world *w = *state;
    hfi_mac mac;
    for (uint8_t i = 0; i < 4; i++) {
        want(w, addr4(20 + i), &mac);
        entry(w, addr4(20 + i))->waiting = i == 0 ? 5 : HFI_NONE;
    }
    assert_int_equal(want(w, addr4(30), &mac), HFI_NEIGHBOR_ASKED);
    assert_non_null(entry(w, addr4(20)));
    assert_null(entry(w, addr4(21)));
    for (uint8_t i = 0; i < 4; i++)
        if (w->neighbors.entries[i].state != HFI_NEIGHBOR_FREE) w->neighbors.entries[i].waiting = 6;
    assert_int_equal(want(w, addr4(31), &mac), HFI_NEIGHBOR_FULL);
}

static void more_actions_than_room_come_with_the_next_call(void **state) {
    world *w = *state;
    hfi_mac mac;
    for (uint8_t i = 0; i < 4; i++) want(w, addr4(20 + i), &mac);
    assert_int_equal(hfi_neighbor_tick(&w->neighbors, &w->ip, w->now_ns, w->actions, 3), 3);
    assert_int_equal(hfi_neighbor_next_at(&w->neighbors), w->now_ns);
    assert_int_equal(hfi_neighbor_tick(&w->neighbors, &w->ip, w->now_ns, w->actions, 3), 1);
    assert_int_equal(w->actions[0].target.bytes[15], 23);
}

/* ---- Our own addresses. ---- */

static hfi_neighbor_action run_until(world *w, hfi_neighbor_action_kind kind) {
    for (int i = 0; i < 20; i++) {
        w->now_ns = hfi_max64(w->now_ns, hfi_neighbor_next_at(&w->neighbors));
        const uint32_t count = hfi_neighbor_tick(&w->neighbors, &w->ip, w->now_ns, w->actions, 1);
        if (count == 1 && w->actions[0].kind == kind) return w->actions[0];
    }
    fail_msg("the action never came");
    return w->actions[0];
}

static void a_tentative_address_is_asked_for_once_and_then_usable(void **state) {
    world *w = *state;
    const hf_addr addr = addr6(70);
    uint32_t index;
    hfi_ip_address_add(&w->ip, 0, &addr, 64, &index);
    hfi_neighbor_address_added(&w->neighbors, &w->ip, index, w->now_ns);
    const hfi_neighbor_action check = run_until(w, HFI_NEIGHBOR_CHECK);
    assert_memory_equal(&check.target, &addr, 16);
    const hf_ns asked_at_ns = w->now_ns;
    assert_true(asked_at_ns < 1001 * HF_SECOND);
    assert_int_equal(solicit(w, addr6(9), peer_mac, addr), HF_CAUSE_DROP_NEIGHBOR);
    assert_false(w->effect.answer);
    assert_int_equal(run_until(w, HFI_NEIGHBOR_USABLE).index, index);
    assert_int_equal(w->now_ns, asked_at_ns + HF_SECOND);
    assert_int_equal(hfi_ip_local(&w->ip, &addr), index);
    assert_int_equal(hfi_neighbor_next_at(&w->neighbors), HF_NEVER);
}

static void an_address_that_somebody_has_or_checks_too_is_a_duplicate(void **state) {
    world *w = *state;
    const hf_addr any6 = {{0}};
    for (int how = 0; how < 2; how++) {
        const hf_addr addr = addr6((uint8_t)(70 + how));
        uint32_t index;
        hfi_ip_address_add(&w->ip, 0, &addr, 64, &index);
        hfi_neighbor_address_added(&w->neighbors, &w->ip, index, w->now_ns);
        run_until(w, HFI_NEIGHBOR_CHECK);
        assert_int_equal(solicit(w, any6, own_mac, addr),
                         HF_CAUSE_DROP_NEIGHBOR); /* our own echo */
        if (how == 0)
            advertise(w, addr, peer_mac, false, true);
        else
            solicit(w, any6, peer_mac, addr);
        assert_int_equal(w->effect.action.kind, HFI_NEIGHBOR_DUPLICATED);
        assert_int_equal(w->effect.action.index, index);
        w->now_ns += 5 * HF_SECOND;
        assert_int_equal(tick(w), 0);
        assert_int_equal(hfi_ip_local(&w->ip, &addr), HFI_NONE);
    }
}

static void we_listen_to_all_nodes_and_to_the_groups_of_our_addresses(void **state) {
    world *w = *state;
    const hf_addr seven = addr6(7), eight = addr6(8), nodes = {{0xff, 2, [15] = 1}};
    const hf_addr group7 = hfi_nd_solicited_node(&seven), group8 = hfi_nd_solicited_node(&eight);
    assert_true(hfi_neighbor_group_member(&w->ip, 0, &nodes));
    assert_true(hfi_neighbor_group_member(&w->ip, 0, &group7));
    assert_false(hfi_neighbor_group_member(&w->ip, 0, &group8));
    assert_false(hfi_neighbor_group_member(&w->ip, 1, &group7));
}

/* ---- Frames. ---- */

/* Two hosts find each other by the frames alone: what one writes the other one reads. */
static void assert_frame_is_nd(const uint8_t *frame, uint32_t bytes, hfi_eth_view *eth,
                               hfi_ip_view *packet, hfi_nd_view *view) {
    assert_in_range(bytes, 1, HFI_NEIGHBOR_FRAME_MAX);
    assert_int_equal(hfi_eth_parse(frame, bytes, eth), HF_CAUSE_NONE);
    assert_int_equal(eth->type, HFI_ETH_IP6);
    assert_memory_equal(&eth->source, &own_mac, 6);
    const uint8_t *at = frame + HFI_ETH_BYTES;
    const uint32_t packet_bytes = bytes - HFI_ETH_BYTES;
    assert_int_equal(hfi_ip_parse(at, packet_bytes, packet_bytes, false, packet), HF_CAUSE_NONE);
    const uint32_t sum = hfi_ip_pseudo_sum(&packet->source, &packet->destination, HFI_IP_ICMP6,
                                           packet->payload_bytes);
    assert_true(hfi_csum_good(hfi_csum_add(sum, at + HFI_IP6_BYTES, packet->payload_bytes)));
    assert_int_equal(hfi_nd_parse(packet, at + HFI_IP6_BYTES, packet->payload_bytes, view),
                     HF_CAUSE_NONE);
}

static void requests_go_to_everybody_and_probes_to_the_one(void **state) {
    world *w = *state;
    uint8_t frame[HFI_NEIGHBOR_FRAME_MAX];
    hfi_mac mac;
    hfi_eth_view eth;
    hfi_arp_view view;
    const hfi_mac everybody = hfi_mac_broadcast();
    want(w, addr4(9), &mac);
    tick(w);
    for (int probe = 0; probe < 2; probe++) {
        const uint32_t bytes = hfi_neighbor_action_frame(&w->ip, &w->actions[0], frame);
        assert_int_equal(bytes, HFI_ETH_BYTES + HFI_ARP_BYTES);
        assert_int_equal(hfi_eth_parse(frame, bytes, &eth), HF_CAUSE_NONE);
        assert_memory_equal(&eth.destination, probe ? &peer_mac : &everybody, 6);
        assert_int_equal(hfi_arp_parse(frame + HFI_ETH_BYTES, HFI_ARP_BYTES, &view), HF_CAUSE_NONE);
        assert_int_equal(view.operation, HFI_ARP_REQUEST);
        assert_int_equal(view.sender.bytes[15], 7);
        assert_int_equal(view.target.bytes[15], 9);
        arp(w, HFI_ARP_REPLY, addr4(9), peer_mac, addr4(7));
        arp(w, HFI_ARP_REPLY, addr4(9), evil_mac, addr4(7));
        tick(w);
    }
}

static void solicitations_read_back_as_they_were_meant(void **state) {
    world *w = *state;
    uint8_t frame[HFI_NEIGHBOR_FRAME_MAX];
    hfi_mac mac;
    hfi_eth_view eth;
    hfi_ip_view packet;
    hfi_nd_view view;
    want(w, addr6(9), &mac);
    tick(w);
    uint32_t bytes = hfi_neighbor_action_frame(&w->ip, &w->actions[0], frame);
    assert_frame_is_nd(frame, bytes, &eth, &packet, &view);
    assert_int_equal(view.type, HFI_ND_NEIGHBOR_SOLICITATION);
    assert_int_equal(eth.destination.b[0], 0x33);
    assert_int_equal(packet.destination.bytes[0], 0xff);
    assert_int_equal(packet.source.bytes[15], 7);
    assert_true(view.has_source_mac);

    w->actions[0].kind = HFI_NEIGHBOR_CHECK;
    bytes = hfi_neighbor_action_frame(&w->ip, &w->actions[0], frame);
    assert_frame_is_nd(frame, bytes, &eth, &packet, &view);
    assert_true(hf_addr_is_any(&packet.source));
    assert_false(view.has_source_mac);

    w->actions[0].kind = HFI_NEIGHBOR_REQUEST;
    w->actions[0].unicast = true;
    w->actions[0].mac = peer_mac;
    bytes = hfi_neighbor_action_frame(&w->ip, &w->actions[0], frame);
    assert_frame_is_nd(frame, bytes, &eth, &packet, &view);
    assert_memory_equal(&eth.destination, &peer_mac, 6);
    assert_int_equal(packet.destination.bytes[15], 9);

    w->actions[0].kind = HFI_NEIGHBOR_SOLICIT;
    bytes = hfi_neighbor_action_frame(&w->ip, &w->actions[0], frame);
    assert_frame_is_nd(frame, bytes, &eth, &packet, &view);
    assert_int_equal(view.type, HFI_ND_ROUTER_SOLICITATION);
    w->actions[0].kind = HFI_NEIGHBOR_RESOLVED;
    assert_int_equal(hfi_neighbor_action_frame(&w->ip, &w->actions[0], frame), 0);
}

static void answers_read_back_as_they_were_meant(void **state) {
    world *w = *state;
    uint8_t frame[HFI_NEIGHBOR_FRAME_MAX];
    hfi_eth_view eth;
    hfi_ip_view packet;
    hfi_nd_view view;
    hfi_arp_view reply;
    solicit(w, addr6(9), peer_mac, addr6(7));
    uint32_t bytes = hfi_neighbor_answer_frame(&w->ip, 0, &w->effect, frame);
    assert_frame_is_nd(frame, bytes, &eth, &packet, &view);
    assert_int_equal(view.type, HFI_ND_NEIGHBOR_ADVERTISEMENT);
    assert_true(view.solicited && view.override && view.has_target_mac && !view.is_router);
    assert_memory_equal(&view.target_mac, &own_mac, 6);
    assert_memory_equal(&eth.destination, &peer_mac, 6);
    arp(w, HFI_ARP_REQUEST, addr4(9), peer_mac, addr4(7));
    bytes = hfi_neighbor_answer_frame(&w->ip, 0, &w->effect, frame);
    assert_int_equal(bytes, HFI_ETH_BYTES + HFI_ARP_BYTES);
    assert_int_equal(hfi_arp_parse(frame + HFI_ETH_BYTES, HFI_ARP_BYTES, &reply), HF_CAUSE_NONE);
    assert_int_equal(reply.operation, HFI_ARP_REPLY);
    assert_memory_equal(&reply.sender_mac, &own_mac, 6);
    arp(w, HFI_ARP_REQUEST, addr4(9), peer_mac, addr4(8));
    assert_int_equal(hfi_neighbor_answer_frame(&w->ip, 0, &w->effect, frame), 0);
}

/* ---- Routers and prefixes. ---- */

static hfi_nd_view advertisement(uint16_t lifetime) {
    return (hfi_nd_view){.type = HFI_ND_ROUTER_ADVERTISEMENT,
                         .has_source_mac = true,
                         .source_mac = peer_mac,
                         .router_lifetime_seconds = lifetime};
}

static hfi_nd_view with_prefix(uint16_t number, uint32_t valid, uint32_t preferred) {
    hfi_nd_view view = advertisement(1800);
    hf_addr prefix = addr6(0);
    prefix.bytes[4] = (uint8_t)(number >> 8), prefix.bytes[5] = (uint8_t)number;
    view.prefix_count = 1;
    view.prefixes[0] = (hfi_nd_prefix){.prefix = prefix,
                                       .prefix_bits = 64,
                                       .on_link = true,
                                       .autonomous = true,
                                       .valid_seconds = valid,
                                       .preferred_seconds = preferred};
    return view;
}

static hf_cause router_says(world *w, uint8_t router, hfi_nd_view view) {
    return nd(w, link6(router), (hf_addr){{0xff, 2, [15] = 1}}, peer_mac, view);
}

static hf_addr own_of(const hfi_nd_view *view) {
    hf_addr addr = view->prefixes[0].prefix;
    const uint8_t identifier[8] = {0, 0, 0, 0xff, 0xfe, 0, 0, 7};
    memcpy(addr.bytes + 8, identifier, 8);
    return addr;
}

static void an_autoconfigured_link_gets_its_address_and_looks_for_routers(void **state) {
    world *w = *state;
    const hfi_neighbor_action usable = run_until(w, HFI_NEIGHBOR_USABLE);
    const hf_addr link = {{0xfe, 0x80, [8] = 0, 0, 0, 0xff, 0xfe, 0, 0, 7}};
    assert_memory_equal(&usable.target, &link, 16);
    for (int i = 0; i < 3; i++) {
        run_until(w, HFI_NEIGHBOR_SOLICIT);
        w->now_ns += 3999 * HF_MS;
        assert_int_equal(tick(w), 0);
        w->now_ns += HF_MS;
    }
    assert_int_equal(tick(w), 0);
    assert_int_equal(hfi_neighbor_next_at(&w->neighbors), HF_NEVER);
}

static void an_advertisement_ends_the_looking_and_makes_route_and_address(void **state) {
    world *w = *state;
    const hf_addr far = {{0x2a, 0, [15] = 5}};
    hfi_next_hop hop;
    run_until(w, HFI_NEIGHBOR_SOLICIT);
    hfi_nd_view view = with_prefix(3, 7200, 3600);
    view.mtu = 1400;
    assert_int_equal(router_says(w, 1, view), HF_CAUSE_TOOK_ROUTER_ADVERTISEMENT);
    assert_true(hfi_ip_route(&w->ip, &far, &hop));
    assert_int_equal(hop.addr.bytes[15], 1);
    assert_int_equal(hfi_ip_mtu(&w->ip, 0), 1400);
    assert_state(w, link6(1), HFI_NEIGHBOR_STALE);
    const hf_addr own = own_of(&view);
    const hfi_neighbor_action usable = run_until(w, HFI_NEIGHBOR_USABLE);
    assert_memory_equal(&usable.target, &own, 16);
    const uint32_t index = hfi_ip_local(&w->ip, &own);
    assert_int_equal(hfi_ip_source(&w->ip, &far, 0), index);

    w->now_ns += 1800 * HF_SECOND; /* the router's lifetime */
    tick(w);
    assert_false(hfi_ip_route(&w->ip, &far, &hop));
    w->now_ns += 1801 * HF_SECOND; /* the preferred lifetime */
    tick(w);
    assert_int_equal(w->ip.addresses[index].state, HFI_ADDRESS_DEPRECATED);
    w->now_ns += 3600 * HF_SECOND; /* the valid lifetime */
    tick(w);
    assert_int_equal(hfi_ip_local(&w->ip, &own), HFI_NONE);
    assert_int_equal(hfi_neighbor_next_at(&w->neighbors), HF_NEVER);
}

static void a_router_that_stops_or_turns_host_is_forgotten_at_once(void **state) {
    world *w = *state;
    const hf_addr far = {{0x2a, 0, [15] = 5}};
    hfi_next_hop hop;
    router_says(w, 1, advertisement(1800));
    assert_true(hfi_ip_route(&w->ip, &far, &hop));
    router_says(w, 1, advertisement(0));
    assert_false(hfi_ip_route(&w->ip, &far, &hop));
    router_says(w, 1, advertisement(1800));
    advertise(w, link6(1), peer_mac, false, true); /* without the router flag */
    assert_false(hfi_ip_route(&w->ip, &far, &hop));
}

static void a_silent_router_gives_way_to_another(void **state) {
    world *w = *state;
    const hf_addr far = {{0x2a, 0, [15] = 5}};
    hfi_next_hop hop;
    run_until(w, HFI_NEIGHBOR_SOLICIT);
    router_says(w, 1, advertisement(1800));
    router_says(w, 2, advertisement(1800));
    hfi_ip_route(&w->ip, &far, &hop);
    const hf_addr first = hop.addr;
    hfi_neighbor_doubt(&w->neighbors, 0, &first, HFI_NONE, w->now_ns);
    run_until(w, HFI_NEIGHBOR_FAILED);
    assert_true(hfi_ip_route(&w->ip, &far, &hop));
    assert_memory_not_equal(&hop.addr, &first, 16);
}

static void a_flood_of_routers_and_prefixes_stays_within_its_places(void **state) {
    world *w = *state;
    for (uint32_t i = 0; i < 20000; i++)
        router_says(w, (uint8_t)(1 + i % 200), with_prefix((uint16_t)i, UINT32_MAX, UINT32_MAX));
    /* Link-local network, 4 routers, 8 prefixes; and 8 addresses in all made here. */
    assert_int_equal(w->ip.state->route_count, 1 + HFI_ND_ROUTERS_MAX + HFI_ND_PREFIXES_MAX);
    uint32_t addresses = 0;
    for (uint32_t i = 0; i < w->ip.state->address_count; i++)
        addresses += w->ip.addresses[i].state != HFI_ADDRESS_FREE;
    assert_int_equal(addresses, HFI_ND_PREFIXES_MAX);
}

static void a_forged_short_lifetime_leaves_two_hours(void **state) {
    world *w = *state;
    hfi_nd_view view = with_prefix(3, 86400, 86400);
    router_says(w, 1, view);
    const hf_addr own = own_of(&view);
    run_until(w, HFI_NEIGHBOR_USABLE);
    view.prefixes[0].valid_seconds = view.prefixes[0].preferred_seconds = 1;
    router_says(w, 1, view);
    w->now_ns += 7199 * HF_SECOND;
    tick(w);
    assert_int_not_equal(hfi_ip_local(&w->ip, &own), HFI_NONE);
    w->now_ns += 2 * HF_SECOND;
    tick(w);
    assert_int_equal(hfi_ip_local(&w->ip, &own), HFI_NONE);
}

static void a_route_of_the_callers_does_not_end_with_an_advertisement(void **state) {
    world *w = *state;
    hfi_nd_view view = with_prefix(3, 100, 100);
    const hf_addr none = {{0}};
    assert_int_equal(hfi_ip_route_add(&w->ip, &view.prefixes[0].prefix, 64, &none, 0), HF_OK);
    router_says(w, 1, view);
    view.prefixes[0].valid_seconds = view.prefixes[0].preferred_seconds = 0;
    router_says(w, 1, view);
    assert_true(hfi_ip_route_has(&w->ip, &view.prefixes[0].prefix, 64, &none, 0));
}

static void nonsense_in_advertisements_is_ignored(void **state) {
    world *w = *state;
    hfi_nd_view view = with_prefix(3, 100, 200); /* preferred for longer than valid */
    view.mtu = 1279;
    router_says(w, 1, view);
    assert_int_equal(hfi_ip_mtu(&w->ip, 0), 1500);
    const hf_addr own = own_of(&view);
    assert_int_equal(hfi_ip_address_find(&w->ip, &own), HFI_NONE);
    view = with_prefix(4, 200, 100);
    view.prefixes[0].prefix_bits = 63;
    view.mtu = 9000;
    router_says(w, 1, view);
    assert_int_equal(hfi_ip_mtu(&w->ip, 0), 1500);
    view = with_prefix(0, 200, 100);
    view.prefixes[0].prefix = link6(0);
    router_says(w, 1, view);
    assert_int_equal(w->ip.state->address_count, 1);
}

static void a_link_without_autoconfiguration_takes_no_advertisement(void **state) {
    world *w = *state;
    assert_int_equal(router_says(w, 1, with_prefix(3, 7200, 3600)), HF_CAUSE_DROP_NEIGHBOR);
    assert_int_equal(w->neighbors.state->used, 0);
}

#define WITH_WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define WITH_AUTOCONF(f) cmocka_unit_test_setup_teardown(f, setup_autoconf, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_WORLD(an_unknown_neighbour_is_asked_three_times_a_second_apart_and_then_fails),
        WITH_WORLD(an_answer_wakes_who_waits),
        WITH_WORLD(groups_and_broadcast_need_no_asking),
        WITH_WORLD(an_idle_entry_goes_stale_and_is_asked_by_unicast_five_seconds_after_use),
        WITH_WORLD(what_tcp_hears_spares_the_question),
        WITH_WORLD(a_hint_that_fits_no_more_confirms_nothing),
        WITH_WORLD(a_doubt_asks_at_once_and_silence_removes_the_entry),
        WITH_WORLD(an_answer_that_nobody_asked_for_makes_no_entry),
        WITH_WORLD(an_arp_claim_on_a_known_neighbour_only_asks_the_old_address),
        WITH_WORLD(a_neighbour_that_moved_is_found_after_the_old_address_is_silent),
        WITH_WORLD(an_advertisement_without_override_changes_no_link_address),
        WITH_WORLD(nobody_can_claim_our_own_address),
        WITH_WORLD(a_question_for_us_is_answered_and_remembered),
        WITH_WORLD(who_only_checks_an_address_is_answered_and_not_remembered),
        WITH_WORLD(questions_for_others_are_not_answered),
        WITH_WORLD(a_stranger_from_another_network_is_answered_and_not_remembered),
        WITH_WORLD(a_flood_of_questions_pushes_out_only_other_askers),
        WITH_WORLD(a_full_table_gives_up_the_one_unwanted_for_longest_but_none_waited_for),
        WITH_WORLD(more_actions_than_room_come_with_the_next_call),
        WITH_WORLD(a_tentative_address_is_asked_for_once_and_then_usable),
        WITH_WORLD(an_address_that_somebody_has_or_checks_too_is_a_duplicate),
        WITH_WORLD(we_listen_to_all_nodes_and_to_the_groups_of_our_addresses),
        WITH_WORLD(requests_go_to_everybody_and_probes_to_the_one),
        WITH_WORLD(solicitations_read_back_as_they_were_meant),
        WITH_WORLD(answers_read_back_as_they_were_meant),
        WITH_AUTOCONF(an_autoconfigured_link_gets_its_address_and_looks_for_routers),
        WITH_AUTOCONF(an_advertisement_ends_the_looking_and_makes_route_and_address),
        WITH_AUTOCONF(a_router_that_stops_or_turns_host_is_forgotten_at_once),
        WITH_AUTOCONF(a_silent_router_gives_way_to_another),
        WITH_AUTOCONF(a_flood_of_routers_and_prefixes_stays_within_its_places),
        WITH_AUTOCONF(a_forged_short_lifetime_leaves_two_hours),
        WITH_AUTOCONF(a_route_of_the_callers_does_not_end_with_an_advertisement),
        WITH_AUTOCONF(nonsense_in_advertisements_is_ignored),
        WITH_WORLD(a_link_without_autoconfiguration_takes_no_advertisement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
