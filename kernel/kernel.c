/* Bounds, closing, listeners and failed connects for the kernel's own TCP sockets: see hf/kernel.h.
 *
 * Long because a program that copies it takes one file. In order: words, the watch, closing,
 * listening, connecting.
 *
 * What the kernel's numbers mean, as found on Linux 6.18:
 *  - tcpi_last_ack_recv is the age of the last acceptable ACK. Answers to keepalive and window
 * probes renew it; the peer's own probes (their sequence number is old) and a SYN-ACK on an
 * established connection do not, and show in tcpi_segs_in alone. Before the handshake it means
 * nothing.
 *  - In a stream that the peer sends one way, header prediction skips ACK processing: then
 *    tcpi_last_data_recv is younger. The younger of the two is what was heard.
 *  - Both are milliseconds in 32 bits and wrap after 49.7 days. An age is believed while its
 * counter of segments has moved within 2^31 ms; after that the watch's own stamp is.
 *  - While data is outstanding keepalive does not run; the retransmission timer does, or the window
 *    probe's, both doubling up to TCP_RTO_MAX_MS.
 *  - Setting TCP_KEEPIDLE on a connection that has been quiet for longer sends a probe at once. So
 * a probe can be had between the kernel's whole seconds.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <hf/kernel.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#ifndef TCP_RTO_MAX_MS
#define TCP_RTO_MAX_MS 44 /* Linux 6.15; many headers lack it */
#endif
#ifndef SO_MEMINFO
#define SO_MEMINFO 55 /* Linux 4.12 */
#endif

/* Bounds and their limits. */
#define MIN_SILENT_NS (3 * HF_SECOND)        /* four probes, at T - 4s and on, s = 500 ms */
#define MAX_BOUND_NS (24 * 3600 * HF_SECOND) /* far below where the kernel's ages wrap */
#define MIN_SPACING_NS (500 * HF_MS)         /* Linux answers probes twice a second at most */
#define GRACE_NS (40 * HF_MS)          /* a timer of one second is late by up to 32 ms at 250 HZ */
#define KERNEL_PROBE_NS (1032 * HF_MS) /* so each of the kernel's probes comes within so much */
#ifndef SHORT_PATH_US
#define SHORT_PATH_US 25000 /* RTT and its spread: then the last probe may be as late as this: */
#endif
#define LAST_PROBE_NS (60 * HF_MS) /* after the bound, and so much is left for its answer: */
#define ANSWER_NS (50 * HF_MS)     /* together less than the 5 % of a bound of 3 s */
#define FIRST_REPEAT_NS                                                                            \
    (3500 * HF_MS)           /* the first repeated SYN-ACK comes after 1 s, or after 3 s */
#define TICK_NS (10 * HF_MS) /* the coarsest jiffy */
#define CLOSE_DEADLINE_NS (10 * HF_SECOND)
enum { NEED = 4, MEASURED_MAJOR = 6, MEASURED_MINOR = 18, KEEP_COUNT = 127 };

/* The kernel's struct tcp_info as far as it is used: this part has been the same since Linux 4.10,
 * and the headers of old C libraries end before it. */
struct info {
    uint8_t state, ca_state, retransmits, probes, backoff, options, scales, flags;
    uint32_t rto, ato, snd_mss, rcv_mss;
    uint32_t unacked, sacked, lost, retrans, fackets;
    uint32_t last_data_sent, last_ack_sent, last_data_recv, last_ack_recv;
    uint32_t pmtu, rcv_ssthresh, rtt, rttvar, snd_ssthresh, snd_cwnd, advmss, reordering;
    uint32_t rcv_rtt, rcv_space, total_retrans;
    uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
    uint32_t segs_out, segs_in, notsent_bytes, min_rtt, data_segs_in, data_segs_out;
    uint64_t delivery_rate, busy_time;
};

/* ---- Words ---- */

hf_ns hf_kernel_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (hf_ns)now.tv_sec * HF_SECOND + (hf_ns)now.tv_nsec;
}

static const struct {
    const char *name, *sentence;
} causes[] = {
#define HF_CAUSE_ROW(name, rfc, sentence) {#name, sentence},
#include <hf/cause.def>
#undef HF_CAUSE_ROW
};

const char *hf_kernel_cause_name(hf_cause cause) {
    return (unsigned)cause < HF_CAUSE_COUNT ? causes[cause].name : "UNKNOWN";
}

const char *hf_kernel_cause_sentence(hf_cause cause) {
    return (unsigned)cause < HF_CAUSE_COUNT ? causes[cause].sentence : "";
}

struct text {
    char *to;
    size_t size, length;
};

static struct text text_begin(char *to, size_t size) {
    if (size > 0) to[0] = 0;
    return (struct text){to, size, 0};
}

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...) {
    va_list list;
    va_start(list, format);
    const bool room = text->length < text->size;
    const int length = vsnprintf(room ? text->to + text->length : NULL,
                                 room ? text->size - text->length : 0, format, list);
    va_end(list);
    if (length > 0) text->length += (size_t)length;
}

static void put_duration(struct text *text, hf_ns ns) {
    if (ns == HF_NEVER)
        put(text, "never");
    else if (ns < HF_SECOND)
        put(text, "%llu ms", (unsigned long long)(ns / HF_MS));
    else if (ns < 120 * HF_SECOND)
        put(text, "%.2f s", (double)ns / 1e9);
    else
        put(text, "%llu min %llu s", (unsigned long long)(ns / (60 * HF_SECOND)),
            (unsigned long long)(ns / HF_SECOND % 60));
}

static void put_addr(struct text *text, const hf_addr *addr) {
    char words[INET6_ADDRSTRLEN];
    if (hf_addr_is4(addr))
        inet_ntop(AF_INET, addr->bytes + 12, words, sizeof words);
    else
        inet_ntop(AF_INET6, addr->bytes, words, sizeof words);
    put(text, "%s", words);
}

static bool problem_is(hf_kernel_problem *ret, const char *call, const char *option,
                       long long value, const char *to_do) {
    if (ret) *ret = (hf_kernel_problem){call, option, to_do, value, errno};
    return false;
}

size_t hf_kernel_problem_text(const hf_kernel_problem *problem, char *to, size_t size) {
    struct text text = text_begin(to, size);
    put(&text, "%s(%s", problem->call, problem->option);
    if (problem->value >= 0) put(&text, "%s%lld", problem->option[0] ? ", " : "", problem->value);
    put(&text, "): %s. %s", strerror(problem->error), problem->to_do);
    return text.length;
}

/* The first number in a file of /proc; `otherwise` if it cannot be read. */
static long sysctl(const char *path, long otherwise) {
    char words[64];
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return otherwise;
    const ssize_t length = read(fd, words, sizeof words - 1);
    close(fd);
    if (length <= 0) return otherwise;
    words[length] = 0;
    return strtol(words, NULL, 10);
}

static bool read_info(int fd, struct info *info) {
    socklen_t length = sizeof *info;
    memset(info, 0, sizeof *info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &length) != 0) return false;
    if (length < offsetof(struct info, delivery_rate)) {
        errno = ENOPROTOOPT;
        return false;
    }
    return true;
}

/* ---- Watch: what holds ---- */

static hf_ns least(hf_ns a, hf_ns b) { return a < b ? a : b; }
static hf_ns most(hf_ns a, hf_ns b) { return a > b ? a : b; }

/* The spacing of what should be answered, a sixth of the bound: with the kernel's timers late by up
 * to an eighth, T/3 idle and three more intervals still end before T. */
static hf_ns spacing_of(hf_ns bound_ns) { return most(bound_ns / 6, MIN_SPACING_NS); }

static uint32_t rto_max_ms(hf_ns bound_ns) {
    const hf_ns ms = spacing_of(bound_ns) / HF_MS;
    return ms < 1000 ? 1000 : ms > 120000 ? 120000 : (uint32_t)ms;
}

/* The kernel's own model (tcp_model_timeout): `retries` doublings from `base_ms` up to `max_ms`. */
static hf_ns back_off_total(long retries, hf_ns base_ms, hf_ns max_ms) {
    hf_ns total = 0, step = base_ms;
    for (long i = 0; i <= retries && i < 255; i++) {
        total += least(step, max_ms);
        step *= 2;
        if (step > max_ms) step = max_ms;
    }
    return total * HF_MS;
}

/* SYNs sent before `bound_ns` is over, the first at 0. Since Linux 6.5 the first repetitions come a
 * second apart, tcp_syn_linear_timeouts of them. */
