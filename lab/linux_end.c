/* How a connection of the kernel ended: errno, what the application called, and what the wire
 * showed. */
#define _GNU_SOURCE
#include "lab/linux.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <string.h>

hf_err lab_err_of_errno(int error) {
    switch (error) {
    case EADDRINUSE: return HF_TUPLE_IN_USE;
    case EADDRNOTAVAIL: return HF_NO_PORT;
    case ENETUNREACH:
    case EHOSTUNREACH: return HF_NO_ROUTE;
    case EMFILE:
    case ENFILE: return HF_NO_CONNECTION_SLOT;
    case ENOMEM:
    case ENOBUFS: return HF_NO_MEMORY;
    case EINVAL: return HF_ARGUMENT;
    default: return HF_STATE;
    }
}

/* ---- Where it stands ---- */

static lab_flow *in_flow(lab_conn *conn) {
    struct lab_socket *const s = conn->socket;
    if (!s->in)
        s->in = lab_flow_find(conn->world, &conn->remote, conn->remote_port, &conn->local,
                              conn->local_port);
    return s->in;
}

/* By the FINs on the wire, for a socket that is closed or has failed. */
static hf_state state_by_wire(lab_conn *conn) {
    const lab_flow *const out = conn->socket->out, *const in = in_flow(conn);
    if (!conn->connected) return HF_SYN_SENT;
    const bool heard = in && in->fin_arrived, sent = out && out->fin;
    if (!sent) return heard ? HF_CLOSE_WAIT : HF_ESTABLISHED;
    if (!heard) return out->fin_acked ? HF_FIN_WAIT_2 : HF_FIN_WAIT_1;
    if (!out->fin_first) return HF_LAST_ACK;
    return out->fin_acked ? HF_TIME_WAIT : HF_CLOSING;
}

hf_state lab_socket_state(const lab_conn *conn) {
    static const hf_state states[] = {[TCP_ESTABLISHED] = HF_ESTABLISHED,
                                      [TCP_SYN_SENT] = HF_SYN_SENT,
                                      [TCP_SYN_RECV] = HF_SYN_RECEIVED,
                                      [TCP_FIN_WAIT1] = HF_FIN_WAIT_1,
                                      [TCP_FIN_WAIT2] = HF_FIN_WAIT_2,
                                      [TCP_TIME_WAIT] = HF_TIME_WAIT,
                                      [TCP_CLOSE] = HF_CLOSED,
                                      [TCP_CLOSE_WAIT] = HF_CLOSE_WAIT,
                                      [TCP_LAST_ACK] = HF_LAST_ACK,
                                      [TCP_LISTEN] = HF_LISTEN,
                                      [TCP_CLOSING] = HF_CLOSING};
    struct tcp_info info;
    socklen_t bytes = sizeof info;
    if (conn->ended) return HF_CLOSED;
    if (conn->socket->closed) return state_by_wire((lab_conn *)conn);
    if (getsockopt(conn->socket->fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) != 0) return HF_CLOSED;
    return info.tcpi_state <= TCP_CLOSING ? states[info.tcpi_state] : HF_CLOSED;
}

/* ---- Whether, and why ---- */

struct ending {
    hf_cause cause, mechanism;
};

/* The kernel says only that time is over; which timer, the options and the wire tell. */
static struct ending silent(lab_conn *conn) {
    const lab_flow *const out = conn->socket->out, *const in = in_flow(conn);
    const bool outstanding = out && out->una != out->next;
    const bool closed_window = in && in->window == 0;
    if (conn->socket->options.user_timeout_ns > 0)
        return (struct ending){HF_CAUSE_END_PEER_SILENT, HF_CAUSE_BY_USER_TIMEOUT};
    if (!conn->connected)
        return (struct ending){HF_CAUSE_END_SYN_UNANSWERED, HF_CAUSE_BY_RETRANSMIT_LIMIT};
    return (struct ending){HF_CAUSE_END_PEER_SILENT, closed_window ? HF_CAUSE_BY_PERSIST_LIMIT
                                                     : outstanding ? HF_CAUSE_BY_RETRANSMIT_LIMIT
                                                                   : HF_CAUSE_BY_KEEPALIVE_COUNT};
}

