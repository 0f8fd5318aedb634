/* A world: its clock, what is due, and when a run is over. */
#include "lab.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void *lab_alloc(size_t bytes) {
    void *const memory = calloc(1, bytes > 0 ? bytes : 1);
    if (!memory) {
        fputs("holdfast lab: no memory left\n", stderr);
        exit(2);
    }
    return memory;
}

void *lab_grow(void *items, size_t count, size_t *room, size_t item_bytes) {
    if (count < *room) return items;
    *room = *room == 0 ? 64 : *room * 2;
    void *const grown = realloc(items, *room * item_bytes);
    if (!grown) {
        fputs("holdfast lab: no memory left\n", stderr);
        exit(2);
    }
    return grown;
}

char *lab_copy_text(const char *text) {
    char *const copy = lab_alloc(strlen(text) + 1);
    strcpy(copy, text);
    return copy;
}

lab_world *lab_world_new(const lab_backend *backend, uint64_t seed, const lab_hooks *hooks) {
    lab_world *const world = lab_alloc(sizeof *world);
    world->backend = backend;
    world->seed = seed;
    world->hooks = *hooks;
    world->duration_ns = HF_NEVER;
    world->timer_free = LAB_NO_TIMER;
    lab_random_init(&world->script_random, seed, "script", 0);
    return world;
}

static void free_records(lab_world *world) {
    for (size_t i = 0; i <= world->record_count; i++) {
        lab_record *const record =
            i < world->record_count ? &world->records[i] : &world->spare_record;
        free(record->text);
        free(record->detail);
        free(record->bytes);
    }
    free(world->records);
}

void lab_world_free(lab_world *world) {
    lab_due due;
    while (lab_heap_pop(&world->heap, &due)) free(due.flight);
    lab_heap_free(&world->heap);
    for (uint32_t i = 0; i < world->conn_count; i++) lab_conn_free(world->conns[i]);
    for (uint32_t i = 0; i < world->link_count; i++) lab_link_free(world->links[i]);
    for (uint32_t i = 0; i < world->host_count; i++) lab_host_free(world->hosts[i]);
    for (uint32_t i = 0; i < world->expect_count; i++) free(world->expects[i]);
    for (uint32_t i = 0; i < world->problem_count; i++) free(world->problems[i]);
    if (world->backend->world_free) world->backend->world_free(world);
    free(world->conns);
    free(world->expects);
    free(world->problems);
    free(world->timers);
    free_records(world);
    free(world);
}

void lab_problem(lab_world *world, const char *format, ...) {
    char text[500];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    world->problems = realloc(world->problems, (world->problem_count + 1) * sizeof(char *));
    if (!world->problems) abort();
    world->problems[world->problem_count++] = lab_copy_text(text);
}

/* The slot of a new timer: one whose call was made, if there is any. */
static uint32_t timer_slot(lab_world *world) {
    if (world->timer_free == LAB_NO_TIMER) {
        world->timers =
            lab_grow(world->timers, world->timer_count, &world->timer_room, sizeof *world->timers);
        return world->timer_count++;
    }
    const uint32_t index = world->timer_free;
    world->timer_free = world->timers[index].next_free;
    return index;
}

uint32_t lab_at(lab_world *world, hf_ns at_ns, hf_ns period_ns, int callback, const char *where) {
    const uint32_t index = timer_slot(world);
    lab_timer *const timer = &world->timers[index];
    memset(timer, 0, sizeof *timer);
    timer->at_ns = at_ns;
    timer->period_ns = period_ns;
    timer->callback = callback;
    snprintf(timer->where, sizeof timer->where, "%s", where);
    if (period_ns == 0) world->once_waiting++;
    const lab_due due = {.at_ns = at_ns, .kind = LAB_DUE_SCRIPT, .index = index};
    lab_heap_push(&world->heap, due);
    return index;
}

static void call_timer(lab_world *world, int callback, bool last) {
    if (!world->hooks.timer(world->hooks.context, callback, last)) world->failed_script = true;
}

/* A script may set a timer for each of a million queries: its slot is free before its call. */
static void run_timer_once(lab_world *world, uint32_t index) {
    lab_timer *const timer = &world->timers[index];
    timer->fired = true;
    timer->next_free = world->timer_free;
    world->timer_free = index;
    world->once_waiting--;
    call_timer(world, timer->callback, true);
}

static void run_timer(lab_world *world, uint32_t index) {
    if (world->timers[index].stopped) return;
    if (world->timers[index].period_ns == 0) {
        run_timer_once(world, index);
        return;
    }
    world->timers[index].fired = true;
    call_timer(world, world->timers[index].callback, false);
    lab_timer *const timer =
        &world->timers[index]; /* the call may have added timers and moved the array */
    if (timer->stopped) return;
    timer->at_ns += timer->period_ns;
    const lab_due due = {.at_ns = timer->at_ns, .kind = LAB_DUE_SCRIPT, .index = index};
    lab_heap_push(&world->heap, due);
}

