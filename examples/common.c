#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <hf/os.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void ex_say(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

/* ---- Options ---- */

bool ex_number(const char *text, long low, long high, long *ret_number) {
    char *end;
    errno = 0;
    const long number = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end || number < low || number > high) return false;
    *ret_number = number;
    return true;
}

bool ex_duration(const char *text, hf_ns *ret_ns) {
    static const struct {
        const char *unit;
        hf_ns ns;
    } units[] = {{"ms", HF_MS}, {"s", HF_SECOND}, {"m", 60 * HF_SECOND}, {"h", 3600 * HF_SECOND}};
    char *end;
    errno = 0;
    const unsigned long number = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *text == '-' || number > 1000000) return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].unit) != 0) continue;
        *ret_ns = number * units[i].ns;
        return true;
    }
    return false;
}

static bool parse_addr(const char *text, int family, hf_addr *ret_addr) {
    if (family == AF_INET6) return inet_pton(AF_INET6, text, ret_addr->bytes) == 1;
    uint8_t four[4];
    if (inet_pton(AF_INET, text, four) != 1) return false;
    *ret_addr = hf_addr4(four[0], four[1], four[2], four[3]);
    return true;
}

static bool parse_network(const char *text, int family, hf_addr *ret_addr, uint32_t *ret_prefix) {
    char copy[64];
    long prefix;
    const char *slash = strchr(text, '/');
    if (slash && (size_t)(slash - text) < sizeof copy &&
        ex_number(slash + 1, 1, family == AF_INET6 ? 128 : 32, &prefix)) {
        snprintf(copy, sizeof copy, "%.*s", (int)(slash - text), text);
        if (parse_addr(copy, family, ret_addr)) {
            *ret_prefix = (uint32_t)prefix;
            return true;
        }
    }
    if (family == AF_INET6)
        ex_say("--address6 %s: not an IPv6 address with its network's bits, as fd99::2/64", text);
    else
        ex_say("--address %s: not an IPv4 address with its network's bits, as 10.99.0.2/24%s", text,
               strchr(text, ':') ? "; IPv6 addresses go to --address6" : "");
    return false;
}

bool ex_option(ex_options *options, int option, const char *value) {
    switch (option) {
    case EX_OPTION_TUN: options->tun = value; return true;
    case EX_OPTION_ADDRESS:
        return parse_network(value, AF_INET, &options->address, &options->prefix);
    case EX_OPTION_ADDRESS6:
        return parse_network(value, AF_INET6, &options->address6, &options->prefix6);
    case EX_OPTION_NO_OFFLOAD: options->no_offload = true; return true;
    case EX_OPTION_PCAPNG: options->pcapng = value; return true;
    default: return false; /* getopt_long has said what is wrong */
    }
}

bool ex_options_complete(const ex_options *options) {
    if (!options->tun)
        ex_say("--tun NAME is missing; --help tells all options");
    else if (options->prefix == 0 && options->prefix6 == 0)
        ex_say("--address or --address6 is missing; --help tells all options");
    else
        return true;
    return false;
}

const char *ex_addr_text(const hf_addr *addr) {
    static char text[64];
    hf_explain_addr(addr, text, sizeof text);
    return text;
}

/* ---- The host ---- */

static bool good(hf_err err, const char *call) {
    if (err != HF_OK) ex_say("%s: %s", call, hf_err_sentence(err));
    return err == HF_OK;
}

/* A sent frame tells its cause; a received one has its verdict. */
static void write_frame(void *context, hf_ns at_ns, hf_way way, const hf_frame *frame,
                        const hf_verdict *verdict) {
    char sentence[256];
    if (verdict)
        hf_explain_cause(verdict->cause, verdict->a, verdict->b, sentence, sizeof sentence);
    else
        hf_explain_cause(frame->cause, frame->cause_a, frame->cause_b, sentence, sizeof sentence);
    hf_pcapng_frame(context, 0, at_ns, way, frame, sentence);
}

static bool start_capture(ex_host *host, const ex_options *options) {
    if (!options->pcapng) return true;
    FILE *file = fopen(options->pcapng, "wbe");
    if (!file) {
        ex_say("--pcapng %s: %s", options->pcapng, strerror(errno));
        return false;
    }
    host->captures = true;
    host->loop.tap = (hf_tap){write_frame, &host->capture};
    hf_pcapng_begin(&host->capture, file, hf_pcapng_epoch_from_os());
    return hf_pcapng_interface(&host->capture, HF_LINK_IP, options->tun);
}

/* Block and data region, one behind the other. */
static bool take_memory(ex_host *host, const ex_options *options, const hf_config *config) {
    const hf_memory memory = hf_engine_bytes(config);
    const size_t block_bytes = (memory.block_bytes + 63) / 64 * 64,
                 bytes = block_bytes + memory.data_bytes;
    host->owns_block = options->memory == NULL;
    host->block = host->owns_block ? aligned_alloc(64, (bytes + 63) / 64 * 64) : options->memory;
    if (!host->block || (!host->owns_block && bytes > options->memory_bytes)) {
        ex_say("out of memory: the engine takes %zu bytes", bytes);
        return false;
    }
    return good(hf_engine_init(&host->engine, config, host->block, memory.block_bytes,
                               (char *)host->block + block_bytes, memory.data_bytes,
                               hf_now_from_os()),
                "hf_engine_init");
}

static bool start_engine(ex_host *host, const ex_options *options, hf_config *config) {
    if (!hf_seed_from_os(config->seed)) {
        ex_say("no random seed: getrandom: %s", strerror(errno));
        return false;
    }
    const char *problem = hf_config_problem(config);
    if (problem) {
        ex_say("%s", problem);
        return false;
    }
    return take_memory(host, options, config);
}

/* Behind a TUN device there is no neighbour to ask: what is not our network goes into it as well.
 */
static bool give_address(ex_host *host, const hf_addr *addr, uint32_t prefix_bits) {
    const hf_addr any = hf_addr_is4(addr) ? hf_addr4(0, 0, 0, 0) : (hf_addr){{0}};
    const uint32_t interface = host->loop.interface;
    return prefix_bits == 0 ||
           (good(hf_address_add(&host->engine, interface, addr, prefix_bits), "hf_address_add") &&
            good(hf_route_add(&host->engine, &any, 0, &any, interface), "hf_route_add"));
}

static bool start_interface(ex_host *host, const ex_options *options) {
    hf_interface_options link;
    hf_tun_interface_options(host->loop.tun, &link);
    host->loop.engine = &host->engine;
    return good(hf_interface_add(&host->engine, &link, &host->loop.interface),
                "hf_interface_add") &&
           give_address(host, &options->address, options->prefix) &&
           give_address(host, &options->address6, options->prefix6);
}

bool ex_host_start(ex_host *host, const ex_options *options, hf_config *config) {
    char error[HF_TUN_ERROR_BYTES];
    *host = (ex_host){0};
    host->loop.tun = hf_tun_open(
        &(hf_tun_options){.name = options->tun, .no_offload = options->no_offload}, error);
    if (!host->loop.tun) ex_say("%s", error);
    return host->loop.tun && start_engine(host, options, config) &&
           start_interface(host, options) && start_capture(host, options);
}

bool ex_host_stop(ex_host *host) {
    if (host->loop.engine) hf_loop_flush(&host->loop);
    hf_tun_close(host->loop.tun);
    if (host->owns_block) free(host->block);
    if (!host->captures || hf_pcapng_end(&host->capture)) return true;
    ex_say("the capture is not whole: writing it failed");
    return false;
}
