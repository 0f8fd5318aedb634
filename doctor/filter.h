/* ss's words: `state close-wait`, `dst 10.0.0.1:6379`, `sport :22`, joined by `and`, `or` and
 * `not`; `and` may be left out and binds closer. There are no parentheses. */
#ifndef DOCTOR_FILTER_H
#define DOCTOR_FILTER_H

#include "doctor/facts.h"

enum { DOCTOR_FILTER_TERMS = 32 };

typedef struct doctor_term {
    enum { DOCTOR_TERM_STATES, DOCTOR_TERM_PORT, DOCTOR_TERM_ADDRESS } kind;
    bool no;   /* negated */
    bool ours; /* local end, else remote */
    enum { DOCTOR_EQUAL, DOCTOR_LESS_EQUAL, DOCTOR_GREATER_EQUAL } order;
    uint32_t states; /* bits */
    hf_addr addr;
    unsigned prefix_bits; /* of the 128 */
    uint16_t port;        /* 0: any */
    bool then_or;         /* what joins it to the next one; `and` binds closer */
} doctor_term;

typedef struct doctor_filter {
    doctor_term terms[DOCTOR_FILTER_TERMS];
    size_t count;
} doctor_filter;

/* False: `why` says which word is not understood. */
bool doctor_filter_read(doctor_filter *filter, char *const *words, size_t count, char *why,
                        size_t size);
bool doctor_filter_holds(const doctor_filter *filter, const doctor_conn *conn);

/* "10.0.0.1:80", ":80", "[::1]:80", "10.0.0.0/8", "*:80" */
bool doctor_endpoint_read(const char *text, hf_addr *ret_addr, unsigned *ret_prefix_bits,
                          uint16_t *ret_port);

#endif
