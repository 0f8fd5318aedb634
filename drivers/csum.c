/* Checksums by AVX2, 32 bytes a step, and the choice of them.
 *
 * Per 1,460 bytes, both hot, beside the engine's portable loop as gcc 12 vectorises it for any x86-64:
 * bench/run prints what they cost here. The copy is fused with the sum, since the two apart cost nearly
 * twice as much. */
#include <hf/csum.h>

#include <string.h>

static const hf_csum portable = {"portable", hf_csum_add, hf_csum_copy};

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))
#define STEP_BYTES 64u

/* Below this the engine's own loop is as fast. */
#define SHORT_BYTES 128u

/* Four sums of 32-bit words in 64-bit lanes: they cannot overflow before 2^34 bytes. */
typedef struct lanes {
    __m256i even, odd;
} lanes;

AVX2 static inline void lanes_take(lanes *l, __m256i words) {
    l->even = _mm256_add_epi64(l->even, _mm256_and_si256(words, _mm256_set1_epi64x(0xffffffff)));
    l->odd = _mm256_add_epi64(l->odd, _mm256_srli_epi64(words, 32));
}

/* Folded, in network order, as the words were loaded in the machine's. */
AVX2 static inline uint32_t lanes_finish(const lanes *a, const lanes *b) {
    const __m256i all =
        _mm256_add_epi64(_mm256_add_epi64(a->even, a->odd), _mm256_add_epi64(b->even, b->odd));
    uint64_t lane[4];
    _mm256_storeu_si256((__m256i *)lane, all);
    uint64_t sum = lane[0] + lane[1] + lane[2] + lane[3];
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint32_t)((sum & 0xff) << 8 | sum >> 8);
}

AVX2 static uint32_t add_avx2(uint32_t sum, const void *data, size_t bytes) {
    if (bytes < SHORT_BYTES) return hf_csum_add(sum, data, bytes);
    const uint8_t *from = data;
    lanes a = {_mm256_setzero_si256(), _mm256_setzero_si256()}, b = a;
    size_t left = bytes;
    for (; left >= STEP_BYTES; left -= STEP_BYTES, from += STEP_BYTES) {
        lanes_take(&a, _mm256_loadu_si256((const __m256i *)(const void *)from));
        lanes_take(&b, _mm256_loadu_si256((const __m256i *)(const void *)(from + 32)));
    }
    if (left >= 32) {
        lanes_take(&a, _mm256_loadu_si256((const __m256i *)(const void *)from));
        from += 32, left -= 32;
    }
    return hf_csum_add(sum, from, left) + lanes_finish(&a, &b);
}

AVX2 static uint32_t copy_avx2(uint32_t sum, void *to, const void *data, size_t bytes) {
    if (bytes < SHORT_BYTES) return hf_csum_copy(sum, to, data, bytes);
    const uint8_t *from = data;
    uint8_t *out = to;
    lanes a = {_mm256_setzero_si256(), _mm256_setzero_si256()}, b = a;
    size_t left = bytes;
    for (; left >= STEP_BYTES; left -= STEP_BYTES, from += STEP_BYTES, out += STEP_BYTES) {
        const __m256i first = _mm256_loadu_si256((const __m256i *)(const void *)from);
        const __m256i second = _mm256_loadu_si256((const __m256i *)(const void *)(from + 32));
        _mm256_storeu_si256((__m256i *)(void *)out, first);
        _mm256_storeu_si256((__m256i *)(void *)(out + 32), second);
        lanes_take(&a, first);
        lanes_take(&b, second);
    }
    return hf_csum_copy(sum, out, from, left) + lanes_finish(&a, &b);
}

/* What a table promises: folded. */
static uint32_t folded(uint32_t sum) {
    sum = (sum & 0xffff) + (sum >> 16);
    return (sum & 0xffff) + (sum >> 16);
}

static uint32_t add_folded(uint32_t sum, const void *data, size_t bytes) {
    return folded(add_avx2(sum, data, bytes));
}

static uint32_t copy_folded(uint32_t sum, void *to, const void *data, size_t bytes) {
    return folded(copy_avx2(sum, to, data, bytes));
}

static const hf_csum avx2 = {"AVX2", add_folded, copy_folded};

const hf_csum *hf_csum_best(void) { return __builtin_cpu_supports("avx2") ? &avx2 : &portable; }

#else

const hf_csum *hf_csum_best(void) { return &portable; }

#endif
