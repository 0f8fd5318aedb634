/* What the wire shows of a connection: of each direction, where it stands and why it sends. The
 * kernel does not say why, so a cause is what a reader of a capture would conclude. */
#include "lab/linux.h"
#include <stdlib.h>

/* A pure ACK that comes later than this after the data waited for the delayed ACK's timer. */
#define DELAYED_NS (25 * HF_MS)

static bool ends_equal(const lab_flow *flow, const hf_addr *from, uint16_t from_port,
                       const hf_addr *to, uint16_t to_port) {
    return flow->source_port == from_port && flow->destination_port == to_port &&
           hf_addr_equal(&flow->source, from) && hf_addr_equal(&flow->destination, to);
}

lab_flow *lab_flow_find(lab_world *world, const hf_addr *from, uint16_t from_port,
                        const hf_addr *to, uint16_t to_port) {
    for (uint32_t i = world->kernel->flow_count; i > 0; i--) {
        lab_flow *const flow = world->kernel->flows[i - 1];
        if (ends_equal(flow, from, from_port, to, to_port)) return flow;
    }
    return NULL;
}

static lab_flow *reverse_of(lab_world *world, const lab_flow *flow) {
    return lab_flow_find(world, &flow->destination, flow->destination_port, &flow->source,
                         flow->source_port);
}

/* The application's end that sends it, if there is one yet. */
static uint32_t sender_of(const lab_world *world, const hf_packet *packet) {
    for (uint32_t i = world->conn_count; i > 0; i--) {
        const lab_conn *const conn = world->conns[i - 1];
        if (conn->socket && conn->local_port == packet->source_port &&
            conn->remote_port == packet->destination_port &&
            hf_addr_equal(&conn->local, &packet->source) &&
            hf_addr_equal(&conn->remote, &packet->destination))
            return i - 1;
    }
    return LAB_ANY;
}

static lab_flow *new_flow(lab_world *world, const hf_packet *packet) {
    struct lab_kernel *const kernel = world->kernel;
    kernel->flows = realloc(kernel->flows, (kernel->flow_count + 1) * sizeof(lab_flow *));
    if (!kernel->flows) abort();
    lab_flow *const flow = kernel->flows[kernel->flow_count++] = lab_alloc(sizeof *flow);
    flow->source = packet->source;
    flow->destination = packet->destination;
    flow->source_port = packet->source_port;
    flow->destination_port = packet->destination_port;
    flow->isn = packet->seq;
    flow->next = flow->una = packet->seq;
    flow->conn = sender_of(world, packet);
    lab_conn *const conn = flow->conn == LAB_ANY ? NULL : world->conns[flow->conn];
    if (conn && !conn->socket->out) conn->socket->out = flow;
    return flow;
}

/* A SYN with another number is another connection on the same ports. */
static lab_flow *flow_of(lab_world *world, const hf_packet *packet) {
    lab_flow *const flow = lab_flow_find(world, &packet->source, packet->source_port,
                                         &packet->destination, packet->destination_port);
    const bool other = flow && packet->flags & HF_TCP_SYN && packet->seq != flow->isn;
    return flow && !other ? flow : new_flow(world, packet);
}

/* ---- Why ---- */

static uint32_t ms_since(const lab_world *world, hf_ns at_ns) {
    return (uint32_t)((world->now_ns - at_ns) / HF_MS);
}

static hf_cause why_syn(const lab_flow *flow, const lab_flow *back, bool ack) {
    if (!ack) return flow->syn ? HF_CAUSE_SENT_SYN_AGAIN : HF_CAUSE_SENT_SYN;
    if (!flow->syn) return HF_CAUSE_SENT_SYN_ACK;
    const bool asked_again = back && back->arrived_at_ns > flow->sent_at_ns;
    return asked_again ? HF_CAUSE_SENT_SYN_ACK_REPEATED_SYN : HF_CAUSE_SENT_SYN_ACK_AGAIN;
}

