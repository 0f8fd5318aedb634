/* A run as JSON: one object (--json) or one object a line (--jsonl). All numbers are integers, all
 * keys are in one order, so that equal runs give equal bytes. */
#include "lab/scenario.h"
#include <stdlib.h>
#include <string.h>

typedef struct json_t {
    FILE *to;
    const lab_world *world;
    hf_flows flows;
    uint32_t part;
    bool first;
} json_t;

/* What would end or comment the script in which a page carries its run is escaped, too. */
static void put_string(FILE *to, const char *text) {
    fputc('"', to);
    for (; *text; text++) {
        const uint8_t c = (uint8_t)*text;
        const bool opens_tag = c == '<' && (text[1] == '/' || text[1] == '!');
        if (c == '"' || c == '\\')
            fprintf(to, "\\%c", c);
        else if (c < 32 || opens_tag)
            fprintf(to, "\\u%04x", c);
        else
            fputc(c, to);
    }
    fputc('"', to);
}

static void put_key(json_t *json, const char *key) {
    if (!json->first) fputc(',', json->to);
    json->first = false;
    put_string(json->to, key);
    fputc(':', json->to);
}

static void put_text(json_t *json, const char *key, const char *text) {
    put_key(json, key);
    put_string(json->to, text);
}

static void put_number(json_t *json, const char *key, uint64_t number) {
    put_key(json, key);
    fprintf(json->to, "%llu", (unsigned long long)number);
}

static void put_flag(json_t *json, const char *key, bool flag) {
    if (!flag) return;
    put_key(json, key);
    fputs("true", json->to);
}

static void put_host(json_t *json, const char *key, uint32_t host) {
    if (host < json->world->host_count) put_text(json, key, json->world->hosts[host]->name);
}

static void put_why(json_t *json, hf_cause cause, uint64_t a, uint64_t b) {
    char sentence[400];
    hf_explain_cause(cause, a, b, sentence, sizeof sentence);
    put_text(json, "cause", hf_cause_name(cause));
    put_number(json, "a", a);
    put_number(json, "b", b);
    put_text(json, "why", sentence);
    if (hf_cause_reference(cause)[0]) put_text(json, "reference", hf_cause_reference(cause));
}

static void put_hex(json_t *json, const lab_record *record) {
    put_key(json, "head_hex");
    fputc('"', json->to);
    for (uint32_t i = 0; i < record->captured; i++) fprintf(json->to, "%02x", record->bytes[i]);
    fputc('"', json->to);
}

static void put_verdict(json_t *json, const hf_verdict *verdict) {
    static const char *const actions[] = {"took", "dropped", "answered"};
    char sentence[400];
    hf_explain_cause(verdict->cause, verdict->a, verdict->b, sentence, sizeof sentence);
    put_text(json, "verdict", verdict->action < 3 ? actions[verdict->action] : "unknown");
    put_text(json, "verdict_cause", hf_cause_name(verdict->cause));
    put_text(json, "verdict_why", sentence);
}

/* What a segment says of its stream, as people count: from the SYN on, the window in bytes. */
static void put_segment(json_t *json, const hf_packet *packet) {
    char flags[40];
    uint32_t seq, ack, window;
    if (packet->kind != HF_PACKET_TCP) return;
    hf_packet_flags(packet, flags, sizeof flags);
    hf_flows_relative(&json->flows, packet, &seq, &ack, &window);
    put_text(json, "flags", flags);
    put_number(json, "seq", seq);
    if (packet->flags & HF_TCP_ACK) put_number(json, "ack", ack);
    put_number(json, "window", window);
    put_number(json, "len", packet->payload_bytes);
}

static void put_frame(json_t *json, const lab_record *record) {
    hf_packet packet;
    char line[300];
    hf_packet_parse(record->bytes, record->captured, record->total, false, &packet);
    hf_flows_see(&json->flows, &packet);
    hf_packet_line(&packet, &json->flows, line, sizeof line);
    put_host(json, "to", record->peer);
    put_text(json, "packet", line);
    put_segment(json, &packet);
    put_text(json, "fate", lab_fate_name(record->fate));
    if (record->arrives_at_ns > 0) put_number(json, "arrives_at_ns", record->arrives_at_ns);
    put_flag(json, "corrupted", record->corrupted);
    put_flag(json, "marked", record->marked);
    put_flag(json, "duplicate", record->duplicate);
    put_flag(json, "reordered", record->reordered);
    put_why(json, record->cause, record->a, record->b);
    if (record->judged) put_verdict(json, &record->verdict);
    put_number(json, "total_bytes", record->total);
    put_hex(json, record);
}

