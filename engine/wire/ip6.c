#include "wire/ip.h"

struct hfi_ip6 {
    hf_be32 version_class_flow;
    hf_be16 payload_bytes;
    uint8_t next_header;
    uint8_t hop_limit;
    uint8_t source[16];
    uint8_t destination[16];
};
_Static_assert(sizeof(struct hfi_ip6) == HFI_IP6_BYTES, "as on the wire");

enum { IP6_HOP_BY_HOP = 0, IP6_ROUTING = 43, IP6_FRAGMENT = 44, IP6_DESTINATION = 60 };

#define IP6_FRAGMENT_BYTES 8
#define IP6_OPTION_PAD1 0

/* Where the walk over the extension headers is. Headers end at `limit`, the packet at `end`. */
typedef struct ip6_walk {
    const uint8_t *packet;
    uint32_t at;
    uint32_t limit;
    uint32_t end;
    uint8_t next;
    bool fragment_seen;
} ip6_walk;

static bool ip6_is_extension(uint8_t next) {
    return next == IP6_HOP_BY_HOP || next == IP6_ROUTING || next == IP6_FRAGMENT ||
           next == IP6_DESTINATION;
}

/* Options of a hop-by-hop or destination header. We speak none; the two highest bits of a type say
 * whether who does not may step over it (RFC 8200 4.2). */
static hf_cause ip6_options_check(const uint8_t *options, uint32_t bytes) {
    uint32_t at = 0;
    for (int step = 0; step < HFI_IP6_OPTIONS; step++) {
        if (at == bytes) return HF_CAUSE_NONE;
        if (options[at] == IP6_OPTION_PAD1) {
            at++;
            continue;
        }
        if ((options[at] & 0xc0) != 0 || bytes - at < 2) return HF_CAUSE_DROP_IP_HEADER;
        const uint32_t option_bytes = options[at + 1] + 2u;
        if (option_bytes > bytes - at) return HF_CAUSE_DROP_IP_HEADER;
        at += option_bytes;
    }
    return at == bytes ? HF_CAUSE_NONE : HF_CAUSE_DROP_IP_HEADER;
}

/* RFC 8200 4.5. Once only: a second one would make the first one's meaning ambiguous. */
static hf_cause ip6_fragment_take(ip6_walk *walk, hfi_ip_view *view) {
    if (walk->fragment_seen) return HF_CAUSE_DROP_IP_HEADER;
    const uint8_t *const header = walk->packet + walk->at;
    const uint16_t fragment = hfi_load16(header + 2);
    walk->fragment_seen = view->has_fragment_header = true;
    view->more_fragments = (fragment & 1) != 0;
    view->fragment_offset = fragment & 0xfff8u;
    view->is_fragment = view->more_fragments || view->fragment_offset != 0;
    view->fragment_id = hfi_load32(header + 4);
    walk->at += IP6_FRAGMENT_BYTES;
    return HF_CAUSE_NONE;
}

static hf_cause ip6_extension_skip(ip6_walk *walk, uint8_t kind) {
    const uint8_t *const header = walk->packet + walk->at;
    const uint32_t bytes = (header[1] + 1u) * 8;
    if (bytes > walk->limit - walk->at) return HF_CAUSE_DROP_TRUNCATED;
    walk->at += bytes;
    if (kind != IP6_ROUTING) return ip6_options_check(header + 2, bytes - 2);
    /* We forward nothing: a segment left means that the packet is not meant for us (RFC 8200 4.4).
     */
    return header[3] == 0 ? HF_CAUSE_NONE : HF_CAUSE_DROP_IP_HEADER;
}

static hf_cause ip6_extension_take(ip6_walk *walk, hfi_ip_view *view) {
    const uint8_t kind = walk->next;
    if (kind == IP6_HOP_BY_HOP && walk->at != HFI_IP6_BYTES) return HF_CAUSE_DROP_IP_HEADER;
    if (walk->limit - walk->at < 8) return HF_CAUSE_DROP_TRUNCATED;
    walk->next = walk->packet[walk->at];
    return kind == IP6_FRAGMENT ? ip6_fragment_take(walk, view) : ip6_extension_skip(walk, kind);
}

