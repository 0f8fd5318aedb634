/* A host: on holdfast one engine, driven as hf/engine.h says a driver does it; and the power
 * switch. */
#include "lab.h"
#include <stdlib.h>
#include <string.h>

static const uint32_t idle_rounds_limit =
    100000; /* work without end at one instant is a fault of the engine */

static void fill_seed(lab_host *host) {
    for (size_t i = 0; i < sizeof host->config.seed; i += 8) {
        const uint64_t word = lab_random_next(&host->random);
        for (size_t k = 0; k < 8; k++) host->config.seed[i + k] = (uint8_t)(word >> 8 * k);
    }
}

static void forget_conns(lab_host *host) {
    for (uint32_t i = 0; i < host->config.conns; i++) host->conns[i] = LAB_ANY;
}

static hf_err attach(lab_host *host, lab_link *link, uint32_t end) {
    const hf_interface_options options = {.link = HF_LINK_IP, .mtu = link->mtu, .auto_done = true};
    const hf_err err = hf_interface_add(&host->engine, &options, &link->interface[end]);
    return err != HF_OK ? err
                        : hf_address_add(&host->engine, link->interface[end], &link->addr[end], 24);
}

/* Zeroed, so that no run depends on what lay there; the system gives zeroed pages only as they are
 * touched. */
static void *aligned(void **ret_memory, size_t bytes) {
    *ret_memory = lab_alloc(bytes + 63);
    return (void *)(((uintptr_t)*ret_memory + 63) & ~(uintptr_t)63);
}

static void take_memory(lab_host *host) {
    host->memory = hf_engine_bytes(&host->config);
    host->block = aligned(&host->block_memory, host->memory.block_bytes);
    host->data = aligned(&host->data_memory, host->memory.data_bytes);
    host->trace_records = lab_alloc(LAB_TRACE_RECORDS * sizeof *host->trace_records);
    host->conns = lab_alloc(host->config.conns * sizeof *host->conns);
}

/* Lays the engine out anew, under a seed it has not had: nothing of before is left. */
static hf_err power_on(lab_host *host) {
    if (!host->block) take_memory(host);
    fill_seed(host);
    forget_conns(host);
    const hf_trace trace = {.records = host->trace_records, .capacity = LAB_TRACE_RECORDS};
    host->trace = trace;
    host->config.trace = &host->trace;
    memset(&host->engine, 0, sizeof host->engine);
    hf_err err = hf_engine_init(&host->engine, &host->config, host->block, host->memory.block_bytes,
                                host->data, host->memory.data_bytes, host->world->now_ns);
    for (uint32_t i = 0; i < host->link_count && err == HF_OK; i++)
        err = attach(host, host->links[i], host->links[i]->end[1] == host);
    host->boots++;
    host->due_serial++;
    host->power = LAB_UP;
    return err;
}

lab_host *lab_host_new(lab_world *world, const char *name, const hf_config *config,
                       const char **ret_problem) {
    *ret_problem = hf_config_problem(config);
    if (*ret_problem) return NULL;
    lab_host *const host = lab_alloc(sizeof *host);
    host->world = world;
    host->index = world->host_count;
    host->config = *config;
    snprintf(host->name, sizeof host->name, "%s", name);
    lab_random_init(&host->random, world->seed, "host", host->index);
    const hf_err err = world->backend->host->power_on(host);
    if (err == HF_OK) {
        world->hosts[world->host_count++] = host;
        return host;
    }
    *ret_problem = hf_err_sentence(err);
    lab_host_free(host);
    return NULL;
}

void lab_host_free(lab_host *host) {
    if (host->world->backend->host->free) host->world->backend->host->free(host);
    for (uint32_t i = 0; i < host->inbox_count; i++) free(host->inbox[i]);
    for (uint32_t i = 0; i < host->listener_count; i++) free(host->listeners[i]);
    free(host->block_memory);
    free(host->data_memory);
    free(host->trace_records);
    free(host->conns);
    free(host);
}

static uint32_t conn_at(const lab_host *host, uint32_t index) {
    return index < host->config.conns ? host->conns[index] : LAB_ANY;
}

