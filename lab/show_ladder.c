/* A run as a ladder: which records become rows, and their words. */
#include "lab/scenario.h"
#include <hf/ladder.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL_BYTES = 160, SENTENCE_BYTES = 600 };

typedef struct rows_t {
    const lab_world *world;
    uint32_t *numbers; /* of each connection; NULL if there is only one pair */
    hf_ladder_row *items;
    size_t count, room;
    hf_flows flows;
    bool trace;
} rows_t;

static uint64_t mix(uint64_t shape, uint64_t more) {
    shape ^= more + UINT64_C(0x9e3779b97f4a7c15) + (shape << 6) + (shape >> 2);
    return shape == 0 ? 1 : shape;
}

static uint64_t mix_text(uint64_t shape, const char *text) {
    for (; text && *text; text++) shape = mix(shape, (uint8_t)*text);
    return shape;
}

/* A copy to be freed with the rows; the literal "" stands for no text. */
static const char *kept(const char *text) { return text && text[0] ? lab_copy_text(text) : ""; }

/* Both ends of a connection have one number, in the order of connecting. */
static uint32_t *number_conns(const lab_world *world) {
    uint32_t *const numbers = lab_alloc((world->conn_count + 1) * sizeof *numbers), pairs = 0;
    for (uint32_t i = 0; i < world->conn_count; i++) {
        const lab_conn *const peer = lab_conn_peer(world->conns[i]);
        const bool later = peer && peer->index < i;
        numbers[i] = later ? numbers[peer->index] : ++pairs;
    }
    if (pairs > 1) return numbers;
    free(numbers);
    return NULL;
}

/* A packet that no application's connection sent belongs to the newest with its ports. */
static uint32_t conn_of(const lab_world *world, const lab_record *record, const hf_packet *packet) {
    for (uint32_t i = world->conn_count; i > 0 && record->conn == LAB_ANY; i--) {
        const lab_conn *const conn = world->conns[i - 1];
        if (conn->local_port == packet->destination_port &&
            conn->remote_port == packet->source_port)
            return i - 1;
    }
    return record->conn;
}

/* "#3 " before a label where there are several connections. */
static const char *numbered(const rows_t *rows, uint32_t conn, const char *label) {
    if (!rows->numbers || conn >= rows->world->conn_count) return kept(label);
    char text[LABEL_BYTES + 16];
    snprintf(text, sizeof text, "#%u %s", rows->numbers[conn], label);
    return kept(text);
}

static hf_ladder_row *add_row(rows_t *rows, const lab_record *record, hf_ladder_kind kind) {
    rows->items = lab_grow(rows->items, rows->count, &rows->room, sizeof *rows->items);
    hf_ladder_row *const row = &rows->items[rows->count++];
    memset(row, 0, sizeof *row);
    row->at_ns = record->at_ns;
    row->kind = kind;
    row->from = record->host;
    row->label = row->sentence = "";
    return row;
}

static void append(char *to, size_t size, const char *text) {
    const size_t length = strlen(to);
    if (*text == 0 || length + 1 >= size) return;
    snprintf(to + length, size - length, "%s%s", length > 0 ? " " : "", text);
}

static bool is_lost(lab_fate fate) {
    return fate != LAB_FATE_ARRIVED && fate != LAB_FATE_IN_FLIGHT;
}

/* What the receiver made of it is told when it dropped it, and with --trace always. */
static void append_verdict(const lab_record *record, bool trace, char *to, size_t size) {
    char text[300] = "";
    const bool dropped = strncmp(hf_cause_name(record->verdict.cause), "DROP_", 5) == 0;
    const bool told =
        dropped && record->verdict.action == HF_VERDICT_DROPPED; /* else the answer's arrow tells */
    if (!record->judged || (!told && !trace)) return;
    hf_explain_cause(record->verdict.cause, record->verdict.a, record->verdict.b, text,
                     sizeof text);
    append(to, size, dropped ? "Dropped there:" : "There:");
    append(to, size, text);
}

void lab_frame_sentence(const lab_record *record, bool trace, char *to, size_t size) {
    hf_explain_cause(record->cause, record->a, record->b, to, size);
    if (record->duplicate) append(to, size, "(A copy, made by the link.)");
    if (record->reordered) append(to, size, "(Held back by the link.)");
    if (record->marked) append(to, size, "(Marked by the link: congestion.)");
    if (record->corrupted) append(to, size, "(A bit was turned by the link.)");
    append(to, size, lab_fate_sentence(record->fate));
    append_verdict(record, trace, to, size);
}

