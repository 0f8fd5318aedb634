/* Index pools: a free list over `count` slots, links kept in the block. Taking and giving are O(1)
 * and last in, first out, so that a warm slot is used again while it is warm. */
#ifndef HFI_POOL_H
#define HFI_POOL_H

#include "base/base.h"

typedef struct hfi_pool {
    hfi_index head;
    uint32_t count;
    uint32_t used;
} hfi_pool;

/* Lays a pool out over `next`, an array of `count` links that lives as long as the pool. */
static inline void hfi_pool_init(hfi_pool *pool, hfi_index *next, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) next[i] = i + 1 < count ? i + 1 : HFI_NONE;
    *pool = (hfi_pool){count > 0 ? 0 : HFI_NONE, count, 0};
}

/* Returns a slot, or HFI_NONE when all are taken. */
static inline hfi_index hfi_pool_take(hfi_pool *pool, hfi_index *next) {
    const hfi_index index = pool->head;
    if (index == HFI_NONE) return HFI_NONE;
    HF_ASSERT(index < pool->count);
    pool->head = next[index];
    next[index] = HFI_NONE;
    pool->used++;
    return index;
}

static inline void hfi_pool_give(hfi_pool *pool, hfi_index *next, hfi_index index) {
    HF_ASSERT(index < pool->count && pool->used > 0);
    next[index] = pool->head;
    pool->head = index;
    pool->used--;
}

static inline uint32_t hfi_pool_left(const hfi_pool *pool) { return pool->count - pool->used; }

#endif
