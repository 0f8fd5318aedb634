/* Feeds every file of a directory to a fuzz target, without libFuzzer: so the ordinary test suite
 * replays the corpora with any compiler. A directory that is missing, or empty, fails. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include "fuzz.h"

static int fail(const char *path, const char *what) {
    fprintf(stderr, "replay: %s: %s\n", path, what);
    return 1;
}

/* Runs one file, from a malloc of exactly its size; 0 when it could be read. */
static int file_run(const char *path) {
    FILE *const file = fopen(path, "rb");
    if (file == NULL) return fail(path, "cannot be opened");
    static uint8_t room[1 << 20];
    const size_t bytes = fread(room, 1, sizeof room, file);
    const int bad = ferror(file) || !feof(file);
    fclose(file);
    if (bad) return fail(path, "cannot be read, or is larger than 1 MiB");
    uint8_t *const exact = malloc(bytes > 0 ? bytes : 1);
    if (exact == NULL) return fail(path, "no memory");
    memcpy(exact, room, bytes);
    LLVMFuzzerTestOneInput(exact, bytes);
    free(exact);
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 2) return fail("usage", "replay DIRECTORY");
    DIR *const directory = opendir(argv[1]);
    if (directory == NULL) return fail(argv[1], "is no directory");
    int count = 0, failures = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        failures += file_run(path);
        count++;
    }
    closedir(directory);
    if (count == 0) return fail(argv[1], "holds no input");
    printf("%d inputs\n", count);
    return failures > 0;
}
