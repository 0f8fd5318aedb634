/* The backend "linux": its clock, what wakes it, and its hosts. */
#define _GNU_SOURCE
#include "lab/linux.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { WAKES = 64 };

#define QUIET_NS HF_SECOND /* so long without anything: nothing is under way */

/* ---- The clock and what wakes it ---- */

static hf_ns clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (hf_ns)now.tv_sec * HF_SECOND + (hf_ns)now.tv_nsec;
}

void lab_kernel_watch(lab_world *world, int fd, uint32_t events, lab_wakes kind, uint32_t index) {
    struct epoll_event event = {.events = events, .data.u64 = (uint64_t)kind << 32 | index};
    if (epoll_ctl(world->kernel->epoll, EPOLL_CTL_ADD, fd, &event) == 0) return;
    lab_problem(world, "epoll: %s", strerror(errno));
    world->failed_script = true;
}

static bool begin(lab_world *world) {
    if (world->kernel) return true;
    struct lab_kernel *const kernel = world->kernel = lab_alloc(sizeof *kernel);
    kernel->epoll = epoll_create1(EPOLL_CLOEXEC);
    kernel->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (kernel->epoll < 0 || kernel->timer < 0) return false;
    lab_kernel_watch(world, kernel->timer, EPOLLIN, LAB_WAKE_TIMER, 0);
    return true;
}

static void set_timer(const struct lab_kernel *kernel, hf_ns at_ns) {
    const hf_ns due_ns = kernel->origin_ns + at_ns;
    const struct itimerspec due = {.it_value = {.tv_sec = (time_t)(due_ns / HF_SECOND),
                                                .tv_nsec = (long)(due_ns % HF_SECOND)}};
    timerfd_settime(kernel->timer, TFD_TIMER_ABSTIME, &due, NULL);
}

static void wake_listener(lab_world *world, uint32_t index) {
    lab_host *const host = world->hosts[index / LAB_LISTENERS];
    lab_listener *const listener = host->listeners[index % LAB_LISTENERS];
    if (host->power == LAB_UP && !listener->closed && listener->boot == host->boots)
        lab_accept_all(listener);
}

static void wake(lab_world *world, const struct epoll_event *event) {
    const uint32_t index = (uint32_t)event->data.u64;
    uint64_t ticks;
    switch ((lab_wakes)(event->data.u64 >> 32)) {
    case LAB_WAKE_TIMER:
        if (read(world->kernel->timer, &ticks, sizeof ticks) < 0) return;
        break;
    case LAB_WAKE_WIRE: lab_wire_wake(world, index); break;
    case LAB_WAKE_SOCKET: lab_socket_wake(world->conns[index], event->events); break;
    case LAB_WAKE_LISTENER: wake_listener(world, index); break;
    }
}

static bool is_wire(const struct epoll_event *event) {
    return event->data.u64 >> 32 == LAB_WAKE_WIRE;
}

/* Packets are taken before what they brought about in sockets, so that an event finds the wire as
 * it was. */
static void wake_all(lab_world *world, const struct epoll_event *events, int count) {
    for (int i = 0; i < count; i++)
        if (is_wire(&events[i])) wake(world, &events[i]);
    for (int i = 0; i < count && !world->failed_script; i++)
        if (!is_wire(&events[i])) wake(world, &events[i]);
}

static void wait_until(lab_world *world, hf_ns until_ns) {
    struct epoll_event events[WAKES];
    if (!begin(world)) return;
    struct lab_kernel *const kernel = world->kernel;
    if (kernel->origin_ns == 0)
        kernel->origin_ns = clock_ns(); /* what was built before took no time */
    world->now_ns = clock_ns() - kernel->origin_ns;
    const bool open_end = !lab_heap_first(&world->heap);
    const hf_ns quiet_ns = world->now_ns + QUIET_NS;
    if (open_end && quiet_ns < until_ns) until_ns = quiet_ns;
    const bool late = world->now_ns >= until_ns;
    if (!late) set_timer(kernel, until_ns);
    const int count = epoll_wait(kernel->epoll, events, WAKES, late ? 0 : -1);
    world->now_ns = clock_ns() - kernel->origin_ns;
    world->quiet = open_end && count == 1 && events[0].data.u64 >> 32 == LAB_WAKE_TIMER;
    if (count > 0) wake_all(world, events, count);
}

