#include "neighbor/neighbor.h"

/* ---- When is something due. ---- */

/* The places are few: 4 routers, 8 prefixes, some addresses and interfaces. */
static void own_next_find(hfi_neighbors *neighbors) {
    hfi_neighbor_state *state = neighbors->state;
    hf_ns next_ns = HF_NEVER;
    for (uint32_t i = 0; i < neighbors->address_max; i++) {
        const hfi_address_life *life = &neighbors->lives[i];
        next_ns = hfi_min64(next_ns, hfi_min64(life->check_at_ns, life->valid_until_ns));
        next_ns = hfi_min64(next_ns, life->preferred_until_ns);
    }
    for (uint32_t i = 0; i < HFI_ND_ROUTERS_MAX; i++)
        if (!hf_addr_is_any(&state->routers[i].addr))
            next_ns = hfi_min64(next_ns, state->routers[i].until_ns);
    for (uint32_t i = 0; i < HFI_ND_PREFIXES_MAX; i++)
        if (state->prefixes[i].used) next_ns = hfi_min64(next_ns, state->prefixes[i].until_ns);
    for (uint32_t i = 0; i < neighbors->interface_max; i++)
        next_ns = hfi_min64(next_ns, neighbors->interfaces[i].solicit_at_ns);
    state->own_next_at_ns = next_ns;
}

static hf_ns lifetime_end(uint32_t seconds, hf_ns now_ns) {
    return seconds == UINT32_MAX ? HF_NEVER : now_ns + seconds * HF_SECOND;
}

/* ---- Duplicate detection, RFC 4862 5.4. ---- */

void hfi_neighbor_address_added(hfi_neighbors *neighbors, const hfi_ip *ip, uint32_t index,
                                hf_ns now_ns) {
    HF_ASSERT(index < neighbors->address_max);
    neighbors->lives[index] = (hfi_address_life){HF_NEVER, HF_NEVER, HF_NEVER, 0, false};
    if (ip->addresses[index].state == HFI_ADDRESS_TENTATIVE)
        /* RFC 4862 5.4.2: a random wait of up to 1 s, for hosts that a power cut started together.
         */
        neighbors->lives[index].check_at_ns = now_ns + hfi_neighbor_random(neighbors) % HF_SECOND;
    own_next_find(neighbors);
}

/* The first step asks, the second, a second later, takes silence for consent
 * (DupAddrDetectTransmits is 1). */
static bool check_step(hfi_neighbors *neighbors, hfi_ip *ip, uint32_t index, hf_ns now_ns,
                       hfi_neighbor_action *ret_action) {
    hfi_address_life *life = &neighbors->lives[index];
    const hfi_address *address = &ip->addresses[index];
    *ret_action = (hfi_neighbor_action){.kind = HFI_NEIGHBOR_CHECK,
                                        .interface = address->interface,
                                        .target = address->addr,
                                        .index = index,
                                        .waiting = HFI_NONE};
    if (life->checks_sent++ == 0) {
        life->check_at_ns = now_ns + HFI_ND_RETRANSMIT_NS;
        return true;
    }
    life->check_at_ns = HF_NEVER;
    hfi_ip_address_state_set(ip, index,
                             life->deprecated ? HFI_ADDRESS_DEPRECATED : HFI_ADDRESS_PREFERRED);
    ret_action->kind = HFI_NEIGHBOR_USABLE;
    const bool looks_for_routers = ip->interfaces[address->interface].ip6_autoconf &&
                                   hfi_addr_is_link_local6(&address->addr) && address->autoconf;
    if (looks_for_routers) neighbors->interfaces[address->interface].solicit_at_ns = now_ns;
    return true;
}

void hfi_neighbor_duplicate(hfi_neighbors *neighbors, hfi_ip *ip, uint32_t index,
                            hfi_neighbor_action *ret_action) {
    neighbors->lives[index].check_at_ns = HF_NEVER;
    hfi_ip_address_state_set(ip, index, HFI_ADDRESS_DUPLICATE);
    *ret_action = (hfi_neighbor_action){.kind = HFI_NEIGHBOR_DUPLICATED,
                                        .interface = ip->addresses[index].interface,
                                        .target = ip->addresses[index].addr,
                                        .index = index,
                                        .waiting = HFI_NONE};
    own_next_find(neighbors);
}

/* ---- Addresses made here. ---- */

/* RFC 4291 2.5.1 and appendix A: the interface identifier from the link address. */
static hf_addr address_of_prefix(const hf_addr *prefix, const uint8_t mac[6]) {
    hf_addr addr = *prefix;
    const uint8_t identifier[8] = {mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]};
    memcpy(addr.bytes + 8, identifier, sizeof identifier);
    return addr;
}

