#include "icmp/icmp.h"

/* ---- Sorting. ---- */

static hfi_icmp_kind unreachable4_kind(uint8_t code) {
    if (code == HFI_ICMP4_CODE_FRAGMENTATION_NEEDED) return HFI_ICMP_KIND_TOO_BIG;
    return code == 2 || code == HFI_ICMP4_CODE_PORT ? HFI_ICMP_KIND_HARD : HFI_ICMP_KIND_SOFT;
}

static hfi_icmp_kind kind4(uint8_t type, uint8_t code) {
    switch (type) {
    case HFI_ICMP4_UNREACHABLE: return unreachable4_kind(code);
    case HFI_ICMP4_TIME_EXCEEDED:
    case HFI_ICMP4_PARAMETER_PROBLEM: return HFI_ICMP_KIND_SOFT;
    case HFI_ICMP4_ECHO_REQUEST: return HFI_ICMP_KIND_ECHO_REQUEST;
    default: return HFI_ICMP_KIND_NOTHING;
    }
}

static hfi_icmp_kind kind6(uint8_t type, uint8_t code) {
    switch (type) {
    case HFI_ICMP6_UNREACHABLE:
        return code == 1 || code == HFI_ICMP6_CODE_PORT ? HFI_ICMP_KIND_HARD : HFI_ICMP_KIND_SOFT;
    case HFI_ICMP6_TOO_BIG: return HFI_ICMP_KIND_TOO_BIG;
    case HFI_ICMP6_TIME_EXCEEDED:
    case HFI_ICMP6_PARAMETER_PROBLEM: return HFI_ICMP_KIND_SOFT;
    case HFI_ICMP6_ECHO_REQUEST: return HFI_ICMP_KIND_ECHO_REQUEST;
    default: return HFI_ICMP_KIND_NOTHING;
    }
}

hf_cause hfi_icmp_sort(const hfi_ip_view *packet, const hfi_icmp_view *icmp, hfi_icmp_result *ret) {
    const bool is4 = icmp->version == 4;
    const hfi_icmp_kind kind = is4 ? kind4(icmp->type, icmp->code) : kind6(icmp->type, icmp->code);
    if (kind == HFI_ICMP_KIND_NOTHING) return HF_CAUSE_DROP_ICMP_UNKNOWN;
    *ret = (hfi_icmp_result){
        .kind = kind, .type = icmp->type, .code = icmp->code, .from = packet->source};
    if (icmp->is_error) ret->quoted = icmp->quoted;
    if (kind == HFI_ICMP_KIND_TOO_BIG) ret->mtu = is4 ? icmp->rest & 0xffff : icmp->rest;
    return HF_CAUSE_NONE;
}

/* ---- Limits. ---- */

static uint64_t icmp_random(hfi_icmp_limit *limit) {
    const uint64_t words[3] = {limit->draws++, 0, 0};
    return hfi_siphash13_words(limit->key, words, 3);
}

void hfi_icmp_limit_init(hfi_icmp_limit *limit, const hf_config *config, hf_ns now_ns) {
    static const char label[] = "icmp limit";
    limit->key = hfi_key_derive(config->seed, label, sizeof label - 1);
    limit->draws = 0;
    limit->all = (hfi_icmp_bucket){now_ns, HFI_ICMP_ALL_TOKENS, HFI_ICMP_ALL_TOKENS};
    for (uint32_t i = 0; i < HFI_ICMP_BUCKETS; i++) {
        const uint32_t capacity = HFI_ICMP_BUCKET_TOKENS + (uint32_t)(icmp_random(limit) & 7);
        limit->buckets[i] = (hfi_icmp_bucket){now_ns, capacity, capacity};
    }
}

/* Puts in what time has brought. The rest of an interval is kept, so that nothing is lost to
 * rounding. */
static void icmp_bucket_refill(hfi_icmp_bucket *bucket, hf_ns refill_ns, hf_ns now_ns) {
    const uint64_t brought = (now_ns - bucket->refilled_at_ns) / refill_ns;
    bucket->refilled_at_ns += brought * refill_ns;
    bucket->tokens = (uint32_t)hfi_min64(bucket->capacity, bucket->tokens + brought);
}

static hfi_icmp_bucket *icmp_bucket_of(hfi_icmp_limit *limit, const hf_addr *to) {
    uint64_t words[2];
    memcpy(words, to->bytes, sizeof words);
    if (!hf_addr_is4(to)) words[1] = 0; /* one site has 2^64 addresses */
    return &limit->buckets[hfi_siphash13_words(limit->key, words, 2) % HFI_ICMP_BUCKETS];
}

bool hfi_icmp_limit_take(hfi_icmp_limit *limit, const hf_addr *to, hf_ns now_ns) {
    hfi_icmp_bucket *bucket = icmp_bucket_of(limit, to);
    icmp_bucket_refill(bucket, HFI_ICMP_REFILL_NS, now_ns);
    icmp_bucket_refill(&limit->all, HFI_ICMP_ALL_REFILL_NS, now_ns);
    /* One to four of the shared tokens, at random: how many are left cannot be counted from
     * outside. */
    const uint32_t shared = 1 + (uint32_t)(icmp_random(limit) & 3);
    if (bucket->tokens == 0 || limit->all.tokens < shared) return false;
    bucket->tokens--;
    limit->all.tokens -= shared;
    return true;
}

static bool is_icmp_error(const hfi_ip_view *packet, uint8_t icmp_type) {
    const uint8_t icmp = packet->version == 4 ? HFI_IP_ICMP4 : HFI_IP_ICMP6;
    return packet->protocol == icmp && hfi_icmp_is_error(packet->version, icmp_type);
}

bool hfi_icmp_error_allowed(const hfi_ip_view *packet, bool to_broadcast, uint8_t icmp_type) {
    if (is_icmp_error(packet, icmp_type) || packet->fragment_offset != 0) return false;
    if (to_broadcast || hfi_addr_is_multicast(&packet->destination)) return false;
    const hf_addr *source = &packet->source;
    return !hf_addr_is_any(source) && !hfi_addr_is_multicast(source) &&
           !hfi_addr_is_broadcast4(source);
}
