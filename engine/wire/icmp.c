#include "wire/icmp.h"

struct hfi_icmp {
    uint8_t type;
    uint8_t code;
    hf_be16 checksum;
    hf_be32 rest;
};
_Static_assert(sizeof(struct hfi_icmp) == HFI_ICMP_BYTES, "as on the wire");

/* RFC 792: the quote ends no earlier than 64 bits into the transport header. */
#define ICMP_QUOTED_TRANSPORT_BYTES 8

bool hfi_icmp_is_error(uint8_t version, uint8_t type) {
    if (version == 6) return type < 128; /* RFC 4443 2.1: the high bit means "informational". */
    return type == HFI_ICMP4_UNREACHABLE || type == HFI_ICMP4_SOURCE_QUENCH ||
           type == HFI_ICMP4_REDIRECT || type == HFI_ICMP4_TIME_EXCEEDED ||
           type == HFI_ICMP4_PARAMETER_PROBLEM;
}

static bool icmp_error_is_known(uint8_t version, uint8_t type) {
    return version == 4 || (type >= HFI_ICMP6_UNREACHABLE && type <= HFI_ICMP6_PARAMETER_PROBLEM);
}

static hf_cause icmp_quote_parse(const uint8_t *packet, uint32_t bytes, uint8_t version,
                                 hfi_icmp_quote *ret) {
    hfi_ip_view ip;
    const hf_cause cause = hfi_ip_parse_quoted(packet, bytes, &ip);
    if (cause != HF_CAUSE_NONE) return cause;
    if (ip.version != version || ip.payload_bytes < ICMP_QUOTED_TRANSPORT_BYTES)
        return HF_CAUSE_DROP_ICMP_HEADER;
    *ret = (hfi_icmp_quote){
        .source = ip.source, .destination = ip.destination, .protocol = ip.protocol};
    if (ip.fragment_offset != 0) return HF_CAUSE_NONE;
    const uint8_t *const transport = packet + ip.header_bytes;
    ret->has_transport = true;
    ret->source_port = hfi_load16(transport);
    ret->destination_port = hfi_load16(transport + 2);
    ret->seq = hfi_load32(transport + 4);
    return HF_CAUSE_NONE;
}

hf_cause hfi_icmp_parse(const uint8_t *message, uint32_t header_available, uint32_t message_bytes,
                        uint8_t version, hfi_icmp_view *ret) {
    const uint32_t available = hfi_min32(header_available, message_bytes);
    if (available < HFI_ICMP_BYTES) return HF_CAUSE_DROP_TRUNCATED;
    const struct hfi_icmp *const icmp = (const void *)message;
    hfi_icmp_view view = {
        .version = version,
        .type = icmp->type,
        .code = icmp->code,
        .is_error = hfi_icmp_is_error(version, icmp->type),
        .rest = hfi_get32(icmp->rest),
        .payload_bytes = message_bytes - HFI_ICMP_BYTES,
    };
    if (view.is_error) {
        if (!icmp_error_is_known(version, icmp->type)) return HF_CAUSE_DROP_ICMP_UNKNOWN;
        const hf_cause cause = icmp_quote_parse(message + HFI_ICMP_BYTES,
                                                available - HFI_ICMP_BYTES, version, &view.quoted);
        if (cause != HF_CAUSE_NONE) return cause;
    }
    *ret = view;
    return HF_CAUSE_NONE;
}

static void icmp_csum_write(uint8_t *message, uint32_t bytes, const hf_addr *src,
                            const hf_addr *dst) {
    struct hfi_icmp *const icmp = (void *)message;
    icmp->checksum = hfi_put16(0);
    const uint32_t sum = hf_addr_is4(src) ? 0 : hfi_ip_pseudo_sum(src, dst, HFI_IP_ICMP6, bytes);
    hfi_csum_store(icmp->checksum.b, hfi_csum_add(sum, message, bytes));
}

uint32_t hfi_icmp_echo_reply_build(uint8_t *to, const hf_addr *src, const hf_addr *dst,
                                   const uint8_t *request, uint32_t request_bytes) {
    HF_ASSERT(request_bytes >= HFI_ICMP_BYTES);
    memmove(to, request, request_bytes);
    struct hfi_icmp *const icmp = (void *)to;
    icmp->type = hf_addr_is4(src) ? HFI_ICMP4_ECHO_REPLY : HFI_ICMP6_ECHO_REPLY;
    icmp->code = 0;
    icmp_csum_write(to, request_bytes, src, dst);
    return request_bytes;
}

uint32_t hfi_icmp_port_unreachable_build(uint8_t *to, const hf_addr *src, const hf_addr *dst,
                                         const uint8_t *packet, uint32_t packet_bytes) {
    const bool is4 = hf_addr_is4(src);
    const uint32_t room = is4 ? HFI_ICMP4_PACKET_MAX - HFI_IP4_BYTES - HFI_ICMP_BYTES
                              : HFI_ICMP6_PACKET_MAX - HFI_IP6_BYTES - HFI_ICMP_BYTES;
    const uint32_t quoted_bytes = hfi_min32(packet_bytes, room);
    struct hfi_icmp *const icmp = (void *)to;
    icmp->type = is4 ? HFI_ICMP4_UNREACHABLE : HFI_ICMP6_UNREACHABLE;
    icmp->code = is4 ? HFI_ICMP4_CODE_PORT : HFI_ICMP6_CODE_PORT;
    icmp->rest = hfi_put32(0);
    memcpy(to + HFI_ICMP_BYTES, packet, quoted_bytes);
    icmp_csum_write(to, HFI_ICMP_BYTES + quoted_bytes, src, dst);
    return HFI_ICMP_BYTES + quoted_bytes;
}
