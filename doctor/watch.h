/* Events of TCP sockets as they happen, by BPF on the kernel's tracepoints: root, and a kernel with
 * BTF. */
#ifndef DOCTOR_WATCH_H
#define DOCTOR_WATCH_H

#include "doctor/facts.h"
#include <stdio.h>

typedef enum doctor_kind {
    DOCTOR_IS_STATE,
    DOCTOR_IS_RETRANSMIT,
    DOCTOR_IS_RESET_SENT,
    DOCTOR_IS_RESET_RECEIVED,
    DOCTOR_IS_DROP,
    DOCTOR_KINDS
} doctor_kind;

typedef struct doctor_event {
    hf_ns at_ns; /* CLOCK_MONOTONIC */
    doctor_kind kind;
    hf_addr local, remote;
    uint16_t local_port, remote_port;
    bool is6;
    uint8_t before, after; /* doctor_state; equal but for DOCTOR_IS_STATE */
    const char *reason;    /* as the kernel names it; "" if it gives none */
} doctor_event;

typedef struct doctor_watch doctor_watch;
typedef void (*doctor_event_fn)(void *of, const doctor_event *event);

/* NULL: not here, and `why`. `netns` is an inode, 0 for all of them. */
doctor_watch *doctor_watch_begin(uint64_t netns, char *why, size_t size);
void doctor_watch_end(doctor_watch *watch); /* NULL is nothing */

/* Waits at most `timeout_ms` and hands out what has happened. */
void doctor_watch_poll(doctor_watch *watch, int timeout_ms, doctor_event_fn take, void *of);

/* Since the beginning, also those for which the ring had no room; returns how many those are. */
uint64_t doctor_watch_counts(const doctor_watch *watch, uint64_t ret_counts[DOCTOR_KINDS]);

const char *doctor_kind_name(doctor_kind kind); /* "reset_sent" */
void doctor_event_show(const doctor_event *event, bool json, FILE *to);

#endif
