/* The Linux kernel: both ends in this process, on blocking sockets that the loop only asks when they are
 * ready. The network runs inside send(), so the process pays for all of it. bench/run gives the namespaces:
 * the far end of each veth pair is in the one that HF_BENCH_FAR names. */
#define _GNU_SOURCE
#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct ends {
    int listener;
    struct sockaddr_in server;
} ends;

/* The address that bench/run gave the pair of this MTU; 65535 is loopback. */
static const char *address_of(const work *w) {
    if (w->kind != WORK_BULK || w->mtu == 65535) return "127.0.0.1";
    if (w->mtu == 1500) return w->sum ? "10.97.1.2" : "10.97.2.2";
    return w->sum ? "10.97.3.2" : "10.97.4.2";
}

static int socket_in_far(bool far) {
    const int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    const char *name = getenv("HF_BENCH_FAR");
    if (far) {
        const int there = open(name != NULL ? name : "/dev/null", O_RDONLY | O_CLOEXEC);
        need(setns(there, CLONE_NEWNET) == 0, "setns");
        close(there);
    }
    const int s = socket(AF_INET, SOCK_STREAM, 0);
    need(s >= 0, "socket");
    if (far) need(setns(here, CLONE_NEWNET) == 0, "setns");
    close(here);
    return s;
}

static void set_up(int s) {
    const int one = 1;
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
}

static ends begin(const work *w) {
    const char *address = address_of(w);
    ends e = {.server = {.sin_family = AF_INET}};
    const int one = 1;
    e.listener = socket_in_far(strcmp(address, "127.0.0.1") != 0);
    inet_pton(AF_INET, address, &e.server.sin_addr);
    setsockopt(e.listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    set_up(e.listener);
    socklen_t bytes = sizeof e.server;
    need(bind(e.listener, (struct sockaddr *)&e.server, bytes) == 0, "bind");
    need(listen(e.listener, 4096) == 0, "listen");
    getsockname(e.listener, (struct sockaddr *)&e.server, &bytes);
    return e;
}

static void open_pair(const ends *e, int *ret_client, int *ret_server) {
    *ret_client = socket(AF_INET, SOCK_STREAM, 0);
    set_up(*ret_client);
    need(connect(*ret_client, (const struct sockaddr *)&e->server, sizeof e->server) == 0,
         "connect");
    *ret_server = accept(e->listener, NULL, NULL);
    need(*ret_server >= 0, "accept");
    set_up(*ret_server);
}

static uint8_t source[4 * WRITE_BYTES], sink[4 * WRITE_BYTES];

static double bulk(const work *w, uint64_t rounds) {
    const ends e = begin(w);
    int client, server;
    open_pair(&e, &client, &server);
    const double from = cpu_seconds();
    for (uint64_t got = 0; got < rounds;) {
        while (send(client, source, sizeof source, MSG_DONTWAIT) > 0) {
        }
        ssize_t n;
        while ((n = recv(server, sink, sizeof sink, MSG_DONTWAIT)) > 0) got += (uint64_t)n;
    }
    return cpu_seconds() - from;
}

static double requests(const work *w, uint64_t rounds) {
    const ends e = begin(w);
    const struct rlimit limit = {2 * w->conns + 64, 2 * w->conns + 64};
    setrlimit(RLIMIT_NOFILE, &limit);
    int *client = calloc(w->conns, sizeof *client), *server = calloc(w->conns, sizeof *server);
    for (uint32_t i = 0; i < w->conns; i++) open_pair(&e, &client[i], &server[i]);
    const uint32_t batch = w->conns < 100 ? w->conns : 100;
    const double from = cpu_seconds();
    for (uint64_t done = 0; done < rounds; done += batch) {
        for (uint32_t i = 0; i < batch; i++)
            need(send(client[(done + i) % w->conns], source, 64, 0) == 64, "request");
        for (uint32_t i = 0; i < batch; i++) {
            const int s = server[(done + i) % w->conns];
            need(recv(s, sink, 64, 0) == 64 && send(s, sink, 64, 0) == 64, "echo");
        }
        for (uint32_t i = 0; i < batch; i++)
            need(recv(client[(done + i) % w->conns], sink, 64, 0) == 64, "answer");
    }
    return cpu_seconds() - from;
}

static double cycles(const work *w, uint64_t rounds) {
    const ends e = begin(w);
    const double from = cpu_seconds();
    for (uint64_t i = 0; i < rounds; i++) {
        int client, server;
        open_pair(&e, &client, &server);
        need(send(client, source, 1, 0) == 1 && recv(server, sink, 1, 0) == 1, "byte");
        need(send(server, sink, 1, 0) == 1 && recv(client, sink, 1, 0) == 1, "echo");
        close(client);
        close(server);
    }
    return cpu_seconds() - from;
}

static double run(const work *w, uint64_t rounds) {
    if (w->kind == WORK_BULK) return bulk(w, rounds);
    return w->kind == WORK_REQUESTS ? requests(w, rounds) : cycles(w, rounds);
}

static const char *cannot(const work *w) {
    if (w->kind == WORK_CYCLES_KEPT)
        return "28,232 local ports to one destination, and it slows down at half";
    if (w->lent) return "MSG_ZEROCOPY copies when both ends are on one machine";
    if (w->mtu == 65535 && w->sum) return "loopback never sums";
    if (w->kind == WORK_BULK && w->mtu != 65535 && getenv("HF_BENCH_FAR") == NULL)
        return "needs a veth pair, which was not allowed here";
    return NULL;
}

int main(int argc, char **argv) { return bench_main(argc, argv, run, cannot); }
