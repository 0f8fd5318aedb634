/* hf-lpd-server: the print server of RFC 1179 by Holdfast on a TUN device, in 64 KiB.
 *
 * The engine's whole memory is one array below. When the program is told to stop it prints its
 * books: who was served, and what became of TIME_WAIT; and fails if they are not good.
 */
#include "common.h"
#include "lpd_machine.h"
#include "lpd_spool.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static _Alignas(64) unsigned char engine_memory[LPD_MEMORY_BYTES];

typedef struct settings {
    ex_options host;
    long port;
    bool whole; /* no TIME_WAIT may end early, not even a guarded one */
    bool tells;
    const char *directory;
} settings;

static void usage(FILE *to) {
    fputs(
        "Usage: hf-lpd-server --tun NAME --address ADDR/BITS [options] SPOOL\n"
        "Takes, lists and removes print jobs (RFC 1179) in the directory SPOOL; prints nothing on\n"
        "paper. Ends by SIGINT or SIGTERM with its books, and exit code 1 if they are not "
        "good.\n\n" EX_USAGE_LINES "  --port N               the port to listen on [515]\n"
        "  --whole                each TIME_WAIT must live its whole time: true at ten a second\n"
        "  --log                  print a line per job\n\n"
        "  ip tuntap add dev hf0 mode tun && ip link set hf0 up\n"
        "  ip addr add 10.99.0.1/24 dev hf0\n"
        "  hf-lpd-server --tun hf0 --address 10.99.0.2/24 /tmp/spool &\n"
        "  rlpq -N -H10.99.0.2 -Plp\n",
        to);
}

static bool read_option(settings *ret, int option, const char *value) {
    switch (option) {
    case 'p':
        if (ex_number(value, 1, 65535, &ret->port)) return true;
        ex_say("--port %s: not a port, 1 to 65535", value);
        return false;
    case 'w': ret->whole = true; return true;
    case 'l': ret->tells = true; return true;
    case EX_OPTION_HELP: usage(stdout); exit(EX_OK);
    case EX_OPTION_VERSION: puts("hf-lpd-server " HF_VERSION); exit(EX_OK);
    default: return ex_option(&ret->host, option, value);
    }
}

static bool read_options(int argc, char **argv, settings *ret) {
    static const struct option names[] = {EX_LONG_OPTIONS,
                                          {"port", 1, NULL, 'p'},
                                          {"whole", 0, NULL, 'w'},
                                          {"log", 0, NULL, 'l'},
                                          {NULL, 0, NULL, 0}};
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

static void tell_job(void *context, const char *what, const char *job) {
    (void)context;
    printf("job %.3s %s\n", job, what);
    fflush(stdout);
}

typedef struct server {
    ex_host host;
    lpd_machine machine;
    lpd_spool spool;
} server;

static bool start(server *self, const settings *set) {
    hf_config config;
    lpd_machine_config(&config);
    if (!lpd_spool_open(&self->spool, set->directory, set->tells ? tell_job : NULL)) {
        ex_say("%s: %s", set->directory, strerror(errno));
        return false;
    }
    if (!ex_host_start(&self->host, &set->host, &config)) return false;
    const hf_err err =
        lpd_machine_start(&self->machine, &self->host.engine, &self->spool, (uint16_t)set->port);
    if (err != HF_OK) ex_say("port %ld: %s", set->port, hf_err_sentence(err));
    const hf_memory memory = hf_engine_bytes(&config);
    ex_say("%s at %s port %ld; the engine takes %zu of %u bytes", set->directory,
           ex_addr_text(set->host.prefix ? &set->host.address : &set->host.address6), set->port,
           memory.block_bytes + memory.data_bytes, LPD_MEMORY_BYTES);
    return err == HF_OK;
}

/* ---- The loop ---- */

static bool was_told_to_stop(int signals) {
    struct signalfd_siginfo info;
    return read(signals, &info, sizeof info) == sizeof info;
}

/* False if the device was removed. */
static bool loop(server *self, int signals) {
    do {
        hf_loop_step(&self->host.loop);
        lpd_machine_serve(&self->machine);
        hf_loop_flush(&self->host.loop);
        if (was_told_to_stop(signals)) return true;
    } while (hf_loop_wait(&self->host.loop, HF_NEVER, signals));
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

/* ---- The books ---- */

static void tell_failure(const lpd_machine *machine) {
    char sentences[512];
    hf_explain_end(&machine->last_failure, sentences, sizeof sentences);
    printf("the last that was not served: %s\n", sentences);
}

static bool tell_books(const server *self, const settings *set) {
    lpd_books books;
    const lpd_machine *machine = &self->machine;
    lpd_machine_books(machine, &books);
    const hf_time_wait_status *tw = &books.time_wait;
    printf("clients: %llu accepted, %llu served, %llu not; %llu turned away, %llu by a cookie\n",
           (unsigned long long)machine->accepted, (unsigned long long)machine->served,
           (unsigned long long)machine->failed, (unsigned long long)books.turned_away,
           (unsigned long long)books.cookies);
    printf("TIME_WAIT: %u of %u in use; %llu lived their whole time, %llu were taken up by a new "
           "connection;\nearly exits: %llu guarded, %llu unsafe\n",
           tw->ip4.used, tw->ip4.entries, (unsigned long long)tw->ended,
           (unsigned long long)tw->reused, (unsigned long long)tw->early_guarded,
           (unsigned long long)tw->early_unsafe);
    if (machine->failed != 0) tell_failure(machine);
    const bool good = set->whole ? books.all_whole : books.good;
    printf("books: %s\n", good ? "good" : "NOT GOOD");
    return good;
}

int main(int argc, char **argv) {
    static server self;
    settings set = {.port = LPD_PORT,
                    .host = {.memory = engine_memory, .memory_bytes = sizeof engine_memory}};
    if (!read_options(argc, argv, &set)) return EX_USAGE;
    const int signals = open_signals();
    if (!start(&self, &set)) {
        ex_host_stop(&self.host);
        return EX_FAILED;
    }
    const bool there = loop(&self, signals);
    lpd_machine_stop(&self.machine);
    const bool good = tell_books(&self, &set), whole = ex_host_stop(&self.host);
    return there && good && whole ? EX_OK : EX_FAILED;
}
