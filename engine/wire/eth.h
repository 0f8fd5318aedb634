/* Ethernet II, RFC 894: two addresses and a type. Frames with an 802.1Q tag or an 802.3 length have
 * a type that the caller does not speak, and go that way. */
#ifndef HFI_WIRE_ETH_H
#define HFI_WIRE_ETH_H

#include <hf/cause.h>
#include "wire/bytes.h"

#define HFI_ETH_BYTES 14

#define HFI_ETH_IP4 0x0800
#define HFI_ETH_ARP 0x0806
#define HFI_ETH_IP6 0x86dd

typedef struct hfi_mac {
    uint8_t b[6];
} hfi_mac;

/* The header on the wire. */
struct hfi_eth {
    hfi_mac destination;
    hfi_mac source;
    hf_be16 type;
};
_Static_assert(sizeof(struct hfi_eth) == HFI_ETH_BYTES, "as on the wire");

typedef struct hfi_eth_view {
    hfi_mac destination;
    hfi_mac source;
    uint16_t type;
} hfi_eth_view;

static inline bool hfi_mac_equal(const hfi_mac *a, const hfi_mac *b) {
    uint8_t differ = 0;
    for (int i = 0; i < 6; i++) differ |= a->b[i] ^ b->b[i];
    return differ == 0;
}

/* True for multicast and broadcast: an address of many, which nobody can send from. */
static inline bool hfi_mac_is_group(const hfi_mac *mac) { return (mac->b[0] & 1) != 0; }

static inline bool hfi_mac_is_zero(const hfi_mac *mac) {
    const hfi_mac zero = {{0}};
    return hfi_mac_equal(mac, &zero);
}

static inline hfi_mac hfi_mac_broadcast(void) {
    return (hfi_mac){{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
}

/* The Ethernet address of an IP multicast group: RFC 1112 6.4 and RFC 2464 7. */
static inline hfi_mac hfi_mac_of_group(const hf_addr *group) {
    const uint8_t *const b = group->bytes;
    if (hf_addr_is4(group)) return (hfi_mac){{0x01, 0x00, 0x5e, b[13] & 0x7f, b[14], b[15]}};
    return (hfi_mac){{0x33, 0x33, b[12], b[13], b[14], b[15]}};
}

/* Reads the header of a frame of `bytes` bytes. Borrows frame. DROP_TRUNCATED when it is too short,
 * DROP_ETHERNET_OTHER when the sender's address is a group's. */
static inline hf_cause hfi_eth_parse(const uint8_t *frame, uint32_t bytes, hfi_eth_view *ret) {
    if (bytes < HFI_ETH_BYTES) return HF_CAUSE_DROP_TRUNCATED;
    const struct hfi_eth *const header = (const void *)frame;
    if (hfi_mac_is_group(&header->source)) return HF_CAUSE_DROP_ETHERNET_OTHER;
    *ret = (hfi_eth_view){header->destination, header->source, hfi_get16(header->type)};
    return HF_CAUSE_NONE;
}

/* Writes HFI_ETH_BYTES bytes. */
static inline void hfi_eth_build(uint8_t *to, const hfi_mac *dst, const hfi_mac *src,
                                 uint16_t type) {
    struct hfi_eth *const header = (void *)to;
    *header = (struct hfi_eth){*dst, *src, hfi_put16(type)};
}

#endif
