#include "doctor/filter.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ADDRESS_BITS = 128, IPV4_BITS_BEFORE = 96 };

/* ---- Addresses and ports ---- */

static bool read_port(const char *text, uint16_t *ret) {
    char *end;
    const unsigned long port = strtoul(text, &end, 10);
    if (text[0] == 0 || strcmp(text, "*") == 0) {
        *ret = 0;
        return true;
    }
    if (*end == 0 && port <= UINT16_MAX) {
        *ret = (uint16_t)port;
        return true;
    }
    const struct servent *const service = getservbyname(text, "tcp");
    if (service) *ret = ntohs((uint16_t)service->s_port);
    return service != NULL;
}

static bool read_prefix(const char *text, unsigned most, unsigned *ret) {
    char *end;
    const unsigned long bits = strtoul(text, &end, 10);
    if (text[0] == 0 || *end != 0 || bits > most) return false;
    *ret = (unsigned)bits;
    return true;
}

static bool read_address(char *text, hf_addr *ret, unsigned *ret_bits) {
    uint8_t four[4];
    char *const slash = strchr(text, '/');
    *ret_bits = ADDRESS_BITS;
    if (slash) *slash = 0;
    memset(ret, 0, sizeof *ret);
    if (text[0] == 0 || strcmp(text, "*") == 0) {
        *ret_bits = 0;
        return slash == NULL;
    }
    unsigned bits = 0;
    if (inet_pton(AF_INET, text, four) == 1) {
        *ret = hf_addr4(four[0], four[1], four[2], four[3]);
        if (slash && !read_prefix(slash + 1, 32, &bits)) return false;
        if (slash) *ret_bits = IPV4_BITS_BEFORE + bits;
        return true;
    }
    if (inet_pton(AF_INET6, text, ret->bytes) != 1) return false;
    return !slash || read_prefix(slash + 1, ADDRESS_BITS, ret_bits);
}

bool doctor_endpoint_read(const char *text, hf_addr *ret_addr, unsigned *ret_prefix_bits,
                          uint16_t *ret_port) {
    char copy[128], *address = copy, *port = NULL;
    if (strlen(text) >= sizeof copy) return false;
    strcpy(copy, text);
    *ret_port = 0;
    if (copy[0] == '[') {
        char *const close = strchr(copy, ']');
        if (!close) return false;
        address = copy + 1;
        if (close[1] == ':') port = close + 2;
        if (close[1] != 0 && !port) return false;
        *close = 0;
    } else {
        char *const colon = strrchr(copy, ':');
        if (colon && strchr(copy, ':') == colon) {
            *colon = 0;
            port = colon + 1;
        }
    }
    if (port && !read_port(port, ret_port)) return false;
    return read_address(address, ret_addr, ret_prefix_bits);
}

static bool address_matches(const hf_addr *addr, const hf_addr *pattern, unsigned bits) {
    const unsigned bytes = bits / 8, rest = bits % 8;
    if (memcmp(addr->bytes, pattern->bytes, bytes) != 0) return false;
    return rest == 0 || (addr->bytes[bytes] ^ pattern->bytes[bytes]) >> (8 - rest) == 0;
}

/* ---- Words ---- */

/* ss writes "close-wait", the RFC CLOSE_WAIT and ss's table CLOSE-WAIT. */
static bool is_state(const char *word, const char *name) {
    for (; *word && *name; word++, name++) {
        const char given = *word == '-' ? '_' : *word;
        if (strncasecmp(&given, name, 1) != 0) return false;
    }
    return *word == 0 && *name == 0;
}

static bool read_states(const char *word, uint32_t *ret) {
    static const struct {
        const char *word;
        uint32_t states;
    } groups[] = {
        {"all", ~0u},
        {"connected", ~(1u << DOCTOR_LISTEN | 1u << DOCTOR_CLOSE)},
        {"synchronized", ~(1u << DOCTOR_LISTEN | 1u << DOCTOR_CLOSE | 1u << DOCTOR_SYN_SENT)},
        {"bucket", 1u << DOCTOR_TIME_WAIT | 1u << DOCTOR_NEW_SYN_RECV | 1u << DOCTOR_SYN_RECV},
        {"listening", 1u << DOCTOR_LISTEN},
        {"fin_wait_1", 1u << DOCTOR_FIN_WAIT_1},
        {"fin_wait_2", 1u << DOCTOR_FIN_WAIT_2},
        {"estab", 1u << DOCTOR_ESTABLISHED}};
    *ret = 0;
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        if (is_state(word, groups[i].word)) *ret = groups[i].states;
    for (unsigned i = 1; i < DOCTOR_STATES; i++)
        if (is_state(word, doctor_state_name(i))) *ret |= 1u << i;
    return *ret != 0;
}

struct words {
    char *const *at;
    size_t left;
    char *why;
    size_t size;
};

static bool wrong(struct words *words, const char *what, const char *word) {
    snprintf(words->why, words->size, "%s '%.60s'", what, word);
    return false;
}

