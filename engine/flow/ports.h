/* Ephemeral ports for active opens, RFC 6056 3.3.4, "double-hash port selection" (algorithm 4).
 *
 *     port = low + (F(local, remote, remote port) + counter[G(the same)] + attempt) mod range
 *
 * F gives each destination a start of its own that an attacker off the path cannot guess; the
 * counter makes the next connection to it take the next port, so that one port is reused as late as
 * possible (RFC 6056 2.3: a collision with the peer's TIME_WAIT). G spreads destinations over 16
 * counters, so that watching one destination's ports tells little about how often others are
 * opened.
 *
 * The attempts 0 to hfi_ports_count()-1 name each port of the range once, so this many are the
 * bound; each costs one SipHash-2-4 of 34 bytes and, at the caller, one probe of the flow table.
 * After a success the caller commits the attempt. Departs from RFC 6056 3.3.4 in form only: there
 * the counter moves within the loop, here candidates change nothing, so that a caller may ask and
 * not take.
 *
 * Limit: 16 counters, 64 bytes. RFC 6056 3.3.4 leaves the table's length open.
 */
#ifndef HFI_FLOW_PORTS_H
#define HFI_FLOW_PORTS_H

#include "base/base.h"
#include "base/hash.h"

#define HFI_PORTS_COUNTERS 16

/* Lies in the block. */
typedef struct hfi_ports {
    hfi_key key;
    uint16_t low, high;
    uint32_t counters[HFI_PORTS_COUNTERS];
} hfi_ports;

/* Sets the range, low to high with both, and starts the counters from the key. Low is not 0. */
void hfi_ports_init(hfi_ports *p, hfi_key key, uint16_t low, uint16_t high);

/* The ports in the range: the bound of attempts. */
uint32_t hfi_ports_count(const hfi_ports *p);

/* Returns the attempt-th candidate for a destination. Borrows the addresses; changes nothing. */
uint16_t hfi_ports_candidate(hfi_ports *p, const hf_addr *local, const hf_addr *remote,
                             uint16_t remote_port, uint32_t attempt);

/* Tells that the attempt-th candidate was taken: the next search starts behind it. */
void hfi_ports_commit(hfi_ports *p, const hf_addr *local, const hf_addr *remote,
                      uint16_t remote_port, uint32_t attempt);

#endif