static hf_err own_address_add(hfi_neighbors *neighbors, hfi_ip *ip, uint32_t interface,
                              const hf_addr *addr, uint32_t prefix_bits, hf_ns now_ns,
                              uint32_t *ret_index) {
    const hf_err err = hfi_ip_address_add(ip, interface, addr, prefix_bits, ret_index);
    if (err != HF_OK) return err;
    ip->addresses[*ret_index].autoconf = 1;
    hfi_neighbor_address_added(neighbors, ip, *ret_index, now_ns);
    return HF_OK;
}

hf_err hfi_neighbor_interface_added(hfi_neighbors *neighbors, hfi_ip *ip, uint32_t interface,
                                    hf_ns now_ns) {
    static const hf_addr link_local = {{0xfe, 0x80}};
    const hfi_interface *added = &ip->interfaces[interface];
    if (!added->ip6_autoconf || added->link != HF_LINK_ETHERNET) return HF_OK;
    const hf_addr addr = address_of_prefix(&link_local, added->mac);
    uint32_t index;
    return own_address_add(neighbors, ip, interface, &addr, 64, now_ns, &index);
}

/* ---- Routers, RFC 4861 6.3.4 and 6.3.5. ---- */

static const hf_addr everywhere;

static hfi_nd_router *router_find(hfi_neighbors *neighbors, uint32_t interface,
                                  const hf_addr *addr) {
    for (uint32_t i = 0; i < HFI_ND_ROUTERS_MAX; i++) {
        hfi_nd_router *router = &neighbors->state->routers[i];
        if (router->interface == interface && hf_addr_equal(&router->addr, addr)) return router;
    }
    return NULL;
}

static void router_remove(hfi_ip *ip, hfi_nd_router *router) {
    hfi_ip_route_remove(ip, &everywhere, 0, &router->addr, router->interface);
    *router = (hfi_nd_router){.until_ns = HF_NEVER};
}

void hfi_neighbor_router_forget(hfi_neighbors *neighbors, hfi_ip *ip, uint32_t interface,
                                const hf_addr *addr) {
    hfi_nd_router *router = router_find(neighbors, interface, addr);
    if (router != NULL) router_remove(ip, router);
}

/* RFC 4861 6.3.6: a router that does not answer is asked last. The newest route wins, so the
 * others' become newer. */
void hfi_neighbor_router_failed(hfi_neighbors *neighbors, hfi_ip *ip, uint32_t interface,
                                const hf_addr *addr) {
    if (router_find(neighbors, interface, addr) == NULL) return;
    for (uint32_t i = 0; i < HFI_ND_ROUTERS_MAX; i++) {
        const hfi_nd_router *router = &neighbors->state->routers[i];
        const bool failed = router->interface == interface && hf_addr_equal(&router->addr, addr);
        if (!failed && !hf_addr_is_any(&router->addr))
            hfi_ip_route_add(ip, &everywhere, 0, &router->addr, router->interface);
    }
}

static void router_take(hfi_neighbors *neighbors, hfi_ip *ip, uint32_t interface,
                        const hf_addr *addr, uint32_t lifetime_seconds, hf_ns now_ns) {
    hfi_nd_router *router = router_find(neighbors, interface, addr);
    if (lifetime_seconds == 0) {
        if (router != NULL) router_remove(ip, router);
        return;
    }
    if (router == NULL) {
        router = router_find(neighbors, 0, &everywhere); /* an empty place */
        if (router == NULL) return;
        if (hfi_ip_route_add(ip, &everywhere, 0, addr, interface) != HF_OK) return;
        *router = (hfi_nd_router){.addr = *addr, .interface = interface};
    }
    router->until_ns = now_ns + lifetime_seconds * HF_SECOND;
}

/* ---- Prefixes on the link, RFC 4861 6.3.4. ---- */

static hfi_nd_on_link *on_link_find(hfi_neighbors *neighbors, uint32_t interface,
                                    const hfi_nd_prefix *prefix) {
    for (uint32_t i = 0; i < HFI_ND_PREFIXES_MAX; i++) {
        hfi_nd_on_link *known = &neighbors->state->prefixes[i];
        if (known->used && known->interface == interface &&
            known->prefix_bits == prefix->prefix_bits &&
            hfi_addr_common_bits(&known->prefix, &prefix->prefix) >= prefix->prefix_bits)
            return known;
    }
    return NULL;
}

static void on_link_remove(hfi_ip *ip, hfi_nd_on_link *known) {
    hfi_ip_route_remove(ip, &known->prefix, known->prefix_bits, &everywhere, known->interface);
    known->used = false;
}

