/* Interfaces and filters of the namespace that the process is in. */
#define _GNU_SOURCE
#include "lab/linux.h"
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <nftables/libnftables.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_BYTES = 1024, NEWS_BYTES = 16384, OPER_UP = 6 }; /* RFC 2863 ifOperStatus */

/* ---- A pair of veth, by rtnetlink ---- */

/* No two interfaces have one number, in whatever namespace: a pair of equals is taken for a device
 * that lies on nothing, and its carrier is then looked at up to a second later. */
static int next_number(void) {
    static int number = 100;
    return ++number;
}

static struct nlmsghdr *new_link(void *buffer) {
    struct nlmsghdr *const head = mnl_nlmsg_put_header(buffer);
    head->nlmsg_type = RTM_NEWLINK;
    head->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    struct ifinfomsg *const info = mnl_nlmsg_put_extra_header(head, sizeof *info);
    info->ifi_index = next_number();
    return head;
}

static void put_veth(struct nlmsghdr *head, const char *name, const char *other, int other_fd) {
    mnl_attr_put_strz(head, IFLA_IFNAME, name);
    struct nlattr *const info = mnl_attr_nest_start(head, IFLA_LINKINFO);
    mnl_attr_put_strz(head, IFLA_INFO_KIND, "veth");
    struct nlattr *const data = mnl_attr_nest_start(head, IFLA_INFO_DATA);
    struct nlattr *const peer = mnl_attr_nest_start(head, VETH_INFO_PEER);
    struct ifinfomsg *const other_info = mnl_nlmsg_put_extra_header(head, sizeof *other_info);
    other_info->ifi_index = next_number();
    mnl_attr_put_strz(head, IFLA_IFNAME, other);
    mnl_attr_put_u32(head, IFLA_NET_NS_FD, (uint32_t)other_fd);
    mnl_attr_nest_end(head, peer);
    mnl_attr_nest_end(head, data);
    mnl_attr_nest_end(head, info);
}

/* Sends a request and takes its acknowledgment. */
static bool talk(struct mnl_socket *socket, const struct nlmsghdr *head) {
    char answer[REQUEST_BYTES];
    if (mnl_socket_sendto(socket, head, head->nlmsg_len) < 0) return false;
    const ssize_t bytes = mnl_socket_recvfrom(socket, answer, sizeof answer);
    return bytes > 0 && mnl_cb_run(answer, (size_t)bytes, 0, 0, NULL, NULL) >= 0;
}

bool lab_veth_new(const char *name, const char *other, int other_fd) {
    char buffer[REQUEST_BYTES];
    struct mnl_socket *const socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (!socket) return false;
    struct nlmsghdr *const head = new_link(buffer);
    put_veth(head, name, other, other_fd);
    const bool good = mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 && talk(socket, head);
    mnl_socket_close(socket);
    return good;
}

/* ---- Settings, by ioctl ---- */

/* What leaves is a packet as it would be on a wire, with its checksum in it. What a device
 * cannot do anyway is no matter. */
static void switch_off_offloads(int fd, struct ifreq *request) {
    static const uint32_t offloads[] = {ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO, ETHTOOL_STXCSUM};
    for (size_t i = 0; i < sizeof offloads / sizeof offloads[0]; i++) {
        struct ethtool_value off = {.cmd = offloads[i], .data = 0};
        request->ifr_data = (void *)&off;
        ioctl(fd, SIOCETHTOOL, request);
    }
}

static bool set_address(int fd, struct ifreq *request, uint32_t address, unsigned long what) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
    memcpy(&request->ifr_addr, &to, sizeof to);
    return ioctl(fd, what, request) == 0;
}

static bool bring_up(int fd, const char *name, uint32_t address, uint32_t mtu) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    if (mtu > 0) switch_off_offloads(fd, &request);
    request.ifr_mtu = (int)mtu;
    if (mtu > 0 && ioctl(fd, SIOCSIFMTU, &request) != 0) return false;
    if (address != 0 && (!set_address(fd, &request, address, SIOCSIFADDR) ||
                         !set_address(fd, &request, 0xffffff00, SIOCSIFNETMASK)))
        return false;
    if (ioctl(fd, SIOCGIFFLAGS, &request) != 0) return false;
    request.ifr_flags |= IFF_UP;
    return ioctl(fd, SIOCSIFFLAGS, &request) == 0;
}

/* ---- Until packets can pass ---- */

static int is_oper_up(const struct nlattr *attribute, void *up) {
    if (mnl_attr_get_type(attribute) == IFLA_OPERSTATE && mnl_attr_get_u8(attribute) == OPER_UP)
        *(bool *)up = true;
    return MNL_CB_OK;
}

static int is_ready(const struct nlmsghdr *head, void *index) {
    const struct ifinfomsg *const info = mnl_nlmsg_get_payload(head);
    bool up = false;
    if (info->ifi_index != *(const int *)index) return MNL_CB_OK;
    mnl_attr_parse(head, sizeof *info, is_oper_up, &up);
    return up ? MNL_CB_STOP : MNL_CB_OK;
}

static struct mnl_socket *hear_of_links(void) {
    const struct timeval patience = {.tv_sec = 3};
    struct mnl_socket *const socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (!socket) return NULL;
    setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (mnl_socket_bind(socket, RTMGRP_LINK, MNL_SOCKET_AUTOPID) == 0) return socket;
    mnl_socket_close(socket);
    return NULL;
}

static bool wait_until_ready(struct mnl_socket *socket, const char *name) {
    static char news[NEWS_BYTES];
    int index = (int)if_nametoindex(name);
    for (;;) {
        const ssize_t bytes = mnl_socket_recvfrom(socket, news, sizeof news);
        if (bytes <= 0) return false;
        if (mnl_cb_run(news, (size_t)bytes, 0, 0, is_ready, &index) == MNL_CB_STOP) return true;
    }
}

bool lab_interface_up(const char *name, uint32_t address, uint32_t mtu, bool second_end) {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    struct mnl_socket *const news = second_end ? hear_of_links() : NULL;
    bool good = (news || !second_end) && bring_up(fd, name, address, mtu);
    if (good && second_end) good = wait_until_ready(news, name);
    if (news) mnl_socket_close(news);
    close(fd);
    return good;
}

/* ---- The cut ---- */

/* A table for each interface; adding it first lets its deletion succeed. */
__attribute__((format(printf, 1, 0))) static bool run_nft(const char *format, const char *name) {
    char commands[400];
    snprintf(commands, sizeof commands, format, name, name, name, name);
    struct nft_ctx *const nft = nft_ctx_new(NFT_CTX_DEFAULT);
    if (!nft) return false;
    nft_ctx_buffer_error(nft);
    const bool good = nft_run_cmd_from_buffer(nft, commands) == 0;
    nft_ctx_free(nft);
    return good;
}

bool lab_filter_set(const char *name, bool drops) {
    static const char cut[] =
        "add table ip lab_%s\n"
        "add chain ip lab_%s cut { type filter hook prerouting priority -300 ; }\n"
        "add rule ip lab_%s cut iifname \"%s\" counter drop\n";
    return run_nft("add table ip lab_%s\ndelete table ip lab_%s\n", name) &&
           (!drops || run_nft(cut, name));
}
