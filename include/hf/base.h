/* Words that every part of Holdfast shares: time, errors, addresses.
 *
 * Time. Interfaces speak nanoseconds, uint64_t, from an origin that the caller chooses and that
 * never goes back. HF_NEVER is "no such instant".
 */
#ifndef HF_BASE_H
#define HF_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HF_VERSION "0.1.0"

typedef uint64_t hf_ns;

#define HF_NEVER UINT64_MAX
#define HF_US UINT64_C(1000)
#define HF_MS UINT64_C(1000000)
#define HF_SECOND UINT64_C(1000000000)

/* Why a call could not do what it was asked. A packet or a timer has a cause instead (hf/cause.h).
 */
typedef enum hf_err {
#define HF_ERR_ROW(name, sentence) HF_##name,
#include <hf/err.def>
#undef HF_ERR_ROW
    HF_ERR_COUNT
} hf_err;

/* An IP address, network order. IPv4 a.b.c.d is kept as ::ffff:a.b.c.d (RFC 4291 2.5.5.2). */
typedef struct hf_addr {
    uint8_t bytes[16];
} hf_addr;

static inline hf_addr hf_addr4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
    hf_addr addr = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}};
    return addr;
}

/* An address as four words in memory order. Every segment compares addresses a few times, and the
 * engine is compiled freestanding, where a loop over bytes stays one and memcmp is a call. */
typedef struct hf_addr_words {
    uint32_t w[4];
} hf_addr_words;

static inline hf_addr_words hf_addr_load(const hf_addr *addr) {
    hf_addr_words words;
    __builtin_memcpy(&words, addr->bytes, sizeof words);
    return words;
}

/* True if the address is IPv4 in its mapped form. */
static inline bool hf_addr_is4(const hf_addr *addr) {
    const hf_addr mapped = hf_addr4(0, 0, 0, 0);
    const hf_addr_words a = hf_addr_load(addr), b = hf_addr_load(&mapped);
    return (a.w[0] | a.w[1] | (a.w[2] ^ b.w[2])) == 0;
}

/* True for 0.0.0.0 and for ::, "any address". */
static inline bool hf_addr_is_any(const hf_addr *addr) {
    const hf_addr_words a = hf_addr_load(addr);
    return a.w[3] == 0 && ((a.w[0] | a.w[1] | a.w[2]) == 0 || hf_addr_is4(addr));
}

static inline bool hf_addr_equal(const hf_addr *one, const hf_addr *other) {
    const hf_addr_words a = hf_addr_load(one), b = hf_addr_load(other);
    return ((a.w[0] ^ b.w[0]) | (a.w[1] ^ b.w[1]) | (a.w[2] ^ b.w[2]) | (a.w[3] ^ b.w[3])) == 0;
}

/* An IPv4 source route (RFC 791 3.1): the gateways on the way, the nearest first; the far end is not
 * among them. Seven are what a frame's headers have room for. */
#define HF_ROUTE_HOPS 7

typedef struct hf_source_route {
    uint8_t count; /* 0: none */
    bool strict;   /* no other gateway may lie between these */
    uint8_t hops[HF_ROUTE_HOPS][4];
} hf_source_route;

#ifdef __cplusplus
}
#endif
#endif
