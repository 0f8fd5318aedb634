/* neighbor: the link addresses of hosts on our Ethernet links (ARP and ND in one table), and what
 * ND does for our own addresses: duplicate detection, routers, prefixes, address configuration.
 *
 * An entry is keyed by (interface, address) and moves as RFC 4861 7.3.2 says, for IPv4 too, where
 * the request is ARP's (RFC 1122 2.3.2.1 allows and wants the unicast poll):
 *
 *      want                answer                  30 s                want
 *     ------> INCOMPLETE ---------> REACHABLE -------------> STALE -----------> DELAY
 *                 |                     ^  ^                                      | 5 s
 *                 | 3 requests,         |  '------------ TCP hears --------------.|
 *                 v 1 s apart           '---- answer ----- PROBE <----------------'
 *               gone                                         '--- 3 requests ---> gone
 *
 * No packet is queued here. Who wants an unresolved address is told to wait, and may hang its
 * connection on the entry: `waiting` is the head of a list that belongs to the stack. When the
 * entry is resolved or fails, an action carries the head back.
 *
 * Who may fill the table: what we want ourselves, and who asks for us (they will be answered and
 * likely spoken to). The second kind is "passive": at most half of the table, pushing out only each
 * other. An answer that nobody asked for never makes an entry.
 *
 * Who may change a link address: ND by the rules of RFC 4861 7.2.5. ARP has no such rules and no
 * hop limit of 255, so here a claim that contradicts a known entry changes nothing: it makes us ask
 * the known address (PROBE), and only its silence brings a new broadcast request. A moved address
 * is so found 3 s late; a forged claim costs one question.
 *
 * Time: three lists whose members have one wait each, so that each is sorted by itself: due now, 1
 * s, 5 s. REACHABLE ends by looking at the clock when somebody wants the entry. A tick costs by
 * what is due, never by the size of the table. Own addresses, routers and prefixes are few: they
 * are scanned when the earliest of their instants has come.
 *
 * Limits: HFI_ND_ROUTERS_MAX routers and HFI_ND_PREFIXES_MAX prefixes and addresses made from them,
 * whatever routers advertise. A router's Retrans Timer and Cur Hop Limit are not taken: both let
 * one forged packet break us, and no network needs them.
 *
 * Left out: MLD reports (RFC 4862 5.4.2: switches that filter link-local groups are rare),
 * redirects, router preferences, DNS options, temporary addresses, IPv4 conflict detection (RFC
 * 5227). Interface identifiers are EUI-64 (RFC 4291 2.5.1). Departs from RFC 8064: a stable secret
 * that would outlive a restart does not exist here, and addresses that change at each start are
 * worse for a server.
 *
 * Cost: 80 bytes a neighbour and 4 to 8 for its place in the hash, 32 an address, 24 an interface,
 * 512 bytes once.
 */
#ifndef HFI_NEIGHBOR_H
#define HFI_NEIGHBOR_H

#include "ip/ip.h"
#include "wire/arp.h"
#include "wire/nd.h"

/* RFC 4861 10. */
#define HFI_ND_RETRANSMIT_NS (1 * HF_SECOND)
#define HFI_ND_DELAY_NS (5 * HF_SECOND)
#define HFI_ND_SOLICITS 3u /* MAX_MULTICAST_SOLICIT and MAX_UNICAST_SOLICIT */
#define HFI_ND_REACHABLE_MS 30000u
#define HFI_ND_ROUTER_SOLICITS 3u
#define HFI_ND_ROUTER_SOLICIT_NS (4 * HF_SECOND)

/* A router may set the reachable time; less would have us ask all the time, more would hide a
 * failure. */
#define HFI_ND_REACHABLE_MS_MIN 10000u
#define HFI_ND_REACHABLE_MS_MAX 3600000u

#define HFI_ND_ROUTERS_MAX 4u
#define HFI_ND_PREFIXES_MAX 8u

