/* The wire alone, between two stand-ins for engines that only queue frames and note what a step was
 * given. That it carries TCP is shown by the examples and by every test of two engines. */
#include "test.h"

#include <hf/mem.h>
#include <string.h>

#define FRAMES 8

typedef struct stand_in {
    hf_frame queue[FRAMES];
    size_t queued, lent;
    uint8_t heard[FRAMES][64];
    hf_frame heard_frames[FRAMES];
    const void *heard_at[FRAMES];
    size_t heard_count;
    hf_ns now_ns, next_at_ns;
    int peeks_open; /* lent and neither taken nor ended by another call */
} stand_in;

static hf_engine engines[2];
static stand_in stand_ins[2];

static stand_in *of(const hf_engine *engine) { return &stand_ins[engine - engines]; }

void hf_engine_step(hf_engine *engine, hf_ns now_ns, const hf_frame *in, size_t in_count,
                    hf_verdict *ret_verdicts) {
    stand_in *self = of(engine);
    assert_int_equal(self->peeks_open, 0); /* a step ends what peek lent */
    self->now_ns = now_ns;
    for (size_t i = 0; i < in_count; i++) {
        hf_frame *frame = &self->heard_frames[self->heard_count];
        *frame = in[i];
        uint32_t at = 0;
        for (uint32_t part = 0; part < frame->part_count; part++) {
            memcpy(self->heard[self->heard_count] + at, frame->parts[part].data,
                   frame->parts[part].bytes);
            at += frame->parts[part].bytes;
        }
        self->heard_at[self->heard_count++] = frame->parts[0].data;
        ret_verdicts[i] = (hf_verdict){.action = HF_VERDICT_TOOK, .cause = HF_CAUSE_TOOK_DATA};
    }
}

hf_ns hf_engine_now(const hf_engine *engine) { return of(engine)->now_ns; }

hf_ns hf_engine_next_at(const hf_engine *engine) { return of(engine)->next_at_ns; }

size_t hf_tx_peek(hf_engine *engine, hf_frame *ret_frames, size_t max) {
    stand_in *self = of(engine);
    self->lent = self->queued < max ? self->queued : max;
    memcpy(ret_frames, self->queue, self->lent * sizeof *ret_frames);
    self->peeks_open = self->lent != 0;
    return self->lent;
}

void hf_tx_taken(hf_engine *engine, size_t count) {
    stand_in *self = of(engine);
    assert_true(count <= self->lent);
    self->queued -= count;
    memmove(self->queue, self->queue + count, self->queued * sizeof *self->queue);
    self->peeks_open = 0;
}

static void queue_two_parts(int engine, uint32_t interface, const char *first, const char *second) {
    stand_in *self = &stand_ins[engine];
    const uint32_t first_bytes = (uint32_t)strlen(first), second_bytes = (uint32_t)strlen(second);
    self->queue[self->queued++] = (hf_frame){
        .interface = interface,
        .flags = HF_FRAME_NEEDS_CSUM | HF_FRAME_GSO4,
        .gso_bytes = 7,
        .total_bytes = first_bytes + second_bytes,
        .part_count = 2,
        .parts = {{first, first_bytes}, {second, second_bytes}},
    };
}

static int start(void **state) {
    (void)state;
    memset(stand_ins, 0, sizeof stand_ins);
    return 0;
}

static hf_mem joined(const hf_mem_options *options) {
    hf_mem wire;
    assert_true(hf_mem_join(&wire, &engines[0], 3, &engines[1], 5, options));
    return wire;
}

static void a_frame_arrives_in_one_part_at_the_other_ends_interface(void **state) {
    (void)state;
    hf_mem wire = joined(NULL);
    queue_two_parts(0, 3, "head", "payload");
    assert_int_equal(hf_mem_exchange(&wire, 11), 1);
    const stand_in *b = &stand_ins[1];
    assert_int_equal(b->heard_count, 1);
    assert_int_equal(b->heard_frames[0].part_count, 1);
    assert_int_equal(b->heard_frames[0].interface, 5);
    assert_int_equal(b->heard_frames[0].gso_bytes, 7);
    assert_int_equal(b->heard_frames[0].flags, HF_FRAME_NEEDS_CSUM | HF_FRAME_GSO4);
    assert_memory_equal(b->heard[0], "headpayload", 11);
    assert_int_equal(stand_ins[0].queued, 0);
    hf_mem_part(&wire);
}

static void by_reference_the_senders_own_bytes_arrive(void **state) {
    (void)state;
    static const char head[] = "head";
    hf_mem wire = joined(&(hf_mem_options){.by_reference = true});
    queue_two_parts(0, 3, head, "payload");
    assert_int_equal(hf_mem_exchange(&wire, 11), 1);
    assert_ptr_equal(stand_ins[1].heard_at[0], head);
    assert_int_equal(stand_ins[1].heard_frames[0].part_count, 2);
    assert_int_equal(stand_ins[1].heard_frames[0].interface, 5);
    hf_mem_part(&wire);
}

