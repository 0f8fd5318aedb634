#include "wire/csum.h"

/* The sum does not depend on byte order as long as words are loaded and the result stored in the
 * same one (RFC 1071 2 B), so the loops add words as the machine loads them, and the result turns
 * at the end. Words of 32 bits in a 64-bit sum need no carry on the way, which lets the compiler
 * use vectors. The engine is compiled freestanding, where only the builtin memcpy is known to be a
 * plain load. */

static inline uint32_t csum_word(const uint8_t *from) {
    uint32_t word;
    __builtin_memcpy(&word, from, sizeof word);
    return word;
}

static uint32_t csum_finish(uint32_t sum, uint64_t total) {
    total = (total & 0xffffffff) + (total >> 32);
    total = (total & 0xffffffff) + (total >> 32);
    uint16_t part = hfi_csum_fold((uint32_t)total);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    part = (uint16_t)((part << 8) | (part >> 8));
#endif
    return hfi_csum_fold(hfi_csum_fold(sum) + (uint32_t)part);
}

uint32_t hfi_csum_add(uint32_t sum, const void *data, size_t bytes) {
    const uint8_t *const from = data;
    const size_t words = bytes / 4;
    uint64_t total = 0;
    for (size_t i = 0; i < words; i++) total += csum_word(from + 4 * i);
    uint8_t tail[4] = {0};
    for (size_t i = 4 * words; i < bytes; i++) tail[i % 4] = from[i];
    return csum_finish(sum, total + csum_word(tail));
}

uint32_t hfi_csum_copy(uint32_t sum, void *restrict to, const void *restrict from, size_t bytes) {
    uint8_t *restrict const out = to;
    const uint8_t *restrict const in = from;
    const size_t words = bytes / 4;
    uint64_t total = 0;
    for (size_t i = 0; i < words; i++) {
        const uint32_t word = csum_word(in + 4 * i);
        __builtin_memcpy(out + 4 * i, &word, sizeof word);
        total += word;
    }
    uint8_t tail[4] = {0};
    for (size_t i = 4 * words; i < bytes; i++) out[i] = tail[i % 4] = in[i];
    return csum_finish(sum, total + csum_word(tail));
}
