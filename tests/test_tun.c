#define _GNU_SOURCE
/* TUN devices, in a network namespace of the test's own. The kernel is the witness: it forwards
 * what one device sends to another one, cutting super-segments and completing checksums as the
 * headers ask. */
#include "test.h"
#include "netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <hf/os.h>
#include <hf/tun.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Opening ---- */

static hf_tun *opened(const hf_tun_options *options) {
    char error[HF_TUN_ERROR_BYTES] = "";
    hf_tun *tun = hf_tun_open(options, error);
    if (!tun) fail_msg("%s", error);
    return tun;
}

/* The sentence of an opening that must fail. */
static const char *refusal(const char *name) {
    static char error[HF_TUN_ERROR_BYTES];
    error[0] = 0;
    assert_null(hf_tun_open(&(hf_tun_options){.name = name}, error));
    return error;
}

static void assert_says(const char *sentence, const char *part) {
    if (!strstr(sentence, part)) fail_msg("\"%s\" does not say \"%s\"", sentence, part);
}

static int device_flags(const char *name) {
    struct ifreq ask = {0};
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(ask.ifr_name, sizeof ask.ifr_name, "%s", name);
    const int answer = ioctl(fd, SIOCGIFFLAGS, &ask);
    close(fd);
    return answer == 0 ? ask.ifr_flags : -1;
}

static void a_missing_device_is_made_set_up_and_goes_with_its_handle(void **state) {
    (void)state;
    hf_tun *tun = opened(&(hf_tun_options){.name = "hf0"});
    assert_string_equal(hf_tun_name(tun), "hf0");
    assert_true(device_flags("hf0") & IFF_UP);
    hf_tun_close(tun);
    assert_int_equal(device_flags("hf0"), -1);
}

static void the_interface_has_the_devices_mtu_and_offload(void **state) {
    (void)state;
    run("ip tuntap add dev hf0 mode tun && ip link set hf0 mtu 1380 up");
    hf_interface_options options;
    hf_tun *tun = opened(&(hf_tun_options){.name = "hf0"});
    hf_tun_interface_options(tun, &options);
    assert_int_equal(options.link, HF_LINK_IP);
    assert_int_equal(options.mtu, 1380);
    assert_int_equal(options.gso_max_bytes, 65535);
    assert_true(options.csum_offload);
    assert_true(options.auto_done);
    hf_tun_close(tun);
    tun = opened(&(hf_tun_options){.name = "hf0", .no_offload = true});
    hf_tun_interface_options(tun, &options);
    assert_int_equal(options.gso_max_bytes, 0);
    assert_false(options.csum_offload);
    hf_tun_close(tun);
    run("ip link del hf0");
}

static void either_kind_of_device_is_opened(void) {
    run("ip tuntap add dev hf0 mode tun && ip tuntap add dev hf1 mode tun multi_queue");
    hf_tun *one = opened(&(hf_tun_options){.name = "hf0"});
    hf_tun *first = opened(&(hf_tun_options){.name = "hf1"});
    hf_tun *second = opened(&(hf_tun_options){.name = "hf1"});
    hf_tun_close(second);
    hf_tun_close(first);
    hf_tun_close(one);
    run("ip link del hf0 && ip link del hf1");
}

static void a_device_with_several_queues_is_known_by_its_refusal(void **state) {
    (void)state; /* /sys shows the namespace that we came from */
    either_kind_of_device_is_opened();
}

static void a_device_with_several_queues_is_known_by_its_flags(void **state) {
    (void)state;
    if (mount("sysfs", "/sys", "sysfs", 0, NULL) != 0) fail_msg("sysfs: %s", strerror(errno));
    either_kind_of_device_is_opened();
    umount("/sys");
}

static void a_device_made_with_several_queues_takes_several_handles(void **state) {
    (void)state;
    hf_tun *first = opened(&(hf_tun_options){.name = "hf0", .multi_queue = true});
    hf_tun *second = opened(&(hf_tun_options){.name = "hf0", .multi_queue = true});
    hf_tun_close(first);
    hf_tun_close(second);
}

static void a_busy_device_is_tried_and_then_told(void **state) {
    (void)state;
    hf_tun *holder = opened(&(hf_tun_options){.name = "hf0"});
    const hf_ns before_ns = hf_now_from_os();
    const char *sentence = refusal("hf0");
    assert_true(hf_now_from_os() - before_ns >= 300 * HF_MS);
    assert_says(sentence, "TUN device hf0: ioctl TUNSETIFF: Device or resource busy");
    assert_says(sentence, "Another program has it open");
    hf_tun_close(holder);
}

