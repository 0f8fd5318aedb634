/* One client of hf-http-server: its requests in, the answers out, and its end.
 *
 *      READS ──head complete──> ANSWERS ──all queued──> READS, or LINGERS if the connection ends
 *      LINGERS ──FIN from the client, or its time is over──> CLOSED ──END──> released
 *
 * LINGERS: our side is shut down and what the client still sends is thrown away, for a while. A
 * close at once would be answered by RST if the client had something in flight, and RST may
 * overtake the answer.
 */
#ifndef EX_HTTP_CLIENT_H
#define EX_HTTP_CLIENT_H

#include "common.h"
#include "http_answer.h"

typedef enum client_stage {
    CLIENT_READS,
    CLIENT_ANSWERS,
    CLIENT_LINGERS,
    CLIENT_CLOSED
} client_stage;

typedef struct client {
    hf_conn conn;
    client_stage stage;
    hf_ns active_at_ns; /* when bytes last moved, or the stage began */
    size_t in_bytes;
    size_t text_sent;
    http_answer answer;
    uint64_t thrown_away; /* bytes, while lingering */
    char in[HTTP_HEAD_MAX_BYTES];
} client;

typedef struct server {
    ex_host host;
    int directory;
    hf_ns idle_ns;
    bool tells;       /* a line per answer */
    client **clients; /* by connection index */
    uint32_t client_slots, client_count;
} server;

/* Starts a conversation on an accepted connection. NULL, and the connection is reset, if memory
 * lacks. */
client *client_new(server *self, hf_conn conn);

/* Goes on with a conversation as far as bytes and room allow. */
void client_serve(server *self, client *one);

/* Ends what has been silent for too long. */
void client_check(server *self, client *one);

/* The connection has ended: says so if it did not end well, and gives everything back. */
void client_free(server *self, client *one);

#endif
