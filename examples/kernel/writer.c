/* The writer: 20 bytes a second, never an answer. Why does keepalive not notice the reader's end?
 *
 *   writer --serve PORT            reads and says nothing
 *   writer --wrong ADDRESS PORT    keepalive of 5 s, 5 s, 3 times
 *   writer --right ADDRESS PORT    a bound of 5 s, whatever the traffic, and how many bytes are
 * lost
 *
 * Wrong is: keepalive never runs, since unacknowledged data is always there; send() succeeds for 15
 * minutes into the void. */
#define _GNU_SOURCE
#include "common.h"

static const char line[] = "twenty bytes of data";

static void serve(const char *port) {
    const int listener = listen_on(port, 16, 1);
    if (listener < 0) die("listen");
    for (;;) {
        char bytes[512];
        const int fd = accept(listener, NULL, NULL);
        while (recv(fd, bytes, sizeof bytes, 0) > 0) continue;
        close(fd);
    }
}

static void write_wrong(const struct sockaddr_in *name) {
    const int fd = plain_connect(name);
    keepalive(fd, 5, 5, 3);
    for (int i = 1;; i++) {
        if (send(fd, line, 20, MSG_NOSIGNAL) != 20) die("send");
        say("%d bytes sent, says send()", 20 * i);
        sleep(1);
    }
}

static int write_right(const struct sockaddr_in *name) {
    const hf_watch_bounds bounds = {.silent_ns = 5 * HF_SECOND};
    char words[400];
    hf_watch watch;
    hf_watch_holds holds;
    hf_kernel_problem problem;
    uint64_t written = 0;
    hf_ns next_ns, write_at_ns = hf_kernel_now();
    const int fd = plain_connect(name);
    if (!hf_watch_begin(&watch, fd, &bounds, hf_kernel_now(), &holds, &problem)) {
        hf_kernel_problem_text(&problem, words, sizeof words);
        say("%s", words);
        return 1;
    }
    hf_watch_hold_text(&holds, HF_PHASE_IN_FLIGHT, words, sizeof words);
    say("%s", words);
    while (hf_watch_look(&watch, hf_kernel_now(), &next_ns) <= HF_WATCH_IDLE) {
        if (hf_kernel_now() >= write_at_ns) {
            const ssize_t sent = send(fd, line, 20, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent > 0) written += (uint64_t)sent;
            say("%llu bytes sent, says send()", (unsigned long long)written);
            write_at_ns += HF_SECOND;
        }
        wait_until(fd, 0, sooner(next_ns, write_at_ns));
    }
    hf_watch_text(&watch, words, sizeof words);
    say("%s", words);
    const hf_receipt receipt = hf_closing_abort(fd, written);
    hf_receipt_text(&receipt, words, sizeof words);
    say("%s", words);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--serve") == 0) serve(argv[2]);
    if (argc != 4) {
        fprintf(stderr,
                "usage: writer --serve PORT | --wrong ADDRESS PORT | --right ADDRESS PORT\n");
        return 2;
    }
    const struct sockaddr_in name = name_of(argv[2], argv[3]);
    if (strcmp(argv[1], "--right") == 0) return write_right(&name);
    write_wrong(&name);
    return 0;
}
