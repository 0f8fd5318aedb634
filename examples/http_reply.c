#include "http_reply.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A chunk's size has at most so many hexadecimal digits: 2^60 bytes. */
#define CHUNK_DIGITS 15u

/* ---- URLs ---- */

static bool read_port(const char *text, size_t bytes, uint16_t *ret_port) {
    uint32_t port = 0;
    if (bytes == 0 || bytes > 5) return false;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        port = port * 10 + (uint32_t)(text[i] - '0');
    }
    *ret_port = (uint16_t)port;
    return port != 0 && port <= UINT16_MAX;
}

static bool read_host(const char *text, size_t bytes, bool six, hf_addr *ret_addr) {
    char host[48];
    uint8_t four[4];
    if (bytes >= sizeof host) return false;
    memcpy(host, text, bytes);
    host[bytes] = 0;
    if (six) return inet_pton(AF_INET6, host, ret_addr->bytes) == 1;
    if (inet_pton(AF_INET, host, four) != 1) return false;
    *ret_addr = hf_addr4(four[0], four[1], four[2], four[3]);
    return true;
}

const char *http_url_read(const char *text, http_url *ret_url) {
    static const char scheme[] = "http://";
    if (strncasecmp(text, scheme, sizeof scheme - 1) != 0) return "only http:// is spoken here";
    const char *host = text + sizeof scheme - 1;
    const char *end = host + strcspn(host, "/?#");
    const bool six = *host == '[';
    const char *host_end = six ? strchr(host, ']') : memchr(host, ':', (size_t)(end - host));
    if (six && (!host_end || host_end > end)) return "']' is missing after the IPv6 address";
    if (!host_end) host_end = end;
    if (!read_host(host + six, (size_t)(host_end - host) - six, six, &ret_url->addr))
        return "the host must be an IPv4 address or an IPv6 address in [ ]: there is no resolver "
               "here";
    const char *port = host_end + six;
    ret_url->port = 80;
    if (port != end &&
        (*port != ':' || !read_port(port + 1, (size_t)(end - port) - 1, &ret_url->port)))
        return "the port is not a number from 1 to 65535";
    if ((size_t)(end - host) >= sizeof ret_url->host) return "the host is too long";
    snprintf(ret_url->host, sizeof ret_url->host, "%.*s", (int)(end - host), host);
    const int target_bytes = (int)strcspn(end, "#");
    if (strcspn(end, " \t\r\n") != strlen(end)) return "blanks must be written as %20";
    if ((size_t)target_bytes + 2 > sizeof ret_url->target) return "the path is too long";
    snprintf(ret_url->target, sizeof ret_url->target, "%s%.*s", *end == '/' ? "" : "/",
             target_bytes, end);
    return NULL;
}

/* ---- The head ---- */

/* The value of a field on this line, or NULL if it is another's. */
static const char *field_value(const char *line, size_t bytes, const char *name) {
    const size_t name_bytes = strlen(name);
    if (bytes <= name_bytes || line[name_bytes] != ':' || strncasecmp(line, name, name_bytes) != 0)
        return NULL;
    const char *value = line + name_bytes + 1;
    while (*value == ' ' || *value == '\t') value++;
    return value;
}

static bool read_length(const char *value, uint64_t *ret_bytes) {
    char *end;
    if (*value < '0' || *value > '9') return false;
    *ret_bytes = strtoull(value, &end, 10);
    return *end == '\r' || *end == '\n' || *end == ' ';
}

/* RFC 9112 6.3: chunked overrides a length; neither means until the close. */
static bool read_reply_field(const char *line, size_t bytes, http_reply *ret) {
    const char *encoding = field_value(line, bytes, "transfer-encoding");
    const char *length = field_value(line, bytes, "content-length");
    if (encoding) {
        if (strncasecmp(encoding, "chunked", 7) != 0) return false;
        ret->framing = HTTP_BY_CHUNKS;
    }
    if (length) {
        if (!read_length(length, &ret->content_bytes)) return false;
        if (ret->framing == HTTP_BY_CLOSE) ret->framing = HTTP_BY_LENGTH;
    }
    return true;
}