static uint32_t syns_within(hf_ns bound_ns, hf_ns max_ms) {
    const long linear = sysctl("/proc/sys/net/ipv4/tcp_syn_linear_timeouts", 0);
    hf_ns at_ms = 0, step = 1000;
    uint32_t count = 0;
    while (at_ms + at_ms / 20 < bound_ns / HF_MS && count < 255) {
        count++;
        at_ms += step;
        if (count > linear) step = least(step * 2, max_ms);
    }
    return count < NEED ? count : (uint32_t)NEED;
}

/* When connect() itself fails: the first repetition of the SYN at or after the model's total. */
static hf_ns connect_gives_up(hf_ns max_ms) {
    const long linear = sysctl("/proc/sys/net/ipv4/tcp_syn_linear_timeouts", 0);
    const hf_ns total =
        back_off_total(sysctl("/proc/sys/net/ipv4/tcp_syn_retries", 6), 1000, max_ms);
    hf_ns at_ms = 0, step = 1000;
    for (long i = 0; i < 255 && at_ms * HF_MS < total; i++) {
        at_ms += step;
        if (i >= linear) step = least(step * 2, max_ms);
    }
    return at_ms * HF_MS;
}

static hf_watch_hold hold_of(hf_ns from_ns, hf_ns by_ns, hf_ns kernel_ns, uint32_t unanswered,
                             const char *why) {
    return (hf_watch_hold){from_ns, by_ns, kernel_ns, unanswered, false, why};
}

static hf_ns late(hf_ns ns) { return ns + ns / 20; }

static void hold_silence(const hf_watch *watch, hf_watch_hold *hold) {
    const hf_ns bound = watch->silent_bound_ns;
    const hf_ns cap_ms = watch->has_rto_max ? rto_max_ms(bound) : 120000;
    const hf_ns given_up =
        back_off_total(sysctl("/proc/sys/net/ipv4/tcp_retries2", 15), 200, cap_ms);
    const hf_ns idle_dies =
        (watch->probe_s + KEEP_COUNT * (hf_ns)most(1, watch->probe_every_ms / 1000)) * HF_SECOND;
    hold[HF_PHASE_CONNECTING] =
        hold_of(bound, late(bound), connect_gives_up(cap_ms), watch->syns,
                "Counted from connect(): the kernel repeats the SYN, first once a second.");
    hold[HF_PHASE_IDLE] = hold_of(bound, late(bound), idle_dies, NEED,
                                  "Keepalive probes, four of them, make the peer answer.");
    hold[HF_PHASE_IN_FLIGHT] = hold_of(
        bound, late(bound), given_up, NEED,
        watch->has_rto_max
            ? "Retransmissions, no further apart than TCP_RTO_MAX_MS; keepalive does not run."
            : "Retransmissions, doubling; keepalive does not run.");
    hold[HF_PHASE_ZERO_WINDOW_DEAD] =
        watch->has_rto_max
            ? hold_of(bound, late(most(bound, 5 * cap_ms * HF_MS)), given_up, NEED,
                      "Window probes, no further apart than TCP_RTO_MAX_MS (one second at least).")
            : hold_of(bound, late(most(bound, 5 * 135 * HF_SECOND)), given_up, NEED,
                      "Window probes, which without TCP_RTO_MAX_MS may have grown to one in 120 s: "
                      "four of them must stay unanswered.");
    hold[HF_PHASE_ZERO_WINDOW_LIVE] = hold_of(
        HF_NEVER, HF_NEVER, HF_NEVER, 0,
        "A peer that answers window probes is alive; that it takes nothing is for stuck_ns.");
    hold[HF_PHASE_HALF_CLOSED_HERE] = hold[HF_PHASE_IDLE];
    hold[HF_PHASE_HALF_CLOSED_HERE].why = "Keepalive probes run after our FIN as long as the "
                                          "descriptor is open.";
    hold[HF_PHASE_HALF_CLOSED_THERE] = hold[HF_PHASE_IDLE];
    hold[HF_PHASE_HALF_CLOSED_THERE].why =
        "Keepalive probes run after the peer's FIN; recv() keeps returning 0 and shows no error.";
    hold[HF_PHASE_CLOSING] = hold[HF_PHASE_IN_FLIGHT];
    hold[HF_PHASE_CLOSING].why = "The FIN is retransmitted like data.";
}

/* TCP_USER_TIMEOUT, as asked for: it ends by the kernel's hand, and the live slow reader too. */
static void hold_user_timeout(const hf_watch *watch, hf_watch_hold *hold) {
    const hf_ns limit = watch->bounds.user_timeout_ns;
    if (limit == 0) return;
    const bool probing = watch->silent_bound_ns > 0;
    for (int i = 0; i < HF_PHASE_COUNT; i++) {
        const bool timer_runs = probing || (i != HF_PHASE_IDLE && i != HF_PHASE_HALF_CLOSED_HERE &&
                                            i != HF_PHASE_HALF_CLOSED_THERE);
        if (timer_runs) hold[i].kernel_ends_ns = least(hold[i].kernel_ends_ns, limit);
    }
    hold[HF_PHASE_ZERO_WINDOW_LIVE].why =
        "TCP_USER_TIMEOUT was asked for: the kernel ends a live peer that does not read.";
}

static void hold_nothing(hf_watch_hold *hold) {
    for (int i = 0; i < HF_PHASE_COUNT; i++)
        hold[i] = hold_of(HF_NEVER, HF_NEVER, HF_NEVER, 0, "No bound on silence was asked for.");
    const hf_ns given_up =
        back_off_total(sysctl("/proc/sys/net/ipv4/tcp_retries2", 15), 200, 120000);
    hold[HF_PHASE_CONNECTING].kernel_ends_ns = connect_gives_up(120000);
    hold[HF_PHASE_IN_FLIGHT].kernel_ends_ns = given_up;
    hold[HF_PHASE_CLOSING].kernel_ends_ns = given_up;
    hold[HF_PHASE_ZERO_WINDOW_DEAD].kernel_ends_ns = given_up;
}

static void tell_holds(const hf_watch *watch, hf_watch_holds *ret) {
    struct utsname name;
    int major = 0, minor = 0;
    memset(ret, 0, sizeof *ret);
    uname(&name);
    snprintf(ret->release, sizeof ret->release, "%.31s", name.release);
    sscanf(name.release, "%d.%d", &major, &minor);
    ret->has_rto_max = watch->has_rto_max;
    if (watch->silent_bound_ns > 0)
        hold_silence(watch, ret->phase);
    else
        hold_nothing(ret->phase);
    hold_user_timeout(watch, ret->phase);
    for (int i = 0; i < HF_PHASE_COUNT; i++)
        ret->phase[i].measured = major == MEASURED_MAJOR && minor == MEASURED_MINOR;
}

const char *hf_phase_name(hf_phase phase) {
    static const char *const names[] = {"connecting",
                                        "idle",
                                        "in flight",
                                        "zero window, peer gone",
                                        "zero window, peer alive",
                                        "half-closed here",
                                        "half-closed there",
                                        "closing"};
    return (unsigned)phase < HF_PHASE_COUNT ? names[phase] : "unknown";
}

size_t hf_watch_hold_text(const hf_watch_holds *holds, hf_phase phase, char *to, size_t size) {
    struct text text = text_begin(to, size);
    const hf_watch_hold *const hold = &holds->phase[phase];
    put(&text, "%s: ", hf_phase_name(phase));
    if (hold->by_ns == HF_NEVER) {
        put(&text, "not noticed by silence");
    } else {
        put(&text, "noticed ");
        put_duration(&text, hold->from_ns);
        put(&text, " to ");
        put_duration(&text, hold->by_ns);
        put(&text, " after last heard, with %u transmissions unanswered",
            (unsigned)hold->unanswered);
    }
    put(&text, "; the kernel itself ends it: ");
    if (hold->kernel_ends_ns != HF_NEVER) put(&text, "after ");
    put_duration(&text, hold->kernel_ends_ns);
    put(&text, ". %s%s%s%s", hold->why, hold->measured ? "" : " (Computed for Linux ",
        hold->measured ? "" : holds->release, hold->measured ? "" : ": unverified.)");
    return text.length;
}

/* ---- Watch: begin ---- */

