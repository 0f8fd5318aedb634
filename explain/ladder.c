/* Draws a ladder line by line: a line is a row of cells, each a character and a tone. */
#include <hf/explain.h>
#include <hf/ladder.h>
#include <stdlib.h>
#include <string.h>
#include "explain.h"
#include "fold.h"

enum {
    TIME_CELLS = 10,   /* "2:00:00.000" is 11, and begins in the margin that it does not need */
    LEFT_CELL = 12,    /* of the first lifeline */
    BESIDE_RIGHT = 43, /* of the second lifeline when sentences stand beside the arrows */
    MOST_CELLS = 200,
    MOST_COLUMNS = 6,
    MOST_NAME = 24
};

/* Cells that are drawn and not written: lines, heads of arrows. */
enum {
    CELL_LIFELINE = 1,
    CELL_DASH,
    CELL_RIGHT,
    CELL_LEFT,
    CELL_LOST,
    CELL_DOT,
    CELL_MORE,
    CELL_DRAWN
};

static const char *const glyph_ascii[CELL_DRAWN] = {"", "|", "-", ">", "<", "x", "o", ":"};
static const char *const glyph_utf8[CELL_DRAWN] = {"",
                                                   "\xe2\x94\x82",
                                                   "\xe2\x94\x80",
                                                   "\xe2\x96\xb6",
                                                   "\xe2\x97\x80",
                                                   "\xe2\x9c\x97",
                                                   "\xe2\x97\x8f",
                                                   "\xe2\x8b\xae"};

static const char *const tone_code[] = {"", "\x1b[2m", "\x1b[32m", "\x1b[31m", "\x1b[1m"};

struct line {
    char cell[MOST_CELLS];
    uint8_t tone[MOST_CELLS];
};

struct drawing {
    const hf_ladder *ladder;
    FILE *to;
    uint32_t width, lifeline[MOST_COLUMNS];
    uint32_t text_cell, text_width; /* of sentences beside the arrows; width 0: they stand below */
};

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

static void line_clear(struct line *line) {
    memset(line->cell, ' ', sizeof line->cell);
    memset(line->tone, HF_TONE_PLAIN, sizeof line->tone);
}

static void line_put(struct line *line, uint32_t cell, const char *text, uint32_t most,
                     hf_ladder_tone tone) {
    for (uint32_t i = 0; i < most && text[i] && cell + i < MOST_CELLS; i++) {
        line->cell[cell + i] = text[i];
        line->tone[cell + i] = (uint8_t)tone;
    }
}

static void line_fill(struct line *line, uint32_t from, uint32_t end, char cell,
                      hf_ladder_tone tone) {
    for (uint32_t i = from; i < end && i < MOST_CELLS; i++) {
        line->cell[i] = cell;
        line->tone[i] = (uint8_t)tone;
    }
}

static void line_lifelines(const struct drawing *drawing, struct line *line) {
    for (uint32_t i = 0; i < drawing->ladder->columns; i++)
        line_fill(line, drawing->lifeline[i], drawing->lifeline[i] + 1, CELL_LIFELINE,
                  HF_TONE_QUIET);
}

static void line_print(const struct drawing *drawing, const struct line *line) {
    const char *const *const glyphs = drawing->ladder->utf8 ? glyph_utf8 : glyph_ascii;
    uint32_t end = MOST_CELLS, tone = HF_TONE_PLAIN;
    while (end > 0 && line->cell[end - 1] == ' ') end--;
    for (uint32_t i = 0; i < end; i++) {
        if (drawing->ladder->colour && line->tone[i] != tone && line->cell[i] != ' ') {
            if (tone != HF_TONE_PLAIN) fputs("\x1b[0m", drawing->to);
            tone = line->tone[i];
            fputs(tone_code[tone], drawing->to);
        }
        const uint8_t cell = (uint8_t)line->cell[i];
        if (cell < CELL_DRAWN)
            fputs(glyphs[cell], drawing->to);
        else
            fputc(cell, drawing->to);
    }
    if (tone != HF_TONE_PLAIN) fputs("\x1b[0m", drawing->to);
    fputc('\n', drawing->to);
}

/* How many characters of text go on a line of `width`; words stay whole where they fit. */
static uint32_t wrap(const char *text, uint32_t width) {
    uint32_t fits = 0, i = 0;
    for (; text[i] && text[i] != '\n' && i <= width; i++)
        if (text[i] == ' ') fits = i;
    if (!text[i] || text[i] == '\n') return i <= width ? i : fits ? fits : width;
    return fits > 0 ? fits : width;
}

