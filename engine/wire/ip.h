/* IPv4 (RFC 791) and IPv6 (RFC 8200) headers: view, parse, build.
 *
 * A packet may lie in parts: `header_available` bytes are contiguous at `packet`, the whole has
 * `total_bytes`, and every header must lie in the contiguous ones. A frame may be longer than its
 * packet (Ethernet pads to 60 bytes): the length in the IP header wins. A super-segment that an
 * interface joined is one large packet, taken as its header says, up to 65,535 bytes.
 *
 * IPv4 options are stepped over unread, by the header length: no option can mislead what does not
 * look at it (L03). A source route so has no effect: what it carries is taken if the destination is
 * ours, and answered directly. Who wants source routes reads them apart (hfi_ip4_route_read). IPv6 extension headers must be walked, since only they tell where
 * the payload starts:
 *
 *     hop-by-hop (first only), destination options, routing with no segment left, fragment (once)
 *
 * At most HFI_IP6_EXTENSIONS headers with HFI_IP6_OPTIONS options each are looked at; real packets
 * have one or two. The walk stops at the header of a true fragment: what follows is a part of
 * something, `protocol` is what the whole will start with. An atomic fragment (offset 0 and no
 * more, RFC 6946) is no fragment.
 *
 * Not here: jumbograms (RFC 2675), AH, and ICMPv6 parameter problems for what is dropped. */
#ifndef HFI_WIRE_IP_H
#define HFI_WIRE_IP_H

#include <hf/cause.h>
#include "wire/csum.h"

#define HFI_IP4_BYTES 20
#define HFI_IP6_BYTES 40
#define HFI_IP_HEADER_BYTES(is4) ((is4) ? HFI_IP4_BYTES : HFI_IP6_BYTES)
#define HFI_IP4_PAYLOAD_MAX (65535 - HFI_IP4_BYTES)
#define HFI_IP6_PAYLOAD_MAX 65535
#define HFI_IP6_EXTENSIONS 8
#define HFI_IP6_OPTIONS 64

#define HFI_IP_ICMP4 1
#define HFI_IP_TCP 6
#define HFI_IP_UDP 17
#define HFI_IP_ICMP6 58
#define HFI_IP_NO_NEXT 59

typedef struct hfi_ip_view {
    hf_addr source, destination;
    uint8_t version;
    uint8_t protocol;
    uint8_t ttl;
    uint8_t traffic_class;
    uint16_t
        header_bytes; /* With IPv4 options or IPv6 extension headers: the payload starts there. */
    uint32_t payload_bytes;
    bool is_fragment;
    bool more_fragments;
    bool has_fragment_header; /* IPv6: an atomic fragment, which is no fragment, has one too. */
    uint32_t fragment_offset; /* In bytes. */
    uint32_t fragment_id;     /* IPv4: of every packet. IPv6: of a packet with a fragment header. */
} hfi_ip_view;

/* Reads the IP header of a packet of either version. Borrows packet. Returns DROP_TRUNCATED when
 * the packet or its contiguous part ends before what its headers promise, DROP_IP_VERSION,
 * DROP_IP_HEADER, DROP_IP_CHECKSUM (unless csum_trusted: the interface has looked), DROP_FRAGMENT
 * for a fragment that reaches beyond 65,535 bytes or is not the last and not a positive multiple of
 * 8 bytes, DROP_IP_SOURCE or DROP_NOT_OURS for an IPv6 address ::ffff:0:0/96, which inside the
 * engine would pass for IPv4. */
hf_cause hfi_ip_parse(const uint8_t *packet, uint32_t header_available, uint32_t total_bytes,
                      bool csum_trusted, hfi_ip_view *ret);

/* Reads the IP header of a packet that an ICMP error quotes: cut to `bytes` bytes, its checksum and
 * length perhaps no longer true. payload_bytes is what is quoted. DROP_ICMP_HEADER when it is
 * unusable. */
hf_cause hfi_ip_parse_quoted(const uint8_t *packet, uint32_t bytes, hfi_ip_view *ret);

