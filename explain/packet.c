/* A small reader of Ethernet, IP, TCP, UDP, ICMP and ARP headers, for telling what a packet is. The
 * engine has its own, which is strict; this one takes what it can from any bytes and never reads
 * past them. */
#include <hf/explain.h>
#include <string.h>

enum {
    ETHERTYPE_IP4 = 0x0800,
    ETHERTYPE_ARP = 0x0806,
    ETHERTYPE_IP6 = 0x86dd,
    PROTOCOL_ICMP4 = 1,
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    PROTOCOL_ICMP6 = 58,
    OPTION_END = 0,
    OPTION_NOP = 1,
    OPTION_MSS = 2,
    OPTION_SCALE = 3,
    OPTION_SACK_PERMITTED = 4,
    OPTION_SACK = 5,
    OPTION_TIMESTAMPS = 8
};

/* The bytes at hand from here on, and how many there were on the wire. */
typedef struct view {
    const uint8_t *at;
    size_t bytes, wire_bytes;
} view;

static uint32_t be16(const uint8_t *at) { return (uint32_t)at[0] << 8 | at[1]; }
static uint32_t be32(const uint8_t *at) { return be16(at) << 16 | be16(at + 2); }

static view skip(view from, size_t bytes) {
    const view rest = {from.at + bytes, from.bytes - bytes, from.wire_bytes - bytes};
    return rest;
}

static view shorten(view from, size_t wire_bytes) {
    if (wire_bytes < from.wire_bytes) from.wire_bytes = wire_bytes;
    if (from.bytes > from.wire_bytes) from.bytes = from.wire_bytes;
    return from;
}

static void parse_option(const uint8_t *option, uint32_t length, hf_packet *packet) {
    switch (option[0]) {
    case OPTION_MSS:
        if (length == 4) packet->mss = (uint16_t)be16(option + 2);
        break;
    case OPTION_SCALE:
        if (length == 3) packet->scale = (int8_t)(option[2] > 14 ? 14 : option[2]);
        break;
    case OPTION_SACK_PERMITTED: packet->sack_allowed = length == 2; break;
    case OPTION_TIMESTAMPS:
        if (length != 10) break;
        packet->timestamps = true;
        packet->ts_value = be32(option + 2);
        packet->ts_echo = be32(option + 6);
        break;
    case OPTION_SACK:
        for (uint32_t at = 2; at + 8 <= length && packet->sack_count < 4; at += 8) {
            packet->sack[packet->sack_count][0] = be32(option + at);
            packet->sack[packet->sack_count++][1] = be32(option + at + 4);
        }
        break;
    default: break;
    }
}

static void parse_options(view options, hf_packet *packet) {
    while (options.bytes > 0 && options.at[0] != OPTION_END) {
        if (options.at[0] == OPTION_NOP) {
            options = skip(options, 1);
            continue;
        }
        if (options.bytes < 2 || options.at[1] < 2 || options.at[1] > options.bytes) return;
        parse_option(options.at, options.at[1], packet);
        options = skip(options, options.at[1]);
    }
}

static void parse_tcp(view segment, hf_packet *packet) {
    const size_t header = segment.bytes >= 20 ? (size_t)(segment.at[12] >> 4) * 4 : 0;
    if (header < 20 || header > segment.wire_bytes) {
        packet->kind = HF_PACKET_BROKEN;
        return;
    }
    packet->kind = HF_PACKET_TCP;
    packet->source_port = (uint16_t)be16(segment.at);
    packet->destination_port = (uint16_t)be16(segment.at + 2);
    packet->seq = be32(segment.at + 4);
    packet->ack = be32(segment.at + 8);
    packet->flags = segment.at[13];
    packet->window = (uint16_t)be16(segment.at + 14);
    packet->payload_bytes = (uint32_t)(segment.wire_bytes - header);
    parse_options(skip(shorten(segment, header), 20), packet);
}

static void parse_udp(view datagram, hf_packet *packet) {
    if (datagram.bytes < 8) {
        packet->kind = HF_PACKET_BROKEN;
        return;
    }
    packet->kind = HF_PACKET_UDP;
    packet->source_port = (uint16_t)be16(datagram.at);
    packet->destination_port = (uint16_t)be16(datagram.at + 2);
    packet->payload_bytes = (uint32_t)(datagram.wire_bytes - 8);
}

