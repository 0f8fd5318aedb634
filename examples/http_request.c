#include "http_request.h"

#include <string.h>
#include <strings.h>

typedef struct span {
    const char *at;
    size_t bytes;
} span;

static bool span_is(span text, const char *word) {
    return text.bytes == strlen(word) && memcmp(text.at, word, text.bytes) == 0;
}

/* Field names, "close" and "bytes" are compared without case (RFC 9110 5.1, 7.6.1, 14.1). */
static bool span_is_nocase(span text, const char *word) {
    return text.bytes == strlen(word) && strncasecmp(text.at, word, text.bytes) == 0;
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static span trimmed(span text) {
    while (text.bytes && is_blank(text.at[0])) text.at++, text.bytes--;
    while (text.bytes && is_blank(text.at[text.bytes - 1])) text.bytes--;
    return text;
}

/* Takes what stands before the first `stop` from the front of *rest; all of it if there is none. */
static span cut(span *rest, char stop) {
    const char *end = rest->bytes ? memchr(rest->at, stop, rest->bytes) : NULL;
    const span first = {rest->at, end ? (size_t)(end - rest->at) : rest->bytes};
    const size_t gone = first.bytes + (end != NULL);
    *rest = (span){rest->at + gone, rest->bytes - gone};
    return first;
}

/* A line ends with LF; CR before it belongs to the end (RFC 9112 2.2). */
static span cut_line(span *rest) {
    span line = cut(rest, '\n');
    if (line.bytes && line.at[line.bytes - 1] == '\r') line.bytes--;
    return line;
}

/* RFC 9110 5.6.2. */
static bool is_token(span text) {
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < text.bytes; i++) {
        const char c = text.at[i];
        const bool alphanumeric =
            (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!alphanumeric && (c == 0 || !strchr(others, c))) return false;
    }
    return text.bytes != 0;
}

/* Digits alone, small enough to count with. */
static bool read_number(span text, uint64_t *ret_number) {
    uint64_t number = 0;
    if (text.bytes == 0 || text.bytes > 18) return false;
    for (size_t i = 0; i < text.bytes; i++) {
        if (text.at[i] < '0' || text.at[i] > '9') return false;
        number = number * 10 + (uint64_t)(text.at[i] - '0');
    }
    *ret_number = number;
    return true;
}

/* Blank lines before a request are passed over (RFC 9112 2.2). */
static size_t leading_blanks(const char *text, size_t bytes) {
    size_t at = 0;
    while (at < bytes && (text[at] == '\r' || text[at] == '\n')) at++;
    return at;
}

size_t http_head_bytes(const char *text, size_t bytes) {
    const size_t start = leading_blanks(text, bytes);
    for (size_t i = start; i < bytes; i++) {
        if (text[i] != '\n') continue;
        if (i + 1 < bytes && text[i + 1] == '\n') return i + 2;
        if (i + 2 < bytes && text[i + 1] == '\r' && text[i + 2] == '\n') return i + 3;
    }
    return 0;
}

/* ---- The request line ---- */

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

bool http_path_decode(const char *path, size_t bytes, char *to) {
    size_t at = 0, out = 0;
    for (; at < bytes && path[at] != '?' && path[at] != '#'; out++) {
        to[out] = path[at++];
        if (to[out] == '%') {
            if (bytes - at < 2) return false;
            const int high = hex_value(path[at]), low = hex_value(path[at + 1]);
            if (high < 0 || low < 0) return false;
            to[out] = (char)(high << 4 | low);
            at += 2;
        }
        if (to[out] == 0) return false;
    }
    to[out] = 0;
    return true;
}

bool http_path_climbs(const char *path) {
    for (const char *at = path; *at;) {
        const size_t bytes = strcspn(at, "/");
        if (bytes == 2 && at[0] == '.' && at[1] == '.') return true;
        at += bytes + (at[bytes] == '/');
    }
    return false;
}

/* Methods that exist and are not for files are refused as not allowed, others as unknown (RFC
 * 9110 15.5.6, 15.6.2). */
static int read_method(span method, http_request *ret) {
    static const char *const known[] = {"POST",    "PUT",   "DELETE", "CONNECT",
                                        "OPTIONS", "TRACE", "PATCH"};
    if (!is_token(method)) return 400;
    ret->head = span_is(method, "HEAD");
    if (ret->head || span_is(method, "GET")) return 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (span_is(method, known[i])) return 405;
    return 501;
}

/* HTTP/1.1 and later 1.x keep the connection unless told otherwise, 1.0 drops it. */
static int read_version(span version, http_request *ret) {
    if (version.bytes != 8 || memcmp(version.at, "HTTP/", 5) != 0 || version.at[6] != '.' ||
        hex_value(version.at[5]) < 0 || hex_value(version.at[7]) < 0)
        return 400;
    ret->keep_alive = version.at[7] != '0';
    return version.at[5] == '1' ? 0 : 505;
}

