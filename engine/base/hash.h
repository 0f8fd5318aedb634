/* SipHash (Aumasson and Bernstein, 2012), the one keyed function of the engine. SipHash-2-4 makes
 * keys, ISNs and cookies; SipHash-1-3 indexes tables, where an attacker sees no output. */
#ifndef HFI_HASH_H
#define HFI_HASH_H

#include "base/base.h"

typedef struct hfi_key {
    uint64_t k0, k1;
} hfi_key;

/* SipHash-2-4 of `bytes` bytes. Borrows data. */
uint64_t hfi_siphash24(hfi_key key, const void *data, size_t bytes);

/* SipHash-1-3 of `count` 64-bit words, for tables. Borrows words. */
uint64_t hfi_siphash13_words(hfi_key key, const uint64_t *words, size_t count);

/* The same of two words, without a loop: each segment over IPv4 is looked up by one. */
uint64_t hfi_siphash13_pair(hfi_key key, uint64_t first, uint64_t second);

/* The key for one purpose, from the caller's 32-byte seed: SipHash-2-4 of the label under each half
 * of the seed. Two labels give keys that tell nothing of each other. */
hfi_key hfi_key_derive(const uint8_t seed[32], const char *label, size_t label_bytes);

#endif