static const char *after_line(const char *text, uint32_t length) {
    text += length;
    if (*text == '\n') return text + 1;
    while (*text == ' ') text++;
    return text;
}

/* Where the further lines of a paragraph begin: below the word behind its first gap of two spaces
 * or more, so that "name:   text" keeps its column. */
static uint32_t hanging(const char *text) {
    uint32_t i = 0;
    while (text[i] && text[i] != '\n' && !(text[i] == ' ' && text[i + 1] == ' ')) i++;
    if (text[i] != ' ') return 0;
    while (text[i] == ' ') i++;
    return i;
}

void hf_print_wrapped(FILE *to, const char *text, uint32_t indent, uint32_t width) {
    uint32_t hang = hanging(text), further = 0;
    while (*text) {
        const uint32_t length = wrap(text, width - indent - further);
        fprintf(to, "%*s%.*s\n", (int)(length > 0 ? indent + further : 0), "", (int)length, text);
        const bool ended = text[length] == '\n';
        text = after_line(text, length);
        if (ended) hang = hanging(text);
        further = ended || hang > width / 2 ? 0 : hang;
    }
}

/* "0.010", "15:39.204", "2:00:00.000", in at least `TIME_CELLS`. */
static void time_words(hf_ns at_ns, char *to, size_t size) {
    const uint64_t ms = (at_ns + HF_MS / 2) / HF_MS, seconds = ms / 1000, minutes = seconds / 60;
    char words[40];
    if (minutes == 0) {
        snprintf(words, sizeof words, "%u.%03u", (unsigned)seconds, (unsigned)(ms % 1000));
    } else if (minutes < 60) {
        snprintf(words, sizeof words, "%u:%02u.%03u", (unsigned)minutes, (unsigned)(seconds % 60),
                 (unsigned)(ms % 1000));
    } else {
        snprintf(words, sizeof words, "%u:%02u:%02u.%03u", (unsigned)(minutes / 60),
                 (unsigned)(minutes % 60), (unsigned)(seconds % 60), (unsigned)(ms % 1000));
    }
    snprintf(to, size, "%*s", TIME_CELLS, words);
}

static void line_time(struct line *line, hf_ns at_ns) {
    char words[48];
    time_words(at_ns, words, sizeof words);
    line_put(line, 0, words, LEFT_CELL - 1, HF_TONE_QUIET);
}

static void draw_arrow(const struct drawing *drawing, struct line *line, const hf_ladder_row *row,
                       const char *label) {
    const uint32_t from = drawing->lifeline[row->from], to = drawing->lifeline[row->to];
    const uint32_t left = from < to ? from : to, right = from < to ? to : from;
    const uint32_t room = right - left - 1, words = (uint32_t)strlen(label);
    const hf_ladder_tone tone = row->tone;
    /* A lost packet's arrow ends on its way, but behind its label. */
    const uint32_t part = words + 6 > room * 3 / 4 ? words + 6 : room * 3 / 4;
    const uint32_t reach = row->lost ? least(room, part) : room;
    const uint32_t begin = from < to ? left + 1 : right - reach, end = begin + reach;
    line_fill(line, begin, end, CELL_DASH, tone);
    const uint32_t label_at = begin + (words + 4 < reach ? (from < to ? 2 : 3) : 1);
    line_put(line, label_at, label, words, tone);
    if (words > 0 && words + 4 < reach) {
        line->cell[label_at - 1] = ' ';
        line->cell[label_at + words] = ' ';
    }
    const char head = row->lost ? CELL_LOST : from < to ? CELL_RIGHT : CELL_LEFT;
    const hf_ladder_tone head_tone = row->lost ? HF_TONE_BAD : tone;
    line_fill(line, from < to ? end - 1 : begin, from < to ? end : begin + 1, head, head_tone);
}

/* What happens at a host stands on the inner side of its lifeline. Returns what did not fit. */
static const char *draw_at(const struct drawing *drawing, struct line *line,
                           const hf_ladder_row *row, const char *label, bool first) {
    const uint32_t cell = drawing->lifeline[row->from], last = drawing->ladder->columns - 1;
    const uint32_t room = drawing->ladder->columns > 1
                              ? drawing->lifeline[1] - drawing->lifeline[0] - 4
                              : drawing->width - cell - 2;
    const uint32_t length = wrap(label, room);
    const bool leftwards = row->from == last && last > 0;
    if (first)
        line_fill(line, cell, cell + 1, row->kind == HF_LADDER_CALL ? CELL_DOT : CELL_LIFELINE,
                  row->tone);
    line_put(line, leftwards ? cell - 1 - length : cell + 2, label, length, row->tone);
    return after_line(label, length);
}

