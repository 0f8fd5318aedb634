#include "neighbor/neighbor.h"

_Static_assert(sizeof(hfi_neighbor) <= 80, "neighbor.h tells the cost of a neighbour");
_Static_assert(sizeof(hfi_address_life) <= 32, "neighbor.h tells the cost of an address");

enum { LIST_NONE, LIST_DUE, LIST_SOON, LIST_LATER };

/* An entry's place by use is renewed once a second, not for every packet. */
#define USE_GRAIN_NS (1 * HF_SECOND)

/* How many waited-for entries a search for room looks at before it gives up. */
#define EVICT_LOOK 8

/* ---- Layout. ---- */

typedef struct neighbor_layout {
    size_t entries_at, lives_at, interfaces_at, heads_at, bytes;
    uint32_t head_count;
} neighbor_layout;

static neighbor_layout neighbor_lay(const hf_config *config) {
    neighbor_layout lay = {.head_count = 1};
    while (lay.head_count < config->neighbors) lay.head_count *= 2;
    lay.entries_at = sizeof(hfi_neighbor_state);
    lay.lives_at = lay.entries_at + config->neighbors * sizeof(hfi_neighbor);
    lay.interfaces_at = lay.lives_at + config->addresses * sizeof(hfi_address_life);
    lay.heads_at = lay.interfaces_at + config->interfaces * sizeof(hfi_nd_interface);
    lay.bytes = (lay.heads_at + lay.head_count * sizeof(hfi_index) + 63) & ~(size_t)63;
    return lay;
}

size_t hfi_neighbor_bytes(const hf_config *config) { return neighbor_lay(config).bytes; }

void hfi_neighbor_attach(hfi_neighbors *neighbors, void *mem, const hf_config *config) {
    const neighbor_layout lay = neighbor_lay(config);
    uint8_t *const base = mem;
    *neighbors =
        (hfi_neighbors){.state = mem,
                        .entries = (hfi_neighbor *)(void *)(base + lay.entries_at),
                        .heads = (hfi_index *)(void *)(base + lay.heads_at),
                        .lives = (hfi_address_life *)(void *)(base + lay.lives_at),
                        .interfaces = (hfi_nd_interface *)(void *)(base + lay.interfaces_at),
                        .max = config->neighbors,
                        .head_mask = lay.head_count - 1,
                        .address_max = config->addresses,
                        .interface_max = config->interfaces};
}

void hfi_neighbor_init(hfi_neighbors *neighbors, const hf_config *config) {
    static const char label[] = "neighbour table";
    const hfi_list empty = {HFI_NONE, HFI_NONE};
    memset(neighbors->state, 0, hfi_neighbor_bytes(config));
    memset(neighbors->heads, 0xff, (neighbors->head_mask + 1) * sizeof(hfi_index));
    hfi_neighbor_state *state = neighbors->state;
    state->key = hfi_key_derive(config->seed, label, sizeof label - 1);
    state->free = neighbors->max > 0 ? 0 : HFI_NONE;
    state->wanted = state->passive = state->due = state->soon = state->later = empty;
    state->own_next_at_ns = HF_NEVER;
    for (uint32_t i = 0; i < neighbors->max; i++)
        neighbors->entries[i].hash_next = i + 1 < neighbors->max ? i + 1 : HFI_NONE;
    for (uint32_t i = 0; i < neighbors->address_max; i++)
        neighbors->lives[i] = (hfi_address_life){HF_NEVER, HF_NEVER, HF_NEVER, 0, false};
    for (uint32_t i = 0; i < neighbors->interface_max; i++)
        neighbors->interfaces[i] =
            (hfi_nd_interface){HF_NEVER, HFI_ND_REACHABLE_MS * HF_MS, HFI_ND_REACHABLE_MS, 0};
}

uint64_t hfi_neighbor_random(hfi_neighbors *neighbors) {
    const uint64_t words[2] = {UINT64_C(0x72616e646f6d), neighbors->state->randoms++};
    return hfi_siphash13_words(neighbors->state->key, words, 2);
}

/* ---- Lists. ---- */

