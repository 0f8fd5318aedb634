/* Network namespaces: which there are, and what each allows. */
#define _GNU_SOURCE
#include "doctor/bpf.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- sysctls and counters, of the namespace that this thread is in ---- */

/* The numbers in a file of /proc/sys; what is not there keeps its value. */
static void read_sysctl(const char *name, uint32_t *first, uint32_t *second) {
    char path[128];
    snprintf(path, sizeof path, "/proc/sys/net/%s", name);
    FILE *const file = fopen(path, "re");
    uint32_t a, b;
    if (!file) return;
    const int found = fscanf(file, "%u %u", &a, &b);
    fclose(file);
    if (found >= 1) *first = a;
    if (found >= 2 && second) *second = b;
}

void doctor_limits_read(doctor_limits *limits) {
    uint32_t syncookies = 1, abort_on_overflow = 0;
    *limits = (doctor_limits){.retries2 = 15,
                              .syn_retries = 6,
                              .synack_retries = 5,
                              .rto_max_ms = 120000,
                              .keep_idle_s = 7200,
                              .keep_interval_s = 75,
                              .keep_count = 9,
                              .fin_timeout_s = 60,
                              .first_port = 32768,
                              .last_port = 60999};
    const struct {
        const char *name;
        uint32_t *first, *second;
    } rows[] = {{"ipv4/tcp_retries2", &limits->retries2, NULL},
                {"ipv4/tcp_syn_retries", &limits->syn_retries, NULL},
                {"ipv4/tcp_syn_linear_timeouts", &limits->syn_linear, NULL},
                {"ipv4/tcp_synack_retries", &limits->synack_retries, NULL},
                {"ipv4/tcp_orphan_retries", &limits->orphan_retries, NULL},
                {"ipv4/tcp_rto_max_ms", &limits->rto_max_ms, NULL},
                {"ipv4/tcp_keepalive_time", &limits->keep_idle_s, NULL},
                {"ipv4/tcp_keepalive_intvl", &limits->keep_interval_s, NULL},
                {"ipv4/tcp_keepalive_probes", &limits->keep_count, NULL},
                {"ipv4/tcp_fin_timeout", &limits->fin_timeout_s, NULL},
                {"ipv4/tcp_max_tw_buckets", &limits->tw_buckets, NULL},
                {"ipv4/tcp_tw_reuse", &limits->tw_reuse, NULL},
                {"ipv4/tcp_max_orphans", &limits->max_orphans, NULL},
                {"ipv4/tcp_syncookies", &syncookies, NULL},
                {"ipv4/tcp_abort_on_overflow", &abort_on_overflow, NULL},
                {"core/somaxconn", &limits->somaxconn, NULL},
                {"ipv4/ip_local_port_range", &limits->first_port, &limits->last_port}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        read_sysctl(rows[i].name, rows[i].first, rows[i].second);
    limits->syncookies = syncookies != 0;
    limits->abort_on_overflow = abort_on_overflow != 0;
}

struct counter {
    const char *name;
    uint64_t *value;
};

static void take_counter(const struct counter *counters, size_t count, const char *name,
                         uint64_t value) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(counters[i].name, name) == 0) *counters[i].value = value;
}

/* /proc/net/netstat and snmp have pairs of lines: names, then values. */
static void read_pairs(const char *path, const struct counter *counters, size_t count) {
    char *names = NULL, *values = NULL, *name_at, *value_at;
    size_t names_room = 0, values_room = 0;
    FILE *const file = fopen(path, "re");
    if (!file) return;
    while (getline(&names, &names_room, file) > 0 && getline(&values, &values_room, file) > 0) {
        const char *name = strtok_r(names, " \n", &name_at);
        const char *value = strtok_r(values, " \n", &value_at);
        for (; name && value;
             name = strtok_r(NULL, " \n", &name_at), value = strtok_r(NULL, " \n", &value_at))
            take_counter(counters, count, name, strtoull(value, NULL, 10));
    }
    free(names);
    free(values);
    fclose(file);
}

/* "TCP: inuse 5 orphan 0 tw 4 alloc 7 mem 1" */
static void read_sockstat(doctor_counters *counters) {
    char line[256];
    unsigned long long orphans, time_wait;
    FILE *const file = fopen("/proc/self/net/sockstat", "re");
    if (!file) return;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "TCP: inuse %*u orphan %llu tw %llu", &orphans, &time_wait) == 2) {
            counters->orphans = orphans;
            counters->time_wait = time_wait;
        }
    fclose(file);
}

void doctor_counters_read(doctor_counters *counters) {
    memset(counters, 0, sizeof *counters);
    const struct counter rows[] = {{"ListenOverflows", &counters->listen_overflows},
                                   {"ListenDrops", &counters->listen_drops},
                                   {"TCPAbortOnTimeout", &counters->aborts_on_timeout},
                                   {"TCPAbortOnMemory", &counters->aborts_on_memory},
                                   {"TCPAbortOnLinger", &counters->aborts_on_linger},
                                   {"TCPAbortOnData", &counters->aborts_on_data},
                                   {"TCPTimeWaitOverflow", &counters->time_wait_overflows},
                                   {"SyncookiesSent", &counters->cookies_sent},
                                   {"SyncookiesFailed", &counters->cookies_failed},
                                   {"TCPReqQFullDrop", &counters->request_queue_full},
                                   {"PassiveOpens", &counters->passive_opens},
                                   {"ActiveOpens", &counters->active_opens},
                                   {"RetransSegs", &counters->retransmitted_segs},
                                   {"OutRsts", &counters->resets_sent},
                                   {"EstabResets", &counters->established_resets}};
    read_pairs("/proc/self/net/netstat", rows, sizeof rows / sizeof rows[0]);
    read_pairs("/proc/self/net/snmp", rows, sizeof rows / sizeof rows[0]);
    read_sockstat(counters);
}

