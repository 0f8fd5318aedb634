/* A tap: something that looks at frames as they pass a driver, and changes nothing. */
#ifndef HF_TAP_H
#define HF_TAP_H

#include <hf/engine.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum hf_way { HF_WAY_IN, HF_WAY_OUT } hf_way;

/* All zero is a tap that is not there. */
typedef struct hf_tap {
    /* Borrows the frame and its parts. A sent frame tells its cause itself; a received one has a
     * verdict, which is NULL for sent ones. */
    void (*frame)(void *context, hf_ns at_ns, hf_way way, const hf_frame *frame,
                  const hf_verdict *verdict);
    void *context;
} hf_tap;

#ifdef __cplusplus
}
#endif
#endif
