/* Owners: who holds the buffers. A peer's IPv4 address, or the /64 of its IPv6 address, since a host
 * has as many addresses of that as it likes.
 *
 *     row 0              OTHER: whoever found no row, and frames of no connection
 *     rows 1 to owners   sets of four; an owner has its row in the set that a keyed hash names
 *
 * A row is an owner's while it holds a chunk, then anybody's. Each chunk remembers its row, so that
 * the rows add up to the pools whatever happens. Cost: 24 bytes a row and a byte a chunk. */
#ifndef HFI_OWNER_H
#define HFI_OWNER_H

#include "base/base.h"

#define HFI_OWNER_WAYS 4u
#define HFI_OWNERS_MAX 252u /* a chunk remembers its row in a byte */

/* Where the table is mapped. */
typedef struct hfi_owners {
    hf_addr *prefix;
    uint32_t *rx, *tx; /* chunks */
    uint32_t sets;
} hfi_owners;

static inline uint32_t hfi_owner_rows(const hfi_owners *owners) {
    return 1 + owners->sets * HFI_OWNER_WAYS;
}

/* The address as an owner: of IPv6 the first 64 bits. */
static inline hf_addr hfi_owner_prefix(const hf_addr *addr) {
    hf_addr prefix = *addr;
    if (!hf_addr_is4(addr)) memset(prefix.bytes + 8, 0, 8);
    return prefix;
}

#endif
