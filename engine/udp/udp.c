#include "udp/udp.h"

_Static_assert(sizeof(hfi_udp_socket) <= 68, "udp.h tells the cost of a socket");
_Static_assert(sizeof(hfi_datagram) < HFI_UDP_BUFFER_BYTES, "a buffer holds the header and data");

/* ---- Layout. ---- */

typedef struct udp_layout {
    size_t sockets_at, socket_next_at, heads_at, buffer_next_at, buffers_at, bytes;
    uint32_t head_count;
} udp_layout;

static udp_layout udp_lay(const hf_config *config) {
    udp_layout lay = {.head_count = 1};
    while (lay.head_count < config->udp_sockets) lay.head_count *= 2;
    lay.sockets_at = sizeof(hfi_udp_state);
    lay.socket_next_at = lay.sockets_at + config->udp_sockets * sizeof(hfi_udp_socket);
    lay.heads_at = lay.socket_next_at + config->udp_sockets * sizeof(hfi_index);
    lay.buffer_next_at = lay.heads_at + lay.head_count * sizeof(hfi_index);
    lay.buffers_at = lay.buffer_next_at + config->udp_buffers * sizeof(hfi_index);
    lay.buffers_at = (lay.buffers_at + 63) & ~(size_t)63;
    lay.bytes = lay.buffers_at + (size_t)config->udp_buffers * HFI_UDP_BUFFER_BYTES;
    return lay;
}

size_t hfi_udp_bytes(const hf_config *config) { return udp_lay(config).bytes; }

void hfi_udp_attach(hfi_udp_table *table, void *mem, const hf_config *config) {
    const udp_layout lay = udp_lay(config);
    uint8_t *const base = mem;
    *table = (hfi_udp_table){.state = mem,
                             .sockets = (hfi_udp_socket *)(void *)(base + lay.sockets_at),
                             .socket_next = (hfi_index *)(void *)(base + lay.socket_next_at),
                             .heads = (hfi_index *)(void *)(base + lay.heads_at),
                             .buffer_next = (hfi_index *)(void *)(base + lay.buffer_next_at),
                             .buffers = base + lay.buffers_at,
                             .head_mask = lay.head_count - 1};
}

void hfi_udp_init(hfi_udp_table *table, const hf_config *config) {
    static const char label[] = "udp ports";
    *table->state = (hfi_udp_state){.key = hfi_key_derive(config->seed, label, sizeof label - 1),
                                    .port_low = config->port_low,
                                    .port_high = config->port_high,
                                    .ready_first = HFI_NONE,
                                    .ready_last = HFI_NONE};
    memset(table->sockets, 0, config->udp_sockets * sizeof(hfi_udp_socket));
    memset(table->heads, 0xff, (table->head_mask + 1) * sizeof(hfi_index));
    hfi_pool_init(&table->state->sockets, table->socket_next, config->udp_sockets);
    hfi_pool_init(&table->state->buffers, table->buffer_next, config->udp_buffers);
}

/* ---- Sockets. ---- */

/* Ports are chosen by us or by the application: no stranger's hash to fear. */
static hfi_index *udp_head(const hfi_udp_table *table, uint16_t port) {
    return &table->heads[port & table->head_mask];
}

static bool port_is_taken(const hfi_udp_table *table, const hf_addr *local, uint16_t port) {
    for (hfi_index i = *udp_head(table, port); i != HFI_NONE; i = table->sockets[i].hash_next) {
        const hfi_udp_socket *socket = &table->sockets[i];
        if (socket->port != port) continue;
        if (hf_addr_is_any(local) || hf_addr_is_any(&socket->local)) return true;
        if (hf_addr_equal(local, &socket->local)) return true;
    }
    return false;
}

/* A random start, then upwards: of as many ports as there are sockets and one, one is free. */
static uint16_t port_choose(hfi_udp_table *table, const hf_addr *local) {
    hfi_udp_state *state = table->state;
    const uint32_t range = (uint32_t)(state->port_high - state->port_low) + 1;
    const uint64_t word = state->draws++;
    const uint32_t start = (uint32_t)(hfi_siphash13_words(state->key, &word, 1) % range);
    const uint32_t tries = hfi_min32(range, state->sockets.count + 1);
    for (uint32_t i = 0; i < tries; i++) {
        const uint16_t port = (uint16_t)(state->port_low + (start + i) % range);
        if (!port_is_taken(table, local, port)) return port;
    }
    return 0;
}

