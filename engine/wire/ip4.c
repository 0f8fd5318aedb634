#include "wire/ip.h"

struct hfi_ip4 {
    uint8_t version_ihl;
    uint8_t traffic_class;
    hf_be16 total_bytes;
    hf_be16 id;
    hf_be16 fragment;
    uint8_t ttl;
    uint8_t protocol;
    hf_be16 checksum;
    uint8_t source[4];
    uint8_t destination[4];
};
_Static_assert(sizeof(struct hfi_ip4) == HFI_IP4_BYTES, "as on the wire");

#define IP4_DONT_FRAGMENT 0x4000
#define IP4_MORE_FRAGMENTS 0x2000
#define IP4_OFFSET_MASK 0x1fff

static hfi_ip_view ip4_view(const struct hfi_ip4 *ip, uint32_t header_bytes,
                            uint32_t payload_bytes) {
    const uint16_t fragment = hfi_get16(ip->fragment);
    return (hfi_ip_view){
        .source = hfi_load_addr4(ip->source),
        .destination = hfi_load_addr4(ip->destination),
        .version = 4,
        .protocol = ip->protocol,
        .ttl = ip->ttl,
        .traffic_class = ip->traffic_class,
        .header_bytes = (uint16_t)header_bytes,
        .payload_bytes = payload_bytes,
        .is_fragment = (fragment & (IP4_MORE_FRAGMENTS | IP4_OFFSET_MASK)) != 0,
        .more_fragments = (fragment & IP4_MORE_FRAGMENTS) != 0,
        .fragment_offset = (uint32_t)(fragment & IP4_OFFSET_MASK) * 8,
        .fragment_id = hfi_get16(ip->id),
    };
}

/* A fragment that is not the last fills whole units of 8 bytes, and none reaches beyond the largest
 * packet (RFC 791 3.2); the sum of the two is what "ping of death" got wrong. */
static bool ip4_fragment_is_sound(const hfi_ip_view *view) {
    if (view->more_fragments && (view->payload_bytes == 0 || view->payload_bytes % 8 != 0))
        return false;
    return view->header_bytes + view->fragment_offset + view->payload_bytes <= 65535;
}

hf_cause hfi_ip4_parse(const uint8_t *packet, uint32_t header_available, uint32_t total_bytes,
                       bool csum_trusted, hfi_ip_view *ret) {
    if (header_available < HFI_IP4_BYTES) return HF_CAUSE_DROP_TRUNCATED;
    const struct hfi_ip4 *const ip = (const void *)packet;
    const uint32_t header_bytes = (ip->version_ihl & 15u) * 4;
    const uint32_t packet_bytes = hfi_get16(ip->total_bytes);
    if (header_bytes < HFI_IP4_BYTES || header_bytes > packet_bytes) return HF_CAUSE_DROP_IP_HEADER;
    if (packet_bytes > total_bytes || header_bytes > header_available)
        return HF_CAUSE_DROP_TRUNCATED;
    if (!csum_trusted && !hfi_csum_good(hfi_csum_add(0, packet, header_bytes)))
        return HF_CAUSE_DROP_IP_CHECKSUM;
    const hfi_ip_view view = ip4_view(ip, header_bytes, packet_bytes - header_bytes);
    if (view.is_fragment && !ip4_fragment_is_sound(&view)) return HF_CAUSE_DROP_FRAGMENT;
    *ret = view;
    return HF_CAUSE_NONE;
}

hf_cause hfi_ip4_parse_quoted(const uint8_t *packet, uint32_t bytes, hfi_ip_view *ret) {
    if (bytes < HFI_IP4_BYTES) return HF_CAUSE_DROP_ICMP_HEADER;
    const struct hfi_ip4 *const ip = (const void *)packet;
    const uint32_t header_bytes = (ip->version_ihl & 15u) * 4;
    if (header_bytes < HFI_IP4_BYTES || header_bytes > bytes) return HF_CAUSE_DROP_ICMP_HEADER;
    *ret = ip4_view(ip, header_bytes, bytes - header_bytes);
    return HF_CAUSE_NONE;
}

uint32_t hfi_ip4_build(uint8_t *to, const hf_addr *src, const hf_addr *dst, uint8_t protocol,
                       uint8_t ttl, uint8_t traffic_class, uint16_t id, bool dont_fragment,
                       uint32_t payload_bytes) {
    HF_ASSERT(payload_bytes <= HFI_IP4_PAYLOAD_MAX);
    struct hfi_ip4 *const ip = (void *)to;
    ip->version_ihl = 0x45;
    ip->traffic_class = traffic_class;
    ip->total_bytes = hfi_put16((uint16_t)(HFI_IP4_BYTES + payload_bytes));
    ip->id = hfi_put16(id);
    ip->fragment = hfi_put16(dont_fragment ? IP4_DONT_FRAGMENT : 0);
    ip->ttl = ttl;
    ip->protocol = protocol;
    ip->checksum = hfi_put16(0);
    hfi_store_addr4(ip->source, src);
    hfi_store_addr4(ip->destination, dst);
    hfi_csum_store(ip->checksum.b, hfi_csum_add(0, to, HFI_IP4_BYTES));
    return HFI_IP4_BYTES;
}

