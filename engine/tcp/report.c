/* What the network layer reports: ICMP errors (RFC 9293 3.9.2.2, RFC 5927) and next hops that do
 * not answer. */
#include "tcp/tcp.h"
#include "wire/ip.h"

/* RFC 5927 4.1: only an error about something in flight is believed. */
static bool quotes_flight(const hfi_conn *conn, hf_seq seq) {
    return hfi_in_flight(conn) > 0 && hf_seq_le(conn->snd_una, seq) &&
           hf_seq_lt(seq, conn->snd_nxt);
}

static uint8_t packed(uint8_t type, uint8_t code) {
    return (uint8_t)((type & 15) << 4 | (code & 15));
}

/* Departs from RFC 9293 SHLD-26 once synchronized: a hard error then is noted like a soft one, as
 * all stacks of today do (RFC 5461), since a forged one would end a living connection. */
static hf_cause note_error(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_report *report) {
    const bool hard = report->class == HFI_ICMP_HARD;
    conn->end_icmp = packed(report->type, report->code);
    if (conn->path != HFI_NONE) ctx->paths.paths[conn->path].trouble_from = report->from;
    if (hard && conn->state == HF_SYN_SENT) {
        hfi_close_end(ctx, conn, HF_CAUSE_END_UNREACHABLE, HF_CAUSE_BY_ICMP, HF_CAUSE_NONE);
        return HF_CAUSE_TOOK_ICMP_HARD;
    }
    if (hard && hfi_quirk(ctx, HF_QUIRK_ICMP_HARD_ENDS)) {
        hfi_close_end(ctx, conn, HF_CAUSE_END_UNREACHABLE, HF_CAUSE_BY_ICMP,
                      HF_CAUSE_SENT_RST_GAVE_UP);
        return HF_CAUSE_TOOK_ICMP_HARD_LATE;
    }
    hfi_conn_event(ctx, conn, HF_EVENT_SOFT_ERROR);
    return HF_CAUSE_TOOK_ICMP_SOFT;
}

/* The way takes less than we thought: smaller segments from now on, and the oldest goes again. */
static hf_cause shrink(hfi_ctx *ctx, hfi_conn *conn, uint32_t mtu) {
    const uint32_t headers = hf_addr_is4(&conn->remote) ? 40 : 60;
    const uint32_t options = (hfi_has(conn, HFI_F_TIMESTAMPS) ? 12 : 0) +
                             hfi_ip4_route_bytes(&hfi_options(ctx, conn)->source_route);
    const uint32_t mss = mtu > headers + options ? mtu - headers - options : 0;
    if (mss == 0 || mss >= conn->mss) return HF_CAUSE_DROP_ICMP_SEQUENCE;
    hfi_open_limit_mss(conn, (uint16_t)mss);
    hfi_segq_lose_all(ctx, conn);
    hfi_conn_owe(ctx, conn, HFI_P_DATA | HFI_P_RESEND);
    return HF_CAUSE_TOOK_ICMP_TOO_BIG;
}

hf_cause hfi_tcp_icmp(hfi_ctx *ctx, const hfi_flow_key *key, const hfi_tcp_report *report,
                      hfi_index *ret_conn) {
    const uint32_t ref = hfi_tcp_find(ctx, key);
    *ret_conn = HFI_NONE;
    if (ref == HFI_NONE || hfi_flow_kind(ref) != HFI_FLOW_CONN) return HF_CAUSE_DROP_ICMP_SEQUENCE;
    hfi_conn *conn = &ctx->conns[hfi_flow_index(ref)];
    *ret_conn = hfi_flow_index(ref);
    if (!quotes_flight(conn, report->seq)) return HF_CAUSE_DROP_ICMP_SEQUENCE;
    hf_cause cause = HF_CAUSE_NONE;
    switch (report->class) {
    case HFI_ICMP_SOFT:
    case HFI_ICMP_HARD: cause = note_error(ctx, conn, report); break;
    case HFI_ICMP_TOO_BIG: cause = shrink(ctx, conn, report->mtu); break;
    }
    hfi_tcp_settle(ctx, conn);
    return cause;
}

void hfi_tcp_unreachable(hfi_ctx *ctx, hfi_conn *conn) {
    if (hfi_has(conn, HFI_F_ENDED)) return;
    if (conn->state == HF_SYN_SENT)
        hfi_close_end(ctx, conn, HF_CAUSE_END_NEIGHBOR_SILENT, HF_CAUSE_BY_NEIGHBOR, HF_CAUSE_NONE);
    else
        hfi_conn_event(ctx, conn, HF_EVENT_SOFT_ERROR);
    hfi_tcp_settle(ctx, conn);
}
