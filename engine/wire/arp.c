#include "wire/arp.h"

struct hfi_arp {
    hf_be16 hardware;
    hf_be16 protocol;
    uint8_t hardware_bytes;
    uint8_t protocol_bytes;
    hf_be16 operation;
    hfi_mac sender_mac;
    uint8_t sender[4];
    hfi_mac target_mac;
    uint8_t target[4];
};
_Static_assert(sizeof(struct hfi_arp) == HFI_ARP_BYTES, "as on the wire");

#define ARP_ETHERNET 1

static bool arp_is_ethernet_ip4(const struct hfi_arp *arp) {
    return hfi_get16(arp->hardware) == ARP_ETHERNET && hfi_get16(arp->protocol) == HFI_ETH_IP4 &&
           arp->hardware_bytes == 6 && arp->protocol_bytes == 4;
}

/* 224.0.0.0 and all above it: multicast, reserved, broadcast. */
static bool arp_sender_is_one(const struct hfi_arp *arp) {
    return !hfi_mac_is_group(&arp->sender_mac) && arp->sender[0] < 224;
}

hf_cause hfi_arp_parse(const uint8_t *packet, uint32_t bytes, hfi_arp_view *ret) {
    if (bytes < HFI_ARP_BYTES) return HF_CAUSE_DROP_TRUNCATED;
    const struct hfi_arp *const arp = (const void *)packet;
    const uint16_t operation = hfi_get16(arp->operation);
    if (!arp_is_ethernet_ip4(arp) || !arp_sender_is_one(arp)) return HF_CAUSE_DROP_NEIGHBOR;
    if (operation != HFI_ARP_REQUEST && operation != HFI_ARP_REPLY) return HF_CAUSE_DROP_NEIGHBOR;
    *ret = (hfi_arp_view){operation, arp->sender_mac, hfi_load_addr4(arp->sender), arp->target_mac,
                          hfi_load_addr4(arp->target)};
    return HF_CAUSE_NONE;
}

uint32_t hfi_arp_build(uint8_t *to, const hfi_arp_view *view) {
    struct hfi_arp *const arp = (void *)to;
    arp->hardware = hfi_put16(ARP_ETHERNET);
    arp->protocol = hfi_put16(HFI_ETH_IP4);
    arp->hardware_bytes = 6;
    arp->protocol_bytes = 4;
    arp->operation = hfi_put16(view->operation);
    arp->sender_mac = view->sender_mac;
    hfi_store_addr4(arp->sender, &view->sender);
    arp->target_mac = view->target_mac;
    hfi_store_addr4(arp->target, &view->target);
    return HFI_ARP_BYTES;
}
