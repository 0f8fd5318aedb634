/* What hf/kernel.h costs who watches many idle sockets: CPU time a second, looks a second, and one
 * look beside one bare getsockopt(TCP_INFO) on the same sockets.
 *
 *   bench-watch [SOCKETS [SECONDS]] [--json]
 *
 * The peers' ends live in a second process, so that 10,000 sockets fit into 20,000 descriptors. */
#define _GNU_SOURCE
#include <hf/kernel.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 15000, SLOTS = 8192, SLOT_MS = 4 };

static hf_watch watches[MOST];
static int next_in_slot[MOST], slots[SLOTS];
static int count = 10000;

static hf_ns cpu_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (hf_ns)now.tv_sec * HF_SECOND + (hf_ns)now.tv_nsec;
}

static int die(const char *what) {
    fprintf(stderr, "bench-watch: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void allow_descriptors(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static pid_t serve(int listener) {
    const pid_t pid = fork();
    if (pid != 0) return pid;
    while (accept(listener, NULL, NULL) >= 0) continue;
    pause();
    _exit(0);
}

static void connect_all(const struct sockaddr_in *name) {
    const struct linger now = {1, 0};
    for (int i = 0; i < count; i++) {
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (const struct sockaddr *)name, sizeof *name) != 0) die("connect");
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now); /* leaves no TIME_WAIT behind */
        watches[i].fd = fd;
    }
}

static void put_in_slot(int i, hf_ns at_ns) {
    const size_t slot = at_ns / (SLOT_MS * HF_MS) % SLOTS;
    next_in_slot[i] = slots[slot];
    slots[slot] = i;
}

static void begin_all(hf_ns silent_ns) {
    const hf_watch_bounds bounds = {.silent_ns = silent_ns};
    hf_kernel_problem problem;
    memset(slots, -1, sizeof slots);
    for (int i = 0; i < count; i++) {
        /* A byte, so that nothing is in doubt; in a second, or the probes of all come in one burst. */
        char byte = 0;
        if (send(watches[i].fd, &byte, 1, MSG_NOSIGNAL) != 1) die("send");
        if (!hf_watch_begin(&watches[i], watches[i].fd, &bounds, hf_kernel_now(), NULL, &problem))
            die("hf_watch_begin");
        if (i % 10 == 9) usleep(1000 * 10 * 1000 / (useconds_t)count);
    }
    const hf_ns begun_ns = hf_kernel_now();
    for (int i = 0; i < count; i++)
        put_in_slot(i, begun_ns + HF_SECOND + (hf_ns)i * HF_SECOND / (hf_ns)count);
}

/* Looks at what is due for so long; returns how many looks that took. Their CPU time is counted
 * around each batch: what the kernel does for its probes in between is not the watch's, and falls
 * on whoever runs. */
static long look_for(hf_ns time_ns, hf_ns from_ns, hf_ns *ret_slot_at_ns, hf_ns *ret_cpu_ns) {
    long looks = 0;
    hf_ns at_ns = *ret_slot_at_ns;
    while (at_ns < from_ns + time_ns) {
        const size_t slot = at_ns / (SLOT_MS * HF_MS) % SLOTS;
        int i = slots[slot];
        slots[slot] = -1;
        const hf_ns cpu_from = cpu_now();
        while (i >= 0) {
            hf_ns next_ns;
            const int following = next_in_slot[i];
            const hf_watch_verdict verdict = hf_watch_look(&watches[i], hf_kernel_now(), &next_ns);
            if (verdict != HF_WATCH_OK) die(hf_watch_verdict_name(verdict));
            put_in_slot(i, next_ns + SLOT_MS * HF_MS);
            looks++;
            i = following;
        }
        *ret_cpu_ns += cpu_now() - cpu_from;
        at_ns += SLOT_MS * HF_MS;
        const hf_ns now = hf_kernel_now();
        if (at_ns > now) usleep((useconds_t)((at_ns - now) / 1000));
    }
    *ret_slot_at_ns = at_ns;
    return looks;
}

