#include "test.h"
#include <stdlib.h>
#include "flow/table.h"

static const hfi_key table_key = {UINT64_C(0x123456789abcdef1), UINT64_C(0x0fedcba987654321)};

static hfi_flow table_of(uint32_t capacity) {
    hfi_flow f;
    void *mem = malloc(hfi_flow_bytes(capacity));
    assert_non_null(mem);
    hfi_flow_init(&f, mem, capacity, table_key);
    return f;
}

static void give_back(hfi_flow *f) { free(f->block); }

/* A hash whose tag is `tag`; the lower half must not matter. */
static uint64_t with_tag(uint32_t tag) { return (uint64_t)tag << 32 | (tag * 2654435761u); }

/* How often the walk for hash yields ref. */
static uint32_t times_found(const hfi_flow *f, uint64_t hash, uint32_t ref) {
    uint32_t times = 0;
    hfi_flow_probe probe = hfi_flow_find(f, hash);
    for (uint32_t r = hfi_flow_next(f, &probe); r != HFI_NONE; r = hfi_flow_next(f, &probe))
        times += r == ref;
    assert_int_equal(hfi_flow_next(f, &probe), HFI_NONE);
    return times;
}

static void a_reference_keeps_its_kind_and_index(void **state) {
    (void)state;
    const hfi_flow_kinds kinds[] = {HFI_FLOW_CONN, HFI_FLOW_SYN, HFI_FLOW_TIME_WAIT,
                                    HFI_FLOW_LISTENER};
    const uint32_t indices[] = {0, 5, HFI_FLOW_CAPACITY_MAX - 1};
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < 3; i++) {
            const uint32_t ref = hfi_flow_ref(kinds[k], indices[i]);
            assert_int_equal(hfi_flow_kind(ref), kinds[k]);
            assert_int_equal(hfi_flow_index(ref), indices[i]);
            assert_int_not_equal(ref, HFI_NONE);
        }
}

static hfi_flow_key key_of(hf_addr local, hf_addr remote, uint16_t local_port,
                           uint16_t remote_port) {
    return (hfi_flow_key){local, remote, local_port, remote_port};
}

/* Changes every byte of a key in turn; each must change the hash. */
static void every_byte_of_a_key_changes_the_hash(void **state) {
    (void)state;
    hfi_flow f = table_of(3);
    const hf_addr six = {{0x20, 1, 0xd, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}};
    const hfi_flow_key keys[] = {key_of(hf_addr4(10, 0, 0, 1), hf_addr4(10, 0, 0, 2), 7000, 49153),
                                 key_of(six, hf_addr4(10, 0, 0, 2), 7000, 49153)};
    for (int k = 0; k < 2; k++) {
        const uint64_t hash = hfi_flow_hash(&f, &keys[k]);
        for (size_t i = 0; i < sizeof(hfi_flow_key); i++) {
            hfi_flow_key other = keys[k];
            ((uint8_t *)&other)[i] ^= 0x10;
            assert_true(hfi_flow_hash(&f, &other) != hash);
        }
        const hfi_flow_key mirrored = key_of(keys[k].remote, keys[k].local, 49153, 7000);
        assert_true(hfi_flow_hash(&f, &mirrored) != hash);
    }
    give_back(&f);
}

static void ipv4_is_hashed_as_two_packed_words(void **state) {
    (void)state;
    hfi_flow f = table_of(3);
    const hfi_flow_key key = key_of(hf_addr4(10, 0, 0, 1), hf_addr4(192, 168, 3, 4), 80, 50000);
    const uint64_t words[2] = {UINT64_C(0x0a000001c0a80304), (UINT64_C(80) << 16) | 50000};
    assert_true(hfi_flow_hash(&f, &key) == hfi_siphash13_words(table_key, words, 2));
    give_back(&f);
}

