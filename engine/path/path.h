/* path: what is known about the way to one destination: next hop, MTU, round-trip time.
 *
 * A bounded table. Only connections create an entry, by hfi_path_take, and hold a reference;
 * nothing that arrives from the network does, so a flood of forged packets or ICMP errors fills
 * nothing. An entry nobody holds stays, last used first, and makes way when a slot is needed: a
 * second connection to the same host starts with what the first one learned.
 *
 *     hash ---> entry <--- hash_next          idle list:  last given [ ][ ][ ] <- evicted first
 *                 ^ refs from connections
 *
 * The next hop is remembered with the generation of the route table that gave it, and asked again
 * when routes have changed since.
 *
 * Path MTU (RFC 1191, RFC 8201): a report lowers it, never below a floor, never raises it. It is
 * believed for 10 minutes, then the link's MTU is tried again (RFC 1191 6.3, RFC 8201 4). Whether a
 * report answers a packet of ours is the caller's to check first (RFC 5927 7).
 *
 * Cost: 104 bytes a path and 4 to 8 for its place in the hash.
 */
#ifndef HFI_PATH_H
#define HFI_PATH_H

#include "ip/ip.h"

/* RFC 1191 6.3. */
#define HFI_PATH_MTU_AGE_NS (600 * HF_SECOND)

/* The smallest MTU believed of an IPv4 path. RFC 791 allows 68, but no link of today needs less
 * than 552, and small segments are a known attack on the sender (CVE-2019-11479). Linux has the
 * same floor. */
#define HFI_PATH_MTU4_FLOOR 552u

/* In the block. */
typedef struct hfi_path {
    hf_addr addr;
    hfi_next_hop hop;
    uint32_t route_generation; /* of the routes that gave the hop */
    hfi_index neighbor;        /* where the hop was found last; a hint, to be verified */
    uint32_t mtu;              /* reported, or 0 */
    hf_ns mtu_until_ns;        /* 64 bits: a connection may sleep longer than a tick stamp lasts */
    hfi_us32 srtt_us, rttvar_us; /* of the last connection that had a sample; 0 if none */
    uint32_t ssthresh_bytes;     /* as it left it; 0 if none */
    hf_addr trouble_from;        /* who sent the last ICMP error that a connection here believed */
    uint32_t refs;
    hfi_index hash_next;    /* of a free slot: the next free one */
    hfi_index newer, older; /* in the idle list */
} hfi_path;

/* In the block. */
typedef struct hfi_path_state {
    hfi_key key;
    hfi_index free;
    hfi_index newest, oldest; /* idle entries */
    uint32_t count;           /* entries in the hash */
} hfi_path_state;

typedef struct hfi_paths {
    hfi_path_state *state;
    hfi_path *paths;
    hfi_index *heads;
    uint32_t max, head_mask;
} hfi_paths;

size_t hfi_path_bytes(const hf_config *config);
void hfi_path_attach(hfi_paths *paths, void *mem, const hf_config *config);
void hfi_path_init(hfi_paths *paths, const hf_config *config);

/* A path to addr, found or made, with one reference; give it back by hfi_path_give. HFI_NONE if no
 * route leads there or every slot is held. */
hfi_index hfi_path_take(hfi_paths *paths, const hfi_ip *ip, const hf_addr *addr);
void hfi_path_give(hfi_paths *paths, hfi_index index);

/* The path to addr if there is one, or HFI_NONE. Takes no reference. */
hfi_index hfi_path_find(const hfi_paths *paths, const hf_addr *addr);

/* The next hop as the routes of now have it. Lends it until the next call. NULL when no route is
 * left. */
const hfi_next_hop *hfi_path_hop(hfi_paths *paths, const hfi_ip *ip, hfi_index index);

/* Bytes of the largest IP packet for this path now. */
uint32_t hfi_path_mtu(const hfi_paths *paths, const hfi_ip *ip, hfi_index index, hf_ns now_ns);

/* What a router's report that packets to addr may have `mtu` bytes at most would make of the path's
 * MTU; 0 if it is not to be believed. At most the present MTU: another connection may not have
 * heard yet. A report of 0 means that the router did not say (routers older than RFC 1191): then it
 * is the next plateau below. Changes nothing. */
uint32_t hfi_path_report(const hfi_paths *paths, const hfi_ip *ip, const hf_addr *addr,
                         uint32_t mtu, hf_ns now_ns);

/* Believes such a report. True if the path's MTU fell. */
bool hfi_path_too_big(hfi_paths *paths, const hfi_ip *ip, const hf_addr *addr, uint32_t mtu,
                      hf_ns now_ns);

/* What a connection leaves to the next one. */
void hfi_path_metrics_set(hfi_paths *paths, hfi_index index, hfi_us32 srtt_us, hfi_us32 rttvar_us,
                          uint32_t ssthresh_bytes);

#endif
