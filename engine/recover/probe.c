/* Tail loss probe, RFC 8985 7. The last segments of a burst have nothing behind them whose SACK would
 * tell of their loss. Before the RTO, which would cost the whole window, one segment is sent again, or
 * a new one: its ACK tells RACK. */
#include "recover/internal.h"

#define PTO_UNMEASURED_NS HF_SECOND
/* On paths faster than our clock: two ticks, as Linux has them. */
#define PTO_GRANULARITY_NS (2 * HFI_TICK_NS)

bool hfi_recover_probe_at(const hfi_ctx *ctx, const hfi_conn *conn, hfi_tick *ret_at) {
    if (!hfi_recover_by_time(ctx, conn)) return false;
    const hfi_flight *flight = &ctx->flights[conn->flight];
    if (hfi_has(conn, HFI_F_RECOVERY | HFI_F_LOSS | HFI_F_PERSIST) || conn->backoff > 0)
        return false;
    if (flight->sacked_bytes > 0) return false; /* RACK can tell already */
    if (hfi_recover_marked(flight, HFI_FLIGHT_PROBED | HFI_FLIGHT_UNMEASURED)) return false;
    hf_ns pto_ns = PTO_UNMEASURED_NS;
    if (conn->srtt_us != 0) pto_ns = 2 * (hf_ns)conn->srtt_us * HF_US + PTO_GRANULARITY_NS;
    /* A single segment's ACK may be delayed. */
    if (conn->srtt_us != 0 && hfi_in_flight(conn) <= conn->mss)
        pto_ns += ctx->limits->tlp_ack_delay_ns;
    *ret_at = hfi_ticks_from(ctx, pto_ns);
    if (hfi_tick_lt(flight->rto_at, *ret_at)) *ret_at = flight->rto_at;
    return true;
}

hfi_index hfi_recover_probe_segment(hfi_ctx *ctx, hfi_conn *conn) {
    const hfi_index tail = conn->segq_tail;
    if (tail == HFI_NONE) return HFI_NONE;
    const uint32_t bytes = ctx->segments[tail].bytes, mss = conn->mss;
    if (bytes <= mss) return tail;
    const uint32_t last = bytes % mss != 0 ? bytes % mss : mss;
    return hfi_segq_split(ctx, conn, tail, bytes - last) ? conn->segq_tail : HFI_NONE;
}

void hfi_recover_probed(hfi_ctx *ctx, hfi_conn *conn, bool again) {
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    hfi_recover_unmark(flight, HFI_FLIGHT_PROBED_AGAIN);
    flight->marks |= HFI_FLIGHT_PROBED | HFI_FLIGHT_UNMEASURED;
    if (again) flight->marks |= HFI_FLIGHT_PROBED_AGAIN;
    flight->tlp_end = conn->snd_nxt;
    hfi_recover_restart_timer(ctx, conn); /* 7.3: the RTO, not another probe */
}

/* The probe has repaired a loss that nothing else told of: the window falls as for any other. */
static void answer_loss(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_recover_undo_begin(ctx, conn);
    hfi_recover_window_lost(ctx, conn);
    hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_PROBE_REPAIRED, conn->cwnd, 0);
}

void hfi_recover_probe_acked(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg, bool advances,
                             bool sacks) {
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    if (!hfi_recover_marked(flight, HFI_FLIGHT_PROBED) || hf_seq_lt(seg->ack, flight->tlp_end))
        return;
    const bool again = hfi_recover_marked(flight, HFI_FLIGHT_PROBED_AGAIN);
    const bool beyond = hf_seq_lt(flight->tlp_end, seg->ack);
    /* One ACK for the first transmission, one for the probe. */
    const bool both_arrived = !advances && !sacks && seg->payload_bytes == 0;
    if (again && !beyond && !both_arrived) return;
    hfi_recover_unmark(flight, HFI_FLIGHT_PROBED);
    if (again && beyond && !hfi_has(conn, HFI_F_RECOVERY | HFI_F_LOSS) &&
        !hfi_recover_is_falling(ctx, conn))
        answer_loss(ctx, conn);
}
