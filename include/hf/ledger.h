/* Ledgers: who holds what an engine has little of. For the person who asks why a connect failed, and
 * for the program that wants to know when to try again. */
#ifndef HF_LEDGER_H
#define HF_LEDGER_H

#include <hf/engine.h>
#include <hf/state.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Ports ---- */

/* The local ports that a connect to one destination can have (config.port_low to port_high; those
 * whose answers come to this shard). ports = free + all that are held. */
typedef struct hf_port_ledger {
    uint32_t ports;
    uint32_t free;                     /* now; pairs that TIME_WAIT would let go are counted in */
    uint32_t by_state[HF_STATE_COUNT]; /* held by connections */
    uint32_t by_handshake;             /* by handshakes of a listener */
    uint32_t by_time_wait;             /* and not to be had now (RFC 6191) */
    uint32_t by_fin_wait_2;            /* by orphans that wait for the peer's FIN */
    uint32_t by_listener;              /* ports on which we listen */
    hf_ns first_free_at_ns;            /* now if one is free; HF_NEVER if nobody can know */
} hf_port_ledger;

/* Counts the ports towards a destination, from a local address (any: as hf_connect would choose).
 * Walks the whole range: some milliseconds. HF_NO_ROUTE, HF_NO_ADDRESS. */
hf_err hf_port_ledger_get(const hf_engine *engine, const hf_addr *local, const hf_addr *remote,
                          uint16_t remote_port, hf_port_ledger *ret_ledger);

/* ---- TIME_WAIT ---- */

typedef struct hf_time_wait_family {
    uint32_t entries, used;
    uint32_t by_timestamps; /* of those used, what else guards the pair: */
    uint32_t by_isn;
    uint32_t unguarded;
    uint32_t fin_wait_2; /* no TIME_WAIT yet: orphans that wait for the peer's FIN */
    uint32_t
        cookies; /* no TIME_WAIT: what keeps a late ACK from opening a cookie's connection again */
} hf_time_wait_family;

/* How TIME_WAIT stands. An early exit makes room when the table is full: first pairs that timestamps
 * guard, then pairs that sequence numbers guard, and unguarded ones last. */
typedef struct hf_time_wait_status {
    hf_time_wait_family ip4, ip6;
    uint64_t ended;           /* after their whole time */
    uint64_t reused;          /* by a connect of ours or a SYN of the peer's (RFC 6191) */
    uint64_t early_guarded;   /* early exits that harm nobody */
    uint64_t early_unsafe;    /* and those that may: an old segment could be taken for a new one */
    hf_addr last_unsafe_peer; /* of the last unsafe one */
    uint16_t last_unsafe_peer_port, last_unsafe_local_port;
    hf_ns last_unsafe_at_ns, last_unsafe_age_ns; /* when, and how long the pair had been guarded */
    hf_ns next_end_at_ns;                        /* when the next entry's time is over; HF_NEVER */
} hf_time_wait_status;

void hf_time_wait_status_get(const hf_engine *engine, hf_time_wait_status *ret_status);

/* ---- Memory ---- */

/* Slots of the pools. */
typedef struct hf_resources {
    uint32_t conns, handshakes;
    uint32_t rx_chunks, tx_chunks; /* of config.chunk_bytes */
    uint32_t flights, segments, ranges;
} hf_resources;

/* What an engine has given out, and what it has in all. */
void hf_resources_get(const hf_engine *engine, hf_resources *ret_used, hf_resources *ret_all);

/* What one connection holds. Chunks that only a frame at a driver still holds are nobody's. */
hf_err hf_conn_resources_get(const hf_engine *engine, hf_conn conn, hf_resources *ret);

/* What the connections and handshakes of one peer hold: of an IPv4 address, or of an IPv6 /64. Walks
 * all of them. */
void hf_peer_resources_get(const hf_engine *engine, const hf_addr *peer, hf_resources *ret);

/* A row of the owners' table (config.owners), which is kept at every event: a peer (IPv4 /32, IPv6 /64), or OTHER,
 * row 0: peers that found no row. The rows' sums are the pools'. */
typedef struct hf_owner {
    hf_addr prefix; /* all zero: OTHER */
    uint32_t conns; /* ended ones too, until they are released */
    uint32_t rx_chunks, tx_chunks;
    uint32_t
        refused; /* handshakes and segments with data, for its share (config.owner_conns ...), since it
                         has the row */
} hf_owner;

/* Reads the next row that holds something, or OTHER; *row starts at 0. False after the last. */
bool hf_owner_next(const hf_engine *engine, uint32_t *row, hf_owner *ret_owner);

#ifdef __cplusplus
}
#endif
#endif
