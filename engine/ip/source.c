#include "ip/ip.h"
#include "wire/ip.h"

/* RFC 6724 3.1 and 3.2: how far an address reaches, as the scope numbers of multicast. */
enum { SCOPE_LINK = 2, SCOPE_SITE = 5, SCOPE_GLOBAL = 14 };

static uint32_t scope_of(const hf_addr *addr) {
    const uint8_t *b = addr->bytes;
    if (hf_addr_is4(addr)) {
        const bool link = b[12] == 127 || (b[12] == 169 && b[13] == 254);
        return link ? SCOPE_LINK : SCOPE_GLOBAL;
    }
    if (b[0] == 0xff) return b[1] & 0x0f;
    if (hfi_addr_is_link_local6(addr) || hfi_addr_is_loopback(addr)) return SCOPE_LINK;
    return b[0] == 0xfe && (b[1] & 0xc0) == 0xc0 ? SCOPE_SITE : SCOPE_GLOBAL;
}

/* Same family, usable, and fit for the wire: a loopback address stays inside the host. A link-local
 * address means something on its own link only. */
static bool source_candidate(const hfi_ip *ip, const hfi_address *address,
                             const hf_addr *destination, uint32_t interface) {
    if (address->state != HFI_ADDRESS_PREFERRED && address->state != HFI_ADDRESS_DEPRECATED)
        return false;
    if (hf_addr_is4(&address->addr) != hf_addr_is4(destination)) return false;
    if (hfi_addr_is_loopback(&address->addr) && ip->interfaces[interface].link != HF_LINK_LOOPBACK)
        return false;
    return address->interface == interface || scope_of(&address->addr) != SCOPE_LINK;
}

/* True if a is the better source: RFC 6724 5, in the order of its rules. */
static bool source_better(const hfi_address *a, const hfi_address *b, const hf_addr *destination,
                          uint32_t interface) {
    const bool a_same = hf_addr_equal(&a->addr, destination);
    if (a_same != hf_addr_equal(&b->addr, destination)) return a_same; /* rule 1 */
    const uint32_t a_scope = scope_of(&a->addr), b_scope = scope_of(&b->addr);
    const uint32_t wanted = scope_of(destination);
    if (a_scope < b_scope) return a_scope >= wanted; /* rule 2 */
    if (b_scope < a_scope) return b_scope < wanted;
    const bool a_preferred = a->state == HFI_ADDRESS_PREFERRED;
    if (a_preferred != (b->state == HFI_ADDRESS_PREFERRED)) return a_preferred; /* rule 3 */
    if ((a->interface == interface) != (b->interface == interface))
        return a->interface == interface;
    return hfi_addr_common_bits(&a->addr, destination) >
           hfi_addr_common_bits(&b->addr, destination);
}

uint32_t hfi_ip_source(const hfi_ip *ip, const hf_addr *destination, uint32_t interface) {
    HF_ASSERT(interface < ip->state->interface_count);
    uint32_t best = HFI_NONE;
    for (uint32_t i = 0; i < ip->state->address_count; i++) {
        if (!source_candidate(ip, &ip->addresses[i], destination, interface)) continue;
        if (best == HFI_NONE ||
            source_better(&ip->addresses[i], &ip->addresses[best], destination, interface))
            best = i;
    }
    return best;
}
