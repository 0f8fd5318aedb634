/* The rules about listeners. */
#include "doctor/rules.h"
#include <stdio.h>

/* Handshakes of this listener that wait for their last ACK, or whose last ACK was dropped. */
static size_t requests_of(const doctor_view *view, const doctor_conn *listener,
                          size_t *ret_repeated) {
    size_t requests = 0;
    *ret_repeated = 0;
    for (size_t i = 0; i < view->conn_count; i++) {
        const doctor_conn *const conn = &view->conns[i];
        const bool request = conn->state == DOCTOR_SYN_RECV || conn->state == DOCTOR_NEW_SYN_RECV;
        if (!request || conn->local_port != listener->local_port || conn->netns != listener->netns)
            continue;
        requests++;
        *ret_repeated += conn->retransmits > 0;
    }
    return requests;
}

static bool is_full(const doctor_conn *listener) {
    return listener->received_bytes > listener->queued_bytes;
}

static bool is_nearly_full(const doctor_conn *listener) {
    return listener->queued_bytes >= 4 &&
           listener->received_bytes >= listener->queued_bytes - listener->queued_bytes / 4;
}

static void find_listener(const doctor_view *view, doctor_findings *findings, size_t index) {
    const doctor_conn *const listener = &view->conns[index];
    char name[DOCTOR_NAME], owner[40];
    size_t repeated;
    const bool full = is_full(listener), nearly = is_nearly_full(listener);
    if (!full && !nearly && listener->drops == 0) return;
    const size_t requests = requests_of(view, listener, &repeated);
    const doctor_severity severity = full ? DOCTOR_CRITICAL : nearly ? DOCTOR_WARNING : DOCTOR_INFO;
    doctor_finding *const finding =
        doctor_finding_new(findings, DOCTOR_LISTENER_FULL, severity, listener->netns);
    finding->pid = listener->pid;
    finding->count = 1;
    finding->example = index;
    doctor_name(&listener->local, listener->local_port, listener->is6, name);
    doctor_owner(listener, owner, sizeof owner);
    snprintf(finding->who, sizeof finding->who, "%.36s %.42s", owner, name);
    snprintf(finding->evidence, sizeof finding->evidence,
             "%u wait for accept(), limit %u; %u SYNs and last ACKs dropped so far; %zu handshakes "
             "under way, %zu of them repeated",
             listener->received_bytes, listener->queued_bytes, listener->drops, requests, repeated);
}

void doctor_find_listeners(const doctor_view *view, doctor_findings *findings) {
    for (size_t i = 0; i < view->conn_count; i++)
        if (view->conns[i].state == DOCTOR_LISTEN) find_listener(view, findings, i);
}
