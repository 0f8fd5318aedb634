/* holdfast answer */
#include "cli/cli.h"
#include "cli/numbers.h"
#include "cli/page.h"
#include <hf/ladder.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_WORDS = 32, MOST_WORD = 64, MOST_GIVEN = 16 };

struct answer_arguments {
    char words[MOST_WORDS][MOST_WORD]; /* in small letters */
    size_t word_count;
    const char *given[MOST_GIVEN]; /* "name=value" */
    size_t given_count;
    bool list;
};

static void help(FILE *to) {
    fputs("usage: holdfast answer WORDS [-p NAME=VALUE ...]\n"
          "       holdfast answer --list\n\n"
          "Prints the page that answers a question about TCP sockets: what happens, what to\n"
          "set on Linux and what bound it gives, how to see it, how to replay it. WORDS is a\n"
          "page's name, or words to look for.\n\n"
          "  -p NAME=VALUE  one of the page's parameters, as often as wanted; then the sums\n"
          "                 with these numbers are printed instead of the whole page\n"
          "  --list         list the pages with their parameters\n\n"
          "for example:\n"
          "  holdfast answer keepalive -p idle=10s -p interval=10s -p count=3\n"
          "  holdfast answer time-wait -p sockets=255 -p in_use=20 -p every=100ms\n"
          "  holdfast answer why does send succeed\n\n"
          "exit: 0 printed, 2 no such page or parameter\n",
          to);
}

static int wrong(const char *what) {
    fprintf(stderr, "holdfast answer: %s\n", what);
    return CLI_USAGE;
}

/* ---- Arguments ---- */

/* Words that every question has. */
static bool is_filler(const char *word) {
    static const char *const fillers[] = {
        "a",  "an", "and", "are", "can", "do",   "does", "for", "how",  "i",    "if",  "in",  "is",
        "it", "me", "my",  "of",  "on",  "that", "the",  "to",  "what", "when", "why", "with"};
    for (size_t i = 0; i < sizeof fillers / sizeof fillers[0]; i++)
        if (strcmp(word, fillers[i]) == 0) return true;
    return false;
}

static void add_word(struct answer_arguments *to, const char *from, size_t length) {
    if (length == 0 || length >= MOST_WORD || to->word_count == MOST_WORDS) return;
    char *const word = to->words[to->word_count];
    for (size_t i = 0; i < length; i++) word[i] = (char)tolower((unsigned char)from[i]);
    word[length] = 0;
    to->word_count++;
}

/* An argument may hold a whole question. */
static void add_words(struct answer_arguments *to, const char *text) {
    while (*text) {
        const size_t length = strcspn(text, " \t\n?!.,;:'\"()");
        add_word(to, text, length);
        text += length + (text[length] != 0);
    }
}

static int read_arguments(int argc, char **argv, struct answer_arguments *to) {
    char said[160];
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) {
            to->list = true;
        } else if (strcmp(argv[i], "-p") == 0) {
            if (i + 1 == argc) return wrong("-p wants NAME=VALUE behind it");
            if (to->given_count == MOST_GIVEN) return wrong("too many -p");
            to->given[to->given_count++] = argv[++i];
        } else if (argv[i][0] == '-') {
            snprintf(said, sizeof said, "there is no option '%.80s'; see holdfast answer --help",
                     argv[i]);
            return wrong(said);
        } else {
            add_words(to, argv[i]);
        }
    }
    if (!to->list && to->word_count == 0)
        return wrong("which page? give its name or some words; holdfast answer --list has them");
    return CLI_PASS;
}

/* ---- Finding ---- */

static void list_parameters(const cli_page *page) {
    char text[600] = "";
    page_parameter parameter;
    for (size_t i = 0; page_parameter_at(page, i, &parameter); i++) {
        const size_t length = strlen(text);
        snprintf(text + length, sizeof text - length, "%s%s=%s", i == 0 ? "-p  " : " ",
                 parameter.name, parameter.value);
    }
    if (text[0]) hf_print_wrapped(stdout, text, 4, 80);
}

static void list_page(const cli_page *page, bool parameters) {
    char title[160];
    page_title(page, title, sizeof title);
    printf("%s\n", page->name);
    hf_print_wrapped(stdout, title, 4, 80);
    if (parameters) list_parameters(page);
}

static int list_pages(void) {
    for (size_t i = 0; i < cli_page_count; i++) list_page(&cli_pages[i], true);
    return CLI_PASS;
}

/* "time wait" and "time-wait" name one page. */
static const cli_page *named(const struct answer_arguments *arguments) {
    char name[MOST_WORDS * (MOST_WORD + 1)] = "";
    for (size_t i = 0; i < arguments->word_count; i++) {
        if (i > 0) strcat(name, "-");
        strcat(name, arguments->words[i]);
    }
    for (char *at = name; *at; at++)
        if (*at == '_') *at = '-';
    return page_by_name(name);
}

struct hit {
    const cli_page *page;
    unsigned score;
    bool in_head;
};

static int better_hit(const void *a, const void *b) {
    const struct hit *const left = a, *const right = b;
    if (left->in_head != right->in_head) return left->in_head ? -1 : 1;
    if (left->score != right->score) return left->score > right->score ? -1 : 1;
    return strcmp(left->page->name, right->page->name);
}

