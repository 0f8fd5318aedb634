/* TCP segments, RFC 9293 3.1, with the options of RFC 7323, RFC 2018 and RFC 5482: view, parse,
 * build.
 *
 * The parser reads what is there and judges only what no state of any connection could make right.
 * It does not verify the checksum (whoever holds the parts of the payload does), and it reports an
 * MSS, a window scale or SACK-permitted on any segment: they mean something on a SYN only, and the
 * caller heeds them there only.
 *
 * Option lengths, RFC 9293 3.1 MUST-7: a length below 2, beyond the header, or wrong for MSS,
 * window scale, SACK-permitted, timestamps or user timeout drops the segment and leaves the
 * connection alone. The reset that the RFC suggests would let anyone who can guess a port and a
 * place in the window end a connection; a quirk obeys (tcp/steps.c). SACK with a length that is no number of blocks is ignored, unknown kinds are stepped
 * over, the first of two equal options counts. The walk takes at most 40 steps, since each consumes
 * at least one of 40 bytes. */
#ifndef HFI_WIRE_TCP_H
#define HFI_WIRE_TCP_H

#include <hf/cause.h>
#include "wire/csum.h"

#define HFI_TCP_BYTES 20
#define HFI_TCP_BYTES_MAX 60
#define HFI_TCP_OPTION_BYTES_MAX 40
#define HFI_TCP_CSUM_OFFSET 16
#define HFI_TCP_WSCALE_MAX 14 /* RFC 7323 2.3: more is taken as this. */
#define HFI_TCP_SACK_MAX 4    /* 2 + 4 * 8 bytes is what fits into 40. */

#define HFI_TCP_FIN 0x01
#define HFI_TCP_SYN 0x02
#define HFI_TCP_RST 0x04
#define HFI_TCP_PSH 0x08
#define HFI_TCP_ACK 0x10
#define HFI_TCP_URG 0x20
#define HFI_TCP_ECE 0x40
#define HFI_TCP_CWR 0x80

typedef struct hfi_sack_block {
    hf_seq start, end;
} hfi_sack_block;

enum {
    HFI_OPT_MSS = 1,
    HFI_OPT_WSCALE = 2,
    HFI_OPT_SACK_PERMITTED = 4,
    HFI_OPT_TIMESTAMPS = 8,
    HFI_OPT_SACK = 16,
    HFI_OPT_USER_TIMEOUT = 32
};

typedef struct hfi_tcp_options {
    uint8_t present; /* HFI_OPT_ bits; a field below means something where its bit is set. */
    uint8_t wscale;
    uint8_t sack_count;
    uint16_t mss;          /* As received: 0 and other nonsense included. */
    uint16_t user_timeout; /* As on the wire: the granularity bit, then 15 bits (RFC 5482 3). */
    uint32_t ts_value, ts_echo;
    hfi_sack_block sack[HFI_TCP_SACK_MAX]; /* As received: reversed and empty blocks included. */
} hfi_tcp_options;

typedef struct hfi_tcp_view {
    uint16_t source_port, destination_port;
    hf_seq seq, ack;
    uint16_t window;
    uint16_t urgent;
    uint8_t flags;
    uint8_t header_bytes;
    uint32_t payload_bytes;
    hfi_tcp_options options;
} hfi_tcp_view;

/* Reads the header of a segment of segment_bytes bytes, of which header_available are contiguous.
 * Borrows segment. Returns DROP_TRUNCATED, DROP_TCP_HEADER (data offset), DROP_TCP_PORT_ZERO,
 * DROP_TCP_FLAGS (SYN with FIN or RST; none of SYN, RST, FIN, ACK) or DROP_TCP_OPTION. */
hf_cause hfi_tcp_parse(const uint8_t *segment, uint32_t header_available, uint32_t segment_bytes,
                       hfi_tcp_view *ret);

/* The same, but for the options, which stay unread: who resets for a bad one must know whom. */
hf_cause hfi_tcp_parse_header(const uint8_t *segment, uint32_t header_available,
                              uint32_t segment_bytes, hfi_tcp_view *ret);

/* Writes the header with the options that view->options.present names, and a zero checksum field,
 * into at most HFI_TCP_BYTES_MAX bytes; returns how many. header_bytes and payload_bytes of the
 * view are not read. Options are padded with NOPs, so that 32-bit fields lie at multiples of 4 in
 * the order that common stacks use; SACK blocks that do not fit are left out, the last first. */
uint32_t hfi_tcp_build(uint8_t *to, const hfi_tcp_view *view);

/* SEG.LEN, RFC 9293 3.3.1: the sequence numbers that a segment takes. */
static inline uint32_t hfi_tcp_seq_bytes(const hfi_tcp_view *view) {
    return view->payload_bytes + ((view->flags & HFI_TCP_SYN) != 0) +
           ((view->flags & HFI_TCP_FIN) != 0);
}

#endif
