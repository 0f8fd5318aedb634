/* Frames: what goes between the engine and a driver, in both directions, in batches.
 *
 * A frame is one link-layer frame (Ethernet interfaces) or one IP packet (IP interfaces), in parts:
 * the first part holds all headers, contiguous; payload follows in it or in further parts.
 *
 * A super-segment is a frame longer than the link's MTU whose payload is to be cut, or was merged,
 * in pieces of gso_bytes. Only an interface that declares offload gets or gives them.
 */
#ifndef HF_FRAME_H
#define HF_FRAME_H

#include <hf/cause.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Names a connection. A handle whose object was released is stale: every call refuses it
 * (HF_STALE). */
typedef struct hf_conn {
    uint32_t index, generation;
} hf_conn;

enum {
    HF_FRAME_NEEDS_CSUM = 1, /* sent: the driver (or who is behind it) completes the checksum that
                                starts at csum_start and lies at csum_start + csum_offset; the field
                                holds the folded pseudo-header sum. Received: same meaning, so the
                                sum is not checked. */
    HF_FRAME_CSUM_OK = 2,    /* received: somebody trusted has verified the transport checksum */
    HF_FRAME_GSO4 = 4,       /* super-segment of TCP over IPv4 */
    HF_FRAME_GSO6 = 8,       /* super-segment of TCP over IPv6 */
    HF_FRAME_ECN = 16        /* super-segment with CWR set in its first piece only */
};

/* The header part and up to 18 payload parts: 64 KiB in buffers of 4 KiB, unaligned. */
#define HF_FRAME_PARTS 19

typedef struct hf_part {
    const void *data;
    uint32_t bytes;
} hf_part;

typedef struct hf_frame {
    uint32_t interface;    /* index given by hf_interface_add */
    uint32_t flags;        /* HF_FRAME_* */
    uint16_t gso_bytes;    /* payload bytes of each piece; 0 if not a super-segment */
    uint16_t header_bytes; /* all headers, link to transport */
    uint16_t csum_start;   /* from the frame's start, with NEEDS_CSUM */
    uint16_t csum_offset;
    uint32_t total_bytes;
    uint32_t part_count;
    uint32_t token;    /* sent: give it to hf_tx_done */
    uint32_t frame_id; /* sent: the engine's count of frames; received: the caller's name for it.
                          Trace records carry it. */
    hf_cause cause;    /* sent: why it leaves */
    hf_conn conn;      /* sent: whose it is; index UINT32_MAX if no connection's */
    uint32_t cause_a, cause_b; /* sent: the cause's two numbers */
    hf_part parts[HF_FRAME_PARTS];
} hf_frame;

enum { HF_VERDICT_TOOK, HF_VERDICT_DROPPED, HF_VERDICT_ANSWERED };

/* What became of one received frame. */
typedef struct hf_verdict {
    uint8_t action; /* HF_VERDICT_*: took, dropped, or answered without a connection */
    hf_cause cause;
    hf_conn conn;  /* index UINT32_MAX if it met no connection */
    uint32_t a, b; /* the cause's two numbers */
} hf_verdict;

#ifdef __cplusplus
}
#endif
#endif
