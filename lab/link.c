/* Links: rate and queue, delay and jitter, then the faults. Jitter keeps the order of packets; only
 * `reorder` lets one overtake another. A cut takes what is sent while it lasts, not what is under
 * way. */
#include "lab.h"
#include <stdlib.h>
#include <string.h>

lab_link *lab_link_new(lab_world *world, lab_host *a, lab_host *b, const lab_way_options *options,
                       uint32_t mtu) {
    lab_link *const link = lab_alloc(sizeof *link);
    link->world = world;
    link->index = world->link_count;
    link->mtu = mtu;
    link->end[0] = a;
    link->end[1] = b;
    for (uint32_t i = 0; i < 2; i++) {
        link->addr[i] = hf_addr4(10, 0, (uint8_t)(link->index + 1), (uint8_t)(i + 1));
        link->way[i].options = *options;
        if (options->rate_bits > 0)
            link->way[i].departures = lab_alloc(options->queue * sizeof(hf_ns));
        lab_random_init(&link->way[i].random, world->seed, "link", link->index * 2 + i);
    }
    world->links[world->link_count++] = link;
    return link;
}

lab_link *lab_link_between(const lab_host *a, const lab_host *b) {
    for (uint32_t i = 0; i < a->link_count; i++)
        if (a->links[i]->end[0] == b || a->links[i]->end[1] == b) return a->links[i];
    return NULL;
}

static void tell_backend(lab_link *link) {
    const lab_backend *const backend = link->world->backend;
    if (backend->link_changed) backend->link_changed(link);
}

bool lab_link_can_change(const lab_link *link) {
    const lab_backend *const backend = link->world->backend;
    return !backend->link_can_change || backend->link_can_change(link);
}

void lab_link_free(lab_link *link) {
    if (link->world->backend->link_free) link->world->backend->link_free(link);
    for (uint32_t i = 0; i < 2; i++) free(link->way[i].departures);
    free(link->cuts);
    free(link->holds);
    free(link);
}

/* When the last bit has left, or false if the queue is full. */
static bool leave_at(lab_way *way, hf_ns now_ns, uint32_t bytes, hf_ns *ret_leaves_at_ns) {
    const lab_way_options *const options = &way->options;
    *ret_leaves_at_ns = now_ns;
    if (options->rate_bits == 0) return true;
    while (way->departure_count > 0 && way->departures[way->departure_first] <= now_ns) {
        way->departure_first = (way->departure_first + 1) % options->queue;
        way->departure_count--;
    }
    if (way->departure_count == options->queue) return false;
    const hf_ns begins = way->busy_until_ns > now_ns ? way->busy_until_ns : now_ns;
    const hf_ns takes = (hf_ns)bytes * 8 * HF_SECOND / options->rate_bits;
    way->busy_until_ns = *ret_leaves_at_ns = begins + takes;
    way->departures[(way->departure_first + way->departure_count++) % options->queue] =
        begins + takes;
    return true;
}

static lab_fate fate_of(lab_link *link, lab_way *way, uint32_t bytes, hf_ns *ret_leaves_at_ns) {
    way->sent++;
    if (bytes > link->mtu) return LAB_FATE_TOO_LONG;
    if (way->options.silent_mtu > 0 && bytes > way->options.silent_mtu) {
        way->swallowed++;
        return LAB_FATE_SWALLOWED;
    }
    if (way->cut) {
        way->cut_lost++;
        link->cuts[link->cut_count - 1].packets[way == &link->way[1]]++;
        return LAB_FATE_CUT;
    }
    if (lab_random_chance(&way->random, way->options.loss)) {
        way->lost++;
        return LAB_FATE_LOST;
    }
    if (leave_at(way, link->world->now_ns, bytes, ret_leaves_at_ns)) return LAB_FATE_ARRIVED;
    way->queue_lost++;
    return LAB_FATE_QUEUE_FULL;
}

