/* timer: ids and deadlines. The wheel knows no connection; the caller maps ids.
 *
 * A hierarchical wheel of four levels with 256 slots each. Level 0 has a slot for every tick of
 * 1.024 ms, a slot of level L spans 256^L ticks:
 *
 *     level   one slot     the whole level
 *       0     1.024 ms     262 ms     RTO, delayed ACK, pacing
 *       1     262 ms       67 s       keepalive probes, TIME_WAIT, SYN-ACK
 *       2     67 s         4.8 h      idle keepalive
 *       3     4.8 h        25 days    bounds that a human sets; half the circle of ticks
 *
 * A deadline lives in the lowest level whose 256 slots, counted from the present one, reach it.
 * When time enters a slot of level 1 to 3, the slot cascades: its nodes move to lower levels. When
 * time enters a slot of level 0, its list is joined to the due list, whole, in one step.
 *
 *     level 1   [    ][ s4 ][    ] ...        time ->
 *                       |  cascade when time enters s4
 *     level 0         [ ][ ][x][ ] ...   --> due list --> hfi_wheel_pop
 *
 * Invariants:
 *   - Time's own slot is empty in every level; a pending node lies 1 to 255 slots ahead.
 *   - The due list is sorted by deadline, equal deadlines by the order of arming.
 *   - An occupied slot has its bit set, and only such a slot.
 *
 * The order needs no sorting. Of two nodes with one deadline, the one in the higher level was armed
 * first, as the level for a deadline only falls while time passes. So a cascade puts its nodes,
 * last one first, in front of the lists that they join, and lower levels cascade before higher
 * ones. A jump over hours looks at bits, 64 at once, and costs by occupied slots, never by ticks.
 *
 * Memory: 4 levels x 256 slots x 4 bytes = 4,096 bytes of list heads and 128 bytes of bits, once;
 * 12 bytes a node, so 12,000,000 bytes for a million timers. (64 slots a level would take 1 KiB,
 * but span 4.8 hours only, and make cascades four times as large.) A node cascades at most three
 * times in its life. One cascade moves, in one call, what is due within one slot: of a million
 * timers spread over two hours 9,300, about three cache misses each: milliseconds, once in 67 s.
 *
 * Left out: deadlines more than HFI_WHEEL_SPAN_TICKS ahead, since a node holds 32 bits. Such an id
 * is held at the end of the span and pops there; a caller who knows a later deadline arms it again.
 */
#ifndef HFI_TIMER_WHEEL_H
#define HFI_TIMER_WHEEL_H

#include "base/base.h"

#define HFI_WHEEL_LEVELS 4u
#define HFI_WHEEL_SLOTS 256u

/* The farthest deadline, 25.4 days: signed differences of ticks must tell past from future. */
#define HFI_WHEEL_SPAN_TICKS UINT32_C(0x7fffffff)

/* The farthest that next() looks into a slot. 64 nodes are at most 64 cache misses, about 5 us. */
#define HFI_WHEEL_LOOK_COUNT 64u

/* A member of a circular list, or unarmed if next is HFI_NONE. */
typedef struct hfi_wheel_node {
    hfi_index next;
    hfi_index prev;
    hfi_tick deadline;
} hfi_wheel_node;

_Static_assert(sizeof(hfi_wheel_node) == 12, "a million timers take 12,000,000 bytes");

/* The handle, outside the block: where the block is mapped. */
typedef struct hfi_wheel {
    struct hfi_wheel_block *block;
    hfi_wheel_node *nodes;
} hfi_wheel;

/* The bytes that a wheel of ids 0 to count-1 takes. */
size_t hfi_wheel_bytes(uint32_t count);

/* Lays an empty wheel out in mem, which is aligned to 8 bytes. Links mem until the wheel is not
 * used any more. */
void hfi_wheel_init(hfi_wheel *w, void *mem, uint32_t count, hf_ns now_ns);

/* Makes w a handle to a wheel that was laid out already: the same block copied, or mapped
 * elsewhere. */
void hfi_wheel_attach(hfi_wheel *w, void *mem, uint32_t count);

/* Arms id, or moves it if it is armed or due. O(1). The deadline rounds up to a tick, so it is
 * never early; one that is not after the present is due at once and counts as due at the present
 * tick. HF_NEVER cancels. */
void hfi_wheel_arm(hfi_wheel *w, uint32_t id, hf_ns deadline_ns);

/* Disarms id. O(1). Does nothing if it is not armed; takes it off the due list too. */
void hfi_wheel_cancel(hfi_wheel *w, uint32_t id);

/* True from arming until pop or cancel. */
bool hfi_wheel_armed(const hfi_wheel *w, uint32_t id);

/* Returns the deadline as rounded, or HF_NEVER if id is not armed. Right for an id that has been
 * due for less than 25 days. */
hf_ns hfi_wheel_deadline(const hfi_wheel *w, uint32_t id);

/* Moves time to now_ns, which is never before the last; what is due then can be popped. Costs by
 * the occupied slots on the way and the nodes that cascade. */
void hfi_wheel_advance(hfi_wheel *w, hf_ns now_ns);

/* Disarms and returns the next due id, by deadline, equal ones in the order of arming; HFI_NONE if
 * none is due. */
uint32_t hfi_wheel_pop(hfi_wheel *w);

bool hfi_wheel_has_due(const hfi_wheel *w);

/* Returns the earliest deadline, HF_NEVER if none is armed. Exact unless the earliest slot of a
 * level holds more than HFI_WHEEL_LOOK_COUNT nodes; then it may be the start of that slot, which is
 * earlier but after the present: advancing there cascades the slot, and asking again looks one
 * level lower. */
hf_ns hfi_wheel_next(const hfi_wheel *w);

#endif
