/* The invariants of a whole engine, checked from outside after each operation: what the pools count
 * is what connections hold, lists agree with flags, sequence numbers with what is queued. */
#ifndef HF_FUZZ_CHECK_H
#define HF_FUZZ_CHECK_H

#include <hf/tcp.h>
#include "fuzz.h"

/* The largest engine that can be checked. */
#define CHECK_CONNS 16
#define CHECK_CHUNKS 512

/* What must not go back from one check to the next. All zero at the start. */
typedef struct check_memory {
    struct {
        uint32_t generation;
        bool known;
        uint32_t right_edge, snd_una, rcv_nxt, rx_read;
    } conns[CHECK_CONNS];
} check_memory;

/* Aborts if anything is wrong. */
void check_engine(const hf_engine *engine, check_memory *memory);

/* Aborts if anything but TIME_WAIT is in use. */
void check_engine_empty(const hf_engine *engine);

/* The byte that every stream of a fuzz target has at a sequence number: whoever reads or sees one
 * knows whether it is right. */
static inline uint8_t check_byte(uint32_t seq) { return (uint8_t)(seq * 31 + (seq >> 8) * 7 + 5); }

#endif
