/* Between the files of segq. */
#ifndef HFI_SEGQ_INTERNAL_H
#define HFI_SEGQ_INTERNAL_H

#include "segq/segq.h"

static inline hfi_flight *hfi_segq_flight(hfi_ctx *ctx, const hfi_conn *conn) {
    HF_ASSERT(conn->flight != HFI_NONE);
    return &ctx->flights[conn->flight];
}

static inline hf_seq hfi_segq_end_of(const hfi_segment *segment) {
    return segment->seq + segment->bytes;
}

/* The list that a descriptor is in, by its flags; NULL for a SACKed one. */
static inline hfi_segment_list *hfi_segq_list(hfi_flight *flight, const hfi_segment *segment) {
    if ((segment->flags & HFI_SEG_SACKED) != 0) return NULL;
    return (segment->flags & HFI_SEG_LOST) != 0 ? &flight->lost : &flight->sent;
}

/* Puts it behind `before` (HFI_NONE: first). */
void hfi_segq_link(hfi_ctx *ctx, hfi_segment_list *list, hfi_index before, hfi_index index);
void hfi_segq_unlink(hfi_ctx *ctx, hfi_segment_list *list, hfi_index index);

/* It probes no more: it is lost, or cut off from one that did. */
void hfi_segq_probe_lost(hfi_flight *flight, hfi_segment *segment);

/* The descriptor that holds `seq`, which lies in the queue. */
hfi_index hfi_segq_find(hfi_ctx *ctx, const hfi_conn *conn, hf_seq seq);

/* It has arrived, acknowledged or `sacked`: what that tells. Its list is left. */
void hfi_segq_deliver(hfi_ctx *ctx, hfi_flight *flight, hfi_index index, bool sacked,
                      hfi_delivery *delivery);

#endif
