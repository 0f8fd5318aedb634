#include "neighbor/neighbor.h"

static hfi_mac interface_mac(const hfi_ip *ip, uint32_t interface) {
    hfi_mac mac;
    memcpy(mac.b, ip->interfaces[interface].mac, sizeof mac.b);
    return mac;
}

/* We answer for an address on its own interface only. */
static bool answers_for(const hfi_ip *ip, uint32_t interface, const hf_addr *addr) {
    const uint32_t index = hfi_ip_local(ip, addr);
    return index != HFI_NONE && ip->addresses[index].interface == interface;
}

/* ---- ARP, RFC 826. ---- */

/* Somebody says that `mac` has the address of a known entry; see neighbor.h for why a contradiction
 * only asks. */
static void arp_claim(hfi_neighbors *neighbors, hfi_index index, const hfi_arp_view *arp,
                      bool answers_us, hf_ns now_ns, hfi_neighbor_effect *effect) {
    hfi_neighbor *entry = &neighbors->entries[index];
    if (entry->state == HFI_NEIGHBOR_INCOMPLETE) {
        hfi_neighbor_mac_learned(neighbors, index, &arp->sender_mac, answers_us, now_ns,
                                 &effect->action);
    } else if (!hfi_mac_equal(&entry->mac, &arp->sender_mac)) {
        hfi_neighbor_doubt(neighbors, entry->interface, &entry->addr, index, now_ns);
    } else if (answers_us && entry->state == HFI_NEIGHBOR_PROBE) {
        hfi_neighbor_confirm(neighbors, entry->interface, &entry->addr, index, now_ns);
    }
}

static void arp_answer(const hfi_ip *ip, uint32_t interface, const hfi_arp_view *arp,
                       hfi_neighbor_effect *effect) {
    effect->answer = true;
    effect->answer_mac = arp->sender_mac;
    effect->arp = (hfi_arp_view){.operation = HFI_ARP_REPLY,
                                 .sender_mac = interface_mac(ip, interface),
                                 .sender = arp->target,
                                 .target_mac = arp->sender_mac,
                                 .target = arp->sender};
}

hf_cause hfi_neighbor_arp_input(hfi_neighbors *neighbors, const hfi_ip *ip, uint32_t interface,
                                const hfi_arp_view *arp, hf_ns now_ns,
                                hfi_neighbor_effect *ret_effect) {
    const hfi_mac own_mac = interface_mac(ip, interface);
    const bool for_us = answers_for(ip, interface, &arp->target);
    const bool is_request = arp->operation == HFI_ARP_REQUEST;
    *ret_effect = (hfi_neighbor_effect){0};
    /* RFC 5227 1.1: an "any" sender only asks whether an address is free. */
    const bool has_sender = !hf_addr_is_any(&arp->sender);
    if (has_sender && hfi_ip_address_find(ip, &arp->sender) != HFI_NONE)
        return HF_CAUSE_DROP_NEIGHBOR;
    /* An entry for a broadcast address would bring the claimant what we send to everybody. */
    if (hfi_ip_is_broadcast(ip, &arp->sender)) return HF_CAUSE_DROP_NEIGHBOR;
    hfi_index index = has_sender ? hfi_neighbor_find(neighbors, interface, &arp->sender) : HFI_NONE;
    if (index != HFI_NONE) {
        const bool answers_us = !is_request && for_us && hfi_mac_equal(&arp->target_mac, &own_mac);
        arp_claim(neighbors, index, arp, answers_us, now_ns, ret_effect);
    } else if (has_sender && is_request && for_us) {
        index =
            hfi_neighbor_heard_of(neighbors, ip, interface, &arp->sender, &arp->sender_mac, now_ns);
    }
    if (is_request && for_us) arp_answer(ip, interface, arp, ret_effect);
    return index != HFI_NONE || ret_effect->answer ? HF_CAUSE_TOOK_NEIGHBOR
                                                   : HF_CAUSE_DROP_NEIGHBOR;
}

/* ---- Neighbour solicitation, RFC 4861 7.2.3 and 7.2.4. ---- */

/* Our target is tentative: RFC 4862 5.4.3. Whoever else checks the same address has it as little as
 * we, but neither may take it. Our own question that a switch sends back is none. */
static hf_cause solicited_tentative(hfi_neighbors *neighbors, hfi_ip *ip, uint32_t interface,
                                    const hfi_ip_view *packet, const hfi_mac *from_mac,
                                    uint32_t target, hfi_neighbor_effect *effect) {
    const hfi_mac own_mac = interface_mac(ip, interface);
    if (!hf_addr_is_any(&packet->source) || hfi_mac_equal(from_mac, &own_mac))
        return HF_CAUSE_DROP_NEIGHBOR;
    hfi_neighbor_duplicate(neighbors, ip, target, &effect->action);
    return HF_CAUSE_TOOK_NEIGHBOR;
}

