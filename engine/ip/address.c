#include "ip/ip.h"
#include "wire/ip.h"

uint32_t hfi_addr_common_bits(const hf_addr *a, const hf_addr *b) {
    uint32_t bits = 0;
    while (bits < 128 && a->bytes[bits / 8] == b->bytes[bits / 8]) bits += 8;
    if (bits == 128) return 128;
    uint8_t differ = a->bytes[bits / 8] ^ b->bytes[bits / 8];
    for (; (differ & 0x80) == 0; differ = (uint8_t)(differ << 1)) bits++;
    return bits;
}

/* ---- The hash: which slot has this address. Rebuilt at each change, since changes are rare. ----
 */

/* Our own addresses need no secret: a stranger cannot choose them, but for SLAAC's few. */
static uint32_t address_hash_start(const hfi_ip *ip, const hf_addr *addr) {
    const hf_addr_words a = hf_addr_load(addr);
    const uint32_t hash = ((a.w[0] * 31 + a.w[1]) * 31 + a.w[2] + a.w[3]) * 0x9e3779b1u;
    return (hash ^ hash >> 15) & ip->hash_mask;
}

static void address_hash_rebuild(hfi_ip *ip) {
    ip->state->generation++;
    memset(ip->address_hash, 0xff, (ip->hash_mask + 1) * sizeof(uint32_t));
    for (uint32_t i = 0; i < ip->state->address_count; i++) {
        const uint8_t state = ip->addresses[i].state;
        if (state == HFI_ADDRESS_FREE || state == HFI_ADDRESS_GONE) continue;
        uint32_t slot = address_hash_start(ip, &ip->addresses[i].addr);
        while (ip->address_hash[slot] != HFI_NONE) slot = (slot + 1) & ip->hash_mask;
        ip->address_hash[slot] = i;
    }
}

uint32_t hfi_ip_address_find(const hfi_ip *ip, const hf_addr *addr) {
    uint32_t slot = address_hash_start(ip, addr);
    for (; ip->address_hash[slot] != HFI_NONE; slot = (slot + 1) & ip->hash_mask)
        if (hf_addr_equal(&ip->addresses[ip->address_hash[slot]].addr, addr))
            return ip->address_hash[slot];
    return HFI_NONE;
}

uint32_t hfi_ip_local(const hfi_ip *ip, const hf_addr *addr) {
    const uint32_t index = hfi_ip_address_find(ip, addr);
    return index != HFI_NONE && hfi_ip_usable(ip, index) ? index : HFI_NONE;
}

/* ---- Adding and removing. ---- */

static uint32_t address_slot(hfi_ip *ip) {
    for (uint32_t i = 0; i < ip->state->address_count; i++)
        if (ip->addresses[i].state == HFI_ADDRESS_FREE) return i;
    return ip->state->address_count < ip->address_max ? ip->state->address_count : HFI_NONE;
}

static bool address_good(const hfi_ip *ip, uint32_t interface, const hf_addr *addr,
                         uint32_t prefix_bits) {
    if (interface >= ip->state->interface_count) return false;
    if (hf_addr_is_any(addr) || hfi_addr_is_multicast(addr) || hfi_addr_is_broadcast4(addr))
        return false;
    if (prefix_bits > (hf_addr_is4(addr) ? 32u : 128u)) return false;
    if (!hf_addr_is4(addr) && ip->interfaces[interface].mtu < HFI_IP6_MTU_MIN) return false;
    return hfi_ip_address_find(ip, addr) == HFI_NONE;
}

hf_err hfi_ip_address_add(hfi_ip *ip, uint32_t interface, const hf_addr *addr, uint32_t prefix_bits,
                          uint32_t *ret_index) {
    static const hf_addr on_link;
    if (!address_good(ip, interface, addr, prefix_bits)) return HF_ARGUMENT;
    const uint32_t slot = address_slot(ip);
    if (slot == HFI_NONE) return HF_NO_ADDRESS_SLOT;
    /* A network of one address is nobody's but ours: it needs no route. */
    if (prefix_bits < (hf_addr_is4(addr) ? 32u : 128u)) {
        const hf_err err = hfi_ip_route_add(ip, addr, prefix_bits, &on_link, interface);
        if (err != HF_OK) return err;
    }
    const bool checked = !hf_addr_is4(addr) && ip->interfaces[interface].link == HF_LINK_ETHERNET;
    ip->addresses[slot] =
        (hfi_address){.addr = *addr,
                      .prefix_bits = (uint8_t)prefix_bits,
                      .interface = (uint8_t)interface,
                      .state = checked ? HFI_ADDRESS_TENTATIVE : HFI_ADDRESS_PREFERRED};
    if (slot == ip->state->address_count) ip->state->address_count++;
    address_hash_rebuild(ip);
    *ret_index = slot;
    return HF_OK;
}

void hfi_ip_address_state_set(hfi_ip *ip, uint32_t index, hfi_address_state address_state) {
    HF_ASSERT(index < ip->state->address_count && ip->addresses[index].state != HFI_ADDRESS_FREE);
    ip->addresses[index].state = (uint8_t)address_state;
    address_hash_rebuild(ip);
}

void hfi_ip_address_remove(hfi_ip *ip, uint32_t index) {
    hfi_ip_address_state_set(ip, index, HFI_ADDRESS_GONE);
}

void hfi_ip_address_free(hfi_ip *ip, uint32_t index) {
    HF_ASSERT(index < ip->state->address_count && ip->addresses[index].state == HFI_ADDRESS_GONE);
    ip->addresses[index].state = HFI_ADDRESS_FREE;
}

/* ---- Broadcast. ---- */

/* RFC 3021: a network of 31 bits has no broadcast address, nor has one of 32. */
static bool is_directed_broadcast(const hfi_address *address, const hf_addr *addr) {
    if (!hf_addr_is4(&address->addr) || address->prefix_bits > 30) return false;
    const uint32_t hosts = UINT32_MAX >> address->prefix_bits;
    return hfi_addr_ip4(addr) == (hfi_addr_ip4(&address->addr) | hosts);
}

bool hfi_ip_is_broadcast(const hfi_ip *ip, const hf_addr *addr) {
    if (!hf_addr_is4(addr)) return false;
    if (hfi_addr_is_broadcast4(addr)) return true;
    for (uint32_t i = 0; i < ip->state->address_count; i++)
        if (ip->addresses[i].state != HFI_ADDRESS_FREE &&
            is_directed_broadcast(&ip->addresses[i], addr))
            return true;
    return false;
}
