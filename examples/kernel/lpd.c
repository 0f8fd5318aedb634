/* A line printer daemon on the kernel's sockets. What it says is lpd_protocol.c, which hf-lpd-server
 * has too, on Holdfast. Jobs lie in the spool directory. It prints nothing on paper.
 *
 *   lpd --wrong PORT SPOOL [SOCKETS]    closes when it has answered: TIME_WAIT rests here, 60 s each
 *   lpd --right PORT SPOOL [SOCKETS]    the same, but lets the client's FIN be first where it comes
 *
 * SOCKETS makes it a small machine: with so many, those in TIME_WAIT counted, it refuses. */
#include "lpd_spool.h"
#include "common.h"

static void close_right(int fd) {
    hf_closing closing;
    hf_ns next_ns;
    const hf_closing_options options = {.deadline_ns = 2 * HF_SECOND,
                                        .at_deadline = HF_CLOSING_DETACH};
    if (!hf_closing_begin(&closing, fd, &options, hf_kernel_now(), NULL)) return;
    while (!hf_closing_look(&closing, hf_kernel_now(), &next_ns))
        wait_until(closing.fd, POLLIN, next_ns);
}

static bool send_answers(int fd, lpd_talk *talk) {
    const char *text;
    for (size_t bytes; (bytes = lpd_answer(talk, &text)) > 0;) {
        const ssize_t sent = send(fd, text, bytes, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        lpd_answered(talk, (size_t)sent);
    }
    return true;
}

static bool take_all(int fd, lpd_talk *talk, const char *data, size_t bytes) {
    for (size_t taken = 0; taken < bytes;) {
        taken += lpd_take(talk, data + taken, bytes - taken);
        if (!send_answers(fd, talk)) return false;
    }
    return true;
}

static void serve_one(int fd, const lpd_spool *spool, bool right) {
    lpd_talk talk;
    char part[4096];
    ssize_t got;
    const struct timeval patience = {5, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    lpd_begin(&talk, spool);
    while (!lpd_is_over(&talk) && (got = recv(fd, part, sizeof part, 0)) > 0)
        if (!take_all(fd, &talk, part, (size_t)got)) break;
    lpd_end(&talk);
    right ? close_right(fd) : (void)close(fd);
}

static void tell_job(void *context, const char *what, const char *job) {
    (void)context;
    say("job %.3s %s", job, what);
}

int main(int argc, char **argv) {
    if (argc < 4) return fprintf(stderr, "usage: lpd --wrong|--right PORT SPOOL [SOCKETS]\n"), 2;
    lpd_spool spool;
    const bool right = strcmp(argv[1], "--right") == 0;
    const int limit = argc > 4 ? atoi(argv[4]) : 0;
    int listener =
        lpd_spool_open(&spool, argv[3], tell_job) ? listen_on(argv[2], 32, 1) : die(argv[3]);
    for (;;) {
        const bool full = limit > 0 && sockets_of((unsigned)atoi(argv[2])) >= limit;
        if (full && listener >= 0)
            listener = (close(listener), say("all %d sockets taken: refusing", limit), -1);
        if (!full && listener < 0) listener = listen_on(argv[2], 32, 1);
        if (listener < 0)
            usleep(20000);
        else if (wait_until(listener, POLLIN, hf_kernel_now() + 100 * HF_MS))
            serve_one(accept(listener, NULL, NULL), &spool, right);
    }
}