static void list_remove(hfi_neighbors *neighbors, hfi_list *list, int which, hfi_index index) {
    const hfi_link link = neighbors->entries[index].links[which];
    if (link.prev != HFI_NONE)
        neighbors->entries[link.prev].links[which].next = link.next;
    else
        list->first = link.next;
    if (link.next != HFI_NONE)
        neighbors->entries[link.next].links[which].prev = link.prev;
    else
        list->last = link.prev;
}

static void list_push_first(hfi_neighbors *neighbors, hfi_list *list, int which, hfi_index index) {
    neighbors->entries[index].links[which] = (hfi_link){HFI_NONE, list->first};
    if (list->first != HFI_NONE)
        neighbors->entries[list->first].links[which].prev = index;
    else
        list->last = index;
    list->first = index;
}

static void list_push_last(hfi_neighbors *neighbors, hfi_list *list, int which, hfi_index index) {
    neighbors->entries[index].links[which] = (hfi_link){list->last, HFI_NONE};
    if (list->last != HFI_NONE)
        neighbors->entries[list->last].links[which].next = index;
    else
        list->first = index;
    list->last = index;
}

static hfi_list *time_list(hfi_neighbors *neighbors, uint8_t which) {
    hfi_neighbor_state *state = neighbors->state;
    return which == LIST_DUE ? &state->due : which == LIST_SOON ? &state->soon : &state->later;
}

static void timer_stop(hfi_neighbors *neighbors, hfi_index index) {
    hfi_neighbor *entry = &neighbors->entries[index];
    if (entry->time_list != LIST_NONE)
        list_remove(neighbors, time_list(neighbors, entry->time_list), HFI_NEIGHBOR_BY_TIME, index);
    entry->time_list = LIST_NONE;
}

static void timer_start(hfi_neighbors *neighbors, hfi_index index, uint8_t which, hf_ns now_ns) {
    hfi_neighbor *entry = &neighbors->entries[index];
    timer_stop(neighbors, index);
    entry->deadline_ns = now_ns + (which == LIST_SOON    ? HFI_ND_RETRANSMIT_NS
                                   : which == LIST_LATER ? HFI_ND_DELAY_NS
                                                         : 0);
    entry->time_list = which;
    list_push_last(neighbors, time_list(neighbors, which), HFI_NEIGHBOR_BY_TIME, index);
}

static hfi_list *use_list(hfi_neighbors *neighbors, const hfi_neighbor *entry) {
    return entry->passive ? &neighbors->state->passive : &neighbors->state->wanted;
}

/* ---- Hash. ---- */

static hfi_index *neighbor_head(const hfi_neighbors *neighbors, uint32_t interface,
                                const hf_addr *addr) {
    uint64_t words[3];
    memcpy(words, addr->bytes, 16);
    words[2] = interface;
    return &neighbors->heads[hfi_siphash13_words(neighbors->state->key, words, 3) &
                             neighbors->head_mask];
}

static bool entry_is(const hfi_neighbor *entry, uint32_t interface, const hf_addr *addr) {
    return entry->state != HFI_NEIGHBOR_FREE && entry->interface == interface &&
           hf_addr_equal(&entry->addr, addr);
}

hfi_index hfi_neighbor_find(const hfi_neighbors *neighbors, uint32_t interface,
                            const hf_addr *addr) {
    hfi_index index = *neighbor_head(neighbors, interface, addr);
    while (index != HFI_NONE && !entry_is(&neighbors->entries[index], interface, addr))
        index = neighbors->entries[index].hash_next;
    return index;
}

static hfi_index find_by_hint(const hfi_neighbors *neighbors, uint32_t interface,
                              const hf_addr *addr, hfi_index hint) {
    if (hint < neighbors->max && entry_is(&neighbors->entries[hint], interface, addr)) return hint;
    return hfi_neighbor_find(neighbors, interface, addr);
}

/* ---- Making and freeing entries. ---- */

