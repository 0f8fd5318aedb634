#include "http_answer.h"

#include <hf/base.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *reason(int status) {
    switch (status) {
    case 200: return "OK";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 416: return "Range Not Satisfiable";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Internal Server Error";
    }
}

/* Starts the head; the caller adds fields and the blank line. */
static void write_start(FILE *to, const http_answer *answer, uint64_t content_bytes,
                        const char *media_type) {
    char date[32];
    http_date(time(NULL), date);
    fprintf(to, "HTTP/1.1 %d %s\r\nDate: %s\r\nServer: Holdfast/" HF_VERSION "\r\n", answer->status,
            reason(answer->status), date);
    fprintf(to, "Content-Type: %s\r\nContent-Length: %llu\r\nConnection: %s\r\n", media_type,
            (unsigned long long)content_bytes, answer->close_after ? "close" : "keep-alive");
}

/* ---- A status alone ---- */

static void write_status(FILE *to, const http_answer *answer, const http_request *request,
                         const http_file *file) {
    const char *phrase = reason(answer->status);
    write_start(to, answer, strlen(phrase) + 5, "text/plain; charset=utf-8");
    if (answer->status == 405) fputs("Allow: GET, HEAD\r\n", to);
    if (answer->status == 416)
        fprintf(to, "Content-Range: bytes */%llu\r\n", (unsigned long long)file->bytes);
    if (answer->status == 301) {
        char encoded[3 * HTTP_HEAD_MAX_BYTES + 1];
        http_path_encode(request->path, encoded);
        fprintf(to, "Location: %s/\r\n", encoded);
    }
    fputs("\r\n", to);
    if (!request->head) fprintf(to, "%d %s\n", answer->status, phrase);
}

/* ---- Files ---- */

/* The part that is asked for (RFC 9110 14). Returns 200, 206 or 416. */
static int cut_range(const http_request *request, const http_file *file, http_answer *answer) {
    char etag[HTTP_ETAG_MAX_BYTES];
    http_etag(file, etag);
    answer->at = 0;
    answer->left = file->bytes;
    if (request->range == HTTP_RANGE_NONE) return 200;
    if (request->if_range[0] && strcmp(request->if_range, etag) != 0) return 200;
    if (request->range == HTTP_RANGE_LAST) {
        const uint64_t wanted = request->range_first;
        if (wanted == 0 || file->bytes == 0) return 416;
        answer->at = wanted < file->bytes ? file->bytes - wanted : 0;
    } else {
        if (request->range_first >= file->bytes) return 416;
        answer->at = request->range_first;
    }
    answer->left = file->bytes - answer->at;
    if (request->range == HTTP_RANGE_FROM &&
        request->range_last - request->range_first < answer->left)
        answer->left = request->range_last - request->range_first + 1;
    return 206;
}

static void write_file_head(FILE *to, const http_answer *answer, const http_request *request,
                            const http_file *file) {
    char etag[HTTP_ETAG_MAX_BYTES], changed[32];
    http_etag(file, etag);
    http_date(file->changed.tv_sec, changed);
    write_start(to, answer, answer->left, http_media_type(request->path));
    fprintf(to, "Last-Modified: %s\r\nETag: %s\r\nAccept-Ranges: bytes\r\n", changed, etag);
    if (answer->status == 206)
        fprintf(to, "Content-Range: bytes %llu-%llu/%llu\r\n", (unsigned long long)answer->at,
                (unsigned long long)(answer->at + answer->left - 1),
                (unsigned long long)file->bytes);
    fputs("\r\n", to);
}

static void write_listing(FILE *to, http_answer *answer, const http_request *request,
                          const http_file *directory) {
    size_t bytes = 0;
    char *page = http_listing(directory, request->path, &bytes);
    if (!page) answer->status = 403;
    if (page) {
        write_start(to, answer, bytes, "text/html; charset=utf-8");
        fputs("\r\n", to);
        if (!request->head) fwrite(page, 1, bytes, to);
    } else {
        write_status(to, answer, request, directory);
    }
    free(page);
}

static void write_answer(FILE *to, int directory, const http_request *request,
                         http_answer *answer) {
    http_file file = {.fd = -1};
    answer->status = request->status;
    if (answer->status == 0) answer->status = http_file_open(directory, request->path, &file);
    if (answer->status == 200 && !file.is_directory)
        answer->status = cut_range(request, &file, answer);
    if (answer->status != 200 && answer->status != 206)
        write_status(to, answer, request, &file);
    else if (file.is_directory)
        write_listing(to, answer, request, &file);
    else
        write_file_head(to, answer, request, &file);
    const bool follows = (answer->status == 200 || answer->status == 206) && !file.is_directory &&
                         !request->head && answer->left != 0;
    if (follows)
        answer->fd = file.fd;
    else if (file.fd >= 0)
        close(file.fd);
}

void http_answer_make(int directory, const http_request *request, http_answer *ret_answer) {
    *ret_answer = (http_answer){.fd = -1, .close_after = !request->keep_alive};
    FILE *to = open_memstream(&ret_answer->text, &ret_answer->text_bytes);
    if (!to) return;
    write_answer(to, directory, request, ret_answer);
    fclose(to);
}

void http_answer_status(int status, http_answer *ret_answer) {
    static const http_request nothing = {.path = "/"};
    const http_file no_file = {.fd = -1};
    *ret_answer = (http_answer){.status = status, .fd = -1, .close_after = true};
    FILE *to = open_memstream(&ret_answer->text, &ret_answer->text_bytes);
    if (!to) return;
    write_status(to, ret_answer, &nothing, &no_file);
    fclose(to);
}

void http_answer_drop(http_answer *answer) {
    free(answer->text);
    if (answer->fd >= 0) close(answer->fd);
    *answer = (http_answer){.fd = -1};
}
