/* Which seeds a sweep runs, and which part of them on this machine. */
#include "cli/cli.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool read_two(const char *value, char between, unsigned long long *ret_first,
                     unsigned long long *ret_second) {
    char *end;
    if (value[0] < '0' || value[0] > '9') return false;
    errno = 0;
    *ret_first = strtoull(value, &end, 10);
    if (*end != between || end[1] < '0' || end[1] > '9') return false;
    *ret_second = strtoull(end + 1, &end, 10);
    return *end == 0 && errno == 0;
}

bool cli_sweep_read(cli_sweep *sweep, const char *option, const char *value) {
    unsigned long long first, second;
    const bool seeds = strcmp(option, "--seeds") == 0;
    if (!read_two(value, seeds ? '-' : '/', &first, &second)) return false;
    if (sweep->count == 0) sweep->count = 1;
    if (!seeds) {
        sweep->index = first;
        sweep->count = second;
        return first < second;
    }
    sweep->first = first;
    sweep->last = second;
    return first <= second && second > 0;
}
