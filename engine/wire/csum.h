/* The Internet checksum, RFC 1071: the one's-complement sum of 16-bit words, complemented.
 *
 * A partial sum is a uint32_t in host order. Every function here returns it folded (at most
 * 0xffff), so that sums of parts can be added with `+`, up to 65,536 of them; functions that take
 * one take it folded or not. A part that starts at an odd offset of the whole goes through
 * hfi_csum_swap first:
 *
 *     whole = | 3 bytes of header | payload of n bytes |
 *     sum   = add(0, header, 3) + swap(add(0, payload, n))
 *
 * The sum of anything but zeros is never 0 (it is 0xffff where arithmetic would say 0), and a
 * packet whose checksum is right sums to 0xffff. */
#ifndef HFI_WIRE_CSUM_H
#define HFI_WIRE_CSUM_H

#include "wire/bytes.h"

/* Adds `bytes` bytes that lie at an even offset of what is summed, at most 2^34 of them; an odd
 * last byte counts as if a zero followed. Borrows data. */
uint32_t hfi_csum_add(uint32_t sum, const void *data, size_t bytes);

/* Copies `bytes` bytes and adds them, in one pass over memory. Borrows both, which do not overlap.
 */
uint32_t hfi_csum_copy(uint32_t sum, void *to, const void *from, size_t bytes);

/* Folds a partial sum to 16 bits, not complemented, in host order: store it with hfi_put16. */
static inline uint16_t hfi_csum_fold(uint32_t sum) {
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* Turns the sum of a part that starts at an odd offset into what it adds to the whole (RFC 1071 2
 * B). */
static inline uint32_t hfi_csum_swap(uint32_t sum) {
    const uint16_t folded = hfi_csum_fold(sum);
    return (uint16_t)((folded << 8) | (folded >> 8));
}

/* Stores the checksum of all that `sum` holds at `at`, a checksum field that was summed as zero. */
static inline void hfi_csum_store(uint8_t *at, uint32_t sum) {
    hfi_store16(at, (uint16_t)~hfi_csum_fold(sum));
}

/* True if the sum of a packet, checksum field and pseudo-header included, says that it is whole. */
static inline bool hfi_csum_good(uint32_t sum) { return hfi_csum_fold(sum) == 0xffff; }

#endif