static void on_link_make(hfi_neighbors *neighbors, hfi_ip *ip, uint32_t interface,
                         const hfi_nd_prefix *prefix, hf_ns until_ns) {
    /* A route that the caller made is his: it must not end with an advertisement. */
    if (hfi_ip_route_has(ip, &prefix->prefix, prefix->prefix_bits, &everywhere, interface)) return;
    for (uint32_t i = 0; i < HFI_ND_PREFIXES_MAX; i++) {
        hfi_nd_on_link *place = &neighbors->state->prefixes[i];
        if (place->used) continue;
        if (hfi_ip_route_add(ip, &prefix->prefix, prefix->prefix_bits, &everywhere, interface) !=
            HF_OK)
            return;
        *place = (hfi_nd_on_link){.prefix = prefix->prefix,
                                  .until_ns = until_ns,
                                  .prefix_bits = prefix->prefix_bits,
                                  .interface = (uint8_t)interface,
                                  .used = true};
        return;
    }
}

static void on_link_take(hfi_neighbors *neighbors, hfi_ip *ip, uint32_t interface,
                         const hfi_nd_prefix *prefix, hf_ns now_ns) {
    hfi_nd_on_link *known = on_link_find(neighbors, interface, prefix);
    const hf_ns until_ns = lifetime_end(prefix->valid_seconds, now_ns);
    if (known == NULL && prefix->valid_seconds > 0)
        on_link_make(neighbors, ip, interface, prefix, until_ns);
    else if (known != NULL && prefix->valid_seconds == 0)
        on_link_remove(ip, known);
    else if (known != NULL)
        known->until_ns = until_ns;
}

/* ---- Addresses from prefixes, RFC 4862 5.5.3. ---- */

static uint32_t autoconf_count(const hfi_ip *ip) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < ip->state->address_count; i++)
        count += ip->addresses[i].state != HFI_ADDRESS_FREE && ip->addresses[i].autoconf;
    return count;
}

/* Step e: the rest of a valid lifetime can be cut to two hours, no shorter, by who cannot prove
 * himself. */
static hf_ns valid_renewed(hf_ns valid_until_ns, const hfi_nd_prefix *prefix, hf_ns now_ns) {
    const hf_ns proposed_ns = lifetime_end(prefix->valid_seconds, now_ns);
    const hf_ns two_hours_ns = now_ns + HFI_ND_TWO_HOURS_NS;
    if (proposed_ns > two_hours_ns || proposed_ns > valid_until_ns) return proposed_ns;
    return hfi_min64(valid_until_ns, two_hours_ns);
}

static void address_renew(hfi_neighbors *neighbors, hfi_ip *ip, uint32_t index,
                          const hfi_nd_prefix *prefix, hf_ns now_ns) {
    hfi_address_life *life = &neighbors->lives[index];
    life->valid_until_ns = valid_renewed(life->valid_until_ns, prefix, now_ns);
    life->preferred_until_ns = lifetime_end(prefix->preferred_seconds, now_ns);
    if (prefix->preferred_seconds == 0) return;
    life->deprecated = false;
    if (ip->addresses[index].state == HFI_ADDRESS_DEPRECATED)
        hfi_ip_address_state_set(ip, index, HFI_ADDRESS_PREFERRED);
}

static void address_take(hfi_neighbors *neighbors, hfi_ip *ip, uint32_t interface,
                         const hfi_nd_prefix *prefix, hf_ns now_ns) {
    if (prefix->prefix_bits != 64 || prefix->preferred_seconds > prefix->valid_seconds) return;
    const hf_addr addr = address_of_prefix(&prefix->prefix, ip->interfaces[interface].mac);
    uint32_t index = hfi_ip_address_find(ip, &addr);
    if (index != HFI_NONE) {
        if (ip->addresses[index].autoconf && ip->addresses[index].interface == interface)
            address_renew(neighbors, ip, index, prefix, now_ns);
        return;
    }
    if (prefix->valid_seconds == 0 || autoconf_count(ip) >= HFI_ND_PREFIXES_MAX) return;
    /* 128 bits: what is on the link is said by another flag (RFC 5942 4). */
    if (own_address_add(neighbors, ip, interface, &addr, 128, now_ns, &index) != HF_OK) return;
    neighbors->lives[index].valid_until_ns = lifetime_end(prefix->valid_seconds, now_ns);
    neighbors->lives[index].preferred_until_ns = lifetime_end(prefix->preferred_seconds, now_ns);
}

/* ---- The advertisement. ---- */

static void reachable_take(hfi_neighbors *neighbors, uint32_t interface, uint32_t said_ms) {
    hfi_nd_interface *nd = &neighbors->interfaces[interface];
    const uint32_t base_ms =
        hfi_min32(hfi_max32(said_ms, HFI_ND_REACHABLE_MS_MIN), HFI_ND_REACHABLE_MS_MAX);
    if (said_ms == 0 || base_ms == nd->reachable_ms) return;
    nd->reachable_ms = base_ms;
    /* RFC 4861 6.3.2: between 0.5 and 1.5 times the base. */
    const uint64_t per_mille = 500 + hfi_neighbor_random(neighbors) % 1001;
    nd->reachable_ns = base_ms * per_mille * (HF_MS / 1000);
}

