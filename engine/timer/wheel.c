#include "timer/wheel.h"

#define WHEEL_SLOT_BITS 8u
#define WHEEL_LISTS (HFI_WHEEL_LEVELS * HFI_WHEEL_SLOTS)
#define WHEEL_DUE WHEEL_LISTS /* the list after those of the slots */
#define WHEEL_WORDS (HFI_WHEEL_SLOTS / 64)
#define WHEEL_NO_TICK UINT64_MAX

struct hfi_wheel_block {
    hf_ns now_ns;              /* the last instant that the caller gave */
    uint64_t now_tick;         /* in full, so that the 32 bits of a node can be expanded */
    uint64_t quiet_until_tick; /* no occupied slot starts before this: most steps look no further */
    uint64_t occupied[HFI_WHEEL_LEVELS][WHEEL_WORDS];
    hfi_index heads[WHEEL_LISTS + 1];
    uint32_t count;
};

_Static_assert(HFI_WHEEL_SLOTS == 1u << WHEEL_SLOT_BITS, "a slot is eight bits of the deadline");
_Static_assert(HFI_WHEEL_LEVELS *WHEEL_SLOT_BITS == 32, "the levels share a tick's 32 bits");
_Static_assert(WHEEL_LISTS * sizeof(hfi_index) == 4096, "the slots take one page");
_Static_assert(sizeof(struct hfi_wheel_block) % 8 == 0, "nodes follow without a gap");

size_t hfi_wheel_bytes(uint32_t count) {
    const size_t bytes = sizeof(struct hfi_wheel_block) + (size_t)count * sizeof(hfi_wheel_node);
    return (bytes + 7) & ~(size_t)7;
}

void hfi_wheel_init(hfi_wheel *w, void *mem, uint32_t count, hf_ns now_ns) {
    struct hfi_wheel_block *block = mem;
    HF_ASSERT((uintptr_t)mem % 8 == 0 && count < HFI_NONE);
    memset(block, 0, sizeof *block);
    block->now_ns = now_ns;
    block->now_tick = now_ns / HFI_TICK_NS;
    block->quiet_until_tick = WHEEL_NO_TICK;
    block->count = count;
    for (uint32_t list = 0; list <= WHEEL_DUE; list++) block->heads[list] = HFI_NONE;
    hfi_wheel_attach(w, mem, count);
    for (uint32_t id = 0; id < count; id++) w->nodes[id] = (hfi_wheel_node){HFI_NONE, HFI_NONE, 0};
}

void hfi_wheel_attach(hfi_wheel *w, void *mem, uint32_t count) {
    w->block = mem;
    w->nodes = (hfi_wheel_node *)(w->block + 1);
    HF_ASSERT(w->block->count == count);
    (void)count;
}

/* The list of the slot that holds a tick in a level. */
static uint32_t wheel_list(uint32_t level, uint64_t tick) {
    return level * HFI_WHEEL_SLOTS +
           (uint32_t)(tick >> (level * WHEEL_SLOT_BITS)) % HFI_WHEEL_SLOTS;
}

static void wheel_mark(hfi_wheel *w, uint32_t list, bool occupied) {
    if (list == WHEEL_DUE) return;
    uint64_t *word = &w->block->occupied[list / HFI_WHEEL_SLOTS][list % HFI_WHEEL_SLOTS / 64];
    const uint64_t bit = UINT64_C(1) << (list % 64);
    *word = occupied ? *word | bit : *word & ~bit;
}

/* Replaces the head of a list, HFI_NONE to empty it, and keeps its bit true. */
static void wheel_set_head(hfi_wheel *w, uint32_t list, hfi_index head) {
    w->block->heads[list] = head;
    wheel_mark(w, list, head != HFI_NONE);
}

static void wheel_append(hfi_wheel *w, uint32_t list, hfi_index id) {
    hfi_wheel_node *node = &w->nodes[id];
    const hfi_index head = w->block->heads[list];
    if (head == HFI_NONE) {
        node->next = node->prev = id;
        wheel_set_head(w, list, id);
        return;
    }
    node->next = head;
    node->prev = w->nodes[head].prev;
    w->nodes[node->prev].next = id;
    w->nodes[head].prev = id;
}

/* In a circle, the place before the first is the place after the last. */
static void wheel_prepend(hfi_wheel *w, uint32_t list, hfi_index id) {
    wheel_append(w, list, id);
    w->block->heads[list] = id;
}

/* Returns the list that id heads, HFI_NONE if it heads none. A node does not know its level, which
 * depends on when it was armed; but its deadline leaves one slot a level, and the due list. */
static uint32_t wheel_headed_by(const hfi_wheel *w, hfi_index id) {
    for (uint32_t level = 0; level < HFI_WHEEL_LEVELS; level++) {
        const uint32_t list = wheel_list(level, w->nodes[id].deadline);
        if (w->block->heads[list] == id) return list;
    }
    return w->block->heads[WHEEL_DUE] == id ? WHEEL_DUE : HFI_NONE;
}