static bool set_option(int fd, int level, int option, const char *name, unsigned value,
                       const char *to_do, hf_kernel_problem *ret_problem) {
    if (setsockopt(fd, level, option, &value, sizeof value) == 0) return true;
    return problem_is(ret_problem, "setsockopt", name, value, to_do);
}

static bool arm_keepalive(hf_watch *watch, hf_kernel_problem *ret_problem) {
    const char *const to_do = "The socket must be a TCP socket that is open.";
    const hf_ns bound = watch->silent_bound_ns, spacing = spacing_of(bound);
    const unsigned every_s = (unsigned)most(1, spacing / HF_SECOND);
    watch->probe_s = (uint32_t)most(1, (bound - 4 * spacing) / HF_SECOND);
    watch->probe_every_ms = every_s * 1000;
    return set_option(watch->fd, IPPROTO_TCP, TCP_KEEPCNT, "TCP_KEEPCNT", KEEP_COUNT, to_do,
                      ret_problem) &&
           set_option(watch->fd, IPPROTO_TCP, TCP_KEEPINTVL, "TCP_KEEPINTVL", every_s, to_do,
                      ret_problem) &&
           set_option(watch->fd, IPPROTO_TCP, TCP_KEEPIDLE, "TCP_KEEPIDLE", watch->probe_s, to_do,
                      ret_problem) &&
           set_option(watch->fd, SOL_SOCKET, SO_KEEPALIVE, "SO_KEEPALIVE", 1, to_do, ret_problem);
}

static bool arm(hf_watch *watch, hf_kernel_problem *ret_problem) {
    if (watch->bounds.user_timeout_ns > 0 &&
        !set_option(watch->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, "TCP_USER_TIMEOUT",
                    (unsigned)(watch->bounds.user_timeout_ns / HF_MS),
                    "Give a user timeout in whole milliseconds.", ret_problem))
        return false;
    if (watch->silent_bound_ns == 0) return true;
    const unsigned max_ms = rto_max_ms(watch->silent_bound_ns);
    watch->has_rto_max =
        setsockopt(watch->fd, IPPROTO_TCP, TCP_RTO_MAX_MS, &max_ms, sizeof max_ms) == 0;
    watch->syns = syns_within(watch->silent_bound_ns, watch->has_rto_max ? max_ms : 120000);
    return arm_keepalive(watch, ret_problem);
}

static bool bounds_are_good(const hf_watch_bounds *bounds, hf_kernel_problem *ret_problem) {
    const hf_ns all[] = {bounds->silent_ns, bounds->stuck_ns, bounds->answer_ns, bounds->idle_ns,
                         bounds->user_timeout_ns};
    static const char *const names[] = {"silent_ns", "stuck_ns", "answer_ns", "idle_ns",
                                        "user_timeout_ns"};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i] <= MAX_BOUND_NS) continue;
        errno = EINVAL;
        return problem_is(ret_problem, "hf_watch_begin", names[i], (long long)all[i],
                          "Give a bound of at most 24 hours.");
    }
    return true;
}

static bool is_handshaking(const struct info *info) {
    return info->state == TCP_SYN_SENT || info->state == TCP_SYN_RECV;
}

static hf_ns ago(hf_ns now_ns, uint32_t ms) {
    const hf_ns age = ms * HF_MS;
    return age < now_ns ? now_ns - age : 0;
}

static bool has_outstanding(const struct info *info) {
    return info->unacked > 0 || info->notsent_bytes > 0;
}

/* Segments that carried data for the first time. Repeated SYNs are in total_retrans too. */
static uint32_t new_segs_of(const hf_watch *watch, const struct info *info) {
    return info->data_segs_out > 0
               ? info->data_segs_out - (info->total_retrans - watch->syn_retrans)
               : 0;
}

static void remember(hf_watch *watch, const struct info *info, hf_ns now_ns) {
    watch->looked_at_ns = now_ns;
    watch->bytes_acked = info->bytes_acked;
    watch->busy_us = info->busy_time;
    watch->segs_in = info->segs_in;
    watch->data_segs_in = info->data_segs_in;
    if (info->data_segs_out == 0) watch->syn_retrans = info->total_retrans;
    watch->new_segs_out = new_segs_of(watch, info);
    watch->outstanding = has_outstanding(info);
}

bool hf_watch_begin(hf_watch *watch, int fd, const hf_watch_bounds *bounds, hf_ns now_ns,
                    hf_watch_holds *ret_holds, hf_kernel_problem *ret_problem) {
    struct info info;
    memset(watch, 0, sizeof *watch);
    watch->fd = fd;
    watch->bounds = *bounds;
    if (!bounds_are_good(bounds, ret_problem)) return false;
    if (!read_info(fd, &info))
        return problem_is(ret_problem, "getsockopt", "TCP_INFO", -1,
                          "The descriptor must be a TCP socket, on Linux 4.6 or later.");
    if (info.state == TCP_CLOSE || info.state == TCP_LISTEN) {
        errno = ENOTCONN;
        return problem_is(
            ret_problem, "hf_watch_begin", "fd", fd,
            "Begin after connect() or accept(), for a connection that has not ended.");
    }
    if (bounds->silent_ns > 0) watch->silent_bound_ns = most(bounds->silent_ns, MIN_SILENT_NS);
    if (!arm(watch, ret_problem)) return false;
    const bool young = is_handshaking(&info);
    watch->begun_at_ns = watch->shaken_at_ns = watch->progress_at_ns = now_ns;
    watch->ack_at_ns = young ? now_ns : ago(now_ns, info.last_ack_recv);
    watch->data_at_ns = young ? now_ns : ago(now_ns, info.last_data_recv);
    watch->payload_at_ns = now_ns;
    watch->asked_at_ns = HF_NEVER;
    watch->retrans_at_heard = info.total_retrans;
    remember(watch, &info, now_ns);
    if (ret_holds) tell_holds(watch, ret_holds);
    return true;
}

/* ---- Watch: look ---- */

/* Time since a stamp: the kernel's age, exact, unless it may have wrapped. */
static hf_ns age_of(hf_ns stamp_ns, uint32_t kernel_ms, hf_ns now_ns) {
    const hf_ns ours = now_ns > stamp_ns ? now_ns - stamp_ns : 0;
    return ours < (UINT64_C(1) << 31) * HF_MS ? kernel_ms * HF_MS : ours;
}

/* True while repeated SYN-ACKs may still prove to be such, by the time between them. */
static bool doubt_is_open(const hf_watch *watch, hf_ns now_ns) {
    if (watch->passed || watch->refused_again) return false;
    const hf_ns until = watch->refused_segs > 0 ? 4 * watch->refused_first_ns : FIRST_REPEAT_NS;
    return now_ns <= watch->shaken_at_ns + until + 200 * HF_MS;
}

/* Counts what came and was no acceptable ACK, until a byte has passed either way: SYN-ACKs of a
 * peer that has not taken our ACK, or its keepalive probes. SYN-ACKs begin early and their distance
 * doubles (1, 3, 7 s after the handshake); a keepalive's stays. */
static void hear_refused(hf_watch *watch, const struct info *info, bool ack_moved, hf_ns now_ns) {
    const bool fin_heard =
        info->state == TCP_CLOSE_WAIT || info->state == TCP_LAST_ACK || info->state == TCP_CLOSING;
    if (info->data_segs_in > 0 || info->bytes_acked > 1 || fin_heard) {
        watch->passed = true;
        watch->refused_segs = 0;
        watch->doubted = false;
    }
    const uint32_t came = info->segs_in - watch->segs_in, good = ack_moved ? 1 : 0;
    if (came <= good || !doubt_is_open(watch, now_ns)) return;
    const hf_ns at_ns = now_ns - watch->shaken_at_ns;
    if (watch->refused_segs == 0)
        watch->refused_first_ns = at_ns;
    else if (!watch->refused_again)
        watch->doubted =
            at_ns >= watch->refused_first_ns * 11 / 5 && watch->refused_first_ns <= FIRST_REPEAT_NS;
    watch->refused_again = watch->refused_segs > 0;
    watch->refused_segs += came - good;
}

