/* What the files of congest share. */
#ifndef HFI_CONGEST_INTERNAL_H
#define HFI_CONGEST_INTERNAL_H

#include "congest/congest.h"

/* Below a few ticks a round trip the timer is too coarse to pace better than the ACKs do. */
#define PACED_SRTT_LEAST_US 4096u

/* Bytes by which an ACK lets cwnd grow in slow start: at most `segs` segments' worth (L of RFC 3465
 * 2.2 and RFC 9406 4.2). */
static inline uint32_t hfi_slow_start_bytes(const hfi_congest_sample *sample, uint32_t segs) {
    return hfi_min32(sample->acked_bytes, segs * sample->mss);
}

static inline uint32_t hfi_window_add(uint32_t window, uint32_t bytes) {
    return window > UINT32_MAX - bytes ? UINT32_MAX : window + bytes;
}

/* a * b / c for 0 < a <= c, so that the result fits. The per-segment path has no 64-bit division on
 * 32-bit machines, and all machines must agree: so large factors give bits away until the product
 * fits, which costs less than one part in 2^14. */
static inline uint32_t hfi_scale(uint32_t a, uint32_t b, uint32_t c) {
    uint32_t shift = 0;
    for (; a > 0xffff && b > UINT32_MAX / a; a >>= 1) c >>= 1;
    for (; b > UINT32_MAX / a; b >>= 1) shift++;
    return (a * b / c) << shift;
}

/* RFC 9406 4.2 and 4.3: bytes by which this ACK lets cwnd grow in slow start. Sets ssthresh to cwnd
 * when slow start is over. */
uint32_t hfi_hystart_growth(hfi_congest *state, hfi_congest_window *window,
                            const hfi_congest_sample *sample);

/* NewReno and CUBIC: growth in congestion avoidance, and ssthresh after a loss. */
uint32_t hfi_newreno_growth(hfi_congest *state, hfi_congest_window window,
                            const hfi_congest_sample *sample);
uint32_t hfi_cubic_growth(hfi_congest *state, hfi_congest_window window,
                          const hfi_congest_sample *sample);
uint32_t hfi_cubic_lost(hfi_congest *state, hfi_congest_window window,
                        const hfi_congest_event *event);

#endif
