/* The rules that count: TIME_WAIT against ports and its limit, orphans, one peer's idle hoard. */
#include "doctor/rules.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIME_WAIT_S = 60, RECENT_S = 5, MANY_ORPHANS = 1000, MANY_OF_ONE_PEER = 50 };
#define IDLE_S 60.0

/* Sockets as indices, sorted by what makes a group of them. */
struct group_by {
    const doctor_view *view;
    size_t *rows, count;
    int (*order)(const doctor_conn *a, const doctor_conn *b);
};

static const struct group_by *sorting; /* qsort has no context */

static int by_group(const void *a, const void *b) {
    return sorting->order(&sorting->view->conns[*(const size_t *)a],
                          &sorting->view->conns[*(const size_t *)b]);
}

static bool group_begin(struct group_by *group, const doctor_view *view,
                        bool (*wanted)(const doctor_conn *conn),
                        int (*order)(const doctor_conn *a, const doctor_conn *b)) {
    *group = (struct group_by){view, malloc((view->conn_count + 1) * sizeof(size_t)), 0, order};
    if (!group->rows) return false;
    for (size_t i = 0; i < view->conn_count; i++)
        if (wanted(&view->conns[i])) group->rows[group->count++] = i;
    sorting = group;
    qsort(group->rows, group->count, sizeof *group->rows, by_group);
    return true;
}

/* The end of the group that begins at `from`. */
static size_t group_end(const struct group_by *group, size_t from) {
    const doctor_conn *const conns = group->view->conns;
    size_t to = from + 1;
    while (to < group->count &&
           group->order(&conns[group->rows[from]], &conns[group->rows[to]]) == 0)
        to++;
    return to;
}

static int compare(uint32_t a, uint32_t b) { return a < b ? -1 : a > b; }

/* ---- TIME_WAIT against the port range ---- */

static bool holds_port(const doctor_conn *conn) { return conn->state != DOCTOR_LISTEN; }

static int by_destination(const doctor_conn *a, const doctor_conn *b) {
    if (a->netns != b->netns) return compare(a->netns, b->netns);
    const int local = memcmp(&a->local, &b->local, sizeof a->local);
    const int remote = memcmp(&a->remote, &b->remote, sizeof a->remote);
    return local ? local : remote ? remote : compare(a->remote_port, b->remote_port);
}

/* What one destination holds of the local ports that connect() chooses from. */
struct held {
    uint32_t ports, time_wait, recent, range;
};

static struct held held_of(const struct group_by *group, size_t from, size_t to) {
    const doctor_view *const view = group->view;
    const doctor_limits *const limits = &view->netns[view->conns[group->rows[from]].netns].limits;
    struct held held = {.range = limits->last_port - limits->first_port + 1};
    for (size_t i = from; i < to; i++) {
        const doctor_conn *const conn = &view->conns[group->rows[i]];
        if (conn->local_port < limits->first_port || conn->local_port > limits->last_port) continue;
        held.ports++;
        if (conn->state != DOCTOR_TIME_WAIT) continue;
        held.time_wait++;
        held.recent += conn->expires_ms > (TIME_WAIT_S - RECENT_S) * 1000;
    }
    return held;
}

/* Where the present rate leads: so many ports in TIME_WAIT at once, beside the others. */
static void say_ports(doctor_finding *finding, const struct held *held) {
    const double rate = (double)held->recent / RECENT_S;
    const double plateau = rate * TIME_WAIT_S + held->ports - held->time_wait;
    const size_t length =
        (size_t)snprintf(finding->evidence, sizeof finding->evidence,
                         "%u of %u ports held, %u by TIME_WAIT; %.1f more a second", held->ports,
                         held->range, held->time_wait, rate);
    if (held->ports >= held->range)
        snprintf(finding->evidence + length, sizeof finding->evidence - length,
                 ": connect() fails now");
    else if (plateau >= held->range)
        snprintf(finding->evidence + length, sizeof finding->evidence - length,
                 ": connect() fails within %.0f s", (held->range - held->ports) / rate);
    if (held->ports >= held->range) finding->severity = DOCTOR_CRITICAL;
}

static bool ports_matter(const struct held *held) {
    const double plateau = (double)held->recent / RECENT_S * TIME_WAIT_S;
    return held->time_wait > 0 && (held->ports >= held->range / 2 ||
                                   plateau + held->ports - held->time_wait >= held->range);
}

static void find_ports(const doctor_view *view, doctor_findings *findings) {
    struct group_by group;
    if (!group_begin(&group, view, holds_port, by_destination)) return;
    for (size_t from = 0, to; from < group.count; from = to) {
        to = group_end(&group, from);
        const struct held held = held_of(&group, from, to);
        if (!ports_matter(&held)) continue;
        const doctor_conn *const conn = &view->conns[group.rows[from]];
        char name[DOCTOR_NAME];
        doctor_finding *const finding =
            doctor_finding_new(findings, DOCTOR_TIME_WAIT_PORTS, DOCTOR_WARNING, conn->netns);
        finding->count = held.time_wait;
        finding->example = group.rows[from];
        doctor_name(&conn->remote, conn->remote_port, conn->is6, name);
        snprintf(finding->who, sizeof finding->who, "to %s", name);
        say_ports(finding, &held);
    }
    free(group.rows);
}

