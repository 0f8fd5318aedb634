/* The backend "linux": the same scripts on the kernel of this machine, in real time.
 *
 * Each host is a network namespace, all of them in one user namespace, so that no root is needed
 * where the machine allows that. This process stays one thread: it steps into a host's namespace
 * (setns) to make a socket there, and steps out again; the socket stays where it was made.
 *
 *     plain link           host a [veth]============[veth] host b
 *                          a packet socket at one end sees what both send. A cut is a rule of
 *                          nftables in the namespace of the receiver, before its routing: never in
 *                          the sender's output, where the kernel counts a local failure and does
 *                          not retransmit.
 *     link with a delay,   host a [veth]==[veth] the wire [veth]==[veth] host b
 *     a loss, a rate ...   packet sockets in a namespace between take each packet and hand it on as
 *                          link.c says: the wire is the same as between engines. (This kernel may
 *                          have no netem; and so the lab knows the fate of each packet.)
 *
 * One epoll waits for packets, sockets and one timer; nothing is polled. What the kernel does
 * inside stays inside: the causes of packets are inferred from the wire (linux_flow.c), the causes
 * of ends from errno and the wire (linux_end.c). */
#ifndef LAB_LINUX_H
#define LAB_LINUX_H

#include "lab/lab.h"
#include <net/if.h>

typedef struct lab_flow lab_flow;

/* What waits in epoll is named by a kind and an index. */
typedef enum lab_wakes {
    LAB_WAKE_TIMER,
    LAB_WAKE_WIRE,    /* link * 2 + end */
    LAB_WAKE_SOCKET,  /* connection of the world */
    LAB_WAKE_LISTENER /* host * LAB_LISTENERS + listener */
} lab_wakes;

struct lab_kernel {
    int epoll, timer;
    hf_ns origin_ns;           /* of CLOCK_MONOTONIC; the world's 0 */
    hf_tcp_options connecting; /* of the call that is being made */
    lab_conn *called;          /* closed or aborted by the call that is being made */
    lab_flow **flows;
    uint32_t flow_count;
};

struct lab_netns {
    int fd;
};

struct lab_veth {
    bool wired;    /* through our own wire */
    int packet[2]; /* packet sockets on the wire's side of each end; of a plain link one, at end 1,
                      which sees both ways in their order */
    char name[2][IF_NAMESIZE + 2];
    uint8_t header[2][14]; /* of Ethernet, as each end sends it */
};

struct lab_socket {
    int fd; /* -1: closed */
    bool closed, missed, hung_up;
    int error; /* the first that a call or SO_ERROR gave */
    uint64_t unread_at_close;
    hf_tcp_options options;
    lab_flow *out, *in;
};

/* ---- linux_ns.c: namespaces and their settings ---- */

/* NULL if hosts can be made, else what is missing. The first call makes the user namespace, for
 * good. */
const char *lab_linux_missing(void);
int lab_netns_new(void);                                    /* -1: errno tells why */
bool lab_netns_enter(int fd);                               /* until the next call */
int lab_netns_wire(void);                                   /* where wires lie */
bool lab_sysctl_write(const char *name, const char *value); /* of the namespace entered */

/* ---- linux_net.c: interfaces and filters, in the namespace entered ---- */

/* A pair of veth: `name` here, `other` in the namespace `other_fd`. */
bool lab_veth_new(const char *name, const char *other, int other_fd);
/* Up, with checksums and segments made before the packet leaves; an address of 0 sets none. The
 * second end of a pair waits until packets can pass. */
bool lab_interface_up(const char *name, uint32_t address, uint32_t mtu, bool second_end);
bool lab_filter_set(const char *name, bool drops); /* what comes in by this interface */

/* ---- linux_wire.c ---- */

hf_err lab_linux_attach(lab_host *host, lab_link *link, uint32_t end);
void lab_linux_link_changed(lab_link *link);
void lab_linux_link_free(lab_link *link);
bool lab_linux_link_can_change(const lab_link *link);
void lab_wire_wake(lab_world *world, uint32_t index);
void lab_wire_drain(lab_link *link, const lab_host *host); /* of what the host has sent */
void lab_wire_take(lab_host *host, lab_flight *flight);    /* at the end of its way */

/* ---- linux_flow.c: what the wire shows of one direction of a connection ---- */

struct lab_flow {
    hf_addr source, destination;
    uint16_t source_port, destination_port;
    uint32_t isn, next, una; /* next to be sent; the other side has acknowledged up to una */
    uint32_t last_ack;       /* that this side sent */
    uint16_t window;         /* that this side offered last, unscaled */
    uint32_t attempts, probes, duplicates, unacked_segments;
    hf_ns sent_at_ns, arrived_at_ns, data_at_ns; /* arrived_at: its last packet that arrived */
    bool syn, called, established, rst, rst_arrived, probing, retransmitted;
    bool fin, fin_arrived, fin_acked;
    bool fin_first; /* it left before the other side's FIN came */
    uint32_t conn;  /* of the world: who sends it; LAB_ANY while nobody has it */
};

/* A packet leaves: remembers it and says by what cause, as far as the wire shows it. */
lab_flow *lab_flow_leaves(lab_world *world, const hf_packet *packet, hf_cause *ret_cause,
                          uint32_t *ret_a, uint32_t *ret_b);
void lab_flow_arrives(lab_world *world, const hf_packet *packet);
/* The newest flow from one address and port to another; NULL. */
lab_flow *lab_flow_find(lab_world *world, const hf_addr *from, uint16_t from_port,
                        const hf_addr *to, uint16_t to_port);

/* ---- linux_end.c ---- */

void lab_socket_ended(lab_conn *conn); /* looks whether it has, and tells */
hf_err lab_socket_end(lab_conn *conn, hf_end *ret_end);
hf_state lab_socket_state(const lab_conn *conn);
hf_err lab_err_of_errno(int error);

/* ---- linux_socket.c ---- */

extern const lab_conn_ops lab_linux_conn;
void lab_socket_wake(lab_conn *conn, uint32_t events);
void lab_socket_drop(lab_conn *conn); /* without a packet that anybody sees */

/* ---- linux_ledger.c ---- */

/* As hf_port_ledger_get and hf_time_wait_status_get, of what the kernel shows: how many, until when. */
hf_err lab_linux_ports(lab_host *host, const hf_addr *local, const hf_addr *remote, uint16_t port,
                       hf_port_ledger *ret_ledger);
void lab_linux_time_wait(lab_host *host, hf_time_wait_status *ret_status);

/* ---- linux.c ---- */

void lab_kernel_watch(lab_world *world, int fd, uint32_t events, lab_wakes kind, uint32_t index);

#endif
