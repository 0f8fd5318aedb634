/* Owners and options by BPF iterators: one pass each, where the machine allows it. It is the fast
 * way, and sees every process; what it cannot do, owners.c and settings.c do. */
#define _GNU_SOURCE
#include "doctor/bpf.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if HF_WITH_BPF
#include "doctor/bpf/record.h"
#include "iter.skel.h"
#include <bpf/bpf.h>

struct doctor_bpf {
    struct doctor_iter_bpf *programs;
};

static bool refuse(char *why, size_t size, const char *what, int error) {
    snprintf(why, size, "%s: %s", what, strerror(error < 0 ? -error : error));
    return false;
}

static int say_nothing(enum libbpf_print_level level, const char *format, va_list list) {
    (void)level;
    (void)format;
    (void)list;
    return 0;
}

/* BPF counts processes from the machine's first namespace; elsewhere its numbers are not ours. */
static bool sees_every_process(void) {
    enum { FIRST_PID_NAMESPACE = 0xeffffffc };
    struct stat status;
    return stat("/proc/self/ns/pid", &status) == 0 && status.st_ino == FIRST_PID_NAMESPACE;
}

doctor_bpf *doctor_bpf_begin(char *why, size_t size) {
    libbpf_set_print(say_nothing);
    if (!sees_every_process()) {
        snprintf(why, size, "BPF is not used in a PID namespace");
        return NULL;
    }
    struct doctor_iter_bpf *const programs = doctor_iter_bpf__open_and_load();
    if (!programs) {
        refuse(why, size, "BPF iterators may not be loaded", errno);
        return NULL;
    }
    doctor_bpf *const bpf = calloc(1, sizeof *bpf);
    if (!bpf) {
        doctor_iter_bpf__destroy(programs);
        return NULL;
    }
    bpf->programs = programs;
    return bpf;
}

void doctor_bpf_end(doctor_bpf *bpf) {
    if (!bpf) return;
    doctor_iter_bpf__destroy(bpf->programs);
    free(bpf);
}

/* Reads all records of an iterator, each given to `take`. An iterator of sockets shows the network
 * namespace of the thread that opens it. */
static bool read_all(struct bpf_program *program, size_t record_bytes,
                     void (*take)(void *to, const void *record), void *to) {
    static char buffer[1 << 18];
    struct bpf_link *const link = bpf_program__attach_iter(program, NULL);
    const int fd = link ? bpf_iter_create(bpf_link__fd(link)) : -1;
    size_t kept = 0;
    ssize_t got = fd >= 0 ? 1 : -1;
    while (fd >= 0 && (got = read(fd, buffer + kept, sizeof buffer - kept)) > 0) {
        size_t at = 0;
        kept += (size_t)got;
        for (; at + record_bytes <= kept; at += record_bytes) take(to, buffer + at);
        memmove(buffer, buffer + at, kept - at);
        kept -= at;
    }
    if (fd >= 0) close(fd);
    if (link) bpf_link__destroy(link);
    return got == 0;
}

/* ---- Sockets by cookie: an open table of twice as many places ---- */

struct table {
    doctor_view *view;
    uint32_t *places; /* index + 1 into view->conns */
    size_t mask;
};

static size_t place_of(const struct table *table, uint64_t cookie) {
    const uint64_t mixed = cookie * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(mixed >> 20) & table->mask;
}

static bool table_begin(struct table *table, doctor_view *view, size_t from) {
    size_t places = 16;
    while (places < 2 * (view->conn_count - from)) places *= 2;
    *table = (struct table){view, calloc(places, sizeof *table->places), places - 1};
    if (!table->places) return false;
    for (size_t i = from; i < view->conn_count; i++) {
        size_t at = place_of(table, view->conns[i].cookie);
        while (table->places[at] != 0) at = (at + 1) & table->mask;
        table->places[at] = (uint32_t)i + 1;
    }
    return true;
}

static doctor_conn *find(const struct table *table, uint64_t cookie) {
    for (size_t at = place_of(table, cookie); table->places[at] != 0; at = (at + 1) & table->mask) {
        doctor_conn *const conn = &table->view->conns[table->places[at] - 1];
        if (conn->cookie == cookie) return conn;
    }
    return NULL;
}

/* ---- What the records say ---- */

static void take_options(void *to, const void *from) {
    const struct table *const table = to;
    struct doctor_bpf_socket record;
    memcpy(&record, from, sizeof record);
    doctor_conn *const conn = record.cookie ? find(table, record.cookie) : NULL;
    if (!conn) return; /* it has come since the sockets were listed */
    const doctor_limits *const limits = &table->view->netns[conn->netns].limits;
    const double jiffy_s = table->view->jiffy_s;
    conn->settings = (doctor_settings){
        .source = DOCTOR_BY_BPF,
        .keepalive = record.keepalive,
        .linger_zero = record.linger_zero,
        .keep_idle_s =
            record.keep_idle ? (uint32_t)(record.keep_idle * jiffy_s + 0.5) : limits->keep_idle_s,
        .keep_interval_s = record.keep_interval ? (uint32_t)(record.keep_interval * jiffy_s + 0.5)
                                                : limits->keep_interval_s,
        .keep_count = record.keep_count ? record.keep_count : limits->keep_count,
        .user_timeout_ms = record.user_timeout_ms,
        .rto_max_ms =
            record.has_rto_max ? (uint32_t)(record.rto_max * jiffy_s * 1e3 + 0.5) : 120000,
        .syn_retries = record.syn_retries ? record.syn_retries : limits->syn_retries};
}

bool doctor_bpf_settings(doctor_bpf *bpf, doctor_view *view, size_t from) {
    struct table table;
    if (!table_begin(&table, view, from)) return false;
    const bool good = read_all(bpf->programs->progs.doctor_sockets,
                               sizeof(struct doctor_bpf_socket), take_options, &table);
    free(table.places);
    return good;
}

static void take_owner(void *to, const void *from) {
    struct doctor_bpf_owner record;
    memcpy(&record, from, sizeof record);
    doctor_conn *const conn = record.cookie ? find(to, record.cookie) : NULL;
    if (!conn || conn->inode != record.inode) return;
    if (conn->pid > 0) {
        conn->shared = true;
        return;
    }
    conn->pid = (pid_t)record.pid;
    conn->fd = (int)record.fd;
    memcpy(conn->command, record.command, sizeof conn->command);
}

bool doctor_bpf_owners(doctor_bpf *bpf, doctor_view *view) {
    struct table table;
    if (!table_begin(&table, view, 0)) return false;
    const bool good = read_all(bpf->programs->progs.doctor_owners, sizeof(struct doctor_bpf_owner),
                               take_owner, &table);
    free(table.places);
    return good;
}

#else

doctor_bpf *doctor_bpf_begin(char *why, size_t size) {
    snprintf(why, size, "built without BPF (Debian: libbpf-dev clang bpftool)");
    return NULL;
}
void doctor_bpf_end(doctor_bpf *bpf) { (void)bpf; }
bool doctor_bpf_settings(doctor_bpf *bpf, doctor_view *view, size_t from) {
    (void)bpf, (void)view, (void)from;
    return false;
}
bool doctor_bpf_owners(doctor_bpf *bpf, doctor_view *view) {
    (void)bpf, (void)view;
    return false;
}

#endif
