#include "lpd_spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int directory_of(void *context) { return (int)(intptr_t)context; }

static void name_under_way(const char *name, char *ret_name) {
    snprintf(ret_name, LPD_NAME_BYTES, "t%s", name + 1);
}

static int spool_begin(void *context, const char *name, uint32_t bytes) {
    char under_way[LPD_NAME_BYTES];
    (void)bytes; /* a full disk is found by writing */
    name_under_way(name, under_way);
    return openat(directory_of(context), under_way, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static bool spool_write(void *context, int file, const void *data, size_t bytes) {
    (void)context;
    const char *at = data;
    while (bytes > 0) {
        const ssize_t written = write(file, at, bytes);
        if (written <= 0) return false;
        at += written;
        bytes -= (size_t)written;
    }
    return true;
}

static bool spool_finish(void *context, int file, const char *name, bool keep) {
    char under_way[LPD_NAME_BYTES];
    const int directory = directory_of(context);
    name_under_way(name, under_way);
    keep = close(file) == 0 && keep;
    if (keep && renameat(directory, under_way, directory, name) == 0) return true;
    unlinkat(directory, under_way, 0);
    return !keep;
}

/* Calls for each file, until it says that it has seen enough. */
static void spool_each(void *context, bool (*look)(void *own, const char *name), void *own) {
    const int fd = openat(directory_of(context), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *const list = fd < 0 ? NULL : fdopendir(fd);
    if (!list) {
        if (fd >= 0) close(fd);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(list));)
        if (strlen(entry->d_name) < LPD_NAME_BYTES && !look(own, entry->d_name)) break;
    closedir(list);
}

typedef struct follower {
    const char *after;
    char best[LPD_NAME_BYTES];
} follower;

static bool look_for_next(void *own, const char *name) {
    follower *f = own;
    const bool is_job = (name[0] == 'c' || name[0] == 'd') && name[1] == 'f';
    if (is_job && strcmp(name, f->after) > 0 && (f->best[0] == 0 || strcmp(name, f->best) < 0))
        memcpy(f->best, name, strlen(name) + 1);
    return true;
}

static bool spool_next(void *context, char *name) {
    follower f = {.after = name};
    spool_each(context, look_for_next, &f);
    if (f.best[0] == 0) return false;
    memcpy(name, f.best, sizeof f.best);
    return true;
}

static size_t spool_read(void *context, const char *name, char *ret_text, size_t most) {
    const int file = openat(directory_of(context), name, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    const ssize_t got = read(file, ret_text, most);
    close(file);
    return got > 0 ? (size_t)got : 0;
}

typedef struct remover {
    int directory;
    const char *job;
} remover;

static bool look_to_remove(void *own, const char *name) {
    const remover *r = own;
    if ((name[0] == 'c' || name[0] == 'd') && name[1] == 'f' && name[2] &&
        strcmp(name + 3, r->job) == 0)
        unlinkat(r->directory, name, 0);
    return true;
}

static void spool_remove(void *context, const char *job) {
    remover r = {directory_of(context), job};
    spool_each(context, look_to_remove, &r);
}

static bool look_for_left(void *own, const char *name) {
    if (name[0] == 't' && name[1] == 'f') unlinkat(*(int *)own, name, 0);
    return true;
}

bool lpd_spool_open(lpd_spool *spool, const char *path,
                    void (*tell)(void *context, const char *what, const char *job)) {
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return false;
    *spool = (lpd_spool){(void *)(intptr_t)directory,
                         spool_begin,
                         spool_write,
                         spool_finish,
                         spool_next,
                         spool_read,
                         spool_remove,
                         tell};
    spool_each(spool->context, look_for_left, &directory);
    return true;
}
