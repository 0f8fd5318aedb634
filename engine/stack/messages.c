/* ICMP in and out: echo, and errors about what we sent. */
#include "stack/engine.h"

#define ANSWER_TTL 64

/* The IP header of an answer, its payload being `bytes` bytes; returns where the payload begins. */
static uint8_t *answer_ip(hfi_engine *e, hfi_slot *slot, const hfi_exit *exit,
                          const hf_addr *source, const hf_addr *destination, uint32_t bytes) {
    const bool is4 = hf_addr_is4(source);
    uint8_t *const ip = hfi_slot_ip(e, slot, exit, is4);
    if (!is4)
        return ip + hfi_ip6_build(ip, source, destination, HFI_IP_ICMP6, ANSWER_TTL, 0, 0, bytes);
    const uint16_t id = hfi_ip_ident(&e->ip, source, destination);
    return ip +
           hfi_ip4_build(ip, source, destination, HFI_IP_ICMP4, ANSWER_TTL, 0, id, false, bytes);
}

static void message_finish(hfi_slot *slot, uint8_t *message, const hf_addr *source,
                           const hf_addr *destination, uint32_t payload_sum, uint32_t bytes) {
    uint32_t sum = payload_sum + hfi_csum_add(0, message, HFI_ICMP_BYTES);
    if (!hf_addr_is4(source)) sum += hfi_ip_pseudo_sum(source, destination, HFI_IP_ICMP6, bytes);
    hfi_csum_store(message + HFI_ICMP_CSUM_OFFSET, sum);
    slot->header_bytes = (uint16_t)(message + HFI_ICMP_BYTES - slot->header);
    slot->total_bytes += slot->header_bytes;
}

/* ---- Echo. ---- */

/* The payload is not looked at: it goes back as it came, up to the link's MTU, since we do not
 * fragment. */
static hf_verdict echo_answer(hfi_engine *e, const hf_frame *frame, const hfi_ip_view *ip,
                              uint32_t skip) {
    const bool is4 = ip->version == 4;
    const uint8_t *request = (const uint8_t *)frame->parts[0].data + skip;
    hfi_exit exit;
    if (!hfi_link_reply_exit(e, &ip->source, &exit))
        return hfi_verdict(HF_VERDICT_DROPPED, HF_CAUSE_DROP_NEIGHBOR_UNKNOWN);
    if (HFI_IP_HEADER_BYTES(is4) + ip->payload_bytes > hfi_ip_mtu(&e->ip, exit.interface))
        return hfi_verdict(HF_VERDICT_DROPPED, HF_CAUSE_DROP_REPLY_TOO_LONG);
    hfi_slot *slot = hfi_slot_take(e, exit.interface, HF_CAUSE_SENT_ECHO_REPLY);
    if (slot == NULL) return hfi_verdict(HF_VERDICT_TOOK, HF_CAUSE_TOOK_ECHO_REQUEST);
    uint32_t sum = 0;
    if (!hfi_slot_fill(e, slot, frame->parts, frame->part_count, skip + HFI_ICMP_BYTES,
                       ip->payload_bytes - HFI_ICMP_BYTES, &sum)) {
        hfi_count(&e->ctx, HF_CAUSE_DROP_TX_FULL);
        return hfi_verdict(HF_VERDICT_TOOK, HF_CAUSE_TOOK_ECHO_REQUEST);
    }
    uint8_t *const message =
        answer_ip(e, slot, &exit, &ip->destination, &ip->source, ip->payload_bytes);
    memcpy(message, request, HFI_ICMP_BYTES);
    message[0] = is4 ? HFI_ICMP4_ECHO_REPLY : HFI_ICMP6_ECHO_REPLY;
    message[1] = 0;
    hfi_store16(message + HFI_ICMP_CSUM_OFFSET, 0);
    message_finish(slot, message, &ip->destination, &ip->source, sum, ip->payload_bytes);
    hfi_slot_send(e, slot);
    return hfi_verdict(HF_VERDICT_ANSWERED, HF_CAUSE_TOOK_ECHO_REQUEST);
}

/* ---- Errors out. ---- */

void hfi_tx_port_unreachable(hfi_engine *e, const hf_frame *frame, const hfi_ip_view *ip,
                             uint32_t skip) {
    const bool is4 = ip->version == 4;
    const uint32_t limit = (is4 ? HFI_ICMP4_PACKET_MAX : HFI_ICMP6_PACKET_MAX) -
                           HFI_IP_HEADER_BYTES(is4) - HFI_ICMP_BYTES;
    const uint32_t quoted = hfi_min32(ip->header_bytes + ip->payload_bytes, limit);
    hfi_exit exit;
    if (!hfi_icmp_error_allowed(ip, e->rx.active && e->rx.to_group, 0)) return;
    if (!hfi_icmp_limit_take(e->icmp_limit, &ip->source, e->ctx.now_ns)) {
        hfi_count(&e->ctx, HF_CAUSE_DROP_REPLY_LIMIT);
        return;
    }
    if (!hfi_link_reply_exit(e, &ip->source, &exit)) return;
    hfi_slot *slot = hfi_slot_take(e, exit.interface, HF_CAUSE_SENT_PORT_UNREACHABLE);
    uint32_t sum = 0;
    if (slot == NULL) return;
    if (!hfi_slot_fill(e, slot, frame->parts, frame->part_count, skip, quoted, &sum)) return;
    uint8_t *const message =
        answer_ip(e, slot, &exit, &ip->destination, &ip->source, HFI_ICMP_BYTES + quoted);
    memset(message, 0, HFI_ICMP_BYTES);
    message[0] = is4 ? HFI_ICMP4_UNREACHABLE : HFI_ICMP6_UNREACHABLE;
    message[1] = is4 ? HFI_ICMP4_CODE_PORT : HFI_ICMP6_CODE_PORT;
    message_finish(slot, message, &ip->destination, &ip->source, sum, HFI_ICMP_BYTES + quoted);
    hfi_slot_send(e, slot);
}

