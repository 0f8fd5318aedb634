/* What the files of send share. */
#ifndef HFI_SEND_INTERNAL_H
#define HFI_SEND_INTERNAL_H

#include "send/send.h"

/* How many bytes pacing lets out now, at least a segment; 0: the connection waits for its credit, and
 * the deadline is kept. UINT32_MAX where nothing is paced. */
uint32_t hfi_send_pace(hfi_ctx *ctx, hfi_conn *conn);

/* `bytes` have left. */
void hfi_send_pace_spend(hfi_ctx *ctx, const hfi_conn *conn, uint32_t bytes);

#endif
