/* Slots: frames made and not yet done, lent to the driver in order, or kept for ourselves. */
#include "stack/engine.h"

/* ---- Making a frame. ---- */

hfi_slot *hfi_slot_take(hfi_engine *e, uint32_t interface, hf_cause cause) {
    const uint32_t index = hfi_pool_take(&e->state->slot_pool, e->slot_next);
    if (index == HFI_NONE) {
        hfi_count(&e->ctx, HF_CAUSE_DROP_TX_FULL);
        return NULL;
    }
    hfi_slot *slot = &e->slots[index];
    slot->interface = interface;
    slot->flags = 0;
    slot->gso_bytes = slot->csum_start = slot->csum_offset = 0;
    slot->header_bytes = 0;
    slot->total_bytes = 0;
    slot->part_count = 0;
    slot->frame_id = ++e->ctx.root->frame_id;
    slot->conn = (hf_conn){HFI_NONE, 0};
    slot->cause = (uint16_t)cause;
    slot->a = slot->b = 0;
    return slot;
}

uint8_t *hfi_slot_ip(const hfi_engine *e, hfi_slot *slot, const hfi_exit *exit, bool is4) {
    const hfi_interface *interface = &e->ip.interfaces[exit->interface];
    if (interface->link != HF_LINK_ETHERNET) return slot->header;
    hfi_mac own;
    memcpy(own.b, interface->mac, sizeof own.b);
    hfi_eth_build(slot->header, &exit->mac, &own, is4 ? HFI_ETH_IP4 : HFI_ETH_IP6);
    return slot->header + HFI_ETH_BYTES;
}

/* Where the walk over the source's parts is. */
typedef struct source_walk {
    const hf_part *parts;
    uint32_t left; /* parts */
    uint32_t at;   /* within the first of them */
} source_walk;

/* Copies up to `bytes` bytes that lie together; returns how many. */
static uint32_t walk_copy(const hfi_engine *e, source_walk *walk, uint8_t *to, uint32_t bytes,
                          uint32_t *sum) {
    while (walk->left > 0 && walk->at >= walk->parts->bytes) {
        walk->at -= walk->parts->bytes;
        walk->parts++;
        walk->left--;
    }
    if (walk->left == 0) return 0;
    const uint32_t count = hfi_min32(bytes, walk->parts->bytes - walk->at);
    *sum = e->ctx.csum_copy(0, to, (const uint8_t *)walk->parts->data + walk->at, count);
    walk->at += count;
    return count;
}

static bool chunk_fill(hfi_engine *e, hfi_slot_part *part, source_walk *walk, uint32_t done,
                       uint32_t *sum) {
    uint8_t *to = hfi_chunk_at(&e->ctx.tx, part->chunk, 0);
    for (uint32_t filled = 0; filled < part->bytes;) {
        uint32_t piece = 0;
        const uint32_t count = walk_copy(e, walk, to + filled, part->bytes - filled, &piece);
        if (count == 0) return false;
        *sum += (done + filled) % 2 != 0 ? hfi_csum_swap(piece) : piece;
        filled += count;
    }
    return true;
}

bool hfi_slot_fill(hfi_engine *e, hfi_slot *slot, const hf_part *parts, uint32_t part_count,
                   uint32_t at, uint32_t bytes, uint32_t *sum) {
    source_walk walk = {parts, part_count, at};
    for (uint32_t done = 0; done < bytes;) {
        const bool room = slot->part_count < HFI_SLOT_PARTS;
        const hfi_index chunk = room ? hfi_chunk_take(&e->ctx.tx, 0, 0) : HFI_NONE;
        bool good = chunk != HFI_NONE;
        if (good) {
            const uint32_t here = hfi_min32(bytes - done, hfi_chunk_bytes(&e->ctx.tx));
            hfi_slot_part *part = &slot->parts[slot->part_count++];
            *part = (hfi_slot_part){chunk, 0, here};
            good = chunk_fill(e, part, &walk, done, sum);
            done += here;
        }
        if (!good) {
            hfi_slot_finish(e, (uint32_t)(slot - e->slots));
            return false;
        }
    }
    slot->total_bytes += bytes;
    return true;
}