static void a_device_that_is_busy_for_a_moment_is_waited_for(void **state) {
    (void)state;
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    const pid_t holder = fork();
    if (holder == 0) {
        char error[HF_TUN_ERROR_BYTES];
        hf_tun *tun = hf_tun_open(&(hf_tun_options){.name = "hf0"}, error);
        if (write(ready[1], "r", 1) != 1) _exit(2);
        usleep(100 * 1000);
        _exit(tun ? 0 : 1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    hf_tun_close(opened(&(hf_tun_options){.name = "hf0"}));
    int status;
    waitpid(holder, &status, 0);
    assert_int_equal(status, 0);
    close(ready[0]);
    close(ready[1]);
}

static void a_device_of_another_kind_is_refused(void **state) {
    (void)state;
    run("ip tuntap add dev tap0 mode tap");
    assert_says(refusal("tap0"), "is no TUN device");
    assert_says(refusal("lo"), "is no TUN device");
    run("ip link del tap0");
}

static void a_name_that_cannot_be_is_refused(void **state) {
    (void)state;
    assert_says(refusal(""), "no name");
    assert_says(refusal("a-name-of-sixteen"), "at most 15 characters");
    assert_says(refusal("a/b"), "at most 15 characters");
}

static void drop_all_capabilities(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[2] = {{0}};
    if (syscall(SYS_capset, &header, none) != 0) _exit(3);
}

/* What opening says without CAP_NET_ADMIN: asked in a child, as what is dropped is gone. */
static void refusal_without_permission(const char *name, char *ret_sentence) {
    int answer[2];
    assert_int_equal(pipe(answer), 0);
    const pid_t child = fork();
    if (child == 0) {
        char error[HF_TUN_ERROR_BYTES] = "it was opened";
        drop_all_capabilities();
        hf_tun_open(&(hf_tun_options){.name = name}, error);
        _exit(write(answer[1], error, sizeof error) == sizeof error ? 0 : 2);
    }
    assert_int_equal(read(answer[0], ret_sentence, HF_TUN_ERROR_BYTES), HF_TUN_ERROR_BYTES);
    waitpid(child, NULL, 0);
    close(answer[0]);
    close(answer[1]);
}

static void without_permission_the_sentence_says_what_to_do(void **state) {
    (void)state;
    char sentence[HF_TUN_ERROR_BYTES];
    refusal_without_permission("hf0", sentence);
    assert_says(sentence, "TUN device hf0: it does not exist, and ioctl TUNSETIFF cannot make it");
    assert_says(sentence, "CAP_NET_ADMIN");
    assert_says(sentence, "ip tuntap add dev hf0 mode tun user USER");
    run("ip tuntap add dev hf1 mode tun user 7");
    refusal_without_permission("hf1", sentence);
    assert_says(sentence, "Opening it takes CAP_NET_ADMIN or its owner");
    run("ip link del hf1");
}

/* ---- Packets ---- */

#define HEADER4 20u
#define HEADER6 40u
#define TCP 20u
#define PAYLOAD 3000u
#define PIECE 1400u

static uint64_t sum_of(uint64_t sum, const uint8_t *data, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) sum += i & 1 ? data[i] : (uint32_t)data[i] << 8;
    return sum;
}

static uint16_t folded(uint64_t sum) {
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static void put16(uint8_t *at, uint32_t value) {
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static uint32_t get16(const uint8_t *at) { return (uint32_t)at[0] << 8 | at[1]; }

/* The pseudo-header's sum of an IPv4 or IPv6 packet with `bytes` of TCP. */
static uint16_t pseudo_sum(const uint8_t *ip, uint32_t bytes) {
    const bool six = ip[0] >> 4 == 6;
    return folded(sum_of(6 + bytes, six ? ip + 8 : ip + 12, six ? 32 : 8));
}

/* The headers of a TCP segment from network 91 to network 92, its checksum left out. */
static uint32_t make_headers(uint8_t *at, bool six, uint32_t payload_bytes) {
    const uint32_t ip_bytes = six ? HEADER6 : HEADER4;
    memset(at, 0, ip_bytes + TCP);
    if (six) {
        at[0] = 0x60;
        put16(at + 4, TCP + payload_bytes);
        at[6] = 6;
        at[7] = 64;
        inet_pton(AF_INET6, "fd91::2", at + 8);
        inet_pton(AF_INET6, "fd92::2", at + 24);
    } else {
        at[0] = 0x45;
        put16(at + 2, HEADER4 + TCP + payload_bytes);
        at[8] = 64;
        at[9] = 6;
        inet_pton(AF_INET, "10.91.0.2", at + 12);
        inet_pton(AF_INET, "10.92.0.2", at + 16);
        put16(at + 10, (uint16_t)~folded(sum_of(0, at, HEADER4)));
    }
    uint8_t *tcp = at + ip_bytes;
    put16(tcp, 4321);
    put16(tcp + 2, 80);
    tcp[12] = 5 << 4;
    tcp[13] = 0x18; /* PSH, ACK */
    put16(tcp + 14, 777);
    put16(tcp + 16, pseudo_sum(at, TCP + payload_bytes));
    return ip_bytes + TCP;
}

static uint8_t payload_byte(size_t i) { return (uint8_t)(i * 7 + i / 251); }

typedef struct packet {
    uint8_t headers[HEADER6 + TCP];
    uint8_t payload[PAYLOAD];
    hf_frame frame;
} packet;

/* A frame in three parts, as an engine makes them. */
static void make_packet(packet *ret, bool six, uint32_t payload_bytes) {
    for (uint32_t i = 0; i < payload_bytes; i++) ret->payload[i] = payload_byte(i);
    const uint32_t header_bytes = make_headers(ret->headers, six, payload_bytes);
    ret->frame = (hf_frame){
        .flags = HF_FRAME_NEEDS_CSUM,
        .header_bytes = (uint16_t)header_bytes,
        .csum_start = (uint16_t)(header_bytes - TCP),
        .csum_offset = 16,
        .total_bytes = header_bytes + payload_bytes,
        .part_count = 3,
        .parts = {{ret->headers, header_bytes},
                  {ret->payload, 11},
                  {ret->payload + 11, payload_bytes - 11}},
    };
}

static void make_super(packet *ret, bool six) {
    make_packet(ret, six, PAYLOAD);
    ret->frame.flags |= six ? HF_FRAME_GSO6 : HF_FRAME_GSO4;
    ret->frame.gso_bytes = PIECE;
}

/* Two devices with the kernel as router between. */
typedef struct route {
    hf_tun *from, *to;
} route;

static route routed(bool to_offload) {
    route both = {opened(&(hf_tun_options){.name = "hf0"}),
                  opened(&(hf_tun_options){.name = "hf1", .no_offload = !to_offload})};
    run("ip addr add 10.91.0.1/24 dev hf0 && ip addr add 10.92.0.1/24 dev hf1");
    run("ip addr add fd91::1/64 dev hf0 nodad && ip addr add fd92::1/64 dev hf1 nodad");
    assert_true(write_text("/proc/sys/net/ipv4/ip_forward", "1"));
    assert_true(write_text("/proc/sys/net/ipv6/conf/all/forwarding", "1"));
    return both;
}

static void unroute(route *both) {
    hf_tun_close(both->from);
    hf_tun_close(both->to);
}

static bool is_tcp(const hf_frame *frame) {
    const uint8_t *ip = frame->parts[0].data;
    return ip[0] >> 4 == 4 ? ip[9] == 6 : ip[6] == 6;
}

typedef struct arrived {
    hf_frame frame;
    uint8_t data[4000];
} arrived;

/* Waits for the TCP packets that must come; what else the kernel says on a new device is not
 * counted. */
static size_t collect(hf_tun *tun, arrived *ret, size_t want) {
    const hf_ns until_ns = hf_now_from_os() + 2 * HF_SECOND;
    size_t count = 0;
    while (count < want && hf_now_from_os() < until_ns) {
        struct pollfd ask = {.fd = hf_tun_fd(tun), .events = POLLIN};
        poll(&ask, 1, 100);
        const hf_frame *frames;
        const size_t came = hf_tun_receive(tun, 13, &frames);
        for (size_t i = 0; i < came && count < want; i++) {
            if (!is_tcp(&frames[i])) continue;
            assert_true(frames[i].total_bytes <= sizeof ret[count].data);
            ret[count].frame = frames[i];
            memcpy(ret[count++].data, frames[i].parts[0].data, frames[i].total_bytes);
        }
    }
    return count;
}

static void assert_payload(const arrived *got, uint32_t header_bytes, uint32_t from,
                           uint32_t bytes) {
    assert_int_equal(got->frame.total_bytes, header_bytes + bytes);
    for (uint32_t i = 0; i < bytes; i++)
        assert_int_equal(got->data[header_bytes + i], payload_byte(from + i));
}

static void assert_checksum_is_right(const arrived *got, uint32_t header_bytes) {
    const uint32_t bytes = got->frame.total_bytes - (header_bytes - TCP);
    const uint8_t *tcp = got->data + header_bytes - TCP;
    assert_int_equal(folded(sum_of(pseudo_sum(got->data, bytes), tcp, bytes)), 0xffff);
}

static void a_super_segment_is_cut_with_checksums(bool six) {
    const uint32_t header_bytes = (six ? HEADER6 : HEADER4) + TCP;
    route both = routed(false);
    packet sent;
    make_super(&sent, six);
    assert_int_equal(hf_tun_send(both.from, &sent.frame, 1), 1);
    arrived got[3];
    assert_int_equal(collect(both.to, got, 3), 3);
    const uint32_t bytes[3] = {PIECE, PIECE, PAYLOAD - 2 * PIECE};
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(got[i].frame.flags & ~(unsigned)HF_FRAME_CSUM_OK, 0);
        assert_int_equal(got[i].frame.interface, 13);
        assert_payload(&got[i], header_bytes, i * PIECE, bytes[i]);
        assert_checksum_is_right(&got[i], header_bytes);
    }
    unroute(&both);
}

static void a_super_segment_over_ip4_is_cut_for_a_device_without_offload(void **state) {
    (void)state;
    a_super_segment_is_cut_with_checksums(false);
}

static void a_super_segment_over_ip6_is_cut_for_a_device_without_offload(void **state) {
    (void)state;
    a_super_segment_is_cut_with_checksums(true);
}

static void a_super_segment_stays_whole(bool six, uint32_t flag) {
    const uint32_t header_bytes = (six ? HEADER6 : HEADER4) + TCP;
    route both = routed(true);
    packet sent;
    make_super(&sent, six);
    assert_int_equal(hf_tun_send(both.from, &sent.frame, 1), 1);
    arrived got;
    assert_int_equal(collect(both.to, &got, 1), 1);
    assert_int_equal(got.frame.flags, HF_FRAME_NEEDS_CSUM | flag);
    assert_int_equal(got.frame.gso_bytes, PIECE);
    assert_int_equal(got.frame.csum_start, header_bytes - TCP);
    assert_int_equal(got.frame.csum_offset, 16);
    assert_int_equal(got.frame.part_count, 1);
    assert_payload(&got, header_bytes, 0, PAYLOAD);
    unroute(&both);
}

static void a_super_segment_over_ip4_stays_whole_with_offload(void **state) {
    (void)state;
    a_super_segment_stays_whole(false, HF_FRAME_GSO4);
}

static void a_super_segment_over_ip6_stays_whole_with_offload(void **state) {
    (void)state;
    a_super_segment_stays_whole(true, HF_FRAME_GSO6);
}

static void the_first_cwr_of_a_super_segment_stays_in_its_first_piece(void **state) {
    (void)state;
    route both = routed(false);
    packet sent;
    make_super(&sent, false);
    sent.headers[HEADER4 + 13] |= 0x80; /* CWR, RFC 3168 6.1.2 */
    sent.frame.flags |= HF_FRAME_ECN;
    assert_int_equal(hf_tun_send(both.from, &sent.frame, 1), 1);
    arrived got[3];
    assert_int_equal(collect(both.to, got, 3), 3);
    assert_int_equal(got[0].data[HEADER4 + 13] & 0x80, 0x80);
    assert_int_equal(got[1].data[HEADER4 + 13] & 0x80, 0);
    assert_int_equal(got[2].data[HEADER4 + 13] & 0x80, 0);
    unroute(&both);
}

static void a_checksum_left_out_is_completed_behind_the_device(void **state) {
    (void)state;
    route both = routed(false);
    packet sent;
    make_packet(&sent, false, 101);
    assert_int_equal(hf_tun_send(both.from, &sent.frame, 1), 1);
    arrived got;
    assert_int_equal(collect(both.to, &got, 1), 1);
    assert_payload(&got, HEADER4 + TCP, 0, 101);
    assert_checksum_is_right(&got, HEADER4 + TCP);
    assert_int_equal(get16(got.data + HEADER4 + 14), 777);
    unroute(&both);
}

static void a_batch_takes_at_most_its_frames_in_order(void **state) {
    (void)state;
    run("ip tuntap add dev hf0 mode tun && ip link set hf0 up addrgenmode none");
    run("echo 1 >/proc/sys/net/ipv6/conf/hf0/disable_ipv6 && ip addr add 10.91.0.1/24 dev hf0");
    hf_tun *tun = opened(&(hf_tun_options){.name = "hf0", .batch_frames = 2});
    const int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    inet_pton(AF_INET, "10.91.0.2", &to.sin_addr);
    for (int i = 0; i < 3; i++)
        assert_int_equal(sendto(udp, "abc", (size_t)i + 1, 0, (struct sockaddr *)&to, sizeof to),
                         i + 1);
    const hf_frame *frames;
    assert_int_equal(hf_tun_receive(tun, 3, &frames), 2);
    assert_int_equal(frames[0].total_bytes, 29);
    assert_int_equal(frames[1].total_bytes, 30);
    assert_int_equal(frames[1].frame_id, 2);
    assert_int_equal(hf_tun_receive(tun, 3, &frames), 1);
    assert_int_equal(frames[0].total_bytes, 31);
    assert_int_equal(hf_tun_receive(tun, 3, &frames), 0);
    assert_int_equal(hf_tun_counts_get(tun).received, 3);
    close(udp);
    hf_tun_close(tun);
    run("ip link del hf0");
}

static void a_frame_that_the_kernel_refuses_is_counted_and_lost(void **state) {
    (void)state;
    hf_tun *tun = opened(&(hf_tun_options){.name = "hf0"});
    packet sent[2];
    make_packet(&sent[0], false, 100);
    sent[0].headers[0] = 0x05; /* IP version 0 */
    make_packet(&sent[1], false, 100);
    const hf_frame frames[2] = {sent[0].frame, sent[1].frame};
    assert_int_equal(hf_tun_send(tun, frames, 2), 2);
    const hf_tun_counts counts = hf_tun_counts_get(tun);
    assert_int_equal(counts.send_refused, 1);
    assert_int_equal(counts.last_refusal, EINVAL);
    assert_int_equal(counts.sent, 1);
    hf_tun_close(tun);
}

static void a_device_that_is_down_loses_frames(void **state) {
    (void)state;
    hf_tun *tun = opened(&(hf_tun_options){.name = "hf0"});
    run("ip link set hf0 down");
    packet sent;
    make_packet(&sent, false, 100);
    assert_int_equal(hf_tun_send(tun, &sent.frame, 1), 1);
    assert_int_equal(hf_tun_counts_get(tun).send_down, 1);
    assert_true(hf_tun_is_there(tun));
    hf_tun_close(tun);
}

static void a_removed_device_is_noticed(void **state) {
    (void)state;
    hf_tun *tun = opened(&(hf_tun_options){.name = "hf0"});
    assert_true(hf_tun_is_there(tun));
    run("ip link del hf0");
    const hf_frame *frames;
    assert_int_equal(hf_tun_receive(tun, 3, &frames), 0);
    assert_false(hf_tun_is_there(tun));
    hf_tun_close(tun);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_device_is_made_set_up_and_goes_with_its_handle),
        cmocka_unit_test(the_interface_has_the_devices_mtu_and_offload),
        cmocka_unit_test(a_device_with_several_queues_is_known_by_its_refusal),
        cmocka_unit_test(a_device_with_several_queues_is_known_by_its_flags),
        cmocka_unit_test(a_device_made_with_several_queues_takes_several_handles),
        cmocka_unit_test(a_busy_device_is_tried_and_then_told),
        cmocka_unit_test(a_device_that_is_busy_for_a_moment_is_waited_for),
        cmocka_unit_test(a_device_of_another_kind_is_refused),
        cmocka_unit_test(a_name_that_cannot_be_is_refused),
        cmocka_unit_test(without_permission_the_sentence_says_what_to_do),
        cmocka_unit_test(a_super_segment_over_ip4_is_cut_for_a_device_without_offload),
        cmocka_unit_test(a_super_segment_over_ip6_is_cut_for_a_device_without_offload),
        cmocka_unit_test(a_super_segment_over_ip4_stays_whole_with_offload),
        cmocka_unit_test(a_super_segment_over_ip6_stays_whole_with_offload),
        cmocka_unit_test(the_first_cwr_of_a_super_segment_stays_in_its_first_piece),
        cmocka_unit_test(a_checksum_left_out_is_completed_behind_the_device),
        cmocka_unit_test(a_batch_takes_at_most_its_frames_in_order),
        cmocka_unit_test(a_frame_that_the_kernel_refuses_is_counted_and_lost),
        cmocka_unit_test(a_device_that_is_down_loses_frames),
        cmocka_unit_test(a_removed_device_is_noticed),
    };
    if (!netns_enter()) return NETNS_SKIPPED;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