/* One getsockopt(TCP_INFO) on each socket, in the order of their descriptors. */
static double bare_ns(void) {
    char info[256];
    const hf_ns from = cpu_now();
    for (int i = 0; i < count; i++) {
        socklen_t length = sizeof info;
        if (getsockopt(watches[i].fd, IPPROTO_TCP, TCP_INFO, info, &length) != 0) die("TCP_INFO");
    }
    return (double)(cpu_now() - from) / count;
}

static double look_ns(void) {
    hf_ns next_ns;
    const hf_ns from = cpu_now();
    for (int i = 0; i < count; i++) hf_watch_look(&watches[i], hf_kernel_now(), &next_ns);
    return (double)(cpu_now() - from) / count;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of paired runs, in turn. */
static double look_to_bare(double *ret_look_ns) {
    enum { PAIRS = 15 };
    double ratios[PAIRS], looks[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        const double bare = bare_ns();
        looks[i] = look_ns();
        ratios[i] = looks[i] / bare;
    }
    qsort(ratios, PAIRS, sizeof *ratios, compare);
    qsort(looks, PAIRS, sizeof *looks, compare);
    *ret_look_ns = looks[PAIRS / 2];
    return ratios[PAIRS / 2];
}

static void measure(hf_ns silent_ns, hf_ns time_ns, bool json, bool last) {
    begin_all(silent_ns);
    hf_ns slot_at_ns = hf_kernel_now();
    hf_ns cpu_ns = 0;
    look_for(silent_ns + 3 * HF_SECOND, slot_at_ns, &slot_at_ns, &cpu_ns); /* the phases settle */
    const hf_ns from = hf_kernel_now();
    cpu_ns = 0;
    const long looks =
        look_for(time_ns > silent_ns ? time_ns : silent_ns, from, &slot_at_ns, &cpu_ns);
    const double seconds = (double)(hf_kernel_now() - from) / 1e9;
    const double cpu_ms = (double)cpu_ns / 1e6 / seconds;
    double one_ns;
    const double ratio = look_to_bare(&one_ns);
    const double bound_s = (double)silent_ns / 1e9;
    if (json)
        printf(
            "  {\"work\": \"watch_%d_sockets_%.0f_s\", \"unit\": \"CPU ms a second\", \"median\": "
            "%.1f, \"looks_per_s\": %.0f, \"look_to_getsockopt\": %.2f}%s\n",
            count, bound_s, cpu_ms, (double)looks / seconds, ratio, last ? "" : ",");
    else
        printf("%6d  %5.0f s %8.1f ms/s %8.0f/s %8.0f ns %7.2f\n", count, bound_s, cpu_ms,
               (double)looks / seconds, one_ns, ratio);
    fflush(stdout);
}

int main(int argc, char **argv) {
    const bool json = argc > 1 && strcmp(argv[argc - 1], "--json") == 0;
    if (argc - json > 1) count = atoi(argv[1]);
    const hf_ns time_ns = (argc - json > 2 ? (hf_ns)atoi(argv[2]) : 10) * HF_SECOND;
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof name;
    if (count < 1 || count > MOST) return fprintf(stderr, "1 to %d sockets\n", MOST), 2;
    allow_descriptors();
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&name, length) != 0 || listen(listener, 4096) != 0 ||
        getsockname(listener, (struct sockaddr *)&name, &length) != 0)
        die("listen");
    const pid_t peer = serve(listener);
    close(listener);
    connect_all(&name);
    if (!json) printf("sockets  bound   CPU used    looks   one look  to bare getsockopt\n");
    measure(3 * HF_SECOND, time_ns, json, false);
    measure(5 * HF_SECOND, time_ns, json, false);
    measure(30 * HF_SECOND, time_ns, json, true);
    for (int i = 0; i < count; i++) close(watches[i].fd);
    kill(peer, SIGKILL);
    waitpid(peer, NULL, 0);
    return 0;
}
