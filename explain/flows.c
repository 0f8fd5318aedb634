/* Where the sequence numbers of each direction began, so that a reader sees 0, 1, 21 and not
 * 2,714,330,921. */
#include <hf/explain.h>

static bool same_direction(const hf_flow_start *start, const hf_packet *packet) {
    return start->known && start->source_port == packet->source_port &&
           start->destination_port == packet->destination_port &&
           hf_addr_equal(&start->source, &packet->source) &&
           hf_addr_equal(&start->destination, &packet->destination);
}

static bool other_direction(const hf_flow_start *start, const hf_packet *packet) {
    return start->known && start->source_port == packet->destination_port &&
           start->destination_port == packet->source_port &&
           hf_addr_equal(&start->source, &packet->destination) &&
           hf_addr_equal(&start->destination, &packet->source);
}

static uint32_t find(const hf_flows *flows, const hf_packet *packet,
                     bool (*match)(const hf_flow_start *, const hf_packet *)) {
    for (uint32_t i = 0; i < HF_FLOWS; i++)
        if (match(&flows->start[i], packet)) return i;
    return HF_FLOWS;
}

void hf_flows_see(hf_flows *flows, const hf_packet *packet) {
    if (packet->kind != HF_PACKET_TCP || !(packet->flags & HF_TCP_SYN)) return;
    uint32_t i = find(flows, packet, same_direction);
    if (i == HF_FLOWS) {
        i = flows->next;
        flows->next = (flows->next + 1) % HF_FLOWS;
    }
    const hf_flow_start start = {packet->source,
                                 packet->destination,
                                 packet->source_port,
                                 packet->destination_port,
                                 packet->seq,
                                 packet->scale,
                                 true};
    flows->start[i] = start;
}

void hf_flows_relative(const hf_flows *flows, const hf_packet *packet, uint32_t *ret_seq,
                       uint32_t *ret_ack, uint32_t *ret_window) {
    *ret_seq = packet->seq;
    *ret_ack = packet->ack;
    *ret_window = packet->window;
    if (!flows) return;
    const uint32_t ours = find(flows, packet, same_direction),
                   theirs = find(flows, packet, other_direction);
    if (ours < HF_FLOWS) *ret_seq -= flows->start[ours].isn;
    if (theirs < HF_FLOWS) *ret_ack -= flows->start[theirs].isn;
    const bool scaled = ours < HF_FLOWS && theirs < HF_FLOWS && flows->start[ours].scale >= 0 &&
                        flows->start[theirs].scale >= 0 && !(packet->flags & HF_TCP_SYN);
    if (scaled) *ret_window = (uint32_t)packet->window << flows->start[ours].scale;
}