static void hear(hf_watch *watch, const struct info *info, hf_ns now_ns) {
    if (is_handshaking(info)) {
        watch->silence_ns = now_ns - watch->begun_at_ns;
        watch->shaken_at_ns = now_ns;
        return;
    }
    if (info->segs_in != watch->segs_in) {
        const hf_ns ack_at = ago(now_ns, info->last_ack_recv);
        const bool moved = ack_at > watch->ack_at_ns + 2 * TICK_NS;
        hear_refused(watch, info, moved, now_ns);
        if (ack_at > watch->ack_at_ns) watch->ack_at_ns = ack_at;
        if (info->data_segs_in != watch->data_segs_in)
            watch->data_at_ns = ago(now_ns, info->last_data_recv);
        if (moved || info->data_segs_in != watch->data_segs_in)
            watch->retrans_at_heard = info->total_retrans;
    }
    watch->silence_ns = least(age_of(watch->ack_at_ns, info->last_ack_recv, now_ns),
                              age_of(watch->data_at_ns, info->last_data_recv, now_ns));
}

/* Data waiting: since when has none of it been acknowledged? If the queue was empty at the last
 * look and nothing was acknowledged since, it began to wait once, and the kernel's busy time says
 * when. */
static void see_progress(hf_watch *watch, const struct info *info, hf_ns now_ns) {
    if (!has_outstanding(info)) return;
    if (info->bytes_acked != watch->bytes_acked)
        watch->progress_at_ns = watch->ack_at_ns;
    else if (!watch->outstanding)
        watch->progress_at_ns = now_ns - least(now_ns - watch->looked_at_ns,
                                               (info->busy_time - watch->busy_us) * HF_US);
}

static void see_payload(hf_watch *watch, const struct info *info, hf_ns now_ns) {
    const bool came = info->data_segs_in != watch->data_segs_in;
    const bool went = new_segs_of(watch, info) != watch->new_segs_out;
    const hf_ns sent_at = ago(now_ns, info->last_data_sent);
    if (came) watch->payload_at_ns = most(watch->payload_at_ns, watch->data_at_ns);
    if (went) watch->payload_at_ns = most(watch->payload_at_ns, least(sent_at, now_ns));
    if (came) watch->asked_at_ns = HF_NEVER;
    if (!went || watch->asked_at_ns != HF_NEVER) return;
    if (!came || sent_at > watch->data_at_ns + TICK_NS) watch->asked_at_ns = sent_at;
}

static bool window_is_closed(const struct info *info) {
    return info->unacked == 0 && info->notsent_bytes > 0;
}

static hf_phase phase_of(const struct info *info) {
    switch (info->state) {
    case TCP_SYN_SENT:
    case TCP_SYN_RECV: return HF_PHASE_CONNECTING;
    case TCP_FIN_WAIT1:
    case TCP_CLOSING:
    case TCP_LAST_ACK: return HF_PHASE_CLOSING;
    case TCP_FIN_WAIT2: return HF_PHASE_HALF_CLOSED_HERE;
    default: break;
    }
    if (window_is_closed(info))
        return info->probes > 1 ? HF_PHASE_ZERO_WINDOW_DEAD : HF_PHASE_ZERO_WINDOW_LIVE;
    if (info->unacked > 0) return HF_PHASE_IN_FLIGHT;
    return info->state == TCP_CLOSE_WAIT ? HF_PHASE_HALF_CLOSED_THERE : HF_PHASE_IDLE;
}

static uint32_t unanswered_of(const hf_watch *watch, const struct info *info) {
    if (is_handshaking(info)) return info->retransmits + UINT32_C(1);
    if (!has_outstanding(info) || window_is_closed(info)) return info->probes;
    const uint32_t since = info->total_retrans - watch->retrans_at_heard;
    return info->probes + (since > info->retransmits ? since : info->retransmits) + 1;
}

/* The bound that this path allows: five transmissions must fit, each with the time for an answer.
 */
static void follow_path(hf_watch *watch, const struct info *info) {
    if (watch->bounds.silent_ns == 0 || is_handshaking(info)) return;
    const hf_ns answer = (info->rtt + UINT64_C(4) * info->rttvar) * HF_US;
    watch->short_path = info->rtt > 0 && answer <= SHORT_PATH_US * HF_US;
    const hf_ns spread =
        info->rtt > 0 && info->data_segs_in + info->bytes_acked > 1 ? 5 * answer : 0;
    watch->silent_bound_ns = most(most(watch->bounds.silent_ns, MIN_SILENT_NS), spread);
}

/* True if the kernel's own probes, in whole seconds and late by up to an eighth, are four before
 * the bound. They are from 5 s on. */
static bool kernel_probes_enough(const hf_watch *watch) {
    const hf_ns ms = watch->probe_s * UINT64_C(1000) + UINT64_C(3) * watch->probe_every_ms;
    return (ms + ms / 8) * HF_MS + GRACE_NS <= watch->silent_bound_ns;
}

/* Keepalive probes come in whole seconds; those that a short bound needs between are asked for. To
 * see that they are needed takes a look, and a living peer answers each of the kernel's probes, so
 * on a short path they are asked for as late as the bound allows: one look in two seconds for T =
 * 3 s. `first` is the silence at which the first is due, `before` how many the kernel has sent
 * then.
 *
 *   T = 3 s       the kernel's   asked for           verdict
 *   short path    1.0, 2.1       2.56, 3.06          3.11
 *   else          1.0            1.59, 2.09, 2.59    3.01 */
struct probing {
    hf_ns first, spacing;
    uint32_t before;
};

static struct probing probing_of(const hf_watch *watch) {
    const hf_ns spacing = spacing_of(watch->silent_bound_ns);
    const hf_ns last = watch->silent_bound_ns + LAST_PROBE_NS;
    for (uint32_t own = 1; watch->short_path && own < NEED; own++) {
        const hf_ns first = last - (own - 1) * spacing;
        if ((first - spacing) / KERNEL_PROBE_NS + own >= NEED)
            return (struct probing){first, spacing, NEED - own};
    }
    return (struct probing){watch->silent_bound_ns - 4 * spacing + GRACE_NS + spacing / 10, spacing,
                            0};
}

