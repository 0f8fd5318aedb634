/* The server's side of RFC 1179, as bytes: what a client says goes in, what it is to hear comes out.
 * No socket, no engine, no file: the spool is six functions of the program's.
 *
 *      COMMAND ──02──> JOB ──02, 03──> FILE ──all octets──> FILE_END ──the zero octet──> JOB
 *         │ └───03, 04──> LIST ──all jobs told──┐
 *         └──05, or nothing that we know────────┴──> OVER: the server closes
 *
 * Each acknowledgement leaves before more is taken, so that one line of answer is all that a
 * conversation keeps: 576 bytes on a 64-bit machine.
 */
#ifndef EX_LPD_PROTOCOL_H
#define EX_LPD_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LPD_PORT 515
#define LPD_NAME_BYTES 96u  /* of a file, with its end: host names of 89 characters */
#define LPD_LINE_BYTES 256u /* of a command, with its end; longer ones are refused */

/* Where jobs lie: files by name, as cfA042host (control) and dfA042host (data); a job's files have
 * the same name from the fourth character on. Names are letters, digits, '-', '.' and '_'. */
typedef struct lpd_spool {
    void *context;
    /* Begins a file of so many bytes, which is not in the spool yet. -1: there is no room, or it is
     * being received already. */
    int (*begin)(void *context, const char *name, uint32_t bytes);
    bool (*write)(void *context, int file, const void *data, size_t bytes);
    /* Ends it: `keep` puts it into the spool, in the place of one of the same name, else it is gone.
     * False if it could not be kept. */
    bool (*finish)(void *context, int file, const char *name, bool keep);
    /* Replaces a name, of LPD_NAME_BYTES, by the one that follows in strcmp's order; "" comes before
     * all. False if none follows. */
    bool (*next)(void *context, char *name);
    /* Reads the beginning of a file; how many bytes. */
    size_t (*read)(void *context, const char *name, char *ret_text, size_t most);
    /* Removes all files whose name goes on with `job` after three characters. */
    void (*remove)(void *context, const char *job);
    /* What has happened to a job ("spooled", "removed"), for a log; may be NULL. */
    void (*tell)(void *context, const char *what, const char *job);
} lpd_spool;

typedef enum lpd_stage {
    LPD_COMMAND,
    LPD_JOB,
    LPD_FILE,
    LPD_FILE_END,
    LPD_LIST,
    LPD_OVER
} lpd_stage;

typedef struct lpd_talk {
    const lpd_spool *spool;
    lpd_stage stage;
    int file;            /* that is being received; -1: none */
    uint32_t left_bytes; /* of it */
    uint32_t rank;       /* of the job that was listed last */
    uint16_t line_bytes, out_bytes, out_at;
    char line[LPD_LINE_BYTES];
    char name[LPD_NAME_BYTES]; /* being received, or listed last */
    char out[LPD_NAME_BYTES + 84];
} lpd_talk;

/* Begins a conversation. Links the spool until lpd_end. */
void lpd_begin(lpd_talk *talk, const lpd_spool *spool);

/* Takes what the client said; how many bytes. Fewer than given: the answer must leave first. */
size_t lpd_take(lpd_talk *talk, const void *data, size_t bytes);

/* Lends what the client is to hear next, until the next call; its bytes, 0 if nothing. */
size_t lpd_answer(lpd_talk *talk, const char **ret_text);

/* So many bytes of it are sent. */
void lpd_answered(lpd_talk *talk, size_t bytes);

/* All is said: the server closes. */
bool lpd_is_over(const lpd_talk *talk);

/* Ends the conversation wherever it is; a file half received is thrown away. */
void lpd_end(lpd_talk *talk);

#endif