static hf_cause why_reset(const lab_world *world, const lab_flow *flow) {
    const lab_conn *const conn = flow->conn == LAB_ANY ? NULL : world->conns[flow->conn];
    if (!conn || !flow->syn || flow->rst) return HF_CAUSE_SENT_RST_NO_CONNECTION;
    if (conn->last_call == LAB_CALL_ABORT) return HF_CAUSE_SENT_RST_ABORT;
    if (conn->last_call == LAB_CALL_CLOSE)
        return conn->socket->unread_at_close > 0 ? HF_CAUSE_SENT_RST_UNREAD
                                                 : HF_CAUSE_SENT_RST_DATA_AFTER_CLOSE;
    return flow->probing ? HF_CAUSE_SENT_RST_GAVE_UP : HF_CAUSE_SENT_RST_NO_CONNECTION;
}

static hf_cause why_data(const lab_flow *flow, const hf_packet *packet, uint32_t length) {
    const bool fresh = (int32_t)(packet->seq + length - flow->next) > 0;
    const bool fin = packet->flags & HF_TCP_FIN;
    if (fresh) return fin ? HF_CAUSE_SENT_FIN : HF_CAUSE_SENT_DATA;
    if (packet->payload_bytes == 0) return HF_CAUSE_SENT_FIN_AGAIN;
    return flow->duplicates >= 3 ? HF_CAUSE_SENT_RETRANSMISSION_FAST
                                 : HF_CAUSE_SENT_RETRANSMISSION_RTO;
}

static hf_cause why_ack(const lab_world *world, const lab_flow *flow, const lab_flow *back,
                        const hf_packet *packet) {
    if (!flow->established && flow->called) return HF_CAUSE_SENT_HANDSHAKE_ACK;
    if (packet->ack == flow->last_ack) {
        if (packet->sack_count > 0) return HF_CAUSE_SENT_ACK_OUT_OF_ORDER;
        return packet->window != flow->window ? HF_CAUSE_SENT_WINDOW_UPDATE
                                              : HF_CAUSE_SENT_ACK_DUPLICATE;
    }
    if (back && back->fin && packet->ack == back->next) return HF_CAUSE_SENT_ACK_FIN;
    if (back && world->now_ns - back->data_at_ns >= DELAYED_NS) return HF_CAUSE_SENT_ACK_DELAYED;
    return back && back->unacked_segments >= 2 ? HF_CAUSE_SENT_ACK_SECOND_SEGMENT
                                               : HF_CAUSE_SENT_ACK_QUICK;
}

/* A zero-length segment one before what comes next asks for an answer: by which timer, the other's
 * window tells. */
static bool is_probe(const lab_flow *flow, const hf_packet *packet, uint32_t length) {
    return length == 0 && flow->established && packet->seq + 1 == flow->next &&
           packet->flags & HF_TCP_ACK;
}

static hf_cause why(lab_world *world, const lab_flow *flow, const lab_flow *back,
                    const hf_packet *packet, uint32_t length) {
    if (packet->flags & HF_TCP_RST) return why_reset(world, flow);
    if (packet->flags & HF_TCP_SYN) return why_syn(flow, back, packet->flags & HF_TCP_ACK);
    if (length > 0) return why_data(flow, packet, length);
    if (is_probe(flow, packet, length))
        return back && back->window == 0 ? HF_CAUSE_SENT_WINDOW_PROBE : HF_CAUSE_SENT_KEEPALIVE;
    const bool answers = back && back->probing && flow->sent_at_ns <= back->sent_at_ns;
    if (answers && packet->ack == back->next) return HF_CAUSE_SENT_ACK_PROBE;
    return why_ack(world, flow, back, packet);
}

/* What the cause's sentence counts first: bytes, or the time since the last packet. */
static uint32_t number_of(lab_world *world, const lab_flow *flow, const lab_flow *back,
                          hf_cause cause, const hf_packet *packet) {
    lab_conn *const conn = flow->conn == LAB_ANY ? NULL : world->conns[flow->conn];
    if (cause == HF_CAUSE_SENT_DATA) return packet->payload_bytes;
    if (cause == HF_CAUSE_SENT_RST_UNREAD && conn) return (uint32_t)conn->socket->unread_at_close;
    if (cause == HF_CAUSE_SENT_RST_ABORT) return flow->next - flow->una;
    const bool silence = cause == HF_CAUSE_SENT_KEEPALIVE && back;
    return ms_since(world, silence ? back->arrived_at_ns : flow->sent_at_ns);
}

