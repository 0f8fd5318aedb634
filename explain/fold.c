#include "fold.h"

enum {
    MOST_PERIOD =
        40, /* a round longer than this is not seen as one; a whole connection is about 25 items */
    FEWEST_CALLS = 3,  /* so many equal calls in a row are folded */
    FEWEST_ROUNDS = 5, /* so many equal rounds: two stay before the fold, one after */
    ROUNDS_BEFORE = 2
};

static uint64_t mix(uint64_t shape, uint64_t more) {
    shape ^= more + UINT64_C(0x9e3779b97f4a7c15) + (shape << 6) + (shape >> 2);
    return shape == 0 ? 1 : shape;
}

static bool equal_shape(const hfx_item *a, const hfx_item *b) {
    return a->shape != 0 && a->shape == b->shape;
}

/* How often in a row, from `at` on, the items [at, at + period) come. */
static size_t rounds_at(const hfx_item *items, size_t count, size_t at, size_t period) {
    size_t end = at + period;
    while (end < count && equal_shape(&items[end - period], &items[end])) end++;
    return (end - at) / period;
}

/* One item for `rounds` rounds of `period` items from `at` on. */
static hfx_item folded(const hfx_item *items, size_t at, size_t period, size_t rounds) {
    const hfx_item *const last = &items[at + period * rounds - 1];
    hfx_item item = {items[at].first, 0, rounds, period, 7};
    item.rows = last->first + last->rows - item.first;
    for (size_t i = 0; i < period; i++) item.shape = mix(item.shape, items[at + i].shape);
    return item;
}

/* Works in place: what is written never passes what is read. */
static size_t fold_calls(const hf_ladder_row *rows, hfx_item *items, size_t count) {
    size_t written = 0;
    for (size_t at = 0; at < count;) {
        const size_t run = rounds_at(items, count, at, 1);
        if (rows[items[at].first].kind != HF_LADDER_CALL || run < FEWEST_CALLS ||
            items[at].shape == 0) {
            items[written++] = items[at++];
            continue;
        }
        const hfx_item first = items[at], rest = folded(items, at + 1, 1, run - 1);
        items[written++] = first;
        items[written++] = rest;
        at += run;
    }
    return written;
}

/* The period from `at` whose rounds cover most items; 0 if none repeats often enough. */
static size_t best_period(const hfx_item *items, size_t count, size_t at, size_t *ret_rounds) {
    size_t best = 0, best_covered = 0;
    for (size_t period = 1; period <= MOST_PERIOD && at + period <= count; period++) {
        if (items[at + period - 1].shape == 0) break;
        const size_t rounds = rounds_at(items, count, at, period);
        if (rounds < FEWEST_ROUNDS || rounds * period <= best_covered) continue;
        best = period;
        best_covered = rounds * period;
        *ret_rounds = rounds;
    }
    return best;
}

static size_t fold_rounds(hfx_item *items, size_t count) {
    size_t written = 0;
    for (size_t at = 0; at < count;) {
        size_t rounds = 0;
        const size_t period = best_period(items, count, at, &rounds);
        if (period == 0) {
            items[written++] = items[at++];
            continue;
        }
        const size_t away = rounds - ROUNDS_BEFORE - 1, from = at + ROUNDS_BEFORE * period;
        const hfx_item fold = folded(items, from, period, away);
        for (size_t i = 0; i < ROUNDS_BEFORE * period; i++) items[written++] = items[at + i];
        const size_t last = from + away * period;
        items[written++] = fold;
        for (size_t i = 0; i < period; i++) items[written++] = items[last + i];
        at = last + period;
    }
    return written;
}

size_t hfx_fold(const hf_ladder_row *rows, size_t count, bool fold, hfx_item *items) {
    for (size_t i = 0; i < count; i++) {
        const hfx_item item = {i, 1, 0, 0, rows[i].shape};
        items[i] = item;
    }
    return fold ? fold_rounds(items, fold_calls(rows, items, count)) : count;
}
