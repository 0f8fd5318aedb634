/* An HTTP response, read as RFC 9112 writes it, and URLs. Pure: bytes in, facts out. */
#ifndef EX_HTTP_REPLY_H
#define EX_HTTP_REPLY_H

#include <hf/base.h>

#define HTTP_REPLY_HEAD_MAX_BYTES 65536u
#define HTTP_URL_MAX_BYTES 4096u

typedef struct http_url {
    hf_addr addr;
    uint16_t port;
    char host[80];                   /* as a Host field wants it, port included unless it is 80 */
    char target[HTTP_URL_MAX_BYTES]; /* what is asked for, "/" at least */
} http_url;

/* What is wrong with a URL, or NULL. The host is an address: there is no resolver here. */
const char *http_url_read(const char *text, http_url *ret_url);

typedef enum http_framing { HTTP_BY_CLOSE, HTTP_BY_LENGTH, HTTP_BY_CHUNKS } http_framing;

typedef struct http_reply {
    int status;
    http_framing framing;
    uint64_t content_bytes; /* BY_LENGTH */
} http_reply;

/* Reads a complete head (http_head_bytes). False if it is no HTTP/1.x response. */
bool http_reply_read(const char *text, size_t bytes, http_reply *ret_reply);

/* Where in the content we are. */
typedef enum http_place {
    HTTP_IN_CONTENT,
    HTTP_IN_CHUNK_SIZE,
    HTTP_IN_CHUNK_EXTENSION,
    HTTP_AFTER_CHUNK,
    HTTP_IN_TRAILER,
    HTTP_DONE,
    HTTP_BROKEN
} http_place;

typedef struct http_content {
    http_framing framing;
    http_place place;
    uint64_t left;      /* bytes of the content, or of this chunk */
    uint32_t digits;    /* of a chunk's size */
    bool line_has_text; /* in a trailer */
} http_content;

void http_content_begin(http_content *content, const http_reply *reply);

/* Takes bytes from the front and returns how many; *ret_bytes of them, from *ret_at on, are
 * content. Call until all are taken or the place is DONE or BROKEN. */
size_t http_content_take(http_content *content, const char *data, size_t bytes, const char **ret_at,
                         size_t *ret_bytes);

/* The peer has closed: true if the content is whole. */
bool http_content_is_whole(const http_content *content);

#endif
