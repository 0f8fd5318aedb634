/* hf/kernel.h over loopback: receipts, listeners, problems, words. What needs cuts is in
 * test_kernel_bounds.c, test_kernel_half.c and test_kernel_connect.c. */
#define _GNU_SOURCE
#include "test.h"
#include <hf/kernel.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A connected pair; ours connected, theirs was accepted, or the other way round. */
typedef struct pair {
    int ours, theirs;
} pair;

static int listen_here(int backlog, struct sockaddr_in *ret_name) {
    socklen_t length = sizeof *ret_name;
    memset(ret_name, 0, sizeof *ret_name);
    ret_name->sin_family = AF_INET;
    ret_name->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)ret_name, length), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)ret_name, &length), 0);
    return fd;
}

static pair pair_make(bool we_accept) {
    struct sockaddr_in name;
    const int listener = listen_here(1, &name);
    const int near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(near, (struct sockaddr *)&name, sizeof name), 0);
    const int far = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(far >= 0);
    close(listener);
    return we_accept ? (pair){far, near} : (pair){near, far};
}

static size_t send_some(int fd, size_t bytes) {
    static const char data[65536];
    size_t sent = 0;
    while (sent < bytes) {
        const size_t part = bytes - sent < sizeof data ? bytes - sent : sizeof data;
        const ssize_t count = send(fd, data, part, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count <= 0) break;
        sent += (size_t)count;
    }
    return sent;
}

/* Reads what is there, at most `most` bytes in all. True at the end of the stream or an error. */
static bool read_some(int fd, size_t *read, size_t most) {
    char waste[65536];
    while (*read < most) {
        const size_t room = most - *read < sizeof waste ? most - *read : sizeof waste;
        const ssize_t count = recv(fd, waste, room, MSG_DONTWAIT);
        if (count == 0 || (count < 0 && errno != EAGAIN)) return true;
        if (count < 0) return false;
        *read += (size_t)count;
    }
    return false;
}

static hf_closing begin(const pair *p, size_t written, hf_ns deadline_ns, hf_closing_end end) {
    hf_closing closing;
    const hf_closing_options options = {written, deadline_ns, end};
    assert_true(hf_closing_begin(&closing, p->ours, &options, hf_kernel_now(), NULL));
    return closing;
}

static void wait_a_little(void) { usleep(200); }

/* The peer reads all and closes at the end of the stream; some bytes of its own arrive in between.
 */
static void close_in_order(bool we_accept, size_t bytes, size_t answer) {
    hf_ns next_ns;
    const pair p = pair_make(we_accept);
    const size_t written = send_some(p.ours, bytes);
    size_t read = 0;
    const size_t answered = send_some(p.theirs, answer);
    hf_closing closing = begin(&p, written, 5 * HF_SECOND, HF_CLOSING_RST);
    bool open = true;
    while (!hf_closing_look(&closing, hf_kernel_now(), &next_ns)) {
        if (open && read_some(p.theirs, &read, SIZE_MAX)) {
            close(p.theirs);
            open = false;
        }
        wait_a_little();
    }
    assert_int_equal(closing.receipt.cause, HF_CAUSE_END_CLOSED);
    assert_int_equal(closing.receipt.mechanism, HF_CAUSE_BY_FIN);
    assert_int_equal(closing.receipt.bytes_acked, read);
    assert_int_equal(closing.receipt.bytes_acked, written);
    assert_int_equal(closing.receipt.bytes_lost, 0);
    assert_int_equal(closing.receipt.bytes_unread, answered);
    assert_true(closing.receipt.fin_acked && closing.receipt.fin_heard);
    assert_true(closing.receipt.time_wait_here);
    assert_int_equal(closing.fd, -1);
}

/* The peer closes first. */
static void close_second(bool we_accept, size_t bytes) {
    hf_ns next_ns;
    const pair p = pair_make(we_accept);
    const size_t written = send_some(p.ours, bytes);
    size_t read = 0;
    shutdown(p.theirs, SHUT_WR);
    wait_a_little();
    hf_closing closing = begin(&p, written, 5 * HF_SECOND, HF_CLOSING_RST);
    while (!hf_closing_look(&closing, hf_kernel_now(), &next_ns)) {
        read_some(p.theirs, &read, SIZE_MAX);
        wait_a_little();
    }
    read_some(p.theirs, &read, SIZE_MAX);
    close(p.theirs);
    assert_int_equal(closing.receipt.cause, HF_CAUSE_END_CLOSED);
    assert_int_equal(closing.receipt.bytes_acked, read);
    assert_int_equal(read, written);
    assert_true(closing.receipt.fin_acked && closing.receipt.fin_heard);
    assert_false(closing.receipt.time_wait_here);
}

