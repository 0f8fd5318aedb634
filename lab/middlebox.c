/* What a path does to chosen packets: a second, slower way for some, a middlebox that takes an option
 * out of SYNs, a router that marks. */
#include "lab.h"
#include <string.h>

static bool means(const lab_hold *hold, const lab_flight *flight) {
    hf_packet packet;
    if (hold->left == 0 || hold->way != flight->way) return false;
    hf_packet_parse(flight->bytes, flight->total, flight->total, false, &packet);
    return packet.payload_bytes >= hold->length_least &&
           (packet.flags & hold->flags_set) == hold->flags_set &&
           (packet.flags & hold->flags_clear) == 0;
}

hf_ns lab_held_by(lab_link *link, const lab_flight *flight) {
    for (uint32_t i = 0; i < link->hold_count; i++) {
        lab_hold *const hold = &link->holds[i];
        if (!means(hold, flight)) continue;
        hold->left--;
        return hold->by_ns;
    }
    return 0;
}

/* ---- Marks ---- */

bool lab_mark_congestion(uint8_t *packet, uint32_t bytes) {
    const bool ip4 = bytes >= 20 && packet[0] >> 4 == 4, ip6 = bytes >= 40 && packet[0] >> 4 == 6;
    const uint32_t shift = ip4 ? 0 : 4, before = packet[1];
    if ((!ip4 && !ip6) || (before >> shift & 3) == 0) return false;
    packet[1] |= (uint8_t)(3u << shift);
    if (ip6) return true;
    uint32_t sum = ~((uint32_t)packet[10] << 8 | packet[11]) & 0xffff; /* RFC 1624, equation 3 */
    sum += (~before & 0xffff) + packet[1];
    for (int i = 0; i < 2; i++) sum = (sum & 0xffff) + (sum >> 16);
    packet[10] = (uint8_t)(~sum >> 8);
    packet[11] = (uint8_t)~sum;
    return true;
}

/* ---- Timestamps ---- */

enum { IP4_BYTES = 20, TCP_BYTES = 20, TCP_CSUM = 16, OPTION_NOP = 1, OPTION_TIMESTAMPS = 8 };

/* One byte of a TCP header, and the checksum with it (RFC 1624, equation 3). */
static void poke(uint8_t *tcp, uint32_t at, uint8_t value) {
    const uint32_t shift = at % 2 == 0 ? 8 : 0;
    uint32_t sum = ~((uint32_t)tcp[TCP_CSUM] << 8 | tcp[TCP_CSUM + 1]) & 0xffff;
    sum += ~((uint32_t)tcp[at] << shift) & 0xffff;
    sum += (uint32_t)value << shift;
    for (int i = 0; i < 2; i++) sum = (sum & 0xffff) + (sum >> 16);
    tcp[at] = value;
    tcp[TCP_CSUM] = (uint8_t)(~sum >> 8);
    tcp[TCP_CSUM + 1] = (uint8_t)~sum;
}

/* The place of the option in the header, or 0. */
static uint32_t timestamps_at(const uint8_t *tcp, uint32_t header_bytes) {
    for (uint32_t at = TCP_BYTES; at + 1 < header_bytes && tcp[at] != 0;) {
        if (tcp[at] == OPTION_NOP) {
            at++;
            continue;
        }
        if (tcp[at] == OPTION_TIMESTAMPS) return at;
        at += tcp[at + 1] < 2 ? 2 : tcp[at + 1];
    }
    return 0;
}

bool lab_strip_timestamps(uint8_t *packet, uint32_t bytes) {
    if (bytes < IP4_BYTES + TCP_BYTES || packet[0] >> 4 != 4 || packet[9] != 6) return false;
    const uint32_t ip_bytes = (uint32_t)(packet[0] & 15) * 4;
    if (ip_bytes + TCP_BYTES > bytes) return false;
    uint8_t *const tcp = packet + ip_bytes;
    const uint32_t header_bytes = (uint32_t)(tcp[12] >> 4) * 4;
    if (!(tcp[13] & HF_TCP_SYN) || ip_bytes + header_bytes > bytes) return false;
    const uint32_t at = timestamps_at(tcp, header_bytes);
    if (at == 0 || at + 10 > header_bytes) return false;
    for (uint32_t i = 0; i < 10; i++) poke(tcp, at + i, OPTION_NOP);
    return true;
}
