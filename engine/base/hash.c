#include "base/hash.h"

typedef struct {
    uint64_t v0, v1, v2, v3;
} sip_state;

static inline uint64_t rotate_left(uint64_t v, int bits) {
    return (v << bits) | (v >> (64 - bits));
}

static inline void sip_round(sip_state *s) {
    s->v0 += s->v1;
    s->v1 = rotate_left(s->v1, 13) ^ s->v0;
    s->v0 = rotate_left(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate_left(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate_left(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate_left(s->v1, 17) ^ s->v2;
    s->v2 = rotate_left(s->v2, 32);
}

static inline sip_state sip_start(hfi_key key) {
    return (sip_state){key.k0 ^ UINT64_C(0x736f6d6570736575), key.k1 ^ UINT64_C(0x646f72616e646f6d),
                       key.k0 ^ UINT64_C(0x6c7967656e657261),
                       key.k1 ^ UINT64_C(0x7465646279746573)};
}

static inline void sip_word(sip_state *s, uint64_t word, int rounds) {
    s->v3 ^= word;
    for (int i = 0; i < rounds; i++) sip_round(s);
    s->v0 ^= word;
}

static inline uint64_t sip_finish(sip_state *s, int rounds) {
    s->v2 ^= 0xff;
    for (int i = 0; i < rounds; i++) sip_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

static uint64_t load_le(const uint8_t *data, size_t bytes) {
    uint64_t word = 0;
    for (size_t i = 0; i < bytes; i++) word |= (uint64_t)data[i] << (8 * i);
    return word;
}

uint64_t hfi_siphash24(hfi_key key, const void *data, size_t bytes) {
    const uint8_t *at = data;
    sip_state s = sip_start(key);
    size_t left = bytes;
    for (; left >= 8; left -= 8, at += 8) sip_word(&s, load_le(at, 8), 2);
    sip_word(&s, load_le(at, left) | (uint64_t)(bytes & 0xff) << 56, 2);
    return sip_finish(&s, 4);
}

uint64_t hfi_siphash13_pair(hfi_key key, uint64_t first, uint64_t second) {
    sip_state s = sip_start(key);
    sip_word(&s, first, 1);
    sip_word(&s, second, 1);
    sip_word(&s, UINT64_C(16) << 56, 1);
    return sip_finish(&s, 3);
}

uint64_t hfi_siphash13_words(hfi_key key, const uint64_t *words, size_t count) {
    sip_state s = sip_start(key);
    for (size_t i = 0; i < count; i++) sip_word(&s, words[i], 1);
    sip_word(&s, (uint64_t)(count * 8 & 0xff) << 56, 1);
    return sip_finish(&s, 3);
}

hfi_key hfi_key_derive(const uint8_t seed[32], const char *label, size_t label_bytes) {
    const hfi_key low = {load_le(seed, 8), load_le(seed + 8, 8)};
    const hfi_key high = {load_le(seed + 16, 8), load_le(seed + 24, 8)};
    const uint64_t a = hfi_siphash24(low, label, label_bytes);
    const uint64_t b = hfi_siphash24(high, label, label_bytes);
    return (hfi_key){a ^ rotate_left(b, 32), b + rotate_left(a, 17)};
}
