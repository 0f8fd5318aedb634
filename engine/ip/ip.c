#include "ip/ip.h"

_Static_assert(sizeof(hfi_interface) == 32, "ip.h tells the cost of an interface");
_Static_assert(sizeof(hfi_address) == 32, "ip.h tells the cost of an address");
_Static_assert(sizeof(hfi_route) == 40, "ip.h tells the cost of a route");

/* At most half full, so that a miss, the attacker's case, ends after a probe or two. */
static uint32_t address_hash_slots(uint32_t addresses) {
    uint32_t slots = 4;
    while (slots < 2 * addresses) slots *= 2;
    return slots;
}

/* The tables in their order in the block. With a NULL base it only measures. */
static size_t ip_layout(hfi_ip *ip, uint8_t *base, const hf_config *config) {
    const size_t slots = address_hash_slots(config->addresses);
    const size_t interfaces_at = sizeof(hfi_ip_state);
    const size_t addresses_at = interfaces_at + config->interfaces * sizeof(hfi_interface);
    const size_t routes_at = addresses_at + config->addresses * sizeof(hfi_address);
    const size_t hash_at = routes_at + config->routes * sizeof(hfi_route);
    if (base != NULL) {
        ip->state = (hfi_ip_state *)(void *)base;
        ip->interfaces = (hfi_interface *)(void *)(base + interfaces_at);
        ip->addresses = (hfi_address *)(void *)(base + addresses_at);
        ip->routes = (hfi_route *)(void *)(base + routes_at);
        ip->address_hash = (uint32_t *)(void *)(base + hash_at);
    }
    return (hash_at + slots * sizeof(uint32_t) + 63) & ~(size_t)63;
}

size_t hfi_ip_bytes(const hf_config *config) { return ip_layout(NULL, NULL, config); }

void hfi_ip_attach(hfi_ip *ip, void *mem, const hf_config *config) {
    ip_layout(ip, mem, config);
    ip->interface_max = config->interfaces;
    ip->address_max = config->addresses;
    ip->route_max = config->routes;
    ip->hash_mask = address_hash_slots(config->addresses) - 1;
}

void hfi_ip_init(hfi_ip *ip, const hf_config *config) {
    static const char label[] = "ip identification";
    HF_ASSERT(config->interfaces <= UINT8_MAX);
    memset(ip->state, 0, hfi_ip_bytes(config));
    ip->state->loopback = HFI_NONE;
    ip->state->ident_key = hfi_key_derive(config->seed, label, sizeof label - 1);
    memset(ip->address_hash, 0xff, (ip->hash_mask + 1) * sizeof(uint32_t));
}

static bool mac_is_station(const uint8_t mac[6]) {
    static const uint8_t zero[6];
    return (mac[0] & 1) == 0 && memcmp(mac, zero, 6) != 0;
}

static bool interface_options_good(const hf_interface_options *options) {
    if (options->link > HF_LINK_LOOPBACK) return false;
    const uint32_t mtu_min = options->ip6_autoconf ? HFI_IP6_MTU_MIN : HFI_IP4_MTU_MIN;
    if (options->mtu < mtu_min || options->mtu > HFI_IP_PACKET_MAX) return false;
    if (options->gso_max_bytes > HFI_IP_PACKET_MAX) return false;
    return options->link != HF_LINK_ETHERNET || mac_is_station(options->mac);
}

hf_err hfi_ip_interface_add(hfi_ip *ip, const hf_interface_options *options,
                            uint32_t *ret_interface) {
    if (!interface_options_good(options)) return HF_ARGUMENT;
    if (ip->state->interface_count == ip->interface_max) return HF_NO_INTERFACE_SLOT;
    const uint32_t index = ip->state->interface_count++;
    hfi_interface *interface = &ip->interfaces[index];
    *interface = (hfi_interface){.mtu = options->mtu,
                                 .link_mtu = options->mtu,
                                 .gso_max_bytes = options->gso_max_bytes,
                                 .link = (uint8_t)options->link,
                                 .csum_offload = options->csum_offload,
                                 .auto_done = options->auto_done,
                                 .ip6_autoconf = options->ip6_autoconf};
    memcpy(interface->mac, options->mac, sizeof interface->mac);
    if (options->link == HF_LINK_LOOPBACK && ip->state->loopback == HFI_NONE)
        ip->state->loopback = index;
    *ret_interface = index;
    return HF_OK;
}

void hfi_ip_interface_undo(hfi_ip *ip) {
    HF_ASSERT(ip->state->interface_count > 0);
    ip->state->interface_count--;
    if (ip->state->loopback == ip->state->interface_count) ip->state->loopback = HFI_NONE;
}

uint16_t hfi_ip_ident(hfi_ip *ip, const hf_addr *source, const hf_addr *destination) {
    uint64_t words[5];
    memcpy(words, source->bytes, 16);
    memcpy(words + 2, destination->bytes, 16);
    words[4] = ip->state->idents_given++;
    return (uint16_t)hfi_siphash13_words(ip->state->ident_key, words, 5);
}
