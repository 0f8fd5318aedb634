/* hf-http-server: files of a directory over HTTP/1.1, by Holdfast on a TUN device.
 *
 * The whole server is one loop (hf/tun.h): step, take the events, let clients go on, flush, wait.
 * Nothing blocks but the last, and reading files, which is short.
 */
#include "http_client.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define CLIENTS 2048u
/* Answers to so many SYNs at once, each 384 bytes of the block. */
#define TX_FRAMES 1024u
#define CHUNK_BYTES 16384u
#define SEND_POOL_BYTES (128u << 20)
#define RECEIVE_POOL_BYTES (32u << 20)
/* What one client's answer may hold of the pool: at 30 Gbit/s some 0.3 ms. */
#define SEND_BYTES (1u << 20)
#define RECEIVE_BYTES (64u << 10)

typedef struct settings {
    ex_options host;
    long port;
    hf_ns detect_within_ns, idle_ns;
    bool tells;
    const char *directory;
} settings;

static void usage(FILE *to) {
    fputs("Usage: hf-http-server --tun NAME --address ADDR/BITS [options] DIR\n"
          "Serves the files below DIR over HTTP.\n\n" EX_USAGE_LINES
          "  --port N               the port to listen on [8080]\n"
          "  --detect-within TIME   end a client that is not heard for so long [30s]\n"
          "  --idle TIME            end a client that asks for nothing for so long [60s]\n"
          "  --log                  print a line per answer\n\n"
          "The kernel's side of the device needs an address of the same network:\n"
          "  ip tuntap add dev hf0 mode tun && ip link set hf0 up txqueuelen 4096\n"
          "  ip addr add 10.99.0.1/24 dev hf0\n"
          "  hf-http-server --tun hf0 --address 10.99.0.2/24 . &\n"
          "  curl http://10.99.0.2:8080/\n",
          to);
}

/* ---- Options ---- */

static bool read_duration(const char *name, const char *text, hf_ns *ret_ns) {
    if (ex_duration(text, ret_ns)) return true;
    ex_say("--%s %s: not a time, as 30s, 500ms or 2m", name, text);
    return false;
}

static bool read_option(settings *ret, int option, const char *value) {
    switch (option) {
    case 'p':
        if (ex_number(value, 1, 65535, &ret->port)) return true;
        ex_say("--port %s: not a port, 1 to 65535", value);
        return false;
    case 'd': return read_duration("detect-within", value, &ret->detect_within_ns);
    case 'i': return read_duration("idle", value, &ret->idle_ns);
    case 'l': ret->tells = true; return true;
    case EX_OPTION_HELP: usage(stdout); exit(EX_OK);
    case EX_OPTION_VERSION: puts("hf-http-server " HF_VERSION); exit(EX_OK);
    default: return ex_option(&ret->host, option, value);
    }
}

