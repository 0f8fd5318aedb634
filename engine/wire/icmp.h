/* ICMP (RFC 792) and ICMPv6 (RFC 4443): echo and errors. Neighbour discovery is in nd.h.
 *
 * An error quotes the packet that it is about: its IP header and at least the first 8 bytes after
 * it, which hold the ports and, for TCP, the sequence number. That is all that is read of it, and
 * all that can show that the sender of the error saw a packet of ours (RFC 5927 4.1). The checksum
 * is the caller's to verify, over the message for IPv4 and with the pseudo-header for IPv6. */
#ifndef HFI_WIRE_ICMP_H
#define HFI_WIRE_ICMP_H

#include "wire/ip.h"

#define HFI_ICMP_BYTES 8
#define HFI_ICMP_CSUM_OFFSET 2

enum {
    HFI_ICMP4_ECHO_REPLY = 0,
    HFI_ICMP4_UNREACHABLE = 3,
    HFI_ICMP4_SOURCE_QUENCH = 4,
    HFI_ICMP4_REDIRECT = 5,
    HFI_ICMP4_ECHO_REQUEST = 8,
    HFI_ICMP4_TIME_EXCEEDED = 11,
    HFI_ICMP4_PARAMETER_PROBLEM = 12
};
enum { HFI_ICMP4_CODE_PORT = 3, HFI_ICMP4_CODE_FRAGMENTATION_NEEDED = 4 };

enum {
    HFI_ICMP6_UNREACHABLE = 1,
    HFI_ICMP6_TOO_BIG = 2,
    HFI_ICMP6_TIME_EXCEEDED = 3,
    HFI_ICMP6_PARAMETER_PROBLEM = 4,
    HFI_ICMP6_ECHO_REQUEST = 128,
    HFI_ICMP6_ECHO_REPLY = 129
};
enum { HFI_ICMP6_CODE_PORT = 4 };

/* An error goes back in a packet of at most these bytes (RFC 1812 4.3.2.3, RFC 4443 2.4 c). */
#define HFI_ICMP4_PACKET_MAX 576
#define HFI_ICMP6_PACKET_MAX 1280
#define HFI_ICMP_ERROR_BYTES_MAX (HFI_ICMP6_PACKET_MAX - HFI_IP6_BYTES)

typedef struct hfi_icmp_quote {
    hf_addr source,
        destination; /* Of the quoted packet: source is its sender, ours if it was ours. */
    uint8_t protocol;
    bool has_transport; /* False for a fragment that is not the first: the three below are 0. */
    uint16_t source_port, destination_port;
    hf_seq seq; /* The second four bytes of the transport header; TCP's sequence number. */
} hfi_icmp_quote;

typedef struct hfi_icmp_view {
    uint8_t version; /* 4 or 6. */
    uint8_t type;
    uint8_t code;
    bool is_error; /* Quotes a packet: `quoted` is filled. */
    uint32_t rest; /* Echo: id and sequence. Too big: the MTU (IPv4: its low 16 bits). */
    uint32_t payload_bytes;
    hfi_icmp_quote quoted;
} hfi_icmp_view;

/* Reads a message that came in a packet of IP version `version`. Borrows message. Returns
 * DROP_TRUNCATED below 8 bytes, DROP_ICMP_HEADER for an error whose quote is cut short or is of the
 * other version, or DROP_ICMP_UNKNOWN for an ICMPv6 error type that does not exist yet. */
hf_cause hfi_icmp_parse(const uint8_t *message, uint32_t header_available, uint32_t message_bytes,
                        uint8_t version, hfi_icmp_view *ret);

/* True for a type that quotes a packet, and must never be answered with an error itself. */
bool hfi_icmp_is_error(uint8_t version, uint8_t type);

/* Writes the reply to an echo request of request_bytes contiguous bytes (8 at least), checksum
 * included, and returns its bytes, which are as many. `to` may be the request itself. src and dst
 * are the reply's. */
uint32_t hfi_icmp_echo_reply_build(uint8_t *to, const hf_addr *src, const hf_addr *dst,
                                   const uint8_t *request, uint32_t request_bytes);

/* Writes "destination unreachable: port", quoting as much as is allowed of the packet (from its IP
 * header on) that found no socket, checksum included; returns its bytes, at most
 * HFI_ICMP_ERROR_BYTES_MAX. src and dst are the error's, and dst is the packet's source. Borrows
 * packet, which does not overlap `to`. */
uint32_t hfi_icmp_port_unreachable_build(uint8_t *to, const hf_addr *src, const hf_addr *dst,
                                         const uint8_t *packet, uint32_t packet_bytes);

#endif