static void parse_icmp(view message, hf_packet_kind kind, hf_packet *packet) {
    if (message.bytes < 4) {
        packet->kind = HF_PACKET_BROKEN;
        return;
    }
    packet->kind = kind;
    packet->icmp_type = message.at[0];
    packet->icmp_code = message.at[1];
    packet->payload_bytes = (uint32_t)message.wire_bytes;
}

static void parse_transport(view payload, uint32_t protocol, hf_packet *packet) {
    switch (protocol) {
    case PROTOCOL_TCP: parse_tcp(payload, packet); break;
    case PROTOCOL_UDP: parse_udp(payload, packet); break;
    case PROTOCOL_ICMP4: parse_icmp(payload, HF_PACKET_ICMP4, packet); break;
    case PROTOCOL_ICMP6: parse_icmp(payload, HF_PACKET_ICMP6, packet); break;
    default: packet->payload_bytes = (uint32_t)payload.wire_bytes; break;
    }
}

static void parse_ip4(view datagram, hf_packet *packet) {
    const size_t header = datagram.bytes >= 20 ? (size_t)(datagram.at[0] & 15) * 4 : 0;
    const size_t total = datagram.bytes >= 20 ? be16(datagram.at + 2) : 0;
    packet->kind = HF_PACKET_BROKEN;
    if (header < 20 || header > datagram.bytes || total < header || total > datagram.wire_bytes)
        return;
    const uint8_t *const at = datagram.at;
    packet->kind = HF_PACKET_OTHER;
    packet->source = hf_addr4(at[12], at[13], at[14], at[15]);
    packet->destination = hf_addr4(at[16], at[17], at[18], at[19]);
    if ((be16(at + 6) & 0x1fff) != 0)
        packet->kind = HF_PACKET_FRAGMENT;
    else
        parse_transport(skip(shorten(datagram, total), header), at[9], packet);
}

/* Skips the extension headers whose length field counts 8-byte units: hop-by-hop, routing,
 * destination. */
static void parse_ip6(view datagram, hf_packet *packet) {
    packet->kind = HF_PACKET_BROKEN;
    if (datagram.bytes < 40 || 40 + be16(datagram.at + 4) > datagram.wire_bytes) return;
    packet->kind = HF_PACKET_OTHER;
    memcpy(packet->source.bytes, datagram.at + 8, 16);
    memcpy(packet->destination.bytes, datagram.at + 24, 16);
    uint32_t next = datagram.at[6];
    view payload = skip(shorten(datagram, 40 + be16(datagram.at + 4)), 40);
    while (next == 0 || next == 43 || next == 60) {
        if (payload.bytes < 8 || ((size_t)payload.at[1] + 1) * 8 > payload.bytes) return;
        next = payload.at[0];
        payload = skip(payload, ((size_t)payload.at[1] + 1) * 8);
    }
    if (next == 44)
        packet->kind = HF_PACKET_FRAGMENT;
    else
        parse_transport(payload, next, packet);
}

static void parse_arp(view message, hf_packet *packet) {
    packet->kind = HF_PACKET_BROKEN;
    if (message.bytes < 28) return;
    const uint8_t *const at = message.at;
    packet->kind = HF_PACKET_ARP;
    packet->arp_operation = (uint16_t)be16(at + 6);
    packet->source = hf_addr4(at[14], at[15], at[16], at[17]);
    packet->destination = hf_addr4(at[24], at[25], at[26], at[27]);
}

static void parse_ip(view datagram, hf_packet *packet) {
    const uint32_t version = datagram.bytes > 0 ? datagram.at[0] >> 4 : 0;
    if (version == 4)
        parse_ip4(datagram, packet);
    else if (version == 6)
        parse_ip6(datagram, packet);
}

void hf_packet_parse(const void *bytes, size_t captured, size_t total, bool ethernet,
                     hf_packet *ret_packet) {
    memset(ret_packet, 0, sizeof *ret_packet);
    ret_packet->scale = -1;
    const view whole = {bytes, captured < total ? captured : total, total};
    if (!ethernet) {
        parse_ip(whole, ret_packet);
        return;
    }
    if (whole.bytes < 14) {
        ret_packet->kind = HF_PACKET_BROKEN;
        return;
    }
    const uint32_t type = be16(whole.at + 12);
    if (type == ETHERTYPE_ARP)
        parse_arp(skip(whole, 14), ret_packet);
    else if (type == ETHERTYPE_IP4 || type == ETHERTYPE_IP6)
        parse_ip(skip(whole, 14), ret_packet);
}
