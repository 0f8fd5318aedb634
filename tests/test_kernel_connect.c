/* Why a connect failed, each reason made for real in namespaces: hf_connect_explain must name it.
 */
#define _GNU_SOURCE
#include "kernel_net.h"
#include <hf/kernel.h>
#include <poll.h>

static int failures;

static struct sockaddr_storage name_of(const char *addr, uint16_t port, socklen_t *ret_length) {
    struct sockaddr_storage name;
    struct sockaddr_in *const in = (struct sockaddr_in *)&name;
    struct sockaddr_in6 *const in6 = (struct sockaddr_in6 *)&name;
    memset(&name, 0, sizeof name);
    const bool is6 = strchr(addr, ':') != NULL;
    name.ss_family = is6 ? AF_INET6 : AF_INET;
    inet_pton(name.ss_family, addr, is6 ? (void *)&in6->sin6_addr : (void *)&in->sin_addr);
    in->sin_port = htons(port);
    *ret_length = is6 ? sizeof *in6 : sizeof *in;
    return name;
}

/* Connects, waiting at most 6 s, and explains. */
static hf_connect_story try_connect(const char *addr, uint16_t port) {
    socklen_t length;
    const struct sockaddr_storage name = name_of(addr, port, &length);
    const int fd = socket(name.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int one = 1, tries = 1;
    int error = 0;
    hf_connect_story story;
    setsockopt(fd, IPPROTO_IP, IP_RECVERR, &one, sizeof one);
    if (name.ss_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, 7 /* TCP_SYNCNT */, &tries, sizeof tries);
    if (connect(fd, (const struct sockaddr *)&name, length) != 0) error = errno;
    if (error == EINPROGRESS) {
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        socklen_t size = sizeof error;
        if (poll(&wait, 1, 9000) == 1) getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    hf_connect_explain(fd, (const struct sockaddr *)&name, error, &story);
    close(fd);
    return story;
}

static void expect(const char *what, const hf_connect_story *story, hf_cause cause,
                   hf_cause mechanism, bool also) {
    char words[500];
    const bool good = story->cause == cause && story->mechanism == mechanism && also;
    hf_connect_text(story, words, sizeof words);
    printf("%s: %s: errno %d, %s\n", good ? "ok" : "FAIL", what, story->error, words);
    failures += !good;
}

static void explain_ports(void) {
    int listener = net_listen(false, 7203, 100, 0), held[8];
    net_enter(net_here);
    if (!net_write("/proc/sys/net/ipv4/ip_local_port_range", "42000 42007"))
        net_die("ip_local_port_range");
    for (int i = 0; i < 8; i++) {
        held[i] = net_connect(false, 7203);
        const int theirs = net_accept(listener);
        if (i < 3) continue;
        close(held[i]); /* we close first: TIME_WAIT is ours */
        usleep(20000);
        close(theirs);
    }
    usleep(100000);
    const hf_connect_story story = try_connect("10.77.0.2", 7203);
    expect("no port", &story, HF_CAUSE_NONE, HF_CAUSE_BY_CALL,
           story.no_port && story.ports == 8 && story.held == 8 && story.held_time_wait == 5 &&
               story.held_established == 3 && story.next_free_ns > 50 * HF_SECOND &&
               story.next_free_ns < 61 * HF_SECOND);
    const hf_connect_story dual = try_connect("::ffff:10.77.0.2", 7203);
    expect("no port, dual stack", &dual, HF_CAUSE_NONE, HF_CAUSE_BY_CALL,
           dual.no_port && dual.held == 8);
    const hf_connect_story other = try_connect("10.77.0.2", 7204);
    expect("another destination has ports", &other, HF_CAUSE_END_REFUSED, HF_CAUSE_BY_RST, true);
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    net_make();
    hf_connect_story story = try_connect("10.77.0.2", 7201);
    expect("nobody listens", &story, HF_CAUSE_END_REFUSED, HF_CAUSE_BY_RST, !story.icmp);
    story = try_connect("fd77::2", 7201);
    expect("nobody listens, IPv6", &story, HF_CAUSE_END_REFUSED, HF_CAUSE_BY_RST, !story.icmp);
    story = try_connect("::ffff:10.77.0.2", 7201);
    expect("nobody listens, dual stack", &story, HF_CAUSE_END_REFUSED, HF_CAUSE_BY_RST,
           !story.icmp);
    story = try_connect("::ffff:10.77.0.9", 7201);
    expect("nobody has that address, dual stack", &story, HF_CAUSE_END_NEIGHBOR_SILENT,
           HF_CAUSE_BY_NEIGHBOR, true);
    story = try_connect("10.99.0.1", 7201);
    expect("no route", &story, HF_CAUSE_END_UNREACHABLE, HF_CAUSE_BY_CALL,
           story.error == ENETUNREACH);
    story = try_connect("10.77.0.9", 7201);
    expect("nobody has that address", &story, HF_CAUSE_END_NEIGHBOR_SILENT, HF_CAUSE_BY_NEIGHBOR,
           true);
    story = try_connect("fd77::9", 7201);
    expect("nobody has that address, IPv6", &story, HF_CAUSE_END_NEIGHBOR_SILENT,
           HF_CAUSE_BY_NEIGHBOR, true);
    net_cut("7202");
    story = try_connect("10.77.0.2", 7202);
    expect("the SYN is dropped", &story, HF_CAUSE_END_SYN_UNANSWERED, HF_CAUSE_BY_RETRANSMIT_LIMIT,
           story.error == ETIMEDOUT);
    net_run_there(
        "nft add rule inet cut in tcp dport 7205 reject with icmpx type admin-prohibited");
    story = try_connect("10.77.0.2", 7205);
    expect("a firewall prohibits", &story, HF_CAUSE_END_UNREACHABLE, HF_CAUSE_BY_ICMP,
           story.icmp && story.icmp_type == 3 && story.icmp_code == 13);
    net_run_there(
        "nft add rule inet cut in tcp dport 7206 reject with icmpx type port-unreachable");
    story = try_connect("10.77.0.2", 7206);
    expect("a firewall says port unreachable", &story, HF_CAUSE_END_REFUSED, HF_CAUSE_BY_ICMP,
           story.icmp);
    explain_ports();
    return failures != 0;
}
