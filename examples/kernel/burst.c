/* The burst: many clients at once, each connects, sends four bytes and closes. Why does the server
 * see fewer than the clients say they were?
 *
 *   burst --serve-wrong PORT            backlog 5
 *   burst --serve-right PORT            a backlog for the burst
 *   burst --wrong ADDRESS PORT COUNT    a client is served when its calls have succeeded
 *   burst --right ADDRESS PORT COUNT    a client is served when the server has answered */
#define _GNU_SOURCE
#include "common.h"

enum { MOST = 2000 };

static int serve(const char *port, int backlog) {
    char bytes[16], words[300];
    unsigned served = 0;
    hf_listener_view view = {0};
    const int listener = listen_on(port, backlog, 1);
    if (listener < 0) die("listen");
    hf_listener_look(&view, listener, NULL);
    for (;;) {
        if (wait_until(listener, POLLIN, hf_kernel_now() + 3 * HF_SECOND)) {
            hf_listener_look(&view, listener, NULL);
            const int fd = accept(listener, NULL, NULL);
            const struct timeval patience = {1, 0};
            setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
            if (recv(fd, bytes, sizeof bytes, 0) == 4) {
                served++;
                send(fd, "done", 4, MSG_NOSIGNAL);
            }
            usleep(1000);
            close(fd);
        } else if (served > 0) {
            hf_listener_look(&view, listener, NULL);
            hf_listener_counters(&view, NULL);
            hf_listener_text(&view, words, sizeof words);
            say("server: %u served; %s", served, words);
            return 0;
        }
    }
}

/* Opens all at once; each sends when it is connected. Returns how many sent. */
static int send_all(const struct sockaddr_in *name, int *fds, int count) {
    int sent = 0;
    bool done[MOST] = {false};
    for (int i = 0; i < count; i++) fds[i] = start_connect(name);
    const hf_ns end = hf_kernel_now() + 5 * HF_SECOND;
    while (sent < count && hf_kernel_now() < end) {
        for (int i = 0; i < count; i++) {
            if (done[i] || fds[i] < 0 || send(fds[i], "ping", 4, MSG_NOSIGNAL) != 4) continue;
            done[i] = true;
            sent++;
        }
        usleep(5000);
    }
    return sent;
}

static int burst_wrong(const struct sockaddr_in *name, int count) {
    int fds[MOST];
    const int sent = send_all(name, fds, count);
    for (int i = 0; i < count; i++)
        if (fds[i] >= 0) close(fds[i]);
    say("clients: %d of %d were served: connect(), send() and close() have succeeded", sent, count);
    return 0;
}

/* An answer is the only proof that the program on the other side had the request. */
static int burst_right(const struct sockaddr_in *name, int count) {
    int fds[MOST], answered = 0;
    const int sent = send_all(name, fds, count);
    char bytes[16];
    const hf_ns end = hf_kernel_now() + 3 * HF_SECOND;
    bool done[MOST] = {false};
    while (answered < sent && hf_kernel_now() < end) {
        for (int i = 0; i < count; i++) {
            if (done[i] || fds[i] < 0 || recv(fds[i], bytes, sizeof bytes, MSG_DONTWAIT) != 4)
                continue;
            done[i] = true;
            answered++;
        }
        usleep(5000);
    }
    uint64_t lost = 0;
    for (int i = 0; i < count; i++)
        if (fds[i] >= 0) lost += done[i] ? 0 : hf_closing_abort(fds[i], 4).bytes_lost;
    for (int i = 0; i < count; i++)
        if (fds[i] >= 0 && done[i]) close(fds[i]);
    say("clients: %d of %d were answered; of the others' bytes %llu were never acknowledged: send "
        "them again",
        answered, count, (unsigned long long)lost);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--serve-wrong") == 0) return serve(argv[2], 5);
    if (argc == 3 && strcmp(argv[1], "--serve-right") == 0)
        return serve(argv[2], (int)hf_backlog_for(1000, HF_SECOND));
    const int count = argc == 5 ? atoi(argv[4]) : 0;
    if (count < 1 || count > MOST) {
        fprintf(stderr,
                "usage: burst --serve-wrong|--serve-right PORT\n"
                "       burst --wrong|--right ADDRESS PORT COUNT (1 to %d)\n",
                MOST);
        return 2;
    }
    const struct sockaddr_in name = name_of(argv[2], argv[3]);
    return strcmp(argv[1], "--right") == 0 ? burst_right(&name, count) : burst_wrong(&name, count);
}
