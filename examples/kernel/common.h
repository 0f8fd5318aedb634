/* What the six programs share: a clock for their lines, and sockets. Define _GNU_SOURCE before
 * including. */
#ifndef EXAMPLE_COMMON_H
#define EXAMPLE_COMMON_H

#include <hf/kernel.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static hf_ns example_start_ns;

__attribute__((constructor)) static void example_start(void) { example_start_ns = hf_kernel_now(); }

/* One line, with the seconds since the program began. */
__attribute__((format(printf, 1, 2))) static inline void say(const char *format, ...) {
    va_list list;
    printf("%7.2f s  ", (double)(hf_kernel_now() - example_start_ns) / 1e9);
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    printf("\n");
    fflush(stdout);
}

static inline int die(const char *what) {
    say("%s: %s", what, strerror(errno));
    exit(1);
}

static inline struct sockaddr_in name_of(const char *addr, const char *port) {
    struct sockaddr_in name;
    memset(&name, 0, sizeof name);
    name.sin_family = AF_INET;
    name.sin_port = htons((uint16_t)atoi(port));
    if (inet_pton(AF_INET, addr, &name.sin_addr) != 1) die("the address must be like 10.0.0.1");
    return name;
}

/* A listener; the one line that a restart needs is a parameter here, so that it can be left out. */
static inline int listen_on(const char *port, int backlog, int reuse) {
    const struct sockaddr_in name = name_of("0.0.0.0", port);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
    if (bind(fd, (const struct sockaddr *)&name, sizeof name) == 0 && listen(fd, backlog) == 0)
        return fd;
    const int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* Starts to connect, without waiting; -1 with errno. */
static inline int start_connect(const struct sockaddr_in *name) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)name, sizeof *name) == 0 ||
        errno == EINPROGRESS)
        return fd;
    const int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* The blocking connect of every textbook. */
static inline int plain_connect(const struct sockaddr_in *name) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (const struct sockaddr *)name, sizeof *name) != 0) die("connect");
    return fd;
}

static inline void keepalive(int fd, int idle_s, int interval_s, int count) {
    const int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, 4 /* TCP_KEEPIDLE */, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, 5 /* TCP_KEEPINTVL */, &interval_s, sizeof interval_s);
    setsockopt(fd, IPPROTO_TCP, 6 /* TCP_KEEPCNT */, &count, sizeof count);
}

/* Waits until fd is ready or the instant has come. */
static inline short wait_until(int fd, short events, hf_ns at_ns) {
    struct pollfd wait = {fd, events, 0};
    const hf_ns now = hf_kernel_now();
    poll(&wait, 1, at_ns > now ? (int)((at_ns - now) / HF_MS) + 1 : 0);
    return wait.revents;
}

static inline hf_ns sooner(hf_ns a, hf_ns b) { return a < b ? a : b; }

/* Sockets of this port in any state but LISTEN, as the small machine would count them. */
static inline int sockets_of(unsigned port) {
    char line[256];
    unsigned local, state;
    int count = 0;
    FILE *const file = fopen("/proc/net/tcp", "re");
    while (file && fgets(line, sizeof line, file))
        count += sscanf(line, " %*d: %*8s%*[:]%x %*s %x", &local, &state) == 2 && local == port &&
                 state != 10;
    if (file) fclose(file);
    return count;
}

#endif
