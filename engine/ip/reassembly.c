#include "ip/reassembly.h"

_Static_assert(sizeof(hfi_reassembly_slot) <= 200, "reassembly.h tells the cost of a slot");

/* ---- Layout. ---- */

static uint32_t reassembly_head_count(const hf_config *config) {
    uint32_t heads = 1;
    while (heads < config->reassembly) heads *= 2;
    return heads;
}

static uint32_t reassembly_stride(const hf_config *config) {
    return (HFI_REASSEMBLY_HEADROOM + config->reassembly_bytes + 7) & ~7u;
}

static size_t reassembly_heads_at(const hf_config *config) {
    return sizeof(hfi_reassembly_state) + config->reassembly * sizeof(hfi_reassembly_slot);
}

static size_t reassembly_buffers_at(const hf_config *config) {
    return reassembly_heads_at(config) + reassembly_head_count(config) * sizeof(hfi_index);
}

size_t hfi_reassembly_bytes(const hf_config *config) {
    const size_t buffers = (size_t)config->reassembly * reassembly_stride(config);
    return (reassembly_buffers_at(config) + buffers + 63) & ~(size_t)63;
}

void hfi_reassembly_attach(hfi_reassembly *reassembly, void *mem, const hf_config *config) {
    uint8_t *const base = mem;
    *reassembly = (hfi_reassembly){
        .state = mem,
        .slots = (hfi_reassembly_slot *)(void *)(base + sizeof(hfi_reassembly_state)),
        .heads = (hfi_index *)(void *)(base + reassembly_heads_at(config)),
        .buffers = base + reassembly_buffers_at(config),
        .max = config->reassembly,
        .head_mask = reassembly_head_count(config) - 1,
        .payload_max = config->reassembly_bytes,
        .buffer_stride = reassembly_stride(config)};
}

void hfi_reassembly_init(hfi_reassembly *reassembly, const hf_config *config) {
    static const char label[] = "reassembly table";
    HF_ASSERT(config->reassembly_bytes <= 65528);
    memset(reassembly->heads, 0xff, (reassembly->head_mask + 1) * sizeof(hfi_index));
    for (uint32_t i = 0; i < reassembly->max; i++)
        reassembly->slots[i].hash_next = i + 1 < reassembly->max ? i + 1 : HFI_NONE;
    *reassembly->state =
        (hfi_reassembly_state){.key = hfi_key_derive(config->seed, label, sizeof label - 1),
                               .free = reassembly->max > 0 ? 0 : HFI_NONE,
                               .newest = HFI_NONE,
                               .oldest = HFI_NONE};
}

/* ---- Finding, making, freeing a slot. ---- */

static hfi_index *reassembly_head(const hfi_reassembly *reassembly, const hf_addr *source,
                                  const hf_addr *destination, uint32_t id, uint8_t protocol) {
    uint64_t words[5];
    memcpy(words, source->bytes, 16);
    memcpy(words + 2, destination->bytes, 16);
    words[4] = (uint64_t)protocol << 32 | id;
    return &reassembly->heads[hfi_siphash13_words(reassembly->state->key, words, 5) &
                              reassembly->head_mask];
}

static bool slot_is_of(const hfi_reassembly_slot *slot, const hfi_ip_view *view) {
    return slot->id == view->fragment_id && slot->protocol == view->protocol &&
           hf_addr_equal(&slot->source, &view->source) &&
           hf_addr_equal(&slot->destination, &view->destination);
}

static hfi_index slot_find(const hfi_reassembly *reassembly, hfi_index head,
                           const hfi_ip_view *view) {
    hfi_index index = head;
    while (index != HFI_NONE && !slot_is_of(&reassembly->slots[index], view))
        index = reassembly->slots[index].hash_next;
    return index;
}

