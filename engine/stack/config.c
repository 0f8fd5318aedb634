/* Configurations: defaults, profiles, what is wrong with one. */
#include "stack/engine.h"
#include "wire/csum.h"

static const hf_limits limits_holdfast = {.rto_initial_ns = HF_SECOND,
                                          .rto_min_ns = 200 * HF_MS,
                                          .rto_max_ns = 60 * HF_SECOND,
                                          .rto_variance_min_ns = 0,
                                          .delayed_ack_ns = 40 * HF_MS,
                                          .msl2_ns = 60 * HF_SECOND,
                                          .fin_wait_2_ns = 60 * HF_SECOND,
                                          .orphan_ns = 120 * HF_SECOND,
                                          .persist_max_ns = 60 * HF_SECOND,
                                          .retransmit_limit = 15,
                                          .retransmit_warn = 3,
                                          .persist_limit = 15,
                                          .orphan_attempts = 0,
                                          .syn_limit = 7,
                                          .syn_linear = 0,
                                          .syn_ack_limit = 2,
                                          .initial_window_segs = 10,
                                          .duplicate_threshold = 3,
                                          .conn_pool_with_time_wait = 0,
                                          .congestion = HF_CONGESTION_CUBIC,
                                          .ecn = HF_ECN_ACCEPT,
                                          .rack = 1,
                                          .tlp_ack_delay_ns = 200 * HF_MS,
                                          .buffer_bytes = 64 * 1024,
                                          .send_bytes_most = 4 * 1024 * 1024,
                                          .receive_bytes_most = 4 * 1024 * 1024,
                                          .plpmtud = 1};

void hf_config_default(hf_config *config) {
    memset(config, 0, sizeof *config);
    config->conns = 1024;
    config->listeners = 16;
    config->syn_entries = 512;
    config->time_wait = 4096;
    config->time_wait6 = 1024;
    config->flights = 1024;
    config->watches = 1024;
    config->segments = 16384;
    config->ranges = 4096;
    config->option_sets = 64;
    config->interfaces = 4;
    config->addresses = 16;
    config->routes = 32;
    config->neighbors = 256;
    config->paths = 1024;
    config->udp_sockets = 16;
    config->tx_frames = 256;
    config->reassembly = 8;
    config->reassembly_bytes = 9000;
    config->udp_buffers = 128;
    config->owners = 64;
    config->other_shares = 16;
    config->end_records = 64;
    config->end_budget = 768;
    config->chunk_bytes = 4096;
    config->rx_chunks = 1024;
    config->tx_chunks = 1024;
    config->limits = limits_holdfast;
    config->max_gap_ns = HF_SECOND;
    config->timer_budget = 4096;
    config->port_low = 32768;
    config->port_high = 65535;
    config->shard_count = 1;
}

static void profile_linux(hf_config *config) {
    config->limits.rto_max_ns = 120 * HF_SECOND;
    config->limits.rto_variance_min_ns = 200 * HF_MS;
    config->limits.persist_max_ns = 120 * HF_SECOND;
    config->limits.syn_limit = 10;
    config->limits.syn_linear = 4;
    config->limits.syn_ack_limit = 5;
    config->limits.orphan_ns = UINT64_C(20) * 86400 * HF_SECOND; /* none: attempts are counted */
    config->limits.orphan_attempts = 8;
    config->limits.plpmtud = 0;                        /* tcp_mtu_probing */
    config->limits.congestion = HF_CONGESTION_NEWRENO; /* as its facts were measured */
    config->limits.receive_bytes_most = 6 * 1024 * 1024;
    config->quirks = HF_QUIRK_LATE_SLOT_CHECK | HF_QUIRK_FORGET_REQUEST_SILENTLY |
                     HF_QUIRK_COOKIE_LOSES_DATA | HF_QUIRK_USER_TIMEOUT_OVERRIDES |
                     HF_QUIRK_NO_RST_ON_GIVING_UP | HF_QUIRK_TIME_WAIT_SKIPPED_AT_CAP |
                     HF_QUIRK_KEEPALIVE_STOPS_FOR_DATA | HF_QUIRK_COOKIE_REVIVES |
                     HF_QUIRK_TIME_WAIT_KEEPS_PORT;
}

static void profile_small(hf_config *config) {
    config->conns = 255;
    config->limits.conn_pool_with_time_wait = 255;
    config->limits.ecn = HF_ECN_OFF;
    config->limits.rack = 0; /* a stack of the nineties, whose buffers stay as they are */
    config->limits.send_bytes_most = config->limits.receive_bytes_most =
        config->limits.buffer_bytes;
    config->limits.plpmtud = 0;
    config->quirks = HF_QUIRK_FULL_POOL_REFUSES | HF_QUIRK_NO_LINGER_TIMEOUT;
}

static void profile_rfc(hf_config *config) {
    config->limits.rto_min_ns = HF_SECOND; /* RFC 6298 2.4 */
    config->limits.syn_ack_limit = 7;      /* RFC 9293 MUST-23, as for SYNs */
    config->quirks = HF_QUIRK_ICMP_HARD_ENDS | HF_QUIRK_RST_ENDS_TIME_WAIT |
                     HF_QUIRK_TIME_WAIT_ANSWERS_ACKS | HF_QUIRK_TIMESTAMPS_REQUIRED |
                     HF_QUIRK_BAD_OPTION_RESETS | HF_QUIRK_SOURCE_ROUTES;
}

static bool names_equal(const char *a, const char *b) {
    while (*a != '\0' && *a == *b) a++, b++;
    return *a == *b;
}

