#include "flow/table.h"

/* One cache line, so that the slots start with a line if the block does. */
struct hfi_flow_block {
    hfi_key key;
    uint32_t capacity;
    uint32_t slot_count;
    uint32_t count;
    uint32_t releases;
    uint32_t unused[8];
};

_Static_assert(sizeof(struct hfi_flow_block) == 64, "the slots start with a cache line");

/* Load at most 2/3, and always one slot empty. */
static uint32_t flow_slot_count(uint32_t capacity) {
    return (uint32_t)((uint64_t)capacity * 3 / 2 + 1);
}

_Static_assert((uint64_t)HFI_FLOW_CAPACITY_MAX * 3 / 2 + 1 < HFI_NONE, "positions are 32 bits");

size_t hfi_flow_bytes(uint32_t capacity) {
    return sizeof(struct hfi_flow_block) +
           (size_t)flow_slot_count(capacity) * sizeof(hfi_flow_slot);
}

void hfi_flow_init(hfi_flow *f, void *mem, uint32_t capacity, hfi_key key) {
    struct hfi_flow_block *block = mem;
    HF_ASSERT((uintptr_t)mem % 8 == 0 && capacity <= HFI_FLOW_CAPACITY_MAX);
    memset(mem, 0, hfi_flow_bytes(capacity));
    block->key = key;
    block->capacity = capacity;
    block->slot_count = flow_slot_count(capacity);
    hfi_flow_attach(f, mem, capacity);
}

void hfi_flow_attach(hfi_flow *f, void *mem, uint32_t capacity) {
    f->block = mem;
    f->slots = (hfi_flow_slot *)(f->block + 1);
    HF_ASSERT(f->block->capacity == capacity);
    (void)capacity;
}

uint32_t hfi_flow_count(const hfi_flow *f) { return f->block->count; }
uint32_t hfi_flow_releases(const hfi_flow *f) { return f->block->releases; }

/* Eight bytes of an address as a number, the same one on every machine. */
static uint64_t flow_word(const uint8_t bytes[8]) {
    uint64_t word = 0;
    for (int i = 0; i < 8; i++) word = word << 8 | bytes[i];
    return word;
}

uint64_t hfi_flow_hash(const hfi_flow *f, const hfi_flow_key *key) {
    const uint64_t ports = (uint64_t)key->local_port << 16 | key->remote_port;
    if (hf_addr_is4(&key->local) && hf_addr_is4(&key->remote))
        return hfi_siphash13_pair(
            f->block->key, (uint64_t)hfi_addr_ip4(&key->local) << 32 | hfi_addr_ip4(&key->remote),
            ports);
    const uint64_t words[5] = {flow_word(key->local.bytes), flow_word(key->local.bytes + 8),
                               flow_word(key->remote.bytes), flow_word(key->remote.bytes + 8),
                               ports};
    return hfi_siphash13_words(f->block->key, words, 5);
}

static uint32_t flow_tag(uint64_t hash) { return (uint32_t)(hash >> 32); }

static uint32_t flow_home(const hfi_flow *f, uint32_t tag) {
    return (uint32_t)((uint64_t)tag * f->block->slot_count >> 32);
}

static uint32_t flow_after(const hfi_flow *f, uint32_t position) {
    return position + 1 < f->block->slot_count ? position + 1 : 0;
}

/* The steps from one position forward to another, across the end. */
static uint32_t flow_distance(const hfi_flow *f, uint32_t from, uint32_t to) {
    return to >= from ? to - from : to + (f->block->slot_count - from);
}

static bool flow_empty(const hfi_flow *f, uint32_t position) {
    return hfi_flow_kind(f->slots[position].ref) == HFI_FLOW_EMPTY;
}

hfi_flow_probe hfi_flow_find(const hfi_flow *f, uint64_t hash) {
    return (hfi_flow_probe){hash, flow_home(f, flow_tag(hash))};
}

uint32_t hfi_flow_next(const hfi_flow *f, hfi_flow_probe *probe) {
    while (!flow_empty(f, probe->position)) {
        const hfi_flow_slot slot = f->slots[probe->position];
        probe->position = flow_after(f, probe->position);
        if (slot.tag == flow_tag(probe->hash)) return slot.ref;
    }
    return HFI_NONE;
}

void hfi_flow_prefetch(const hfi_flow *f, uint64_t hash) {
    __builtin_prefetch(&f->slots[flow_home(f, flow_tag(hash))]);
}

bool hfi_flow_insert(hfi_flow *f, uint64_t hash, uint32_t ref) {
    HF_ASSERT(hfi_flow_kind(ref) != HFI_FLOW_EMPTY);
    if (f->block->count == f->block->capacity) return false;
    uint32_t position = flow_home(f, flow_tag(hash));
    while (!flow_empty(f, position)) position = flow_after(f, position);
    f->slots[position] = (hfi_flow_slot){flow_tag(hash), ref};
    f->block->count++;
    return true;
}

/* Returns where an entry is, HFI_NONE if it is not in the table. */
static uint32_t flow_position(const hfi_flow *f, uint64_t hash, uint32_t ref) {
    uint32_t position = flow_home(f, flow_tag(hash));
    while (!flow_empty(f, position)) {
        const hfi_flow_slot slot = f->slots[position];
        if (slot.ref == ref && slot.tag == flow_tag(hash)) return position;
        position = flow_after(f, position);
    }
    return HFI_NONE;
}

/* Closes a hole: each entry behind it, up to the next empty slot, moves in if its home is not
 * behind the hole, and leaves a hole itself (Knuth, vol. 3, 6.4, algorithm R). */
static void flow_close_hole(hfi_flow *f, uint32_t hole) {
    uint32_t position = flow_after(f, hole);
    while (!flow_empty(f, position)) {
        const uint32_t home = flow_home(f, f->slots[position].tag);
        if (flow_distance(f, home, position) >= flow_distance(f, hole, position)) {
            f->slots[hole] = f->slots[position];
            hole = position;
        }
        position = flow_after(f, position);
    }
    f->slots[hole] = (hfi_flow_slot){0, 0};
}

void hfi_flow_remove(hfi_flow *f, uint64_t hash, uint32_t ref) {
    const uint32_t position = flow_position(f, hash, ref);
    HF_ASSERT(position != HFI_NONE);
    if (position == HFI_NONE) return;
    flow_close_hole(f, position);
    f->block->count--;
    f->block->releases++;
}

void hfi_flow_replace(hfi_flow *f, uint64_t hash, uint32_t old_ref, uint32_t new_ref) {
    const uint32_t position = flow_position(f, hash, old_ref);
    HF_ASSERT(position != HFI_NONE && hfi_flow_kind(new_ref) != HFI_FLOW_EMPTY);
    if (position != HFI_NONE) f->slots[position].ref = new_ref;
    f->block->releases++;
}
