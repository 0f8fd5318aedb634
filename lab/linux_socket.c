/* The calls of hf/tcp.h on sockets of the kernel. */
#define _GNU_SOURCE
#include "lab/linux.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in name_of(const hf_addr *addr, uint16_t port) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
    memcpy(&name.sin_addr, addr->bytes + 12, 4); /* IPv4 in its mapped form */
    return name;
}

static void read_name(const struct sockaddr_in *name, hf_addr *ret_addr, uint16_t *ret_port) {
    uint8_t bytes[4];
    memcpy(bytes, &name->sin_addr, 4);
    *ret_addr = hf_addr4(bytes[0], bytes[1], bytes[2], bytes[3]);
    *ret_port = ntohs(name->sin_port);
}

static int new_socket(const lab_host *host) {
    if (!lab_netns_enter(host->netns->fd)) return -1;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int error = errno;
    lab_netns_enter(lab_netns_wire());
    errno = error;
    return fd;
}

/* ---- Options ---- */

static bool set(int fd, int level, int name, uint64_t value) {
    const int number = value > INT32_MAX ? INT32_MAX : (int)value;
    return setsockopt(fd, level, name, &number, sizeof number) == 0;
}

static uint64_t seconds(hf_ns ns) { return (ns + HF_SECOND - 1) / HF_SECOND; }

static bool set_keepalive(int fd, const hf_tcp_options *o) {
    if (o->keepalive_idle_ns == 0) return set(fd, SOL_SOCKET, SO_KEEPALIVE, 0);
    const hf_ns interval_ns = o->keepalive_interval_ns;
    return set(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds(o->keepalive_idle_ns)) &&
           (interval_ns == 0 || set(fd, IPPROTO_TCP, TCP_KEEPINTVL, seconds(interval_ns))) &&
           (o->keepalive_count == 0 || set(fd, IPPROTO_TCP, TCP_KEEPCNT, o->keepalive_count)) &&
           set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

static bool set_options(int fd, const hf_tcp_options *o) {
    return set_keepalive(fd, o) &&
           set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, o->user_timeout_ns / HF_MS) &&
           set(fd, IPPROTO_TCP, TCP_NODELAY, o->no_delay) &&
           (o->ttl == 0 || set(fd, IPPROTO_IP, IP_TTL, o->ttl)) &&
           (o->traffic_class == 0 || set(fd, IPPROTO_IP, IP_TOS, o->traffic_class)) &&
           (o->send_bytes == 0 || set(fd, SOL_SOCKET, SO_SNDBUF, o->send_bytes)) &&
           (o->receive_bytes == 0 || set(fd, SOL_SOCKET, SO_RCVBUF, o->receive_bytes));
}

static hf_err options_set(lab_conn *conn, const hf_tcp_options *options) {
    if (conn->socket->closed) return HF_STATE;
    if (!set_options(conn->socket->fd, options)) return HF_ARGUMENT;
    conn->socket->options = *options;
    return HF_OK;
}

static hf_err options_get(lab_conn *conn, hf_tcp_options *ret) {
    *ret = conn->socket->options;
    return HF_OK;
}

/* ---- Listening ---- */

/* What was listening there before may have left connections in TIME_WAIT. */
static int listening(int fd, const hf_listen_options *options) {
    const struct sockaddr_in any = name_of(&options->local, options->port);
    const uint32_t backlog = options->backlog == 0 ? 128 : options->backlog;
    if (!set(fd, SOL_SOCKET, SO_REUSEADDR, 1) || !set_options(fd, &options->tcp) ||
        bind(fd, (const struct sockaddr *)&any, sizeof any) != 0 || listen(fd, (int)backlog) != 0)
        return -1;
    return fd;
}

static hf_err listen_on(lab_host *host, const hf_listen_options *options, hf_listener *ret) {
    const int fd = new_socket(host);
    if (fd < 0) return lab_err_of_errno(errno);
    if (listening(fd, options) < 0) {
        const int error = errno;
        close(fd);
        return error == EADDRINUSE ? HF_PORT_IN_USE : lab_err_of_errno(error);
    }
    ret->index = (uint32_t)fd;
    lab_kernel_watch(host->world, fd, EPOLLIN | EPOLLET, LAB_WAKE_LISTENER,
                     host->index * LAB_LISTENERS + host->listener_count);
    return HF_OK;
}

