#include <hf/os.h>

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

bool hf_seed_from_os(uint8_t ret_seed[32]) {
    uint8_t seed[32];
    size_t have_bytes = 0;
    while (have_bytes < sizeof seed) {
        const ssize_t got = getrandom(seed + have_bytes, sizeof seed - have_bytes, 0);
        if (got < 0 && errno != EINTR) return false;
        if (got > 0) have_bytes += (size_t)got;
    }
    memcpy(ret_seed, seed, sizeof seed);
    return true;
}

hf_ns hf_now_from_os(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (hf_ns)now.tv_sec * HF_SECOND + (hf_ns)now.tv_nsec;
}
