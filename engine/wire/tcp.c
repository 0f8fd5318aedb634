#include "wire/tcp.h"

struct hfi_tcp {
    hf_be16 source_port;
    hf_be16 destination_port;
    hf_be32 seq;
    hf_be32 ack;
    uint8_t data_offset;
    uint8_t flags;
    hf_be16 window;
    hf_be16 checksum;
    hf_be16 urgent;
};
_Static_assert(sizeof(struct hfi_tcp) == HFI_TCP_BYTES, "as on the wire");

enum {
    TCP_KIND_END = 0,
    TCP_KIND_NOP = 1,
    TCP_KIND_MSS = 2,
    TCP_KIND_WSCALE = 3,
    TCP_KIND_SACK_PERMITTED = 4,
    TCP_KIND_SACK = 5,
    TCP_KIND_TIMESTAMPS = 8,
    TCP_KIND_USER_TIMEOUT = 28
};

/* NOP NOP TIMESTAMPS 10: how nearly every segment after the handshake starts its options. */
#define TCP_TIMESTAMPS_ALONE UINT32_C(0x0101080a)
#define TCP_TIMESTAMPS_ALONE_BYTES 12

/* ---- Parse. ---- */

static bool tcp_flags_agree(uint8_t flags) {
    if ((flags & HFI_TCP_SYN) != 0) return (flags & (HFI_TCP_FIN | HFI_TCP_RST)) == 0;
    return (flags & (HFI_TCP_FIN | HFI_TCP_RST | HFI_TCP_ACK)) != 0;
}

static void tcp_sack_take(const uint8_t *option, uint32_t bytes, hfi_tcp_options *options) {
    const uint32_t count = (bytes - 2) / 8;
    if (count == 0 || count > HFI_TCP_SACK_MAX || bytes != 2 + count * 8) return;
    if ((options->present & HFI_OPT_SACK) != 0) return;
    options->present |= HFI_OPT_SACK;
    options->sack_count = (uint8_t)count;
    for (uint32_t i = 0; i < count; i++)
        options->sack[i] =
            (hfi_sack_block){hfi_load32(option + 2 + 8 * i), hfi_load32(option + 6 + 8 * i)};
}

/* The bit and the only legal length of the options that have one; SACK and unknown kinds have none.
 */
static uint32_t tcp_fixed_option_bytes(uint8_t kind, uint8_t *ret_bit) {
    switch (kind) {
    case TCP_KIND_MSS: *ret_bit = HFI_OPT_MSS; return 4;
    case TCP_KIND_WSCALE: *ret_bit = HFI_OPT_WSCALE; return 3;
    case TCP_KIND_SACK_PERMITTED: *ret_bit = HFI_OPT_SACK_PERMITTED; return 2;
    case TCP_KIND_TIMESTAMPS: *ret_bit = HFI_OPT_TIMESTAMPS; return 10;
    case TCP_KIND_USER_TIMEOUT: *ret_bit = HFI_OPT_USER_TIMEOUT; return 4;
    default: return 0;
    }
}

static void tcp_fixed_option_take(const uint8_t *option, uint8_t bit, hfi_tcp_options *options) {
    if ((options->present & bit) != 0) return;
    options->present |= bit;
    switch (bit) {
    case HFI_OPT_MSS: options->mss = hfi_load16(option + 2); break;
    case HFI_OPT_WSCALE: options->wscale = (uint8_t)hfi_min32(option[2], HFI_TCP_WSCALE_MAX); break;
    case HFI_OPT_TIMESTAMPS:
        options->ts_value = hfi_load32(option + 2);
        options->ts_echo = hfi_load32(option + 6);
        break;
    case HFI_OPT_USER_TIMEOUT: options->user_timeout = hfi_load16(option + 2); break;
    }
}

