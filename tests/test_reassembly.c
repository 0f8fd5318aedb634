#include "test.h"
#include "ip/reassembly.h"
#include <stdlib.h>
#include <string.h>

typedef struct world {
    hf_config config;
    hfi_reassembly reassembly;
    void *mem;
    uint8_t data[4000]; /* of the packets sent: byte i is known */
    hf_ns now_ns;
    hfi_whole_packet whole;
} world;

static int setup(void **state) {
    world *w = calloc(1, sizeof *w);
    w->config = (hf_config){.seed = {6}, .reassembly = 4, .reassembly_bytes = 3000};
    w->mem = aligned_alloc(64, hfi_reassembly_bytes(&w->config));
    hfi_reassembly_attach(&w->reassembly, w->mem, &w->config);
    hfi_reassembly_init(&w->reassembly, &w->config);
    for (size_t i = 0; i < sizeof w->data; i++) w->data[i] = (uint8_t)(i * 7 + i / 256);
    w->data[12] = 0x50; /* a TCP data offset of 20 */
    w->now_ns = 100 * HF_SECOND;
    *state = w;
    return 0;
}

static int teardown(void **state) {
    world *w = *state;
    free(w->mem);
    free(w);
    return 0;
}

static hfi_ip_view view4(uint32_t id, uint32_t start, uint32_t end, bool more) {
    return (hfi_ip_view){.source = hf_addr4(192, 0, 2, 1),
                         .destination = hf_addr4(192, 0, 2, 2),
                         .version = 4,
                         .protocol = HFI_IP_UDP,
                         .ttl = 61,
                         .header_bytes = 20,
                         .payload_bytes = end - start,
                         .is_fragment = true,
                         .more_fragments = more,
                         .fragment_offset = start,
                         .fragment_id = id};
}

/* The payload comes in two parts, the first of which also holds 20 bytes of header at offset 3. */
static hf_cause give_bytes(world *w, const hfi_ip_view *view, const uint8_t *payload) {
    uint8_t head[3 + 20 + 5];
    const uint32_t first = view->payload_bytes < 5 ? view->payload_bytes : 5;
    memset(head, 0xee, sizeof head);
    memcpy(head + 23, payload, first);
    const hf_part parts[] = {{head, 23 + first}, {payload + first, view->payload_bytes - first}};
    return hfi_reassembly_add(&w->reassembly, view, parts, 2, 3, w->now_ns, &w->whole);
}

static hf_cause give_view(world *w, hfi_ip_view view) {
    return give_bytes(w, &view, w->data + view.fragment_offset);
}

static hf_cause give(world *w, uint32_t id, uint32_t start, uint32_t end, bool more) {
    return give_view(w, view4(id, start, end, more));
}

static void assert_whole(world *w, uint32_t payload_bytes) {
    hfi_ip_view view;
    assert_int_equal(hfi_ip_parse(w->whole.packet, w->whole.bytes, w->whole.bytes, false, &view),
                     HF_CAUSE_NONE);
    assert_false(view.is_fragment);
    assert_int_equal(view.ttl, 61);
    assert_int_equal(view.payload_bytes, payload_bytes);
    assert_memory_equal(w->whole.packet + view.header_bytes, w->data, payload_bytes);
}

