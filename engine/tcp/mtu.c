/* The path's MTU, as a connection takes it up: segments of another length from now on, and what is in
 * flight and too long goes again in shorter ones, in order. Nothing that has arrived is forgotten. */
#include "tcp/tcp.h"

void hfi_tcp_mss_cut(hfi_ctx *ctx, hfi_conn *conn, uint32_t mss) {
    hfi_open_cut_mss(ctx, conn, conn->path, mss);
    hfi_segq_lose_longer(ctx, conn, mss);
    hfi_conn_owe(ctx, conn, HFI_P_DATA);
    hfi_conn_event(ctx, conn, HF_EVENT_PATH_MTU);
}

static void mss_grow(hfi_ctx *ctx, hfi_conn *conn, uint32_t mss) {
    const uint16_t before = conn->mss;
    hfi_open_grow_mss(ctx, conn, mss);
    if (conn->mss == before) return;
    hfi_recover_mss_grown(conn);
    hfi_conn_owe(ctx, conn, HFI_P_DATA);
    hfi_conn_event(ctx, conn, HF_EVENT_PATH_MTU);
}

void hfi_tcp_mtu(hfi_ctx *ctx, hfi_conn *conn) {
    if (conn->path == HFI_NONE || conn->state <= HF_SYN_RECEIVED) return;
    const uint32_t headers = hfi_header_bytes(ctx, conn);
    const uint32_t limit = hfi_path_limit(&ctx->paths, conn->path, ctx->now_ns);
    if (limit < conn->mss + headers)
        hfi_tcp_mss_cut(ctx, conn, limit - headers);
    else if ((conn->timers & HFI_T_MSS_CUT) != 0 && limit > conn->mss + headers)
        mss_grow(ctx, conn, limit - headers);
}

/* A timer of recovery has ended: is it the path's MTU? What a router claimed of a segment that was not
 * acknowledged since is believed now (RFC 5927 7.2), and what another connection has found out is taken
 * up. Neither is congestion. */
bool hfi_tcp_mtu_explains(hfi_ctx *ctx, hfi_conn *conn) {
    const uint16_t before = conn->mss;
    if (conn->path == HFI_NONE || conn->segq_head == HFI_NONE) return false;
    const hfi_index index = hfi_conn_index(ctx, conn);
    const uint32_t claimed =
        hfi_path_claim_take(&ctx->paths, conn->path, index, conn->snd_una, ctx->now_ns);
    hfi_tcp_mtu(ctx, conn);
    if (conn->mss >= before) return false;
    hfi_note(ctx, index, claimed != 0 ? HF_CAUSE_MTU_CLAIM_BELIEVED : HF_CAUSE_MTU_LEARNED,
             conn->mss + hfi_header_bytes(ctx, conn), 0);
    hfi_recover_restart_timer(ctx, conn);
    return true;
}

void hfi_tcp_mtu_status(const hfi_ctx *ctx, const hfi_conn *conn, hf_conn_status *ret) {
    ret->packet_bytes = ret->packet_bytes_most = conn->mss + hfi_header_bytes(ctx, conn);
    if ((conn->timers & HFI_T_MSS_CUT) == 0 || conn->path == HFI_NONE) return;
    ret->packet_bytes_most = ctx->paths.paths[conn->path].most_bytes;
    ret->mtu_cause = (hf_cause)ctx->paths.paths[conn->path].mtu_cause;
}
