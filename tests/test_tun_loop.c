#define _GNU_SOURCE
/* The loop around a TUN device, with a stand-in for the engine that notes what a step was given and
 * offers frames. What an engine does in it is shown by the interop runs. */
#include "test.h"
#include "netns.h"

#include <arpa/inet.h>
#include <hf/os.h>
#include <hf/tun.h>
#include <poll.h>

/* ---- The stand-in ---- */

#define INTERFACE 5u

static hf_engine engine;
static struct stand_in {
    hf_ns now_ns, next_at_ns;
    size_t heard, steps;
    hf_ns now_at[16]; /* of each step */
    hf_frame queue[8];
    size_t queued;
} self;

void hf_engine_step(hf_engine *of, hf_ns now_ns, const hf_frame *in, size_t in_count,
                    hf_verdict *ret_verdicts) {
    (void)of;
    self.now_ns = now_ns;
    self.heard += in_count;
    self.now_at[self.steps++ % 16] = now_ns;
    for (size_t i = 0; i < in_count; i++) {
        assert_int_equal(in[i].interface, INTERFACE);
        if (ret_verdicts) ret_verdicts[i] = (hf_verdict){.cause = HF_CAUSE_DROP_PROTOCOL};
    }
}

hf_ns hf_engine_now(const hf_engine *of) {
    (void)of;
    return self.now_ns;
}

hf_ns hf_engine_next_at(const hf_engine *of) {
    (void)of;
    return self.next_at_ns;
}

size_t hf_tx_peek(hf_engine *of, hf_frame *ret_frames, size_t max) {
    (void)of;
    const size_t count = self.queued < max ? self.queued : max;
    memcpy(ret_frames, self.queue, count * sizeof *ret_frames);
    return count;
}

void hf_tx_taken(hf_engine *of, size_t count) {
    (void)of;
    self.queued -= count;
    memmove(self.queue, self.queue + count, self.queued * sizeof *self.queue);
}

/* ---- The device ---- */

static hf_loop loop;

static int start(void **state) {
    (void)state;
    char error[HF_TUN_ERROR_BYTES];
    run("ip tuntap add dev hf0 mode tun && ip link set hf0 up addrgenmode none");
    run("echo 1 >/proc/sys/net/ipv6/conf/hf0/disable_ipv6 && ip addr add 10.91.0.1/24 dev hf0");
    self = (struct stand_in){.now_ns = 7, .next_at_ns = HF_NEVER};
    loop = (hf_loop){.tun = hf_tun_open(&(hf_tun_options){.name = "hf0", .batch_frames = 2}, error),
                     .engine = &engine,
                     .interface = INTERFACE};
    return loop.tun ? 0 : -1;
}

static int stop(void **state) {
    (void)state;
    hf_tun_close(loop.tun);
    return system("ip link del hf0 2>/dev/null || true");
}

/* The kernel sends so many packets into the device. */
static void send_packets(int count) {
    const int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    inet_pton(AF_INET, "10.91.0.2", &to.sin_addr);
    for (int i = 0; i < count; i++)
        assert_int_equal(sendto(udp, "abc", 3, 0, (struct sockaddr *)&to, sizeof to), 3);
    close(udp);
}

static hf_ns waited(hf_ns until_ns, int other_fd) {
    const hf_ns before_ns = hf_now_from_os();
    assert_true(hf_loop_wait(&loop, until_ns, other_fd));
    return hf_now_from_os() - before_ns;
}

/* ---- The tests ---- */

static void time_moves_when_the_input_is_drained(void **state) {
    (void)state;
    const hf_ns before_ns = hf_now_from_os();
    send_packets(5);
    assert_int_equal(hf_loop_step(&loop), 5);
    assert_int_equal(self.steps, 3);
    assert_int_equal(self.now_at[0], 7);
    assert_int_equal(self.now_at[1], 7);
    assert_true(self.now_at[2] >= before_ns);
}

static void a_flood_cannot_stop_time(void **state) {
    (void)state;
    send_packets(40);
    assert_int_equal(hf_loop_step(&loop), 16);
    assert_int_equal(self.steps, 8);
    assert_int_equal(self.now_at[6], 7);
    assert_true(self.now_at[7] > 7);
}