static void slot_unhash(hfi_reassembly *reassembly, hfi_index index) {
    const hfi_reassembly_slot *slot = &reassembly->slots[index];
    hfi_index *link =
        reassembly_head(reassembly, &slot->source, &slot->destination, slot->id, slot->protocol);
    while (*link != index) link = &reassembly->slots[*link].hash_next;
    *link = slot->hash_next;
}

static void slot_unlist(hfi_reassembly *reassembly, hfi_index index) {
    hfi_reassembly_state *state = reassembly->state;
    const hfi_reassembly_slot *slot = &reassembly->slots[index];
    if (slot->newer != HFI_NONE)
        reassembly->slots[slot->newer].older = slot->older;
    else
        state->newest = slot->older;
    if (slot->older != HFI_NONE)
        reassembly->slots[slot->older].newer = slot->newer;
    else
        state->oldest = slot->newer;
}

static void slot_free(hfi_reassembly *reassembly, hfi_index index) {
    slot_unhash(reassembly, index);
    slot_unlist(reassembly, index);
    reassembly->slots[index].hash_next = reassembly->state->free;
    reassembly->state->free = index;
    reassembly->state->used--;
}

static hfi_index slot_make(hfi_reassembly *reassembly, const hfi_ip_view *view, hf_ns now_ns) {
    hfi_reassembly_state *state = reassembly->state;
    if (state->free == HFI_NONE) {
        if (!reassembly->slots[state->oldest].poisoned) state->evicted++;
        slot_free(reassembly, state->oldest);
    }
    const hfi_index index = state->free;
    hfi_reassembly_slot *slot = &reassembly->slots[index];
    hfi_index *head = reassembly_head(reassembly, &view->source, &view->destination,
                                      view->fragment_id, view->protocol);
    state->free = slot->hash_next;
    state->used++;
    slot->source = view->source;
    slot->destination = view->destination;
    slot->started_at_ns = now_ns;
    slot->id = view->fragment_id;
    slot->payload_bytes = 0;
    slot->protocol = view->protocol;
    slot->ttl = view->ttl;
    slot->traffic_class = view->traffic_class;
    slot->poisoned = false;
    slot->range_count = 0;
    slot->hash_next = *head;
    *head = index;
    slot->newer = HFI_NONE;
    slot->older = state->newest;
    if (state->newest != HFI_NONE)
        reassembly->slots[state->newest].newer = index;
    else
        state->oldest = index;
    state->newest = index;
    return index;
}

static hfi_index slot_for(hfi_reassembly *reassembly, const hfi_ip_view *view, hf_ns now_ns) {
    const hfi_index head = *reassembly_head(reassembly, &view->source, &view->destination,
                                            view->fragment_id, view->protocol);
    const hfi_index index = slot_find(reassembly, head, view);
    if (index == HFI_NONE) return slot_make(reassembly, view, now_ns);
    const hf_ns age_max_ns = view->version == 4 ? HFI_REASSEMBLY4_AGE_NS : HFI_REASSEMBLY6_AGE_NS;
    if (now_ns - reassembly->slots[index].started_at_ns < age_max_ns) return index;
    slot_free(reassembly, index);
    return slot_make(reassembly, view, now_ns);
}

/* ---- Bytes of a frame in parts. ---- */

/* Walks `bytes` bytes that start at `at`, copying them to `to`, or only comparing. True if all were
 * equal. */
static bool parts_walk(const hf_part *parts, uint32_t part_count, uint32_t at, uint32_t bytes,
                       uint8_t *to, bool copy) {
    for (uint32_t i = 0; i < part_count && bytes > 0; i++) {
        if (at >= parts[i].bytes) {
            at -= parts[i].bytes;
            continue;
        }
        const uint32_t count = hfi_min32(parts[i].bytes - at, bytes);
        const uint8_t *from = (const uint8_t *)parts[i].data + at;
        if (copy)
            memcpy(to, from, count);
        else if (memcmp(to, from, count) != 0)
            return false;
        to += count;
        bytes -= count;
        at = 0;
    }
    return bytes == 0;
}