static const char *frame_sentence(const lab_record *record, bool trace) {
    char sentence[SENTENCE_BYTES];
    lab_frame_sentence(record, trace, sentence, sizeof sentence);
    return kept(sentence);
}

static hf_ladder_tone frame_tone(const lab_record *record, const hf_packet *packet) {
    if (is_lost(record->fate) || packet->flags & HF_TCP_RST) return HF_TONE_BAD;
    if (packet->flags & (HF_TCP_SYN | HF_TCP_FIN)) return HF_TONE_GOOD;
    return packet->payload_bytes > 0 ? HF_TONE_PLAIN : HF_TONE_QUIET;
}

static uint64_t frame_shape(const lab_record *record, const hf_packet *packet) {
    uint64_t shape = mix(mix(1, record->host), record->peer);
    shape = mix(mix(shape, packet->flags), packet->payload_bytes);
    shape = mix(mix(shape, record->cause), (uint64_t)record->fate);
    if (record->judged && record->verdict.action == HF_VERDICT_DROPPED)
        shape = mix(shape, record->verdict.cause);
    return mix(shape, record->marked * 8u + record->corrupted * 4u + record->duplicate * 2u +
                          record->reordered);
}

static void add_frame(rows_t *rows, const lab_record *record) {
    hf_packet packet;
    hf_packet_parse(record->bytes, record->captured, record->total, false, &packet);
    hf_flows_see(&rows->flows, &packet);
    hf_ladder_row *const row = add_row(rows, record, HF_LADDER_ARROW);
    char label[LABEL_BYTES];
    hf_packet_label(&packet, &rows->flows, label, sizeof label);
    row->label = numbered(rows, conn_of(rows->world, record, &packet), label);
    row->sentence = frame_sentence(record, rows->trace);
    row->to = record->peer;
    row->lost = is_lost(record->fate);
    row->tone = frame_tone(record, &packet);
    row->shape = frame_shape(record, &packet);
}

static void add_call(rows_t *rows, const lab_record *record) {
    hf_ladder_row *const row = add_row(rows, record, HF_LADDER_CALL);
    row->label = numbered(rows, record->conn, record->text);
    row->sentence = kept(record->detail);
    row->tone = HF_TONE_PLAIN;
    row->shape = mix(mix_text(mix(2, record->host), record->text), record->detail != NULL);
}

static void add_event(rows_t *rows, const lab_record *record) {
    const bool end = record->bits == HF_EVENT_END;
    if (record->bits == HF_EVENT_CONNECTED && !rows->trace) return; /* the state's row tells it */
    hf_ladder_row *const row = add_row(rows, record, HF_LADDER_AT);
    row->label = numbered(rows, record->conn, record->text);
    row->sentence = kept(record->detail);
    row->tone = end && record->cause != HF_CAUSE_END_CLOSED ? HF_TONE_BAD : HF_TONE_LOUD;
    row->shape = mix(mix_text(mix(3, record->host), record->text), record->cause);
}

/* Timers, and notes that only tell of them, are for --trace. */
static bool wanted(const lab_record *record, bool trace) {
    switch ((hf_trace_event)record->trace.event) {
    case HF_TRACE_STATE:
    case HF_TRACE_GAP: return true;
    case HF_TRACE_NOTE:
        return trace || (record->cause != HF_CAUSE_RTO_BACKED_OFF &&
                         record->cause != HF_CAUSE_BOUND_RAISED &&
                         record->cause != HF_CAUSE_UNHEARD_WARNING);
    case HF_TRACE_TIMER_ARMED:
    case HF_TRACE_TIMER_FIRED: return trace;
    case HF_TRACE_FRAME_SENT:
    case HF_TRACE_FRAME_IN:
    case HF_TRACE_END:
    case HF_TRACE_COUNT: return false;
    }
    return false;
}

static void add_trace(rows_t *rows, const lab_record *record) {
    if (!wanted(record, rows->trace)) return;
    hf_ladder_row *const row = add_row(rows, record, HF_LADDER_AT);
    char *const sentence = lab_alloc(SENTENCE_BYTES);
    hf_explain_record(&record->trace, sentence, SENTENCE_BYTES);
    if (record->trace.event == HF_TRACE_STATE) {
        const char *const arrow = strstr(sentence, " -> ");
        row->label = numbered(rows, record->conn, arrow ? arrow + 4 : sentence);
        row->tone = HF_TONE_LOUD;
    } else {
        row->label = lab_copy_text(record->trace.event == HF_TRACE_NOTE
                                       ? hf_cause_name(record->cause)
                                       : hf_trace_name((hf_trace_event)record->trace.event));
        row->sentence = kept(sentence);
        row->tone = HF_TONE_QUIET;
    }
    row->shape =
        mix(mix(mix(4, record->host), record->trace.event), mix(record->cause, record->trace.b));
    free(sentence);
}