static void put_trace(json_t *json, const lab_record *record) {
    char sentence[400];
    hf_explain_record(&record->trace, sentence, sizeof sentence);
    put_text(json, "event", hf_trace_name((hf_trace_event)record->trace.event));
    put_text(json, "cause", hf_cause_name(record->cause));
    put_number(json, "a", record->trace.a);
    put_number(json, "b", record->trace.b);
    put_text(json, "why", sentence);
}

static void put_record(json_t *json, const lab_record *record) {
    static const char *const kinds[] = {"frame", "call", "event", "trace", "fault", "note"};
    put_text(json, "kind", kinds[record->kind]);
    put_number(json, "part", json->part);
    put_number(json, "at_ns", record->at_ns);
    if (record->kind != LAB_NOTE && record->kind != LAB_FAULT) put_host(json, "host", record->host);
    if (record->conn != LAB_ANY) put_number(json, "conn", record->conn);
    if (record->kind == LAB_FRAME) put_frame(json, record);
    if (record->kind == LAB_TRACE) put_trace(json, record);
    if (record->text) put_text(json, "text", record->text);
    if (record->detail && record->detail[0]) put_text(json, "detail", record->detail);
}

static void put_expect(json_t *json, const lab_expect *expect) {
    put_text(json, "kind", "expectation");
    put_number(json, "part", json->part);
    put_text(json, "where", expect->where);
    put_text(json, "outcome", expect->outcome == LAB_PASSED ? "passed" : "failed");
    put_text(json, "text", expect->message);
}

static void open_object(json_t *json, bool lines, bool *first_of_all) {
    if (!lines) fputs(*first_of_all ? "\n" : ",\n", json->to);
    *first_of_all = false;
    fputc('{', json->to);
    json->first = true;
}

static void close_object(json_t *json, bool lines) { fputs(lines ? "}\n" : "}", json->to); }

static void put_part(json_t *json) {
    put_text(json, "kind", "part");
    put_number(json, "part", json->part);
    if (json->world->title) put_text(json, "title", json->world->title);
    put_number(json, "until_ns", json->world->now_ns);
    put_key(json, "hosts");
    fputc('[', json->to);
    for (uint32_t i = 0; i < json->world->host_count; i++) {
        if (i > 0) fputc(',', json->to);
        put_string(json->to, json->world->hosts[i]->name);
    }
    fputc(']', json->to);
}

static void put_world(json_t *json, bool lines, bool *first_of_all) {
    const lab_world *const world = json->world;
    open_object(json, lines, first_of_all);
    put_part(json);
    close_object(json, lines);
    for (size_t i = 0; i < world->record_count; i++) {
        open_object(json, lines, first_of_all);
        put_record(json, &world->records[i]);
        close_object(json, lines);
    }
    for (uint32_t i = 0; i < world->expect_count; i++) {
        open_object(json, lines, first_of_all);
        put_expect(json, world->expects[i]);
        close_object(json, lines);
    }
    for (uint32_t i = 0; i < world->problem_count; i++) {
        open_object(json, lines, first_of_all);
        put_text(json, "kind", "problem");
        put_number(json, "part", json->part);
        put_text(json, "text", world->problems[i]);
        close_object(json, lines);
    }
}

static void put_head(json_t *json, const lab_scenario *scenario) {
    put_text(json, "schema", "holdfast.lab.1");
    put_text(json, "scenario", scenario->options.file);
    put_number(json, "seed", scenario->options.seed);
    put_number(json, "parts", scenario->part_count);
}

static void put_result(json_t *json, const lab_scenario *scenario) {
    put_text(json, "result", lab_result_name(scenario->result));
    if (scenario->message && scenario->message[0]) put_text(json, "message", scenario->message);
    if (scenario->summary) put_text(json, "summary", scenario->summary);
}

bool lab_show_json(const lab_scenario *scenario, bool lines, FILE *to) {
    json_t *const json = lab_alloc(sizeof *json);
    bool first_of_all = true;
    json->to = to;
    json->first = true;
    fputc('{', to);
    put_head(json, scenario);
    if (lines) {
        put_text(json, "kind", "head");
        fputs("}\n", to);
    } else {
        put_result(json, scenario);
        put_key(json, "records");
        fputc('[', to);
    }
    for (uint32_t i = 0; i < scenario->part_count; i++) {
        memset(&json->flows, 0, sizeof json->flows);
        json->world = scenario->parts[i];
        json->part = i;
        put_world(json, lines, &first_of_all);
    }
    if (lines) {
        open_object(json, lines, &first_of_all);
        put_text(json, "kind", "result");
        put_result(json, scenario);
        close_object(json, lines);
    } else {
        fputs("\n]}\n", to);
    }
    free(json);
    return !ferror(to);
}
