/* congest: how much may be in flight. Numbers in, numbers out; knows no connection and no clock.
 *
 * A controller is a file of this room and a row of hf_congestion. It is told of every ACK
 * (hfi_congest_sample) and of every congestion event, and answers with cwnd and ssthresh; what it
 * must remember between two calls is in hfi_congest, which lies in the flight block. cwnd and
 * ssthresh themselves lie in the connection, since they outlast the flight block.
 *
 *     NEWRENO   RFC 5681 with appropriate byte counting (RFC 3465, L = 2)
 *     CUBIC     RFC 9438, with HyStart++ (RFC 9406) in the first slow start
 *
 * For all of them: the initial window of RFC 6928; no growth while the window is not in use (RFC
 * 7661 4.3); after idling a restart window, and ssthresh remembers where the window was (RFC 5681
 * 4.1, RFC 2861 3.2). Windows are bytes, times are microseconds of 32 bits, everything is integer
 * arithmetic, so the same ACKs give the same window on every machine.
 *
 * A controller that goes by rate (delivered bytes over time, minimal RTT) finds what it needs in the
 * sample, and may ask for pacing by its rate. */
#ifndef HFI_CONGEST_H
#define HFI_CONGEST_H

#include <hf/tcp.h>
#include "base/base.h"

#define HFI_SSTHRESH_NONE UINT32_MAX

typedef struct hfi_congest_window {
    uint32_t cwnd, ssthresh;
} hfi_congest_window;

/* One ACK that advanced SND.UNA. */
typedef struct hfi_congest_sample {
    hfi_us32 now_us;
    uint32_t acked_bytes;     /* newly delivered by this ACK */
    hfi_us32 rtt_us;          /* measured by this ACK; 0 if none */
    hfi_us32 srtt_us;         /* smoothed; 0 before the first */
    hfi_us32 min_rtt_us;      /* the least since the flight block was attached; 0 if none */
    uint32_t delivered_bytes; /* in all, modulo 2^32 */
    uint32_t in_flight_bytes; /* before this ACK */
    hf_seq acked_to, sent_to; /* SND.UNA after it, and SND.NXT: rounds are counted by them */
    uint32_t mss;
    bool app_limited;  /* what is in flight now was sent while the application had no more */
    bool cwnd_limited; /* what this ACK covers was in flight while cwnd kept more back */
    bool recovering;   /* fast recovery: the window is recover's until it ends */
    bool ecn_marked;   /* the ACK carries ECN-Echo (RFC 3168 6.1.2) */
} hfi_congest_sample;

/* A congestion event: `flight` bytes were out. */
typedef struct hfi_congest_event {
    hfi_us32 now_us;
    uint32_t flight_bytes;
    uint32_t mss;
} hfi_congest_event;

/* What a controller remembers. All zero is a fresh start. In the block. */
typedef struct hfi_congest {
    uint8_t kind;         /* hf_congestion whose numbers these are */
    uint8_t flags;        /* HFI_CC_* */
    uint8_t rtt_samples;  /* HyStart++: in this round, up to N_RTT_SAMPLE */
    uint8_t css_rounds;   /* HyStart++: of conservative slow start, so far */
    uint32_t accumulated; /* bytes acknowledged that have not yet made cwnd grow */
    /* CUBIC, RFC 9438 4.1.2 */
    uint32_t w_max, w_est, cwnd_prior;
    uint32_t w_est_accumulated;
    hfi_us32 k_us, t_us; /* t: time of this epoch in which the window was in use */
    hfi_us32 last_us;    /* the last ACK, t is counted from it */
    /* Before the last congestion event, if it turns out to be none (RFC 9438 4.9). */
    uint32_t saved_cwnd, saved_ssthresh, saved_w_max, saved_w_est, saved_cwnd_prior;
    hfi_us32 saved_k_us, saved_t_us;
    /* HyStart++, RFC 9406 4.2; UINT32_MAX stands for infinity */
    hf_seq round_end;
    hfi_us32 last_round_min_rtt_us, round_min_rtt_us, css_baseline_us;
} hfi_congest;

_Static_assert(sizeof(hfi_congest) <= 96, "congest has 96 of the flight block's 256 bytes");

enum {
    HFI_CC_EPOCH = 1,       /* CUBIC: K, W_max and t are of the congestion avoidance that runs */
    HFI_CC_SAVED = 2,       /* saved_* can be restored */
    HFI_CC_SAVED_EPOCH = 4, /* EPOCH as it was saved */
    HFI_CC_ROUND = 8,       /* HyStart++: round_end and the minima are valid */
    HFI_CC_CSS = 16         /* HyStart++: conservative slow start */
};

/* RFC 6928 2: min(10 * MSS, max(2 * MSS, 14600)); `segs` other than 10 scales the first term. */
hfi_congest_window hfi_congest_initial(uint32_t mss, uint32_t segs);

/* An ACK came. Also while recovering: then loss-based controllers leave the window alone. */
hfi_congest_window hfi_congest_acked(hfi_congest *state, hf_congestion kind,
                                     hfi_congest_window window, const hfi_congest_sample *sample);

/* Once per round trip: a segment was lost, or met congestion on its way (RFC 3168 6.1.2). cwnd falls
 * to ssthresh. */
hfi_congest_window hfi_congest_lost(hfi_congest *state, hf_congestion kind,
                                    hfi_congest_window window, const hfi_congest_event *event);

/* The retransmission timer ended. `again`: for the same data as before, so ssthresh stays. */
hfi_congest_window hfi_congest_timeout(hfi_congest *state, hf_congestion kind,
                                       hfi_congest_window window, const hfi_congest_event *event,
                                       bool again);

/* The last congestion event was none: reordering, or a late ACK (RFC 9438 4.9, RFC 4015). The window
 * is at least what it was before. Once per event; later calls change nothing. */
hfi_congest_window hfi_congest_undo(hfi_congest *state, hf_congestion kind,
                                    hfi_congest_window window);

/* How many bytes the controller wants to leave in a tick of 1.024 ms, at least 1, or 0 if they may
 * leave as fast as the window lets them. */
uint32_t hfi_congest_pacing(hf_congestion kind, hfi_congest_window window, hfi_us32 srtt_us);

/* Nothing was sent for a retransmission time-out: RFC 5681 4.1. `state` is NULL if there is none. */
hfi_congest_window hfi_congest_idle(hfi_congest *state, hfi_congest_window window, uint32_t mss,
                                    uint32_t segs);

#endif
