#include "wire/nd.h"

enum { ND_SOURCE_MAC = 1, ND_TARGET_MAC = 2, ND_PREFIX = 3, ND_MTU = 5 };

#define ND_CSUM_OFFSET 2
#define ND_ROUTER 0x80
#define ND_SOLICITED 0x40
#define ND_OVERRIDE 0x20
#define ND_MANAGED 0x80
#define ND_OTHER_CONFIG 0x40
#define ND_ON_LINK 0x80
#define ND_AUTONOMOUS 0x40

/* Bytes before the options; 0 for what is none of the four messages. */
static uint32_t nd_fixed_bytes(uint8_t type) {
    switch (type) {
    case HFI_ND_ROUTER_SOLICITATION: return 8;
    case HFI_ND_ROUTER_ADVERTISEMENT: return 16;
    case HFI_ND_NEIGHBOR_SOLICITATION:
    case HFI_ND_NEIGHBOR_ADVERTISEMENT: return 24;
    default: return 0;
    }
}

/* ---- Parse. ---- */

static void nd_router_fields_read(const uint8_t *message, hfi_nd_view *view) {
    view->hop_limit = message[4];
    view->managed = (message[5] & ND_MANAGED) != 0;
    view->other_config = (message[5] & ND_OTHER_CONFIG) != 0;
    view->router_lifetime_seconds = hfi_load16(message + 6);
    view->reachable_ms = hfi_load32(message + 8);
    view->retransmit_ms = hfi_load32(message + 12);
}

static void nd_neighbor_fields_read(const uint8_t *message, hfi_nd_view *view) {
    view->target = hfi_load_addr6(message + 8);
    if (view->type != HFI_ND_NEIGHBOR_ADVERTISEMENT) return;
    view->is_router = (message[4] & ND_ROUTER) != 0;
    view->solicited = (message[4] & ND_SOLICITED) != 0;
    view->override = (message[4] & ND_OVERRIDE) != 0;
}

static bool nd_mac_read(const uint8_t *option, uint32_t bytes, bool *has, hfi_mac *mac) {
    if (bytes != 8 || *has) return true;
    *has = true;
    memcpy(mac->b, option + 2, 6);
    return !hfi_mac_is_group(mac);
}

static void nd_prefix_read(const uint8_t *option, uint32_t bytes, hfi_nd_view *view) {
    const hf_addr prefix = bytes == 32 ? hfi_load_addr6(option + 16) : (hf_addr){{0}};
    if (bytes != 32 || option[2] > 128 || hf_addr_is4(&prefix)) return;
    if (view->prefix_count == HFI_ND_PREFIXES) return;
    view->prefixes[view->prefix_count++] = (hfi_nd_prefix){
        .prefix = prefix,
        .prefix_bits = option[2],
        .on_link = (option[3] & ND_ON_LINK) != 0,
        .autonomous = (option[3] & ND_AUTONOMOUS) != 0,
        .valid_seconds = hfi_load32(option + 4),
        .preferred_seconds = hfi_load32(option + 8),
    };
}

/* An option that is unknown, or that the message does not have, is ignored (RFC 4861 4.6); one
 * whose length does not fit its kind too. Returns false for an address that nobody can have. */
static bool nd_option_read(const uint8_t *option, uint32_t bytes, hfi_nd_view *view) {
    const bool from_router = view->type == HFI_ND_ROUTER_ADVERTISEMENT;
    const bool advertises = view->type == HFI_ND_NEIGHBOR_ADVERTISEMENT;
    if (option[0] == ND_SOURCE_MAC && !advertises)
        return nd_mac_read(option, bytes, &view->has_source_mac, &view->source_mac);
    if (option[0] == ND_TARGET_MAC && advertises)
        return nd_mac_read(option, bytes, &view->has_target_mac, &view->target_mac);
    if (option[0] == ND_PREFIX && from_router) nd_prefix_read(option, bytes, view);
    if (option[0] == ND_MTU && from_router && bytes == 8 && view->mtu == 0)
        view->mtu = hfi_load32(option + 4);
    return true;
}

static bool nd_options_read(const uint8_t *at, uint32_t left, hfi_nd_view *view) {
    for (int step = 0; step < HFI_ND_OPTIONS_MAX && left > 0; step++) {
        if (left < 8) return false;
        const uint32_t bytes = at[1] * 8u;
        if (bytes == 0 || bytes > left) return false;
        if (!nd_option_read(at, bytes, view)) return false;
        at += bytes;
        left -= bytes;
    }
    return left == 0;
}

/* RFC 4861 6.1.1: whoever has no address yet has nothing to be remembered by. */
static bool nd_router_solicitation_is_sound(const hfi_ip_view *ip, const hfi_nd_view *view) {
    return !(hf_addr_is_any(&ip->source) && view->has_source_mac);
}

static bool nd_neighbor_target_is_sound(const hfi_nd_view *view) {
    return !hfi_addr_is_multicast(&view->target) && !hf_addr_is4(&view->target);
}

/* RFC 4861 7.1.1: without a source it asks whether its own address is free, and asks the group. */
static bool nd_neighbor_solicitation_is_sound(const hfi_ip_view *ip, const hfi_nd_view *view) {
    if (!nd_neighbor_target_is_sound(view)) return false;
    if (!hf_addr_is_any(&ip->source)) return true;
    const hf_addr group = hfi_nd_solicited_node(&view->target);
    return hf_addr_equal(&ip->destination, &group) && !view->has_source_mac;
}

