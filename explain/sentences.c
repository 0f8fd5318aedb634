/* Sentences of causes, trace records and ends: the rows of the .def files with their numbers filled
 * in. */
#include "explain.h"
#include <string.h>

static const char *const cause_sentences[] = {
#define HF_CAUSE_ROW(name, rfc, sentence) sentence,
#include <hf/cause.def>
#undef HF_CAUSE_ROW
};

static const char *const trace_sentences[] = {
#define HF_TRACE_ROW(name, sentence) sentence,
#include <hf/trace.def>
#undef HF_TRACE_ROW
};

static const struct {
    const char *words, *sentence;
} why_rows[] = {
#define HF_WHY_ROW(name, words, sentence) {words, sentence},
#include <hf/why.def>
#undef HF_WHY_ROW
};

/* Writes the value of one placeholder, "a", "b_ms" or "a_bytes". False if its name is none of
 * these. */
static bool put_placeholder(hfx_text *text, const char *name, size_t length, uint64_t a,
                            uint64_t b) {
    if (length == 0 || (name[0] != 'a' && name[0] != 'b')) return false;
    const uint64_t value = name[0] == 'a' ? a : b;
    const size_t unit = length - 1;
    if (unit == 0)
        hfx_text_count(text, value);
    else if (unit == 3 && memcmp(name + 1, "_ms", 3) == 0)
        hfx_text_duration(text, value * HF_MS);
    else if (unit == 6 && memcmp(name + 1, "_bytes", 6) == 0)
        hfx_text_bytes(text, value);
    else
        return false;
    return true;
}

static void put_sentence(hfx_text *text, const char *sentence, uint64_t a, uint64_t b) {
    while (*sentence) {
        const char *const end = *sentence == '{' ? strchr(sentence, '}') : NULL;
        if (end && put_placeholder(text, sentence + 1, (size_t)(end - sentence) - 1, a, b)) {
            sentence = end + 1;
        } else {
            hfx_text_char(text, *sentence++);
        }
    }
}

static void put_cause(hfx_text *text, hf_cause cause, uint64_t a, uint64_t b) {
    const bool known = (size_t)cause < HF_CAUSE_COUNT;
    put_sentence(text, known ? cause_sentences[cause] : "A cause that this program does not know.",
                 a, b);
}

size_t hf_explain_cause(hf_cause cause, uint64_t a, uint64_t b, char *to, size_t size) {
    hfx_text text = hfx_text_begin(to, size);
    put_cause(&text, cause, a, b);
    return text.length;
}

static const char *state_name(uint64_t state) {
    return state < HF_STATE_COUNT ? hf_state_name((hf_state)state) : "UNKNOWN";
}

size_t hf_explain_record(const hf_trace_record *record, char *to, size_t size) {
    hfx_text text = hfx_text_begin(to, size);
    switch ((hf_trace_event)record->event) {
    case HF_TRACE_STATE:
        hfx_text_put(&text, state_name(record->a));
        hfx_text_put(&text, " -> ");
        hfx_text_put(&text, state_name(record->b));
        break;
    case HF_TRACE_FRAME_SENT:
    case HF_TRACE_FRAME_IN:
    case HF_TRACE_NOTE: put_cause(&text, (hf_cause)record->cause, record->a, record->b); break;
    case HF_TRACE_TIMER_ARMED:
        hfx_text_put(&text, "Set for ");
        hfx_text_duration(&text, record->a * HF_MS);
        hfx_text_put(&text, ". ");
        put_cause(&text, (hf_cause)record->cause, 0, 0);
        break;
    case HF_TRACE_TIMER_FIRED:
        hfx_text_put(&text, "Ended. ");
        put_cause(&text, (hf_cause)record->cause, 0, 0);
        break;
    case HF_TRACE_END:
        put_cause(&text, (hf_cause)record->cause, 0, 0);
        hfx_text_char(&text, ' ');
        put_cause(&text, (hf_cause)record->a, 0, 0);
        break;
    case HF_TRACE_GAP:
    case HF_TRACE_COUNT:
        put_sentence(&text, trace_sentences[HF_TRACE_GAP], record->a, record->b);
        break;
    }
    return text.length;
}

static const char *short_name(hf_cause cause, const char *prefix) {
    const char *const name = hf_cause_name(cause);
    const size_t skip = strlen(prefix);
    return strncmp(name, prefix, skip) == 0 ? name + skip : name;
}

static void put_outcome(hfx_text *text, const hf_end *end) {
    const uint64_t lost = end->bytes_from_app - end->bytes_acked;
    if (end->bytes_from_app > 0) {
        hfx_text_put(text, " Of ");
        hfx_text_bytes(text, end->bytes_from_app);
        hfx_text_put(text, " given, ");
        hfx_text_count(text, end->bytes_acked);
        hfx_text_put(text, lost == 0 ? " were acknowledged: all." : " were acknowledged, ");
    }
    if (lost > 0) {
        hfx_text_count(text, lost);
        hfx_text_put(text, " not.");
    }
    if (end->bytes_unread > 0) {
        hfx_text_char(text, ' ');
        hfx_text_bytes(text, end->bytes_unread);
        hfx_text_put(text, " arrived and were never read.");
    }
}

/* The last ICMP error, which may be why, or at least where the packets went. */
static void put_icmp(hfx_text *text, const hf_end *end) {
    char router[48];
    if (end->icmp_type == 0 && end->icmp_code == 0) return;
    hfx_text_put(text, " ICMP type ");
    hfx_text_number(text, end->icmp_type);
    hfx_text_put(text, " code ");
    hfx_text_number(text, end->icmp_code);
    hfx_text_put(text, " came");
    if (!hf_addr_is_any(&end->router)) {
        hf_explain_addr(&end->router, router, sizeof router);
        hfx_text_put(text, " from ");
        hfx_text_put(text, router);
    }
    hfx_text_char(text, '.');
}