/* Asks for the probe that is due. Returns when the next is. */
static hf_ns poke(hf_watch *watch, const struct info *info, hf_ns now_ns) {
    const struct probing probing = probing_of(watch);
    const hf_ns spacing = probing.spacing;
    if (watch->silence_ns < probing.first) return now_ns + (probing.first - watch->silence_ns);
    const hf_ns due = (watch->silence_ns - probing.first) / spacing + 1;
    /* One at a time: after a long absence of ours (a suspended machine) each must have its time. */
    if (info->probes < probing.before + due &&
        now_ns + 2 * TICK_NS >= watch->poked_at_ns + spacing) {
        watch->poked_at_ns = now_ns;
        const unsigned idle_s = watch->probe_s;
        setsockopt(watch->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    }
    return now_ns + (probing.first + due * spacing - watch->silence_ns);
}

static bool is_quiet(const struct info *info) {
    return !is_handshaking(info) && !has_outstanding(info);
}

static hf_watch_verdict judged(hf_watch *watch, hf_watch_verdict verdict, hf_cause cause,
                               hf_cause mechanism) {
    watch->cause = cause;
    watch->mechanism = mechanism;
    return watch->verdict = verdict;
}

static bool is_silent(const hf_watch *watch, const struct info *info, hf_ns now_ns) {
    const uint32_t need = is_handshaking(info) ? watch->syns : (uint32_t)NEED;
    return watch->bounds.silent_ns > 0 && watch->silence_ns >= watch->silent_bound_ns + TICK_NS &&
           watch->unanswered >= need && now_ns >= watch->poked_at_ns + ANSWER_NS;
}

/* True if `bound` is set and over since `since`. Else *next falls to when it will be. */
static bool is_over(hf_ns bound_ns, hf_ns since_ns, hf_ns now_ns, hf_ns *next_ns) {
    if (bound_ns == 0 || since_ns == HF_NEVER) return false;
    if (now_ns >= since_ns + bound_ns) return true;
    *next_ns = least(*next_ns, since_ns + bound_ns);
    return false;
}

static hf_watch_verdict judge(hf_watch *watch, const struct info *info, hf_ns now_ns,
                              hf_ns *next_ns) {
    const hf_watch_bounds *const bounds = &watch->bounds;
    if (is_silent(watch, info, now_ns))
        return judged(watch, HF_WATCH_PEER_SILENT,
                      is_handshaking(info) ? HF_CAUSE_END_SYN_UNANSWERED : HF_CAUSE_END_PEER_SILENT,
                      HF_CAUSE_BY_DETECT_WITHIN);
    if (watch->outstanding && is_over(bounds->stuck_ns, watch->progress_at_ns, now_ns, next_ns))
        return judged(watch, HF_WATCH_PEER_STUCK, HF_CAUSE_END_PEER_STUCK,
                      HF_CAUSE_BY_PROGRESS_WITHIN);
    if (is_over(bounds->answer_ns, watch->asked_at_ns, now_ns, next_ns))
        return judged(watch, HF_WATCH_PEER_NOT_ANSWERING, HF_CAUSE_END_PEER_NOT_ANSWERING,
                      HF_CAUSE_BY_ANSWER_WITHIN);
    if (is_over(bounds->idle_ns, watch->payload_at_ns, now_ns, next_ns))
        return judged(watch, HF_WATCH_IDLE, HF_CAUSE_END_IDLE, HF_CAUSE_BY_IDLE_WITHIN);
    if (watch->doubted)
        return judged(watch, HF_WATCH_PEER_MAY_NOT_HAVE_ACCEPTED,
                      HF_CAUSE_PEER_MAY_NOT_HAVE_ACCEPTED, HF_CAUSE_NONE);
    return judged(watch, HF_WATCH_OK, HF_CAUSE_NONE, HF_CAUSE_NONE);
}

/* The next look for silence: at the bound, and where probes must be asked for. */
static void plan(hf_watch *watch, const struct info *info, hf_ns now_ns, hf_ns *next_ns) {
    const hf_ns bound = watch->silent_bound_ns + TICK_NS;
    if (watch->bounds.silent_ns > 0) {
        const hf_ns left = watch->silence_ns < bound ? bound - watch->silence_ns : 20 * HF_MS;
        *next_ns = least(*next_ns, now_ns + left);
        if (is_quiet(info) && (!kernel_probes_enough(watch) || watch->silence_ns >= bound))
            *next_ns = least(*next_ns, poke(watch, info, now_ns));
        if (watch->poked_at_ns + ANSWER_NS > now_ns)
            *next_ns = least(*next_ns, watch->poked_at_ns + ANSWER_NS);
    }
    const hf_ns stuck = watch->bounds.stuck_ns, answer = watch->bounds.answer_ns;
    if (stuck > 0) *next_ns = least(*next_ns, now_ns + stuck / (watch->outstanding ? 40 : 2));
    if (answer > 0) *next_ns = least(*next_ns, now_ns + answer / 40);
    if (watch->bounds.idle_ns > 0) *next_ns = least(*next_ns, now_ns + watch->bounds.idle_ns);
    if (doubt_is_open(watch, now_ns)) *next_ns = least(*next_ns, now_ns + 200 * HF_MS);
    *next_ns = most(*next_ns, now_ns + HF_MS);
}

hf_watch_verdict hf_watch_look(hf_watch *watch, hf_ns now_ns, hf_ns *ret_next_ns) {
    struct info info;
    hf_ns next_ns = HF_NEVER;
    now_ns = most(now_ns, watch->looked_at_ns);
    if (!read_info(watch->fd, &info) || info.state == TCP_CLOSE) {
        *ret_next_ns = HF_NEVER;
        const bool told = watch->verdict == HF_WATCH_ENDED;
        return judged(watch, HF_WATCH_ENDED, told ? watch->cause : HF_CAUSE_NONE,
                      told ? watch->mechanism : HF_CAUSE_NONE);
    }
    hear(watch, &info, now_ns);
    see_progress(watch, &info, now_ns);
    see_payload(watch, &info, now_ns);
    remember(watch, &info, now_ns);
    follow_path(watch, &info);
    watch->phase = phase_of(&info);
    watch->unanswered = unanswered_of(watch, &info);
    const hf_watch_verdict verdict = judge(watch, &info, now_ns, &next_ns);
    plan(watch, &info, now_ns, &next_ns);
    *ret_next_ns = next_ns;
    return verdict;
}

/* What an errno means that the kernel has left on a connection. */
static void explain_errno(int error, hf_phase phase, hf_cause *cause, hf_cause *mechanism) {
    *cause = HF_CAUSE_END_CLOSED;
    *mechanism = HF_CAUSE_BY_FIN;
    if (error == 0) return;
    const bool connecting = phase == HF_PHASE_CONNECTING;
    *cause = HF_CAUSE_END_UNREACHABLE;
    *mechanism = HF_CAUSE_BY_ICMP;
    if (error == ECONNRESET || error == EPIPE) {
        *cause = HF_CAUSE_END_PEER_RESET;
        *mechanism = HF_CAUSE_BY_RST;
    } else if (error == ECONNREFUSED) {
        *cause = HF_CAUSE_END_REFUSED;
        *mechanism = HF_CAUSE_BY_RST;
    } else if (error == ETIMEDOUT) {
        const bool idle = phase == HF_PHASE_IDLE || phase == HF_PHASE_HALF_CLOSED_HERE ||
                          phase == HF_PHASE_HALF_CLOSED_THERE;
        const bool window =
            phase == HF_PHASE_ZERO_WINDOW_DEAD || phase == HF_PHASE_ZERO_WINDOW_LIVE;
        *cause = connecting ? HF_CAUSE_END_SYN_UNANSWERED : HF_CAUSE_END_PEER_SILENT;
        *mechanism = idle     ? HF_CAUSE_BY_KEEPALIVE_COUNT
                     : window ? HF_CAUSE_BY_PERSIST_LIMIT
                              : HF_CAUSE_BY_RETRANSMIT_LIMIT;
    }
}

static int pending_error(int fd) {
    int error = 0;
    socklen_t length = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

void hf_watch_error_was(hf_watch *watch, int error) {
    watch->error = error;
    watch->verdict = HF_WATCH_ENDED;
    explain_errno(error, watch->phase, &watch->cause, &watch->mechanism);
    if (error == ETIMEDOUT && watch->bounds.user_timeout_ns > 0)
        watch->mechanism = HF_CAUSE_BY_USER_TIMEOUT;
}

int hf_watch_take_error(hf_watch *watch) {
    if (watch->error == 0) hf_watch_error_was(watch, pending_error(watch->fd));
    return watch->error;
}

const char *hf_watch_verdict_name(hf_watch_verdict verdict) {
    static const char *const names[] = {"OK",
                                        "IDLE",
                                        "PEER_SILENT",
                                        "PEER_STUCK",
                                        "PEER_NOT_ANSWERING",
                                        "PEER_MAY_NOT_HAVE_ACCEPTED",
                                        "ENDED"};
    return (unsigned)verdict < sizeof names / sizeof names[0] ? names[verdict] : "UNKNOWN";
}

static void put_since(struct text *text, const char *what, const hf_watch *watch, hf_ns at_ns) {
    put(text, " %s ", what);
    put_duration(text, watch->looked_at_ns > at_ns ? watch->looked_at_ns - at_ns : 0);
    put(text, " ago.");
}

size_t hf_watch_text(const hf_watch *watch, char *to, size_t size) {
    struct text text = text_begin(to, size);
    put(&text, "%s (%s)", hf_watch_verdict_name(watch->verdict), hf_phase_name(watch->phase));
    if (watch->cause != HF_CAUSE_NONE)
        put(&text, ": %s", hf_kernel_cause_sentence(watch->cause));
    else if (watch->verdict == HF_WATCH_ENDED)
        put(&text, ": the kernel has ended the connection.");
    if (watch->verdict == HF_WATCH_PEER_SILENT) {
        put(&text, watch->phase == HF_PHASE_CONNECTING ? " connect() was called " : " Last heard ");
        put_duration(&text, watch->silence_ns);
        put(&text, " ago; %u transmissions unanswered.", (unsigned)watch->unanswered);
    } else if (watch->verdict == HF_WATCH_PEER_STUCK) {
        put_since(&text, "Last progress", watch, watch->progress_at_ns);
    } else if (watch->verdict == HF_WATCH_PEER_NOT_ANSWERING) {
        put_since(&text, "Asked", watch, watch->asked_at_ns);
    } else if (watch->verdict == HF_WATCH_IDLE) {
        put_since(&text, "Last payload", watch, watch->payload_at_ns);
    }
    if (!watch->passed && watch->refused_segs > 1)
        put(&text,
            " No byte has passed, and %u segments came that acknowledge nothing: SYN-ACKs, if the "
            "peer "
            "has not accepted; keepalive probes, if it has.",
            (unsigned)watch->refused_segs);
    if (!watch->passed && watch->verdict == HF_WATCH_ENDED &&
        watch->cause == HF_CAUSE_END_PEER_RESET)
        put(&text, " No byte had passed: the peer does not know this connection. It may never have "
                   "accepted it, or it has restarted.");
    if (watch->bounds.silent_ns > 0 && watch->silent_bound_ns > watch->bounds.silent_ns) {
        put(&text, " The bound was raised to ");
        put_duration(&text, watch->silent_bound_ns);
        put(&text, ".");
    }
    return text.length;
}

/* ---- Closing ---- */

/* Bytes that the peer has not acknowledged. A FIN in the queue counts as one there, and is its end.
 */
static uint64_t unacked_bytes(int fd, const struct info *info, bool shut) {
    int waiting = 0;
    if (ioctl(fd, SIOCOUTQ, &waiting) != 0 || waiting < 0) return 0;
    const bool with_fin = shut || info->state == TCP_FIN_WAIT1 || info->state == TCP_CLOSING ||
                          info->state == TCP_LAST_ACK;
    return (uint64_t)waiting - (with_fin && waiting > 0);
}

static uint64_t unread_bytes(int fd) {
    int waiting = 0;
    return ioctl(fd, SIOCINQ, &waiting) == 0 && waiting > 0 ? (uint64_t)waiting : 0;
}

static void count_bytes(hf_receipt *receipt, uint64_t lost) {
    receipt->bytes_lost = lost;
    receipt->bytes_acked = receipt->bytes_written > lost ? receipt->bytes_written - lost : 0;
}

bool hf_closing_begin(hf_closing *closing, int fd, const hf_closing_options *options, hf_ns now_ns,
                      hf_kernel_problem *ret_problem) {
    struct info info;
    if (!read_info(fd, &info))
        return problem_is(ret_problem, "getsockopt", "TCP_INFO", -1,
                          "The descriptor must be a TCP socket, on Linux 4.6 or later.");
    memset(closing, 0, sizeof *closing);
    closing->fd = fd;
    closing->options = *options;
    closing->begun_at_ns = now_ns;
    closing->deadline_at_ns =
        now_ns + (options->deadline_ns > 0 ? options->deadline_ns : CLOSE_DEADLINE_NS);
    closing->peer_closed_first = info.state == TCP_CLOSE_WAIT;
    closing->receipt.bytes_written = options->bytes_written;
    if (shutdown(fd, SHUT_WR) != 0 && errno != ENOTCONN)
        return problem_is(ret_problem, "shutdown", "SHUT_WR", -1,
                          "The socket must be connected; close() is all there is to do.");
    return true;
}

/* Reads and counts what nobody wants, so that close() sends no RST for it. At most a megabyte a
 * look. */
static void drain(hf_closing *closing) {
    char waste[16384];
    for (int i = 0; i < 64; i++) {
        const ssize_t count = recv(closing->fd, waste, sizeof waste, MSG_DONTWAIT);
        if (count > 0) {
            closing->receipt.bytes_unread += (uint64_t)count;
            continue;
        }
        if (count == 0) closing->receipt.fin_heard = true;
        if (count < 0 && errno != EAGAIN && errno != EINTR) closing->receipt.error = errno;
        return;
    }
}

static void finish(hf_closing *closing, hf_ns now_ns, hf_cause cause, hf_cause mechanism) {
    closing->receipt.cause = cause;
    closing->receipt.mechanism = mechanism;
    closing->receipt.took_ns = now_ns - closing->begun_at_ns;
    close(closing->fd);
    closing->fd = -1;
}

static void reset(int fd) {
    const struct linger now = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static bool at_deadline(hf_closing *closing, hf_ns now_ns) {
    hf_receipt *const receipt = &closing->receipt;
    if (closing->options.at_deadline == HF_CLOSING_RST) reset(closing->fd);
    /* With all of ours acknowledged only the peer's close is missing: nothing is lost. */
    finish(closing, now_ns, HF_CAUSE_END_CLOSE_DEADLINE,
           closing->options.at_deadline == HF_CLOSING_RST ? HF_CAUSE_BY_RST : HF_CAUSE_BY_CALL);
    receipt->time_wait_here =
        closing->options.at_deadline != HF_CLOSING_RST && !closing->peer_closed_first;
    return true;
}

bool hf_closing_look(hf_closing *closing, hf_ns now_ns, hf_ns *ret_next_ns) {
    struct info info;
    hf_receipt *const receipt = &closing->receipt;
    *ret_next_ns = HF_NEVER;
    if (closing->fd < 0) return true;
    drain(closing);
    if (!read_info(closing->fd, &info)) memset(&info, 0, sizeof info);
    count_bytes(receipt, unacked_bytes(closing->fd, &info, true));
    const bool over = info.state == TCP_CLOSE || info.state == 0;
    if (over && receipt->error == 0) receipt->error = pending_error(closing->fd);
    const bool clean = receipt->error == 0;
    receipt->fin_acked = info.state == TCP_FIN_WAIT2 || info.state == TCP_TIME_WAIT ||
                         (over && clean && receipt->bytes_lost == 0);
    if (over) {
        hf_cause cause, mechanism;
        explain_errno(receipt->error, HF_PHASE_CLOSING, &cause, &mechanism);
        receipt->time_wait_here = clean && !closing->peer_closed_first;
        finish(closing, now_ns, cause, mechanism);
        return true;
    }
    if (now_ns >= closing->deadline_at_ns) return at_deadline(closing, now_ns);
    *ret_next_ns = least(closing->deadline_at_ns, now_ns + 20 * HF_MS);
    return false;
}

hf_receipt hf_closing_abort(int fd, uint64_t bytes_written) {
    struct info info;
    hf_receipt receipt;
    memset(&receipt, 0, sizeof receipt);
    receipt.bytes_written = bytes_written;
    receipt.cause = HF_CAUSE_END_APP_ABORTED;
    receipt.mechanism = HF_CAUSE_BY_RST;
    receipt.bytes_unread = unread_bytes(fd);
    reset(fd);
    if (read_info(fd, &info)) count_bytes(&receipt, unacked_bytes(fd, &info, false));
    close(fd);
    return receipt;
}

size_t hf_receipt_text(const hf_receipt *receipt, char *to, size_t size) {
    struct text text = text_begin(to, size);
    put(&text, "%s %s: %s", hf_kernel_cause_name(receipt->cause),
        hf_kernel_cause_name(receipt->mechanism), hf_kernel_cause_sentence(receipt->cause));
    put(&text, " %llu of %llu bytes acknowledged", (unsigned long long)receipt->bytes_acked,
        (unsigned long long)receipt->bytes_written);
    if (receipt->bytes_lost > 0) put(&text, ", %llu not", (unsigned long long)receipt->bytes_lost);
    put(&text, "; our FIN %s, the peer's %s.",
        receipt->fin_acked ? "acknowledged" : "not acknowledged",
        receipt->fin_heard ? "heard" : "not heard");
    if (receipt->bytes_unread > 0)
        put(&text,
            " %llu bytes had arrived and were not read: a plain close() would have sent RST.",
            (unsigned long long)receipt->bytes_unread);
    if (receipt->time_wait_here) put(&text, " TIME_WAIT is held here.");
    if (receipt->error != 0) put(&text, " The kernel says: %s.", strerror(receipt->error));
    return text.length;
}

/* ---- Listening ---- */

bool hf_listener_look(hf_listener_view *view, int fd, hf_kernel_problem *ret_problem) {
    struct info info;
    uint32_t memory[9] = {0}; /* SK_MEMINFO_VARS; the last is SK_MEMINFO_DROPS */
    socklen_t length = sizeof memory;
    if (!read_info(fd, &info) || info.state != TCP_LISTEN) {
        if (info.state != 0) errno = EINVAL;
        return problem_is(ret_problem, "getsockopt", "TCP_INFO", -1,
                          "The descriptor must be a listening TCP socket.");
    }
    view->waiting = info.unacked; /* of a listener these two mean queue and limit */
    view->limit = info.sacked;
    if (view->waiting > view->peak_waiting) view->peak_waiting = view->waiting;
    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &length) == 0) view->drops = memory[8];
    if (!view->begun) view->drops_before = view->drops;
    view->begun = true;
    view->full = view->waiting > view->limit;
    return true;
}

static bool counter_in(const char *names, const char *values, const char *wanted, uint64_t *ret) {
    const size_t length = strlen(wanted);
    while (*names && *values) {
        const size_t name_length = strcspn(names, " \n");
        if (name_length == length && memcmp(names, wanted, length) == 0) {
            *ret = strtoull(values, NULL, 10);
            return true;
        }
        names += name_length;
        values += strcspn(values, " \n");
        names += strspn(names, " ");
        values += strspn(values, " ");
    }
    return false;
}

static ssize_t read_file(const char *path, char *to, size_t size) {
    size_t length = 0;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    while (length < size - 1) {
        const ssize_t count = read(fd, to + length, size - 1 - length);
        if (count <= 0) break;
        length += (size_t)count;
    }
    close(fd);
    to[length] = 0;
    return (ssize_t)length;
}

bool hf_listener_counters(hf_listener_view *view, hf_kernel_problem *ret_problem) {
    char text[16384];
    if (read_file("/proc/net/netstat", text, sizeof text) < 0)
        return problem_is(ret_problem, "open", "/proc/net/netstat", -1, "Mount /proc.");
    const char *const names = strstr(text, "TcpExt:");
    const char *const values = names ? strstr(names + 1, "TcpExt:") : NULL;
    if (!values) {
        errno = ENODATA;
        return problem_is(ret_problem, "read", "/proc/net/netstat", -1, "It has no TcpExt lines.");
    }
    counter_in(names, values, "ListenOverflows", &view->overflows);
    counter_in(names, values, "SyncookiesSent", &view->cookies_sent);
    counter_in(names, values, "SyncookiesFailed", &view->cookies_failed);
    counter_in(names, values, "TCPReqQFullDrop", &view->queue_full_drops);
    return true;
}

size_t hf_listener_text(const hf_listener_view *view, char *to, size_t size) {
    struct text text = text_begin(to, size);
    put(&text, "%u waiting to be accepted, limit %u%s, peak seen %u, %u dropped",
        (unsigned)view->waiting, (unsigned)view->limit,
        view->full ? " (FULL: SYNs are dropped, clients see delays of 1, 3, 7 s)" : "",
        (unsigned)view->peak_waiting, (unsigned)(view->drops - view->drops_before));
    if (view->overflows + view->cookies_sent > 0)
        put(&text,
            "; in this network namespace %llu overflows, %llu SYN cookies sent (each may have lost "
            "a "
            "client's data without a word)",
            (unsigned long long)view->overflows, (unsigned long long)view->cookies_sent);
    put(&text, ".");
    return text.length;
}

uint32_t hf_backlog_for(double connects_per_second, hf_ns stall_ns) {
    const double places = connects_per_second * ((double)stall_ns / 1e9);
    if (!(places > 0)) return 1;
    return places >= 4294967294.0 ? UINT32_MAX : (uint32_t)places + 1;
}

/* ---- Connecting ---- */

static hf_addr addr_of(const struct sockaddr *name, uint16_t *ret_port) {
    hf_addr addr;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    memset(&addr, 0, sizeof addr);
    *ret_port = 0;
    if (name->sa_family == AF_INET) {
        memcpy(&in, name, sizeof in);
        addr.bytes[10] = addr.bytes[11] = 0xff;
        memcpy(addr.bytes + 12, &in.sin_addr, 4);
        *ret_port = ntohs(in.sin_port);
    } else if (name->sa_family == AF_INET6) {
        memcpy(&in6, name, sizeof in6);
        memcpy(addr.bytes, &in6.sin6_addr, 16);
        *ret_port = ntohs(in6.sin6_port);
    }
    return addr;
}

/* The ICMP error that ended the attempt, if the kernel queued one: it does for a socket with
 * IP_RECVERR or IPV6_RECVERR. */
static void read_error_queue(int fd, hf_connect_story *story) {
    union {
        struct cmsghdr align;
        char bytes[512];
    } control;
    char waste[256];
    struct iovec part = {waste, sizeof waste};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    uint16_t port;
    if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
        struct {
            struct sock_extended_err error;
            struct sockaddr_in6 from;
        } found;
        const size_t bytes = c->cmsg_len - CMSG_LEN(0);
        memset(&found, 0, sizeof found);
        memcpy(&found, CMSG_DATA(c), bytes < sizeof found ? bytes : sizeof found);
        if (found.error.ee_origin != SO_EE_ORIGIN_ICMP &&
            found.error.ee_origin != SO_EE_ORIGIN_ICMP6)
            continue;
        story->icmp = true;
        story->icmp_type = found.error.ee_type;
        story->icmp_code = found.error.ee_code;
        story->icmp_from = addr_of((const struct sockaddr *)&found.from, &port);
    }
}

