/* The input is a TCP segment. What parses is built again and parsed again: the views must be equal,
 * but for SACK blocks that the builder's padding leaves no room for. */
#include "fuzz.h"
#include "wire/tcp.h"

static void options_check(const hfi_tcp_options *a, const hfi_tcp_options *b) {
    const uint8_t others = (uint8_t)~HFI_OPT_SACK;
    FUZZ_CHECK((a->present & others) == (b->present & others));
    FUZZ_CHECK(a->mss == b->mss && a->wscale == b->wscale && a->wscale <= HFI_TCP_WSCALE_MAX);
    FUZZ_CHECK(a->user_timeout == b->user_timeout);
    FUZZ_CHECK(a->ts_value == b->ts_value && a->ts_echo == b->ts_echo);
    FUZZ_CHECK(a->sack_count <= HFI_TCP_SACK_MAX);
    FUZZ_CHECK(((a->present & HFI_OPT_SACK) != 0) == (a->sack_count > 0));
    /* One block always fits: the others take at most 24 bytes, and 12 are needed. */
    FUZZ_CHECK(b->sack_count <= a->sack_count && (b->sack_count > 0) == (a->sack_count > 0));
    FUZZ_CHECK(memcmp(a->sack, b->sack, b->sack_count * sizeof a->sack[0]) == 0);
}

static void round_trip_check(const hfi_tcp_view *a) {
    uint8_t header[HFI_TCP_BYTES_MAX];
    hfi_tcp_view b;
    const uint32_t bytes = hfi_tcp_build(header, a);
    FUZZ_CHECK(hfi_tcp_parse(header, bytes, bytes + a->payload_bytes, &b) == HF_CAUSE_NONE);
    FUZZ_CHECK(b.header_bytes == bytes && b.payload_bytes == a->payload_bytes);
    FUZZ_CHECK(a->source_port == b.source_port && a->destination_port == b.destination_port);
    FUZZ_CHECK(a->seq == b.seq && a->ack == b.ack && a->flags == b.flags);
    FUZZ_CHECK(a->window == b.window && a->urgent == b.urgent);
    options_check(&a->options, &b.options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > FUZZ_BYTES_MAX) return 0;
    const uint32_t bytes = (uint32_t)size;
    hfi_tcp_view view;
    if (hfi_tcp_parse(data, bytes, bytes, &view) != HF_CAUSE_NONE) return 0;
    FUZZ_CHECK(view.header_bytes + view.payload_bytes == bytes);
    FUZZ_CHECK(view.source_port != 0 && view.destination_port != 0);
    FUZZ_CHECK((view.flags & (HFI_TCP_SYN | HFI_TCP_FIN)) != (HFI_TCP_SYN | HFI_TCP_FIN));
    hfi_tcp_view cut;
    FUZZ_CHECK(hfi_tcp_parse(data, view.header_bytes - 1u, bytes, &cut) == HF_CAUSE_DROP_TRUNCATED);
    FUZZ_CHECK(hfi_tcp_parse(data, view.header_bytes, bytes, &cut) == HF_CAUSE_NONE);
    round_trip_check(&view);
    return 0;
}
