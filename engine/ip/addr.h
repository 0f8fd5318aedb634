/* What kind an address is; for this room. */
#ifndef HFI_IP_ADDR_H
#define HFI_IP_ADDR_H

#include "base/base.h"

static inline bool addr_is_multicast(const hf_addr *addr) {
    return hf_addr_is4(addr) ? (addr->bytes[12] & 0xf0) == 0xe0 : addr->bytes[0] == 0xff;
}

static inline bool addr_is_link_local6(const hf_addr *addr) {
    return addr->bytes[0] == 0xfe && (addr->bytes[1] & 0xc0) == 0x80;
}

static inline bool addr_is_loopback(const hf_addr *addr) {
    static const hf_addr one = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
    return hf_addr_is4(addr) ? addr->bytes[12] == 127 : hf_addr_equal(addr, &one);
}

#endif