/* One row of /proc/net/tcp or tcp6: both ends, the state, and the wait of its timer in 1/100 s. */
struct row {
    hf_addr local, remote;
    unsigned local_port, remote_port, state, timer, wait;
};

static bool parse_addr(const char *hex, size_t digits, hf_addr *ret) {
    memset(ret, 0, sizeof *ret);
    if (digits == 8) ret->bytes[10] = ret->bytes[11] = 0xff;
    for (size_t word = 0; word < digits / 8; word++) {
        char part[9];
        memcpy(part, hex + 8 * word, 8);
        part[8] = 0;
        const uint32_t value = (uint32_t)strtoul(part, NULL, 16); /* as it lies in memory */
        memcpy(ret->bytes + (digits == 8 ? 12 : 4 * word), &value, 4);
    }
    return digits == 8 || digits == 32;
}

static bool parse_row(const char *line, struct row *row) {
    char local[40], remote[40];
    if (sscanf(line, " %*d: %39[0-9A-Fa-f]:%x %39[0-9A-Fa-f]:%x %x %*x:%*x %x:%x", local,
               &row->local_port, remote, &row->remote_port, &row->state, &row->timer,
               &row->wait) != 7)
        return false;
    return parse_addr(local, strlen(local), &row->local) &&
           parse_addr(remote, strlen(remote), &row->remote);
}

