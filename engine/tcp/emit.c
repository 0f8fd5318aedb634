/* What leaves: one segment at a time, in the order of urgency. */
#include "tcp/tcp.h"

void hfi_tcp_begin(hfi_ctx *ctx, const hfi_conn *conn, hfi_departure *ret) {
    const hf_tcp_options *options = hfi_options(ctx, conn);
    memset(ret, 0, sizeof *ret);
    ret->source = ctx->locals[conn->local];
    ret->destination = conn->remote;
    ret->tcp.source_port = conn->local_port;
    ret->tcp.destination_port = conn->remote_port;
    ret->route = options->source_route.count > 0 ? &options->source_route : NULL;
    ret->chunk = HFI_NONE;
    ret->conn = hfi_conn_index(ctx, conn);
    ret->ttl = options->ttl != 0 ? options->ttl : 64;
    ret->traffic_class = options->traffic_class & 0xfc; /* the lower two bits are ECN's */
}

/* The longest SACK option, padding included: four blocks (RFC 2018 3). */
enum { SACK_BYTES_MAX = 36 };

/* Options are counted out of a segment's payload (RFC 9293 3.7.1 MUST-16), but the blocks come when
 * the payload is chosen: only a segment that leaves room has them. */
static bool has_room_for_sack(const hfi_conn *conn, const hfi_departure *departure) {
    const uint32_t payload = departure->tcp.payload_bytes;
    return payload == 0 || (departure->gso_bytes == 0 && payload + SACK_BYTES_MAX <= conn->mss);
}

static bool tells_user_timeout(const hfi_ctx *ctx, const hfi_conn *conn, const hfi_departure *ret) {
    return (hfi_watch_of(ctx, conn)->flags & HFI_W_TELL_TIMEOUT) != 0 &&
           has_room_for_sack(conn, ret);
}

void hfi_tcp_finish(hfi_ctx *ctx, hfi_conn *conn, hfi_departure *ret) {
    ret->tcp.ack = conn->rcv_nxt;
    if (hfi_has(conn, HFI_F_ECN_ECHO)) ret->tcp.flags |= HFI_TCP_ECE; /* RFC 3168 6.1.3 */
    ret->tcp.window = hfi_receive_window_field(ctx, conn);
    if (hfi_has(conn, HFI_F_TIMESTAMPS)) {
        ret->tcp.options.present |= HFI_OPT_TIMESTAMPS;
        ret->tcp.options.ts_value = ctx->now_tick + conn->ts_offset;
        ret->tcp.options.ts_echo = conn->ts_recent;
    }
    if (HFI_UNLIKELY(hfi_has(conn, HFI_F_WATCHED))) {
        if (tells_user_timeout(ctx, conn, ret))
            hfi_live_user_timeout_tell(ctx, conn, &ret->tcp.options);
        hfi_tcp_urgent_tell(ctx, conn, &ret->tcp);
    }
    const bool told = has_room_for_sack(conn, ret);
    if (told) hfi_receive_sack(ctx, conn, &ret->tcp.options);
    /* An ACK that is due because of a gap then follows without data, as it must to count as a
     * duplicate (RFC 5681 2). */
    if (told || !hfi_receive_has_sack(ctx, conn)) hfi_receive_acked(ctx, conn);
}

static void plain_ack(hfi_conn *conn, hf_cause cause, hfi_departure *ret) {
    ret->tcp.seq = conn->snd_nxt;
    ret->tcp.flags = HFI_TCP_ACK;
    ret->cause = cause;
}

static bool take_pending(hfi_conn *conn, uint16_t what) {
    const bool owed = (conn->pending & what) != 0;
    conn->pending &= (uint16_t)~what;
    return owed;
}

/* RST of a connection that is over. */
static bool emit_last(hfi_ctx *ctx, hfi_conn *conn, hfi_departure *ret) {
    if (!take_pending(conn, HFI_P_RST)) return false;
    hfi_tcp_begin(ctx, conn, ret);
    hfi_close_reset(ctx, conn, ret);
    return true;
}