static size_t find_hits(struct answer_arguments *arguments, struct hit *hits) {
    char *words[MOST_WORDS];
    size_t count = 0, found = 0;
    for (size_t i = 0; i < arguments->word_count; i++)
        if (!is_filler(arguments->words[i])) words[count++] = arguments->words[i];
    for (size_t i = 0; i < cli_page_count && count > 0; i++) {
        hits[found].page = &cli_pages[i];
        hits[found].score = page_score(&cli_pages[i], words, count, &hits[found].in_head);
        found += hits[found].score > 0;
    }
    qsort(hits, found, sizeof *hits, better_hit);
    return found;
}

/* The one page that is meant, or NULL after the pages that it may be were listed. */
static const cli_page *choose(struct answer_arguments *arguments) {
    const cli_page *const exact = named(arguments);
    if (exact) return exact;
    struct hit *const hits = calloc(cli_page_count + 1, sizeof *hits);
    if (!hits) abort();
    size_t found = find_hits(arguments, hits);
    while (found > 1 && hits[0].in_head && !hits[found - 1].in_head) found--;
    const cli_page *const only = found == 1 ? hits[0].page : NULL;
    for (size_t i = 0; found > 1 && i < found; i++) list_page(hits[i].page, false);
    if (found == 0) {
        fputs("holdfast answer: no page has all of these words; there are:", stderr);
        for (size_t i = 0; i < cli_page_count; i++) fprintf(stderr, " %s", cli_pages[i].name);
        fputc('\n', stderr);
    } else if (found > 1) {
        fputs("holdfast answer: several pages speak of it; name one\n", stderr);
    }
    free(hits);
    return only;
}

/* ---- Numbers ---- */

/* The rule of this name, as an index; numbers_count() if there is none. */
static size_t rule_index(const numbers *of, const char *name, size_t length) {
    size_t i = 0;
    while (i < numbers_count(of) &&
           (strncmp(of->rules[i].name, name, length) != 0 || strlen(of->rules[i].name) != length))
        i++;
    return i;
}

static int set_value(const numbers *of, const char *given, double *values) {
    char why[240];
    const size_t length = strcspn(given, "=");
    if (given[length] == 0) {
        snprintf(why, sizeof why, "-p %.80s: write NAME=VALUE", given);
        return wrong(why);
    }
    const size_t index = rule_index(of, given, length);
    if (index < numbers_count(of)) {
        const char *const value = given + length + 1;
        return number_read(&of->rules[index], value, &values[index], why, sizeof why) ? CLI_PASS
                                                                                      : wrong(why);
    }
    fprintf(stderr, "holdfast answer: %s has no parameter '%.*s'; it has:", of->page, (int)length,
            given);
    for (size_t i = 0; i < numbers_count(of); i++) fprintf(stderr, " %s", of->rules[i].name);
    fputc('\n', stderr);
    return CLI_USAGE;
}

/* The page's defaults first, then what was given. */
static int read_values(const cli_page *page, const numbers *of,
                       const struct answer_arguments *arguments, double *values) {
    page_parameter parameter;
    char text[80];
    for (size_t i = 0; page_parameter_at(page, i, &parameter); i++) {
        snprintf(text, sizeof text, "%s=%s", parameter.name, parameter.value);
        if (set_value(of, text, values) != CLI_PASS) return CLI_USAGE;
    }
    for (size_t i = 0; i < arguments->given_count; i++)
        if (set_value(of, arguments->given[i], values) != CLI_PASS) return CLI_USAGE;
    return CLI_PASS;
}

static void print_short(const cli_page *page) {
    char title[160];
    page_title(page, title, sizeof title);
    printf("# %s\n\n", title);
    page_print_section(page, "Short answer", stdout);
}

static int answer(const cli_page *page, const struct answer_arguments *arguments) {
    const numbers *const of = numbers_of(page->name);
    double values[NUMBERS_MOST] = {0};
    if (!of && arguments->given_count > 0) {
        fprintf(stderr, "holdfast answer: %s has no parameters\n", page->name);
        return CLI_USAGE;
    }
    if (of && read_values(page, of, arguments, values) != CLI_PASS) return CLI_USAGE;
    if (arguments->given_count > 0)
        print_short(page);
    else
        page_print(page, stdout);
    if (!of) return CLI_PASS;
    puts(arguments->given_count > 0 ? "## Your numbers\n" : "\nWith these values:\n");
    of->print(stdout, values);
    if (arguments->given_count > 0) printf("\nThe whole page: holdfast answer %s\n", page->name);
    return CLI_PASS;
}

int cli_answer(int argc, char **argv) {
    struct answer_arguments arguments;
    memset(&arguments, 0, sizeof arguments);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") != 0 && strcmp(argv[i], "-h") != 0) continue;
        help(stdout);
        return CLI_PASS;
    }
    if (read_arguments(argc, argv, &arguments) != CLI_PASS) return CLI_USAGE;
    if (arguments.list) return list_pages();
    const cli_page *const page = choose(&arguments);
    return page ? answer(page, &arguments) : CLI_USAGE;
}
