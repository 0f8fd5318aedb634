/* base: what every room of the engine stands on. Uses nothing but <stdint.h> and mem*.
 *
 * Here live: our assertion, byte order, sequence arithmetic, coarse stamps, arithmetic helpers.
 * Beside it: hash.h (SipHash), pool.h (index free lists and lists).
 */
#ifndef HFI_BASE_H
#define HFI_BASE_H

#include <hf/base.h>
#include <string.h>

/* We are wrong: a broken invariant of our own. Input from the wire never reaches one. The engine
 * has no libc to print with, so it stops at the spot; a debugger or a core shows the line. */
#if defined(NDEBUG)
#define HF_ASSERT(condition) ((void)0)
#else
#define HF_ASSERT(condition) ((condition) ? (void)0 : __builtin_trap())
#endif

#define HFI_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define HFI_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* Links between objects in the block are indices, never pointers, so that the block can be copied
 * or mapped elsewhere. HFI_NONE is "no object". */
typedef uint32_t hfi_index;
#define HFI_NONE UINT32_MAX

static inline uint32_t hfi_min32(uint32_t a, uint32_t b) { return a < b ? a : b; }
static inline uint32_t hfi_max32(uint32_t a, uint32_t b) { return a > b ? a : b; }
static inline uint64_t hfi_min64(uint64_t a, uint64_t b) { return a < b ? a : b; }
static inline uint64_t hfi_max64(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* ---- Byte order. Only wire/ holds network order; it reads and writes through these. ---- */

typedef struct {
    uint8_t b[2];
} hf_be16;
typedef struct {
    uint8_t b[4];
} hf_be32;

static inline uint16_t hfi_get16(hf_be16 v) { return (uint16_t)((v.b[0] << 8) | v.b[1]); }
static inline uint32_t hfi_get32(hf_be32 v) {
    return ((uint32_t)v.b[0] << 24) | ((uint32_t)v.b[1] << 16) | ((uint32_t)v.b[2] << 8) | v.b[3];
}
static inline hf_be16 hfi_put16(uint16_t v) { return (hf_be16){{(uint8_t)(v >> 8), (uint8_t)v}}; }
static inline hf_be32 hfi_put32(uint32_t v) {
    return (hf_be32){{(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v}};
}

/* An IPv4 address, in its mapped form, as a number. */
static inline uint32_t hfi_addr_ip4(const hf_addr *addr) {
    const uint8_t *b = addr->bytes + 12;
    return hfi_get32((hf_be32){{b[0], b[1], b[2], b[3]}});
}

/* ---- Sequence numbers, RFC 9293 3.4: a circle of 2^32, compared within half of it. ---- */

typedef uint32_t hf_seq;

static inline bool hf_seq_lt(hf_seq a, hf_seq b) { return (int32_t)(a - b) < 0; }
static inline bool hf_seq_le(hf_seq a, hf_seq b) { return (int32_t)(a - b) <= 0; }
static inline hf_seq hf_seq_max(hf_seq a, hf_seq b) { return hf_seq_lt(a, b) ? b : a; }
static inline hf_seq hf_seq_min(hf_seq a, hf_seq b) { return hf_seq_lt(a, b) ? a : b; }

/* ---- Coarse stamps. An instant kept in an object is 32 bits of 1.024 ms ("ticks"), wrapping every
 * 50.9 days and compared within half of that; the engine bounds every wait it keeps so at 24 days.
 * An instant rounds down when it records the past and up when it is a deadline, so that no deadline
 * is ever early. RTTs and segment stamps are 32 bits of microseconds. ---- */

typedef uint32_t hfi_tick;
typedef uint32_t hfi_us32;

#define HFI_TICK_NS UINT64_C(1024000)

static inline hfi_tick hfi_tick_of(hf_ns at_ns) { return (hfi_tick)(at_ns / HFI_TICK_NS); }
static inline hfi_tick hfi_tick_deadline(hf_ns at_ns) {
    return (hfi_tick)((at_ns + HFI_TICK_NS - 1) / HFI_TICK_NS);
}
static inline bool hfi_tick_lt(hfi_tick a, hfi_tick b) { return (int32_t)(a - b) < 0; }
static inline bool hfi_tick_le(hfi_tick a, hfi_tick b) { return (int32_t)(a - b) <= 0; }
static inline hfi_us32 hfi_us_of(hf_ns at_ns) { return (hfi_us32)(at_ns / HF_US); }

/* The full instant of a stored stamp, given a later-or-equal "now" within 24 days of it. */
static inline hf_ns hfi_tick_past_ns(hfi_tick stamp, hf_ns now_ns) {
    const uint64_t now_ticks = now_ns / HFI_TICK_NS;
    const uint64_t age = (uint32_t)((uint32_t)now_ticks - stamp);
    return age <= now_ticks ? (now_ticks - age) * HFI_TICK_NS : 0;
}

/* The full instant of a stored stamp that may lie on either side of "now", within 24 days. */
static inline hf_ns hfi_tick_near_ns(hfi_tick stamp, hf_ns now_ns) {
    const int64_t now_ticks = (int64_t)(now_ns / HFI_TICK_NS);
    const int64_t ticks = now_ticks + (int32_t)(stamp - (uint32_t)now_ticks);
    return ticks > 0 ? (hf_ns)ticks * HFI_TICK_NS : 0;
}

#endif
