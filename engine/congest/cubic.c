/* CUBIC, RFC 9438.
 *
 *      cwnd |            |
 *     W_max |- - - .-----'      convex: looks for more
 *           |   .'
 *           |  /  concave: back to where the loss was
 *           +--------K---------- t
 *
 * W_cubic(t) = C (t - K)^3 + W_max, with C = 0.4 segments a second cubed. Time is kept in units of
 * 2^-16 of 2^20 microseconds (1.048576 s), so that cubing is shifts; C is scaled to match. t is the
 * time in which the window was in use (RFC 9438 5.8), so it stands still while the application has
 * nothing to send. */
#include "congest/internal.h"

/* 0.4 * 1.048576^3 * 2^16, and 2^23 divided by 0.4 * 1.048576^3. */
#define C_SCALED 30223u
#define INVERSE_C_SCALED 18190108u

/* RFC 9438 4.6: beta 0.7; 4.7: (1 + beta) / 2; 4.3: 3 (1 - beta) / (1 + beta). */
#define BETA_TENTHS 7u
#define FAST_CONVERGENCE_20THS 17u
#define ALPHA_NINES 9u
#define ALPHA_17THS 17u

/* Beyond 18 minutes from K the window has no bound but the peer's. */
#define T_MAX_US (1u << 30)

/* Growth comes in whole bytes and what falls below them is lost; so it comes in steps of an eighth of a
 * segment, of which that is nothing. */
static uint32_t least_step(const hfi_congest_sample *sample) { return sample->mss / 8 + 1; }

/* The largest r with r^3 <= n; r has at most 22 bits. */
static uint32_t cube_root(uint64_t n) {
    uint64_t root = 0;
    for (uint64_t bit = 1u << 21; bit != 0; bit >>= 1) {
        const uint64_t next = root | bit;
        if (next <= 2642245 && next * next * next <= n) root = next;
    }
    return (uint32_t)root;
}

/* Equation 2: K = cubic_root((W_max - cwnd_epoch) / C). In units of 128 microseconds K^3 is the
 * distance in segments times 2^39 / C. */
static hfi_us32 k_of(uint32_t distance_bytes, uint32_t mss) {
    const uint64_t most = (UINT64_C(1) << 39) - 1;
    const uint64_t segs_scaled = hfi_min64(((uint64_t)distance_bytes << 16) / mss, most);
    return cube_root(segs_scaled * INVERSE_C_SCALED) << 7;
}

/* Equation 1 at `at_us`, in bytes, never below zero. */
static uint32_t w_cubic(const hfi_congest *state, hfi_us32 at_us, uint32_t mss) {
    const bool before = at_us < state->k_us;
    const uint32_t away_us =
        hfi_min32(before ? state->k_us - at_us : at_us - state->k_us, T_MAX_US);
    const uint64_t units = away_us >> 4;
    const uint64_t cubed = ((units * units >> 16) * units) >> 16;
    const uint64_t bytes = ((cubed * mss >> 16) * C_SCALED) >> 16;
    if (before) return bytes < state->w_max ? state->w_max - (uint32_t)bytes : 0;
    return (uint32_t)hfi_min64(state->w_max + bytes, UINT32_MAX);
}

/* The first ACK of a congestion avoidance. Without a W_max (slow start ended by HyStart++ or after a
 * time-out) the curve starts at its own plateau (RFC 9438 4.8, 4.10). */
static void begin_epoch(hfi_congest *state, hfi_congest_window window,
                        const hfi_congest_sample *sample) {
    state->flags |= HFI_CC_EPOCH;
    state->flags &= (uint8_t)~HFI_CC_CSS;
    state->t_us = 0;
    state->last_us = sample->now_us;
    state->w_est = window.cwnd;
    state->w_est_accumulated = state->accumulated = 0;
    if (state->w_max == 0) state->cwnd_prior = window.cwnd;
    if (state->w_max <= window.cwnd) {
        state->w_max = window.cwnd;
        state->k_us = 0;
    } else {
        state->k_us = k_of(state->w_max - window.cwnd, sample->mss);
    }
}

/* t goes on only while the window is in use, and by no more than a round trip for one ACK: a longer
 * pause was the application's. */
static void pass_time(hfi_congest *state, const hfi_congest_sample *sample) {
    const uint32_t passed = sample->now_us - state->last_us;
    state->last_us = sample->now_us;
    if (!sample->cwnd_limited || state->t_us >= 2 * T_MAX_US) return;
    state->t_us += hfi_min32(passed, hfi_max32(sample->srtt_us, sample->rtt_us));
}

/* Equation 4, RFC 9438 4.3: the window that Reno would have. */
static void grow_w_est(hfi_congest *state, hfi_congest_window window,
                       const hfi_congest_sample *sample) {
    const bool caught_up = state->w_est >= state->cwnd_prior;
    const uint32_t acked = hfi_min32(sample->acked_bytes, window.cwnd);
    state->w_est_accumulated += caught_up ? acked
                                          : acked / ALPHA_17THS * ALPHA_NINES +
                                                acked % ALPHA_17THS * ALPHA_NINES / ALPHA_17THS;
    const uint32_t growth =
        hfi_scale(hfi_min32(sample->mss, window.cwnd),
                  hfi_min32(state->w_est_accumulated, window.cwnd), window.cwnd);
    if (growth < least_step(sample)) return;
    state->w_est = hfi_window_add(state->w_est, growth);
    state->w_est_accumulated = 0;
}

uint32_t hfi_cubic_growth(hfi_congest *state, hfi_congest_window window,
                          const hfi_congest_sample *sample) {
    if ((state->flags & HFI_CC_EPOCH) == 0) begin_epoch(state, window, sample);
    pass_time(state, sample);
    if (!sample->cwnd_limited) return 0;
    grow_w_est(state, window, sample);
    /* RFC 9438 4.3: where Reno would be faster, we are as fast. */
    if (w_cubic(state, state->t_us, sample->mss) < state->w_est)
        return state->w_est > window.cwnd ? state->w_est - window.cwnd : 0;
    /* RFC 9438 4.4, 4.5: towards where the curve is in a round trip, by half the window at most. */
    const uint32_t target = w_cubic(state, state->t_us + sample->srtt_us, sample->mss);
    if (target <= window.cwnd) return 0;
    const uint32_t distance = hfi_min32(target - window.cwnd, window.cwnd / 2);
    state->accumulated =
        hfi_min32(state->accumulated + hfi_min32(sample->acked_bytes, window.cwnd), window.cwnd);
    if (distance == 0) return 0;
    const uint32_t growth = hfi_scale(distance, state->accumulated, window.cwnd);
    if (growth < least_step(sample)) return 0;
    state->accumulated = 0;
    return growth;
}

static uint32_t part_of(uint32_t bytes, uint32_t parts, uint32_t of) {
    return (uint32_t)((uint64_t)bytes * parts / of);
}

uint32_t hfi_cubic_lost(hfi_congest *state, hfi_congest_window window,
                        const hfi_congest_event *event) {
    /* RFC 9438 4.7: who finds less than last time makes room for others. */
    state->w_max =
        window.cwnd < state->w_max ? part_of(window.cwnd, FAST_CONVERGENCE_20THS, 20) : window.cwnd;
    state->cwnd_prior = window.cwnd;
    return part_of(event->flight_bytes, BETA_TENTHS, 10);
}
