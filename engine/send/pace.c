/* Pacing: a window leaves over its round trip instead of at once, where the controller asks for it.
 *
 * A connection has a credit of bytes that grows by its rate and may be overdrawn by the segment that
 * uses it up. Timers have ticks of 1.024 ms, so what leaves at once is what two ticks bring, or two
 * segments: no timer for each packet, and super-segments stay large on fast paths. Nobody in flight is
 * nobody to wait for: then ten segments may leave at once, as RFC 6928 lets them. */
#include "send/internal.h"

#define BURST_TICKS 2u
#define BURST_SEGS 2u
#define FIRST_SEGS 10u

/* More time than this fills any credit; it keeps the product in 64 bits. */
#define REFILL_MAX_US (1u << 20)

static void refill(const hfi_ctx *ctx, const hfi_conn *conn, hfi_flight *flight) {
    const uint32_t passed_us = hfi_min32(ctx->now_us - flight->pace_us, REFILL_MAX_US);
    const uint64_t grown = (uint64_t)passed_us * flight->pace_tick_bytes >> 10;
    if (grown == 0) return; /* less than a byte: the time counts next time */
    const int64_t most = (int64_t)hfi_max64((uint64_t)BURST_TICKS * flight->pace_tick_bytes,
                                            BURST_SEGS * (uint64_t)conn->mss);
    const int64_t credit = flight->pace_credit + (int64_t)grown;
    const int64_t bounded = credit > most ? most : credit;
    flight->pace_us = ctx->now_us;
    flight->pace_credit = bounded > INT32_MAX ? INT32_MAX : (int32_t)bounded;
}

static void wait_for_credit(hfi_ctx *ctx, hfi_conn *conn, hfi_flight *flight) {
    const uint32_t missing = (uint32_t)-flight->pace_credit + hfi_min32(conn->mss, 1500);
    flight->pace_at = ctx->now_tick + 1 + missing / flight->pace_tick_bytes;
    if ((conn->timers & HFI_T_PACE) != 0) return;
    conn->timers |= HFI_T_PACE;
    hfi_count(ctx, HF_CAUSE_PACED);
}

uint32_t hfi_send_pace(hfi_ctx *ctx, hfi_conn *conn) {
    if (conn->flight == HFI_NONE) return UINT32_MAX;
    hfi_flight *flight = &ctx->flights[conn->flight];
    conn->timers &= (uint8_t)~HFI_T_PACE;
    if (flight->pace_tick_bytes == 0) return UINT32_MAX;
    refill(ctx, conn, flight);
    if (hfi_in_flight(conn) == 0) {
        flight->pace_us = ctx->now_us;
        flight->pace_credit = (int32_t)(FIRST_SEGS * conn->mss);
    }
    if (flight->pace_credit > 0) return hfi_max32((uint32_t)flight->pace_credit, conn->mss);
    wait_for_credit(ctx, conn, flight);
    return 0;
}

void hfi_send_pace_spend(hfi_ctx *ctx, const hfi_conn *conn, uint32_t bytes) {
    if (conn->flight == HFI_NONE) return;
    hfi_flight *flight = &ctx->flights[conn->flight];
    if (flight->pace_tick_bytes != 0) flight->pace_credit -= (int32_t)bytes;
}

bool hfi_send_paced(const hfi_conn *conn) {
    return (conn->timers & HFI_T_PACE) != 0 && conn->flight != HFI_NONE;
}

hfi_tick hfi_send_pace_at(const hfi_ctx *ctx, const hfi_conn *conn) {
    return ctx->flights[conn->flight].pace_at;
}

void hfi_send_pace_over(hfi_ctx *ctx, hfi_conn *conn) {
    conn->timers &= (uint8_t)~HFI_T_PACE;
    hfi_conn_owe(ctx, conn, HFI_P_DATA);
}
