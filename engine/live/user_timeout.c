/* The user timeout option, RFC 5482: told when asked for, heard as a hint. */
#include "live/internal.h"

/* The granularity bit: minutes, not seconds (RFC 5482 3). */
#define MINUTES 0x8000u

static uint16_t on_wire(hf_ns timeout_ns) {
    const uint64_t seconds = (timeout_ns + HF_SECOND - 1) / HF_SECOND;
    if (seconds < MINUTES) return (uint16_t)seconds;
    return (uint16_t)(MINUTES | hfi_min64((seconds + 59) / 60, MINUTES - 1));
}

static hf_ns from_wire(uint16_t field) {
    const hf_ns count = field & (MINUTES - 1);
    return count * ((field & MINUTES) != 0 ? 60 * HF_SECOND : HF_SECOND);
}

hf_ns hfi_live_peer_user_timeout_ns(const hfi_ctx *ctx, const hfi_conn *conn) {
    return hfi_has(conn, HFI_F_WATCHED) ? from_wire(hfi_watch_of(ctx, conn)->peer_user_timeout) : 0;
}

/* RFC 5482 3.1: min(U_LIMIT, max(ADV_UTO, REMOTE_UTO, L_LIMIT)). Our own is the lower limit, so nobody
 * makes us give up earlier than we would. */
hf_ns hfi_live_user_timeout_ns(const hfi_ctx *ctx, const hfi_conn *conn) {
    const hf_tcp_options *options = hfi_options(ctx, conn);
    const hf_ns own_ns = options->user_timeout_ns, most_ns = options->user_timeout_most_ns;
    if (own_ns == 0 || most_ns == 0) return own_ns;
    return hfi_max64(own_ns, hfi_min64(most_ns, hfi_live_peer_user_timeout_ns(ctx, conn)));
}

void hfi_live_user_timeout_heard(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg) {
    const uint16_t field = seg->options.user_timeout;
    const bool told = (seg->options.present & HFI_OPT_USER_TIMEOUT) != 0;
    if (!told || !hfi_has(conn, HFI_F_WATCHED) || (field & (MINUTES - 1)) == 0) return;
    hfi_watch *watch = hfi_watch_of(ctx, conn);
    if (watch->peer_user_timeout == field) return;
    watch->peer_user_timeout = field;
    hfi_note(ctx, hfi_conn_index(ctx, conn), HF_CAUSE_PEER_USER_TIMEOUT,
             (uint32_t)hfi_min64(from_wire(field) / HF_MS, UINT32_MAX),
             hfi_live_user_timeout_ns(ctx, conn) / HF_MS);
}

void hfi_live_user_timeout_tell(hfi_ctx *ctx, hfi_conn *conn, hfi_tcp_options *ret) {
    const hf_tcp_options *options = hfi_options(ctx, conn);
    if (!options->advertise_user_timeout || options->user_timeout_ns == 0) return;
    ret->present |= HFI_OPT_USER_TIMEOUT;
    ret->user_timeout = on_wire(options->user_timeout_ns);
    /* In the SYN, and again in the first segment without one (RFC 5482 3). */
    if (conn->state >= HF_ESTABLISHED)
        hfi_watch_of(ctx, conn)->flags &= (uint16_t)~HFI_W_TELL_TIMEOUT;
}
