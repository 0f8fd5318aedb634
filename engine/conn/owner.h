/* Owners: who holds connections and buffers. A peer's IPv4 address, or the /64 of its IPv6 address, since a host
 * has as many addresses of that as it likes.
 *
 *     row 0              OTHER: whoever found no row
 *     rows 1 to owners   sets of four; an owner has its row in the set that a keyed hash names
 *
 * A row is an owner's while it holds a connection or a chunk, then anybody's. A connection gets its row when it
 * begins, and each connection and each chunk remembers it, so that the rows add up to the pools whatever happens.
 * Cost: 32 bytes a row, a byte a connection and a byte a chunk.
 *
 * Shares (config.owner_conns, owner_rx_chunks, owner_tx_chunks) are the most that a row may hold; OTHER may hold
 * config.other_shares of them. What is beyond is refused at once, whatever the pools have left. */
#ifndef HFI_OWNER_H
#define HFI_OWNER_H

#include "base/base.h"

#define HFI_OWNER_WAYS 4u
#define HFI_OWNERS_MAX 252u /* a chunk remembers its row in a byte */

/* Where the table is mapped. */
typedef struct hfi_owners {
    hf_addr *prefix;
    uint32_t *rx, *tx; /* chunks */
    uint32_t *conns;   /* connections, ended ones too until they are released */
    uint32_t *refused; /* handshakes and segments with data, for its share, since it has the row */
    uint8_t *of_conn;  /* the row of each connection */
    uint32_t sets;
} hfi_owners;

static inline uint32_t hfi_owner_rows(const hfi_owners *owners) {
    return 1 + owners->sets * HFI_OWNER_WAYS;
}

static inline bool hfi_owner_holds(const hfi_owners *owners, uint32_t row) {
    return owners->conns[row] + owners->rx[row] + owners->tx[row] > 0;
}

/* The address as an owner: of IPv6 the first 64 bits. */
static inline hf_addr hfi_owner_prefix(const hf_addr *addr) {
    hf_addr prefix = *addr;
    if (!hf_addr_is4(addr)) memset(prefix.bytes + 8, 0, 8);
    return prefix;
}

#endif