static void what_is_inserted_is_found_until_it_is_removed(void **state) {
    (void)state;
    hfi_flow f = table_of(4);
    const uint32_t ref = hfi_flow_ref(HFI_FLOW_SYN, 9);
    assert_int_equal(times_found(&f, with_tag(77), ref), 0);
    assert_true(hfi_flow_insert(&f, with_tag(77), ref));
    hfi_flow_prefetch(&f, with_tag(77));
    assert_int_equal(times_found(&f, with_tag(77), ref), 1);
    assert_int_equal(times_found(&f, with_tag(78), ref), 0);
    hfi_flow_remove(&f, with_tag(77), ref);
    assert_int_equal(times_found(&f, with_tag(77), ref), 0);
    assert_int_equal(hfi_flow_count(&f), 0);
    give_back(&f);
}

/* Tags 4 and 5 share a home, so that only the tag tells the two entries from each other. */
static void an_object_can_be_listed_under_two_keys(void **state) {
    (void)state;
    hfi_flow f = table_of(4);
    const uint32_t ref = hfi_flow_ref(HFI_FLOW_LISTENER, 3);
    assert_true(hfi_flow_insert(&f, with_tag(4), ref));
    assert_true(hfi_flow_insert(&f, with_tag(5), ref));
    hfi_flow_remove(&f, with_tag(5), ref);
    assert_int_equal(times_found(&f, with_tag(4), ref), 1);
    assert_int_equal(times_found(&f, with_tag(5), ref), 0);
    give_back(&f);
}

static void a_full_table_refuses_and_still_replaces(void **state) {
    (void)state;
    hfi_flow f = table_of(6);
    for (uint32_t i = 0; i < 6; i++)
        assert_true(hfi_flow_insert(&f, with_tag(i << 29), hfi_flow_ref(HFI_FLOW_CONN, i)));
    assert_false(hfi_flow_insert(&f, with_tag(3), hfi_flow_ref(HFI_FLOW_CONN, 6)));
    const uint32_t conn = hfi_flow_ref(HFI_FLOW_CONN, 4);
    const uint32_t time_wait = hfi_flow_ref(HFI_FLOW_TIME_WAIT, 31);
    hfi_flow_replace(&f, with_tag(4u << 29), conn, time_wait);
    assert_int_equal(times_found(&f, with_tag(4u << 29), conn), 0);
    assert_int_equal(times_found(&f, with_tag(4u << 29), time_wait), 1);
    assert_int_equal(hfi_flow_count(&f), 6);
    hfi_flow_remove(&f, with_tag(4u << 29), time_wait);
    assert_true(hfi_flow_insert(&f, with_tag(3), hfi_flow_ref(HFI_FLOW_CONN, 6)));
    give_back(&f);
}

/* A table of capacity 0 is legal: it holds nothing and finds nothing. */
static void a_table_without_capacity_is_always_full(void **state) {
    (void)state;
    hfi_flow f = table_of(0);
    assert_false(hfi_flow_insert(&f, with_tag(5), hfi_flow_ref(HFI_FLOW_CONN, 1)));
    assert_int_equal(times_found(&f, with_tag(5), hfi_flow_ref(HFI_FLOW_CONN, 1)), 0);
    give_back(&f);
}

/* Every capacity has 3/2 of its slots, 8 bytes each, and no more. */
static void an_entry_costs_twelve_bytes(void **state) {
    (void)state;
    assert_in_range(hfi_flow_bytes(1000000), 12000000, 12000000 + 80);
    if (sizeof(size_t) > 4)
        assert_in_range(hfi_flow_bytes(HFI_FLOW_CAPACITY_MAX) >> 20, 6144, 6145);
}