/* RFC 4862 5.5.3 e: what an unauthenticated advertisement may shorten a lifetime to. */
#define HFI_ND_TWO_HOURS_NS (7200 * HF_SECOND)

typedef enum hfi_neighbor_nud {
    HFI_NEIGHBOR_FREE,
    HFI_NEIGHBOR_INCOMPLETE,
    HFI_NEIGHBOR_REACHABLE,
    HFI_NEIGHBOR_STALE,
    HFI_NEIGHBOR_DELAY,
    HFI_NEIGHBOR_PROBE
} hfi_neighbor_nud;

typedef struct hfi_link {
    hfi_index prev, next;
} hfi_link;

typedef struct hfi_list {
    hfi_index first, last;
} hfi_list;

enum { HFI_NEIGHBOR_BY_USE, HFI_NEIGHBOR_BY_TIME, HFI_NEIGHBOR_LINKS };

/* In the block. */
typedef struct hfi_neighbor {
    hf_addr addr;
    hfi_mac mac;
    uint8_t interface;
    uint8_t state;     /* hfi_neighbor_nud */
    uint8_t requests;  /* sent in this state */
    uint8_t time_list; /* which list it is in, or LIST_NONE */
    bool is_router;
    bool passive;      /* nobody here has wanted it yet */
    hfi_index waiting; /* head of the stack's list of connections */
    hf_ns deadline_ns;
    hf_ns confirmed_at_ns;
    hf_ns wanted_at_ns;
    hfi_index hash_next; /* of a free slot: the next free one */
    hfi_link links[HFI_NEIGHBOR_LINKS];
} hfi_neighbor;

/* What is to be known of one of our addresses beside hfi_address. In the block. */
typedef struct hfi_address_life {
    hf_ns check_at_ns; /* duplicate detection: the next step, or HF_NEVER */
    hf_ns preferred_until_ns, valid_until_ns;
    uint32_t checks_sent;
    bool deprecated; /* the preferred lifetime has ended */
} hfi_address_life;

/* In the block. */
typedef struct hfi_nd_interface {
    hf_ns solicit_at_ns;   /* the next router solicitation, or HF_NEVER */
    hf_ns reachable_ns;    /* in force: random, RFC 4861 6.3.2 */
    uint32_t reachable_ms; /* the base, as a router said */
    uint32_t solicits_sent;
} hfi_nd_interface;

/* In the block. */
typedef struct hfi_nd_router {
    hf_addr addr; /* any: an empty place */
    hf_ns until_ns;
    uint32_t interface;
} hfi_nd_router;

/* In the block. */
typedef struct hfi_nd_on_link {
    hf_addr prefix;
    hf_ns until_ns;
    uint8_t prefix_bits, interface;
    bool used;
} hfi_nd_on_link;

/* In the block. */
typedef struct hfi_neighbor_state {
    hfi_key key;
    hfi_index free;
    uint32_t used, passive_count;
    hfi_list wanted, passive;  /* by use: last used first */
    hfi_list due, soon, later; /* by time */
    uint64_t randoms;          /* drawn */
    hf_ns own_next_at_ns;      /* the earliest of addresses, routers, prefixes, solicitations */
    hfi_nd_router routers[HFI_ND_ROUTERS_MAX];
    hfi_nd_on_link prefixes[HFI_ND_PREFIXES_MAX];
} hfi_neighbor_state;

typedef struct hfi_neighbors {
    hfi_neighbor_state *state;
    hfi_neighbor *entries;
    hfi_index *heads;
    hfi_address_life *lives;
    hfi_nd_interface *interfaces;
    uint32_t max, head_mask, address_max, interface_max;
} hfi_neighbors;

size_t hfi_neighbor_bytes(const hf_config *config);
void hfi_neighbor_attach(hfi_neighbors *neighbors, void *mem, const hf_config *config);
void hfi_neighbor_init(hfi_neighbors *neighbors, const hf_config *config);

/* ---- For who sends. ---- */

