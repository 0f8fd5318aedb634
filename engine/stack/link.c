/* Links: which interface and link address a frame leaves by, ARP and ND, who waits for them. */
#include "stack/engine.h"

/* Actions of the neighbour room carried out in one go; what is left is due at once. */
#define ACTIONS_MAX 64

static bool is_ethernet(const hfi_engine *e, uint32_t interface) {
    return e->ip.interfaces[interface].link == HF_LINK_ETHERNET;
}

uint32_t hfi_link_mtu(const hfi_engine *e, const hf_addr *destination, uint32_t interface) {
    const hfi_index path = hfi_path_find(&e->ctx.paths, destination);
    return path != HFI_NONE ? hfi_path_mtu(&e->ctx.paths, &e->ip, path, e->ctx.now_ns)
                            : hfi_ip_mtu(&e->ip, interface);
}

void hfi_locals_update(hfi_engine *e) {
    for (uint32_t i = 0; i < e->ip.state->address_count; i++)
        e->locals[i] = e->ip.addresses[i].addr;
}

/* ---- Connections. ---- */

/* The next hop and where its neighbour entry was found last. The path is the connection's from its
 * first segment on; when every path is held by others it goes without. */
static const hfi_next_hop *conn_hop(hfi_engine *e, hfi_conn *conn, hfi_next_hop *spare) {
    hfi_paths *paths = &e->ctx.paths;
    const hf_addr first = hfi_first_hop(&hfi_options(&e->ctx, conn)->source_route, &conn->remote);
    if (conn->path == HFI_NONE) conn->path = hfi_path_take(paths, &e->ip, &first);
    if (conn->path != HFI_NONE) return hfi_path_hop(paths, &e->ip, conn->path);
    return hfi_ip_route(&e->ip, &first, spare) ? spare : NULL;
}

hfi_way hfi_link_exit(hfi_engine *e, hfi_conn *conn, hfi_exit *ret, hfi_index *ret_neighbor) {
    hfi_next_hop spare;
    hfi_index unknown = HFI_NONE;
    const hfi_next_hop *hop = conn_hop(e, conn, &spare);
    if (hop == NULL) return HFI_WAY_CLOSED;
    ret->interface = hop->interface;
    if (!is_ethernet(e, hop->interface)) return HFI_WAY_OPEN;
    hfi_index *hint = conn->path != HFI_NONE ? &e->ctx.paths.paths[conn->path].neighbor : &unknown;
    const hfi_neighbor_answer answer = hfi_neighbor_want(
        &e->neighbors, &e->ip, hop->interface, &hop->addr, e->ctx.now_ns, hint, &ret->mac);
    *ret_neighbor = *hint;
    if (answer == HFI_NEIGHBOR_KNOWN) return HFI_WAY_OPEN;
    return answer == HFI_NEIGHBOR_ASKED ? HFI_WAY_ASKED : HFI_WAY_CLOSED;
}

void hfi_link_wait(hfi_engine *e, hfi_conn *conn, hfi_index neighbor) {
    hfi_neighbor *entry = &e->neighbors.entries[neighbor];
    conn->flags |= HFI_F_WAITS_NEIGHBOR;
    conn->tx_next = entry->waiting;
    entry->waiting = hfi_conn_index(&e->ctx, conn);
}

/* Walks the list: rare, and as long as there are connections that wait for one host. */
void hfi_link_unwait(hfi_engine *e, hfi_conn *conn) {
    hfi_ctx *ctx = &e->ctx;
    hfi_next_hop spare;
    if (!hfi_has(conn, HFI_F_WAITS_NEIGHBOR) || !hfi_has(conn, HFI_F_ENDED)) return;
    const hfi_next_hop *hop = conn_hop(e, conn, &spare);
    const hfi_index at =
        hop != NULL ? hfi_neighbor_find(&e->neighbors, hop->interface, &hop->addr) : HFI_NONE;
    if (at == HFI_NONE) return; /* routes have changed: the entry's end finds it */
    const hfi_index index = hfi_conn_index(ctx, conn);
    hfi_index *link = &e->neighbors.entries[at].waiting;
    while (*link != index && *link != HFI_NONE) link = &ctx->conns[*link].tx_next;
    if (*link == HFI_NONE) return;
    *link = conn->tx_next;
    conn->flags &= ~(uint32_t)HFI_F_WAITS_NEIGHBOR;
    hfi_queue_push(ctx, &ctx->root->tx, HFI_LINK_TX, index);
}

