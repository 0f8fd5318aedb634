/* What the targets of the whole engine share: the input read as numbers, an engine in memory of its
 * own, checksums and a digest of what leaves. */
#ifndef HF_FUZZ_PROGRAM_H
#define HF_FUZZ_PROGRAM_H

#include "check.h"
#include "wire/csum.h"
#include "wire/ip.h"
#include "wire/tcp.h"

/* The input, taken byte by byte; zeros after its end. */
typedef struct program {
    const uint8_t *data;
    size_t left;
} program;

static inline uint8_t take8(program *p) {
    if (p->left == 0) return 0;
    p->left--;
    return *p->data++;
}
static inline uint16_t take16(program *p) {
    const uint8_t high = take8(p);
    return (uint16_t)(high << 8 | take8(p));
}
static inline uint32_t take32(program *p) {
    const uint32_t high = take16(p);
    return high << 16 | take16(p);
}

/* An engine and the memory that it lies in, which can be moved. */
typedef struct plant {
    hf_engine engine;
    hf_memory memory;
    uint8_t *block, *data;
} plant;

static inline void *plant_memory(size_t bytes) {
    void *const memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (memory == NULL) abort();
    memset(memory, 0xd5, bytes); /* nothing relies on zeros */
    return memory;
}

static inline void plant_begin(plant *p, const hf_config *config, hf_ns now_ns) {
    p->memory = hf_engine_bytes(config);
    p->block = plant_memory(p->memory.block_bytes);
    p->data = plant_memory(p->memory.data_bytes);
    FUZZ_CHECK(hf_engine_init(&p->engine, config, p->block, p->memory.block_bytes, p->data,
                              p->memory.data_bytes, now_ns) == HF_OK);
}

static inline void plant_end(plant *p) {
    free(p->block);
    free(p->data);
}

/* Copies everything to another address and spoils the old: what still points there is seen. */
static inline void plant_move(plant *p) {
    uint8_t *const block = plant_memory(p->memory.block_bytes);
    uint8_t *const data = plant_memory(p->memory.data_bytes);
    memcpy(block, p->block, p->memory.block_bytes);
    memcpy(data, p->data, p->memory.data_bytes);
    plant_end(p);
    p->block = block;
    p->data = data;
    memset(&p->engine, 0x5d, sizeof p->engine);
    FUZZ_CHECK(hf_engine_attach(&p->engine, block, data, NULL, NULL) == HF_OK);
}

/* FNV-1a, 64 bits: equal runs have equal digests. */
static inline uint64_t digest_add(uint64_t digest, const void *data, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        digest = (digest ^ ((const uint8_t *)data)[i]) * UINT64_C(0x100000001b3);
    return digest;
}

/* Writes an IP packet around a TCP segment whose payload are the stream's bytes; returns its
 * length. */
static inline uint32_t packet_build(uint8_t *to, const hf_addr *from, const hf_addr *dest,
                                    const hfi_tcp_view *view) {
    uint8_t header[HFI_TCP_BYTES_MAX];
    const uint32_t tcp_bytes = hfi_tcp_build(header, view);
    const uint32_t segment = tcp_bytes + view->payload_bytes;
    const uint32_t ip = hf_addr_is4(dest)
                            ? hfi_ip4_build(to, from, dest, HFI_IP_TCP, 64, 0, 7, true, segment)
                            : hfi_ip6_build(to, from, dest, HFI_IP_TCP, 64, 0, 0, segment);
    memcpy(to + ip, header, tcp_bytes);
    const uint32_t first = view->seq + ((view->flags & HFI_TCP_SYN) != 0);
    for (uint32_t i = 0; i < view->payload_bytes; i++)
        to[ip + tcp_bytes + i] = check_byte(first + i);
    hfi_csum_store(to + ip + HFI_TCP_CSUM_OFFSET,
                   hfi_ip_pseudo_sum(from, dest, HFI_IP_TCP, segment) +
                       hfi_csum_add(0, to + ip, segment));
    return ip + segment;
}

#endif