/* Takes one option of two bytes or more; returns its bytes, or 0 if its length is illegal. */
static uint32_t tcp_option_take(const uint8_t *option, uint32_t left, hfi_tcp_options *options) {
    if (left < 2 || option[1] < 2 || option[1] > left) return 0;
    const uint32_t bytes = option[1];
    uint8_t bit = 0;
    const uint32_t legal_bytes = tcp_fixed_option_bytes(option[0], &bit);
    if (option[0] == TCP_KIND_SACK) tcp_sack_take(option, bytes, options);
    if (bit == 0) return bytes;
    if (bytes != legal_bytes) return 0;
    tcp_fixed_option_take(option, bit, options);
    return bytes;
}

static hf_cause tcp_options_walk(const uint8_t *at, uint32_t left, hfi_tcp_options *options) {
    while (left > 0 && at[0] != TCP_KIND_END) {
        const uint32_t bytes = at[0] == TCP_KIND_NOP ? 1 : tcp_option_take(at, left, options);
        if (bytes == 0) return HF_CAUSE_DROP_TCP_OPTION;
        at += bytes;
        left -= bytes;
    }
    return HF_CAUSE_NONE;
}

static hf_cause tcp_options_parse(const uint8_t *at, uint32_t bytes, hfi_tcp_options *options) {
    if (bytes == 0) return HF_CAUSE_NONE;
    if (bytes != TCP_TIMESTAMPS_ALONE_BYTES || hfi_load32(at) != TCP_TIMESTAMPS_ALONE)
        return tcp_options_walk(at, bytes, options);
    options->present = HFI_OPT_TIMESTAMPS;
    options->ts_value = hfi_load32(at + 4);
    options->ts_echo = hfi_load32(at + 8);
    return HF_CAUSE_NONE;
}

static hf_cause tcp_header_check(const struct hfi_tcp *tcp, uint32_t available,
                                 uint32_t segment_bytes) {
    const uint32_t header_bytes = (tcp->data_offset >> 4) * 4u;
    if (header_bytes < HFI_TCP_BYTES || header_bytes > segment_bytes)
        return HF_CAUSE_DROP_TCP_HEADER;
    if (header_bytes > available) return HF_CAUSE_DROP_TRUNCATED;
    if (hfi_get16(tcp->source_port) == 0 || hfi_get16(tcp->destination_port) == 0)
        return HF_CAUSE_DROP_TCP_PORT_ZERO;
    return tcp_flags_agree(tcp->flags) ? HF_CAUSE_NONE : HF_CAUSE_DROP_TCP_FLAGS;
}

hf_cause hfi_tcp_parse_header(const uint8_t *segment, uint32_t header_available,
                              uint32_t segment_bytes, hfi_tcp_view *ret) {
    const uint32_t available = hfi_min32(header_available, segment_bytes);
    if (available < HFI_TCP_BYTES) return HF_CAUSE_DROP_TRUNCATED;
    const struct hfi_tcp *const tcp = (const void *)segment;
    const hf_cause cause = tcp_header_check(tcp, available, segment_bytes);
    if (cause != HF_CAUSE_NONE) return cause;
    const uint32_t header_bytes = (tcp->data_offset >> 4) * 4u;
    *ret = (hfi_tcp_view){
        .source_port = hfi_get16(tcp->source_port),
        .destination_port = hfi_get16(tcp->destination_port),
        .seq = hfi_get32(tcp->seq),
        .ack = hfi_get32(tcp->ack),
        .window = hfi_get16(tcp->window),
        .urgent = hfi_get16(tcp->urgent),
        .flags = tcp->flags,
        .header_bytes = (uint8_t)header_bytes,
        .payload_bytes = segment_bytes - header_bytes,
    };
    return HF_CAUSE_NONE;
}

hf_cause hfi_tcp_parse(const uint8_t *segment, uint32_t header_available, uint32_t segment_bytes,
                       hfi_tcp_view *ret) {
    hfi_tcp_view view;
    hf_cause cause = hfi_tcp_parse_header(segment, header_available, segment_bytes, &view);
    if (cause != HF_CAUSE_NONE) return cause;
    cause = tcp_options_parse(segment + HFI_TCP_BYTES, view.header_bytes - HFI_TCP_BYTES,
                              &view.options);
    if (cause == HF_CAUSE_NONE) *ret = view;
    return cause;
}

