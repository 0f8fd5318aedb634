/* A binary heap of what is due, by (time, rank of the kind, order of coming). */
#include "lab.h"
#include <stdlib.h>

static bool before(const lab_due *a, const lab_due *b) {
    if (a->at_ns != b->at_ns) return a->at_ns < b->at_ns;
    if (a->kind != b->kind) return a->kind < b->kind;
    return a->sequence < b->sequence;
}

static void swap(lab_due *a, lab_due *b) {
    const lab_due kept = *a;
    *a = *b;
    *b = kept;
}

bool lab_heap_push(lab_heap *heap, lab_due due) {
    heap->items = lab_grow(heap->items, heap->count, &heap->room, sizeof *heap->items);
    due.sequence = heap->sequence++;
    size_t i = heap->count++;
    heap->items[i] = due;
    for (; i > 0 && before(&heap->items[i], &heap->items[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&heap->items[i], &heap->items[(i - 1) / 2]);
    return true;
}

bool lab_heap_pop(lab_heap *heap, lab_due *ret_due) {
    if (heap->count == 0) return false;
    *ret_due = heap->items[0];
    heap->items[0] = heap->items[--heap->count];
    for (size_t i = 0;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2; child++)
            if (child < heap->count && before(&heap->items[child], &heap->items[least]))
                least = child;
        if (least == i) return true;
        swap(&heap->items[i], &heap->items[least]);
        i = least;
    }
}

const lab_due *lab_heap_first(const lab_heap *heap) {
    return heap->count > 0 ? &heap->items[0] : NULL;
}

void lab_heap_free(lab_heap *heap) { free(heap->items); }
