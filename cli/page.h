/* The pages of docs/answers, carried inside the program. docs/answers/README.md says how a page is
 * written; what is read here is:
 *
 *     <!-- keywords: ... -->                   words that find it, beside title and headings
 *     # Title
 *     ## Short answer
 *     ## Your numbers                          one table row for each parameter:
 *     | `name` | `default` | meaning |
 */
#ifndef CLI_PAGE_H
#define CLI_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct cli_page {
    const char *name; /* of the file, without .md */
    const char *text;
} cli_page;

extern const cli_page cli_pages[]; /* in the order of their names */
extern const size_t cli_page_count;

const cli_page *page_by_name(const char *name);

/* Copies the title. */
void page_title(const cli_page *page, char *to, size_t size);

/* Prints all of it, or one section ("Short answer") without its heading; comments are left out. */
void page_print(const cli_page *page, FILE *to);
void page_print_section(const cli_page *page, const char *heading, FILE *to);

/* A parameter as the page's table has it; false if there is no such row. */
typedef struct page_parameter {
    char name[32], value[32];
} page_parameter;
bool page_parameter_at(const cli_page *page, size_t index, page_parameter *ret);

/* How well the page fits: 0 if some word is nowhere in it. `*ret_in_head` tells whether all words
 * stand in name, title, keywords or headings. Words are in small letters. */
unsigned page_score(const cli_page *page, char *const *words, size_t count, bool *ret_in_head);

#endif
