/* Neighbour discovery for IPv6 over Ethernet, RFC 4861: solicitations and advertisements of
 * neighbours and routers, with link-layer address, prefix and MTU options. Redirects are not taken.
 *
 * Everything here is believed without proof by whoever receives it, so the parser makes all checks
 * of RFC 4861 6.1 and 7.1 but the checksum: hop limit 255 (nobody off the link can send that), code
 * 0, lengths, addresses that fit the message, no option of length 0. What the checks leave is one
 * view for the four messages; a field that the type does not have is 0. */
#ifndef HFI_WIRE_ND_H
#define HFI_WIRE_ND_H

#include "wire/eth.h"
#include "wire/ip.h"

enum {
    HFI_ND_ROUTER_SOLICITATION = 133,
    HFI_ND_ROUTER_ADVERTISEMENT = 134,
    HFI_ND_NEIGHBOR_SOLICITATION = 135,
    HFI_ND_NEIGHBOR_ADVERTISEMENT = 136
};

#define HFI_ND_HOP_LIMIT 255
#define HFI_ND_PREFIXES                                                                            \
    4 /* 28 bytes each; later ones are ignored. Real routers send one or two.                      \
       */
#define HFI_ND_OPTIONS_MAX                                                                         \
    32 /* More drop the message: an option list is walked per packet received. */
#define HFI_ND_BYTES_MAX (24 + 2 * 8 + 8 + HFI_ND_PREFIXES * 32)

typedef struct hfi_nd_prefix {
    hf_addr prefix;
    uint8_t prefix_bits; /* At most 128. */
    bool on_link;
    bool autonomous;
    uint32_t valid_seconds; /* 0xffffffff: for ever. */
    uint32_t preferred_seconds;
} hfi_nd_prefix;

typedef struct hfi_nd_view {
    uint8_t type;
    bool has_source_mac, has_target_mac;
    hfi_mac source_mac, target_mac;
    /* Neighbour messages. */
    hf_addr target;
    bool is_router, solicited, override;
    /* Router advertisement; 0 means "not said" but for the lifetime, where it means "no default".
     */
    uint8_t hop_limit;
    bool managed, other_config;
    uint16_t router_lifetime_seconds;
    uint32_t reachable_ms, retransmit_ms;
    uint32_t mtu;
    uint8_t prefix_count;
    hfi_nd_prefix prefixes[HFI_ND_PREFIXES];
} hfi_nd_view;

/* Reads a message of `bytes` contiguous bytes, given the view of the packet it came in. Borrows
 * both. Returns DROP_TRUNCATED, DROP_NEIGHBOR when a check fails, or DROP_ICMP_UNKNOWN for another
 * type. */
hf_cause hfi_nd_parse(const hfi_ip_view *ip, const uint8_t *message, uint32_t bytes,
                      hfi_nd_view *ret);

/* Writes the message with the options that the view holds, checksum included; returns its bytes, at
 * most HFI_ND_BYTES_MAX. It leaves with hop limit HFI_ND_HOP_LIMIT, from src to dst. */
uint32_t hfi_nd_build(uint8_t *to, const hf_addr *src, const hf_addr *dst, const hfi_nd_view *view);

/* The group that a solicitation for `target` goes to: ff02::1:ffXX:XXXX (RFC 4291 2.7.1). */
static inline hf_addr hfi_nd_solicited_node(const hf_addr *target) {
    const uint8_t *const t = target->bytes;
    return (hf_addr){{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, t[13], t[14], t[15]}};
}

#endif
