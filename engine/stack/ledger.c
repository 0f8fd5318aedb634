/* The public calls of hf/ledger.h. They only read. */
#include <hf/ledger.h>
#include "stack/engine.h"

/* ---- Ports ---- */

static void count_holder(const hfi_ctx *ctx, uint32_t ref, hf_port_ledger *ledger) {
    const hf_ns free_at_ns = hfi_tcp_free_at(ctx, ref);
    ledger->first_free_at_ns = hfi_min64(ledger->first_free_at_ns, free_at_ns);
    switch (hfi_flow_kind(ref)) {
    case HFI_FLOW_CONN: ledger->by_state[ctx->conns[hfi_flow_index(ref)].state]++; break;
    case HFI_FLOW_SYN: ledger->by_handshake++; break;
    case HFI_FLOW_TIME_WAIT:
        if (hfi_tw_is_fin_wait_2(ctx, ref))
            ledger->by_fin_wait_2++;
        else if (free_at_ns <= ctx->now_ns)
            ledger->free++;
        else
            ledger->by_time_wait++;
        break;
    case HFI_FLOW_LISTENER:
    case HFI_FLOW_EMPTY: break;
    }
}

static void count_port(const hfi_ctx *ctx, const hfi_flow_key *key, hf_port_ledger *ledger) {
    const hf_config *config = &ctx->root->config;
    if (hfi_shard(ctx, key, config->shard_count) != config->shard_index) return;
    ledger->ports++;
    if (!hfi_tcp_port_usable(ctx, key)) {
        ledger->by_listener++;
        return;
    }
    const uint32_t ref = hfi_tcp_find(ctx, key);
    if (ref != HFI_NONE)
        count_holder(ctx, ref, ledger);
    else
        ledger->free++;
}

hf_err hf_port_ledger_get(const hf_engine *engine, const hf_addr *local, const hf_addr *remote,
                          uint16_t remote_port, hf_port_ledger *ret_ledger) {
    const hfi_engine *e = hfi_of_const(engine);
    const hfi_ctx *ctx = &e->ctx;
    const hf_config *config = &ctx->root->config;
    hfi_next_hop hop;
    if (!hfi_ip_route(&e->ip, remote, &hop)) return HF_NO_ROUTE;
    const uint32_t from = hf_addr_is_any(local) ? hfi_ip_source(&e->ip, remote, hop.interface)
                                                : hfi_ip_local(&e->ip, local);
    if (from == HFI_NONE) return HF_NO_ADDRESS;
    hfi_flow_key key = {e->locals[from], *remote, 0, remote_port};
    memset(ret_ledger, 0, sizeof *ret_ledger);
    ret_ledger->first_free_at_ns = HF_NEVER;
    for (uint32_t port = config->port_low; port <= config->port_high; port++) {
        key.local_port = (uint16_t)port;
        count_port(ctx, &key, ret_ledger);
    }
    if (ret_ledger->free > 0) ret_ledger->first_free_at_ns = ctx->now_ns;
    return HF_OK;
}

/* ---- TIME_WAIT ---- */

static hf_time_wait_family family_status(const hfi_tw_pool *pool, uint32_t entries) {
    return (hf_time_wait_family){entries,
                                 pool->used,
                                 pool->counts[HFI_TW_TIMESTAMPS],
                                 pool->counts[HFI_TW_ISN],
                                 pool->counts[HFI_TW_UNGUARDED],
                                 pool->counts[HFI_TW_FIN_WAIT_2],
                                 pool->counts[HFI_TW_COOKIE]};
}

void hf_time_wait_status_get(const hf_engine *engine, hf_time_wait_status *ret) {
    const hfi_ctx *ctx = &hfi_of_const(engine)->ctx;
    const hfi_root *root = ctx->root;
    const hfi_tw_exit *last = &root->tw_last_unsafe;
    memset(ret, 0, sizeof *ret);
    ret->ip4 = family_status(&root->tw4, root->config.time_wait);
    ret->ip6 = family_status(&root->tw6, root->config.time_wait6);
    ret->ended = root->counts[HF_CAUSE_TIME_WAIT_ENDED];
    ret->reused =
        root->counts[HF_CAUSE_TIME_WAIT_REUSED] + root->counts[HF_CAUSE_TOOK_TIME_WAIT_SYN];
    ret->early_guarded = root->counts[HF_CAUSE_TIME_WAIT_EVICTED_GUARDED];
    ret->early_unsafe = root->counts[HF_CAUSE_TIME_WAIT_EVICTED_UNSAFE];
    ret->last_unsafe_peer = last->remote;
    ret->last_unsafe_peer_port = last->remote_port;
    ret->last_unsafe_local_port = last->local_port;
    ret->last_unsafe_at_ns = last->at_ns;
    ret->last_unsafe_age_ns = last->age_ns;
    ret->next_end_at_ns = hfi_tw_next_at(ctx);
}