static void add_note(rows_t *rows, const lab_record *record) {
    hf_ladder_row *const row = add_row(rows, record, HF_LADDER_NOTE);
    row->label = kept(record->text);
    row->from = 0;
    row->tone = record->kind == LAB_FAULT ? HF_TONE_BAD : HF_TONE_LOUD;
    row->shape = record->kind == LAB_FAULT ? 0 : mix_text(5, record->text);
}

static void add_record(rows_t *rows, const lab_record *record) {
    switch (record->kind) {
    case LAB_FRAME: add_frame(rows, record); break;
    case LAB_CALL: add_call(rows, record); break;
    case LAB_EVENT: add_event(rows, record); break;
    case LAB_TRACE: add_trace(rows, record); break;
    case LAB_FAULT:
    case LAB_NOTE: add_note(rows, record); break;
    }
}

/* Texts are copies or the literal "", which is never freed. */
static void free_rows(rows_t *rows) {
    for (size_t i = 0; i < rows->count; i++) {
        const hf_ladder_row *const row = &rows->items[i];
        if (row->label[0]) free((void *)(uintptr_t)row->label);
        if (row->sentence[0]) free((void *)(uintptr_t)row->sentence);
    }
    free(rows->items);
}

/* A packet that is not shown still tells where its flow begins: numbers in labels count from there.
 */
static void pass_record(rows_t *rows, const lab_record *record) {
    hf_packet packet;
    if (record->kind != LAB_FRAME) return;
    hf_packet_parse(record->bytes, record->captured, record->total, false, &packet);
    hf_flows_see(&rows->flows, &packet);
}

static bool in_view(const lab_view *view, const lab_record *record) {
    return record->at_ns >= view->from_ns &&
           (view->until_ns == 0 || record->at_ns <= view->until_ns);
}

static bool show_world(const lab_world *world, const lab_view *view, FILE *to) {
    rows_t *const rows = lab_alloc(sizeof *rows);
    rows->world = world;
    rows->trace = view->trace;
    rows->numbers = number_conns(world);
    for (size_t i = 0; i < world->record_count; i++) {
        if (in_view(view, &world->records[i]))
            add_record(rows, &world->records[i]);
        else
            pass_record(rows, &world->records[i]);
    }
    const char *names[LAB_HOSTS];
    for (uint32_t i = 0; i < world->host_count; i++) names[i] = world->hosts[i]->name;
    const hf_ladder ladder = {.names = names,
                              .columns = world->host_count,
                              .width = view->width,
                              .most_rows = view->most_rows,
                              .colour = view->colour,
                              .utf8 = view->utf8,
                              .fold = view->fold};
    bool drawn = true;
    if (world->host_count > 6)
        fprintf(to, "%u hosts are too many for a ladder; --jsonl has their records.\n",
                world->host_count);
    else
        drawn = hf_ladder_print(&ladder, rows->items, rows->count, to);
    if (world->records_not_kept > 0)
        fprintf(to, "%llu later records were counted only.\n",
                (unsigned long long)world->records_not_kept);
    free_rows(rows);
    free(rows->numbers);
    free(rows);
    return drawn;
}

static void show_title(const char *title, const lab_view *view, bool first, FILE *to) {
    const char *const on = view->colour ? "\x1b[1m" : "", *const off =
                                                              view->colour ? "\x1b[0m" : "";
    if (!first) fputc('\n', to);
    if (title) fprintf(to, "%s== %s%s\n\n", on, title, off);
}

bool lab_show_ladder(const lab_scenario *scenario, const lab_view *view, FILE *to) {
    bool good = true;
    for (uint32_t i = 0; i < scenario->part_count && good && !view->summary; i++) {
        if (view->part != 0 && view->part != i + 1) continue;
        show_title(scenario->titles[i], view, i == 0 || view->part != 0, to);
        good = show_world(scenario->parts[i], view, to);
    }
    if (!scenario->summary || view->part != 0) return good;
    if (!view->summary) fputc('\n', to);
    hf_print_wrapped(to, scenario->summary, 0, view->width == 0 ? 80 : view->width);
    return good && !ferror(to);
}
