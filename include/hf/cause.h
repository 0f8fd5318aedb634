/* Causes: why a packet or a timer had its effect, and why a connection ended. One closed list. */
#ifndef HF_CAUSE_H
#define HF_CAUSE_H

#include <hf/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum hf_cause {
#define HF_CAUSE_ROW(name, rfc, sentence) HF_CAUSE_##name,
#include <hf/cause.def>
#undef HF_CAUSE_ROW
    HF_CAUSE_COUNT
} hf_cause;

#ifdef __cplusplus
}
#endif
#endif
