/* The record of a run. Text is made when something happens, so that it tells the numbers of that
 * moment. */
#include "lab.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

lab_record *lab_record_add(lab_world *world, lab_kind kind, uint32_t host) {
    lab_record *record = &world->spare_record;
    if (world->record_count < LAB_RECORDS) {
        world->records = lab_grow(world->records, world->record_count, &world->record_room,
                                  sizeof *world->records);
        record = &world->records[world->record_count++];
    } else {
        world->records_not_kept++;
        free(record->text);
        free(record->detail);
        free(record->bytes);
    }
    memset(record, 0, sizeof *record);
    record->at_ns = world->now_ns;
    record->kind = kind;
    record->host = host;
    record->peer = record->conn = record->link = LAB_ANY;
    return record;
}

static char *formatted(const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, arguments);
    char *const text = lab_alloc((size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

void lab_record_text(lab_record *record, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    free(record->text);
    record->text = formatted(format, arguments);
    va_end(arguments);
}

void lab_record_detail(lab_record *record, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    free(record->detail);
    record->detail = formatted(format, arguments);
    va_end(arguments);
}

const char *lab_fate_name(lab_fate fate) {
    switch (fate) {
    case LAB_FATE_ARRIVED: return "arrived";
    case LAB_FATE_IN_FLIGHT: return "in_flight";
    case LAB_FATE_LOST: return "lost";
    case LAB_FATE_CUT: return "cut";
    case LAB_FATE_QUEUE_FULL: return "queue_full";
    case LAB_FATE_TOO_LONG: return "too_long";
    case LAB_FATE_SWALLOWED: return "swallowed";
    case LAB_FATE_HOST_DOWN: return "host_down";
    case LAB_FATE_INBOX_FULL: return "inbox_full";
    }
    return "unknown";
}

const char *lab_fate_sentence(lab_fate fate) {
    switch (fate) {
    case LAB_FATE_ARRIVED: return "";
    case LAB_FATE_IN_FLIGHT: return "Still on its way when the run ended.";
    case LAB_FATE_LOST: return "Lost by the link.";
    case LAB_FATE_CUT: return "The link is cut.";
    case LAB_FATE_QUEUE_FULL: return "The link's queue is full.";
    case LAB_FATE_TOO_LONG: return "Longer than the link's MTU.";
    case LAB_FATE_SWALLOWED: return "Longer than the path takes, and nobody says so.";
    case LAB_FATE_HOST_DOWN: return "Nobody runs there.";
    case LAB_FATE_INBOX_FULL: return "The stalled host holds as many packets as it can.";
    }
    return "";
}
