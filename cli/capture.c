/* A run as a pcapng file: one interface a link, each packet with its explanation as a comment.
 * Parts follow one another in time. */
#include "cli/cli.h"
#include "lab/scenario.h"
#include <hf/pcapng.h>

enum { SENTENCE_BYTES = 600 };

static bool add_interfaces(hf_pcapng *capture, const lab_scenario *scenario) {
    bool good = true;
    for (uint32_t i = 0; i < scenario->part_count; i++) {
        const lab_world *const world = scenario->parts[i];
        for (uint32_t k = 0; k < world->link_count; k++) {
            const lab_link *const link = world->links[k];
            char name[80];
            snprintf(name, sizeof name, "%u: %s - %s", i + 1, link->end[0]->name,
                     link->end[1]->name);
            good = hf_pcapng_interface(capture, HF_LINK_IP, name) && good;
        }
    }
    return good;
}

static bool add_frame(hf_pcapng *capture, const lab_record *record, uint32_t interface,
                      hf_ns offset_ns) {
    char sentence[SENTENCE_BYTES];
    lab_frame_sentence(record, true, sentence, sizeof sentence);
    hf_frame frame = {.total_bytes = record->total,
                      .part_count = 1,
                      .frame_id = record->frame_id,
                      .cause = record->cause};
    frame.cause_a = record->a;
    frame.cause_b = record->b;
    frame.parts[0].data = record->bytes;
    frame.parts[0].bytes = record->captured;
    return hf_pcapng_frame(capture, interface, record->at_ns + offset_ns, HF_WAY_OUT, &frame,
                           sentence);
}

static bool add_frames(hf_pcapng *capture, const lab_scenario *scenario) {
    uint32_t first_interface = 0;
    hf_ns offset_ns = 0;
    bool good = true;
    for (uint32_t i = 0; i < scenario->part_count && good; i++) {
        const lab_world *const world = scenario->parts[i];
        for (size_t k = 0; k < world->record_count && good; k++) {
            const lab_record *const record = &world->records[k];
            if (record->kind == LAB_FRAME)
                good = add_frame(capture, record, first_interface + record->link, offset_ns);
        }
        first_interface += world->link_count;
        offset_ns += world->now_ns + HF_SECOND;
    }
    return good;
}

bool cli_capture(const lab_scenario *scenario, const char *path) {
    hf_pcapng capture;
    FILE *const file = fopen(path, "wb");
    if (!file) return false;
    bool good = hf_pcapng_begin(&capture, file, 0);
    good = good && add_interfaces(&capture, scenario) && add_frames(&capture, scenario);
    return hf_pcapng_end(&capture) && good;
}