/* Writes an IPv4 header with its checksum and returns HFI_IP4_BYTES. payload_bytes is at most
 * HFI_IP4_PAYLOAD_MAX; traffic_class is the TOS byte. */
uint32_t hfi_ip4_build(uint8_t *to, const hf_addr *src, const hf_addr *dst, uint8_t protocol,
                       uint8_t ttl, uint8_t traffic_class, uint16_t id, bool dont_fragment,
                       uint32_t payload_bytes);

/* What a received IPv4 header says of a source route (RFC 1122 3.2.1.8). BACK: it has come to its end,
 * and *ret is the way back, the sender itself left out. BAD: it does not end here, or names what cannot be
 * a host's address. NONE: there is none, or it is longer than HF_ROUTE_HOPS. The header was parsed. */
typedef enum hfi_route_kind { HFI_ROUTE_NONE, HFI_ROUTE_BACK, HFI_ROUTE_BAD } hfi_route_kind;
hfi_route_kind hfi_ip4_route_read(const uint8_t *packet, uint32_t header_bytes,
                                  hf_source_route *ret);

/* The bytes of the option, padding included. */
uint32_t hfi_ip4_route_bytes(const hf_source_route *route);

/* Puts the option into a header that hfi_ip4_build wrote, with as many bytes free behind it: the packet
 * goes to the first gateway, its destination stands last in the option. */
void hfi_ip4_route_write(uint8_t *ip, const hf_source_route *route);

/* Writes an IPv6 header and returns HFI_IP6_BYTES. payload_bytes is at most HFI_IP6_PAYLOAD_MAX, of
 * the flow label the low 20 bits count. */
uint32_t hfi_ip6_build(uint8_t *to, const hf_addr *src, const hf_addr *dst, uint8_t protocol,
                       uint8_t hop_limit, uint8_t traffic_class, uint32_t flow_label,
                       uint32_t payload_bytes);

/* The partial sum of the pseudo-header that TCP, UDP and ICMPv6 checksums include: RFC 9293 3.1 for
 * IPv4, RFC 8200 8.1 for IPv6, told apart by the addresses. transport_bytes is header and payload.
 */
uint32_t hfi_ip_pseudo_sum(const hf_addr *src, const hf_addr *dst, uint8_t protocol,
                           uint32_t transport_bytes);

/* The two versions, for hfi_ip_parse and hfi_ip_parse_quoted. */
hf_cause hfi_ip4_parse(const uint8_t *packet, uint32_t header_available, uint32_t total_bytes,
                       bool csum_trusted, hfi_ip_view *ret);
hf_cause hfi_ip6_parse(const uint8_t *packet, uint32_t header_available, uint32_t total_bytes,
                       hfi_ip_view *ret);
hf_cause hfi_ip4_parse_quoted(const uint8_t *packet, uint32_t bytes, hfi_ip_view *ret);
hf_cause hfi_ip6_parse_quoted(const uint8_t *packet, uint32_t bytes, hfi_ip_view *ret);

/* ---- What an address is. ---- */

static inline bool hfi_addr_is_multicast(const hf_addr *addr) {
    return hf_addr_is4(addr) ? (addr->bytes[12] & 0xf0) == 0xe0 : addr->bytes[0] == 0xff;
}

/* 255.255.255.255 only; a network's own broadcast address is known to the routes. */
static inline bool hfi_addr_is_broadcast4(const hf_addr *addr) {
    return hf_addr_is4(addr) && hfi_addr_ip4(addr) == 0xffffffff;
}

static inline bool hfi_addr_is_loopback(const hf_addr *addr) {
    if (hf_addr_is4(addr)) return addr->bytes[12] == 127;
    uint8_t others = 0;
    for (int i = 0; i < 15; i++) others |= addr->bytes[i];
    return others == 0 && addr->bytes[15] == 1;
}

static inline bool hfi_addr_is_link_local6(const hf_addr *addr) {
    return addr->bytes[0] == 0xfe && (addr->bytes[1] & 0xc0) == 0x80;
}

#endif
