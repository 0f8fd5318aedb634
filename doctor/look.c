/* One look at everything, and what every part of the doctor shares. */
#define _GNU_SOURCE
#include "doctor/bpf.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

const char *doctor_state_name(unsigned state) {
    static const char *const names[DOCTOR_STATES] = {
        "?",      "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT_1", "FIN_WAIT_2", "TIME_WAIT",
        "CLOSED", "CLOSE_WAIT",  "LAST_ACK", "LISTEN",   "CLOSING",    "SYN_RECV"};
    return state < DOCTOR_STATES ? names[state] : names[0];
}

void doctor_name(const hf_addr *addr, uint16_t port, bool is6, char to[DOCTOR_NAME]) {
    char words[INET6_ADDRSTRLEN];
    const bool four = !is6 || hf_addr_is4(addr);
    if (four)
        inet_ntop(AF_INET, addr->bytes + 12, words, sizeof words);
    else
        inet_ntop(AF_INET6, addr->bytes, words, sizeof words);
    snprintf(to, DOCTOR_NAME, four ? "%s:%u" : "[%s]:%u", words, port);
}

bool doctor_is_connection(const doctor_conn *conn) {
    return conn->state != DOCTOR_LISTEN && conn->state != DOCTOR_TIME_WAIT &&
           conn->state != DOCTOR_NEW_SYN_RECV && conn->state != DOCTOR_SYN_RECV &&
           conn->state != DOCTOR_CLOSE && conn->state < DOCTOR_STATES;
}

void *doctor_grow(void *array, size_t *room, size_t count, size_t bytes) {
    if (count < *room) return array;
    const size_t wanted = *room > 0 ? *room * 2 : 256;
    void *const grown = realloc(array, wanted * bytes);
    if (!grown) {
        fputs("holdfast doctor: no memory is left for what there is to see\n", stderr);
        exit(3);
    }
    *room = wanted;
    return grown;
}

/* The kernel's jiffy is the grain of its coarse clock. */
static double jiffy_of_kernel(void) {
    struct timespec grain;
    if (clock_getres(CLOCK_MONOTONIC_COARSE, &grain) != 0) return 0.01;
    return (double)grain.tv_sec + (double)grain.tv_nsec / 1e9;
}

/* FIN_WAIT_2 without a descriptor is kept as a small entry without settings, which none decides. */
static bool wants_owner(const doctor_conn *conn) {
    return conn->inode > 0 && (doctor_is_connection(conn) || conn->state == DOCTOR_LISTEN);
}

static void count_unknown(doctor_view *view) {
    for (size_t i = 0; i < view->conn_count; i++) {
        const doctor_conn *const conn = &view->conns[i];
        if (!wants_owner(conn)) continue;
        view->unknown_owners += conn->pid == 0;
        view->unknown_settings +=
            doctor_is_connection(conn) && conn->settings.source == DOCTOR_UNKNOWN;
    }
}

static void keep_process(doctor_view *view, pid_t pid) {
    size_t kept = 0;
    for (size_t i = 0; i < view->conn_count; i++)
        if (view->conns[i].pid == pid) view->conns[kept++] = view->conns[i];
    view->conn_count = kept;
}

/* What sockets are sorted by, in numbers: by process, then by what a reader looks for. The sockets
 * themselves are large, and move once. */
struct key {
    uint64_t owner;  /* namespace, process */
    uint64_t remote; /* local port, the end of the remote address */
    uint32_t index, remote_port;
};

static struct key key_of(const doctor_conn *conn, size_t index) {
    const uint8_t *const end = conn->remote.bytes + 12;
    const uint64_t addr = (uint64_t)end[0] << 24 | end[1] << 16 | end[2] << 8 | end[3];
    return (struct key){(uint64_t)conn->netns << 32 | (uint32_t)conn->pid,
                        (uint64_t)conn->local_port << 32 | addr, (uint32_t)index,
                        conn->remote_port};
}

static int in_order(const void *a, const void *b) {
    const struct key *const x = a, *const y = b;
    if (x->owner != y->owner) return x->owner < y->owner ? -1 : 1;
    if (x->remote != y->remote) return x->remote < y->remote ? -1 : 1;
    return x->remote_port < y->remote_port ? -1 : x->remote_port > y->remote_port;
}

/* Without the memory for it they stay as they were: only findings are then less well gathered. */
static void sort(doctor_view *view) {
    struct key *const keys = malloc((view->conn_count + 1) * sizeof *keys);
    doctor_conn *const sorted = malloc((view->conn_count + 1) * sizeof *sorted);
    if (keys && sorted) {
        for (size_t i = 0; i < view->conn_count; i++) keys[i] = key_of(&view->conns[i], i);
        qsort(keys, view->conn_count, sizeof *keys, in_order);
        for (size_t i = 0; i < view->conn_count; i++) sorted[i] = view->conns[keys[i].index];
        free(view->conns);
        view->conns = sorted;
        view->conn_room = view->conn_count + 1;
    } else {
        free(sorted);
    }
    free(keys);
}

bool doctor_look(doctor_view *view, const doctor_scope *scope, char *why, size_t size) {
    struct utsname name;
    memset(view, 0, sizeof *view);
    uname(&name);
    snprintf(view->release, sizeof view->release, "%.39s", name.release);
    sscanf(name.release, "%u.%u", &view->major, &view->minor);
    view->jiffy_s = jiffy_of_kernel();
    if (!doctor_netns_find(view, scope, why, size)) return false;
    doctor_bpf *const bpf = scope->no_bpf || scope->only_listeners
                                ? NULL
                                : doctor_bpf_begin(view->why_no_bpf, sizeof view->why_no_bpf);
    const bool good = doctor_netns_read(view, scope, bpf, why, size);
    view->by_bpf = bpf && good && scope->pid == 0 && doctor_bpf_owners(bpf, view);
    doctor_bpf_end(bpf);
    if (!good) return false;
    if (!view->by_bpf) doctor_owners_read(view, scope);
    if (scope->pid > 0) keep_process(view, scope->pid);
    if (!scope->only_listeners) doctor_settings_read(view);
    count_unknown(view);
    sort(view);
    return true;
}

void doctor_view_free(doctor_view *view) {
    free(view->conns);
    free(view->netns);
    memset(view, 0, sizeof *view);
}
