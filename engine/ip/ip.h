/* ip: which addresses are ours, which way a packet leaves, from which address, and fragments put
 * together.
 *
 * Three small tables, laid out in the block: interfaces (never removed), addresses (a slot keeps
 * its index while it is used, so that connections can hold the index), routes (dense, oldest
 * first). The handle `hfi_ip` lies outside the block and only knows where the tables are.
 *
 * Costs: 32 bytes an interface, 32 an address and 8 more for its place in the hash, 40 a route.
 * hfi_ip_local is one hash probe or two, since each packet asks it. Route and source lookups walk
 * their table: they happen once per connection or datagram, not per segment, because a path
 * remembers the answer.
 *
 * Left out: scope zones (a link-local destination goes to the newest interface that has a
 * link-local network), multicast routing, source routes, forwarding. We are a host (RFC 1122, RFC
 * 8504).
 */
#ifndef HFI_IP_H
#define HFI_IP_H

#include "base/base.h"
#include "base/hash.h"
#include <hf/engine.h>

/* RFC 8200 5: every IPv6 link carries this much; RFC 791 3.2: every IPv4 link this much. */
#define HFI_IP6_MTU_MIN 1280u
#define HFI_IP4_MTU_MIN 68u
#define HFI_IP_PACKET_MAX 65535u

/* In the block. */
typedef struct hfi_interface {
    uint32_t mtu;           /* as given; an RA may lower link_mtu below it */
    uint32_t link_mtu;      /* in force */
    uint32_t gso_max_bytes; /* longest super-segment, whole packet; 0 for none */
    uint8_t link;           /* hf_link */
    bool csum_offload;
    bool auto_done;
    bool ip6_autoconf;
    uint8_t mac[6];
    uint8_t pad[10];
} hfi_interface;

/* RFC 4862 2. FREE is an empty slot. GONE was removed: it neither receives nor sends, but
 * connections may hold its index; who knows that none does frees it. */
typedef enum hfi_address_state {
    HFI_ADDRESS_FREE,
    HFI_ADDRESS_TENTATIVE,
    HFI_ADDRESS_PREFERRED,
    HFI_ADDRESS_DEPRECATED,
    HFI_ADDRESS_DUPLICATE,
    HFI_ADDRESS_GONE
} hfi_address_state;

/* In the block. */
typedef struct hfi_address {
    hf_addr addr;
    uint8_t prefix_bits; /* IPv4: within 32 */
    uint8_t interface;
    uint8_t state;    /* hfi_address_state */
    uint8_t autoconf; /* made by us from a prefix or an interface identifier */
    uint8_t pad[12];
} hfi_address;

/* In the block. */
typedef struct hfi_route {
    hf_addr network;     /* bits beyond the prefix are zero */
    hf_addr gateway;     /* any: the network is on the link */
    uint8_t prefix_bits; /* within 128, IPv4 networks being ::ffff:0:0/96 and longer */
    uint8_t interface;
    uint8_t pad[6];
} hfi_route;

/* What the block keeps beside the tables. In the block. */
typedef struct hfi_ip_state {
    uint32_t interface_count;
    uint32_t address_count; /* slots ever used: every used one lies below */
    uint32_t route_count;
    uint32_t loopback;   /* the first loopback interface, or HFI_NONE */
    uint32_t generation; /* counts changes of routes and addresses */
    uint32_t pad;
    hfi_key ident_key;
    uint64_t idents_given;
} hfi_ip_state;

typedef struct hfi_ip {
    hfi_ip_state *state;
    hfi_interface *interfaces;
    hfi_address *addresses;
    hfi_route *routes;
    uint32_t *address_hash; /* open addressing over addresses; HFI_NONE is empty */
    uint32_t interface_max, address_max, route_max;
    uint32_t hash_mask;
} hfi_ip;

/* Bytes of the block that the tables take, a multiple of 64. */
size_t hfi_ip_bytes(const hf_config *config);

/* Says where the tables lie: links mem, aligned to 64, hfi_ip_bytes long. */
void hfi_ip_attach(hfi_ip *ip, void *mem, const hf_config *config);

/* Empties the tables of an attached handle. */
void hfi_ip_init(hfi_ip *ip, const hf_config *config);

