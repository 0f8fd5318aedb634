/* ARP for IPv4 over Ethernet, RFC 826: 28 bytes, after which a frame is padded. */
#ifndef HFI_WIRE_ARP_H
#define HFI_WIRE_ARP_H

#include "wire/eth.h"

#define HFI_ARP_BYTES 28
#define HFI_ARP_REQUEST 1
#define HFI_ARP_REPLY 2

typedef struct hfi_arp_view {
    uint16_t operation;
    hfi_mac sender_mac;
    hf_addr sender;
    hfi_mac target_mac;
    hf_addr target;
} hfi_arp_view;

/* Reads a request or a reply; more bytes than HFI_ARP_BYTES are padding. Borrows packet.
 * DROP_TRUNCATED, or DROP_NEIGHBOR for other hardware, protocols and operations, and for a sender
 * that is a group: a cache that believed it would turn one host's traffic into everybody's (RFC
 * 1812 3.3.2). */
hf_cause hfi_arp_parse(const uint8_t *packet, uint32_t bytes, hfi_arp_view *ret);

/* Writes HFI_ARP_BYTES bytes and returns that number. */
uint32_t hfi_arp_build(uint8_t *to, const hfi_arp_view *view);

#endif