static void the_block_works_where_it_is_copied_to(void **state) {
    (void)state;
    hfi_flow f = table_of(5), copy;
    const uint32_t ref = hfi_flow_ref(HFI_FLOW_LISTENER, 2);
    hfi_flow_insert(&f, with_tag(1u << 31), ref);
    void *mem = malloc(hfi_flow_bytes(5));
    assert_non_null(mem);
    memcpy(mem, f.block, hfi_flow_bytes(5));
    give_back(&f);
    hfi_flow_attach(&copy, mem, 5);
    assert_int_equal(times_found(&copy, with_tag(1u << 31), ref), 1);
    give_back(&copy);
}

/* ---- Small worlds, in whole: 4 entries in 7 slots, each home in {0, 3, 5, 6}, so that clusters
 * wrap around the end, removed in each order of 24. After each step the rest is found. ---- */

static const uint32_t small_tags[4] = {0, UINT32_C(0x70000000), UINT32_C(0xc0000000),
                                       UINT32_C(0xf0000000)};

static void small_world(uint32_t homes, const int order[4]) {
    hfi_flow f = table_of(4);
    uint64_t hashes[4];
    bool present[4] = {true, true, true, true};
    for (uint32_t i = 0; i < 4; i++) {
        hashes[i] = with_tag(small_tags[(homes >> (2 * i)) & 3]);
        assert_true(hfi_flow_insert(&f, hashes[i], hfi_flow_ref(HFI_FLOW_CONN, i)));
    }
    for (int step = 0; step < 4; step++) {
        hfi_flow_remove(&f, hashes[order[step]],
                        hfi_flow_ref(HFI_FLOW_CONN, (uint32_t)order[step]));
        present[order[step]] = false;
        for (uint32_t i = 0; i < 4; i++)
            assert_int_equal(times_found(&f, hashes[i], hfi_flow_ref(HFI_FLOW_CONN, i)),
                             present[i]);
    }
    give_back(&f);
}

static void every_removal_order_of_every_small_cluster_keeps_the_rest(void **state) {
    (void)state;
    for (uint32_t homes = 0; homes < 256; homes++)
        for (int permutation = 0; permutation < 256; permutation++) {
            const int order[4] = {permutation & 3, permutation >> 2 & 3, permutation >> 4 & 3,
                                  permutation >> 6 & 3};
            if ((1 << order[0] | 1 << order[1] | 1 << order[2] | 1 << order[3]) == 15)
                small_world(homes, order);
        }
}

/* ---- Against a model: the hash of each index, 0 if it is not in the table. ---- */

#define MODEL_INDICES 150u

typedef struct {
    hfi_flow f;
    uint32_t capacity;
    uint32_t count;
    uint32_t refs[MODEL_INDICES];
    uint64_t hashes[MODEL_INDICES];
    uint64_t random;
} model;

static uint32_t model_random(model *m, uint32_t below) {
    m->random = m->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((m->random >> 33) % below);
}

/* Few tags, half of them at the end of the table, so that duplicates and wrap-around are common. */
static uint64_t model_hash(model *m) {
    const uint32_t tag = model_random(m, 40);
    return with_tag(model_random(m, 2) == 0 ? UINT32_MAX - tag : tag * UINT32_C(107374182));
}

static void model_insert(model *m, uint32_t i) {
    const uint64_t hash = model_hash(m);
    const uint32_t ref = hfi_flow_ref(HFI_FLOW_SYN, i);
    assert_int_equal(hfi_flow_insert(&m->f, hash, ref), m->count < m->capacity);
    if (m->count == m->capacity) return;
    m->refs[i] = ref;
    m->hashes[i] = hash;
    m->count++;
}

static void model_change(model *m, uint32_t i) {
    const hfi_flow_kinds kind = (hfi_flow_kinds)(1 + model_random(m, 4));
    const uint32_t old_ref = m->refs[i];
    if (model_random(m, 4) == 0) {
        m->refs[i] = hfi_flow_ref(kind, i);
        hfi_flow_replace(&m->f, m->hashes[i], old_ref, m->refs[i]);
        return;
    }
    hfi_flow_remove(&m->f, m->hashes[i], old_ref);
    m->refs[i] = 0;
    m->count--;
}

