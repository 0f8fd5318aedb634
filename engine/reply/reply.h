/* reply: a segment that answers a segment without a connection: RST, and ACKs of what TIME_WAIT
 * guards.
 *
 * Replies to one source prefix (IPv4 /24, IPv6 /64) are limited by a bucket whose size is random
 * within a factor of two, so that nobody can count what others make us send (CVE-2016-5696, RFC
 * 5961 7). There are 64 buckets, by a keyed hash of the prefix. A bucket is held by the prefix that
 * asks more than all others that fall into it; only that one is limited. So a flood of one prefix
 * leaves every other its answers, and a flood of many, of whom none asks much, leaves all of them
 * theirs: else spoofed SYNs would keep honest clients from their cookies. What a stranger's bucket
 * does nobody else can see. */
#ifndef HFI_REPLY_H
#define HFI_REPLY_H

#include "conn/ctx.h"

/* Fills the buckets; call once, when ctx knows the time. */
void hfi_reply_init(hfi_ctx *ctx);

/* Starts a departure that goes back where the arrival came from. */
hfi_departure hfi_reply_to(const hfi_arrival *arrival, hf_cause cause);

/* The RST of RFC 9293 3.10.7.1 for any segment but a RST. */
hfi_departure hfi_reply_reset(const hfi_arrival *arrival, hf_cause cause);

/* Takes a token for `source`; false if there is none now (DROP_REPLY_LIMIT is counted). */
bool hfi_reply_allowed(hfi_ctx *ctx, const hf_addr *source);

/* Sets the effect if a token is there. */
void hfi_reply_send(hfi_ctx *ctx, hfi_effects *effects, const hfi_departure *departure);

#endif
