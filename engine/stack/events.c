/* Events: objects with pending bits, each listed once. */
#include "stack/engine.h"

static bool next_conn(hfi_engine *e, hf_event *ret) {
    hfi_ctx *ctx = &e->ctx;
    for (hfi_index index;
         (index = hfi_queue_pop(ctx, &ctx->root->ready, HFI_LINK_READY)) != HFI_NONE;) {
        hfi_conn *conn = &ctx->conns[index];
        const uint16_t bits = conn->events;
        conn->flags &= ~(uint32_t)HFI_F_IN_READY;
        conn->events = 0;
        if (hfi_has(conn, HFI_F_DETACHED)) {
            hfi_tcp_try_free(ctx, conn);
            continue;
        }
        if (bits == 0) continue;
        *ret = (hf_event){HF_OBJECT_CONN, index, conn->generation, bits};
        return true;
    }
    return false;
}

static bool next_listener(hfi_engine *e, hf_event *ret) {
    hfi_queue *queue = &e->ctx.root->ready_listeners;
    while (queue->head != HFI_NONE) {
        const hfi_index index = queue->head;
        hfi_listener *listener = &e->ctx.listeners[index];
        queue->head = listener->ready_next;
        if (queue->head == HFI_NONE) queue->tail = HFI_NONE;
        queue->count--;
        listener->in_ready = false;
        const uint32_t bits = listener->events;
        listener->events = 0;
        if (!listener->used || bits == 0) continue;
        *ret = (hf_event){HF_OBJECT_LISTENER, index, listener->generation, bits};
        return true;
    }
    return false;
}

static bool next_udp(hfi_engine *e, hf_event *ret) {
    const hfi_index index = hfi_udp_ready(&e->udp);
    if (index == HFI_NONE) return false;
    hfi_udp_socket *socket = &e->udp.sockets[index];
    *ret = (hf_event){HF_OBJECT_UDP, index, socket->generation, socket->events};
    socket->events = 0;
    return true;
}

bool hf_next_event(hf_engine *engine, hf_event *ret_event) {
    hfi_engine *e = hfi_of(engine);
    return next_listener(e, ret_event) || next_conn(e, ret_event) || next_udp(e, ret_event);
}
