/* A spool in memory for lpd_protocol.h: for machines without a file system, and for tests. */
#ifndef EX_LPD_MEMORY_H
#define EX_LPD_MEMORY_H

#include "lpd_protocol.h"

/* Four small jobs: a control and a data file each. */
#define LPD_MEMORY_FILES 8u
#define LPD_MEMORY_FILE_BYTES 1024u

typedef enum lpd_memory_state {
    LPD_MEMORY_FREE,
    LPD_MEMORY_UNDER_WAY,
    LPD_MEMORY_KEPT
} lpd_memory_state;

typedef struct lpd_memory_file {
    char name[LPD_NAME_BYTES];
    lpd_memory_state state;
    uint32_t bytes;
    char data[LPD_MEMORY_FILE_BYTES];
} lpd_memory_file;

typedef struct lpd_memory {
    lpd_memory_file files[LPD_MEMORY_FILES];
} lpd_memory;

/* An empty spool. Links the memory. */
void lpd_memory_open(lpd_memory *memory, lpd_spool *ret_spool);

/* The file of this name, or NULL. */
const lpd_memory_file *lpd_memory_find(const lpd_memory *memory, const char *name);

#endif
