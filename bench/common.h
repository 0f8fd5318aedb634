/* What the benches share: the clock, and how they are called.
 *
 *     bench-STACK WORK [ROUNDS]     prints one line: WORK COST [CHECK], cost in the work's unit
 *     bench-STACK --cannot WORK     prints why the stack cannot do it, or nothing
 *
 * Each run sets its world up, does the work and prints what the work alone cost in CPU time of the
 * process, both ends together. bench/run runs the stacks in turn and compares. */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What the application writes at once. */
#define WRITE_BYTES 16384

typedef enum work_kind {
    WORK_BULK,       /* ns a byte */
    WORK_REQUESTS,   /* ns an exchange of 64 bytes each way, at most 100 at once */
    WORK_CYCLES_FEW, /* ns a cycle: connect, a byte, its echo, close; few TIME_WAIT kept */
    WORK_CYCLES_KEPT /* the same with 960,000 TIME_WAIT kept */
} work_kind;

typedef struct work {
    const char *name;
    work_kind kind;
    uint32_t mtu;
    bool lent, sum;
    uint32_t conns;
    uint64_t rounds;
} work;

#define BULK_ROUNDS (200u << 20)
static const work works[] = {
    {"bulk_1500_copy_sum", WORK_BULK, 1500, false, true, 1, BULK_ROUNDS},
    {"bulk_1500_copy_nosum", WORK_BULK, 1500, false, false, 1, BULK_ROUNDS},
    {"bulk_1500_lent_sum", WORK_BULK, 1500, true, true, 1, BULK_ROUNDS},
    {"bulk_1500_lent_nosum", WORK_BULK, 1500, true, false, 1, BULK_ROUNDS},
    {"bulk_9000_copy_sum", WORK_BULK, 9000, false, true, 1, BULK_ROUNDS},
    {"bulk_9000_copy_nosum", WORK_BULK, 9000, false, false, 1, BULK_ROUNDS},
    {"bulk_9000_lent_sum", WORK_BULK, 9000, true, true, 1, BULK_ROUNDS},
    {"bulk_9000_lent_nosum", WORK_BULK, 9000, true, false, 1, BULK_ROUNDS},
    {"bulk_65535_copy_sum", WORK_BULK, 65535, false, true, 1, BULK_ROUNDS},
    {"bulk_65535_copy_nosum", WORK_BULK, 65535, false, false, 1, BULK_ROUNDS},
    {"bulk_65535_lent_sum", WORK_BULK, 65535, true, true, 1, BULK_ROUNDS},
    {"bulk_65535_lent_nosum", WORK_BULK, 65535, true, false, 1, BULK_ROUNDS},
    {"cycles_tw_few", WORK_CYCLES_FEW, 1500, false, true, 1, 20000},
    {"cycles_tw_kept", WORK_CYCLES_KEPT, 1500, false, true, 1, 100000},
    {"rr_1", WORK_REQUESTS, 1500, false, true, 1, 100000},
    {"rr_100", WORK_REQUESTS, 1500, false, true, 100, 100000},
    {"rr_10000", WORK_REQUESTS, 1500, false, true, 10000, 100000},
};

static inline double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline void need(bool good, const char *what) {
    if (good) return;
    fprintf(stderr, "bench: %s failed\n", what);
    exit(1);
}

static inline const work *work_named(const char *name) {
    for (size_t i = 0; i < sizeof works / sizeof works[0]; i++)
        if (strcmp(works[i].name, name) == 0) return &works[i];
    fprintf(stderr, "bench: no work '%s'\n", name);
    exit(2);
}

/* The main of a stack: seconds of `rounds` of a work, and why it cannot do one, or NULL. */
static inline int bench_main(int argc, char **argv, double (*run)(const work *, uint64_t rounds),
                             const char *(*cannot)(const work *)) {
    if (argc == 3 && strcmp(argv[1], "--cannot") == 0) {
        const char *why = cannot(work_named(argv[2]));
        if (why != NULL) puts(why);
        return 0;
    }
    if (argc < 2) {
        fprintf(stderr, "usage: %s WORK [ROUNDS]\n", argv[0]);
        return 2;
    }
    const work *w = work_named(argv[1]);
    const uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : w->rounds;
    const char *why = cannot(w);
    if (why != NULL) {
        fprintf(stderr, "%s\n", why);
        return 77;
    }
    printf("%s %.5f\n", w->name, run(w, rounds) / (double)rounds * 1e9);
    return 0;
}

#endif
