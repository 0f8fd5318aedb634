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

uint32_t hfi_timestamp(const hfi_ctx *ctx, const hfi_flow_key *key) {
    return ctx->now_tick + tuple_hash(ctx->root->ts_key, key);
}

uint32_t hfi_random(hfi_ctx *ctx) {
    const uint64_t count = ++ctx->root->random;
    return (uint32_t)hfi_siphash13_words(ctx->root->jitter_key, &count, 1);
}
