#include "reply/reply.h"

/* 1,000 replies a second to one prefix, and a burst of 128 to 255. */
#define TOKENS_PER_SECOND 1000u
#define TOKENS_BURST 128u

/* How soon a bucket whose prefix has fallen silent goes to another: what that one gets more, once. */
#define WEIGHT_MAX 256u

void hfi_reply_init(hfi_ctx *ctx) {
    for (uint32_t i = 0; i < HFI_REPLY_BUCKETS; i++)
        ctx->root->reply_buckets[i].at = ctx->now_tick - 1000; /* a second's tokens */
}

hfi_departure hfi_reply_to(const hfi_arrival *arrival, hf_cause cause) {
    hfi_departure reply;
    memset(&reply, 0, sizeof reply);
    reply.source = arrival->destination;
    reply.destination = arrival->source;
    reply.tcp.source_port = arrival->tcp.destination_port;
    reply.tcp.destination_port = arrival->tcp.source_port;
    reply.route = arrival->route;
    reply.chunk = HFI_NONE;
    reply.conn = HFI_NONE;
    reply.ttl = 64;
    reply.cause = cause;
    return reply;
}

hfi_departure hfi_reply_reset(const hfi_arrival *arrival, hf_cause cause) {
    hfi_departure reply = hfi_reply_to(arrival, cause);
    const hfi_tcp_view *seg = &arrival->tcp;
    reply.tcp.flags = HFI_TCP_RST;
    if ((seg->flags & HFI_TCP_ACK) != 0) {
        reply.tcp.seq = seg->ack;
    } else {
        reply.tcp.flags |= HFI_TCP_ACK;
        reply.tcp.ack = seg->seq + hfi_tcp_seq_bytes(seg);
    }
    return reply;
}

static uint64_t prefix_hash(const hfi_ctx *ctx, const hf_addr *source) {
    uint64_t words[2];
    hf_addr prefix = *source;
    if (hf_addr_is4(source))
        prefix.bytes[15] = 0;
    else
        memset(prefix.bytes + 8, 0, 8);
    memcpy(words, prefix.bytes, 16);
    return hfi_siphash13_words(ctx->root->jitter_key, words, 2);
}

static uint16_t fresh_tokens(hfi_ctx *ctx) {
    return (uint16_t)(TOKENS_BURST + hfi_random(ctx) % TOKENS_BURST);
}

static void refill_replies(hfi_ctx *ctx, hfi_reply_bucket *bucket) {
    const uint32_t age = ctx->now_tick - bucket->at;
    const uint64_t brought = (uint64_t)age * TOKENS_PER_SECOND / 977; /* ticks a second */
    if (brought == 0) return;
    bucket->tokens = (uint16_t)hfi_min64(bucket->tokens + brought, fresh_tokens(ctx));
    bucket->at = ctx->now_tick;
}

/* Who holds the bucket: the prefix that asks more than all others together, by a majority vote that
 * needs one counter. The others are bystanders. */
static bool is_holder(hfi_ctx *ctx, hfi_reply_bucket *bucket, uint32_t prefix) {
    if (bucket->prefix == prefix) {
        if (bucket->weight < WEIGHT_MAX) bucket->weight++;
        return true;
    }
    if (bucket->weight > 0) {
        bucket->weight--;
        return false;
    }
    *bucket = (hfi_reply_bucket){ctx->now_tick, fresh_tokens(ctx), 1, prefix};
    return true;
}

bool hfi_reply_allowed(hfi_ctx *ctx, const hf_addr *source) {
    const uint64_t hash = prefix_hash(ctx, source);
    hfi_reply_bucket *bucket = &ctx->root->reply_buckets[hash % HFI_REPLY_BUCKETS];
    if (!is_holder(ctx, bucket, (uint32_t)(hash >> 32))) return true;
    refill_replies(ctx, bucket);
    if (bucket->tokens == 0) {
        hfi_count(ctx, HF_CAUSE_DROP_REPLY_LIMIT);
        return false;
    }
    bucket->tokens--;
    return true;
}

void hfi_reply_send(hfi_ctx *ctx, hfi_effects *effects, const hfi_departure *departure) {
    if (!hfi_reply_allowed(ctx, &departure->destination)) return;
    effects->reply = true;
    effects->departure = *departure;
}
