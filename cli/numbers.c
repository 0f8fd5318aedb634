#include "cli/numbers.h"
#include "doctor/sums.h"
#include <hf/explain.h>
#include <hf/ladder.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { INDENT = 2, WIDTH = 80, DAY_S = 86400 };

/* ---- Reading ---- */

static const struct {
    const char *name;
    double seconds;
} units[] = {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"min", 60},
             {"s", 1},     {"h", 3600},  {"d", DAY_S}};

/* strtod would also take "inf", "nan" and hexadecimal. */
static bool read_decimal(const char **at, double *ret) {
    if (**at < '0' || **at > '9' || (*at)[1] == 'x') return false;
    char *end;
    *ret = strtod(*at, &end);
    *at = end;
    return true;
}

/* "1min 30s"; 0 needs no unit. */
static bool read_duration(const char *text, double *ret) {
    double sum_s = 0;
    if (strcmp(text, "0") == 0) return *ret = 0, true;
    if (*text == 0) return false;
    while (*text) {
        double part;
        size_t unit = 0;
        if (!read_decimal(&text, &part)) return false;
        while (unit < 7 && strncmp(text, units[unit].name, strlen(units[unit].name)) != 0) unit++;
        if (unit == 7) return false;
        sum_s += part * units[unit].seconds;
        text += strlen(units[unit].name);
        text += strspn(text, " ");
    }
    *ret = sum_s;
    return true;
}

static bool read_rate(const char *text, double *ret) {
    static const struct {
        const char *name;
        double per_s;
    } rates[] = {{"/s", 1}, {"/min", 1.0 / 60}, {"/h", 1.0 / 3600}};
    double count;
    if (!read_decimal(&text, &count)) return false;
    for (size_t i = 0; i < 3; i++)
        if (strcmp(text, rates[i].name) == 0) return *ret = count * rates[i].per_s, true;
    return false;
}

static bool read_count(const char *text, double *ret) {
    return read_decimal(&text, ret) && *text == 0 && floor(*ret) == *ret;
}

static bool read_switch(const char *text, double *ret) {
    static const char *const words[] = {"0", "off", "no", "1", "on", "yes"};
    for (size_t i = 0; i < 6; i++)
        if (strcmp(text, words[i]) == 0) return *ret = i >= 3, true;
    return false;
}

static const struct {
    bool (*read)(const char *text, double *ret);
    const char *what;
} kinds[] = {
    [NUMBER_DURATION] = {read_duration,
                         "duration; write a number with its unit (ns us ms s min h d), as in 10s"},
    [NUMBER_COUNT] = {read_count, "whole number"},
    [NUMBER_RATE] = {read_rate, "rate; write it as in 1000/s (/s /min /h)"},
    [NUMBER_SWITCH] = {read_switch, "switch; write on or off"}};

bool number_read(const number_rule *rule, const char *text, double *ret_value, char *why,
                 size_t size) {
    double value;
    if (!kinds[rule->kind].read(text, &value)) {
        snprintf(why, size, "%s = %s is no %s", rule->name, text, kinds[rule->kind].what);
        return false;
    }
    if (!(value >= rule->least && value <= rule->most)) {
        const char *const unit = rule->kind == NUMBER_DURATION ? "s"
                                 : rule->kind == NUMBER_RATE   ? "/s"
                                                               : "";
        snprintf(why, size, "%s = %s is out of range; give %.10g%s to %.10g%s", rule->name, text,
                 rule->least, unit, rule->most, unit);
        return false;
    }
    *ret_value = value;
    return true;
}

/* ---- Writing ---- */

typedef struct words {
    char text[64];
} words;

/* "255 ms", "23.5 s", "924.6 s (15 min 25 s)", "2 h". */
static words time_words(double seconds) {
    words ret;
    char minutes[32];
    if (seconds < 0) return snprintf(ret.text, sizeof ret.text, "never"), ret;
    if (seconds < 1) return snprintf(ret.text, sizeof ret.text, "%.4g ms", seconds * 1e3), ret;
    if (seconds < 100) return snprintf(ret.text, sizeof ret.text, "%.3g s", seconds), ret;
    hf_explain_duration((hf_ns)(round(seconds) * 1e9), minutes, sizeof minutes);
    if (seconds >= 7200) return snprintf(ret.text, sizeof ret.text, "%s", minutes), ret;
    snprintf(ret.text, sizeof ret.text, "%.5g s", round(seconds * 10) / 10);
    if (seconds > 120) {
        const size_t length = strlen(ret.text);
        snprintf(ret.text + length, sizeof ret.text - length, " (%s)", minutes);
    }
    return ret;
}

