/* icmp: what an ICMP or ICMPv6 message means for us, and how often we speak ourselves.
 *
 * Errors come from anywhere and prove nothing (RFC 5927). Here they are only sorted: which
 * transport, which tuple, how grave. Whether the quoted sequence number is in flight is the
 * connection's to check; until then an error has no effect.
 *
 *     kind       IPv4                              IPv6
 *     HARD       unreachable 2, 3                  unreachable 1, 4             RFC 9293 SHLD-26
 *     TOO_BIG    unreachable 4                     packet too big               RFC 1191, RFC 8201
 *     SOFT       unreachable, the rest; time       unreachable, the rest; time  RFC 9293 MUST-56
 *                exceeded; parameter problem       exceeded; parameter problem
 *     nothing    source quench (RFC 6633), redirect (a host that believes it is led astray)
 *
 * Sending errors (port unreachable) is bounded per source and over all. Per source: a bucket
 * of 8 to 15 messages, refilled 8 a second, chosen by a keyed hash of the IPv4 address or the IPv6
 * /64; so nobody empties another's bucket but by luck that he cannot see. Over all: 1,000
 * tokens a second, of which a message takes one to four by chance, since an exact shared limit
 * tells a stranger what others received (CVE-2020-25705).
 *
 * Echo replies are as many as the requests, and no longer: they need no limit but the frames'.
 *
 * Cost: 256 buckets of 16 bytes: 4 KiB.
 */
#ifndef HFI_ICMP_H
#define HFI_ICMP_H

#include "base/hash.h"
#include "wire/icmp.h"
#include <hf/config.h>

typedef enum hfi_icmp_kind {
    HFI_ICMP_KIND_NOTHING,
    HFI_ICMP_KIND_ECHO_REQUEST, /* answer by hfi_icmp_echo_reply_build, if the limit lets us */
    HFI_ICMP_KIND_SOFT,
    HFI_ICMP_KIND_HARD,
    HFI_ICMP_KIND_TOO_BIG
} hfi_icmp_kind;

typedef struct hfi_icmp_result {
    hfi_icmp_kind kind;
    uint8_t type, code;
    uint32_t mtu;          /* TOO_BIG: as said; 0 if the router did not say */
    hf_addr from;          /* who sent it */
    hfi_icmp_quote quoted; /* its source is ours if the error is about our packet */
} hfi_icmp_result;

/* Sorts a parsed message. Returns NONE with a result that asks for something, or DROP_ICMP_UNKNOWN.
 */
hf_cause hfi_icmp_sort(const hfi_ip_view *packet, const hfi_icmp_view *icmp, hfi_icmp_result *ret);

/* ---- Limits. ---- */

#define HFI_ICMP_BUCKETS 256u
#define HFI_ICMP_BUCKET_TOKENS 8u /* and up to 7 more, by hash */
#define HFI_ICMP_REFILL_NS (HF_SECOND / 8)
#define HFI_ICMP_ALL_TOKENS 1000u
#define HFI_ICMP_ALL_REFILL_NS (HF_SECOND / 1000)

/* In the block. */
typedef struct hfi_icmp_bucket {
    hf_ns refilled_at_ns;
    uint32_t tokens;
    uint32_t capacity;
} hfi_icmp_bucket;

/* One for the engine. In the block. */
typedef struct hfi_icmp_limit {
    hfi_key key;
    uint64_t draws;
    hfi_icmp_bucket all;
    hfi_icmp_bucket buckets[HFI_ICMP_BUCKETS];
} hfi_icmp_limit;

void hfi_icmp_limit_init(hfi_icmp_limit *limit, const hf_config *config, hf_ns now_ns);

/* True if one message more may be sent to `to`; counts it. RFC 4443 2.4 f, RFC 1812 4.3.2.8. */
bool hfi_icmp_limit_take(hfi_icmp_limit *limit, const hf_addr *to, hf_ns now_ns);

/* True if a packet may be answered by an ICMP error at all: RFC 1122 3.2.2, RFC 4443 2.4 e. Not an
 * ICMP error, not to or from a group, no broadcast (to_broadcast: as the route table or the link
 * says), no fragment but the first, from one host. icmp_type is read only of ICMP packets. */
bool hfi_icmp_error_allowed(const hfi_ip_view *packet, bool to_broadcast, uint8_t icmp_type);

#endif