static bool emit_handshake(hfi_ctx *ctx, hfi_conn *conn, hfi_departure *ret) {
    const bool syn = take_pending(conn, HFI_P_SYN), syn_ack = take_pending(conn, HFI_P_SYN_ACK);
    if (!(syn && conn->state == HF_SYN_SENT) && !(syn_ack && conn->state == HF_SYN_RECEIVED))
        return false;
    hfi_open_syn(ctx, conn, conn->state == HF_SYN_RECEIVED, ret);
    if (hfi_has(conn, HFI_F_WATCHED)) hfi_live_user_timeout_tell(ctx, conn, &ret->tcp.options);
    hfi_live_elicited(ctx, conn);
    return true;
}

/* Asking once more only to hear no would cost as much as the segment itself. */
static bool nothing_more(const hfi_ctx *ctx, const hfi_conn *conn) {
    const bool lost = conn->flight != HFI_NONE && ctx->flights[conn->flight].lost_bytes > 0;
    return !lost && !hfi_has_unsent(conn);
}

static bool emit_data(hfi_ctx *ctx, hfi_conn *conn, uint32_t super_max, hfi_departure *ret) {
    const uint16_t wanted = HFI_P_DATA | HFI_P_RESEND | HFI_P_TAIL_PROBE | HFI_P_MTU;
    if ((conn->pending & wanted) == 0) return false;
    if (HFI_UNLIKELY(ret->route != NULL || hfi_tcp_urgent_waits(ctx, conn))) super_max = conn->mss;
    const hf_seq before = conn->snd_nxt;
    if (!hfi_send_next(ctx, conn, super_max, ret)) {
        conn->pending &= (uint16_t) ~(wanted | HFI_P_OVERRIDE);
        hfi_live_persist(ctx, conn);
        return false;
    }
    if (nothing_more(ctx, conn)) conn->pending &= (uint16_t) ~(HFI_P_DATA | HFI_P_OVERRIDE);
    hfi_live_elicited(ctx, conn);
    if (HFI_UNLIKELY(hfi_has(conn, HFI_F_WATCHED)) && conn->snd_nxt != before &&
        ret->tcp.payload_bytes > 0)
        hfi_live_payload_out(ctx, conn);
    return true;
}

bool hfi_tcp_emit(hfi_ctx *ctx, hfi_conn *conn, uint32_t super_max, hfi_departure *ret) {
    if (hfi_has(conn, HFI_F_ENDED)) return emit_last(ctx, conn, ret);
    hfi_tcp_begin(ctx, conn, ret);
    if (HFI_UNLIKELY((conn->pending & HFI_P_MTU) != 0)) hfi_tcp_mtu(ctx, conn);
    const bool opening = conn->state == HF_SYN_SENT || conn->state == HF_SYN_RECEIVED;
    if (opening && emit_handshake(ctx, conn, ret)) return true;
    if (conn->state == HF_SYN_SENT) return false;
    if (!opening) take_pending(conn, HFI_P_SYN | HFI_P_SYN_ACK); /* the handshake is done */
    if (opening || !emit_data(ctx, conn, super_max, ret)) {
        if (take_pending(conn, HFI_P_OPENED)) {
            plain_ack(conn, HF_CAUSE_SENT_WINDOW_OPENED, ret);
            ret->b = conn->transmissions;
        } else if (take_pending(conn, HFI_P_PROBE)) {
            hfi_live_probe(ctx, conn, ret);
            hfi_live_elicited(ctx, conn);
        } else if (take_pending(conn, HFI_P_CHALLENGE)) {
            plain_ack(conn, HF_CAUSE_SENT_CHALLENGE_ACK, ret);
        } else if (take_pending(conn, HFI_P_ACK)) {
            plain_ack(conn, (hf_cause)conn->ack_cause, ret);
        } else {
            return false;
        }
    }
    hfi_tcp_finish(ctx, conn, ret);
    return true;
}
