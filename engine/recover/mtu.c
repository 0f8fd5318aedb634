/* What acknowledgements say of the path's MTU (RFC 4821 7, RFC 8899 4 and 5). The path remembers it for
 * all connections; each takes it up with the next segment that it sends (tcp/mtu.c).
 *
 * A probe that is lost is no sign of congestion (RFC 4821 7.5): segq does not count it among what is
 * newly lost, so no recovery begins, and its data goes again by itself. */
#include "recover/internal.h"

void hfi_recover_mtu_answered(hfi_ctx *ctx, hfi_conn *conn, uint32_t acked) {
    hfi_recover_unmark(hfi_recover_flight(ctx, conn), HFI_FLIGHT_MTU_ASKED);
    const bool is4 = hf_addr_is4(&conn->remote);
    const uint32_t packet = acked + hfi_header_bytes(ctx, conn);
    const uint32_t full = hfi_segq_length_at(ctx, conn, conn->snd_una);
    if (conn->path == HFI_NONE || acked >= full) return; /* the large one has arrived */
    if (packet != hfi_path_base(is4) && packet != hfi_path_floor(is4)) return;
    /* It was not congestion: slow start may lead as far as before. But how far the path carries is not
     * known either, so it begins with one segment, as after any time-out (RFC 4821 7.7). */
    const uint32_t cwnd = conn->cwnd;
    hfi_recover_window_restore(ctx, conn);
    conn->cwnd = cwnd;
    if (hfi_path_black_hole(&ctx->paths, conn->path, packet, ctx->now_ns))
        hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_MTU_BLACK_HOLE, packet,
                 full + hfi_header_bytes(ctx, conn));
    hfi_segq_lose_first(ctx, conn, full); /* the rest of it, before all that follows */
    hfi_conn_owe(ctx, conn, HFI_P_MTU);
}

/* What fits no segment into the window would wait for ever. */
void hfi_recover_mss_grown(hfi_conn *conn) { conn->cwnd = hfi_max32(conn->cwnd, conn->mss); }

void hfi_recover_mtu_arrived(hfi_ctx *ctx, hfi_conn *conn) {
    if (conn->path == HFI_NONE) return;
    const hfi_index index = hfi_conn_index(ctx, conn);
    const uint32_t mtu = hfi_path_probe_arrived(&ctx->paths, conn->path, index, ctx->now_ns);
    if (mtu == 0) return;
    hfi_note(ctx, index, HF_CAUSE_MTU_PROBE_ARRIVED, mtu, 0);
    hfi_conn_owe(ctx, conn, HFI_P_MTU);
}

void hfi_recover_mtu_lost(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    if (HFI_LIKELY(flight == NULL || !hfi_recover_marked(flight, HFI_FLIGHT_MTU_LOST))) return;
    /* A tail loss probe may have brought it to light: no loss to answer either (RFC 8985 7.4.2). */
    hfi_recover_unmark(flight, HFI_FLIGHT_MTU_LOST | HFI_FLIGHT_PROBED | HFI_FLIGHT_PROBED_AGAIN);
    if (conn->path == HFI_NONE) return;
    const hfi_index index = hfi_conn_index(ctx, conn);
    const uint32_t mtu = hfi_path_probe_lost(&ctx->paths, conn->path, index, ctx->now_ns);
    if (mtu != 0) hfi_note(ctx, index, HF_CAUSE_MTU_PROBE_LOST, mtu, 0);
    hfi_conn_owe(ctx, conn, HFI_P_DATA);
}
