/* UDP, RFC 768: view, parse, build. */
#ifndef HFI_WIRE_UDP_H
#define HFI_WIRE_UDP_H

#include <hf/cause.h>
#include "wire/csum.h"

#define HFI_UDP_BYTES 8
#define HFI_UDP_CSUM_OFFSET 6

typedef struct hfi_udp_view {
    uint16_t source_port, destination_port;
    uint16_t checksum; /* 0: none was made, which only IPv4 allows (RFC 8200 8.1). */
    uint32_t payload_bytes;
} hfi_udp_view;

struct hfi_udp {
    hf_be16 source_port;
    hf_be16 destination_port;
    hf_be16 datagram_bytes;
    hf_be16 checksum;
};
_Static_assert(sizeof(struct hfi_udp) == HFI_UDP_BYTES, "as on the wire");

/* Reads the header of a datagram that IP says has `datagram_bytes` bytes, of which header_available
 * are contiguous. Its own length may be less (RFC 768: then it wins), not more. Borrows datagram.
 * DROP_TRUNCATED or DROP_UDP_HEADER. The checksum is the caller's to verify. */
static inline hf_cause hfi_udp_parse(const uint8_t *datagram, uint32_t header_available,
                                     uint32_t datagram_bytes, hfi_udp_view *ret) {
    if (hfi_min32(header_available, datagram_bytes) < HFI_UDP_BYTES) return HF_CAUSE_DROP_TRUNCATED;
    const struct hfi_udp *const udp = (const void *)datagram;
    const uint32_t bytes = hfi_get16(udp->datagram_bytes);
    if (bytes < HFI_UDP_BYTES || bytes > datagram_bytes) return HF_CAUSE_DROP_UDP_HEADER;
    *ret = (hfi_udp_view){hfi_get16(udp->source_port), hfi_get16(udp->destination_port),
                          hfi_get16(udp->checksum), bytes - HFI_UDP_BYTES};
    return HF_CAUSE_NONE;
}

/* Writes a header with a zero checksum field and returns HFI_UDP_BYTES. payload_bytes is at most
 * 65,527. */
static inline uint32_t hfi_udp_build(uint8_t *to, uint16_t source_port, uint16_t destination_port,
                                     uint32_t payload_bytes) {
    HF_ASSERT(payload_bytes <= 65535 - HFI_UDP_BYTES);
    struct hfi_udp *const udp = (void *)to;
    *udp = (struct hfi_udp){hfi_put16(source_port), hfi_put16(destination_port),
                            hfi_put16((uint16_t)(HFI_UDP_BYTES + payload_bytes)), hfi_put16(0)};
    return HFI_UDP_BYTES;
}

/* Stores the checksum of the datagram at `header`, given the sum of pseudo-header, header and
 * payload. A computed 0 is sent as 0xffff, since 0 means none. */
static inline void hfi_udp_csum_store(uint8_t *header, uint32_t sum) {
    const uint16_t checksum = (uint16_t)~hfi_csum_fold(sum);
    hfi_store16(header + HFI_UDP_CSUM_OFFSET, checksum == 0 ? 0xffff : checksum);
}

#endif
