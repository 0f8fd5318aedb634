/* Explanations: the engine's integers turned into sentences. Host side: the engine never needs
 * this.
 *
 * Everything that tells a person about a connection (the lab, a packet's comment in a capture, a
 * verdict on a kernel's socket) asks here, so that one thing has one name and one sentence.
 *
 * Functions that write text copy it to `to`, at most size - 1 characters and a 0, and return the
 * length that the whole text has, as snprintf does.
 */
#ifndef HF_EXPLAIN_H
#define HF_EXPLAIN_H

#include <hf/config.h>
#include <hf/tcp.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Names: as in the .def files, without prefix. A value beyond the list is named "UNKNOWN".
 * ---- */

const char *hf_cause_name(hf_cause cause);
const char *hf_cause_reference(hf_cause cause); /* "RFC 9293 3.5", "detect_within" or "" */
const char *hf_err_name(hf_err err);
const char *hf_err_sentence(hf_err err);
const char *hf_trace_name(hf_trace_event event);
const char *hf_quirk_name(uint32_t quirk);     /* one HF_QUIRK_* bit */
const char *hf_quirk_sentence(uint32_t quirk); /* what it does and who does it */
const char *hf_event_name(uint32_t bit);       /* one HF_EVENT_* bit, "CONNECTED" */

/* The other way; false if nothing has that name. `prefix` ("END_", "BY_", "") is put before the
 * name. */
bool hf_cause_by_name(const char *prefix, const char *name, hf_cause *ret_cause);
bool hf_quirk_by_name(const char *name, uint32_t *ret_quirk);

/* ---- Words ---- */

/* A duration for people: "200 ms", "4.89 s", "15 min 39 s", "2 h", "never". */
size_t hf_explain_duration(hf_ns duration_ns, char *to, size_t size);

/* A count with its thousands set off: "1,048,576". */
size_t hf_explain_count(uint64_t count, char *to, size_t size);

/* "1 byte", "1,448 bytes". */
size_t hf_explain_bytes(uint64_t bytes, char *to, size_t size);

/* The cause's sentence with its two numbers filled in. */
size_t hf_explain_cause(hf_cause cause, uint64_t a, uint64_t b, char *to, size_t size);

/* One trace record as a sentence. */
size_t hf_explain_record(const hf_trace_record *record, char *to, size_t size);

/* Why a connection ended and what became of its bytes, two or three sentences. */
size_t hf_explain_end(const hf_end *end, char *to, size_t size);

/* What keeps a connection from sending, and where its time went if it keeps books. */
size_t hf_explain_why(const hf_not_sending *why, char *to, size_t size);

/* An address as RFC 5952 writes it (without its zone). */
size_t hf_explain_addr(const hf_addr *addr, char *to, size_t size);

/* ---- Packets ---- */

typedef enum hf_packet_kind {
    HF_PACKET_OTHER, /* not IP, or a transport protocol that is not spoken here */
    HF_PACKET_TCP,
    HF_PACKET_UDP,
    HF_PACKET_ICMP4,
    HF_PACKET_ICMP6,
    HF_PACKET_ARP,
    HF_PACKET_FRAGMENT, /* a later piece of an IP packet */
    HF_PACKET_BROKEN    /* shorter than its own headers say */
} hf_packet_kind;

enum {
    HF_TCP_FIN = 1,
    HF_TCP_SYN = 2,
    HF_TCP_RST = 4,
    HF_TCP_PSH = 8,
    HF_TCP_ACK = 16,
    HF_TCP_URG = 32,
    HF_TCP_ECE = 64,
    HF_TCP_CWR = 128
};

/* What the headers of one packet say, in host order. */
typedef struct hf_packet {
    hf_packet_kind kind;
    hf_addr source, destination;
    uint16_t source_port, destination_port;
    uint32_t payload_bytes; /* of the transport */
    uint32_t seq, ack;
    uint16_t window; /* as on the wire, not scaled */
    uint8_t flags;   /* HF_TCP_* */
    uint8_t sack_count;
    uint16_t mss;      /* 0: no such option */
    int8_t scale;      /* window scale of a SYN; -1: no such option */
    bool sack_allowed; /* SACK permitted */
    bool timestamps;
    uint32_t ts_value, ts_echo;
    uint32_t sack[4][2];
    uint8_t icmp_type, icmp_code;
    uint16_t arp_operation;
} hf_packet;

/* Reads one Ethernet frame (`ethernet`) or IP packet of which `captured` bytes are at hand and
 * `total` were on the wire. Never fails: what cannot be read is OTHER or BROKEN. */
void hf_packet_parse(const void *bytes, size_t captured, size_t total, bool ethernet,
                     hf_packet *ret_packet);

/* Remembers first sequence numbers and window scales, so that packets can be told with relative
 * numbers as people read them. All zero to begin with; the oldest of HF_FLOWS directions makes way.
 */
enum { HF_FLOWS = 256 };

typedef struct hf_flow_start {
    hf_addr source, destination;
    uint16_t source_port, destination_port;
    uint32_t isn;
    int8_t scale;
    bool known;
} hf_flow_start;

typedef struct hf_flows {
    hf_flow_start start[HF_FLOWS];
    uint32_t next;
} hf_flows;

/* A packet was seen: call for each, in order, before asking for its line. */
void hf_flows_see(hf_flows *flows, const hf_packet *packet);

/* Relative sequence and acknowledgment numbers and the scaled window. Absolute where no SYN was
 * seen. */
void hf_flows_relative(const hf_flows *flows, const hf_packet *packet, uint32_t *ret_seq,
                       uint32_t *ret_ack, uint32_t *ret_window);

/* The flags in words: "SYN ACK". */
size_t hf_packet_flags(const hf_packet *packet, char *to, size_t size);

/* A few words for an arrow: "PSH ACK seq 1 len 20". flows may be NULL. */
size_t hf_packet_label(const hf_packet *packet, const hf_flows *flows, char *to, size_t size);

/* The whole packet in one line: "10.0.1.1:40001 > 10.0.1.2:7000 PSH ACK seq 1 ack 1 win 65,535 len
 * 20". */
size_t hf_packet_line(const hf_packet *packet, const hf_flows *flows, char *to, size_t size);

#ifdef __cplusplus
}
#endif
#endif