static void wheel_unlink(hfi_wheel *w, hfi_index id) {
    hfi_wheel_node *node = &w->nodes[id];
    const uint32_t list = wheel_headed_by(w, id);
    w->nodes[node->prev].next = node->next;
    w->nodes[node->next].prev = node->prev;
    HF_ASSERT(node->next != id || list != HFI_NONE);
    if (list != HFI_NONE) wheel_set_head(w, list, node->next == id ? HFI_NONE : node->next);
    node->next = node->prev = HFI_NONE;
}

/* A pending deadline in full. */
static uint64_t wheel_full_tick(const hfi_wheel *w, hfi_tick deadline) {
    return w->block->now_tick + (hfi_tick)(deadline - (hfi_tick)w->block->now_tick);
}

/* The list for a tick that is not past: the lowest level that reaches it. */
static uint32_t wheel_place(hfi_wheel *w, uint64_t tick) {
    struct hfi_wheel_block *block = w->block;
    uint32_t shift = 0;
    while ((tick >> shift) - (block->now_tick >> shift) >= HFI_WHEEL_SLOTS)
        shift += WHEEL_SLOT_BITS;
    HF_ASSERT(shift < HFI_WHEEL_LEVELS * WHEEL_SLOT_BITS);
    block->quiet_until_tick = hfi_min64(block->quiet_until_tick, tick >> shift << shift);
    return wheel_list(shift / WHEEL_SLOT_BITS, tick);
}

void hfi_wheel_arm(hfi_wheel *w, uint32_t id, hf_ns deadline_ns) {
    struct hfi_wheel_block *block = w->block;
    hfi_wheel_cancel(w, id);
    if (deadline_ns == HF_NEVER) return;
    if (deadline_ns <= block->now_ns) {
        w->nodes[id].deadline = (hfi_tick)block->now_tick;
        wheel_append(w, WHEEL_DUE, id);
        return;
    }
    /* Not hfi_tick_deadline(), whose sum wraps for the last instants before HF_NEVER. */
    const uint64_t wanted = deadline_ns / HFI_TICK_NS + (deadline_ns % HFI_TICK_NS != 0);
    const uint64_t tick = hfi_min64(wanted, block->now_tick + HFI_WHEEL_SPAN_TICKS);
    w->nodes[id].deadline = (hfi_tick)tick;
    wheel_append(w, wheel_place(w, tick), id);
}

void hfi_wheel_cancel(hfi_wheel *w, uint32_t id) {
    if (hfi_wheel_armed(w, id)) wheel_unlink(w, id);
}

bool hfi_wheel_armed(const hfi_wheel *w, uint32_t id) {
    HF_ASSERT(id < w->block->count);
    return w->nodes[id].next != HFI_NONE;
}

/* A node's deadline, which lies within the span on either side of the present. */
static hf_ns wheel_instant(const hfi_wheel *w, hfi_index id) {
    const int32_t ahead = (int32_t)(w->nodes[id].deadline - (hfi_tick)w->block->now_tick);
    return (w->block->now_tick + (uint64_t)(int64_t)ahead) * HFI_TICK_NS;
}

hf_ns hfi_wheel_deadline(const hfi_wheel *w, uint32_t id) {
    return hfi_wheel_armed(w, id) ? wheel_instant(w, id) : HF_NEVER;
}

/* The number of the lowest set bit. In halves, since a 64-bit count is a call into the compiler's
 * library on 32-bit machines. */
static uint32_t wheel_lowest_bit(uint64_t word) {
    const uint32_t low = (uint32_t)word;
    return low != 0 ? (uint32_t)__builtin_ctz(low)
                    : 32 + (uint32_t)__builtin_ctz((uint32_t)(word >> 32));
}

/* Returns how many slots ahead of `slot` the nearest occupied one lies, 1 to 255; 0 if there is
 * none. The circle is read in five pieces: the rest of slot's own word, the other words, and its
 * own again. */
static uint32_t wheel_ahead(const uint64_t words[WHEEL_WORDS], uint32_t slot) {
    const uint32_t first = slot / 64;
    const uint64_t above = ~UINT64_C(0) << (slot % 64);
    for (uint32_t i = 0; i <= WHEEL_WORDS; i++) {
        const uint32_t index = (first + i) % WHEEL_WORDS;
        const uint64_t mask = i == 0 ? above : i == WHEEL_WORDS ? ~above : ~UINT64_C(0);
        const uint64_t word = words[index] & mask;
        if (word != 0) return (index * 64 + wheel_lowest_bit(word) - slot) % HFI_WHEEL_SLOTS;
    }
    return 0;
}