static void an_exchange_steps_both_even_without_frames(void **state) {
    (void)state;
    hf_mem wire = joined(NULL);
    assert_int_equal(hf_mem_exchange(&wire, 13), 0);
    assert_int_equal(stand_ins[0].now_ns, 13);
    assert_int_equal(stand_ins[1].now_ns, 13);
    hf_mem_part(&wire);
}

static void a_turn_carries_at_most_a_batch_in_order(void **state) {
    (void)state;
    hf_mem wire = joined(&(hf_mem_options){.batch_frames = 2});
    queue_two_parts(1, 5, "a", "1");
    queue_two_parts(1, 5, "b", "2");
    queue_two_parts(1, 5, "c", "3");
    assert_int_equal(hf_mem_exchange(&wire, 11), 2);
    assert_int_equal(hf_mem_exchange(&wire, 11), 1);
    assert_int_equal(wire.carried[0], 0);
    assert_int_equal(wire.carried[1], 3);
    assert_memory_equal(stand_ins[0].heard[0], "a1", 2);
    assert_memory_equal(stand_ins[0].heard[1], "b2", 2);
    assert_memory_equal(stand_ins[0].heard[2], "c3", 2);
    hf_mem_part(&wire);
}

static void another_interfaces_frame_stops_the_wire(void **state) {
    (void)state;
    hf_mem wire = joined(NULL);
    queue_two_parts(0, 3, "a", "1");
    queue_two_parts(0, 4, "b", "2");
    assert_int_equal(hf_mem_exchange(&wire, 11), 1);
    assert_int_equal(hf_mem_exchange(&wire, 11), 0);
    assert_int_equal(stand_ins[0].queued, 1);
    hf_mem_part(&wire);
}

static void an_engine_can_be_joined_to_itself_by_copy_only(void **state) {
    (void)state;
    hf_mem wire;
    assert_false(hf_mem_join(&wire, &engines[0], 3, &engines[0], 5,
                             &(hf_mem_options){.by_reference = true}));
    assert_true(hf_mem_join(&wire, &engines[0], 3, &engines[0], 5, NULL));
    queue_two_parts(0, 3, "x", "y");
    assert_int_equal(hf_mem_exchange(&wire, 11), 1);
    assert_memory_equal(stand_ins[0].heard[0], "xy", 2);
    hf_mem_part(&wire);
}

static void the_next_instant_is_the_earlier_one(void **state) {
    (void)state;
    hf_mem wire = joined(NULL);
    stand_ins[0].next_at_ns = HF_NEVER;
    stand_ins[1].next_at_ns = 17;
    assert_int_equal(hf_mem_next_at(&wire), 17);
    stand_ins[0].next_at_ns = 13;
    assert_int_equal(hf_mem_next_at(&wire), 13);
    hf_mem_part(&wire);
}

typedef struct watcher {
    int outs, ins;
    hf_cause last_cause;
} watcher;

static void watch(void *context, hf_ns at_ns, hf_way way, const hf_frame *frame,
                  const hf_verdict *verdict) {
    watcher *self = context;
    assert_int_equal(at_ns, 19);
    assert_int_equal(frame->total_bytes, 2);
    self->outs += way == HF_WAY_OUT;
    self->ins += way == HF_WAY_IN;
    if (way == HF_WAY_IN)
        self->last_cause = verdict->cause;
    else
        assert_null(verdict);
}

static void a_tap_sees_each_frame_leave_and_arrive(void **state) {
    (void)state;
    watcher seen = {0};
    hf_mem wire = joined(&(hf_mem_options){.tap = {watch, &seen}});
    queue_two_parts(0, 3, "a", "1");
    queue_two_parts(1, 5, "b", "2");
    hf_mem_exchange(&wire, 19);
    assert_int_equal(seen.outs, 2);
    assert_int_equal(seen.ins, 2);
    assert_int_equal(seen.last_cause, HF_CAUSE_TOOK_DATA);
    hf_mem_part(&wire);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_frame_arrives_in_one_part_at_the_other_ends_interface, start),
        cmocka_unit_test_setup(by_reference_the_senders_own_bytes_arrive, start),
        cmocka_unit_test_setup(an_exchange_steps_both_even_without_frames, start),
        cmocka_unit_test_setup(a_turn_carries_at_most_a_batch_in_order, start),
        cmocka_unit_test_setup(another_interfaces_frame_stops_the_wire, start),
        cmocka_unit_test_setup(an_engine_can_be_joined_to_itself_by_copy_only, start),
        cmocka_unit_test_setup(the_next_instant_is_the_earlier_one, start),
        cmocka_unit_test_setup(a_tap_sees_each_frame_leave_and_arrive, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
