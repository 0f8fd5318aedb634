/* What the files of send share. */
#ifndef HFI_SEND_INTERNAL_H
#define HFI_SEND_INTERNAL_H

#include "send/send.h"

/* How many bytes pacing lets out now, at least a segment; 0: the connection waits for its credit, and
 * the deadline is kept. UINT32_MAX where nothing is paced. */
uint32_t hfi_send_pace(hfi_ctx *ctx, hfi_conn *conn);

/* Bytes that the peer's window takes beyond snd.nxt. */
static inline uint32_t hfi_send_usable_window(const hfi_conn *conn) {
    const hf_seq edge = conn->snd_una + conn->snd_wnd;
    return hf_seq_lt(conn->snd_nxt, edge) ? edge - conn->snd_nxt : 0;
}

/* Payload of the small segment that goes beside the oldest data, 0 if its size is not in doubt; of a
 * probe that goes now, 0 if none, and whether it only waits for room in cwnd. */
uint32_t hfi_send_mtu_question(hfi_ctx *ctx, const hfi_conn *conn);
uint32_t hfi_send_mtu_probe(hfi_ctx *ctx, hfi_conn *conn, bool *ret_waits);

/* `bytes` have left. */
void hfi_send_pace_spend(hfi_ctx *ctx, const hfi_conn *conn, uint32_t bytes);

#endif
