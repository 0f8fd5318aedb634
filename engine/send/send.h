/* send: the application's bytes until they are acknowledged, and what goes next.
 *
 *        snd.una        snd.nxt              snd_end
 *     -----|==============|--------------------|
 *      acked  in flight      queued, unsent      FIN after it, if queued
 *
 * Bytes lie in a chain of chunks from the transmit pool, written once and never moved; a frame
 * points into them. What goes next, in this order: the oldest segment when it is asked for whatever
 * cwnd says; what is marked lost; new data. Sender's silly window avoidance is RFC 9293 3.8.6.2.1
 * MUST-38, Nagle in Minshall's form: a small segment waits only while another small one is
 * unacknowledged. */
#ifndef HFI_SEND_H
#define HFI_SEND_H

#include "receive/receive.h"
#include "recover/recover.h"

/* Starts sending from iss. */
void hfi_send_begin(hfi_ctx *ctx, hfi_conn *conn, hf_seq iss);

/* How many bytes may be held now. And: how many the application may add. */
uint32_t hfi_send_limit(const hfi_ctx *ctx, const hfi_conn *conn);
uint32_t hfi_send_room(const hfi_ctx *ctx, const hfi_conn *conn);

/* Copies up to `bytes` into the queue; returns how many. Remembers who wanted more. */
uint32_t hfi_send_write(hfi_ctx *ctx, hfi_conn *conn, const void *data, uint32_t bytes);

/* Lends contiguous room (0 bytes if there is none), and takes what was written there. */
uint32_t hfi_send_reserve(hfi_ctx *ctx, hfi_conn *conn, void **ret_room);
void hfi_send_commit(hfi_ctx *ctx, hfi_conn *conn, uint32_t bytes);

/* SND.WND follows an acceptable ACK (RFC 9293 3.10.7.4). True if it changed or opened. */
bool hfi_send_window(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg);

/* snd.una has moved: frees what is acknowledged and tells who waits for room. */
void hfi_send_acked(hfi_ctx *ctx, hfi_conn *conn);

/* Chunks may have become free: tells who waits for some. */
void hfi_send_wake_room(hfi_ctx *ctx);

/* The next segment with data or FIN, at most `super_max` bytes of payload. Fills sequence, flags,
 * payload and cause of the departure and moves snd.nxt. False if nothing can go now. */
bool hfi_send_next(hfi_ctx *ctx, hfi_conn *conn, uint32_t super_max, hfi_departure *ret);

/* True if data waits only until pacing lets it out (send/pace.c), and the instant. */
bool hfi_send_paced(const hfi_conn *conn);
hfi_tick hfi_send_pace_at(const hfi_ctx *ctx, const hfi_conn *conn);

/* The instant has come. */
void hfi_send_pace_over(hfi_ctx *ctx, hfi_conn *conn);

/* True if data waits and nothing in flight will bring an ACK: the persist timer must run. */
bool hfi_send_blocked(const hfi_conn *conn);

/* What keeps the connection, whose handshake is done, from sending more now. */
hf_why hfi_send_why(const hfi_ctx *ctx, const hfi_conn *conn);

/* Throws away everything queued. */
void hfi_send_end(hfi_ctx *ctx, hfi_conn *conn);

#endif
