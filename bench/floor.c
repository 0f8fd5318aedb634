/* The floor: the harness moves the same frames without a protocol. What the copying interface asks for
 * at least: a pass from the application into a queue, one over the wire, one to the application; the
 * first and the last make the checksums as they copy. Lent: the wire's pass alone, with the sender's sum
 * made as it copies, and one that only sums at the receiver.
 *
 * Prints beside the cost the check: the floor by the sum of its passes, each measured alone in this run
 * on memory of the same size. What leaves 0.9 to 1.25 was disturbed and voids the row. */
#include "common.h"

#include <hf/csum.h>

enum { RING = 64, QUEUE = 256 * 1024, HEADER = 52, ALIGNED = 64 };

typedef struct floor_world {
    uint32_t mss, frame_bytes;
    uint8_t *source, *queue, *ring, *sink;
} floor_world;

static const hf_csum *csum;
static volatile uint32_t keep;

static void world_begin(floor_world *f, const work *w) {
    csum = hf_csum_best();
    f->mss = w->mtu - HEADER;
    /* Not a multiple of 4 KiB: copies between equal page offsets cost three times as much. */
    f->frame_bytes = (HEADER + f->mss + 192 + ALIGNED - 1) / ALIGNED * ALIGNED;
    f->source = calloc(1, WRITE_BYTES + 65536);
    f->queue = calloc(1, QUEUE + 2 * 65536);
    f->ring = calloc(RING, f->frame_bytes);
    f->sink = calloc(1, WRITE_BYTES + 2 * 65536);
    need(f->source && f->queue && f->ring && f->sink, "memory");
}

static uint8_t *frame_at(const floor_world *f, uint32_t i) {
    return f->ring + (size_t)(i % RING) * f->frame_bytes;
}

/* How many frames fill a turn: a window's worth, 64 at most. */
static uint32_t turn_frames(const floor_world *f) {
    const uint32_t fit = QUEUE / f->mss;
    return fit < RING ? fit : RING;
}

/* ---- The passes ---- */

static uint32_t pass_in(const floor_world *f, uint32_t i, bool sum) {
    uint8_t *to = f->queue + (size_t)i * f->mss % QUEUE;
    const uint8_t *from = f->source + (size_t)i * f->mss % WRITE_BYTES;
    if (sum) return csum->copy(0, to, from, f->mss);
    memcpy(to, from, f->mss);
    return 0;
}

static uint32_t pass_wire(const floor_world *f, uint32_t i, bool sum) {
    uint8_t *frame = frame_at(f, i);
    const uint8_t *from = f->queue + (size_t)i * f->mss % QUEUE;
    memset(frame, (int)i, HEADER);
    if (sum) return csum->copy(0, frame + HEADER, from, f->mss);
    memcpy(frame + HEADER, from, f->mss);
    return 0;
}

static uint32_t pass_out(const floor_world *f, uint32_t i, bool sum) {
    uint8_t *to = f->sink + (size_t)i * f->mss % WRITE_BYTES;
    const uint8_t *from = frame_at(f, i) + HEADER;
    if (sum) return csum->copy(0, to, from, f->mss);
    memcpy(to, from, f->mss);
    return 0;
}

static uint32_t pass_look(const floor_world *f, uint32_t i, bool sum) {
    return sum ? csum->add(0, frame_at(f, i) + HEADER, f->mss) : frame_at(f, i)[HEADER];
}

typedef uint32_t (*pass)(const floor_world *f, uint32_t i, bool sum);

typedef struct plan {
    pass pass[3];
    bool sum[3];
    int count;
} plan;

static plan plan_of(const work *w) {
    if (w->lent) return (plan){{pass_wire, pass_look}, {w->sum, w->sum}, 2};
    return (plan){{pass_in, pass_wire, pass_out}, {w->sum, false, w->sum}, 3};
}

/* Turns of frames, each pass over a whole turn, as batches do it. `only` one pass, or all (-1). */
static double turns(const floor_world *f, const plan *p, int only, uint64_t rounds) {
    const uint32_t frames = turn_frames(f);
    uint32_t sum = 0;
    const double begin = cpu_seconds();
    for (uint64_t moved = 0; moved < rounds; moved += (uint64_t)frames * f->mss)
        for (int i = 0; i < p->count; i++) {
            if (only >= 0 && i != only) continue;
            for (uint32_t j = 0; j < frames; j++) sum += p->pass[i](f, j, p->sum[i]);
        }
    keep = sum;
    return cpu_seconds() - begin;
}

/* The whole and its passes in short slices, one after the other, so that a disturbance meets both. */
static double bulk(const work *w, uint64_t rounds, double *ret_passes) {
    enum { SLICES = 20 };
    floor_world f;
    world_begin(&f, w);
    const plan p = plan_of(w);
    double whole = 0, passes = 0;
    for (int slice = 0; slice < SLICES; slice++) {
        whole += turns(&f, &p, -1, rounds / SLICES);
        for (int i = 0; i < p.count; i++) passes += turns(&f, &p, i, rounds / SLICES);
    }
    *ret_passes = passes;
    return whole;
}

/* Exchanges: a request and an answer of 64 bytes, in frames, both ways. */
static double requests(uint64_t rounds) {
    const work w = {.mtu = HEADER + 64};
    const plan p = {{pass_in, pass_wire, pass_out}, {true, false, true}, 3};
    floor_world f;
    world_begin(&f, &w);
    return 2 * turns(&f, &p, -1, rounds * 64);
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    if (strcmp(argv[1], "--csum") == 0) {
        puts(hf_csum_best()->name);
        return 0;
    }
    const work *w = work_named(argv[argc == 3 && strcmp(argv[1], "--cannot") == 0 ? 2 : 1]);
    const char *why = w->kind == WORK_CYCLES_FEW || w->kind == WORK_CYCLES_KEPT
                          ? "no bytes worth moving: a cycle is all protocol"
                          : NULL;
    if (strcmp(argv[1], "--cannot") == 0) {
        if (why != NULL) puts(why);
        return 0;
    }
    if (why != NULL) return 77;
    const uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : w->rounds;
    if (w->kind == WORK_REQUESTS) {
        printf("%s %.5f\n", w->name, requests(rounds) / (double)rounds * 1e9);
        return 0;
    }
    double passes;
    const double whole = bulk(w, rounds, &passes);
    printf("%s %.5f %.3f\n", w->name, whole / (double)rounds * 1e9, whole / passes);
    return 0;
}
