/* A wire between two engines in one process: what one sends, the other's next step receives.
 *
 *     hf_mem_interface_options(&link);
 *     hf_interface_add(&a, &link, &a_interface); ... the same for b ...
 *     hf_mem_join(&wire, &a, a_interface, &b, b_interface, NULL);
 *     for (hf_ns now_ns = 0; !done; now_ns = hf_mem_next_at(&wire)) {
 *         do act(); while (hf_mem_exchange(&wire, now_ns) != 0);
 *     }
 *
 * Time is the caller's and may be virtual: a wire has no delay, loses nothing and keeps order.
 *
 * An engine may have several wires. Each takes the frames of its own interface from the front of
 * the engine's queue and stops at another's, so exchange over all wires until none carries any.
 */
#ifndef HF_MEM_H
#define HF_MEM_H

#include <hf/tap.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_mem_options {
    bool by_reference;     /* the receiver's step reads the sender's parts in place: no copy. Needs
                              two engines. Else each frame is copied and its parts are joined. */
    uint32_t batch_frames; /* most frames of one turn; 0 means 32 */
    hf_tap tap;            /* sees each frame twice: out of the one engine, in to the other */
} hf_mem_options;

typedef struct hf_mem_end {
    hf_engine *engine;
    uint32_t interface;
} hf_mem_end;

typedef struct hf_mem {
    hf_mem_end ends[2];
    hf_mem_options options;
    hf_frame *frames; /* one turn's */
    hf_verdict *verdicts;
    uint8_t *copies;     /* room for one turn's bytes; NULL by reference */
    uint64_t carried[2]; /* frames, from end 0 and from end 1 */
} hf_mem;

/* Fills the options of an interface that is to lie on a wire: IP packets, an MTU of 1,500,
 * super-segments and checksums left out, as nothing can damage a frame here. Change what you like,
 * at both ends alike; only auto_done must stay. */
void hf_mem_interface_options(hf_interface_options *ret_options);

/* Joins two interfaces. Links both engines until hf_mem_part; copies options, which may be NULL.
 * False if memory lacks, or if one engine's two interfaces are to be joined by reference. */
bool hf_mem_join(hf_mem *wire, hf_engine *a, uint32_t a_interface, hf_engine *b,
                 uint32_t b_interface, const hf_mem_options *options);

/* Gives the wire's memory back. The engines go on without it. */
void hf_mem_part(hf_mem *wire);

/* One turn each way: steps b to now_ns with what a has to send, then a with what b has. Returns how
 * many frames it carried; 0 means that both have nothing more to send now. */
size_t hf_mem_exchange(hf_mem *wire, hf_ns now_ns);

/* The earlier of both engines' hf_engine_next_at. */
hf_ns hf_mem_next_at(const hf_mem *wire);

#ifdef __cplusplus
}
#endif
#endif
