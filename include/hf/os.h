/* What an engine may not fetch itself: randomness and time, from the operating system. */
#ifndef HF_OS_H
#define HF_OS_H

#include <hf/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Fills a seed for hf_config from the system's random source; waits, early in boot, until it is
 * ready. False with errno set if there is none: do not go on with a made-up seed, since sequence
 * numbers, ports and cookies rest on it. */
bool hf_seed_from_os(uint8_t ret_seed[32]);

/* Nanoseconds of CLOCK_MONOTONIC: a clock that suits hf_engine_step. */
hf_ns hf_now_from_os(void);

#ifdef __cplusplus
}
#endif
#endif
