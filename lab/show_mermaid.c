/* A run as a Mermaid sequence diagram, one a part. */
#include "lab/scenario.h"
#include <stdlib.h>
#include <string.h>

/* Mermaid ends a message at ';' and reads '#' as an entity. */
static void put_safe(FILE *to, const char *text) {
    for (; *text; text++) fputc(*text == ';' || *text == '#' || *text == '\n' ? ' ' : *text, to);
}

static void put_frame(const lab_record *record, hf_flows *flows, FILE *to) {
    char label[200], why[400];
    hf_packet packet;
    hf_packet_parse(record->bytes, record->captured, record->total, false, &packet);
    hf_flows_see(flows, &packet);
    hf_packet_label(&packet, flows, label, sizeof label);
    hf_explain_cause(record->cause, record->a, record->b, why, sizeof why);
    const bool lost = record->fate != LAB_FATE_ARRIVED && record->fate != LAB_FATE_IN_FLIGHT;
    fprintf(to, "    h%u%sh%u: %llu ms ", record->host, lost ? "-x" : "->>", record->peer,
            (unsigned long long)(record->at_ns / HF_MS));
    put_safe(to, label);
    fputs("<br/>", to);
    put_safe(to, why);
    fputc('\n', to);
}

static void put_note(const lab_world *world, const lab_record *record, FILE *to) {
    const bool everywhere = record->kind == LAB_FAULT || record->kind == LAB_NOTE;
    if (everywhere && world->host_count > 1)
        fprintf(to, "    Note over h0,h%u: ", world->host_count - 1);
    else
        fprintf(to, "    Note over h%u: ", everywhere ? 0 : record->host);
    put_safe(to, record->text);
    if (record->detail && record->detail[0]) {
        fputs("<br/>", to);
        put_safe(to, record->detail);
    }
    fputc('\n', to);
}

static void put_state(const lab_record *record, FILE *to) {
    char sentence[200];
    hf_explain_record(&record->trace, sentence, sizeof sentence);
    fprintf(to, "    Note over h%u: %s\n", record->host, sentence);
}

static void show_world(const lab_world *world, FILE *to) {
    hf_flows *const flows = lab_alloc(sizeof *flows);
    fputs("sequenceDiagram\n", to);
    if (world->title) fprintf(to, "    %%%% %s\n", world->title);
    for (uint32_t i = 0; i < world->host_count; i++)
        fprintf(to, "    participant h%u as %s\n", i, world->hosts[i]->name);
    for (size_t i = 0; i < world->record_count; i++) {
        const lab_record *const record = &world->records[i];
        if (record->kind == LAB_FRAME)
            put_frame(record, flows, to);
        else if (record->kind == LAB_TRACE && record->trace.event == HF_TRACE_STATE)
            put_state(record, to);
        else if (record->kind != LAB_TRACE)
            put_note(world, record, to);
    }
    free(flows);
}

bool lab_show_mermaid(const lab_scenario *scenario, FILE *to) {
    for (uint32_t i = 0; i < scenario->part_count; i++) show_world(scenario->parts[i], to);
    return !ferror(to);
}
