/* OPEN: the pair of a new connection. Which local port it has, and why there is none. */
#include "tcp/tcp.h"

hf_ns hfi_tcp_free_at(const hfi_ctx *ctx, uint32_t ref) {
    return hfi_flow_kind(ref) == HFI_FLOW_TIME_WAIT ? hfi_tw_free_at(ctx, ref) : HF_NEVER;
}

/* True if the key is free, or TIME_WAIT lets it go (RFC 6191); else how->first_free_at_ns knows. `named`: the
 * application chose the port. */
static bool tuple_is_free(hfi_ctx *ctx, hfi_open_how *how, bool named) {
    const uint32_t ref = hfi_tcp_find(ctx, &how->key);
    if (ref == HFI_NONE) return true;
    if (hfi_flow_kind(ref) == HFI_FLOW_TIME_WAIT) {
        how->has_isn = hfi_tw_reuse(ctx, ref, &how->key, named, &how->least_isn);
        if (how->has_isn) return true;
    }
    how->first_free_at_ns = hfi_min64(how->first_free_at_ns, hfi_tcp_free_at(ctx, ref));
    return false;
}

bool hfi_tcp_port_usable(const hfi_ctx *ctx, const hfi_flow_key *key) {
    const hf_config *config = &ctx->root->config;
    /* Answers must come back to this engine. */
    if (hfi_shard(ctx, key, config->shard_count) != config->shard_index) return false;
    /* RFC 6056 3.2: not where a listener is, or its clients and our peers would meet. */
    return hfi_open_listener(ctx, &key->local, key->local_port) == HFI_NONE;
}

/* ---- The search ---- */

static uint64_t destination_of(const hfi_ctx *ctx, const hfi_flow_key *key) {
    hfi_flow_key any = *key;
    any.local_port = 0;
    return hfi_flow_hash(&ctx->flow, &any);
}

static bool known_in_vain(const hfi_ctx *ctx, const hfi_flow_key *key) {
    const hfi_no_port *last = &ctx->root->no_port;
    return last->valid && ctx->now_ns < last->until_ns &&
           last->releases == hfi_flow_releases(&ctx->flow) &&
           last->destination == destination_of(ctx, key);
}

/* Of so many candidates the first that nothing has is taken, and only then one whose TIME_WAIT would let it go:
 * destinations that share a counter (RFC 6056 3.3.4) leave ports out, which are a better choice. */
#define UNTOUCHED_FIRST 16u

static bool search_among(hfi_ctx *ctx, hfi_open_how *how, uint32_t attempts, bool untouched) {
    hfi_ports *ports = &ctx->root->ports;
    hfi_flow_key *key = &how->key;
    for (uint32_t attempt = 0; attempt < attempts; attempt++) {
        key->local_port =
            hfi_ports_candidate(ports, &key->local, &key->remote, key->remote_port, attempt);
        if (untouched && hfi_tcp_find(ctx, key) != HFI_NONE) continue;
        if (!hfi_tcp_port_usable(ctx, key) || !tuple_is_free(ctx, how, false)) continue;
        hfi_ports_commit(ports, &key->local, &key->remote, key->remote_port, attempt);
        return true;
    }
    return false;
}

static hf_err search_port(hfi_ctx *ctx, hfi_open_how *how) {
    const uint32_t count = hfi_ports_count(&ctx->root->ports);
    if (search_among(ctx, how, hfi_min32(count, UNTOUCHED_FIRST), true)) return HF_OK;
    if (search_among(ctx, how, count, false)) return HF_OK;
    how->key.local_port = 0;
    return HF_NO_PORT;
}

hf_err hfi_tcp_choose_port(hfi_ctx *ctx, hfi_open_how *how) {
    hfi_no_port *last = &ctx->root->no_port;
    how->first_free_at_ns = HF_NEVER;
    if (how->key.local_port != 0) return tuple_is_free(ctx, how, true) ? HF_OK : HF_TUPLE_IN_USE;
    if (known_in_vain(ctx, &how->key)) {
        how->first_free_at_ns = last->until_ns;
        return HF_NO_PORT;
    }
    const hf_err err = search_port(ctx, how);
    if (err == HF_NO_PORT)
        *last = (hfi_no_port){how->first_free_at_ns, destination_of(ctx, &how->key),
                              hfi_flow_releases(&ctx->flow), true};
    return err;
}

/* ---- TIME_WAIT's budget ---- */

/* Each living connection may need an entry. */
bool hfi_tcp_time_wait_is_spoken_for(const hfi_ctx *ctx, const hf_addr *remote) {
    const hfi_root *root = ctx->root;
    const bool ip4 = hf_addr_is4(remote);
    const uint64_t used = (uint64_t)(ip4 ? root->tw4.used : root->tw6.used) + root->live;
    return root->config.tw_full == HF_TW_REFUSE_CONNECT &&
           used >= (ip4 ? root->config.time_wait : root->config.time_wait6);
}
