/* SACK and DSACK, RFC 2018 and RFC 2883: what an ACK tells beyond RCV.NXT.
 *
 * A duplicate is remembered as a range that is in no list and holds no chunk, until an ACK has told of
 * it. It stands where the range that changed last is kept, and has that one as its next. A connection
 * has room for no more fields; who has no range left tells nothing, which RFC 2883 allows. */
#include "receive/internal.h"

static hfi_range *report_of(const hfi_ctx *ctx, const hfi_conn *conn) {
    if (conn->range_recent == HFI_NONE) return NULL;
    hfi_range *range = &ctx->ranges[conn->range_recent];
    return range->chunk == HFI_NONE ? range : NULL;
}

hfi_index hfi_receive_recent(const hfi_ctx *ctx, const hfi_conn *conn) {
    const hfi_range *report = report_of(ctx, conn);
    return report != NULL ? report->next : conn->range_recent;
}

void hfi_receive_set_recent(hfi_ctx *ctx, hfi_conn *conn, hfi_index range) {
    hfi_range *report = report_of(ctx, conn);
    if (report != NULL)
        report->next = range;
    else
        conn->range_recent = range;
}

void hfi_receive_duplicate(hfi_ctx *ctx, hfi_conn *conn, hf_seq start, hf_seq end) {
    if (!hfi_has(conn, HFI_F_SACK) || !hf_seq_lt(start, end)) return;
    hfi_range *report = report_of(ctx, conn);
    if (report == NULL) {
        const hfi_index fresh = hfi_pool_take(&ctx->root->range_pool, ctx->range_next);
        if (fresh == HFI_NONE) return;
        report = &ctx->ranges[fresh];
        report->chunk = HFI_NONE;
        report->next = conn->range_recent;
        conn->range_recent = fresh;
    }
    report->start = start;
    report->end = end;
    hfi_receive_owe_ack(ctx, conn, HF_CAUSE_SENT_ACK_DSACK);
}

void hfi_receive_duplicate_told(hfi_ctx *ctx, hfi_conn *conn) {
    const hfi_range *report = report_of(ctx, conn);
    if (report == NULL) return;
    const hfi_index told = conn->range_recent;
    conn->range_recent = report->next;
    hfi_pool_give(&ctx->root->range_pool, ctx->range_next, told);
}

void hfi_receive_old(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg) {
    if (seg->payload_bytes == 0 || !hf_seq_lt(seg->seq, conn->rcv_nxt)) return;
    const hf_seq end = hf_seq_min(seg->seq + seg->payload_bytes, conn->rcv_nxt);
    hfi_receive_duplicate(ctx, conn, seg->seq, end);
}

bool hfi_receive_has_sack(const hfi_ctx *ctx, const hfi_conn *conn) {
    return conn->range_head != HFI_NONE || report_of(ctx, conn) != NULL;
}

static void add_block(const hfi_ctx *ctx, hfi_index range, hfi_tcp_options *options) {
    options->sack[options->sack_count].start = ctx->ranges[range].start;
    options->sack[options->sack_count].end = ctx->ranges[range].end;
    options->sack_count++;
}

void hfi_receive_sack(const hfi_ctx *ctx, const hfi_conn *conn, hfi_tcp_options *options) {
    if (!hfi_has(conn, HFI_F_SACK) || !hfi_receive_has_sack(ctx, conn)) return;
    const uint32_t room = hfi_has(conn, HFI_F_TIMESTAMPS) ? 3 : HFI_TCP_SACK_MAX;
    const hfi_index recent = hfi_receive_recent(ctx, conn);
    options->sack_count = 0;
    if (report_of(ctx, conn) != NULL) add_block(ctx, conn->range_recent, options);
    if (recent != HFI_NONE) add_block(ctx, recent, options);
    for (hfi_index at = conn->range_head; at != HFI_NONE && options->sack_count < room;
         at = ctx->ranges[at].next)
        if (at != recent) add_block(ctx, at, options);
    options->present |= HFI_OPT_SACK;
}