static void fragments_in_any_order_make_the_packet(void **state) {
    world *w = *state;
    static const uint8_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                         {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    static const uint32_t edges[] = {0, 800, 1360, 2001};
    for (uint32_t order = 0; order < 6; order++) {
        for (int i = 0; i < 3; i++) {
            const uint32_t part = orders[order][i];
            assert_int_equal(give(w, order, edges[part], edges[part + 1], part < 2),
                             i < 2 ? HF_CAUSE_TOOK_FRAGMENT : HF_CAUSE_NONE);
        }
        assert_whole(w, 2001);
    }
    assert_int_equal(w->reassembly.state->used, 0);
}

static void ipv6_fragments_make_a_packet_with_a_plain_header(void **state) {
    world *w = *state;
    for (int i = 0; i < 2; i++) {
        hfi_ip_view view = view4(0x12345678, i ? 1232 : 0, i ? 1500 : 1232, i == 0);
        view.version = 6;
        view.source = (hf_addr){{0x20, 1, 0xd, 0xb8, [15] = 1}};
        view.destination = (hf_addr){{0x20, 1, 0xd, 0xb8, [15] = 2}};
        assert_int_equal(give_view(w, view), i ? HF_CAUSE_NONE : HF_CAUSE_TOOK_FRAGMENT);
    }
    assert_whole(w, 1500);
}

static void packets_that_differ_in_one_key_field_are_kept_apart(void **state) {
    world *w = *state;
    hfi_ip_view other = view4(5, 800, 1000, false);
    other.protocol = HFI_IP_ICMP4;
    assert_int_equal(give(w, 5, 0, 800, true), HF_CAUSE_TOOK_FRAGMENT);
    assert_int_equal(give(w, 6, 800, 1000, false), HF_CAUSE_TOOK_FRAGMENT);
    assert_int_equal(give_view(w, other), HF_CAUSE_TOOK_FRAGMENT);
    other = view4(5, 800, 1000, false);
    other.source.bytes[15] = 9;
    assert_int_equal(give_view(w, other), HF_CAUSE_TOOK_FRAGMENT);
    assert_int_equal(give(w, 5, 800, 1000, false), HF_CAUSE_NONE);
    assert_whole(w, 1000);
}

static void an_equal_duplicate_is_ignored(void **state) {
    world *w = *state;
    give(w, 5, 0, 800, true);
    give(w, 5, 800, 1600, true);
    assert_int_equal(give(w, 5, 0, 800, true), HF_CAUSE_TOOK_FRAGMENT);
    assert_int_equal(give(w, 5, 400, 1200, true), HF_CAUSE_TOOK_FRAGMENT);
    assert_int_equal(give(w, 5, 1600, 2000, false), HF_CAUSE_NONE);
    assert_whole(w, 2000);
}

/* L04, teardrop. */
static void overlap_drops_the_packet_and_what_is_still_to_come(void **state) {
    world *w = *state;
    give(w, 5, 0, 800, true);
    assert_int_equal(give(w, 5, 792, 1600, true), HF_CAUSE_DROP_FRAGMENT_OVERLAP);
    assert_int_equal(give(w, 5, 800, 1600, true), HF_CAUSE_DROP_FRAGMENT_OVERLAP);
    assert_int_equal(give(w, 5, 1600, 2000, false), HF_CAUSE_DROP_FRAGMENT_OVERLAP);
    w->now_ns += HFI_REASSEMBLY4_AGE_NS;
    assert_int_equal(give(w, 5, 0, 800, true), HF_CAUSE_TOOK_FRAGMENT);
    assert_int_equal(give(w, 5, 800, 1600, false), HF_CAUSE_NONE);
}

static void every_kind_of_overlap_is_seen(void **state) {
    world *w = *state;
    static const uint32_t bad[][2] = {{0, 816},   {400, 808},   {800, 1608},
                                      {792, 808}, {1592, 2408}, {0, 2408}};
    for (uint32_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        give(w, i, 400, 808, true);
        give(w, i, 1200, 1608, true);
        hfi_ip_view view = view4(i, bad[i][0], bad[i][1], true);
        uint8_t other[2408];
        memset(other, 0x50, sizeof other);
        assert_int_equal(give_bytes(w, &view, other), HF_CAUSE_DROP_FRAGMENT_OVERLAP);
    }
}

static void a_duplicate_with_other_bytes_is_an_overlap(void **state) {
    world *w = *state;
    give(w, 5, 0, 800, true);
    uint8_t other[800];
    memcpy(other, w->data, 800);
    other[799] ^= 1;
    const hfi_ip_view view = view4(5, 0, 800, true);
    assert_int_equal(give_bytes(w, &view, other), HF_CAUSE_DROP_FRAGMENT_OVERLAP);
}

static void two_different_ends_drop_the_packet(void **state) {
    world *w = *state;
    give(w, 5, 1600, 2000, false);
    assert_int_equal(give(w, 5, 2000, 2400, false), HF_CAUSE_DROP_FRAGMENT_OVERLAP);
    give(w, 6, 1600, 2000, false);
    assert_int_equal(give(w, 6, 2000, 2400, true), HF_CAUSE_DROP_FRAGMENT_OVERLAP);
    give(w, 7, 1600, 2000, true);
    assert_int_equal(give(w, 7, 800, 1200, false), HF_CAUSE_DROP_FRAGMENT_OVERLAP);
}

/* L06. */
static void a_first_fragment_that_cuts_the_transport_header_is_dropped(void **state) {
    world *w = *state;
    hfi_ip_view view = view4(5, 0, 16, true);
    view.protocol = HFI_IP_TCP;
    assert_int_equal(give_view(w, view), HF_CAUSE_DROP_FRAGMENT);
    view = view4(6, 0, 24, true);
    view.protocol = HFI_IP_TCP;
    assert_int_equal(give_view(w, view), HF_CAUSE_TOOK_FRAGMENT);
    w->data[12] = 0x70; /* now the header has 28 bytes */
    view.fragment_id = 7;
    assert_int_equal(give_view(w, view), HF_CAUSE_DROP_FRAGMENT);
}

static void an_extension_header_behind_the_fragment_header_is_dropped(void **state) {
    world *w = *state;
    hfi_ip_view view = view4(5, 0, 800, true);
    view.version = 6;
    view.source = view.destination = (hf_addr){{0x20, 1, 0xd, 0xb8, [15] = 1}};
    view.protocol = 44;
    assert_int_equal(give_view(w, view), HF_CAUSE_DROP_FRAGMENT);
    assert_int_equal(w->reassembly.state->used, 0);
}

static void a_packet_longer_than_a_buffer_is_dropped(void **state) {
    world *w = *state;
    give(w, 5, 0, 2000, true);
    assert_int_equal(give(w, 5, 2000, 3000, false), HF_CAUSE_NONE);
    assert_whole(w, 3000);
    give(w, 6, 0, 2000, true);
    assert_int_equal(give(w, 6, 2000, 3001, false), HF_CAUSE_DROP_FRAGMENT);
    hfi_ip_view far = view4(7, 65528, 65535, false);
    assert_int_equal(give_bytes(w, &far, w->data), HF_CAUSE_DROP_FRAGMENT);
}

static void too_many_gaps_drop_the_packet(void **state) {
    world *w = *state;
    for (uint32_t i = 0; i < HFI_REASSEMBLY_RANGES; i++)
        assert_int_equal(give(w, 5, 16 * i, 16 * i + 8, true), HF_CAUSE_TOOK_FRAGMENT);
    assert_int_equal(give(w, 5, 16 * 40, 16 * 40 + 8, true), HF_CAUSE_DROP_FRAGMENT);
    for (uint32_t i = 0; i < HFI_REASSEMBLY_RANGES; i++) give(w, 6, 16 * i, 16 * i + 8, true);
    for (uint32_t i = 0; i < HFI_REASSEMBLY_RANGES - 1; i++)
        assert_int_equal(give(w, 6, 16 * i + 8, 16 * i + 16, true), HF_CAUSE_TOOK_FRAGMENT);
    assert_int_equal(give(w, 6, 504, 512, false), HF_CAUSE_NONE);
    assert_whole(w, 512);
}

static void an_old_half_is_not_joined_with_a_new_one(void **state) {
    world *w = *state;
    give(w, 5, 0, 800, true);
    w->now_ns += HFI_REASSEMBLY4_AGE_NS - 1;
    give(w, 6, 0, 800, true);
    assert_int_equal(give(w, 5, 800, 1600, true), HF_CAUSE_TOOK_FRAGMENT);
    w->now_ns += 1;
    assert_int_equal(give(w, 5, 1600, 2000, false), HF_CAUSE_TOOK_FRAGMENT);
    assert_int_equal(give(w, 6, 800, 1600, false), HF_CAUSE_NONE);
}

/* L07, CVE-2018-5391: four slots, a million packets that are never finished. */
static void a_million_incomplete_packets_stay_within_the_slots(void **state) {
    world *w = *state;
    hfi_ip_view view = view4(0, 0, 8, true);
    for (uint32_t i = 0; i < 1000000; i++) {
        view.fragment_id = i & 0xffff;
        view.source.bytes[13] = (uint8_t)(i >> 16);
        assert_int_equal(give_view(w, view), HF_CAUSE_TOOK_FRAGMENT);
    }
    assert_int_equal(w->reassembly.state->used, 4);
    assert_int_equal(w->reassembly.state->evicted, 1000000 - 4);
    give(w, 5, 0, 800, true);
    assert_int_equal(give(w, 5, 800, 1600, false), HF_CAUSE_NONE);
    assert_whole(w, 1600);
}

static void a_payload_that_the_parts_do_not_hold_is_dropped(void **state) {
    world *w = *state;
    const hfi_ip_view view = view4(5, 0, 800, true);
    const hf_part part = {w->data, 700};
    assert_int_equal(hfi_reassembly_add(&w->reassembly, &view, &part, 1, 0, w->now_ns, &w->whole),
                     HF_CAUSE_DROP_FRAGMENT);
}

/* Random fragments against a byte map: what is given back is what was sent, and only when all has
 * come. */
static void random_fragments_agree_with_a_byte_map(void **state) {
    world *w = *state;
    uint32_t random = 99;
    for (uint32_t packet = 0; packet < 3000; packet++) {
        bool seen[12] = {false};
        const uint32_t units = 2 + packet % 11;
        for (uint32_t missing = units; missing > 0;) {
            random = random * 1103515245u + 12345;
            const uint32_t unit = (random >> 16) % units;
            const hf_cause cause = give(w, packet, 40 * unit, 40 * unit + 40, unit + 1 < units);
            missing -= !seen[unit];
            seen[unit] = true;
            assert_int_equal(cause, missing == 0 ? HF_CAUSE_NONE : HF_CAUSE_TOOK_FRAGMENT);
        }
        assert_whole(w, units * 40);
    }
}

#define WITH_WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_WORLD(fragments_in_any_order_make_the_packet),
        WITH_WORLD(ipv6_fragments_make_a_packet_with_a_plain_header),
        WITH_WORLD(packets_that_differ_in_one_key_field_are_kept_apart),
        WITH_WORLD(an_equal_duplicate_is_ignored),
        WITH_WORLD(overlap_drops_the_packet_and_what_is_still_to_come),
        WITH_WORLD(every_kind_of_overlap_is_seen),
        WITH_WORLD(a_duplicate_with_other_bytes_is_an_overlap),
        WITH_WORLD(two_different_ends_drop_the_packet),
        WITH_WORLD(a_first_fragment_that_cuts_the_transport_header_is_dropped),
        WITH_WORLD(an_extension_header_behind_the_fragment_header_is_dropped),
        WITH_WORLD(a_packet_longer_than_a_buffer_is_dropped),
        WITH_WORLD(too_many_gaps_drop_the_packet),
        WITH_WORLD(an_old_half_is_not_joined_with_a_new_one),
        WITH_WORLD(a_million_incomplete_packets_stay_within_the_slots),
        WITH_WORLD(a_payload_that_the_parts_do_not_hold_is_dropped),
        WITH_WORLD(random_fragments_agree_with_a_byte_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
