#include "lpd_memory.h"

#include <string.h>

static lpd_memory_file *find_in(lpd_memory *memory, const char *name, lpd_memory_state state) {
    for (uint32_t i = 0; i < LPD_MEMORY_FILES; i++) {
        lpd_memory_file *file = &memory->files[i];
        const bool named = state == LPD_MEMORY_FREE || strcmp(file->name, name) == 0;
        if (file->state == state && named) return file;
    }
    return NULL;
}

static int memory_begin(void *context, const char *name, uint32_t bytes) {
    lpd_memory *memory = context;
    lpd_memory_file *file = find_in(memory, name, LPD_MEMORY_FREE);
    if (!file || bytes > LPD_MEMORY_FILE_BYTES || find_in(memory, name, LPD_MEMORY_UNDER_WAY))
        return -1;
    memcpy(file->name, name, strlen(name) + 1);
    file->state = LPD_MEMORY_UNDER_WAY;
    file->bytes = 0;
    return (int)(file - memory->files);
}

static bool memory_write(void *context, int index, const void *data, size_t bytes) {
    lpd_memory_file *file = &((lpd_memory *)context)->files[index];
    if (bytes > LPD_MEMORY_FILE_BYTES - file->bytes) return false;
    memcpy(file->data + file->bytes, data, bytes);
    file->bytes += (uint32_t)bytes;
    return true;
}

static bool memory_finish(void *context, int index, const char *name, bool keep) {
    lpd_memory *memory = context;
    lpd_memory_file *older = find_in(memory, name, LPD_MEMORY_KEPT);
    if (keep && older) older->state = LPD_MEMORY_FREE;
    memory->files[index].state = keep ? LPD_MEMORY_KEPT : LPD_MEMORY_FREE;
    return true;
}

static bool memory_next(void *context, char *name) {
    const lpd_memory *memory = context;
    const lpd_memory_file *best = NULL;
    for (uint32_t i = 0; i < LPD_MEMORY_FILES; i++) {
        const lpd_memory_file *file = &memory->files[i];
        if (file->state == LPD_MEMORY_KEPT && strcmp(file->name, name) > 0 &&
            (!best || strcmp(file->name, best->name) < 0))
            best = file;
    }
    if (best) memcpy(name, best->name, sizeof best->name);
    return best != NULL;
}

static size_t memory_read(void *context, const char *name, char *ret_text, size_t most) {
    const lpd_memory_file *file = find_in(context, name, LPD_MEMORY_KEPT);
    if (!file) return 0;
    const size_t bytes = file->bytes < most ? file->bytes : most;
    memcpy(ret_text, file->data, bytes);
    return bytes;
}

static void memory_remove(void *context, const char *job) {
    lpd_memory *memory = context;
    for (uint32_t i = 0; i < LPD_MEMORY_FILES; i++) {
        lpd_memory_file *file = &memory->files[i];
        if (file->state == LPD_MEMORY_KEPT && strcmp(file->name + 3, job) == 0)
            file->state = LPD_MEMORY_FREE;
    }
}

void lpd_memory_open(lpd_memory *memory, lpd_spool *ret_spool) {
    memset(memory, 0, sizeof *memory);
    *ret_spool = (lpd_spool){memory,      memory_begin, memory_write,  memory_finish,
                             memory_next, memory_read,  memory_remove, NULL};
}

const lpd_memory_file *lpd_memory_find(const lpd_memory *memory, const char *name) {
    for (uint32_t i = 0; i < LPD_MEMORY_FILES; i++)
        if (memory->files[i].state == LPD_MEMORY_KEPT && strcmp(memory->files[i].name, name) == 0)
            return &memory->files[i];
    return NULL;
}
