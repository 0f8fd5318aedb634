/* The answer to one HTTP request: text to send, then perhaps a stretch of a file. */
#ifndef EX_HTTP_ANSWER_H
#define EX_HTTP_ANSWER_H

#include "http_files.h"

typedef struct http_answer {
    int status;
    char *text; /* head, and content that is no file's; to be freed */
    size_t text_bytes;
    int fd;            /* -1, or the file whose bytes follow; to be closed */
    uint64_t at, left; /* which bytes */
    bool close_after;
} http_answer;

/* Answers a request for something below the directory. text is NULL if memory lacks. */
void http_answer_make(int directory, const http_request *request, http_answer *ret_answer);

/* Answers with a status alone and ends the connection: for a head that cannot be read. */
void http_answer_status(int status, http_answer *ret_answer);

/* Gives back what the answer holds. */
void http_answer_drop(http_answer *answer);

#endif
