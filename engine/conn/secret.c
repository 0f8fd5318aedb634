/* Numbers that depend on a tuple and on our keys, and on nothing that a connection stores. */
#include "conn/ctx.h"

hfi_flow_key hfi_conn_key(const hfi_ctx *ctx, const hfi_conn *conn) {
    return (hfi_flow_key){ctx->locals[conn->local], conn->remote, conn->local_port,
                          conn->remote_port};
}

static uint32_t tuple_hash(hfi_key secret, const hfi_flow_key *key) {
    uint8_t bytes[36];
    memcpy(bytes, key->local.bytes, 16);
    memcpy(bytes + 16, key->remote.bytes, 16);
    memcpy(bytes + 32, &(hf_be16[2]){hfi_put16(key->local_port), hfi_put16(key->remote_port)}, 4);
    return (uint32_t)hfi_siphash24(secret, bytes, sizeof bytes);
}

hf_seq hfi_isn(const hfi_ctx *ctx, const hfi_flow_key *key) {
    return (hf_seq)(ctx->now_ns / (4 * HF_US)) + tuple_hash(ctx->root->isn_key, key);
}

uint32_t hfi_timestamp_offset(const hfi_ctx *ctx, const hfi_flow_key *key) {
    return tuple_hash(ctx->root->ts_key, key);
}

uint32_t hfi_random(hfi_ctx *ctx) {
    const uint64_t count = ++ctx->root->random;
    return (uint32_t)hfi_siphash13_words(ctx->root->jitter_key, &count, 1);
}

/* The same for both directions: the two ends are put in order first. Keyed, so that nobody can aim
 * at one shard. */
uint32_t hfi_shard(const hfi_ctx *ctx, const hfi_flow_key *key, uint32_t count) {
    if (count <= 1) return 0;
    uint64_t words[5] = {0};
    const int order = memcmp(&key->local, &key->remote, 16);
    const bool swap = order > 0 || (order == 0 && key->local_port > key->remote_port);
    memcpy(&words[0], swap ? &key->remote : &key->local, 16);
    memcpy(&words[2], swap ? &key->local : &key->remote, 16);
    const uint32_t first = swap ? key->remote_port : key->local_port;
    const uint32_t second = swap ? key->local_port : key->remote_port;
    words[4] = (uint64_t)first << 32 | second;
    return (uint32_t)(hfi_siphash13_words(ctx->root->shard_key, words, 5) % count);
}
