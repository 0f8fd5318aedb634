/* Folding: a long run of rows becomes a short list of items, some of which stand for many rows.
 *
 * First, calls of one shape in a row: the first stays, the others become one item. Then rounds,
 * that is, up to MOST_PERIOD items that come again and again: two rounds stay, then one item, then
 * the last round. An item always stands for rows that follow one another, so nothing is lost and
 * the counts are exact. */
#ifndef HFX_FOLD_H
#define HFX_FOLD_H

#include <hf/ladder.h>

typedef struct hfx_item {
    size_t first, rows; /* the rows it stands for */
    size_t
        rounds; /* 0: one row, drawn; else how many rounds of the items before it are folded here */
    size_t period; /* items in a round */
    uint64_t shape;
} hfx_item;

/* Fills items, which has room for `count`; returns how many. */
size_t hfx_fold(const hf_ladder_row *rows, size_t count, bool fold, hfx_item *items);

#endif
