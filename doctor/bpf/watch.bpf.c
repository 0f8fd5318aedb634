/* Events of TCP sockets, as tracepoints tell them. They are counted where they happen, and handed on
 * as long as there is room. */
#include "kernel_types.h"
#include "record.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL"; /* what the helpers ask for; this file is also MIT */

enum { RING_BYTES = 1 << 20, ETH_P_IPV4 = 0x0800, ETH_P_IPV6_ = 0x86dd, KINDS = 5 };

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, RING_BYTES);
} events SEC(".maps");

__u64 counts[KINDS], lost;
__u32 only_netns; /* inode; 0: all */

static __u32 netns_of(const struct sock *sk) {
    return BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
}

/* ::ffff:a.b.c.d, as everywhere in the doctor. */
static void put_four(__u8 *to, __be32 addr) {
    __builtin_memset(to, 0, 10);
    to[10] = to[11] = 0xff;
    __builtin_memcpy(to + 12, &addr, 4);
}

static void put_socket(struct doctor_bpf_event *event, const struct sock *sk) {
    event->is6 = BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET6_;
    event->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
    event->remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
    if (event->is6) {
        BPF_CORE_READ_INTO(&event->local, sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8);
        BPF_CORE_READ_INTO(&event->remote, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
    } else {
        put_four(event->local, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
        put_four(event->remote, BPF_CORE_READ(sk, __sk_common.skc_daddr));
    }
}

/* Of a packet that has come: its sender is the remote end. False if it is not TCP. */
static int put_packet(struct doctor_bpf_event *event, const struct sk_buff *skb) {
    const unsigned char *const head = BPF_CORE_READ(skb, head);
    const unsigned char *const ip = head + BPF_CORE_READ(skb, network_header);
    const __u16 protocol = bpf_ntohs(BPF_CORE_READ(skb, protocol));
    __u8 next = 0;
    __u16 ports[2] = {0, 0};
    __be32 addresses[2] = {0, 0};
    if (protocol == ETH_P_IPV4) {
        bpf_probe_read_kernel(&next, 1, ip + 9);
        bpf_probe_read_kernel(addresses, sizeof addresses, ip + 12);
        put_four(event->remote, addresses[0]);
        put_four(event->local, addresses[1]);
    } else if (protocol == ETH_P_IPV6_) {
        bpf_probe_read_kernel(&next, 1, ip + 6);
        bpf_probe_read_kernel(event->remote, 16, ip + 8);
        bpf_probe_read_kernel(event->local, 16, ip + 24);
        event->is6 = 1;
    }
    if (next != IPPROTO_TCP_) return 0;
    bpf_probe_read_kernel(ports, sizeof ports, head + BPF_CORE_READ(skb, transport_header));
    event->remote_port = bpf_ntohs(ports[0]);
    event->local_port = bpf_ntohs(ports[1]);
    return 1;
}

static void send(struct doctor_bpf_event *event) {
    if (only_netns != 0 && event->netns != only_netns) return;
    if (event->kind < KINDS) __sync_fetch_and_add(&counts[event->kind], 1);
    event->at_ns = bpf_ktime_get_ns();
    if (bpf_ringbuf_output(&events, event, sizeof *event, 0) != 0) __sync_fetch_and_add(&lost, 1);
}

static void send_of(const struct sock *sk, __u8 kind, __u8 before, __u8 after, __u32 reason) {
    struct doctor_bpf_event event = {
        .kind = kind, .before = before, .after = after, .reason = reason, .netns = netns_of(sk)};
    put_socket(&event, sk);
    send(&event);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(doctor_state, const struct sock *sk, int before, int after) {
    if (BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP_)
        send_of(sk, DOCTOR_EVENT_STATE, (__u8)before, (__u8)after, 0);
    return 0;
}

SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(doctor_retransmit, const struct sock *sk) {
    const __u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);
    send_of(sk, DOCTOR_EVENT_RETRANSMIT, state, state, 0);
    return 0;
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(doctor_reset_received, struct sock *sk) {
    const __u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);
    send_of(sk, DOCTOR_EVENT_RESET_RECEIVED, state, state, 0);
    return 0;
}

SEC("tp_btf/tcp_send_reset")
int BPF_PROG(doctor_reset_sent, const struct sock *sk, const struct sk_buff *skb, int reason) {
    struct doctor_bpf_event event = {.kind = DOCTOR_EVENT_RESET_SENT, .reason = (__u32)reason};
    if (sk) {
        event.before = event.after = BPF_CORE_READ(sk, __sk_common.skc_state);
        event.netns = netns_of(sk);
        put_socket(&event, sk);
    } else if (skb) {
        event.netns = BPF_CORE_READ(skb, dev, nd_net.net, ns.inum);
        put_packet(&event, skb);
    }
    send(&event);
    return 0;
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(doctor_drop, struct sk_buff *skb, void *location, int reason) {
    struct doctor_bpf_event event = {.kind = DOCTOR_EVENT_DROP, .reason = (__u32)reason};
    if (!put_packet(&event, skb)) return 0;
    event.netns = BPF_CORE_READ(skb, dev, nd_net.net, ns.inum);
    send(&event);
    return 0;
}