static void wake_waiting(hfi_engine *e, hfi_index waiting) {
    hfi_ctx *ctx = &e->ctx;
    for (hfi_index index = waiting, next; index != HFI_NONE; index = next) {
        hfi_conn *conn = &ctx->conns[index];
        next = conn->tx_next;
        conn->flags &= ~(uint32_t)HFI_F_WAITS_NEIGHBOR;
        hfi_queue_push(ctx, &ctx->root->tx, HFI_LINK_TX, index);
    }
}

/* What waited is lost, as it would be on the wire: TCP sends it again in its own time, and that
 * asks again. */
static void fail_waiting(hfi_engine *e, hfi_index waiting) {
    hfi_ctx *ctx = &e->ctx;
    for (hfi_index index = waiting, next; index != HFI_NONE; index = next) {
        hfi_conn *conn = &ctx->conns[index];
        next = conn->tx_next;
        conn->flags &= ~(uint32_t)HFI_F_WAITS_NEIGHBOR;
        hfi_tcp_unreachable(ctx, conn);
        hfi_tx_lose(e, conn);
        conn->flags &= ~(uint32_t)HFI_F_IN_TX;
        hfi_tcp_settle(ctx, conn);
    }
}

void hfi_link_reachable(hfi_engine *e, hfi_index path) {
    const hfi_path *known = &e->ctx.paths.paths[path];
    if (!is_ethernet(e, known->hop.interface)) return;
    hfi_neighbor_confirm(&e->neighbors, known->hop.interface, &known->hop.addr, known->neighbor,
                         e->ctx.now_ns);
}

void hfi_link_doubt(hfi_engine *e, hfi_index path) {
    const hfi_path *known = &e->ctx.paths.paths[path];
    if (!is_ethernet(e, known->hop.interface)) return;
    hfi_neighbor_doubt(&e->neighbors, known->hop.interface, &known->hop.addr, known->neighbor,
                       e->ctx.now_ns);
}

/* ---- Answers. ---- */

/* Without a frame in hand: a SYN-ACK sent again. A gateway may be asked for; a host on the link
 * only while half of the table is free, since its address may be forged. */
static bool unasked_exit(hfi_engine *e, const hf_addr *destination, const hfi_next_hop *hop,
                         hfi_exit *ret) {
    hfi_index hint = hfi_neighbor_find(&e->neighbors, hop->interface, &hop->addr);
    const bool on_link = hf_addr_equal(&hop->addr, destination);
    const bool crowded = e->neighbors.state->used >= e->neighbors.max / 2;
    if (hint == HFI_NONE && on_link && crowded) return false;
    return hfi_neighbor_want(&e->neighbors, &e->ip, hop->interface, &hop->addr, e->ctx.now_ns,
                             &hint, &ret->mac) == HFI_NEIGHBOR_KNOWN;
}

bool hfi_link_reply_exit(hfi_engine *e, const hf_addr *destination, hfi_exit *ret) {
    hfi_next_hop hop;
    const bool routed = hfi_ip_route(&e->ip, destination, &hop);
    const hfi_rx_link *rx = &e->rx;
    if (rx->active && (!routed || hop.interface == rx->interface)) {
        *ret = (hfi_exit){rx->interface, rx->from};
        return true;
    }
    if (!routed) return false;
    ret->interface = hop.interface;
    return !is_ethernet(e, hop.interface) || unasked_exit(e, destination, &hop, ret);
}

