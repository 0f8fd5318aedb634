/* Which causes the tests and scenarios hit: linked into the engine of builds with HF_CAUSE_MARKS, and only there.
 * The first time that a process counts a cause, the cause's name goes as one line to the end of the file that the
 * environment variable HF_CAUSES_HIT names. A line is written by one call, so that tests may run side by side, and
 * at once, so that a process that ends without ceremony has told. tools/causes says which are missing. */
#define _POSIX_C_SOURCE 200809L
#include <hf/cause.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const lines[HF_CAUSE_COUNT] = {
#define HF_CAUSE_ROW(name, rfc, sentence) #name "\n",
#include <hf/cause.def>
#undef HF_CAUSE_ROW
};

void hfi_cause_hit(hf_cause cause);

/* A file that cannot be written loses marks, which tools/causes then reports. */
static void mark(const char *file, const char *line) {
    const int out = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (out < 0) return;
    const ssize_t written = write(out, line, strlen(line));
    (void)written;
    close(out);
}

void hfi_cause_hit(hf_cause cause) {
    static bool seen[HF_CAUSE_COUNT];
    if (seen[cause]) return;
    seen[cause] = true;
    const char *const file = getenv("HF_CAUSES_HIT");
    if (file != NULL) mark(file, lines[cause]);
}
