#include "wire/csum.h"

/* The sum does not depend on byte order as long as words are loaded and the result stored in the
 * same one (RFC 1071 2 B), so the loops add words as the machine loads them, and the result turns
 * at the end. Words of 32 bits in a 64-bit sum need no carry on the way, which lets the compiler
 * use vectors. The engine is compiled freestanding, where only the builtin memcpy is known to be a
 * plain load. */

#define CSUM_SHORT_BYTES 160

static inline uint32_t csum_word(const uint8_t *from) {
    uint32_t word;
    __builtin_memcpy(&word, from, sizeof word);
    return word;
}

static uint32_t csum_finish(uint32_t sum, uint64_t total) {
    total = (total & 0xffffffff) + (total >> 32);
    total = (total & 0xffffffff) + (total >> 32);
    uint32_t part = hfi_csum_fold((uint32_t)total);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    part = (part & 0xff) << 8 | part >> 8;
#endif
    /* Most parts start with nothing: then there is nothing to fold. */
    return sum == 0 ? part : hfi_csum_fold(hfi_csum_fold(sum) + part);
}

/* Headers and small messages: the vector loop's beginning and end would cost more than the sum. */
static inline uint64_t csum_short(const uint8_t *from, size_t bytes) {
    uint64_t total = 0;
    for (; bytes >= 8; from += 8, bytes -= 8) {
        uint64_t pair;
        __builtin_memcpy(&pair, from, sizeof pair);
        total += (pair & 0xffffffff) + (pair >> 32);
    }
    if ((bytes & 4) != 0) total += csum_word(from), from += 4;
    uint8_t tail[4] = {0};
    for (size_t i = 0; i < (bytes & 3); i++) tail[i] = from[i];
    return total + csum_word(tail);
}

uint32_t hfi_csum_add(uint32_t sum, const void *data, size_t bytes) {
    const uint8_t *const from = data;
    if (bytes < CSUM_SHORT_BYTES) return csum_finish(sum, csum_short(from, bytes));
    const size_t words = bytes / 4;
    uint64_t total = 0;
    for (size_t i = 0; i < words; i++) total += csum_word(from + 4 * i);
    return csum_finish(sum, total + csum_short(from + 4 * words, bytes % 4));
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