hf_err hfi_link_datagram_exit(hfi_engine *e, const hf_addr *destination, uint32_t *local,
                              hfi_exit *ret) {
    hfi_next_hop hop;
    hfi_index hint = HFI_NONE;
    if (!hfi_ip_route(&e->ip, destination, &hop)) return HF_NO_ROUTE;
    if (*local == HFI_NONE) *local = hfi_ip_source(&e->ip, destination, hop.interface);
    if (*local == HFI_NONE) return HF_NO_ADDRESS;
    ret->interface = hop.interface;
    if (!is_ethernet(e, hop.interface)) return HF_OK;
    const hfi_neighbor_answer answer = hfi_neighbor_want(
        &e->neighbors, &e->ip, hop.interface, &hop.addr, e->ctx.now_ns, &hint, &ret->mac);
    return answer == HFI_NEIGHBOR_KNOWN ? HF_OK : HF_AGAIN;
}

/* ---- What the neighbour room asks for. ---- */

static void send_small_frame(hfi_engine *e, uint32_t interface, hf_cause cause,
                             const uint8_t *bytes, uint32_t count) {
    hfi_slot *slot = count > 0 ? hfi_slot_take(e, interface, cause) : NULL;
    if (slot == NULL) return;
    memcpy(slot->header, bytes, count);
    slot->header_bytes = (uint16_t)count;
    slot->total_bytes = count;
    hfi_slot_send(e, slot);
}

static void send_question(hfi_engine *e, const hfi_neighbor_action *action, hf_cause cause) {
    uint8_t frame[HFI_NEIGHBOR_FRAME_MAX];
    const uint32_t bytes = hfi_neighbor_action_frame(&e->ip, action, frame);
    send_small_frame(e, action->interface, cause, frame, bytes);
}

static void carry_out(hfi_engine *e, const hfi_neighbor_action *action) {
    hfi_ctx *ctx = &e->ctx;
    switch (action->kind) {
    case HFI_NEIGHBOR_REQUEST: send_question(e, action, HF_CAUSE_SENT_NEIGHBOR_REQUEST); break;
    case HFI_NEIGHBOR_CHECK: send_question(e, action, HF_CAUSE_SENT_ADDRESS_CHECK); break;
    case HFI_NEIGHBOR_SOLICIT: send_question(e, action, HF_CAUSE_SENT_ROUTER_SOLICITATION); break;
    case HFI_NEIGHBOR_RESOLVED: wake_waiting(e, action->waiting); break;
    case HFI_NEIGHBOR_FAILED:
        hfi_note(ctx, HFI_NONE, HF_CAUSE_NEIGHBOR_FAILED, action->interface, 0);
        fail_waiting(e, action->waiting);
        break;
    case HFI_NEIGHBOR_DUPLICATED:
        hfi_note(ctx, HFI_NONE, HF_CAUSE_ADDRESS_DUPLICATE, action->index, 0);
        break;
    case HFI_NEIGHBOR_USABLE:
    case HFI_NEIGHBOR_NOTHING: break;
    }
}

void hfi_link_run(hfi_engine *e) {
    hfi_neighbor_action action;
    for (uint32_t i = 0; i < ACTIONS_MAX; i++) {
        if (hfi_neighbor_next_at(&e->neighbors) > e->ctx.now_ns) return;
        if (hfi_neighbor_tick(&e->neighbors, &e->ip, e->ctx.now_ns, &action, 1) == 0) return;
        carry_out(e, &action);
    }
}

/* ---- ARP and ND in. ---- */

static hf_verdict take_effect(hfi_engine *e, uint32_t interface, hf_cause cause,
                              const hfi_neighbor_effect *effect) {
    uint8_t frame[HFI_NEIGHBOR_FRAME_MAX];
    if (cause == HF_CAUSE_DROP_NEIGHBOR) return hfi_verdict(HF_VERDICT_DROPPED, cause);
    const uint32_t bytes = hfi_neighbor_answer_frame(&e->ip, interface, effect, frame);
    send_small_frame(e, interface, HF_CAUSE_SENT_NEIGHBOR_ANSWER, frame, bytes);
    carry_out(e, &effect->action);
    return hfi_verdict(bytes > 0 ? HF_VERDICT_ANSWERED : HF_VERDICT_TOOK, cause);
}

