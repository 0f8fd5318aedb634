/* UDP sockets of an engine (RFC 768, RFC 1122 4.1). */
#ifndef HF_UDP_H
#define HF_UDP_H

#include <hf/engine.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hf_udp {
    uint32_t index, generation;
} hf_udp;

/* Opens a socket on a local address (any: all) and port (0: chosen). HF_NO_SOCKET_SLOT,
 * HF_PORT_IN_USE, HF_NO_ADDRESS, HF_NO_PORT. */
hf_err hf_udp_open(hf_engine *engine, const hf_addr *local, uint16_t port, hf_udp *ret_udp);
hf_err hf_udp_close(hf_engine *engine, hf_udp udp);
hf_err hf_udp_port(const hf_engine *engine, hf_udp udp, uint16_t *ret_port);

/* Sends one datagram; copies data. HF_TOO_LONG above the interface's MTU (we do not fragment),
 * HF_NO_ROUTE, HF_NO_ADDRESS, HF_AGAIN when no frame is free or the next hop is still being asked.
 */
hf_err hf_udp_send(hf_engine *engine, hf_udp udp, const hf_addr *to, uint16_t port,
                   const void *data, size_t bytes);

typedef struct hf_udp_from {
    hf_addr addr;
    uint16_t port;
} hf_udp_from;

/* Takes the oldest datagram; copies up to `room` bytes, *ret_bytes is its whole length. HF_AGAIN.
 */
hf_err hf_udp_receive(hf_engine *engine, hf_udp udp, void *to, size_t room, size_t *ret_bytes,
                      hf_udp_from *ret_from);

#ifdef __cplusplus
}
#endif
#endif
