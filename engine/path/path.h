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
 * Path MTU (mtu.c). A router's report lowers it (RFC 1191, RFC 8201), and so does a black hole: large
 * packets vanish without a word, and a small one has got through (RFC 4821 7.7, RFC 8899 4.3). Never
 * below a floor. Whether a report answers a packet of ours is the caller's to check first (RFC 5927 7).
 * It is raised only by a larger packet that has arrived, real data of some connection:
 *
 *     report ------------------> known -----600 s-----> search: one probe at a time, the next larger
 *     black hole --> base --------------------------->  of the sizes that links have
 *                                  ^                      | arrived: known, and on at once
 *                                  |                      | lost: again after 1 s, three in all
 *                                  +--- three lost -------+
 *
 * Upwards each size that passes costs one round trip, and only one size fails in all; that is why the
 * search climbs and does not halve. What is known is not forgotten by time, only doubted after 600 s
 * (RFC 8899 5.1.1, PMTU_RAISE_TIMER): a new connection begins with it and asks with its own data
 * whether more gets through. That needs no confirmation timer, since each ACK confirms. For who cannot
 * ask (UDP, or limits.plpmtud = 0) it is the link's MTU again after 10 minutes (RFC 1191 6.3, RFC 8201 4).
 *
 * Cost: 136 bytes a path and 4 to 8 for its place in the hash.
 */
#ifndef HFI_PATH_H
#define HFI_PATH_H

#include "ip/ip.h"

/* RFC 1191 6.3; RFC 8899 5.1.1, PMTU_RAISE_TIMER. */
#define HFI_PATH_MTU_AGE_NS (600 * HF_SECOND)

/* The smallest MTU believed of an IPv4 path. RFC 791 allows 68, but no link of today needs less
 * than 552, and small segments are a known attack on the sender (CVE-2019-11479). Linux has the
 * same floor. (IPv6's is 1,280, RFC 8200 5.) */
#define HFI_PATH_MTU4_FLOOR 552u

/* What a path that swallows large packets is taken to carry (RFC 8899 5.1.2, BASE_PLPMTU): 1,200 for
 * IPv4, since tunnels in tunnels still do; for IPv6 the minimum, which every link must. */
#define HFI_PATH_MTU4_BASE 1200u

/* RFC 8899 5.1.2: MAX_PROBES, so that one that congestion took does not end the search; and a wait that
 * keeps three losses from one burst apart. Whoever sent a probe and never told what came of it gives
 * way after PROBE_TIMER's 15 s. */
#define HFI_PATH_PROBES_MAX 3
#define HFI_PATH_PROBE_AGAIN_NS HF_SECOND
#define HFI_PATH_PROBE_FORGOTTEN_NS (15 * HF_SECOND)

/* In the block. */
typedef struct hfi_path {
    hf_addr addr;
    hfi_next_hop hop;
    uint32_t route_generation; /* of the routes that gave the hop */
    hfi_index neighbor;        /* where the hop was found last; a hint, to be verified */
    uint32_t mtu;              /* known to be the most, or 0 */
    hf_ns mtu_until_ns;        /* 64 bits: a connection may sleep longer than a tick stamp lasts */
    hf_ns search_at_ns;        /* the next probe not before */
    hfi_index prober;          /* connection whose probe is out, with probe_bytes */
    uint16_t probe_bytes;      /* of its packet; 0: none is out */
    uint16_t most_bytes; /* the least that any connection here would send if the path took all */
    uint8_t probes_lost; /* of the size that is asked for */
    uint16_t mtu_cause;  /* why mtu is what it is: hf_cause */
    hfi_index claimer; /* with claim_bytes: the connection that a report named, not yet believed */
    hf_seq claim_seq;  /* what it quoted */
    uint32_t claim_bytes;
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
    bool searches;            /* limits.plpmtud */
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

/* ---- mtu.c ---- */

/* Bytes of the largest IP packet for this path now. */
uint32_t hfi_path_mtu(const hfi_paths *paths, const hfi_ip *ip, hfi_index index, hf_ns now_ns);

/* What a connection may send in one packet as far as is known against the link's MTU; UINT32_MAX if
 * nothing is, or index is HFI_NONE. */
uint32_t hfi_path_limit(const hfi_paths *paths, hfi_index index, hf_ns now_ns);

/* What a router's report that packets to addr may have `mtu` bytes at most would make of the path's
 * MTU; 0 if it is not to be believed. At most the present MTU: another connection may not have
 * heard yet. A report of 0 means that the router did not say (routers older than RFC 1191): then it
 * is the next plateau below. Changes nothing. */
uint32_t hfi_path_report(const hfi_paths *paths, const hfi_ip *ip, const hf_addr *addr,
                         uint32_t mtu, hf_ns now_ns);

/* Believes such a report. True if the path's MTU fell. */
bool hfi_path_too_big(hfi_paths *paths, const hfi_ip *ip, const hf_addr *addr, uint32_t mtu,
                      hf_ns now_ns);

/* A report that quotes `seq` of a connection, to be believed only if that does not arrive (RFC 5927
 * 7.2). And: what was claimed, if it quotes the connection and what begins at or after `una`, which is
 * then believed; else 0. A claim that is answered by an ACK is forgotten. */
void hfi_path_claim(hfi_paths *paths, hfi_index index, hfi_index conn, hf_seq seq, uint32_t mtu);
uint32_t hfi_path_claim_take(hfi_paths *paths, hfi_index index, hfi_index conn, hf_seq una,
                             hf_ns now_ns);

/* Large packets vanish, and one of `mtu` bytes got through. True if the path's MTU fell. */
bool hfi_path_black_hole(hfi_paths *paths, hfi_index index, uint32_t mtu, hf_ns now_ns);

/* The base that a suspected path is tried with, and the floor of its family. */
uint32_t hfi_path_base(bool is4);
uint32_t hfi_path_floor(bool is4);

/* A connection sends less than `most`, which it would if the path took it: no search goes beyond. */
void hfi_path_cuts(hfi_paths *paths, hfi_index index, uint32_t most);

/* The packet to probe with now; 0 if no probe is due. And: it leaves. */
uint32_t hfi_path_probe_size(const hfi_paths *paths, hfi_index index, hf_ns now_ns);
void hfi_path_probe_sent(hfi_paths *paths, hfi_index index, hfi_index conn, uint32_t bytes,
                         hf_ns now_ns);

/* What became of the connection's probe. Returns its size, 0 if it was no more waited for. */
uint32_t hfi_path_probe_arrived(hfi_paths *paths, hfi_index index, hfi_index conn, hf_ns now_ns);
uint32_t hfi_path_probe_lost(hfi_paths *paths, hfi_index index, hfi_index conn, hf_ns now_ns);

/* What a connection leaves to the next one. */
void hfi_path_metrics_set(hfi_paths *paths, hfi_index index, hfi_us32 srtt_us, hfi_us32 rttvar_us,
                          uint32_t ssthresh_bytes);

#endif