static const char *draw_sentence(const struct drawing *drawing, struct line *line,
                                 const char *sentence, hf_ladder_tone tone) {
    const uint32_t length = wrap(sentence, drawing->text_width);
    line_put(line, drawing->text_cell, sentence, length, tone);
    return after_line(sentence, length);
}

/* Sentences below an arrow, where there are more than two columns. */
static void draw_below(const struct drawing *drawing, const char *sentence) {
    while (*sentence) {
        struct line line;
        line_clear(&line);
        line_fill(&line, LEFT_CELL, LEFT_CELL + 1, CELL_LIFELINE, HF_TONE_QUIET);
        const uint32_t length = wrap(sentence, drawing->width - LEFT_CELL - 3);
        line_put(&line, LEFT_CELL + 3, sentence, length, HF_TONE_QUIET);
        line_print(drawing, &line);
        sentence = after_line(sentence, length);
    }
}

/* True if the label has its place on the arrow; else it stands before the sentence. */
static bool fits_on_arrow(const struct drawing *drawing, const hf_ladder_row *row) {
    const uint32_t from = drawing->lifeline[row->from], to = drawing->lifeline[row->to];
    const uint32_t room = from < to ? to - from - 1 : from - to - 1;
    return strlen(row->label) + 2 <= room;
}

static void draw_row(const struct drawing *drawing, const hf_ladder_row *row) {
    const bool beside = drawing->text_width > 0, arrow = row->kind == HF_LADDER_ARROW;
    const hf_ladder_tone tone = row->tone == HF_TONE_QUIET ? HF_TONE_QUIET : HF_TONE_PLAIN;
    const bool apart = arrow && !fits_on_arrow(drawing, row);
    const char *label = arrow ? "" : row->label, *sentence = beside ? row->sentence : "";
    const char *before = apart && beside ? row->label : "";
    for (bool first = true; first || *label || *before || *sentence; first = false) {
        struct line line;
        line_clear(&line);
        line_lifelines(drawing, &line);
        if (first) line_time(&line, row->at_ns);
        if (first && arrow) draw_arrow(drawing, &line, row, apart ? "" : row->label);
        if (*label) label = draw_at(drawing, &line, row, label, first);
        if (*before)
            before = draw_sentence(drawing, &line, before, tone);
        else if (*sentence)
            sentence = draw_sentence(drawing, &line, sentence, tone);
        line_print(drawing, &line);
    }
    if (!beside && apart) draw_below(drawing, row->label);
    if (!beside) draw_below(drawing, row->sentence);
}

static void draw_note(const struct drawing *drawing, const hf_ladder_row *row) {
    const char *text = row->label;
    for (bool first = true; *text; first = false) {
        struct line line;
        line_clear(&line);
        if (first) line_time(&line, row->at_ns);
        const uint32_t length = wrap(text, drawing->width - LEFT_CELL - 3);
        line_fill(&line, LEFT_CELL, LEFT_CELL + 2, CELL_DASH, row->tone);
        line_put(&line, LEFT_CELL + 3, text, length, row->tone);
        line_print(drawing, &line);
        text = after_line(text, length);
    }
}

static void put_kind(hfx_text *text, size_t count, const char *one, const char *many, bool *some) {
    if (count == 0) return;
    if (*some) hfx_text_put(text, ", ");
    *some = true;
    hfx_text_count(text, count);
    hfx_text_put(text, count == 1 ? one : many);
}

/* "24 packets (12 lost), 830 calls" */
static void put_contents(hfx_text *text, const hf_ladder_row *rows, size_t count) {
    size_t packets = 0, lost = 0, calls = 0, others = 0;
    for (size_t i = 0; i < count; i++) {
        const bool arrow = rows[i].kind == HF_LADDER_ARROW;
        packets += arrow;
        lost += arrow && rows[i].lost;
        calls += rows[i].kind == HF_LADDER_CALL;
        others += !arrow && rows[i].kind != HF_LADDER_CALL;
    }
    bool some = false;
    put_kind(text, packets, " packet", " packets", &some);
    if (lost > 0 && lost == packets) {
        hfx_text_put(text, lost == 1 ? " (lost)" : " (all lost)");
    } else if (lost > 0) {
        hfx_text_put(text, " (");
        hfx_text_count(text, lost);
        hfx_text_put(text, " lost)");
    }
    put_kind(text, calls, " call", " calls", &some);
    put_kind(text, others, " event", " events", &some);
}

