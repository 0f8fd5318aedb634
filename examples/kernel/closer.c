/* The closer: a server that answers and closes, and is restarted while clients hold connections.
 *
 *   closer --wrong PORT    close() with unread bytes, and a restart without SO_REUSEADDR
 *   closer --right PORT    closes with a receipt; restarts at once
 *   closer --ask ADDRESS PORT [REQUEST]    a client; the server reads four bytes of its request
 *
 * Wrong is: unread bytes turn close() into RST, and the answer is lost; bind() fails for a minute.
 */
#define _GNU_SOURCE
#include "common.h"
#include <sys/wait.h>

enum { ANSWER_BYTES = 500000, LIVES = 2 };
static const char answer[ANSWER_BYTES];

static void answer_wrong(int fd) {
    char request[4];
    recv(fd, request, sizeof request, 0);
    send(fd, answer, sizeof answer, MSG_NOSIGNAL);
    close(
        fd); /* the rest of the request is unread: the kernel sends RST and drops what is queued */
}

static void answer_right(int fd) {
    char request[4], words[400];
    hf_closing closing;
    hf_ns next_ns;
    recv(fd, request, sizeof request, 0);
    const ssize_t sent = send(fd, answer, sizeof answer, MSG_NOSIGNAL);
    const hf_closing_options options = {.bytes_written = sent > 0 ? (uint64_t)sent : 0,
                                        .deadline_ns = 3 * HF_SECOND};
    if (!hf_closing_begin(&closing, fd, &options, hf_kernel_now(), NULL)) die("hf_closing_begin");
    while (!hf_closing_look(&closing, hf_kernel_now(), &next_ns))
        wait_until(closing.fd, 0, next_ns);
    hf_receipt_text(&closing.receipt, words, sizeof words);
    say("server: %s", words);
}

/* One life of the server: it ends after two clients, as by a crash or an update. */
static int serve(const char *port, bool right) {
    const int listener = listen_on(port, 16, right);
    if (listener < 0) return 3;
    for (int i = 0; i < 2; i++) {
        const int fd = accept(listener, NULL, NULL);
        if (right) {
            answer_right(fd);
        } else {
            usleep(100000); /* the whole request is here before the close */
            answer_wrong(fd);
        }
    }
    return 0;
}

/* Starts the server again when it ends, every half second if it cannot bind, for 4 s. */
static int supervise(const char *port, bool right) {
    int lives = 0, failed = 0;
    while (lives < LIVES && failed < 8) {
        int status = 0;
        const pid_t pid = fork();
        if (pid == 0) _exit(serve(port, right));
        waitpid(pid, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 3) {
            if (failed++ == 0)
                say("supervisor: the restarted server cannot bind: address in use (TIME_WAIT, 60 "
                    "s)");
            usleep(500000);
            continue;
        }
        lives++;
        say("supervisor: life %d of the server is over", lives);
    }
    say("supervisor: %d failed starts", failed);
    return 0;
}

static int ask(const struct sockaddr_in *name, const char *request) {
    char bytes[65536];
    size_t got = 0;
    ssize_t count;
    int fd = -1;
    for (int i = 0; i < 30 && fd < 0; i++) { /* the server may be starting */
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (const struct sockaddr *)name, sizeof *name) == 0) break;
        close(fd);
        fd = -1;
        usleep(50000);
    }
    if (fd < 0) die("client: connect");
    send(fd, request, strlen(request), MSG_NOSIGNAL);
    usleep(200000); /* busy elsewhere */
    while ((count = recv(fd, bytes, sizeof bytes, 0)) > 0) got += (size_t)count;
    say("client: %zu of %d bytes, then %s", got, ANSWER_BYTES,
        count == 0 ? "the end" : strerror(errno));
    close(fd);
    return got != ANSWER_BYTES;
}

int main(int argc, char **argv) {
    if (argc >= 4 && strcmp(argv[1], "--ask") == 0) {
        const struct sockaddr_in name = name_of(argv[2], argv[3]);
        return ask(&name, argc > 4 ? argv[4] : "GET and more");
    }
    if (argc != 3) {
        fprintf(stderr, "usage: closer --wrong|--right PORT | --ask ADDRESS PORT [REQUEST]\n");
        return 2;
    }
    return supervise(argv[2], strcmp(argv[1], "--right") == 0);
}
