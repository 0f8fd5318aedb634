/* RACK, RFC 8985: what is lost, by time. Something that left later has arrived; whatever left before
 * it and is older than a round trip and the reordering window is lost.
 *
 *     left     1    2    3    4    5                      now
 *     arrived            3    4                            |
 *              |<---------- RACK.rtt + reo_wnd ----------->|     1 is lost; 2 will be, if it is not late */
#include "recover/internal.h"

#define REO_WND_PERSIST                                                                            \
    16 /* RFC 8985 6.2, step 4: recoveries after which the window is narrow again */
#define MIN_RTT_AGE_NS (300 * HF_SECOND) /* a route may have become longer */

bool hfi_recover_by_time(const hfi_ctx *ctx, const hfi_conn *conn) {
    return ctx->limits->rack != 0 && conn->flight != HFI_NONE && hfi_recover_by_sack(ctx, conn);
}

static void note_rtt(const hfi_ctx *ctx, hfi_flight *flight, hfi_us32 rtt_us) {
    const hf_ns age_ns = (hf_ns)(uint32_t)(ctx->now_tick - flight->min_rtt_at) * HFI_TICK_NS;
    if (flight->min_rtt_us != 0 && rtt_us > flight->min_rtt_us && age_ns < MIN_RTT_AGE_NS) return;
    flight->min_rtt_us = hfi_max32(rtt_us, 1);
    flight->min_rtt_at = ctx->now_tick;
}

static bool left_later(const hfi_flight *flight, const hfi_delivery *delivery) {
    if (!hfi_recover_marked(flight, HFI_FLIGHT_RACK)) return true;
    if (delivery->sent_us == flight->rack_sent_us)
        return hf_seq_lt(flight->rack_end, delivery->end);
    return (int32_t)(delivery->sent_us - flight->rack_sent_us) > 0;
}

void hfi_recover_rack_update(hfi_ctx *ctx, hfi_conn *conn, const hfi_delivery *delivery) {
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    if (flight == NULL) return;
    if (delivery->reordered && !hfi_recover_marked(flight, HFI_FLIGHT_REORDERED)) {
        flight->marks |= HFI_FLIGHT_REORDERED;
        hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_REORDERING_SEEN, 0, 0);
    }
    if (!delivery->any) return;
    flight->rack_rtt_us = ctx->now_us - delivery->sent_us;
    note_rtt(ctx, flight, flight->rack_rtt_us);
    if (!left_later(flight, delivery)) return;
    flight->marks |= HFI_FLIGHT_RACK;
    flight->rack_sent_us = delivery->sent_us;
    flight->rack_end = delivery->end;
}

void hfi_recover_rack_duplicate(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    const bool same_round = hfi_recover_marked(flight, HFI_FLIGHT_ROUND) &&
                            hf_seq_lt(conn->snd_una, flight->dsack_round);
    if (same_round) return;
    flight->marks |= HFI_FLIGHT_ROUND;
    flight->dsack_round = conn->snd_nxt;
    if (flight->reo_wnd_mult < UINT8_MAX) flight->reo_wnd_mult++;
    flight->reo_persist = REO_WND_PERSIST;
}

void hfi_recover_rack_recovered(hfi_flight *flight) {
    hfi_recover_unmark(flight, HFI_FLIGHT_ROUND | HFI_FLIGHT_WAITS);
    if (flight->reo_persist > 0 && --flight->reo_persist == 0) flight->reo_wnd_mult = 0;
}

/* RACK_update_reo_wnd, step 4. reo_wnd_mult counts from 0 here. */
static hfi_us32 reordering_window(const hfi_ctx *ctx, const hfi_conn *conn,
                                  const hfi_flight *flight) {
    const bool many =
        flight->sacked_bytes >= ctx->limits->duplicate_threshold * (uint32_t)conn->mss;
    const bool sure = many || hfi_has(conn, HFI_F_RECOVERY | HFI_F_LOSS);
    if (sure && !hfi_recover_marked(flight, HFI_FLIGHT_REORDERED)) return 0;
    const uint64_t quarters = (uint64_t)(flight->reo_wnd_mult + 1u) * flight->min_rtt_us / 4;
    return (hfi_us32)hfi_min64(quarters, conn->srtt_us);
}

uint32_t hfi_recover_rack_detect(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    hfi_recover_unmark(flight, HFI_FLIGHT_WAITS);
    if (!hfi_recover_marked(flight, HFI_FLIGHT_RACK)) return 0;
    const hfi_us32 wait_us = flight->rack_rtt_us + reordering_window(ctx, conn, flight);
    hfi_us32 more_us;
    const uint32_t lost =
        hfi_segq_lose_older(ctx, conn, flight->rack_sent_us, flight->rack_end, wait_us, &more_us);
    if (more_us > 0) {
        flight->marks |= HFI_FLIGHT_WAITS;
        flight->reorder_at = hfi_ticks_from(ctx, more_us * HF_US);
    }
    if (lost > 0)
        hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_RACK_MARKED_LOST, lost, wait_us / 1000);
    return lost;
}

void hfi_recover_rack_timeout(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_flight *flight = hfi_recover_flight(ctx, conn);
    hfi_us32 more_us;
    const hfi_us32 wait_us = flight->rack_rtt_us + reordering_window(ctx, conn, flight);
    hfi_segq_lose_first(ctx, conn, conn->mss);
    hfi_segq_lose_older(ctx, conn, ctx->now_us, conn->snd_nxt + 1, wait_us, &more_us);
    hfi_recover_unmark(flight, HFI_FLIGHT_WAITS);
}
