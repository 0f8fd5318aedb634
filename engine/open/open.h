/* open: how connections come to be. Active opens, listeners with their handshakes, SYN cookies,
 * what the two SYNs agree on, option sets.
 *
 * A listener's place is reserved when the SYN is answered: a SYN entry stands for room in the
 * accept queue and for a connection block, so the handshake's last ACK always finds both. SYN
 * entries may take three quarters of the backlog; beyond, the policy decides: a cookie (which
 * reserves nothing, so its ACK may be told by RST that there is no place), silence, or RST.
 *
 * accept_at moves the program's say: to the SYN, or to the client's first byte (gate.c).
 *
 *     SYN --> SYN entry (flow) --ACK--> connection (same flow slot) --> accept queue -->
 * application
 */
#ifndef HFI_OPEN_H
#define HFI_OPEN_H

#include "reply/reply.h"
#include "send/send.h"

/* ---- Option sets ---- */

/* Finds or makes the set; one more user. HFI_NONE when all are taken. */
uint32_t hfi_open_options_hold(hfi_ctx *ctx, const hf_tcp_options *options);
void hfi_open_options_drop(hfi_ctx *ctx, uint32_t index);

/* ---- Connections ---- */

/* A zeroed connection, CLOSED, with its links unset; HFI_NONE when the pool is empty. */
hfi_index hfi_open_take(hfi_ctx *ctx);

typedef struct hfi_open_how {
    hfi_flow_key key; /* free, and local_port chosen */
    uint16_t local;   /* index of key.local */
    uint16_t mtu;
    uint16_t options; /* held by the caller, taken over on success */
    bool has_isn;     /* after TIME_WAIT: */
    hf_seq least_isn;
    hf_ns first_free_at_ns; /* when a connect that was refused would go, HF_NEVER if unknown */
} hfi_open_how;

/* True if a connection is free that no SYN entry has reserved, and a socket. */
bool hfi_open_has_slot(const hfi_ctx *ctx);

/* OPEN, active (RFC 9293 3.10.1): SYN_SENT, owing a SYN. HF_NO_CONNECTION_SLOT, HF_NO_MEMORY. */
hf_err hfi_open_connect(hfi_ctx *ctx, const hfi_open_how *how, hfi_index *ret_conn);

/* The peer's SYN (with or without ACK) in SYN_SENT: takes its sequence number and options. */
void hfi_open_take_syn(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg);

/* The path takes segments of `mss`. Whoever is cut for the first time says what it would have sent, and
 * grows no further than the path remembers of all who said so. */
void hfi_open_cut_mss(hfi_ctx *ctx, hfi_conn *conn, hfi_index path, uint32_t mss);
void hfi_open_grow_mss(hfi_ctx *ctx, hfi_conn *conn, uint32_t mss);

/* Fills SYN or SYN-ACK. */
void hfi_open_syn(hfi_ctx *ctx, hfi_conn *conn, bool ack, hfi_departure *ret);

/* SYN_SENT's or SYN_RECEIVED's timer: true if the attempts are used up. */
bool hfi_open_timeout(hfi_ctx *ctx, hfi_conn *conn);

/* An acceptable segment came by a source route: a connection that a listener gave goes back the same way
 * from now on (RFC 9293 MUST-53, SHLD-24); one that we opened keeps its own (MUST-52). */
void hfi_open_route_heard(hfi_ctx *ctx, hfi_conn *conn, const hf_source_route *route);

/* The connection is ESTABLISHED now. */
void hfi_open_established(hfi_ctx *ctx, hfi_conn *conn, const hfi_tcp_view *seg);

/* ---- Listeners ---- */

hf_err hfi_open_listen(hfi_ctx *ctx, const hf_listen_options *options, uint32_t option_set,
                       hfi_index *ret_listener);

/* The listener for a local address and port, or HFI_NONE. */
hfi_index hfi_open_listener(const hfi_ctx *ctx, const hf_addr *local, uint16_t port);

/* Stops listening: handshakes are forgotten; the caller resets what waits in the accept queue
 * first. */
void hfi_open_unlisten(hfi_ctx *ctx, hfi_index listener);

/* Which ISN a new connection may have where TIME_WAIT guards its tuple (RFC 6191). A cookie cannot
 * choose: it stands in for a lower one only where timestamps tell old segments from new ones. */
typedef struct hfi_open_isn {
    bool has_least, has_timestamps;
    hf_seq least;
} hfi_open_isn;
#define HFI_OPEN_ANY_ISN ((hfi_open_isn){false, false, 0})

/* The listener takes no more SYNs; it is over when nothing waits, or at at_ns. */
void hfi_open_drain(hfi_ctx *ctx, hfi_index listener, hf_ns at_ns);
bool hfi_open_drains(const hfi_listener *listener);

/* It is over: handshakes are forgotten, the port is free, the handle stays. */
void hfi_open_drained(hfi_ctx *ctx, hfi_index listener);
hf_ns hfi_open_drain_next_at(const hfi_ctx *ctx);

/* ---- accept_at: gate.c ---- */

/* The oldest SYN that the application has not been given since it came, or HFI_NONE. */
hfi_index hfi_open_pending_next(hfi_ctx *ctx, hfi_index listener);

/* The application answers. HF_NO_CONNECTION_SLOT: nothing has changed. */
hf_err hfi_open_answer(hfi_ctx *ctx, hfi_index entry, hf_syn_verdict verdict, hfi_effects *effects);

/* A connection whose window was closed until now is accepted: the window opens, and that is said
 * again at RTO until the peer has been heard. */
void hfi_open_gate(hfi_ctx *ctx, hfi_conn *conn);

/* Its timer, while nothing is in flight. */
void hfi_open_gate_timeout(hfi_ctx *ctx, hfi_conn *conn);

/* The peer was heard. */
static inline void hfi_open_gate_heard(hfi_conn *conn) {
    if ((conn->pending & HFI_P_GATE) == 0) return;
    conn->pending &= (uint16_t)~HFI_P_GATE;
    if (hfi_in_flight(conn) == 0) conn->transmissions = 0;
}

/* A SYN for a listener. */
hf_cause hfi_open_arriving_syn(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival,
                               hfi_open_isn isn, hfi_effects *effects);

/* True if a SYN that comes now has its place kept; else the policy decides. An old reservation may
 * have given way. */
bool hfi_open_keeps_place(hfi_ctx *ctx, hfi_index listener);

/* True if the segment brings a good cookie back and there is a place for its connection. */
bool hfi_open_cookie_good(const hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival);

/* A segment for a SYN entry. If it completes the handshake *ret_conn is the connection, which then
 * takes the segment; else HFI_NONE. */
hf_cause hfi_open_entry_input(hfi_ctx *ctx, hfi_index entry, const hfi_arrival *arrival,
                              hfi_effects *effects, hfi_index *ret_conn);

/* An ACK for a listener without an entry: a cookie of ours, or not. As above. */
hf_cause hfi_open_cookie_input(hfi_ctx *ctx, hfi_index listener, const hfi_arrival *arrival,
                               hfi_effects *effects, hfi_index *ret_conn);

/* True if the entry is for this key. */
bool hfi_open_entry_matches(const hfi_ctx *ctx, hfi_index entry, const hfi_flow_key *key);

/* The entry's timer: the SYN-ACK again, or the end of the reservation. */
void hfi_open_entry_timeout(hfi_ctx *ctx, hfi_index entry, hfi_effects *effects);

/* ICMP or RST ended the handshake. NONE: the verdict on the segment tells it. */
void hfi_open_entry_forget(hfi_ctx *ctx, hfi_index entry, hf_cause cause);

#endif
