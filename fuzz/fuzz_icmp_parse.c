/* The input is an ICMP message, tried as both versions, and an IP packet that an error of ours
 * quotes. An echo request is answered with a reply that is whole; an error that we build names the
 * packet it quotes. */
#include "fuzz.h"
#include "wire/icmp.h"

static const hf_addr locals[2] = {{{[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1}},
                                  {{0xfd, [15] = 1}}};
static const hf_addr remotes[2] = {{{[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 2}},
                                   {{0xfd, [15] = 2}}};

static void whole_check(const uint8_t *message, uint32_t bytes, uint8_t version) {
    const int i = version == 6;
    const uint32_t sum = i ? hfi_ip_pseudo_sum(&locals[i], &remotes[i], HFI_IP_ICMP6, bytes) : 0;
    FUZZ_CHECK(hfi_csum_good(hfi_csum_add(sum, message, bytes)));
}

static void echo_check(const uint8_t *request, uint32_t bytes, uint8_t version) {
    uint8_t *const reply = malloc(bytes);
    FUZZ_CHECK(reply != NULL);
    const int i = version == 6;
    hfi_icmp_view view;
    FUZZ_CHECK(hfi_icmp_echo_reply_build(reply, &locals[i], &remotes[i], request, bytes) == bytes);
    FUZZ_CHECK(hfi_icmp_parse(reply, bytes, bytes, version, &view) == HF_CAUSE_NONE);
    FUZZ_CHECK(!view.is_error && memcmp(request + 4, reply + 4, bytes - 4) == 0);
    whole_check(reply, bytes, version);
    free(reply);
}

static void message_check(const uint8_t *message, uint32_t bytes, uint8_t version) {
    hfi_icmp_view view;
    if (hfi_icmp_parse(message, bytes, bytes, version, &view) != HF_CAUSE_NONE) return;
    FUZZ_CHECK(view.payload_bytes == bytes - HFI_ICMP_BYTES);
    FUZZ_CHECK(view.is_error == hfi_icmp_is_error(version, view.type));
    if (view.is_error) {
        FUZZ_CHECK(hf_addr_is4(&view.quoted.source) == (version == 4));
        FUZZ_CHECK(view.payload_bytes >= (version == 4 ? 28u : 48u));
    }
    const uint8_t request = version == 4 ? HFI_ICMP4_ECHO_REQUEST : HFI_ICMP6_ECHO_REQUEST;
    if (view.type == request) echo_check(message, bytes, version);
}

static void quote_check(const uint8_t *packet, uint32_t bytes) {
    hfi_ip_view ip;
    if (hfi_ip_parse(packet, bytes, bytes, true, &ip) != HF_CAUSE_NONE) return;
    const int i = ip.version == 6;
    uint8_t message[HFI_ICMP_ERROR_BYTES_MAX];
    const uint32_t message_bytes =
        hfi_icmp_port_unreachable_build(message, &locals[i], &remotes[i], packet, bytes);
    FUZZ_CHECK(message_bytes <= (i ? 1240u : 556u));
    whole_check(message, message_bytes, ip.version);
    hfi_icmp_view view;
    if (hfi_icmp_parse(message, message_bytes, message_bytes, ip.version, &view) != HF_CAUSE_NONE)
        return;
    FUZZ_CHECK(hf_addr_equal(&view.quoted.source, &ip.source));
    FUZZ_CHECK(hf_addr_equal(&view.quoted.destination, &ip.destination));
    FUZZ_CHECK(view.quoted.protocol == ip.protocol);
    FUZZ_CHECK(view.quoted.has_transport == (ip.fragment_offset == 0));
    if (view.quoted.has_transport && ip.payload_bytes >= 8)
        FUZZ_CHECK(view.quoted.seq == hfi_load32(packet + ip.header_bytes + 4));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > FUZZ_BYTES_MAX) return 0;
    message_check(data, (uint32_t)size, 4);
    message_check(data, (uint32_t)size, 6);
    quote_check(data, (uint32_t)size);
    return 0;
}
