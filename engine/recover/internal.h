/* Between the files of recover. */
#ifndef HFI_RECOVER_INTERNAL_H
#define HFI_RECOVER_INTERNAL_H

#include "congest/congest.h"
#include "recover/recover.h"

static inline hfi_flight *hfi_recover_flight(hfi_ctx *ctx, const hfi_conn *conn) {
    return conn->flight != HFI_NONE ? &ctx->flights[conn->flight] : NULL;
}
static inline bool hfi_recover_marked(const hfi_flight *flight, uint16_t mark) {
    return (flight->marks & mark) != 0;
}
static inline void hfi_recover_unmark(hfi_flight *flight, uint16_t mark) {
    flight->marks &= (uint16_t)~mark;
}

/* Whether SACKs say what has arrived; if not, duplicate ACKs do (RFC 6582). */
bool hfi_recover_by_sack(const hfi_ctx *ctx, const hfi_conn *conn);

/* ---- window.c: how cwnd moves. The only calls of congest, but for the start and idleness. ---- */

void hfi_recover_window_begin(hfi_ctx *ctx, hfi_conn *conn, bool syn_resent);

/* A segment was lost, or more: RFC 5681 3.2. Remembers what to go back to. */
void hfi_recover_window_lost(hfi_ctx *ctx, hfi_conn *conn);
void hfi_recover_window_timeout(hfi_ctx *ctx, hfi_conn *conn, bool again);

/* A mark was echoed while `flight_bytes` were out. */
void hfi_recover_window_marked(hfi_ctx *ctx, hfi_conn *conn, uint32_t flight_bytes);

/* Did cwnd keep data back while what `ack` acknowledges was in flight? Asked before it is taken. */
bool hfi_recover_was_cwnd_limited(hfi_ctx *ctx, hfi_conn *conn, hf_seq ack);

/* An ACK has advanced; the caller fills acked_bytes, rtt_us, in_flight_bytes, cwnd_limited and
 * recovering. */
void hfi_recover_window_acked(hfi_ctx *ctx, hfi_conn *conn, hfi_congest_sample *sample);

void hfi_recover_window_restore(hfi_ctx *ctx, hfi_conn *conn);

/* Proportional rate reduction, RFC 9937 6: `delivered` bytes by the ACK that started recovery, or by
 * one within it; `safe` if that advanced and told of no further loss. */
void hfi_recover_prr_begin(hfi_ctx *ctx, hfi_conn *conn, uint32_t delivered);
void hfi_recover_prr_acked(hfi_ctx *ctx, hfi_conn *conn, uint32_t delivered, bool safe);

/* ---- ecn.c ---- */

/* The window fell because of a mark, and the peer cannot have ended its echo yet. And: it still falls. */
bool hfi_recover_is_marked(const hfi_ctx *ctx, const hfi_conn *conn);
bool hfi_recover_is_falling(const hfi_ctx *ctx, const hfi_conn *conn);

/* An ACK of `acked` bytes that told of `delivered` ones may echo a mark: true if the window fell. */
bool hfi_recover_echo(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg, uint32_t acked,
                      uint32_t delivered);

/* SND.UNA has moved: is the round trip over in which the window fell? */
void hfi_recover_echo_over(hfi_ctx *ctx, hfi_conn *conn);

/* ---- rack.c ---- */

/* RFC 8985 6.2, steps 1 to 4 for what an ACK delivered. */
void hfi_recover_rack_update(hfi_ctx *ctx, hfi_conn *conn, const hfi_delivery *delivery);

/* A DSACK widens the reordering window once a round trip (6.2, step 4), leaving recovery narrows it
 * in the end. */
void hfi_recover_rack_duplicate(hfi_ctx *ctx, hfi_conn *conn);
void hfi_recover_rack_recovered(hfi_flight *flight);

/* 6.2, step 5: marks what is lost, and says in the flight block when to look again. */
uint32_t hfi_recover_rack_detect(hfi_ctx *ctx, hfi_conn *conn);

/* 6.3: the retransmission timer ended. */
void hfi_recover_rack_timeout(hfi_ctx *ctx, hfi_conn *conn);

/* ---- probe.c ---- */

/* When to probe, RFC 8985 7.2, as a tick; false if no probe is due before the RTO. */
bool hfi_recover_probe_at(const hfi_ctx *ctx, const hfi_conn *conn, hfi_tick *ret_at);

/* 7.4.2: what an ACK says of the probe. */
void hfi_recover_probe_acked(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg, bool advances,
                             bool sacks);

/* ---- undo.c ---- */

void hfi_recover_undo_begin(hfi_ctx *ctx, hfi_conn *conn);

/* A DSACK [start, end) (RFC 2883). */
void hfi_recover_duplicate(hfi_ctx *ctx, hfi_conn *conn, hf_seq start, hf_seq end);

/* An ACK has been taken: was the last reaction to a loss in vain? Undoes it then. */
void hfi_recover_judge(hfi_ctx *ctx, hfi_conn *conn, const hfi_delivery *delivery, bool advances);

/* ---- mtu.c ---- */

/* `acked` bytes beyond snd.una are acknowledged, after a small segment went beside the large one. */
void hfi_recover_mtu_answered(hfi_ctx *ctx, hfi_conn *conn, uint32_t acked);

/* The probe of the path's MTU has arrived; or it may be lost. */
void hfi_recover_mtu_arrived(hfi_ctx *ctx, hfi_conn *conn);
void hfi_recover_mtu_lost(hfi_ctx *ctx, hfi_conn *conn);

/* ---- ack.c. `delivered`: by the ACK that starts it. ---- */

void hfi_recover_enter(hfi_ctx *ctx, hfi_conn *conn, uint32_t delivered);
void hfi_recover_leave(hfi_ctx *ctx, hfi_conn *conn);

/* ---- recover.c ---- */

/* Sets rtx_at to the first of the deadlines. */
void hfi_recover_arm(hfi_ctx *ctx, hfi_conn *conn);

#endif