/* What was sent and taken is in the records of frames already. */
static bool told_by_frames(const hf_trace_record *trace) {
    return trace->event == HF_TRACE_FRAME_SENT || trace->event == HF_TRACE_FRAME_IN;
}

static void drain_trace(lab_host *host) {
    hf_trace *const trace = &host->trace;
    for (; trace->read < trace->written; trace->read++) {
        const hf_trace_record *const from = &trace->records[trace->read & (trace->capacity - 1)];
        if (told_by_frames(from)) continue;
        lab_record *const record = lab_record_add(host->world, LAB_TRACE, host->index);
        record->conn = conn_at(host, from->conn);
        record->cause = (hf_cause)from->cause;
        record->trace = *from;
    }
}

static bool drain_frames(lab_host *host) {
    hf_frame frames[LAB_TX_BATCH];
    const size_t count = hf_tx_peek(&host->engine, frames, LAB_TX_BATCH);
    for (size_t i = 0; i < count; i++) {
        lab_link *const link = host->links[frames[i].interface];
        lab_link_send(link, link->end[1] == host, &frames[i], conn_at(host, frames[i].conn.index));
    }
    if (count > 0) hf_tx_taken(&host->engine, count);
    return count > 0;
}

static bool drain_events(lab_host *host) {
    hf_event event;
    if (!hf_next_event(&host->engine, &event)) return false;
    lab_conn_events(host, &event);
    return true;
}

static void schedule(lab_host *host) {
    const hf_ns next_ns = hf_engine_next_at(&host->engine), now_ns = host->world->now_ns;
    if (next_ns == HF_NEVER) {
        host->due_serial++;
        host->due_at_ns = HF_NEVER;
        return;
    }
    const hf_ns at_ns = next_ns > now_ns ? next_ns : now_ns;
    if (host->due_at_ns == at_ns && at_ns > now_ns) return;
    host->due_at_ns = at_ns;
    const lab_due due = {
        .at_ns = at_ns, .kind = LAB_DUE_HOST, .index = host->index, .serial = ++host->due_serial};
    lab_heap_push(&host->world->heap, due);
}

static bool enter(lab_host *host) {
    if (host->power != LAB_UP) return false;
    if (hf_engine_now(&host->engine) < host->world->now_ns)
        hf_engine_step(&host->engine, host->world->now_ns, NULL, 0, NULL);
    return true;
}

static void leave(lab_host *host) {
    if (host->working || host->power != LAB_UP) return;
    host->working = true;
    uint32_t rounds = 0;
    for (bool more = true; more && host->power == LAB_UP && !host->world->failed_script; rounds++) {
        drain_trace(host);
        more = drain_frames(host);
        if (host->power == LAB_UP) more = drain_events(host) || more;
        if (rounds < idle_rounds_limit) continue;
        lab_problem(host->world, "%s: the engine has events or frames without end at one instant",
                    host->name);
        host->world->failed_script = true;
    }
    host->working = false;
    if (host->power == LAB_UP) schedule(host);
}

void lab_host_tick(lab_host *host) {
    hf_engine_step(&host->engine, host->world->now_ns, NULL, 0, NULL);
    leave(host);
}

void lab_flight_settle(const lab_flight *flight, lab_fate fate, const hf_verdict *verdict) {
    if (flight->record == LAB_ANY) return;
    lab_record *const record = &flight->link->world->records[flight->record];
    record->fate = fate;
    record->judged = verdict != NULL;
    if (verdict) record->verdict = *verdict;
}

static void take(lab_host *host, lab_flight *flight) {
    host->world->frames_in_flight--;
    const bool full = host->inbox_count == LAB_INBOX_FRAMES;
    if (host->power != LAB_DOWN && !full) {
        host->inbox[host->inbox_count++] = flight;
        return;
    }
    lab_flight_settle(flight, full ? LAB_FATE_INBOX_FULL : LAB_FATE_HOST_DOWN, NULL);
    free(flight);
}

