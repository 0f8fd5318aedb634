#include "neighbor_world.h"

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

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_WORLD(a_tentative_address_is_asked_for_once_and_then_usable),
        WITH_WORLD(an_address_that_somebody_has_or_checks_too_is_a_duplicate),
        WITH_WORLD(we_listen_to_all_nodes_and_to_the_groups_of_our_addresses),
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
