/* The kernel's types, as far as the programs read them. The loader finds where each field is on the
 * kernel that runs (CO-RE), so order and size do not matter here, and no kernel is needed to build.
 * A name with ___ is a variant that not every kernel has. */
#ifndef DOCTOR_BPF_KERNEL_TYPES_H
#define DOCTOR_BPF_KERNEL_TYPES_H

#include <linux/bpf.h>
#include <linux/types.h>

enum { AF_INET_ = 2, AF_INET6_ = 10, IPPROTO_TCP_ = 6 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
    unsigned int inum;
};
struct net {
    struct ns_common ns;
};
struct in6_addr {
    union {
        __u8 u6_addr8[16];
    } in6_u;
};
typedef struct {
    struct net *net;
} possible_net_t;
typedef struct {
    long counter;
} atomic64_t;
struct sock_common {
    __be32 skc_daddr, skc_rcv_saddr;
    __be16 skc_dport;
    __u16 skc_num, skc_family;
    volatile unsigned char skc_state;
    possible_net_t skc_net;
    struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
    unsigned long skc_flags;
    atomic64_t skc_cookie;
};
struct sock {
    struct sock_common __sk_common;
    unsigned long sk_lingertime;
    __u16 sk_protocol;
};
struct inet_connection_sock {
    __u32 icsk_user_timeout;
    __u8 icsk_syn_retries;
};
struct inet_connection_sock___with_rto_max {
    __u32 icsk_rto_max;
};
struct tcp_sock {
    struct inet_connection_sock inet_conn;
    __u8 keepalive_probes;
    unsigned int keepalive_time, keepalive_intvl;
};
struct seq_file;
struct bpf_iter_meta {
    struct seq_file *seq;
};
struct bpf_iter__tcp {
    struct bpf_iter_meta *meta;
    struct sock_common *sk_common;
};
struct task_struct {
    int pid, tgid;
    char comm[16];
};
struct inode {
    unsigned long i_ino;
};
struct file {
    struct inode *f_inode;
};
struct socket {
    struct sock *sk;
};
struct bpf_iter__task_file {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
    __u32 fd;
    struct file *file;
};
struct net_device {
    possible_net_t nd_net;
};
struct sk_buff {
    struct net_device *dev;
    unsigned char *head;
    __u16 network_header, transport_header;
    __u16 protocol;
};

#pragma clang attribute pop

enum sock_flags { SOCK_KEEPOPEN = 3, SOCK_LINGER = 4 };

#endif
