#include "ip/ip.h"
#include "wire/ip.h"

/* ---- The table. Dense and in order of age, so that "newest" is "furthest right". ---- */

static hf_addr network_of(const hf_addr *addr, uint32_t bits) {
    hf_addr network = *addr;
    for (uint32_t bit = bits; bit < 128; bit++)
        network.bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
    return network;
}

static uint32_t bits_within_128(const hf_addr *network, uint32_t prefix_bits) {
    return hf_addr_is4(network) ? 96 + prefix_bits : prefix_bits;
}

static bool route_good(const hfi_ip *ip, const hf_addr *network, uint32_t prefix_bits,
                       const hf_addr *gateway, uint32_t interface) {
    if (interface >= ip->state->interface_count) return false;
    if (prefix_bits > (hf_addr_is4(network) ? 32u : 128u)) return false;
    if (hf_addr_is_any(gateway)) return true;
    return hf_addr_is4(gateway) == hf_addr_is4(network) && !hfi_addr_is_multicast(gateway);
}

static uint32_t route_find(const hfi_ip *ip, const hfi_route *wanted) {
    for (uint32_t i = 0; i < ip->state->route_count; i++) {
        const hfi_route *route = &ip->routes[i];
        if (route->prefix_bits == wanted->prefix_bits && route->interface == wanted->interface &&
            hf_addr_equal(&route->network, &wanted->network) &&
            hf_addr_equal(&route->gateway, &wanted->gateway))
            return i;
    }
    return HFI_NONE;
}

static hfi_route route_of(const hf_addr *network, uint32_t prefix_bits, const hf_addr *gateway,
                          uint32_t interface) {
    static const hf_addr on_link;
    const uint32_t bits = bits_within_128(network, prefix_bits);
    return (hfi_route){.network = network_of(network, bits),
                       .gateway = hf_addr_is_any(gateway) ? on_link : *gateway,
                       .prefix_bits = (uint8_t)bits,
                       .interface = (uint8_t)interface};
}

static void route_remove_at(hfi_ip *ip, uint32_t at) {
    const uint32_t after = --ip->state->route_count - at;
    ip->state->generation++;
    memmove(&ip->routes[at], &ip->routes[at + 1], after * sizeof(hfi_route));
}

hf_err hfi_ip_route_add(hfi_ip *ip, const hf_addr *network, uint32_t prefix_bits,
                        const hf_addr *gateway, uint32_t interface) {
    if (!route_good(ip, network, prefix_bits, gateway, interface)) return HF_ARGUMENT;
    const hfi_route route = route_of(network, prefix_bits, gateway, interface);
    const uint32_t same = route_find(ip, &route);
    if (same != HFI_NONE) route_remove_at(ip, same); /* it becomes the newest */
    if (ip->state->route_count == ip->route_max) return HF_NO_ROUTE_SLOT;
    ip->routes[ip->state->route_count++] = route;
    ip->state->generation++;
    return HF_OK;
}

bool hfi_ip_route_remove(hfi_ip *ip, const hf_addr *network, uint32_t prefix_bits,
                         const hf_addr *gateway, uint32_t interface) {
    if (!route_good(ip, network, prefix_bits, gateway, interface)) return false;
    const hfi_route route = route_of(network, prefix_bits, gateway, interface);
    const uint32_t at = route_find(ip, &route);
    if (at == HFI_NONE) return false;
    route_remove_at(ip, at);
    return true;
}

bool hfi_ip_route_has(const hfi_ip *ip, const hf_addr *network, uint32_t prefix_bits,
                      const hf_addr *gateway, uint32_t interface) {
    const hfi_route route = route_of(network, prefix_bits, gateway, interface);
    return route_find(ip, &route) != HFI_NONE;
}

/* ---- The next hop. ---- */

/* ::/0 must not catch IPv4, which is kept inside IPv6's space. */
static bool route_matches(const hfi_route *route, const hf_addr *destination, bool is4) {
    return hf_addr_is4(&route->network) == is4 &&
           hfi_addr_common_bits(&route->network, destination) >= route->prefix_bits;
}

static const hfi_route *route_lookup(const hfi_ip *ip, const hf_addr *destination) {
    const bool is4 = hf_addr_is4(destination);
    const hfi_route *best = NULL;
    for (uint32_t i = 0; i < ip->state->route_count; i++) {
        const hfi_route *route = &ip->routes[i];
        if (route_matches(route, destination, is4) &&
            (best == NULL || route->prefix_bits >= best->prefix_bits))
            best = route;
    }
    return best;
}

static uint32_t first_wire_interface(const hfi_ip *ip) {
    for (uint32_t i = 0; i < ip->state->interface_count; i++)
        if (ip->interfaces[i].link != HF_LINK_LOOPBACK) return i;
    return HFI_NONE;
}

/* A group has no gateway: it is on the link of the route that leads there, else of the first
 * interface. */
static bool route_to_group(const hfi_ip *ip, const hf_addr *destination, hfi_next_hop *ret_hop) {
    const hfi_route *route = route_lookup(ip, destination);
    const uint32_t interface = route != NULL ? route->interface : first_wire_interface(ip);
    if (interface == HFI_NONE) return false;
    *ret_hop = (hfi_next_hop){interface, *destination};
    return true;
}

bool hfi_ip_route(const hfi_ip *ip, const hf_addr *destination, hfi_next_hop *ret_hop) {
    if (hf_addr_is_any(destination)) return false;
    if (hfi_addr_is_multicast(destination) || hfi_ip_is_broadcast(ip, destination))
        return route_to_group(ip, destination, ret_hop);
    if (ip->state->loopback != HFI_NONE && hfi_ip_local(ip, destination) != HFI_NONE) {
        *ret_hop = (hfi_next_hop){ip->state->loopback, *destination};
        return true;
    }
    const hfi_route *route = route_lookup(ip, destination);
    if (route == NULL) return false;
    const bool on_link = hf_addr_is_any(&route->gateway);
    *ret_hop = (hfi_next_hop){route->interface, on_link ? *destination : route->gateway};
    return true;
}