static void count_row(const struct row *row, long low, long high, const hf_addr *to, uint16_t port,
                      hf_connect_story *story) {
    if (row->remote_port != port || !hf_addr_equal(&row->remote, to)) return;
    if ((long)row->local_port < low || (long)row->local_port > high) return;
    story->held++;
    if (row->state == TCP_TIME_WAIT) {
        story->held_time_wait++;
        story->next_free_ns = least(story->next_free_ns, row->wait * 10 * HF_MS);
    } else if (row->state == TCP_ESTABLISHED) {
        story->held_established++;
    } else {
        story->held_other++;
    }
}

static void count_rows(const char *path, long low, long high, const hf_addr *to, uint16_t port,
                       hf_connect_story *story) {
    char line[256];
    struct row row;
    FILE *const file = fopen(path, "re");
    if (!file) return;
    while (fgets(line, sizeof line, file))
        if (parse_row(line, &row)) count_row(&row, low, high, to, port, story);
    fclose(file);
}

static void count_ports(const hf_addr *to, uint16_t port, hf_connect_story *story) {
    char words[64];
    long low = 32768, high = 60999;
    if (read_file("/proc/sys/net/ipv4/ip_local_port_range", words, sizeof words) > 0)
        sscanf(words, "%ld %ld", &low, &high);
    story->ports = (uint32_t)(high - low + 1);
    story->next_free_ns = HF_NEVER;
    count_rows("/proc/net/tcp", low, high, to, port, story);
    count_rows("/proc/net/tcp6", low, high, to, port, story);
    story->no_port = story->held >= story->ports;
}

/* Asks rtnetlink and gives each answer to `take` until the answer is over. */
typedef void (*take_answer)(const struct nlmsghdr *message, void *to);

static void ask_netlink(const void *request, size_t bytes, bool many, take_answer take, void *to) {
    union {
        struct nlmsghdr align;
        char bytes[32768];
    } answer;
    const struct timeval patience = {1, 0};
    const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0) return;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    bool more = send(fd, request, bytes, 0) == (ssize_t)bytes;
    while (more) {
        const ssize_t length = recv(fd, &answer, sizeof answer, 0);
        if (length <= 0) break;
        unsigned left = (unsigned)length;
        for (const struct nlmsghdr *m = &answer.align; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
            if (m->nlmsg_type == NLMSG_DONE || m->nlmsg_type == NLMSG_ERROR) more = false;
            if (more) take(m, to);
        }
        more = more && many;
    }
    close(fd);
}

struct next_hop {
    hf_addr addr;
    bool silent;
};