/* ---- Which there are ---- */

static bool inode_of(const char *path, uint64_t *ret) {
    struct stat status;
    if (stat(path, &status) != 0) return false;
    *ret = status.st_ino;
    return true;
}

static bool add(doctor_view *view, uint64_t inode, const char *name) {
    for (size_t i = 0; i < view->netns_count; i++)
        if (view->netns[i].inode == inode) return false;
    doctor_netns *const grown = realloc(view->netns, (view->netns_count + 1) * sizeof *view->netns);
    if (!grown) return false;
    view->netns = grown;
    doctor_netns *const netns = &grown[view->netns_count++];
    memset(netns, 0, sizeof *netns);
    netns->inode = inode;
    snprintf(netns->name, sizeof netns->name, "%s", name);
    return true;
}

static bool add_path(doctor_view *view, const char *path, const char *name) {
    uint64_t inode;
    return inode_of(path, &inode) && add(view, inode, name);
}

/* Named ones first, so that they are called by their names. */
static void add_named(doctor_view *view) {
    char path[320];
    DIR *const folder = opendir("/run/netns");
    if (!folder) return;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/run/netns/%s", entry->d_name);
        add_path(view, path, entry->d_name);
    }
    closedir(folder);
}

static void add_of_processes(doctor_view *view) {
    char path[64], name[64];
    DIR *const folder = opendir("/proc");
    if (!folder) return;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (!isdigit((unsigned char)entry->d_name[0])) continue;
        snprintf(path, sizeof path, "/proc/%.20s/ns/net", entry->d_name);
        snprintf(name, sizeof name, "pid %.20s", entry->d_name);
        add_path(view, path, name);
    }
    closedir(folder);
}

static bool is_name(const char *netns) { return strchr(netns, '/') == NULL; }

bool doctor_netns_find(doctor_view *view, const doctor_scope *scope, char *why, size_t size) {
    char path[320], name[64];
    uint64_t inode = 0;
    if (scope->netns) {
        snprintf(path, sizeof path, "%s%s", is_name(scope->netns) ? "/run/netns/" : "",
                 scope->netns);
        snprintf(name, sizeof name, "%.63s", scope->netns);
    } else if (scope->pid > 0) {
        snprintf(path, sizeof path, "/proc/%d/ns/net", (int)scope->pid);
        snprintf(name, sizeof name, "pid %d", (int)scope->pid);
    } else {
        snprintf(path, sizeof path, "/proc/self/ns/net");
        snprintf(name, sizeof name, "this");
    }
    if (!inode_of(path, &inode)) {
        snprintf(why, size, "The network namespace %s cannot be found: %s.", path, strerror(errno));
        return false;
    }
    add(view, inode, name);
    if (!scope->every_netns) return true;
    add_named(view);
    add_of_processes(view);
    return true;
}

/* ---- Stepping into one ---- */

static void path_of(const doctor_netns *netns, char *to, size_t size) {
    int pid;
    if (sscanf(netns->name, "pid %d", &pid) == 1)
        snprintf(to, size, "/proc/%d/ns/net", pid);
    else
        snprintf(to, size, "%s%s", is_name(netns->name) ? "/run/netns/" : "", netns->name);
}

/* Enters; true if this thread is in it. */
static bool enter(const doctor_netns *netns) {
    char path[128];
    uint64_t ours;
    if (inode_of("/proc/self/ns/net", &ours) && ours == netns->inode) return true;
    path_of(netns, path, sizeof path);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool entered = setns(fd, CLONE_NEWNET) == 0;
    const int error = errno;
    close(fd);
    errno = error;
    return entered;
}

static bool read_one(doctor_view *view, doctor_bpf *bpf, uint32_t index, uint32_t states, char *why,
                     size_t size) {
    doctor_netns *const netns = &view->netns[index];
    if (!enter(netns)) {
        snprintf(why, size, "The network namespace \"%s\" may not be entered: %s.", netns->name,
                 strerror(errno));
        return false;
    }
    doctor_limits_read(&netns->limits);
    doctor_counters_read(&netns->counters);
    const size_t from = view->conn_count;
    netns->seen = doctor_diag_read(view, index, states, why, size);
    view->seen_at_ns = hf_kernel_now();
    if (netns->seen && bpf) doctor_bpf_settings(bpf, view, from);
    return netns->seen;
}

bool doctor_netns_read(doctor_view *view, const doctor_scope *scope, struct doctor_bpf *bpf,
                       char *why, size_t size) {
    const int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    const uint32_t handshakes = 1u << DOCTOR_SYN_RECV | 1u << DOCTOR_NEW_SYN_RECV;
    const uint32_t states =
        scope->only_listeners ? 1u << DOCTOR_LISTEN | handshakes : (1u << DOCTOR_STATES) - 2;
    size_t seen = 0;
    for (uint32_t i = 0; i < view->netns_count; i++) {
        const bool good = read_one(view, bpf, i, states, why, size);
        seen += good;
        view->unseen_netns += !good;
        if (home >= 0 && setns(home, CLONE_NEWNET) != 0 && errno != EPERM) break;
    }
    if (home >= 0) close(home);
    return seen > 0;
}