static hf_err accept_next(lab_listener *listener, hf_conn *ret) {
    const int fd = accept4((int)listener->handle.index, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return errno == EAGAIN ? HF_AGAIN : lab_err_of_errno(errno);
    ret->index = (uint32_t)fd;
    return HF_OK;
}

static void listener_close(lab_listener *listener) { close((int)listener->handle.index); }

/* Of a listening socket, TCP_INFO tells the queue of what waits to be accepted. */
static hf_err listener_status(lab_listener *listener, hf_listener_status *ret) {
    struct tcp_info info;
    socklen_t bytes = sizeof info;
    memset(ret, 0, sizeof *ret);
    if (getsockopt((int)listener->handle.index, IPPROTO_TCP, TCP_INFO, &info, &bytes) != 0)
        return HF_STALE;
    ret->waiting = info.tcpi_unacked;
    ret->backlog = info.tcpi_sacked;
    ret->accepted = listener->accepted;
    return HF_OK;
}

/* ---- Connecting ---- */

static int connecting(int fd, const hf_connect_options *options) {
    const struct sockaddr_in to = name_of(&options->remote, options->remote_port);
    const struct sockaddr_in from = name_of(&options->local, options->local_port);
    if (!set_options(fd, &options->tcp)) return -1;
    if (options->local_port != 0 && (!set(fd, SOL_SOCKET, SO_REUSEADDR, 1) ||
                                     bind(fd, (const struct sockaddr *)&from, sizeof from) != 0))
        return -1;
    const int result = connect(fd, (const struct sockaddr *)&to, sizeof to);
    return result == 0 || errno == EINPROGRESS ? fd : -1;
}

static hf_err connect_to(lab_host *host, const hf_connect_options *options, hf_conn *ret) {
    const int fd = new_socket(host);
    if (fd < 0) return lab_err_of_errno(errno);
    if (connecting(fd, options) < 0) {
        const int error = errno;
        close(fd);
        return lab_err_of_errno(error);
    }
    ret->index = (uint32_t)fd;
    host->world->kernel->connecting = options->tcp;
    return HF_OK;
}

static void hold(lab_conn *conn) {
    struct lab_socket *const held = conn->socket = lab_alloc(sizeof *held);
    struct sockaddr_in name;
    socklen_t bytes = sizeof name;
    held->fd = (int)conn->handle.index;
    held->options = conn->listener ? conn->listener->options.tcp : conn->world->kernel->connecting;
    getsockname(held->fd, (struct sockaddr *)&name, &bytes);
    read_name(&name, &conn->local, &conn->local_port);
    if (conn->listener) {
        bytes = sizeof name;
        getpeername(held->fd, (struct sockaddr *)&name, &bytes);
        read_name(&name, &conn->remote, &conn->remote_port);
        held->out = lab_flow_find(conn->world, &conn->local, conn->local_port, &conn->remote,
                                  conn->remote_port);
        if (held->out) held->out->conn = conn->index;
    }
    lab_kernel_watch(conn->world, held->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                     LAB_WAKE_SOCKET, conn->index);
}

static void release(lab_conn *conn) {
    if (!conn->socket->closed) close(conn->socket->fd);
    conn->socket->closed = true;
}

static void free_socket(lab_conn *conn) {
    if (!conn->socket) return;
    release(conn);
    free(conn->socket);
}

void lab_socket_drop(lab_conn *conn) {
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (!conn->socket || conn->socket->closed) return;
    setsockopt(conn->socket->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    release(conn);
}

/* ---- Data ---- */

/* The first error that a call meets is gone from the socket then: it is kept. */
static hf_err failed(lab_conn *conn, int error) {
    if (error == EAGAIN || error == EINPROGRESS) return HF_AGAIN;
    if (conn->socket->error == 0) conn->socket->error = error;
    return HF_ENDED;
}

static hf_err send_some(lab_conn *conn, const void *data, size_t bytes, size_t *ret_taken) {
    if (conn->socket->closed) return HF_STATE;
    if (!conn->connected) return HF_AGAIN; /* the kernel says so until the handshake is done */
    const ssize_t taken = send(conn->socket->fd, data, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken < 0) return failed(conn, errno);
    *ret_taken = (size_t)taken;
    return HF_OK;
}

static hf_err receive_some(lab_conn *conn, void *to, size_t bytes, size_t *ret_bytes) {
    if (conn->socket->closed) return HF_STATE;
    const ssize_t count = recv(conn->socket->fd, to, bytes, MSG_DONTWAIT);
    if (count < 0) return failed(conn, errno);
    if (count == 0) return HF_END_OF_STREAM;
    *ret_bytes = (size_t)count;
    return HF_OK;
}

static uint64_t readable(const lab_conn *conn) {
    int count = 0;
    if (conn->socket->closed || ioctl(conn->socket->fd, FIONREAD, &count) != 0) return 0;
    return (uint64_t)count;
}

static bool unread(lab_conn *conn) { return readable(conn) > 0; }

/* ---- Ending ---- */

static hf_err shut_down(lab_conn *conn) {
    if (conn->socket->closed) return HF_STATE;
    return shutdown(conn->socket->fd, SHUT_WR) == 0 ? HF_OK : lab_err_of_errno(errno);
}

/* The kernel has no deadline for a close: SCENARIOS.md says so, the caller has refused one. */
static hf_err close_it(lab_conn *conn, const hf_close_options *options) {
    (void)options;
    if (conn->socket->closed) return HF_STATE;
    conn->socket->unread_at_close = readable(conn);
    release(conn);
    conn->world->kernel->called = conn;
    return HF_OK;
}

static hf_err abort_it(lab_conn *conn) {
    if (conn->socket->closed) return HF_STATE;
    conn->socket->unread_at_close = readable(conn);
    lab_socket_drop(conn);
    conn->world->kernel->called = conn;
    return HF_OK;
}

/* ---- Status ---- */

static void read_info(const lab_conn *conn, const struct tcp_info *info, hf_conn_status *ret) {
    ret->mss = (uint16_t)info->tcpi_snd_mss;
    ret->timestamps = info->tcpi_options & TCPI_OPT_TIMESTAMPS;
    ret->sack = info->tcpi_options & TCPI_OPT_SACK;
    ret->window_scaling = info->tcpi_options & TCPI_OPT_WSCALE;
    ret->srtt_ns = info->tcpi_rtt * HF_US;
    ret->rttvar_ns = info->tcpi_rttvar * HF_US;
    ret->rto_ns = info->tcpi_rto * HF_US;
    ret->cwnd_bytes = info->tcpi_snd_cwnd * info->tcpi_snd_mss;
    ret->ssthresh_bytes = info->tcpi_snd_ssthresh > UINT32_MAX / 1500
                              ? UINT32_MAX
                              : info->tcpi_snd_ssthresh * info->tcpi_snd_mss;
    ret->in_flight_bytes = info->tcpi_unacked * info->tcpi_snd_mss;
    ret->retransmissions = info->tcpi_total_retrans;
    ret->unanswered = info->tcpi_probes + info->tcpi_retransmits;
    (void)conn;
}

static hf_err status(lab_conn *conn, hf_conn_status *ret) {
    struct lab_socket *const s = conn->socket;
    struct tcp_info info;
    socklen_t bytes = sizeof info;
    memset(ret, 0, sizeof *ret);
    ret->state = lab_socket_state(conn);
    ret->notice_by_ns = HF_NEVER;
    ret->soft_error = HF_CAUSE_NONE;
    ret->local = conn->local;
    ret->remote = conn->remote;
    ret->local_port = conn->local_port;
    ret->remote_port = conn->remote_port;
    ret->bytes_from_app = conn->written;
    ret->last_heard_ns = s->in ? s->in->arrived_at_ns : 0;
    if (s->closed) return HF_OK;
    if (getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) == 0) read_info(conn, &info, ret);
    ret->readable_bytes = (uint32_t)readable(conn);
    int queued = 0;
    if (ioctl(s->fd, TIOCOUTQ, &queued) == 0) ret->queued_bytes = (uint32_t)queued;
    ret->bytes_received = conn->read + ret->readable_bytes;
    ret->bytes_acked = conn->written - ret->queued_bytes;
    return HF_OK;
}

const lab_conn_ops lab_linux_conn = {.listen = listen_on,
                                     .accept = accept_next,
                                     .listener_close = listener_close,
                                     .listener_status = listener_status,
                                     .connect = connect_to,
                                     .hold = hold,
                                     .release = release,
                                     .free = free_socket,
                                     .send = send_some,
                                     .receive = receive_some,
                                     .unread = unread,
                                     .shutdown = shut_down,
                                     .close = close_it,
                                     .abort = abort_it,
                                     .options_set = options_set,
                                     .options_get = options_get,
                                     .status = status,
                                     .end = lab_socket_end,
                                     .ports = lab_linux_ports,
                                     .time_wait = lab_linux_time_wait};

/* ---- Readiness ---- */

static void look_for_error(lab_conn *conn) {
    int error = 0;
    socklen_t bytes = sizeof error;
    if (conn->socket->error != 0) return;
    getsockopt(conn->socket->fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
    conn->socket->error = error;
}

/* What came before an error is read first: the kernel gives it still. */
void lab_socket_wake(lab_conn *conn, uint32_t events) {
    struct lab_socket *const s = conn->socket;
    uint32_t bits = 0;
    if (conn->host->power != LAB_UP) {
        s->missed = true;
        return;
    }
    if (!conn->held || s->closed) return;
    if (events & EPOLLERR) look_for_error(conn);
    if (events & EPOLLOUT && !conn->connected && s->error == 0) bits |= HF_EVENT_CONNECTED;
    if (events & EPOLLOUT && s->error == 0) bits |= HF_EVENT_WRITABLE;
    if (events & (EPOLLIN | EPOLLRDHUP)) bits |= HF_EVENT_READABLE;
    lab_conn_event_bits(conn, bits);
    if (s->closed || !conn->held) return;
    const bool closed = events & EPOLLRDHUP && s->error == 0 && (conn->eof_read || !conn->reading);
    if (closed && !conn->peer_closed) lab_conn_event_bits(conn, HF_EVENT_PEER_CLOSED);
    if (events & EPOLLHUP) s->hung_up = true;
    if (conn->held) lab_socket_ended(conn);
}