static void gather(const hf_frame *frame, uint8_t *to) {
    for (uint32_t i = 0; i < frame->part_count; i++) {
        memcpy(to, frame->parts[i].data, frame->parts[i].bytes);
        to += frame->parts[i].bytes;
    }
}

static void capture(lab_record *record, const lab_flight *flight) {
    const bool whole = flight->link->world->whole_packets;
    record->total = flight->total;
    record->captured = whole || flight->total < LAB_SNAP_BYTES ? flight->total : LAB_SNAP_BYTES;
    record->bytes = lab_alloc(record->captured + 1);
    memcpy(record->bytes, flight->bytes, record->captured);
}

static void record_frame(lab_flight *flight, const hf_frame *frame, uint32_t conn, lab_fate fate) {
    lab_world *const world = flight->link->world;
    lab_record *const record =
        lab_record_add(world, LAB_FRAME, flight->link->end[flight->way]->index);
    flight->record = record == &world->spare_record ? LAB_ANY : (uint32_t)(world->record_count - 1);
    record->peer = flight->link->end[1 - flight->way]->index;
    record->conn = conn;
    record->cause = frame->cause;
    record->a = frame->cause_a;
    record->b = frame->cause_b;
    record->link = flight->link->index;
    record->frame_id = frame->frame_id;
    record->fate = fate;
    capture(record, flight);
}

static lab_record *record_of(const lab_flight *flight) {
    return flight->record == LAB_ANY ? NULL : &flight->link->world->records[flight->record];
}

static hf_ns arrival(lab_flight *flight, lab_way *way, hf_ns leaves_at_ns) {
    const lab_way_options *const options = &way->options;
    hf_ns at_ns =
        leaves_at_ns + options->delay_ns + lab_random_below(&way->random, options->jitter_ns);
    const bool overtaken = lab_random_chance(&way->random, options->reorder);
    const hf_ns held_ns = lab_held_by(flight->link, flight);
    if (overtaken || held_ns > 0) {
        lab_record *const record = record_of(flight);
        if (record) record->reordered = true;
        way->reordered++;
        return at_ns + (held_ns > 0 ? held_ns : options->reorder_by_ns);
    }
    if (at_ns < way->last_arrival_ns) at_ns = way->last_arrival_ns;
    way->last_arrival_ns = at_ns;
    return at_ns;
}

static void corrupt(lab_flight *flight, lab_way *way) {
    if (!lab_random_chance(&way->random, way->options.corrupt)) return;
    const uint64_t bit = lab_random_below(&way->random, (uint64_t)flight->total * 8);
    flight->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    way->corrupted++;
    lab_record *const record = record_of(flight);
    if (record) record->corrupted = true;
}

/* Active queue management: by the length of the queue behind which the packet waits, or by chance. */
static void mark(lab_flight *flight, lab_way *way) {
    const uint32_t most = way->options.mark_queue;
    const bool long_queue = most > 0 && way->departure_count > most;
    if (!long_queue && !lab_random_chance(&way->random, way->options.mark)) return;
    if (!lab_mark_congestion(flight->bytes, flight->total)) return;
    way->marked++;
    lab_record *const record = record_of(flight);
    if (record) record->marked = true;
}

static void fly(lab_flight *flight, hf_ns arrives_at_ns) {
    lab_world *const world = flight->link->world;
    lab_record *const record = record_of(flight);
    if (record) {
        record->arrives_at_ns = arrives_at_ns;
        record->fate = LAB_FATE_IN_FLIGHT;
    }
    world->frames_in_flight++;
    const lab_due due = {.at_ns = arrives_at_ns, .kind = LAB_DUE_FRAME, .flight = flight};
    lab_heap_push(&world->heap, due);
}

static lab_flight *flight_new(lab_link *link, uint32_t way, uint32_t total) {
    lab_flight *const flight = lab_alloc(sizeof *flight + total);
    flight->link = link;
    flight->way = way;
    flight->record = LAB_ANY;
    flight->total = total;
    return flight;
}