/* ---- Errors in. ---- */

static hfi_icmp_class class_of(hfi_icmp_kind kind) {
    return kind == HFI_ICMP_KIND_TOO_BIG ? HFI_ICMP_TOO_BIG
           : kind == HFI_ICMP_KIND_HARD  ? HFI_ICMP_HARD
                                         : HFI_ICMP_SOFT;
}

/* The path believes a report only after the connection has seen that it quotes what is in flight
 * (RFC 5927 7); what there is to believe is the path's to say, before. */
static hf_verdict report_to_tcp(hfi_engine *e, const hfi_icmp_result *result) {
    const hfi_icmp_quote *quoted = &result->quoted;
    const hfi_flow_key key = {quoted->source, quoted->destination, quoted->source_port,
                              quoted->destination_port};
    hfi_index conn = HFI_NONE;
    uint32_t mtu = result->mtu;
    if (result->kind == HFI_ICMP_KIND_TOO_BIG) {
        mtu = hfi_path_report(&e->ctx.paths, &e->ip, &quoted->destination, mtu, e->ctx.now_ns);
        if (mtu == 0) return hfi_verdict(HF_VERDICT_DROPPED, HF_CAUSE_DROP_ICMP_SEQUENCE);
    }
    const hfi_tcp_report report = {
        class_of(result->kind), result->type, result->code, quoted->seq, mtu, result->from};
    const hf_cause cause = hfi_tcp_icmp(&e->ctx, &key, &report, &conn);
    if (cause == HF_CAUSE_TOOK_ICMP_TOO_BIG)
        hfi_path_too_big(&e->ctx.paths, &e->ip, &quoted->destination, mtu, e->ctx.now_ns);
    if (conn != HFI_NONE) hfi_link_unwait(e, &e->ctx.conns[conn]);
    const bool dropped =
        cause == HF_CAUSE_DROP_ICMP_SEQUENCE || cause == HF_CAUSE_DROP_ICMP_TOO_BIG;
    const uint32_t generation = conn != HFI_NONE ? e->ctx.conns[conn].generation : 0;
    const uint32_t a = result->kind == HFI_ICMP_KIND_TOO_BIG ? mtu : result->type;
    return (hf_verdict){
        dropped ? HF_VERDICT_DROPPED : HF_VERDICT_TOOK, cause, {conn, generation}, a, result->code};
}

static hf_verdict error_taken(hfi_engine *e, const hfi_icmp_result *result) {
    const hfi_icmp_quote *quoted = &result->quoted;
    const bool ours = hfi_ip_local(&e->ip, &quoted->source) != HFI_NONE;
    if (!ours || quoted->protocol != HFI_IP_TCP || !quoted->has_transport)
        return hfi_verdict(HF_VERDICT_DROPPED, HF_CAUSE_DROP_ICMP_SEQUENCE);
    return report_to_tcp(e, result);
}

/* ---- In. ---- */

static bool is_nd(const hfi_ip_view *ip, const uint8_t *message) {
    return ip->version == 6 && message[0] >= HFI_ND_ROUTER_SOLICITATION && message[0] <= 137;
}

hf_verdict hfi_rx_icmp(hfi_engine *e, const hf_frame *frame, const hfi_ip_view *ip, uint32_t skip,
                       uint32_t local, bool was_fragmented) {
    const hf_part *head = &frame->parts[0];
    const uint8_t *message = (const uint8_t *)head->data + skip;
    hfi_icmp_view icmp;
    hfi_icmp_result result;
    const hf_cause parse =
        hfi_icmp_parse(message, head->bytes - skip, ip->payload_bytes, ip->version, &icmp);
    if (parse != HF_CAUSE_NONE) return hfi_verdict(HF_VERDICT_DROPPED, parse);
    if (!hfi_rx_sum_good(e, frame, ip, skip))
        return hfi_verdict(HF_VERDICT_DROPPED, HF_CAUSE_DROP_ICMP_HEADER);
    if (is_nd(ip, message)) { /* RFC 6980 5: never with a fragment header */
        if (was_fragmented) return hfi_verdict(HF_VERDICT_DROPPED, HF_CAUSE_DROP_NEIGHBOR);
        return hfi_rx_nd(e, frame, ip, skip);
    }
    /* What was sent to many is neither answered (RFC 1122 3.2.2.6) nor believed. */
    if (local == HFI_NONE || hf_addr_is_any(&ip->source) || hfi_addr_is_multicast(&ip->source) ||
        hfi_ip_is_broadcast(&e->ip, &ip->source)) /* RFC 1122 3.2.1.3 */
        return hfi_verdict(HF_VERDICT_DROPPED, HF_CAUSE_DROP_ICMP_UNKNOWN);
    const hf_cause sorted = hfi_icmp_sort(ip, &icmp, &result);
    if (sorted != HF_CAUSE_NONE) return hfi_verdict(HF_VERDICT_DROPPED, sorted);
    if (result.kind == HFI_ICMP_KIND_ECHO_REQUEST) return echo_answer(e, frame, ip, skip);
    return error_taken(e, &result);
}
