/* A line printer daemon: RFC 1179 commands 02 (receive a job), 03 and 04 (list), 05 (remove). Jobs
 * lie in the spool directory as their control and data files. It prints nothing on paper.
 *
 *   lpd --wrong PORT SPOOL [SOCKETS]    closes when it has answered: TIME_WAIT rests here, 60 s
 * each lpd --right PORT SPOOL [SOCKETS]    the same, but lets the client's FIN be first where it
 * comes
 *
 * SOCKETS makes it a small machine: with so many, those in TIME_WAIT counted, it refuses. */
#define _GNU_SOURCE
#include "common.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>

static bool read_line(int fd, char *line, size_t size) {
    size_t length = 0;
    while (length < size - 1 && recv(fd, line + length, 1, 0) == 1)
        if (line[length++] == '\n') {
            line[length - 1] = 0;
            return true;
        }
    return false;
}

static bool acknowledge(int fd, char code) { return send(fd, &code, 1, MSG_NOSIGNAL) == 1; }

/* File names come from the network: letters and digits only, and cf or df before them. */
static bool name_is_good(const char *name) {
    if (strlen(name) > 80 || strlen(name) < 6 || (name[0] != 'c' && name[0] != 'd') ||
        name[1] != 'f')
        return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && *name != '-' && *name != '.' && *name != '_')
            return false;
    return true;
}

/* RFC 1179 6.2, 6.3: the octets, then a zero octet. */
static bool receive_file(int fd, int spool, const char *name, unsigned long bytes) {
    char part[4096];
    const int file = openat(spool, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = file >= 0 && acknowledge(fd, 0);
    while (good && bytes > 0) {
        const ssize_t got = recv(fd, part, bytes < sizeof part ? bytes : sizeof part, 0);
        good = got > 0 && write(file, part, (size_t)got) == got;
        if (good) bytes -= (unsigned long)got;
    }
    if (file >= 0) close(file);
    good = good && recv(fd, part, 1, 0) == 1 && part[0] == 0;
    if (!good) unlinkat(spool, name, 0);
    return good && acknowledge(fd, 0);
}

/* RFC 1179 5.2: subcommands 02 and 03 bring the control and the data file. */
static void receive_job(int fd, int spool) {
    char line[256], name[200];
    unsigned long bytes;
    acknowledge(fd, 0);
    while (read_line(fd, line, sizeof line)) {
        const bool file = line[0] == 2 || line[0] == 3;
        if (!file || sscanf(line + 1, "%lu %199s", &bytes, name) != 2 || !name_is_good(name)) {
            acknowledge(fd, 1);
            return;
        }
        if (!receive_file(fd, spool, name, bytes)) return;
        if (line[0] == 2) say("job %.3s spooled", name + 3);
    }
}

/* The owner: the line P of the control file. */
static void read_owner(int spool, const char *name, char *owner, size_t size) {
    char text[1024] = "";
    const int file = openat(spool, name, O_RDONLY | O_CLOEXEC);
    snprintf(owner, size, "unknown");
    if (file < 0) return;
    const ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    text[length > 0 ? length : 0] = 0;
    for (const char *at = text; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
        if (*at == 'P') snprintf(owner, size, "%.*s", (int)strcspn(at + 1, "\n"), at + 1);
}

/* Lists each job (RFC 1179 5.3, 5.4), or removes those whose numbers stand in `wanted` (5.5). */
static void each_job(int fd, int spool, const char *wanted) {
    char line[300], owner[64], number[4];
    int rank = 0;
    DIR *const dir = fdopendir(openat(spool, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (entry->d_name[0] != 'c' || !name_is_good(entry->d_name)) continue;
        snprintf(number, sizeof number, "%.3s", entry->d_name + 3);
        if (wanted) {
            if (!strstr(wanted, number)) continue;
            snprintf(line, sizeof line, "d%s", entry->d_name + 1);
            unlinkat(spool, entry->d_name, 0);
            unlinkat(spool, line, 0);
            say("job %s removed", number);
            continue;
        }
        read_owner(spool, entry->d_name, owner, sizeof owner);
        const int length =
            snprintf(line, sizeof line, "%-7d%-12s%-5s%s\n", ++rank, owner, number, entry->d_name);
        send(fd, line, (size_t)length, MSG_NOSIGNAL);
    }
    if (!wanted && rank == 0) send(fd, "no entries\n", 11, MSG_NOSIGNAL);
    if (dir) closedir(dir);
}

static void close_right(int fd) {
    hf_closing closing;
    hf_ns next_ns;
    const hf_closing_options options = {.deadline_ns = 2 * HF_SECOND,
                                        .at_deadline = HF_CLOSING_DETACH};
    if (!hf_closing_begin(&closing, fd, &options, hf_kernel_now(), NULL)) return;
    while (!hf_closing_look(&closing, hf_kernel_now(), &next_ns))
        wait_until(closing.fd, POLLIN, next_ns);
}

static void serve_one(int fd, int spool, bool right) {
    char line[256];
    const struct timeval patience = {5, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (read_line(fd, line, sizeof line)) {
        const char *const list = strchr(line, ' ');
        if (line[0] == 2) receive_job(fd, spool);
        if (line[0] == 3 || line[0] == 4) each_job(fd, spool, NULL);
        if (line[0] == 5) each_job(fd, spool, list ? list : "");
    }
    right ? close_right(fd) : (void)close(fd);
}

int main(int argc, char **argv) {
    if (argc < 4) return fprintf(stderr, "usage: lpd --wrong|--right PORT SPOOL [SOCKETS]\n"), 2;
    const bool right = strcmp(argv[1], "--right") == 0;
    const int spool = open(argv[3], O_RDONLY | O_DIRECTORY | O_CLOEXEC),
              limit = argc > 4 ? atoi(argv[4]) : 0;
    int listener = spool < 0 ? die(argv[3]) : listen_on(argv[2], 32, 1);
    for (;;) {
        const bool full = limit > 0 && sockets_of((unsigned)atoi(argv[2])) >= limit;
        if (full && listener >= 0)
            listener = (close(listener), say("all %d sockets taken: refusing", limit), -1);
        if (!full && listener < 0) listener = listen_on(argv[2], 32, 1);
        if (listener < 0)
            usleep(20000);
        else if (wait_until(listener, POLLIN, hf_kernel_now() + 100 * HF_MS))
            serve_one(accept(listener, NULL, NULL), spool, right);
    }
}
