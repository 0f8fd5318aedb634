/* For tests that need a network of their own: a fresh network namespace, with a user namespace
 * where that is what gives the permission. Define _GNU_SOURCE before including. */
#ifndef HF_TESTS_NETNS_H
#define HF_TESTS_NETNS_H

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define NETNS_SKIPPED 77

static inline bool write_text(const char *path, const char *text) {
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool good = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return good;
}

static inline bool become_root_of_a_user_namespace(void) {
    char uid_map[32], gid_map[32];
    snprintf(uid_map, sizeof uid_map, "0 %u 1", getuid());
    snprintf(gid_map, sizeof gid_map, "0 %u 1", getgid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) == 0 &&
           write_text("/proc/self/setgroups", "deny") &&
           write_text("/proc/self/uid_map", uid_map) && write_text("/proc/self/gid_map", gid_map);
}

/* False, after having said so, if the machine does not allow it or has no TUN: end with
 * NETNS_SKIPPED. */
static inline bool netns_enter(void) {
    const bool entered =
        access("/dev/net/tun", R_OK | W_OK) == 0 &&
        (unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 || become_root_of_a_user_namespace()) &&
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    if (!entered)
        printf("skipped: TUN devices in a network namespace of one's own are not allowed here\n");
    return entered;
}

static inline void run(const char *command) {
    const int status = system(command);
    if (status != 0) fail_msg("'%s' ended with status %d", command, status);
}

#endif