hf_verdict hfi_rx_arp(hfi_engine *e, const hf_frame *frame) {
    const hf_part *head = &frame->parts[0];
    hfi_arp_view arp;
    hfi_neighbor_effect effect;
    const hf_cause parse = hfi_arp_parse((const uint8_t *)head->data + HFI_ETH_BYTES,
                                         head->bytes - HFI_ETH_BYTES, &arp);
    if (parse != HF_CAUSE_NONE) return hfi_verdict(HF_VERDICT_DROPPED, parse);
    const hf_cause cause = hfi_neighbor_arp_input(&e->neighbors, &e->ip, frame->interface, &arp,
                                                  e->ctx.now_ns, &effect);
    return take_effect(e, frame->interface, cause, &effect);
}

/* A taken slot of a pool is linked nowhere; of the free ones only the last looks like that. */
static bool maybe_taken(const hfi_index *pool_next, uint32_t index) {
    return pool_next[index] == HFI_NONE;
}

/* An index that some connection, handshake, TIME_WAIT entry or socket holds must keep its address.
 * Walks all of them, but only for addresses that are gone: IPv6, when a network has renumbered. */
static bool address_is_held(const hfi_engine *e, uint32_t local) {
    const hfi_ctx *ctx = &e->ctx;
    const hf_config *c = &ctx->root->config;
    bool held = false;
    for (uint32_t i = 0; i < c->conns; i++)
        held |= maybe_taken(ctx->conn_next, i) && ctx->conns[i].local == local;
    for (uint32_t i = 0; i < c->syn_entries; i++)
        held |= maybe_taken(ctx->syn_next, i) && ctx->syns[i].local == local;
    for (int kind = 0; kind < HFI_TW_CLASSES; kind++)
        for (hfi_index i = ctx->root->tw6.head[kind]; i != HFI_NONE; i = ctx->tw6[i].next)
            held |= ctx->tw6[i].local == local;
    for (uint32_t i = 0; i < c->udp_sockets; i++)
        held |= e->udp.sockets[i].used && e->udp.sockets[i].local_index == local;
    return held;
}

static void addresses_reclaim(hfi_engine *e) {
    for (uint32_t i = 0; i < e->ip.state->address_count; i++)
        if (e->ip.addresses[i].state == HFI_ADDRESS_GONE && !address_is_held(e, i))
            hfi_ip_address_free(&e->ip, i);
}

hf_verdict hfi_rx_nd(hfi_engine *e, const hf_frame *frame, const hfi_ip_view *ip, uint32_t skip) {
    const hf_part *head = &frame->parts[0];
    hfi_nd_view nd;
    hfi_neighbor_effect effect;
    if (!e->rx.active) return hfi_verdict(HF_VERDICT_DROPPED, HF_CAUSE_DROP_NEIGHBOR);
    if (ip->payload_bytes > head->bytes - skip)
        return hfi_verdict(HF_VERDICT_DROPPED, HF_CAUSE_DROP_TRUNCATED);
    const hf_cause parse =
        hfi_nd_parse(ip, (const uint8_t *)head->data + skip, ip->payload_bytes, &nd);
    if (parse != HF_CAUSE_NONE) return hfi_verdict(HF_VERDICT_DROPPED, parse);
    if (nd.type == HFI_ND_ROUTER_ADVERTISEMENT) addresses_reclaim(e);
    const hf_cause cause = hfi_neighbor_nd_input(&e->neighbors, &e->ip, frame->interface, ip,
                                                 &e->rx.from, &nd, e->ctx.now_ns, &effect);
    hfi_locals_update(e);
    return take_effect(e, frame->interface, cause, &effect);
}