static void entry_free(hfi_neighbors *neighbors, hfi_index index) {
    hfi_neighbor *entry = &neighbors->entries[index];
    hfi_index *link = neighbor_head(neighbors, entry->interface, &entry->addr);
    while (*link != index) link = &neighbors->entries[*link].hash_next;
    *link = entry->hash_next;
    timer_stop(neighbors, index);
    list_remove(neighbors, use_list(neighbors, entry), HFI_NEIGHBOR_BY_USE, index);
    if (entry->passive) neighbors->state->passive_count--;
    entry->state = HFI_NEIGHBOR_FREE;
    entry->hash_next = neighbors->state->free;
    neighbors->state->free = index;
    neighbors->state->used--;
}

/* The least recently wanted entry that no connection waits for. */
static hfi_index evictable(const hfi_neighbors *neighbors) {
    hfi_index index = neighbors->state->wanted.last;
    for (int look = 0; look < EVICT_LOOK && index != HFI_NONE; look++) {
        if (neighbors->entries[index].waiting == HFI_NONE) return index;
        index = neighbors->entries[index].links[HFI_NEIGHBOR_BY_USE].prev;
    }
    return HFI_NONE;
}

/* Frees a slot if none is free: passive entries go first, and are the only ones that passive ones
 * push out. */
static bool room_make(hfi_neighbors *neighbors, bool passive) {
    hfi_neighbor_state *state = neighbors->state;
    const bool share_used = passive && state->passive_count >= (neighbors->max + 1) / 2;
    if (state->free != HFI_NONE && !share_used) return true;
    hfi_index victim = state->passive.last;
    if (victim == HFI_NONE && !passive) victim = evictable(neighbors);
    if (victim == HFI_NONE) return false;
    entry_free(neighbors, victim);
    return true;
}

static hfi_index entry_make(hfi_neighbors *neighbors, uint32_t interface, const hf_addr *addr,
                            bool passive, hf_ns now_ns) {
    if (!room_make(neighbors, passive)) return HFI_NONE;
    hfi_neighbor_state *state = neighbors->state;
    const hfi_index index = state->free;
    hfi_neighbor *entry = &neighbors->entries[index];
    hfi_index *head = neighbor_head(neighbors, interface, addr);
    state->free = entry->hash_next;
    state->used++;
    state->passive_count += passive;
    *entry = (hfi_neighbor){.addr = *addr,
                            .interface = (uint8_t)interface,
                            .state = HFI_NEIGHBOR_INCOMPLETE,
                            .time_list = LIST_NONE,
                            .passive = passive,
                            .waiting = HFI_NONE,
                            .wanted_at_ns = now_ns,
                            .hash_next = *head};
    *head = index;
    list_push_first(neighbors, use_list(neighbors, entry), HFI_NEIGHBOR_BY_USE, index);
    return index;
}

/* ---- For who sends. ---- */

static void entry_touch(hfi_neighbors *neighbors, hfi_index index, hf_ns now_ns) {
    hfi_neighbor *entry = &neighbors->entries[index];
    if (!entry->passive && now_ns - entry->wanted_at_ns < USE_GRAIN_NS) return;
    list_remove(neighbors, use_list(neighbors, entry), HFI_NEIGHBOR_BY_USE, index);
    if (entry->passive) neighbors->state->passive_count--;
    entry->passive = false;
    entry->wanted_at_ns = now_ns;
    list_push_first(neighbors, &neighbors->state->wanted, HFI_NEIGHBOR_BY_USE, index);
}

static bool still_reachable(const hfi_neighbors *neighbors, const hfi_neighbor *entry,
                            hf_ns now_ns) {
    return entry->state == HFI_NEIGHBOR_REACHABLE &&
           now_ns - entry->confirmed_at_ns < neighbors->interfaces[entry->interface].reachable_ns;
}

/* Sends on what may be old news: RFC 4861 7.3.3, wait 5 s for a transport to hear, then ask. */
static void entry_use(hfi_neighbors *neighbors, hfi_index index, hf_ns now_ns) {
    hfi_neighbor *entry = &neighbors->entries[index];
    if (still_reachable(neighbors, entry, now_ns)) return;
    if (entry->state != HFI_NEIGHBOR_REACHABLE && entry->state != HFI_NEIGHBOR_STALE) return;
    entry->state = HFI_NEIGHBOR_DELAY;
    timer_start(neighbors, index, LIST_LATER, now_ns);
}

