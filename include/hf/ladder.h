/* The ladder: a run drawn as text, hosts as columns, time downwards, one arrow a packet.
 *
 *      0 s  client                          server
 *           |---- SYN seq 0 ------------------>|  The application asked to connect: SYN sent.
 *   +10 ms  ...
 *
 * At most 80 columns wide. Repetition is folded into one line that says how much it stands for;
 * nothing is left out without being counted.
 */
#ifndef HF_LADDER_H
#define HF_LADDER_H

#include <hf/base.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum hf_ladder_kind {
    HF_LADDER_ARROW, /* a packet from one column to another */
    HF_LADDER_CALL,  /* something that the application at `from` asked for */
    HF_LADDER_AT,    /* something that happened at `from` */
    HF_LADDER_NOTE   /* something about the whole run */
} hf_ladder_kind;

typedef enum hf_ladder_tone {
    HF_TONE_PLAIN,
    HF_TONE_QUIET,
    HF_TONE_GOOD,
    HF_TONE_BAD,
    HF_TONE_LOUD
} hf_ladder_tone;

typedef struct hf_ladder_row {
    hf_ns at_ns;
    hf_ladder_kind kind;
    hf_ladder_tone tone;
    uint32_t from, to; /* columns */
    bool lost;         /* the arrow ends in x on its way */
    const char *label; /* borrowed until hf_ladder_print returns */
    const char *sentence;
    uint64_t shape; /* rows of one shape are repetition; 0: never folded */
} hf_ladder_row;

typedef struct hf_ladder {
    const char *const *names; /* of the columns */
    uint32_t columns;         /* 1 to 6 */
    uint32_t width;           /* of a line, 60 to 200; 0 means 80 */
    uint32_t most_rows; /* more than these are cut in the middle, and counted; 0: all are drawn */
    bool colour;        /* ANSI colours */
    bool utf8;          /* lines and arrows beyond ASCII */
    bool fold;
} hf_ladder;

/* Draws the rows, which are in order of time. False if memory ran out or `to` could not be written.
 */
bool hf_ladder_print(const hf_ladder *ladder, const hf_ladder_row *rows, size_t count, FILE *to);

/* Prints text wrapped to `width`, each line after `indent` spaces. Of a paragraph "name:   text"
 * the further lines stand below the text. */
void hf_print_wrapped(FILE *to, const char *text, uint32_t indent, uint32_t width);

#ifdef __cplusplus
}
#endif
#endif
