/* reassembly: fragments of IPv4 (RFC 791 3.2) and IPv6 (RFC 8200 4.5) put together.
 *
 * A bounded pool of slots, each with a buffer for one packet, found by a keyed hash of (source,
 * destination, id, protocol), and in a list by age. The oldest gives way when a slot is needed, so
 * a flood of first fragments (CVE-2018-5391) costs the same for each, and no memory. Within a slot
 * the received parts are ranges, sorted and merged, at most HFI_REASSEMBLY_RANGES of them:
 *
 *     buffer   | room for a header |####### 0..1,480 #######|          |## 2,960.. ##|
 *     ranges   {0, 1480} {2960, 3500}      the last fragment says the length
 *
 * Rules, stricter than the RFCs where hosts have been fooled:
 *   - Overlap drops the whole packet, and what is still to come of it (RFC 5722 4): the slot stays,
 * marked, until it ages out. A fragment whose bytes have all come before, equal, is a duplicate and
 * ignored.
 *   - A fragment that says another length than the last one did, or reaches beyond it: as overlap.
 *   - A first fragment must hold the whole transport header (RFC 1858 3, RFC 7112 5), TCP options
 * included.
 *   - IPv6 extension headers behind the fragment header: dropped.
 *   - More than HFI_REASSEMBLY_RANGES gaps, or more than reassembly_bytes: as overlap.
 *
 * Packets are forgotten 30 s (IPv4, as Linux; departs from RFC 1122 3.3.2's 60 s, since ids of IPv4
 * come again soon: RFC 4963) or 60 s (IPv6) after their first fragment. No timer runs: an old slot
 * is seen as old when a fragment meets it, and is the first to give way. ICMP "time exceeded" is
 * not sent.
 *
 * Cost: 200 + 40 + reassembly_bytes a packet and 4 to 8 for its place in the hash: 16 packets of
 * 9,000 bytes take 148 KB. A fragment costs one hash lookup, one walk of at most 32 ranges, one
 * copy of its bytes.
 */
#ifndef HFI_IP_REASSEMBLY_H
#define HFI_IP_REASSEMBLY_H

#include "base/hash.h"
#include "wire/ip.h"
#include <hf/config.h>
#include <hf/frame.h>

#define HFI_REASSEMBLY_RANGES 32u
#define HFI_REASSEMBLY4_AGE_NS (30 * HF_SECOND)
#define HFI_REASSEMBLY6_AGE_NS (60 * HF_SECOND)

/* Before the payload: the largest base header, so that a complete packet is contiguous with its
 * own. */
#define HFI_REASSEMBLY_HEADROOM 40u

typedef struct hfi_range16 {
    uint16_t start, end; /* the end is not included; both are below 65,536 since a part is */
} hfi_range16;

/* In the block. */
typedef struct hfi_reassembly_slot {
    hf_addr source, destination;
    hf_ns started_at_ns;
    uint32_t id;
    uint32_t payload_bytes; /* 0 until the last fragment has come */
    hfi_index hash_next;    /* of a free slot: the next free one */
    hfi_index newer, older;
    uint8_t protocol, ttl, traffic_class;
    bool poisoned; /* whatever comes of this packet is dropped */
    uint16_t range_count;
    hfi_range16 ranges[HFI_REASSEMBLY_RANGES];
} hfi_reassembly_slot;

/* In the block. */
typedef struct hfi_reassembly_state {
    hfi_key key;
    hfi_index free, newest, oldest;
    uint32_t used;
    uint64_t evicted; /* incomplete packets that gave way; the caller turns it into causes */
} hfi_reassembly_state;

typedef struct hfi_reassembly {
    hfi_reassembly_state *state;
    hfi_reassembly_slot *slots;
    hfi_index *heads;
    uint8_t *buffers;
    uint32_t max, head_mask, payload_max, buffer_stride;
} hfi_reassembly;

size_t hfi_reassembly_bytes(const hf_config *config);
void hfi_reassembly_attach(hfi_reassembly *reassembly, void *mem, const hf_config *config);
void hfi_reassembly_init(hfi_reassembly *reassembly, const hf_config *config);

/* A packet with base header and payload, contiguous, ready to be parsed like one that came whole.
 */
typedef struct hfi_whole_packet {
    const uint8_t *packet;
    uint32_t bytes;
} hfi_whole_packet;

/* Takes the fragment that `view` tells of; its payload starts view->header_bytes into the packet,
 * which starts packet_at bytes into the parts. Borrows all. Returns HF_CAUSE_NONE when the packet
 * is complete: *ret_whole lends it until the next call. Else TOOK_FRAGMENT, DROP_FRAGMENT,
 * DROP_FRAGMENT_OVERLAP or DROP_FRAGMENT_EVICTED (no slots at all). */
hf_cause hfi_reassembly_add(hfi_reassembly *reassembly, const hfi_ip_view *view,
                            const hf_part *parts, uint32_t part_count, uint32_t packet_at,
                            hf_ns now_ns, hfi_whole_packet *ret_whole);

#endif