/* ---- Source routes: type, length, pointer to the next entry, entries. ---- */

enum { IP4_OPTION_END = 0, IP4_OPTION_NOP = 1, IP4_LOOSE_ROUTE = 131, IP4_STRICT_ROUTE = 137 };
#define ROUTE_HEAD 3u

static bool is_route(uint8_t type) { return type == IP4_LOOSE_ROUTE || type == IP4_STRICT_ROUTE; }

/* The option, wholly inside the header, or NULL. */
static const uint8_t *route_option(const uint8_t *packet, uint32_t header_bytes) {
    for (uint32_t at = HFI_IP4_BYTES; at < header_bytes && packet[at] != IP4_OPTION_END;) {
        const uint32_t left = header_bytes - at;
        if (packet[at] == IP4_OPTION_NOP) {
            at++;
            continue;
        }
        if (left < 2 || packet[at + 1] < 2 || packet[at + 1] > left) return NULL;
        if (is_route(packet[at]) && packet[at + 1] >= ROUTE_HEAD) return packet + at;
        at += packet[at + 1];
    }
    return NULL;
}

/* Not 0/8, loopback, a group or a broadcast. */
static bool may_be_gateway(const uint8_t *addr) {
    return addr[0] != 0 && addr[0] != 127 && addr[0] < 224;
}

hfi_route_kind hfi_ip4_route_read(const uint8_t *packet, uint32_t header_bytes,
                                  hf_source_route *ret) {
    const uint8_t *const option = route_option(packet, header_bytes);
    if (option == NULL || option[1] == ROUTE_HEAD) return HFI_ROUTE_NONE;
    const uint32_t bytes = option[1], count = (bytes - ROUTE_HEAD) / 4;
    const bool sound = (bytes - ROUTE_HEAD) % 4 == 0 && option[2] > bytes;
    if (!sound) return HFI_ROUTE_BAD;
    /* The way back begins with the last gateway; a sender that recorded itself is not one. */
    const uint8_t *const first = option + ROUTE_HEAD;
    const uint32_t skip = memcmp(first, packet + offsetof(struct hfi_ip4, source), 4) == 0;
    hf_source_route back = {.strict = option[0] == IP4_STRICT_ROUTE};
    if (count - skip == 0 || count - skip > HF_ROUTE_HOPS) return HFI_ROUTE_NONE;
    back.count = (uint8_t)(count - skip);
    for (uint32_t i = 0; i < back.count; i++) {
        const uint8_t *const hop = first + 4 * (count - 1 - i);
        if (!may_be_gateway(hop)) return HFI_ROUTE_BAD;
        memcpy(back.hops[i], hop, 4);
    }
    *ret = back;
    return HFI_ROUTE_BACK;
}

uint32_t hfi_ip4_route_bytes(const hf_source_route *route) {
    return route->count == 0 ? 0 : ROUTE_HEAD + 4u * route->count + 1;
}

void hfi_ip4_route_write(uint8_t *ip, const hf_source_route *route) {
    struct hfi_ip4 *const header = (void *)ip;
    uint8_t *const option = ip + HFI_IP4_BYTES;
    const uint32_t more = hfi_ip4_route_bytes(route), last = route->count - 1u;
    HF_ASSERT(route->count >= 1 && route->count <= HF_ROUTE_HOPS);
    option[0] = route->strict ? IP4_STRICT_ROUTE : IP4_LOOSE_ROUTE;
    option[1] = (uint8_t)(more - 1);
    option[2] = ROUTE_HEAD + 1;
    for (uint32_t i = 0; i < last; i++) memcpy(option + ROUTE_HEAD + 4 * i, route->hops[i + 1], 4);
    memcpy(option + ROUTE_HEAD + 4 * last, header->destination, 4);
    option[more - 1] = IP4_OPTION_END;
    memcpy(header->destination, route->hops[0], 4);
    header->version_ihl = (uint8_t)(0x40 | (HFI_IP4_BYTES + more) / 4);
    header->total_bytes = hfi_put16((uint16_t)(hfi_get16(header->total_bytes) + more));
    header->checksum = hfi_put16(0);
    hfi_csum_store(header->checksum.b, hfi_csum_add(0, ip, HFI_IP4_BYTES + more));
}