/* The walk for an index's hash yields exactly those entries that have its tag. */
static void model_check(const model *m, uint64_t hash) {
    uint32_t walked = 0, expected = 0;
    hfi_flow_probe probe = hfi_flow_find(&m->f, hash);
    for (uint32_t r = hfi_flow_next(&m->f, &probe); r != HFI_NONE;
         r = hfi_flow_next(&m->f, &probe)) {
        const uint32_t i = hfi_flow_index(r);
        assert_true(i < MODEL_INDICES && m->refs[i] == r && m->hashes[i] >> 32 == hash >> 32);
        walked++;
    }
    for (uint32_t i = 0; i < MODEL_INDICES; i++)
        expected += m->refs[i] != 0 && m->hashes[i] >> 32 == hash >> 32;
    assert_int_equal(walked, expected);
    assert_int_equal(hfi_flow_count(&m->f), m->count);
}

static void model_run(uint64_t seed, uint32_t capacity, uint32_t operations) {
    model m = {.f = table_of(capacity), .capacity = capacity, .random = seed};
    for (uint32_t n = 0; n < operations; n++) {
        const uint32_t i = model_random(&m, MODEL_INDICES);
        if (m.refs[i] == 0)
            model_insert(&m, i);
        else
            model_change(&m, i);
        model_check(&m, model_hash(&m));
    }
    for (uint32_t i = 0; i < MODEL_INDICES; i++)
        if (m.refs[i] != 0) model_check(&m, m.hashes[i]);
    give_back(&m.f);
}

static void random_use_agrees_with_a_model_at_every_size(void **state) {
    (void)state;
    for (uint32_t capacity = 1; capacity <= 120; capacity++) model_run(capacity, capacity, 2000);
}

/* Real hashes, full to capacity: probes stay as short as the header says. */
static void a_full_table_of_real_keys_probes_few_slots(void **state) {
    (void)state;
    const uint32_t capacity = 60000;
    hfi_flow f = table_of(capacity);
    for (uint32_t i = 0; i < capacity; i++) {
        const hfi_flow_key key =
            key_of(hf_addr4(10, 0, 0, 1), hf_addr4(10, 1, (uint8_t)(i >> 8), (uint8_t)i), 7000,
                   (uint16_t)(1024 + i % 7));
        assert_true(hfi_flow_insert(&f, hfi_flow_hash(&f, &key), hfi_flow_ref(HFI_FLOW_CONN, i)));
    }
    uint64_t read = 0;
    for (uint32_t i = 0; i < capacity; i++) {
        hfi_flow_probe probe = hfi_flow_find(&f, with_tag(i * 71583u) | 1);
        const uint32_t home = probe.position;
        while (hfi_flow_next(&f, &probe) != HFI_NONE) continue;
        read += 1 + (probe.position >= home ? probe.position - home : 0);
    }
    assert_in_range(read * 10 / capacity, 44, 54);
    give_back(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reference_keeps_its_kind_and_index),
        cmocka_unit_test(every_byte_of_a_key_changes_the_hash),
        cmocka_unit_test(ipv4_is_hashed_as_two_packed_words),
        cmocka_unit_test(what_is_inserted_is_found_until_it_is_removed),
        cmocka_unit_test(an_object_can_be_listed_under_two_keys),
        cmocka_unit_test(a_full_table_refuses_and_still_replaces),
        cmocka_unit_test(a_table_without_capacity_is_always_full),
        cmocka_unit_test(an_entry_costs_twelve_bytes),
        cmocka_unit_test(the_block_works_where_it_is_copied_to),
        cmocka_unit_test(every_removal_order_of_every_small_cluster_keeps_the_rest),
        cmocka_unit_test(random_use_agrees_with_a_model_at_every_size),
        cmocka_unit_test(a_full_table_of_real_keys_probes_few_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
