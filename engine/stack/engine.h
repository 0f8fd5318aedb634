/* stack: the engine put together. Memory plan, frames in and out, the step, events, and the public
 * calls.
 *
 *     frames in --> rx.c --> tcp --> effects --> tx.c --> slots --> hf_tx_peek
 *                              |                   ^
 *                       transmit list -------------+   connections that owe segments: peek pulls
 *
 * Transmission is pulled: a step only notes which connections owe something, hf_tx_peek makes the
 * frames while slots are free. So a batch of arrivals is answered once, and no queue can overflow.
 * Replies without a connection are made at once, into a slot; without a free one they are dropped
 * and counted.
 *
 * A slot holds the headers and names chunks; while a driver holds the frame, the chunks are
 * referenced. */
#ifndef HFI_ENGINE_H
#define HFI_ENGINE_H

#include <hf/udp.h>
#include "ip/ip.h"
#include "tcp/tcp.h"

/* Ethernet 14, IPv6 40, TCP 60. */
#define HFI_SLOT_HEADER_BYTES 128
#define HFI_SLOT_PARTS (HF_FRAME_PARTS - 1)

typedef enum hfi_slot_state { HFI_SLOT_FREE, HFI_SLOT_READY, HFI_SLOT_TAKEN } hfi_slot_state;

/* In the block. */
typedef struct hfi_slot_part {
    hfi_index chunk;
    uint32_t offset; /* within the stream; its low bits are the place in the chunk */
    uint32_t bytes;
} hfi_slot_part;

/* A frame made and not yet done. In the block. */
typedef struct hfi_slot {
    uint8_t header[HFI_SLOT_HEADER_BYTES];
    uint32_t interface, flags;
    uint16_t gso_bytes, header_bytes, csum_start, csum_offset;
    uint32_t total_bytes;
    uint32_t frame_id;
    hf_conn conn;
    uint16_t cause;
    uint8_t state, part_count;
    uint32_t a, b;
    hfi_slot_part parts[HFI_SLOT_PARTS];
} hfi_slot;

/* What stack keeps in the block beside the tables. */
typedef struct hfi_stack_state {
    hfi_pool slot_pool;
    uint32_t order_head, order_count; /* ring of slots in the order of sending */
    uint32_t peeked;                  /* of these, lent last */
} hfi_stack_state;

typedef struct hfi_engine {
    hfi_ctx ctx;
    hfi_ip ip;
    hfi_stack_state *state;
    hfi_slot *slots;
    hfi_index *slot_next;
    uint32_t *order;
    hf_addr *locals; /* what ctx.locals shows */
} hfi_engine;

_Static_assert(sizeof(hfi_engine) <= sizeof(hf_engine), "the handle has room for the engine's");

static inline hfi_engine *hfi_of(hf_engine *engine) { return (hfi_engine *)(void *)engine; }
static inline const hfi_engine *hfi_of_const(const hf_engine *engine) {
    return (const hfi_engine *)(const void *)engine;
}

/* Takes one frame. */
hf_verdict hfi_rx(hfi_engine *e, const hf_frame *frame);

/* Makes the frame of a departure in a free slot. False, counted as DROP_TX_FULL, if there is none.
 */
bool hfi_tx_departure(hfi_engine *e, const hfi_departure *departure);

/* Carries out what a TCP step asks of the rest. */
void hfi_tx_effects(hfi_engine *e, const hfi_effects *effects);

/* Resolves a handle; NULL if stale. */
hfi_conn *hfi_conn_of(hfi_engine *e, hf_conn handle);

static inline hfi_effects hfi_no_effects(void) {
    hfi_effects effects;
    effects.reply = false;
    effects.reachable = effects.doubt_path = HFI_NONE;
    return effects;
}

#endif
