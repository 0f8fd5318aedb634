/* What an engine is made of: sizes, limits, quirks. Everything is set before hf_engine_init and
 * then fixed. */
#ifndef HF_CONFIG_H
#define HF_CONFIG_H

#include <hf/base.h>
#include <hf/csum.h>
#include <hf/trace.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Named behaviours of other stacks, for predicting them, and of the RFCs where Holdfast departs from
 * them; `holdfast` sets none. See quirk.def. */
enum {
#define HF_QUIRK_ROW(name, bit, what) HF_QUIRK_##name = 1 << (bit),
#include <hf/quirk.def>
#undef HF_QUIRK_ROW
    HF_QUIRK_NONE = 0
};

/* The numbers of a profile. Instants are waits in nanoseconds; counts are retransmissions. */
typedef struct hf_limits {
    hf_ns rto_initial_ns; /* before the first RTT sample (RFC 6298 2.1) */
    hf_ns rto_min_ns; /* departs from RFC 6298 2.4's 1 s in every profile but `rfc`, as all do */
    hf_ns rto_max_ns; /* RFC 6298 2.5: at least 60 s */
    hf_ns rto_variance_min_ns; /* floor of the 4*RTTVAR term; Linux keeps 200 ms there */
    hf_ns delayed_ack_ns;      /* below 500 ms, RFC 9293 MUST-40 */
    hf_ns msl2_ns;             /* TIME_WAIT: twice the maximum segment lifetime */
    hf_ns fin_wait_2_ns;       /* FIN_WAIT_2 that nobody owns */
    hf_ns orphan_ns;           /* LAST_ACK, CLOSING, FIN_WAIT_1 that nobody owns */
    hf_ns persist_max_ns;      /* longest wait between window probes */
    uint32_t retransmit_limit; /* R2, RFC 9293 MUST-20 */
    uint32_t retransmit_warn;  /* R1 */
    uint32_t persist_limit;    /* unanswered window probes */
    uint32_t orphan_attempts;  /* of a connection that nobody owns, either kind; 0: as any other */
    uint32_t syn_limit;        /* SYN retransmissions: at least 3 minutes, MUST-23 */
    uint32_t syn_linear;       /* how many of them come without back-off (Linux: 4) */
    uint32_t syn_ack_limit;
    uint32_t initial_window_segs; /* RFC 6928 */
    uint32_t duplicate_threshold; /* RFC 5681: 3 */
    uint32_t
        conn_pool_with_time_wait; /* 0, or the sockets in all, TIME_WAIT included (profile small) */
    uint8_t congestion;           /* hf_congestion of connections that ask for none (MAY-18) */
    uint8_t ecn;                  /* hf_ecn, likewise (SHLD-8) */
    uint32_t
        rack; /* 1: losses are found by time (RFC 8985), 0: by counting duplicates (RFC 6675) */
    hf_ns tlp_ack_delay_ns; /* longest delay of an ACK for one segment, RFC 8985 7.2 */
    uint32_t
        buffer_bytes; /* either buffer of a connection, to begin with, if its options name none */
    uint32_t send_bytes_most, receive_bytes_most; /* and to what it may grow */
    uint32_t plpmtud; /* 1: the path's MTU is found without ICMP, too (RFC 4821, RFC 8899) */
} hf_limits;

/* What a full TIME_WAIT table means for connects of our own. EVICT: nothing; entries leave early, in
 * the order of harm, and each unsafe exit is counted. REFUSE_CONNECT: a connect is refused
 * (HF_TIME_WAIT_FULL) while the entries in use and the connections that may need one are as many as
 * the table has, so that no connect of ours makes an entry leave early. */
typedef enum hf_tw_full { HF_TW_EVICT, HF_TW_REFUSE_CONNECT } hf_tw_full;

typedef struct hf_config {
    uint8_t seed[32]; /* from a real random source; all zero is refused */
    bool lab_seed;    /* lab only: an all-zero seed is accepted */

    /* Sizes: slots in the block. docs/MEMORY.md gives the bytes of each. */
    uint32_t conns;
    uint32_t listeners;
    uint32_t syn_entries; /* handshakes in progress, all listeners together */
    uint32_t time_wait;   /* TIME_WAIT entries of IPv4 pairs */
    uint32_t time_wait6;  /* and of IPv6 pairs */
    hf_tw_full tw_full;
    uint32_t flights;     /* connections that may have data in flight at once */
    uint32_t watches;     /* connections with progress_within and its like, in use or doubted */
    uint32_t segments;    /* segment descriptors, 32 bytes each */
    uint32_t ranges;      /* out-of-order ranges, 16 bytes each */
    uint32_t option_sets; /* distinct hf_tcp_options in use at once */
    uint32_t interfaces;
    uint32_t addresses;
    uint32_t routes;
    uint32_t neighbors;
    uint32_t paths; /* destinations remembered */
    uint32_t udp_sockets;
    uint32_t udp_buffers;      /* of 1,024 bytes, for received datagrams of all sockets together */
    uint32_t tx_frames;        /* frames made and not yet done by the driver */
    uint32_t reassembly;       /* incomplete IP packets at once; 0: fragments are dropped */
    uint32_t reassembly_bytes; /* largest payload put together, 1,280 to 65,528; kept for each */

    uint32_t owners; /* peers that are counted apart (hf/ledger.h): a multiple of 4 */
    /* Shares: the most that one owner may hold; 0: any number. A handshake beyond owner_conns is answered
     * by RST; hf_connect is not refused, but counts. While connections are scarce (the last sixteenth),
     * the owner that holds most gets none. Data beyond owner_rx_chunks is dropped, and its window opens no
     * further; hf_send takes nothing beyond owner_tx_chunks. */
    uint32_t owner_conns, owner_rx_chunks, owner_tx_chunks;
    uint32_t other_shares; /* how many shares those together may hold that found no row */
    uint32_t end_records;  /* ends kept for hf_end_next; the oldest is overwritten */
    uint32_t
        end_budget; /* ended connections that wait for hf_release; the oldest beyond is taken */

    /* Data: a region of its own, in buffers of chunk_bytes (a power of two, 256 to 65,536). */
    uint32_t chunk_bytes;
    uint32_t rx_chunks;
    uint32_t tx_chunks;

    hf_limits limits;
    uint32_t quirks;              /* HF_QUIRK_* */
    hf_ns max_gap_ns;             /* a longer jump of time re-bases silence (CLOCK_GAP) */
    uint32_t timer_budget;        /* expirations a step */
    uint16_t port_low, port_high; /* ephemeral ports, both included */
    uint32_t shard_index, shard_count;
    hf_trace *trace;     /* links; NULL for none */
    const hf_csum *csum; /* links; NULL for the engine's own routines (hf/csum.h) */
} hf_config;

/* Fills every setting for a middling host (1,024 connections, 8 MiB of data) under profile
 * `holdfast`. */
void hf_config_default(hf_config *config);

/* Sets limits and quirks by a profile's name: "holdfast", "linux", "rfc", "small" or "rst_on_full".
 * HF_ARGUMENT if there is none of that name. Sizes stay, but for `small`. */
hf_err hf_config_profile(hf_config *config, const char *name);

/* The name of the first setting that is out of range, with what to do, or NULL if all are good. */
const char *hf_config_problem(const hf_config *config);

#ifdef __cplusplus
}
#endif
#endif
