/* flow: which object a segment belongs to. One table finds connections, SYN entries, TIME_WAIT
 * entries and listeners, and it is the only way to find any of them.
 *
 * Open addressing, linear probing. A slot holds 8 bytes: a tag, the upper half of the key's hash,
 * and a reference, the kind and the index of an object. Keys stay in the objects: the table yields
 * each reference whose tag matches, the caller compares the full key. A wrong one comes once in
 * 2^32.
 *
 *     hash 64 bits        slot            home of a tag = tag * slot_count / 2^32
 *     [  tag  | ... ]     [tag | ref]
 *                               ref: [kind 3 | index 29]      kind 0: the slot is empty
 *
 *     slots   [    ][A 1 ][B 1 ][C 2 ][    ]     (home after the name)
 *     remove A:     [B 1 ][C 2 ][    ]           what follows moves back, no tombstones
 *
 * The tag alone tells a slot's home at any size up to 2^32 slots, so moving back needs no key; and
 * it needs no power of two, so the size follows the capacity exactly.
 *
 * Invariants:
 *   - Between the home of an entry and the entry no slot is empty, else a probe would miss it.
 *   - At least a third of the slots are empty, so that every probe ends.
 *
 * Memory: 64 bytes, and 3/2 slots of 8 bytes for each entry of the capacity, so 12 bytes an entry:
 * with that an IPv4 TIME_WAIT entry of 36 bytes stays at 48. Full to capacity (load 2/3) a probe
 * that finds nothing reads 5 slots on average, one that finds reads 2 (Knuth, vol. 3, 6.4): a cache
 * line at most. The hash is keyed, so nobody who does not know the key can choose addresses and
 * ports that collide.
 */
#ifndef HFI_FLOW_TABLE_H
#define HFI_FLOW_TABLE_H

#include "base/base.h"
#include "base/hash.h"

#define HFI_FLOW_INDEX_BITS 29
#define HFI_FLOW_CAPACITY_MAX (UINT32_C(1) << HFI_FLOW_INDEX_BITS)

/* What a reference refers to. */
typedef enum hfi_flow_kinds {
    HFI_FLOW_EMPTY = 0, /* a slot's mark, never in a reference */
    HFI_FLOW_CONN = 1,
    HFI_FLOW_SYN = 2,
    HFI_FLOW_TIME_WAIT = 3,
    HFI_FLOW_LISTENER = 4
} hfi_flow_kinds;

static inline uint32_t hfi_flow_ref(hfi_flow_kinds kind, uint32_t index) {
    HF_ASSERT(kind >= HFI_FLOW_CONN && kind <= HFI_FLOW_LISTENER && index < HFI_FLOW_CAPACITY_MAX);
    return ((uint32_t)kind << HFI_FLOW_INDEX_BITS) | index;
}
static inline hfi_flow_kinds hfi_flow_kind(uint32_t ref) {
    return (hfi_flow_kinds)(ref >> HFI_FLOW_INDEX_BITS);
}
static inline uint32_t hfi_flow_index(uint32_t ref) { return ref & (HFI_FLOW_CAPACITY_MAX - 1); }

/* Whose segment. A listener has the remote address and port 0, and any address as local if it
 * listens on all. */
typedef struct hfi_flow_key {
    hf_addr local, remote;
    uint16_t local_port, remote_port;
} hfi_flow_key;

typedef struct hfi_flow_slot {
    uint32_t tag;
    uint32_t ref;
} hfi_flow_slot;

_Static_assert(sizeof(hfi_flow_slot) == 8, "the memory plan counts 8 bytes a slot");

/* The handle, outside the block: where the block is mapped. */
typedef struct hfi_flow {
    struct hfi_flow_block *block;
    hfi_flow_slot *slots;
} hfi_flow;

/* The bytes of a table for `capacity` entries, at most HFI_FLOW_CAPACITY_MAX. */
size_t hfi_flow_bytes(uint32_t capacity);

/* Lays an empty table out in mem, aligned to 8 bytes, better to 64: then slots do not straddle
 * cache lines. Links mem until the table is not used any more. */
void hfi_flow_init(hfi_flow *f, void *mem, uint32_t capacity, hfi_key key);

/* Makes f a handle to a table laid out already: the same block copied, or mapped elsewhere. */
void hfi_flow_attach(hfi_flow *f, void *mem, uint32_t capacity);

/* The hash of a key, SipHash-1-3 over two words if both addresses are IPv4, else over five. Borrows
 * key. */
uint64_t hfi_flow_hash(const hfi_flow *f, const hfi_flow_key *key);

/* The entries in the table. */
uint32_t hfi_flow_count(const hfi_flow *f);

/* How often a key was freed, or went to another object, ever: while it stands still, what was taken
 * is taken. */
uint32_t hfi_flow_releases(const hfi_flow *f);

/* A walk over the entries that may be the wanted one. Any insert or remove ends it. */
typedef struct hfi_flow_probe {
    uint64_t hash;
    uint32_t position;
} hfi_flow_probe;

/* Starts a walk. */
hfi_flow_probe hfi_flow_find(const hfi_flow *f, uint64_t hash);

/* Returns the next reference whose tag matches, or HFI_NONE, then and from then on. The caller
 * compares the full key. */
uint32_t hfi_flow_next(const hfi_flow *f, hfi_flow_probe *probe);

/* Fetches the cache line in which the walk for hash starts: for a batch, before the first find. */
void hfi_flow_prefetch(const hfi_flow *f, uint64_t hash);

/* Adds an entry; equal keys are the caller's to prevent. Returns false when the table is full. */
bool hfi_flow_insert(hfi_flow *f, uint64_t hash, uint32_t ref);

/* Removes an entry that is present. */
void hfi_flow_remove(hfi_flow *f, uint64_t hash, uint32_t ref);

/* Makes a present entry refer to another object with the same key, in its place: a SYN entry
 * becomes a connection, a connection becomes TIME_WAIT. Cannot fail, even if the table is full. */
void hfi_flow_replace(hfi_flow *f, uint64_t hash, uint32_t old_ref, uint32_t new_ref);

#endif