static void solicitor_learn(hfi_neighbors *neighbors, const hfi_ip *ip, uint32_t interface,
                            const hf_addr *source, const hfi_mac *mac, hf_ns now_ns,
                            hfi_neighbor_effect *effect) {
    const hfi_index index = hfi_neighbor_find(neighbors, interface, source);
    if (index == HFI_NONE) {
        hfi_neighbor_heard_of(neighbors, ip, interface, source, mac, now_ns);
        return;
    }
    const hfi_neighbor *entry = &neighbors->entries[index];
    if (entry->state == HFI_NEIGHBOR_INCOMPLETE || !hfi_mac_equal(&entry->mac, mac))
        hfi_neighbor_mac_learned(neighbors, index, mac, false, now_ns, &effect->action);
}

static void solicitation_answer(const hfi_ip_view *packet, const hfi_mac *from_mac,
                                const hfi_nd_view *nd, hfi_neighbor_effect *effect) {
    static const hf_addr all_nodes = {{0xff, 2, [15] = 1}};
    const bool anonymous = hf_addr_is_any(&packet->source);
    effect->answer = true;
    effect->nd_source = nd->target;
    effect->nd_target = nd->target;
    effect->nd_destination = anonymous ? all_nodes : packet->source;
    effect->nd_solicited = !anonymous;
    effect->answer_mac = anonymous            ? hfi_mac_of_group(&all_nodes)
                         : nd->has_source_mac ? nd->source_mac
                                              : *from_mac;
}

static hf_cause solicitation_input(hfi_neighbors *neighbors, hfi_ip *ip, uint32_t interface,
                                   const hfi_ip_view *packet, const hfi_mac *from_mac,
                                   const hfi_nd_view *nd, hf_ns now_ns,
                                   hfi_neighbor_effect *effect) {
    const uint32_t target = hfi_ip_address_find(ip, &nd->target);
    if (target == HFI_NONE || ip->addresses[target].interface != interface)
        return HF_CAUSE_DROP_NEIGHBOR;
    if (ip->addresses[target].state == HFI_ADDRESS_TENTATIVE)
        return solicited_tentative(neighbors, ip, interface, packet, from_mac, target, effect);
    if (!answers_for(ip, interface, &nd->target)) return HF_CAUSE_DROP_NEIGHBOR;
    if (hfi_ip_address_find(ip, &packet->source) != HFI_NONE) return HF_CAUSE_DROP_NEIGHBOR;
    if (nd->has_source_mac && !hf_addr_is_any(&packet->source))
        solicitor_learn(neighbors, ip, interface, &packet->source, &nd->source_mac, now_ns, effect);
    solicitation_answer(packet, from_mac, nd, effect);
    return HF_CAUSE_TOOK_NEIGHBOR;
}

/* ---- Neighbour advertisement, RFC 4861 7.2.5. ---- */

static void router_flag_take(hfi_neighbors *neighbors, hfi_ip *ip, hfi_index index,
                             bool is_router) {
    hfi_neighbor *entry = &neighbors->entries[index];
    const bool no_longer = entry->is_router && !is_router;
    entry->is_router = is_router;
    if (no_longer) hfi_neighbor_router_forget(neighbors, ip, entry->interface, &entry->addr);
}

static hf_cause advertised_unknown(hfi_neighbors *neighbors, hfi_index index, const hfi_nd_view *nd,
                                   hf_ns now_ns, hfi_neighbor_effect *effect) {
    if (!nd->has_target_mac) return HF_CAUSE_DROP_NEIGHBOR;
    neighbors->entries[index].is_router = nd->is_router;
    hfi_neighbor_mac_learned(neighbors, index, &nd->target_mac, nd->solicited, now_ns,
                             &effect->action);
    return HF_CAUSE_TOOK_NEIGHBOR;
}

static hf_cause advertised_known(hfi_neighbors *neighbors, hfi_ip *ip, hfi_index index,
                                 const hfi_nd_view *nd, hf_ns now_ns, hfi_neighbor_effect *effect) {
    hfi_neighbor *entry = &neighbors->entries[index];
    const bool differs = nd->has_target_mac && !hfi_mac_equal(&entry->mac, &nd->target_mac);
    if (differs && !nd->override) {
        if (entry->state == HFI_NEIGHBOR_REACHABLE) hfi_neighbor_stale_set(neighbors, index);
        return HF_CAUSE_DROP_NEIGHBOR;
    }
    if (differs || nd->solicited) {
        const hfi_mac mac = differs ? nd->target_mac : entry->mac;
        hfi_neighbor_mac_learned(neighbors, index, &mac, nd->solicited, now_ns, &effect->action);
    }
    router_flag_take(neighbors, ip, index, nd->is_router);
    return HF_CAUSE_TOOK_NEIGHBOR;
}

