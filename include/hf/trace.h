/* The trace: what the engine did and why, as integers; explain/ turns them into sentences.
 *
 * The ring is the caller's. The engine writes at `written`, the caller reads and moves `read`; both
 * count records since the start. A full ring loses the newest records and says how many (GAP),
 * counters (hf_cause_count) stay exact.
 */
#ifndef HF_TRACE_H
#define HF_TRACE_H

#include <hf/cause.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum hf_trace_event {
#define HF_TRACE_ROW(name, sentence) HF_TRACE_##name,
#include <hf/trace.def>
#undef HF_TRACE_ROW
    HF_TRACE_COUNT
} hf_trace_event;

typedef struct hf_trace_record {
    hf_ns at_ns;
    uint32_t frame_id;
    uint32_t conn; /* connection index, or UINT32_MAX */
    uint16_t event;
    uint16_t cause;
    uint32_t a;
    uint64_t b;
} hf_trace_record;

#ifndef __cplusplus
_Static_assert(sizeof(hf_trace_record) == 32, "a trace record is 32 bytes");
#endif

typedef struct hf_trace {
    hf_trace_record *records; /* links: lives as long as the engine */
    uint32_t capacity;        /* a power of two */
    uint32_t lost;            /* since the last GAP record */
    uint64_t written, read;
} hf_trace;

#ifdef __cplusplus
}
#endif
#endif
