/* congest: how much may be in flight. Numbers in, numbers out; knows no connection.
 *
 * NewReno's growth and decrease: RFC 5681 with appropriate byte counting (RFC 3465, L = 2) and the
 * initial window of RFC 6928. */
#ifndef HFI_CONGEST_H
#define HFI_CONGEST_H

#include "base/base.h"

typedef struct hfi_congest {
    uint32_t cwnd, ssthresh;
    uint32_t accumulated; /* bytes acknowledged since cwnd last grew, in congestion avoidance */
} hfi_congest;

#define HFI_SSTHRESH_NONE UINT32_MAX

/* RFC 6928 2: min(10 * MSS, max(2 * MSS, 14600)); `segs` other than 10 scales the first term. */
hfi_congest hfi_congest_initial(uint32_t mss, uint32_t segs);

/* `acked` bytes were newly acknowledged while the window was in use. */
hfi_congest hfi_congest_acked(hfi_congest state, uint32_t acked, uint32_t mss);

/* A segment was lost with `flight` bytes out: RFC 5681 equation 4; cwnd falls to ssthresh. */
hfi_congest hfi_congest_lost(hfi_congest state, uint32_t flight, uint32_t mss);

/* The retransmission timer ended. `again`: for the same data as before, so ssthresh stays. */
hfi_congest hfi_congest_timeout(hfi_congest state, uint32_t flight, uint32_t mss, bool again);

/* Nothing was sent for a retransmission time-out: RFC 5681 4.1. */
hfi_congest hfi_congest_idle(hfi_congest state, uint32_t mss, uint32_t segs);

#endif