static void prefix_take(hfi_neighbors *neighbors, hfi_ip *ip, uint32_t interface,
                        const hfi_nd_prefix *prefix, hf_ns now_ns) {
    if (hfi_addr_is_link_local6(&prefix->prefix) || hfi_addr_is_multicast(&prefix->prefix)) return;
    if (prefix->on_link) on_link_take(neighbors, ip, interface, prefix, now_ns);
    if (prefix->autonomous) address_take(neighbors, ip, interface, prefix, now_ns);
}

void hfi_neighbor_advertised(hfi_neighbors *neighbors, hfi_ip *ip, uint32_t interface,
                             const hfi_ip_view *packet, const hfi_nd_view *nd, hf_ns now_ns) {
    hfi_interface *on = &ip->interfaces[interface];
    neighbors->interfaces[interface].solicit_at_ns = HF_NEVER;
    reachable_take(neighbors, interface, nd->reachable_ms);
    if (nd->mtu >= HFI_IP6_MTU_MIN && nd->mtu <= on->mtu) on->link_mtu = nd->mtu;
    router_take(neighbors, ip, interface, &packet->source, nd->router_lifetime_seconds, now_ns);
    for (uint32_t i = 0; i < nd->prefix_count; i++)
        prefix_take(neighbors, ip, interface, &nd->prefixes[i], now_ns);
    own_next_find(neighbors);
}

/* ---- Time. ---- */

static void address_age(hfi_neighbors *neighbors, hfi_ip *ip, uint32_t index, hf_ns now_ns) {
    hfi_address_life *life = &neighbors->lives[index];
    if (life->valid_until_ns <= now_ns) {
        *life = (hfi_address_life){HF_NEVER, HF_NEVER, HF_NEVER, 0, false};
        hfi_ip_address_remove(ip, index);
    } else if (life->preferred_until_ns <= now_ns) {
        life->preferred_until_ns = HF_NEVER;
        life->deprecated = true;
        if (ip->addresses[index].state == HFI_ADDRESS_PREFERRED)
            hfi_ip_address_state_set(ip, index, HFI_ADDRESS_DEPRECATED);
    }
}

static void routes_age(hfi_neighbors *neighbors, hfi_ip *ip, hf_ns now_ns) {
    hfi_neighbor_state *state = neighbors->state;
    for (uint32_t i = 0; i < HFI_ND_ROUTERS_MAX; i++)
        if (!hf_addr_is_any(&state->routers[i].addr) && state->routers[i].until_ns <= now_ns)
            router_remove(ip, &state->routers[i]);
    for (uint32_t i = 0; i < HFI_ND_PREFIXES_MAX; i++)
        if (state->prefixes[i].used && state->prefixes[i].until_ns <= now_ns)
            on_link_remove(ip, &state->prefixes[i]);
}

/* RFC 4861 6.3.7: three solicitations, 4 s apart, until an advertisement comes. */
static bool solicit_step(hfi_neighbors *neighbors, uint32_t interface, hf_ns now_ns,
                         hfi_neighbor_action *ret_action) {
    hfi_nd_interface *nd = &neighbors->interfaces[interface];
    if (nd->solicit_at_ns > now_ns) return false;
    nd->solicits_sent++;
    nd->solicit_at_ns =
        nd->solicits_sent < HFI_ND_ROUTER_SOLICITS ? now_ns + HFI_ND_ROUTER_SOLICIT_NS : HF_NEVER;
    *ret_action = (hfi_neighbor_action){.kind = HFI_NEIGHBOR_SOLICIT,
                                        .interface = interface,
                                        .index = HFI_NONE,
                                        .waiting = HFI_NONE};
    return true;
}

static bool own_step_once(hfi_neighbors *neighbors, hfi_ip *ip, hf_ns now_ns,
                          hfi_neighbor_action *ret_action) {
    for (uint32_t i = 0; i < neighbors->address_max; i++) {
        address_age(neighbors, ip, i, now_ns);
        if (neighbors->lives[i].check_at_ns <= now_ns)
            return check_step(neighbors, ip, i, now_ns, ret_action);
    }
    routes_age(neighbors, ip, now_ns);
    for (uint32_t i = 0; i < neighbors->interface_max; i++)
        if (solicit_step(neighbors, i, now_ns, ret_action)) return true;
    return false;
}

bool hfi_neighbor_own_step(hfi_neighbors *neighbors, hfi_ip *ip, hf_ns now_ns,
                           hfi_neighbor_action *ret_action) {
    if (neighbors->state->own_next_at_ns > now_ns) return false;
    const bool acted = own_step_once(neighbors, ip, now_ns, ret_action);
    own_next_find(neighbors);
    return acted;
}
