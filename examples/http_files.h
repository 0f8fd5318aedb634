/* Files below one directory, and what a client is told about them. */
#ifndef EX_HTTP_FILES_H
#define EX_HTTP_FILES_H

#include "http_request.h"

#include <sys/types.h>
#include <time.h>

typedef struct http_file {
    int fd; /* the caller's to close */
    bool is_directory;
    uint64_t bytes;
    struct timespec changed;
} http_file;

/* Opens what a decoded path names below the directory, index.html for a directory that has one.
 * Returns 200, 301 if it is a directory without '/' at the end, 403 or 404. Nothing outside of the
 * directory is reached:
 * ".." is refused, and so is a symbolic link that leaves it (by openat2, RESOLVE_BENEATH). */
int http_file_open(int directory, const char *path, http_file *ret_file);

/* A page that lists a directory: HTML, to be freed. NULL if it cannot be read. */
char *http_listing(const http_file *directory, const char *path, size_t *ret_bytes);

/* The media type, by the name's ending. */
const char *http_media_type(const char *path);

/* An entity tag, quoted: another one once the file changes. */
void http_etag(const http_file *file, char to[HTTP_ETAG_MAX_BYTES]);

/* A date as HTTP writes it (RFC 9110 5.6.7). */
void http_date(time_t at, char to[32]);

/* Writes a path so that it can stand in a header or in HTML: percent-encoded. `to` has room for
 * three times its length and 1. */
void http_path_encode(const char *path, char *to);

#endif
