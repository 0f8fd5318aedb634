#include "congest/congest.h"
#include "congest/internal.h"

/* RFC 3465 2.2 and 2.3: what an ACK may stand for in slow start, in segments. */
#define L_NEWRENO 2

static uint32_t initial_bytes(uint32_t mss, uint32_t segs) {
    return hfi_min32(segs * mss, hfi_max32(2 * mss, 14600));
}

hfi_congest_window hfi_congest_initial(uint32_t mss, uint32_t segs) {
    return (hfi_congest_window){initial_bytes(mss, segs), HFI_SSTHRESH_NONE};
}

/* Another controller takes over: the window stays, what the old one remembered does not. */
static void take_over(hfi_congest *state, hf_congestion kind) {
    if (state->kind == kind) return;
    *state = (hfi_congest){.kind = (uint8_t)kind};
}

static uint32_t slow_start_growth(hfi_congest *state, hf_congestion kind,
                                  hfi_congest_window *window, const hfi_congest_sample *sample) {
    switch (kind) {
    case HF_CONGESTION_CUBIC: return hfi_hystart_growth(state, window, sample);
    case HF_CONGESTION_NEWRENO:
    case HF_CONGESTION_DEFAULT: break;
    }
    return hfi_slow_start_bytes(sample, L_NEWRENO);
}

static uint32_t avoidance_growth(hfi_congest *state, hf_congestion kind, hfi_congest_window window,
                                 const hfi_congest_sample *sample) {
    switch (kind) {
    case HF_CONGESTION_CUBIC: return hfi_cubic_growth(state, window, sample);
    case HF_CONGESTION_NEWRENO:
    case HF_CONGESTION_DEFAULT: break;
    }
    return hfi_newreno_growth(state, window, sample);
}

hfi_congest_window hfi_congest_acked(hfi_congest *state, hf_congestion kind,
                                     hfi_congest_window window, const hfi_congest_sample *sample) {
    take_over(state, kind);
    if (sample->recovering) return window;
    const bool slow = window.cwnd < window.ssthresh;
    const uint32_t growth = slow ? slow_start_growth(state, kind, &window, sample)
                                 : avoidance_growth(state, kind, window, sample);
    /* RFC 7661 4.3 and RFC 5681 3.1: a window that is not in use proves nothing about the path. */
    if (sample->cwnd_limited) window.cwnd = hfi_window_add(window.cwnd, growth);
    return window;
}

uint32_t hfi_newreno_growth(hfi_congest *state, hfi_congest_window window,
                            const hfi_congest_sample *sample) {
    if (!sample->cwnd_limited) return 0;
    state->accumulated += hfi_min32(sample->acked_bytes, window.cwnd);
    if (state->accumulated < window.cwnd) return 0;
    state->accumulated -= window.cwnd;
    return sample->mss;
}

/* RFC 9438 4.9: what may have to come back. */
static void save(hfi_congest *state, hfi_congest_window window) {
    state->saved_cwnd = window.cwnd;
    state->saved_ssthresh = window.ssthresh;
    state->saved_w_max = state->w_max;
    state->saved_w_est = state->w_est;
    state->saved_cwnd_prior = state->cwnd_prior;
    state->saved_k_us = state->k_us;
    state->saved_t_us = state->t_us;
    state->flags |= HFI_CC_SAVED;
    state->flags &= (uint8_t)~HFI_CC_SAVED_EPOCH;
    if ((state->flags & HFI_CC_EPOCH) != 0) state->flags |= HFI_CC_SAVED_EPOCH;
}

static uint32_t ssthresh_after(hfi_congest *state, hf_congestion kind, hfi_congest_window window,
                               const hfi_congest_event *event) {
    const uint32_t least = 2 * event->mss;
    switch (kind) {
    case HF_CONGESTION_CUBIC: return hfi_max32(hfi_cubic_lost(state, window, event), least);
    case HF_CONGESTION_NEWRENO:
    case HF_CONGESTION_DEFAULT: break;
    }
    return hfi_max32(event->flight_bytes / 2, least); /* RFC 5681 equation 4 */
}

/* Whatever the event: a new epoch begins with the next congestion avoidance, and the first slow start
 * is over (RFC 9406 4.2). */
static void forget_epoch(hfi_congest *state) {
    state->accumulated = 0;
    state->flags &= (uint8_t) ~(HFI_CC_EPOCH | HFI_CC_CSS | HFI_CC_ROUND);
}

hfi_congest_window hfi_congest_lost(hfi_congest *state, hf_congestion kind,
                                    hfi_congest_window window, const hfi_congest_event *event) {
    take_over(state, kind);
    save(state, window);
    window.ssthresh = ssthresh_after(state, kind, window, event);
    window.cwnd = window.ssthresh;
    forget_epoch(state);
    return window;
}

hfi_congest_window hfi_congest_timeout(hfi_congest *state, hf_congestion kind,
                                       hfi_congest_window window, const hfi_congest_event *event,
                                       bool again) {
    take_over(state, kind);
    if (!again) {
        save(state, window);
        window.ssthresh = ssthresh_after(state, kind, window, event);
        state->w_max = 0; /* RFC 9438 4.8: the next epoch starts from where it starts */
    }
    window.cwnd = event->mss;
    forget_epoch(state);
    return window;
}

hfi_congest_window hfi_congest_undo(hfi_congest *state, hf_congestion kind,
                                    hfi_congest_window window) {
    if (state->kind != kind || (state->flags & HFI_CC_SAVED) == 0) return window;
    state->flags &= (uint8_t) ~(HFI_CC_SAVED | HFI_CC_EPOCH);
    if ((state->flags & HFI_CC_SAVED_EPOCH) != 0) state->flags |= HFI_CC_EPOCH;
    state->w_max = state->saved_w_max;
    state->w_est = state->saved_w_est;
    state->cwnd_prior = state->saved_cwnd_prior;
    state->k_us = state->saved_k_us;
    state->t_us = state->saved_t_us;
    return (hfi_congest_window){hfi_max32(window.cwnd, state->saved_cwnd),
                                hfi_max32(window.ssthresh, state->saved_ssthresh)};
}

/* Twice the window a round trip while it doubles, a quarter more than the window afterwards: so pacing
 * never is what limits, and yet no window leaves in one burst. */
uint32_t hfi_congest_pacing(hf_congestion kind, hfi_congest_window window, hfi_us32 srtt_us) {
    if (kind != HF_CONGESTION_CUBIC || srtt_us < PACED_SRTT_LEAST_US) return 0;
    /* cwnd * 1024 / srtt in 32 bits: what cwnd cannot be multiplied by, srtt is divided by. */
    const uint32_t spare = hfi_min32((uint32_t)__builtin_clz(window.cwnd | 1), 10);
    const uint32_t tick_bytes = (window.cwnd << spare) / (srtt_us >> (10 - spare));
    const uint32_t gained = window.cwnd < window.ssthresh
                                ? hfi_window_add(tick_bytes, tick_bytes)
                                : hfi_window_add(tick_bytes, tick_bytes / 4);
    return hfi_max32(gained, 1);
}

hfi_congest_window hfi_congest_idle(hfi_congest *state, hfi_congest_window window, uint32_t mss,
                                    uint32_t segs) {
    /* RFC 2861 3.2: slow start may take the window back to three quarters of where it was. */
    const uint32_t remembered = window.cwnd / 4 * 3;
    const uint32_t restart = initial_bytes(mss, segs);
    if (window.cwnd > restart) {
        window.ssthresh = hfi_max32(window.ssthresh, remembered);
        window.cwnd = restart;
    }
    if (state != NULL) state->accumulated = 0;
    return window;
}
