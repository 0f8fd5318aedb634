/* Links: what leaves a host is seen by a packet socket, and link.c decides on it. On a wire of our
 * own the packet then waits its time here and is handed on; on a plain link it is there already, or
 * the receiver's filter drops it. */
#define _GNU_SOURCE
#include "lab/linux.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROUND = 64, CAPTURE_BYTES = 16 << 20, FRAME_BYTES = 65536 + ETH_HLEN };

static const struct lab_way_options plain_way;

static bool needs_wire(const lab_link *link) {
    lab_way_options options = link->way[0].options;
    options.queue = 0;
    options.reorder_by_ns = 0; /* both have values though nothing uses them */
    return memcmp(&options, &plain_way, sizeof options) != 0;
}

/* ---- Making a link ---- */

static int packet_socket(const char *name, bool incoming) {
    const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    const int bytes = CAPTURE_BYTES;
    struct sockaddr_ll at = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(ETH_P_ALL),
                             .sll_ifindex = (int)if_nametoindex(name)};
    if (fd < 0) return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    if (incoming) setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) == 0) return fd;
    close(fd);
    return -1;
}

static uint32_t address_of(const lab_link *link, uint32_t end) {
    const uint8_t *const b = link->addr[end].bytes + 12; /* IPv4 in its mapped form */
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static bool end_up(lab_link *link, uint32_t end, const char *name, bool second_end) {
    return lab_netns_enter(link->end[end]->netns->fd) &&
           lab_interface_up(name, address_of(link, end), link->mtu, second_end);
}

static bool join_plainly(lab_link *link, const char *name) {
    struct lab_veth *const veth = link->veth;
    for (uint32_t i = 0; i < 2; i++) snprintf(veth->name[i], sizeof veth->name[i], "%s", name);
    if (!lab_netns_enter(link->end[0]->netns->fd) ||
        !lab_veth_new(name, name, link->end[1]->netns->fd))
        return false;
    for (uint32_t i = 0; i < 2; i++)
        if (!end_up(link, i, name, i == 1)) return false;
    veth->packet[1] = packet_socket(name, false);
    return true;
}

static bool join_by_wire(lab_link *link, const char *name) {
    struct lab_veth *const veth = link->veth;
    for (uint32_t i = 0; i < 2; i++) {
        snprintf(veth->name[i], sizeof veth->name[i], "%s%c", name, "ab"[i]);
        if (!lab_netns_enter(lab_netns_wire()) ||
            !lab_veth_new(veth->name[i], name, link->end[i]->netns->fd) ||
            !lab_interface_up(veth->name[i], 0, link->mtu, false))
            return false;
        veth->packet[i] = packet_socket(veth->name[i], true);
        if (!end_up(link, i, name, true)) return false;
    }
    return true;
}

/* The wires of all parts of a scenario lie in one namespace. */
static uint32_t next_number(void) {
    static uint32_t number;
    return ++number;
}

hf_err lab_linux_attach(lab_host *host, lab_link *link, uint32_t end) {
    char name[IF_NAMESIZE - 1];               /* a letter follows, in the wire's namespace */
    if (end == 0 || link->veth) return HF_OK; /* both ends are made at once */
    struct lab_veth *const veth = link->veth = lab_alloc(sizeof *veth);
    veth->packet[0] = veth->packet[1] = -1;
    veth->wired = needs_wire(link);
    snprintf(name, sizeof name, "lab%u", next_number());
    const bool joined = veth->wired ? join_by_wire(link, name) : join_plainly(link, name);
    const int error = errno;
    lab_netns_enter(lab_netns_wire());
    if (!joined || veth->packet[1] < 0) {
        lab_problem(host->world, "the link %s - %s cannot be made on linux: %s", link->end[0]->name,
                    link->end[1]->name, strerror(error));
        host->world->failed_script = true;
        return HF_STATE;
    }
    for (uint32_t i = 0; i < 2; i++)
        if (veth->packet[i] >= 0)
            lab_kernel_watch(host->world, veth->packet[i], EPOLLIN, LAB_WAKE_WIRE,
                             link->index * 2 + i);
    return HF_OK;
}

void lab_linux_link_free(lab_link *link) {
    if (!link->veth) return;
    for (uint32_t i = 0; i < 2; i++)
        if (link->veth->packet[i] >= 0) close(link->veth->packet[i]);
    free(link->veth);
}

bool lab_linux_link_can_change(const lab_link *link) { return link->veth->wired; }

/* ---- The cut of a plain link ---- */

static bool is_off(const lab_host *host) { return host->power == LAB_DOWN; }

void lab_linux_link_changed(lab_link *link) {
    const struct lab_veth *const veth = link->veth;
    if (!veth || veth->wired) return;
    for (uint32_t end = 0; end < 2; end++) {
        const bool drops = link->way[1 - end].cut || is_off(link->end[0]) || is_off(link->end[1]);
        if (!lab_netns_enter(link->end[end]->netns->fd) || !lab_filter_set(veth->name[end], drops))
            lab_problem(link->world, "nftables refuses the filter of %s", link->end[end]->name);
    }
    lab_netns_enter(lab_netns_wire());
}

/* ---- Packets ---- */

static void leaves(lab_link *link, uint32_t way, uint8_t *bytes, uint32_t count) {
    hf_packet packet;
    hf_frame frame = {.total_bytes = count, .part_count = 1, .cause = HF_CAUSE_NONE};
    hf_packet_parse(bytes, count, count, false, &packet);
    frame.parts[0].data = bytes;
    frame.parts[0].bytes = count;
    const lab_flow *const flow =
        lab_flow_leaves(link->world, &packet, &frame.cause, &frame.cause_a, &frame.cause_b);
    lab_link_send(link, way, &frame, flow ? flow->conn : LAB_ANY);
}

/* An IP packet by its own length; the others, as ARP, pass as they are and are not told. */
static void take_frame(lab_link *link, uint32_t way, uint8_t *frame, uint32_t count) {
    const struct lab_veth *const veth = link->veth;
    if (is_off(link->end[way])) return;
    if (count > ETH_HLEN && frame[12] == 0x08 && frame[13] == 0x00) {
        memcpy(link->veth->header[way], frame, ETH_HLEN);
        leaves(link, way, frame + ETH_HLEN, count - ETH_HLEN);
        if (!veth->wired) lab_take_frames(link->world, link->world->now_ns); /* it is there */
    } else if (veth->wired && !is_off(link->end[1 - way])) {
        if (send(veth->packet[1 - way], frame, count, 0) < 0 && errno != ENETDOWN)
            lab_problem(link->world, "the wire of link %u: %s", link->index, strerror(errno));
    }
}

/* How many the packet socket could not hold; the counter starts anew at each look. */
static void tell_overrun(lab_link *link, uint32_t end) {
    struct tpacket_stats stats;
    socklen_t bytes = sizeof stats;
    const struct lab_veth *const veth = link->veth;
    if (getsockopt(veth->packet[end], SOL_PACKET, PACKET_STATISTICS, &stats, &bytes) != 0 ||
        stats.tp_drops == 0)
        return;
    link->way[end].queue_lost += veth->wired ? stats.tp_drops : 0;
    lab_record *const record = lab_record_add(link->world, LAB_NOTE, LAB_ANY);
    lab_record_text(record, "%u packets came faster than the lab takes them: %s.", stats.tp_drops,
                    veth->wired ? "they are lost" : "they are not drawn");
}

void lab_wire_wake(lab_world *world, uint32_t index) {
    static uint8_t frame[FRAME_BYTES];
    lab_link *const link = world->links[index / 2];
    const uint32_t end = index % 2;
    struct sockaddr_ll from;
    for (int i = 0; i < ROUND; i++) {
        socklen_t size = sizeof from;
        const ssize_t count = recvfrom(link->veth->packet[end], frame, sizeof frame, 0,
                                       (struct sockaddr *)&from, &size);
        if (count <= 0) break;
        const bool comes_in = !link->veth->wired && from.sll_pkttype != PACKET_OUTGOING;
        take_frame(link, comes_in ? 1 - end : end, frame, (uint32_t)count);
    }
    tell_overrun(link, end);
}

void lab_wire_drain(lab_link *link, const lab_host *host) {
    const bool second = !link->veth->wired || link->end[1] == host;
    lab_wire_wake(link->world, link->index * 2 + second);
}

void lab_wire_take(lab_host *host, lab_flight *flight) {
    static uint8_t frame[FRAME_BYTES];
    lab_link *const link = flight->link;
    const struct lab_veth *const veth = link->veth;
    lab_fate fate = is_off(host) ? LAB_FATE_HOST_DOWN : LAB_FATE_ARRIVED;
    host->world->frames_in_flight--;
    if (veth->wired && fate == LAB_FATE_ARRIVED) {
        memcpy(frame, veth->header[flight->way], ETH_HLEN);
        memcpy(frame + ETH_HLEN, flight->bytes, flight->total);
        if (send(veth->packet[1 - flight->way], frame, ETH_HLEN + flight->total, 0) < 0)
            fate = LAB_FATE_QUEUE_FULL;
    }
    lab_flight_settle(flight, fate, NULL);
    if (fate == LAB_FATE_ARRIVED) {
        hf_packet packet;
        hf_packet_parse(flight->bytes, flight->total, flight->total, false, &packet);
        lab_flow_arrives(host->world, &packet);
    }
    free(flight);
}