/* The peer reads nothing until we have given up at the deadline; then it reads what its kernel
 * holds. */
static void close_at_deadline(bool we_accept, size_t bytes, hf_closing_end end) {
    hf_ns next_ns;
    const pair p = pair_make(we_accept);
    const int small = 4096;
    setsockopt(p.theirs, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    const size_t written = send_some(p.ours, bytes);
    size_t read = 0;
    hf_closing closing = begin(&p, written, 60 * HF_MS, end);
    while (!hf_closing_look(&closing, hf_kernel_now(), &next_ns)) usleep(5000);
    while (!read_some(p.theirs, &read, SIZE_MAX)) wait_a_little();
    close(p.theirs);
    assert_int_equal(closing.receipt.cause, HF_CAUSE_END_CLOSE_DEADLINE);
    assert_int_equal(closing.receipt.bytes_acked + closing.receipt.bytes_lost, written);
    if (end == HF_CLOSING_RST) assert_int_equal(read, closing.receipt.bytes_acked);
    if (end == HF_CLOSING_DETACH) assert_int_equal(read, written); /* the kernel went on */
    assert_false(closing.receipt.fin_heard);
}

/* The peer reads a part and closes: its kernel resets. What it has read was acknowledged. */
static void close_on_leaver(bool we_accept, size_t bytes, size_t part) {
    hf_ns next_ns;
    const pair p = pair_make(we_accept);
    const size_t written = send_some(p.ours, bytes);
    size_t read = 0;
    while (read < (part < written ? part : written)) read_some(p.theirs, &read, part);
    hf_closing closing = begin(&p, written, 5 * HF_SECOND, HF_CLOSING_RST);
    close(p.theirs);
    while (!hf_closing_look(&closing, hf_kernel_now(), &next_ns)) wait_a_little();
    assert_true(closing.receipt.bytes_acked >= read);
    assert_int_equal(closing.receipt.bytes_acked + closing.receipt.bytes_lost, written);
    if (read < written) assert_int_equal(closing.receipt.cause, HF_CAUSE_END_PEER_RESET);
}

static void abort_with_loss(bool we_accept, size_t bytes) {
    const pair p = pair_make(we_accept);
    const int small = 4096;
    setsockopt(p.theirs, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    const size_t written = send_some(p.ours, bytes);
    const size_t answered = send_some(p.theirs, 7);
    size_t read = 0;
    usleep(60000); /* a delayed ACK is on its way for 40 ms at most */
    const hf_receipt receipt = hf_closing_abort(p.ours, written);
    while (!read_some(p.theirs, &read, SIZE_MAX)) wait_a_little();
    close(p.theirs);
    assert_int_equal(receipt.cause, HF_CAUSE_END_APP_ABORTED);
    assert_int_equal(receipt.bytes_acked, read);
    assert_int_equal(receipt.bytes_lost, written - read);
    assert_int_equal(receipt.bytes_unread, answered);
}

static void close_at_random(void) {
    const bool we_accept = rand() % 2;
    const size_t bytes = (size_t)(rand() % 3 == 0 ? rand() % 3 : rand() % 300000);
    const int kind = rand() % 100;
    if (kind < 60)
        close_in_order(we_accept, bytes, kind % 2 ? 0 : (size_t)(rand() % 5000));
    else if (kind < 80)
        close_second(we_accept, bytes);
    else if (kind < 85)
        close_at_deadline(we_accept, bytes, kind % 2 ? HF_CLOSING_RST : HF_CLOSING_DETACH);
    else if (kind < 95)
        close_on_leaver(we_accept, bytes, bytes / 3);
    else
        abort_with_loss(we_accept, bytes);
}

/* In processes, since a close waits more than it works. An assertion that fails ends its process
 * with another status than 0. */
enum { PROCESSES = 20, CLOSES = 50 };

static void the_receipt_equals_what_the_peer_read_over_1000_closes(void **state) {
    (void)state;
    pid_t pids[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        if (pids[i] != 0) continue;
        srand(20261U + (unsigned)i);
        for (int k = 0; k < CLOSES; k++) close_at_random();
        _exit(0);
    }
    int failed = 0;
    for (int i = 0; i < PROCESSES; i++) {
        int status = 0;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        failed += status != 0;
    }
    assert_int_equal(failed, 0);
}

/* A reset with our FIN unacknowledged: the FIN is not a byte. */
static void what_a_resetting_peer_had_is_counted_to_the_byte(void **state) {
    (void)state;
    hf_ns next_ns;
    int held = 0;
    const int small = 4096;
    const pair p = pair_make(true);
    setsockopt(p.theirs, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    const size_t written = send_some(p.ours, 200000);
    hf_closing closing = begin(&p, written, 5 * HF_SECOND, HF_CLOSING_RST);
    usleep(300000);
    assert_false(hf_closing_look(&closing, hf_kernel_now(), &next_ns));
    assert_int_equal(ioctl(p.theirs, FIONREAD, &held), 0);
    close(p.theirs);
    while (!hf_closing_look(&closing, hf_kernel_now(), &next_ns)) wait_a_little();
    assert_int_equal(closing.receipt.cause, HF_CAUSE_END_PEER_RESET);
    assert_int_equal(closing.receipt.bytes_acked, held);
    assert_int_equal(closing.receipt.bytes_lost, written - (size_t)held);
    assert_false(closing.receipt.fin_acked);
}

/* Silence that lies before the watch, without a probe, proves nothing. A suspended machine looks
 * the same. */
static void a_long_silence_without_probes_is_no_verdict(void **state) {
    (void)state;
    hf_watch watch;
    hf_ns next_ns;
    const hf_watch_bounds bounds = {.silent_ns = 3 * HF_SECOND};
    const pair p = pair_make(false);
    usleep(3500000);
    assert_true(hf_watch_begin(&watch, p.ours, &bounds, hf_kernel_now(), NULL, NULL));
    const hf_ns end = hf_kernel_now() + 2500 * HF_MS;
    while (hf_kernel_now() < end) {
        assert_int_equal(hf_watch_look(&watch, hf_kernel_now(), &next_ns), HF_WATCH_OK);
        usleep(10000);
    }
    assert_true(watch.silence_ns < 1500 * HF_MS);
    close(p.ours);
    close(p.theirs);
}

static void a_receipt_reads_as_a_sentence(void **state) {
    (void)state;
    char words[400];
    const hf_receipt receipt = {.cause = HF_CAUSE_END_CLOSE_DEADLINE,
                                .mechanism = HF_CAUSE_BY_RST,
                                .bytes_written = 7000,
                                .bytes_acked = 4344,
                                .bytes_lost = 2656,
                                .bytes_unread = 5};
    hf_receipt_text(&receipt, words, sizeof words);
    assert_string_equal(
        words, "END_CLOSE_DEADLINE BY_RST: The close was not finished by its deadline. 4344 of "
               "7000 bytes acknowledged, 2656 not; our FIN not acknowledged, the peer's not "
               "heard. 5 bytes had arrived and were not read: a plain close() would have sent "
               "RST.");
}

static void a_listener_tells_its_queue_its_peak_and_its_drops(void **state) {
    (void)state;
    struct sockaddr_in name;
    char words[300];
    hf_listener_view view = {0};
    const int listener = listen_here(2, &name);
    int clients[6];
    assert_true(hf_listener_look(&view, listener, NULL));
    assert_int_equal(view.waiting, 0);
    assert_int_equal(view.limit, 2);
    for (int i = 0; i < 6; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(clients[i], (struct sockaddr *)&name, sizeof name);
    }
    assert_true(hf_listener_look(&view, listener, NULL));
    assert_int_equal(view.waiting, 3); /* the limit is passed by one */
    assert_true(view.full);
    assert_true(view.drops - view.drops_before >= 3);
    close(accept(listener, NULL, NULL));
    assert_true(hf_listener_look(&view, listener, NULL));
    assert_int_equal(view.waiting, 2);
    assert_int_equal(view.peak_waiting, 3);
    assert_false(view.full);
    assert_true(hf_listener_counters(&view, NULL));
    assert_true(view.overflows > 0);
    hf_listener_text(&view, words, sizeof words);
    assert_non_null(strstr(words, "2 waiting to be accepted, limit 2, peak seen 3"));
    for (int i = 0; i < 6; i++) close(clients[i]);
    close(listener);
}

static void a_backlog_holds_what_comes_in_a_stall(void **state) {
    (void)state;
    assert_int_equal(hf_backlog_for(1000, 300 * HF_MS), 301);
    assert_int_equal(hf_backlog_for(0.1, HF_SECOND), 1);
    assert_int_equal(hf_backlog_for(0, HF_SECOND), 1);
}

static void a_refused_connect_is_refused_by_that_address(void **state) {
    (void)state;
    struct sockaddr_in name;
    hf_connect_story story;
    char words[300];
    close(listen_here(1, &name));
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), -1);
    hf_connect_explain(fd, (struct sockaddr *)&name, errno, &story);
    assert_int_equal(story.cause, HF_CAUSE_END_REFUSED);
    assert_int_equal(story.mechanism, HF_CAUSE_BY_RST);
    hf_connect_text(&story, words, sizeof words);
    assert_non_null(strstr(words, "RST came from that address"));
    close(fd);
}

static void a_problem_names_call_option_value_and_cure(void **state) {
    (void)state;
    hf_watch watch;
    hf_kernel_problem problem;
    hf_watch_bounds bounds = {.silent_ns = 25 * 3600 * HF_SECOND};
    char words[300];
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_false(hf_watch_begin(&watch, fd, &bounds, 1, NULL, &problem));
    hf_kernel_problem_text(&problem, words, sizeof words);
    assert_string_equal(
        words, "hf_watch_begin(silent_ns, 90000000000000): Invalid argument. Give a bound of "
               "at most 24 hours.");
    bounds.silent_ns = HF_SECOND;
    assert_false(hf_watch_begin(&watch, fd, &bounds, 1, NULL, &problem));
    assert_string_equal(problem.option, "TCP_INFO");
    close(fd);
    const int young = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_false(hf_watch_begin(&watch, young, &bounds, 1, NULL, &problem));
    assert_int_equal(problem.error, ENOTCONN);
    close(young);
}

static int option_of(int fd, int level, int option) {
    int value = -1;
    socklen_t length = sizeof value;
    getsockopt(fd, level, option, &value, &length);
    return value;
}

static void no_user_timeout_is_set_unless_asked(void **state) {
    (void)state;
    hf_watch watch;
    hf_watch_holds holds;
    hf_watch_bounds bounds = {.silent_ns = 30 * HF_SECOND};
    const pair p = pair_make(true);
    assert_true(hf_watch_begin(&watch, p.ours, &bounds, hf_kernel_now(), &holds, NULL));
    assert_int_equal(option_of(p.ours, IPPROTO_TCP, 18 /* TCP_USER_TIMEOUT */), 0);
    assert_int_equal(option_of(p.ours, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(option_of(p.ours, IPPROTO_TCP, 4 /* TCP_KEEPIDLE */), 10);
    assert_int_equal(option_of(p.ours, IPPROTO_TCP, 5 /* TCP_KEEPINTVL */), 5);
    if (holds.has_rto_max)
        assert_int_equal(option_of(p.ours, IPPROTO_TCP, 44 /* TCP_RTO_MAX_MS */), 5000);
    assert_true(holds.phase[HF_PHASE_ZERO_WINDOW_LIVE].kernel_ends_ns == HF_NEVER);
    bounds.user_timeout_ns = 40 * HF_SECOND;
    assert_true(hf_watch_begin(&watch, p.ours, &bounds, hf_kernel_now(), &holds, NULL));
    assert_int_equal(option_of(p.ours, IPPROTO_TCP, 18), 40000);
    assert_true(holds.phase[HF_PHASE_ZERO_WINDOW_LIVE].kernel_ends_ns == 40 * HF_SECOND);
    close(p.ours);
    close(p.theirs);
}

static void without_a_bound_an_idle_end_is_never_noticed(void **state) {
    (void)state;
    hf_watch watch;
    hf_watch_holds holds;
    hf_ns next_ns;
    const hf_watch_bounds bounds = {0};
    const pair p = pair_make(false);
    assert_true(hf_watch_begin(&watch, p.ours, &bounds, hf_kernel_now(), &holds, NULL));
    assert_true(holds.phase[HF_PHASE_IDLE].by_ns == HF_NEVER);
    assert_true(holds.phase[HF_PHASE_IDLE].kernel_ends_ns == HF_NEVER);
    assert_int_equal(option_of(p.ours, SOL_SOCKET, SO_KEEPALIVE), 0);
    assert_int_equal(hf_watch_look(&watch, hf_kernel_now(), &next_ns), HF_WATCH_OK);
    close(p.ours);
    close(p.theirs);
}

static void a_reset_is_told_and_the_error_left_to_the_caller(void **state) {
    (void)state;
    hf_watch watch;
    hf_ns next_ns;
    const hf_watch_bounds bounds = {.silent_ns = 5 * HF_SECOND};
    const pair p = pair_make(false);
    assert_true(hf_watch_begin(&watch, p.ours, &bounds, hf_kernel_now(), NULL, NULL));
    hf_closing_abort(p.theirs, 0);
    assert_int_equal(hf_watch_look(&watch, hf_kernel_now(), &next_ns), HF_WATCH_ENDED);
    assert_int_equal(watch.cause, HF_CAUSE_NONE);
    assert_int_equal(hf_watch_take_error(&watch), ECONNRESET);
    assert_int_equal(watch.cause, HF_CAUSE_END_PEER_RESET);
    assert_int_equal(watch.mechanism, HF_CAUSE_BY_RST);
    assert_int_equal(hf_watch_look(&watch, hf_kernel_now(), &next_ns), HF_WATCH_ENDED);
    assert_int_equal(watch.cause, HF_CAUSE_END_PEER_RESET);
    close(p.ours);
}

static void an_error_that_recv_had_first_is_told_to_the_watch(void **state) {
    (void)state;
    hf_watch watch;
    hf_ns next_ns;
    char byte;
    const hf_watch_bounds bounds = {.silent_ns = 5 * HF_SECOND};
    const pair p = pair_make(false);
    assert_true(hf_watch_begin(&watch, p.ours, &bounds, hf_kernel_now(), NULL, NULL));
    hf_closing_abort(p.theirs, 0);
    assert_int_equal(recv(p.ours, &byte, 1, 0), -1);
    hf_watch_error_was(&watch, errno);
    assert_int_equal(hf_watch_look(&watch, hf_kernel_now(), &next_ns), HF_WATCH_ENDED);
    assert_int_equal(hf_watch_take_error(&watch), ECONNRESET);
    assert_int_equal(watch.cause, HF_CAUSE_END_PEER_RESET);
    close(p.ours);
}

static void a_slow_answer_is_an_answer(void **state) {
    (void)state;
    hf_watch watch;
    hf_ns next_ns;
    const hf_watch_bounds bounds = {.answer_ns = 200 * HF_MS};
    const pair p = pair_make(false);
    assert_true(hf_watch_begin(&watch, p.ours, &bounds, hf_kernel_now(), NULL, NULL));
    assert_int_equal(send_some(p.ours, 3), 3);
    usleep(120000);
    assert_int_equal(hf_watch_look(&watch, hf_kernel_now(), &next_ns), HF_WATCH_OK);
    assert_int_equal(send_some(p.theirs, 2), 2);
    usleep(150000);
    assert_int_equal(hf_watch_look(&watch, hf_kernel_now(), &next_ns), HF_WATCH_OK);
    assert_int_equal(send_some(p.ours, 3), 3);
    usleep(100000);
    assert_int_equal(hf_watch_look(&watch, hf_kernel_now(), &next_ns), HF_WATCH_OK);
    usleep(120000);
    assert_int_equal(hf_watch_look(&watch, hf_kernel_now(), &next_ns), HF_WATCH_PEER_NOT_ANSWERING);
    close(p.ours);
    close(p.theirs);
}

static void a_clock_that_goes_back_ends_nothing(void **state) {
    (void)state;
    hf_watch watch;
    hf_ns next_ns;
    const hf_watch_bounds bounds = {.silent_ns = 3 * HF_SECOND, .idle_ns = HF_SECOND};
    const pair p = pair_make(false);
    const hf_ns now = hf_kernel_now();
    assert_true(hf_watch_begin(&watch, p.ours, &bounds, now, NULL, NULL));
    assert_int_equal(hf_watch_look(&watch, now - HF_SECOND, &next_ns), HF_WATCH_OK);
    assert_true(next_ns > now);
    /* A leap of the caller's clock is no silence: the kernel says how long ago the peer was heard.
     */
    assert_int_not_equal(hf_watch_look(&watch, now + 100 * HF_SECOND, &next_ns),
                         HF_WATCH_PEER_SILENT);
    close(p.ours);
    close(p.theirs);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_receipt_equals_what_the_peer_read_over_1000_closes),
        cmocka_unit_test(what_a_resetting_peer_had_is_counted_to_the_byte),
        cmocka_unit_test(a_long_silence_without_probes_is_no_verdict),
        cmocka_unit_test(a_receipt_reads_as_a_sentence),
        cmocka_unit_test(a_listener_tells_its_queue_its_peak_and_its_drops),
        cmocka_unit_test(a_backlog_holds_what_comes_in_a_stall),
        cmocka_unit_test(a_refused_connect_is_refused_by_that_address),
        cmocka_unit_test(a_problem_names_call_option_value_and_cure),
        cmocka_unit_test(no_user_timeout_is_set_unless_asked),
        cmocka_unit_test(without_a_bound_an_idle_end_is_never_noticed),
        cmocka_unit_test(a_reset_is_told_and_the_error_left_to_the_caller),
        cmocka_unit_test(an_error_that_recv_had_first_is_told_to_the_watch),
        cmocka_unit_test(a_slow_answer_is_an_answer),
        cmocka_unit_test(a_clock_that_goes_back_ends_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
