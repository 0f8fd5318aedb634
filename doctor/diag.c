/* Every TCP socket of the network namespace that this thread is in, by sock_diag. */
#define _GNU_SOURCE
#include "doctor/facts.h"
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_BYTES = 65536, MEMINFO_DROPS = 8, MEMINFO_WORDS = 9 };

/* The kernel's struct tcp_info as far as it is used: this part has been the same since Linux 4.10,
 * and the headers of old C libraries end before it. */
struct tcp_info_410 {
    uint8_t state, ca_state, retransmits, probes, backoff, options, scales, flags;
    uint32_t rto, ato, snd_mss, rcv_mss;
    uint32_t unacked, sacked, lost, retrans, fackets;
    uint32_t last_data_sent, last_ack_sent, last_data_recv, last_ack_recv;
    uint32_t pmtu, rcv_ssthresh, rtt, rttvar, snd_ssthresh, snd_cwnd, advmss, reordering;
    uint32_t rcv_rtt, rcv_space, total_retrans;
    uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
    uint32_t segs_out, segs_in, notsent_bytes, min_rtt, data_segs_in, data_segs_out;
};

struct reading {
    doctor_view *view;
    uint32_t netns, states;
};

static hf_addr addr_of(const struct inet_diag_msg *message, const __be32 *words) {
    hf_addr addr;
    const uint8_t *const bytes = (const uint8_t *)words;
    if (message->idiag_family == AF_INET) return hf_addr4(bytes[0], bytes[1], bytes[2], bytes[3]);
    memcpy(addr.bytes, words, sizeof addr.bytes);
    return addr;
}

static void take_message(doctor_conn *conn, const struct inet_diag_msg *message) {
    const struct inet_diag_sockid *const id = &message->id;
    conn->local = addr_of(message, id->idiag_src);
    conn->remote = addr_of(message, id->idiag_dst);
    conn->local_port = ntohs(id->idiag_sport);
    conn->remote_port = ntohs(id->idiag_dport);
    conn->is6 = message->idiag_family == AF_INET6;
    conn->state = message->idiag_state;
    conn->timer = message->idiag_timer;
    conn->retransmits = message->idiag_retrans;
    conn->expires_ms = message->idiag_expires;
    conn->received_bytes = message->idiag_rqueue;
    conn->queued_bytes = message->idiag_wqueue;
    conn->uid = message->idiag_uid;
    conn->inode = message->idiag_inode;
    conn->cookie = id->idiag_cookie[0] | (uint64_t)id->idiag_cookie[1] << 32;
    conn->fd = -1;
}

static void take_info(doctor_info *to, const struct nlattr *attribute) {
    struct tcp_info_410 info;
    if (mnl_attr_get_payload_len(attribute) < sizeof info) return;
    memcpy(&info, mnl_attr_get_payload(attribute), sizeof info);
    *to = (doctor_info){.known = true,
                        .retransmits = info.retransmits,
                        .probes = info.probes,
                        .backoff = info.backoff,
                        .rto_us = info.rto,
                        .rtt_us = info.rtt,
                        .rttvar_us = info.rttvar,
                        .unacked_segs = info.unacked,
                        .retrans_segs = info.retrans,
                        .total_retrans = info.total_retrans,
                        .notsent_bytes = info.notsent_bytes,
                        .since_data_sent_ms = info.last_data_sent,
                        .since_data_heard_ms = info.last_data_recv,
                        .since_ack_heard_ms = info.last_ack_recv,
                        .segs_in = info.segs_in,
                        .segs_out = info.segs_out,
                        .data_segs_in = info.data_segs_in,
                        .data_segs_out = info.data_segs_out,
                        .bytes_acked = info.bytes_acked,
                        .bytes_received = info.bytes_received};
}

static int take(const struct nlmsghdr *head, void *of) {
    struct reading *const reading = of;
    doctor_view *const view = reading->view;
    const struct nlattr *attribute;
    if (mnl_nlmsg_get_payload_len(head) < sizeof(struct inet_diag_msg)) return MNL_CB_OK;
    view->conns = doctor_grow(view->conns, &view->conn_room, view->conn_count, sizeof *view->conns);
    doctor_conn *const conn = &view->conns[view->conn_count++];
    memset(conn, 0, sizeof *conn);
    conn->netns = reading->netns;
    take_message(conn, mnl_nlmsg_get_payload(head));
    mnl_attr_for_each(attribute, head, sizeof(struct inet_diag_msg)) {
        const unsigned type = mnl_attr_get_type(attribute);
        if (type == INET_DIAG_INFO && conn->state != DOCTOR_LISTEN)
            take_info(&conn->info, attribute);
        if (type == INET_DIAG_SKMEMINFO &&
            mnl_attr_get_payload_len(attribute) >= MEMINFO_WORDS * sizeof(uint32_t))
            memcpy(&conn->drops, (const uint32_t *)mnl_attr_get_payload(attribute) + MEMINFO_DROPS,
                   sizeof conn->drops);
    }
    return MNL_CB_OK;
}

static bool ask(struct mnl_socket *socket, uint8_t family, uint32_t states, uint8_t extensions) {
    char buffer[256];
    memset(buffer, 0, sizeof buffer);
    struct nlmsghdr *const head = mnl_nlmsg_put_header(buffer);
    head->nlmsg_type = SOCK_DIAG_BY_FAMILY;
    head->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    struct inet_diag_req_v2 *const request = mnl_nlmsg_put_extra_header(head, sizeof *request);
    request->sdiag_family = family;
    request->sdiag_protocol = IPPROTO_TCP;
    request->idiag_states = states;
    request->idiag_ext = extensions;
    return mnl_socket_sendto(socket, head, head->nlmsg_len) >= 0;
}

static bool take_all(struct mnl_socket *socket, struct reading *reading) {
    static char answer[ANSWER_BYTES];
    for (;;) {
        const ssize_t bytes = mnl_socket_recvfrom(socket, answer, sizeof answer);
        if (bytes < 0 && errno == EINTR) continue;
        if (bytes <= 0) return false;
        const int result = mnl_cb_run(answer, (size_t)bytes, 0, 0, take, reading);
        if (result <= 0) return result == 0;
    }
}

/* What listeners threw away is asked of listeners alone: it is 36 bytes a socket. */
static bool read_family(struct mnl_socket *socket, uint8_t family, struct reading *reading) {
    const uint32_t listen = 1u << DOCTOR_LISTEN, others = reading->states & ~listen;
    return ask(socket, family, listen, 1u << (INET_DIAG_SKMEMINFO - 1)) &&
           take_all(socket, reading) && ask(socket, family, others, 1u << (INET_DIAG_INFO - 1)) &&
           take_all(socket, reading);
}

bool doctor_diag_read(doctor_view *view, uint32_t netns, uint32_t states, char *why, size_t size) {
    struct reading reading = {view, netns, states};
    struct mnl_socket *const socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
    const bool good = socket && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 &&
                      read_family(socket, AF_INET, &reading) &&
                      read_family(socket, AF_INET6, &reading);
    if (!good)
        snprintf(why, size, "The kernel's list of sockets (sock_diag) cannot be read: %s.",
                 strerror(errno));
    if (socket) mnl_socket_close(socket);
    return good;
}