typedef enum hfi_neighbor_answer {
    HFI_NEIGHBOR_KNOWN, /* *ret_mac is set */
    HFI_NEIGHBOR_ASKED, /* wait: *hint is the entry, hang on to its list */
    HFI_NEIGHBOR_FULL   /* no entry is free: try again later */
} hfi_neighbor_answer;

/* The link address of a next hop on an Ethernet interface; groups and broadcast have theirs by
 * arithmetic. *hint is where the caller found the entry last time, or HFI_NONE; it is checked and
 * updated. */
hfi_neighbor_answer hfi_neighbor_want(hfi_neighbors *neighbors, const hfi_ip *ip,
                                      uint32_t interface, const hf_addr *addr, hf_ns now_ns,
                                      hfi_index *hint, hfi_mac *ret_mac);

/* A transport heard from the host behind this entry: it is reachable (RFC 4861 7.3.1). Cheap;
 * ignores a hint that no longer fits. */
void hfi_neighbor_confirm(hfi_neighbors *neighbors, uint32_t interface, const hf_addr *addr,
                          hfi_index hint, hf_ns now_ns);

/* A transport doubts the path (RFC 1122 4.2.3.5, R1): ask now. */
void hfi_neighbor_doubt(hfi_neighbors *neighbors, uint32_t interface, const hf_addr *addr,
                        hfi_index hint, hf_ns now_ns);

hfi_index hfi_neighbor_find(const hfi_neighbors *neighbors, uint32_t interface,
                            const hf_addr *addr);

/* ---- What time and input ask of the stack. ---- */

typedef enum hfi_neighbor_action_kind {
    HFI_NEIGHBOR_NOTHING,
    HFI_NEIGHBOR_REQUEST,    /* ask for target: ARP request or NS, to `mac` if unicast */
    HFI_NEIGHBOR_RESOLVED,   /* wake `waiting`: the entry `index` has a link address */
    HFI_NEIGHBOR_FAILED,     /* tell `waiting`: target did not answer; the entry is gone */
    HFI_NEIGHBOR_CHECK,      /* duplicate detection: NS for target from :: */
    HFI_NEIGHBOR_USABLE,     /* our address `index` may be used from now on */
    HFI_NEIGHBOR_DUPLICATED, /* our address `index` is somebody else's */
    HFI_NEIGHBOR_SOLICIT     /* router solicitation to ff02::2 */
} hfi_neighbor_action_kind;

typedef struct hfi_neighbor_action {
    hfi_neighbor_action_kind kind;
    uint32_t interface;
    hf_addr target;
    hfi_mac mac;
    bool unicast;
    hfi_index index;   /* of the neighbour or of our address */
    hfi_index waiting; /* the list's head, which leaves the entry; or HFI_NONE */
} hfi_neighbor_action;

/* Does what is due, up to `max` actions; returns how many it wrote. Call again while it returns
 * max. */
uint32_t hfi_neighbor_tick(hfi_neighbors *neighbors, hfi_ip *ip, hf_ns now_ns,
                           hfi_neighbor_action *ret_actions, uint32_t max);

/* The next instant with something due. It may have passed. HF_NEVER. */
hf_ns hfi_neighbor_next_at(const hfi_neighbors *neighbors);

/* What a received message asks for: an answer, an action, both or neither. */
typedef struct hfi_neighbor_effect {
    bool answer;
    hfi_mac answer_mac;                           /* the Ethernet destination */
    hfi_arp_view arp;                             /* the answer to ARP */
    hf_addr nd_source, nd_destination, nd_target; /* the answer to NS: a NA with our link address */
    bool nd_solicited;
    hfi_neighbor_action action;
} hfi_neighbor_effect;

/* Takes an ARP message from an Ethernet interface. TOOK_NEIGHBOR or DROP_NEIGHBOR. */
hf_cause hfi_neighbor_arp_input(hfi_neighbors *neighbors, const hfi_ip *ip, uint32_t interface,
                                const hfi_arp_view *arp, hf_ns now_ns,
                                hfi_neighbor_effect *ret_effect);