/* The origin form, or the absolute form that proxies are sent and servers must take (RFC 9112 3.2).
 */
static int read_target(span target, http_request *ret) {
    static const char scheme[] = "http://";
    if (target.bytes >= sizeof scheme - 1 &&
        strncasecmp(target.at, scheme, sizeof scheme - 1) == 0) {
        target = (span){target.at + sizeof scheme - 1, target.bytes - (sizeof scheme - 1)};
        const char *slash = target.bytes ? memchr(target.at, '/', target.bytes) : NULL;
        target = slash ? (span){slash, target.bytes - (size_t)(slash - target.at)} : (span){"/", 1};
    }
    if (target.bytes == 0 || target.at[0] != '/' || target.bytes >= sizeof ret->path) return 400;
    return http_path_decode(target.at, target.bytes, ret->path) ? 0 : 400;
}

/* The worst that is wrong with it: a broken line before an unknown version before a method. */
static int read_request_line(span line, http_request *ret) {
    const span method = cut(&line, ' ');
    const span target = cut(&line, ' ');
    const int version = read_version(line, ret);
    if (version != 0) return version;
    const int by_method = read_method(method, ret);
    if (by_method != 0) return by_method;
    return read_target(target, ret);
}

/* ---- Fields ---- */

/* What is gathered over all fields. */
typedef struct fields {
    int host_count;
    bool close, keep_alive;
} fields;

/* One range of bytes; several, or what is no range at all, are passed over, as a server may (RFC
 * 9110 14.2). */
static void read_range(span value, http_request *ret) {
    const span unit = cut(&value, '=');
    span first = value;
    if (!span_is_nocase(trimmed(unit), "bytes") ||
        (value.bytes && memchr(value.at, ',', value.bytes)))
        return;
    first = trimmed(cut(&value, '-'));
    const span last = trimmed(value);
    uint64_t from = 0, to = UINT64_MAX;
    if (first.bytes == 0) {
        if (!read_number(last, &ret->range_first)) return;
        ret->range = HTTP_RANGE_LAST;
        return;
    }
    if (!read_number(first, &from) || (last.bytes && !read_number(last, &to)) || to < from) return;
    ret->range = HTTP_RANGE_FROM;
    ret->range_first = from;
    ret->range_last = to;
}

static void read_connection(span value, fields *seen) {
    while (value.bytes) {
        const span word = trimmed(cut(&value, ','));
        seen->close |= span_is_nocase(word, "close");
        seen->keep_alive |= span_is_nocase(word, "keep-alive");
    }
}

static void read_if_range(span value, http_request *ret) {
    if (value.bytes >= sizeof ret->if_range) value = (span){"?", 1}; /* none of ours is so long */
    memcpy(ret->if_range, value.at, value.bytes);
    ret->if_range[value.bytes] = 0;
}

static bool read_field(span line, http_request *ret, fields *seen) {
    uint64_t content_bytes = 0;
    if (!memchr(line.at, ':', line.bytes)) return false;
    const span name = cut(&line, ':');
    const span value = trimmed(line);
    if (!is_token(name)) return false; /* also a blank before the colon, and a folded line */
    if (span_is_nocase(name, "host")) seen->host_count++;
    if (span_is_nocase(name, "connection")) read_connection(value, seen);
    if (span_is_nocase(name, "range")) read_range(value, ret);
    if (span_is_nocase(name, "if-range")) read_if_range(value, ret);
    if (span_is_nocase(name, "transfer-encoding")) ret->has_content = true;
    if (span_is_nocase(name, "content-length")) {
        if (!read_number(value, &content_bytes)) return false;
        ret->has_content |= content_bytes != 0;
    }
    return true;
}

/* RFC 9112 3.2: exactly one Host in HTTP/1.1. */
static int read_fields(span rest, http_request *ret) {
    fields seen = {0};
    const bool http11 = ret->keep_alive;
    for (span line = cut_line(&rest); line.bytes; line = cut_line(&rest))
        if (!read_field(line, ret, &seen)) return 400;
    if (seen.host_count > 1 || (http11 && seen.host_count == 0)) return 400;
    ret->keep_alive = !seen.close && (http11 || seen.keep_alive);
    return 0;
}

void http_request_read(const char *text, size_t bytes, http_request *ret_request) {
    const size_t start = leading_blanks(text, bytes);
    span rest = {text + start, bytes - start};
    *ret_request = (http_request){.path = "/"};
    const span line = cut_line(&rest);
    const int by_line = read_request_line(line, ret_request);
    const int by_fields = read_fields(rest, ret_request);
    ret_request->status = by_line == 0 || by_fields == 400 ? by_fields : by_line;
    if (ret_request->status == 400 || ret_request->has_content) ret_request->keep_alive = false;
}
