#include "wire/plain.h"

#define PLAIN_VERSION_IHL 0x45
#define PLAIN_TIMESTAMPS UINT32_C(0x0101080a) /* NOP NOP TIMESTAMPS 10 */
#define PLAIN_LOOPBACK 127
#define PLAIN_FRAGMENT 0x3fff /* MF and the offset */

/* The sum of the header's ten words, as the machine loads them: a header that is whole has 0xffff in either
 * order (RFC 1071 2 B). */
static bool plain_header_whole(const uint8_t *ip) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < HFI_IP4_BYTES; i += 4) {
        uint32_t word;
        __builtin_memcpy(&word, ip + i, sizeof word);
        sum += word;
    }
    sum = (sum & 0xffffffff) + (sum >> 32);
    return hfi_csum_good((uint32_t)((sum & 0xffffffff) + (sum >> 32)));
}

/* IPv4's part. */
static bool plain_ip(const uint8_t *ip, uint32_t packet_bytes, uint32_t total_bytes) {
    return ip[0] == PLAIN_VERSION_IHL && ip[9] == HFI_IP_TCP &&
           (hfi_load16(ip + 6) & PLAIN_FRAGMENT) == 0 &&
           packet_bytes >= HFI_IP4_BYTES + HFI_TCP_BYTES && packet_bytes <= total_bytes &&
           ip[12] != PLAIN_LOOPBACK && ip[16] != PLAIN_LOOPBACK && plain_header_whole(ip);
}

/* TCP's bytes of header, or 0 if it has another shape. */
static uint32_t plain_tcp_bytes(const uint8_t *tcp, uint32_t available, uint32_t segment_bytes) {
    const uint32_t header_bytes = (tcp[12] >> 4) * 4u;
    const bool stamped = header_bytes == HFI_TCP_BYTES + 12;
    if ((tcp[13] & ~HFI_TCP_PSH) != HFI_TCP_ACK || (tcp[12] & 0x0f) != 0) return 0;
    if (header_bytes != HFI_TCP_BYTES && !stamped) return 0;
    if (header_bytes > available || header_bytes > segment_bytes) return 0;
    return stamped && hfi_load32(tcp + HFI_TCP_BYTES) != PLAIN_TIMESTAMPS ? 0 : header_bytes;
}

static void plain_tcp(const uint8_t *tcp, uint32_t header_bytes, hfi_tcp_view *ret) {
    ret->source_port = hfi_load16(tcp);
    ret->destination_port = hfi_load16(tcp + 2);
    ret->seq = hfi_load32(tcp + 4);
    ret->ack = hfi_load32(tcp + 8);
    ret->window = hfi_load16(tcp + 14);
    ret->urgent = hfi_load16(tcp + 18);
    ret->flags = tcp[13];
    ret->header_bytes = (uint8_t)header_bytes;
    ret->options.present = 0;
    ret->options.sack_count = 0;
    ret->options.ts_value = ret->options.ts_echo = 0;
    if (header_bytes == HFI_TCP_BYTES) return;
    ret->options.present = HFI_OPT_TIMESTAMPS;
    ret->options.ts_value = hfi_load32(tcp + HFI_TCP_BYTES + 4);
    ret->options.ts_echo = hfi_load32(tcp + HFI_TCP_BYTES + 8);
}

bool hfi_plain_parse(const uint8_t *packet, uint32_t available, uint32_t total_bytes,
                     hfi_tcp_view *ret_tcp, hfi_plain *ret) {
    if (available < HFI_IP4_BYTES + HFI_TCP_BYTES) return false;
    const uint32_t packet_bytes = hfi_load16(packet + 2);
    const uint32_t segment_bytes = packet_bytes - HFI_IP4_BYTES;
    if (!plain_ip(packet, packet_bytes, total_bytes)) return false;
    const uint8_t *tcp = packet + HFI_IP4_BYTES;
    const uint32_t header_bytes = plain_tcp_bytes(tcp, available - HFI_IP4_BYTES, segment_bytes);
    if (header_bytes == 0) return false;
    plain_tcp(tcp, header_bytes, ret_tcp);
    ret_tcp->payload_bytes = segment_bytes - header_bytes;
    ret->source = hfi_load_addr4(packet + 12);
    ret->destination = hfi_load_addr4(packet + 16);
    ret->segment_bytes = segment_bytes;
    ret->pseudo_sum = (uint32_t)hfi_load16(packet + 12) + hfi_load16(packet + 14) +
                      hfi_load16(packet + 16) + hfi_load16(packet + 18) + HFI_IP_TCP +
                      segment_bytes;
    ret->traffic_class = packet[1];
    ret->ttl = packet[8];
    return true;
}
