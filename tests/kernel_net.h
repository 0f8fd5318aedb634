/* For the tests of kernel/: two network namespaces joined by a veth, sockets in both of one
 * process, and cuts made in the peer's. Define _GNU_SOURCE before including.
 *
 *   here 10.77.0.1, fd77::1 --- veth --- there 10.77.0.2, fd77::2
 *
 * A cut drops what comes in to and goes out from one port of the peer, in the peer's prerouting and
 * output. Nothing comes back and nothing is reported: a dead host behind a router. `held` are ports
 * of ours whose segments after the SYN do not arrive, so that the peer's handshake stays undone. */
#ifndef HF_TESTS_KERNEL_NET_H
#define HF_TESTS_KERNEL_NET_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NET_SKIPPED = 77 };

static int net_here = -1, net_there = -1;

static inline void net_die(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static inline bool net_write(const char *path, const char *text) {
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool good = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return good;
}

static inline void net_run(const char *command) {
    const int status = system(command);
    if (status != 0) {
        fprintf(stderr, "'%s' ended with status %d\n", command, status);
        exit(1);
    }
}

static inline void net_enter(int which) {
    if (setns(which, CLONE_NEWNET) != 0) net_die("setns");
}

/* Runs a command in the peer's namespace. */
static inline void net_run_there(const char *command) {
    net_enter(net_there);
    net_run(command);
    net_enter(net_here);
}

static inline bool net_become_root(void) {
    char uid_map[32], gid_map[32];
    snprintf(uid_map, sizeof uid_map, "0 %u 1", getuid());
    snprintf(gid_map, sizeof gid_map, "0 %u 1", getgid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 &&
           net_write("/proc/self/setgroups", "deny") && net_write("/proc/self/uid_map", uid_map) &&
           net_write("/proc/self/gid_map", gid_map);
}

/* Makes both namespaces, as an unprivileged user of a user namespace. Ends with NET_SKIPPED where
 * that is forbidden or a tool is missing. */
static inline void net_make(void) {
    char command[128];
    if (system("command -v ip nft >/dev/null 2>&1") != 0 || !net_become_root()) {
        printf("skipped: it needs ip, nft, and network namespaces of one's own\n");
        exit(NET_SKIPPED);
    }
    const pid_t pid = getpid();
    net_here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (unshare(CLONE_NEWNET) != 0) net_die("unshare");
    net_there = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    net_run("ip link set lo up");
    net_enter(net_here);
    net_run("ip link set lo up && ip link add name here type veth peer name there");
    snprintf(command, sizeof command, "ip link set there netns /proc/%d/fd/%d", (int)pid,
             net_there);
    net_run(command);
    net_run("ip addr add 10.77.0.1/24 dev here && ip addr add fd77::1/64 dev here nodad && ip link "
            "set here up");
    net_run_there("ip addr add 10.77.0.2/24 dev there && ip addr add fd77::2/64 dev there nodad && "
                  "ip link set there up");
    net_run_there(
        "nft 'table inet cut { set ports { type inet_service; }; "
        "set held { type inet_service; }; chain in { type filter hook prerouting priority 0; "
        "tcp dport @ports drop; tcp sport @held tcp flags & (syn | ack) == ack drop; }; "
        "chain out { type filter hook output priority 0; tcp sport @ports drop; }; }'");
}

static inline void net_cut(const char *ports) {
    char command[600];
    snprintf(command, sizeof command, "nft add element inet cut ports { %s }", ports);
    net_run_there(command);
}

static inline struct sockaddr_storage net_name(bool is6, bool there, uint16_t port,
                                               socklen_t *ret_length) {
    struct sockaddr_storage name;
    struct sockaddr_in *const in = (struct sockaddr_in *)&name;
    struct sockaddr_in6 *const in6 = (struct sockaddr_in6 *)&name;
    memset(&name, 0, sizeof name);
    name.ss_family = is6 ? AF_INET6 : AF_INET;
    if (is6) {
        in6->sin6_port = htons(port);
        inet_pton(AF_INET6, there ? "fd77::2" : "fd77::1", &in6->sin6_addr);
    } else {
        in->sin_port = htons(port);
        inet_pton(AF_INET, there ? "10.77.0.2" : "10.77.0.1", &in->sin_addr);
    }
    *ret_length = is6 ? sizeof *in6 : sizeof *in;
    return name;
}

/* A listener of the peer's. receive_bytes 0: the kernel's default buffer. */
static inline int net_listen(bool is6, uint16_t port, int backlog, int receive_bytes) {
    socklen_t length;
    const struct sockaddr_storage name = net_name(is6, true, port, &length);
    net_enter(net_there);
    const int fd = socket(is6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    net_enter(net_here);
    if (receive_bytes > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    if (bind(fd, (const struct sockaddr *)&name, length) != 0 || listen(fd, backlog) != 0)
        net_die("listen");
    return fd;
}

/* A non-blocking socket of ours that has begun to connect. */
static inline int net_connect(bool is6, uint16_t port) {
    socklen_t length;
    const struct sockaddr_storage name = net_name(is6, true, port, &length);
    const int fd = socket(is6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connect(fd, (const struct sockaddr *)&name, length) != 0 && errno != EINPROGRESS)
        net_die("connect");
    return fd;
}

/* The same from a dual-stack socket, to ::ffff:10.77.0.2. */
static inline int net_connect_mapped(uint16_t port) {
    struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET6, "::ffff:10.77.0.2", &name.sin6_addr);
    if (connect(fd, (const struct sockaddr *)&name, sizeof name) != 0 && errno != EINPROGRESS)
        net_die("connect");
    return fd;
}

static inline int net_accept(int listener) {
    for (int i = 0; i < 500; i++) {
        const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) return fd;
        usleep(10000);
    }
    net_die("accept");
    return -1;
}

#endif