hfi_neighbor_answer hfi_neighbor_want(hfi_neighbors *neighbors, const hfi_ip *ip,
                                      uint32_t interface, const hf_addr *addr, hf_ns now_ns,
                                      hfi_index *hint, hfi_mac *ret_mac) {
    hfi_index index = find_by_hint(neighbors, interface, addr, *hint);
    if (HFI_UNLIKELY(index == HFI_NONE)) {
        if (hfi_addr_is_multicast(addr) || hfi_ip_is_broadcast(ip, addr)) {
            *ret_mac = hfi_addr_is_multicast(addr) ? hfi_mac_of_group(addr) : hfi_mac_broadcast();
            return HFI_NEIGHBOR_KNOWN;
        }
        index = entry_make(neighbors, interface, addr, false, now_ns);
        if (index == HFI_NONE) return HFI_NEIGHBOR_FULL;
        timer_start(neighbors, index, LIST_DUE, now_ns);
    }
    *hint = index;
    entry_touch(neighbors, index, now_ns);
    if (neighbors->entries[index].state == HFI_NEIGHBOR_INCOMPLETE) return HFI_NEIGHBOR_ASKED;
    entry_use(neighbors, index, now_ns);
    *ret_mac = neighbors->entries[index].mac;
    return HFI_NEIGHBOR_KNOWN;
}

static void entry_confirm(hfi_neighbors *neighbors, hfi_index index, hf_ns now_ns) {
    hfi_neighbor *entry = &neighbors->entries[index];
    entry->state = HFI_NEIGHBOR_REACHABLE;
    entry->requests = 0;
    entry->confirmed_at_ns = now_ns;
    timer_stop(neighbors, index);
}

void hfi_neighbor_confirm(hfi_neighbors *neighbors, uint32_t interface, const hf_addr *addr,
                          hfi_index hint, hf_ns now_ns) {
    const hfi_index index = find_by_hint(neighbors, interface, addr, hint);
    if (index == HFI_NONE || neighbors->entries[index].state == HFI_NEIGHBOR_INCOMPLETE) return;
    entry_confirm(neighbors, index, now_ns);
}

static void entry_probe(hfi_neighbors *neighbors, hfi_index index, hf_ns now_ns) {
    hfi_neighbor *entry = &neighbors->entries[index];
    entry->state = HFI_NEIGHBOR_PROBE;
    entry->requests = 0;
    timer_start(neighbors, index, LIST_DUE, now_ns);
}

void hfi_neighbor_doubt(hfi_neighbors *neighbors, uint32_t interface, const hf_addr *addr,
                        hfi_index hint, hf_ns now_ns) {
    const hfi_index index = find_by_hint(neighbors, interface, addr, hint);
    if (index == HFI_NONE) return;
    const uint8_t state = neighbors->entries[index].state;
    if (state == HFI_NEIGHBOR_INCOMPLETE || state == HFI_NEIGHBOR_PROBE) return;
    entry_probe(neighbors, index, now_ns);
}

/* ---- What messages tell; the rules are input.c's. ---- */

hfi_index hfi_neighbor_heard_of(hfi_neighbors *neighbors, const hfi_ip *ip, uint32_t interface,
                                const hf_addr *addr, const hfi_mac *mac, hf_ns now_ns) {
    hfi_next_hop hop;
    /* Who is not on this link has no business here, and would fill the table from anywhere. */
    if (!hfi_ip_route(ip, addr, &hop) || hop.interface != interface ||
        !hf_addr_equal(&hop.addr, addr))
        return HFI_NONE;
    const hfi_index index = entry_make(neighbors, interface, addr, true, now_ns);
    if (index == HFI_NONE) return HFI_NONE;
    neighbors->entries[index].mac = *mac;
    neighbors->entries[index].state = HFI_NEIGHBOR_STALE;
    return index;
}

void hfi_neighbor_stale_set(hfi_neighbors *neighbors, hfi_index index) {
    neighbors->entries[index].state = HFI_NEIGHBOR_STALE;
    neighbors->entries[index].requests = 0;
    timer_stop(neighbors, index);
}

