#include "neighbor/neighbor.h"

static hfi_mac mac_of(const hfi_ip *ip, uint32_t interface) {
    hfi_mac mac;
    memcpy(mac.b, ip->interfaces[interface].mac, sizeof mac.b);
    return mac;
}

static uint32_t arp_frame(const hfi_ip *ip, uint32_t interface, const hfi_mac *to_mac,
                          const hfi_arp_view *arp, uint8_t *to) {
    const hfi_mac own = mac_of(ip, interface);
    hfi_eth_build(to, to_mac, &own, HFI_ETH_ARP);
    return HFI_ETH_BYTES + hfi_arp_build(to + HFI_ETH_BYTES, arp);
}

/* RFC 4861 6.1, 7.1: hop limit 255 shows that nobody off the link has sent it. */
static uint32_t nd_frame(const hfi_ip *ip, uint32_t interface, const hfi_mac *to_mac,
                         const hf_addr *source, const hf_addr *destination, const hfi_nd_view *nd,
                         uint8_t *to) {
    const hfi_mac own = mac_of(ip, interface);
    uint8_t *const packet = to + HFI_ETH_BYTES;
    hfi_eth_build(to, to_mac, &own, HFI_ETH_IP6);
    const uint32_t bytes = hfi_nd_build(packet + HFI_IP6_BYTES, source, destination, nd);
    hfi_ip6_build(packet, source, destination, HFI_IP_ICMP6, HFI_ND_HOP_LIMIT, 0, 0, bytes);
    return HFI_ETH_BYTES + HFI_IP6_BYTES + bytes;
}

static uint32_t arp_request_frame(const hfi_ip *ip, const hfi_neighbor_action *action,
                                  const hf_addr *source, uint8_t *to) {
    const hfi_mac everybody = hfi_mac_broadcast();
    const hfi_arp_view arp = {.operation = HFI_ARP_REQUEST,
                              .sender_mac = mac_of(ip, action->interface),
                              .sender = *source,
                              .target = action->target};
    return arp_frame(ip, action->interface, action->unicast ? &action->mac : &everybody, &arp, to);
}

static uint32_t solicitation_frame(const hfi_ip *ip, const hfi_neighbor_action *action,
                                   const hf_addr *source, uint8_t *to) {
    const hf_addr group = hfi_nd_solicited_node(&action->target);
    const hfi_mac group_mac = hfi_mac_of_group(&group);
    /* RFC 4861 4.3: who has no address yet gives no link address to remember either. */
    const hfi_nd_view nd = {.type = HFI_ND_NEIGHBOR_SOLICITATION,
                            .has_source_mac = !hf_addr_is_any(source),
                            .source_mac = mac_of(ip, action->interface),
                            .target = action->target};
    if (action->unicast)
        return nd_frame(ip, action->interface, &action->mac, source, &action->target, &nd, to);
    return nd_frame(ip, action->interface, &group_mac, source, &group, &nd, to);
}

static uint32_t request_frame(const hfi_ip *ip, const hfi_neighbor_action *action, uint8_t *to) {
    const uint32_t source = hfi_ip_source(ip, &action->target, action->interface);
    if (source == HFI_NONE) return 0;
    const hf_addr *addr = &ip->addresses[source].addr;
    if (hf_addr_is4(&action->target)) return arp_request_frame(ip, action, addr, to);
    return solicitation_frame(ip, action, addr, to);
}

static uint32_t router_solicitation_frame(const hfi_ip *ip, const hfi_neighbor_action *action,
                                          uint8_t *to) {
    static const hf_addr all_routers = {{0xff, 2, [15] = 2}};
    static const hf_addr unspecified;
    const uint32_t index = hfi_ip_source(ip, &all_routers, action->interface);
    const hf_addr *source = index != HFI_NONE ? &ip->addresses[index].addr : &unspecified;
    const hfi_mac group_mac = hfi_mac_of_group(&all_routers);
    const hfi_nd_view nd = {.type = HFI_ND_ROUTER_SOLICITATION,
                            .has_source_mac = index != HFI_NONE,
                            .source_mac = mac_of(ip, action->interface)};
    return nd_frame(ip, action->interface, &group_mac, source, &all_routers, &nd, to);
}

uint32_t hfi_neighbor_action_frame(const hfi_ip *ip, const hfi_neighbor_action *action,
                                   uint8_t *to) {
    static const hf_addr unspecified;
    switch (action->kind) {
    case HFI_NEIGHBOR_REQUEST: return request_frame(ip, action, to);
    case HFI_NEIGHBOR_CHECK: return solicitation_frame(ip, action, &unspecified, to);
    case HFI_NEIGHBOR_SOLICIT: return router_solicitation_frame(ip, action, to);
    case HFI_NEIGHBOR_NOTHING:
    case HFI_NEIGHBOR_RESOLVED:
    case HFI_NEIGHBOR_FAILED:
    case HFI_NEIGHBOR_USABLE:
    case HFI_NEIGHBOR_DUPLICATED: break;
    }
    return 0;
}

uint32_t hfi_neighbor_answer_frame(const hfi_ip *ip, uint32_t interface,
                                   const hfi_neighbor_effect *effect, uint8_t *to) {
    if (!effect->answer) return 0;
    if (effect->arp.operation == HFI_ARP_REPLY)
        return arp_frame(ip, interface, &effect->answer_mac, &effect->arp, to);
    const hfi_nd_view nd = {.type = HFI_ND_NEIGHBOR_ADVERTISEMENT,
                            .has_target_mac = true,
                            .target_mac = mac_of(ip, interface),
                            .target = effect->nd_target,
                            .solicited = effect->nd_solicited,
                            .override = true};
    return nd_frame(ip, interface, &effect->answer_mac, &effect->nd_source, &effect->nd_destination,
                    &nd, to);
}