/* All frames of one instant reach their hosts before time moves in any of them. */
void lab_take_frames(lab_world *world, hf_ns at_ns) {
    const lab_due *first;
    lab_due due;
    while ((first = lab_heap_first(&world->heap)) != NULL && first->kind == LAB_DUE_FRAME &&
           first->at_ns <= at_ns) {
        lab_heap_pop(&world->heap, &due);
        lab_host_take(due.flight->link->end[1 - due.flight->way], due.flight);
    }
    for (uint32_t i = 0; i < world->host_count; i++) lab_host_work(world->hosts[i]);
}

static void run_due(lab_world *world) {
    lab_due due;
    if (lab_heap_first(&world->heap)->kind == LAB_DUE_FRAME) {
        lab_take_frames(world, world->now_ns);
        return;
    }
    lab_heap_pop(&world->heap, &due);
    if (due.kind == LAB_DUE_LOOK) return; /* the loop looks after each event */
    if (due.kind == LAB_DUE_SCRIPT) {
        run_timer(world, due.index);
        return;
    }
    lab_host *const host = world->hosts[due.index];
    if (host->due_serial != due.serial || host->power != LAB_UP) return;
    host->due_at_ns = HF_NEVER;
    lab_host_tick(host);
}

/* True for what only the end of a run can judge: it keeps no run going. */
static bool waits_for_the_end(const lab_expect *expect) {
    const bool instant = expect->kind == LAB_EXPECT_ENDS || expect->kind == LAB_EXPECT_RECEIVES ||
                         expect->kind == LAB_EXPECT_CORRUPTED;
    return !instant && expect->until_ns == HF_NEVER;
}

static bool all_settled(const lab_world *world) {
    uint32_t settled = 0;
    for (uint32_t i = 0; i < world->expect_count; i++) {
        const lab_expect *const expect = world->expects[i];
        if (waits_for_the_end(expect)) continue;
        if (expect->outcome == LAB_OPEN) return false;
        settled++;
    }
    return settled > 0;
}

static bool no_expectation_is_open(const lab_world *world) {
    for (uint32_t i = 0; i < world->expect_count; i++)
        if (world->expects[i]->outcome == LAB_OPEN && !waits_for_the_end(world->expects[i]))
            return false;
    return true;
}

static bool over(const lab_world *world) {
    if (world->duration_ns != HF_NEVER) return false;
    if (world->quiet && no_expectation_is_open(world)) return true;
    return all_settled(world) && world->frames_in_flight == 0 && world->once_waiting == 0;
}

static hf_ns end_of(const lab_world *world, hf_ns until_ns) {
    if (until_ns != HF_NEVER) return until_ns;
    return world->duration_ns != HF_NEVER ? world->duration_ns : LAB_LONGEST;
}

/* Two timers of engines that are due again at the instant at which they ran would stop the clock.
 */
static bool clock_stands(lab_world *world, uint64_t *steps, hf_ns at_ns) {
    *steps = at_ns == world->now_ns ? *steps + 1 : 0;
    if (*steps < 1000000) return false;
    lab_problem(world, "the clock stands at %llu ns: something is due at this instant without end",
                (unsigned long long)at_ns);
    return true;
}

static hf_ns next_at(const lab_world *world, hf_ns end_ns) {
    const lab_due *const first = lab_heap_first(&world->heap);
    return first && first->at_ns < end_ns ? first->at_ns : end_ns;
}

/* In real time: true once the next instant at which something is due, or the end, has come. What
 * happens meanwhile may change what is next. */
static bool has_come(lab_world *world, hf_ns end_ns) {
    world->backend->wait(world, next_at(world, end_ns));
    lab_expect_look(world);
    return world->now_ns >= next_at(world, end_ns);
}

void lab_run(lab_world *world, hf_ns until_ns) {
    const hf_ns end_ns = end_of(world, until_ns);
    uint64_t steps = 0;
    while (!world->failed_script && !(world->stop && *world->stop)) {
        if (until_ns == HF_NEVER && over(world)) return;
        if (world->backend->wait && !has_come(world, end_ns)) continue;
        const lab_due *const first = lab_heap_first(&world->heap);
        if (!first || first->at_ns > end_ns) {
            if (first || end_ns != LAB_LONGEST) world->now_ns = end_ns;
            if (end_ns == LAB_LONGEST && first)
                lab_problem(world, "the run did not end within 7 days; set a duration");
            lab_expect_look(world);
            return;
        }
        if (clock_stands(world, &steps, first->at_ns)) return;
        if (!world->backend->wait) world->now_ns = first->at_ns;
        run_due(world);
        lab_expect_look(world);
    }
}

bool lab_passed(const lab_world *world) {
    if (world->problem_count > 0 || world->failed_script) return false;
    for (uint32_t i = 0; i < world->expect_count; i++)
        if (world->expects[i]->outcome != LAB_PASSED) return false;
    return true;
}