static void draw_fold(const struct drawing *drawing, const hf_ladder_row *rows, size_t count,
                      const char *lead) {
    char words[200];
    hfx_text text = hfx_text_begin(words, sizeof words);
    hfx_text_put(&text, lead);
    put_contents(&text, rows, count);
    hfx_text_put(&text, ", until ");
    char until[48];
    time_words(rows[count - 1].at_ns, until, sizeof until);
    hfx_text_put(&text, until + strspn(until, " "));
    const char *rest = words;
    for (bool first = true; *rest; first = false) {
        struct line line;
        line_clear(&line);
        line_lifelines(drawing, &line);
        if (first) line_fill(&line, LEFT_CELL - 3, LEFT_CELL - 2, CELL_MORE, HF_TONE_LOUD);
        const uint32_t length = wrap(rest, drawing->width - LEFT_CELL - 3);
        line_put(&line, LEFT_CELL + 3, rest, length, HF_TONE_QUIET);
        line_print(drawing, &line);
        rest = after_line(rest, length);
    }
}

static void draw_item(const struct drawing *drawing, const hf_ladder_row *rows,
                      const hfx_item *item) {
    const hf_ladder_row *const row = &rows[item->first];
    if (item->rounds > 0) {
        char lead[60];
        if (item->period == 1)
            snprintf(lead, sizeof lead, "the same again: ");
        else
            snprintf(lead, sizeof lead, "these %u steps %u times more: ", (unsigned)item->period,
                     (unsigned)item->rounds);
        draw_fold(drawing, row, item->rows, lead);
    } else if (row->kind == HF_LADDER_NOTE) {
        draw_note(drawing, row);
    } else {
        draw_row(drawing, row);
    }
}

static void draw_names(const struct drawing *drawing) {
    struct line line;
    line_clear(&line);
    const uint32_t columns = drawing->ladder->columns;
    for (uint32_t i = 0; i < columns; i++) {
        const char *const name = drawing->ladder->names[i];
        const uint32_t length = least((uint32_t)strlen(name), MOST_NAME);
        const uint32_t cell = drawing->lifeline[i], half = length / 2;
        line_put(&line, i == 0 && half > 2 ? cell - 2 : cell - half, name, length, HF_TONE_LOUD);
    }
    line_print(drawing, &line);
}

static struct drawing lay_out(const hf_ladder *ladder, FILE *to) {
    struct drawing drawing = {.ladder = ladder, .to = to};
    drawing.width = ladder->width == 0 ? 80 : least(ladder->width, MOST_CELLS);
    const bool beside = ladder->columns <= 2;
    drawing.text_cell = BESIDE_RIGHT + 3;
    drawing.text_width = beside ? drawing.width - drawing.text_cell : 0;
    const uint32_t room = (beside ? BESIDE_RIGHT : drawing.width - 8) - LEFT_CELL;
    for (uint32_t i = 0; i < ladder->columns; i++)
        drawing.lifeline[i] =
            LEFT_CELL + (ladder->columns > 1 ? i * room / (ladder->columns - 1) : 0);
    return drawing;
}

/* Rows that items [from, end) stand for follow one another; they are drawn as one cut. */
static void draw_cut(const struct drawing *drawing, const hf_ladder_row *rows,
                     const hfx_item *items, size_t from, size_t end) {
    const size_t first = items[from].first, after = items[end - 1].first + items[end - 1].rows;
    draw_fold(drawing, rows + first, after - first, "cut here, --jsonl has all: ");
}

bool hf_ladder_print(const hf_ladder *ladder, const hf_ladder_row *rows, size_t count, FILE *to) {
    if (ladder->columns == 0 || ladder->columns > MOST_COLUMNS) return false;
    hfx_item *const items = malloc((count + 1) * sizeof *items);
    if (!items) return false;
    const struct drawing drawing = lay_out(ladder, to);
    const size_t item_count = hfx_fold(rows, count, ladder->fold, items);
    const bool cut = ladder->most_rows > 0 && item_count > ladder->most_rows;
    const size_t head = cut ? ladder->most_rows * 2 / 3 : item_count,
                 tail = cut ? ladder->most_rows / 3 : 0;
    draw_names(&drawing);
    for (size_t i = 0; i < head; i++) draw_item(&drawing, rows, &items[i]);
    if (cut) draw_cut(&drawing, rows, items, head, item_count - tail);
    for (size_t i = item_count - tail; i < item_count; i++) draw_item(&drawing, rows, &items[i]);
    free(items);
    return !ferror(to);
}