/* ---- Leaving and arriving ---- */

static void remember(lab_world *world, lab_flow *flow, lab_flow *back, const hf_packet *packet,
                     uint32_t length) {
    const bool fresh = (int32_t)(packet->seq + length - flow->next) > 0;
    const bool probe = is_probe(flow, packet, length);
    const bool again = length > 0 && !fresh;
    flow->attempts = again ? flow->attempts + 1 : length > 0 ? 0 : flow->attempts;
    flow->retransmitted = length > 0 ? again : flow->retransmitted;
    flow->probes = probe ? flow->probes + 1 : 0;
    flow->probing = probe;
    if (fresh) flow->next = packet->seq + length;
    if (packet->flags & HF_TCP_FIN && !flow->fin) {
        flow->fin = true;
        flow->fin_first = !back || !back->fin_arrived;
    }
    flow->rst = flow->rst || packet->flags & HF_TCP_RST;
    if (packet->flags & HF_TCP_SYN) flow->syn = true;
    if (packet->flags & HF_TCP_SYN && !(packet->flags & HF_TCP_ACK)) flow->called = true;
    if (!(packet->flags & HF_TCP_SYN) && packet->flags & HF_TCP_ACK) flow->established = true;
    if (packet->flags & HF_TCP_ACK) flow->last_ack = packet->ack;
    if (!(packet->flags & HF_TCP_RST)) flow->window = packet->window; /* a RST's says nothing */
    flow->sent_at_ns = world->now_ns;
    if (back) back->unacked_segments = 0;
}

lab_flow *lab_flow_leaves(lab_world *world, const hf_packet *packet, hf_cause *ret_cause,
                          uint32_t *ret_a, uint32_t *ret_b) {
    if (packet->kind != HF_PACKET_TCP) return NULL;
    lab_flow *const flow = flow_of(world, packet), *const back = reverse_of(world, flow);
    const uint32_t length = packet->payload_bytes + (packet->flags & HF_TCP_SYN ? 1u : 0) +
                            (packet->flags & HF_TCP_FIN ? 1u : 0);
    *ret_cause = why(world, flow, back, packet, length);
    *ret_a = number_of(world, flow, back, *ret_cause, packet);
    remember(world, flow, back, packet, length);
    *ret_b = flow->probing ? flow->probes : flow->attempts;
    return flow;
}

static void acknowledge(lab_flow *flow, const hf_packet *packet) {
    const bool forward = (int32_t)(packet->ack - flow->una) > 0;
    flow->duplicates = forward ? 0 : packet->sack_count > 0 ? flow->duplicates + 1 : 0;
    if (forward) flow->una = packet->ack;
    if (flow->fin && packet->ack == flow->next) flow->fin_acked = true;
}

void lab_flow_arrives(lab_world *world, const hf_packet *packet) {
    if (packet->kind != HF_PACKET_TCP) return;
    lab_flow *const flow = lab_flow_find(world, &packet->source, packet->source_port,
                                         &packet->destination, packet->destination_port);
    lab_flow *const back = flow ? reverse_of(world, flow) : NULL;
    if (!flow) return;
    flow->arrived_at_ns = world->now_ns;
    if (packet->flags & HF_TCP_FIN) flow->fin_arrived = true;
    if (packet->flags & HF_TCP_RST) flow->rst_arrived = true;
    if (packet->payload_bytes > 0) {
        flow->data_at_ns = world->now_ns;
        flow->unacked_segments++;
    }
    if (!back) return;
    if (packet->flags & HF_TCP_ACK) acknowledge(back, packet);
    if (back->conn != LAB_ANY) lab_socket_ended(world->conns[back->conn]);
    if (flow->conn != LAB_ANY) lab_socket_ended(world->conns[flow->conn]);
}