hf_err hfi_udp_socket_open(hfi_udp_table *table, const hf_addr *local, uint32_t local_index,
                           uint16_t port, hf_udp *ret_udp) {
    if (port != 0 && port_is_taken(table, local, port)) return HF_PORT_IN_USE;
    if (hfi_pool_left(&table->state->sockets) == 0) return HF_NO_SOCKET_SLOT;
    const uint16_t chosen = port != 0 ? port : port_choose(table, local);
    if (chosen == 0) return HF_NO_PORT;
    const hfi_index index = hfi_pool_take(&table->state->sockets, table->socket_next);
    hfi_udp_socket *socket = &table->sockets[index];
    hfi_index *head = udp_head(table, chosen);
    *socket = (hfi_udp_socket){.local = *local,
                               .local_index = local_index,
                               .generation = socket->generation + 1,
                               .port = chosen,
                               .used = true,
                               .in_ready = socket->in_ready,
                               .ready_next = socket->ready_next,
                               .hash_next = *head,
                               .first = HFI_NONE,
                               .last = HFI_NONE};
    *head = index;
    *ret_udp = (hf_udp){index, socket->generation};
    return HF_OK;
}

hfi_udp_socket *hfi_udp_socket_of(const hfi_udp_table *table, hf_udp udp) {
    if (udp.index >= table->state->sockets.count) return NULL;
    hfi_udp_socket *socket = &table->sockets[udp.index];
    return socket->used && socket->generation == udp.generation ? socket : NULL;
}

hfi_index hfi_udp_demux(const hfi_udp_table *table, const hf_addr *destination, uint16_t port) {
    hfi_index for_all = HFI_NONE;
    for (hfi_index i = *udp_head(table, port); i != HFI_NONE; i = table->sockets[i].hash_next) {
        const hfi_udp_socket *socket = &table->sockets[i];
        if (socket->port != port) continue;
        if (hf_addr_equal(&socket->local, destination)) return i;
        if (hf_addr_is_any(&socket->local)) for_all = i;
    }
    return for_all;
}

/* ---- Datagrams. ---- */

static uint8_t *udp_buffer(const hfi_udp_table *table, hfi_index index) {
    return table->buffers + (size_t)index * HFI_UDP_BUFFER_BYTES;
}

static hfi_datagram *datagram_of(const hfi_udp_table *table, hfi_index first) {
    return (hfi_datagram *)(void *)udp_buffer(table, first);
}

static uint32_t buffers_needed(uint32_t bytes) {
    return ((uint32_t)sizeof(hfi_datagram) + bytes + HFI_UDP_BUFFER_BYTES - 1) /
           HFI_UDP_BUFFER_BYTES;
}

/* Where the walk over a datagram's buffers is. */
typedef struct datagram_walk {
    hfi_index buffer;
    uint32_t at;
} datagram_walk;

/* Lends the rest of the present buffer, at most *count bytes; moves on by as much. */
static uint8_t *walk_room(const hfi_udp_table *table, datagram_walk *walk, uint32_t *count) {
    if (walk->at == HFI_UDP_BUFFER_BYTES)
        *walk = (datagram_walk){table->buffer_next[walk->buffer], 0};
    *count = hfi_min32(*count, HFI_UDP_BUFFER_BYTES - walk->at);
    uint8_t *const room = udp_buffer(table, walk->buffer) + walk->at;
    walk->at += *count;
    return room;
}

static void datagram_free(hfi_udp_table *table, hfi_udp_socket *socket, hfi_index first) {
    uint32_t left = buffers_needed(datagram_of(table, first)->bytes);
    socket->buffers -= left;
    for (hfi_index buffer = first; left > 0; left--) {
        const hfi_index next = table->buffer_next[buffer];
        hfi_pool_give(&table->state->buffers, table->buffer_next, buffer);
        buffer = next;
    }
}

static void socket_event(hfi_udp_table *table, hfi_index index) {
    hfi_udp_socket *socket = &table->sockets[index];
    hfi_udp_state *state = table->state;
    socket->events |= HF_EVENT_DATAGRAM;
    if (socket->in_ready) return;
    socket->in_ready = true;
    socket->ready_next = HFI_NONE;
    if (state->ready_last != HFI_NONE)
        table->sockets[state->ready_last].ready_next = index;
    else
        state->ready_first = index;
    state->ready_last = index;
}

/* A socket that was closed stays listed, so that its slot may be another's by now: whoever it is,
 * an event without bits is none. */