/* ---- Build. ---- */

static uint8_t *tcp_option_head(uint8_t *to, uint8_t pad, uint8_t kind, uint32_t bytes) {
    for (uint8_t i = 0; i < pad; i++) *to++ = TCP_KIND_NOP;
    *to++ = kind;
    *to++ = (uint8_t)bytes;
    return to;
}

static uint8_t *tcp_put16(uint8_t *to, uint16_t v) {
    hfi_store16(to, v);
    return to + 2;
}

static uint8_t *tcp_put32(uint8_t *to, uint32_t v) {
    hfi_store32(to, v);
    return to + 4;
}

/* SACK-permitted stands where the timestamps' two NOPs would, as both are on most SYNs. */
static uint8_t *tcp_sack_permitted_and_timestamps_put(uint8_t *to, const hfi_tcp_options *options) {
    const bool permitted = (options->present & HFI_OPT_SACK_PERMITTED) != 0;
    const bool timestamps = (options->present & HFI_OPT_TIMESTAMPS) != 0;
    if (permitted) to = tcp_option_head(to, timestamps ? 0 : 2, TCP_KIND_SACK_PERMITTED, 2);
    if (!timestamps) return to;
    to = tcp_option_head(to, permitted ? 0 : 2, TCP_KIND_TIMESTAMPS, 10);
    return tcp_put32(tcp_put32(to, options->ts_value), options->ts_echo);
}

static uint8_t *tcp_sack_put(uint8_t *to, uint32_t room, const hfi_tcp_options *options) {
    const uint32_t fitting = room < 4 ? 0 : (room - 4) / 8;
    const uint32_t count = hfi_min32(options->sack_count, fitting);
    if (count == 0) return to;
    to = tcp_option_head(to, 2, TCP_KIND_SACK, 2 + 8 * count);
    for (uint32_t i = 0; i < count; i++)
        to = tcp_put32(tcp_put32(to, options->sack[i].start), options->sack[i].end);
    return to;
}

static uint32_t tcp_options_build(uint8_t *start, const hfi_tcp_options *options) {
    uint8_t *to = start;
    if ((options->present & HFI_OPT_MSS) != 0)
        to = tcp_put16(tcp_option_head(to, 0, TCP_KIND_MSS, 4), options->mss);
    to = tcp_sack_permitted_and_timestamps_put(to, options);
    if ((options->present & HFI_OPT_WSCALE) != 0) {
        to = tcp_option_head(to, 1, TCP_KIND_WSCALE, 3);
        *to++ = options->wscale;
    }
    if ((options->present & HFI_OPT_USER_TIMEOUT) != 0)
        to = tcp_put16(tcp_option_head(to, 0, TCP_KIND_USER_TIMEOUT, 4), options->user_timeout);
    const uint32_t room = HFI_TCP_OPTION_BYTES_MAX - (uint32_t)(to - start);
    if ((options->present & HFI_OPT_SACK) != 0) to = tcp_sack_put(to, room, options);
    return (uint32_t)(to - start);
}

uint32_t hfi_tcp_build(uint8_t *to, const hfi_tcp_view *view) {
    const uint32_t option_bytes = tcp_options_build(to + HFI_TCP_BYTES, &view->options);
    const uint32_t header_bytes = HFI_TCP_BYTES + option_bytes;
    HF_ASSERT(header_bytes <= HFI_TCP_BYTES_MAX && header_bytes % 4 == 0);
    struct hfi_tcp *const tcp = (void *)to;
    tcp->source_port = hfi_put16(view->source_port);
    tcp->destination_port = hfi_put16(view->destination_port);
    tcp->seq = hfi_put32(view->seq);
    tcp->ack = hfi_put32(view->ack);
    tcp->data_offset = (uint8_t)(header_bytes << 2);
    tcp->flags = view->flags;
    tcp->window = hfi_put16(view->window);
    tcp->checksum = hfi_put16(0);
    tcp->urgent = hfi_put16(view->urgent);
    return header_bytes;
}
