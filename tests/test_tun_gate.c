#define _GNU_SOURCE
/* accept_at with a stock client: the kernel's TCP connects over a TUN device, in a network namespace
 * of the test's own, to listeners of an engine. */
#include "test.h"
#include "netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <hf/os.h>
#include <hf/tcp.h>
#include <hf/tun.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#define PORT 7000

static hf_engine engine;
static hf_loop loop;
static void *block, *data;
static hf_listener listener;

static int start(void **state) {
    (void)state;
    char error[HF_TUN_ERROR_BYTES];
    run("ip tuntap add dev hf0 mode tun && ip link set hf0 up addrgenmode none");
    run("ip addr add 10.91.0.1/24 dev hf0");
    hf_config config;
    hf_config_default(&config);
    memset(config.seed, 0x3c, sizeof config.seed);
    const hf_memory memory = hf_engine_bytes(&config);
    block = aligned_alloc(64, (memory.block_bytes + 63) / 64 * 64);
    data = aligned_alloc(64, (memory.data_bytes + 63) / 64 * 64);
    assert_int_equal(hf_engine_init(&engine, &config, block, memory.block_bytes, data,
                                    memory.data_bytes, hf_now_from_os()),
                     HF_OK);
    loop =
        (hf_loop){.tun = hf_tun_open(&(hf_tun_options){.name = "hf0"}, error), .engine = &engine};
    if (!loop.tun) return -1;
    hf_interface_options link;
    hf_tun_interface_options(loop.tun, &link);
    assert_int_equal(hf_interface_add(&engine, &link, &loop.interface), HF_OK);
    const hf_addr us = hf_addr4(10, 91, 0, 2);
    assert_int_equal(hf_address_add(&engine, loop.interface, &us, 24), HF_OK);
    return 0;
}

static int stop(void **state) {
    (void)state;
    hf_tun_close(loop.tun);
    free(block), free(data);
    return system("ip link del hf0 2>/dev/null || true");
}

static void listen_at(hf_accept_at at) {
    const hf_listen_options options = {.port = PORT, .accept_at = at};
    assert_int_equal(hf_listen(&engine, &options, &listener), HF_OK);
}

/* Lets the engine work for a while, in real time. */
static void work(hf_ns for_ns) {
    const hf_ns until_ns = hf_now_from_os() + for_ns;
    do {
        hf_loop_step(&loop);
        hf_loop_flush(&loop);
        if (!hf_loop_wait(&loop, until_ns, -1)) fail_msg("the device is gone");
    } while (hf_now_from_os() < until_ns);
}

/* The kernel's client begins to connect. */
static int kernel_connects(void) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    inet_pton(AF_INET, "10.91.0.2", &to.sin_addr);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), -1);
    assert_int_equal(errno, EINPROGRESS);
    return fd;
}

static bool is_connected(int fd) {
    struct pollfd ask = {.fd = fd, .events = POLLOUT};
    return poll(&ask, 1, 0) == 1 && (ask.revents & POLLOUT) != 0;
}

static size_t unacked(int fd) {
    struct tcp_info info = {0};
    socklen_t bytes = sizeof info;
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes), 0);
    return info.tcpi_unacked;
}

static size_t arrived(hf_conn conn) {
    char buffer[8192];
    size_t got = 0;
    hf_receive(&engine, conn, buffer, sizeof buffer, &got);
    return got;
}

static void a_stock_client_connects_and_sends_only_after_the_accept(void **state) {
    (void)state;
    listen_at(HF_ACCEPT_AT_WINDOW);
    const int fd = kernel_connects();
    work(100 * HF_MS);
    assert_true(is_connected(fd));
    char text[5000] = {1};
    assert_int_equal(send(fd, text, sizeof text, MSG_NOSIGNAL), sizeof text);
    work(1200 * HF_MS); /* its window probes are answered with the window closed */
    assert_int_equal(unacked(fd), 0);
    hf_conn conn;
    assert_int_equal(hf_accept(&engine, listener, &conn), HF_OK);
    work(150 * HF_MS); /* far less than its next probe would take */
    assert_int_equal(arrived(conn), sizeof text);
    hf_abort(&engine, conn);
    work(20 * HF_MS);
    close(fd);
}

static void a_stock_client_is_not_connected_before_the_program_says_so(void **state) {
    (void)state;
    listen_at(HF_ACCEPT_AT_SYN);
    const int fd = kernel_connects();
    work(1200 * HF_MS); /* its second SYN has come */
    assert_false(is_connected(fd));
    hf_pending pending;
    assert_int_equal(hf_pending_next(&engine, listener, &pending), HF_OK);
    assert_int_equal(pending.repeats, 1);
    assert_true(pending.timestamps && pending.sack && pending.mss > 500);
    assert_int_equal(hf_syn_answer(&engine, listener, &pending, HF_SYN_ACCEPT), HF_OK);
    work(50 * HF_MS);
    assert_true(is_connected(fd));
    assert_int_equal(send(fd, "hello", 5, MSG_NOSIGNAL), 5);
    work(50 * HF_MS);
    hf_conn conn;
    assert_int_equal(hf_accept(&engine, listener, &conn), HF_OK);
    assert_int_equal(arrived(conn), 5);
    hf_abort(&engine, conn);
    work(20 * HF_MS);
    close(fd);
}

static void a_stock_client_is_refused_by_the_programs_no(void **state) {
    (void)state;
    listen_at(HF_ACCEPT_AT_SYN);
    const int fd = kernel_connects();
    work(50 * HF_MS);
    hf_pending pending;
    assert_int_equal(hf_pending_next(&engine, listener, &pending), HF_OK);
    assert_int_equal(hf_syn_answer(&engine, listener, &pending, HF_SYN_REFUSE), HF_OK);
    work(50 * HF_MS);
    int error = 0;
    socklen_t bytes = sizeof error;
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes), 0);
    assert_int_equal(error, ECONNREFUSED);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_stock_client_connects_and_sends_only_after_the_accept),
        TEST(a_stock_client_is_not_connected_before_the_program_says_so),
        TEST(a_stock_client_is_refused_by_the_programs_no),
    };
    if (!netns_enter()) return NETNS_SKIPPED;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
