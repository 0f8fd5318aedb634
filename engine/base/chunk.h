/* Chunks: the payload buffers of the data region, `chunk_bytes` each, kept in chains.
 *
 * A byte of a stream lies at a fixed place: chunk number = offset >> shift, place in the chunk =
 * offset & (bytes - 1), where offset counts from the stream's first sequence number. A chain is a
 * list of chunks in order of their numbers, with holes where nothing has arrived. So out-of-order
 * data is written once, where it belongs, and never moved; a hole costs nothing; and the memory of
 * a connection is bounded by its window, rounded to chunks.
 *
 *     offset    0          4096        8192        12288
 *     chain     [chunk 7 #0]-[chunk 2 #1]----------[chunk 9 #3]
 *     ranges     ^^^^^^^^^^^^^^^^^^^^^^              ^^^^^
 *
 * Four arrays lie in the block (links, numbers, references, owners), the bytes in the data region. A
 * reference keeps a chunk alive while a frame that a driver holds points into it. */
#ifndef HFI_CHUNK_H
#define HFI_CHUNK_H

#include "base/pool.h"

typedef struct hfi_chunks {
    uint8_t *bytes;   /* data region */
    hfi_index *next;  /* chain, or free list */
    uint32_t *number; /* of the chunk in its chain */
    uint16_t *references;
    uint8_t *owner; /* whose it is: an index of `held` (conn/owner.h) */
    uint32_t *held; /* chunks by owner: their sum is what the pool has given */
    hfi_pool *pool;
    uint32_t shift; /* log2 of the chunk's size */
} hfi_chunks;

static inline uint32_t hfi_chunk_bytes(const hfi_chunks *chunks) { return 1u << chunks->shift; }
static inline uint32_t hfi_chunk_number(const hfi_chunks *chunks, uint32_t offset) {
    return offset >> chunks->shift;
}
/* True if number a comes before b. Numbers go round with the 32-bit offset, every 4 GiB. */
static inline bool hfi_chunk_before(const hfi_chunks *chunks, uint32_t a, uint32_t b) {
    return (int32_t)((a - b) << chunks->shift) < 0;
}
static inline uint8_t *hfi_chunk_at(const hfi_chunks *chunks, hfi_index chunk, uint32_t offset) {
    return chunks->bytes + ((size_t)chunk << chunks->shift) +
           (offset & (hfi_chunk_bytes(chunks) - 1));
}

/* Bytes from `offset` to the end of its chunk. */
static inline uint32_t hfi_chunk_room(const hfi_chunks *chunks, uint32_t offset) {
    return hfi_chunk_bytes(chunks) - (offset & (hfi_chunk_bytes(chunks) - 1));
}

/* Takes a chunk with one reference for an owner, or HFI_NONE. */
static inline hfi_index hfi_chunk_take(hfi_chunks *chunks, uint32_t number, uint32_t owner) {
    const hfi_index chunk = hfi_pool_take(chunks->pool, chunks->next);
    if (chunk == HFI_NONE) return HFI_NONE;
    chunks->number[chunk] = number;
    chunks->references[chunk] = 1;
    chunks->owner[chunk] = (uint8_t)owner;
    chunks->held[owner]++;
    return chunk;
}

static inline void hfi_chunk_hold(hfi_chunks *chunks, hfi_index chunk) {
    HF_ASSERT(chunks->references[chunk] > 0 && chunks->references[chunk] < UINT16_MAX);
    chunks->references[chunk]++;
}

/* Drops a reference; the last one frees the chunk. Its link must not be needed any more. */
static inline void hfi_chunk_drop(hfi_chunks *chunks, hfi_index chunk) {
    HF_ASSERT(chunks->references[chunk] > 0);
    if (--chunks->references[chunk] > 0) return;
    HF_ASSERT(chunks->held[chunks->owner[chunk]] > 0);
    chunks->held[chunks->owner[chunk]]--;
    hfi_pool_give(chunks->pool, chunks->next, chunk);
}

/* The chunk of a chain that holds `number`, walking from `from` (whose number is not above it). */
static inline hfi_index hfi_chunk_find(const hfi_chunks *chunks, hfi_index from, uint32_t number) {
    hfi_index chunk = from;
    while (chunk != HFI_NONE && chunks->number[chunk] != number) chunk = chunks->next[chunk];
    return chunk;
}

#endif