static hf_cause advertisement_input(hfi_neighbors *neighbors, hfi_ip *ip, uint32_t interface,
                                    const hfi_mac *from_mac, const hfi_nd_view *nd, hf_ns now_ns,
                                    hfi_neighbor_effect *effect) {
    const hfi_mac own_mac = interface_mac(ip, interface);
    const uint32_t own = hfi_ip_address_find(ip, &nd->target);
    if (own != HFI_NONE) {
        /* RFC 4862 5.4.4: somebody has it already. An address in use is not given up for a claim.
         */
        const hfi_address *address = &ip->addresses[own];
        if (address->interface != interface || address->state != HFI_ADDRESS_TENTATIVE ||
            hfi_mac_equal(from_mac, &own_mac))
            return HF_CAUSE_DROP_NEIGHBOR;
        hfi_neighbor_duplicate(neighbors, ip, own, &effect->action);
        return HF_CAUSE_TOOK_NEIGHBOR;
    }
    const hfi_index index = hfi_neighbor_find(neighbors, interface, &nd->target);
    if (index == HFI_NONE) return HF_CAUSE_DROP_NEIGHBOR;
    if (neighbors->entries[index].state == HFI_NEIGHBOR_INCOMPLETE)
        return advertised_unknown(neighbors, index, nd, now_ns, effect);
    return advertised_known(neighbors, ip, index, nd, now_ns, effect);
}

/* ---- Router advertisement, RFC 4861 6.3.4. ---- */

static hf_cause router_advertisement_input(hfi_neighbors *neighbors, hfi_ip *ip, uint32_t interface,
                                           const hfi_ip_view *packet, const hfi_nd_view *nd,
                                           hf_ns now_ns, hfi_neighbor_effect *effect) {
    if (!ip->interfaces[interface].ip6_autoconf) return HF_CAUSE_DROP_NEIGHBOR;
    if (hfi_ip_address_find(ip, &packet->source) != HFI_NONE) return HF_CAUSE_DROP_NEIGHBOR;
    hfi_neighbor_advertised(neighbors, ip, interface, packet, nd, now_ns);
    if (nd->has_source_mac)
        solicitor_learn(neighbors, ip, interface, &packet->source, &nd->source_mac, now_ns, effect);
    const hfi_index index = hfi_neighbor_find(neighbors, interface, &packet->source);
    if (index != HFI_NONE) neighbors->entries[index].is_router = true;
    return HF_CAUSE_TOOK_ROUTER_ADVERTISEMENT;
}

hf_cause hfi_neighbor_nd_input(hfi_neighbors *neighbors, hfi_ip *ip, uint32_t interface,
                               const hfi_ip_view *packet, const hfi_mac *from_mac,
                               const hfi_nd_view *nd, hf_ns now_ns,
                               hfi_neighbor_effect *ret_effect) {
    *ret_effect = (hfi_neighbor_effect){0};
    /* RFC 4291 2.7: nobody sends from a group. An entry for one would bring the claimant what we
     * send to it. */
    if (hfi_addr_is_multicast(&packet->source)) return HF_CAUSE_DROP_NEIGHBOR;
    switch (nd->type) {
    case HFI_ND_NEIGHBOR_SOLICITATION:
        return solicitation_input(neighbors, ip, interface, packet, from_mac, nd, now_ns,
                                  ret_effect);
    case HFI_ND_NEIGHBOR_ADVERTISEMENT:
        return advertisement_input(neighbors, ip, interface, from_mac, nd, now_ns, ret_effect);
    case HFI_ND_ROUTER_ADVERTISEMENT:
        return router_advertisement_input(neighbors, ip, interface, packet, nd, now_ns, ret_effect);
    default: return HF_CAUSE_DROP_NEIGHBOR; /* a router solicitation is not for hosts */
    }
}

bool hfi_neighbor_group_member(const hfi_ip *ip, uint32_t interface, const hf_addr *group) {
    static const hf_addr all_nodes6 = {{0xff, 2, [15] = 1}}, own_node6 = {{0xff, 1, [15] = 1}};
    const hf_addr all_nodes4 = hf_addr4(224, 0, 0, 1);
    if (hf_addr_equal(group, &all_nodes6) || hf_addr_equal(group, &own_node6) ||
        hf_addr_equal(group, &all_nodes4))
        return true;
    for (uint32_t i = 0; i < ip->state->address_count; i++) {
        const hfi_address *address = &ip->addresses[i];
        if (address->state == HFI_ADDRESS_FREE || address->state == HFI_ADDRESS_GONE) continue;
        if (address->interface != interface || hf_addr_is4(&address->addr)) continue;
        const hf_addr solicited = hfi_nd_solicited_node(&address->addr);
        if (hf_addr_equal(group, &solicited)) return true;
    }
    return false;
}
