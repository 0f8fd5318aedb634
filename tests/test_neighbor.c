#include "neighbor_world.h"

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

static void nobody_can_ask_as_a_group_and_so_take_what_we_send_to_it(void **state) {
    world *w = *state;
    const hf_addr group = {{0xff, 2, [15] = 0xfb}};
    hfi_mac mac;
    assert_int_equal(arp(w, HFI_ARP_REQUEST, addr4(255), evil_mac, addr4(7)),
                     HF_CAUSE_DROP_NEIGHBOR);
    assert_false(w->effect.answer);
    assert_int_equal(want(w, addr4(255), &mac), HFI_NEIGHBOR_KNOWN);
    assert_int_equal(mac.b[0], 0xff);
    assert_int_equal(solicit(w, group, evil_mac, addr6(7)), HF_CAUSE_DROP_NEIGHBOR);
    assert_false(w->effect.answer);
    assert_int_equal(want(w, group, &mac), HFI_NEIGHBOR_KNOWN);
    assert_int_equal(mac.b[0], 0x33);
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
        WITH_WORLD(nobody_can_ask_as_a_group_and_so_take_what_we_send_to_it),
        WITH_WORLD(a_flood_of_questions_pushes_out_only_other_askers),
        WITH_WORLD(a_full_table_gives_up_the_one_unwanted_for_longest_but_none_waited_for),
        WITH_WORLD(more_actions_than_room_come_with_the_next_call),
        WITH_WORLD(requests_go_to_everybody_and_probes_to_the_one),
        WITH_WORLD(solicitations_read_back_as_they_were_meant),
        WITH_WORLD(answers_read_back_as_they_were_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
