/* Option sets: hf_tcp_options, interned, since most connections of a program have the same. */
#include "open/open.h"

static bool watches_equal(const hf_tcp_options *a, const hf_tcp_options *b) {
    return a->progress_within_ns == b->progress_within_ns &&
           a->min_progress_bytes == b->min_progress_bytes &&
           a->answer_within_ns == b->answer_within_ns && a->idle_within_ns == b->idle_within_ns &&
           a->progress_action == b->progress_action && a->answer_action == b->answer_action &&
           a->idle_action == b->idle_action && a->open_check_ns == b->open_check_ns &&
           a->account == b->account && a->user_timeout_most_ns == b->user_timeout_most_ns &&
           a->advertise_user_timeout == b->advertise_user_timeout;
}

static bool options_equal(const hf_tcp_options *a, const hf_tcp_options *b) {
    return a->detect_within_ns == b->detect_within_ns && a->detect_strict == b->detect_strict &&
           a->min_probes == b->min_probes && a->keepalive_idle_ns == b->keepalive_idle_ns &&
           a->keepalive_interval_ns == b->keepalive_interval_ns &&
           a->keepalive_count == b->keepalive_count && a->user_timeout_ns == b->user_timeout_ns &&
           a->send_bytes == b->send_bytes && a->receive_bytes == b->receive_bytes &&
           a->no_delay == b->no_delay && a->ttl == b->ttl && a->traffic_class == b->traffic_class &&
           a->congestion == b->congestion && a->ecn == b->ecn && watches_equal(a, b);
}

uint32_t hfi_open_options_hold(hfi_ctx *ctx, const hf_tcp_options *options) {
    uint32_t free_index = HFI_NONE;
    for (uint32_t i = 0; i < ctx->root->config.option_sets; i++) {
        hfi_option_set *set = &ctx->option_sets[i];
        if (set->uses == 0) {
            if (free_index == HFI_NONE) free_index = i;
        } else if (options_equal(&set->value, options)) {
            set->uses++;
            return i;
        }
    }
    if (free_index != HFI_NONE) ctx->option_sets[free_index] = (hfi_option_set){*options, 1};
    return free_index;
}

void hfi_open_options_drop(hfi_ctx *ctx, uint32_t index) {
    HF_ASSERT(ctx->option_sets[index].uses > 0);
    ctx->option_sets[index].uses--;
}