static void world_free(lab_world *world) {
    struct lab_kernel *const kernel = world->kernel;
    if (!kernel) return;
    for (uint32_t i = 0; i < kernel->flow_count; i++) free(kernel->flows[i]);
    free(kernel->flows);
    close(kernel->epoll);
    close(kernel->timer);
    free(kernel);
}

/* ---- Hosts ---- */

static void links_changed(const lab_host *host) {
    for (uint32_t i = 0; i < host->link_count; i++) lab_linux_link_changed(host->links[i]);
}

static hf_err power_on(lab_host *host) {
    if (!begin(host->world)) return HF_NO_MEMORY;
    if (!host->netns) {
        host->netns = lab_alloc(sizeof *host->netns);
        host->netns->fd = lab_netns_new();
        lab_netns_enter(lab_netns_wire());
        if (host->netns->fd < 0) return HF_NO_MEMORY;
    }
    host->boots++;
    host->power = LAB_UP;
    links_changed(host);
    return HF_OK;
}

/* What a machine without power would have said is lost: its sockets end behind filters, or on a
 * wire that takes nothing from it, and the last words are taken from the wire while it is off. */
static void power_off(lab_host *host) {
    links_changed(host);
    for (uint32_t i = 0; i < host->world->conn_count; i++)
        if (host->world->conns[i]->host == host) lab_socket_drop(host->world->conns[i]);
    for (uint32_t i = 0; i < host->listener_count; i++) {
        lab_listener *const listener = host->listeners[i];
        if (!listener->closed && listener->boot == host->boots)
            lab_linux_conn.listener_close(listener);
        listener->closed = true;
    }
    for (uint32_t i = 0; i < host->link_count; i++) lab_wire_drain(host->links[i], host);
}

/* Its process runs again: each socket is looked at, as epoll tells an edge only once. */
static void resumed(lab_host *host) {
    for (uint32_t i = 0; i < host->world->conn_count; i++) {
        lab_conn *const conn = host->world->conns[i];
        if (conn->host != host || !conn->held || !conn->socket->missed) continue;
        conn->socket->missed = false;
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                    .data.u64 = (uint64_t)LAB_WAKE_SOCKET << 32 | i};
        epoll_ctl(host->world->kernel->epoll, EPOLL_CTL_MOD, conn->socket->fd, &event);
    }
    for (uint32_t i = 0; i < host->listener_count; i++)
        wake_listener(host->world, host->index * LAB_LISTENERS + i);
}

static void free_host(lab_host *host) {
    if (!host->netns) return;
    for (uint32_t i = 0; i < host->listener_count; i++)
        if (!host->listeners[i]->closed) lab_linux_conn.listener_close(host->listeners[i]);
    if (host->netns->fd >= 0) close(host->netns->fd);
    free(host->netns);
}

static bool enter(lab_host *host) { return host->power == LAB_UP; }

/* The end that a call brought about is told after the call. */
static void leave(lab_host *host) {
    lab_conn *const called = host->world->kernel->called;
    host->world->kernel->called = NULL;
    if (called) lab_socket_ended(called);
}

static void work(lab_host *host) { (void)host; }

static bool set_sysctl(lab_host *host, const char *name, const char *value) {
    const bool good = lab_netns_enter(host->netns->fd) && lab_sysctl_write(name, value);
    lab_netns_enter(lab_netns_wire());
    return good;
}

static const lab_host_ops linux_host = {.power_on = power_on,
                                        .power_off = power_off,
                                        .resumed = resumed,
                                        .free = free_host,
                                        .attach = lab_linux_attach,
                                        .enter = enter,
                                        .leave = leave,
                                        .take = lab_wire_take,
                                        .work = work,
                                        .sysctl = set_sysctl};

const lab_backend lab_on_linux = {.name = "linux",
                                  .host = &linux_host,
                                  .conn = &lab_linux_conn,
                                  .missing = lab_linux_missing,
                                  .link_can_change = lab_linux_link_can_change,
                                  .link_changed = lab_linux_link_changed,
                                  .link_free = lab_linux_link_free,
                                  .world_free = world_free,
                                  .wait = wait_until};