static bool netlink_addr(const struct rtattr *attribute, hf_addr *ret) {
    const size_t bytes = RTA_PAYLOAD(attribute);
    memset(ret, 0, sizeof *ret);
    if (bytes == 4) ret->bytes[10] = ret->bytes[11] = 0xff;
    if (bytes != 4 && bytes != 16) return false;
    memcpy(ret->bytes + 16 - bytes, RTA_DATA(attribute), bytes);
    return true;
}

static void take_route(const struct nlmsghdr *message, void *to) {
    struct next_hop *const hop = (struct next_hop *)to;
    const struct rtmsg *const route = (const struct rtmsg *)NLMSG_DATA(message);
    int left = (int)RTM_PAYLOAD(message);
    for (const struct rtattr *a = RTM_RTA(route); RTA_OK(a, left); a = RTA_NEXT(a, left))
        if (a->rta_type == RTA_GATEWAY) netlink_addr(a, &hop->addr);
}

static void take_neighbor(const struct nlmsghdr *message, void *to) {
    struct next_hop *const hop = (struct next_hop *)to;
    const struct ndmsg *const neighbor = (const struct ndmsg *)NLMSG_DATA(message);
    int left = (int)(NLMSG_PAYLOAD(message, sizeof *neighbor));
    const struct rtattr *a =
        (const struct rtattr *)((const char *)neighbor + NLMSG_ALIGN(sizeof *neighbor));
    hf_addr addr;
    for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
        if (a->rta_type == NDA_DST && netlink_addr(a, &addr) && hf_addr_equal(&addr, &hop->addr))
            hop->silent = (neighbor->ndm_state & (NUD_FAILED | NUD_INCOMPLETE)) != 0;
}

/* True if the next hop towards `to` does not answer ARP or neighbour solicitations. */
static bool neighbor_is_silent(const hf_addr *to) {
    const bool is4 = hf_addr_is4(to);
    const size_t bytes = is4 ? 4 : 16;
    struct {
        struct nlmsghdr header;
        struct rtmsg route;
        struct rtattr attribute;
        uint8_t addr[16];
    } ask_route;
    struct {
        struct nlmsghdr header;
        struct ndmsg neighbor;
    } ask_neighbors;
    struct next_hop hop = {*to, false};
    memset(&ask_route, 0, sizeof ask_route);
    memset(&ask_neighbors, 0, sizeof ask_neighbors);
    ask_route.header.nlmsg_type = RTM_GETROUTE;
    ask_route.header.nlmsg_flags = NLM_F_REQUEST;
    ask_route.header.nlmsg_len = (uint32_t)(offsetof(__typeof__(ask_route), addr) + bytes);
    ask_route.route.rtm_family = is4 ? AF_INET : AF_INET6;
    ask_route.route.rtm_dst_len = (uint8_t)(8 * bytes);
    ask_route.attribute.rta_type = RTA_DST;
    ask_route.attribute.rta_len = (uint16_t)RTA_LENGTH(bytes);
    memcpy(ask_route.addr, to->bytes + 16 - bytes, bytes);
    ask_netlink(&ask_route, ask_route.header.nlmsg_len, false, take_route, &hop);
    ask_neighbors.header.nlmsg_type = RTM_GETNEIGH;
    ask_neighbors.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    ask_neighbors.header.nlmsg_len = sizeof ask_neighbors;
    ask_neighbors.neighbor.ndm_family = is4 ? AF_INET : AF_INET6;
    ask_netlink(&ask_neighbors, sizeof ask_neighbors, true, take_neighbor, &hop);
    return hop.silent;
}

static void explain_failed(hf_connect_story *story, const hf_addr *to, uint16_t port) {
    switch (story->error) {
    case ECONNREFUSED:
        story->cause = HF_CAUSE_END_REFUSED;
        story->mechanism = story->icmp ? HF_CAUSE_BY_ICMP : HF_CAUSE_BY_RST;
        break;
    case ECONNRESET:
        story->cause = HF_CAUSE_END_PEER_RESET;
        story->mechanism = HF_CAUSE_BY_RST;
        break;
    case EADDRNOTAVAIL:
    case EADDRINUSE:
        story->mechanism = HF_CAUSE_BY_CALL;
        count_ports(to, port, story);
        break;
    case ETIMEDOUT:
    case EHOSTUNREACH:
        if (!story->icmp && neighbor_is_silent(to)) {
            story->cause = HF_CAUSE_END_NEIGHBOR_SILENT;
            story->mechanism = HF_CAUSE_BY_NEIGHBOR;
        } else {
            const bool timed_out = story->error == ETIMEDOUT;
            story->cause = timed_out ? HF_CAUSE_END_SYN_UNANSWERED : HF_CAUSE_END_UNREACHABLE;
            story->mechanism = timed_out ? HF_CAUSE_BY_RETRANSMIT_LIMIT : HF_CAUSE_BY_ICMP;
        }
        break;
    case EINPROGRESS:
    case EALREADY: story->cause = HF_CAUSE_END_SYN_UNANSWERED; break;
    case ENETUNREACH:
        story->cause = HF_CAUSE_END_UNREACHABLE;
        story->mechanism = story->icmp ? HF_CAUSE_BY_ICMP : HF_CAUSE_BY_CALL;
        break;
    default: story->mechanism = HF_CAUSE_BY_CALL; break;
    }
}

void hf_connect_explain(int fd, const struct sockaddr *to, int error, hf_connect_story *ret_story) {
    struct info info;
    uint16_t port;
    const hf_addr addr = addr_of(to, &port);
    memset(ret_story, 0, sizeof *ret_story);
    ret_story->error = error;
    ret_story->next_free_ns = HF_NEVER;
    if (fd >= 0) read_error_queue(fd, ret_story);
    if (fd >= 0 && read_info(fd, &info))
        ret_story->syns =
            info.state == TCP_SYN_SENT || info.total_retrans > 0 ? info.total_retrans + 1 : 0;
    explain_failed(ret_story, &addr, port);
}

static void put_ports(struct text *text, const hf_connect_story *story) {
    if (!story->no_port && story->error == EADDRNOTAVAIL) {
        put(text,
            "The local address asked for is not this machine's (%u of %u ports towards this "
            "destination are held: ports are not the reason).",
            (unsigned)story->held, (unsigned)story->ports);
        return;
    }
    if (!story->no_port) {
        put(text,
            "The local address and port asked for are in use. If by TIME_WAIT, set SO_REUSEADDR, "
            "on the earlier program too; to connect, do not bind, or set IP_BIND_ADDRESS_NO_PORT.");
        return;
    }
    put(text,
        "No local port is free: all %u of net.ipv4.ip_local_port_range are held towards this "
        "destination, %u by TIME_WAIT, %u by open connections, %u by others. ",
        (unsigned)story->ports, (unsigned)story->held_time_wait, (unsigned)story->held_established,
        (unsigned)story->held_other);
    if (story->next_free_ns == HF_NEVER) {
        put(text, "None becomes free by itself.");
        return;
    }
    put(text, "The next is free in ");
    put_duration(text, story->next_free_ns);
    put(text, ". More: keep connections open, let the other side close first, or widen the range.");
}

size_t hf_connect_text(const hf_connect_story *story, char *to, size_t size) {
    struct text text = text_begin(to, size);
    if (story->ports > 0) {
        put_ports(&text, story);
        return text.length;
    }
    if (story->cause == HF_CAUSE_NONE)
        put(&text, "The kernel says: %s.", strerror(story->error));
    else
        put(&text, "%s: %s", hf_kernel_cause_name(story->cause),
            hf_kernel_cause_sentence(story->cause));
    if (story->icmp) {
        put(&text, " ICMP type %u code %u came from ", story->icmp_type, story->icmp_code);
        put_addr(&text, &story->icmp_from);
        put(&text, ".");
    } else if (story->error == ECONNREFUSED) {
        put(&text,
            " RST came from that address: its host (or a firewall in its name) is up, and nobody "
            "listens on the port. A full listener on Linux never refuses.");
    } else if (story->cause == HF_CAUSE_END_SYN_UNANSWERED) {
        put(&text,
            " The way to it is known: a host that is down behind a router, a firewall that drops, "
            "or a listener whose queue is full.");
    } else if (story->cause == HF_CAUSE_END_UNREACHABLE && story->mechanism == HF_CAUSE_BY_CALL) {
        put(&text, " No route on this machine leads there.");
    }
    if (story->syns > 0) put(&text, " %u SYNs were sent.", (unsigned)story->syns);
    return text.length;
}
