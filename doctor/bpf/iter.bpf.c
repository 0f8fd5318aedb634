/* One pass over the options of every TCP socket of a network namespace, and one over the descriptors
 * of every process. They read and change nothing. */
#include "kernel_types.h"
#include "record.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL"; /* what the helpers ask for; this file is also MIT */

/* What the kernel hands out as pointers to its own types is read directly, which costs nothing. */
static void read_options(const struct tcp_sock *tcp, struct doctor_bpf_socket *to) {
    const struct inet_connection_sock *const icsk = &tcp->inet_conn;
    const struct sock *const sk = (const struct sock *)tcp;
    const unsigned long flags = sk->__sk_common.skc_flags;
    to->cookie = (__u64)sk->__sk_common.skc_cookie.counter;
    to->keep_idle = tcp->keepalive_time;
    to->keep_interval = tcp->keepalive_intvl;
    to->keep_count = tcp->keepalive_probes;
    to->user_timeout_ms = icsk->icsk_user_timeout;
    to->syn_retries = icsk->icsk_syn_retries;
    to->keepalive = flags >> bpf_core_enum_value(enum sock_flags, SOCK_KEEPOPEN) & 1;
    to->linger_zero =
        (flags >> bpf_core_enum_value(enum sock_flags, SOCK_LINGER) & 1) && sk->sk_lingertime == 0;
    const struct inet_connection_sock___with_rto_max *const newer =
        (const struct inet_connection_sock___with_rto_max *)icsk;
    to->has_rto_max = bpf_core_field_exists(newer->icsk_rto_max);
    if (to->has_rto_max) to->rto_max = newer->icsk_rto_max;
}

SEC("iter/tcp")
int doctor_sockets(struct bpf_iter__tcp *context) {
    struct doctor_bpf_socket record = {0};
    struct sock_common *const common = context->sk_common;
    if (!common) return 0;
    const struct tcp_sock *const tcp = bpf_skc_to_tcp_sock(common);
    if (!tcp) return 0; /* a request, or TIME_WAIT */
    read_options(tcp, &record);
    bpf_seq_write(context->meta->seq, &record, sizeof record);
    return 0;
}

SEC("iter/task_file")
int doctor_owners(struct bpf_iter__task_file *context) {
    struct doctor_bpf_owner record = {0};
    struct task_struct *const task = context->task;
    struct file *const file = context->file;
    if (!task || !file || task->tgid != task->pid) return 0;
    const struct socket *const socket = bpf_sock_from_file(file);
    if (!socket) return 0;
    const struct sock *const sk = socket->sk;
    if (!sk) return 0;
    const __u16 family = sk->__sk_common.skc_family;
    if (family != AF_INET_ && family != AF_INET6_) return 0;
    if (sk->sk_protocol != IPPROTO_TCP_) return 0;
    record.cookie = (__u64)sk->__sk_common.skc_cookie.counter;
    record.inode = (__u32)file->f_inode->i_ino;
    record.pid = (__u32)task->tgid;
    record.fd = context->fd;
    bpf_probe_read_kernel_str(record.command, sizeof record.command, task->comm);
    bpf_seq_write(context->meta->seq, &record, sizeof record);
    return 0;
}
