/* What every fuzz target includes: the entry, and a check that stops with a crash that libFuzzer
 * saves and the replay of the corpus reports. */
#ifndef HF_FUZZ_H
#define HF_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition)                                                                      \
    ((condition) ? (void)0                                                                         \
                 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition), abort()))

/* Longer inputs teach nothing: no packet is longer. */
#define FUZZ_BYTES_MAX 65535

#endif