void hfi_slot_send(hfi_engine *e, hfi_slot *slot) {
    hfi_stack_state *s = e->state;
    const uint32_t index = (uint32_t)(slot - e->slots), size = e->ctx.root->config.tx_frames;
    slot->state = HFI_SLOT_READY;
    if (e->ip.interfaces[slot->interface].link == HF_LINK_LOOPBACK)
        e->loop[(s->loop_head + s->loop_count++) % size] = index;
    else
        e->order[(s->order_head + s->order_count++) % size] = index;
    hfi_count(&e->ctx, (hf_cause)slot->cause);
    if (HFI_LIKELY(e->ctx.trace == NULL)) return;
    const uint32_t in_hand = e->ctx.frame_id;
    e->ctx.frame_id = slot->frame_id;
    hfi_trace(&e->ctx, HF_TRACE_FRAME_SENT, slot->conn.index, (hf_cause)slot->cause, slot->a,
              slot->b);
    e->ctx.frame_id = in_hand;
}

void hfi_slot_finish(hfi_engine *e, uint32_t index) {
    hfi_slot *slot = &e->slots[index];
    for (uint32_t i = 0; i < slot->part_count; i++)
        hfi_chunk_drop(&e->ctx.tx, slot->parts[i].chunk);
    slot->part_count = 0;
    slot->state = HFI_SLOT_FREE;
    hfi_pool_give(&e->state->slot_pool, e->slot_next, index);
    hfi_send_wake_room(&e->ctx);
}

/* ---- Lending. ---- */

/* A token names a slot and, by the frame's number, which of the frames that were made in it, so that
 * an old one cannot end a newer frame. */
static uint32_t token_of(const hfi_engine *e, uint32_t index) {
    const uint32_t slots = e->ctx.root->config.tx_frames;
    return e->slots[index].frame_id % (UINT32_MAX / slots) * slots + index;
}

static void lend(const hfi_engine *e, uint32_t index, hf_frame *ret) {
    const hfi_slot *slot = &e->slots[index];
    ret->interface = slot->interface;
    ret->flags = slot->flags;
    ret->gso_bytes = slot->gso_bytes;
    ret->header_bytes = slot->header_bytes;
    ret->csum_start = slot->csum_start;
    ret->csum_offset = slot->csum_offset;
    ret->total_bytes = slot->total_bytes;
    ret->part_count = slot->part_count + 1u;
    ret->token = token_of(e, index);
    ret->frame_id = slot->frame_id;
    ret->cause = (hf_cause)slot->cause;
    ret->conn = slot->conn;
    ret->cause_a = slot->a;
    ret->cause_b = slot->b;
    ret->parts[0] = (hf_part){slot->header, slot->header_bytes};
    for (uint32_t i = 0; i < slot->part_count; i++)
        ret->parts[i + 1] =
            (hf_part){hfi_chunk_at(&e->ctx.tx, slot->parts[i].chunk, slot->parts[i].offset),
                      slot->parts[i].bytes};
}

size_t hf_tx_peek(hf_engine *engine, hf_frame *ret_frames, size_t max) {
    hfi_engine *e = hfi_of(engine);
    hfi_tx_fill(e, max);
    hfi_link_run(e);
    const size_t count = hfi_min64(max, e->state->order_count);
    for (size_t i = 0; i < count; i++)
        lend(e, e->order[(e->state->order_head + i) % e->ctx.root->config.tx_frames],
             &ret_frames[i]);
    e->state->peeked = (uint32_t)count;
    return count;
}

void hf_tx_taken(hf_engine *engine, size_t count) {
    hfi_engine *e = hfi_of(engine);
    hfi_stack_state *s = e->state;
    const size_t taken = hfi_min64(count, s->peeked);
    for (size_t i = 0; i < taken; i++) {
        const uint32_t index = e->order[s->order_head];
        s->order_head = (s->order_head + 1) % e->ctx.root->config.tx_frames;
        s->order_count--;
        e->slots[index].state = HFI_SLOT_TAKEN;
        if (e->ip.interfaces[e->slots[index].interface].auto_done) hfi_slot_finish(e, index);
    }
    s->peeked = 0;
}

void hf_tx_done(hf_engine *engine, uint32_t token) {
    hfi_engine *e = hfi_of(engine);
    const uint32_t index = token % e->ctx.root->config.tx_frames;
    if (e->slots[index].state == HFI_SLOT_TAKEN && token == token_of(e, index))
        hfi_slot_finish(e, index);
}

/* Only those that wait now: what they bring about comes in with the next step. */
void hfi_loop_run(hfi_engine *e) {
    hfi_stack_state *s = e->state;
    hf_frame frame;
    for (uint32_t left = s->loop_count; left > 0; left--) {
        const uint32_t index = e->loop[s->loop_head];
        s->loop_head = (s->loop_head + 1) % e->ctx.root->config.tx_frames;
        s->loop_count--;
        lend(e, index, &frame);
        hfi_rx(e, &frame);
        hfi_slot_finish(e, index);
    }
}
