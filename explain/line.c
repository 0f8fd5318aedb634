/* A packet in a few words, and in one line. */
#include "explain.h"

static void put_flags(hfx_text *text, uint8_t flags) {
    static const struct {
        uint8_t bit;
        const char *name;
    } order[] = {{HF_TCP_SYN, "SYN"}, {HF_TCP_FIN, "FIN"}, {HF_TCP_RST, "RST"},
                 {HF_TCP_PSH, "PSH"}, {HF_TCP_URG, "URG"}, {HF_TCP_ECE, "ECE"},
                 {HF_TCP_CWR, "CWR"}, {HF_TCP_ACK, "ACK"}};
    bool first = true;
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        if (!(flags & order[i].bit)) continue;
        if (!first) hfx_text_char(text, ' ');
        hfx_text_put(text, order[i].name);
        first = false;
    }
    if (first) hfx_text_put(text, "no flags");
}

static void put_named(hfx_text *text, const char *name, uint64_t number) {
    hfx_text_put(text, name);
    hfx_text_count(text, number);
}

/* Without thousands set off: an arrow has little room. */
static void put_plain(hfx_text *text, const char *name, uint64_t number) {
    hfx_text_put(text, name);
    hfx_text_number(text, number);
}

static const char *icmp_name(const hf_packet *packet) {
    const uint8_t type = packet->icmp_type;
    if (packet->kind == HF_PACKET_ICMP4) {
        switch (type) {
        case 0: return "ICMP echo reply";
        case 3: return packet->icmp_code == 4 ? "ICMP packet too big" : "ICMP unreachable";
        case 8: return "ICMP echo request";
        case 11: return "ICMP time exceeded";
        case 12: return "ICMP parameter problem";
        default: return "ICMP";
        }
    }
    switch (type) {
    case 1: return "ICMPv6 unreachable";
    case 2: return "ICMPv6 packet too big";
    case 3: return "ICMPv6 time exceeded";
    case 4: return "ICMPv6 parameter problem";
    case 128: return "ICMPv6 echo request";
    case 129: return "ICMPv6 echo reply";
    case 133: return "ICMPv6 router solicitation";
    case 134: return "ICMPv6 router advertisement";
    case 135: return "ICMPv6 neighbour solicitation";
    case 136: return "ICMPv6 neighbour advertisement";
    default: return "ICMPv6";
    }
}

/* What is no TCP. */
static void put_other(hfx_text *text, const hf_packet *packet) {
    switch (packet->kind) {
    case HF_PACKET_UDP: put_named(text, "UDP len ", packet->payload_bytes); break;
    case HF_PACKET_ICMP4:
    case HF_PACKET_ICMP6: hfx_text_put(text, icmp_name(packet)); break;
    case HF_PACKET_ARP:
        hfx_text_put(text, packet->arp_operation == 1   ? "ARP who has"
                           : packet->arp_operation == 2 ? "ARP reply"
                                                        : "ARP");
        break;
    case HF_PACKET_FRAGMENT: hfx_text_put(text, "IP fragment"); break;
    case HF_PACKET_BROKEN: hfx_text_put(text, "broken packet"); break;
    case HF_PACKET_TCP:
    case HF_PACKET_OTHER: hfx_text_put(text, "other packet"); break;
    }
}

size_t hf_packet_flags(const hf_packet *packet, char *to, size_t size) {
    hfx_text text = hfx_text_begin(to, size);
    put_flags(&text, packet->flags);
    return text.length;
}

size_t hf_packet_label(const hf_packet *packet, const hf_flows *flows, char *to, size_t size) {
    hfx_text text = hfx_text_begin(to, size);
    if (packet->kind != HF_PACKET_TCP) {
        put_other(&text, packet);
        return text.length;
    }
    uint32_t seq, ack, window;
    hf_flows_relative(flows, packet, &seq, &ack, &window);
    put_flags(&text, packet->flags);
    const bool takes_space = packet->payload_bytes > 0 || packet->flags & (HF_TCP_SYN | HF_TCP_FIN);
    if (takes_space || !(packet->flags & HF_TCP_ACK)) {
        put_plain(&text, " seq ", seq);
        if (packet->payload_bytes > 0) put_plain(&text, " len ", packet->payload_bytes);
    } else {
        put_plain(&text, " ", ack);
    }
    const bool window_tells = !(packet->flags & HF_TCP_RST) && window == 0;
    if (window_tells) hfx_text_put(&text, " win 0");
    return text.length;
}

static void put_endpoint(hfx_text *text, const hf_addr *addr, uint16_t port, bool has_port) {
    char name[48];
    hf_explain_addr(addr, name, sizeof name);
    const bool brackets = has_port && !hf_addr_is4(addr);
    if (brackets) hfx_text_char(text, '[');
    hfx_text_put(text, name);
    if (brackets) hfx_text_char(text, ']');
    if (!has_port) return;
    hfx_text_char(text, ':');
    hfx_text_number(text, port);
}

static void put_tcp_options(hfx_text *text, const hf_packet *packet, uint32_t isn_of_acked) {
    if (packet->mss != 0) put_named(text, " mss ", packet->mss);
    if (packet->scale >= 0) put_named(text, " wscale ", (uint64_t)packet->scale);
    if (packet->sack_allowed) hfx_text_put(text, " sackOK");
    for (uint32_t i = 0; i < packet->sack_count; i++) {
        put_named(text, " sack ", packet->sack[i][0] - isn_of_acked);
        put_named(text, "-", packet->sack[i][1] - isn_of_acked);
    }
}

size_t hf_packet_line(const hf_packet *packet, const hf_flows *flows, char *to, size_t size) {
    hfx_text text = hfx_text_begin(to, size);
    const bool tcp = packet->kind == HF_PACKET_TCP, ports = tcp || packet->kind == HF_PACKET_UDP;
    if (packet->kind != HF_PACKET_BROKEN) {
        put_endpoint(&text, &packet->source, packet->source_port, ports);
        hfx_text_put(&text, " > ");
        put_endpoint(&text, &packet->destination, packet->destination_port, ports);
        hfx_text_char(&text, ' ');
    }
    if (!tcp) {
        put_other(&text, packet);
        return text.length;
    }
    uint32_t seq, ack, window;
    hf_flows_relative(flows, packet, &seq, &ack, &window);
    put_flags(&text, packet->flags);
    put_named(&text, " seq ", seq);
    if (packet->flags & HF_TCP_ACK) put_named(&text, " ack ", ack);
    put_named(&text, " win ", window);
    put_named(&text, " len ", packet->payload_bytes);
    put_tcp_options(&text, packet, packet->ack - ack);
    return text.length;
}
