/* The options of other processes' sockets: pidfd_getfd lends a copy of the descriptor, getsockopt
 * reads it. It needs the permission to trace the process; one's own are allowed. */
#define _GNU_SOURCE
#include "doctor/facts.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef TCP_RTO_MAX_MS
#define TCP_RTO_MAX_MS 44 /* Linux 6.15 */
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
enum { USUAL_RTO_MAX_MS = 120000 };

static bool read_number(int fd, int level, int option, uint32_t *ret) {
    int value = 0;
    socklen_t length = sizeof value;
    if (getsockopt(fd, level, option, &value, &length) != 0) return false;
    *ret = (uint32_t)value;
    return true;
}

static bool read_linger_zero(int fd, bool *ret) {
    struct linger linger;
    socklen_t length = sizeof linger;
    if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &length) != 0) return false;
    *ret = linger.l_onoff != 0 && linger.l_linger == 0;
    return true;
}

bool doctor_settings_of(int fd, doctor_settings *settings) {
    doctor_settings set = {.source = DOCTOR_BY_GETSOCKOPT};
    uint32_t keepalive;
    const bool good = read_number(fd, SOL_SOCKET, SO_KEEPALIVE, &keepalive) &&
                      read_number(fd, IPPROTO_TCP, TCP_KEEPIDLE, &set.keep_idle_s) &&
                      read_number(fd, IPPROTO_TCP, TCP_KEEPINTVL, &set.keep_interval_s) &&
                      read_number(fd, IPPROTO_TCP, TCP_KEEPCNT, &set.keep_count) &&
                      read_number(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &set.user_timeout_ms) &&
                      read_number(fd, IPPROTO_TCP, TCP_SYNCNT, &set.syn_retries) &&
                      read_linger_zero(fd, &set.linger_zero);
    if (!good) return false;
    if (!read_number(fd, IPPROTO_TCP, TCP_RTO_MAX_MS, &set.rto_max_ms))
        set.rto_max_ms = USUAL_RTO_MAX_MS; /* such a kernel has no other */
    set.keepalive = keepalive != 0;
    *settings = set;
    return true;
}

/* By process, so that each is opened once. */
static int by_process(const void *a, const void *b) {
    const doctor_conn *const x = *(doctor_conn *const *)a, *const y = *(doctor_conn *const *)b;
    if (x->pid != y->pid) return x->pid < y->pid ? -1 : 1;
    return x->fd < y->fd ? -1 : x->fd > y->fd;
}

static bool is_same_socket(int fd, uint64_t cookie) {
    uint64_t its = 0;
    socklen_t length = sizeof its;
    return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &its, &length) == 0 && its == cookie;
}

/* The descriptor may have been closed and used again since it was found: the cookie tells. */
static void read_one(int process, doctor_conn *conn) {
    const int fd = (int)syscall(SYS_pidfd_getfd, process, conn->fd, 0);
    if (fd < 0) return;
    if (is_same_socket(fd, conn->cookie)) doctor_settings_of(fd, &conn->settings);
    close(fd);
}

void doctor_settings_read(doctor_view *view) {
    doctor_conn **const held = malloc((view->conn_count + 1) * sizeof *held);
    size_t count = 0;
    pid_t pid = 0;
    int process = -1;
    if (!held) return;
    for (size_t i = 0; i < view->conn_count; i++)
        if (view->conns[i].pid > 0 && view->conns[i].settings.source == DOCTOR_UNKNOWN)
            held[count++] = &view->conns[i];
    qsort(held, count, sizeof(doctor_conn *), by_process);
    for (size_t i = 0; i < count; i++) {
        if (held[i]->pid != pid) {
            if (process >= 0) close(process);
            pid = held[i]->pid;
            process = (int)syscall(SYS_pidfd_open, pid, 0);
        }
        if (process >= 0) read_one(process, held[i]);
    }
    if (process >= 0) close(process);
    free(held);
}
