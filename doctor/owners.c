/* Which process holds which socket: the links of /proc/PID/fd, "socket:[INODE]". Of somebody else's
 * process they may not be read; its sockets then have no owner. */
#define _GNU_SOURCE
#include "doctor/facts.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct owner {
    uint32_t inode;
    pid_t pid;
    int fd;
};

struct owners {
    struct owner *rows;
    size_t count, room;
};

static int by_inode(const void *a, const void *b) {
    const struct owner *const x = a, *const y = b;
    if (x->inode != y->inode) return x->inode < y->inode ? -1 : 1;
    if (x->pid != y->pid) return x->pid < y->pid ? -1 : 1;
    return x->fd < y->fd ? -1 : x->fd > y->fd;
}

static void add_fd(struct owners *owners, int folder, pid_t pid, const char *name) {
    char link[64];
    unsigned inode;
    const ssize_t length = readlinkat(folder, name, link, sizeof link - 1);
    if (length <= 0) return;
    link[length] = 0;
    if (sscanf(link, "socket:[%u]", &inode) != 1) return;
    owners->rows = doctor_grow(owners->rows, &owners->room, owners->count, sizeof *owners->rows);
    owners->rows[owners->count++] = (struct owner){inode, pid, atoi(name)};
}

static void add_process(struct owners *owners, pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *const folder = opendir(path);
    if (!folder) return;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (isdigit((unsigned char)entry->d_name[0]))
            add_fd(owners, dirfd(folder), pid, entry->d_name);
    closedir(folder);
}

static void add_processes(struct owners *owners) {
    DIR *const folder = opendir("/proc");
    if (!folder) return;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (isdigit((unsigned char)entry->d_name[0])) add_process(owners, atoi(entry->d_name));
    closedir(folder);
}

static void read_command(pid_t pid, char *to, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    FILE *const file = fopen(path, "r");
    to[0] = 0;
    if (!file) return;
    if (!fgets(to, (int)size, file)) to[0] = 0;
    to[strcspn(to, "\n")] = 0;
    fclose(file);
}

/* The line of cgroup 2, "0::/PATH", or else the last one. */
void doctor_cgroup(pid_t pid, char *to, size_t size) {
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
    FILE *const file = fopen(path, "re");
    bool found = false;
    to[0] = 0;
    if (!file) return;
    while (!found && fgets(line, sizeof line, file)) {
        const char *const group = strrchr(line, ':');
        if (group) snprintf(to, size, "%.*s", (int)strcspn(group + 1, "\n"), group + 1);
        found = strncmp(line, "0::", 3) == 0;
    }
    fclose(file);
}

/* The first row of the inode; NULL. */
static const struct owner *find(const struct owners *owners, uint32_t inode) {
    size_t low = 0, high = owners->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (owners->rows[middle].inode < inode)
            low = middle + 1;
        else
            high = middle;
    }
    return low < owners->count && owners->rows[low].inode == inode ? &owners->rows[low] : NULL;
}

static void join(const struct owners *owners, doctor_conn *conn) {
    const struct owner *const row = find(owners, conn->inode);
    if (!row) return;
    conn->pid = row->pid;
    conn->fd = row->fd;
    conn->shared = row + 1 < owners->rows + owners->count && row[1].inode == conn->inode;
}

void doctor_owners_read(doctor_view *view, const doctor_scope *scope) {
    struct owners owners = {NULL, 0, 0};
    char command[DOCTOR_COMMAND] = "";
    pid_t last = 0;
    if (scope->pid > 0)
        add_process(&owners, scope->pid);
    else
        add_processes(&owners);
    if (owners.count > 0) qsort(owners.rows, owners.count, sizeof *owners.rows, by_inode);
    for (size_t i = 0; i < view->conn_count; i++) {
        doctor_conn *const conn = &view->conns[i];
        if (conn->inode > 0) join(&owners, conn);
        if (conn->pid == 0) continue;
        if (conn->pid != last) read_command(conn->pid, command, sizeof command);
        last = conn->pid;
        memcpy(conn->command, command, sizeof command);
    }
    free(owners.rows);
}
