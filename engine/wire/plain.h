/* The shape that nearly all segments have: IPv4 without options or fragments, TCP with ACK and perhaps PSH,
 * and no option but timestamps. It is read in one go, in a fifth of the instructions that the general
 * parsers take, which have to be asked about everything else and tell what is wrong with a packet. */
#ifndef HFI_WIRE_PLAIN_H
#define HFI_WIRE_PLAIN_H

#include "wire/ip.h"
#include "wire/tcp.h"

typedef struct hfi_plain {
    hf_addr source, destination;
    uint32_t segment_bytes; /* TCP header and payload */
    uint32_t pseudo_sum;
    uint8_t traffic_class, ttl;
} hfi_plain;

/* Reads a packet of which `available` bytes are contiguous and total_bytes are there. Borrows packet. False
 * if it has another shape, or is not sound, or loopback's addresses, which a wire must not bring. The
 * transport checksum is the caller's to verify. Without options->present the rest of *ret_tcp's options is
 * not written. */
bool hfi_plain_parse(const uint8_t *packet, uint32_t available, uint32_t total_bytes,
                     hfi_tcp_view *ret_tcp, hfi_plain *ret);

#endif
