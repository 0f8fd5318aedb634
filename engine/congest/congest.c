#include "congest/congest.h"

static uint32_t initial_window(uint32_t mss, uint32_t segs) {
    return hfi_min32(segs * mss, hfi_max32(2 * mss, 14600));
}

hfi_congest hfi_congest_initial(uint32_t mss, uint32_t segs) {
    return (hfi_congest){initial_window(mss, segs), HFI_SSTHRESH_NONE, 0};
}

hfi_congest hfi_congest_acked(hfi_congest state, uint32_t acked, uint32_t mss) {
    if (state.cwnd < state.ssthresh) {
        const uint32_t grown = state.cwnd + hfi_min32(acked, 2 * mss);
        state.cwnd = grown < state.cwnd ? UINT32_MAX : grown;
        return state;
    }
    state.accumulated += hfi_min32(acked, state.cwnd);
    if (state.accumulated < state.cwnd) return state;
    state.accumulated -= state.cwnd;
    if (state.cwnd < UINT32_MAX - mss) state.cwnd += mss;
    return state;
}

hfi_congest hfi_congest_lost(hfi_congest state, uint32_t flight, uint32_t mss) {
    state.ssthresh = hfi_max32(flight / 2, 2 * mss);
    state.cwnd = state.ssthresh;
    state.accumulated = 0;
    return state;
}

hfi_congest hfi_congest_timeout(hfi_congest state, uint32_t flight, uint32_t mss, bool again) {
    if (!again) state.ssthresh = hfi_max32(flight / 2, 2 * mss);
    state.cwnd = mss;
    state.accumulated = 0;
    return state;
}

hfi_congest hfi_congest_idle(hfi_congest state, uint32_t mss, uint32_t segs) {
    state.cwnd = hfi_min32(state.cwnd, initial_window(mss, segs));
    return state;
}