static void a_step_without_input_moves_time(void **state) {
    (void)state;
    const hf_ns before_ns = hf_now_from_os();
    assert_int_equal(hf_loop_step(&loop), 0);
    assert_true(self.now_ns >= before_ns);
}

static hf_frame packet_for(uint32_t interface) {
    static uint8_t udp[29] = {0x45, 0,  0,  29, 0, 0, 0, 0, 64, 17, 0x66, 0x19, 10, 91, 0,
                              2,    10, 91, 0,  1, 0, 7, 0, 9,  0,  9,    0,    0,  'x'};
    return (hf_frame){.interface = interface,
                      .total_bytes = sizeof udp,
                      .part_count = 1,
                      .parts = {{udp, sizeof udp}}};
}

static void a_flush_sends_up_to_another_interfaces_frame(void **state) {
    (void)state;
    self.queue[0] = self.queue[1] = self.queue[3] = packet_for(INTERFACE);
    self.queue[2] = packet_for(INTERFACE + 1);
    self.queued = 4;
    hf_loop_flush(&loop);
    assert_int_equal(self.queued, 2);
    assert_int_equal(hf_tun_counts_get(loop.tun).sent, 2);
    assert_false(loop.more_out);
}

static void a_wait_ends_with_a_packet(void **state) {
    (void)state;
    send_packets(1);
    assert_true(waited(HF_NEVER, -1) < HF_SECOND);
    assert_int_equal(hf_loop_step(&loop), 1);
}

static void a_wait_ends_when_the_engine_or_the_application_is_due(void **state) {
    (void)state;
    self.next_at_ns = hf_now_from_os() + 30 * HF_MS;
    assert_in_range(waited(HF_NEVER, -1), 25 * HF_MS, HF_SECOND);
    self.next_at_ns = HF_NEVER;
    assert_in_range(waited(hf_now_from_os() + 20 * HF_MS, -1), 15 * HF_MS, HF_SECOND);
    self.next_at_ns = 3; /* long past */
    assert_true(waited(HF_NEVER, -1) < 20 * HF_MS);
}

static void a_wait_ends_when_the_other_descriptor_can_be_read(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_true(waited(HF_NEVER, ends[0]) < HF_SECOND);
    close(ends[0]);
    close(ends[1]);
}

static void a_removed_device_ends_the_loop(void **state) {
    (void)state;
    run("ip link del hf0");
    hf_loop_step(&loop);
    assert_false(hf_loop_wait(&loop, HF_NEVER, -1));
}

typedef struct watcher {
    int ins, outs;
} watcher;

static void watch(void *context, hf_ns at_ns, hf_way way, const hf_frame *frame,
                  const hf_verdict *verdict) {
    watcher *seen = context;
    assert_true(at_ns > 7);
    assert_true(frame->total_bytes >= 29);
    assert_int_equal(verdict != NULL, way == HF_WAY_IN);
    if (verdict) assert_int_equal(verdict->cause, HF_CAUSE_DROP_PROTOCOL);
    seen->ins += way == HF_WAY_IN;
    seen->outs += way == HF_WAY_OUT;
}

static void a_tap_sees_both_ways(void **state) {
    (void)state;
    watcher seen = {0};
    loop.tap = (hf_tap){watch, &seen};
    send_packets(1);
    hf_loop_step(&loop);
    self.queue[0] = packet_for(INTERFACE);
    self.queued = 1;
    hf_loop_flush(&loop);
    assert_int_equal(seen.ins, 1);
    assert_int_equal(seen.outs, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(time_moves_when_the_input_is_drained),
        TEST(a_flood_cannot_stop_time),
        TEST(a_step_without_input_moves_time),
        TEST(a_flush_sends_up_to_another_interfaces_frame),
        TEST(a_wait_ends_with_a_packet),
        TEST(a_wait_ends_when_the_engine_or_the_application_is_due),
        TEST(a_wait_ends_when_the_other_descriptor_can_be_read),
        TEST(a_removed_device_ends_the_loop),
        TEST(a_tap_sees_both_ways),
    };
    if (!netns_enter()) return NETNS_SKIPPED;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