/* Takes an ND message whose checks (hop limit, checksum, options) are done. TOOK_NEIGHBOR,
 * TOOK_ROUTER_ADVERTISEMENT or DROP_NEIGHBOR. */
hf_cause hfi_neighbor_nd_input(hfi_neighbors *neighbors, hfi_ip *ip, uint32_t interface,
                               const hfi_ip_view *packet, const hfi_mac *from_mac,
                               const hfi_nd_view *nd, hf_ns now_ns,
                               hfi_neighbor_effect *ret_effect);

/* ---- Frames. ---- */

/* Ethernet, IPv6, a solicitation or advertisement with one link address. ARP is shorter. */
#define HFI_NEIGHBOR_FRAME_MAX (HFI_ETH_BYTES + HFI_IP6_BYTES + 24 + 8)

/* Writes the frame that an action asks for (REQUEST, CHECK, SOLICIT); returns its bytes, at most
 * HFI_NEIGHBOR_FRAME_MAX. 0 if no address of ours can ask. */
uint32_t hfi_neighbor_action_frame(const hfi_ip *ip, const hfi_neighbor_action *action,
                                   uint8_t *to);

/* Writes the answer that an effect of the interface asks for, if it does; returns its bytes, else
 * 0. */
uint32_t hfi_neighbor_answer_frame(const hfi_ip *ip, uint32_t interface,
                                   const hfi_neighbor_effect *effect, uint8_t *to);

/* ---- Our own addresses. ---- */

/* An interface was added: with ip6_autoconf it gets a link-local address and looks for routers.
 * HF_NO_ADDRESS_SLOT, HF_NO_ROUTE_SLOT. */
hf_err hfi_neighbor_interface_added(hfi_neighbors *neighbors, hfi_ip *ip, uint32_t interface,
                                    hf_ns now_ns);

/* An address was added: a tentative one is checked (RFC 4862 5.4). */
void hfi_neighbor_address_added(hfi_neighbors *neighbors, const hfi_ip *ip, uint32_t index,
                                hf_ns now_ns);

/* True if the stack listens to this group on this interface: all nodes, and the solicited-node
 * groups of the interface's addresses. */
bool hfi_neighbor_group_member(const hfi_ip *ip, uint32_t interface, const hf_addr *group);

/* Between the files of this room: see autoconf.c. */
bool hfi_neighbor_own_step(hfi_neighbors *neighbors, hfi_ip *ip, hf_ns now_ns,
                           hfi_neighbor_action *ret_action);
void hfi_neighbor_router_failed(hfi_neighbors *neighbors, hfi_ip *ip, uint32_t interface,
                                const hf_addr *addr);
void hfi_neighbor_router_forget(hfi_neighbors *neighbors, hfi_ip *ip, uint32_t interface,
                                const hf_addr *addr);
void hfi_neighbor_duplicate(hfi_neighbors *neighbors, hfi_ip *ip, uint32_t index,
                            hfi_neighbor_action *ret_action);
void hfi_neighbor_advertised(hfi_neighbors *neighbors, hfi_ip *ip, uint32_t interface,
                             const hfi_ip_view *packet, const hfi_nd_view *nd, hf_ns now_ns);
uint64_t hfi_neighbor_random(hfi_neighbors *neighbors);
hfi_index hfi_neighbor_heard_of(hfi_neighbors *neighbors, const hfi_ip *ip, uint32_t interface,
                                const hf_addr *addr, const hfi_mac *mac, hf_ns now_ns);
void hfi_neighbor_mac_learned(hfi_neighbors *neighbors, hfi_index index, const hfi_mac *mac,
                              bool confirmed, hf_ns now_ns, hfi_neighbor_action *ret_action);
void hfi_neighbor_stale_set(hfi_neighbors *neighbors, hfi_index index);

#endif
