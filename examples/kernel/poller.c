/* The poller: asks once a second and wants an answer.
 *
 *   poller --serve PORT            answers every question
 *   poller --wrong ADDRESS PORT    blocking calls and keepalive
 *   poller --right ADDRESS PORT    bounds of 3 s; connects again with back-off and jitter
 *
 * Wrong is: when the line is cut while a question is on its way, keepalive does not run, and recv()
 * waits for 15 minutes. */
#define _GNU_SOURCE
#include "common.h"

static void serve(const char *port) {
    const int listener = listen_on(port, 16, 1);
    if (listener < 0) die("listen");
    for (;;) {
        const int fd = accept(listener, NULL, NULL);
        if (fork() != 0) {
            close(fd);
            continue;
        }
        char byte;
        while (recv(fd, &byte, 1, 0) == 1) send(fd, "!", 1, MSG_NOSIGNAL);
        _exit(0);
    }
}

static void poll_wrong(const struct sockaddr_in *name) {
    char byte;
    const int fd = plain_connect(name);
    keepalive(fd, 10, 10, 3);
    say("connected");
    for (int i = 1;; i++) {
        if (send(fd, "?", 1, MSG_NOSIGNAL) != 1) die("send");
        if (recv(fd, &byte, 1, 0) != 1) die("recv");
        say("answer %d", i);
        sleep(1);
    }
}

/* Asks until the connection is over or the watch says so. True if it ever got an answer. */
static bool poll_once(const struct sockaddr_in *name) {
    const hf_watch_bounds bounds = {.silent_ns = 3 * HF_SECOND, .answer_ns = 3 * HF_SECOND};
    char words[400], byte;
    hf_watch watch;
    hf_kernel_problem problem;
    hf_ns next_ns, ask_at_ns = hf_kernel_now();
    int answers = 0;
    const int fd = start_connect(name);
    if (fd < 0 || !hf_watch_begin(&watch, fd, &bounds, hf_kernel_now(), NULL, &problem)) {
        say("connect: %s", strerror(errno));
        if (fd >= 0) close(fd);
        return false;
    }
    for (;;) {
        const hf_watch_verdict verdict = hf_watch_look(&watch, hf_kernel_now(), &next_ns);
        if (verdict == HF_WATCH_ENDED) hf_watch_take_error(&watch);
        if (verdict != HF_WATCH_OK && verdict != HF_WATCH_PEER_MAY_NOT_HAVE_ACCEPTED) {
            hf_watch_text(&watch, words, sizeof words);
            say("%s", words);
            break;
        }
        const bool connecting = watch.phase == HF_PHASE_CONNECTING;
        if (connecting) ask_at_ns = hf_kernel_now();
        if (hf_kernel_now() >= ask_at_ns && send(fd, "?", 1, MSG_NOSIGNAL) == 1)
            ask_at_ns += HF_SECOND;
        wait_until(fd, connecting ? POLLOUT : POLLIN,
                   connecting ? next_ns : sooner(next_ns, ask_at_ns));
        const ssize_t got = recv(fd, &byte, 1, MSG_DONTWAIT);
        if (got == 1) say("answer %d", ++answers);
        if (got < 0 && errno != EAGAIN) hf_watch_error_was(&watch, errno);
        if (got == 0) {
            say("the server has closed");
            break;
        }
    }
    close(fd);
    return answers > 0;
}

/* Twice as long after each failure, up to 8 s, of which a random half is waited: a thousand pollers
 * that lost one server do not come back as one. */
static void poll_right(const struct sockaddr_in *name) {
    unsigned wait_ms = 500;
    srand((unsigned)hf_kernel_now());
    for (;;) {
        if (poll_once(name)) wait_ms = 500;
        const unsigned now_ms = wait_ms / 2 + (unsigned)rand() % (wait_ms / 2);
        say("connecting again in %u ms", now_ms);
        usleep(now_ms * 1000);
        if (wait_ms < 8000) wait_ms *= 2;
    }
}

int main(int argc, char **argv) {
    signal(SIGCHLD, SIG_IGN);
    if (argc == 3 && strcmp(argv[1], "--serve") == 0) serve(argv[2]);
    if (argc != 4) {
        fprintf(stderr,
                "usage: poller --serve PORT | --wrong ADDRESS PORT | --right ADDRESS PORT\n");
        return 2;
    }
    const struct sockaddr_in name = name_of(argv[2], argv[3]);
    if (strcmp(argv[1], "--right") == 0) poll_right(&name);
    poll_wrong(&name);
    return 0;
}
