/* A spool directory for lpd_protocol.h: a job is its control and data files, under their own names.
 * A file under way has a name of its own (tfA042host) until it is whole. */
#ifndef EX_LPD_SPOOL_H
#define EX_LPD_SPOOL_H

#include "lpd_protocol.h"

/* Opens a directory, and throws away what an earlier program left half received. `tell` may be NULL.
 * False, with errno, if there is no such directory. */
bool lpd_spool_open(lpd_spool *spool, const char *path,
                    void (*tell)(void *context, const char *what, const char *job));

#endif
