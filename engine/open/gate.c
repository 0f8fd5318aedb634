/* accept_at: clients that are not ESTABLISHED before the application wants them (SYN), or cannot send
 * before (WINDOW).
 *
 *     SYN     SYN --> pending entry --event--> application: ACCEPT --> SYN-ACK, the usual handshake
 *                                                           REFUSE --> RST
 *                                                           IGNORE, 3 s --> nothing
 *     WINDOW  SYN --> SYN-ACK, window 0 --ACK--> accept queue --hf_accept--> window update,
 *                                                at RTO again with a probe, until the peer is heard
 *
 * A pending SYN costs an entry and no connection block; there are as many as the backlog has places.
 */
#include "open/internal.h"

/* A client sends its SYN again after 1 and 3 s: a program that does not answer in that time is not
 * there, and the next SYN is new. */
#define PENDING_NS (3 * HF_SECOND)

/* Of a window update: at the usual RTO a second and a half in all, then the peer's own window probes
 * must do. */
#define OPENED_REPEATS 3

/* ---- SYN ---- */

bool hfi_open_pend(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival,
                   hfi_open_isn least) {
    hfi_listener *l = &ctx->listeners[listener];
    if (l->accept.count + l->handshaking >= l->backlog) return false;
    const hfi_index index = hfi_open_take_entry(ctx, listener, arrival, least);
    if (index == HFI_NONE) return false;
    hfi_syn_entry *entry = &ctx->syns[index];
    entry->pending = true;
    entry->serial = ++ctx->root->syn_serial;
    l->pending++;
    ctx->root->pending_syns++;
    hfi_open_arm_entry(ctx, index, PENDING_NS);
    hfi_listener_event(ctx, l, HF_EVENT_SYN);
    return true;
}

void hfi_open_pend_again(hfi_ctx *ctx, hfi_index index) {
    hfi_syn_entry *entry = &ctx->syns[index];
    entry->shown = false;
    hfi_open_arm_entry(ctx, index, PENDING_NS);
    hfi_listener_event(ctx, &ctx->listeners[entry->listener], HF_EVENT_SYN);
}

void hfi_open_unpend(hfi_ctx *ctx, hfi_syn_entry *entry) {
    if (!entry->pending) return;
    entry->pending = false;
    ctx->listeners[entry->listener].pending--;
    ctx->root->pending_syns--;
}

hfi_index hfi_open_pending_next(hfi_ctx *ctx, hfi_index listener) {
    hfi_index at = ctx->listeners[listener].oldest;
    while (at != HFI_NONE && (!ctx->syns[at].pending || ctx->syns[at].shown))
        at = ctx->syns[at].next;
    if (at != HFI_NONE) ctx->syns[at].shown = true;
    return at;
}

static void refuse_pending(hfi_ctx *ctx, hfi_index index, hfi_effects *effects) {
    const hfi_syn_entry *entry = &ctx->syns[index];
    effects->reply = true;
    effects->departure = hfi_open_syn_ack(ctx, entry, entry->mtu, 0, HF_CAUSE_SENT_RST_TURNED_AWAY);
    effects->departure.tcp.seq = 0;
    effects->departure.tcp.flags = HFI_TCP_RST | HFI_TCP_ACK;
    effects->departure.tcp.window = 0;
    effects->departure.tcp.options.present = 0;
    hfi_open_entry_forget(ctx, index, HF_CAUSE_NONE);
}

static void accept_pending(hfi_ctx *ctx, hfi_index index, hfi_effects *effects) {
    hfi_syn_entry *entry = &ctx->syns[index];
    const hf_tcp_options *options =
        &ctx->option_sets[ctx->listeners[entry->listener].options].value;
    const uint32_t asked_ms = (ctx->now_us - entry->sent_us) / 1000;
    hfi_open_unpend(ctx, entry);
    hfi_open_renew_entry(ctx, index);
    entry->window = hfi_receive_first_window(ctx, options->receive_bytes,
                                             hfi_open_our_mss(&entry->remote, entry->mtu));
    hfi_open_answer_entry(ctx, index, HF_CAUSE_SENT_SYN_ACK_ACCEPTED, effects);
    effects->departure.a = asked_ms;
}

hf_err hfi_open_answer(hfi_ctx *ctx, hfi_index index, hf_syn_verdict verdict,
                       hfi_effects *effects) {
    if (verdict == HF_SYN_ACCEPT) {
        if (!hfi_open_has_slot(ctx)) return HF_NO_CONNECTION_SLOT;
        accept_pending(ctx, index, effects);
    } else if (verdict == HF_SYN_REFUSE) {
        refuse_pending(ctx, index, effects);
    } else {
        hfi_open_entry_forget(ctx, index, HF_CAUSE_SYN_IGNORED);
    }
    return HF_OK;
}

/* ---- WINDOW ---- */

static void arm_gate(hfi_ctx *ctx, hfi_conn *conn) {
    const hf_ns rto_ns = (hf_ns)conn->rto_us * HF_US << conn->transmissions;
    conn->timers |= HFI_T_RTX;
    conn->rtx_at = hfi_ticks_from(ctx, hfi_min64(rto_ns, ctx->limits->rto_max_ns));
}

void hfi_open_gate(hfi_ctx *ctx, hfi_conn *conn) {
    hfi_conn_owe(ctx, conn, HFI_P_OPENED);
    if (hfi_in_flight(conn) > 0) return; /* what is sent again tells the window too */
    conn->pending |= HFI_P_GATE;
    conn->transmissions = 0;
    arm_gate(ctx, conn);
}

void hfi_open_gate_timeout(hfi_ctx *ctx, hfi_conn *conn) {
    if ((conn->pending & HFI_P_GATE) == 0 || hfi_in_flight(conn) > 0) return;
    if (conn->transmissions == OPENED_REPEATS) {
        hfi_open_gate_heard(conn); /* or not: the peer's own probes must do */
        return;
    }
    conn->transmissions++;
    arm_gate(ctx, conn);
    /* Nobody answers a window update; the probe behind it is answered. */
    hfi_conn_owe(ctx, conn, HFI_P_OPENED | HFI_P_PROBE);
}
