/* The print server on Holdfast, without an operating system: the protocol of lpd_protocol.h on an
 * engine of 64 KiB in all, eight conversations at once, and 608 TIME_WAIT entries, since by RFC 1179
 * the server closes first. Ten questions a second hold 600 of them.
 *
 * The program steps the engine, calls lpd_machine_serve, and sends what goes out. */
#ifndef EX_LPD_MACHINE_H
#define EX_LPD_MACHINE_H

#include "lpd_protocol.h"

#include <hf/ledger.h>
#include <hf/tcp.h>

#define LPD_MEMORY_BYTES 65536u /* block and data of the engine, all that it ever takes */
#define LPD_CONNS 8u

typedef struct lpd_client {
    lpd_talk talk;
    hf_conn conn;
    bool used, closed;
} lpd_client;

typedef struct lpd_machine {
    hf_engine *engine;
    const lpd_spool *spool;
    hf_listener listener;
    lpd_client clients[LPD_CONNS]; /* by connection index */
    uint64_t accepted, served;     /* served: all was said, and the client has acknowledged it */
    uint64_t failed;               /* ended in another way; the last: */
    hf_end last_failure;
} lpd_machine;

/* Fills all but the seed. */
void lpd_machine_config(hf_config *config);

/* Listens. Links engine and spool. */
hf_err lpd_machine_start(lpd_machine *machine, hf_engine *engine, const lpd_spool *spool,
                         uint16_t port);

/* Takes the engine's events and lets each conversation go on as far as bytes and room allow. */
void lpd_machine_serve(lpd_machine *machine);

/* Ends all conversations; who waits for something hears RST. */
void lpd_machine_stop(lpd_machine *machine);

typedef struct lpd_books {
    hf_time_wait_status time_wait;
    uint64_t turned_away; /* SYNs refused or ignored, and cookies that found no place */
    uint64_t cookies;     /* SYNs that were answered by a cookie */
    bool good;      /* nobody was turned away or failed, and no TIME_WAIT ended early that nothing
                       else guards */
    bool all_whole; /* nor any other one */
} lpd_books;

void lpd_machine_books(const lpd_machine *machine, lpd_books *ret_books);

#endif
