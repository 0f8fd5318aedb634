/* Routines for the Internet checksum (RFC 1071), as a table that hf_config.csum may point to: a machine
 * has better ones than the portable C that the engine brings along. The engine asks no machine what it
 * can do, so the caller chooses; hf_csum_best, of the drivers, does. */
#ifndef HF_CSUM_H
#define HF_CSUM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Sums are of 16-bit words in network order, folded to at most 0xffff; `sum` may be unfolded. An odd last
 * byte counts as if a zero followed. */
typedef struct hf_csum {
    const char *name;
    uint32_t (*add)(uint32_t sum, const void *data, size_t bytes); /* borrows data */
    /* Copies and adds in one pass; the two regions do not overlap. Borrows both. */
    uint32_t (*copy)(uint32_t sum, void *to, const void *from, size_t bytes);
} hf_csum;

/* The engine's own, in portable C: what it uses without a table. */
uint32_t hf_csum_add(uint32_t sum, const void *data, size_t bytes);
uint32_t hf_csum_copy(uint32_t sum, void *to, const void *from, size_t bytes);

/* The best that this machine can: AVX2's where it is, else the engine's own. Lives for ever. Of the
 * drivers, not of the engine. */
const hf_csum *hf_csum_best(void);

#ifdef __cplusplus
}
#endif
#endif
