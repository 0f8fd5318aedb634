/* One HTTP request head, read as RFC 9112 and RFC 9110 write it. Pure: text in, facts out. */
#ifndef EX_HTTP_REQUEST_H
#define EX_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest head that is read, request line and fields: 431 beyond. */
#define HTTP_HEAD_MAX_BYTES 8192u
#define HTTP_ETAG_MAX_BYTES 64u

typedef enum http_range_kind { HTTP_RANGE_NONE, HTTP_RANGE_FROM, HTTP_RANGE_LAST } http_range_kind;

typedef struct http_request {
    int status;       /* 0, or the status that refuses the request: 400, 405, 501, 505 */
    bool head;        /* HEAD: everything but the content */
    bool keep_alive;  /* the client goes on with this connection */
    bool has_content; /* content follows the head: not for us to read */
    http_range_kind range;
    uint64_t range_first; /* FROM: the first byte; LAST: how many, counted from the end */
    uint64_t range_last;  /* FROM: the last byte, UINT64_MAX if open */
    char if_range[HTTP_ETAG_MAX_BYTES]; /* the range counts only for this entity tag; "": always */
    char path[HTTP_HEAD_MAX_BYTES];     /* decoded, without query; starts with '/' */
} http_request;

/* How many bytes the head takes, blank line included; 0 while it is not complete. */
size_t http_head_bytes(const char *text, size_t bytes);

/* Reads a complete head. Borrows text. */
void http_request_read(const char *text, size_t bytes, http_request *ret_request);

/* Decodes a path's percent-encoding and cuts its query. False if that is broken, or it holds a 0.
 * `to` has room for `bytes` + 1. */
bool http_path_decode(const char *path, size_t bytes, char *to);

/* True if the path has a segment "..": it leads out of where it starts, or tries to. */
bool http_path_climbs(const char *path);

#endif
