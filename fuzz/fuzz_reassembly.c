/* The input is a list of fragments of four packets: 6 bytes say which, where, how long and whether
 * it is the last; the payload follows. What comes out is, byte for byte, what a plain map of
 * first-come bytes holds. */
#include "fuzz.h"
#include "ip/reassembly.h"

#define PACKETS 4
#define PAYLOAD_MAX 2048

typedef struct model {
    uint8_t bytes[PAYLOAD_MAX];
    bool have[PAYLOAD_MAX];
    bool dropped;
} model;

static _Alignas(64) uint8_t memory[32768];
static model models[PACKETS];

static hfi_ip_view view_of(const uint8_t *record, uint32_t left) {
    const bool is4 = (record[0] & 4) != 0;
    const hf_addr six = {{0x20, 1, 0xd, 0xb8, [15] = 1}}, four = {{[10] = 0xff, 0xff, 10, 0, 0, 1}};
    const uint32_t asked = record[3] * 8u + record[4] % 8u;
    const uint32_t bytes = asked < left ? asked : left;
    const bool more = (record[0] & 8) == 0;
    return (hfi_ip_view){.source = is4 ? four : six,
                         .destination = is4 ? four : six,
                         .version = is4 ? 4 : 6,
                         .protocol = (record[0] & 16) != 0 ? HFI_IP_TCP : HFI_IP_UDP,
                         .ttl = 64,
                         .traffic_class = record[5],
                         .payload_bytes = more ? bytes & ~7u : bytes,
                         .is_fragment = true,
                         .more_fragments = more,
                         .fragment_offset = (record[1] | (record[2] & 31u) << 8) * 8u};
}

static void model_take(model *m, const hfi_ip_view *view, const uint8_t *payload) {
    for (uint32_t i = 0; i < view->payload_bytes; i++) {
        m->bytes[view->fragment_offset + i] = payload[i];
        m->have[view->fragment_offset + i] = true;
    }
}

static void whole_check(model *m, const hfi_ip_view *fragment, const hfi_whole_packet *whole) {
    hfi_ip_view view;
    FUZZ_CHECK(hfi_ip_parse(whole->packet, whole->bytes, whole->bytes, false, &view) ==
               HF_CAUSE_NONE);
    FUZZ_CHECK(!view.is_fragment && view.protocol == fragment->protocol);
    FUZZ_CHECK(view.payload_bytes <= PAYLOAD_MAX);
    for (uint32_t i = 0; i < view.payload_bytes; i++) FUZZ_CHECK(m->have[i]);
    FUZZ_CHECK(memcmp(whole->packet + view.header_bytes, m->bytes, view.payload_bytes) == 0);
    memset(m, 0, sizeof *m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const hf_config config = {
        .seed = {1}, .reassembly = 2 * PACKETS, .reassembly_bytes = PAYLOAD_MAX};
    FUZZ_CHECK(hfi_reassembly_bytes(&config) <= sizeof memory);
    hfi_reassembly reassembly;
    hfi_reassembly_attach(&reassembly, memory, &config);
    hfi_reassembly_init(&reassembly, &config);
    memset(models, 0, sizeof models);
    while (size >= 6) {
        hfi_ip_view view = view_of(data, (uint32_t)(size - 6));
        const uint32_t id = data[0] & 3u;
        /* One model per id: family and protocol, which are part of the key, follow from it. */
        view.protocol = id & 1 ? HFI_IP_TCP : HFI_IP_UDP;
        view.fragment_id = id;
        if (((id & 2) != 0) != (view.version == 4)) {
            data += 6, size -= 6;
            continue;
        }
        const uint8_t *payload = data + 6;
        const hf_part part = {payload, view.payload_bytes};
        hfi_whole_packet whole;
        const hf_cause cause = hfi_reassembly_add(&reassembly, &view, &part, 1, 0, 5, &whole);
        model *m = &models[id];
        if (m->dropped && view.payload_bytes > 0)
            FUZZ_CHECK(cause == HF_CAUSE_DROP_FRAGMENT_OVERLAP);
        if (cause == HF_CAUSE_TOOK_FRAGMENT || cause == HF_CAUSE_NONE) {
            FUZZ_CHECK(view.fragment_offset + view.payload_bytes <= PAYLOAD_MAX);
            model_take(m, &view, payload);
        } else if (view.payload_bytes > 0) {
            m->dropped = true;
        }
        if (cause == HF_CAUSE_NONE) whole_check(m, &view, &whole);
        data += 6 + view.payload_bytes, size -= 6 + view.payload_bytes;
    }
    return 0;
}
