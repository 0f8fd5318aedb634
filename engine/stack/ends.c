/* The public calls of hf/end.h, and the names of states. */
#include "stack/engine.h"

hf_err hf_conn_end(hf_engine *engine, hf_conn handle, hf_end *ret_end) {
    hfi_engine *e = hfi_of(engine);
    hfi_conn *conn = hfi_conn_of(e, handle);
    if (conn == NULL) return HF_STALE;
    if (hfi_has(conn, HFI_F_ENDED)) {
        hfi_end_fill(&e->ctx, conn, ret_end);
        conn->flags |= HFI_E_TOLD;
        return HF_OK;
    }
    if ((conn->close_how & HFI_CLOSE_TOLD) == 0) return HF_AGAIN;
    hfi_end_fill_detached(&e->ctx, conn, ret_end);
    return HF_OK;
}

bool hf_end_next(const hf_engine *engine, uint64_t *cursor, hf_end_record *ret_record) {
    const hfi_ctx *ctx = &hfi_of_const(engine)->ctx;
    const uint64_t written = ctx->root->end_count, size = ctx->root->config.end_records;
    const uint64_t oldest = written > size ? written - size : 0;
    const uint64_t wanted = hfi_max64(*cursor, oldest);
    if (size == 0 || wanted >= written) return false;
    *ret_record = ctx->end_records[wanted % size];
    ret_record->lost = wanted - *cursor;
    *cursor = wanted + 1;
    return true;
}

/* Arrays, not pointers: nothing here needs relocating, so nothing is data that can be written. */
static const char state_names[HF_STATE_COUNT][13] = {
    "CLOSED",     "LISTEN",     "SYN_SENT", "SYN_RECEIVED", "ESTABLISHED", "FIN_WAIT_1",
    "FIN_WAIT_2", "CLOSE_WAIT", "CLOSING",  "LAST_ACK",     "TIME_WAIT"};

const char *hf_state_name(hf_state state) {
    return state < HF_STATE_COUNT ? state_names[state] : "?";
}
