/* docs/MEMORY.md says what each slot costs; here hf_engine_bytes is asked. */
#include "test.h"
#include <hf/config.h>
#include <hf/engine.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct size_field {
    const char *name;
    size_t offset;
} fields[] = {
#define FIELD(name)                                                                                \
    { #name, offsetof(hf_config, name) }
    FIELD(conns),      FIELD(listeners),   FIELD(syn_entries), FIELD(time_wait),
    FIELD(time_wait6), FIELD(flights),     FIELD(watches),     FIELD(segments),
    FIELD(ranges),     FIELD(option_sets), FIELD(interfaces),  FIELD(addresses),
    FIELD(routes),     FIELD(neighbors),   FIELD(paths),       FIELD(udp_sockets),
    FIELD(tx_frames),  FIELD(reassembly),  FIELD(end_records), FIELD(owners),
    FIELD(rx_chunks),  FIELD(tx_chunks),
};
enum { FIELDS = sizeof fields / sizeof fields[0], MORE = 6400 };

/* Bytes of the block that one slot more takes, on average over many, rounded up. */
static unsigned bytes_of_one(const struct size_field *field) {
    hf_config config;
    hf_config_default(&config);
    const size_t before = hf_engine_bytes(&config).block_bytes;
    uint32_t slots;
    memcpy(&slots, (char *)&config + field->offset, sizeof slots);
    slots += MORE;
    memcpy((char *)&config + field->offset, &slots, sizeof slots);
    const size_t more = hf_engine_bytes(&config).block_bytes - before;
    return (unsigned)((more + MORE - 1) / MORE);
}

/* The number in the second column of a row "| `name` | number | ...", or -1. */
static long documented(const char *text, const char *name) {
    char row[64];
    snprintf(row, sizeof row, "\n| `%s` | ", name);
    const char *at = strstr(text, row);
    return at == NULL ? -1 : strtol(at + strlen(row), NULL, 10);
}

static char *document(void) {
    FILE *file = fopen(HF_SOURCE_DIR "/docs/MEMORY.md", "rb");
    assert_non_null(file);
    char *text = calloc(1, 65536);
    assert_non_null(text);
    assert_true(fread(text, 1, 65535, file) > 0);
    fclose(file);
    return text;
}

static void each_slot_costs_what_the_document_says(void **state) {
    (void)state;
    char *text = document();
    int wrong = 0;
    for (size_t i = 0; i < FIELDS; i++) {
        const unsigned bytes = bytes_of_one(&fields[i]);
        const long expected = bytes == 0 ? -1 : (long)bytes; /* what has no table yet has no row */
        if (documented(text, fields[i].name) == expected) continue;
        print_message("docs/MEMORY.md: `%s` costs %u\n", fields[i].name, bytes);
        wrong++;
    }
    free(text);
    assert_int_equal(wrong, 0);
}

static void the_data_region_is_its_chunks(void **state) {
    (void)state;
    hf_config config;
    hf_config_default(&config);
    config.chunk_bytes = 512;
    config.rx_chunks = 7;
    config.tx_chunks = 11;
    assert_int_equal(hf_engine_bytes(&config).data_bytes, 512 * 18);
}

static void the_default_block_is_as_large_as_the_document_says(void **state) {
    (void)state;
    hf_config config;
    hf_config_default(&config);
    char *text = document(), sentence[96];
    const size_t bytes = hf_engine_bytes(&config).block_bytes;
    snprintf(sentence, sizeof sentence, "block of %zu,%03zu,%03zu bytes", bytes / 1000000,
             bytes / 1000 % 1000, bytes % 1000);
    if (strstr(text, sentence) == NULL)
        print_message("docs/MEMORY.md: the default is a %s\n", sentence);
    assert_non_null(strstr(text, sentence));
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_slot_costs_what_the_document_says),
        cmocka_unit_test(the_data_region_is_its_chunks),
        cmocka_unit_test(the_default_block_is_as_large_as_the_document_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
