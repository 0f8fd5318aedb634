/* Network order at any address. The only place where the engine turns bytes of a packet into
 * numbers and back, besides the header structs of this room, which are made of hf_be16 and hf_be32.
 *
 * Headers are seen through structs whose members are bytes, so that any address will do: a packet
 * that follows a 14-byte Ethernet header is aligned to nothing. */
#ifndef HFI_WIRE_BYTES_H
#define HFI_WIRE_BYTES_H

#include "base/base.h"

static inline uint16_t hfi_load16(const uint8_t *at) {
    return hfi_get16((hf_be16){{at[0], at[1]}});
}

static inline uint32_t hfi_load32(const uint8_t *at) {
    return hfi_get32((hf_be32){{at[0], at[1], at[2], at[3]}});
}

static inline void hfi_store16(uint8_t *at, uint16_t v) {
    at[0] = (uint8_t)(v >> 8);
    at[1] = (uint8_t)v;
}

static inline void hfi_store32(uint8_t *at, uint32_t v) {
    hfi_store16(at, (uint16_t)(v >> 16));
    hfi_store16(at + 2, (uint16_t)v);
}

/* The address in 4 bytes of a packet, in its mapped form, and back. */
static inline hf_addr hfi_load_addr4(const uint8_t *at) {
    return hf_addr4(at[0], at[1], at[2], at[3]);
}

static inline void hfi_store_addr4(uint8_t *at, const hf_addr *addr) {
    __builtin_memcpy(at, addr->bytes + 12, 4);
}

static inline hf_addr hfi_load_addr6(const uint8_t *at) {
    hf_addr addr;
    __builtin_memcpy(addr.bytes, at, 16);
    return addr;
}

static inline void hfi_store_addr6(uint8_t *at, const hf_addr *addr) {
    __builtin_memcpy(at, addr->bytes, 16);
}

#endif