static hf_frame received(const lab_host *host, lab_flight *flight) {
    const uint32_t end = 1 - flight->way;
    hf_frame frame = {
        .interface = flight->link->interface[end], .total_bytes = flight->total, .part_count = 1};
    (void)host;
    frame.frame_id = flight->record;
    frame.parts[0].data = flight->bytes;
    frame.parts[0].bytes = flight->total;
    return frame;
}

static void work(lab_host *host) {
    if (host->power != LAB_UP || host->inbox_count == 0) return;
    static hf_frame frames[LAB_INBOX_FRAMES];
    static hf_verdict verdicts[LAB_INBOX_FRAMES];
    const uint32_t count = host->inbox_count;
    for (uint32_t i = 0; i < count; i++) frames[i] = received(host, host->inbox[i]);
    memset(verdicts, 0, count * sizeof verdicts[0]);
    hf_engine_step(&host->engine, host->world->now_ns, frames, count, verdicts);
    for (uint32_t i = 0; i < count; i++) {
        lab_flight_settle(host->inbox[i], LAB_FATE_ARRIVED, &verdicts[i]);
        free(host->inbox[i]);
    }
    host->inbox_count = 0;
    leave(host);
}

/* ---- What the backend does ---- */

const lab_host_ops lab_engine_host = {.power_on = power_on,
                                      .attach = attach,
                                      .enter = enter,
                                      .leave = leave,
                                      .take = take,
                                      .work = work};

hf_err lab_host_attach(lab_host *host, lab_link *link, uint32_t end) {
    return host->world->backend->host->attach(host, link, end);
}

bool lab_host_enter(lab_host *host) { return host->world->backend->host->enter(host); }
void lab_host_leave(lab_host *host) { host->world->backend->host->leave(host); }
void lab_host_take(lab_host *host, lab_flight *f) { host->world->backend->host->take(host, f); }
void lab_host_work(lab_host *host) { host->world->backend->host->work(host); }

/* ---- The power switch ---- */

static void say(lab_host *host, const char *what) {
    lab_record *const record = lab_record_add(host->world, LAB_FAULT, host->index);
    lab_record_text(record, "%s %s", host->name, what);
}

void lab_host_stall(lab_host *host) {
    if (host->power != LAB_UP) return;
    host->power = LAB_STALLED;
    host->due_serial++;
    host->due_at_ns = HF_NEVER;
    say(host, "stalls: its process is frozen, packets wait.");
}

void lab_host_resume(lab_host *host) {
    if (host->power != LAB_STALLED) return;
    host->power = LAB_UP;
    say(host, "runs again.");
    if (host->world->backend->host->resumed) host->world->backend->host->resumed(host);
    lab_host_work(host);
    if (lab_host_enter(host)) lab_host_leave(host);
}

void lab_host_crash(lab_host *host) {
    if (host->power == LAB_DOWN) return;
    host->power = LAB_DOWN;
    host->due_serial++;
    host->due_at_ns = HF_NEVER;
    say(host, "is off: nothing of its connections is left.");
    for (uint32_t i = 0; i < host->inbox_count; i++) {
        lab_flight_settle(host->inbox[i], LAB_FATE_HOST_DOWN, NULL);
        free(host->inbox[i]);
    }
    host->inbox_count = 0;
    for (uint32_t i = 0; i < host->world->conn_count; i++) {
        lab_conn *const conn = host->world->conns[i];
        if (conn->host != host || !conn->held) continue;
        conn->gone = true;
        conn->held = false;
    }
    if (host->world->backend->host->power_off) host->world->backend->host->power_off(host);
}

void lab_host_boot(lab_host *host) {
    if (host->power != LAB_DOWN) return;
    const hf_err err = host->world->backend->host->power_on(host);
    say(host, "is up again, and knows of nothing.");
    if (err != HF_OK)
        lab_problem(host->world, "%s does not boot: %s", host->name, hf_err_sentence(err));
    const lab_hooks *const hooks = &host->world->hooks;
    if (hooks->host_up && !hooks->host_up(hooks->context, host)) host->world->failed_script = true;
    lab_host_leave(host);
}
