#include <hf/mem.h>

#include <stdlib.h>
#include <string.h>

/* The longest frame: an IP packet and an Ethernet header with one tag. */
#define FRAME_MAX_BYTES (65535u + 18u)
#define BATCH_FRAMES 32u
/* Copies lie back to back, so a turn of short frames is packed. 1 MiB holds 15 of the longest; a
 * turn ends early when the next one might not fit. */
#define COPIES_BYTES (1u << 20)

_Static_assert(COPIES_BYTES >= FRAME_MAX_BYTES, "a turn must carry at least one frame");

void hf_mem_interface_options(hf_interface_options *ret_options) {
    *ret_options = (hf_interface_options){
        .link = HF_LINK_IP,
        .mtu = 1500,
        .gso_max_bytes = 65535,
        .csum_offload = true,
        .auto_done = true,
    };
}

bool hf_mem_join(hf_mem *wire, hf_engine *a, uint32_t a_interface, hf_engine *b,
                 uint32_t b_interface, const hf_mem_options *options) {
    const hf_mem_options wanted = options ? *options : (hf_mem_options){0};
    if (wanted.by_reference && a == b) return false;
    *wire = (hf_mem){.ends = {{a, a_interface}, {b, b_interface}}, .options = wanted};
    if (wire->options.batch_frames == 0) wire->options.batch_frames = BATCH_FRAMES;
    wire->frames = calloc(wire->options.batch_frames, sizeof *wire->frames);
    wire->verdicts = calloc(wire->options.batch_frames, sizeof *wire->verdicts);
    if (!wanted.by_reference) wire->copies = malloc(COPIES_BYTES);
    if (wire->frames && wire->verdicts && (wire->copies || wanted.by_reference)) return true;
    hf_mem_part(wire);
    return false;
}

void hf_mem_part(hf_mem *wire) {
    free(wire->frames);
    free(wire->verdicts);
    free(wire->copies);
    *wire = (hf_mem){0};
}

/* The frames of this wire's interface at the front of the engine's queue, lent. */
static size_t lend(hf_mem *wire, const hf_mem_end *from) {
    const size_t offered = hf_tx_peek(from->engine, wire->frames, wire->options.batch_frames);
    size_t count = 0;
    while (count < offered && wire->frames[count].interface == from->interface) count++;
    return count;
}

/* Copies frames until one might not fit; a frame becomes one part. Returns how many were copied. */
static size_t copy(hf_mem *wire, size_t count) {
    size_t used_bytes = 0, done = 0;
    for (; done < count && COPIES_BYTES - used_bytes >= wire->frames[done].total_bytes; done++) {
        hf_frame *frame = &wire->frames[done];
        uint8_t *const start = wire->copies + used_bytes;
        for (uint32_t i = 0; i < frame->part_count; i++) {
            memcpy(wire->copies + used_bytes, frame->parts[i].data, frame->parts[i].bytes);
            used_bytes += frame->parts[i].bytes;
        }
        frame->parts[0] = (hf_part){start, frame->total_bytes};
        frame->part_count = 1;
    }
    return done;
}

static void show(const hf_mem *wire, hf_ns now_ns, hf_way way, size_t count) {
    const hf_tap *tap = &wire->options.tap;
    if (!tap->frame) return;
    for (size_t i = 0; i < count; i++)
        tap->frame(tap->context, now_ns, way, &wire->frames[i],
                   way == HF_WAY_IN ? &wire->verdicts[i] : NULL);
}

static void deliver(hf_mem *wire, const hf_mem_end *to, hf_ns now_ns, size_t count) {
    for (size_t i = 0; i < count; i++) wire->frames[i].interface = to->interface;
    hf_engine_step(to->engine, now_ns, wire->frames, count, wire->verdicts);
    show(wire, now_ns, HF_WAY_IN, count);
}

/* A step at this instant, without frames, would do nothing. */
static bool is_idle(const hf_engine *engine, hf_ns now_ns) {
    return hf_engine_now(engine) == now_ns && hf_engine_next_at(engine) > now_ns;
}

/* A copy is taken from the sender before the receiver's step, since both may be the same engine,
 * and a call ends what peek lent. By reference the sender must hold its parts until the step is
 * over. */
static size_t carry(hf_mem *wire, int from_end, hf_ns now_ns) {
    const hf_mem_end *from = &wire->ends[from_end], *to = &wire->ends[1 - from_end];
    const bool by_reference = wire->options.by_reference;
    size_t count = lend(wire, from);
    if (count == 0 && is_idle(to->engine, now_ns)) return 0;
    if (!by_reference) count = copy(wire, count);
    show(wire, now_ns, HF_WAY_OUT, count);
    if (!by_reference) hf_tx_taken(from->engine, count);
    deliver(wire, to, now_ns, count);
    if (by_reference) hf_tx_taken(from->engine, count);
    wire->carried[from_end] += count;
    return count;
}

size_t hf_mem_exchange(hf_mem *wire, hf_ns now_ns) {
    const size_t forth = carry(wire, 0, now_ns);
    return forth + carry(wire, 1, now_ns);
}

hf_ns hf_mem_next_at(const hf_mem *wire) {
    const hf_ns a_ns = hf_engine_next_at(wire->ends[0].engine);
    const hf_ns b_ns = hf_engine_next_at(wire->ends[1].engine);
    return a_ns < b_ns ? a_ns : b_ns;
}
