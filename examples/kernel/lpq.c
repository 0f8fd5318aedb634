/* The client of lpd.c: asks for the queue again and again, or spools and removes one job.
 *
 *   lpq --wrong ADDRESS PORT --every 100ms COUNT    waits until the server closes
 *   lpq --right ADDRESS PORT --every 100ms COUNT    sends its FIN right behind the question
 *   lpq --print ADDRESS PORT TEXT                   spools TEXT as job 042
 *   lpq --remove ADDRESS PORT 042
 *
 * Who sends the first FIN keeps TIME_WAIT: wrong leaves all of it to the server. */
#define _GNU_SOURCE
#include "common.h"

/* Why it failed; equal reasons in a row are said once. */
static void explain(int fd, const struct sockaddr_in *name, int error) {
    static char last[500];
    char words[500];
    hf_connect_story story;
    hf_connect_explain(fd, (const struct sockaddr *)name, error, &story);
    hf_connect_text(&story, words, sizeof words);
    if (strcmp(words, last) != 0) say("%s", words);
    memcpy(last, words, sizeof last);
}

static int open_to(const struct sockaddr_in *name) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (const struct sockaddr *)name, sizeof *name) == 0) return fd;
    explain(fd, name, errno);
    close(fd);
    return -1;
}

/* Sends one command and reads until the server closes. */
static bool command(const struct sockaddr_in *name, const char *line, bool right, bool show) {
    char text[2048];
    size_t length = 0;
    ssize_t got;
    const int fd = open_to(name);
    if (fd < 0) return false;
    send(fd, line, strlen(line), MSG_NOSIGNAL);
    if (right) shutdown(fd, SHUT_WR);
    while (length < sizeof text - 1 &&
           (got = recv(fd, text + length, sizeof text - 1 - length, 0)) > 0)
        length += (size_t)got;
    text[length] = 0;
    if (show) printf("%s", text);
    close(fd);
    return true;
}

static int ask_often(const struct sockaddr_in *name, bool right, long every_ms, int count) {
    int good = 0;
    for (int i = 0; i < count; i++) {
        good += command(name, "\003lp\n", right, false);
        usleep((useconds_t)every_ms * 1000);
    }
    say("%d of %d questions answered", good, count);
    return good != count;
}

static bool expect_zero(int fd) {
    char code = 1;
    return recv(fd, &code, 1, 0) == 1 && code == 0;
}

static bool send_file(int fd, int kind, const char *name, const char *text) {
    char line[200];
    const int length = snprintf(line, sizeof line, "%c%zu %s\n", kind, strlen(text), name);
    return send(fd, line, (size_t)length, MSG_NOSIGNAL) == length && expect_zero(fd) &&
           send(fd, text, strlen(text) + 1, MSG_NOSIGNAL) == (ssize_t)strlen(text) + 1 &&
           expect_zero(fd);
}

static int print(const struct sockaddr_in *name, const char *text) {
    const int fd = open_to(name);
    if (fd < 0) return 1;
    const bool good = send(fd, "\002lp\n", 4, MSG_NOSIGNAL) == 4 && expect_zero(fd) &&
                      send_file(fd, 3, "dfA042example", text) &&
                      send_file(fd, 2, "cfA042example", "Hexample\nPalice\nfdfA042example\n");
    say(good ? "job 042 is spooled" : "the server did not take the job");
    close(fd);
    return !good || !command(name, "\003lp\n", true, true);
}

int main(int argc, char **argv) {
    if (argc < 5)
        return fprintf(stderr,
                       "usage: lpq --wrong|--right ADDRESS PORT --every 100ms COUNT\n"
                       "       lpq --print ADDRESS PORT TEXT | --remove ADDRESS PORT JOB\n"),
               2;
    const struct sockaddr_in name = name_of(argv[2], argv[3]);
    if (strcmp(argv[1], "--print") == 0) return print(&name, argv[4]);
    if (strcmp(argv[1], "--remove") == 0) {
        char line[100];
        snprintf(line, sizeof line, "\005lp alice %s\n", argv[4]);
        return !command(&name, line, true, true) || !command(&name, "\003lp\n", true, true);
    }
    const long every_ms = argc > 5 ? strtol(argv[5], NULL, 10) : 100;
    return ask_often(&name, strcmp(argv[1], "--right") == 0, every_ms,
                     argc > 6 ? atoi(argv[6]) : 100);
}