static const char *next(struct words *words) {
    if (words->left == 0) return NULL;
    words->left--;
    return *words->at++;
}

static const char *peek(const struct words *words) { return words->left > 0 ? *words->at : NULL; }

/* "=", "==", "eq", "<=", "le", ">=", "ge", "!=", "ne" before a port, or nothing. */
static void read_order(struct words *words, doctor_term *term) {
    const char *const word = peek(words);
    static const char *const equal[] = {"=", "==", "eq"}, *const less[] = {"<=", "le"},
                             *const greater[] = {">=", "ge"}, *const other[] = {"!=", "ne"};
    if (!word) return;
    bool found = false;
    for (int i = 0; i < 3; i++) found = found || strcmp(word, equal[i]) == 0;
    for (int i = 0; i < 2; i++) {
        const bool is_other = strcmp(word, other[i]) == 0;
        if (strcmp(word, less[i]) == 0) term->order = DOCTOR_LESS_EQUAL;
        if (strcmp(word, greater[i]) == 0) term->order = DOCTOR_GREATER_EQUAL;
        if (is_other) term->no = !term->no;
        found = found || is_other;
    }
    if (found || term->order != DOCTOR_EQUAL) next(words);
}

static bool read_end(struct words *words, const char *word, doctor_term *term) {
    const bool port_only = strcmp(word + 1, "port") == 0;
    term->ours = word[0] == 's';
    term->kind = port_only ? DOCTOR_TERM_PORT : DOCTOR_TERM_ADDRESS;
    read_order(words, term);
    const char *value = next(words);
    if (!value) return wrong(words, "something must follow", word);
    if (port_only && value[0] == ':') value++;
    const bool good =
        port_only ? read_port(value, &term->port)
                  : doctor_endpoint_read(value, &term->addr, &term->prefix_bits, &term->port);
    return good || wrong(words, port_only ? "no such port" : "no such address", value);
}

static bool read_term(struct words *words, const char *word, doctor_term *term) {
    if (strcmp(word, "state") == 0 || strcmp(word, "exclude") == 0) {
        const char *const value = next(words);
        if (strcmp(word, "exclude") == 0) term->no = !term->no;
        term->kind = DOCTOR_TERM_STATES;
        if (!value || !read_states(value, &term->states))
            return wrong(words, "no such state", value ? value : "");
        return true;
    }
    if (strcmp(word, "sport") == 0 || strcmp(word, "dport") == 0 || strcmp(word, "src") == 0 ||
        strcmp(word, "dst") == 0)
        return read_end(words, word, term);
    return wrong(words, "what is", word);
}

bool doctor_filter_read(doctor_filter *filter, char *const *given, size_t count, char *why,
                        size_t size) {
    struct words words = {given, count, why, size};
    memset(filter, 0, sizeof *filter);
    for (const char *word; (word = next(&words)) != NULL;) {
        doctor_term *const term = &filter->terms[filter->count];
        if (filter->count + 1 >= DOCTOR_FILTER_TERMS)
            return wrong(&words, "too many words at", word);
        while (word && (strcmp(word, "not") == 0 || strcmp(word, "!") == 0)) {
            term->no = !term->no;
            word = next(&words);
        }
        if (!word) return wrong(&words, "something must follow", "not");
        if (strcmp(word, "and") == 0 || strcmp(word, "&") == 0 || strcmp(word, "&&") == 0) continue;
        if (strcmp(word, "or") == 0 || strcmp(word, "|") == 0 || strcmp(word, "||") == 0) {
            if (filter->count > 0) filter->terms[filter->count - 1].then_or = true;
            continue;
        }
        if (!read_term(&words, word, term)) return false;
        filter->count++;
    }
    return true;
}

static bool term_holds(const doctor_term *term, const doctor_conn *conn) {
    const uint16_t port = term->ours ? conn->local_port : conn->remote_port;
    const hf_addr *const addr = term->ours ? &conn->local : &conn->remote;
    switch (term->kind) {
    case DOCTOR_TERM_STATES: return term->states >> conn->state & 1;
    case DOCTOR_TERM_PORT:
        return term->order == DOCTOR_EQUAL        ? port == term->port
               : term->order == DOCTOR_LESS_EQUAL ? port <= term->port
                                                  : port >= term->port;
    case DOCTOR_TERM_ADDRESS:
        return address_matches(addr, &term->addr, term->prefix_bits) &&
               (term->port == 0 || port == term->port);
    }
    return false;
}

/* Terms joined by `and` make a product; one product that holds is enough. */
bool doctor_filter_holds(const doctor_filter *filter, const doctor_conn *conn) {
    bool product = true;
    for (size_t i = 0; i < filter->count; i++) {
        const doctor_term *const term = &filter->terms[i];
        product = product && term_holds(term, conn) != term->no;
        if (!term->then_or) continue;
        if (product) return true;
        product = true;
    }
    return product;
}
