/* Who holds what of the pools: hf/ledger.h. They only read. */
#include <hf/ledger.h>
#include "stack/engine.h"

void hf_resources_get(const hf_engine *engine, hf_resources *ret_used, hf_resources *ret_all) {
    const hfi_root *root = hfi_of_const(engine)->ctx.root;
    *ret_used = (hf_resources){
        root->conn_pool.used,   root->syn_pool.used,     root->rx_pool.used,   root->tx_pool.used,
        root->flight_pool.used, root->segment_pool.used, root->range_pool.used};
    *ret_all =
        (hf_resources){root->conn_pool.count, root->syn_pool.count,    root->rx_pool.count,
                       root->tx_pool.count,   root->flight_pool.count, root->segment_pool.count,
                       root->range_pool.count};
}

static uint32_t chain_length(const hfi_chunks *chunks, hfi_index head) {
    uint32_t length = 0;
    for (hfi_index at = head; at != HFI_NONE; at = chunks->next[at]) length++;
    return length;
}

static void add_conn(const hfi_ctx *ctx, const hfi_conn *conn, hf_resources *sum) {
    sum->conns++;
    sum->rx_chunks += chain_length(&ctx->rx, conn->rx_head);
    sum->ranges += conn->ranges;
    if (hfi_has(conn, HFI_F_ENDED)) return; /* what it sent is given back */
    sum->tx_chunks += chain_length(&ctx->tx, conn->tx_head);
    sum->flights += conn->flight != HFI_NONE;
    for (hfi_index at = conn->segq_head; at != HFI_NONE; at = ctx->segments[at].next)
        sum->segments++;
}

hf_err hf_conn_resources_get(const hf_engine *engine, hf_conn handle, hf_resources *ret) {
    const hfi_engine *e = hfi_of_const(engine);
    const hfi_conn *conn = hfi_conn_of(e, handle);
    if (conn == NULL) return HF_STALE;
    memset(ret, 0, sizeof *ret);
    add_conn(&e->ctx, conn, ret);
    return HF_OK;
}

static bool same_owner(const hf_addr *addr, const hf_addr *prefix) {
    const hf_addr mine = hfi_owner_prefix(addr);
    return hf_addr_equal(&mine, prefix);
}

void hf_peer_resources_get(const hf_engine *engine, const hf_addr *peer, hf_resources *ret) {
    const hfi_ctx *ctx = &hfi_of_const(engine)->ctx;
    const hf_addr prefix = hfi_owner_prefix(peer);
    memset(ret, 0, sizeof *ret);
    for (uint32_t i = 0; i < ctx->root->config.conns; i++) {
        const hfi_conn *conn = &ctx->conns[i];
        const bool used = conn->state != HF_CLOSED || hfi_has(conn, HFI_F_ENDED);
        if (used && same_owner(&conn->remote, &prefix)) add_conn(ctx, conn, ret);
    }
    for (uint32_t i = 0; i < ctx->root->config.syn_entries; i++)
        ret->handshakes += ctx->syns[i].attempts > 0 && same_owner(&ctx->syns[i].remote, &prefix);
}

bool hf_owner_next(const hf_engine *engine, uint32_t *row, hf_owner *ret_owner) {
    const hfi_owners *owners = &hfi_of_const(engine)->ctx.owners;
    for (; *row < hfi_owner_rows(owners); ++*row) {
        if (*row > 0 && !hfi_owner_holds(owners, *row)) continue;
        *ret_owner = (hf_owner){owners->prefix[*row], owners->conns[*row], owners->rx[*row],
                                owners->tx[*row], owners->refused[*row]};
        ++*row;
        return true;
    }
    return false;
}