/* ---- One fragment. ---- */

/* How many bytes of transport header a first fragment must hold. */
static uint32_t transport_header_bytes(uint8_t protocol, const uint8_t *payload, uint32_t bytes) {
    if (protocol != HFI_IP_TCP) return 8;
    if (bytes < 20) return 20;
    return (payload[12] >> 4) * 4u;
}

/* L06: a header that the first fragment cuts could be completed by what no filter has seen. A
 * packet that is all in its first fragment does not come here. */
static bool first_fragment_holds_header(const hfi_ip_view *view, const uint8_t *payload) {
    if (view->fragment_offset != 0) return true;
    return view->payload_bytes >=
           transport_header_bytes(view->protocol, payload, view->payload_bytes);
}

typedef enum range_verdict { RANGE_NEW, RANGE_DUPLICATE, RANGE_OVERLAP } range_verdict;

/* Ranges are sorted and never touch. *ret_at is where a new one belongs: before the first that ends
 * at or after its start. */
static range_verdict range_place(const hfi_reassembly_slot *slot, uint32_t start, uint32_t end,
                                 uint32_t *ret_at) {
    uint32_t at = 0;
    while (at < slot->range_count && slot->ranges[at].end < start) at++;
    *ret_at = at;
    for (uint32_t i = at; i < slot->range_count && slot->ranges[i].start < end; i++) {
        if (slot->ranges[i].end <= start) continue;
        const bool inside = slot->ranges[i].start <= start && end <= slot->ranges[i].end;
        return inside ? RANGE_DUPLICATE : RANGE_OVERLAP;
    }
    return RANGE_NEW;
}

/* Puts a new range in at its place, joined with the neighbours that it touches. False if it is one
 * too many. */
static bool range_insert(hfi_reassembly_slot *slot, uint32_t at, uint32_t start, uint32_t end) {
    hfi_range16 *const ranges = slot->ranges;
    const bool left = at < slot->range_count && ranges[at].end == start;
    const uint32_t next = at + (left ? 1 : 0);
    const bool right = next < slot->range_count && ranges[next].start == end;
    if (left && right) {
        ranges[at].end = ranges[next].end;
        slot->range_count--;
        memmove(&ranges[next], &ranges[next + 1], (slot->range_count - next) * sizeof(hfi_range16));
    } else if (left) {
        ranges[at].end = (uint16_t)end;
    } else if (right) {
        ranges[next].start = (uint16_t)start;
    } else {
        if (slot->range_count == HFI_REASSEMBLY_RANGES) return false;
        memmove(&ranges[at + 1], &ranges[at], (slot->range_count - at) * sizeof(hfi_range16));
        ranges[at] = (hfi_range16){(uint16_t)start, (uint16_t)end};
        slot->range_count++;
    }
    return true;
}

/* The last fragment fixes the length; nothing may lie beyond it. */
static bool length_agrees(hfi_reassembly_slot *slot, const hfi_ip_view *view, uint32_t end) {
    if (view->more_fragments) return slot->payload_bytes == 0 || end < slot->payload_bytes;
    if (slot->payload_bytes != 0) return end == slot->payload_bytes;
    if (slot->range_count > 0 && slot->ranges[slot->range_count - 1].end > end) return false;
    slot->payload_bytes = end;
    return true;
}

static bool slot_is_complete(const hfi_reassembly_slot *slot) {
    return slot->payload_bytes != 0 && slot->range_count == 1 && slot->ranges[0].start == 0 &&
           slot->ranges[0].end == slot->payload_bytes;
}