static struct ending by_error(lab_conn *conn, int error) {
    switch (error) {
    case ETIMEDOUT: return silent(conn);
    case ECONNREFUSED: return (struct ending){HF_CAUSE_END_REFUSED, HF_CAUSE_BY_RST};
    case ECONNRESET:
    case EPIPE: return (struct ending){HF_CAUSE_END_PEER_RESET, HF_CAUSE_BY_RST};
    case EHOSTUNREACH:
    case ENETUNREACH: return (struct ending){HF_CAUSE_END_UNREACHABLE, HF_CAUSE_BY_ICMP};
    default: return (struct ending){HF_CAUSE_END_APP_ABORTED, HF_CAUSE_BY_CALL};
    }
}

/* Of a socket that the application has closed the kernel tells nothing: the wire does. */
static struct ending after_close(lab_conn *conn) {
    const struct lab_socket *const s = conn->socket;
    const lab_flow *const in = in_flow(conn);
    if (conn->last_call == LAB_CALL_ABORT || s->unread_at_close > 0)
        return (struct ending){HF_CAUSE_END_APP_ABORTED, HF_CAUSE_BY_CALL};
    if (!conn->connected) return (struct ending){HF_CAUSE_END_CLOSED_BEFORE_OPEN, HF_CAUSE_BY_CALL};
    if (in && in->rst_arrived) return (struct ending){HF_CAUSE_END_PEER_RESET, HF_CAUSE_BY_RST};
    if (s->out && s->out->rst)
        return (struct ending){HF_CAUSE_END_DATA_AFTER_CLOSE, HF_CAUSE_BY_RST};
    if (s->out && s->out->fin_acked && in && in->fin_arrived)
        return (struct ending){HF_CAUSE_END_CLOSED, HF_CAUSE_BY_FIN};
    return (struct ending){HF_CAUSE_NONE, HF_CAUSE_NONE};
}

static struct ending ending_of(lab_conn *conn) {
    const struct lab_socket *const s = conn->socket;
    if (s->error != 0) return by_error(conn, s->error);
    if (s->closed) return after_close(conn);
    const bool both = s->hung_up && s->out && s->out->fin_acked;
    if (both) return (struct ending){HF_CAUSE_END_CLOSED, HF_CAUSE_BY_FIN};
    return (struct ending){HF_CAUSE_NONE, HF_CAUSE_NONE};
}

void lab_socket_ended(lab_conn *conn) {
    if (conn->ended || !conn->held || ending_of(conn).cause == HF_CAUSE_NONE) return;
    lab_conn_event_bits(conn, HF_EVENT_END);
}

/* ---- The outcome ---- */

/* Who sent its FIN before the other's came holds TIME_WAIT; a reset leaves none. */
static hf_tw_holder holder(const lab_flow *out, const lab_flow *in) {
    if (!out || !in || !out->fin || !in->fin || out->rst || in->rst) return HF_TW_NOBODY;
    if (out->fin_first && in->fin_first) return HF_TW_BOTH;
    return out->fin_first ? HF_TW_US : HF_TW_PEER;
}

static uint64_t acked(const lab_conn *conn) {
    const lab_flow *const out = conn->socket->out;
    if (!out || !out->established) return 0;
    const uint32_t count = out->una - out->isn - 1 - (out->fin_acked ? 1 : 0);
    return count < conn->written ? count : conn->written;
}

hf_err lab_socket_end(lab_conn *conn, hf_end *ret_end) {
    const struct ending ending = ending_of(conn);
    const lab_flow *const out = conn->socket->out, *const in = in_flow(conn);
    if (ending.cause == HF_CAUSE_NONE) return HF_AGAIN;
    memset(ret_end, 0, sizeof *ret_end);
    ret_end->cause = ending.cause;
    ret_end->mechanism = ending.mechanism;
    ret_end->state = state_by_wire(conn);
    ret_end->at_ns = conn->world->now_ns;
    ret_end->last_heard_ns = in ? in->arrived_at_ns : 0;
    ret_end->bytes_from_app = conn->written;
    ret_end->bytes_acked = acked(conn);
    ret_end->bytes_to_app = conn->read;
    ret_end->bytes_unread = conn->socket->unread_at_close;
    ret_end->retransmissions = out ? out->attempts : 0;
    ret_end->fin_acked = out && out->fin_acked;
    ret_end->fin_heard = in && in->fin_arrived;
    ret_end->time_wait = holder(out, in);
    return HF_OK;
}
