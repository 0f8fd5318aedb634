/* What the example programs share: options, one engine on one TUN device, and what to say when it
 * goes wrong. */
#ifndef EX_COMMON_H
#define EX_COMMON_H

#include <hf/explain.h>
#include <hf/pcapng.h>
#include <hf/tun.h>

/* Exit codes of usage and set-up; a program has its own for the rest. */
enum { EX_OK = 0, EX_FAILED = 1, EX_USAGE = 2 };

/* The options that every program on a TUN device has. */
typedef struct ex_options {
    const char *tun;
    hf_addr address, address6;
    uint32_t prefix, prefix6; /* 0: no such address */
    bool no_offload;
    const char *pcapng; /* NULL: no capture */
    void *memory;       /* the program's own for the engine, aligned to 64; NULL: malloc's */
    size_t memory_bytes;
} ex_options;

/* For getopt_long: these names, and the numbers that it returns for them. */
#define EX_LONG_OPTIONS                                                                            \
    {"tun", 1, NULL, EX_OPTION_TUN}, {"address", 1, NULL, EX_OPTION_ADDRESS},                      \
        {"address6", 1, NULL, EX_OPTION_ADDRESS6}, {"no-offload", 0, NULL, EX_OPTION_NO_OFFLOAD},  \
        {"pcapng", 1, NULL, EX_OPTION_PCAPNG}, {"help", 0, NULL, EX_OPTION_HELP}, {                \
        "version", 0, NULL, EX_OPTION_VERSION                                                      \
    }

enum {
    EX_OPTION_TUN = 1000,
    EX_OPTION_ADDRESS,
    EX_OPTION_ADDRESS6,
    EX_OPTION_NO_OFFLOAD,
    EX_OPTION_PCAPNG,
    EX_OPTION_HELP,
    EX_OPTION_VERSION
};

#define EX_USAGE_LINES                                                                             \
    "  --tun NAME             the TUN device; made if it does not exist (CAP_NET_ADMIN)\n"         \
    "  --address ADDR/BITS    this side's IPv4 address, as 10.99.0.2/24\n"                         \
    "  --address6 ADDR/BITS   this side's IPv6 address, as fd99::2/64\n"                           \
    "  --no-offload           no super-segments, checksums computed here\n"                        \
    "  --pcapng FILE          write a capture whose packets say why they were sent\n"

/* Prints "PROGRAM: ..." on stderr. */
void ex_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Takes one option of EX_LONG_OPTIONS. False, after having said why, if its value is no good. */
bool ex_option(ex_options *options, int option, const char *value);

/* False, after having said so, if --tun or an address is missing. */
bool ex_options_complete(const ex_options *options);

/* Reads "30s", "500ms", "2m", "1h". False if it is nothing of that kind. */
bool ex_duration(const char *text, hf_ns *ret_ns);

/* Reads a whole number within limits. */
bool ex_number(const char *text, long low, long high, long *ret_number);

/* An engine on a device. */
typedef struct ex_host {
    hf_engine engine;
    hf_loop loop;
    void *block;     /* with the data behind it */
    bool owns_block; /* of malloc's */
    hf_pcapng capture;
    bool captures;
} ex_host;

/* Opens device and capture, makes the engine with its addresses, and routes everything into the
 * device. Fills config->seed. False after having said why. */
bool ex_host_start(ex_host *host, const ex_options *options, hf_config *config);

/* Ends the capture and gives everything back. What the engine still had to send is sent first.
 * False, after having said so, if the capture is not whole. */
bool ex_host_stop(ex_host *host);

/* The addresses as the options gave them, for messages: "10.99.0.2". */
const char *ex_addr_text(const hf_addr *addr);

#endif
