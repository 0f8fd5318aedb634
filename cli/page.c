#include "cli/page.h"
#include <ctype.h>
#include <string.h>

enum { MOST_LINE = 512 };

const cli_page *page_by_name(const char *name) {
    for (size_t i = 0; i < cli_page_count; i++)
        if (strcmp(cli_pages[i].name, name) == 0) return &cli_pages[i];
    return NULL;
}

/* Copies the line at `at` and returns where the next one begins; NULL at the end. */
static const char *next_line(const char *at, char *to) {
    if (*at == 0) return NULL;
    const size_t length = strcspn(at, "\n");
    const size_t kept = length < MOST_LINE ? length : MOST_LINE - 1;
    memcpy(to, at, kept);
    to[kept] = 0;
    return at + length + (at[length] == '\n');
}

static bool begins(const char *line, const char *with) {
    return strncmp(line, with, strlen(with)) == 0;
}

static bool is_heading(const char *line, const char *heading) {
    return begins(line, "## ") && strcmp(line + 3, heading) == 0;
}

void page_title(const cli_page *page, char *to, size_t size) {
    char line[MOST_LINE];
    snprintf(to, size, "%s", page->name);
    for (const char *at = page->text; (at = next_line(at, line)) != NULL;)
        if (begins(line, "# ")) {
            snprintf(to, size, "%s", line + 2);
            return;
        }
}

void page_print(const cli_page *page, FILE *to) {
    char line[MOST_LINE];
    for (const char *at = page->text; (at = next_line(at, line)) != NULL;)
        if (!begins(line, "<!--")) fprintf(to, "%s\n", line);
}

/* Where the section's first line is, or NULL. */
static const char *section(const cli_page *page, const char *heading) {
    char line[MOST_LINE];
    for (const char *at = page->text; (at = next_line(at, line)) != NULL;)
        if (is_heading(line, heading)) return at;
    return NULL;
}

void page_print_section(const cli_page *page, const char *heading, FILE *to) {
    char line[MOST_LINE];
    bool begun = false;
    for (const char *at = section(page, heading); at && (at = next_line(at, line)) != NULL;) {
        if (begins(line, "## ")) return;
        if (line[0] == 0 && !begun) continue;
        begun = true;
        fprintf(to, "%s\n", line);
    }
}

/* What stands between the backquotes of a table's cell; returns what follows, or NULL. */
static const char *quoted_cell(const char *at, char *to, size_t size) {
    if (!begins(at, "| `")) return NULL;
    const size_t length = strcspn(at + 3, "`");
    if (at[3 + length] == 0 || length >= size) return NULL;
    memcpy(to, at + 3, length);
    to[length] = 0;
    at += 4 + length;
    return at + strspn(at, " ");
}

bool page_parameter_at(const cli_page *page, size_t index, page_parameter *ret) {
    char line[MOST_LINE];
    for (const char *at = section(page, "Your numbers");
         at && (at = next_line(at, line)) != NULL;) {
        if (begins(line, "## ")) return false;
        const char *const cell = quoted_cell(line, ret->name, sizeof ret->name);
        if (!cell || !quoted_cell(cell, ret->value, sizeof ret->value)) continue;
        if (index-- == 0) return true;
    }
    return false;
}

/* ---- Search ---- */

/* "time-wait", "TIME_WAIT" and "Time-Wait" are one word. */
static char folded(char c) { return c == '_' ? '-' : (char)tolower((unsigned char)c); }

static bool has_word(const char *text, const char *word) {
    const size_t length = strlen(word);
    for (; *text; text++) {
        size_t i = 0;
        while (i < length && folded(text[i]) == folded(word[i])) i++;
        if (i == length) return true;
    }
    return false;
}

/* What a word is worth in this line. */
static unsigned worth(const char *line) {
    if (begins(line, "# ")) return 5;
    if (begins(line, "<!-- keywords:")) return 4;
    return line[0] == '#' ? 2 : 1;
}

static unsigned word_score(const cli_page *page, const char *word) {
    char line[MOST_LINE];
    unsigned best = has_word(page->name, word) ? 8 : 0;
    for (const char *at = page->text; (at = next_line(at, line)) != NULL;)
        if (worth(line) > best && has_word(line, word)) best = worth(line);
    return best;
}

unsigned page_score(const cli_page *page, char *const *words, size_t count, bool *ret_in_head) {
    unsigned score = 0;
    *ret_in_head = true;
    for (size_t i = 0; i < count; i++) {
        const unsigned one = word_score(page, words[i]);
        if (one == 0) return 0;
        if (one == 1) *ret_in_head = false;
        score += one;
    }
    return score;
}