static hf_cause ip6_walk_headers(ip6_walk *walk, hfi_ip_view *view) {
    int count = 0;
    while (ip6_is_extension(walk->next) && !view->is_fragment) {
        if (count++ == HFI_IP6_EXTENSIONS) return HF_CAUSE_DROP_IP_HEADER;
        const hf_cause cause = ip6_extension_take(walk, view);
        if (cause != HF_CAUSE_NONE) return cause;
    }
    view->protocol = walk->next;
    view->header_bytes = (uint16_t)walk->at;
    view->payload_bytes = walk->end - walk->at;
    return HF_CAUSE_NONE;
}

static hfi_ip_view ip6_view(const struct hfi_ip6 *ip) {
    return (hfi_ip_view){
        .source = hfi_load_addr6(ip->source),
        .destination = hfi_load_addr6(ip->destination),
        .version = 6,
        .ttl = ip->hop_limit,
        .traffic_class = (uint8_t)(hfi_get32(ip->version_class_flow) >> 20),
    };
}

/* As for IPv4, but the limit of 65,535 bytes is on what follows the base header, of which the part
 * before the fragment header comes again in every fragment and is not counted here. */
static bool ip6_fragment_is_sound(const hfi_ip_view *view) {
    if (view->more_fragments && (view->payload_bytes == 0 || view->payload_bytes % 8 != 0))
        return false;
    return view->fragment_offset + view->payload_bytes <= 65535;
}

hf_cause hfi_ip6_parse(const uint8_t *packet, uint32_t header_available, uint32_t total_bytes,
                       hfi_ip_view *ret) {
    if (header_available < HFI_IP6_BYTES) return HF_CAUSE_DROP_TRUNCATED;
    const struct hfi_ip6 *const ip = (const void *)packet;
    const uint32_t end = HFI_IP6_BYTES + (uint32_t)hfi_get16(ip->payload_bytes);
    if (end > total_bytes) return HF_CAUSE_DROP_TRUNCATED;
    hfi_ip_view view = ip6_view(ip);
    if (hf_addr_is4(&view.source)) return HF_CAUSE_DROP_IP_SOURCE;
    if (hf_addr_is4(&view.destination)) return HF_CAUSE_DROP_NOT_OURS;
    ip6_walk walk = {packet, HFI_IP6_BYTES,   hfi_min32(header_available, end),
                     end,    ip->next_header, false};
    const hf_cause cause = ip6_walk_headers(&walk, &view);
    if (cause != HF_CAUSE_NONE) return cause;
    if (view.is_fragment && !ip6_fragment_is_sound(&view)) return HF_CAUSE_DROP_FRAGMENT;
    *ret = view;
    return HF_CAUSE_NONE;
}

hf_cause hfi_ip6_parse_quoted(const uint8_t *packet, uint32_t bytes, hfi_ip_view *ret) {
    if (bytes < HFI_IP6_BYTES) return HF_CAUSE_DROP_ICMP_HEADER;
    const struct hfi_ip6 *const ip = (const void *)packet;
    hfi_ip_view view = ip6_view(ip);
    if (hf_addr_is4(&view.source) || hf_addr_is4(&view.destination))
        return HF_CAUSE_DROP_ICMP_HEADER;
    /* The view's header_bytes has 16 bits; no message quotes as much as that. */
    const uint32_t end = hfi_min32(bytes, 65535);
    ip6_walk walk = {packet, HFI_IP6_BYTES, end, end, ip->next_header, false};
    if (ip6_walk_headers(&walk, &view) != HF_CAUSE_NONE) return HF_CAUSE_DROP_ICMP_HEADER;
    *ret = view;
    return HF_CAUSE_NONE;
}

uint32_t hfi_ip6_build(uint8_t *to, const hf_addr *src, const hf_addr *dst, uint8_t protocol,
                       uint8_t hop_limit, uint8_t traffic_class, uint32_t flow_label,
                       uint32_t payload_bytes) {
    HF_ASSERT(payload_bytes <= HFI_IP6_PAYLOAD_MAX);
    struct hfi_ip6 *const ip = (void *)to;
    ip->version_class_flow =
        hfi_put32(UINT32_C(6) << 28 | (uint32_t)traffic_class << 20 | (flow_label & 0xfffff));
    ip->payload_bytes = hfi_put16((uint16_t)payload_bytes);
    ip->next_header = protocol;
    ip->hop_limit = hop_limit;
    hfi_store_addr6(ip->source, src);
    hfi_store_addr6(ip->destination, dst);
    return HFI_IP6_BYTES;
}