hfi_index hfi_udp_ready(hfi_udp_table *table) {
    hfi_udp_state *state = table->state;
    while (state->ready_first != HFI_NONE) {
        const hfi_index index = state->ready_first;
        hfi_udp_socket *socket = &table->sockets[index];
        state->ready_first = socket->ready_next;
        if (state->ready_first == HFI_NONE) state->ready_last = HFI_NONE;
        socket->in_ready = false;
        if (socket->used && socket->events != 0) return index;
    }
    return HFI_NONE;
}

static hfi_index buffers_take(hfi_udp_table *table, uint32_t count) {
    hfi_index chain = HFI_NONE;
    for (; count > 0; count--) {
        const hfi_index buffer = hfi_pool_take(&table->state->buffers, table->buffer_next);
        table->buffer_next[buffer] = chain;
        chain = buffer;
    }
    return chain;
}

/* Copies `bytes` bytes that start at `at` in the parts to where the walk is. */
static void datagram_fill(const hfi_udp_table *table, datagram_walk walk, const hf_part *parts,
                          uint32_t part_count, uint32_t at, uint32_t bytes) {
    for (uint32_t i = 0; i < part_count && bytes > 0; i++) {
        const uint32_t skip = hfi_min32(at, parts[i].bytes);
        const uint8_t *from = (const uint8_t *)parts[i].data + skip;
        uint32_t left = hfi_min32(parts[i].bytes - skip, bytes);
        at -= skip;
        bytes -= left;
        while (left > 0) {
            uint32_t count = left;
            uint8_t *const room = walk_room(table, &walk, &count);
            memcpy(room, from, count);
            from += count;
            left -= count;
        }
    }
}

hf_cause hfi_udp_deliver(hfi_udp_table *table, hfi_index socket_index, const hf_addr *from,
                         uint16_t port, const hf_part *parts, uint32_t part_count, uint32_t at,
                         uint32_t bytes) {
    hfi_udp_socket *socket = &table->sockets[socket_index];
    const uint32_t needed = buffers_needed(bytes);
    const uint32_t left = hfi_pool_left(&table->state->buffers);
    if (needed > left || socket->buffers + needed > left - needed) return HF_CAUSE_DROP_UDP_FULL;
    const hfi_index first = buffers_take(table, needed);
    *datagram_of(table, first) = (hfi_datagram){*from, bytes, HFI_NONE, port};
    datagram_fill(table, (datagram_walk){first, sizeof(hfi_datagram)}, parts, part_count, at,
                  bytes);
    if (socket->last != HFI_NONE)
        datagram_of(table, socket->last)->next = first;
    else
        socket->first = first;
    socket->last = first;
    socket->buffers += needed;
    socket_event(table, socket_index);
    return HF_CAUSE_TOOK_DATAGRAM;
}

hf_err hfi_udp_take(hfi_udp_table *table, hfi_udp_socket *socket, void *to, size_t room,
                    size_t *ret_bytes, hf_udp_from *ret_from) {
    const hfi_index first = socket->first;
    if (first == HFI_NONE) return HF_AGAIN;
    const hfi_datagram datagram = *datagram_of(table, first);
    datagram_walk walk = {first, sizeof(hfi_datagram)};
    uint8_t *at = to;
    uint32_t left = (uint32_t)hfi_min64(room, datagram.bytes);
    while (left > 0) {
        uint32_t count = left;
        const uint8_t *from = walk_room(table, &walk, &count);
        memcpy(at, from, count);
        at += count;
        left -= count;
    }
    socket->first = datagram.next;
    if (datagram.next == HFI_NONE) socket->last = HFI_NONE;
    datagram_free(table, socket, first);
    *ret_bytes = datagram.bytes;
    *ret_from = (hf_udp_from){datagram.from, datagram.port};
    return HF_OK;
}

void hfi_udp_socket_close(hfi_udp_table *table, hfi_udp_socket *socket) {
    const hfi_index index = (hfi_index)(socket - table->sockets);
    while (socket->first != HFI_NONE) {
        const hfi_index first = socket->first;
        socket->first = datagram_of(table, first)->next;
        datagram_free(table, socket, first);
    }
    hfi_index *link = udp_head(table, socket->port);
    while (*link != index) link = &table->sockets[*link].hash_next;
    *link = socket->hash_next;
    socket->used = false;
    hfi_pool_give(&table->state->sockets, table->socket_next, index);
}
