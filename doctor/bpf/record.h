/* What the BPF programs hand to the doctor; both sides are compiled with it. */
#ifndef DOCTOR_BPF_RECORD_H
#define DOCTOR_BPF_RECORD_H

#include <linux/types.h>

/* Of iter/tcp: the options of one socket. Waits are in jiffies, 0 stands for the sysctl's value. */
struct doctor_bpf_socket {
    __u64 cookie;
    __u32 keep_idle, keep_interval, rto_max, user_timeout_ms;
    __u8 keep_count, syn_retries, keepalive, linger_zero;
    __u8 has_rto_max, pad[3];
};

/* Of iter/task_file: who holds it. */
struct doctor_bpf_owner {
    __u64 cookie;
    __u32 inode, pid, fd;
    char command[16];
    __u32 pad;
};

/* Of the tracepoints. */
enum doctor_bpf_kind {
    DOCTOR_EVENT_STATE,
    DOCTOR_EVENT_RETRANSMIT,
    DOCTOR_EVENT_RESET_SENT,
    DOCTOR_EVENT_RESET_RECEIVED,
    DOCTOR_EVENT_DROP
};

struct doctor_bpf_event {
    __u64 at_ns;
    __u8 local[16], remote[16];
    __u16 local_port, remote_port; /* host order */
    __u8 kind, is6, before, after; /* states */
    __u32 reason;                  /* of a reset or a drop, as the kernel numbers it */
    __u32 netns;                   /* inode */
};

#endif