/* Returns the first tick of the earliest occupied slot of a level, WHEEL_NO_TICK if it is empty. */
static uint64_t wheel_level_start(const hfi_wheel *w, uint32_t level) {
    const uint32_t shift = level * WHEEL_SLOT_BITS;
    const uint64_t *words = w->block->occupied[level];
    /* Most levels are empty most of the time. */
    if ((words[0] | words[1] | words[2] | words[3]) == 0) return WHEEL_NO_TICK;
    const uint64_t slot = w->block->now_tick >> shift;
    const uint32_t ahead = wheel_ahead(words, slot % HFI_WHEEL_SLOTS);
    return ahead == 0 ? WHEEL_NO_TICK : (slot + ahead) << shift;
}

static uint64_t wheel_earliest_start(const hfi_wheel *w) {
    uint64_t start = WHEEL_NO_TICK;
    for (uint32_t level = 0; level < HFI_WHEEL_LEVELS; level++)
        start = hfi_min64(start, wheel_level_start(w, level));
    return start;
}

/* Moves the nodes of a slot that time has just entered to lower levels. From the last to the first,
 * each before the list it joins: they were armed before those that are there. */
static void wheel_cascade(hfi_wheel *w, uint32_t list) {
    const hfi_index head = w->block->heads[list];
    if (head == HFI_NONE) return;
    wheel_set_head(w, list, HFI_NONE);
    hfi_index id = w->nodes[head].prev;
    for (bool more = true; more;) {
        const hfi_index before = w->nodes[id].prev;
        more = id != head;
        wheel_prepend(w, wheel_place(w, wheel_full_tick(w, w->nodes[id].deadline)), id);
        id = before;
    }
}

/* Joins a slot of level 0 to the end of the due list. */
static void wheel_collect(hfi_wheel *w, uint32_t list) {
    const hfi_index head = w->block->heads[list];
    const hfi_index due = w->block->heads[WHEEL_DUE];
    if (head == HFI_NONE) return;
    wheel_set_head(w, list, HFI_NONE);
    if (due == HFI_NONE) {
        wheel_set_head(w, WHEEL_DUE, head);
        return;
    }
    const hfi_index last = w->nodes[head].prev;
    const hfi_index last_due = w->nodes[due].prev;
    w->nodes[last_due].next = head;
    w->nodes[head].prev = last_due;
    w->nodes[last].next = due;
    w->nodes[due].prev = last;
}

/* Enters a tick: every slot that starts with it, the lower levels first. */
static void wheel_enter(hfi_wheel *w, uint64_t tick) {
    w->block->now_tick = tick;
    for (uint32_t level = 1; level < HFI_WHEEL_LEVELS; level++) {
        const uint64_t within = (UINT64_C(1) << (level * WHEEL_SLOT_BITS)) - 1;
        if ((tick & within) != 0) break;
        wheel_cascade(w, wheel_list(level, tick));
    }
    wheel_collect(w, wheel_list(0, tick));
}

void hfi_wheel_advance(hfi_wheel *w, hf_ns now_ns) {
    HF_ASSERT(now_ns >= w->block->now_ns);
    const uint64_t target = now_ns / HFI_TICK_NS;
    while (w->block->quiet_until_tick <= target) {
        const uint64_t start = wheel_earliest_start(w);
        w->block->quiet_until_tick = start;
        if (start <= target) wheel_enter(w, start);
    }
    w->block->now_tick = target;
    w->block->now_ns = now_ns;
}

uint32_t hfi_wheel_pop(hfi_wheel *w) {
    const hfi_index id = w->block->heads[WHEEL_DUE];
    if (id != HFI_NONE) wheel_unlink(w, id);
    return id;
}

bool hfi_wheel_has_due(const hfi_wheel *w) { return w->block->heads[WHEEL_DUE] != HFI_NONE; }

/* Returns the earliest deadline in the slot that starts with `start`, or `start` if it holds too
 * many nodes to look at. */
static uint64_t wheel_slot_earliest(const hfi_wheel *w, uint32_t level, uint64_t start) {
    const hfi_index head = w->block->heads[wheel_list(level, start)];
    uint64_t earliest = WHEEL_NO_TICK;
    hfi_index id = head;
    for (uint32_t looked = 0; looked < HFI_WHEEL_LOOK_COUNT; looked++) {
        earliest = hfi_min64(earliest, wheel_full_tick(w, w->nodes[id].deadline));
        id = w->nodes[id].next;
        if (id == head) return earliest;
    }
    return start;
}

hf_ns hfi_wheel_next(const hfi_wheel *w) {
    const hfi_index due = w->block->heads[WHEEL_DUE];
    /* The minimum serves an id that was due for so long that its stamp has wrapped. */
    if (due != HFI_NONE) return hfi_min64(wheel_instant(w, due), w->block->now_ns);
    uint64_t earliest = wheel_level_start(w, 0);
    for (uint32_t level = 1; level < HFI_WHEEL_LEVELS; level++) {
        const uint64_t start = wheel_level_start(w, level);
        if (start < earliest) earliest = hfi_min64(earliest, wheel_slot_earliest(w, level, start));
    }
    return earliest == WHEEL_NO_TICK ? HF_NEVER : earliest * HFI_TICK_NS;
}
