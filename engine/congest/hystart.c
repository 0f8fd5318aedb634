/* HyStart++, RFC 9406: slow start that looks whether the round trip grows, and then goes on slowly
 * for five rounds before it believes it.
 *
 *     slow start --- RTT rose by an eighth ---> CSS, a quarter of the growth --- 5 rounds ---> CUBIC
 *          ^                                     |
 *          +------ RTT fell again ---------------+
 */
#include "congest/internal.h"

/* RFC 9406 4.3 */
#define MIN_RTT_THRESH_US 4000u
#define MAX_RTT_THRESH_US 16000u
#define MIN_RTT_DIVISOR 8
#define N_RTT_SAMPLE 8
#define CSS_GROWTH_DIVISOR 4
#define CSS_ROUNDS 5
#define L_UNPACED 8

#define INFINITE_US UINT32_MAX

static void begin_round(hfi_congest *state, const hfi_congest_sample *sample) {
    const bool first = (state->flags & HFI_CC_ROUND) == 0;
    state->last_round_min_rtt_us = first ? INFINITE_US : state->round_min_rtt_us;
    state->round_min_rtt_us = INFINITE_US;
    state->rtt_samples = 0;
    state->round_end = sample->sent_to;
    state->flags |= HFI_CC_ROUND;
}

static void measure_round(hfi_congest *state, const hfi_congest_sample *sample) {
    if (sample->rtt_us == 0) return;
    state->round_min_rtt_us = hfi_min32(state->round_min_rtt_us, sample->rtt_us);
    if (state->rtt_samples < N_RTT_SAMPLE) state->rtt_samples++;
}

static bool delay_grew(const hfi_congest *state) {
    if (state->rtt_samples < N_RTT_SAMPLE || state->last_round_min_rtt_us == INFINITE_US)
        return false;
    const uint32_t least = state->last_round_min_rtt_us;
    const uint32_t threshold =
        hfi_max32(MIN_RTT_THRESH_US, hfi_min32(least / MIN_RTT_DIVISOR, MAX_RTT_THRESH_US));
    return state->round_min_rtt_us >= least + threshold;
}

static void look_at_delay(hfi_congest *state) {
    if ((state->flags & HFI_CC_CSS) == 0) {
        if (!delay_grew(state)) return;
        state->css_baseline_us = state->round_min_rtt_us;
        state->css_rounds = 0;
        state->flags |= HFI_CC_CSS;
    } else if (state->rtt_samples >= N_RTT_SAMPLE &&
               state->round_min_rtt_us < state->css_baseline_us) {
        state->flags &= (uint8_t)~HFI_CC_CSS; /* it was jitter */
    }
}

uint32_t hfi_hystart_growth(hfi_congest *state, hfi_congest_window *window,
                            const hfi_congest_sample *sample) {
    /* Later slow starts know where to stop (RFC 9406 4.3). They may follow a time-out, after which one
     * ACK can stand for a whole window that had arrived long ago (RFC 3465 2.3). */
    if (window->ssthresh != HFI_SSTHRESH_NONE) return hfi_slow_start_bytes(sample, L_UNPACED);
    /* L bounds the burst that an ACK for much lets out; who paces lets out none, so it is infinite. */
    const bool paced = sample->srtt_us >= PACED_SRTT_LEAST_US;
    const uint32_t growth = paced ? sample->acked_bytes : hfi_slow_start_bytes(sample, L_UNPACED);
    if ((state->flags & HFI_CC_ROUND) == 0) begin_round(state, sample);
    measure_round(state, sample);
    look_at_delay(state);
    const bool css = (state->flags & HFI_CC_CSS) != 0;
    if (hf_seq_le(state->round_end, sample->acked_to)) {
        if (css && ++state->css_rounds >= CSS_ROUNDS) window->ssthresh = window->cwnd;
        begin_round(state, sample);
    }
    return css ? growth / CSS_GROWTH_DIVISOR : growth;
}