/* Writes the base header in front of the payload. */
static hfi_whole_packet packet_of(const hfi_reassembly_slot *slot, uint8_t *buffer) {
    uint8_t *const payload = buffer + HFI_REASSEMBLY_HEADROOM;
    if (hf_addr_is4(&slot->source)) {
        uint8_t *const header = payload - HFI_IP4_BYTES;
        hfi_ip4_build(header, &slot->source, &slot->destination, slot->protocol, slot->ttl,
                      slot->traffic_class, (uint16_t)slot->id, false, slot->payload_bytes);
        return (hfi_whole_packet){header, HFI_IP4_BYTES + slot->payload_bytes};
    }
    hfi_ip6_build(buffer, &slot->source, &slot->destination, slot->protocol, slot->ttl,
                  slot->traffic_class, 0, slot->payload_bytes);
    return (hfi_whole_packet){buffer, HFI_IP6_BYTES + slot->payload_bytes};
}

static hf_cause slot_poison(hfi_reassembly_slot *slot, hf_cause cause) {
    slot->poisoned = true;
    return cause;
}

/* RFC 3168 5.3: one part that met congestion makes the whole have met it. */
static void congestion_mark(hfi_reassembly_slot *slot, const hfi_ip_view *view) {
    if ((view->traffic_class & 3) == 3) slot->traffic_class |= 3;
}

static bool fragment_fits(const hfi_reassembly *reassembly, const hfi_ip_view *view, uint32_t end) {
    const uint32_t limit = view->version == 4 ? HFI_IP4_PAYLOAD_MAX : HFI_IP6_PAYLOAD_MAX;
    return end <= hfi_min32(reassembly->payload_max, limit);
}

/* RFC 7112 5 wants all headers in the first fragment. Extension headers behind the fragment header
 * are so rare and so often an attempt to hide the transport header that they are not taken. */
static bool starts_with_transport(const hfi_ip_view *view) {
    const uint8_t next = view->protocol;
    return view->version == 4 || (next != 0 && next != 43 && next != 44 && next != 60);
}

hf_cause hfi_reassembly_add(hfi_reassembly *reassembly, const hfi_ip_view *view,
                            const hf_part *parts, uint32_t part_count, uint32_t packet_at,
                            hf_ns now_ns, hfi_whole_packet *ret_whole) {
    const uint32_t start = view->fragment_offset, end = start + view->payload_bytes;
    if (view->payload_bytes == 0 || !starts_with_transport(view)) return HF_CAUSE_DROP_FRAGMENT;
    if (reassembly->max == 0) return HF_CAUSE_DROP_FRAGMENT_EVICTED;
    const hfi_index index = slot_for(reassembly, view, now_ns);
    hfi_reassembly_slot *slot = &reassembly->slots[index];
    uint8_t *const buffer = reassembly->buffers + (size_t)index * reassembly->buffer_stride;
    uint8_t *const to = buffer + HFI_REASSEMBLY_HEADROOM + start;
    const uint32_t payload_at = packet_at + view->header_bytes;
    if (slot->poisoned) return HF_CAUSE_DROP_FRAGMENT_OVERLAP;
    if (!fragment_fits(reassembly, view, end)) return slot_poison(slot, HF_CAUSE_DROP_FRAGMENT);
    uint32_t at;
    const range_verdict verdict = range_place(slot, start, end, &at);
    if (verdict == RANGE_DUPLICATE &&
        parts_walk(parts, part_count, payload_at, view->payload_bytes, to, false))
        return HF_CAUSE_TOOK_FRAGMENT;
    if (verdict != RANGE_NEW || !length_agrees(slot, view, end))
        return slot_poison(slot, HF_CAUSE_DROP_FRAGMENT_OVERLAP);
    if (!parts_walk(parts, part_count, payload_at, view->payload_bytes, to, true) ||
        !first_fragment_holds_header(view, to) || !range_insert(slot, at, start, end))
        return slot_poison(slot, HF_CAUSE_DROP_FRAGMENT);
    congestion_mark(slot, view);
    if (!slot_is_complete(slot)) return HF_CAUSE_TOOK_FRAGMENT;
    *ret_whole = packet_of(slot, buffer);
    slot_free(reassembly, index);
    return HF_CAUSE_NONE;
}
