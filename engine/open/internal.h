/* What the files of open share. */
#ifndef HFI_OPEN_INTERNAL_H
#define HFI_OPEN_INTERNAL_H

#include "open/open.h"

/* Below 88 a segment of timestamps and a few bytes would be all header (CVE-2019-11479). */
#define MSS_FLOOR 88u

uint16_t hfi_open_our_mss(const hf_addr *remote, uint32_t mtu);
uint16_t hfi_open_send_mss(const hf_addr *remote, const hfi_tcp_options *options, uint32_t our_mss,
                           bool timestamps);
/* A SYN asks for ECN by both bits (RFC 3168 6.1.1). */
bool hfi_open_asks_ecn(const hfi_tcp_view *syn);

/* For what the window may become (RFC 7323 2.3). */
uint8_t hfi_open_wscale(const hfi_ctx *ctx, uint32_t receive_bytes);

/* ---- listener.c: places ---- */

/* What handshakes may hold that nobody has proved: three quarters of the backlog. */
uint32_t hfi_open_unverified_share(const hfi_listener *listener);

/* Sockets are left, where TIME_WAIT counts as one too (profile small). */
bool hfi_open_has_socket(const hfi_ctx *ctx);

/* Room in the accept queue, and a connection that nobody has reserved. */
bool hfi_open_promises_watch(const hfi_ctx *ctx, const hfi_listener *listener);
bool hfi_open_has_place(const hfi_ctx *ctx, const hfi_listener *listener);

/* A place, within the unverified share, and a SYN entry for it. */
bool hfi_open_has_unverified_place(const hfi_ctx *ctx, const hfi_listener *listener);

/* There was none for this arrival: counted, and the application is told what was done. */
void hfi_open_note_overflow(hfi_ctx *ctx, hfi_listener *listener, const hfi_arrival *arrival,
                            hf_cause cause);

/* ---- passive.c: SYN entries ---- */

hfi_flow_key hfi_open_entry_key(const hfi_ctx *ctx, const hfi_syn_entry *entry);

/* What a SYN says, as an entry; its ISS is chosen by the caller. */
void hfi_open_fill_entry(hfi_ctx *ctx, hfi_syn_entry *entry, hfi_index listener,
                         const hfi_arrival *arrival);

hfi_departure hfi_open_syn_ack(hfi_ctx *ctx, const hfi_syn_entry *entry, uint32_t mtu,
                               uint32_t receive_bytes, hf_cause cause);

/* The connection that an entry, or a cookie, stands for, in the accept queue; HFI_NONE without a
 * slot. */
/* Answers RST: the peer's owner holds its share. */
hf_cause hfi_open_refuse_owner(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival,
                               hfi_effects *effects);

hfi_index hfi_open_make_conn(hfi_ctx *ctx, const hfi_syn_entry *entry, const hfi_arrival *arrival);

/* Remembers the way back of a SYN's source route, in place of any before; forgets it. */
void hfi_open_entry_route(hfi_ctx *ctx, hfi_syn_entry *entry, const hfi_arrival *arrival);
void hfi_open_entry_route_drop(hfi_ctx *ctx, hfi_syn_entry *entry);

/* Takes an entry for a SYN, without an answer yet; HFI_NONE if there is none. */
hfi_index hfi_open_take_entry(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival,
                              hfi_open_isn least);

/* Answers it by SYN-ACK, which is repeated. */
void hfi_open_answer_entry(hfi_ctx *ctx, hfi_index entry, hf_cause cause, hfi_effects *effects);

/* Moves it behind the others: its reservation begins now. */
void hfi_open_renew_entry(hfi_ctx *ctx, hfi_index entry);

/* Its timer is due after `wait`. */
void hfi_open_arm_entry(hfi_ctx *ctx, hfi_index entry, hf_ns wait_ns);

/* Which window a handshake tells: none before the accept, with ACCEPT_AT_WINDOW. */
static inline bool hfi_open_is_gated(const hfi_listener *listener) {
    return listener->accept_at == HF_ACCEPT_AT_WINDOW;
}

/* ---- gate.c ---- */

/* A SYN with ACCEPT_AT_SYN: kept for the application; false if there is no room. */
bool hfi_open_pend(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival,
                   hfi_open_isn least);

/* It came again. */
void hfi_open_pend_again(hfi_ctx *ctx, hfi_index entry);

/* It leaves, or is answered. */
void hfi_open_unpend(hfi_ctx *ctx, hfi_syn_entry *entry);

/* ---- late.c: as Linux does it ---- */

/* Room in the accept queue, which holds one more than the backlog, and a connection. */
bool hfi_open_late_has_place(const hfi_ctx *ctx, const hfi_listener *listener);

/* Requests are full: more SYNs get cookies or nothing. */
bool hfi_open_late_queue_full(const hfi_ctx *ctx, const hfi_listener *listener);

/* How often a SYN-ACK is repeated now. */
uint32_t hfi_open_late_limit(const hfi_ctx *ctx, const hfi_listener *listener);

/* ---- cookie.c ---- */

/* False if no cookie may stand for this SYN. */
bool hfi_open_send_cookie(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival,
                          hfi_open_isn least, hfi_effects *effects);

#endif