/* RFC 4861 7.1.2: an answer to one is not sent to many. */
static bool nd_neighbor_advertisement_is_sound(const hfi_ip_view *ip, const hfi_nd_view *view) {
    if (!nd_neighbor_target_is_sound(view)) return false;
    return !(hfi_addr_is_multicast(&ip->destination) && view->solicited);
}

static bool nd_is_sound(const hfi_ip_view *ip, const hfi_nd_view *view) {
    switch (view->type) {
    case HFI_ND_ROUTER_SOLICITATION: return nd_router_solicitation_is_sound(ip, view);
    case HFI_ND_ROUTER_ADVERTISEMENT: return hfi_addr_is_link_local6(&ip->source);
    case HFI_ND_NEIGHBOR_SOLICITATION: return nd_neighbor_solicitation_is_sound(ip, view);
    default: return nd_neighbor_advertisement_is_sound(ip, view);
    }
}

hf_cause hfi_nd_parse(const hfi_ip_view *ip, const uint8_t *message, uint32_t bytes,
                      hfi_nd_view *ret) {
    if (bytes < 8) return HF_CAUSE_DROP_TRUNCATED;
    const uint32_t fixed_bytes = nd_fixed_bytes(message[0]);
    if (fixed_bytes == 0) return HF_CAUSE_DROP_ICMP_UNKNOWN;
    if (bytes < fixed_bytes) return HF_CAUSE_DROP_TRUNCATED;
    if (ip->version != 6 || ip->ttl != HFI_ND_HOP_LIMIT || message[1] != 0)
        return HF_CAUSE_DROP_NEIGHBOR;
    hfi_nd_view view = {.type = message[0]};
    if (fixed_bytes == 16) nd_router_fields_read(message, &view);
    if (fixed_bytes == 24) nd_neighbor_fields_read(message, &view);
    if (!nd_options_read(message + fixed_bytes, bytes - fixed_bytes, &view))
        return HF_CAUSE_DROP_NEIGHBOR;
    if (!nd_is_sound(ip, &view)) return HF_CAUSE_DROP_NEIGHBOR;
    *ret = view;
    return HF_CAUSE_NONE;
}

/* ---- Build. ---- */

static void nd_router_fields_write(uint8_t *message, const hfi_nd_view *view) {
    message[4] = view->hop_limit;
    message[5] =
        (uint8_t)((view->managed ? ND_MANAGED : 0) | (view->other_config ? ND_OTHER_CONFIG : 0));
    hfi_store16(message + 6, view->router_lifetime_seconds);
    hfi_store32(message + 8, view->reachable_ms);
    hfi_store32(message + 12, view->retransmit_ms);
}

static void nd_neighbor_fields_write(uint8_t *message, const hfi_nd_view *view) {
    message[4] =
        (uint8_t)((view->is_router ? ND_ROUTER : 0) | (view->solicited ? ND_SOLICITED : 0) |
                  (view->override ? ND_OVERRIDE : 0));
    hfi_store_addr6(message + 8, &view->target);
}

static uint8_t *nd_mac_write(uint8_t *to, uint8_t kind, const hfi_mac *mac) {
    to[0] = kind;
    to[1] = 1;
    memcpy(to + 2, mac->b, 6);
    return to + 8;
}

static uint8_t *nd_mtu_write(uint8_t *to, uint32_t mtu) {
    to[0] = ND_MTU;
    to[1] = 1;
    hfi_store16(to + 2, 0);
    hfi_store32(to + 4, mtu);
    return to + 8;
}

static uint8_t *nd_prefix_write(uint8_t *to, const hfi_nd_prefix *prefix) {
    to[0] = ND_PREFIX;
    to[1] = 4;
    to[2] = prefix->prefix_bits;
    to[3] =
        (uint8_t)((prefix->on_link ? ND_ON_LINK : 0) | (prefix->autonomous ? ND_AUTONOMOUS : 0));
    hfi_store32(to + 4, prefix->valid_seconds);
    hfi_store32(to + 8, prefix->preferred_seconds);
    hfi_store32(to + 12, 0);
    hfi_store_addr6(to + 16, &prefix->prefix);
    return to + 32;
}

static uint8_t *nd_options_write(uint8_t *to, const hfi_nd_view *view) {
    if (view->has_source_mac) to = nd_mac_write(to, ND_SOURCE_MAC, &view->source_mac);
    if (view->has_target_mac) to = nd_mac_write(to, ND_TARGET_MAC, &view->target_mac);
    if (view->mtu != 0) to = nd_mtu_write(to, view->mtu);
    for (uint32_t i = 0; i < view->prefix_count; i++) to = nd_prefix_write(to, &view->prefixes[i]);
    return to;
}

uint32_t hfi_nd_build(uint8_t *to, const hf_addr *src, const hf_addr *dst,
                      const hfi_nd_view *view) {
    const uint32_t fixed_bytes = nd_fixed_bytes(view->type);
    HF_ASSERT(fixed_bytes != 0 && view->prefix_count <= HFI_ND_PREFIXES);
    memset(to, 0, fixed_bytes);
    to[0] = view->type;
    if (fixed_bytes == 16) nd_router_fields_write(to, view);
    if (fixed_bytes == 24) nd_neighbor_fields_write(to, view);
    const uint32_t bytes = (uint32_t)(nd_options_write(to + fixed_bytes, view) - to);
    const uint32_t sum = hfi_ip_pseudo_sum(src, dst, HFI_IP_ICMP6, bytes);
    hfi_csum_store(to + ND_CSUM_OFFSET, hfi_csum_add(sum, to, bytes));
    return bytes;
}