static words count_words(double count) {
    words ret;
    hf_explain_count((uint64_t)count, ret.text, sizeof ret.text);
    return ret;
}

#define T(seconds) time_words(seconds).text
#define N(count) count_words(count).text

/* One paragraph, wrapped; of "name:   text" the further lines stand below the text. */
__attribute__((format(printf, 2, 3))) static void say(FILE *to, const char *format, ...) {
    char text[1200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    hf_print_wrapped(to, text, INDENT, WIDTH);
}

/* ---- keepalive ---- */

enum {
    KA_IDLE,
    KA_INTERVAL,
    KA_COUNT,
    KA_USER_TIMEOUT,
    KA_RTO_MAX,
    KA_RETRIES,
    KA_RTO,
    KA_WRITE_EVERY,
    KA_CLOSED,
    KA_SYN_RETRIES
};

static void say_idle(FILE *to, const double *v, const sum_keepalive *with) {
    say(to, "idle:          %s after the last packet heard; %s counting how late timers are.",
        T(sum_idle_nominal(with)), T(sum_idle(with)));
    if (v[KA_USER_TIMEOUT] > 0)
        say(to, "               The user timeout overrides the count: the first tick of idle + n x "
                "interval (n at least 1) at which it is over ends the connection.");
    else
        say(to, "               idle + count x interval = %s + %.0f x %s", T(v[KA_IDLE]),
            v[KA_COUNT], T(v[KA_INTERVAL]));
}

/* A writer's writes decide whether probes can run out before one comes. */
static void say_writer(FILE *to, const double *v, double idle_death_s) {
    const double every_s = v[KA_WRITE_EVERY];
    if (every_s == 0) return;
    if (every_s <= v[KA_IDLE]) {
        say(to,
            "writing:       a write each %s is answered before idle = %s is over: no probe is "
            "ever sent, and after a cut the next write is in flight. What counts is below.",
            T(every_s), T(v[KA_IDLE]));
    } else if (every_s <= idle_death_s - v[KA_IDLE]) {
        say(to,
            "writing:       a write each %s stops the probes before they have run out: what "
            "counts is below.",
            T(every_s));
    } else {
        say(to,
            "writing:       with a write each %s the moment of the cut decides. Cut in the first "
            "%s after a write, keepalive tells it: %s to %s after the cut. Cut in the last %s "
            "before one, the write stops the probes: what counts is below. In between, either.",
            T(every_s), T(fmax(every_s - idle_death_s, 0)), T(idle_death_s - v[KA_IDLE]),
            T(idle_death_s), T(idle_death_s - v[KA_IDLE]));
    }
}

static void say_in_flight(FILE *to, const double *v, const sum_retries *with) {
    say(to, "in flight:     %s after the first write that stays unanswered%s.",
        T(sum_in_flight(with)),
        v[KA_WRITE_EVERY] > 0 ? "; that write comes up to one period after the cut" : "");
    if (v[KA_USER_TIMEOUT] > 0) {
        say(to,
            "               user timeout %s, counted from the first retransmission: 2 x RTO later "
            "than the write.",
            T(v[KA_USER_TIMEOUT]));
        return;
    }
    const unsigned doublings = sum_doublings(with);
    say(to,
        "               The oldest data goes again each RTO, %s doubling up to %s; the kernel "
        "gives up at the first RTO that ends %s after the first retransmission: 0.2 s x %.0f "
        "+ %.0f x %s.",
        T(with->rto_s), T(with->rto_max_s), T(sum_nominal(with)), ldexp(2, (int)doublings) - 1,
        v[KA_RETRIES] - doublings, T(with->rto_max_s));
    say(to, "               Keepalive does nothing meanwhile.");
}

static void say_zero_window(FILE *to, const double *v, const sum_retries *with) {
    if (v[KA_USER_TIMEOUT] > 0) {
        say(to,
            "zero window:   %s after the window closed, and a peer that lives and only does not "
            "read is ended just the same.",
            T(sum_zero_window(with, 0)));
        return;
    }
    say(to,
        "zero window:   %s after the window closed, if the peer vanishes %s after that: %.0f "
        "unanswered window probes, each wait twice the last, %s at most. A peer that lives and "
        "does not read: never.",
        T(sum_zero_window(with, v[KA_CLOSED])), T(v[KA_CLOSED]), v[KA_RETRIES], T(with->rto_max_s));
}

static void keepalive_numbers(FILE *to, const double *v) {
    const sum_keepalive idle = {v[KA_IDLE], v[KA_INTERVAL], (unsigned)v[KA_COUNT],
                                v[KA_USER_TIMEOUT]};
    const sum_retries data = {v[KA_RTO], v[KA_RTO_MAX], (unsigned)v[KA_RETRIES],
                              v[KA_USER_TIMEOUT]};
    const sum_connect syn = {(unsigned)v[KA_SYN_RETRIES], 4, v[KA_RTO_MAX], v[KA_USER_TIMEOUT]};
    say(to, "When a peer that vanishes is noticed:");
    fputc('\n', to);
    say_idle(to, v, &idle);
    say_writer(to, v, sum_idle_nominal(&idle));
    say_in_flight(to, v, &data);
    say_zero_window(to, v, &data);
    say(to, "connecting:    %s after connect(); see `holdfast answer connect`.",
        T(sum_connect_gives_up(&syn)));
    say(to, "hung process:  never: its kernel answers for it.");
}

/* ---- connect ---- */

static void connect_numbers(FILE *to, const double *v) {
    const sum_connect with = {(unsigned)v[0], (unsigned)v[1], v[2], v[3]};
    char times[400] = "";
    for (unsigned i = 0; sum_syn_at(&with, i) >= 0 && i < 32; i++) {
        const size_t length = strlen(times);
        snprintf(times + length, sizeof times - length, "%s%.4g", i > 0 ? ", " : "",
                 sum_syn_at(&with, i));
    }
    say(to,
        "A silent peer: connect() fails with ETIMEDOUT %s after the call; %s counting how late "
        "timers are.",
        T(sum_connect_nominal(&with)), T(sum_connect_gives_up(&with)));
    say(to, "SYNs at:  %s s", times);
    if (with.user_timeout_s > 0) say(to, "The user timeout ends it, whatever the retries say.");
    say(to, "Refused:  one round trip.  No route: at once.  A neighbour that does not answer ARP: "
            "about 3 s, 39 s while its entry is fresh.");
}

/* ---- half-established ---- */

static void say_kinds(FILE *to, const sum_burst *burst, double synack_retries) {
    const double lives_s = sum_syn_received((unsigned)synack_retries);
    if (burst->queued > 0)
        say(to, "queued:    %.0f. Established at both ends; data is acknowledged, nobody reads it.",
            burst->queued);
    if (burst->syn_received > 0)
        say(to,
            "SYN_RECV:  %.0f. connect() returned 0. The server drops the last ACK and all data, "
            "repeats its SYN-ACK %.0f times and forgets the handshake after %s without a word%s; "
            "the next retransmission draws RST.",
            burst->syn_received, synack_retries, T(lives_s),
            lives_s > 7 ? " (some after about 7 s)" : "");
    if (burst->cookies > 0)
        say(to,
            "cookie:    %.0f. connect() returned 0 and the server knows nothing of it. Data is "
            "dropped while the cookie is good (up to 120 s), then draws RST: after 129 to 152 s.",
            burst->cookies);
    if (burst->unanswered > 0)
        say(to,
            "SYN_SENT:  %.0f. The SYN was dropped; connect() fails after 134 s, unless a place "
            "frees itself before.",
            burst->unanswered);
}

static void half_numbers(FILE *to, const double *v) {
    const sum_burst burst = sum_overflow(v[0], v[1], v[2], v[3] != 0);
    say(to,
        "listen(fd, %.0f) on Linux holds %.0f; %.0f wait already and nobody accepts. Of %.0f that "
        "connect in one burst, with a round trip longer than the burst:",
        v[0], v[0] + 1, v[1], v[2]);
    fputc('\n', to);
    say_kinds(to, &burst, v[4]);
    fputc('\n', to);
    say(to, "To hold them all: listen() with at least %.0f, and net.core.somaxconn no less.",
        fmax(v[1] + v[2] - 1, 0));
}

/* ---- time-wait ---- */

enum { TW_SOCKETS, TW_IN_USE, TW_EVERY, TW_TIME_WAIT };

static void say_refusals(FILE *to, const sum_table *with, double places) {
    const double passes = sum_table_passes(with);
    if (passes < 0) {
        say(to, "first refusal:  none; %s in TIME_WAIT fit into %s.", N(sum_table_needs(with)),
            N(places));
        return;
    }
    if (places == 0) {
        say(to, "first refusal:  the first connection; nothing is left for TIME_WAIT.");
        return;
    }
    const double full_s = passes * with->every_s, refused_s = with->time_wait_s - full_s;
    say(to,
        "first refusal:  after %s connections, %s after the first; then RST for %s (%s refused) "
        "until the oldest TIME_WAIT ends; then the same again, each %s.",
        N(passes), T(full_s), T(refused_s), N(ceil(refused_s / with->every_s - 1e-9)),
        T(with->time_wait_s));
}

static void say_ways_out(FILE *to, const sum_table *with, double places) {
    const double needs = sum_table_needs(with);
    fputc('\n', to);
    say(to, "Three ways out that keep TIME_WAIT and need no linger:");
    say(to, "1. more:        %s sockets instead of %s (%s in TIME_WAIT + %s in use).",
        N(needs + with->in_use), N(with->sockets), N(needs), N(with->in_use));
    if (places > 0)
        say(to,
            "2. slower:      one each %s. A client that waits for its answer is slowed by "
            "answering that late.",
            T(with->time_wait_s / places));
    say(to,
        "3. elsewhere:   let the client close first, and the same %s wait at the client; or on "
        "a stack whose TIME_WAIT is a table of its own, %s entries of at most 48 bytes: %s "
        "bytes, and no socket.",
        N(needs), N(needs), N(needs * 48));
    if (places > 0)
        say(to, "   (Not a way: a TIME_WAIT of %s or less would end the refusals, and the guard.)",
            T(places * with->every_s));
}

static void time_wait_numbers(FILE *to, const double *v) {
    const sum_table with = {v[TW_SOCKETS], v[TW_IN_USE], v[TW_EVERY], v[TW_TIME_WAIT]};
    const double places = fmax(with.sockets - with.in_use, 0);
    say(to, "places:         %s = %s sockets - %s in use", N(places), N(with.sockets),
        N(with.in_use));
    say(to, "load:           one each %s for %s: %s in TIME_WAIT at once", T(with.every_s),
        T(with.time_wait_s), N(sum_table_needs(&with)));
    say_refusals(to, &with, places);
    if (places > 0)
        say(to, "sustainable:    %.3g a second = %s places / %s, one each %s",
            places / with.time_wait_s, N(places), T(with.time_wait_s),
            T(with.time_wait_s / places));
    if (sum_table_passes(&with) >= 0) say_ways_out(to, &with, places);
}

/* ---- backlog ---- */

enum { BL_RATE, BL_STALL, BL_RTT, BL_SERVE, BL_BACKLOG };

static void say_less(FILE *to, const double *v, double need) {
    const double over = need - (v[BL_BACKLOG] + 1);
    if (over <= 0) {
        say(to,
            "listen(fd, %.0f) holds %.0f: enough for one such stall, if net.core.somaxconn is no "
            "less.",
            v[BL_BACKLOG], v[BL_BACKLOG] + 1);
        return;
    }
    say(to,
        "listen(fd, %.0f) holds %.0f on Linux: it is full %s into the stall, and %s of the %s that "
        "come meanwhile find no place:",
        v[BL_BACKLOG], v[BL_BACKLOG] + 1, T((v[BL_BACKLOG] + 1) / v[BL_RATE]), N(ceil(over)),
        N(need));
    say(to, "Linux:         the SYN, or the ACK, is dropped without a word. The client tries again "
            "after 1, 2, 3 s; with SYN cookies its connect() succeeds and what it sends is lost if "
            "it has closed by then. Nobody is refused.");
    say(to, "RST stacks:    Windows and the BSDs answer RST (published, not measured here): "
            "\"connection refused\".");
    say(to, "Holdfast:      when_full decides. COOKIE: SYN-ACK, then RST if no place is left. "
            "REFUSE: RST. IGNORE: the client's SYN comes again. Each is counted, and raises an "
            "event that names the peer.");
}

static void backlog_numbers(FILE *to, const double *v) {
    const double need = ceil(v[BL_RATE] * (v[BL_STALL] + v[BL_RTT]) - 1e-9);
    const double served = v[BL_SERVE] > 0 ? 1 / v[BL_SERVE] : 0;
    say(to, "needed:        %s places = %.10g/s x (stall %s + round trip %s)", N(need), v[BL_RATE],
        T(v[BL_STALL]), T(v[BL_RTT]));
    if (served > 0 && served < v[BL_RATE]) {
        say(to,
            "               But one takes %s to serve, %.4g a second at most: the queue grows by "
            "%.4g a second for good. No backlog suffices; 4,096 places are full after %s.",
            T(v[BL_SERVE]), served, v[BL_RATE] - served, T(4096 / (v[BL_RATE] - served)));
    }
    if (served > 0 && served < v[BL_RATE]) return;
    fputc('\n', to);
    say_less(to, v, need);
}

/* ---- All ---- */

static const numbers all[] = {
    {"backlog",
     {{"rate", NUMBER_RATE, 0.001, 1e7},
      {"stall", NUMBER_DURATION, 0, DAY_S},
      {"rtt", NUMBER_DURATION, 0, 60},
      {"serve", NUMBER_DURATION, 0, 3600},
      {"backlog", NUMBER_COUNT, 0, 1e6}},
     backlog_numbers},
    {"connect",
     {{"syn_retries", NUMBER_COUNT, 1, 127},
      {"linear", NUMBER_COUNT, 0, 127},
      {"rto_max", NUMBER_DURATION, 1, 120},
      {"user_timeout", NUMBER_DURATION, 0, 30 * DAY_S}},
     connect_numbers},
    {"half-established",
     {{"backlog", NUMBER_COUNT, 0, 1e6},
      {"waiting", NUMBER_COUNT, 0, 1e6},
      {"clients", NUMBER_COUNT, 1, 1e6},
      {"syncookies", NUMBER_SWITCH, 0, 1},
      {"synack_retries", NUMBER_COUNT, 0, 16}},
     half_numbers},
    {"keepalive",
     {{"idle", NUMBER_DURATION, 1, 32767},
      {"interval", NUMBER_DURATION, 1, 32767},
      {"count", NUMBER_COUNT, 1, 127},
      {"user_timeout", NUMBER_DURATION, 0, 30 * DAY_S},
      {"rto_max", NUMBER_DURATION, 1, 120},
      {"retries", NUMBER_COUNT, 1, 255},
      {"rto", NUMBER_DURATION, 0.2, 120},
      {"write_every", NUMBER_DURATION, 0, DAY_S},
      {"window_closed", NUMBER_DURATION, 0, DAY_S},
      {"syn_retries", NUMBER_COUNT, 1, 127}},
     keepalive_numbers},
    {"time-wait",
     {{"sockets", NUMBER_COUNT, 1, 1e9},
      {"in_use", NUMBER_COUNT, 0, 1e9},
      {"every", NUMBER_DURATION, 1e-6, DAY_S},
      {"time_wait", NUMBER_DURATION, 0.001, DAY_S}},
     time_wait_numbers},
};

const numbers *numbers_of(const char *page) {
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i].page, page) == 0) return &all[i];
    return NULL;
}

size_t numbers_count(const numbers *of) {
    size_t count = 0;
    while (count < NUMBERS_MOST && of->rules[count].name) count++;
    return count;
}
