#include "reply/reply.h"

/* 1,000 replies a second to one prefix, and a burst of 128 to 255. */
#define TOKENS_PER_SECOND 1000u
#define TOKENS_BURST 128u

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

static hfi_reply_bucket *bucket_of(hfi_ctx *ctx, const hf_addr *source) {
    uint64_t words[2];
    hf_addr prefix = *source;
    if (hf_addr_is4(source))
        prefix.bytes[15] = 0;
    else
        memset(prefix.bytes + 8, 0, 8);
    memcpy(words, prefix.bytes, 16);
    return &ctx->root->reply_buckets[hfi_siphash13_words(ctx->root->jitter_key, words, 2) %
                                     HFI_REPLY_BUCKETS];
}

bool hfi_reply_allowed(hfi_ctx *ctx, const hf_addr *source) {
    hfi_reply_bucket *bucket = bucket_of(ctx, source);
    const uint32_t age = ctx->now_tick - bucket->at;
    const uint64_t refill = (uint64_t)age * TOKENS_PER_SECOND / 977; /* ticks a second */
    if (refill > 0) {
        const uint32_t size = TOKENS_BURST + hfi_random(ctx) % TOKENS_BURST;
        bucket->tokens = (uint32_t)hfi_min64(bucket->tokens + refill, size);
        bucket->at = ctx->now_tick;
    }
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