/* ---- Limits of the namespace ---- */

static size_t count_state(const doctor_view *view, uint32_t netns, unsigned state) {
    size_t count = 0;
    for (size_t i = 0; i < view->conn_count; i++)
        count += view->conns[i].netns == netns && view->conns[i].state == state;
    return count;
}

static void find_buckets(const doctor_view *view, doctor_findings *findings, uint32_t netns) {
    const uint32_t limit = view->netns[netns].limits.tw_buckets;
    const size_t count = count_state(view, netns, DOCTOR_TIME_WAIT);
    if (limit == 0 || count < limit - limit / 10) return;
    doctor_finding *const finding =
        doctor_finding_new(findings, DOCTOR_TIME_WAIT_BUCKETS, DOCTOR_WARNING, netns);
    finding->count = count;
    snprintf(finding->who, sizeof finding->who, "namespace %.60s", view->netns[netns].name);
    snprintf(finding->evidence, sizeof finding->evidence,
             "%zu in TIME_WAIT, tcp_max_tw_buckets is %u; %llu have skipped it so far", count,
             limit, (unsigned long long)view->netns[netns].counters.time_wait_overflows);
}

static bool is_orphan(const doctor_conn *conn) {
    return conn->inode == 0 &&
           (conn->state == DOCTOR_FIN_WAIT_1 || conn->state == DOCTOR_LAST_ACK ||
            conn->state == DOCTOR_CLOSING || conn->state == DOCTOR_FIN_WAIT_2);
}

static void find_orphans(const doctor_view *view, doctor_findings *findings, uint32_t netns) {
    const uint32_t limit = view->netns[netns].limits.max_orphans;
    size_t count = 0, bytes = 0;
    for (size_t i = 0; i < view->conn_count; i++) {
        if (view->conns[i].netns != netns || !is_orphan(&view->conns[i])) continue;
        count++;
        bytes += view->conns[i].queued_bytes;
    }
    if (count < MANY_ORPHANS && (limit == 0 || count < limit / 2)) return;
    doctor_finding *const finding =
        doctor_finding_new(findings, DOCTOR_ORPHANS, DOCTOR_WARNING, netns);
    finding->count = count;
    snprintf(finding->who, sizeof finding->who, "namespace %.60s", view->netns[netns].name);
    const size_t length =
        (size_t)snprintf(finding->evidence, sizeof finding->evidence,
                         "%zu closed and not over, %zu bytes undelivered", count, bytes);
    if (limit > 0) /* it may be read in the first namespace only */
        snprintf(finding->evidence + length, sizeof finding->evidence - length,
                 "; tcp_max_orphans is %u", limit);
}

/* ---- One peer ---- */

static bool is_established(const doctor_conn *conn) {
    return conn->state == DOCTOR_ESTABLISHED && conn->info.known;
}

static int by_port_and_peer(const doctor_conn *a, const doctor_conn *b) {
    if (a->netns != b->netns) return compare(a->netns, b->netns);
    if (a->local_port != b->local_port) return compare(a->local_port, b->local_port);
    return memcmp(&a->remote, &b->remote, sizeof a->remote);
}

static bool is_idle(const doctor_conn *conn) {
    return conn->info.since_data_heard_ms > IDLE_S * 1e3 &&
           conn->info.since_data_sent_ms > IDLE_S * 1e3;
}

/* Many of the connections to one port of ours, and nine of ten idle. That it is a listener's port
 * shows in that several remote ports share it. */
static void find_peer(const struct group_by *group, doctor_findings *findings, size_t from,
                      size_t to) {
    const doctor_view *const view = group->view;
    const doctor_conn *const conn = &view->conns[group->rows[from]];
    size_t idle = 0;
    char name[DOCTOR_NAME];
    for (size_t i = from; i < to; i++) idle += is_idle(&view->conns[group->rows[i]]);
    if (to - from < MANY_OF_ONE_PEER || idle * 10 < (to - from) * 9) return;
    doctor_finding *const finding =
        doctor_finding_new(findings, DOCTOR_ONE_PEER, DOCTOR_WARNING, conn->netns);
    finding->count = to - from;
    finding->pid = conn->pid;
    finding->example = group->rows[from];
    doctor_name(&conn->remote, 0, conn->is6, name);
    name[strlen(name) - 2] = 0; /* its ports differ */
    snprintf(finding->who, sizeof finding->who, "peer %s", name);
    snprintf(finding->evidence, sizeof finding->evidence,
             "%zu connections to port %u of %s, %zu of them without data for a minute", to - from,
             conn->local_port, conn->command[0] ? conn->command : "a process that is not seen",
             idle);
}

static void find_peers(const doctor_view *view, doctor_findings *findings) {
    struct group_by group;
    if (!group_begin(&group, view, is_established, by_port_and_peer)) return;
    for (size_t from = 0, to; from < group.count; from = to) {
        to = group_end(&group, from);
        find_peer(&group, findings, from, to);
    }
    free(group.rows);
}

void doctor_find_hoards(const doctor_view *view, doctor_findings *findings) {
    find_ports(view, findings);
    find_peers(view, findings);
    for (uint32_t i = 0; i < view->netns_count; i++) {
        if (!view->netns[i].seen) continue;
        find_buckets(view, findings, i);
        find_orphans(view, findings, i);
    }
}