hf_err hf_config_profile(hf_config *config, const char *name) {
    const hf_limits before = config->limits;
    const uint32_t quirks_before = config->quirks;
    config->limits = limits_holdfast;
    config->quirks = HF_QUIRK_NONE;
    if (names_equal(name, "holdfast")) return HF_OK;
    if (names_equal(name, "linux")) return profile_linux(config), HF_OK;
    if (names_equal(name, "small")) return profile_small(config), HF_OK;
    if (names_equal(name, "rst_on_full")) return config->quirks = HF_QUIRK_RST_WHEN_FULL, HF_OK;
    if (names_equal(name, "rfc")) return profile_rfc(config), HF_OK;
    config->limits = before;
    config->quirks = quirks_before;
    return HF_ARGUMENT;
}

typedef struct rule {
    bool good;
    const char *problem;
} rule;

const char *hf_config_problem(const hf_config *c) {
    const bool chunk_good = c->chunk_bytes >= 256 && c->chunk_bytes <= 65536 &&
                            (c->chunk_bytes & (c->chunk_bytes - 1)) == 0;
    const uint32_t index_max = 1u << 28;
    const rule rules[] = {
        {c->conns >= 1 && c->conns < index_max, "conns: give 1 to 268,435,455"},
        {c->syn_entries >= 1 && c->syn_entries < index_max, "syn_entries: give 1 to 268,435,455"},
        {c->time_wait < index_max && c->time_wait6 < index_max,
         "time_wait: give at most 268,435,455"},
        {c->tw_full <= HF_TW_REFUSE_CONNECT, "tw_full: give EVICT or REFUSE_CONNECT"},
        {c->flights >= 1, "flights: give at least 1, at best as many as conns"},
        {c->watches < index_max, "watches: give at most 268,435,455"},
        {c->segments >= 1, "segments: give at least 1, at best 16 for each flight"},
        {c->option_sets >= 1 && c->option_sets <= 65535, "option_sets: give 1 to 65,535"},
        {c->interfaces >= 1 && c->interfaces <= 255, "interfaces: give 1 to 255"},
        {c->addresses >= 1 && c->addresses <= 65535, "addresses: give 1 to 65,535"},
        {c->routes >= 1, "routes: give at least 1"},
        {c->reassembly == 0 || (c->reassembly_bytes >= 1280 && c->reassembly_bytes <= 65528),
         "reassembly_bytes: give 1,280 to 65,528"},
        {c->owners <= HFI_OWNERS_MAX && c->owners % HFI_OWNER_WAYS == 0,
         "owners: give a multiple of 4, at most 252"},
        {c->other_shares >= 1, "other_shares: give at least 1"},
        {c->owner_conns < index_max && c->owner_rx_chunks < index_max &&
             c->owner_tx_chunks < index_max,
         "owner_conns, owner_rx_chunks, owner_tx_chunks: give at most 268,435,455"},
        {c->end_records < index_max, "end_records: give at most 268,435,455"},
        {c->end_budget >= 1, "end_budget: give at least 1, at best less than conns"},
        {c->tx_frames >= 2, "tx_frames: give at least 2"},
        {chunk_good, "chunk_bytes: give a power of two from 256 to 65,536"},
        {c->rx_chunks >= 2 && c->tx_chunks >= 2, "rx_chunks, tx_chunks: give at least 2 each"},
        {c->limits.rto_min_ns > 0 && c->limits.rto_min_ns <= c->limits.rto_max_ns,
         "limits.rto_min_ns: give more than 0 and at most rto_max_ns"},
        {c->limits.delayed_ack_ns < 500 * HF_MS,
         "limits.delayed_ack_ns: give less than 500 ms (RFC 9293 MUST-40)"},
        {c->limits.duplicate_threshold >= 1,
         "limits.duplicate_threshold: give at least 1, at best 3"},
        {c->limits.rack <= 1, "limits.rack: give 0 or 1"},
        {c->limits.plpmtud <= 1, "limits.plpmtud: give 0 or 1"},
        {c->limits.initial_window_segs >= 1,
         "limits.initial_window_segs: give at least 1, at best 10"},
        {c->limits.ecn >= HF_ECN_OFF && c->limits.ecn <= HF_ECN_ASK,
         "limits.ecn: give HF_ECN_OFF, HF_ECN_ACCEPT or HF_ECN_ASK"},
        {c->limits.congestion == HF_CONGESTION_CUBIC ||
             c->limits.congestion == HF_CONGESTION_NEWRENO,
         "limits.congestion: give HF_CONGESTION_CUBIC or HF_CONGESTION_NEWRENO"},
        {c->limits.buffer_bytes >= 4096 && c->limits.buffer_bytes <= 1u << 28,
         "limits.buffer_bytes: give 4,096 to 268,435,456"},
        {c->limits.send_bytes_most >= c->limits.buffer_bytes &&
             c->limits.receive_bytes_most >= c->limits.buffer_bytes &&
             c->limits.send_bytes_most <= 1u << 28 && c->limits.receive_bytes_most <= 1u << 28,
         "limits.send_bytes_most, receive_bytes_most: give buffer_bytes to 268,435,456"},
        {c->timer_budget >= 1, "timer_budget: give at least 1"},
        {c->port_low >= 1 && c->port_low <= c->port_high,
         "port_low, port_high: give a range within 1 to 65,535"},
        {c->shard_count >= 1 && c->shard_index < c->shard_count,
         "shard_index: give less than shard_count"},
        {c->trace == NULL || (c->trace->capacity & (c->trace->capacity - 1)) == 0,
         "trace.capacity: give a power of two"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (!rules[i].good) return rules[i].problem;
    return NULL;
}

uint32_t hf_csum_add(uint32_t sum, const void *data, size_t bytes) {
    return hfi_csum_add(sum, data, bytes);
}

uint32_t hf_csum_copy(uint32_t sum, void *to, const void *from, size_t bytes) {
    return hfi_csum_copy(sum, to, from, bytes);
}