/* The copy of a duplicated packet: it arrives right behind the first and is recorded as a packet of
 * its own. */
static void fly_again(const lab_flight *first, const hf_frame *frame, uint32_t conn,
                      hf_ns arrives_at_ns) {
    lab_flight *const copy = flight_new(first->link, first->way, first->total);
    memcpy(copy->bytes, first->bytes, first->total);
    record_frame(copy, frame, conn, LAB_FATE_IN_FLIGHT);
    lab_record *const record = record_of(copy);
    if (record) record->duplicate = true;
    fly(copy, arrives_at_ns);
}

void lab_link_send(lab_link *link, uint32_t way_index, const hf_frame *frame, uint32_t conn) {
    lab_way *const way = &link->way[way_index];
    lab_flight *const flight = flight_new(link, way_index, frame->total_bytes);
    gather(frame, flight->bytes);
    if (way->options.strip_timestamps)
        way->stripped += lab_strip_timestamps(flight->bytes, flight->total);
    hf_ns leaves_at_ns = 0;
    const lab_fate fate = fate_of(link, way, frame->total_bytes, &leaves_at_ns);
    record_frame(flight, frame, conn, fate);
    if (fate != LAB_FATE_ARRIVED) {
        free(flight);
        return;
    }
    mark(flight, way);
    const bool twice = lab_random_chance(&way->random, way->options.duplicate);
    const hf_ns arrives_at_ns = arrival(flight, way, leaves_at_ns);
    if (twice) {
        way->duplicated++;
        fly_again(flight, frame, conn, arrives_at_ns);
    }
    corrupt(flight, way);
    fly(flight, arrives_at_ns);
}

void lab_link_cut(lab_link *link, bool way0, bool way1, bool unseen_allowed, const char *where) {
    link->cuts = realloc(link->cuts, (link->cut_count + 1) * sizeof *link->cuts);
    if (!link->cuts) abort();
    lab_cut *const cut = &link->cuts[link->cut_count++];
    memset(cut, 0, sizeof *cut);
    cut->at_ns = link->world->now_ns;
    cut->way[0] = way0;
    cut->way[1] = way1;
    cut->unseen_allowed = unseen_allowed;
    snprintf(cut->where, sizeof cut->where, "%s", where);
    const bool cuts[2] = {way0, way1};
    for (uint32_t i = 0; i < 2; i++) {
        if (cuts[i]) link->way[i].cut = true;
    }
    tell_backend(link);
    lab_record *const record = lab_record_add(link->world, LAB_FAULT, link->end[0]->index);
    const uint32_t from = way0 ? 0 : 1;
    if (way0 && way1)
        lab_record_text(record, "The link %s - %s is cut, both ways.", link->end[0]->name,
                        link->end[1]->name);
    else
        lab_record_text(record, "The link is cut one way: what %s sends to %s is lost.",
                        link->end[from]->name, link->end[1 - from]->name);
}

void lab_link_hold(lab_link *link, const lab_hold *hold) {
    link->holds = realloc(link->holds, (link->hold_count + 1) * sizeof *link->holds);
    if (!link->holds) abort();
    link->holds[link->hold_count++] = *hold;
    char by[40];
    hf_explain_duration(hold->by_ns, by, sizeof by);
    lab_record *const record = lab_record_add(link->world, LAB_FAULT, link->end[0]->index);
    lab_record_text(record, "The next %s from %s takes a path that is %s slower.",
                    hold->length_least > 0 ? "data" : "packet", link->end[hold->way]->name, by);
}

void lab_link_heal(lab_link *link) {
    for (uint32_t i = 0; i < 2; i++) link->way[i].cut = false;
    tell_backend(link);
    if (link->cut_count > 0) link->cuts[link->cut_count - 1].healed = true;
    lab_record *const record = lab_record_add(link->world, LAB_FAULT, link->end[0]->index);
    lab_record_text(record, "The link %s - %s is whole again.", link->end[0]->name,
                    link->end[1]->name);
}
