/* A page's sums with the reader's own numbers. The page has the parameters' names, defaults and
 * meanings; here stand their kinds and ranges, and what is computed of them. */
#ifndef CLI_NUMBERS_H
#define CLI_NUMBERS_H

#include "cli/page.h"

enum { NUMBERS_MOST = 12 };

typedef enum number_kind { NUMBER_DURATION, NUMBER_COUNT, NUMBER_RATE, NUMBER_SWITCH } number_kind;

/* Seconds, a count, one a second, or 0 and 1. */
typedef struct number_rule {
    const char *name;
    number_kind kind;
    double least, most;
} number_rule;

typedef struct numbers {
    const char *page;
    number_rule rules[NUMBERS_MOST];
    void (*print)(FILE *to, const double *values);
} numbers;

/* NULL if the page computes nothing. */
const numbers *numbers_of(const char *page);
size_t numbers_count(const numbers *of);

/* Reads `text` by the rule. False, and `why` filled, if it is none or out of range. */
bool number_read(const number_rule *rule, const char *text, double *ret_value, char *why,
                 size_t size);

#endif