/* Every line ends within the head, so text functions stop there. */
bool http_reply_read(const char *text, size_t bytes, http_reply *ret_reply) {
    *ret_reply = (http_reply){0};
    if (bytes < 13 || memcmp(text, "HTTP/1.", 7) != 0 || text[8] != ' ') return false;
    for (int i = 9; i < 12; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        ret_reply->status = ret_reply->status * 10 + (text[i] - '0');
    }
    const char *const end = text + bytes;
    for (const char *line = memchr(text, '\n', bytes); line && ++line < end;) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        if (next && !read_reply_field(line, (size_t)(next - line), ret_reply)) return false;
        line = next;
    }
    if (ret_reply->status == 204 || ret_reply->status == 304 || ret_reply->status < 200)
        *ret_reply = (http_reply){.status = ret_reply->status, .framing = HTTP_BY_LENGTH};
    return true;
}

/* ---- The content ---- */

void http_content_begin(http_content *content, const http_reply *reply) {
    *content = (http_content){.framing = reply->framing, .place = HTTP_IN_CONTENT};
    switch (reply->framing) {
    case HTTP_BY_CLOSE: content->left = UINT64_MAX; break;
    case HTTP_BY_LENGTH:
        content->left = reply->content_bytes;
        if (content->left == 0) content->place = HTTP_DONE;
        break;
    case HTTP_BY_CHUNKS: content->place = HTTP_IN_CHUNK_SIZE; break;
    }
}

static int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* The end of a chunk's size line. The last chunk has size 0; trailers follow it. */
static http_place after_size(const http_content *content) {
    if (content->digits == 0) return HTTP_BROKEN;
    return content->left == 0 ? HTTP_IN_TRAILER : HTTP_IN_CONTENT;
}

static void take_size_byte(http_content *content, char c) {
    if (digit(c) >= 0) {
        content->left = content->left << 4 | (uint64_t)digit(c);
        if (++content->digits > CHUNK_DIGITS) content->place = HTTP_BROKEN;
    } else if (c == '\n') {
        content->place = after_size(content);
        content->line_has_text = false;
    } else if (c == ';' || c == '\r' || c == ' ') {
        content->place = HTTP_IN_CHUNK_EXTENSION;
    } else {
        content->place = HTTP_BROKEN;
    }
}

static void take_after_chunk_byte(http_content *content, char c) {
    if (c != '\r' && c != '\n') content->place = HTTP_BROKEN;
    if (c != '\n') return;
    content->place = HTTP_IN_CHUNK_SIZE;
    content->left = content->digits = 0;
}

/* An empty line ends the trailer. */
static void take_trailer_byte(http_content *content, char c) {
    if (c == '\n' && !content->line_has_text) content->place = HTTP_DONE;
    if (c == '\n')
        content->line_has_text = false;
    else if (c != '\r')
        content->line_has_text = true;
}

static void take_framing_byte(http_content *content, char c) {
    switch (content->place) {
    case HTTP_IN_CHUNK_SIZE: take_size_byte(content, c); return;
    case HTTP_IN_CHUNK_EXTENSION:
        if (c == '\n') content->place = after_size(content);
        return;
    case HTTP_AFTER_CHUNK: take_after_chunk_byte(content, c); return;
    case HTTP_IN_TRAILER: take_trailer_byte(content, c); return;
    case HTTP_IN_CONTENT:
    case HTTP_DONE:
    case HTTP_BROKEN: return;
    }
}

static size_t take_content(http_content *content, size_t bytes) {
    const size_t taken = bytes < content->left ? bytes : (size_t)content->left;
    if (content->framing != HTTP_BY_CLOSE) content->left -= taken;
    if (content->left == 0)
        content->place = content->framing == HTTP_BY_CHUNKS ? HTTP_AFTER_CHUNK : HTTP_DONE;
    return taken;
}

size_t http_content_take(http_content *content, const char *data, size_t bytes, const char **ret_at,
                         size_t *ret_bytes) {
    size_t at = 0;
    while (at < bytes && content->place != HTTP_IN_CONTENT && content->place != HTTP_DONE &&
           content->place != HTTP_BROKEN)
        take_framing_byte(content, data[at++]);
    *ret_at = data + at;
    *ret_bytes = content->place == HTTP_IN_CONTENT ? take_content(content, bytes - at) : 0;
    return at + *ret_bytes;
}

bool http_content_is_whole(const http_content *content) {
    return content->place == HTTP_DONE ||
           (content->framing == HTTP_BY_CLOSE && content->place == HTTP_IN_CONTENT);
}