static bool read_options(int argc, char **argv, settings *ret) {
    static const struct option names[] = {
        EX_LONG_OPTIONS,        {"port", 1, NULL, 'p'}, {"detect-within", 1, NULL, 'd'},
        {"idle", 1, NULL, 'i'}, {"log", 0, NULL, 'l'},  {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
        if (!read_option(ret, option, optarg)) return false;
    if (optind + 1 == argc)
        ret->directory = argv[optind];
    else
        ex_say("one directory is wanted; --help tells all options");
    return ret->directory && ex_options_complete(&ret->host);
}

/* ---- Start ---- */

/* Twice the clients: a connection of the last second may still be closing. */
static void size_engine(hf_config *config) {
    hf_config_default(config);
    config->conns = CLIENTS;
    config->flights = CLIENTS;
    config->syn_entries = CLIENTS;
    config->time_wait = 2 * CLIENTS;
    config->segments = 32 * CLIENTS;
    config->tx_frames = TX_FRAMES;
    config->chunk_bytes = CHUNK_BYTES;
    config->rx_chunks = RECEIVE_POOL_BYTES / CHUNK_BYTES;
    config->tx_chunks = SEND_POOL_BYTES / CHUNK_BYTES;
}

/* A file per client and a few more. */
static void allow_files(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= CLIENTS + 32) return;
    limit.rlim_cur = limit.rlim_max < CLIENTS + 32 ? limit.rlim_max : CLIENTS + 32;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static bool start_listening(server *self, const settings *set) {
    hf_listener listener;
    const hf_listen_options options = {
        .port = (uint16_t)set->port,
        .backlog = CLIENTS / 2,
        .tcp = {.detect_within_ns = set->detect_within_ns,
                .send_bytes = SEND_BYTES,
                .receive_bytes = RECEIVE_BYTES,
                .no_delay = true},
    };
    const hf_err err = hf_listen(&self->host.engine, &options, &listener);
    if (err != HF_OK) ex_say("port %ld: %s", set->port, hf_err_sentence(err));
    return err == HF_OK;
}

static void tell_start(const settings *set) {
    fprintf(stderr, "hf-http-server: %s at", set->directory);
    if (set->host.prefix)
        fprintf(stderr, " http://%s:%ld/", ex_addr_text(&set->host.address), set->port);
    if (set->host.prefix6)
        fprintf(stderr, " http://[%s]:%ld/", ex_addr_text(&set->host.address6), set->port);
    fputc('\n', stderr);
}

static bool start(server *self, const settings *set) {
    hf_config config;
    size_engine(&config);
    allow_files();
    self->idle_ns = set->idle_ns;
    self->tells = set->tells;
    self->client_slots = config.conns;
    self->clients = calloc(config.conns, sizeof *self->clients);
    self->directory = open(set->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (self->directory < 0) ex_say("%s: %s", set->directory, strerror(errno));
    return self->clients && self->directory >= 0 &&
           ex_host_start(&self->host, &set->host, &config) && start_listening(self, set);
}

/* ---- The loop ---- */

static void accept_all(server *self, hf_listener listener) {
    hf_conn conn;
    while (hf_accept(&self->host.engine, listener, &conn) == HF_OK) {
        client *one = client_new(self, conn);
        if (one) client_serve(self, one);
    }
}

static void on_client_event(server *self, const hf_event *event) {
    client *one = event->index < self->client_slots ? self->clients[event->index] : NULL;
    if (!one || one->conn.generation != event->generation) return;
    if (event->bits & HF_EVENT_END)
        client_free(self, one);
    else
        client_serve(self, one);
}

static void take_events(server *self) {
    hf_event event;
    while (hf_next_event(&self->host.engine, &event)) {
        if (event.object == HF_OBJECT_CONN) on_client_event(self, &event);
        if (event.object == HF_OBJECT_LISTENER && (event.bits & HF_EVENT_ACCEPTABLE))
            accept_all(self, (hf_listener){event.index, event.generation});
    }
}

static void for_each_client(server *self, void (*act)(server *, client *)) {
    for (uint32_t i = 0; i < self->client_slots; i++)
        if (self->clients[i]) act(self, self->clients[i]);
}

/* Idle clients are looked for once a second, while there are any clients. */
static hf_ns check_clients(server *self, hf_ns check_at_ns) {
    const hf_ns now_ns = hf_engine_now(&self->host.engine);
    if (self->client_count == 0) return HF_NEVER;
    if (check_at_ns == HF_NEVER) return now_ns + HF_SECOND;
    if (now_ns < check_at_ns) return check_at_ns;
    for_each_client(self, client_check);
    return now_ns + HF_SECOND;
}

static bool was_told_to_stop(int signals) {
    struct signalfd_siginfo info;
    return read(signals, &info, sizeof info) == sizeof info;
}

/* False if the device was removed. */
static bool loop(server *self, int signals) {
    hf_ns check_at_ns = HF_NEVER;
    do {
        hf_loop_step(&self->host.loop);
        take_events(self);
        check_at_ns = check_clients(self, check_at_ns);
        hf_loop_flush(&self->host.loop);
        if (was_told_to_stop(signals)) return true;
    } while (hf_loop_wait(&self->host.loop, check_at_ns, signals));
    ex_say("TUN device %s was removed", hf_tun_name(self->host.loop.tun));
    return false;
}

static int open_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* Whoever still waits for something hears RST rather than nothing. */
static void drop_client(server *self, client *one) {
    hf_abort(&self->host.engine, one->conn);
    http_answer_drop(&one->answer);
    free(one);
}

int main(int argc, char **argv) {
    static server self;
    settings set = {.port = 8080, .detect_within_ns = 30 * HF_SECOND, .idle_ns = 60 * HF_SECOND};
    signal(SIGPIPE, SIG_IGN); /* whoever read the log may go */
    if (!read_options(argc, argv, &set)) return EX_USAGE;
    self.directory = -1;
    const int signals = open_signals();
    if (!start(&self, &set)) {
        ex_host_stop(&self.host);
        return EX_FAILED;
    }
    tell_start(&set);
    const bool good = loop(&self, signals);
    for_each_client(&self, drop_client);
    const bool whole = ex_host_stop(&self.host);
    free(self.clients);
    return good && whole ? EX_OK : EX_FAILED;
}
