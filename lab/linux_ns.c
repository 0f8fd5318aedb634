/* Namespaces: one user namespace for the process, a network namespace for each host and one for the
 * wires. */
#define _GNU_SOURCE
#include "lab/linux.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int wire_fd = -1;

static bool write_text(const char *path, const char *text) {
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool good = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return good;
}

static bool become_root_of_a_user_namespace(void) {
    char uid_map[32], gid_map[32];
    snprintf(uid_map, sizeof uid_map, "0 %u 1", geteuid());
    snprintf(gid_map, sizeof gid_map, "0 %u 1", getegid());
    return unshare(CLONE_NEWUSER) == 0 && write_text("/proc/self/setgroups", "deny") &&
           write_text("/proc/self/uid_map", uid_map) && write_text("/proc/self/gid_map", gid_map);
}

int lab_netns_new(void) {
    if (unshare(CLONE_NEWNET) != 0) return -1;
    lab_sysctl_write("net.ipv6.conf.all.disable_ipv6", "1");
    lab_sysctl_write("net.ipv6.conf.default.disable_ipv6", "1");
    lab_interface_up("lo", 0, 0, false);
    return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

bool lab_netns_enter(int fd) { return setns(fd, CLONE_NEWNET) == 0; }
int lab_netns_wire(void) { return wire_fd; }

static bool packet_sockets_work(void) {
    const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

const char *lab_linux_missing(void) {
    if (wire_fd >= 0) return NULL;
    /* Root may be denied user namespaces and needs none; others need one. */
    const bool user = become_root_of_a_user_namespace();
    if (!user && geteuid() != 0)
        return "user namespaces are not allowed here (see kernel.unprivileged_userns_clone and "
               "user.max_user_namespaces, or run it as root)";
    wire_fd = lab_netns_new();
    if (wire_fd < 0) return "network namespaces are not allowed here";
    if (!packet_sockets_work()) return "packet sockets are not allowed here";
    return NULL;
}

/* "tcp_retries2" or "net.ipv4.tcp_retries2". The files show the namespace of who opens them. */
bool lab_sysctl_write(const char *name, const char *value) {
    char path[160];
    const bool full = strncmp(name, "net.", 4) == 0;
    if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.") != strlen(name)) return false;
    const int length = snprintf(path, sizeof path, "/proc/sys/%s%s", full ? "" : "net/ipv4/", name);
    if (length >= (int)sizeof path) return false;
    for (char *at = path; *at; at++)
        if (*at == '.') *at = '/';
    return write_text(path, value);
}
