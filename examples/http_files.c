#include "http_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A listing stops here: some 10,000 names of ten letters. */
#define LISTING_MAX_BYTES (1u << 20)

/* ---- Opening ---- */

/* O_NONBLOCK keeps a FIFO of that name from stopping the server. */
static int open_beneath(int directory, const char *path) {
    const struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

static int status_of_errno(int error) {
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG: return 404;
    case EMFILE:
    case ENFILE: return 503;
    default: return 403;
    }
}

/* A path relative to the directory: "." for its root. */
static const char *relative(const char *path) {
    while (*path == '/') path++;
    return *path ? path : ".";
}

static int open_one(int directory, const char *path, http_file *ret) {
    struct stat facts;
    ret->fd = open_beneath(directory, relative(path));
    if (ret->fd < 0) return status_of_errno(errno);
    if (fstat(ret->fd, &facts) != 0 || !(S_ISREG(facts.st_mode) || S_ISDIR(facts.st_mode))) {
        close(ret->fd);
        ret->fd = -1;
        return 403;
    }
    ret->is_directory = S_ISDIR(facts.st_mode);
    ret->bytes = (uint64_t)facts.st_size;
    ret->changed = facts.st_mtim;
    return 200;
}

static bool ends_with_slash(const char *path) { return path[strlen(path) - 1] == '/'; }

/* A directory's own page, or the directory itself if it has none. */
static int open_index(int directory, const char *path, http_file *folder) {
    char index_path[HTTP_HEAD_MAX_BYTES + sizeof "index.html"];
    http_file index;
    snprintf(index_path, sizeof index_path, "%sindex.html", path);
    const int status = open_one(directory, index_path, &index);
    if (status == 404) return 200;
    close(folder->fd);
    *folder = index;
    if (status != 200 || !index.is_directory) return status;
    close(index.fd);
    folder->fd = -1;
    return 403;
}

int http_file_open(int directory, const char *path, http_file *ret_file) {
    *ret_file = (http_file){.fd = -1};
    if (http_path_climbs(path)) return 403;
    const int status = open_one(directory, path, ret_file);
    if (status != 200) return status;
    if (ret_file->is_directory && ends_with_slash(path))
        return open_index(directory, path, ret_file);
    if (!ret_file->is_directory && !ends_with_slash(path)) return 200;
    close(ret_file->fd);
    ret_file->fd = -1;
    return ret_file->is_directory ? 301 : 404;
}

/* ---- What is said about a file ---- */

const char *http_media_type(const char *path) {
    static const char *const types[][2] = {
        {"css", "text/css; charset=utf-8"},
        {"gif", "image/gif"},
        {"htm", "text/html; charset=utf-8"},
        {"html", "text/html; charset=utf-8"},
        {"jpeg", "image/jpeg"},
        {"jpg", "image/jpeg"},
        {"js", "text/javascript; charset=utf-8"},
        {"json", "application/json"},
        {"md", "text/markdown; charset=utf-8"},
        {"pdf", "application/pdf"},
        {"png", "image/png"},
        {"svg", "image/svg+xml"},
        {"txt", "text/plain; charset=utf-8"},
        {"wasm", "application/wasm"},
        {"webp", "image/webp"},
        {"xml", "application/xml"},
    };
    if (*path == 0 || ends_with_slash(path)) return "text/html; charset=utf-8";
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
        if (strcasecmp(dot + 1, types[i][0]) == 0) return types[i][1];
    return "application/octet-stream";
}

void http_etag(const http_file *file, char to[HTTP_ETAG_MAX_BYTES]) {
    snprintf(to, HTTP_ETAG_MAX_BYTES, "\"%llx-%llx-%lx\"", (unsigned long long)file->bytes,
             (unsigned long long)file->changed.tv_sec, (unsigned long)file->changed.tv_nsec);
}

/* Not by strftime, whose names follow the locale. */
void http_date(time_t at, char to[32]) {
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm utc;
    gmtime_r(&at, &utc);
    snprintf(to, 32, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[utc.tm_wday],
             (unsigned)utc.tm_mday % 100, months[utc.tm_mon],
             (unsigned)(utc.tm_year + 1900) % 10000, (unsigned)utc.tm_hour % 100,
             (unsigned)utc.tm_min % 100, (unsigned)utc.tm_sec % 100);
}

void http_path_encode(const char *path, char *to) {
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    for (; *path; path++) {
        if (strchr(plain, *path))
            *to++ = *path;
        else
            to += sprintf(to, "%%%02X", (unsigned)(unsigned char)*path);
    }
    *to = 0;
}

/* ---- Listings ---- */

static void write_escaped(FILE *page, const char *text) {
    for (; *text; text++) switch (*text) {
        case '<': fputs("&lt;", page); break;
        case '>': fputs("&gt;", page); break;
        case '&': fputs("&amp;", page); break;
        case '"': fputs("&quot;", page); break;
        default: fputc(*text, page);
        }
}

/* The encoded form has no ':' or '/', so a name cannot be taken for an address. */
static void write_entry(FILE *page, const struct dirent *entry) {
    char encoded[3 * sizeof entry->d_name + 1];
    const char *slash = entry->d_type == DT_DIR ? "/" : "";
    http_path_encode(entry->d_name, encoded);
    fprintf(page, "<li><a href=\"%s%s\">", encoded, slash);
    write_escaped(page, entry->d_name);
    fprintf(page, "%s</a></li>\n", slash);
}

/* Names that start with a dot are not listed. */
static int is_listed(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static void write_page(FILE *page, const char *path, struct dirent **entries, int count) {
    fputs("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>", page);
    write_escaped(page, path);
    fputs("</title></head>\n<body><h1>", page);
    write_escaped(page, path);
    fputs("</h1>\n<ul>\n", page);
    for (int i = 0; i < count && ftell(page) < (long)LISTING_MAX_BYTES; i++)
        write_entry(page, entries[i]);
    fputs("</ul></body></html>\n", page);
}

char *http_listing(const http_file *directory, const char *path, size_t *ret_bytes) {
    struct dirent **entries;
    char *text = NULL;
    const int count = scandirat(directory->fd, ".", &entries, is_listed, alphasort);
    if (count < 0) return NULL;
    FILE *page = open_memstream(&text, ret_bytes);
    if (page) {
        write_page(page, path, entries, count);
        fclose(page);
    }
    for (int i = 0; i < count; i++) free(entries[i]);
    free(entries);
    return text;
}
