/* udp: sockets and their received datagrams (RFC 768, RFC 1122 4.1).
 *
 * A socket is found by its port, in a chain per port hash; one bound to the destination address
 * wins over one bound to all. Received datagrams wait in buffers of HFI_UDP_BUFFER_BYTES from one
 * pool:
 *
 *     socket -> [hfi_datagram | data ] -> [ data ]      first datagram, two buffers
 *                    | next
 *                    v
 *               [hfi_datagram | data ]                  second datagram, one buffer
 *
 * A socket may hold as many buffers as are free, no more (a share that adapts: alone a socket gets
 * half of the pool, a flooded one always leaves as much to the others). A datagram that does not
 * fit whole is dropped whole.
 *
 * Cost: 72 bytes a socket with its links, 1,028 a buffer: 64 sockets and 256 buffers take 268 KB.
 *
 * Left out: connected sockets (so ICMP errors are not handed to anyone), multicast groups, sending
 * of fragments.
 */
#ifndef HFI_UDP_H
#define HFI_UDP_H

#include "base/hash.h"
#include "base/pool.h"
#include "wire/ip.h"
#include "wire/udp.h"
#include <hf/udp.h>

#define HFI_UDP_BUFFER_BYTES 1024u

/* In the block. */
typedef struct hfi_udp_socket {
    hf_addr local;        /* any: all addresses */
    uint32_t local_index; /* the address's index, held; HFI_NONE for all */
    uint32_t generation;
    uint16_t port;
    uint16_t events; /* HF_EVENT_* not yet told */
    bool used, in_ready;
    hfi_index ready_next;
    hfi_index hash_next;
    hfi_index first, last; /* datagrams, oldest first: the index of the first buffer of each */
    uint32_t buffers;
} hfi_udp_socket;

/* At the start of a datagram's first buffer. In the block. */
typedef struct hfi_datagram {
    hf_addr from;
    uint32_t bytes;
    hfi_index next; /* the next datagram's first buffer */
    uint16_t port;
} hfi_datagram;

/* In the block. */
typedef struct hfi_udp_state {
    hfi_pool sockets, buffers;
    hfi_key key;
    uint64_t draws;
    uint16_t port_low, port_high;
    hfi_index ready_first, ready_last; /* sockets with events, each listed once */
} hfi_udp_state;

typedef struct hfi_udp_table {
    hfi_udp_state *state;
    hfi_udp_socket *sockets;
    hfi_index *socket_next; /* free list */
    hfi_index *heads;
    hfi_index *buffer_next; /* the next buffer of the datagram, or of the free list */
    uint8_t *buffers;
    uint32_t head_mask;
} hfi_udp_table;

size_t hfi_udp_bytes(const hf_config *config);
void hfi_udp_attach(hfi_udp_table *table, void *mem, const hf_config *config);
void hfi_udp_init(hfi_udp_table *table, const hf_config *config);

/* Opens a socket; port 0 chooses one (RFC 6056 3.3.1: at random). HF_NO_SOCKET_SLOT, HF_PORT_IN_USE
 * (the same port, and the same address or one of the two is for all), HF_NO_PORT. */
hf_err hfi_udp_socket_open(hfi_udp_table *table, const hf_addr *local, uint32_t local_index,
                           uint16_t port, hf_udp *ret_udp);

/* The socket of a handle, or NULL if it is stale. */
hfi_udp_socket *hfi_udp_socket_of(const hfi_udp_table *table, hf_udp udp);

/* Closes a socket and throws its datagrams away. */
void hfi_udp_socket_close(hfi_udp_table *table, hfi_udp_socket *socket);

/* The socket that a datagram to this address and port is for, or HFI_NONE. */
hfi_index hfi_udp_demux(const hfi_udp_table *table, const hf_addr *destination, uint16_t port);

/* Keeps a datagram for a socket: `bytes` bytes that start at `at` in the parts. Copies.
 * TOOK_DATAGRAM, or DROP_UDP_FULL. */
hf_cause hfi_udp_deliver(hfi_udp_table *table, hfi_index socket, const hf_addr *from, uint16_t port,
                         const hf_part *parts, uint32_t part_count, uint32_t at, uint32_t bytes);

/* Takes the next socket with an event (a datagram), or HFI_NONE. Its events stay set until cleared.
 */
hfi_index hfi_udp_ready(hfi_udp_table *table);

/* As hf_udp_receive. */
hf_err hfi_udp_take(hfi_udp_table *table, hfi_udp_socket *socket, void *to, size_t room,
                    size_t *ret_bytes, hf_udp_from *ret_from);

#endif