void hfi_neighbor_mac_learned(hfi_neighbors *neighbors, hfi_index index, const hfi_mac *mac,
                              bool confirmed, hf_ns now_ns, hfi_neighbor_action *ret_action) {
    hfi_neighbor *entry = &neighbors->entries[index];
    const bool was_unknown = entry->state == HFI_NEIGHBOR_INCOMPLETE;
    entry->mac = *mac;
    if (confirmed)
        entry_confirm(neighbors, index, now_ns);
    else
        hfi_neighbor_stale_set(neighbors, index);
    if (!was_unknown) return;
    *ret_action = (hfi_neighbor_action){.kind = HFI_NEIGHBOR_RESOLVED,
                                        .interface = entry->interface,
                                        .target = entry->addr,
                                        .mac = *mac,
                                        .index = index,
                                        .waiting = entry->waiting};
    entry->waiting = HFI_NONE;
}

/* ---- Time. ---- */

static hfi_neighbor_action entry_fail(hfi_neighbors *neighbors, hfi_ip *ip, hfi_index index) {
    hfi_neighbor *entry = &neighbors->entries[index];
    const hfi_neighbor_action action = {.kind = HFI_NEIGHBOR_FAILED,
                                        .interface = entry->interface,
                                        .target = entry->addr,
                                        .index = index,
                                        .waiting = entry->waiting};
    entry->waiting = HFI_NONE;
    entry_free(neighbors, index);
    hfi_neighbor_router_failed(neighbors, ip, action.interface, &action.target);
    return action;
}

static hfi_neighbor_action entry_due(hfi_neighbors *neighbors, hfi_ip *ip, hfi_index index,
                                     hf_ns now_ns) {
    hfi_neighbor *entry = &neighbors->entries[index];
    if (entry->state == HFI_NEIGHBOR_DELAY) {
        entry->state = HFI_NEIGHBOR_PROBE;
        entry->requests = 0;
    }
    if (entry->requests == HFI_ND_SOLICITS) return entry_fail(neighbors, ip, index);
    entry->requests++;
    timer_start(neighbors, index, LIST_SOON, now_ns);
    return (hfi_neighbor_action){.kind = HFI_NEIGHBOR_REQUEST,
                                 .interface = entry->interface,
                                 .target = entry->addr,
                                 .mac = entry->mac,
                                 .unicast = entry->state == HFI_NEIGHBOR_PROBE,
                                 .index = index,
                                 .waiting = HFI_NONE};
}

static hfi_index first_due(const hfi_neighbors *neighbors, hf_ns now_ns) {
    const hfi_neighbor_state *state = neighbors->state;
    const hfi_index firsts[] = {state->due.first, state->soon.first, state->later.first};
    for (int i = 0; i < 3; i++)
        if (firsts[i] != HFI_NONE && neighbors->entries[firsts[i]].deadline_ns <= now_ns)
            return firsts[i];
    return HFI_NONE;
}

uint32_t hfi_neighbor_tick(hfi_neighbors *neighbors, hfi_ip *ip, hf_ns now_ns,
                           hfi_neighbor_action *ret_actions, uint32_t max) {
    uint32_t count = 0;
    while (count < max) {
        const hfi_index index = first_due(neighbors, now_ns);
        if (index != HFI_NONE)
            ret_actions[count++] = entry_due(neighbors, ip, index, now_ns);
        else if (hfi_neighbor_own_step(neighbors, ip, now_ns, &ret_actions[count]))
            count++;
        else
            break;
    }
    return count;
}

hf_ns hfi_neighbor_next_at(const hfi_neighbors *neighbors) {
    const hfi_neighbor_state *state = neighbors->state;
    const hfi_index firsts[] = {state->due.first, state->soon.first, state->later.first};
    hf_ns next_ns = state->own_next_at_ns;
    for (int i = 0; i < 3; i++)
        if (firsts[i] != HFI_NONE)
            next_ns = hfi_min64(next_ns, neighbors->entries[firsts[i]].deadline_ns);
    return next_ns;
}
