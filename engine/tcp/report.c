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

/* The way takes less than we thought, it says. What it quotes was longer, or it lies; and a SYN never is.
 * RFC 5927 7.2: before a segment of that length can have been acknowledged it is believed at once, this
 * is how the path's MTU is found. Later, when forging it would pay, only if what it quotes does not
 * arrive: at the first timer of recovery that ends (hfi_tcp_mtu_explains). Then what was acknowledged
 * in all is an upper bound of the longest segment that was. */
static hf_cause shrink(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_report *report) {
    const uint32_t headers = hfi_header_bytes(ctx, conn);
    const uint32_t mss = report->mtu > headers ? report->mtu - headers : 0;
    if (mss == 0 || mss >= conn->mss) return HF_CAUSE_DROP_ICMP_TOO_BIG;
    if (hfi_segq_length_at(ctx, conn, report->seq) <= mss) return HF_CAUSE_DROP_ICMP_TOO_BIG;
    if (ctx->limits->plpmtud != 0 && conn->path != HFI_NONE && conn->bytes_acked >= mss) {
        hfi_path_claim(&ctx->paths, conn->path, hfi_conn_index(ctx, conn), report->seq,
                       report->mtu);
        return HF_CAUSE_TOOK_ICMP_CLAIM;
    }
    hfi_tcp_mss_cut(ctx, conn, mss);
    hfi_recover_restart_timer(ctx, conn);
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
    case HFI_ICMP_TOO_BIG: cause = shrink(ctx, conn, report); break;
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