/* What speaks against an RST being the peer's. */
static void put_doubts(hfx_text *text, const hf_end_segment *segment) {
    if (segment->doubts == 0) return;
    hfx_text_put(text, " That RST is doubtful, a middlebox or a forger may have sent it:");
    if ((segment->doubts & HF_RST_TTL_UNLIKE) != 0) {
        hfx_text_put(text, " it came with TTL ");
        hfx_text_number(text, segment->ttl);
        hfx_text_put(text, ", the peer's segments with ");
        hfx_text_number(text, segment->usual_ttl);
        hfx_text_char(text, ';');
    }
    if ((segment->doubts & HF_RST_ACK_UNLIKE) != 0)
        hfx_text_put(text, " it acknowledges what was never sent, or long ago;");
    if ((segment->doubts & HF_RST_STAMP_UNLIKE) != 0)
        hfx_text_put(text, " its timestamps cannot be the peer's;");
    hfx_text_put(text, " its sequence number was exact.");
}

static const char *time_wait_words(hf_tw_holder holder) {
    switch (holder) {
    case HF_TW_NOBODY: return "";
    case HF_TW_US: return " TIME_WAIT is held here.";
    case HF_TW_PEER: return " TIME_WAIT is held by the peer.";
    case HF_TW_BOTH: return " TIME_WAIT is held by both.";
    }
    return "";
}

size_t hf_explain_end(const hf_end *end, char *to, size_t size) {
    hfx_text text = hfx_text_begin(to, size);
    hfx_text_put(&text, short_name(end->cause, "END_"));
    hfx_text_put(&text, " by ");
    hfx_text_put(&text, short_name(end->mechanism, "BY_"));
    hfx_text_put(&text, ": ");
    put_cause(&text, end->cause, 0, 0);
    if (end->cause == HF_CAUSE_END_PEER_SILENT && end->last_heard_ns > 0) {
        hfx_text_put(&text, " Last heard ");
        hfx_text_duration(&text, end->at_ns - end->last_heard_ns);
        hfx_text_put(&text, " ago.");
    }
    put_doubts(&text, &end->segment);
    put_icmp(&text, end);
    put_outcome(&text, end);
    hfx_text_put(&text, time_wait_words(end->time_wait));
    return text.length;
}

static void put_hex(hfx_text *text, uint32_t value) {
    static const char digits[] = "0123456789abcdef";
    bool begun = false;
    for (int shift = 12; shift >= 0; shift -= 4) {
        const uint32_t digit = (value >> shift) & 15;
        begun = begun || digit != 0 || shift == 0;
        if (begun) hfx_text_char(text, digits[digit]);
    }
}

static uint32_t group_of(const hf_addr *addr, int i) {
    return (uint32_t)addr->bytes[2 * i] << 8 | addr->bytes[2 * i + 1];
}

/* The first longest run of two or more zero groups, which RFC 5952 4.2 writes as "::". */
static void longest_zeros(const hf_addr *addr, int *ret_start, int *ret_length) {
    *ret_start = 8;
    *ret_length = 1;
    for (int i = 0; i < 8; i++) {
        int run = 0;
        while (i + run < 8 && group_of(addr, i + run) == 0) run++;
        if (run <= *ret_length) continue;
        *ret_start = i;
        *ret_length = run;
    }
}

static void put_addr6(hfx_text *text, const hf_addr *addr) {
    int zeros, length;
    longest_zeros(addr, &zeros, &length);
    for (int i = 0; i < 8; i++) {
        if (i == zeros) {
            hfx_text_put(text, "::");
            i += length - 1;
            continue;
        }
        if (i > 0 && i != zeros + length) hfx_text_char(text, ':');
        put_hex(text, group_of(addr, i));
    }
}

size_t hf_explain_addr(const hf_addr *addr, char *to, size_t size) {
    hfx_text text = hfx_text_begin(to, size);
    if (hf_addr_is4(addr)) {
        for (int i = 12; i < 16; i++) {
            if (i > 12) hfx_text_char(&text, '.');
            hfx_text_number(&text, addr->bytes[i]);
        }
    } else {
        put_addr6(&text, addr);
    }
    return text.length;
}

/* ---- Why is nothing sent? ---- */

/* The reason that took most of the time among those that took less than `below_ns`, or came later. */
static int next_reason(const hf_not_sending *why, int before) {
    int best = -1;
    for (int i = 0; i < HF_WHY_COUNT; i++) {
        const hf_ns ns = why->for_ns[i];
        const bool told =
            before >= 0 && (ns > why->for_ns[before] || (ns == why->for_ns[before] && i <= before));
        if (ns > 0 && !told && (best < 0 || ns > why->for_ns[best])) best = i;
    }
    return best;
}

size_t hf_explain_why(const hf_not_sending *why, char *to, size_t size) {
    hfx_text text = hfx_text_begin(to, size);
    const bool known = (size_t)why->why < HF_WHY_COUNT;
    hfx_text_put(&text, known ? why_rows[why->why].sentence : "A reason that is not known here.");
    if (!why->accounted) return text.length;
    hfx_text_put(&text, " Of ");
    hfx_text_duration(&text, why->total_ns);
    int at = -1;
    for (int count = 0; (at = next_reason(why, at)) >= 0; count++) {
        hfx_text_put(&text, count == 0 ? ": " : ", ");
        hfx_text_duration(&text, why->for_ns[at]);
        hfx_text_char(&text, ' ');
        hfx_text_put(&text, why_rows[at].words);
    }
    hfx_text_char(&text, '.');
    return text.length;
}
