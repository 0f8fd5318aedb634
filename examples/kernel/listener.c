/* Half-established: connect() has returned 0, and the server knows nothing of it or never accepts.
 *
 *   listener --serve-wrong PORT    room for one, and never accepts
 *   listener --serve-right PORT    room for a second of stall; accepts, and looks at its queue
 *   listener --wrong ADDRESS PORT [LOCAL_PORT]    waits for a greeting as long as it takes
 *   listener --right ADDRESS PORT [LOCAL_PORT]    doubts, finds out, and gives up at a bound */
#define _GNU_SOURCE
#include "common.h"

static void serve_wrong(const char *port) {
    if (listen_on(port, 0, 1) < 0) die("listen");
    say("listening with backlog 0; busy with other things");
    for (;;) pause();
}

static void serve_right(const char *port) {
    char words[300];
    hf_listener_view view = {0};
    const uint32_t backlog = hf_backlog_for(200, HF_SECOND);
    const int listener = listen_on(port, (int)backlog, 1);
    if (listener < 0) die("listen");
    say("listening with backlog %u: 200 connects a second, a second of stall", (unsigned)backlog);
    for (;;) {
        if (wait_until(listener, POLLIN, hf_kernel_now() + HF_SECOND)) {
            const int fd = accept(listener, NULL, NULL);
            send(fd, "hello", 5, MSG_NOSIGNAL);
        }
        const uint32_t drops = view.drops, peak = view.peak_waiting;
        if (!hf_listener_look(&view, listener, NULL) ||
            (view.drops == drops && view.peak_waiting == peak))
            continue;
        hf_listener_text(&view, words, sizeof words);
        say("%s", words);
    }
}

/* A local port of one's own choice lets the scene hold back this client's ACK. */
static int connect_from(const struct sockaddr_in *name, const char *local_port) {
    const struct sockaddr_in here = name_of("0.0.0.0", local_port ? local_port : "0");
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (const struct sockaddr *)&here, sizeof here) != 0) die("bind");
    if (connect(fd, (const struct sockaddr *)name, sizeof *name) != 0) die("connect");
    say("connected, says connect()");
    return fd;
}

static int wait_wrong(const struct sockaddr_in *name, const char *local_port) {
    char greeting[16];
    const int fd = connect_from(name, local_port);
    const ssize_t got = recv(fd, greeting, sizeof greeting, 0);
    if (got < 0) die("recv");
    say("%zd bytes of greeting", got);
    return 0;
}

static int wait_right(const struct sockaddr_in *name, const char *local_port) {
    const hf_watch_bounds bounds = {.silent_ns = 5 * HF_SECOND, .idle_ns = 8 * HF_SECOND};
    char words[500], greeting[16];
    hf_watch watch;
    hf_ns next_ns;
    hf_watch_verdict told = HF_WATCH_OK;
    const int fd = connect_from(name, local_port);
    if (!hf_watch_begin(&watch, fd, &bounds, hf_kernel_now(), NULL, NULL)) die("hf_watch_begin");
    for (;;) {
        const hf_watch_verdict verdict = hf_watch_look(&watch, hf_kernel_now(), &next_ns);
        if (verdict == HF_WATCH_ENDED) hf_watch_take_error(&watch);
        if (verdict != told) {
            hf_watch_text(&watch, words, sizeof words);
            say("%s", words);
        }
        told = verdict;
        if (verdict != HF_WATCH_OK && verdict != HF_WATCH_PEER_MAY_NOT_HAVE_ACCEPTED) return 1;
        if (!wait_until(fd, POLLIN, next_ns)) continue;
        const ssize_t got = recv(fd, greeting, sizeof greeting, MSG_DONTWAIT | MSG_PEEK);
        if (got < 0 && errno != EAGAIN) hf_watch_error_was(&watch, errno);
        if (got <= 0) continue;
        say("%zd bytes of greeting", got);
        return 0;
    }
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--serve-wrong") == 0) serve_wrong(argv[2]);
    if (argc == 3 && strcmp(argv[1], "--serve-right") == 0) serve_right(argv[2]);
    if (argc < 4) {
        fprintf(stderr, "usage: listener --serve-wrong|--serve-right PORT\n"
                        "       listener --wrong|--right ADDRESS PORT [LOCAL_PORT]\n");
        return 2;
    }
    const struct sockaddr_in name = name_of(argv[2], argv[3]);
    const char *const local_port = argc > 4 ? argv[4] : NULL;
    return strcmp(argv[1], "--right") == 0 ? wait_right(&name, local_port)
                                           : wait_wrong(&name, local_port);
}
