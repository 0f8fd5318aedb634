/* xoshiro256** by Blackman and Vigna, seeded by SplitMix64 over the seed and a label. */
#include "lab.h"

static uint64_t split_mix(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void lab_random_init(lab_random *random, uint64_t seed, const char *label, uint64_t index) {
    uint64_t state = seed;
    for (; *label; label++) {
        state ^= (uint8_t)*label;
        state = split_mix(&state);
    }
    state ^= index * UINT64_C(0xd1342543de82ef95);
    for (int i = 0; i < 4; i++) random->state[i] = split_mix(&state);
}

static uint64_t rotate(uint64_t x, int bits) { return x << bits | x >> (64 - bits); }

uint64_t lab_random_next(lab_random *random) {
    uint64_t *const s = random->state;
    const uint64_t result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

/* The bias of a remainder is below limit / 2^64, far less than a run could show. */
uint64_t lab_random_below(lab_random *random, uint64_t limit) {
    return limit == 0 ? 0 : lab_random_next(random) % limit;
}

bool lab_random_chance(lab_random *random, double probability) {
    if (probability <= 0) return false;
    return (double)(lab_random_next(random) >> 11) * 0x1p-53 < probability;
}
