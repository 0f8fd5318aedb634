/* Both kinds of half-established connection, with hf/kernel.h on the client: connect() has returned
 * 0, and the peer's listener is full. Either the peer keeps a request and repeats its SYN-ACK, or
 * it has answered by a cookie and keeps nothing. Each with a client that only waits and one that
 * sends. */
#define _GNU_SOURCE
#include "kernel_net.h"
#include <hf/kernel.h>

typedef struct half {
    const char *name;
    uint16_t port, local_port;
    bool cookie, sends, accepted;
    hf_watch_verdict first, last; /* expected */
    int listener, ours, filler;
    hf_watch watch;
    hf_ns begun_ns, next_ns;
    hf_watch_verdict seen_first, seen;
    hf_ns first_at_ns;
    bool done;
} half;

static half halves[] = {
    {.name = "request kept, client waits",
     .port = 7101,
     .local_port = 41001,
     .first = HF_WATCH_PEER_MAY_NOT_HAVE_ACCEPTED,
     .last = HF_WATCH_PEER_MAY_NOT_HAVE_ACCEPTED},
    {.name = "request kept, client sends",
     .port = 7102,
     .local_port = 41002,
     .sends = true,
     .first = HF_WATCH_PEER_MAY_NOT_HAVE_ACCEPTED,
     .last = HF_WATCH_PEER_SILENT},
    {.name = "cookie, client waits",
     .port = 7103,
     .local_port = 41003,
     .cookie = true,
     .first = HF_WATCH_ENDED,
     .last = HF_WATCH_ENDED},
    {.name = "cookie, client sends",
     .port = 7104,
     .local_port = 41004,
     .cookie = true,
     .sends = true,
     .first = HF_WATCH_PEER_SILENT,
     .last = HF_WATCH_PEER_SILENT},
    {.name = "accepted, and the peer sends keepalive probes",
     .port = 7105,
     .local_port = 41005,
     .accepted = true,
     .first = HF_WATCH_OK,
     .last = HF_WATCH_OK},
};
enum { HALVES = sizeof halves / sizeof halves[0] };

static void set_cookies(const char *value) {
    net_enter(net_there);
    if (!net_write("/proc/sys/net/ipv4/tcp_syncookies", value)) net_die("tcp_syncookies");
    net_enter(net_here);
}

static int connect_from(uint16_t local_port, uint16_t port) {
    socklen_t length;
    const struct sockaddr_storage here = net_name(false, false, local_port, &length);
    const struct sockaddr_storage there = net_name(false, true, port, &length);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (const struct sockaddr *)&here, length) != 0) net_die("bind");
    if (connect(fd, (const struct sockaddr *)&there, length) != 0) net_die("connect");
    return fd;
}

/* The peer's end, which asks each second whether we live: no SYN-ACK, though it acknowledges
 * nothing. */
static int accept_and_probe(int listener) {
    const int fd = net_accept(listener), one = 1;
    setsockopt(fd, IPPROTO_TCP, 4 /* TCP_KEEPIDLE */, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, 5 /* TCP_KEEPINTVL */, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    return fd;
}

static void set_up(half *h) {
    const hf_watch_bounds bounds = {.silent_ns = 5 * HF_SECOND};
    set_cookies(h->cookie ? "2" : "1");
    h->listener = net_listen(false, h->port, 0, 0);
    h->ours = connect_from(h->local_port, h->port);
    h->begun_ns = h->next_ns = hf_kernel_now();
    if (!hf_watch_begin(&h->watch, h->ours, &bounds, h->begun_ns, NULL, NULL))
        net_die("hf_watch_begin");
    h->filler = h->accepted ? accept_and_probe(h->listener) : net_connect(false, h->port);
}

static void look(half *h) {
    char words[500];
    if (h->done || hf_kernel_now() < h->next_ns) return;
    const hf_watch_verdict verdict = hf_watch_look(&h->watch, hf_kernel_now(), &h->next_ns);
    if (verdict == h->seen) return;
    h->seen = verdict;
    if (h->first_at_ns == 0) {
        h->seen_first = verdict;
        h->first_at_ns = hf_kernel_now();
    }
    if (verdict == HF_WATCH_ENDED) hf_watch_take_error(&h->watch);
    h->done = verdict == HF_WATCH_ENDED || verdict == HF_WATCH_PEER_SILENT;
    hf_watch_text(&h->watch, words, sizeof words);
    printf("   %s, after %.2f s: %s\n", h->name, (double)(hf_kernel_now() - h->begun_ns) / 1e9,
           words);
}

int main(void) {
    int failures = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    net_make();
    net_run_there("nft add element inet cut held { 41001, 41002, 41003, 41004 }");
    for (int i = 0; i < HALVES; i++) set_up(&halves[i]);
    usleep(100000); /* the fillers have the listeners' places now */
    net_run_there("nft flush set inet cut held");
    for (int i = 0; i < HALVES; i++)
        if (halves[i].sends) send(halves[i].ours, "hello", 5, MSG_NOSIGNAL);
    for (const hf_ns end = hf_kernel_now() + 8 * HF_SECOND; hf_kernel_now() < end; usleep(2000))
        for (int i = 0; i < HALVES; i++) look(&halves[i]);
    for (int i = 0; i < HALVES; i++) {
        const half *const h = &halves[i];
        const bool good = h->seen_first == h->first && h->seen == h->last;
        printf("%s: %s\n", good ? "ok" : "FAIL", h->name);
        failures += !good;
    }
    return failures != 0;
}