/* As hf_interface_add, hf_address_add and hf_route_add of hf/engine.h. An IPv6 address on Ethernet
 * starts TENTATIVE; whoever runs duplicate detection moves it by hfi_ip_address_state_set. */
hf_err hfi_ip_interface_add(hfi_ip *ip, const hf_interface_options *options,
                            uint32_t *ret_interface);
/* Takes the interface that was added last back; nothing may use it yet. */
void hfi_ip_interface_undo(hfi_ip *ip);

hf_err hfi_ip_address_add(hfi_ip *ip, uint32_t interface, const hf_addr *addr, uint32_t prefix_bits,
                          uint32_t *ret_index);
hf_err hfi_ip_route_add(hfi_ip *ip, const hf_addr *network, uint32_t prefix_bits,
                        const hf_addr *gateway, uint32_t interface);

/* Removes a route as it was added. False if there is none. */
bool hfi_ip_route_remove(hfi_ip *ip, const hf_addr *network, uint32_t prefix_bits,
                         const hf_addr *gateway, uint32_t interface);

/* True if there is such a route. */
bool hfi_ip_route_has(const hfi_ip *ip, const hf_addr *network, uint32_t prefix_bits,
                      const hf_addr *gateway, uint32_t interface);

/* Removes an address: it is GONE. Its network's route stays. */
void hfi_ip_address_remove(hfi_ip *ip, uint32_t index);
void hfi_ip_address_state_set(hfi_ip *ip, uint32_t index, hfi_address_state address_state);

/* Makes the slot of a GONE address, whose index nobody holds any more, free. */
void hfi_ip_address_free(hfi_ip *ip, uint32_t index);

typedef struct hfi_next_hop {
    uint32_t interface;
    hf_addr addr; /* the gateway, or the destination itself on the link */
} hfi_next_hop;

/* The way to a destination: RFC 1122 3.3.1, longest prefix first, then newest. One of our own
 * addresses is reached by the loopback interface if there is one. A multicast or broadcast
 * destination that no route names goes to the first interface that is not loopback. */
bool hfi_ip_route(const hfi_ip *ip, const hf_addr *destination, hfi_next_hop *ret_hop);

/* The local address to send from: an address index, or HFI_NONE. RFC 6724 5, rules 1, 2, 3, 5 and
 * 8; the others need policy tables or mobility, which we do not have. Never a tentative address. */
uint32_t hfi_ip_source(const hfi_ip *ip, const hf_addr *destination, uint32_t interface);

/* May the address of this index receive? Preferred or deprecated ones may. */
static inline bool hfi_ip_usable(const hfi_ip *ip, uint32_t index) {
    const uint8_t state = ip->addresses[index].state;
    return state == HFI_ADDRESS_PREFERRED || state == HFI_ADDRESS_DEPRECATED;
}

/* The index of one of our addresses that may receive, or HFI_NONE. */
uint32_t hfi_ip_local(const hfi_ip *ip, const hf_addr *addr);

/* The index of an address in any state but FREE and GONE, or HFI_NONE. */
uint32_t hfi_ip_address_find(const hfi_ip *ip, const hf_addr *addr);

/* Limited broadcast, or the directed one of one of our IPv4 networks (RFC 1122 3.2.1.3). */
bool hfi_ip_is_broadcast(const hfi_ip *ip, const hf_addr *addr);

/* The identification of an IPv4 packet that may be fragmented (I04: RFC 7739's pseudo-random kind):
 * keyed, so that no host sees how much others are sent, and new for each packet. A packet with DF
 * set needs none (RFC 6864 4.1). */
uint16_t hfi_ip_ident(hfi_ip *ip, const hf_addr *source, const hf_addr *destination);

/* The number of leading bits that two addresses share, 0 to 128. */
uint32_t hfi_addr_common_bits(const hf_addr *a, const hf_addr *b);

/* The MTU towards a next hop's interface. */
static inline uint32_t hfi_ip_mtu(const hfi_ip *ip, uint32_t interface) {
    HF_ASSERT(interface < ip->state->interface_count);
    return ip->interfaces[interface].link_mtu;
}

#endif
