/* Between the files of receive. */
#ifndef HFI_RECEIVE_INTERNAL_H
#define HFI_RECEIVE_INTERNAL_H

#include "receive/receive.h"

/* The range that changed last. */
hfi_index hfi_receive_recent(const hfi_ctx *ctx, const hfi_conn *conn);
void hfi_receive_set_recent(hfi_ctx *ctx, hfi_conn *conn, hfi_index range);

/* [start, end) came a second time: the next ACK, due at once, says so. Empty: nothing did. */
void hfi_receive_duplicate(hfi_ctx *ctx, hfi_conn *conn, hf_seq start, hf_seq end);
void hfi_receive_duplicate_told(hfi_ctx *ctx, hfi_conn *conn);

#endif
